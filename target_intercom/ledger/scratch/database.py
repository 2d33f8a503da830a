"""A ledger that is thrown away: a copy of one, for a run that must not change it, or an empty one."""

from __future__ import annotations

import sqlite3
import typing as t
from contextlib import closing
from functools import partial

from sqlalchemy import insert, inspect, select

from target_intercom.ledger.scratch.folder import ScratchFolder
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.migrations import check_steps
from target_intercom.ledger.store.read_only import ReadOnlyLedger, is_there
from target_intercom.ledger.store.tables import (
    ENTRIES,
    FAILURES,
    INTENTS,
    MEMBERSHIPS,
    MIGRATIONS,
    RUNS,
    STREAMS,
    UNARCHIVED,
)

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Table

_PAGE = 5000
_COPIED: t.Final = (STREAMS, ENTRIES, MEMBERSHIPS, INTENTS, UNARCHIVED, FAILURES, RUNS)


class ScratchDatabase(Database):
    """An SQLite ledger in a folder of its own, readable by its owner only, that goes when it is closed."""

    def __init__(self, folder: Path, place: str | Path | None = None) -> None:
        """Make an empty one in `folder`, or a copy of the ledger at `place`, which is only read.

        A ledger that is not there yet is copied as an empty one.

        Raises:
            LedgerError: the ledger cannot be read, or a newer version has been at it.
        """
        self._folder = ScratchFolder(folder)
        path = self._folder.ledger
        try:
            if place is None:
                super().__init__(path)
                return
            with closing(ReadOnlyLedger(place)) as source:
                _copy(source, path)
                super().__init__(path, said=source.shown)
                if source.file is None:
                    source.read(partial(_copy_rows, self))
                self.write(_index_emails)
        except BaseException:
            self._folder.close()
            raise

    def close(self) -> None:
        """See `Database`."""
        super().close()
        self._folder.close()


def _index_emails(connection: Connection) -> None:
    """Add an index by which a dry run finds who has an email, for each batch of new contacts (`Ledger.users_with`)."""
    connection.exec_driver_sql(f"CREATE INDEX target_intercom_scratch_emails ON {ENTRIES.name} (workspace, email)")


def _copy(source: ReadOnlyLedger, target: Path) -> None:
    """Copy an SQLite ledger as it is at one moment."""
    if source.file is not None and is_there(source.file):
        source.read(partial(_copy_pages, target))


def _copy_pages(target: Path, connection: Connection) -> None:
    with closing(sqlite3.connect(target)) as copy:
        driver = t.cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.backup(copy)


def _copy_rows(scratch: Database, source: Connection) -> None:
    """Copy a ledger of another database."""
    there = set(inspect(source).get_table_names())
    if MIGRATIONS.name not in there:
        return
    check_steps(source, scratch.shown)
    for table in _COPIED:
        if table.name in there:
            _copy_table(source, table, scratch)


def _copy_table(source: Connection, table: Table, scratch: Database) -> None:
    has = {column["name"] for column in inspect(source).get_columns(table.name)}
    columns = [column for column in table.columns if column.name in has]
    for page in source.execute(select(*columns)).mappings().partitions(_PAGE):
        scratch.write(partial(_insert, table, [dict(row) for row in page]))


def _insert(table: Table, rows: Sequence[Mapping[str, object]], connection: Connection) -> None:
    connection.execute(insert(table), rows)
