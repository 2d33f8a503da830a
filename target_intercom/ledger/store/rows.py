"""The rows of one of the ledger's tables."""

from __future__ import annotations

import time
import typing as t
from functools import lru_cache

from sqlalchemy import func, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.many import execute_many

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import ColumnCollection, ColumnElement, Connection, FromClause, Insert, Table

    from target_intercom.ledger.store.database import Database
    from target_intercom.model import RecordKey

    Columns: t.TypeAlias = ColumnCollection[str, t.Any]
    _NewInsert: t.TypeAlias = Callable[[Table], sqlite.Insert | postgresql.Insert]


class Rows:
    """A table's rows of one workspace, in one run."""

    def __init__(self, database: Database, workspace: str, run: str, table: Table) -> None:
        """Work on an open database; `run` is this run's id."""
        self._database = database
        self._workspace = workspace
        self._run = run
        self._table = table
        self._insert: _NewInsert = sqlite.insert if database.is_sqlite else postgresql.insert

    def seen(self) -> dict[str, object]:
        """Return the columns of a record that came, in this run and now."""
        return {"seen_in": self._run, "seen_at": stamp(time.time())}

    def came(self, table: FromClause | None = None) -> ColumnElement[bool]:
        """Return the condition for the rows whose records came in this run: that is told by the run, not by a clock."""
        return func.coalesce((self._table if table is None else table).c.seen_in, "") == self._run

    def missing(self, version: int | None = None, table: FromClause | None = None) -> ColumnElement[bool]:
        """Return the condition for the rows whose records are missing from a complete stream.

        They did not come in this run, nor with the version that the stream's tap activated, where it names one.
        """
        if version is None:
            return ~self.came(table)
        known = (self._table if table is None else table).c.version
        return ~self.came(table) & or_(known.is_(None), known != version)

    def of(self, stream: str) -> tuple[ColumnElement[bool], ...]:
        """Return the condition for the rows of a stream."""
        return self._table.c.workspace == self._workspace, self._table.c.stream == stream

    def see(self, stream: str, keys: Collection[RecordKey], version: int | None) -> None:
        """Write that known records came again."""
        seen = self.seen()
        if version is not None:
            seen["version"] = version

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(keys)):
                where = (*self.of(stream), self._table.c.key.in_(chunk))
                connection.execute(update(self._table).where(*where).values(seen))

        if keys:
            self._database.write(work)

    def activate(self, stream: str, version: int) -> None:
        """Write the version of the records that came in this run: their tap named it only after them."""
        is_other = or_(self._table.c.version.is_(None), self._table.c.version != version)
        where = (*self.of(stream), self.came(), is_other)
        statement = update(self._table).where(*where).values(version=version)
        self._database.write(lambda connection: connection.execute(statement))

    def add(self, connection: Connection, row: Mapping[str, object]) -> bool:
        """Write a row where there is none of its key; returns whether there was none."""
        attempt = self._insert(self._table).values(row).on_conflict_do_nothing()
        return bool(connection.execute(attempt.execution_options(preserve_rowcount=True)).rowcount)

    def add_all(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Write rows where there are none of their keys."""
        connection.execute(self._insert(self._table).on_conflict_do_nothing(), rows)

    def put(
        self,
        connection: Connection,
        rows: Sequence[Mapping[str, object]],
        changing: Sequence[str],
        **decided: Callable[[Columns], ColumnElement[t.Any]],
    ) -> None:
        """Write rows; where there is a row of the same key, the columns in `changing` change.

        `decided` returns the new value of a column, from the row that is to be written.
        """
        if rows:
            upsert = _upsert(self._insert, self._table, tuple(changing), tuple(decided.items()))
            execute_many(connection, upsert, rows)


@lru_cache(maxsize=100)
def _upsert(
    new: _NewInsert,
    table: Table,
    changing: tuple[str, ...],
    decided: tuple[tuple[str, Callable[[Columns], ColumnElement[t.Any]]], ...],
) -> Insert:
    """Return the statement of `Rows.put`, the same one each time: so it is compiled once."""
    insert = new(table)
    changes: dict[str, ColumnElement[t.Any]] = {name: insert.excluded[name] for name in changing}
    if "version" in changes:
        # A run that ends before its tap names the version must not lose the one that was named before.
        changes["version"] = func.coalesce(insert.excluded.version, table.c.version)
    changes |= {name: decide(insert.excluded) for name, decide in decided}
    return insert.on_conflict_do_update(index_elements=table.primary_key, set_=changes)
