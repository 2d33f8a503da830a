"""The custom attributes of the workspace: which there are, which can be written, and making those that are missing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from target_intercom.errors import CallFailedError, UndoneError, UnknownAttributeError, UnreachableError
from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX
from target_intercom.kinds.entity import ValueType
from target_intercom.settings.warnings import missing_attribute, unwritten_attribute
from target_intercom.sync.mapping.attribute_values import AttributeType

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.workspace import DataAttribute
    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Json

MOST_ATTRIBUTES: t.Final = 250
"""Custom attributes a workspace may have; archived ones do not count (intercom.com/help, article 179)."""

MOST_PROOFS: t.Final = 3
"""So often a new attribute is tried with a single contact before all that have it go singly."""

_NEW_ATTRIBUTE_PAUSES = (0.5, 1.0, 2.0)
"""Pauses, in seconds, for Intercom to accept an attribute made a moment ago (fact sheet section 14, 32)."""

_Value = t.TypeVar("_Value")

_TYPES: t.Final = {type_.value: type_ for type_ in ValueType} | {"options": ValueType.STRING}
"""The types of attributes that are loaded, by Intercom's names."""


class CustomAttributes:
    """The custom attributes of a kind of object in a workspace."""

    def __init__(self, listed: Iterable[DataAttribute]) -> None:
        """Take the attributes as Intercom lists them; a live one hides an archived one of the same name."""
        entries = sorted(listed, key=lambda entry: not entry.archived)
        self.entries: dict[str, DataAttribute] = {entry.full_name: entry for entry in entries if entry.custom}
        """By full name."""

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


@dataclass
class KnownAttributes:
    """The custom attributes of the workspace, as far as they were read: contacts and companies share names and limit.

    Pure: a run and its check judge by it.
    """

    by_noun: dict[str, CustomAttributes] = field(default_factory=dict)

    def of_kind(self, kind: EntityKind) -> CustomAttributes | None:
        """Return the attributes of a kind; None: they are not known."""
        return self.by_noun.get(kind.noun)

    def is_taken(self, name: str, kind: EntityKind) -> bool:
        """Check whether the other kind has an attribute of a name, so that this kind cannot have one."""
        others = self.by_noun.get(kind.other_noun)
        return others is not None and name in others.entries

    @property
    def live(self) -> int:
        """How many count towards the limit."""
        return sum(not entry.archived for of_kind in self.by_noun.values() for entry in of_kind.entries.values())

    @property
    def room(self) -> int:
        """How many can be made."""
        return max(0, MOST_ATTRIBUTES - self.live)


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
    free = free_name(name, kind)
    return f"{kind.other_noun} data has this name already; map the property to another, for example '{free}'"


def free_name(name: str, kind: EntityKind) -> str:
    """Return a name for a custom attribute that the other kind hardly has."""
    return CUSTOM_PREFIX + f"{kind.noun}_{name.removeprefix(CUSTOM_PREFIX)}"


class AttributeCatalog:
    """Finds and makes custom attributes of a kind of object; Intercom's list is read once a run, when first needed."""

    def __init__(
        self,
        client: IntercomClient,
        kind: EntityKind,
        say: Callable[[str], None],
        known: KnownAttributes,
        *,
        beside_others: bool,
    ) -> None:
        """`say` takes messages for a person; it says each of them once. `known`: what the run has read of any kind.

        `beside_others`: the run writes to the kind, too, that shares names and limit of attributes with this one.
        """
        self._known = known
        self._beside_others = beside_others
        self._client = client
        self._kind = kind
        self._say = say
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
            if type_ is not None or name in self._own.entries
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
        known = self._own.entries if custom else {}
        return [known[name] for name in custom if name in known]

    def kept(self, attributes: Mapping[str, Json]) -> tuple[Mapping[str, Json], tuple[str, ...]]:
        """Part attributes into those that can be sent, and the names of those that are dropped."""
        if self._refused.isdisjoint(attributes):
            return attributes, ()
        dropped = tuple(name for name in attributes if name in self._refused)
        return {name: value for name, value in attributes.items() if name not in dropped}, dropped

    def proofs(self, written: Iterable[Mapping[str, Json]]) -> Iterator[bool]:
        """Yield for each write, by its attributes, whether it shows that Intercom takes an attribute that is new.

        Each new attribute needs one such write.
        """
        unproven = set(self.unproven)
        for attributes in written:
            named = {name for name, value in attributes.items() if value is not None} if unproven else unproven
            yield not unproven.isdisjoint(named)
            unproven -= named

    def _provide(self, name: str, type_: ValueType | None, *, create: bool) -> AttributeType | None:
        if name in self._refused:
            return None
        is_missing = name not in self._own.entries
        if is_missing and create and type_ is not None and not self._make(name, type_):
            return None
        warning = self._own.warning(name, create=create)
        if warning is None:
            return self._own.type_of(name)
        if name in self._own.entries:
            self._refused.add(name)
        self._say(warning)
        return None

    @property
    def _own(self) -> CustomAttributes:
        return self._read(self._kind.noun)

    def _read(self, noun: str) -> CustomAttributes:
        """Return the attributes of a kind; they are read once a run."""
        if noun not in self._known.by_noun:
            self._known.by_noun[noun] = CustomAttributes(self._client.data_attributes(noun))
        return self._known.by_noun[noun]

    def _make(self, name: str, type_: ValueType) -> bool:
        """Create an attribute; return False, and say why, where it cannot be created."""
        if self._beside_others:
            self._read(self._kind.other_noun)
        if not self._known.room:
            self._refuse(
                name, f"the workspace has {MOST_ATTRIBUTES} custom attributes already; archive one in Intercom"
            )
            return False
        if self._known.is_taken(name, self._kind):
            self._refuse(name, taken_name(name, self._kind))
            return False
        try:
            self._own.entries[name] = self._client.create_data_attribute(
                name.removeprefix(CUSTOM_PREFIX), type_.value, self._kind.noun
            )
        except UndoneError as error:
            # Another program, or a try of this very call whose answer was lost, may have made it.
            del self._known.by_noun[self._kind.noun]
            if name not in self._own.entries:
                self._fail(name, error)
                return False
        self._created.add(name)
        self.unproven.add(name)
        return True

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
