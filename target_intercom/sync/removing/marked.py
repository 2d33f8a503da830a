"""Records that are marked as deleted, and the contacts that they mean: they wait for the end of the pipe."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from operator import itemgetter

from target_intercom.model import Ambiguous, Found, Identity, MatchBy, MergedAway, NotFound, Unanswered
from target_intercom.outcomes import Outcome, Refusal, Result, SkipReason
from target_intercom.sync.planning.refusals import not_shown, refusal
from target_intercom.sync.remembering.kept_records import KeptRecords
from target_intercom.sync.removing.refused import RefusedRecords

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence

    from target_intercom.model import Contact, ContactId, Entry, Match, Received, RecordKey
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import RemovalMode, Stream
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.removing.refused import RecordName


_AT_ONCE: t.Final = 500
"""Records that are taken together."""
_ORDERS_FIRST: t.Final = -(1 << 62)
"""Added to the places of orders to remove, which are decided before all other marks."""


class Mark(t.NamedTuple):
    """A record whose contacts are to be removed."""

    stream: str
    key: RecordKey
    number: int
    """The record's place in the pipe."""
    contacts: tuple[Identity, ...]
    """Their identifiers, as they were when the record was read."""
    mode: RemovalMode
    is_order: bool
    """Its stream is of mode `remove`: no other record keeps its contacts."""
    is_linked: bool
    """The ledger told which contact is the record's."""

    @property
    def name(self) -> RecordName:
        """The record."""
        return self.stream, self.key

    @property
    def place(self) -> int:
        """Its place among the marks: orders come first, and each in the order of the pipe."""
        return self.number + (_ORDERS_FIRST if self.is_order else 0)

    def ids(self) -> set[ContactId | None]:
        """Return the ids of its contacts."""
        return {contact.id for contact in self.contacts}


class Marks:
    """The marks and the refused records of a run; a later live record of the same key takes a mark back.

    There may be as many as there are records, so they are on disk.
    """

    def __init__(
        self, report: RunReport, shelf: Callable[[], MutableMapping[t.Any, t.Any]], *, are_expected: bool
    ) -> None:
        """`shelf` makes dictionaries on disk; `are_expected`: a stream of the run may remove contacts."""
        self.report = report
        self.shelf = shelf
        self.are_expected = are_expected
        self.refused = RefusedRecords()
        self._marks: MutableMapping[int, Mark] = shelf()
        """By their places."""
        self._places: MutableMapping[RecordName, tuple[int, ...]] = shelf()
        """The places of the marks of each record."""
        self._records = KeptRecords(shelf())
        """By the places of their marks."""
        self._idle: MutableMapping[RecordName, int] = shelf()

    def __len__(self) -> int:
        """Return how many records are marked."""
        return len(self._places)

    def __contains__(self, name: RecordName) -> bool:
        """Check whether a record is marked."""
        return name in self._places

    def __iter__(self) -> Iterator[Mark]:
        """Yield the marks in the order of their places."""
        return iter(self._marks.values())

    def at(self, place: int) -> Mark:
        """Return the mark at a place."""
        return self._marks[place]

    def received(self, mark: Mark) -> Received:
        """Return the record of a mark."""
        return self._records.get(mark.place)

    def add(self, mark: Mark, received: Received) -> None:
        """Add the mark of a record, which is reported where the mark adds nothing to those that are there."""
        if self.refused.is_after(mark.stream, mark.key, mark.number):
            self._skip(mark.stream, received)
            return
        self.refused.replace(mark.stream, {mark.key: mark.number})
        places = self._places.get(mark.name, ())
        if any(mark.ids() <= self._marks[place].ids() for place in places):
            self.report.record(mark.stream, Outcome(received, Result.MERGED))
            return
        self._marks[mark.place] = mark
        self._places[mark.name] = (*places, mark.place)
        self._records.keep(mark.place, received)

    def add_idle(self, stream: str, key: RecordKey, number: int) -> None:
        """Add a marked record whose contacts will not be removed: it names no contact from now on."""
        self._idle[stream, key] = number

    def take_idle(self) -> Iterator[tuple[str, Sequence[RecordKey]]]:
        """Yield the marked records whose contacts will not be removed, some at once by stream, and forget them."""
        names = iter(self._idle)
        while page := list(islice(names, _AT_ONCE)):
            for stream, of_stream in groupby(page, key=itemgetter(0)):
                yield stream, [key for _, key in of_stream]
        self._idle.clear()

    def cancel(self, stream: str, places: Mapping[RecordKey, int]) -> None:
        """Take back the marks that came before live records of the same keys; `places` are those of the live ones."""
        self.refused.replace(stream, places)
        self._cancel_idle(stream, places)
        for key, place in places.items() if self._places else ():
            marks = [self._marks[one] for one in self._places.get((stream, key), ())]
            if not marks:
                continue
            later = tuple(mark.place for mark in marks if mark.number > place)
            if later:
                self._places[stream, key] = later
            else:
                del self._places[stream, key]
            for mark in marks:
                if mark.place not in later:
                    del self._marks[mark.place]
                    self._skip(stream, self._records.drop(mark.place))

    def refuse(self, stream: str, key: RecordKey | None, number: int, identity: Identity, *, is_mark: bool) -> None:
        """Add a refused record; a live one takes the marks of its key back. `key`: None where it cannot be read."""
        if key is not None and not is_mark:
            self._cancel_idle(stream, {key: number})
        if not self.are_expected:
            return
        if key is not None and not is_mark:
            self.cancel(stream, {key: number})
        self.refused.add(stream, key, number, identity, is_mark=is_mark)

    def clear(self) -> None:
        """Remove all marks: they are carried out."""
        self._marks.clear()
        self._places.clear()
        self._records.clear()

    def _cancel_idle(self, stream: str, places: Mapping[RecordKey, int]) -> None:
        for key, place in places.items() if self._idle else ():
            if self._idle.get((stream, key), place) < place:
                del self._idle[stream, key]

    def _skip(self, stream: str, received: Received) -> None:
        self.report.record(stream, Outcome(received, Result.SKIPPED, SkipReason.LIVE_AGAIN))


@dataclass(frozen=True, slots=True)
class StreamMarks:
    """The marks of a batch: which contacts they mean, and which of its records take them back."""

    stream: Stream
    marks: Marks
    _waiting: list[tuple[Entry, list[Contact] | Refusal | SkipReason]] = field(default_factory=list, init=False)
    _live: list[tuple[RecordKey, int]] = field(default_factory=list, init=False)
    _refused: list[Callable[[], None]] = field(default_factory=list, init=False)

    def place(self, entry: Entry, match: Match, known: Directory) -> None:
        """Mark the contacts that a record means.

        In `remove` mode a mark also means the leads with the record's email, or with that of the contact found: a
        privacy request means the person. Where several users have the email, such leads may be any of theirs.
        """
        leads = _leads(entry, match, known) if self.stream.settings.orders_removals else []
        self._waiting.append((entry, self._to_remove(entry, match, leads)))

    def live(self, places: Mapping[RecordKey, int]) -> None:
        """Take back the marks of records that came again, live, at these places in the pipe."""
        self._live.extend(places.items())

    def apply(self) -> None:
        """Add and take back the marks of a batch, in the order of the pipe whatever the order of its writes.

        Its refused records, too, count only now: batches overlap, and end in the order of the pipe.
        """
        for refuse in self._refused:
            refuse()
        waiting, live = self._waiting, self._live
        marked = {entry.key for entry, _ in waiting}
        lives = sorted(((place, key) for key, place in live if key in marked), reverse=True)
        linked = {key for key, _ in live}
        for entry, removal in sorted(waiting, key=lambda one: one[0].received.number):
            while lives and lives[-1][0] < entry.received.number:
                place, key = lives.pop()
                self.marks.cancel(self.stream.name, {key: place})
            is_linked = entry.contact is not None or entry.key in linked
            self._mark(entry, removal, is_linked=is_linked)
        self.marks.cancel(self.stream.name, dict(sorted(live, key=itemgetter(1))))

    def refused(self, received: Received, key: RecordKey | None, identity: Identity, *, is_mark: bool) -> None:
        """Add a record that could not be loaded; `key` is None where it cannot be read."""
        name, number = self.stream.name, received.number
        self._refused.append(partial(self.marks.refuse, name, key, number, identity, is_mark=is_mark))

    def _to_remove(self, entry: Entry, match: Match, leads: list[Contact]) -> list[Contact] | Refusal | SkipReason:
        """Return the contacts that a mark means, or why it removes none."""
        if not self.stream.settings.may_remove:
            return SkipReason.NOT_REMOVED
        if _is_linked_by_merge(entry, match):
            return SkipReason.CONTACT_MERGED
        match match:
            case Found(contact) if not contact.is_named:
                return not_shown()
            case Found(contact):
                return [contact, *(lead for lead in leads if lead.id != contact.id)]
            case NotFound():
                return leads or SkipReason.NOT_THERE
            case Ambiguous(contacts) if leads and {lead.id for lead in leads} >= set(contacts):
                return leads
            case Ambiguous() | MergedAway() | Unanswered():
                return refusal(match)

    def _mark(self, entry: Entry, removal: list[Contact] | Refusal | SkipReason, *, is_linked: bool) -> None:
        """Mark a record's contacts, or report why not; `is_linked`: the ledger knows a contact of the record."""
        match removal:
            case list():
                self.marks.add(self._new_mark(entry, removal), entry.received)
            case Refusal():
                self._record(Outcome(entry.received, removal.result, refusal=removal))
                number, identity = entry.received.number, entry.draft.identity
                self.marks.refuse(self.stream.name, entry.key, number, identity, is_mark=True)
            case SkipReason():
                self._record(Outcome(entry.received, Result.SKIPPED, removal))
                if entry.key is not None and is_linked:
                    self.marks.add_idle(self.stream.name, entry.key, entry.received.number)

    def _record(self, outcome: Outcome) -> None:
        self.marks.report.record(self.stream.name, outcome)

    def _new_mark(self, entry: Entry, contacts: list[Contact]) -> Mark:
        if entry.key is None:
            raise ValueError("a run that removes contacts keeps a ledger, and its records have keys")
        return Mark(
            stream=self.stream.name,
            key=entry.key,
            number=entry.received.number,
            contacts=tuple(map(Identity.of, contacts)),
            mode=self.stream.settings.removal_mode,
            is_order=self.stream.settings.orders_removals,
            is_linked=entry.contact is not None,
        )


def _leads(entry: Entry, match: Match, known: Directory) -> list[Contact]:
    emails = {entry.draft.identity.email, match.contact.email if isinstance(match, Found) else None} - {None}
    found: list[Contact] = []
    for email in sorted(filter(None, emails)):
        users = [contact for contact in known.named(MatchBy.EMAIL, email) if contact.role == "user"]
        found.extend(known.leads_with(email) if len(users) <= 1 else ())
    return found


def _is_linked_by_merge(entry: Entry, match: Match) -> bool:
    """Check whether only a merge in Intercom leads from a record to a contact: such a link removes no contact."""
    match match:
        case MergedAway():
            return entry.contact is not None
        case Found(contact):
            return entry.is_linked_by_merge(contact.id)
        case _:
            return False
