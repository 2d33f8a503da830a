"""The workspace as it would be after the writes of a run."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from types import MappingProxyType

from target_intercom.intercom.dry_run.planned import PLANNED_PREFIX
from target_intercom.intercom.protocol.ids import CompanyId, ContactId, Email, ExternalId, TagId

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from target_intercom.intercom.protocol.contacts import Contact
    from target_intercom.intercom.protocol.workspace import Tag
    from target_intercom.json_lines import Json

_IDENTITY: t.Final = frozenset(["role", "external_id"])
"""The parts of a write that are no attributes of the contact."""


_Linked = t.TypeVar("_Linked")
_Links: t.TypeAlias = "tuple[frozenset[_Linked], frozenset[_Linked]]"
_NO_LINKS: t.Final[_Links[t.Any]] = (frozenset(), frozenset())


class Shelves(t.Protocol):
    """Dictionaries that are not in memory; a value that they return is a copy."""

    def shelf(self) -> MutableMapping[t.Any, t.Any]:
        """Return a new dictionary, of texts and tuples of texts."""

    def close(self) -> None:
        """Delete all."""


class PlannedLinks(t.Generic[_Linked]):
    """The tags, or companies, that contacts would have got and lost."""

    def __init__(self, shelves: Shelves) -> None:
        """Begin before the first write."""
        self._changed: MutableMapping[ContactId, _Links[_Linked]] = shelves.shelf()
        """What each contact would have got, and lost."""

    def put_on(self, contact: ContactId, linked: _Linked) -> None:
        """Link a contact."""
        on, off = self._changed.get(contact, _NO_LINKS)
        self._changed[contact] = (on | {linked}, off - {linked})

    def take_off(self, contact: ContactId, linked: _Linked) -> None:
        """Unlink a contact."""
        on, off = self._changed.get(contact, _NO_LINKS)
        self._changed[contact] = (on - {linked}, off | {linked})

    def of(self, contact: ContactId, shown: Iterable[_Linked]) -> frozenset[_Linked]:
        """Return what a contact would be linked to; `shown`: what it is linked to."""
        on, off = self._changed.get(contact, _NO_LINKS)
        linked: frozenset[_Linked] = frozenset(shown) - off | on
        return linked


class PlannedWorkspace:
    """The contacts and tags that would have been written, to be laid over what is read."""

    def __init__(self, shelves: Shelves) -> None:
        """Begin before the first write."""
        self.new_tags: dict[str, Tag] = {}
        """By name without case."""
        self._made: MutableMapping[ContactId, Contact] = shelves.shelf()
        self._changed: MutableMapping[ContactId, Mapping[str, Json]] = shelves.shelf()
        self._gone: MutableMapping[ContactId, None] = shelves.shelf()
        self._named: MutableMapping[tuple[str, str], tuple[ContactId, ...]] = shelves.shelf()
        """The contacts that have had an external_id, or an email."""
        self.tags = PlannedLinks[TagId](shelves)
        self.companies = PlannedLinks[CompanyId](shelves)

    def make(self, contact: Contact) -> None:
        """Add a contact that would be made."""
        self._made[contact.id] = contact
        self._name(contact)

    def change(self, contact: Contact, attributes: Mapping[str, Json]) -> Contact:
        """Add a change of a contact; returns the contact as it would be."""
        changed = after_write(contact, attributes)
        if contact.id in self._made:
            self._made[contact.id] = changed
        else:
            self._changed[contact.id] = {**self._changed.get(contact.id, {}), **attributes}
        self._name(changed)
        return changed

    def remove(self, contact: ContactId) -> None:
        """Remove a contact."""
        self._made.pop(contact, None)
        self._gone[contact] = None

    def made(self, contact: ContactId) -> Contact | None:
        """Return a contact that would have been made."""
        known = self._made.get(contact)
        if known is None:
            return None
        tags, companies = self.tags.of(contact, ()), self.companies.of(contact, ())
        return replace(known, tags=tags, shows_all_tags=True, companies=companies, shows_all_companies=True)

    def is_gone(self, contact: ContactId) -> bool:
        """Check whether a contact would not be there."""
        return contact in self._gone or (contact.startswith(PLANNED_PREFIX) and contact not in self._made)

    def seen(self, contact: Contact) -> Contact:
        """Return a contact that was read, with what would have been written to it."""
        changed = after_write(contact, self._changed.get(contact.id, {}))
        companies = self.companies.of(contact.id, contact.companies)
        return replace(changed, tags=self.tags.of(contact.id, contact.tags), companies=companies)

    def having(self, field_: str, values: Iterable[str]) -> set[ContactId]:
        """Return the contacts that have had one of these values since they would have been written."""
        if field_ == "id":
            return {ContactId(value) for value in values if value in self._made}
        return {contact for value in values for contact in self._named.get((field_, value), ())}

    def _name(self, contact: Contact) -> None:
        for field_, value in (("external_id", contact.external_id), ("email", contact.email)):
            if value is not None and contact.id not in (known := self._named.get((field_, value), ())):
                self._named[field_, value] = (*known, contact.id)


def after_write(contact: Contact, attributes: Mapping[str, Json]) -> Contact:
    """Return a contact as it is after a write."""
    if not attributes:
        return contact
    external_id, email = (
        attributes.get(name, now) for name, now in (("external_id", contact.external_id), ("email", contact.email))
    )
    values = {name: value for name, value in attributes.items() if name not in _IDENTITY}
    return replace(
        contact,
        role=attributes.get("role", contact.role),
        external_id=None if external_id is None else ExternalId(external_id),
        email=None if email is None else Email(email),
        attributes=MappingProxyType({**contact.attributes, **values}),
    )
