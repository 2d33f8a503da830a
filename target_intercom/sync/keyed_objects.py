"""A batch of objects that are known by their key: map, find, plan, write, remember, report."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.model import Found, NotFound, Unanswered
from target_intercom.settings.config import SyncMode
from target_intercom.sync.by_key.plan import key_of, known_of, planned_write, rounds
from target_intercom.sync.planning.refusals import refusal
from target_intercom.writes import Surprise

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from target_intercom.model import ContactId, Entry, Received
    from target_intercom.settings.config import Stream
    from target_intercom.sync.by_key.known import KeyMatch, KnownObjects
    from target_intercom.sync.by_key.writer import KeyedWriter
    from target_intercom.sync.intake import Intake, Taken
    from target_intercom.sync.overlap import Names, Overlap, Step, Work
    from target_intercom.sync.record_outcomes import RecordOutcomes
    from target_intercom.sync.remembering.stream_memory import StreamMemory
    from target_intercom.writes import ContactRecords

_FEW: t.Final = 100
"""So many objects are read one by one, though a job would write them with few calls."""


@dataclass
class KeyedBatch:
    """Brings objects in line with a batch of their records."""

    stream: Stream
    intake: Intake
    known: KnownObjects
    memory: StreamMemory
    writer: KeyedWriter
    outcomes: RecordOutcomes
    overlap: Overlap
    repair: bool

    def run(self, records: Sequence[Received]) -> Work:
        """See `Batch`; marked records get their outcomes at the end of the pipe."""
        taken = self.intake.take(records)
        taken, find_names = self.overlap.apart(taken, self._names, self.intake.take_again)
        self.known.directory.start(self.overlap.began)
        yield find_names
        entries = self._report_unchanged(taken)
        marks = [entry for entry in entries if entry.draft.removed]
        live = [entry for entry in entries if not entry.draft.removed]
        with self.outcomes.batch():
            while live:
                live = self.memory.recall((yield from self._carry_out(live, find_names)))
            # What the batch has made can be marked.
            self._mark(self.memory.recall(marks))

    def _report_unchanged(self, taken: Taken) -> list[Entry]:
        """Report records that are in line with their objects, and return the others in the order of the pipe.

        A record is returned, too, if another record of the batch names its object: the later record has to win.
        """
        involved = {key_of(entry) for entry in taken.others}
        roused = [one.received for one in taken.familiar if one.row.contact in involved]
        quiet = [*taken.quiet, *(self.intake.recall(roused, {}) if roused else ())]
        woken = [entry for entry in quiet if key_of(entry) in involved]
        familiar = [one for one in taken.familiar if one.row.contact not in involved]
        self.outcomes.unchanged(familiar, [entry for entry in quiet if key_of(entry) not in involved])
        return sorted([*taken.others, *woken], key=lambda entry: entry.received.number)

    def _names(self, taken: Taken) -> frozenset[Hashable]:
        """Return what records may share with those of other batches."""
        entries = [*taken.quiet, *taken.others]
        keys = [*(one.key for one in taken.familiar), *(entry.key for entry in entries if entry.key is not None)]
        objects = [
            *(one.row.contact for one in taken.familiar),
            *map(key_of, entries),
            *(entry.contact.id for entry in entries if entry.contact is not None),
        ]
        return frozenset[t.Hashable]().union(((self.stream.name, key) for key in keys), objects) - {None}

    def _carry_out(self, entries: Sequence[Entry], find_names: Callable[[], Names]) -> Step[list[Entry]]:
        """Write objects; returns the records that have to be planned anew, in their order."""
        matches = self._find(entries)
        for entry in entries:
            if isinstance(unclear := matches[_named(entry)], Unanswered):
                self.outcomes.refuse([entry], refusal(unclear))
        clear = [entry for entry in entries if not isinstance(matches[_named(entry)], Unanswered)]
        again: list[Entry] = []
        for writes in rounds(clear, matches, self.stream.settings.sync_mode):
            again.extend((yield from self._write(writes, find_names)))
        return sorted(again, key=lambda entry: entry.received.number)

    def _find(self, entries: Sequence[Entry]) -> dict[ContactId, KeyMatch]:
        """Find the objects of records as far as the mode needs it: a write creates or updates, whichever it is."""
        known = {contact.id: contact for entry in entries if (contact := known_of(entry)) is not None}
        keys = {_named(entry) for entry in entries}
        mode = self.stream.settings.sync_mode
        found: dict[ContactId, KeyMatch] = {key: Found(contact) for key, contact in known.items()}
        asked: dict[ContactId, KeyMatch] = {}
        if mode.updates:
            asked = self.known.find(keys, ask=keys) if self.repair else self._overwritten(entries)
        self.known.forget([key for key in known if isinstance(asked.get(key), NotFound)], self.stream.name)
        found.update(asked)
        if mode is SyncMode.ENRICH:
            return {**self.known.find_with_ids(keys - asked.keys()), **asked}
        if mode is SyncMode.INSERT:
            return {**self.known.find(keys - known.keys()), **found}
        # Another stream, or an earlier batch, may have made an object that is new to this one.
        return {**dict.fromkeys(keys, NotFound()), **self.known.remembered(keys - known.keys()), **found}

    def _overwritten(self, entries: Iterable[Entry]) -> dict[ContactId, KeyMatch]:
        """Read the objects that other records have changed since theirs, which are as before, were written.

        What is read may show that the others wrote other attributes; written again, it would be in doubt for them, run
        after run. Where jobs write a hundred a call, many are not read.
        """
        keys = {_named(entry) for entry in entries if entry.is_unsure and self.memory.says_the_same(entry)}
        contacts = {key: self.known.directory.get(key) for key in keys}
        ask = {key for key, contact in contacts.items() if contact is None or not contact.is_read}
        is_cheaper = len(ask) <= _FEW or not self.writer.jobs.are_there
        return self.known.find(keys, ask=ask) if is_cheaper else self.known.find(keys - ask)

    def _write(self, writes: Sequence[ContactRecords], find_names: Callable[[], Names]) -> Step[list[Entry]]:
        operations = [planned_write(write, self.stream.settings, self.known.kind.kind) for write in writes]
        again: list[Entry] = []
        for one in self.outcomes.carry_out(operations, self.writer):
            if one is None:
                yield find_names
                continue
            became, entries = one
            again.extend(entries)
            if isinstance(became, Surprise) and became.gone is not None:
                self.known.forget([became.gone], self.stream.name)
        return again

    def _mark(self, entries: Iterable[Entry]) -> None:
        """Mark the objects that records ask to remove: by the key that they name, else by the ledger."""
        marks = [(entry, key_of(entry) or (None if entry.contact is None else entry.contact.id)) for entry in entries]
        keys = {key for _, key in marks if key is not None} if self.stream.settings.may_remove else set()
        found = self.known.find(keys) if keys else {}
        for entry, key in marks:
            match: KeyMatch = NotFound() if key is None else found.get(key, NotFound())
            self.outcomes.marks.place(entry, match, self.known.directory)


def _named(entry: Entry) -> ContactId:
    """Return the key of a live record: one without was refused."""
    key = key_of(entry)
    if key is None:
        raise ValueError("a live record names its object")
    return key
