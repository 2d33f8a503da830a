"""The tap's streams held against the settings and the workspace: what a run would say of their schemas. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.check.fitting import Fit, allowed_values, fit, identifier_fit, named, taken
from target_intercom.check.found import Finding, Level
from target_intercom.check.mappings import Fate, MappingTable, Verdict, judged, name_findings, table_verdict
from target_intercom.config import StreamConfig, SyncMode
from target_intercom.errors import StreamRefusedError
from target_intercom.model import CUSTOM_PREFIX, STANDARD_ATTRIBUTES, MatchBy
from target_intercom.sync.attributes import KINDS
from target_intercom.sync.coercion import schema_kind
from target_intercom.sync.contact_streams import ContactStreams
from target_intercom.sync.joining import MembershipMapper
from target_intercom.sync.mapping import ContactMapper
from target_intercom.sync.objections import (
    is_in_no_stream,
    is_no_snapshot,
    snapshot_is_idle,
    sync_removes_nobody,
)

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from target_intercom.check.mappings import CustomAttributes
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
    tap_stream: str
    """Its name before stream maps."""
    is_loaded: bool
    """Neither a stream map nor `object: ignore` takes it out."""


def stream_verdict(
    config: Config, streams: Sequence[Stream], attributes: CustomAttributes | None, known: Collection[str]
) -> Verdict:
    """Judge the streams. `attributes`: the workspace's, None: not known. `known`: the ledger's streams of contacts."""
    order, loaded, each = ContactStreams(config), [stream for stream in streams if stream.is_loaded], []
    for stream in streams:
        order.came(stream.name, stream.tap_stream)
        if stream.is_loaded:
            each.append(_verdict(config, stream, attributes, order, known))
    missing = [Finding(Level.WARNING, setting, message) for setting, message in order.missing()]
    return Verdict.joined([Verdict((*missing, *_name_findings(config, loaded))), *each])


def _verdict(
    config: Config,
    stream: Stream,
    attributes: CustomAttributes | None,
    order: ContactStreams,
    known: Collection[str],
) -> Verdict:
    """Judge a stream as a run does at its SCHEMA."""
    refusal = order.refusal(stream.name, known)
    if refusal is not None:
        return Verdict((Finding(Level.ERROR, "streams", str(refusal)),))
    removals = Verdict(tuple(_removal_findings(config, stream)))
    is_groups = config.stream(stream.name).is_groups
    try:
        fits = (
            Verdict(tuple(_group_findings(config, stream)))
            if is_groups
            else _Contacts(config, stream, attributes).verdict()
        )
        order.admit(stream.name)
        return Verdict.joined([removals, fits])
    except StreamRefusedError as error:
        refused = Verdict((Finding(Level.ERROR, _setting(config, stream, "mappings"), str(error)),))
        others = Verdict() if is_groups else table_verdict(_table(config, stream), attributes, stream.properties)
        return Verdict.joined([removals, refused, others])


def _removal_findings(config: Config, stream: Stream) -> Iterator[Finding]:
    """Say, in the words of a run, what keeps anybody from being removed."""
    own = config.stream(stream.name)
    refused = is_no_snapshot(stream.name, own, is_incremental=stream.is_incremental)
    idle = None if refused is not None else snapshot_is_idle(stream.name, own)
    for level, setting, message in (
        (Level.ERROR, _setting(config, stream, "snapshot"), None if refused is None else str(refused)),
        (Level.WARNING, _setting(config, stream, "snapshot"), idle),
        (Level.WARNING, "max_removal_percent", sync_removes_nobody(stream.name, config)),
    ):
        if message is not None:
            yield Finding(level, setting, message)


def _table(config: Config, stream: Stream) -> MappingTable:
    """Give a stream's mappings with its settings."""
    return MappingTable(
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

    def __init__(self, config: Config, stream: Stream, attributes: CustomAttributes | None) -> None:
        """Lay its properties out as a run does.

        Raises:
            StreamRefusedError: no property gives an identifier.
        """
        self._stream = stream
        self._own = config.stream(stream.name)
        self._attributes = attributes
        self._table = _table(config, stream)
        self._setting = self._table.mappings
        self._api_version = config.api_version
        self._said: list[str] = []
        mapper = ContactMapper(
            stream.name, stream.properties, self._own, api_version=config.api_version, say=self._said.append
        )
        self._targets = mapper.targets()

    def verdict(self) -> Verdict:
        """Judge it."""
        if self._own.sync_mode is SyncMode.REMOVE:
            return Verdict(tuple(self._matching()))
        fates = {} if self._attributes is None else dict(self._fates(self._attributes))
        made = [prop for prop, (fate, _) in fates.items() if fate is Fate.MADE]
        findings = [*self._matching(), *name_findings(self._table, self._stream.properties)]
        for prop, attribute in self._targets.items():
            if not attribute.startswith(CUSTOM_PREFIX):
                findings += self._standard(prop, attribute)
            elif prop in fates:
                findings += self._custom(prop, *fates[prop])
        return Verdict((*findings, *self._making(made)), frozenset(self._targets[prop] for prop in made))

    def _matching(self) -> Iterator[Finding]:
        for text in dict.fromkeys(self._said):
            yield Finding(Level.WARNING, self._setting, text)
        matched = " or ".join(one.value for one in self._own.match_by if one.value in self._targets.values())
        yield Finding(Level.OK, self._setting, f"Stream '{self._stream.name}' is matched by {matched}")

    def _fates(self, attributes: CustomAttributes) -> Iterator[tuple[str, tuple[Fate, list[Finding]]]]:
        for prop, attribute in self._targets.items():
            if attribute.startswith(CUSTOM_PREFIX):
                yield prop, judged(self._table, prop, attribute, attributes)

    def _making(self, made: Sequence[str]) -> Iterator[Finding]:
        kinds = {prop: schema_kind(self._stream.properties[prop]) for prop in made}
        named = [
            f"{self._targets[prop]} ({'by its first value' if kind is None else kind.value})"
            for prop, kind in kinds.items()
        ]
        if named:
            message = f"Stream '{self._stream.name}': the run makes {', '.join(named)}"
            yield Finding(Level.OK, self._table.create_attributes, message)

    def _standard(self, prop: str, attribute: str) -> Iterator[Finding]:
        schema, which = self._stream.properties[prop], _IDENTIFIERS.get(attribute)
        if which is not None:
            takes = "texts" if which is MatchBy.EMAIL else "texts and whole numbers"
            yield from self._judged(prop, attribute, takes, identifier_fit(schema, which))
            return
        kind = STANDARD_ATTRIBUTES[attribute].kind_in(self._api_version)
        if kind is not None:
            yield from self._judged(prop, attribute, taken(kind), fit(schema, kind))

    def _custom(self, prop: str, fate: Fate, findings: Sequence[Finding]) -> Iterator[Finding]:
        yield from findings
        if fate is Fate.LOADED and self._attributes is not None:
            yield from self._loaded(prop, self._attributes.known[self._targets[prop]])

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
    """Say which properties the streams do not have."""
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
