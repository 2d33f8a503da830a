"""A ledger that is only read: no file is made beside it, no table migrated."""

from __future__ import annotations

import sqlite3
import typing as t
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from target_intercom.errors import LedgerError
from target_intercom.ledger.database import CANNOT_BE_OPENED, engine_of, errors_of, parsed, shown

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

_BUSY_SECONDS = 20.0


@contextmanager
def reading(place: str | Path) -> Iterator[Connection]:
    """Give a connection that cannot write, and sees a PostgreSQL ledger as it was at one moment.

    Raises:
        LedgerError: it cannot be reached or read; the message is a run's.
    """
    url = parsed(place)
    with errors_of(shown(url)):
        engine = _engine(url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def file_of(place: str | Path) -> Path | None:
    """Give the file of an SQLite ledger; None: it is in another database."""
    url = parsed(place)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def is_there(path: Path) -> bool:
    """Tell whether there is such a file.

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


def is_open(path: Path) -> bool:
    """Tell whether a process has an SQLite file open, or was killed while it had."""
    return Path(f"{path}-wal").exists()


def written(path: Path) -> object:
    """Give what is another after somebody has written to an SQLite file, or begun to."""
    with suppress(OSError, ValueError):
        known = path.stat()
        return known.st_mtime_ns, known.st_size, is_open(path)
    return None


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True, "stream_results": True}
        return engine_of(url).execution_options(**options)
    path = Path(url.database or "")
    return create_engine("sqlite://", creator=lambda: _opened(path), hide_parameters=True, poolclass=NullPool)


def _opened(path: Path) -> sqlite3.Connection:
    """Open an SQLite file, without leaving anything beside it.

    In WAL mode even a reader makes files beside the database (sqlite.org/wal.html, "read-only databases"), unless it is
    said to be immutable: which it is while nobody has it open.
    """
    if not path.is_file():
        # SQLite's words for a folder blame the disk.
        raise sqlite3.OperationalError("unable to open database file")
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if is_open(path) else '&immutable=1'}"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)
