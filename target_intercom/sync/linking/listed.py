"""The groups that contact records list: saved batch by batch, their links put on at the end of the pipe."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from types import MappingProxyType

from target_intercom.ledger.interface import UNNOTED
from target_intercom.model import ContactRecords, Found, Result, Skip, Update
from target_intercom.settings.config import SyncMode
from target_intercom.sync.linking.changes import MembershipChange
from target_intercom.sync.remembering.fingerprints import groups_print, lists_news, record_key

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_intercom.model import Contact, ContactId, Entry, GroupKey, LinkChange, PlannedWrite, RecordKey
    from target_intercom.settings.config import Stream
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
    links: Links
    unnamed: UnnamedLists
    with_contacts: LinksWithContacts | None
    """None: links do not go into the jobs of contacts."""
    _lists: dict[RecordKey, tuple[Entry, Contact]] = field(default_factory=dict)
    _hashes: dict[tuple[str, RecordKey], str] = field(default_factory=dict)
    """Hashes of lists that need nothing but to be known."""
    _confirmed: ContactRecords | None = None

    def plan(self, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """See `ContactLinks`."""
        if self.with_contacts is None or self._inserts:
            return list(writes)
        changes = self.with_contacts.plan([change for write in writes for change in self._changes(write)])
        return [self._with_change(write, changes) for write in writes]

    def _changes(self, write: PlannedWrite) -> Iterator[MembershipChange]:
        """Yield what the records of a contact list, where a job may carry it and it is news."""
        match write:
            case Update(records, contact) | Skip(ContactRecords(match=Found(contact)) as records, None) if (
                contact.is_named
            ):
                keys = ((self._key_of(entry), entry) for entry in records.entries)
                keyed = [(key, entry) for key, entry in keys if key is not None and key not in records.replaced]
                news = {key for key, entry in keyed if lists_news(entry, contact)}
                # Of several lists of one record the last counts, also where it is no news.
                last = {key: entry for key, entry in keyed if key in news and self._listed(entry) is not None}
                yield from (self._change(key, entry, contact) for key, entry in last.items())
            case _:
                return

    def _with_change(self, write: PlannedWrite, changes: Mapping[ContactId, LinkChange]) -> PlannedWrite:
        match write:
            case Update(contact=contact) if contact.id in changes:
                return self.links.kind.with_change(write, changes[contact.id])
            case Skip(ContactRecords(match=Found(contact)) as records, None) if contact.id in changes:
                update = Update(records, contact, MappingProxyType({}))
                return self.links.kind.with_change(update, changes[contact.id])
            case _:
                return write

    def confirm(self, records: ContactRecords) -> None:
        """See `ContactLinks`."""
        contact = records.match.contact if isinstance(records.match, Found) else None
        if self.with_contacts is None or contact is None:
            return
        self.with_contacts.confirm(contact.id)
        self._confirmed = records
        for entry in records.entries:
            key, groups = self._key_of(entry), self._listed(entry)
            if key is not None and groups is not None:
                self._lists.pop(key, None)
                self._hashes[self.stream.name, key] = groups_print(groups)
                self.unnamed.supersede(self.stream.name, key, entry.received.number)

    def cancel(self, records: ContactRecords) -> None:
        """See `ContactLinks`."""
        if self.with_contacts is not None and isinstance(records.match, Found):
            self.with_contacts.cancel(records.match.contact.id)

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
                self.links.memberships.save_back([contact.id])
            for entry in records.entries:
                self.unchanged(entry, contact)

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """See `ContactLinks`."""
        groups = self._listed(entry)
        key = None if groups is None else self._key_of(entry)
        if groups is None or key is None:
            return
        stream, number = self.stream.name, entry.received.number
        later = self._lists.get(key)
        if later is not None and later[0].received.number > number:
            return
        if not contact.is_named and (groups or entry.known is not None) and lists_news(entry, contact):
            self.unnamed.add(stream, key, contact, groups, number)
            return
        self.unnamed.supersede(stream, key, number)
        if contact.is_named:
            self._lists[key] = (entry, contact)
        elif entry.known is None:
            # The list is empty and the record is new: no link changes, so the Intercom id is not needed.
            self._hashes[stream, key] = groups_print(groups)

    def gone(self, contact: ContactId) -> None:
        """See `ContactLinks`."""
        self.links.memberships.save_gone([contact])

    def save(self) -> None:
        """See `ContactLinks`."""
        lists, self._lists = self._lists, {}
        hashes, self._hashes = self._hashes, {}
        if self.with_contacts is not None:
            self.with_contacts.save()
        if hashes:
            self.links.memberships.save([], [], hashes)
        news = [
            self._change(key, entry, contact) for key, (entry, contact) in lists.items() if lists_news(entry, contact)
        ]
        if news:
            self.links.batch().save_lists(news)

    @property
    def _inserts(self) -> bool:
        return self.stream.settings.sync_mode is SyncMode.INSERT

    def _listed(self, entry: Entry) -> Mapping[GroupKey, str] | None:
        return self.links.kind.listed(entry.draft)

    def _change(self, key: RecordKey, entry: Entry, contact: Contact) -> MembershipChange:
        return MembershipChange(
            stream=self.stream.name,
            key=key,
            contact=contact,
            groups=self._listed(entry) or {},
            releases=self.links.releases(self.stream.name),
            is_doubtful=self.links.config.repair,
        )

    def _key_of(self, entry: Entry) -> RecordKey | None:
        if entry.key is not None:
            return entry.key
        settings = self.stream.settings
        return record_key(entry.received.record, self.stream.keys, entry.draft.identity, settings.match_by)
