"""The workspace's custom attributes: which there are, and making those that are missing."""

from __future__ import annotations

import typing as t

from target_intercom.errors import CallFailedError, UndoneError, UnknownAttributeError, UnreachableError
from target_intercom.intercom.protocol import CUSTOM_PREFIX
from target_intercom.kinds.entity import ValueType
from target_intercom.settings.warnings import is_left_out, is_not_made
from target_intercom.sync.mapping.contacts import AttributeType

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol import DataAttribute
    from target_intercom.model import Json

MOST_ATTRIBUTES: t.Final = 250
"""Custom attributes a workspace may have; archived ones do not count (intercom.com/help, article 179)."""

_NEW_ATTRIBUTE_PAUSES = (0.5, 1.0, 2.0)
"""Pauses, in seconds, for Intercom to accept an attribute made a moment ago (fact sheet section 14, 32)."""

_Answer = t.TypeVar("_Answer")

KINDS: t.Final = {kind.value: kind for kind in ValueType} | {"options": ValueType.STRING}
"""The types of attributes that are loaded, by Intercom's names."""


class AttributeCatalog:
    """Knows the custom attributes of contacts; read once a run, when first asked."""

    def __init__(self, client: IntercomClient, say: Callable[[str], None]) -> None:
        """`say` takes each message a person should see, once."""
        self._client = client
        self._say = say
        self._entries: dict[str, DataAttribute] | None = None
        self._refused: set[str] = set()
        self._created: set[str] = set()
        self.unproven: set[str] = set()
        """Attributes that this run has made and that Intercom has not been seen to take yet."""

    def provide(self, wanted: Mapping[str, ValueType | None], *, create: bool) -> dict[str, AttributeType | None]:
        """Return the type of each wanted attribute, making what is missing where `create` allows it.

        An attribute that cannot be written is None, and the reason is said. One that is wanted without a type is
        not made: where it does not exist it is not in the answer.
        """
        return {
            name: self._provide(name, kind, create=create)
            for name, kind in wanted.items()
            if kind is not None or name in self._known()
        }

    def sending(
        self, call: Callable[[Mapping[str, Json]], _Answer], attributes: Mapping[str, Json]
    ) -> tuple[_Answer, tuple[str, ...]]:
        """Make a call that writes attributes; one that turns out not to exist is dropped and the call repeated.

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
        """Tell how Intercom has the custom ones of these attributes; those that do not exist are left out."""
        custom = [name for name in names if name.startswith(CUSTOM_PREFIX)]
        known = self._known() if custom else {}
        return [known[name] for name in custom if name in known]

    def kept(self, attributes: Mapping[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
        """Part attributes into those that can be sent, and the names of those that are dropped."""
        dropped = tuple(name for name in attributes if name in self._refused)
        return {name: value for name, value in attributes.items() if name not in dropped}, dropped

    def _provide(self, name: str, kind: ValueType | None, *, create: bool) -> AttributeType | None:
        if name in self._refused:
            return None
        if name not in self._known() and (kind is None or not self._make(name, kind, create=create)):
            return None
        return self._writable(self._known()[name])

    def _known(self) -> dict[str, DataAttribute]:
        if self._entries is None:
            # An archived one must not hide a live one of the same name.
            listed = sorted(self._client.data_attributes(), key=lambda entry: not entry.archived)
            self._entries = {entry.full_name: entry for entry in listed if entry.custom}
        return self._entries

    def _make(self, name: str, kind: ValueType, *, create: bool) -> bool:
        """Create an attribute; False, said, when it cannot be."""
        if not create:
            self._say(is_not_made(name))
            return False
        if sum(not entry.archived for entry in self._known().values()) >= MOST_ATTRIBUTES:
            self._refuse(
                name, f"the workspace has {MOST_ATTRIBUTES} custom attributes already; archive one in Intercom"
            )
            return False
        try:
            made = self._client.create_data_attribute(name.removeprefix(CUSTOM_PREFIX), kind.value)
        except UndoneError as error:
            # Somebody else, or a try of this very call whose answer was lost, may have made it.
            self._entries = None
            if name in self._known():
                self._created.add(name)
                self.unproven.add(name)
                return True
            if isinstance(error, CallFailedError):
                message = (
                    f"Attribute '{name}' could not be created ({error.fault}): create it in Intercom, or run again"
                )
                raise UnreachableError(error.fault, message) from None
            self._refuse(name, f"Intercom does not create it: {error}")
            return False
        self._known()[name] = made
        self._created.add(name)
        self.unproven.add(name)
        return True

    def _writable(self, entry: DataAttribute) -> AttributeType | None:
        reason = obstacle(entry)
        if reason is None:
            return AttributeType(KINDS[entry.data_type], entry.options or None)
        self._refuse(entry.full_name, reason)
        return None

    def _refuse(self, name: str, reason: str) -> None:
        self._refused.add(name)
        self._say(is_left_out(name, reason))


def obstacle(entry: DataAttribute) -> str | None:
    """Say why no value can be written into a custom attribute; None where one can."""
    if entry.archived:
        return "it is archived in Intercom; unarchive it, or leave the property out"
    if not entry.api_writable:
        return "Intercom does not let the API write it"
    if entry.data_type not in KINDS:
        return f"its type '{entry.data_type}' is not one that is loaded"
    return None
