"""A batch of a contact stream: map, match, plan, write, remember, report."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from functools import cache, partial

from target_intercom.model import Ambiguous, Entry, Found, Identity, MergedAway, NotFound, Unanswered
from target_intercom.outcomes import Result
from target_intercom.sync.mapping.identifiers import no_identifier
from target_intercom.sync.matching.directory import Source
from target_intercom.sync.matching.look_ups import identities_of
from target_intercom.sync.planning.plan import matters, play
from target_intercom.sync.planning.wanted import plan, refusal
from target_intercom.sync.record_outcomes import contact_or_place
from target_intercom.writes import ContactRecords, Saved, Skipped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence

    from target_intercom.intercom.protocol.ids import ContactId
    from target_intercom.model import Contact, Identifier, Match, Received
    from target_intercom.settings.config import Stream
    from target_intercom.sync.intake import Intake, Taken
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.look_ups import LookUps
    from target_intercom.sync.overlap import Names, Overlap, Work
    from target_intercom.sync.planning.plan import BatchPlan, Unwritten
    from target_intercom.sync.record_outcomes import RecordOutcomes
    from target_intercom.sync.remembering.stream_memory import Familiar, StreamMemory
    from target_intercom.writes import Writer, Written


_NEVER: t.Final = float("inf")


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

    def run(self, records: Sequence[Received]) -> Work:
        """See `Batch`; marked records get their outcomes at the end of the pipe."""
        taken, by_ledger = self._take(records)
        known = self._look_up(taken.others)
        entries = self._report_unchanged(*taken, known)
        with self.outcomes.batch():
            while entries:
                batch = self._plan(entries, known)
                find_names = cache(partial(_names_around, entries, known, by_ledger))
                if self.overlap.end_sharing(find_names):
                    # What was looked up has changed since.
                    entries = self.memory.recall(entries)
                    known = self._look_up(entries)
                    continue
                again = yield from self._carry_out(batch, find_names)
                if again:
                    # What Intercom did not do as planned may be about the contacts of other batches, too.
                    self.overlap.end_all()
                entries = self.memory.recall(again)
                self.look_ups.look_up([entry for entry in entries if entry.again], known)

    def _take(self, records: Sequence[Received]) -> tuple[Taken, Callable[[], Names]]:
        """Read a batch, after the others that it shares something with have ended; returns how to find its names, too.

        They are those that the ledger tells.
        """
        taken = self.intake.take(records)
        find_names = cache(partial(self._names_of, taken))
        if not self.overlap.end_sharing(find_names):
            return taken, find_names
        taken = self.intake.take_again(taken)
        return taken, cache(partial(self._names_of, taken))

    def _look_up(self, entries: Sequence[Entry]) -> Directory:
        known = self.look_ups.directory.start(self.overlap.began)
        self.look_ups.look_up(entries, known)
        return known

    def _names_of(self, taken: Taken) -> frozenset[Hashable]:
        """Return what records may share with those of other batches, by the ledger."""
        entries = [*taken.quiet, *taken.others]
        keys = [*(one.key for one in taken.familiar), *(entry.key for entry in entries if entry.key is not None)]
        names = (*(one.names() for one in taken.familiar), *map(_names, entries))
        return frozenset[t.Hashable]().union(((self.stream.name, key) for key in keys), *names)

    def _plan(self, entries: Sequence[Entry], known: Directory) -> BatchPlan:
        """Plan a batch, and look up the contacts that the plan needs."""
        held: set[ContactId] = set()
        self.look_ups.ids.find_for(identities_of(entries))
        for entry in entries:
            if entry.contact is not None:
                known.learn(entry.contact, Source.LEDGER)
        while True:
            links = self.memory.links(entries, held)
            batch = play(entries, known, links, self.stream.settings)
            if not (batch.unasked or links.unknown):
                return batch
            held |= links.unknown
            self.look_ups.look_up_identities(batch.unasked, known, trusting=True)

    def _report_unchanged(
        self, familiar: Sequence[Familiar], quiet: Sequence[Entry], others: Sequence[Entry], known: Directory
    ) -> list[Entry]:
        """Report records that are in line with their contacts, and return the others in the order of the pipe.

        A record is returned, too, if another record of the batch may name its contact: the later record has to win.
        """
        if not (familiar or quiet):
            return sorted(others, key=_place)
        around = known.around(identities_of(others))
        involved = {name for contact in around for name in Identity.of(contact).identifiers()}.union(
            *map(_names, others)
        )
        if involved:
            roused = [one.received for one in familiar if not involved.isdisjoint(one.names())]
            familiar = [one for one in familiar if involved.isdisjoint(one.names())]
            quiet = [*quiet, *self.intake.recall(roused, {})]
        touched = {contact_or_place(entry) for entry in quiet if involved and not involved.isdisjoint(_names(entry))}
        self.outcomes.unchanged(familiar, [entry for entry in quiet if contact_or_place(entry) not in touched])
        woken = [entry for entry in quiet if contact_or_place(entry) in touched]
        return sorted([*others, *self.memory.named(woken)], key=_place)

    def _carry_out(
        self, batch: BatchPlan, find_names: Callable[[], Names]
    ) -> Generator[Callable[[], Names], None, list[Entry]]:
        """Carry out a plan, round by round; returns the records that have to be planned anew, in their order.

        They are the records of a write without its planned result, and all records planned after it. Where it would
        wait for jobs it yields `find_names`.
        """
        again: list[Entry] = []
        written: dict[ContactId | None, Contact] = {}
        rounds = batch.rounds()
        end = _NEVER
        for number, writes in enumerate(rounds, start=1):
            retried, failed = yield from self._write(writes, written, find_names)
            again.extend(retried)
            if retried or matters(failed, rounds[number:], batch.unwritten):
                again.extend(entry for later in rounds[number:] for write in later for entry in write.entries)
                end = writes[0].turn
                break
        again.extend(one.entry for one in batch.unwritten if one.turn > end)
        self._finish([one for one in batch.unwritten if one.turn <= end], batch.after, written)
        return sorted(again, key=_place)

    def _write(
        self,
        writes: Sequence[ContactRecords],
        written: dict[ContactId | None, Contact],
        find_names: Callable[[], Names],
    ) -> Generator[Callable[[], Names], None, tuple[list[Entry], list[ContactRecords]]]:
        """Write contacts in parallel; `written` holds the contacts of earlier rounds, and this round's are added.

        Returns:
            The records to plan again, and the writes without their planned result.
        """
        for write in writes:
            write.match = _as_written(write.match, written)
        operations = self.outcomes.links.plan([plan(write, self.stream.settings) for write in writes])
        again: list[Entry] = []
        failed: list[ContactRecords] = []
        for one in self.outcomes.carry_out(operations, self.writer):
            if one is None:
                yield find_names
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
                written[records.contact] = now
                records.moved |= set() if is_foretold else set(Identity.of(now).identifiers())
        # Before ids are found: what is written of a contact goes by the id that it has.
        self.outcomes.links.flush()
        return again, failed

    def _finish(
        self, unwritten: Iterable[Unwritten], after: Directory, written: Mapping[ContactId | None, Contact]
    ) -> None:
        """Leave, refuse and mark records as planned; `written` has the contacts as they are now."""
        quiet: list[Entry] = []
        for one in unwritten:
            entry = one.entry
            match one.match:
                case _ if entry.draft.removed and not one.is_unidentified:
                    self.outcomes.marks.place(entry, _as_written(one.match, written), after)
                case Ambiguous() | MergedAway() | Unanswered() as unclear:
                    self.outcomes.refuse([entry], refusal(unclear))
                case Found():
                    quiet.append(entry)
                case NotFound():
                    self.outcomes.invalid(entry.received, no_identifier(self.stream.settings.match_by))
        self.outcomes.unchanged([], quiet)


_M = t.TypeVar("_M", bound="Match")


def _as_written(match: _M, written: Mapping[ContactId | None, Contact]) -> _M:
    """Return a match with its contact as a write has left it: one that was made has its id now."""
    if isinstance(match, Found) and match.contact.id in written:
        return replace(match, contact=written[match.contact.id])
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


def _names_around(entries: Iterable[Entry], known: Directory, by_ledger: Callable[[], Names]) -> Names:
    """Return what records may share with those of other batches, by the ledger and by what was looked up."""
    contacts = known.around(identities_of(entries))
    return by_ledger().union(*(Identity.of(contact).identifiers() for contact in contacts)) if contacts else by_ledger()


def _names(entry: Entry) -> set[Identifier]:
    """Return the identifiers of a record and of its known contact, which other records may share."""
    names = set(entry.draft.identity.identifiers())
    return names if entry.contact is None else names.union(Identity.of(entry.contact).identifiers())
