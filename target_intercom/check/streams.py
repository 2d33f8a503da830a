"""Checks the tap's streams against the settings and the workspace: what a run would say of their schemas. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.check.fitting import Fit, fit, fit_in_standard, has_nested, identifier_fit, named, taken
from target_intercom.check.found import Finding, Level
from target_intercom.check.mappings import Fate, MappingTable, Verdict, fate_of, name_findings, table_verdict
from target_intercom.errors import StreamRefusedError
from target_intercom.kinds.entity import ValueType
from target_intercom.model import CUSTOM_PREFIX, LinkName, MatchBy
from target_intercom.run.parts.mappers import MapperFactory
from target_intercom.settings.config import StreamConfig, StreamObject
from target_intercom.settings.contact_streams import ContactStreams
from target_intercom.settings.objects import rules_of
from target_intercom.settings.warnings import (
    changed_object,
    idle_snapshot,
    incremental_snapshot,
    removals_turned_off,
    unused_name,
)
from target_intercom.singer.schemas import is_open
from target_intercom.sync.mapping.properties import Meant, Properties

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.kinds.entity import Attribute, EntityKind
    from target_intercom.model import Json, StreamSchema
    from target_intercom.settings.config import Config
    from target_intercom.singer.schemas import Values
    from target_intercom.sync.mapping.attribute_values import AttributeType
    from target_intercom.sync.workspace.attributes import KnownAttributes


@dataclass(frozen=True, slots=True)
class CheckedStream:
    """A stream as a run sees it, after stream maps and flattening."""

    config: Config
    schema: StreamSchema
    is_incremental: bool
    is_loaded: bool
    """False: a stream map or `object: ignore` takes it out."""

    @property
    def name(self) -> str:
        """Its name after stream maps."""
        return self.schema.stream

    @property
    def own(self) -> StreamConfig:
        """The settings that hold for it."""
        return self.config.stream(self.name)

    @property
    def kind(self) -> EntityKind | None:
        """The kind of its records; None: they put contacts into groups."""
        return rules_of(self.own).kind

    @property
    def properties(self) -> Mapping[str, Json]:
        """The JSON schemas of its properties."""
        properties: Mapping[str, Json] = self.schema.plain["properties"]
        return properties

    @property
    def is_open(self) -> bool:
        """Whether its records may have any properties, since its schema names none."""
        return is_open(self.schema.plain)

    def has(self, name: str) -> bool:
        """Check whether it has what a mapping names: a property, or a member by a path."""
        return self.is_open or name in Properties(self.properties, [name]).named

    def mapped(self) -> Collection[str] | None:
        """Return the names in its mappings that it has; None: it may have any."""
        return None if self.is_open else [name for name in self.own.mappings if self.has(name)]

    def setting(self, name: str) -> str:
        """Return the full name of a setting: the stream's own, or the general one."""
        is_own = getattr(self.own, name) is not getattr(self.config.general, name)
        return f"streams.{self.name}.{name}" if is_own else name

    def table(self, kind: EntityKind) -> MappingTable:
        """Return its mappings with its settings."""
        settings = self.setting("mappings"), self.setting("create_attributes")
        return MappingTable(self.own, kind, *settings, begins=f"Stream '{self.name}': ")

    def mappers(self, said: list[str | None]) -> MapperFactory:
        """Return what makes its mappers, as in a run; `said` takes their messages."""
        return MapperFactory(self.config, said.append)


def stream_verdict(
    config: Config, streams: Sequence[CheckedStream], attributes: KnownAttributes, known: Mapping[str, str]
) -> Verdict:
    """Check all streams. `attributes` of the workspace; `known`: what the records of the ledger's streams are."""
    order, loaded, each = ContactStreams(config), [stream for stream in streams if stream.is_loaded], []
    for stream in streams:
        order.came(stream.name, stream.schema.tap_stream)
        if stream.is_loaded:
            each.append(_verdict(stream, attributes, order, known))
    missing = [Finding(Level.WARNING, setting, message) for setting, message in order.missing()]
    return Verdict.joined([Verdict((*missing, *_name_findings(config, loaded))), *each])


def _verdict(
    stream: CheckedStream, attributes: KnownAttributes, order: ContactStreams, known: Mapping[str, str]
) -> Verdict:
    """Check a stream as a run does at its SCHEMA."""
    of_contacts = [name for name, object_ in known.items() if object_ == StreamObject.CONTACTS.value]
    refusal = order.refusal(stream.name, of_contacts)
    if refusal is not None:
        return Verdict((Finding(Level.ERROR, "streams", str(refusal)),))
    general = Verdict((*_object_findings(stream, known), *_removal_findings(stream)))
    kind = stream.kind
    try:
        fits = Verdict(tuple(_group_findings(stream))) if kind is None else _Objects(stream, kind, attributes).verdict()
    except StreamRefusedError as error:
        refused = Verdict((Finding(Level.ERROR, stream.setting("mappings"), str(error)),))
        others = Verdict() if kind is None else table_verdict(stream.table(kind), attributes, stream.mapped())
        return Verdict.joined([general, refused, others])
    order.admit(stream.name)
    return Verdict.joined([general, fits])


def _object_findings(stream: CheckedStream, known: Mapping[str, str]) -> Iterator[Finding]:
    """Yield that the ledger has the stream's records as something else, in the words of a run."""
    error = changed_object(stream.name, known.get(stream.name), stream.own.object.value)
    if error is not None:
        yield Finding(Level.ERROR, f"streams.{stream.name}.object", str(error))


def _removal_findings(stream: CheckedStream) -> Iterator[Finding]:
    """Yield what keeps the stream from removing, in the words of a run."""
    refused = incremental_snapshot(stream.name, stream.own, is_incremental=stream.is_incremental)
    if refused is not None:
        yield Finding(Level.ERROR, stream.setting("snapshot"), str(refused))
    elif (idle := idle_snapshot(stream.name, stream.own)) is not None:
        yield Finding(Level.WARNING, stream.setting("snapshot"), idle)
    removes_nobody = removals_turned_off(stream.name, stream.config)
    if removes_nobody is not None:
        yield Finding(Level.WARNING, "max_removal_percent", removes_nobody)


def _group_findings(stream: CheckedStream) -> Iterator[Finding]:
    setting, said = stream.setting("mappings"), list[str | None]()
    stream.mappers(said).of_memberships().of(stream.schema)
    yield from _warnings(said, setting)
    into, one = ("groups", "group") if stream.own.links is LinkName.TAG else ("companies", "company")
    message = f"Stream '{stream.name}' puts contacts into {into}: its schema names the contact and the {one}"
    yield Finding(Level.OK, setting, message)


def _warnings(said: Iterable[str | None], setting: str) -> Iterator[Finding]:
    """Yield what a mapper said, each message once."""
    for text in dict.fromkeys(said):
        if text is not None:
            yield Finding(Level.WARNING, setting, text)


class _Objects:
    """Checks a stream of contacts, or of other objects of a kind."""

    def __init__(self, stream: CheckedStream, kind: EntityKind, attributes: KnownAttributes) -> None:
        """Lay its properties out as a run does.

        Raises:
            StreamRefusedError: its records cannot be loaded.
        """
        self._stream = stream
        self._own = stream.own
        self._kind = kind
        self._known = attributes
        self._attributes = attributes.of_kind(kind)
        self._table = stream.table(kind)
        self._setting = self._table.mappings
        self._said: list[str | None] = []
        self._mapper = stream.mappers(self._said).of(kind).of(stream.schema)
        self._targets = self._mapper.targets()

    def verdict(self) -> Verdict:
        """Check where its properties go, and whether their values fit."""
        if self._own.orders_removals:
            return Verdict(tuple(self._matching()))
        fates = {} if self._attributes is None else dict(self._fates())
        made = [prop for prop, (fate, _) in fates.items() if fate is Fate.MADE]
        findings = [*self._matching(), *name_findings(self._table, self._stream.mapped())]
        for prop, attribute in self._targets.items():
            if not attribute.startswith(CUSTOM_PREFIX):
                findings += self._standard(prop, attribute)
            elif prop in fates:
                findings += self._custom(prop, *fates[prop])
        to_make = frozenset((self._kind.noun, self._targets[prop]) for prop in made)
        return Verdict((*findings, *self._making(made)), to_make)

    def _matching(self) -> Iterator[Finding]:
        yield from _warnings(self._said, self._setting)
        wanted = [one.value for one in self._own.match_by] if self._kind.key is None else [self._kind.key]
        matched = " or ".join(one for one in wanted if one in self._targets.values())
        yield Finding(Level.OK, self._setting, f"Stream '{self._stream.name}' is matched by {matched}")

    def _fates(self) -> Iterator[tuple[str, tuple[Fate, list[Finding]]]]:
        for prop, attribute in self._targets.items():
            if attribute.startswith(CUSTOM_PREFIX):
                yield prop, fate_of(self._table, prop, attribute, self._known)

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
        values = self._mapper.values(prop)
        if attribute in self._kind.identifiers:
            which = MatchBy(attribute) if self._kind.key is None else MatchBy.EXTERNAL_ID
            takes = "texts" if which is MatchBy.EMAIL else "texts and whole numbers"
            yield from self._fit_findings(prop, attribute, takes, identifier_fit(values, which))
            return
        standard = self._kind.writable[attribute]
        type_ = _taken_by(standard, self._stream.config.api_version)
        if type_ is None:
            return
        if has_nested(values):
            but = "" if standard.member is None else f", but for the '{standard.member}' of an object"
            message = f"{self._where(prop)} goes into '{attribute}', which takes {taken(type_)}: objects and lists are "
            yield Finding(Level.WARNING, self._setting, f"{message}left out{but}")
        yield from self._fit_findings(prop, attribute, taken(type_), fit_in_standard(values, type_))

    def _custom(self, prop: str, fate: Fate, findings: Sequence[Finding]) -> Iterator[Finding]:
        yield from findings
        if fate is Fate.LOADED and self._attributes is not None:
            yield from self._loaded(prop, self._targets[prop], self._attributes.type_of(self._targets[prop]))

    def _loaded(self, prop: str, name: str, takes: AttributeType) -> Iterator[Finding]:
        values = self._mapper.values(prop)
        yield from self._fit_findings(prop, name, taken(takes.type), fit(values, takes.type))
        if takes.options is not None:
            yield from self._options(prop, name, takes.options, values)

    def _where(self, prop: str) -> str:
        return f"Stream '{self._stream.name}': '{prop}' ({named(self._mapper.values(prop))})"

    def _fit_findings(self, prop: str, attribute: str, takes: str, fits: Fit | None) -> Iterator[Finding]:
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
        others = "other values" if strange is None else f"other values ({_quoted(strange)})"
        message = (
            f"Stream '{self._stream.name}': '{prop}' goes into '{attribute}', a list of {_quoted(options)}: {others} "
            "are left out"
        )
        yield Finding(Level.WARNING, self._setting, message)


def _taken_by(standard: Attribute, api_version: str) -> ValueType | None:
    """Return what values a standard attribute takes: where decimals are cut, any number."""
    type_ = standard.type_in(api_version)
    return ValueType.FLOAT if type_ is ValueType.INTEGER and standard.most is not None else type_


def _quoted(values: Sequence[Json]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _name_findings(config: Config, streams: Sequence[CheckedStream]) -> Iterator[Finding]:
    """Yield a warning for each property that a setting names and no stream has."""
    yield from _property_findings(config, streams)
    named = {"deleted_property": StreamConfig().deleted_property, "tags_property": None, "companies_property": None}
    for setting, default in named.items():
        for where, wanted, among in _wanted(config, streams, setting):
            if wanted is None or wanted == default or any(one.is_open for one in among):
                continue
            paths = () if setting == "deleted_property" else (wanted,)
            if all(Properties(one.properties, paths).find(wanted) == Meant() for one in among):
                yield Finding(Level.WARNING, where, f"No stream has the property '{wanted}'")


def _wanted(
    config: Config, streams: Sequence[CheckedStream], setting: str
) -> Iterator[tuple[str, str | None, Sequence[CheckedStream]]]:
    """Yield each value of a setting that names a property, with the setting's full name and its streams."""
    general: str | None = getattr(config.general, setting)
    shared = [one for one in streams if getattr(one.own, setting) == general]
    if shared:
        yield setting, general, shared
    for one in streams:
        own: str | None = getattr(one.own, setting)
        if own != general:
            yield f"streams.{one.name}.{setting}", own, [one]


def _property_findings(config: Config, streams: Sequence[CheckedStream]) -> Iterator[Finding]:
    """Yield a warning for each mapped property that no stream has, in the words of a run."""
    for prop in sorted(config.general.mappings):
        if not any(stream.has(prop) for stream in streams):
            yield Finding(Level.WARNING, "mappings", unused_name("mappings", prop))
    for stream in streams:
        if config.has_own_mappings(stream.name):
            setting = f"streams.{stream.name}.mappings"
            for prop in sorted(stream.own.mappings):
                if not stream.has(prop):
                    message = f"Setting '{setting}' names the property '{prop}', which the stream does not have"
                    yield Finding(Level.WARNING, setting, message)
