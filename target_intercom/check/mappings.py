"""The mappings held against the workspace's attributes. Pure."""

from __future__ import annotations

import difflib
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from target_intercom.check.found import AttributeRow, Finding, Level
from target_intercom.config import SyncMode
from target_intercom.intercom.protocol import version_at_least
from target_intercom.model import CUSTOM_PREFIX, READ_ONLY_ATTRIBUTES, STANDARD_ATTRIBUTES
from target_intercom.sync.attributes import MOST_ATTRIBUTES, obstacle
from target_intercom.sync.mapping import custom_name

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_intercom.config import Config, StreamConfig
    from target_intercom.intercom.protocol import DataAttribute

_NEARLY_FULL: t.Final = 0.9
"""Share of the custom attributes a workspace may have from which on a person should know."""
_MATCHED_BY: t.Final = "id"
"""What `mappings` takes beside attributes."""


def attribute_rows(attributes: Iterable[DataAttribute], api_version: str) -> list[AttributeRow]:
    """Make the pick list: standard attributes first, each by name."""
    rows = [_row(entry) for entry in attributes]
    listed = {row.name for row in rows}
    # `email_verified` can be written, and Intercom's list does not have it (recorded; OAS-2.16).
    rows += [
        AttributeRow(
            name,
            standard.kind.value,
            custom=False,
            writable=True,
            archived=False,
            options=None,
            mappable=True,
        )
        for name, standard in STANDARD_ATTRIBUTES.items()
        if name not in listed and (name != "email_verified" or version_at_least(api_version, 2, 16))
    ]
    return sorted(rows, key=lambda row: (row.custom, row.name))


def _row(entry: DataAttribute) -> AttributeRow:
    if entry.custom:
        mappable = obstacle(entry) is None
    else:
        mappable = entry.full_name in STANDARD_ATTRIBUTES or entry.full_name == _MATCHED_BY
    return AttributeRow(
        entry.full_name,
        entry.data_type,
        custom=entry.custom,
        writable=entry.api_writable,
        archived=entry.archived,
        options=entry.options,
        mappable=mappable,
    )


@dataclass
class Workspace:
    """The custom attributes that there are, and those that a run would make."""

    known: Mapping[str, DataAttribute]
    """By full name; a live one hides an archived one."""
    to_make: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, attributes: Iterable[DataAttribute]) -> Workspace:
        """Take the list as Intercom gives it."""
        listed = sorted(attributes, key=lambda entry: not entry.archived)
        return cls({entry.full_name: entry for entry in listed if entry.custom})

    def near(self, name: str) -> str | None:
        """Give the attribute that a name which does not exist may be a slip of the pen for."""
        lowered = {known.lower(): known for known, entry in self.known.items() if not entry.archived}
        matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.9)
        return lowered[matches[0]] if matches else None


def tables(config: Config) -> Iterator[tuple[str, StreamConfig]]:
    """Give each mapping of contacts with the setting that it stands in."""
    yield "mappings", config.general
    for name, own in config.streams.items():
        if config.has_own_mappings(name) and not own.is_groups:
            yield f"streams.{name}.mappings", own


def mapping_findings(config: Config, workspace: Workspace) -> Iterator[Finding]:
    """Judge what the settings name, whatever the tap sends."""
    for setting, table in tables(config):
        if table.sync_mode is not SyncMode.REMOVE:
            yield from _table_findings(setting, table, workspace)


def room_findings(workspace: Workspace) -> Iterator[Finding]:
    """Tell whether there is room for the custom attributes that would be made."""
    live = sum(not entry.archived for entry in workspace.known.values())
    new = len(workspace.to_make)
    counted = f"contacts have {live} of {MOST_ATTRIBUTES} custom attributes (companies' count, too, and are not seen)"
    room = max(0, MOST_ATTRIBUTES - live)
    if new > room:
        message = f"{counted}, and {new} would be made: {new - room} will be left out; archive some in Intercom"
        yield Finding(Level.ERROR, "create_attributes", message)
    elif live + new >= _NEARLY_FULL * MOST_ATTRIBUTES:
        yield Finding(Level.WARNING, "create_attributes", f"{counted}, and {new} would be made")


def _table_findings(setting: str, table: StreamConfig, workspace: Workspace) -> Iterator[Finding]:
    named = {prop: attribute for prop, attribute in table.mappings.items() if attribute is not None}
    names = {prop: _full_name(attribute) for prop, attribute in named.items()}
    counts = Counter(names.values())
    for prop, name in names.items():
        if counts[name] > 1:
            others = ", ".join(f"'{other}'" for other in names if names[other] == name and other != prop)
            message = f"'{prop}' and {others} go into '{name}', which takes one of them: the other is left out"
            yield Finding(Level.ERROR, setting, message)
        if name != named[prop]:
            message = (
                f"'{prop}' goes into '{name}': characters of '{named[prop]}' that Intercom does not allow are replaced"
            )
            yield Finding(Level.WARNING, setting, message)
        if name.startswith(CUSTOM_PREFIX):
            yield _custom_finding(setting, prop, name, table, workspace)


def _full_name(attribute: str) -> str:
    if not attribute.startswith(CUSTOM_PREFIX):
        return attribute
    return custom_name(attribute.removeprefix(CUSTOM_PREFIX))


def _custom_finding(setting: str, prop: str, name: str, table: StreamConfig, workspace: Workspace) -> Finding:
    entry = workspace.known.get(name)
    if entry is not None:
        reason = obstacle(entry)
        if reason is not None:
            return Finding(Level.ERROR, setting, f"Attribute '{name}' is left out: {reason}")
        return Finding(Level.OK, setting, f"'{prop}' goes into '{name}' ({_type(entry)})")
    bare = name.removeprefix(CUSTOM_PREFIX)
    if bare in READ_ONLY_ATTRIBUTES or bare in STANDARD_ATTRIBUTES:
        message = f"Intercom takes no custom attribute named like a standard one ('{bare}'): give '{prop}' another name"
        return Finding(Level.ERROR, setting, message)
    if not table.create_attributes:
        message = f"Attribute '{name}' does not exist in Intercom and 'create_attributes' is false: it is left out"
        return Finding(Level.ERROR, setting, message)
    workspace.to_make.add(name)
    near = workspace.near(name)
    message = f"Attribute '{name}' does not exist in Intercom: the run makes it for its first value"
    if near is not None:
        return Finding(Level.WARNING, setting, f"{message}. Did you mean '{near}'?")
    return Finding(Level.OK, setting, message)


def _type(entry: DataAttribute) -> str:
    return f"{entry.data_type}, one of {len(entry.options)} options" if entry.options else entry.data_type
