"""The tap's streams held against the settings and the workspace: what a run would say of their schemas. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.check.fitting import Fit, fit, fit_in_standard, has_nested, identifier_fit, named, taken
from target_intercom.check.found import Finding, Level
from target_intercom.check.mappings import Fate, MappingTable, Verdict, judged, name_findings, table_verdict
from target_intercom.errors import StreamRefusedError
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import CUSTOM_PREFIX, MatchBy
from target_intercom.settings.config import StreamConfig
from target_intercom.settings.contact_streams import ContactStreams
from target_intercom.settings.warnings import (
    idle_snapshot,
    incremental_snapshot,
    no_properties,
    removals_turned_off,
    unused_mapping,
)
from target_intercom.singer.schemas import is_open
from target_intercom.sync.mapping.contacts import ContactMapper
from target_intercom.sync.mapping.memberships import MembershipMapper
from target_intercom.sync.mapping.properties import Meant, Properties, meant

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from target_intercom.model import Json
    from target_intercom.settings.config import Config
    from target_intercom.singer.schemas import Values
    from target_intercom.sync.mapping.attribute_values import AttributeType
    from target_intercom.sync.workspace.attributes import CustomAttributes

_IDENTIFIERS: t.Final = {which.value: which for which in MatchBy}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as the target sees it, after stream maps and flattening."""

    name: str
    schema: Mapping[str, Json]
    """Plain: with nothing in it but what is read."""
    is_incremental: bool
    tap_stream: str
    """Its name before stream maps."""
    is_loaded: bool
    """Neither a stream map nor `object: ignore` takes it out."""

    @property
    def properties(self) -> Mapping[str, Json]:
        """The JSON schemas of its properties."""
        properties: Mapping[str, Json] = self.schema["properties"]
        return properties

    @property
    def is_open(self) -> bool:
        """Whether its records may have any properties, since the tap names none."""
        return is_open(self.schema)

    def has(self, name: str) -> bool:
        """Check whether a mapping can name something in its records: a property, or a member by a path."""
        return self.is_open or name in Properties(self.properties, [name]).named


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
        _refuse_unknown(config, stream)
        fits = (
            Verdict(tuple(_group_findings(config, stream)))
            if is_groups
            else _Contacts(config, stream, attributes).verdict()
        )
        order.admit(stream.name)
        return Verdict.joined([removals, fits])
    except StreamRefusedError as error:
        refused = Verdict((Finding(Level.ERROR, _setting(config, stream, "mappings"), str(error)),))
        others = Verdict() if is_groups else table_verdict(_table(config, stream), attributes, _known(config, stream))
        return Verdict.joined([removals, refused, others])


def _refuse_unknown(config: Config, stream: Stream) -> None:
    refusal = no_properties(stream.name, stream.schema, has_own_mappings=config.has_own_mappings(stream.name))
    if refusal is not None:
        raise refusal


def _removal_findings(config: Config, stream: Stream) -> Iterator[Finding]:
    """Say, in the words of a run, what keeps anybody from being removed."""
    own = config.stream(stream.name)
    refused = incremental_snapshot(stream.name, own, is_incremental=stream.is_incremental)
    idle = None if refused is not None else idle_snapshot(stream.name, own)
    for level, setting, message in (
        (Level.ERROR, _setting(config, stream, "snapshot"), None if refused is None else str(refused)),
        (Level.WARNING, _setting(config, stream, "snapshot"), idle),
        (Level.WARNING, "max_removal_percent", removals_turned_off(stream.name, config)),
    ):
        if message is not None:
            yield Finding(level, setting, message)


def _known(config: Config, stream: Stream) -> Collection[str] | None:
    """Return what mappings can name in a stream; None: anything."""
    return None if stream.is_open else [name for name in config.stream(stream.name).mappings if stream.has(name)]


def _table(config: Config, stream: Stream) -> MappingTable:
    """Return a stream's mappings with its settings."""
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
    said: list[str] = []
    MembershipMapper(
        stream.name,
        stream.properties,
        own,
        has_own_mappings=config.has_own_mappings(stream.name),
        say=said.append,
        is_open=stream.is_open,
    )
    for text in said:
        yield Finding(Level.WARNING, _setting(config, stream, "mappings"), text)
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
        self._mapper = ContactMapper(
            stream.name,
            stream.properties,
            self._own,
            api_version=config.api_version,
            say=self._said.append,
            is_open=stream.is_open,
        )
        self._known = _known(config, stream)
        self._targets = self._mapper.targets()

    def verdict(self) -> Verdict:
        """Judge it."""
        if self._own.orders_removals:
            return Verdict(tuple(self._matching()))
        fates = {} if self._attributes is None else dict(self._fates(self._attributes))
        made = [prop for prop, (fate, _) in fates.items() if fate is Fate.MADE]
        findings = [*self._matching(), *name_findings(self._table, self._known)]
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
        types = {prop: self._mapper.values(prop).value_type for prop in made}
        named = [
            f"{self._targets[prop]} ({'by its first values' if type_ is None else type_.value})"
            for prop, type_ in types.items()
        ]
        if named:
            message = f"Stream '{self._stream.name}': the run makes {', '.join(named)}"
            yield Finding(Level.OK, self._table.create_attributes, message)

    def _standard(self, prop: str, attribute: str) -> Iterator[Finding]:
        values, which = self._mapper.values(prop), _IDENTIFIERS.get(attribute)
        if which is not None:
            takes = "texts" if which is MatchBy.EMAIL else "texts and whole numbers"
            yield from self._judged(prop, attribute, takes, identifier_fit(values, which))
            return
        standard = CONTACTS.writable[attribute]
        type_ = standard.type_in(self._api_version)
        if type_ is None:
            return
        if has_nested(values):
            but = "" if standard.member is None else f", but for the '{standard.member}' of an object"
            message = f"{self._where(prop)} goes into '{attribute}', which takes {taken(type_)}: objects and lists are "
            yield Finding(Level.WARNING, self._setting, f"{message}left out{but}")
        yield from self._judged(prop, attribute, taken(type_), fit_in_standard(values, type_))

    def _custom(self, prop: str, fate: Fate, findings: Sequence[Finding]) -> Iterator[Finding]:
        yield from findings
        if fate is Fate.LOADED and self._attributes is not None:
            yield from self._loaded(prop, self._targets[prop], self._attributes.type_of(self._targets[prop]))

    def _loaded(self, prop: str, name: str, takes: AttributeType) -> Iterator[Finding]:
        values = self._mapper.values(prop)
        yield from self._judged(prop, name, taken(takes.type), fit(values, takes.type))
        if takes.options is not None:
            yield from self._options(prop, name, takes.options, values)

    def _where(self, prop: str) -> str:
        return f"Stream '{self._stream.name}': '{prop}' ({named(self._mapper.values(prop))})"

    def _judged(self, prop: str, attribute: str, takes: str, fits: Fit | None) -> Iterator[Finding]:
        where = self._where(prop)
        if fits is Fit.NONE:
            message = (
                f"{where} does not fit '{attribute}', which takes {takes}: its records become invalid. Map it to "
                "another attribute, or to null"
            )
            yield Finding(Level.ERROR, self._setting, message)
        elif fits is Fit.SOME:
            message = f"{where} goes into '{attribute}', which takes {takes}: records with other values become invalid"
            yield Finding(Level.WARNING, self._setting, message)

    def _options(self, prop: str, attribute: str, options: Sequence[str], values: Values) -> Iterator[Finding]:
        strange = None if values.allowed is None else [one for one in values.allowed if one not in (None, *options)]
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
    """Yield a warning for each property that a setting names and no stream has."""
    yield from _property_findings(config, streams)
    for setting, default in (("deleted_property", StreamConfig().deleted_property), ("tags_property", None)):
        for where, wanted, among in _wanted(config, streams, setting):
            if wanted is None or wanted == default or any(one.is_open for one in among):
                continue
            if all(meant(wanted, one.properties) == Meant() for one in among):
                yield Finding(Level.WARNING, where, f"No stream has the property '{wanted}'")


def _wanted(
    config: Config, streams: Sequence[Stream], setting: str
) -> Iterator[tuple[str, str | None, Sequence[Stream]]]:
    """Return each value of a setting that names a property, with the streams that it holds for."""
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
    for prop in sorted(config.general.mappings):
        if not any(stream.has(prop) for stream in streams):
            yield Finding(Level.WARNING, "mappings", unused_mapping(prop))
    for stream in streams:
        if config.has_own_mappings(stream.name):
            setting = f"streams.{stream.name}.mappings"
            for prop in sorted(config.stream(stream.name).mappings):
                if not stream.has(prop):
                    message = f"Setting '{setting}' names the property '{prop}', which the stream does not have"
                    yield Finding(Level.WARNING, setting, message)
