"""Records that are marked as deleted, and the contacts that they mean: they wait for the end of the pipe."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.model import Contact, ContactId, Received, RecordKey
    from target_intercom.settings.config import RemovalMode

RecordName: t.TypeAlias = "tuple[str, RecordKey]"
"""A record, by its stream and key."""


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A record whose contacts are to be removed."""

    stream: str
    key: RecordKey
    received: Received
    contacts: tuple[Contact, ...]
    """As they were when the record was read."""
    mode: RemovalMode
    is_order: bool
    """Its stream is of mode `remove`: no other record keeps its contacts."""
    is_linked: bool
    """The ledger told which contact is the record's."""

    @property
    def name(self) -> RecordName:
        """The record."""
        return self.stream, self.key

    def ids(self) -> set[ContactId]:
        """Return the ids of its contacts."""
        return {contact.id for contact in self.contacts}


class Marks:
    """The marks of a run. A later live record of the same key takes a mark back, and nothing else does."""

    def __init__(self) -> None:
        """Nothing is marked yet."""
        self._by_name: dict[RecordName, list[Mark]] = defaultdict(list)

    def __len__(self) -> int:
        """Return how many records are marked."""
        return len(self._by_name)

    def __contains__(self, name: RecordName) -> bool:
        """Check whether a record is marked."""
        return name in self._by_name

    def __iter__(self) -> Iterator[Mark]:
        """Yield the marks in the order of the pipe."""
        return iter(sorted((mark for marks in self._by_name.values() for mark in marks), key=_place))

    def add(self, mark: Mark) -> bool:
        """Keep a mark; False where an earlier one of the same key means the same contacts."""
        earlier = self._by_name.get(mark.name, ())
        if any(mark.ids() <= one.ids() for one in earlier):
            return False
        self._by_name[mark.name].append(mark)
        return True

    def cancel(self, stream: str, places: Mapping[RecordKey, int]) -> list[Mark]:
        """Take marks back that came before live records of the same key, told with their places; returns them."""
        cancelled: list[Mark] = []
        for key, place in places.items() if self._by_name else ():
            marks = self._by_name.pop((stream, key), [])
            later = [mark for mark in marks if mark.received.number > place]
            if later:
                self._by_name[stream, key] = later
            cancelled.extend(mark for mark in marks if mark.received.number <= place)
        return cancelled

    def clear(self) -> None:
        """Forget all marks: they are carried out."""
        self._by_name.clear()


def _place(mark: Mark) -> int:
    return mark.received.number
