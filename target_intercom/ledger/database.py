"""Opening the ledger's database, and what its errors mean."""

from __future__ import annotations

import os
import random
import stat
import time
import typing as t
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from target_intercom.errors import LedgerError, redact
from target_intercom.ledger.migrations import migrate

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

_T = t.TypeVar("_T")

_LOCKED_SECONDS = 20
"""How long a write waits for another process that writes to the same SQLite file."""
_CONNECT_SECONDS = 10
_MIGRATION_LOCK = 7_240_139_585
"""Any number that nobody else uses: only one process at a time changes the tables of a PostgreSQL ledger."""
_COLLISIONS: t.Final = frozenset(["40001", "40P01"])
"""PostgreSQL's states for a transaction that met another and has to be repeated."""
_MOST_REPEATS = 6


class Database:
    """The ledger's database: SQLite or PostgreSQL, opened and of this version."""

    def __init__(self, place: str | Path) -> None:
        """Open the ledger at a URL, or in an SQLite file.

        Raises:
            LedgerError: it cannot be reached or used; the message says why, and no password.
        """
        self.url = _parsed(place) if isinstance(place, str) else URL.create("sqlite", database=str(place))
        self.shown = self.url.render_as_string(hide_password=True)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _owned(Path(self.url.database or ""), self.shown)
        with self.errors():
            self.engine = _engine(self.url)
        try:
            self._prepare()
        except BaseException:
            self.engine.dispose()
            raise
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reading."""
        with self.errors(), self._reading.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work in one transaction, again when it collides with another process's."""
        for attempt in range(_MOST_REPEATS):
            try:
                with self.errors(), self.engine.begin() as connection:
                    return work(connection)
            except LedgerError as error:
                if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) not in _COLLISIONS:
                    raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)
        with self.errors(), self.engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the database's errors into ours: what is wrong, with which ledger, and what to do."""
        try:
            yield
        except DBAPIError as error:
            raise LedgerError(f"The ledger ({self.shown}) {_meaning(error)}") from error
        except (SQLAlchemyError, UnicodeError) as error:
            raise LedgerError(f"The ledger ({self.shown}) cannot be used: {type(error).__name__}") from error

    def _prepare(self) -> None:
        def prepare(connection: Connection) -> None:
            if self.is_sqlite:
                found = connection.scalar(text("PRAGMA quick_check(1)"))
                if found != "ok":
                    raise LedgerError(f"The ledger ({self.shown}) {_DAMAGED}")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            migrate(connection)

        self.write(prepare)


_DAMAGED = (
    "is damaged, or no ledger: restore it, or move it away. A new one costs a search for every 75 records, and no "
    "contact; until a whole run has filled it, nobody who left a snapshot is removed"
)
_UNREACHABLE = "cannot be reached: check 'ledger_url', the network and the database"
_SQLITE_MEANINGS: t.Final = (
    (("database is locked", "database table is locked"), "is locked by another process: wait for it, or end it"),
    (("file is not a database", "database disk image is malformed", "malformed database schema"), _DAMAGED),
    (
        ("attempt to write a readonly database", "database or disk is full", "disk i/o error", "unable to open"),
        "cannot be written: check the folder's permissions and the free space",
    ),
)
"""SQLite's messages (sqlite.org/rescode.html): Python has told the codes only since 3.11."""


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerError("Setting 'ledger_url' is no SQLAlchemy URL, such as sqlite:///ledger.db") from None
    return parsed if parsed.drivername == "sqlite" else parsed.set(drivername="postgresql+psycopg")


def _engine(url: URL) -> Engine:
    # Parameters are record keys and identifiers: personal data, which no error may quote.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _LOCKED_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "target-intercom"},
        )
    except ModuleNotFoundError:
        raise LedgerError("A ledger in PostgreSQL needs its driver: install 'target-intercom[postgres]'") from None


def _prepare_sqlite(connection: t.Any, _record: object) -> None:
    """Take transactions into our own hands (the driver would begin none before DDL), and make them safe.

    With WAL, readers do not wait for a writer; FULL, a commit is on disk when it returns: an intent has to be.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        # Not the deferred BEGIN: a transaction that turns from reading to writing would not wait for its turn.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _owned(path: Path, shown: str) -> None:
    """Make the file readable by its owner only; SQLite gives the files beside it the same permissions."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerError(f"The ledger ({shown}) cannot be opened: {error.strerror}") from None
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)


def _meaning(error: DBAPIError) -> str:
    """Say what a database error means, in the first line of the driver's words: the others may quote values."""
    words = str(error.orig).strip().splitlines()
    said = redact(words[0]) if words else type(error.orig).__name__
    for texts, meaning in _SQLITE_MEANINGS:
        if said.lower().startswith(texts):
            return f"{meaning} ({said})"
    # The driver's class says it, also where PostgreSQL sends no state because no connection came about.
    meaning = _UNREACHABLE if isinstance(error, OperationalError) else "cannot be used"
    return f"{meaning} ({said})"
