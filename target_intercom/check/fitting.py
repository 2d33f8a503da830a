"""Whether the values of a property fit an attribute, as far as their types tell. Pure.

The rules are those of `sync/mapping/values.py` and `sync/mapping/identifiers.py`; a test holds them together. Types are
read as a run reads them (`singer/schemas.py`).
"""

from __future__ import annotations

import enum
import typing as t

from target_intercom.model import Kind, MatchBy

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


def shapes(values: Values) -> frozenset[Shape]:
    """Return the types of a property's values; nothing where its schema names none."""
    return frozenset(_SHAPES.get(one, values.text_kind) for one in values.types or ())


def fit(values: Values, kind: Kind) -> Fit | None:
    """Return how many values of a property fit an attribute of a type; None: the schema does not tell."""
    return _overall(shapes(values), _FITS[kind])


def fit_in_standard(values: Values, kind: Kind) -> Fit | None:
    """Return the same of a standard attribute, into which objects and lists do not go."""
    return _overall(shapes(values) - {Nested.NESTED}, _FITS[kind])


def identifier_fit(values: Values, which: MatchBy) -> Fit | None:
    """Return how many values of a property can be an identifier; None: the schema does not tell."""
    if which is MatchBy.EMAIL:
        return _overall(shapes(values), {Kind.STRING: Fit.ALL})
    return _overall(shapes(values), _ID_FITS)


def taken(kind: Kind) -> str:
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
