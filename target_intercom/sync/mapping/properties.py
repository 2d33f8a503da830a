"""The properties of a stream's records: which there are, what their values are, and reading them. Pure.

A record is read flat: what a mapping names by a path (`properties.email`) and the members of a `custom_attributes`
object are properties of their own, and texts that the schema says are decimal numbers are numbers.
"""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from target_intercom.json_lines import parsed_line
from target_intercom.model import CUSTOM_PREFIX
from target_intercom.singer.schemas import ANY, Values, values_of
from target_intercom.sync.mapping.values import is_set

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from target_intercom.model import Json
    from target_intercom.settings.config import StreamConfig

CUSTOM: t.Final = CUSTOM_PREFIX.removesuffix(".")
"""A property of this name, an object, holds custom attributes: so Intercom shows contacts."""
_ABSENT: t.Final = object()
_BLANKS: t.Final = str.maketrans(" -\t\u00a0", "____")


# Names of properties.


def folded(name: str) -> str:
    """Return what names have in common that differ only in case, blanks and hyphens.

    Warehouses, spreadsheets and Salesforce write `EMAIL`, `Signed Up At`, `IsDeleted` for what others call `email`.
    """
    return name.strip().translate(_BLANKS).lower()


@dataclass(frozen=True, slots=True)
class Meant:
    """The property of a stream that a name means."""

    property: str | None = None
    """None: the stream has none, or several that differ from the name, and from each other only in case."""
    others: tuple[str, ...] = ()
    """Other properties that fold to the same name; they are left out."""


def meant(name: str, properties: Iterable[str]) -> Meant:
    """Find the property that a name means: the one of that very name, else the only one that folds to it."""
    wanted = folded(name)
    alike = tuple(one for one in properties if folded(one) == wanted)
    if name in alike:
        return Meant(name, tuple(one for one in alike if one != name))
    return Meant(alike[0]) if len(alike) == 1 else Meant(None, alike)


# Properties of a stream.


@dataclass(frozen=True)
class SchemaProperties:
    """The properties that the schema of a stream names."""

    stream: str
    """The stream's name, for messages."""
    schemas: Mapping[str, Json]
    """Their JSON schemas, by name."""
    is_open: bool = False
    """The schema does not name all properties."""
    met: Callable[[Collection[str]], object] | None = None
    """Takes the names of properties that the stream has, as they come."""


class Properties:
    """The properties of one stream: those that its schema names, and those that its records have."""

    def __init__(
        self,
        schemas: Mapping[str, Json],
        mapped: Iterable[str] = (),
        *,
        is_open: bool = False,
        met: Callable[[Collection[str]], object] | None = None,
    ) -> None:
        """Read the properties' JSON schemas.

        Args:
            schemas: the properties that the stream's schema names.
            mapped: what the stream's mappings name: properties, or paths to members of objects.
            is_open: the schema does not name all properties.
            met: takes the names of all properties that are known, at once and whenever there are new ones.
        """
        self.is_open = is_open
        self._schemas = schemas
        self._mapped = frozenset(mapped)
        self._met = met
        self.named: dict[str, Values] = {name: values_of(schema) for name, schema in schemas.items()}
        """What the schema says of values, also of members that are read as properties."""
        self._paths = {name: path for name in sorted(self._mapped) if (path := self._path(name)) is not None}
        self.named |= {name: values for name, path in self._paths.items() if (values := self._at(path)) is not None}
        self.names: dict[str, None] = dict.fromkeys(self.named)
        """All of them, in the order in which they were seen."""
        self._custom: str | None = None
        self._find_custom()
        self._decimals = tuple(name for name, values in self.named.items() if values.are_decimal_texts)
        self._tell()

    def learn(self, records: Sequence[Mapping[str, Json]]) -> bool:
        """Add the properties of records; return whether there are new ones."""
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
        if len(self.names) == before:
            return False
        self._tell()
        return True

    def find(self, name: str) -> Meant:
        """Find the property that a name means."""
        return meant(name, self.names)

    def values(self, name: str) -> Values:
        """Return what the schema says of a property's values."""
        return self.named.get(name, ANY)

    def is_custom(self, name: str) -> bool:
        """Check whether a property is the object that holds custom attributes."""
        return name == self._custom

    def column(self, name: str) -> str:
        """Return the property of the unread record from which a property is read."""
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

    def _tell(self) -> None:
        if self._met is not None:
            self._met(self.names)

    def _add(self, names: Iterable[str]) -> None:
        self.names.update(dict.fromkeys(sorted(name for name in names if name not in self.names)))

    def _path(self, name: str) -> tuple[str, ...] | None:
        """Read a mapped name that is no property as a path; None: it is no path."""
        if "." not in name or name in self._schemas:
            return None
        heads = sorted((one for one in self._schemas if name.startswith(f"{one}.")), key=len)
        if heads:
            return (heads[-1], *name.removeprefix(f"{heads[-1]}.").split("."))
        return tuple(name.split("."))

    def _at(self, path: Sequence[str]) -> Values | None:
        """Return what the schema says of the values at a path; None: nothing can be there."""
        values = self.named.get(path[0])
        for part in path[1:]:
            if values is None or (values.types is not None and "object" not in values.types):
                return None
            values = ANY if values.members is None else values.members.get(part)
        return values

    def _find_custom(self) -> None:
        """Find the object that holds custom attributes, unless it is mapped itself."""
        self._custom = meant(CUSTOM, [name for name in self.names if name not in self._mapped]).property
        if self._custom is not None:
            members = self.values(self._custom).members or {}
            self.named |= {CUSTOM_PREFIX + name: values for name, values in members.items()}
            self._add(self.named)


# Records.


def asks_to_remove(record: Mapping[str, Json], config: StreamConfig, deleted: str | None) -> bool:
    """Check whether a record asks to remove what it names: by the mode of its stream, or by its `deleted_property`."""
    return config.orders_removals or (deleted is not None and is_set(record.get(deleted)))


def object_of(value: Json) -> Mapping[str, Json] | None:
    """Read an object, or its text, which the SDK's flattening and some warehouses write; None: the value is neither."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = parsed_line(value)
    return value if isinstance(value, dict) else None


def _spread(flat: dict[str, Json], name: str) -> None:
    """Put the members of an object of custom attributes in its place; a value that is no object stays."""
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
    """Read a decimal number; any other text stays a text."""
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return text
