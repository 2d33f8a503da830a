"""The groups that contact records list: saved batch by batch, their links put on at the end of the pipe."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from target_intercom.ledger.interface import UNNOTED
from target_intercom.model import ContactRecords, Found, Result, Skip, Update
from target_intercom.settings.config import SyncMode
from target_intercom.sync.linking.links import ListedGroups, save_lists
from target_intercom.sync.remembering.fingerprints import lists_news, lists_print, record_key

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import Contact, ContactId, Entry, LinkChange, LinkName, PlannedWrite, RecordKey
    from target_intercom.settings.config import Stream
    from target_intercom.sync.linking.changes import MembershipChange
    from target_intercom.sync.linking.in_bulk import LinksWithContacts
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.waiting import UnnamedLists


class ContactLinks:
    """The links of a contact stream's contacts, in a run that links none; and the interface of `ListedLinks`."""

    def plan(self, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """Return planned writes with the changes of their contacts' links, where bulk jobs can carry them."""
        return list(writes)

    def confirm(self, records: ContactRecords) -> None:
        """Save that a job has changed a contact's links."""

    def cancel(self, records: ContactRecords) -> None:
        """Take back what the records of a contact list: nothing was written to it."""

    def saved(self, records: ContactRecords, contact: Contact, result: Result) -> None:
        """Add the lists of records that went through."""

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """Add the list of a record whose contact is as it says."""

    def gone(self, contact: ContactId) -> None:
        """Write that a contact is gone: it may come back without its links."""

    def save(self) -> None:
        """Write what the records of a batch list, where it is not what they listed before."""


@dataclass
class ListedLinks(ContactLinks):
    """Saves which groups the records of one contact stream list."""

    stream: Stream
    kinds: Sequence[Links]
    memberships: Memberships
    """Those of all kinds."""
    unnamed: UnnamedLists
    with_contacts: Sequence[LinksWithContacts]
    """By kind; none where links do not go into the jobs of contacts."""
    _lists: dict[RecordKey, tuple[Entry, Contact]] = field(default_factory=dict)
    _hashes: dict[tuple[str, RecordKey], str] = field(default_factory=dict)
    """Hashes of lists of which nothing is left to be written."""
    _unfinished: set[tuple[str, RecordKey]] = field(default_factory=set)
    """Those of them with links that wait for the end of the pipe."""
    _confirmed: ContactRecords | None = None

    def plan(self, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """See `ContactLinks`."""
        planned = list(writes)
        for one in () if self._inserts else self.with_contacts:
            changes = one.plan([change for write in planned for change in self._changes(write, one.links)])
            planned = [_with_change(write, one.links.kind.names.kind, changes) for write in planned]
        return planned

    def _changes(self, write: PlannedWrite, links: Links) -> Iterator[MembershipChange]:
        """Yield what the records of a contact list of one kind, where a job may carry it and it is news."""
        match write:
            case Update(records, contact) | Skip(ContactRecords(match=Found(contact)) as records, None) if (
                contact.is_named
            ):
                keys = ((self._key_of(entry), entry) for entry in records.entries)
                keyed = [(key, entry) for key, entry in keys if key is not None and key not in records.replaced]
                news = {key for key, entry in keyed if lists_news(entry, contact)}
                # Of several lists of one record the last counts, also where it is no news.
                last: dict[RecordKey, MembershipChange] = {}
                for key, entry in keyed:
                    if key in news and (change := self._list(key, entry, contact).change(links)) is not None:
                        last[key] = change
                yield from last.values()
            case _:
                return

    def confirm(self, records: ContactRecords) -> None:
        """See `ContactLinks`."""
        if not isinstance(records.match, Found):
            return
        are_left = [one.confirm(records.match.contact.id) for one in self.with_contacts]
        self._confirmed = records
        for entry in records.entries:
            key, listed = self._key_of(entry), entry.draft.listed
            if key is not None and listed:
                self._lists.pop(key, None)
                self._hashes[self.stream.name, key] = lists_print(listed)
                if any(are_left):
                    self._unfinished.add((self.stream.name, key))
                self.unnamed.supersede(self.stream.name, key, listed.keys(), entry.received.number)

    def cancel(self, records: ContactRecords) -> None:
        """See `ContactLinks`."""
        if isinstance(records.match, Found):
            for one in self.with_contacts:
                one.cancel(records.match.contact.id)

    def saved(self, records: ContactRecords, contact: Contact, result: Result) -> None:
        """See `ContactLinks`."""
        if records is self._confirmed:
            self._confirmed = None
        elif self._inserts:
            # What is there already stays as it is, unless a run was cut off; of several records the first counts.
            first = records.entries[0]
            if result is Result.CREATED or (first.known is not None and first.known.groups == UNNOTED):
                self.unchanged(first, contact)
        else:
            if result is Result.UPDATED and not isinstance(records.match, Found):
                # It was in the archive.
                self.memberships.save_back([contact.id])
            for entry in records.entries:
                self.unchanged(entry, contact)

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """See `ContactLinks`."""
        listed = entry.draft.listed
        key = self._key_of(entry) if listed else None
        if key is None:
            return
        stream, number = self.stream.name, entry.received.number
        other = self._lists.get(key)
        if other is not None and other[0].received.number > number:
            self._lists[key] = (_together(entry, contact, *other), other[1])
            return
        says_any = any(listed.values()) or entry.known is not None
        if not contact.is_named and says_any and lists_news(entry, contact):
            self.unnamed.add(self._list(key, entry, contact), number)
            return
        self.unnamed.supersede(stream, key, listed.keys(), number)
        if contact.is_named:
            self._lists[key] = (entry if other is None else _together(*other, entry, contact), contact)
        elif entry.known is None:
            # The list is empty and the record is new: no link changes, so the Intercom id is not needed.
            self._hashes[stream, key] = lists_print(listed)

    def gone(self, contact: ContactId) -> None:
        """See `ContactLinks`."""
        self.memberships.save_gone([contact])

    def save(self) -> None:
        """See `ContactLinks`."""
        lists, self._lists = self._lists, {}
        hashes, self._hashes = self._hashes, {}
        unfinished, self._unfinished = self._unfinished, set()
        for one in self.with_contacts:
            one.save()
        if hashes:
            self.memberships.save([], [], hashes, unfinished)
        news = [
            self._list(key, entry, contact) for key, (entry, contact) in lists.items() if lists_news(entry, contact)
        ]
        if news:
            save_lists(self.memberships, self.kinds, news)

    @property
    def _inserts(self) -> bool:
        return self.stream.settings.sync_mode is SyncMode.INSERT

    def _list(self, key: RecordKey, entry: Entry, contact: Contact) -> ListedGroups:
        return ListedGroups(self.stream.name, key, contact, entry.draft.listed)

    def _key_of(self, entry: Entry) -> RecordKey | None:
        if entry.key is not None:
            return entry.key
        settings = self.stream.settings
        return record_key(entry.received.record, self.stream.keys, entry.draft.identity, settings.match_by)


def _with_change(write: PlannedWrite, kind: LinkName, changes: Mapping[ContactId, LinkChange]) -> PlannedWrite:
    """Return a write that changes its contact's links of one kind, too."""
    match write:
        case Update(contact=contact) if contact.id in changes:
            return replace(write, links={**write.links, kind: changes[contact.id]})
        case Skip(ContactRecords(match=Found(contact)) as records, None) if contact.id in changes:
            return Update(records, contact, MappingProxyType({}), {kind: changes[contact.id]})
        case _:
            return write


def _together(earlier: Entry, its_contact: Contact, later: Entry, contact: Contact) -> Entry:
    """Return a record with what an earlier one of its key says of kinds of which it says nothing itself."""
    if its_contact.id != contact.id:
        return later
    return replace(later, draft=replace(later.draft, listed={**earlier.draft.listed, **later.draft.listed}))
