"""Records into drafts of contacts or companies: which property goes into which attribute, as what. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from target_intercom.errors import InvalidRecordError
from target_intercom.model import CUSTOM_PREFIX, ContactDraft, MatchBy
from target_intercom.sync.mapping.attribute_values import ReadValues, standard_readers, standard_types
from target_intercom.sync.mapping.group_names import NAMES, group_names
from target_intercom.sync.mapping.identifiers import no_key, read_identity, read_key, refuse_without_identifier
from target_intercom.sync.mapping.layout import Layout
from target_intercom.sync.mapping.properties import CUSTOM, Properties, asks_to_remove
from target_intercom.sync.mapping.values import UncoercibleError, is_null

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import GroupKey, Identity, Json, LinkName, Received
    from target_intercom.settings.config import StreamConfig
    from target_intercom.singer.schemas import Values
    from target_intercom.sync.mapping.attribute_values import AttributeType, WantedAttributes
    from target_intercom.sync.mapping.properties import SchemaProperties

_version = cache(version)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A record's draft, and the attributes whose values were cut or left out on the way."""

    draft: ContactDraft
    cut: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class RecordMapper:
    """Maps the records of one stream, under one schema."""

    def __init__(
        self,
        properties: SchemaProperties,
        config: StreamConfig,
        *,
        kind: EntityKind,
        api_version: str,
        say: Callable[[str], None],
    ) -> None:
        """Lay out where each property of the schema goes.

        Args:
            properties: the properties that the stream's schema names.
            config: the stream's settings.
            kind: what its records are.
            api_version: the `Intercom-Version` that decides what standard attributes take.
            say: takes messages for a person; it says each of them once, however often it takes it.

        Raises:
            StreamRefusedError: no property gives an identifier of `match_by`.
        """
        self._stream = properties.stream
        self._schemas = properties.schemas
        self._config = config
        self._kind = kind
        self._api_version = api_version
        self._say = say
        self._types = standard_types(kind, api_version)
        self._readers = standard_readers(kind, self._types)
        named = [*config.mappings, *(name for _, name in config.lists.values())]
        self._properties = Properties(properties.schemas, named, is_open=properties.is_open, met=properties.met)
        self._layout = self._lay_out()
        refuse_without_identifier(self._stream, self._properties, self._layout.sources, config, kind.key)

    # What the stream's properties are.

    def learn(self, records: Sequence[Mapping[str, Json]]) -> None:
        """Add the properties of records, also those that the schema does not name."""
        if self._properties.learn(records):
            self._layout = self._lay_out()

    def targets(self) -> dict[str, str]:
        """Return the attribute that each property goes into, but for properties that go nowhere."""
        return {name: to for name, to in self._layout.targets.items() if to is not None and to != CUSTOM}

    def values(self, name: str) -> Values:
        """Return what the schema says of a property's values."""
        return self._properties.values(name)

    @property
    def identifiers(self) -> list[MatchBy]:
        """The identifiers of `match_by` that the stream has a property for, in their order."""
        if self._kind.key is not None:
            return [MatchBy.EXTERNAL_ID]
        return [which for which in self._config.match_by if which.value in self._layout.sources]

    def want(self, records: Iterable[Mapping[str, Json]], wanted: WantedAttributes) -> None:
        """Add the custom attributes of records to those that are wanted."""
        decided: set[str] = set()
        for record in records:
            if decided.issuperset(record):
                continue
            for name, value in self._read(record).items():
                attribute = None if name in decided else self._layout.targets[name]
                if attribute is None or attribute in wanted.known or not attribute.startswith(CUSTOM_PREFIX):
                    decided.add(name)
                elif is_null(value):
                    wanted.add_cleared(attribute)
                elif (type_ := (values := self._properties.values(name)).value_type) is not None:
                    wanted.add_typed(attribute, type_)
                    decided.add(name)
                else:
                    wanted.add_untyped(attribute, value, values.text_type)

    # What a record says.

    def map(self, received: Received, custom: Mapping[str, AttributeType | None]) -> Mapped:
        """Map a record. `custom` has the type of each custom attribute; None for one that cannot be written.

        A draft may have no identifiers: the ledger may know the record by its key.

        Raises:
            InvalidRecordError: a value does not fit.
        """
        record = self._read(received.record)
        removed = self.removes(record)
        identity = self._identity(record, lenient=removed)
        if removed:
            return Mapped(ContactDraft(identity, {}, removed=True))
        if self._kind.key is not None and identity.external_id is None:
            raise no_key(self._kind, self._layout.sources.get(self._kind.key))
        values = self._values(record, custom)
        if self._layout.sources.get("email") in record:
            values.attributes["email"] = identity.email
        unset = tuple(values.unset) if self._config.clear_nulls else ()
        draft = ContactDraft(identity, self._with_nulls(values.attributes), listed=self._listed(record), unset=unset)
        return Mapped(draft, tuple(values.cut), tuple(values.left_out))

    def removes(self, record: Mapping[str, Json]) -> bool:
        """Check whether a record asks to remove its object."""
        return asks_to_remove(record, self._config, self._layout.deleted)

    def identity(self, record: Mapping[str, Json]) -> Identity:
        """Read the identifiers of a record that may be invalid; invalid ones are left out."""
        return self._identity(self._read(record), lenient=True)

    # Whether a record is the same as before.

    def relevant(self) -> set[str]:
        """Return the properties that decide what a record means; others, as `_sdc_batched_at`, change in every run."""
        named = {name for name, to in self._layout.targets.items() if to is not None}
        named.update(name for name in (self._layout.deleted, *self._layout.lists.values()) if name is not None)
        return set(map(self._properties.column, named))

    def basis(self, describe: Callable[[Sequence[str]], Json]) -> str:
        """Return a text of all that decides what a record of this stream means, beside the record itself.

        `describe` returns, for attributes, how Intercom has them.
        """
        attributes = sorted({to for name in self._properties.named if (to := self._layout.targets[name]) is not None})
        parts = (_version("target-intercom"), self._config, self._types, self._schemas, describe(attributes))
        return repr(parts)

    def says_all(self, mapped: Mapped, record: Mapping[str, Json]) -> bool:
        """Check whether a record need not be mapped when it comes again as it is, on the same basis."""
        if mapped.cut or mapped.left_out:
            return False
        unknown = self._properties.read(record).keys() - self._properties.named.keys()
        return not unknown or all(self._layout.targets[name] is None for name in unknown)

    # The steps.

    def _lay_out(self) -> Layout:
        return Layout(
            self._stream,
            self._properties,
            self._config,
            kind=self._kind,
            api_version=self._api_version,
            say=self._say,
        )

    def _read(self, record: Mapping[str, Json]) -> Mapping[str, Json]:
        """Read a record flat; the layout has all its properties then."""
        flat = self._properties.read(record)
        if flat.keys() <= self._layout.targets.keys():
            return flat
        self.learn([record])
        return self._properties.read(record)

    def _identity(self, record: Mapping[str, Json], *, lenient: bool) -> Identity:
        if self._kind.key is not None:
            return read_key(record, self._layout.sources.get(self._kind.key), lenient=lenient)
        return read_identity(record, self._layout.sources, self._config.match_by, lenient=lenient)

    def _values(self, record: Mapping[str, Json], custom: Mapping[str, AttributeType | None]) -> ReadValues:
        """Read the values of all attributes but identifiers."""
        values, targets, readers = ReadValues(), self._layout.targets, self._readers
        name = ""
        try:
            for name, value in record.items():
                attribute = targets[name]
                if attribute is None or attribute in self._kind.identifiers:
                    continue
                reader = readers.get(attribute)
                if reader is not None:
                    values.put_standard(attribute, value, reader)
                elif attribute == CUSTOM:
                    values.left_out.append(attribute)
                elif not values.put_custom(attribute, value, custom.get(attribute)):
                    self._say_no_option(name)
        except UncoercibleError as error:
            raise InvalidRecordError(str(error), code=error.code, field=name) from None
        return values

    def _say_no_option(self, name: str) -> None:
        self._say(f"Stream '{self._stream}': values of '{name}' that the attribute's list does not have are left out")

    def _with_nulls(self, attributes: dict[str, Json]) -> dict[str, Json]:
        """Take out nulls where they clear nothing, and put in the values that null stands for."""
        if not self._config.clear_nulls:
            return {name: value for name, value in attributes.items() if value is not None}
        for name, instead in self._kind.nulls.items():
            if name in attributes and attributes[name] is None:
                attributes[name] = instead
        return attributes

    def _listed(self, record: Mapping[str, Json]) -> Mapping[LinkName, Mapping[GroupKey, str]]:
        """Read the groups that a record lists, by kind of link; none of a kind of which it says nothing."""
        listed: dict[LinkName, Mapping[GroupKey, str]] = {}
        for kind, name in self._layout.lists.items():
            if name not in record:
                continue
            value = None if is_null(record[name]) else record[name]
            if value is None and not self._config.clear_nulls:
                continue
            try:
                listed[kind] = group_names(value, NAMES[kind])
            except UncoercibleError as error:
                raise InvalidRecordError(str(error), code=error.code, field=name) from None
        return listed
