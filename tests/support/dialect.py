"""One SQLite dialect for all runs that a process of the tests makes.

SQLAlchemy keeps what it compiled for an engine and its dialect, and every run opens its ledger with new ones: a quarter
of the time of a small run went into statements that the run before it had compiled as well. A run that is a process of
its own has SQLAlchemy's own dialect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine


class OneDialect(SQLiteDialect_pysqlite):
    """SQLite's dialect, of which there is one: its engines share what any of them has compiled."""

    supports_statement_cache = True
    _is_set_up = False
    _one: ClassVar[OneDialect | None] = None
    _compiled: ClassVar[dict[Any, Any]] = {}

    def __new__(cls, **_settings: Any) -> OneDialect:  # noqa: PYI034 - there is no class below it
        """Return the one dialect."""
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __init__(self, **settings: Any) -> None:
        """Set it up, the first time."""
        if not self._is_set_up:
            super().__init__(**settings)
            self._is_set_up = True

    @classmethod
    def get_dialect_cls(cls, url: URL) -> type[OneDialect]:
        """Stand in for SQLite's own, whatever the URL."""
        del url
        return cls

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Share with an engine what was compiled for those before it."""
        engine.update_execution_options(compiled_cache=cls._compiled)


def use_one_dialect() -> None:
    """Have every SQLite engine of this process use it from now on."""
    registry.register("sqlite", __name__, OneDialect.__name__)
