"""What speaks against settings, held against a workspace or a stream: a run and its check say it in one voice. Pure."""

from __future__ import annotations

import difflib
import json
import shlex
import typing as t

from target_intercom.errors import StreamRefusedError
from target_intercom.settings.config import RemovalMode, SyncMode
from target_intercom.singer.schemas import is_open

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_intercom.intercom.protocol import Workspace
    from target_intercom.model import Json
    from target_intercom.settings.config import Config, StreamConfig

_SEVERAL: t.Final = 2


def unwritable(why: object) -> str:
    """Say that the folder of the report is of no use."""
    return f"Setting 'data_dir' names a folder that cannot be written: {why}"


def lies_elsewhere(config: Config, workspace: Workspace) -> str | None:
    """Say that the workspace lies in another region than the settings say; None: it does not, or nobody knows."""
    region = config.region.value
    if config.api_url is not None or not workspace.region or workspace.region.lower() == region:
        return None
    return f"The workspace lies in region {workspace.region.lower()!r}, and 'region' is {region!r}: change it"


def is_nameless(workspace: Workspace) -> str | None:
    """Say that a ledger cannot tell whose workspace it is; None: it can."""
    if workspace.id:
        return None
    return (
        "Intercom does not say whose workspace it is (GET /me names no app), and a ledger is of one workspace: set "
        "'ledger_url' to \"none\""
    )


def is_no_snapshot(stream: str, own: StreamConfig, *, is_incremental: bool) -> StreamRefusedError | None:
    """Say that a stream does not carry its whole table, as its settings want; None: it may."""
    if not (own.snapshot and is_incremental):
        return None
    message = (
        f"Stream '{stream}' is incremental (it has bookmark_properties): a record that is missing from "
        "a run has not changed. Take 'snapshot' out, or let the tap replicate it as FULL_TABLE"
    )
    return StreamRefusedError(stream, message)


def holds_position(stream: str, position: str) -> str:
    """Return the warning that a stream turned out to be incremental; `position`: the part of its bookmark."""
    return (
        f"Stream '{stream}' is incremental (its bookmark in STATE holds a position, '{position}'): "
        "nothing is removed as missing from it"
    )


def snapshot_is_idle(stream: str, own: StreamConfig) -> str | None:
    """Say that nobody is removed who left a snapshot, by its mode; None: it is otherwise."""
    if not own.snapshot or own.sync_mode is SyncMode.SYNC:
        return None
    return f"Stream '{stream}': 'snapshot' removes nobody in mode '{own.sync_mode.value}'; 'sync_mode' 'sync' does"


def sync_removes_nobody(stream: str, config: Config) -> str | None:
    """Say that a stream in `sync` mode removes nobody, by the percentage; None: it is otherwise."""
    own = config.stream(stream)
    if own.sync_mode is not SyncMode.SYNC or own.is_limited:
        return None
    return f"Stream '{stream}': 'max_removal_percent' is 0: nobody is removed"


def knows_no_earlier_run(streams: Collection[str], config: Config) -> str | None:
    """Return the warning that marks see the records of this run alone, where several streams name contacts."""
    if len(streams) < _SEVERAL or not any(config.stream(stream).is_limited for stream in streams):
        return None
    return (
        "The ledger knows of no earlier run, and several streams load contacts: a record that is marked as deleted "
        "removes its contact unless a record of this run names it. Records that earlier runs loaded are not known"
    )


def is_one_more(stream: str, other: str) -> StreamRefusedError:
    """Refuse a stream of contacts without an entry, where another goes without one already."""
    message = f"{_has_no_entry(stream)}: '{other}' does. {_is_about_people(stream)}"
    return StreamRefusedError(stream, message)


def is_one_more_than_known(stream: str, others: Sequence[str]) -> StreamRefusedError:
    """Refuse a stream of contacts without an entry, where the ledger knows others without one."""
    names = ", ".join(f"'{other}'" for other in others)
    forget = " or ".join(f"python -m target_intercom.ledger forget {shlex.quote(other)}" for other in others)
    message = (
        f"{_has_no_entry(stream)}: the ledger knows {names}. If that is the same stream by its old name: {forget}. "
        f"{_is_about_people(stream)}"
    )
    return StreamRefusedError(stream, message)


def may_be_meant(stream: str, setting: str, name: str) -> StreamRefusedError:
    """Refuse a stream of contacts that a setting may mean, by which its records would make nobody."""
    message = (
        f"Stream '{stream}' has no entry in 'streams', and may be meant by setting '{setting}': there is no stream "
        f"'{name}'. If so, mend the name there. {_is_about_people(stream)}"
    )
    return StreamRefusedError(stream, message)


def _has_no_entry(stream: str) -> str:
    return f"Stream '{stream}' has no entry in 'streams', and only one stream of contacts may go without"


def _is_about_people(stream: str) -> str:
    return f"If its records are contacts, add {json.dumps(stream, ensure_ascii=False)}: {{}} to 'streams'"


def has_no_stream(setting: str, name: str, names: Sequence[str], renamed: str | None) -> str:
    """Return the warning that a setting names a missing stream. `renamed`: the name that stream maps give to it."""
    near = [renamed] if renamed is not None else difflib.get_close_matches(name, names, n=1)
    known = ", ".join(f"'{one}'" for one in names) or "none"
    hint = f"Did you mean '{near[0]}'?" if near else f"The streams are: {known}"
    return f"Setting '{setting}' has no effect: there is no stream '{name}'. {hint}"


def may_be_cut_off(stream: str, missing: str) -> str:
    """Return the warning that a stream may have been cut off; `missing`: what would say otherwise."""
    return (
        f"Stream '{stream}': the tap did not say that it is complete ({missing}; see docs/removals.md): nothing is "
        "removed as missing from it"
    )


def has_unreadable_key(stream: str) -> str:
    """Return the warning that a refused record may be any record of a stream."""
    return (
        f"Stream '{stream}': the key of a refused record cannot be read, and it may be any record of the stream: "
        "nothing is removed as missing from it"
    )


def was_shared(stream: str) -> str:
    """Return the warning that a run was not alone with a stream."""
    return f"Stream '{stream}': another run worked on it, too: nothing is removed as missing from it"


def stay_for_old_records(stream: str, other: str, count: int, last_run: str | None) -> str:
    """Return the warning that contacts stay for records that no run brings any more.

    `last_run`: when the other stream last ran; None: it is one of this run, and the records did not come.
    """
    why = (
        f"Stream '{stream}': {count} contacts that it no longer names stay, because records of stream '{other}' of "
        "earlier runs name them"
    )
    if last_run is None:
        return f"{why}, which did not come in this run"
    return f"{why} (it last ran at {last_run}). {_let_go_of(other)}"


def links_stay_for_old_records(other: str, links: str, last_run: str) -> str:
    """Return the warning that so many tags stay on contacts for records that no run brings any more."""
    return (
        f"{links} that this run would take off stay, because records of stream '{other}' of earlier runs want "
        f"them (it last ran at {last_run}). {_let_go_of(other)}"
    )


def _let_go_of(stream: str) -> str:
    command = f"python -m target_intercom.ledger forget {shlex.quote(stream)}"
    return f"If it was renamed or is not loaded any more, `{command}` lets go of it"


def stay_after_merge(stream: str, count: int) -> str:
    """Return the warning that contacts stay which only a merge made those of missing records."""
    return (
        f"Stream '{stream}': {count} contacts that are missing from it stay: they are survivors of merges in Intercom, "
        "into which the records' own contacts went"
    )


def removes_who_is_named(stream: str, other: str, count: int, mode: RemovalMode) -> str:
    """Return the warning that orders remove contacts that another stream will bring again."""
    again = "are brought back" if mode is RemovalMode.ARCHIVE else "are rejected"
    return (
        f"Stream '{stream}' removes {count} contacts that records of stream '{other}' still name: when these come "
        f"again, they {again}"
    )


def could_not_be_removed(stream: str) -> str:
    """Return the warning that Intercom refused to remove missing contacts."""
    return f"Stream '{stream}': contacts that are missing from it could not be removed; the next run tries again"


def is_in_no_stream(prop: str) -> str:
    """Say that a mapped property is nowhere."""
    return f"Setting 'mappings' names the property '{prop}', which no stream has"


def came_without_streams() -> str:
    """Return what to say of a run that saw no SCHEMA."""
    return (
        "the tap sent no stream, and nothing was loaded. Most taps send what their catalog selects: put "
        '"selected": true into the metadata of each stream there'
    )


def is_no_schema(stream: str) -> StreamRefusedError:
    """Refuse a stream whose schema is none; of an object nothing is refused, whatever draft it is of."""
    return StreamRefusedError(stream, f"Stream '{stream}': its schema is no JSON object")


def names_nothing(stream: str, schema: Mapping[str, Json], *, has_own_mappings: bool) -> StreamRefusedError | None:
    """Refuse a stream of which nobody names a property: not its plain schema, its key or its mappings."""
    if schema["properties"] or not is_open(schema) or has_own_mappings:
        return None
    message = (
        f"Stream '{stream}': its SCHEMA names no properties, and it has no key_properties. If its records have an "
        f'identifier, map it for this stream: \'streams\': {{"{stream}": {{"mappings": {{"PROPERTY": '
        '"external_id"}}}'
    )
    return StreamRefusedError(stream, message)


def is_in_doubt(stream: str, names: Sequence[str], wanted: str, setting: str) -> str:
    """Return the warning that several properties may be the wanted one; `setting` is where to name the right one."""
    quoted = ", ".join(f"'{name}'" for name in names)
    return (
        f"Stream '{stream}': properties {quoted} are left out: names are compared without case, and each of them may "
        f"be '{wanted}'. Name the right one in '{setting}'"
    )


def is_taken(stream: str, name: str, wanted: str) -> str:
    """Return the warning that a property is taken for one of almost the same name."""
    return (
        f"Stream '{stream}': property '{name}' is taken for '{wanted}': names are compared without case, and with "
        "blanks and hyphens as '_'"
    )


def is_left_out(attribute: str, reason: str) -> str:
    """Say that nothing is written into a custom attribute."""
    return f"Attribute '{attribute}' is left out: {reason}"


def is_not_made(attribute: str) -> str:
    """Say that a custom attribute is missing and stays so."""
    return f"Attribute '{attribute}' does not exist in Intercom and 'create_attributes' is false: it is left out"
