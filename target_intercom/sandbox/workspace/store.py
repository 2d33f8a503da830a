"""What a workspace holds, and how it is kept. Safe to use from several threads."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.conditions import Conditions
from target_intercom.sandbox.objects.attributes import DataAttributes
from target_intercom.sandbox.objects.contacts import Contact, Identifiers, State
from target_intercom.sandbox.objects.tags import Tags
from target_intercom.sandbox.search.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_intercom.sandbox.objects.companies import Company

ADMINS = {"1000001": "Ada Sandbox", "1000002": "Ben Sandbox"}
"""The teammates, who may own contacts."""

_GENERATED_BY = "5a4d0b0c"  # the part of an id that names the machine which made it


class Store:
    """Contacts, companies, tags and data attributes, without Intercom's rules on them."""

    def __init__(self, conditions: Conditions | None = None, clock: Callable[[], float] = time.time) -> None:
        # Another one after each start and reset: what somebody remembers of the old one's contacts does not hold.
        self.id = f"ws{secrets.token_hex(4)}"
        self._conditions = conditions or Conditions()
        self._clock = clock
        self._lock = threading.RLock()
        self._contacts: dict[str, Contact] = {}
        self._identifiers = Identifiers()
        self._companies: dict[str, Company] = {}
        self._members: dict[str, dict[str, None]] = {}
        self._numbers = count(1)
        self.attributes = DataAttributes()
        self.tags = Tags()
        self.directory = Directory(self.attributes, self._conditions, clock)

    def settle(self) -> None:
        """Carry out what was asked for and whose time is over. Every call does so first."""

    def _now(self) -> int:
        return int(self._clock())

    def _next_id(self) -> str:
        return f"{self._now():08x}{_GENERATED_BY}{next(self._numbers):08x}"

    def _is_live(self, contact_id: str) -> bool:
        known = self._contacts.get(contact_id)
        return known is not None and known.state is State.LIVE

    def _all(self, ids: Iterable[str]) -> Iterator[Contact]:
        return (self._contacts[contact_id] for contact_id in ids)

    def _keep(self, contact: Contact) -> Contact:
        old = self._contacts.get(contact.id)
        self._identifiers.update(old, contact)
        for company_id in (old.companies if old else {}).keys() - contact.companies.keys():
            self._members[company_id].pop(contact.id, None)
        for company_id in contact.companies:
            self._members.setdefault(company_id, {})[contact.id] = None
        self._contacts[contact.id] = contact
        self.directory.note(contact)
        return contact

    def _changed(self, old: Contact, **changes: Any) -> Contact:
        new = replace(old, **changes)
        return old if new == old else self._keep(replace(new, updated_at=self._now()))

    def _keep_company(self, company: Company) -> Company:
        self._companies[company.id] = company
        self.directory.note_company(company)
        return company

    def _changed_company(self, old: Company, **changes: Any) -> Company:
        new = replace(old, **changes)
        return old if new == old else self._keep_company(replace(new, updated_at=self._now()))
