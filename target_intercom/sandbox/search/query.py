"""The query language of POST /contacts/search and POST /companies/search (OAS-2.16 and OAS-P, there)."""

from __future__ import annotations

from dataclasses import dataclass
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_intercom.sandbox.search.fields import FieldKind, Kinds

    Lookup = Callable[[str, Iterable[str]], set[str]]

MAX_DEPTH = 2
MAX_FILTERS = 15
_INDEXED = frozenset({"id", "email", "external_id"})
_LISTS = frozenset({"IN", "NIN"})
_MATCHING_NONE = frozenset({"!=", "NIN", "!~"})
"""Operators that match a contact without a value (`!=`: OAS-P; the others likewise, by choice)."""

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": lambda stored, value: stored != value,
    ">": gt,
    "<": lt,
    ">=": ge,
    "<=": le,
    "IN": lambda stored, values: stored in values,
    "NIN": lambda stored, values: stored not in values,
    "~": lambda stored, value: value.lower() in stored.lower(),
    "!~": lambda stored, value: value.lower() not in stored.lower(),
    "^": lambda stored, value: stored.lower().startswith(value.lower()),
    "$": lambda stored, value: stored.lower().endswith(value.lower()),
}


@dataclass(frozen=True)
class Filter:
    """One condition. `keys` are the values that the index can look up."""

    field: str
    operator: str
    value: Any
    kind: FieldKind
    keys: frozenset[str] | None

    def matches(self, entry: Any) -> bool:
        """Return whether a contact or company meets it."""
        if self.kind.many:
            return (self.value in self.kind.read(entry)) is (self.operator == "=")
        stored = self.kind.normal(self.kind.read(entry))
        if stored is None or self.value is None:
            return self._matches_nothing(stored)
        return _COMPARISONS[self.operator](stored, self.value)

    def candidates(self, lookup: Lookup) -> set[str] | None:
        """Return the ids that may match; None for anybody."""
        return None if self.keys is None else lookup(self.field, self.keys)

    def _matches_nothing(self, stored: object) -> bool:
        if self.value is None:
            return (stored is None) is (self.operator == "=")
        return self.operator in _MATCHING_NONE


@dataclass(frozen=True)
class Group:
    """Conditions joined by AND or OR."""

    every: bool
    parts: tuple[Filter | Group, ...]

    def matches(self, entry: Any) -> bool:
        """Return whether a contact or company meets them."""
        join = all if self.every else any
        return join(part.matches(entry) for part in self.parts)

    def candidates(self, lookup: Lookup) -> set[str] | None:
        """Return the ids that may match; None for anybody."""
        found = [part.candidates(lookup) for part in self.parts]
        known = [ids for ids in found if ids is not None]
        if self.every:
            return min(known, key=len) if known else None
        return set().union(*known) if len(known) == len(found) else None


@dataclass(frozen=True)
class QueryReader:
    """Reads a query, or refuses it.

    Attributes:
        kinds: The fields that may be searched.
        max_in_values: The most values of an `IN`; None for no maximum. Intercom documents none.
    """

    kinds: Kinds
    max_in_values: int | None = None

    def read(self, query: object, depth: int = 1) -> Filter | Group:
        """Return the query as something that matches contacts.

        Raises:
            IntercomError: It is not a query, or not an allowed one.
        """
        if not isinstance(query, dict):
            raise errors.invalid("query must be an object", "query")
        if "field" in query:
            return self._filter(query)
        return self._group(query, depth)

    def _group(self, query: dict[str, Any], depth: int) -> Group:
        operator, parts = query.get("operator"), query.get("value")
        if operator not in {"AND", "OR"}:
            raise errors.invalid_operator(operator, "a group of filters")
        if depth > MAX_DEPTH:
            raise errors.invalid(f"Queries may be nested {MAX_DEPTH} levels deep", "query")
        if not isinstance(parts, list) or not 0 < len(parts) <= MAX_FILTERS:
            raise errors.invalid(f"A group must hold 1 to {MAX_FILTERS} filters", "query")
        return Group(operator == "AND", tuple(self.read(part, depth + 1) for part in parts))

    def _filter(self, query: dict[str, Any]) -> Filter:
        field, operator = query["field"], query.get("operator")
        kind = self.kinds(field)
        if operator not in kind.operators:
            known_on_date = kind.is_date and operator in _COMPARISONS
            raise errors.invalid_operator(operator, field, 422 if known_on_date else 400)
        value = query.get("value")
        value = self._values(kind, field, value) if operator in _LISTS else kind.check(field, value)
        return Filter(field, operator, value, kind, _keys(field, operator, value))

    def _values(self, kind: FieldKind, field: str, values: object) -> frozenset[Any]:
        if not isinstance(values, list) or not values:
            raise errors.invalid(f"The value for {field} must be an array", field)
        if self.max_in_values is not None and len(values) > self.max_in_values:
            raise errors.invalid(f"IN takes at most {self.max_in_values} values", field)
        return frozenset(kind.check(field, value) for value in values)


def _keys(field: str, operator: str, value: Any) -> frozenset[str] | None:
    if field not in _INDEXED or value is None or operator not in {"=", "IN"}:
        return None
    keys = value if operator == "IN" else frozenset({value})
    return None if None in keys else keys
