"""The groups that contact records list in their `tags_property`: noted batch by batch, tags at the end of the pipe."""

from __future__ import annotations

import json
import time
import typing as t
from dataclasses import dataclass, replace
from itertools import groupby, islice
from types import MappingProxyType

from target_intercom.ledger.interface import UNNOTED
from target_intercom.model import Contact, ContactId, ContactRecords, Found, RecordKey, Result, Skip, Update
from target_intercom.settings.config import SyncMode
from target_intercom.sync.linking.claims import Claim
from target_intercom.sync.linking.spool import Spool
from target_intercom.sync.matching.contact_ids import Unnamed
from target_intercom.sync.remembering.fingerprints import groups_print, lists_news, record_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import Entry, GroupKey, Json, PlannedWrite, TagChange
    from target_intercom.settings.stream import Stream
    from target_intercom.sync.linking.claiming import Claiming
    from target_intercom.sync.linking.with_contacts import CarriedTags
    from target_intercom.sync.matching.contact_ids import ContactIds

_AT_ONCE = 2000
"""Lists that are in memory together."""


class ListedGroups:
    """A contact stream whose run knows no groups, and the interface of the one whose run does."""

    def saved(self, group: ContactRecords, contact: Contact, result: Result) -> None:
        """Note the records of a contact that went through."""

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """Note a record whose contact is as it says."""

    def load(self, operations: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """Let the changes of tags travel with the operations, where bulk jobs can carry them."""
        return list(operations)

    def arrived(self, group: ContactRecords) -> None:
        """Note that the changes of a contact's tags went along."""

    def take_back(self, group: ContactRecords) -> None:
        """Note that nothing was written of a contact that was loaded."""

    def gone(self, contact: ContactId) -> None:
        """Note that a contact is not there: it may come back without its tags."""

    def write(self) -> None:
        """Write down what the records of a batch list, where it is not what they listed before."""


class NotedGroups(ListedGroups):
    """Notes which groups the records of one contact stream list."""

    def __init__(
        self,
        stream: Stream,
        begin: Callable[[], Claiming],
        memberships: Memberships,
        *,
        unnamed: UnnamedListings,
        carried: CarriedTags | None,
        repair: bool,
    ) -> None:
        """`begin` gives a place for the claims of a batch; `repair` looks at every contact's tags.

        `unnamed` is where the lists of contacts wait whose Intercom ids are not known; `carried`: None where
        tags do not go along with contacts.
        """
        self._stream = stream
        self._begin = begin
        self._memberships = memberships
        self._unnamed = unnamed
        self._carried = carried
        self._prints: dict[tuple[str, RecordKey], str] = {}
        self._arrived: ContactRecords | None = None
        self._repair = repair
        self._listed: dict[RecordKey, tuple[Entry, Contact]] = {}

    def load(self, operations: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """See `ListedGroups`."""
        if self._carried is None or self._stream.settings.sync_mode is SyncMode.INSERT:
            return list(operations)
        claims = [claim for operation in operations for claim in self._claims(operation)]
        changes = self._carried.load(claims)
        return [_with_tags(operation, changes) for operation in operations]

    def _claims(self, operation: PlannedWrite) -> Iterator[Claim]:
        """Return what the records of a contact list, where a job may carry it and it is news."""
        match operation:
            case Update(group, contact) | Skip(ContactRecords(match=Found(contact)) as group, None) if contact.is_named:
                keyed = [(key, entry) for entry in group.entries if (key := self._key_of(entry)) is not None]
                news = {key for key, entry in keyed if lists_news(entry, contact)}
                # Of several lists of one record the last counts, also where it is no news.
                last = {key: entry for key, entry in keyed if key in news and entry.draft.groups is not None}
                yield from (self._claim(key, entry, contact) for key, entry in last.items())
            case _:
                return

    def arrived(self, group: ContactRecords) -> None:
        """See `ListedGroups`."""
        contact = group.match.contact if isinstance(group.match, Found) else None
        if self._carried is None or contact is None:
            return
        self._carried.arrived(contact.id)
        self._arrived = group
        for entry in group.entries:
            key = self._key_of(entry)
            if key is not None and entry.draft.groups is not None:
                self._listed.pop(key, None)
                self._prints[self._stream.name, key] = groups_print(entry.draft.groups)
                self._unnamed.supersede(self._stream.name, key, entry.received.number)

    def take_back(self, group: ContactRecords) -> None:
        """See `ListedGroups`."""
        if self._carried is not None and isinstance(group.match, Found):
            self._carried.take_back(group.match.contact.id)

    def saved(self, group: ContactRecords, contact: Contact, result: Result) -> None:
        """See `ListedGroups`."""
        if group is self._arrived:
            self._arrived = None
            return
        if self._stream.settings.sync_mode is SyncMode.INSERT:
            # What is there already is left alone, unless a run was cut off; of several records the first counts.
            first = group.entries[0]
            if result is Result.CREATED or (first.known is not None and first.known.groups == UNNOTED):
                self.unchanged(first, contact)
            return
        if result is Result.UPDATED and not isinstance(group.match, Found):
            # It was in the archive.
            self._memberships.back([contact.id])
        for entry in group.entries:
            self.unchanged(entry, contact)

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """See `ListedGroups`."""
        if entry.draft.groups is None:
            return
        key = self._key_of(entry)
        if key is None:
            return
        number = entry.received.number
        later = self._listed.get(key)
        if later is not None and later[0].received.number > number:
            return
        if not contact.is_named and (entry.draft.groups or entry.known is not None) and lists_news(entry, contact):
            self._unnamed.add(self._stream.name, key, contact, entry.draft.groups, number)
            return
        self._unnamed.supersede(self._stream.name, key, number)
        if contact.is_named:
            self._listed[key] = (entry, contact)
        elif entry.known is None:
            # There is nothing to put on or to take off: no reason to look for its id.
            self._prints[self._stream.name, key] = groups_print(entry.draft.groups)

    def gone(self, contact: ContactId) -> None:
        """See `ListedGroups`."""
        self._memberships.gone([contact])

    def write(self) -> None:
        """See `ListedGroups`."""
        listed, self._listed = self._listed, {}
        prints, self._prints = self._prints, {}
        if self._carried is not None:
            self._carried.write()
        if prints:
            self._memberships.note([], [], prints)
        news = {key: (entry, contact) for key, (entry, contact) in listed.items() if lists_news(entry, contact)}
        if not news:
            return
        claim_listed(
            self._begin(),
            [self._claim(key, entry, contact) for key, (entry, contact) in news.items()],
        )

    def _claim(self, key: RecordKey, entry: Entry, contact: Contact) -> Claim:
        return Claim(
            stream=self._stream.name,
            key=key,
            contact=contact,
            groups=entry.draft.groups or {},
            releases=self._stream.settings.sync_mode is SyncMode.SYNC,
            is_doubtful=self._repair,
        )

    def _key_of(self, entry: Entry) -> RecordKey | None:
        if entry.key is not None:
            return entry.key
        return record_key(
            entry.received.record, self._stream.keys, entry.draft.identity, self._stream.settings.match_by
        )


def claim_listed(claims: Claiming, listed: Sequence[Claim]) -> None:
    """Note what contact records list, and the hash of it."""
    for stream, ones in groupby(listed, key=lambda one: one.stream):
        claims.recall(stream, [one.key for one in ones])
    claims.meet((one.contact.id, group) for one in listed for group in one.groups)
    for one in listed:
        claims.claim(one)
    claims.write({(one.stream, one.key): groups_print(one.groups) for one in listed})


class UnnamedListings:
    """What records list of contacts that bulk jobs have made: it waits until their Intercom ids are found."""

    def __init__(self, folder: Path, ids: ContactIds, search_delay_seconds: float) -> None:
        """They wait in a file in `folder`; search shows every contact after `search_delay_seconds`."""
        self._spool = Spool(folder)
        self._ids = ids
        self._delay = search_delay_seconds
        self._newest: dict[tuple[str, RecordKey], int] = {}
        """By record: the place in the pipe of its last list that did not wait, while others do."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._spool.is_empty

    def add(self, stream: str, key: RecordKey, contact: Contact, groups: Mapping[GroupKey, str], number: int) -> None:
        """Let the list of a record wait; `number` is the record's place in the pipe."""
        due = time.monotonic() + self._delay
        who = [contact.id, contact.role, contact.external_id, contact.email]
        self._spool.add(json.dumps([stream, key, *who, due, groups, number]))

    def supersede(self, stream: str, key: RecordKey, number: int) -> None:
        """Note a list that does not wait: what waits of earlier records of its key no longer holds."""
        if not self._spool.is_empty:
            self._newest[stream, key] = number

    def _holds(self, listing: _Listing) -> bool:
        return listing.number > self._newest.get((listing.stream, listing.key), -1)

    def settle(self, begin: Callable[[], Claiming], releases: Callable[[str], bool]) -> Iterator[str]:
        """Note what was listed; returns the stream of each record whose contact is not found.

        `releases` tells of a stream whether its records take off the tags of groups that they name no more.
        """
        lines = (line for _, line in self._spool.lines())
        while some := list(islice(lines, _AT_ONCE)):
            page = [one for one in map(_listing, map(json.loads, some)) if self._holds(one)]
            found = self._ids.find([one.contact for one in page])
            claims = []
            for one in page:
                contact = found.get(one.contact.contact.id)
                if contact is None:
                    yield one.stream
                else:
                    claims.append(Claim(one.stream, one.key, contact, one.groups, releases=releases(one.stream)))
            claim_listed(begin(), claims)
        self._spool.close()
        self._newest.clear()

    def close(self) -> None:
        """Return the file back."""
        self._spool.close()


@dataclass(frozen=True, slots=True)
class _Listing:
    stream: str
    key: RecordKey
    contact: Unnamed
    groups: Mapping[GroupKey, str]
    number: int


def _listing(fields: list[Json]) -> _Listing:
    stream, key, stand_in, role, external_id, email, due, groups, number = fields
    contact = Contact(ContactId(stand_in), role, external_id, email, MappingProxyType({}), is_named=False)
    return _Listing(stream, RecordKey(key), Unnamed(contact, due), groups, number)


def _with_tags(operation: PlannedWrite, changes: Mapping[ContactId, TagChange]) -> PlannedWrite:
    match operation:
        case Update(contact=contact) if contact.id in changes:
            return replace(operation, tags=changes[contact.id])
        case Skip(ContactRecords(match=Found(contact)) as group, None) if contact.id in changes:
            return Update(group, contact, MappingProxyType({}), changes[contact.id])
        case _:
            return operation
