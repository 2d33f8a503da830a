"""Memberships, and lists of groups, that wait on disk until their contacts are there."""

from __future__ import annotations

import os
import pickle
import tempfile
import time
import typing as t
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice

from target_intercom.model import Received
from target_intercom.sync.linking.links import ListedGroups, save_lists
from target_intercom.sync.matching.contact_ids import Unnamed

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.model import GroupKey, Identity, Json, LinkName, RecordKey, StreamSchema
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.matching.contact_ids import ContactIds

_LISTS_AT_ONCE = 2000
"""Lists that are in memory together."""


_Item = t.TypeVar("_Item")


class _Spool(t.Generic[_Item]):
    """Items in the order in which they came, in a private file that has no name and ends with the process."""

    def __init__(self, folder: Path) -> None:
        """The file is made in `folder` when the first item comes."""
        self._folder = folder
        self._file: t.IO[bytes] | None = None
        self._open = ExitStack()

    @property
    def is_empty(self) -> bool:
        """Whether there is no item."""
        return self._file is None

    def add(self, item: _Item) -> None:
        """Add an item at the end."""
        if self._file is None:
            with ExitStack() as stack:
                self._file = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
                self._open = stack.pop_all()
        pickle.dump(item, self._file, pickle.HIGHEST_PROTOCOL)

    def __iter__(self) -> Iterator[tuple[int, _Item]]:
        """Yield each item and its place; other items may be read in between."""
        if self._file is None:
            return
        end, place = self._file.seek(0, os.SEEK_END), 0
        while place < end:
            item = self.at(place)
            following = self._file.tell()
            yield place, item
            place = following

    def at(self, place: int) -> _Item:
        """Return the item at a place."""
        if self._file is None:
            raise LookupError(place)
        self._file.seek(place)
        item: _Item = pickle.load(self._file)  # noqa: S301 - this very process has written the file
        return item

    def close(self) -> None:
        """Delete the file."""
        self._open.close()
        self._file = None


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

    def __init__(self, folder: Path) -> None:
        """They lie in a file in `folder`."""
        self._spool: _Spool[tuple[WaitingMembership, int, Mapping[str, Json]]] = _Spool(folder)
        self._schemas: dict[StreamSchema, int] = {}
        """The schemas of the records, with their numbers."""

    @property
    def is_empty(self) -> bool:
        """Whether no membership waits."""
        return self._spool.is_empty

    def add(self, waiting: WaitingMembership, received: Received) -> None:
        """Add a membership, whose `place` is decided here, and its record."""
        schema = self._schemas.setdefault(received.schema, len(self._schemas))
        self._spool.add((waiting, schema, received.message))

    def __iter__(self) -> Iterator[WaitingMembership]:
        """Yield all memberships, in their order."""
        for place, (waiting, _, _) in self._spool:
            yield replace(waiting, place=place)

    def record(self, place: int) -> Received:
        """Return the record that lies at a place, as it was received."""
        _, schema, message = self._spool.at(place)
        return Received(message, message["record"], place, list(self._schemas)[schema])

    def close(self) -> None:
        """Delete the file."""
        self._spool.close()


# Records of contacts that bulk jobs have made.


@dataclass(frozen=True, slots=True)
class _List:
    """The groups that a contact's record lists, by kind of link."""

    stream: str
    key: RecordKey
    contact: Unnamed
    listed: Mapping[LinkName, Mapping[GroupKey, str]]
    number: int


class UnnamedLists:
    """The lists of contacts that bulk jobs have made: they wait until the contacts' Intercom ids are found."""

    def __init__(self, folder: Path, ids: ContactIds, search_delay_seconds: float) -> None:
        """They lie in a file in `folder`; search shows every contact after `search_delay_seconds`."""
        self._spool: _Spool[_List] = _Spool(folder)
        self._ids = ids
        self._delay = search_delay_seconds
        self._newest: dict[tuple[str, RecordKey, LinkName], int] = {}
        """The place in the pipe of the last list of a record that did not wait, while others do."""

    @property
    def is_empty(self) -> bool:
        """Whether no list waits."""
        return self._spool.is_empty

    def add(self, one: ListedGroups, number: int) -> None:
        """Add the list of a record; `number` is the record's place in the pipe."""
        unnamed = Unnamed(replace(one.contact, attributes={}), time.monotonic() + self._delay)
        listed = {kind: dict(groups) for kind, groups in one.listed.items()}
        self._spool.add(_List(one.stream, one.key, unnamed, listed, number))

    def supersede(self, stream: str, key: RecordKey, kinds: Collection[LinkName], number: int) -> None:
        """Drop what waits of earlier records of a key: its later list, of these kinds, need not wait."""
        if not self._spool.is_empty:
            self._newest.update(((stream, key, kind), number) for kind in kinds)

    def save_found(self, memberships: Memberships, kinds: Collection[Links]) -> Iterator[tuple[str, LinkName]]:
        """Write the lists whose contacts are found; yields the stream and the kinds of each whose contact is not.

        `memberships` are those of all kinds.
        """
        waiting = (one for _, one in self._spool)
        while some := list(islice(waiting, _LISTS_AT_ONCE)):
            lists = [newest for one in some if (newest := self._newest_of(one)) is not None]
            found = self._ids.find([one.contact for one in lists])
            named: list[ListedGroups] = []
            for one in lists:
                contact = found.get(one.contact.contact.id)
                if contact is None:
                    yield from ((one.stream, kind) for kind in one.listed)
                else:
                    named.append(ListedGroups(one.stream, one.key, contact, one.listed))
            save_lists(memberships, kinds, named)
        self.close()
        self._newest.clear()

    def _newest_of(self, one: _List) -> _List | None:
        """Return a list without what a later one of its record says; None: that is all."""
        listed = {
            kind: groups
            for kind, groups in one.listed.items()
            if one.number > self._newest.get((one.stream, one.key, kind), -1)
        }
        return replace(one, listed=listed) if listed else None

    def close(self) -> None:
        """Delete the file."""
        self._spool.close()
