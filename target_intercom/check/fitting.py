"""Whether the values of a property fit an attribute, as far as their types tell. Pure.

The rules are those of `sync/mapping/values.py` and `sync/mapping/identifiers.py`; a test holds them together. Types are
read as a run reads them (`singer/schemas.py`).
"""

from __future__ import annotations

import enum
import typing as t

from target_intercom.kinds.entity import ValueType
from target_intercom.model import MatchBy

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.model import Json
    from target_intercom.singer.schemas import Values


class Fit(enum.IntEnum):
    """How many values of one type fit another."""

    NONE = 0
    SOME = 1
    ALL = 2


class Nested(enum.Enum):
    """A type that no attribute has: an object or a list."""

    NESTED = "object"


Shape: t.TypeAlias = ValueType | t.Literal[Nested.NESTED]
"""What a property's values are."""

_SHAPES: t.Final[Mapping[str, Shape]] = {
    "integer": ValueType.INTEGER,
    "number": ValueType.FLOAT,
    "boolean": ValueType.BOOLEAN,
    "object": Nested.NESTED,
    "array": Nested.NESTED,
}
_DATE_FITS: t.Final[Mapping[Shape, Fit]] = {
    ValueType.DATE: Fit.ALL,
    ValueType.DATETIME: Fit.ALL,
    ValueType.INTEGER: Fit.SOME,
    ValueType.FLOAT: Fit.SOME,
    ValueType.STRING: Fit.SOME,
}
_FITS: t.Final[Mapping[ValueType, Mapping[Shape, Fit]]] = {
    ValueType.STRING: dict.fromkeys((*ValueType, Nested.NESTED), Fit.ALL),
    ValueType.INTEGER: {ValueType.INTEGER: Fit.ALL, ValueType.FLOAT: Fit.SOME, ValueType.STRING: Fit.SOME},
    ValueType.FLOAT: {ValueType.INTEGER: Fit.ALL, ValueType.FLOAT: Fit.ALL, ValueType.STRING: Fit.SOME},
    ValueType.BOOLEAN: {
        ValueType.BOOLEAN: Fit.ALL,
        ValueType.INTEGER: Fit.SOME,
        ValueType.FLOAT: Fit.SOME,
        ValueType.STRING: Fit.SOME,
    },
    ValueType.DATE: _DATE_FITS,
    ValueType.DATETIME: _DATE_FITS,
}
"""By the attribute's type; a type that is missing never fits."""
_ID_FITS: t.Final[Mapping[Shape, Fit]] = {
    ValueType.STRING: Fit.ALL,
    ValueType.INTEGER: Fit.ALL,
    ValueType.DATE: Fit.ALL,
    ValueType.DATETIME: Fit.ALL,
    ValueType.FLOAT: Fit.SOME,
}
_WORDS: t.Final[Mapping[ValueType, str]] = {
    ValueType.STRING: "texts",
    ValueType.INTEGER: "whole numbers",
    ValueType.FLOAT: "numbers",
    ValueType.BOOLEAN: "true, false and words for them (yes, no, 1, 0)",
    ValueType.DATE: "dates (ISO 8601, or unix seconds)",
    ValueType.DATETIME: "dates (ISO 8601, or unix seconds)",
}


def shapes(values: Values) -> frozenset[Shape]:
    """Return the types of a property's values; nothing where its schema names none."""
    return frozenset(_SHAPES.get(one, values.text_type) for one in values.types or ())


def fit(values: Values, kind: ValueType) -> Fit | None:
    """Return how many values of a property fit an attribute of a type; None: the schema does not tell."""
    return _overall(shapes(values), _FITS[kind])


def fit_in_standard(values: Values, kind: ValueType) -> Fit | None:
    """Return the same of a standard attribute, into which objects and lists do not go."""
    return _overall(shapes(values) - {Nested.NESTED}, _FITS[kind])


def identifier_fit(values: Values, which: MatchBy) -> Fit | None:
    """Return how many values of a property can be an identifier; None: the schema does not tell."""
    if which is MatchBy.EMAIL:
        return _overall(shapes(values), {ValueType.STRING: Fit.ALL})
    return _overall(shapes(values), _ID_FITS)


def taken(kind: ValueType) -> str:
    """Say what an attribute of a type takes."""
    return _WORDS[kind]


def allowed_values(values: Values) -> list[Json] | None:
    """Return the values that a property's schema allows, but null; None where it lists none."""
    return None if values.allowed is None else [value for value in values.allowed if value is not None]


def named(values: Values) -> str:
    """Name a property's types."""
    names = {one.value for one in shapes(values)}
    return " or ".join(sorted(names))


def _overall(given: frozenset[Shape], fits: Mapping[Shape, Fit]) -> Fit | None:
    if not given:
        return None
    each = {fits.get(shape, Fit.NONE) for shape in given}
    return each.pop() if len(each) == 1 else Fit.SOME
