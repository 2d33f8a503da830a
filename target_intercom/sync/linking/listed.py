"""The groups that contact records list: saved batch by batch, their links put on at the end of the pipe."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from target_intercom.ledger.remembered import UNNOTED
from target_intercom.model import Contact, stand_in
from target_intercom.outcomes import Result
from target_intercom.sync.linking.links import ListedGroups, save_lists
from target_intercom.sync.matching.roles import newborn
from target_intercom.sync.remembering.fingerprints import lists_news, lists_print, record_key
from target_intercom.writes import ContactRecords, Create, Saved, Update

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.model import ContactId, Entry, LinkName, RecordKey, Role
    from target_intercom.settings.config import Stream
    from target_intercom.sync.linking.changes import MembershipChange
    from target_intercom.sync.linking.in_bulk import LinksWithContacts
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.waiting import UnnamedLists
    from target_intercom.writes import LinkChange, PlannedWrite


class ContactLinks:
    """The links of a contact stream's contacts, in a run that links none; and the interface of `ListedLinks`."""

    def plan(self, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """Return planned writes with the changes of their contacts' links, where bulk jobs can carry them."""
        return list(writes)

    def confirm(self, records: ContactRecords, contact: Contact) -> None:
        """Save that a job has changed a contact's links, or made it with them."""

    def cancel(self, records: ContactRecords) -> None:
        """Take back what the records of a contact list: nothing was written to it."""

    def saved(self, records: ContactRecords, contact: Contact, result: Result) -> None:
        """Add the lists of records that went through."""

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """Add the list of a record whose contact is as it says."""

    def gone(self, contact: ContactId) -> None:
        """Write that a contact is gone: it may come back without its links."""

    def flush(self) -> None:
        """Write the links that jobs have changed."""

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
    _earlier: list[ListedGroups] = field(default_factory=list)
    """The lists of earlier records of these keys, where they count as well."""
    _sent: dict[RecordKey, tuple[Entry, Contact]] = field(default_factory=dict)
    """The lists that have gone with their contacts' changes: an earlier record of the key says less than they do."""
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
            kind = one.links.kind.names.kind
            planned = [_with_change(write, kind, changes, self._stand_ins) for write in planned]
        return planned

    def _changes(self, write: PlannedWrite, links: Links) -> Iterator[MembershipChange]:
        """Yield what the records of a contact list of one kind, where a job may carry it and it is news."""
        match write:
            case Update(records, contact) | Saved(records, contact=contact) if contact.is_named:
                keys = ((self._key_of(entry), entry) for entry in records.entries)
                keyed = [(key, entry) for key, entry in keys if key is not None and self._lasts(key, records)]
                news = {key for key, entry in keyed if lists_news(entry, contact)}
                # Of several lists of one record the last counts, also where it is no news.
                yield from self._changes_of([one for one in keyed if one[0] in news], contact, links)
            case Create(records, role) if links.kind.in_creates and not records.is_followed:
                yield from self._of_newborn(records, role, links)
            case _:
                return

    def _of_newborn(self, records: ContactRecords, role: Role, links: Links) -> Iterator[MembershipChange]:
        """Yield what the records of a contact list that a job may make, where they are of one key."""
        keys = {self._key_of(entry) for entry in records.entries}
        key = keys.pop()
        if keys or key is None or not self._lasts(key, records):
            return
        yield from self._changes_of(
            [(key, entry) for entry in records.entries],
            newborn(records.draft, role, stand_in(self.stream.name, key), by_job=True),
            links,
        )

    def _lasts(self, key: RecordKey, records: ContactRecords) -> bool:
        """Check whether what records list counts, also where a later write has another list of the key."""
        return not self._takes_off or key not in records.replaced

    def _changes_of(
        self, entries: Iterable[tuple[RecordKey, Entry]], contact: Contact, links: Links
    ) -> Iterable[MembershipChange]:
        """Return what records of a contact list of one kind: one change a key."""
        changes: dict[RecordKey, MembershipChange] = {}
        for key, entry in entries:
            change = self._list(key, entry, contact).change(links)
            if change is not None:
                earlier = changes[key].groups if key in changes and not self._takes_off else {}
                changes[key] = replace(change, groups={**earlier, **change.groups})
        return changes.values()

    def confirm(self, records: ContactRecords, contact: Contact) -> None:
        """See `ContactLinks`."""
        id_ = contact.id if records.found is None else records.found.id
        are_left = [one.confirm(id_) for one in self.with_contacts]
        if not contact.is_named and (any(are_left) or self._list_others(records)):
            # The rest goes when its id is found.
            return
        self._confirmed = records
        for entry in records.entries:
            key, listed = self._key_of(entry), entry.draft.listed
            if key is not None and listed and not self._lasts(key, records):
                self.unchanged(entry, contact)
            elif key is not None and listed:
                self._supersede(self._lists.pop(key, None), entry, contact)
                if contact.is_named:
                    self._sent[key] = (entry, contact)
                self._hashes[self.stream.name, key] = lists_print(listed)
                if any(are_left):
                    self._unfinished.add((self.stream.name, key))
                self._supersede_unnamed(key, entry)

    def cancel(self, records: ContactRecords) -> None:
        """See `ContactLinks`."""
        new = [one for one in records.entries if one.known is None and not one.again]
        unknown = {key for one in new if (key := self._key_of(one)) is not None}
        for id_ in self._stand_ins(records) if records.found is None else [records.found.id]:
            for one in self.with_contacts:
                one.cancel(id_, unknown)

    def _stand_ins(self, records: ContactRecords) -> set[ContactId]:
        keys = {self._key_of(entry) for entry in records.entries}
        return {stand_in(self.stream.name, key) for key in keys if key is not None}

    def _list_others(self, records: ContactRecords) -> bool:
        """Check whether records list groups of kinds that do not go into jobs which make contacts."""
        others = [links.kind.names.kind for links in self.kinds if not links.kind.in_creates]
        return any(entry.draft.listed.get(kind) for entry in records.entries for kind in others)

    def saved(self, records: ContactRecords, contact: Contact, result: Result) -> None:
        """See `ContactLinks`."""
        if records is self._confirmed:
            self._confirmed = None
        elif self._inserts:
            # What is there already stays as it is, unless a run was cut off; of several records the first counts.
            first = records.entries[0]
            if result is Result.CREATED or self._was_cut_off(first, contact):
                self.unchanged(first, contact)
        else:
            if result is Result.UPDATED and records.found is None:
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
        other = self._lists.get(key, self._sent.get(key))
        if other is not None and other[0].received.number > number:
            if contact.is_named:
                self._supersede((entry, contact), *other)
            self._lists[key] = (_together(entry, contact, *other), other[1])
            return
        says_any = any(listed.values()) or entry.known is not None
        if not contact.is_named and says_any and lists_news(entry, contact):
            self.unnamed.add(self._list(key, entry, contact), number)
            return
        self._supersede_unnamed(key, entry)
        if contact.is_named:
            self._supersede(self._lists.get(key), entry, contact)
            self._lists[key] = (entry if other is None else _together(*other, entry, contact), contact)
        elif entry.known is None:
            # The list is empty and the record is new: no link changes, so the Intercom id is not needed.
            self._hashes[stream, key] = lists_print(listed)

    def _was_cut_off(self, entry: Entry, contact: Contact) -> bool:
        """Check whether a run that was cut off has made a record's contact, and not saved what it lists."""
        if entry.known is None or entry.known.groups != UNNOTED:
            return False
        if entry.begun is not None and not entry.may_have_made(contact):
            return False
        key = self._key_of(entry)
        return key is not None and key not in self._lists and not self.unnamed.waits(self.stream.name, key)

    def _supersede(self, earlier: tuple[Entry, Contact] | None, entry: Entry, contact: Contact) -> None:
        """Keep what an earlier record of a key lists, if it counts as well: a later one is of another contact."""
        key = None if earlier is None else self._key_of(earlier[0])
        if earlier is None or key is None or not lists_news(*earlier):
            return
        one, later = self._list(key, *earlier), entry.draft.listed
        if self._takes_off:
            # What the later record says nothing of stays with the contact of the earlier one.
            is_same = earlier[1].id == contact.id
            silent = {} if is_same else {kind: some for kind, some in one.listed.items() if kind not in later}
            one = replace(one, listed=silent)
        if one.listed:
            self._earlier.append(one)

    def _supersede_unnamed(self, key: RecordKey, entry: Entry) -> None:
        """Drop what waits of earlier records of a key, unless it counts as well."""
        if self._takes_off:
            self.unnamed.supersede(self.stream.name, key, entry.draft.listed.keys(), entry.received.number)

    def gone(self, contact: ContactId) -> None:
        """See `ContactLinks`."""
        self.memberships.save_gone([contact])

    def flush(self) -> None:
        """See `ContactLinks`."""
        for one in self.with_contacts:
            one.save()

    def save(self) -> None:
        """See `ContactLinks`."""
        lists, self._lists = self._lists, {}
        earlier, self._earlier = self._earlier, []
        self._sent.clear()
        hashes, self._hashes = self._hashes, {}
        unfinished, self._unfinished = self._unfinished, set()
        self.flush()
        if hashes:
            self.memberships.save([], [], hashes, unfinished)
        news = [
            self._list(key, entry, contact) for key, (entry, contact) in lists.items() if lists_news(entry, contact)
        ]
        if earlier or news:
            save_lists(self.memberships, self.kinds, [*earlier, *news])

    @property
    def _takes_off(self) -> bool:
        """Whether links are taken off; elsewhere all lists of a record count, as over several runs."""
        return self.stream.settings.takes_links_off

    @property
    def _inserts(self) -> bool:
        return self.stream.settings.sync_mode.first_wins

    def _list(self, key: RecordKey, entry: Entry, contact: Contact) -> ListedGroups:
        return ListedGroups(self.stream.name, key, contact, entry.draft.listed)

    def _key_of(self, entry: Entry) -> RecordKey | None:
        if entry.key is not None:
            return entry.key
        settings = self.stream.settings
        return record_key(entry.received.record, self.stream.keys, entry.draft.identity, settings.match_by)


def _with_change(
    write: PlannedWrite,
    kind: LinkName,
    changes: Mapping[ContactId, LinkChange],
    stand_ins: Callable[[ContactRecords], Collection[ContactId]],
) -> PlannedWrite:
    """Return a write that changes its contact's links of one kind, too; `stand_ins` of contacts that are to be made."""
    match write:
        case Update(contact=contact) if contact.id in changes:
            return replace(write, links={**write.links, kind: changes[contact.id]})
        case Saved(records, contact=contact) if contact.id in changes:
            return Update(records, contact, MappingProxyType({}), {kind: changes[contact.id]})
        case Create(records) if (id_ := next((one for one in stand_ins(records) if one in changes), None)) is not None:
            return replace(write, links={**write.links, kind: changes[id_]}, stand_in=id_)
        case _:
            return write


def _together(earlier: Entry, its_contact: Contact, later: Entry, contact: Contact) -> Entry:
    """Return a record with what an earlier one of its key says of kinds of which it says nothing itself."""
    if its_contact.id != contact.id:
        return later
    return replace(later, draft=replace(later.draft, listed={**earlier.draft.listed, **later.draft.listed}))
