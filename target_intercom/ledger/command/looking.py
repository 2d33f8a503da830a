"""What a run would find in a ledger; the ledger is only read."""

from __future__ import annotations

import enum
import os
import stat
import typing as t
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import text

from target_intercom.errors import LedgerError
from target_intercom.ledger.command.summaries import StreamSummary, summaries
from target_intercom.ledger.runs.streams import objects_of_streams
from target_intercom.ledger.store.database import check_whole, parsed, shown
from target_intercom.ledger.store.migrations import STEPS, check_steps, is_ledger, tell_objects_apart
from target_intercom.ledger.store.read_only import ReadOnlyLedger, is_there
from target_intercom.ledger.store.tables import ENTRIES

if t.TYPE_CHECKING:
    from collections.abc import Mapping

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
    objects: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By workspace: what the records of each stream are, as far as that is known."""


def look(place: str | Path | None) -> LedgerLook:
    """Return what a run would find in the ledger at a place."""
    if place is None:
        return LedgerLook(None, LedgerState.NONE)
    said = str(place) if isinstance(place, Path) else None
    try:
        said = shown(parsed(place))
        with closing(ReadOnlyLedger(place)) as ledger:
            return _look(ledger)
    except LedgerError as error:
        return LedgerLook(said, LedgerState.UNUSABLE, message=str(error))


def cannot_hold(folder: Path) -> str | None:
    """Return why files cannot be made in a folder, which may not be there yet; None: they can."""
    for there in (folder.absolute(), *folder.absolute().parents):
        try:
            is_folder = stat.S_ISDIR(there.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return str(error)
        if not is_folder:
            return f"{there} is not a folder"
        return None if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written"
    return f"{folder} is nowhere"


def _look(ledger: ReadOnlyLedger) -> LedgerLook:
    if ledger.file is not None and not is_there(ledger.file):
        trouble = cannot_hold(ledger.file.parent)
        if trouble is not None:
            raise LedgerError(f"The ledger ({ledger.shown}) cannot be opened: {trouble}")
        return LedgerLook(ledger.shown, LedgerState.NEW)
    return ledger.read(partial(_looked, ledger))


def _looked(ledger: ReadOnlyLedger, connection: Connection) -> LedgerLook:
    check_whole(connection, ledger.shown)
    is_new = not is_ledger(connection)
    _check_writable(connection, ledger, is_new=is_new)
    if is_new:
        return LedgerLook(ledger.shown, LedgerState.NEW)
    done = check_steps(connection, ledger.shown)
    state = LedgerState.READY if len(done) == len(STEPS) else LedgerState.OLDER
    if tell_objects_apart.__name__ not in done:
        return LedgerLook(ledger.shown, state, len(done))
    streams, objects = tuple(summaries(connection)), objects_of_streams(connection)
    return LedgerLook(ledger.shown, state, len(done), streams, objects=objects)


def _check_writable(connection: Connection, ledger: ReadOnlyLedger, *, is_new: bool) -> None:
    """Check whether a run could write, without a write.

    Raises:
        LedgerError: it could not.
    """
    if ledger.file is not None:
        if not (os.access(ledger.file, os.W_OK) and cannot_hold(ledger.file.parent) is None):
            raise LedgerError(f"The ledger ({ledger.shown}) cannot be written: check the folder's permissions")
        return
    may = (
        "has_schema_privilege(current_schema(), 'CREATE')"
        if is_new
        else f"has_table_privilege('{ENTRIES.name}', 'INSERT')"
    )
    if not connection.scalar(text(f"SELECT NOT pg_is_in_recovery() AND {may}")):
        raise LedgerError(f"The ledger ({ledger.shown}) cannot be written: check what the database's user may do there")
