"""Opening the ledger's database, and what its errors mean."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
import time
import typing as t
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import backoff
from sqlalchemy import URL, create_engine, event, make_url, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from target_intercom.errors import LedgerError, redact
from target_intercom.ledger.store.migrations import migrate
from target_intercom.ledger.store.tables import MIGRATIONS
from target_intercom.private_files import create

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

_T = t.TypeVar("_T")

LOCKED_SECONDS: t.Final = 20.0
"""How long a write waits for another process that writes to the same SQLite file."""
_CONNECT_SECONDS = 10
_MIGRATION_LOCK = 7_240_139_585
"""A number of this program: only one process at a time changes the tables of a PostgreSQL ledger."""
_COLLISIONS: t.Final = frozenset(["40001", "40P01"])
"""PostgreSQL's states for a transaction that met another and has to be repeated."""
_NO_CONNECTION: t.Final = ("08", "28", "3D", "57P")
"""PostgreSQL's states for: no connection, no such user, no such database, shut down; none where it did not answer."""
_MOST_TRIES = 7
_FIRST_PAUSE = 0.03
"""Seconds at most before the first repetition; each further one may wait twice as long."""


class _CollisionError(LedgerError):
    """A transaction met another's and was undone: it can be repeated."""


class Database:
    """The ledger's database: SQLite or PostgreSQL, opened and of this version."""

    def __init__(self, place: str | Path, *, said: str | None = None) -> None:
        """Open the ledger at a URL, or in an SQLite file; make one where there is none.

        `said` names it in messages where its place is not what a person knows.

        Raises:
            LedgerError: it cannot be reached or used; the message says why, and no password.
        """
        self.url = parsed(place)
        self.shown = shown(self.url) if said is None else said
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _own(Path(self.url.database or ""), self.shown)
        # SQLite has one writer at a time, and lets many that wait starve.
        self._turn = threading.Lock()
        with self.errors():
            self.engine = engine_of(self.url)
        try:
            self._prepare()
        except BaseException:
            self.engine.dispose()
            raise
        self._reading = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Return a connection for reading."""
        with self.errors(), self._reading.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work in one transaction, again when it collides with another process's. Safe from any thread."""

        @backoff.on_exception(backoff.expo, _CollisionError, max_tries=_MOST_TRIES, factor=_FIRST_PAUSE, logger=None)
        def attempt() -> _T:
            with self.errors(), self.engine.begin() as connection:
                if self.is_sqlite:
                    # Not the deferred BEGIN: a transaction that turns from reading to writing would not wait its turn.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                return work(connection)

        with self._turn if self.is_sqlite else nullcontext():
            return attempt()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def errors(self) -> AbstractContextManager[None]:
        """Turn the database's errors into ours."""
        return errors_of(self.shown)

    def _prepare(self) -> None:
        def prepare(connection: Connection) -> None:
            check_whole(connection, self.shown)
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            migrate(connection, self.shown)
            # A ledger that cannot be written is told before anything else is done.
            connection.execute(update(MIGRATIONS).values(name=MIGRATIONS.c.name))

        self.write(prepare)


DAMAGED = (
    "is damaged, or is not a ledger: restore it, or move it away. A new one costs a search for every 75 records, and "
    "makes no second contact; until a complete run has filled it, no contact is removed as missing"
)
LOCKED = "is locked by another process: wait for it, or end it"
CANNOT_BE_OPENED = "cannot be opened: check that it is a file, and the permissions"
_UNREACHABLE = "cannot be reached: check 'ledger_url', the network and the database"
_SQLITE_MEANINGS: t.Final = (
    (("database is locked", "database table is locked"), LOCKED),
    (("file is not a database", "database disk image is malformed", "malformed database schema"), DAMAGED),
    (("unable to open",), CANNOT_BE_OPENED),
    (
        ("attempt to write a readonly database", "database or disk is full", "disk i/o error"),
        "cannot be written: check the folder's permissions and the free space",
    ),
)
"""SQLite's messages (sqlite.org/rescode.html): Python has told the codes only since 3.11."""


def check_whole(connection: Connection, shown: str) -> None:
    """Check an SQLite file for damage; other databases do so themselves. `shown` names the ledger.

    Raises:
        LedgerError: it is damaged, or no database.
    """
    if connection.dialect.name == "sqlite" and connection.scalar(text("PRAGMA quick_check(1)")) != "ok":
        raise LedgerError(f"The ledger ({shown}) {DAMAGED}")


def parsed(place: str | Path) -> URL:
    """Read where a ledger is.

    Raises:
        LedgerError: it is no URL that a ledger can have.
    """
    if isinstance(place, Path):
        return URL.create("sqlite", database=str(place))
    url = place
    scheme, separator, rest = url.partition("://")
    try:
        parsed = make_url(scheme.lower() + separator + rest)
    except (ArgumentError, ValueError):
        raise LedgerError("Setting 'ledger_url' is not an SQLAlchemy URL, such as sqlite:///ledger.db") from None
    if parsed.get_backend_name() == "sqlite":
        if (parsed.database or "").startswith("file:"):
            raise LedgerError("Setting 'ledger_url' takes the plain path of an SQLite file, not a file: URI")
        return parsed
    if "@" in (parsed.host or ""):
        raise LedgerError("Setting 'ledger_url' is not clear: an @ in the password has to be written as %40")
    return parsed.set(drivername="postgresql+psycopg")


@contextmanager
def errors_of(said: str) -> Iterator[None]:
    """Turn a database's errors into ours: what is wrong, with which ledger, and what to do."""
    try:
        yield
    except DBAPIError as error:
        kind = _CollisionError if getattr(error.orig, "sqlstate", None) in _COLLISIONS else LedgerError
        raise kind(f"The ledger ({said}) {_meaning(error.orig, is_away=_is_away(error))}") from error
    except sqlite3.Error as error:
        raise LedgerError(f"The ledger ({said}) {_meaning(error)}") from error
    except (SQLAlchemyError, UnicodeError) as error:
        raise LedgerError(f"The ledger ({said}) cannot be used: {type(error).__name__}") from error


def shown(url: URL) -> str:
    """Name a ledger without anything of a login in it."""
    return str(URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database))


def engine_of(url: URL) -> Engine:
    """Return the engine of a ledger."""
    # Parameters are record keys and identifiers: personal data, which no error may quote.
    if url.get_backend_name() == "sqlite":
        waits = {} if "timeout" in url.query else {"timeout": LOCKED_SECONDS}
        engine = create_engine(url, hide_parameters=True, connect_args=waits)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "target-intercom",
                "keepalives_idle": 60,
            },
        )
    except ModuleNotFoundError:
        raise LedgerError(
            "A ledger in PostgreSQL needs its driver: install target-intercom with its extra 'postgres'"
        ) from None


def _prepare_sqlite(connection: t.Any, _record: object) -> None:
    """Take transactions into our own hands (the driver would begin none before DDL), and make them safe.

    A connection that only reads begins none: SQLAlchemy's AUTOCOMMIT would hand them back to the driver after a read.

    With WAL, readers do not wait for a writer; FULL, a commit is on disk when it returns: an intent has to be.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
    # Unlike everything else, the change to WAL does not wait for others that open the same new file.
    deadline = time.monotonic() + LOCKED_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.05))


def _own(path: Path, shown: str) -> None:
    """Make the file readable by its owner only, and what SQLite may have put beside it.

    A ledger may be a link to where its owner keeps it: SQLite, too, puts its files beside what the link leads to. One
    that is there is not opened: closing it would let go of the locks that this process holds on it.
    """
    try:
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(create(path))
    except OSError as error:
        raise LedgerError(f"The ledger ({shown}) cannot be opened: {error.strerror}") from None
    for one in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            if stat.S_IMODE(one.stat().st_mode) & 0o077:
                one.chmod(0o600)


def _meaning(error: BaseException | None, *, is_away: bool = False) -> str:
    """Return what a driver's error means, with the first line of its message: the others may quote values."""
    words = str(error).strip().splitlines()
    said = redact(words[0]) if words else type(error).__name__
    for texts, meaning in _SQLITE_MEANINGS:
        if said.lower().startswith(texts):
            return f"{meaning} ({said})"
    return f"{_UNREACHABLE if is_away else 'cannot be used'} ({said})"


def _is_away(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(error, OperationalError) and (state is None or state.startswith(_NO_CONNECTION))
