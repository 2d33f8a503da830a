"""JSON schemas of any draft: which values a property may have. Pure.

Only types, formats, `$ref` within the schema, `allOf`, `anyOf`, `oneOf` and `enum` say something of that. All else is
passed over, whatever it holds: taps write schemas of several drafts at once, and no run may end over one.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import reduce
from urllib.parse import unquote

from target_intercom.kinds.entity import ValueType

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.model import Json

_TYPES: t.Final = frozenset({"boolean", "integer", "number", "string", "object", "array"})
_NULL: t.Final = "null"
_ANY: t.Final = "any"
"""A type of draft 3: no type is named. The SDK's flattening would make texts of a property without `type`."""
_DECIMALS: t.Final = frozenset({"singer.decimal", "x-singer.decimal"})
"""Formats of texts that are numbers, which taps write so to keep all digits."""
_TEXTS: t.Final[Mapping[str | None, ValueType]] = {
    "date": ValueType.DATE,
    "date-time": ValueType.DATETIME,
    **dict.fromkeys(_DECIMALS, ValueType.FLOAT),
}
"""The type of texts, by their format."""
_DEEPEST: t.Final = 32
"""Levels of nested schemas that are read."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values that a JSON schema allows, null aside."""

    types: frozenset[str] | None = None
    """None: no type is named, and any value may come. Empty: null alone is allowed."""
    format: str | None = None
    members: Mapping[str, Values] | None = None
    """The properties of an object, where they are named."""
    allowed: tuple[Json, ...] | None = None
    """A closed list of values."""

    @property
    def value_type(self) -> ValueType | None:
        """The attribute type that fits; None: no type is named."""
        if not self.types:
            return None
        if self.types == {"boolean"}:
            return ValueType.BOOLEAN
        if self.types == {"integer"}:
            return ValueType.INTEGER
        if self.types <= {"integer", "number"}:
            return ValueType.FLOAT
        # A text with a format may come as a number, too: unix seconds, a decimal that a float can hold.
        return self.text_type if self.types <= {"integer", "number", "string"} else ValueType.STRING

    @property
    def text_type(self) -> ValueType:
        """The attribute type that fits the texts among the values."""
        return _TEXTS.get(self.format, ValueType.STRING)

    @property
    def are_decimal_texts(self) -> bool:
        """Whether texts among them are numbers."""
        return self.types is not None and "string" in self.types and self.format in _DECIMALS


ANY: t.Final = Values()


def values_of(schema: Json) -> Values:
    """Read the JSON schema of a property or a stream."""
    return _Reader(schema).read(schema)


def plain_schema(schema: Json, key_properties: Iterable[str] = (), *, names_all: bool = True) -> dict[str, Json]:
    """Return a stream's schema with nothing in it but what is read here: the SDK may fail at the rest.

    Where it names no properties, or not all of them, `additionalProperties` is true, and the key properties are named,
    without a type.
    """
    members = values_of(schema).members or {}
    if members and names_all:
        return {"type": "object", "properties": {name: _plain(values) for name, values in members.items()}}
    named = {**dict.fromkeys(key_properties, ANY), **members}
    properties = {name: _plain(values) for name, values in named.items()}
    return {"type": "object", "properties": properties, "additionalProperties": True}


def is_open(schema: Mapping[str, Json]) -> bool:
    """Check whether a plain schema comes from one that does not name all properties."""
    return schema.get("additionalProperties") is True


def _plain(values: Values) -> dict[str, Json]:
    plain: dict[str, Json] = {"type": [_ANY] if values.types is None else [_NULL, *sorted(values.types)]}
    if values.format is not None:
        plain["format"] = values.format
    if values.members is not None:
        plain["properties"] = {name: _plain(member) for name, member in values.members.items()}
    if values.allowed is not None:
        plain["enum"] = list(values.allowed)
    return plain


class _Reader:
    """Reads a schema and those within it; a `$ref` begins at `root`."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._referred: dict[str, Values] = {}

    def read(self, schema: Json, depth: int = 0) -> Values:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return ANY  # JSON Schema allows true and false, for any value and none
        parts = [self._own(schema, depth)]
        reference = schema.get("$ref")
        if isinstance(reference, str):
            parts.append(self._refer(reference, depth))
        parts += [self.read(part, depth + 1) for part in _listed(schema.get("allOf"))]
        for word in ("anyOf", "oneOf"):
            branches = [self.read(branch, depth + 1) for branch in _listed(schema.get(word))]
            if branches:
                parts.append(_any_of(branches))
        return reduce(_both, parts)

    def _own(self, schema: Mapping[str, Json], depth: int) -> Values:
        """Read a schema without those that it refers to."""
        members = schema.get("properties")
        named = [members] if isinstance(members, dict) else []
        own_format, allowed = schema.get("format"), schema.get("enum")
        return Values(
            self._types(schema, depth),
            own_format if isinstance(own_format, str) else None,
            {name: self.read(member, depth + 1) for one in named for name, member in one.items()} or None,
            tuple(allowed) if isinstance(allowed, list) else None,
        )

    def _types(self, schema: Mapping[str, Json], depth: int) -> frozenset[str] | None:
        if "type" not in schema:
            return frozenset({"object"}) if isinstance(schema.get("properties"), dict) else None
        given = schema["type"]
        types: set[str] = set()
        for one in given if isinstance(given, list) else [given]:
            # Draft 3 has schemas among the types.
            named = self.read(one, depth + 1).types if isinstance(one, dict) else _named(one)
            if named is None:
                return None
            types |= named
        return frozenset(types)

    def _refer(self, reference: str, depth: int) -> Values:
        """Read the schema that a `$ref` points to; any value, where it points elsewhere, nowhere or in a circle."""
        if reference not in self._referred:
            self._referred[reference] = ANY
            self._referred[reference] = self.read(_pointed_to(self._root, reference), depth + 1)
        return self._referred[reference]


def _named(type_: Json) -> frozenset[str] | None:
    if type_ == _NULL:
        return frozenset()
    return frozenset({type_}) if isinstance(type_, str) and type_ in _TYPES else None


def _listed(schemas: Json) -> Sequence[Json]:
    return schemas if isinstance(schemas, list) else ()


def _pointed_to(root: Json, reference: str) -> Json:
    """Return the schema that a JSON pointer points to; None: there is none."""
    document, _, pointer = reference.partition("#")
    own = {root.get("$id"), root.get("id")} if isinstance(root, dict) else set()
    if document not in {"", *own} or not (pointer == "" or pointer.startswith("/")):
        return None
    found = root
    for part in unquote(pointer).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict):
            found = found.get(key)
        else:
            return None
    return found


def _both(one: Values, other: Values) -> Values:
    """Return the values that two schemas allow together."""
    formats = {one.format, other.format} - {None}
    return Values(
        _types_of_both(one.types, other.types),
        formats.pop() if len(formats) == 1 else None,
        {**(one.members or {}), **(other.members or {})} or None,
        other.allowed if one.allowed is None else one.allowed,
    )


def _types_of_both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    common = one & other
    if ("integer" in one and "number" in other) or ("number" in one and "integer" in other):
        common |= {"integer"}
    # Where no value can be of both it is the schema that is wrong, and values come all the same.
    return common or one | other


def _any_of(branches: Sequence[Values]) -> Values:
    """Return the values that one of several schemas allows."""
    types: set[str] | None = set()
    for branch in branches:
        types = None if types is None or branch.types is None else types | branch.types
    formats = {branch.format for branch in branches} - {None}
    lists = [branch.allowed for branch in branches if branch.types != frozenset()]
    return Values(
        None if types is None else frozenset(types),
        formats.pop() if len(formats) == 1 else None,
        {name: member for branch in branches for name, member in (branch.members or {}).items()} or None,
        tuple(value for one in lists if one is not None for value in one) if lists and None not in lists else None,
    )
