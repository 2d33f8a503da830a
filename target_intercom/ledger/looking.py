"""A look at a ledger that changes nothing: no file is made, no table migrated."""

from __future__ import annotations

import enum
import os
import stat
import typing as t
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from target_intercom.errors import LedgerError
from target_intercom.ledger.database import DAMAGED, parsed, shown
from target_intercom.ledger.migrations import STEPS, check_steps, create_memberships, is_ledger
from target_intercom.ledger.read_only import file_of, is_there, reading, written
from target_intercom.ledger.reading import StreamSummary, summaries
from target_intercom.ledger.tables import ENTRIES

if t.TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection


class LedgerState(str, enum.Enum):
    """What a run would find."""

    NONE = "none"
    """`ledger_url` is `none`."""
    NEW = "new"
    """It is not there yet, and the first run makes it."""
    READY = "ready"
    OLDER = "older"
    """The next run brings it to this version."""
    UNUSABLE = "unusable"
    """The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class LedgerLook:
    """What a look at a ledger shows."""

    place: str | None
    """Without a login; None: there is none."""
    state: LedgerState
    steps: int = 0
    """How many steps of migration it has had."""
    streams: tuple[StreamSummary, ...] | None = None
    """Of all workspaces; None: not known."""
    message: str | None = None


def look(place: str | Path | None) -> LedgerLook:
    """Look at a ledger."""
    if place is None:
        return LedgerLook(None, LedgerState.NONE)
    said = str(place) if isinstance(place, Path) else None
    try:
        said = shown(parsed(place))
        return _twice(_Look(place), said)
    except LedgerError as error:
        return LedgerLook(said, LedgerState.UNUSABLE, message=str(error))


def cannot_hold(folder: Path) -> str | None:
    """Say why files cannot be made in a folder, which may not be there yet; None: they can."""
    for there in (folder.absolute(), *folder.absolute().parents):
        try:
            is_folder = stat.S_ISDIR(there.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return str(error)
        if not is_folder:
            return f"{there} is no folder"
        return None if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written"
    return f"{folder} is nowhere"


class _Look:
    """Opens a ledger for reading, each time anew."""

    def __init__(self, place: str | Path) -> None:
        """Nothing is opened yet."""
        self._place = place
        self.file = file_of(place)

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection that cannot write."""
        return reading(self._place)


def _twice(ledger: _Look, said: str) -> LedgerLook:
    """Look, and once more where somebody has begun to write meanwhile: an unlocked look may have been at half of it."""
    before = None if ledger.file is None else written(ledger.file)
    try:
        return _looked(ledger, said)
    except LedgerError:
        if ledger.file is None or written(ledger.file) == before:
            raise
    return _looked(ledger, said)


def _looked(ledger: _Look, said: str) -> LedgerLook:
    if ledger.file is not None and not is_there(ledger.file):
        trouble = cannot_hold(ledger.file.parent)
        if trouble is not None:
            raise LedgerError(f"The ledger ({said}) cannot be opened: {trouble}")
        return LedgerLook(said, LedgerState.NEW)
    with ledger.reading() as connection:
        if ledger.file is not None and connection.scalar(text("PRAGMA quick_check(1)")) != "ok":
            raise LedgerError(f"The ledger ({said}) {DAMAGED}")
        is_new = not is_ledger(connection)
        _check_writable(connection, ledger, said, is_new=is_new)
        if is_new:
            return LedgerLook(said, LedgerState.NEW)
        done = check_steps(connection, said)
    state = LedgerState.READY if len(done) == len(STEPS) else LedgerState.OLDER
    streams = tuple(summaries(ledger)) if create_memberships.__name__ in done else None
    return LedgerLook(said, state, len(done), streams)


def _check_writable(connection: Connection, ledger: _Look, said: str, *, is_new: bool) -> None:
    """Tell whether a run could write, without a write.

    Raises:
        LedgerError: it could not.
    """
    if ledger.file is not None:
        if not (os.access(ledger.file, os.W_OK) and cannot_hold(ledger.file.parent) is None):
            raise LedgerError(f"The ledger ({said}) cannot be written: check the folder's permissions")
        return
    may = (
        "has_schema_privilege(current_schema(), 'CREATE')"
        if is_new
        else f"has_table_privilege('{ENTRIES.name}', 'INSERT')"
    )
    if not connection.scalar(text(f"SELECT NOT pg_is_in_recovery() AND {may}")):
        raise LedgerError(f"The ledger ({said}) cannot be written: check what the database's user may do there")
