"""Records into contact drafts: which property goes into which attribute, as what. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version

from target_intercom.errors import InvalidRecordError
from target_intercom.intercom.protocol import CUSTOM_PREFIX
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.entity import ValueType
from target_intercom.model import ContactDraft, MatchBy
from target_intercom.settings.config import SyncMode
from target_intercom.sync.mapping.group_names import group_names
from target_intercom.sync.mapping.identifiers import read_identity, refuse_without_identifier
from target_intercom.sync.mapping.places import Places
from target_intercom.sync.mapping.properties import CUSTOM, Properties, object_of, unheard
from target_intercom.sync.mapping.values import (
    UncoercibleError,
    coerce,
    coercion,
    cut,
    is_lost,
    is_null,
    is_set,
    shared_type,
    value_type,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_intercom.model import GroupKey, Identity, Json, Received
    from target_intercom.settings.config import StreamConfig
    from target_intercom.singer.schemas import Values


_IDENTIFIERS: t.Final = frozenset(which.value for which in MatchBy)
_NESTED: t.Final = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class AttributeType:
    """What the workspace's attribute takes."""

    kind: ValueType
    options: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A record's draft, and the attributes whose values were cut or left out on the way."""

    draft: ContactDraft
    cut: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Wanted:
    """The custom attributes that records want and that are not known yet, with the types that fit."""

    def __init__(self, known: Mapping[str, object]) -> None:
        """`known` has the others."""
        self.known = known
        self._named: dict[str, ValueType | None] = {}
        self._shared: dict[str, set[ValueType]] = defaultdict(set)

    def cleared(self, attribute: str) -> None:
        """Add an attribute that a record clears: no reason to make it."""
        self._named.setdefault(attribute)

    def named(self, attribute: str, kind: ValueType) -> None:
        """Add an attribute whose type a schema names; the first one counts."""
        self._named[attribute] = self._named.get(attribute) or kind

    def untyped(self, attribute: str, value: Json, text_type: ValueType) -> None:
        """Add a value of which no schema names a type; `text_type` is what the schema says of texts among its like."""
        self._shared[attribute].add(value_type(value, text_type))

    def kinds(self) -> dict[str, ValueType | None]:
        """Return their types; None for an attribute that the records only clear.

        Where no schema names a type, it is the one that all values share.
        """
        shared = {attribute: shared_type(kinds) for attribute, kinds in self._shared.items()}
        return {name: self._named.get(name) or shared.get(name) for name in {**self._named, **shared}}


@dataclass(slots=True)
class _Values:
    """A record's values on their way into a draft."""

    attributes: dict[str, Json] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class ContactMapper:
    """Maps the records of one stream, under one schema."""

    def __init__(
        self,
        stream: str,
        properties: Mapping[str, Json],
        config: StreamConfig,
        *,
        api_version: str,
        say: Callable[[str], None],
        is_open: bool = False,
        met: Callable[[Iterable[str]], object] = unheard,
    ) -> None:
        """Lay out where each property of the schema goes.

        Args:
            stream: the stream's name, for messages.
            properties: the JSON schemas of the properties that the stream's schema names.
            config: the stream's settings.
            api_version: the `Intercom-Version` that decides what standard attributes take.
            say: takes each message a person should see; told the same more than once, it says it once.
            is_open: the stream's schema names no properties of its own.
            met: takes the names of properties that the stream has, as they come.

        Raises:
            StreamRefusedError: no property gives an identifier of `match_by`.
        """
        self._stream = stream
        self._schemas = properties
        self._config = config
        self._say = say
        self._met = met
        self._kinds = {name: attribute.type_in(api_version) for name, attribute in CONTACTS.writable.items()}
        self._readers = _standard_readers(self._kinds)
        self._properties = Properties(properties, config.mappings, is_open=is_open)
        self._places = self._lay_out()
        refuse_without_identifier(stream, self._properties, self._places.sources, config.match_by, config.mappings)

    def learn(self, records: Sequence[Mapping[str, Json]]) -> None:
        """Keep the properties of records, also those that the schema does not name."""
        if self._properties.learn(records):
            self._places = self._lay_out()

    def _lay_out(self) -> Places:
        self._met(self._properties.names)
        return Places(self._stream, self._properties, self._config, self._kinds, self._say)

    def targets(self) -> dict[str, str]:
        """Return the attribute that each property goes into; those that go nowhere are left out."""
        return {name: to for name, to in self._places.targets.items() if to is not None and to != CUSTOM}

    def values(self, name: str) -> Values:
        """Return what the schema says of a property's values."""
        return self._properties.values(name)

    def relevant(self) -> set[str]:
        """Return the properties that decide what a record means; others, as `_sdc_batched_at`, change in every run."""
        named = {name for name in (self._places.deleted, self._places.groups) if name is not None}
        return named.union(self._properties.column(name) for name, to in self._places.targets.items() if to is not None)

    def basis(self, describe: Callable[[Sequence[str]], Json]) -> str:
        """Name all that decides what a record of this stream means, beside the record itself.

        `describe` tells of attributes how Intercom has them.
        """
        attributes = sorted({to for name in self._properties.named if (to := self._places.targets[name]) is not None})
        parts = (version("target-intercom"), self._config, self._kinds, self._schemas, describe(attributes))
        return repr(parts)

    def says_all(self, mapped: Mapped, record: Mapping[str, Json]) -> bool:
        """Check whether a record need not be mapped when it comes again as it is, on the same basis."""
        if mapped.cut or mapped.left_out:
            return False
        unknown = self._properties.read(record).keys() - self._properties.named.keys()
        return all(self._places.targets[name] is None for name in unknown)

    def want(self, records: Iterable[Mapping[str, Json]], wanted: Wanted) -> None:
        """Add the custom attributes of these records to those that are wanted."""
        settled: set[str] = set()
        for record in records:
            if settled.issuperset(record):
                continue
            for name, value in self._read(record).items():
                attribute = None if name in settled else self._places.targets[name]
                if attribute is None or attribute in wanted.known or not attribute.startswith(CUSTOM_PREFIX):
                    settled.add(name)
                elif is_null(value):
                    wanted.cleared(attribute)
                elif (kind := (values := self._properties.values(name)).value_type) is not None:
                    wanted.named(attribute, kind)
                    settled.add(name)
                else:
                    wanted.untyped(attribute, value, values.text_type)

    def map(self, received: Received, custom: Mapping[str, AttributeType | None]) -> Mapped:
        """Map a record. `custom` has the type of each custom attribute; None for one that cannot be written.

        A draft without identifiers is for whoever knows the record by its key.

        Raises:
            InvalidRecordError: a value does not fit.
        """
        record = self._read(received.record)
        removed = self.removes(record)
        identity = self._identity(record, lenient=removed)
        if removed:
            return Mapped(ContactDraft(identity, {}, removed=True))
        values = self._values(record, custom)
        if self._places.sources.get("email") in record:
            values.attributes["email"] = identity.email
        draft = ContactDraft(identity, self._settled(values.attributes), groups=self._groups(record))
        return Mapped(draft, tuple(values.cut), tuple(values.left_out))

    def _values(self, record: Mapping[str, Json], custom: Mapping[str, AttributeType | None]) -> _Values:
        """Read the values of attributes; those of identifiers are the identity's."""
        values, targets, readers = _Values(), self._places.targets, self._readers
        name = ""
        try:
            for name, value in record.items():
                attribute = targets[name]
                if attribute is None or attribute in _IDENTIFIERS:
                    continue
                read = readers.get(attribute)
                if read is not None:
                    _put_standard(values, attribute, value, read)
                elif attribute == CUSTOM:
                    values.left_out.append(attribute)
                else:
                    self._put_custom(values, name, attribute, value, custom.get(attribute))
        except UncoercibleError as error:
            raise InvalidRecordError(str(error), code=error.code, field=name) from None
        return values

    def _put_custom(self, values: _Values, name: str, attribute: str, value: Json, taken: AttributeType | None) -> None:
        if taken is None:
            if not is_null(value):
                values.left_out.append(attribute)
            return
        coerced, was_cut = cut(coerce(value, taken.kind))
        if self._is_no_option(name, coerced, taken):
            values.left_out.append(attribute)
            return
        values.attributes[attribute] = coerced
        if was_cut or (coerced is None and is_lost(value)):
            values.cut.append(attribute)

    def removes(self, record: Mapping[str, Json]) -> bool:
        """Check whether a record names a contact to remove."""
        return self._config.sync_mode is SyncMode.REMOVE or (
            self._places.deleted is not None and is_set(record.get(self._places.deleted))
        )

    @property
    def identifiers(self) -> list[MatchBy]:
        """The identifiers of `match_by` that the stream has a property for, in their order."""
        return [which for which in self._config.match_by if which.value in self._places.sources]

    def identity(self, record: Mapping[str, Json]) -> Identity:
        """Read a record's identifiers; what is no identifier is none."""
        return self._identity(self._read(record), lenient=True)

    def _read(self, record: Mapping[str, Json]) -> Mapping[str, Json]:
        """Read a record flat; all its properties have their place then."""
        flat = self._properties.read(record)
        if flat.keys() <= self._places.targets.keys():
            return flat
        self.learn([record])
        return self._properties.read(record)

    def _identity(self, record: Mapping[str, Json], *, lenient: bool) -> Identity:
        return read_identity(record, self._places.sources, self._config.match_by, lenient=lenient)

    def _groups(self, record: Mapping[str, Json]) -> Mapping[GroupKey, str] | None:
        """Read the groups that a record lists; None where it says nothing of them."""
        name = self._places.groups
        if name is None or name not in record:
            return None
        value = None if is_null(record[name]) else record[name]
        if value is None and not self._config.clear_nulls:
            return None
        try:
            return group_names(value)
        except UncoercibleError as error:
            raise InvalidRecordError(str(error), code=error.code, field=name) from None

    def _is_no_option(self, name: str, value: Json, taken: AttributeType) -> bool:
        """Tell, and say, whether a list attribute does not have this value among its options."""
        if taken.options is None or value is None or value in taken.options:
            return False
        self._say(f"Stream '{self._stream}': values of '{name}' that the attribute's list does not have are left out")
        return True

    def _settled(self, attributes: dict[str, Json]) -> dict[str, Json]:
        """Take nulls out where they clear nothing, and a consent of null for false: neither re-subscribes anybody."""
        if not self._config.clear_nulls:
            return {name: value for name, value in attributes.items() if value is not None}
        if "unsubscribed_from_emails" in attributes and attributes["unsubscribed_from_emails"] is None:
            attributes["unsubscribed_from_emails"] = False
        return attributes


def _put_standard(values: _Values, attribute: str, value: Json, read: Callable[[Json], Json]) -> None:
    """Read the value of a standard attribute; they are flat, and an object or a list says nothing that they take."""
    if value.__class__ in _NESTED and not (attribute == "avatar" and _IMAGE in value):
        values.left_out.append(attribute)
        return
    coerced = values.attributes[attribute] = read(value)
    if coerced is None and is_lost(value):
        values.cut.append(attribute)


def _standard_readers(kinds: Mapping[str, ValueType | None]) -> Mapping[str, Callable[[Json], Json]]:
    """Return what makes the value of each standard attribute, but of those that are identifiers."""
    readers = {name: coercion(kind) for name, kind in kinds.items() if kind is not None}
    del readers["external_id"], readers["email"]
    as_text = {"owner_id": _owner} if kinds["owner_id"] is ValueType.STRING else {}
    return {**readers, **as_text, "phone": _trimmed, "avatar": _avatar}


def _owner(value: Json) -> Json:
    return _trimmed(value) or None


def _trimmed(value: Json) -> Json:
    text = coerce(value, ValueType.STRING)
    return None if text is None else text.strip()


_IMAGE: t.Final = "image_url"
"""The member of an avatar, as Intercom shows it, that is what Intercom takes."""


def _avatar(value: Json) -> Json:
    shown = object_of(value)
    return _trimmed(value if shown is None else shown.get(_IMAGE))
