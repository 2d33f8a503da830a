"""Checks the mappings against the workspace's attributes. Pure."""

from __future__ import annotations

import difflib
import enum
import typing as t
from collections import Counter
from dataclasses import dataclass

from target_intercom.check.found import AttributeRow, Finding, Level
from target_intercom.intercom.protocol.workspace import DataAttribute
from target_intercom.kinds.companies import COMPANIES
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import CUSTOM_PREFIX
from target_intercom.settings.objects import rules_of
from target_intercom.settings.warnings import unwritten_attribute
from target_intercom.sync.mapping.layout import mapped_to
from target_intercom.sync.workspace.attributes import (
    MOST_ATTRIBUTES,
    CustomAttributes,
    KnownAttributes,
    free_name,
    obstacle,
    taken_name,
)

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from target_intercom.kinds.entity import EntityKind
    from target_intercom.settings.config import Config, StreamConfig

_NEARLY_FULL: t.Final = 0.9
"""Share of the custom attributes that a workspace may have, from which on there is a warning."""


def attribute_rows(kind: EntityKind, attributes: Iterable[DataAttribute], api_version: str) -> list[AttributeRow]:
    """Return the pick list of a kind: standard attributes first, each by name."""
    entries = list(attributes)
    listed = {entry.full_name for entry in entries}
    # `email_verified` can be written, and Intercom's list does not have it (recorded; OAS-2.16).
    entries += [
        DataAttribute(name, name, type_.value, custom=False, api_writable=True, archived=False, options=None)
        for name, standard in kind.writable.items()
        if name not in listed and (type_ := standard.type_in(api_version)) is not None
    ]
    return sorted((_row(kind, entry) for entry in entries), key=lambda row: (row.custom, row.name))


def _row(kind: EntityKind, entry: DataAttribute) -> AttributeRow:
    mappable = obstacle(entry) is None if entry.custom else entry.full_name in kind.mappable
    return AttributeRow(
        entry.full_name,
        entry.data_type,
        custom=entry.custom,
        writable=entry.api_writable,
        archived=entry.archived,
        options=entry.options,
        mappable=mappable,
        object=kind.noun,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Findings, and the custom attributes that a run would make: each kind of object, with the full name."""

    findings: tuple[Finding, ...] = ()
    to_make: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def joined(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return several verdicts as one."""
        every = list(verdicts)
        findings = tuple(finding for one in every for finding in one.findings)
        return cls(findings, frozenset(made for one in every for made in one.to_make))


@dataclass(frozen=True, slots=True)
class MappingTable:
    """Mappings, with the settings that hold for them."""

    own: StreamConfig
    kind: EntityKind = CONTACTS
    """What the records are."""
    mappings: str = "mappings"
    """The setting that has them."""
    create_attributes: str = "create_attributes"
    """The setting that decides whether attributes are made."""
    begins: str = ""
    """The beginning of each message: the streams that it is about."""
    is_used: bool = True
    """False: perhaps no stream has these settings."""

    def wrong(self, message: str) -> Finding:
        """Return the finding that a run would not do as the mappings say."""
        return self.finding(Level.ERROR if self.is_used else Level.WARNING, message)

    def finding(self, level: Level, message: str) -> Finding:
        """Return a finding about the mappings."""
        return Finding(level, self.mappings, self.begins + message)


class Fate(enum.Enum):
    """What becomes of a property that goes into a custom attribute."""

    LOADED = "loaded"
    MADE = "made"
    """The run makes the attribute first."""
    LEFT_OUT = "left out"


def mapping_verdict(config: Config, attributes: KnownAttributes) -> Verdict:
    """Check the mappings in the settings, where the tap's streams are not known."""
    return Verdict.joined(table_verdict(table, attributes, None) for table in _tables(config))


def table_verdict(table: MappingTable, attributes: KnownAttributes, properties: Collection[str] | None) -> Verdict:
    """Check mappings alone. `properties` of the stream; None: not known."""
    if not _writes_attributes(table.own):
        return Verdict()
    fates = {}
    if attributes.of_kind(table.kind) is not None:
        named = _named(table.own, properties).items()
        customs = [(prop, name) for prop, name in named if name.startswith(CUSTOM_PREFIX)]
        fates = {(prop, name): fate_of(table, prop, name, attributes) for prop, name in customs}
    about = (finding for _, findings in fates.values() for finding in findings)
    made = frozenset((table.kind.noun, name) for (_, name), (fate, _) in fates.items() if fate is Fate.MADE)
    return Verdict((*name_findings(table, properties), *about), made)


def _tables(config: Config) -> Iterator[MappingTable]:
    """Return the mappings with their settings, once for each combination."""
    contacts = {name: own for name, own in config.streams.items() if own.is_contacts and _writes_attributes(own)}
    others = {
        name: own
        for name, own in contacts.items()
        if not config.has_own_mappings(name) and _decisive(own) != _decisive(config.general)
    }
    if others:
        yield MappingTable(config.general, begins="Streams that 'streams' does not name: ", is_used=False)
    else:
        yield MappingTable(config.general)
    for name, own in others.items():
        yield MappingTable(own, begins=f"Stream '{name}': ")
    for name, own in config.streams.items():
        kind = rules_of(own).kind
        if kind is not None and _writes_attributes(own) and config.has_own_mappings(name):
            yield MappingTable(own, kind, f"streams.{name}.mappings")


def _decisive(own: StreamConfig) -> tuple[bool, bool]:
    """Return the settings that decide, beside mappings, which attributes are written and made."""
    return _writes_attributes(own), own.create_attributes


def _writes_attributes(own: StreamConfig) -> bool:
    return not own.orders_removals


def room_findings(attributes: KnownAttributes, to_make: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Check whether there is room for the custom attributes that would be made: those of both kinds count together."""
    names = {name for _, name in to_make}
    for name in sorted(names):
        if len({noun for noun, made in to_make if made == name}) > 1:
            yield Finding(Level.WARNING, "create_attributes", _wanted_twice(name))
    live, new = attributes.live, len(names)
    if len(attributes.by_noun) > 1:
        counted = f"{live} of {MOST_ATTRIBUTES} custom attributes are there, contacts' and companies' together"
    else:
        counted = (
            f"contacts have {live} of {MOST_ATTRIBUTES} custom attributes (companies' count, too, and are not seen)"
        )
    if new > attributes.room:
        message = (
            f"{counted}, and {new} would be made: {new - attributes.room} will be left out; archive some in Intercom"
        )
        yield Finding(Level.ERROR, "create_attributes", message)
    elif live + new >= _NEARLY_FULL * MOST_ATTRIBUTES:
        yield Finding(Level.WARNING, "create_attributes", f"{counted}, and {new} would be made")


def _wanted_twice(name: str) -> str:
    return (
        f"Contacts and companies would both make '{name}', and a name is for one of them: whichever comes first has "
        "it, and the other's values are left out. Map one of them to another, for example "
        f"'{free_name(name, COMPANIES)}'"
    )


def name_findings(table: MappingTable, properties: Collection[str] | None) -> Iterator[Finding]:
    """Check the names of attributes, whatever the workspace has. `properties` of the stream; None: not known."""
    names = _named(table.own, properties)
    counts = Counter(names.values())
    for prop, name in names.items():
        if counts[name] > 1:
            others = ", ".join(f"'{other}'" for other in names if names[other] == name and other != prop)
            yield table.wrong(f"'{prop}' and {others} go into '{name}', which takes one of them: the other is left out")
        given = table.own.mappings[prop]
        if name != given:
            message = f"'{prop}' goes into '{name}': characters of '{given}' that Intercom does not allow are replaced"
            yield table.finding(Level.WARNING, message)


def _named(own: StreamConfig, properties: Collection[str] | None) -> dict[str, str]:
    """Return the full names of the attributes that properties are mapped to."""
    return {
        prop: full_name
        for prop, attribute in own.mappings.items()
        if (full_name := mapped_to(attribute)) is not None and (properties is None or prop in properties)
    }


def fate_of(table: MappingTable, prop: str, name: str, known: KnownAttributes) -> tuple[Fate, list[Finding]]:
    """Return what becomes of a property that goes into a custom attribute, mapped or not, with the findings."""
    attributes = known.of_kind(table.kind) or CustomAttributes(())
    is_mapped, entry = prop in table.own.mappings, attributes.entries.get(name)
    warning = attributes.warning(name, create=table.own.create_attributes)
    if entry is None and warning is None and known.is_taken(name, table.kind):
        taken = unwritten_attribute(name, taken_name(name, table.kind))
        return Fate.LEFT_OUT, [table.wrong(taken) if is_mapped else table.finding(Level.WARNING, taken)]
    if warning is not None:
        setting = table.create_attributes if entry is None else table.mappings
        unmapped = Finding(Level.WARNING, setting, table.begins + warning)
        return Fate.LEFT_OUT, [table.wrong(warning) if is_mapped else unmapped]
    if entry is None:
        return Fate.MADE, [_made(table, name, attributes)] if is_mapped else []
    goes = table.finding(Level.OK, f"'{prop}' goes into '{name}' ({_type(entry)})")
    return Fate.LOADED, [goes] if is_mapped else []


def _made(table: MappingTable, name: str, attributes: CustomAttributes) -> Finding:
    near = _near(name, attributes)
    message = f"Attribute '{name}' does not exist in Intercom: the run makes it for its first value"
    if near is not None:
        return table.finding(Level.WARNING, f"{message}. Did you mean '{near}'?")
    return table.finding(Level.OK, message)


def _near(name: str, attributes: CustomAttributes) -> str | None:
    """Return the attribute of almost the same name, which may be meant."""
    lowered = {known.lower(): known for known, entry in attributes.entries.items() if not entry.archived}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.9)
    return lowered[matches[0]] if matches else None


def _type(entry: DataAttribute) -> str:
    return f"{entry.data_type}, one of {len(entry.options)} options" if entry.options else entry.data_type
