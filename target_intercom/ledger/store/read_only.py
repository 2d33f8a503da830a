"""A ledger that is only read: no file is made beside it, no table migrated."""

from __future__ import annotations

import sqlite3
import time
import typing as t
from contextlib import suppress
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from target_intercom.errors import LedgerError
from target_intercom.ledger.store.database import (
    CANNOT_BE_OPENED,
    LOCKED,
    LOCKED_SECONDS,
    check_whole,
    engine_of,
    errors_of,
    parsed,
    shown,
)
from target_intercom.ledger.store.migrations import STEPS, check_steps, is_ledger

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection, Engine

_T = t.TypeVar("_T")


class ReadOnlyLedger:
    """Reads a ledger, also while runs write to it."""

    def __init__(self, place: str | Path) -> None:
        """Nothing is opened yet.

        Raises:
            LedgerError: `place` is none that a ledger can have, or the database's driver is not installed.
        """
        url = parsed(place)
        self.shown = shown(url)
        """Its place, without a login."""
        self.file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        """Of an SQLite ledger; None: it is in another database."""
        self._had_lock = False
        """The SQLite file was opened with a lock: no process changes it while it is read."""
        with errors_of(self.shown):
            self._engine = self._made(url)

    def check(self) -> None:
        """Check that there is a ledger, and that it is of this version.

        Raises:
            LedgerError: it is not so; the message says what is, and what to do.
        """
        if self.file is not None and not is_there(self.file):
            raise LedgerError(f"There is no ledger: {self.file} does not exist")
        self.read(self._check)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work on a connection that cannot write, and sees a PostgreSQL ledger as it was at one moment.

        It is done again where somebody has begun to write to an SQLite file meanwhile: without a lock it may have been
        at half of what was written.

        Raises:
            LedgerError: the ledger cannot be reached or read; the message is a run's.
        """
        deadline = time.monotonic() + LOCKED_SECONDS
        while time.monotonic() < deadline:
            before = self._traces()
            try:
                found = self._read(work)
            except LedgerError:
                if self._is_settled(before):
                    raise
                continue
            if self._is_settled(before):
                return found
        raise LedgerError(f"The ledger ({self.shown}) {LOCKED}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _read(self, work: Callable[[Connection], _T]) -> _T:
        with errors_of(self.shown), self._engine.connect() as connection:
            return work(connection)

    def _traces(self) -> _Traces | None:
        return None if self.file is None else _traces(self.file)

    def _is_settled(self, before: _Traces | None) -> bool:
        """Check whether what was read since then is whole."""
        return self._had_lock or before == self._traces()

    def _made(self, url: URL) -> Engine:
        if self.file is None:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True, "stream_results": True}
            return engine_of(url).execution_options(**options)
        return create_engine("sqlite://", creator=self._opened, hide_parameters=True, poolclass=NullPool)

    def _opened(self) -> sqlite3.Connection:
        """Open an SQLite file, without leaving anything beside it.

        In WAL mode even a reader makes files beside the database (sqlite.org/wal.html, "read-only databases"), unless
        it is said to be immutable: which it is while nobody has it open.
        """
        if self.file is None or not self.file.is_file():
            # SQLite's words for a folder blame the disk.
            raise sqlite3.OperationalError("unable to open database file")
        self._had_lock = _is_open(self.file)
        uri = f"{self.file.absolute().as_uri()}?mode=ro{'' if self._had_lock else '&immutable=1'}"
        return sqlite3.connect(uri, uri=True, timeout=LOCKED_SECONDS)

    def _check(self, connection: Connection) -> None:
        check_whole(connection, self.shown)
        if not is_ledger(connection):
            raise LedgerError(f"There is no ledger in {self.shown}")
        if len(check_steps(connection, self.shown)) < len(STEPS):
            raise LedgerError(f"The ledger ({self.shown}) is of an older version; the next run brings it up to date")


def is_there(path: Path) -> bool:
    """Check whether there is such a file.

    Raises:
        LedgerError: its folder does not let anybody tell.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        raise LedgerError(f"The ledger ({path}) {CANNOT_BE_OPENED}") from None
    return True


class _Traces(t.NamedTuple):
    """What changes when a process writes to an SQLite file, or begins to."""

    changed_at: int
    size: int
    is_open: bool


def _traces(path: Path) -> _Traces | None:
    with suppress(OSError, ValueError):
        known = path.stat()
        return _Traces(known.st_mtime_ns, known.st_size, _is_open(path))
    return None


def _is_open(path: Path) -> bool:
    """Check whether a process has an SQLite file open, or was killed while it had."""
    return Path(f"{path}-wal").exists()
