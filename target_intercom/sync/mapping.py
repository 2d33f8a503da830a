"""Records into contact drafts: which property goes into which attribute, as what. Pure."""

from __future__ import annotations

import typing as t
import unicodedata
from dataclasses import dataclass, field
from importlib.metadata import version

from target_intercom.config import TAG, SyncMode, Unmapped
from target_intercom.errors import InvalidRecordError
from target_intercom.intercom.protocol import CUSTOM_PREFIX
from target_intercom.model import (
    READ_ONLY_ATTRIBUTES,
    STANDARD_ATTRIBUTES,
    ContactDraft,
    Kind,
)
from target_intercom.sync.coercion import (
    UncoercibleError,
    coerce,
    coercion,
    cut,
    is_set,
    schema_kind,
    value_kind,
)
from target_intercom.sync.group_names import group_names
from target_intercom.sync.identity import read_identity, refuse_without_identifier

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_intercom.config import StreamConfig
    from target_intercom.model import GroupKey, Identity, Json, MatchBy, Received, StandardAttribute


@dataclass(frozen=True, slots=True)
class AttributeType:
    """What the workspace's attribute takes."""

    kind: Kind
    options: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A record's draft, and the attributes whose values were cut or left out on the way."""

    draft: ContactDraft
    cut: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


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
        properties: Mapping[str, Mapping[str, Json]],
        config: StreamConfig,
        *,
        api_version: str,
        say: Callable[[str], None],
    ) -> None:
        """Lay out where each property of the schema goes.

        Args:
            stream: the stream's name, for messages.
            properties: the schema's properties.
            config: the stream's settings.
            api_version: the `Intercom-Version` that decides what standard attributes take.
            say: takes each message a person should see; told the same more than once, it says it once.

        Raises:
            StreamRefusedError: no property gives an identifier of `match_by`.
        """
        self._stream = stream
        self._properties = properties
        self._config = config
        self._say = say
        self._kinds = {name: attribute.kind_in(api_version) for name, attribute in STANDARD_ATTRIBUTES.items()}
        self._readers = _standard_readers(self._kinds)
        self._targets: dict[str, str | None] = {}
        self._sources: dict[str, str] = {}
        for name in sorted(properties, key=lambda prop: (prop not in config.mappings, _clean(prop) != prop)):
            self._target(name)
        refuse_without_identifier(stream, properties, self._sources, config.match_by)
        if "id" in properties and "id" not in config.mappings and "external_id" not in self._sources:
            self._say(
                f"Stream '{stream}': property 'id' is left out: a source's id is never taken for Intercom's. To match "
                'by it, map it: {"id": "external_id"}; to silence this, map it to null.'
            )

    def targets(self) -> dict[str, str]:
        """Give the attribute that each property of the schema goes into; those that go nowhere are left out."""
        return {name: attribute for name in self._properties if (attribute := self._target(name)) is not None}

    def relevant(self) -> set[str]:
        """Give the properties that decide what a record means; others, as `_sdc_batched_at`, change in every run."""
        named = {name for name in (self._config.deleted_property, self._config.tags_property) if name is not None}
        return named.union(self.targets())

    def basis(self, describe: Callable[[Sequence[str]], Json]) -> str:
        """Name all that decides what a record of this stream means, beside the record itself.

        `describe` tells of attributes how Intercom has them.
        """
        attributes = sorted(set(self.targets().values()))
        parts = (version("target-intercom"), self._config, self._kinds, self._properties, describe(attributes))
        return repr(parts)

    def says_all(self, mapped: Mapped, record: Mapping[str, Json]) -> bool:
        """Tell whether a record need not be mapped when it comes again as it is, on the same basis."""
        if mapped.cut or mapped.left_out:
            return False
        return all(self._target(name) is None for name in record.keys() - self._properties.keys())

    def custom_kinds(
        self, records: Iterable[Mapping[str, Json]], known: Mapping[str, object]
    ) -> dict[str, Kind | None]:
        """Give the custom attributes of these records that are not `known`, with the types that fit.

        The type is None for an attribute that the records only clear: no reason to make it.
        """
        wanted: dict[str, Kind | None] = {}
        settled: set[str] = set()
        for record in records:
            if settled.issuperset(record):
                continue
            for name, value in record.items():
                attribute = None if name in settled else self._target(name)
                if attribute is None or attribute in known or not attribute.startswith(CUSTOM_PREFIX):
                    settled.add(name)
                elif value is None:
                    wanted.setdefault(attribute)
                else:
                    wanted[attribute] = schema_kind(self._properties.get(name, {})) or value_kind(value)
                    settled.add(name)
        return wanted

    def map(self, received: Received, custom: Mapping[str, AttributeType | None]) -> Mapped:
        """Map a record. `custom` has the type of each custom attribute; None for one that cannot be written.

        A draft without identifiers is for whoever knows the record by its key.

        Raises:
            InvalidRecordError: a value does not fit.
        """
        record = received.record
        removed = self.removes(record)
        identity = self._identity(record, lenient=removed)
        if removed:
            return Mapped(ContactDraft(identity, {}, removed=True))
        values = _Values()
        name = ""
        try:
            for name, value in record.items():
                attribute = self._target(name)
                if attribute is None:
                    continue
                read = self._readers.get(attribute)
                if read is not None:
                    values.attributes[attribute] = read(value)
                elif attribute == "email":
                    values.attributes[attribute] = identity.email
                elif attribute not in {"id", "external_id"}:
                    self._put_custom(values, name, attribute, value, custom.get(attribute))
        except UncoercibleError as error:
            raise InvalidRecordError(str(error), code=error.code, field=name) from None
        draft = ContactDraft(identity, self._settled(values.attributes), groups=self._groups(record))
        return Mapped(draft, tuple(values.cut), tuple(values.left_out))

    def _put_custom(self, values: _Values, name: str, attribute: str, value: Json, taken: AttributeType | None) -> None:
        if taken is None:
            if value is not None:
                values.left_out.append(attribute)
            return
        coerced, was_cut = cut(coerce(value, taken.kind))
        if self._is_no_option(name, coerced, taken):
            values.left_out.append(attribute)
            return
        values.attributes[attribute] = coerced
        if was_cut:
            values.cut.append(attribute)

    def removes(self, record: Mapping[str, Json]) -> bool:
        """Tell whether a record names a contact to remove."""
        return self._config.sync_mode is SyncMode.REMOVE or is_set(record.get(self._config.deleted_property))

    @property
    def identifiers(self) -> list[MatchBy]:
        """The identifiers of `match_by` that the stream has a property for, in their order."""
        return [which for which in self._config.match_by if which.value in self._sources]

    def identity(self, record: Mapping[str, Json]) -> Identity:
        """Read a record's identifiers; what is no identifier is none."""
        return self._identity(record, lenient=True)

    def _identity(self, record: Mapping[str, Json], *, lenient: bool) -> Identity:
        return read_identity(record, self._sources, self._config.match_by, lenient=lenient)

    def _groups(self, record: Mapping[str, Json]) -> Mapping[GroupKey, str] | None:
        """Read the groups that a record lists; None where it says nothing of them."""
        name = self._config.tags_property
        if name is None or name not in record or (record[name] is None and not self._config.clear_nulls):
            return None
        try:
            return group_names(record[name])
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

    def _target(self, name: str) -> str | None:
        """Tell which attribute a property goes into; None: nowhere."""
        if name not in self._targets:
            self._targets[name] = self._claim(name)
        return self._targets[name]

    def _claim(self, name: str) -> str | None:
        """Decide where a property goes, the first time it is seen; an attribute takes one property."""
        attribute = self._wanted(name)
        if attribute is None:
            return None
        if self._kinds.get(attribute, Kind.STRING) is None:
            self._say(
                f"Stream '{self._stream}': property '{name}' is left out: '{attribute}' needs API version "
                f"{_since(STANDARD_ATTRIBUTES[attribute])}"
            )
            return None
        holder = self._sources.setdefault(attribute, name)
        if holder != name:
            self._say(
                f"Stream '{self._stream}': property '{name}' is left out: '{holder}' goes into '{attribute}' already"
            )
            return None
        return attribute

    def _wanted(self, name: str) -> str | None:
        config = self._config
        if name == config.tags_property and config.mappings.get(name) is None:
            return None
        if name in config.mappings:
            attribute = config.mappings[name]
            if attribute == TAG:
                return None
            return (
                attribute
                if attribute is None or not attribute.startswith(CUSTOM_PREFIX)
                else custom_name(attribute.removeprefix(CUSTOM_PREFIX))
            )
        if config.unmapped is Unmapped.IGNORE or name.startswith("_sdc_") or name == config.deleted_property:
            return None
        standard = STANDARD_ATTRIBUTES.get(name)
        if standard is not None and not standard.only_when_mapped:
            return name
        if _clean(name) in STANDARD_ATTRIBUTES or _clean(name) in READ_ONLY_ATTRIBUTES:
            if name != "id":
                self._say(
                    f"Stream '{self._stream}': property '{name}' is left out: Intercom has a standard attribute of "
                    f'that name. To load it, map it, for example {{"{name}": "{_elsewhere(name)}"}}; to silence this, '
                    "map it to null."
                )
            return None
        return custom_name(name)


def _standard_readers(kinds: Mapping[str, Kind | None]) -> Mapping[str, Callable[[Json], Json]]:
    """Give what makes the value of each standard attribute, but of those that are identifiers."""
    readers = {name: coercion(kind) for name, kind in kinds.items() if kind is not None}
    del readers["external_id"], readers["email"]
    as_text = {"owner_id": _owner} if kinds["owner_id"] is Kind.STRING else {}
    return {**readers, **as_text, "phone": _trimmed, "avatar": _trimmed}


def _since(attribute: StandardAttribute) -> str:
    return ".".join(map(str, attribute.since or ()))


def _owner(value: Json) -> Json:
    return _trimmed(value) or None


def _trimmed(value: Json) -> Json:
    text = coerce(value, Kind.STRING)
    return None if text is None else text.strip()


def _elsewhere(name: str) -> str:
    """Give an attribute that a property of this name can go into."""
    return name if name in STANDARD_ATTRIBUTES else custom_name(f"source_{name}")


def _clean(name: str) -> str:
    """Replace the characters that Intercom does not allow in attribute names (fact sheet sections 3.4 and 8)."""
    return "".join(char if _allowed(char) else "_" for char in name.strip())


def _allowed(char: str) -> bool:
    return char.isalnum() or char in "_- " or (char != "$" and unicodedata.category(char) == "Sc")


def custom_name(name: str) -> str:
    """Give the full name of a custom attribute; characters that Intercom does not allow are replaced."""
    return CUSTOM_PREFIX + (_clean(name) or "_")
