"""What this run wrote and read lately, which Intercom's search may not show yet."""

from __future__ import annotations

import time
import typing as t
from collections import OrderedDict

from target_intercom.model import Identity

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_intercom.model import Contact, ContactId, Identifier

_SPARE_SECONDS = 5.0
"""Kept longer than the index may lag by this much."""


class RecentContacts:
    """Contacts as this run last knew them, for as long as the search index may lag behind.

    Memory is bounded by what can be written in that time, not by the stream: about 1 kB a contact.
    """

    def __init__(self, search_delay_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep each contact for `search_delay_seconds`, the longest that search lags behind."""
        self._keep = search_delay_seconds + _SPARE_SECONDS
        self._clock = clock
        self._contacts: OrderedDict[ContactId, tuple[float, Contact | None]] = OrderedDict()
        # Tuples, of one contact nearly always: a set takes four times the memory.
        self._by_identifier: dict[Identifier, tuple[ContactId, ...]] = {}
        self._unnamed: set[ContactId] = set()

    def remember(self, contact: Contact) -> None:
        """Note a contact as Intercom answered it just now."""
        self._put(contact.id, contact)
        if not contact.is_named:
            self._unnamed.add(contact.id)
        for name in Identity.of(contact).identifiers():
            self._by_identifier[name] = (*self._by_identifier.get(name, ()), contact.id)

    def forget(self, contact: ContactId) -> None:
        """Note that a contact is gone: archived, deleted or merged."""
        self._put(contact, None)

    def knows(self, contact: ContactId) -> bool:
        """Check whether this run has something newer than the index to say of a contact."""
        return contact in self._contacts

    def get(self, contact: ContactId) -> Contact | None:
        """Return a contact as last known; None when it is gone or not known."""
        return self._contacts.get(contact, (0.0, None))[1]

    def named(self, identifiers: Iterable[Identifier]) -> Iterator[Contact]:
        """Return the contacts that have one of these identifiers."""
        self._expire()
        found = {contact for one in identifiers for contact in self._by_identifier.get(one, ())}
        return (contact for contact in (self.get(one) for one in sorted(found)) if contact is not None)

    def unnamed(self, identifiers: Iterable[Identifier]) -> list[tuple[float, Contact]]:
        """Return the contacts with one of these identifiers that have no known Intercom id, and when they were made."""
        if not self._unnamed:
            return []
        self._expire()
        found = {contact for one in identifiers for contact in self._by_identifier.get(one, ())}
        known = (self._contacts[one] for one in sorted(found & self._unnamed))
        return [(made_at, contact) for made_at, contact in known if contact is not None]

    def name(self, stand_in: ContactId, contact: Contact) -> None:
        """Note which contact it is that had no Intercom id yet, as it was read just now."""
        self._drop(stand_in)
        self.remember(contact)

    def _put(self, key: ContactId, contact: Contact | None) -> None:
        self._drop(key)
        self._contacts[key] = (self._clock(), contact)

    def _drop(self, key: ContactId) -> None:
        self._unnamed.discard(key)
        _, contact = self._contacts.pop(key, (0.0, None))
        if contact is None:
            return
        for name in Identity.of(contact).identifiers():
            left = tuple(one for one in self._by_identifier.pop(name, ()) if one != key)
            if left:
                self._by_identifier[name] = left

    def _expire(self) -> None:
        oldest = self._clock() - self._keep
        while self._contacts:
            key, (when, _) = next(iter(self._contacts.items()))
            if when >= oldest:
                return
            self._drop(key)
