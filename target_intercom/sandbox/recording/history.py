"""What the sandbox's page tells of calls: the last ones, and of each contact those that touched it. Never more."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_intercom.sandbox.messages import Request

LAST_CALLS = 1000
"""Calls that are kept in all."""

CALLS_OF_A_CONTACT = 50
"""Calls that are kept of one contact."""

NOTES = 20_000
"""Calls that are kept of all contacts together; beyond, the contact is forgotten that was left alone the longest."""

_MAX_PATH = 500


@dataclass(slots=True, eq=False)
class Entry:
    """A call, without its body. While it is under way there are no `seconds`, and without an answer no `status`.

    Attributes:
        at: When it came, in UNIX seconds.
        template: The endpoint's path, with names in braces for identifiers; None if there is no such endpoint.
        seconds: How long the sandbox worked on it.
        fault: The fault that it drew.
        reason: Why it was refused, as its answer says.
        contact_id: The first contact that it touched.
        contacts: How many contacts it touched.
    """

    n: int
    at: float
    method: str
    path: str
    template: str | None
    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    fault: str | None = None
    reason: str | None = None
    contact_id: str | None = None
    contacts: int = 0

    def end(self, status: int | None, request_id: str, seconds: float, fault: str | None) -> None:
        """Record the answer."""
        self.status, self.request_id, self.fault = status, request_id, fault
        self.seconds = seconds


class History:
    """The last calls. Bounded, however many there are; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: deque[Entry] = deque(maxlen=LAST_CALLS)
        self._by_contact: OrderedDict[str, list[Entry]] = OrderedDict()
        self._notes = 0
        self._total = 0

    @property
    def total(self) -> int:
        """Return how many calls there were, forgotten ones included."""
        return self._total

    def begin(self, at: float, request: Request, template: str | None) -> Entry:
        """Record that a call came."""
        with self._lock:
            self._total += 1
            entry = Entry(self._total, at, request.method, request.path[:_MAX_PATH], template)
            self._last.append(entry)
            return entry

    def touch(self, entry: Entry, contact_id: str) -> None:
        """Record that a call touched a contact; a second time changes nothing."""
        with self._lock:
            entries = self._by_contact.setdefault(contact_id, [])
            if entry in entries:
                return
            entry.contact_id = entry.contact_id or contact_id
            entry.contacts += 1
            entries.append(entry)
            self._by_contact.move_to_end(contact_id)
            self._notes += 1
            self._forget(entries)

    def last(self) -> list[Entry]:
        """Return the last calls, newest first."""
        with self._lock:
            return list(reversed(self._last))

    def of(self, contact_id: str) -> list[Entry]:
        """Return the last calls that touched a contact, newest first."""
        with self._lock:
            return sorted(self._by_contact.get(contact_id, ()), key=lambda entry: -entry.n)

    def _forget(self, entries: list[Entry]) -> None:
        if len(entries) > CALLS_OF_A_CONTACT:
            del entries[0]
            self._notes -= 1
        while self._notes > NOTES:
            _, forgotten = self._by_contact.popitem(last=False)
            self._notes -= len(forgotten)
