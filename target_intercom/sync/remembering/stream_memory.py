"""Reads what the ledger knows of a stream's records, and writes what a batch changes of that."""

from __future__ import annotations

import time
import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

from target_intercom.ledger.remembered import UNNOTED, Dropped, EntryState, LedgerEntry, Loaded, Stamp, stamp
from target_intercom.model import Identity, Known, LedgerVerdict, MatchBy
from target_intercom.settings.config import SyncMode
from target_intercom.sync.matching.whose import RecordLinks, may_let_go
from target_intercom.sync.remembering.fingerprints import (
    NO_IDENTITY,
    lists_news,
    prints_of,
    readable_key,
    record_key,
    settings_print,
    source_print,
)
from target_intercom.writes import Create, Update

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.remembered import Doubt, UnchangedRow
    from target_intercom.model import Contact, ContactId, Entry, Identifier, Received, RecordKey, StreamSchema
    from target_intercom.settings.config import Stream
    from target_intercom.sync.matching.contact_ids import ContactIds
    from target_intercom.writes import Call, ContactRecords

_MOST_UNWRITTEN = 200
_LONGEST_UNWRITTEN = 1.0
"""Loaded records, and seconds, before the ledger is written: after a kill these records are looked up again."""


_SEARCH_LAGS_AT_MOST = 3600.0
"""Seconds for which a contact that its record dropped is kept: whatever `search_delay_seconds` is."""


class Familiar(t.NamedTuple):
    """A record that came again as it was."""

    received: Received
    key: RecordKey
    row: UnchangedRow

    def names(self) -> set[Identifier]:
        """Return the identifiers of its contact, which other records may share."""
        return set(Identity(self.row.external_id, self.row.email, self.row.contact).identifiers())

    def whose(self) -> ContactId | int:
        """Return the id of its contact, or the record's number where the id is not known."""
        return self.received.number if self.row.contact is None else self.row.contact


@dataclass
class StreamMemory:
    """What a batch of a stream has of the ledger, and changes of it."""

    stream: Stream
    ledger: Ledger
    ids: ContactIds | None
    """Finds the contacts that bulk jobs have made; None: the id of an object is its key."""
    repair: bool
    """No record is trusted to be in line."""
    sees: bool
    """Unchanged records, too, are written as seen: this run may remove objects."""
    given_up: Collection[ContactId]
    """Contacts to which a job that was given up may still write older values."""
    _entries: dict[RecordKey, LedgerEntry] = field(default_factory=dict, init=False)
    _loaded: list[Loaded] = field(default_factory=list, init=False)
    _loaded_since: float = field(default=0.0, init=False)
    _new_sources: dict[RecordKey, str] = field(default_factory=dict, init=False)
    _seen: dict[int | None, set[RecordKey]] = field(default_factory=lambda: defaultdict(set), init=False)

    @cached_property
    def _settings(self) -> str:
        return settings_print(self.stream.settings)

    def key_of(self, received: Received, identity: Identity) -> RecordKey | None:
        """Return the key by which the ledger knows a record; None: it has none, or there is no ledger."""
        if not self.ledger.remembers:
            return None
        return record_key(received.record, self.stream.keys, identity, self.stream.settings.match_by)

    def recall(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the records with their ledger entries, except records for which the ledger was wrong."""
        if not self.ledger.remembers:
            return list(entries)
        self.flush()
        keys = {entry.key for entry in entries if entry.key is not None and not entry.again}
        self._entries |= self.ledger.recall(self.stream.name, sorted(keys))
        recalled = [entry if entry.again else self._recalled(entry) for entry in entries]
        changed = iter(self.named([entry for entry in recalled if not entry.is_in_line]))
        return [entry if entry.is_in_line else next(changed) for entry in recalled]

    def links(self, entries: Iterable[Entry], held: Collection[ContactId]) -> RecordLinks:
        """Return which records hold the contacts that records may let go of, and those of `held`."""
        left = {entry.contact.id for entry in entries if entry.contact is not None and may_let_go(entry)}
        contacts = sorted(left.union(held))
        return RecordLinks(self.stream.name, self.ledger.holders(contacts) if contacts else (), contacts)

    def familiar(
        self, records: Sequence[Received], ground: Callable[[StreamSchema], tuple[str, AbstractSet[str]]]
    ) -> tuple[list[Familiar], list[Received], dict[int, str]]:
        """Return the records that are unchanged and in line, the others, and the source hashes of all by number.

        Records are compared by source hash and are not mapped, so a run without changes is cheap. `ground` returns
        for a schema what that hash begins with, and the properties that it is of.
        """
        settings = self.stream.settings
        updates = settings.sync_mode.updates and not self.repair
        if not (self.ledger.remembers and updates and self.stream.keys) or MatchBy.ID in settings.match_by:
            return [], list(records), {}
        self.flush()
        ground = cache(ground)
        sources: dict[int, str] = {}
        for received in records:
            basis, relevant = ground(received.schema)
            sources[received.number] = source_print(basis, received.record, relevant)
        keys = [record_key(received.record, self.stream.keys, NO_IDENTITY, ()) for received in records]
        # Of records that share a key the last one counts: they have to be looked at together.
        once = [key for key, often in Counter(keys).items() if key is not None and often == 1]
        rows = self.ledger.unchanged(self.stream.name, once)
        familiar: list[Familiar] = []
        others: list[Received] = []
        for received, key in zip(records, keys, strict=True):
            if key is not None and key in rows and rows[key].source == sources[received.number]:
                familiar.append(Familiar(received, key, rows[key]))
                self._see(key, received)
            else:
                others.append(received)
        return familiar, others, sources

    def named(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return records with the Intercom ids of their contacts, also of those that bulk jobs have made."""
        return list(entries) if self.ids is None else self.ids.find_of(entries, self._entries)

    def made(self, contact: Contact) -> None:
        """Remember that a job has made a contact whose id is not known, beside its rows."""
        if self.ids is not None:
            self.ids.made(contact)

    def save_source_hashes(self) -> None:
        """Write the source hashes of a batch's records, after everything else of the batch is written."""
        self.flush()
        self.ledger.save_source_hashes(self.stream.name, self._new_sources)

    def see_refused(self, received: Received, identity: Identity, identifiers: Sequence[MatchBy]) -> RecordKey | None:
        """Write that a record came that could not be loaded; returns its key, None where that cannot be read.

        So it is not missing from its stream. `identifiers` are those that the stream has.
        """
        if not self.ledger.remembers:
            return None
        key = readable_key(received.record, self.stream.keys, identity, identifiers)
        if key is not None:
            self._see(key, received)
        return key

    def trust(self, contacts: Iterable[ContactId], doubt: Doubt) -> None:
        """Write that Intercom refused to change contacts: they are as they were before they were put in doubt."""
        self.ledger.trust(sorted(set(contacts).difference(self.given_up)), doubt)

    def doubt(self, calls: Sequence[Call]) -> Doubt:
        """Write, before contacts are made and changed, that their state is in doubt: the process may be killed."""
        made = [one.records for one in calls if isinstance(one, Create)]
        self.ledger.begin(self.stream.name, [key for records in made for key in self._linked_if_made(records)])
        updates = [one for one in calls if isinstance(one, Update)]
        self.ledger.adopt([one.contact for one in updates])
        return self.ledger.doubt(sorted({one.contact.id for one in updates if one.attributes}))

    def take_back(self, records: ContactRecords) -> None:
        """Write that no contact was made for records."""
        if records.found is None:
            self.ledger.take_back(self.stream.name, list(self._linked_if_made(records)))

    def _linked_if_made(self, records: ContactRecords) -> Iterator[RecordKey]:
        """Yield the key of the record whose groups count only if its contact is made: in `insert` mode."""
        first = records.entries[0]
        if not self.stream.settings.sync_mode.updates and first.draft.listed and first.key is not None:
            yield first.key

    def loaded(
        self,
        records: ContactRecords,
        contact: Contact,
        *,
        changed: bool,
        left_out: Collection[str],
        by_merge: bool = False,
    ) -> None:
        """Remember the records of a contact that are in line with it now; `left_out` names what it did not take.

        `by_merge`: the contact is the survivor of a merge.
        """
        # It is compared when the record comes again.
        may_change = contact.id in self.given_up
        first, first_wins = records.entries[0], self.stream.settings.sync_mode.first_wins
        for entry in records.entries:
            if entry.key is not None:
                row = LedgerEntry(
                    entry.key,
                    contact,
                    hashes=None if may_change else prints_of(entry.draft, self._settings, left_out),
                    state=EntryState.SYNCED,
                    written_at=self._written_at(entry.key, is_news=changed or contact is not records.found),
                    groups=UNNOTED if (entry is first or not first_wins) and lists_news(entry, contact) else None,
                    source=None if may_change or left_out else entry.source,
                    merged=by_merge or entry.is_linked_by_merge(contact.id),
                    overruled_by=None if _still_holds(entry, records) else records.entries[-1].key,
                )
                self._add(row, entry, None if by_merge else self._dropped(entry, contact), changed=changed)

    def found(self, records: ContactRecords, contact: Contact) -> None:
        """Remember that a contact was there already and was left alone."""
        for entry in records.entries:
            if entry.key is not None:
                earlier = self._entries.get(entry.key)
                is_made = entry.may_have_made(contact)
                is_ours = is_made or (earlier is not None and earlier.state is EntryState.SYNCED)
                state = EntryState.SYNCED if is_ours else EntryState.FOUND
                hashes = prints_of(entry.draft, self._settings)
                written_at = self._written_at(entry.key, is_news=contact is not records.found)
                row = LedgerEntry(entry.key, contact, hashes, state, written_at, UNNOTED if is_made else None)
                self._add(row, entry)

    def flush(self) -> None:
        """Write down what was learnt."""
        loaded, self._loaded = self._loaded, []
        self.ledger.remember(self.stream.name, loaded)
        for version, keys in self._seen.items():
            self.ledger.see(self.stream.name, sorted(keys), version)
        self._seen.clear()

    def _recalled(self, entry: Entry) -> Entry:
        row = None if entry.key is None else self._entries.get(entry.key)
        if row is None or (self.stream.settings.orders_removals and any(entry.draft.identity.identifiers())):
            # An order to remove means the contact that its identifiers find today, not the linked one.
            return entry
        self._see(row.key, entry.received)
        self._new_sources.pop(row.key, None)
        trust = self._trust(entry, row)
        if trust is LedgerVerdict.IN_LINE and entry.source is not None and entry.source != row.source:
            self._new_sources[row.key] = entry.source
        single = None if row.hashes is None or row.is_doubted or row.overruled_by else row.hashes.single
        begun = row.written_at / 1000 if row.is_begun else None
        known = Known(row.contact, trust, row.groups, single, row.merged, row.overruled_by, begun)
        return replace(entry, known=known)

    def says_the_same(self, entry: Entry) -> bool:
        """Check whether a record says what it said when it was last written, whatever others have written since."""
        row = None if entry.key is None else self._entries.get(entry.key)
        return row is not None and row.hashes == prints_of(entry.draft, self._settings)

    def _trust(self, entry: Entry, row: LedgerEntry) -> LedgerVerdict:
        if entry.draft.removed:
            return LedgerVerdict.CHANGED
        if self.repair or (row.hashes is not None and row.hashes.settings != self._settings):
            return LedgerVerdict.UNSURE
        if not self.stream.settings.sync_mode.updates:
            return LedgerVerdict.CHANGED
        if row.hashes is None or row.is_doubted:
            return LedgerVerdict.UNSURE
        now = prints_of(entry.draft, self._settings)
        if now.content == row.hashes.content:
            return LedgerVerdict.IN_LINE
        # A new or lost column concerns all records, and may change no contact: a search of many shows that.
        return LedgerVerdict.CHANGED if now.shape == row.hashes.shape else LedgerVerdict.UNSURE

    def _dropped(self, entry: Entry, contact: Contact) -> Dropped | None:
        """Return the previous contact of a record that now names another; None: it has none, or it is gone.

        It is missing where the stream may tell which contacts are; elsewhere it is kept while search may not show it.
        """
        row = self._entries.get(entry.key) if entry.key is not None else None
        if row is None or entry.again:
            return None
        # A record of the batch may have changed what is known; that has no id yet where a bulk job made the contact.
        earlier = row.contact if row.contact is not None and row.contact.is_named else entry.contact
        if earlier is None or earlier.id == contact.id or not earlier.is_named:
            return None
        is_missing = self._tells_missing(entry) and row.state is EntryState.SYNCED and not row.merged
        is_recent = row.written_at >= stamp(time.time() - _SEARCH_LAGS_AT_MOST)
        return Dropped(earlier, row.written_at, is_missing) if is_missing or is_recent else None

    def _tells_missing(self, entry: Entry) -> bool:
        """Check whether the stream tells what is missing from it; a later run may remove more than this one."""
        stream = self.stream
        return stream.settings.sync_mode is SyncMode.SYNC and stream.carries_all(stream.version_of(entry.received))

    def _written_at(self, key: RecordKey, *, is_news: bool) -> Stamp:
        """Return when a record's contact was last written; now if it `is_news`, which search may not show.

        That is what this run has changed, and what only an answer of Intercom about the contact itself has told:
        a run that was cut off may have made it a moment ago.
        """
        if is_news:
            return stamp(time.time())
        earlier = self._entries.get(key)
        return Stamp(0) if earlier is None else earlier.written_at

    def _add(self, row: LedgerEntry, entry: Entry, dropped: Dropped | None = None, *, changed: bool = False) -> None:
        self._entries[row.key] = row
        if not self._loaded:
            self._loaded_since = time.monotonic()
        self._loaded.append(Loaded(row, self.stream.version_of(entry.received), changed, dropped))
        if len(self._loaded) >= _MOST_UNWRITTEN or time.monotonic() - self._loaded_since >= _LONGEST_UNWRITTEN:
            self.flush()

    def _see(self, key: RecordKey, received: Received) -> None:
        version = self.stream.version_of(received)
        # By its version a later run, in whatever mode, may tell that a record is not missing.
        if self.sees or version is not None:
            self._seen[version].add(key)


def _still_holds(entry: Entry, records: ContactRecords) -> bool:
    """Check whether what a record says still holds after later ones were laid over it."""
    if entry is records.entries[-1]:
        return True
    draft, laid = entry.draft, records.draft
    identity = draft.identity.external_id in {None, laid.identity.external_id}
    return identity and all(laid.attributes.get(name) == value for name, value in draft.attributes.items())
