"""The tap's streams held against the settings and the workspace: what a run would say of their schemas. Pure."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass

from target_intercom.check.fitting import Fit, allowed_values, fit, identifier_fit, named, taken
from target_intercom.check.found import Finding, Level
from target_intercom.config import StreamConfig, SyncMode
from target_intercom.errors import StreamRefusedError
from target_intercom.intercom.protocol import version_at_least
from target_intercom.model import CUSTOM_PREFIX, STANDARD_ATTRIBUTES, Kind, MatchBy
from target_intercom.sync.attributes import KINDS, obstacle
from target_intercom.sync.coercion import schema_kind
from target_intercom.sync.joining import MembershipMapper
from target_intercom.sync.mapping import ContactMapper

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
        own = config.stream(stream.name)
        if own.snapshot and stream.is_incremental:
            message = (
                f"Stream '{stream.name}' is incremental: who is missing from a run has not changed, not left, and the "
                "run refuses it. Take 'snapshot' out, or let the tap replicate it as FULL_TABLE."
            )
            yield Finding(Level.ERROR, _setting(config, stream, "snapshot"), message)
        try:
            found = list(_group_findings(config, stream) if own.is_groups else _Contacts(config, stream, workspace))
        except StreamRefusedError as error:
            found = [Finding(Level.ERROR, _setting(config, stream, "mappings"), str(error))]
        yield from found


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
        self._setting = _setting(config, stream, "mappings")
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
        for prop, attribute in self._targets.items():
            if not attribute.startswith(CUSTOM_PREFIX):
                yield from self._standard(prop, attribute)
            elif self._workspace is not None:
                entry = self._workspace.known.get(attribute)
                yield from self._missing(prop, attribute) if entry is None else self._custom(prop, entry)
        if self._made:
            message = f"Stream '{self._stream.name}': the run makes {', '.join(self._made)}"
            yield Finding(Level.OK, "create_attributes", message)

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

    def _missing(self, prop: str, attribute: str) -> Iterator[Finding]:
        if self._own.create_attributes and self._workspace is not None:
            self._workspace.to_make.add(attribute)
            kind = schema_kind(self._stream.properties[prop]) or Kind.STRING
            self._made.append(f"{attribute} ({kind.value})")
        elif prop not in self._own.mappings:
            message = (
                f"Attribute '{attribute}' does not exist in Intercom and 'create_attributes' is false: it is left out"
            )
            yield Finding(Level.WARNING, "create_attributes", message)

    def _custom(self, prop: str, entry: DataAttribute) -> Iterator[Finding]:
        name, schema = entry.full_name, self._stream.properties[prop]
        reason = obstacle(entry)
        if reason is not None:
            if prop not in self._own.mappings:
                yield Finding(Level.WARNING, self._setting, f"Attribute '{name}' is left out: {reason}")
            return
        kind = KINDS[entry.data_type]
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
        message = f"Setting 'mappings' names the property '{prop}', which no stream has"
        yield Finding(Level.WARNING, "mappings", message)
    for stream in streams:
        if config.has_own_mappings(stream.name):
            setting = f"streams.{stream.name}.mappings"
            for prop in sorted(set(config.stream(stream.name).mappings) - set(stream.properties)):
                message = f"Setting '{setting}' names the property '{prop}', which the stream does not have"
                yield Finding(Level.WARNING, setting, message)
