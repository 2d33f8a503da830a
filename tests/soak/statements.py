"""SQL that is compiled once for all runs of this process: a ledger's engine is a run's own, and compiles it anew."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

COMPILED: dict[Any, Any] = {}


class AnySQLite(SQLiteDialect_pysqlite):
    """SQLite of one version: statements compiled for one engine are those of any."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


@contextmanager
def compiled_once() -> Iterator[None]:
    """Have the engines that are made meanwhile share what they have compiled."""
    registry.register("sqlite", __name__, AnySQLite.__name__)
    event.listen(Engine, "engine_connect", _share)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", _share)
        registry.register("sqlite", SQLiteDialect_pysqlite.__module__, SQLiteDialect_pysqlite.__name__)


def _share(connection: Connection) -> None:
    if isinstance(connection.dialect, AnySQLite):
        connection.execution_options(compiled_cache=COMPILED)
