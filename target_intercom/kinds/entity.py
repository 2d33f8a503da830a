"""The shape of a kind of object that is matched, compared, created, updated and removed."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX
from target_intercom.intercom.protocol.versions import version_at_least

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.json_lines import Json


class ValueType(enum.Enum):
    """Type of an attribute's values, by Intercom's `data_type` names."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A standard attribute."""

    name: str
    type: ValueType = ValueType.STRING
    identifies: bool = False
    """Objects are found by its value."""
    writable: bool = True
    """False: the API does not write it."""
    set_by: str | None = None
    """The setting that decides its value; None: a property does."""
    only_when_mapped: bool = False
    """A property of the same name is not taken by itself."""

    # Which values it takes.
    since: tuple[int, int] | None = None
    """The first API version that takes values of this type; None: all do."""
    type_before: ValueType | None = None
    """What versions before `since` take; None: they do not have the attribute."""
    trimmed: bool = False
    """Blanks around the text do not count."""
    member: str | None = None
    """The member of an object that is the value; None: objects are not taken."""
    names_teammate: bool = False
    """The value is the id of a teammate, and must exist; Intercom shows it as a text or a number."""
    null_means: Json = None
    """The value that null stands for; None: null clears the attribute."""
    most: int | None = None
    """The largest number that it takes, without its decimals, which Intercom cuts; None: any number of its type."""

    # When an update writes it.
    compared: bool = True
    """False: Intercom does not show the value, or it is written only where it differs; it is not compared."""
    only_set: bool = False
    """An update writes it only where it is true, and no later record takes that back."""
    needs_email: bool = False
    """Intercom takes it only together with an email in the same call."""

    only_upserted: bool = False
    """`POST` writes it, an update by Intercom's id does not."""

    # Whether bulk jobs take it.
    in_bulk_creates: bool = False
    in_bulk_updates: bool = False

    def type_in(self, version: str) -> ValueType | None:
        """Return what an `Intercom-Version` takes; None: it does not have the attribute."""
        return self.type if self.since is None or version_at_least(version, *self.since) else self.type_before


@dataclass(frozen=True)
class EntityKind:
    """A kind of object."""

    noun: str
    """How messages call one of them; also Intercom's `model` of its attributes."""
    plural: str
    attributes: tuple[Attribute, ...]
    """Those that `mappings` can name, and those that a setting decides."""
    other_names: frozenset[str]
    """The names of all other standard attributes."""
    key: str | None = None
    """The attribute by which an object is known, and nothing else; None: objects are found by several identifiers."""
    may_be_escaped: frozenset[str] = frozenset()
    """The names of the attributes whose texts Intercom may show HTML-escaped."""

    @property
    def other_noun(self) -> str:
        """The `model` of the attributes that share one name space with those of this kind."""
        return "contact" if self.noun == "company" else "company"

    @cached_property
    def mappable(self) -> Mapping[str, Attribute]:
        """The attributes that `mappings` can name, by name."""
        return MappingProxyType({one.name: one for one in self.attributes if one.set_by is None})

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """The names of the attributes by whose values objects are found."""
        return self.names(lambda one: one.identifies)

    @cached_property
    def nulls(self) -> Mapping[str, Json]:
        """The values that null stands for, by attribute."""
        return MappingProxyType({one.name: one.null_means for one in self.attributes if one.null_means is not None})

    @cached_property
    def only_upserted(self) -> frozenset[str]:
        """The names of the attributes that an update by Intercom's id does not write."""
        return self.names(lambda one: one.only_upserted)

    @cached_property
    def writable(self) -> Mapping[str, Attribute]:
        """The attributes that records write, by name."""
        return MappingProxyType({name: one for name, one in self.mappable.items() if one.writable})

    @cached_property
    def standard_names(self) -> frozenset[str]:
        """The names of all standard attributes."""
        return self.other_names.union(one.name for one in self.attributes)

    def is_standard(self, name: str) -> bool:
        """Check whether a custom attribute's full name is that of a standard one: Intercom takes no such attribute."""
        return name.removeprefix(CUSTOM_PREFIX) in self.standard_names

    def names(self, applies: Callable[[Attribute], object]) -> frozenset[str]:
        """Return the names of the attributes to which something applies."""
        return frozenset(one.name for one in self.attributes if applies(one))
