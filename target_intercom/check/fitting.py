"""Whether the values of a property fit an attribute, as far as their types tell. Pure.

The rules are those of `sync/coercion.py` and `sync/identity.py`; a test holds them together.
"""

from __future__ import annotations

import enum
import typing as t

from target_intercom.model import Kind, MatchBy
from target_intercom.sync.coercion import schema_kind, schema_types

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.model import Json


class Fit(enum.IntEnum):
    """How many values of one type fit another."""

    NONE = 0
    SOME = 1
    ALL = 2


class Nested(enum.Enum):
    """A type that no attribute has: an object or a list."""

    NESTED = "object"


Shape: t.TypeAlias = Kind | t.Literal[Nested.NESTED]
"""What a property's values are."""

_SHAPES: t.Final[Mapping[str, Shape]] = {
    "integer": Kind.INTEGER,
    "number": Kind.FLOAT,
    "boolean": Kind.BOOLEAN,
    "object": Nested.NESTED,
    "array": Nested.NESTED,
}
_DATE_FITS: t.Final[Mapping[Shape, Fit]] = {
    Kind.DATE: Fit.ALL,
    Kind.DATETIME: Fit.ALL,
    Kind.INTEGER: Fit.SOME,
    Kind.FLOAT: Fit.SOME,
    Kind.STRING: Fit.SOME,
}
_FITS: t.Final[Mapping[Kind, Mapping[Shape, Fit]]] = {
    Kind.STRING: dict.fromkeys((*Kind, Nested.NESTED), Fit.ALL),
    Kind.INTEGER: {Kind.INTEGER: Fit.ALL, Kind.FLOAT: Fit.SOME, Kind.STRING: Fit.SOME},
    Kind.FLOAT: {Kind.INTEGER: Fit.ALL, Kind.FLOAT: Fit.ALL, Kind.STRING: Fit.SOME},
    Kind.BOOLEAN: {
        Kind.BOOLEAN: Fit.ALL,
        Kind.INTEGER: Fit.SOME,
        Kind.FLOAT: Fit.SOME,
        Kind.STRING: Fit.SOME,
    },
    Kind.DATE: _DATE_FITS,
    Kind.DATETIME: _DATE_FITS,
}
"""By the attribute's type; a type that is missing never fits."""
_ID_FITS: t.Final[Mapping[Shape, Fit]] = {
    Kind.STRING: Fit.ALL,
    Kind.INTEGER: Fit.ALL,
    Kind.DATE: Fit.ALL,
    Kind.DATETIME: Fit.ALL,
    Kind.FLOAT: Fit.SOME,
}
_WORDS: t.Final[Mapping[Kind, str]] = {
    Kind.STRING: "texts",
    Kind.INTEGER: "whole numbers",
    Kind.FLOAT: "numbers",
    Kind.BOOLEAN: "true, false and words for them (yes, no, 1, 0)",
    Kind.DATE: "dates (ISO 8601, or unix seconds)",
    Kind.DATETIME: "dates (ISO 8601, or unix seconds)",
}


def shapes(schema: Json) -> frozenset[Shape]:
    """Tell what a property's values are, by its JSON schema; nothing where that names no type."""
    types = schema_types(schema)
    text = schema_kind(schema) if types == {"string"} else Kind.STRING
    return frozenset(_SHAPES.get(one, text or Kind.STRING) for one in types)


def fit(schema: Json, kind: Kind) -> Fit | None:
    """Tell how many values of a property fit an attribute of a type; None: the schema does not tell."""
    return _overall(shapes(schema), _FITS[kind])


def identifier_fit(schema: Json, which: MatchBy) -> Fit | None:
    """Tell how many values of a property can be an identifier; None: the schema does not tell."""
    if which is MatchBy.EMAIL:
        return _overall(shapes(schema), {Kind.STRING: Fit.ALL})
    return _overall(shapes(schema), _ID_FITS)


def taken(kind: Kind) -> str:
    """Say what an attribute of a type takes."""
    return _WORDS[kind]


def allowed_values(schema: Json) -> list[Json] | None:
    """Give the values that a property's schema allows, but null; None where it lists none."""
    values = schema.get("enum") if isinstance(schema, dict) else None
    return [value for value in values if value is not None] if isinstance(values, list) else None


def named(schema: Json) -> str:
    """Name a property's types."""
    names = {one.value for one in shapes(schema)}
    return " or ".join(sorted(names))


def _overall(given: frozenset[Shape], fits: Mapping[Shape, Fit]) -> Fit | None:
    if not given:
        return None
    each = {fits.get(shape, Fit.NONE) for shape in given}
    return each.pop() if len(each) == 1 else Fit.SOME
