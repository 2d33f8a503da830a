"""The removals of a run: marked while records come, decided and carried out at the end of the pipe."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice

from target_intercom.model import Identity, Outcome, Refusal, Result, SkipReason
from target_intercom.settings.config import RemovalMode
from target_intercom.settings.warnings import contacts_of_merges, removal_refused, removes_named_contacts
from target_intercom.sync.planning.wanted import merged_away
from target_intercom.sync.removing.limit import Share
from target_intercom.sync.removing.marked import Marks
from target_intercom.sync.removing.missing import Missing
from target_intercom.sync.removing.refused import Names, RefusedRecords
from target_intercom.sync.removing.remover import Ending, Removal
from target_intercom.sync.removing.still_named import StillNamed, Unseen
from target_intercom.sync.writing.plan_file import Origin

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.ledger.interface import Holder, Ledger
    from target_intercom.model import Contact, ContactId, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.marked import Mark, RecordName
    from target_intercom.sync.removing.missing import Page
    from target_intercom.sync.removing.remover import Removed, Remover

_AT_ONCE = 500
"""Contacts that are looked up in the ledger together."""


@dataclass(frozen=True, slots=True)
class _Going:
    """A marked contact that is to be removed: by which record, and how."""

    mark: Mark
    mode: RemovalMode


class Removals:
    """Keeps marks and refused records, batch by batch; at the end decides which contacts go, and removes them."""

    def __init__(
        self,
        ledger: Ledger,
        remover: Remover,
        complete: CompleteStreams,
        *,
        are_expected: bool,
        config: Callable[[str], StreamConfig],
        find_ids: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`are_expected`: a stream of the run may remove contacts; `config` returns a stream's settings.

        `find_ids` finds contacts whose Intercom ids are not known.
        """
        self._are_expected = are_expected
        self._ledger = ledger
        self._remover = remover
        self._complete = complete
        self._config = config
        self._find_ids = find_ids
        self._say = say
        self._marks = Marks()
        self._refused = RefusedRecords()
        self._still_named = StillNamed(ledger, self._marks, complete, self._is_of_orders)
        self._missing = Missing(ledger, complete, self._still_named, self._refused)
        self.streams: set[str] = set()
        """The streams of contacts in this run."""
        self._going: dict[ContactId, _Going] = {}
        self._kept: dict[Mark, bool] = {}
        """Marks that remove nobody, and whether records of the ledger keep their contacts, not only refused ones."""
        self._counts: Counter[str] = Counter()
        self._idle: dict[RecordName, int] = {}
        """Marked records none of whose contacts goes, with their places: they name no contact from now on."""

    # While records come.

    @property
    def pending(self) -> bool:
        """Whether anything is marked: then no STATE may go out before it is done."""
        return bool(self._marks)

    def join(self, stream: str) -> None:
        """Add a stream of contacts to the run."""
        self.streams.add(stream)

    def mark(self, mark: Mark) -> Outcome | None:
        """Mark a record's contacts.

        Returns:
            The record's outcome where it adds nothing to the marks there are; None: it comes at the end.
        """
        if self._refused.is_after(mark.stream, mark.key, mark.received.number):
            return Outcome(mark.received, Result.SKIPPED, SkipReason.LIVE_AGAIN)
        self._refused.replace(mark.stream, {mark.key: mark.received.number})
        return None if self._marks.add(mark) else Outcome(mark.received, Result.MERGED)

    def mark_idle(self, stream: str, key: RecordKey, place: int) -> None:
        """Mark a record none of whose contacts goes."""
        self._idle[stream, key] = place

    def live(self, stream: str, places: Mapping[RecordKey, int]) -> Iterator[tuple[str, Outcome]]:
        """Take the marks of records back that came again, live, at these places; yields the outcomes of the marks."""
        self._refused.replace(stream, places)
        self._end_idle(stream, places)
        for mark in self._marks.cancel(stream, places):
            yield mark.stream, Outcome(mark.received, Result.SKIPPED, SkipReason.LIVE_AGAIN)

    def refused(
        self, stream: str, key: RecordKey | None, number: int, identity: Identity, *, is_mark: bool
    ) -> Iterator[tuple[str, Outcome]]:
        """Keep what a refused record names; a live one takes the marks of its key back. Yields their outcomes."""
        if key is not None and not is_mark:
            self._end_idle(stream, {key: number})
        if not self._are_expected:
            return
        if key is not None and not is_mark:
            yield from self.live(stream, {key: number})
        self._refused.add(stream, key, number, identity, is_mark=is_mark)

    # At the end of the pipe.

    def decide(self) -> None:
        """Decide which contacts go, after all that came is written; nothing is removed yet."""
        self._unlink_idle()
        self._refused.sort()
        unclear = {stream for stream, identity in self._refused.keyless() if not self._ledger.holds(stream, identity)}
        self._complete.decide(unclear)
        complete = [stream for stream in self._complete.versions() if self._ledger.misses(stream)]
        if self._marks or complete:
            self._find_ids()
        unseen = Unseen()
        self._decide_marks(unseen)
        for stream in complete:
            self._count_missing(stream, unseen)
        for text in unseen.sentences(self._ledger.streams.last_runs() if unseen.counts else {}, self.streams):
            self._say(text)

    def shares(self, streams: Iterable[str]) -> Iterator[Share]:
        """Yield how many contacts of each stream are about to be removed."""
        marked = Counter(one.mark.stream for one in self._going.values() if not one.mark.is_order)
        for stream in streams:
            known = self._ledger.streams.known_before(stream)
            yield Share(stream, marked[stream], self._counts[stream], known)

    def release(self) -> Iterator[tuple[str, Outcome]]:
        """Forget records that name their contacts no more, whose contacts stay; yields the outcomes of the marked."""
        yield from ((one.stream, Outcome(one.received, Result.SKIPPED, SkipReason.STILL_NAMED)) for one in self._kept)
        self._unlink_marked()
        for stream in self._complete.versions():
            for page in self._pages(stream):
                self._ledger.release(stream, page.released)
                self._ledger.miss(stream, page.missed)

    def remove_marked(self) -> Iterator[tuple[str, Outcome]]:
        """Remove the marked contacts; yields each record's stream and outcome."""
        waiting: dict[Mark, list[ContactId]] = defaultdict(list)
        for contact, going in self._going.items():
            waiting[going.mark].append(contact)
        for mark in self._marks:
            if mark not in waiting and mark not in self._kept:
                yield mark.stream, Outcome(mark.received, Result.MERGED)
        removals = [Removal(id_, one.mode, Origin(one.mark.stream, one.mark.key)) for id_, one in self._going.items()]
        done: dict[Mark, list[Removed]] = defaultdict(list)
        for removed in self._remover.remove(removals):
            mark = self._going[removed.removal.contact].mark
            done[mark].append(removed)
            if len(done[mark]) == len(waiting[mark]):
                yield mark.stream, _outcome(mark, done.pop(mark))
        self._marks.clear()

    def remove_missing(self) -> Iterator[str]:
        """Remove the contacts that are missing from complete streams; yields the stream of each that is removed."""
        for stream in self._complete.versions():
            mode, origin = self._config(stream).removal_mode, Origin(stream)
            for page in self._pages(stream):
                for removed in self._remover.remove(Removal(contact, mode, origin) for contact in page.going):
                    if removed.ending is Ending.REMOVED:
                        yield stream
                    elif removed.ending is Ending.REFUSED:
                        self._say(removal_refused(stream))

    # Decisions.

    def _end_idle(self, stream: str, places: Mapping[RecordKey, int]) -> None:
        for key, place in places.items() if self._idle else ():
            if self._idle.get((stream, key), place) < place:
                del self._idle[stream, key]

    def _unlink_idle(self) -> None:
        keys: dict[str, list[RecordKey]] = defaultdict(list)
        for stream, key in self._idle:
            keys[stream].append(key)
        for stream, idle in keys.items():
            self._ledger.unlink(stream, idle, with_tags=False)

    def _unlink_marked(self) -> None:
        """Write that marked records name contacts no more that stay, also where a mark meant another contact.

        Where only a refused record keeps the contact, which may never come again, the marked one goes on knowing it.
        """
        marked: dict[str, list[RecordKey]] = defaultdict(list)
        for mark in self._marks:
            if self._kept.get(mark) is False:
                self._ledger.miss(mark.stream, [mark.key])
            elif not mark.is_order:
                marked[mark.stream].append(mark.key)
        for stream, keys in marked.items():
            named = {key: row.contact.id for key, row in self._ledger.recall(stream, keys).items() if row.contact}
            staying = [key for key, contact in named.items() if contact not in self._going]
            self._ledger.unlink(stream, staying, with_tags=True)

    def _is_of_orders(self, stream: str) -> bool:
        return stream in self.streams and self._config(stream).orders_removals

    def _pages(self, stream: str) -> Iterator[Page]:
        return self._missing.pages(stream, self._going.keys(), self.streams.__contains__)

    def _count_missing(self, stream: str, unseen: Unseen) -> None:
        merged = 0
        for page in self._pages(stream):
            self._counts[stream] += len(page.going)
            merged += page.merged
            for keepers in page.kept.values():
                unseen.add(stream, keepers)
        if merged:
            self._say(contacts_of_merges(stream, merged))

    def _decide_marks(self, unseen: Unseen) -> None:
        unresolved = Names(Identity.of(contact) for contact, _ in self._ledger.unnamed()) if self._marks else Names(())
        named_by: Counter[tuple[str, str, RemovalMode]] = Counter()
        # Orders first: what one of them removes does not count for the share of a stream.
        marks = sorted(self._marks, key=lambda mark: not mark.is_order)
        contacts = {contact.id: contact for mark in marks for contact in mark.contacts}
        keepers = self._keepers(sorted(contacts))
        for mark in marks:
            going = [one for one in mark.contacts if mark.is_order or not self._stays(one, keepers, unresolved)]
            for contact in going:
                self._add(mark, contact)
                if mark.is_order:
                    by = {one.stream for one in keepers.get(contact.id, ())}
                    named_by.update((mark.stream, stream, mark.mode) for stream in by)
            if not going and not any(one.id in self._going for one in mark.contacts):
                named_in = [one for contact in mark.contacts for one in keepers.get(contact.id, ())]
                self._kept[mark] = bool(named_in)
                unseen.add(mark.stream, named_in)
        for (stream, other, mode), count in sorted(named_by.items()):
            self._say(removes_named_contacts(stream, other, count, mode))

    def _keepers(self, contacts: Sequence[ContactId]) -> dict[ContactId, list[Holder]]:
        waiting, keepers = iter(contacts), {}
        while page := list(islice(waiting, _AT_ONCE)):
            keepers.update(self._still_named.keepers(page))
        return keepers

    def _stays(self, contact: Contact, keepers: Collection[ContactId], unresolved: Names) -> bool:
        identity = Identity.of(contact)
        return contact.id in keepers or unresolved.has(identity) or self._refused.names(identity, or_marks=False)

    def _add(self, mark: Mark, contact: Contact) -> None:
        earlier = self._going.get(contact.id)
        if earlier is None:
            self._going[contact.id] = _Going(mark, mark.mode)
        elif mark.mode is RemovalMode.DELETE:
            self._going[contact.id] = _Going(earlier.mark, mark.mode)


def _outcome(mark: Mark, removed: Sequence[Removed]) -> Outcome:
    """Return what became of a record by what became of its contacts; one that is refused makes it rejected."""
    received = mark.received
    for one in removed:
        if one.fault is not None and one.ending is Ending.REFUSED:
            return Outcome(received, Result.REJECTED, refusal=Refusal.by_intercom(one.fault))
    modes = {one.removal.mode for one in removed if one.ending is Ending.REMOVED}
    if modes:
        return Outcome(received, Result.DELETED if RemovalMode.DELETE in modes else Result.ARCHIVED)
    if all(one.ending is Ending.NOT_THERE for one in removed):
        return Outcome(received, Result.SKIPPED, SkipReason.NOT_THERE)
    if mark.is_linked:
        return Outcome(received, Result.SKIPPED, SkipReason.CONTACT_MERGED)
    return Outcome(received, Result.REJECTED, refusal=merged_away(None))
