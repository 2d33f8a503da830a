"""The removals of a run: decided at the end of the pipe, checked against the limit, and carried out."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from target_intercom.model import Identity, Outcome, Refusal, Result, SkipReason
from target_intercom.settings.config import RemovalMode
from target_intercom.settings.warnings import (
    contacts_of_merges,
    missing_in_use,
    removal_refused,
    removes_named_contacts,
)
from target_intercom.sync.planning.wanted import merged_away
from target_intercom.sync.removing.limit import Share
from target_intercom.sync.removing.live_records import LiveRecords, OldRecords
from target_intercom.sync.removing.missing import Missing
from target_intercom.sync.removing.refused import Names
from target_intercom.sync.removing.remover import Removal, RemovalEnding
from target_intercom.sync.writing.plan_file import Origin

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import Contact, ContactId, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.marked import Mark, Marks
    from target_intercom.sync.removing.missing import Page
    from target_intercom.sync.removing.remover import Removed, Remover


@dataclass(frozen=True, slots=True)
class _Marked:
    """A marked contact that is to be removed: by which record, and how."""

    mark: Mark
    mode: RemovalMode


@dataclass
class Removals:
    """Decides at the end of the pipe which contacts are removed, and removes them."""

    ledger: Ledger
    remover: Remover
    complete: CompleteStreams
    marks: Marks
    config: Callable[[str], StreamConfig]
    """Returns a stream's settings."""
    find_ids: Callable[[], None]
    """Finds the contacts whose Intercom ids are not known."""
    say: Callable[[str], None]
    plural: str = "contacts"
    """How messages call what is removed."""
    streams: set[str] = field(default_factory=set, init=False)
    """The streams of contacts in this run."""
    _marked: dict[ContactId, _Marked] = field(default_factory=dict, init=False)
    _kept: dict[Mark, bool] = field(default_factory=dict, init=False)
    """Marks that remove no contact, and whether records of the ledger keep theirs, not only refused records."""
    _with_missing: list[str] = field(default_factory=list, init=False)
    """The complete streams from which records are missing."""
    _missing_counts: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        """Add the parts that look for records."""
        self._live = LiveRecords(self.ledger, self.marks, self.complete, self._is_of_orders)
        self._missing = Missing(self.ledger, self.complete, self._live, self.marks.refused)

    @property
    def pending(self) -> bool:
        """Whether a record is marked: then no STATE may go out before its contacts are removed."""
        return bool(self.marks)

    def unlink_idle(self) -> None:
        """Write that marked records whose contacts are not removed name them no more: before a STATE goes past them."""
        for stream, keys in self.marks.take_idle().items():
            self.ledger.unlink(stream, keys, with_tags=False)

    def decide(self) -> None:
        """Decide which contacts are removed, after all that came is written; none is removed yet."""
        self.unlink_idle()
        refused = self.marks.refused
        refused.sort()
        self.complete.decide(
            {stream for stream, identity in refused.keyless() if not self.ledger.holds(stream, identity)}
        )
        self._with_missing = [stream for stream in self.complete.versions() if self.ledger.misses(stream)]
        if self.marks or self._with_missing:
            self.find_ids()
        old = OldRecords(self.plural)
        self._decide_marks(old)
        for stream in self._with_missing:
            self._count_missing(stream, old)
        for warning in old.warnings(self.ledger.streams.last_runs() if old.counts else {}, self.streams):
            self.say(warning)

    def shares(self, streams: Iterable[str]) -> Iterator[Share]:
        """Yield how many contacts of each stream are about to be removed."""
        marked = Counter(one.mark.stream for one in self._marked.values() if not one.mark.is_order)
        for stream in streams:
            known = self.ledger.streams.known_before(stream)
            yield Share(stream, marked[stream], self._missing_counts[stream], known, self.plural)

    def release(self) -> Iterator[tuple[str, Outcome]]:
        """Delete missing and marked records whose contacts stay; yields the outcomes of the marked."""
        yield from ((one.stream, Outcome(one.received, Result.SKIPPED, SkipReason.STILL_NAMED)) for one in self._kept)
        self._unlink_marked()
        for stream in self._with_missing:
            for page in self._pages(stream):
                self.ledger.release(stream, page.to_delete)
                self.ledger.miss(stream, page.to_keep)

    def remove_marked(self) -> Iterator[tuple[str, Outcome]]:
        """Remove the marked contacts; yields each record's stream and outcome."""
        waiting: dict[Mark, list[ContactId]] = defaultdict(list)
        for contact, marked in self._marked.items():
            waiting[marked.mark].append(contact)
        for mark in self.marks:
            if mark not in waiting and mark not in self._kept:
                yield mark.stream, Outcome(mark.received, Result.MERGED)
        removals = [
            Removal(id_, one.mode, Origin(*one.mark.name), is_order=one.mark.is_order)
            for id_, one in self._marked.items()
        ]
        done: dict[Mark, list[Removed]] = defaultdict(list)
        for removed in self.remover.remove(removals):
            mark = self._marked[removed.removal.contact].mark
            done[mark].append(removed)
            if len(done[mark]) == len(waiting[mark]):
                yield mark.stream, _outcome(mark, done.pop(mark))
        self.marks.clear()

    def remove_missing(self) -> Iterator[str]:
        """Remove the contacts that are missing from complete streams; yields the stream of each that is removed."""
        for stream in self._with_missing:
            mode, origin, in_use = self.config(stream).removal_mode, Origin(stream), 0
            for page in self._pages(stream):
                for removed in self.remover.remove(Removal(contact, mode, origin) for contact in page.to_remove):
                    if removed.ending is RemovalEnding.REMOVED:
                        yield stream
                    elif removed.ending is RemovalEnding.REFUSED:
                        self.say(removal_refused(stream, self.plural))
                    in_use += removed.ending is RemovalEnding.IN_USE
            if in_use:
                self.say(missing_in_use(stream, in_use, self.plural))

    # Decisions.

    def _unlink_marked(self) -> None:
        """Write that marked records name contacts no more that stay, also where a mark meant another contact.

        Where only a refused record keeps the contact, which may never come again, the marked record goes on naming it.
        """
        marked: dict[str, list[RecordKey]] = defaultdict(list)
        for mark in self.marks:
            if self._kept.get(mark) is False:
                self.ledger.miss(mark.stream, [mark.key])
            elif not mark.is_order:
                marked[mark.stream].append(mark.key)
        for stream, keys in marked.items():
            named = {key: row.contact.id for key, row in self.ledger.recall(stream, keys).items() if row.contact}
            staying = [key for key, contact in named.items() if contact not in self._marked]
            self.ledger.unlink(stream, staying, with_tags=True)

    def _is_of_orders(self, stream: str) -> bool:
        return stream in self.streams and self.config(stream).orders_removals

    def _pages(self, stream: str) -> Iterator[Page]:
        return self._missing.pages(stream, self._marked.keys(), self.streams.__contains__)

    def _count_missing(self, stream: str, old: OldRecords) -> None:
        merged = 0
        for page in self._pages(stream):
            self._missing_counts[stream] += len(page.to_remove)
            merged += page.merged
            for live in page.kept.values():
                old.add(stream, live)
        if merged:
            self.say(contacts_of_merges(stream, merged))

    def _decide_marks(self, old: OldRecords) -> None:
        unresolved = Names(Identity.of(contact) for contact, _ in self.ledger.unnamed()) if self.marks else Names(())
        named_by: Counter[tuple[str, str, RemovalMode]] = Counter()
        # Orders first: what one of them removes does not count for the share of a stream.
        marks = sorted(self.marks, key=lambda mark: not mark.is_order)
        live = self._live.naming({contact.id for mark in marks for contact in mark.contacts})
        for mark in marks:
            to_remove = [one for one in mark.contacts if mark.is_order or not self._stays(one, live, unresolved)]
            for contact in to_remove:
                self._add(mark, contact)
                if mark.is_order:
                    by = {one.stream for one in live.get(contact.id, ())}
                    named_by.update((mark.stream, stream, mark.mode) for stream in by)
            if not to_remove and not any(one.id in self._marked for one in mark.contacts):
                named_in = [one for contact in mark.contacts for one in live.get(contact.id, ())]
                self._kept[mark] = bool(named_in)
                old.add(mark.stream, named_in)
        for (stream, other, mode), count in sorted(named_by.items()):
            self.say(removes_named_contacts(stream, other, count, mode, self.plural))

    def _stays(self, contact: Contact, named: Collection[ContactId], unresolved: Names) -> bool:
        identity = Identity.of(contact)
        return contact.id in named or unresolved.has(identity) or self.marks.refused.names(identity, or_marks=False)

    def _add(self, mark: Mark, contact: Contact) -> None:
        earlier = self._marked.get(contact.id)
        if earlier is None:
            self._marked[contact.id] = _Marked(mark, mark.mode)
        elif mark.mode is RemovalMode.DELETE:
            self._marked[contact.id] = _Marked(earlier.mark, mark.mode)


def _outcome(mark: Mark, removed: Sequence[Removed]) -> Outcome:
    """Return a marked record's outcome: it is rejected where Intercom refused to remove one of its contacts."""
    received = mark.received
    for one in removed:
        if one.fault is not None and one.ending is RemovalEnding.REFUSED:
            return Outcome(received, Result.REJECTED, refusal=Refusal.by_intercom(one.fault))
    modes = {one.removal.mode for one in removed if one.ending is RemovalEnding.REMOVED}
    if modes:
        return Outcome(received, Result.DELETED if RemovalMode.DELETE in modes else Result.ARCHIVED)
    if any(one.ending is RemovalEnding.IN_USE for one in removed):
        return Outcome(received, Result.SKIPPED, SkipReason.HAS_PEOPLE)
    if all(one.ending is RemovalEnding.NOT_THERE for one in removed):
        return Outcome(received, Result.SKIPPED, SkipReason.NOT_THERE)
    if mark.is_linked:
        return Outcome(received, Result.SKIPPED, SkipReason.CONTACT_MERGED)
    return Outcome(received, Result.REJECTED, refusal=merged_away(None))
