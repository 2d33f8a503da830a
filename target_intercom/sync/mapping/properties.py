"""The properties of a stream's records: which there are, what their values are, and reading them. Pure.

A record is read flat: what a mapping names by a path (`properties.email`) and the members of a `custom_attributes`
object are properties of their own, and texts that the schema says are decimal numbers are numbers.
"""

from __future__ import annotations

import typing as t
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from target_intercom.json_lines import parsed_line
from target_intercom.model import CUSTOM_PREFIX
from target_intercom.singer.schemas import ANY, Values, values_of
from target_intercom.sync.mapping.names import Meant, meant

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.model import Json

CUSTOM: t.Final = CUSTOM_PREFIX.removesuffix(".")
"""A property of this name, an object, holds custom attributes: so Intercom shows contacts."""
_ABSENT: t.Final = object()


class Properties:
    """The properties of one stream: those that its schema names, and those that its records have."""

    def __init__(self, schemas: Mapping[str, Json], mapped: Iterable[str] = (), *, is_open: bool = False) -> None:
        """Read the properties' JSON schemas.

        Args:
            schemas: the properties that the stream's schema names.
            mapped: what its mappings name: properties, or paths to members of theirs.
            is_open: what the schema names is not all.
        """
        self.is_open = is_open
        self._schemas = schemas
        self._mapped = frozenset(mapped)
        self.named: dict[str, Values] = {name: values_of(schema) for name, schema in schemas.items()}
        """What the schema says of values, also of members that are read as properties."""
        self._paths = {name: path for name in sorted(self._mapped) if (path := self._path(name)) is not None}
        self.named |= {name: values for name, path in self._paths.items() if (values := self._at(path)) is not None}
        self.names: dict[str, None] = dict.fromkeys(self.named)
        """All of them, in the order in which they were seen."""
        self._custom: str | None = None
        self._find_custom()
        self._decimals = tuple(name for name, values in self.named.items() if values.are_decimal_texts)

    def learn(self, records: Sequence[Mapping[str, Json]]) -> bool:
        """Keep the properties of records, and return whether there are new ones."""
        came: set[str] = set().union(*records)
        before = len(self.names)
        self._add(came)
        for name in self._paths.keys() - self.names.keys():
            if any(_member(record, self._paths[name]) is not _ABSENT for record in records):
                self._add([name])
        if len(self.names) > before:
            self._find_custom()
        if self._custom is not None:
            objects = (object_of(record.get(self._custom)) for record in records)
            self._add({CUSTOM_PREFIX + name for one in objects if one is not None for name in one})
        return len(self.names) > before

    def find(self, name: str) -> Meant:
        """Find the property that a name means."""
        return meant(name, self.names)

    def values(self, name: str) -> Values:
        """Return what the schema says of a property's values."""
        return self.named.get(name, ANY)

    def is_custom(self, name: str) -> bool:
        """Check whether a property holds custom attributes, in an object."""
        return name == self._custom

    def column(self, name: str) -> str:
        """Return the property of the record, as it came, that holds a property."""
        if name in self._schemas:
            return name
        if name in self._paths:
            return self._paths[name][0]
        return self._custom if self._custom is not None and name.startswith(CUSTOM_PREFIX) else name

    def read(self, record: Mapping[str, Json]) -> Mapping[str, Json]:
        """Read a record flat."""
        if not self._paths and not self._decimals and self._custom is None:
            return record
        flat = dict(record)
        for name, path in self._paths.items():
            value = _member(record, path)
            if value is not _ABSENT:
                flat.setdefault(name, value)
        if self._custom is not None:
            _spread(flat, self._custom)
        for name in self._decimals:
            value = flat.get(name)
            if isinstance(value, str):
                flat[name] = _number(value)
        return flat

    def _add(self, names: Iterable[str]) -> None:
        self.names.update(dict.fromkeys(sorted(name for name in names if name not in self.names)))

    def _path(self, name: str) -> tuple[str, ...] | None:
        """Read a mapped name that is no property as a path; None: it is none."""
        if "." not in name or name in self._schemas:
            return None
        heads = sorted((one for one in self._schemas if name.startswith(f"{one}.")), key=len)
        if heads:
            return (heads[-1], *name.removeprefix(f"{heads[-1]}.").split("."))
        return tuple(name.split("."))

    def _at(self, path: Sequence[str]) -> Values | None:
        """Return what the schema says of a path; None: it has none such."""
        values = self.named.get(path[0])
        for part in path[1:]:
            if values is None or (values.types is not None and "object" not in values.types):
                return None
            values = ANY if values.members is None else values.members.get(part)
        return values

    def _find_custom(self) -> None:
        """Find the property that holds custom attributes, unless it is mapped itself."""
        self._custom = meant(CUSTOM, [name for name in self.names if name not in self._mapped]).property
        if self._custom is not None:
            members = self.values(self._custom).members or {}
            self.named |= {CUSTOM_PREFIX + name: values for name, values in members.items()}
            self._add(self.named)


def unheard(names: Iterable[str]) -> None:
    """Take names of properties that nobody asks for."""


def object_of(value: Json) -> Mapping[str, Json] | None:
    """Read an object, or the text of one, which the SDK's flattening and some warehouses make of it; None: neither."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = parsed_line(value)
    return value if isinstance(value, dict) else None


def _spread(flat: dict[str, Json], name: str) -> None:
    """Put the members of an object of custom attributes in its place; what is no object stays."""
    members = object_of(flat.get(name))
    if members is not None or flat.get(name) is None:
        flat.pop(name, None)
    for member, value in (members or {}).items():
        flat.setdefault(CUSTOM_PREFIX + member, value)


def _member(record: Mapping[str, Json], path: Sequence[str]) -> Json:
    value: Json = record
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _number(text: str) -> Json:
    """Read a decimal number; a text that is none stays one."""
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return text
