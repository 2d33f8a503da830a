"""A batch of a contact stream: map, match, plan, write, remember, report."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from functools import cache, partial

from target_intercom.intercom.protocol.ids import ContactId
from target_intercom.model import Ambiguous, Entry, Found, Identity, MergedAway, NotFound, Unanswered
from target_intercom.outcomes import Result
from target_intercom.sync.mapping.identifiers import no_identifier
from target_intercom.sync.matching.directory import Source
from target_intercom.sync.matching.look_ups import identities_of
from target_intercom.sync.planning.plan import matters, plan
from target_intercom.sync.planning.refusals import refusal
from target_intercom.sync.planning.wanted import planned_write
from target_intercom.sync.record_outcomes import contact_or_place
from target_intercom.writes import ContactRecords, Saved, Skipped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_intercom.model import Contact, Identifier, Match, Received
    from target_intercom.settings.config import Stream
    from target_intercom.sync.intake import Intake, Taken
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.look_ups import LookUps
    from target_intercom.sync.overlap import Names, Overlap, Step, Work
    from target_intercom.sync.planning.plan import BatchPlan, Unwritten
    from target_intercom.sync.record_outcomes import RecordOutcomes
    from target_intercom.sync.remembering.stream_memory import Familiar, StreamMemory
    from target_intercom.writes import Writer, Written


_NEVER: t.Final = float("inf")
_M = t.TypeVar("_M", bound="Match")


@dataclass
class ContactBatch:
    """Brings contacts in line with a batch of their records."""

    stream: Stream
    intake: Intake
    look_ups: LookUps
    memory: StreamMemory
    writer: Writer
    outcomes: RecordOutcomes
    overlap: Overlap
    _find_names: Callable[[], Names] = field(init=False)
    """Returns what the records that are planned may share with those of other batches."""
    _written: dict[ContactId | None, Contact] = field(init=False)
    """The contacts as the writes of the plan have left them."""

    def run(self, records: Sequence[Received]) -> Work:
        """See `Batch`; marked records get their outcomes at the end of the pipe."""
        taken = self.intake.take(records)
        taken, by_ledger = self.overlap.apart(taken, partial(_names_of, self.stream.name), self.intake.take_again)
        take_in = self.look_ups.begin(taken.others, self.overlap.began)
        yield by_ledger
        take_in()
        entries = self._report_unchanged(*taken)
        with self.outcomes.batch():
            while entries:
                batch = self._plan(entries)
                self._find_names = cache(partial(_names_around, entries, self.look_ups.known, by_ledger))
                if self.overlap.end_sharing(self._find_names):
                    # What was looked up has changed since.
                    entries = self.memory.recall(entries)
                    self.look_ups.begin(entries, self.overlap.began)()
                    continue
                again = yield from self._carry_out(batch)
                if again:
                    # What Intercom did not do as planned may be about the contacts of other batches, too.
                    self.overlap.end_all()
                entries = self.memory.recall(again)
                self.look_ups.ask([entry for entry in entries if entry.again])()

    def _plan(self, entries: Sequence[Entry]) -> BatchPlan:
        """Plan a batch, and look up the contacts that the plan needs."""
        known, held = self.look_ups.known, set[ContactId]()
        self.look_ups.ids.find_for(identities_of(entries))
        for entry in entries:
            if entry.contact is not None:
                known.learn(entry.contact, Source.LEDGER)
        while True:
            links = self.memory.links(entries, held)
            batch = plan(entries, known, links, self.stream.settings)
            if not (batch.unasked or links.unknown):
                return batch
            held |= links.unknown
            self.look_ups.ask_identities(batch.unasked, trusting=True)()

    def _report_unchanged(
        self, familiar: Sequence[Familiar], quiet: Sequence[Entry], others: Sequence[Entry]
    ) -> list[Entry]:
        """Report records that are in line with their contacts, and return the others in the order of the pipe.

        A record is returned, too, if another record of the batch may name its contact: the later record has to win.
        """
        involved: set[Identifier] = set()
        if familiar or quiet:
            around = self.look_ups.known.around(identities_of(others))
            named = (Identity.of(contact).identifiers() for contact in around)
            involved = involved.union(*named, *(entry.names() for entry in others))
        if not involved:
            self.outcomes.unchanged(familiar, quiet)
            return [*others]
        roused = [one.received for one in familiar if not involved.isdisjoint(one.names())]
        familiar = [one for one in familiar if involved.isdisjoint(one.names())]
        quiet = [*quiet, *self.intake.recall(roused, {})]
        touched = {contact_or_place(entry) for entry in quiet if not involved.isdisjoint(entry.names())}
        self.outcomes.unchanged(familiar, [entry for entry in quiet if contact_or_place(entry) not in touched])
        woken = [entry for entry in quiet if contact_or_place(entry) in touched]
        return sorted([*others, *self.memory.named(woken)], key=_place)

    def _carry_out(self, batch: BatchPlan) -> Step[list[Entry]]:
        """Carry out a plan, round by round; returns the records that have to be planned anew, in their order.

        They are the records of a write without its planned result, and all records planned after it.
        """
        again: list[Entry] = []
        self._written = {}
        rounds = batch.rounds()
        end = _NEVER
        for number, writes in enumerate(rounds, start=1):
            retried, failed = yield from self._write(writes)
            again.extend(retried)
            if retried or matters(failed, rounds[number:], batch.unwritten):
                again.extend(entry for later in rounds[number:] for write in later for entry in write.entries)
                end = writes[0].turn
                break
        again.extend(one.entry for one in batch.unwritten if one.turn > end)
        self._finish([one for one in batch.unwritten if one.turn <= end], batch.after)
        return sorted(again, key=_place)

    def _write(self, writes: Sequence[ContactRecords]) -> Step[tuple[list[Entry], list[ContactRecords]]]:
        """Write contacts; returns the records to plan again, and the writes without their planned result."""
        for write in writes:
            write.match = self._as_written(write.match)
        operations = self.outcomes.links.plan([planned_write(write, self.stream.settings) for write in writes])
        again: list[Entry] = []
        failed: list[ContactRecords] = []
        for one in self.outcomes.carry_out(operations, self.writer):
            if one is None:
                yield self._find_names
                continue
            became, entries = one
            again.extend(entries)
            records, now = became.records, became.contact if isinstance(became, Saved) else None
            is_foretold = _is_foretold(became)
            if not is_foretold:
                failed.append(records)
                now = now or records.found
            if now is not None:
                # What comes after begins with the contact as it is.
                self._written[records.contact] = now
                records.moved |= set() if is_foretold else set(Identity.of(now).identifiers())
        # Before ids are found: what is written of a contact goes by the id that it has.
        self.outcomes.links.flush()
        return again, failed

    def _finish(self, unwritten: Iterable[Unwritten], after: Directory) -> None:
        """Leave, refuse and mark records as planned."""
        quiet: list[Entry] = []
        for one in unwritten:
            entry = one.entry
            match one.match:
                case _ if entry.draft.removed and not one.is_unidentified:
                    self.outcomes.marks.place(entry, self._as_written(one.match), after)
                case Ambiguous() | MergedAway() | Unanswered() as unclear:
                    self.outcomes.refuse([entry], refusal(unclear))
                case Found():
                    quiet.append(entry)
                case NotFound():
                    self.outcomes.invalid(entry.received, no_identifier(self.stream.settings.match_by))
        self.outcomes.unchanged([], quiet)

    def _as_written(self, match: _M) -> _M:
        """Return a match with its contact as a write has left it: one that was made has its id now."""
        if isinstance(match, Found) and match.contact.id in self._written:
            return replace(match, contact=self._written[match.contact.id])
        return match


def _is_foretold(written: Written) -> bool:
    """Check whether a write had its planned result: created, updated, skipped or, without a contact, refused."""
    records = written.records
    if records.contact is None:
        return not isinstance(written, Saved)
    if records.found is None:
        return isinstance(written, Saved) and written.result is Result.CREATED
    return isinstance(written, (Saved, Skipped))


def _place(entry: Entry) -> int:
    return entry.received.number


# No part of a batch refers to the batch: in a circle its records would stay in memory until Python looks for it.


def _names_of(stream: str, taken: Taken) -> Names:
    """Return what records may share with those of other batches, by the ledger."""
    entries = [*taken.quiet, *taken.others]
    keys = [*(one.key for one in taken.familiar), *(entry.key for entry in entries if entry.key is not None)]
    names = (*(one.names() for one in taken.familiar), *(entry.names() for entry in entries))
    return frozenset[t.Hashable]().union(((stream, key) for key in keys), *names)


def _names_around(entries: Iterable[Entry], known: Directory, by_ledger: Callable[[], Names]) -> Names:
    """Return what records may share with those of other batches, by the ledger and by what was looked up."""
    contacts = known.around(identities_of(entries))
    return by_ledger().union(*(Identity.of(contact).identifiers() for contact in contacts))
