"""Memberships, and lists of groups, that wait on disk until their contacts are there."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, replace
from itertools import islice

from target_intercom.ledger.remembered import stamp
from target_intercom.sync.linking.links import ListedGroups, save_lists
from target_intercom.sync.remembering.kept_records import KeptRecords

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping

    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.ledger.remembered import Stamp
    from target_intercom.model import Contact, GroupKey, Identity, LinkName, Received, RecordKey
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.matching.contact_ids import ContactIds

_LISTS_AT_ONCE = 2000
"""Lists that are in memory together."""


_Shelf: t.TypeAlias = "Callable[[], MutableMapping[t.Any, t.Any]]"
"""Makes dictionaries on disk."""


# Records of groups streams.


@dataclass(frozen=True, slots=True)
class WaitingMembership:
    """A record of a groups stream whose contact is looked for at the end of the pipe."""

    stream: str
    key: RecordKey
    identity: Identity
    group: GroupKey | None
    """None: the record names no group, as a log-based deletion."""
    name: str
    removed: bool
    """The record marks the membership as deleted."""
    content: str | None
    """Hash of what the record says; None where it names no group."""
    version: int | None
    place: int = 0
    """Where the record lies on disk."""


class WaitingMemberships:
    """The memberships of a run's groups streams, in the order of the pipe."""

    def __init__(self, shelf: _Shelf) -> None:
        """`shelf` makes dictionaries on disk."""
        self._waiting: MutableMapping[int, WaitingMembership] = shelf()
        self._records = KeptRecords(shelf())

    @property
    def is_empty(self) -> bool:
        """Whether no membership waits."""
        return not self._waiting

    def add(self, waiting: WaitingMembership, received: Received) -> None:
        """Add a membership, whose `place` is decided here, and its record."""
        place = len(self._waiting)
        self._waiting[place] = replace(waiting, place=place)
        self._records.keep(place, received)

    def __iter__(self) -> Iterator[WaitingMembership]:
        """Yield all memberships, in their order."""
        return iter(self._waiting.values())

    def record(self, place: int) -> Received:
        """Return the record that lies at a place, as it was received."""
        return self._records.get(place)

    def clear(self) -> None:
        """Drop all memberships."""
        self._waiting.clear()
        self._records.clear()


# Records of contacts that bulk jobs have made.


@dataclass(frozen=True, slots=True)
class _List:
    """The groups that a contact's record lists, by kind of link."""

    stream: str
    key: RecordKey
    contact: Contact
    made_at: Stamp
    listed: Mapping[LinkName, Mapping[GroupKey, str]]
    number: int


class UnnamedLists:
    """The lists of contacts that bulk jobs have made: they wait until the contacts' Intercom ids are found."""

    def __init__(self, shelf: _Shelf, ids: ContactIds) -> None:
        """`shelf` makes dictionaries on disk."""
        self._lists: MutableMapping[int, _List] = shelf()
        """In the order in which they came."""
        self._keys: MutableMapping[tuple[str, RecordKey], None] = shelf()
        """Of the records that they are of."""
        self._ids = ids
        self._newest: MutableMapping[tuple[str, RecordKey, LinkName], int] = shelf()
        """The place in the pipe of the last list of a record that did not wait, while others do."""

    @property
    def is_empty(self) -> bool:
        """Whether no list waits."""
        return not self._lists

    def waits(self, stream: str, key: RecordKey) -> bool:
        """Check whether a list of a record waits."""
        return (stream, key) in self._keys

    def add(self, one: ListedGroups, number: int) -> None:
        """Add the list of a record; `number` is the record's place in the pipe."""
        unnamed, now = replace(one.contact, attributes={}), stamp(time.time())
        listed = {kind: dict(groups) for kind, groups in one.listed.items()}
        self._lists[len(self._lists)] = _List(one.stream, one.key, unnamed, now, listed, number)
        self._keys[one.stream, one.key] = None

    def supersede(self, stream: str, key: RecordKey, kinds: Collection[LinkName], number: int) -> None:
        """Drop what waits of earlier records of a key: its later list, of these kinds, need not wait."""
        if self._lists:
            self._newest.update(((stream, key, kind), number) for kind in kinds)

    def save_found(self, memberships: Memberships, kinds: Collection[Links]) -> Iterator[tuple[str, LinkName]]:
        """Write the lists whose contacts are found; yields the stream and the kinds of each whose contact is not.

        `memberships` are those of all kinds.
        """
        waiting = iter(self._lists.values())
        while some := list(islice(waiting, _LISTS_AT_ONCE)):
            lists = [newest for one in some if (newest := self._newest_of(one)) is not None]
            found = self._ids.find([(one.contact, one.made_at) for one in lists])
            named: list[ListedGroups] = []
            for one in lists:
                contact = found.get(one.contact.id)
                if contact is None:
                    yield from ((one.stream, kind) for kind in one.listed)
                else:
                    named.append(ListedGroups(one.stream, one.key, contact, one.listed))
            save_lists(memberships, kinds, named)
        self._lists.clear()
        self._keys.clear()
        self._newest.clear()

    def _newest_of(self, one: _List) -> _List | None:
        """Return a list without what a later one of its record says; None: that is all."""
        listed = {
            kind: groups
            for kind, groups in one.listed.items()
            if one.number > self._newest.get((one.stream, one.key, kind), -1)
        }
        return replace(one, listed=listed) if listed else None
