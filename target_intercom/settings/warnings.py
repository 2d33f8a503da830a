"""Warnings and refusals that a run and its check share: when settings do not fit a workspace or stream. Pure."""

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

    from target_intercom.intercom.protocol.workspace import Workspace
    from target_intercom.model import Json
    from target_intercom.settings.config import Config, StreamConfig

_SEVERAL: t.Final = 2


def unwritable_folder(why: object) -> str:
    """Return the error that the folder of the report cannot be written."""
    return f"Setting 'data_dir' names a folder that cannot be written: {why}"


def wrong_region(config: Config, workspace: Workspace) -> str | None:
    """Return the error that the workspace is in another region; None: it is not, or its region is not known."""
    region = config.region.value
    if config.api_url is not None or not workspace.region or workspace.region.lower() == region:
        return None
    return f"The workspace is in region {workspace.region.lower()!r}, but 'region' is {region!r}: change the setting"


def nameless_workspace(workspace: Workspace) -> str | None:
    """Return the error that a ledger does not know the workspace; None: it has an id."""
    if workspace.id:
        return None
    return (
        "Intercom does not name the workspace (GET /me has no app), and a ledger belongs to one workspace: set "
        "'ledger_url' to \"none\""
    )


def incremental_snapshot(stream: str, own: StreamConfig, *, is_incremental: bool) -> StreamRefusedError | None:
    """Return the error that a snapshot does not carry its complete table; None: it may."""
    if not (own.snapshot and is_incremental):
        return None
    message = (
        f"Stream '{stream}' is incremental (it has bookmark_properties): a record that is missing from "
        "a run has not changed. Take 'snapshot' out, or let the tap replicate it as FULL_TABLE"
    )
    return StreamRefusedError(stream, message)


def incremental_bookmark(stream: str, position: str) -> str:
    """Return the warning that a stream turned out to be incremental; `position`: the part of its bookmark."""
    return (
        f"Stream '{stream}' is incremental (its bookmark in STATE holds a position, '{position}'): "
        "nothing is removed as missing from it"
    )


def idle_snapshot(stream: str, own: StreamConfig) -> str | None:
    """Return the warning that the mode of a snapshot removes nothing that is missing; None: it does."""
    if not own.snapshot or own.sync_mode is SyncMode.SYNC:
        return None
    return f"Stream '{stream}': 'snapshot' removes nothing in mode '{own.sync_mode.value}'; 'sync_mode' 'sync' does"


def removals_turned_off(stream: str, config: Config) -> str | None:
    """Return the warning that `max_removal_percent` keeps a stream from removing anything; None: it does not."""
    own = config.stream(stream)
    if own.sync_mode is not SyncMode.SYNC or own.is_limited:
        return None
    return f"Stream '{stream}': 'max_removal_percent' is 0: nothing is removed"


def no_earlier_run(streams: Collection[str], config: Config) -> str | None:
    """Return the warning that records of earlier runs do not keep contacts from being removed; None: no need for it."""
    if len(streams) < _SEVERAL or not any(config.stream(stream).is_limited for stream in streams):
        return None
    return (
        "The ledger knows of no earlier run, and several streams load contacts: a record that is marked as deleted "
        "removes its contact unless a record of this run names it. Records that earlier runs loaded are not known"
    )


def changed_object(stream: str, known: str | None, given: str) -> StreamRefusedError | None:
    """Return the error that a stream's records are of another object than those that the ledger has of it, if any."""
    if known in {None, given}:
        return None
    message = (
        f"Stream '{stream}': 'object' is '{given}', and the ledger has it as '{known}'. Correct it in 'streams'; or "
        f"make the ledger forget the stream: python -m target_intercom.ledger forget {shlex.quote(stream)}"
    )
    return StreamRefusedError(stream, message)


def stream_without_entry(stream: str, other: str) -> StreamRefusedError:
    """Return the error that a second stream of contacts has no entry."""
    message = f"{_has_no_entry(stream)}: '{other}'. {_is_about_people(stream)}"
    return StreamRefusedError(stream, message)


def stream_unknown_to_ledger(stream: str, others: Sequence[str]) -> StreamRefusedError:
    """Return the error that a stream of contacts has no entry, while the ledger knows another one without."""
    names = ", ".join(f"'{other}'" for other in others)
    forget = " or ".join(f"python -m target_intercom.ledger forget {shlex.quote(other)}" for other in others)
    message = (
        f"{_has_no_entry(stream)}: the ledger knows {names}. If that is the same stream by its old name: {forget}. "
        f"{_is_about_people(stream)}"
    )
    return StreamRefusedError(stream, message)


def maybe_misnamed_stream(stream: str, setting: str, name: str) -> StreamRefusedError:
    """Return the error that a setting may mean a stream of contacts: by that setting, it would make no contacts."""
    message = (
        f"Stream '{stream}' has no entry in 'streams', and may be meant by setting '{setting}': there is no stream "
        f"'{name}'. If so, correct the name there. {_is_about_people(stream)}"
    )
    return StreamRefusedError(stream, message)


def _has_no_entry(stream: str) -> str:
    return f"Stream '{stream}' has no entry in 'streams', and only one stream of contacts needs none"


def _is_about_people(stream: str) -> str:
    return f"If its records are contacts, add {json.dumps(stream, ensure_ascii=False)}: {{}} to 'streams'"


def missing_stream(setting: str, name: str, names: Sequence[str], renamed: str | None) -> str:
    """Return the warning that a setting names a stream that did not come. `renamed`: its name after stream maps."""
    near = [renamed] if renamed is not None else difflib.get_close_matches(name, names, n=1)
    known = ", ".join(f"'{one}'" for one in names) or "none"
    hint = f"Did you mean '{near[0]}'?" if near else f"The streams are: {known}"
    return f"Setting '{setting}' has no effect: there is no stream '{name}'. {hint}"


def maybe_incomplete(stream: str, missing: str) -> str:
    """Return the warning that a stream may be incomplete; `missing`: the sign of its completeness that did not come."""
    return (
        f"Stream '{stream}': the tap did not say that it is complete ({missing}; see docs/removals.md): nothing is "
        "removed as missing from it"
    )


def unreadable_key(stream: str) -> str:
    """Return the warning that a refused record may be any record of a stream."""
    return (
        f"Stream '{stream}': the key of a refused record cannot be read, and it may be any record of the stream: "
        "nothing is removed as missing from it"
    )


def shared_stream(stream: str) -> str:
    """Return the warning that a run was not alone with a stream."""
    return f"Stream '{stream}': another run worked on it, too: nothing is removed as missing from it"


def contacts_of_old_records(stream: str, other: str, count: int, last_run: str | None, plural: str = "contacts") -> str:
    """Return the warning that contacts stay because of records that come in no run any more.

    `last_run`: when the other stream last ran; None: it is one of this run, and the records did not come.
    """
    why = (
        f"Stream '{stream}': {count} {plural} that it no longer names stay, because records of stream '{other}' of "
        "earlier runs name them"
    )
    if last_run is None:
        return f"{why}, which did not come in this run"
    return f"{why} (it last ran at {last_run}). {_let_go_of(other)}"


def links_stay_for_old_records(other: str, links: str, last_run: str) -> str:
    """Return the warning that links (such as `3 tags`) stay because of records that come in no run any more."""
    return (
        f"{links} that this run would take off stay, because records of stream '{other}' of earlier runs want "
        f"them (it last ran at {last_run}). {_let_go_of(other)}"
    )


def _let_go_of(stream: str) -> str:
    command = f"python -m target_intercom.ledger forget {shlex.quote(stream)}"
    return f"If it was renamed or is not loaded any more, `{command}` makes the ledger forget it"


def contacts_of_merges(stream: str, count: int) -> str:
    """Return the warning that contacts of missing records stay, because only a merge made them the records'."""
    return (
        f"Stream '{stream}': {count} contacts that are missing from it stay: they are survivors of merges in Intercom, "
        "into which the records' own contacts went"
    )


def removes_named_contacts(stream: str, other: str, count: int, mode: RemovalMode, plural: str = "contacts") -> str:
    """Return the warning that a stream removes contacts which records of another stream name."""
    again = "are brought back" if mode is RemovalMode.ARCHIVE else "are rejected"
    return (
        f"Stream '{stream}' removes {count} {plural} that records of stream '{other}' still name: when these "
        f"records come again, the {plural} {again}"
    )


def missing_in_use(stream: str, count: int, plural: str) -> str:
    """Return the warning that missing objects stay, since people are in them that this target did not put there."""
    return (
        f"Stream '{stream}': {count} {plural} that are missing from it stay: people are in them that this target did "
        "not put there (has_people); 'sync_mode' 'remove' removes them all the same"
    )


def removal_refused(stream: str, plural: str = "contacts") -> str:
    """Return the warning that Intercom refused to remove missing contacts."""
    return f"Stream '{stream}': {plural} that are missing from it could not be removed; the next run tries again"


def unused_name(setting: str, prop: str) -> str:
    """Return the warning that no stream has the property that a setting names."""
    return f"Setting '{setting}' names the property '{prop}', which no stream has"


def no_streams() -> str:
    """Return the warning that no SCHEMA came."""
    return (
        "the tap sent no stream, and nothing was loaded. Most taps send what their catalog selects: put "
        '"selected": true into the metadata of each stream there'
    )


def wrong_schema(stream: str) -> StreamRefusedError:
    """Return the error that a schema is no object; an object of any draft will do."""
    return StreamRefusedError(stream, f"Stream '{stream}': its schema is not a JSON object")


def no_properties(stream: str, schema: Mapping[str, Json], *, has_own_mappings: bool) -> StreamRefusedError | None:
    """Return the error that schema, key and mappings of a stream name no property; None: one of them does."""
    if schema["properties"] or not is_open(schema) or has_own_mappings:
        return None
    message = (
        f"Stream '{stream}': its SCHEMA names no properties, and it has no key_properties. If its records have an "
        f'identifier, map it for this stream: \'streams\': {{"{stream}": {{"mappings": {{"PROPERTY": '
        '"external_id"}}}'
    )
    return StreamRefusedError(stream, message)


def ambiguous_property(stream: str, names: Sequence[str], wanted: str, setting: str) -> str:
    """Return the warning that several properties may be the wanted one; `setting` is where to name the right one."""
    quoted = ", ".join(f"'{name}'" for name in names)
    return (
        f"Stream '{stream}': properties {quoted} are left out: names are compared without case, and each of them may "
        f"be '{wanted}'. Name the right one in '{setting}'"
    )


def nearly_named_property(stream: str, name: str, wanted: str) -> str:
    """Return the warning that a property is loaded as an attribute of almost the same name."""
    return (
        f"Stream '{stream}': property '{name}' is loaded as '{wanted}': names are compared without case, and with "
        "blanks and hyphens as '_'"
    )


def ignored_values(stream: str, attribute: str) -> str:
    """Return the warning that Intercom's answers do not show what was written into an attribute."""
    return (
        f"Stream '{stream}': Intercom did not take values of '{attribute}' (its answer shows others, or kept a value "
        "that a null was to clear); they are counted in 'left_out'"
    )


def unwritten_attribute(attribute: str, reason: str) -> str:
    """Return the warning that nothing is written into a custom attribute."""
    return f"Attribute '{attribute}' is left out: {reason}"


def missing_attribute(attribute: str) -> str:
    """Return the warning that a custom attribute is missing and is not created."""
    return f"Attribute '{attribute}' does not exist in Intercom and 'create_attributes' is false: it is left out"
