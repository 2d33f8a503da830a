"""The removals of a run: decided at the end of the pipe, checked against the limit, and carried out."""

from __future__ import annotations

import enum
import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import islice

from target_intercom.model import Identity
from target_intercom.outcomes import Outcome, Refusal, Result, SkipReason
from target_intercom.settings.config import RemovalMode
from target_intercom.settings.warnings import (
    contacts_of_merges,
    missing_in_use,
    removal_refused,
    removes_named_contacts,
)
from target_intercom.sync.planning.refusals import merged_away
from target_intercom.sync.removing.fuse import Share
from target_intercom.sync.removing.live_records import LiveRecords, OldRecords
from target_intercom.sync.removing.missing import Missing
from target_intercom.sync.removing.refused import Names
from target_intercom.sync.removing.remover import Removal, RemovalEnding
from target_intercom.sync.writing.plan_file import Origin

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence

    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.remembered import Holder
    from target_intercom.model import ContactId, Received, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.marked import Mark, Marks
    from target_intercom.sync.removing.missing import Page
    from target_intercom.sync.removing.remover import Removed, Remover


_AT_ONCE: t.Final = 500
"""Marks that are looked at together."""


class _Marked(t.NamedTuple):
    """A marked contact that is to be removed: by which mark, given by its place, and how."""

    place: int
    mode: RemovalMode


class _Fate(enum.Enum):
    """What becomes of a mark that removes no contact."""

    MERGED = enum.auto()
    """Other marks remove its contacts."""
    NAMED = enum.auto()
    """Records of the ledger keep its contacts."""
    REFUSED = enum.auto()
    """Only refused records keep them."""


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
    _marked_counts: Counter[str] = field(default_factory=Counter, init=False)
    """The contacts that are to be removed for marks of streams, orders aside."""
    _with_missing: list[str] = field(default_factory=list, init=False)
    """The complete streams from which records are missing."""
    _missing_counts: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        """Add the parts that look for records, and what is on disk."""
        self._marked: MutableMapping[ContactId, _Marked] = self.marks.shelf()
        self._fates: MutableMapping[int, _Fate] = self.marks.shelf()
        """Of the marks that remove no contact, by their places."""
        self._live = LiveRecords(self.ledger, self.marks, self.complete, self._is_of_orders)
        self._missing = Missing(self.ledger, self.complete, self._live, self.marks.refused)

    @property
    def pending(self) -> bool:
        """Whether a record is marked: then no STATE may go out before its contacts are removed."""
        return bool(self.marks)

    def unlink_idle(self) -> None:
        """Write that marked records whose contacts are not removed name them no more: before a STATE goes past them."""
        for stream, keys in self.marks.take_idle():
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
        for stream in streams:
            known = self.ledger.streams.known_before(stream)
            yield Share(stream, self._marked_counts[stream], self._missing_counts[stream], known, self.plural)

    def release(self) -> Iterator[tuple[str, Outcome]]:
        """Delete missing and marked records whose contacts stay; yields the outcomes of the marked."""
        yield from self._with_fates(Result.SKIPPED, SkipReason.STILL_NAMED, {_Fate.NAMED, _Fate.REFUSED})
        self._unlink_marked()
        for stream in self._with_missing:
            for page in self._pages(stream):
                self.ledger.release(stream, page.to_delete)
                self.ledger.miss(stream, page.to_keep)

    def remove_marked(self) -> Iterator[tuple[str, Outcome]]:
        """Remove the marked contacts; yields each record's stream and outcome."""
        yield from self._with_fates(Result.MERGED, None, {_Fate.MERGED})
        under_way: dict[ContactId, tuple[Mark, int]] = {}
        done: dict[int, list[Removed]] = defaultdict(list)
        for removed in self.remover.remove(self._removals(under_way)):
            mark, count = under_way.pop(removed.removal.contact)
            done[mark.place].append(removed)
            if len(done[mark.place]) == count:
                yield mark.stream, _outcome(mark, self.marks.received(mark), done.pop(mark.place))
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
        for page in _pages(self.marks):
            marked: dict[str, list[RecordKey]] = defaultdict(list)
            for mark in page:
                if self._fates.get(mark.place) is _Fate.REFUSED:
                    self.ledger.miss(mark.stream, [mark.key])
                elif not mark.is_order:
                    marked[mark.stream].append(mark.key)
            for stream, keys in marked.items():
                rows = self.ledger.recall(stream, keys).items()
                staying = [key for key, row in rows if row.contact and row.contact.id not in self._marked]
                self.ledger.unlink(stream, staying, with_tags=True)

    def _with_fates(
        self, result: Result, reason: SkipReason | None, fates: Collection[_Fate]
    ) -> Iterator[tuple[str, Outcome]]:
        """Yield the outcomes of marks that remove no contact."""
        for place, fate in self._fates.items():
            if fate in fates:
                mark = self.marks.at(place)
                yield mark.stream, Outcome(self.marks.received(mark), result, reason)

    def _removals(self, under_way: dict[ContactId, tuple[Mark, int]]) -> Iterator[Removal]:
        """Yield the removals of marks; their contacts are added to `under_way`, with how many the mark removes."""
        for mark in self.marks:
            found = [(one.id, self._marked.get(one.id)) for one in mark.contacts if one.id is not None]
            # Of several marks that mean a contact, the first removes it.
            own = [(contact, by.mode) for contact, by in found if by is not None and by.place == mark.place]
            under_way.update((contact, (mark, len(own))) for contact, _ in own)
            for contact, mode in own:
                yield Removal(contact, mode, Origin(*mark.name), is_order=mark.is_order)

    def _is_of_orders(self, stream: str) -> bool:
        return stream in self.streams and self.config(stream).orders_removals

    def _pages(self, stream: str) -> Iterator[Page]:
        return self._missing.pages(stream, self._marked, self.streams.__contains__)

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
        # Orders come first: what one of them removes does not count for the share of a stream.
        for page in _pages(self.marks):
            live = self._live.naming({contact.id for mark in page for contact in mark.contacts if contact.id})
            for mark in page:
                removed = self._decide_mark(mark, live, unresolved, old)
                if mark.is_order:
                    by = [{one.stream for one in live.get(contact, ())} for contact in removed]
                    named_by.update((mark.stream, stream, mark.mode) for streams in by for stream in streams)
        for (stream, other, mode), count in sorted(named_by.items()):
            self.say(removes_named_contacts(stream, other, count, mode, self.plural))

    def _decide_mark(
        self, mark: Mark, live: Mapping[ContactId, list[Holder]], unresolved: Names, old: OldRecords
    ) -> list[ContactId]:
        """Decide about a mark; returns the contacts that are removed for it, or for an earlier one."""
        identities = {one.id: one for one in mark.contacts if one.id is not None}
        to_remove = [
            contact
            for contact, one in identities.items()
            if mark.is_order or not (contact in live or self._is_refused(one) or unresolved.has(one))
        ]
        its_own = [contact for contact in to_remove if self._add(mark, contact)]
        if not to_remove and not any(contact in self._marked for contact in identities):
            named_in = [one for contact in identities for one in live.get(contact, ())]
            self._fates[mark.place] = _Fate.NAMED if named_in else _Fate.REFUSED
            old.add(mark.stream, named_in)
        elif not its_own:
            self._fates[mark.place] = _Fate.MERGED
        return to_remove

    def _is_refused(self, identity: Identity) -> bool:
        return self.marks.refused.names(identity, or_marks=False)

    def _add(self, mark: Mark, contact: ContactId) -> bool:
        """Add a contact to be removed; returns whether no earlier mark means it."""
        earlier = self._marked.get(contact)
        if earlier is None:
            self._marked[contact] = _Marked(mark.place, mark.mode)
            self._marked_counts[mark.stream] += not mark.is_order
        elif mark.mode is RemovalMode.DELETE:
            self._marked[contact] = earlier._replace(mode=mark.mode)
        return earlier is None


def _pages(marks: Iterable[Mark]) -> Iterator[list[Mark]]:
    waiting = iter(marks)
    while page := list(islice(waiting, _AT_ONCE)):
        yield page


def _outcome(mark: Mark, received: Received, removed: Sequence[Removed]) -> Outcome:
    """Return a marked record's outcome: it is rejected where Intercom refused to remove one of its contacts."""
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
