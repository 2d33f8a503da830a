"""The tap's streams held against the settings and the workspace: what a run would say of their schemas. Pure."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass

from target_intercom.check.fitting import Fit, allowed_values, fit, identifier_fit, named, taken
from target_intercom.check.found import Finding, Level
from target_intercom.check.mappings import Fate, Table, judged, name_findings, table_findings
from target_intercom.config import StreamConfig, SyncMode
from target_intercom.errors import StreamRefusedError
from target_intercom.intercom.protocol import version_at_least
from target_intercom.model import CUSTOM_PREFIX, STANDARD_ATTRIBUTES, Kind, MatchBy
from target_intercom.sync.attributes import KINDS
from target_intercom.sync.coercion import schema_kind
from target_intercom.sync.joining import MembershipMapper
from target_intercom.sync.mapping import ContactMapper
from target_intercom.sync.objections import (
    is_in_no_stream,
    is_no_snapshot,
    snapshot_is_idle,
    sync_removes_nobody,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_intercom.check.mappings import Workspace
    from target_intercom.config import Config
    from target_intercom.intercom.protocol import DataAttribute
    from target_intercom.model import Json

_IDENTIFIERS: t.Final = {which.value: which for which in MatchBy}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as the target sees it, after stream maps and flattening."""

    name: str
    properties: Mapping[str, Json]
    is_incremental: bool


def stream_findings(config: Config, streams: Sequence[Stream], workspace: Workspace | None) -> Iterator[Finding]:
    """Judge the streams; `workspace` is None where its attributes could not be read."""
    yield from _name_findings(config, streams)
    for stream in streams:
        yield from _removal_findings(config, stream)
        is_groups = config.stream(stream.name).is_groups
        try:
            found = list(_group_findings(config, stream) if is_groups else _Contacts(config, stream, workspace))
        except StreamRefusedError as error:
            found = [Finding(Level.ERROR, _setting(config, stream, "mappings"), str(error))]
            if not is_groups:
                found += table_findings(_table(config, stream), workspace, stream.properties)
        yield from found


def _removal_findings(config: Config, stream: Stream) -> Iterator[Finding]:
    """Say, in the words of a run, what keeps anybody from being removed."""
    own = config.stream(stream.name)
    refused = is_no_snapshot(stream.name, own, is_incremental=stream.is_incremental)
    idle = None if refused is not None else snapshot_is_idle(stream.name, own)
    for level, setting, message in (
        (Level.ERROR, _setting(config, stream, "snapshot"), refused),
        (Level.WARNING, _setting(config, stream, "snapshot"), idle),
        (Level.WARNING, "max_removal_percent", sync_removes_nobody(stream.name, config)),
    ):
        if message is not None:
            yield Finding(level, setting, message)


def _table(config: Config, stream: Stream) -> Table:
    """Give a stream's mappings with its settings."""
    return Table(
        config.stream(stream.name),
        _setting(config, stream, "mappings"),
        _setting(config, stream, "create_attributes"),
        f"Stream '{stream.name}': ",
    )


def _setting(config: Config, stream: Stream, setting: str) -> str:
    """Name the place where a stream's setting stands."""
    own = config.stream(stream.name)
    is_own = getattr(own, setting) is not getattr(config.general, setting)
    return f"streams.{stream.name}.{setting}" if is_own else setting


def _group_findings(config: Config, stream: Stream) -> Iterator[Finding]:
    own = config.stream(stream.name)
    MembershipMapper(stream.name, stream.properties, own, has_own_mappings=config.has_own_mappings(stream.name))
    message = f"Stream '{stream.name}' puts contacts into groups: its schema names both"
    yield Finding(Level.OK, _setting(config, stream, "mappings"), message)


class _Contacts:
    """Judges a stream of contacts."""

    def __init__(self, config: Config, stream: Stream, workspace: Workspace | None) -> None:
        """Lay its properties out as a run does.

        Raises:
            StreamRefusedError: no property gives an identifier.
        """
        self._stream = stream
        self._own = config.stream(stream.name)
        self._workspace = workspace
        self._table = _table(config, stream)
        self._setting = self._table.mappings
        self._since_2_16 = version_at_least(config.api_version, 2, 16)
        self._said: list[str] = []
        mapper = ContactMapper(
            stream.name, stream.properties, self._own, since_2_16=self._since_2_16, say=self._said.append
        )
        self._targets = mapper.targets()
        self._made: list[str] = []

    def __iter__(self) -> Iterator[Finding]:
        """Give the findings."""
        for text in dict.fromkeys(self._said):
            yield Finding(Level.WARNING, self._setting, text)
        matched = " or ".join(one.value for one in self._own.match_by if one.value in self._targets.values())
        yield Finding(Level.OK, self._setting, f"Stream '{self._stream.name}' is matched by {matched}")
        if self._own.sync_mode is SyncMode.REMOVE:
            return
        yield from name_findings(self._table, self._stream.properties)
        for prop, attribute in self._targets.items():
            if not attribute.startswith(CUSTOM_PREFIX):
                yield from self._standard(prop, attribute)
            elif self._workspace is not None:
                yield from self._custom(prop, attribute, self._workspace)
        if self._made:
            message = f"Stream '{self._stream.name}': the run makes {', '.join(self._made)}"
            yield Finding(Level.OK, self._table.create_attributes, message)

    def _standard(self, prop: str, attribute: str) -> Iterator[Finding]:
        schema, which = self._stream.properties[prop], _IDENTIFIERS.get(attribute)
        if which is not None:
            takes = "texts" if which is MatchBy.EMAIL else "texts and whole numbers"
            yield from self._judged(prop, attribute, takes, identifier_fit(schema, which))
            return
        kind = STANDARD_ATTRIBUTES[attribute].kind
        if attribute == "owner_id" and not self._since_2_16:
            kind = Kind.INTEGER
        yield from self._judged(prop, attribute, taken(kind), fit(schema, kind))

    def _custom(self, prop: str, attribute: str, workspace: Workspace) -> Iterator[Finding]:
        fate, findings = judged(self._table, prop, attribute, workspace)
        yield from findings
        if fate is Fate.MADE:
            kind = schema_kind(self._stream.properties[prop])
            self._made.append(f"{attribute} ({'by its first value' if kind is None else kind.value})")
        elif fate is Fate.LOADED:
            yield from self._loaded(prop, workspace.known[attribute])

    def _loaded(self, prop: str, entry: DataAttribute) -> Iterator[Finding]:
        name, schema, kind = entry.full_name, self._stream.properties[prop], KINDS[entry.data_type]
        yield from self._judged(prop, name, taken(kind), fit(schema, kind))
        if entry.options is not None:
            yield from self._options(prop, name, entry.options, schema)

    def _judged(self, prop: str, attribute: str, takes: str, fits: Fit | None) -> Iterator[Finding]:
        where = f"Stream '{self._stream.name}': '{prop}' ({named(self._stream.properties[prop])})"
        if fits is Fit.NONE:
            message = (
                f"{where} does not fit '{attribute}', which takes {takes}: its records become invalid. Map it to "
                "another attribute, or to null"
            )
            yield Finding(Level.ERROR, self._setting, message)
        elif fits is Fit.SOME:
            message = f"{where} goes into '{attribute}', which takes {takes}: records with other values become invalid"
            yield Finding(Level.WARNING, self._setting, message)

    def _options(self, prop: str, attribute: str, options: Sequence[str], schema: Json) -> Iterator[Finding]:
        values = allowed_values(schema)
        strange = None if values is None else [value for value in values if value not in options]
        if strange == []:
            return
        which = "values that are none of its options are" if strange is None else f"{_quoted(strange)} is none, and"
        message = (
            f"Stream '{self._stream.name}': '{prop}' goes into '{attribute}', a list of {_quoted(options)}: {which} "
            "left out"
        )
        yield Finding(Level.WARNING, self._setting, message)


def _quoted(values: Sequence[Json]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _name_findings(config: Config, streams: Sequence[Stream]) -> Iterator[Finding]:
    """Say which names of streams and properties the tap does not have."""
    names = [stream.name for stream in streams]
    for name in config.streams:
        if name not in names:
            setting = "groups_stream" if name == config.groups_stream else f"streams.{name}"
            near = difflib.get_close_matches(name, names, n=1)
            hint = f". Did you mean '{near[0]}'?" if near else f"; it has {_quoted(sorted(names)) or 'none'}"
            yield Finding(Level.WARNING, setting, f"The catalog has no stream '{name}'{hint}")
    yield from _property_findings(config, streams)
    for setting, default in (("deleted_property", StreamConfig().deleted_property), ("tags_property", None)):
        for where, wanted, among in _wanted(config, streams, setting):
            if wanted not in {None, default} and not any(wanted in one.properties for one in among):
                yield Finding(Level.WARNING, where, f"No stream has the property '{wanted}'")


def _wanted(
    config: Config, streams: Sequence[Stream], setting: str
) -> Iterator[tuple[str, str | None, Sequence[Stream]]]:
    """Give each value of a setting that names a property, with the streams that it holds for."""
    general: str | None = getattr(config.general, setting)
    shared = [one for one in streams if getattr(config.stream(one.name), setting) == general]
    if shared:
        yield setting, general, shared
    for one in streams:
        own: str | None = getattr(config.stream(one.name), setting)
        if own != general:
            yield f"streams.{one.name}.{setting}", own, [one]


def _property_findings(config: Config, streams: Sequence[Stream]) -> Iterator[Finding]:
    """Say which mapped properties no stream has, in the words of a run."""
    everything = {name for stream in streams for name in stream.properties}
    for prop in sorted(set(config.general.mappings) - everything):
        yield Finding(Level.WARNING, "mappings", is_in_no_stream(prop))
    for stream in streams:
        if config.has_own_mappings(stream.name):
            setting = f"streams.{stream.name}.mappings"
            for prop in sorted(set(config.stream(stream.name).mappings) - set(stream.properties)):
                message = f"Setting '{setting}' names the property '{prop}', which the stream does not have"
                yield Finding(Level.WARNING, setting, message)
