"""The locks of streams: many runs work on a stream, or one alone. They end with the process, however it ends."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import sqlite3
import time
import typing as t
from contextlib import suppress
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from target_intercom.errors import LedgerError, StreamBusyError
from target_intercom.private_files import ensure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from target_intercom.ledger.store.database import Database


_IS_LOCK: t.Final = re.compile("-[0-9a-f]{16}")
_TRIES = 5
_PAUSE = 0.1


class StreamLocks(t.Protocol):
    """The locks of one run; a stream is named with its workspace."""

    def take(self, name: str, *, alone: bool) -> bool:
        """Take a stream's lock, shared with others or alone; False when it cannot be had. It replaces one held."""

    def release(self, name: str) -> None:
        """Release one lock, if it is held."""

    def check(self) -> None:
        """Check that the locks that were taken are still held.

        Raises:
            LedgerError: it is not sure any more.
        """

    def close(self) -> None:
        """Release all locks."""


def lock_name(workspace: str, stream: str) -> str:
    """Return the name of a stream's lock."""
    return json.dumps([workspace, stream])


def locks_of(database: Database) -> StreamLocks:
    """Return the locks that go with a database."""
    if database.is_sqlite:
        return FileLocks(_stem(Path(database.url.database or "")))
    return AdvisoryLocks(database)


class FileLocks:
    """Locks of SQLite itself, on an empty database for each stream: the one file lock that every platform has."""

    def __init__(self, stem: Path) -> None:
        """Keep the files beside the ledger; `stem` is what their names begin with."""
        self._stem = stem
        self._held: dict[str, sqlite3.Connection] = {}

    def take(self, name: str, *, alone: bool) -> bool:
        """See `StreamLocks`."""
        self.release(name)
        connection = _lock(_lock_file(self._stem, name), alone=alone)
        if connection is None:
            return False
        self._held[name] = connection
        return True

    def release(self, name: str) -> None:
        """See `StreamLocks`."""
        held = self._held.pop(name, None)
        if held is not None:
            held.close()

    def check(self) -> None:
        """See `StreamLocks`: these locks are held as long as the process lives."""

    def close(self) -> None:
        """See `StreamLocks`."""
        for connection in self._held.values():
            connection.close()
        self._held.clear()


def sweep_files(ledger: Path, names: Iterable[str]) -> int:
    """Remove the lock files beside an SQLite ledger that are of none of these names, and that no run holds.

    Returns how many were removed.
    """
    stem = _stem(ledger)
    known = {_lock_file(stem, name) for name in names}
    removed = 0
    for path in sorted(stem.parent.glob(f"{glob.escape(stem.name)}-*")):
        if not _IS_LOCK.fullmatch(path.name[len(stem.name) :]) or path in known:
            continue
        with suppress(LedgerError):
            held = _lock(path, alone=True)
            if held is not None:
                # While it is held: a run that waits for it finds out that it is gone.
                path.unlink(missing_ok=True)
                held.close()
                removed += 1
    return removed


def _stem(ledger: Path) -> Path:
    """Return what the names of an SQLite ledger's lock files begin with."""
    return Path(f"{ledger}-lock")


def _lock_file(stem: Path, name: str) -> Path:
    return Path(f"{stem}-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}")


_FILE_TRIES: t.Final = 20
"""So often a lock file is tried that SQLite cannot use."""


def _lock(path: Path, *, alone: bool) -> sqlite3.Connection | None:
    """Lock a file; None: another process has it. Where it is swept away meanwhile, it is made anew."""
    failures = 0
    while True:
        try:
            # SQLite would make it readable by others, and follow a link.
            ensure(path)
        except FileNotFoundError:
            if path.parent.is_dir():
                continue
            raise LedgerError(f"The ledger's lock file {path} cannot be made: there is no such folder") from None
        except OSError as error:
            raise LedgerError(f"The ledger's lock file {path} cannot be made: {error.strerror}") from None
        before = _inode(path)
        try:
            connection = _lock_opened(path, alone=alone)
        except LedgerError:
            # A file that is made anew may have the number of the one that was swept away.
            failures += 1
            if before == _inode(path) and failures >= _FILE_TRIES:
                raise
            continue
        if connection is None or (before is not None and before == _inode(path)):
            return connection
        # What is locked is no file that anybody else finds.
        connection.close()


def _inode(path: Path) -> int | None:
    """Return which file is there; None: there is none."""
    with suppress(OSError):
        return path.stat().st_ino
    return None


def _lock_opened(path: Path, *, alone: bool) -> sqlite3.Connection | None:
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise LedgerError(f"The ledger's lock file {path} cannot be opened: {error}") from None
    try:
        # A read within a transaction holds SQLite's shared lock until the end (sqlite.org/lockingv3.html).
        connection.execute("BEGIN EXCLUSIVE" if alone else "BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            return None
        raise LedgerError(f"The ledger's lock file {path} cannot be used ({error}): remove it") from None
    return connection


class AdvisoryLocks:
    """PostgreSQL's advisory locks, held by a connection of their own; a pooler must not share it out by transaction."""

    def __init__(self, database: Database) -> None:
        """Connect when the first lock is taken."""
        self._database = database
        self._connection: Connection | None = None
        self._held: dict[str, bool] = {}

    def take(self, name: str, *, alone: bool) -> bool:
        """See `StreamLocks`."""
        connection = self._connected()
        with self._database.errors():
            self.release(name)
            if not self._call(connection, "pg_try_advisory_lock", name, alone=alone):
                return False
        self._held[name] = alone
        return True

    def release(self, name: str) -> None:
        """See `StreamLocks`."""
        if name in self._held:
            with self._database.errors():
                self._call(self._connected(), "pg_advisory_unlock", name, alone=self._held.pop(name))

    def check(self) -> None:
        """Check whether the connection is still the one that holds the locks."""
        if self._connection is None:
            return
        with self._database.errors():
            held = self._connection.scalar(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted")
            )
        if not isinstance(held, int) or held < len(self._held):
            raise LedgerError(f"The ledger ({self._database.shown}) has let go of this run's locks: run again")

    def close(self) -> None:
        """See `StreamLocks`."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                # The server notices a closed connection a moment later.
                self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None:
            with self._database.errors():
                self._connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    @staticmethod
    def _call(connection: Connection, function: str, name: str, *, alone: bool) -> bool:
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        shared = "" if alone else "_shared"
        return bool(connection.scalar(text(f"SELECT {function}{shared}(:number)"), {"number": number}))


def enter(locks: StreamLocks, name: str, stream: str, *, alone: bool) -> None:
    """Take a stream's lock.

    Raises:
        StreamBusyError: it cannot be had.
    """
    if locks.take(name, alone=alone):
        return
    for _ in range(0 if alone else _TRIES):
        # Another run may be alone with it for a moment only, to see whether anybody is there.
        time.sleep(_PAUSE)
        if locks.take(name, alone=False):
            return
    why = (
        "this run may remove what is missing from it, and another run works on it"
        if alone
        else "another run that may remove what is missing from it works on it"
    )
    raise StreamBusyError(f"Stream '{stream}' is busy: {why}. Run one after the other.")
