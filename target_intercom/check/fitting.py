"""How many values of a property fit an attribute: samples of its types are read as a run reads values. Pure."""

from __future__ import annotations

import enum
import typing as t
from decimal import Decimal

from target_intercom.errors import InvalidRecordError
from target_intercom.kinds.entity import ValueType
from target_intercom.model import MatchBy
from target_intercom.sync.mapping.identifiers import read_identity
from target_intercom.sync.mapping.values import UncoercibleError, coerce

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.model import Json
    from target_intercom.singer.schemas import Values


class Fit(enum.IntEnum):
    """How many values fit."""

    NONE = 0
    SOME = 1
    ALL = 2


_NESTED: t.Final = "object"
_NAMES: t.Final = {"integer": "integer", "number": "float", "boolean": "boolean", "object": _NESTED, "array": _NESTED}
"""Names of JSON's types as Intercom names types; a text has the name of its format."""
_SAMPLES: t.Final[Mapping[str, Sequence[Json]]] = {
    "string": ("text", "12", "yes", "2024-05-01"),
    "integer": (1, 7, 10**12),
    "float": (Decimal(1), Decimal("1.5"), Decimal(10**12)),
    "boolean": (True, False),
    "date": ("2024-05-01",),
    "datetime": ("2024-05-01T12:00:00Z",),
    _NESTED: ({"a": 1}, [1]),
}
"""Samples of each type: one fits if any value of the type fits, and one does not fit if any value does not."""
_ADDRESSES: t.Final = {**_SAMPLES, "string": ("ann@example.com",)}
_WORDS: t.Final[Mapping[ValueType, str]] = {
    ValueType.STRING: "texts",
    ValueType.INTEGER: "whole numbers",
    ValueType.FLOAT: "numbers",
    ValueType.BOOLEAN: "true, false and words for them (yes, no, 1, 0)",
    ValueType.DATE: "dates (ISO 8601, or unix seconds)",
    ValueType.DATETIME: "dates (ISO 8601, or unix seconds)",
}


def fit(values: Values, type_: ValueType) -> Fit | None:
    """Return how many values of a property fit an attribute of a type; None: the schema does not tell."""
    return _overall(_types(values), lambda value: coerce(value, type_))


def fit_in_standard(values: Values, type_: ValueType) -> Fit | None:
    """Return the same of a standard attribute, into which objects and lists do not go."""
    return _overall(_types(values) - {_NESTED}, lambda value: coerce(value, type_))


def identifier_fit(values: Values, which: MatchBy) -> Fit | None:
    """Return how many values of a property can be an identifier; None: the schema does not tell."""

    def read(value: Json) -> object:
        return read_identity({"property": value}, {which.value: "property"}, [which], lenient=False)

    return _overall(_types(values), read, _ADDRESSES if which is MatchBy.EMAIL else _SAMPLES)


def has_nested(values: Values) -> bool:
    """Check whether values of a property may be objects or lists."""
    return _NESTED in _types(values)


def taken(type_: ValueType) -> str:
    """Return what an attribute of a type takes, in words."""
    return _WORDS[type_]


def named(values: Values) -> str:
    """Return the names of a property's types."""
    return " or ".join(sorted(_types(values)))


def _types(values: Values) -> AbstractSet[str]:
    """Return a property's types; nothing where its schema names none."""
    return {_NAMES.get(one, values.text_type.value) for one in values.types or ()}


def _overall(
    types: AbstractSet[str], read: Callable[[Json], object], samples: Mapping[str, Sequence[Json]] = _SAMPLES
) -> Fit | None:
    each = {_fits(read, value) for type_ in types for value in samples[type_]}
    if not each:
        return None
    return Fit.SOME if len(each) > 1 else (Fit.ALL if each == {True} else Fit.NONE)


def _fits(read: Callable[[Json], object], value: Json) -> bool:
    try:
        read(value)
    except (UncoercibleError, InvalidRecordError):
        return False
    return True
