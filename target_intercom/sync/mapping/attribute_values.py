"""Values of records on their way into attributes, standard and custom ones, and the types of custom ones. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from target_intercom.kinds.entity import ValueType
from target_intercom.sync.mapping.properties import object_of
from target_intercom.sync.mapping.values import (
    coerce,
    coercion,
    cut,
    is_lost,
    is_null,
    loses_decimals,
    shared_type,
    value_type,
    whole_up_to,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.kinds.entity import Attribute, EntityKind
    from target_intercom.model import Json

_NESTED: t.Final = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class AttributeType:
    """The values that a custom attribute of the workspace takes."""

    type: ValueType
    options: tuple[str, ...] | None = None
    """The closed list of a list attribute."""


class WantedAttributes:
    """The custom attributes that records want and that are not known yet, with the types that fit."""

    def __init__(self, known: Mapping[str, object]) -> None:
        """`known` has the others."""
        self.known = known
        self._named: dict[str, ValueType | None] = {}
        self._shared: dict[str, set[ValueType]] = defaultdict(set)

    def add_cleared(self, attribute: str) -> None:
        """Add an attribute that a record clears: no reason to make it."""
        self._named.setdefault(attribute)

    def add_typed(self, attribute: str, type_: ValueType) -> None:
        """Add an attribute whose type a schema names; the first one counts."""
        self._named[attribute] = self._named.get(attribute) or type_

    def add_untyped(self, attribute: str, value: Json, text_type: ValueType) -> None:
        """Add a value whose type no schema names; `text_type` is what the schema says of texts."""
        self._shared[attribute].add(value_type(value, text_type))

    def types(self) -> dict[str, ValueType | None]:
        """Return their types; None for an attribute that the records only clear.

        Where no schema names a type, it is the one that all values share.
        """
        shared = {attribute: shared_type(types) for attribute, types in self._shared.items()}
        return {name: self._named.get(name) or shared.get(name) for name in {**self._named, **shared}}


@dataclass(slots=True)
class ReadValues:
    """The values of a record's attributes, and the attributes whose values were cut or left out."""

    attributes: dict[str, Json] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)
    """Attributes that are cleared, and that cannot be written."""

    def put_standard(self, attribute: str, value: Json, reader: Reader) -> None:
        """Read the value of a standard attribute; objects and lists are left out, but for an object with its member."""
        if value.__class__ in _NESTED and not (isinstance(value, dict) and reader.member in value):
            self.left_out.append(attribute)
            return
        coerced = self.attributes[attribute] = reader.read(value)
        if (coerced is None and is_lost(value)) or (reader.cuts_decimals and loses_decimals(value, coerced)):
            self.cut.append(attribute)

    def put_custom(self, attribute: str, value: Json, taken: AttributeType | None) -> bool:
        """Read the value of a custom attribute; return False where its list does not have the value.

        `taken` is None for an attribute that cannot be written.
        """
        if taken is None:
            (self.unset if is_null(value) else self.left_out).append(attribute)
            return True
        coerced, was_cut = cut(coerce(value, taken.type))
        if taken.options is not None and coerced is not None and coerced not in taken.options:
            self.left_out.append(attribute)
            return False
        self.attributes[attribute] = coerced
        if was_cut or (coerced is None and is_lost(value)):
            self.cut.append(attribute)
        return True


class Reader(t.NamedTuple):
    """How the values of a standard attribute are read."""

    read: Callable[[Json], Json]
    member: str | None
    """The member of an object that is the value; None: objects are left out."""
    cuts_decimals: bool = False


def standard_types(kind: EntityKind, api_version: str) -> dict[str, ValueType | None]:
    """Return what an `Intercom-Version` takes of each standard attribute; None: it does not have the attribute."""
    return {name: attribute.type_in(api_version) for name, attribute in kind.writable.items()}


def standard_readers(kind: EntityKind, types: Mapping[str, ValueType | None]) -> dict[str, Reader]:
    """Return how the values of each standard attribute are read, but of those that identify."""
    return {
        name: Reader(_read(attribute, type_), attribute.member, cuts_decimals=attribute.most is not None)
        for name, attribute in kind.writable.items()
        if not attribute.identifies and (type_ := types[name]) is not None
    }


def _read(attribute: Attribute, type_: ValueType) -> Callable[[Json], Json]:
    if attribute.member is not None:
        return _member_of(attribute.member)
    if attribute.most is not None:
        return whole_up_to(attribute.most)
    if attribute.names_teammate and type_ is ValueType.STRING:
        return _trimmed_or_null
    return _trimmed if attribute.trimmed else coercion(type_)


def _trimmed(value: Json) -> Json:
    text = coerce(value, ValueType.STRING)
    return None if text is None else text.strip()


def _trimmed_or_null(value: Json) -> Json:
    return _trimmed(value) or None


def _member_of(member: str) -> Callable[[Json], Json]:
    """Return what reads a text, or the text in a member of an object."""

    def read(value: Json) -> Json:
        shown = object_of(value)
        return _trimmed(value if shown is None else shown.get(member))

    return read
