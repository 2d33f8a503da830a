"""The custom attributes of the workspace: which there are, which can be written, and making those that are missing."""

from __future__ import annotations

import typing as t
from functools import cached_property

from target_intercom.errors import CallFailedError, UndoneError, UnknownAttributeError, UnreachableError
from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX
from target_intercom.kinds.entity import ValueType
from target_intercom.settings.warnings import missing_attribute, unwritten_attribute
from target_intercom.sync.mapping.attribute_values import AttributeType

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.workspace import DataAttribute
    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Json

MOST_ATTRIBUTES: t.Final = 250
"""Custom attributes a workspace may have; archived ones do not count (intercom.com/help, article 179)."""

_NEW_ATTRIBUTE_PAUSES = (0.5, 1.0, 2.0)
"""Pauses, in seconds, for Intercom to accept an attribute made a moment ago (fact sheet section 14, 32)."""

_Value = t.TypeVar("_Value")

_TYPES: t.Final = {type_.value: type_ for type_ in ValueType} | {"options": ValueType.STRING}
"""The types of attributes that are loaded, by Intercom's names."""


class CustomAttributes:
    """The custom attributes of a kind of object in a workspace. Pure: a run and its check judge by it."""

    def __init__(self, listed: Iterable[DataAttribute]) -> None:
        """Take the attributes as Intercom lists them; a live one hides an archived one of the same name."""
        entries = sorted(listed, key=lambda entry: not entry.archived)
        self.entries: dict[str, DataAttribute] = {entry.full_name: entry for entry in entries if entry.custom}
        """By full name."""

    @property
    def live(self) -> int:
        """How many count towards the limit."""
        return sum(not entry.archived for entry in self.entries.values())

    @property
    def room(self) -> int:
        """How many can be made."""
        return max(0, MOST_ATTRIBUTES - self.live)

    def warning(self, name: str, *, create: bool) -> str | None:
        """Return the warning that nothing is written into an attribute; None: it is, or the run makes it first."""
        entry = self.entries.get(name)
        if entry is None:
            return None if create else missing_attribute(name)
        reason = obstacle(entry)
        return None if reason is None else unwritten_attribute(name, reason)

    def type_of(self, name: str) -> AttributeType:
        """Return what an attribute takes that can be written."""
        entry = self.entries[name]
        return AttributeType(_TYPES[entry.data_type], entry.options or None)


def obstacle(entry: DataAttribute) -> str | None:
    """Return why no value can be written into a custom attribute; None where one can."""
    if entry.archived:
        return "it is archived in Intercom; unarchive it, or leave the property out"
    if not entry.api_writable:
        return "Intercom does not let the API write it"
    if entry.data_type not in _TYPES:
        return f"its type '{entry.data_type}' is not one that is loaded"
    return None


def taken_name(name: str, kind: EntityKind) -> str:
    """Return why a kind cannot have a custom attribute: contacts and companies share one name space (article 179)."""
    free = CUSTOM_PREFIX + f"{kind.noun}_{name.removeprefix(CUSTOM_PREFIX)}"
    return f"{kind.other_noun} data has this name already; map the property to another, for example '{free}'"


class AttributeCatalog:
    """Finds and makes custom attributes of a kind of object; Intercom's list is read once a run, when first needed."""

    def __init__(
        self, client: IntercomClient, kind: EntityKind, say: Callable[[str], None], *, beside_others: bool = False
    ) -> None:
        """`say` takes messages for a person; it says each of them once.

        `beside_others`: the run writes to the kind, too, that shares its names of attributes with this one.
        """
        self._beside_others = beside_others
        self._client = client
        self._kind = kind
        self._say = say
        self._listed: CustomAttributes | None = None
        self._refused: set[str] = set()
        self._created: set[str] = set()
        self.unproven: set[str] = set()
        """Attributes that this run has made and that Intercom has not been seen to take yet."""

    def provide(self, wanted: Mapping[str, ValueType | None], *, create: bool) -> dict[str, AttributeType | None]:
        """Return the type of each wanted attribute, making missing ones where `create` allows it.

        An attribute that cannot be written is None, and the reason is said. An attribute that is wanted without a
        type is not made: where it does not exist it is not in the answer.
        """
        return {
            name: self._provide(name, type_, create=create)
            for name, type_ in wanted.items()
            if type_ is not None or name in self._known().entries
        }

    def sending(
        self, call: Callable[[Mapping[str, Json]], _Value], attributes: Mapping[str, Json]
    ) -> tuple[_Value, tuple[str, ...]]:
        """Make a call that writes attributes; where one turns out not to exist, it is dropped and the call repeated.

        Safe from any thread.

        Returns:
            The call's answer, and the attributes that were dropped.

        Raises:
            RefusedError: Intercom refuses the call for another reason.
        """
        pauses = iter(_NEW_ATTRIBUTE_PAUSES)
        while True:
            kept, dropped = self.kept(attributes)
            try:
                answer = call(kept)
            except UnknownAttributeError as error:
                name = CUSTOM_PREFIX + error.attribute
                if name not in attributes or name in dropped:
                    raise
                pause = next(pauses, None) if name in self._created else None
                if pause is None:
                    self._refuse(name, "Intercom says it does not exist")
                else:
                    self._client.pause(pause)
            else:
                self.unproven.difference_update(name for name, value in attributes.items() if value is not None)
                return answer, dropped

    def describe(self, names: Sequence[str]) -> list[DataAttribute]:
        """Return how Intercom has the custom ones of these attributes; missing ones are left out."""
        custom = [name for name in names if name.startswith(CUSTOM_PREFIX)]
        known = self._known().entries if custom else {}
        return [known[name] for name in custom if name in known]

    def kept(self, attributes: Mapping[str, Json]) -> tuple[Mapping[str, Json], tuple[str, ...]]:
        """Part attributes into those that can be sent, and the names of those that are dropped."""
        if self._refused.isdisjoint(attributes):
            return attributes, ()
        dropped = tuple(name for name in attributes if name in self._refused)
        return {name: value for name, value in attributes.items() if name not in dropped}, dropped

    def _provide(self, name: str, type_: ValueType | None, *, create: bool) -> AttributeType | None:
        if name in self._refused:
            return None
        is_missing = name not in self._known().entries
        if is_missing and create and type_ is not None and not self._make(name, type_):
            return None
        warning = self._known().warning(name, create=create)
        if warning is None:
            return self._known().type_of(name)
        if name in self._known().entries:
            self._refused.add(name)
        self._say(warning)
        return None

    def _known(self) -> CustomAttributes:
        if self._listed is None:
            self._listed = CustomAttributes(self._client.data_attributes(self._kind.noun))
        return self._listed

    def _make(self, name: str, type_: ValueType) -> bool:
        """Create an attribute; return False, and say why, where it cannot be created."""
        if not self._known().room:
            self._refuse(
                name, f"the workspace has {MOST_ATTRIBUTES} custom attributes already; archive one in Intercom"
            )
            return False
        if self._beside_others and name in self._taken:
            self._refuse(name, taken_name(name, self._kind))
            return False
        try:
            self._known().entries[name] = self._client.create_data_attribute(
                name.removeprefix(CUSTOM_PREFIX), type_.value, self._kind.noun
            )
        except UndoneError as error:
            # Another program, or a try of this very call whose answer was lost, may have made it.
            self._listed = None
            if name not in self._known().entries:
                self._fail(name, error)
                return False
        self._created.add(name)
        self.unproven.add(name)
        return True

    @cached_property
    def _taken(self) -> Collection[str]:
        """The attributes of the kind that shares its names with this one; read once a run, before one is made."""
        return CustomAttributes(self._client.data_attributes(self._kind.other_noun)).entries.keys()

    def _fail(self, name: str, error: UndoneError) -> None:
        """Report why an attribute could not be created.

        Raises:
            UnreachableError: Intercom gave no answer that decides it.
        """
        if isinstance(error, CallFailedError):
            message = f"Attribute '{name}' could not be created ({error.fault}): create it in Intercom, or run again"
            raise UnreachableError(error.fault, message) from None
        self._refuse(name, f"Intercom does not create it: {error}")

    def _refuse(self, name: str, reason: str) -> None:
        self._refused.add(name)
        self._say(unwritten_attribute(name, reason))
