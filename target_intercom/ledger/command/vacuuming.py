"""Makes a ledger smaller: forgets what is of no use any more, and returns its space to the disk."""

from __future__ import annotations

import typing as t
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text

from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.locks import lock_name, sweep_files
from target_intercom.ledger.store.tables import METADATA, STREAMS

if t.TYPE_CHECKING:
    from sqlalchemy import Connection

_RUN: t.Final = "vacuum"


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What a ledger lost; sizes are in bytes."""

    keys: int
    """Keys of removed records."""
    locks: int
    """Lock files of streams that the ledger does not know."""
    before: int
    after: int


def vacuum(place: str | Path) -> Vacuumed:
    """Forget in all workspaces what is kept for a stated time (docs/ledger.md), and rewrite the database's file.

    Raises:
        LedgerError: another process works on the ledger for longer than this one waits.
    """
    with closing(Database(place)) as database:
        with database.reading() as connection:
            before = _size(connection)
            streams = connection.execute(select(STREAMS.c.workspace, STREAMS.c.stream)).all()
        keys = 0
        for workspace in sorted({row.workspace for row in streams}):
            with closing(SqlLedger(database, workspace, _RUN)) as ledger:
                keys += ledger.delete_old()
        names = [lock_name(row.workspace, row.stream) for row in streams]
        locks = sweep_files(Path(database.url.database or ""), names) if database.is_sqlite else 0
        with database.reading() as connection:
            _rewrite(connection, is_sqlite=database.is_sqlite)
            after = _size(connection)
    return Vacuumed(keys, locks, before, after)


def _rewrite(connection: Connection, *, is_sqlite: bool) -> None:
    if is_sqlite:
        connection.execute(text("VACUUM"))
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return
    for table in METADATA.sorted_tables:
        # Not FULL, which runs would wait for: the space is used again.
        connection.execute(text(f"VACUUM (ANALYZE) {table.name}"))


def _size(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        return int(connection.scalar(text(pages)) or 0)
    sizes = "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) AS name"
    names = [table.name for table in METADATA.sorted_tables]
    return int(connection.scalar(text(sizes), {"names": names}) or 0)
