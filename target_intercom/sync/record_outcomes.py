"""Records the outcomes of a stream of contacts or companies in the report, the ledger, the links and the marks."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain

from target_intercom.errors import LedgerError
from target_intercom.model import Entry, Found
from target_intercom.outcomes import Outcome, Refusal, Result
from target_intercom.sync.matching.directory import Gone, Source
from target_intercom.writes import Create, InDoubt, Rejected, Saved, Skipped, Surprise, Update

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_intercom.errors import InvalidRecordError
    from target_intercom.intercom.protocol.ids import ContactId
    from target_intercom.model import Contact, Received, RecordKey
    from target_intercom.outcomes import SkipReason
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Stream
    from target_intercom.sync.linking.listed import ContactLinks
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.records import RecordMapper
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.remembering.stream_memory import Familiar, StreamMemory
    from target_intercom.sync.removing.marked import StreamMarks
    from target_intercom.writes import ContactRecords, PlannedWrite, Writer, Written


@dataclass
class RecordOutcomes:
    """Reports what becomes of the records of a batch, and tells every part that has to know."""

    stream: Stream
    report: RunReport
    mappers: Mappers[RecordMapper]
    directory: Directory
    memory: StreamMemory
    links: ContactLinks
    marks: StreamMarks
    say_ignored: Callable[[str, Sequence[str]], None]
    """Says, once, that Intercom did not take values of attributes of a stream."""
    _survivors: set[ContactId] = field(default_factory=set)
    """Contacts that only a merge made the contacts of records of the batch."""

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Write, after a batch, what it marks and links, and how its records are known when they come again."""
        try:
            yield
        except BaseException:
            # What ended it is what counts, also where the ledger cannot be written any more.
            with suppress(LedgerError):
                self.memory.flush()
            raise
        self.marks.apply()
        self.memory.flush()
        self.links.save()
        self.memory.save_source_hashes()

    def unchanged(self, familiar: Sequence[Familiar], quiet: Sequence[Entry]) -> None:
        """Report unchanged records: the last one of each contact as `unchanged`, the others as `merged`."""
        last: dict[ContactId | int, int] = {one.whose(): one.received.number for one in familiar}
        for entry in quiet:
            last[contact_or_place(entry)] = max(entry.received.number, last.get(contact_or_place(entry), -1))
            if entry.contact is not None:
                self.links.unchanged(entry, entry.contact)
        self.report.count(self.stream.name, Result.UNCHANGED, times=len(last))
        self.report.count(self.stream.name, Result.MERGED, times=len(familiar) + len(quiet) - len(last))
        self.marks.live({**{one.key: one.received.number for one in familiar}, **places_of(quiet)})

    def carry_out(self, writes: Sequence[PlannedWrite], writer: Writer) -> Iterator[tuple[Written, list[Entry]] | None]:
        """Write, and report what became of each write; yields that, and the records that have to be planned anew.

        None: see `Writer`.
        """
        calls = [one for one in writes if isinstance(one, (Create, Update))]
        known = (one for one in writes if not isinstance(one, (Create, Update)))
        doubt = self.memory.doubt(calls)
        unchanged: set[ContactId] = set()
        for written in chain(known, writer.write(calls)):
            if written is None:
                yield None
                continue
            if isinstance(written, Rejected) and written.is_unchanged and written.records.found is not None:
                unchanged.add(written.records.found.id)
            yield written, self._report(written)
        self.memory.trust(unchanged, doubt)

    def _report(self, written: Written) -> list[Entry]:
        """Report what became of a write; returns the records that have to be planned anew."""
        if not isinstance(written, (Saved, InDoubt)):
            # What is in doubt may have been made, with its links.
            self.links.cancel(written.records)
            self.memory.take_back(written.records)
        if _are_to_part(written):
            return [replace(entry, alone=True) for entry in written.records.entries]
        match written:
            case Saved():
                self._saved(written)
            case Skipped():
                self._skipped(written)
            case Rejected(records, why) | InDoubt(records, why):
                self.refuse(records.entries, why)
            case Surprise():
                return self._surprised(written)
        return []

    def _saved(self, saved: Saved) -> None:
        records, contact = saved.records, saved.contact
        self.report.left_out(self.stream.name, _values_of(saved.dropped, records))
        if saved.ignored:
            self.report.left_out(self.stream.name, saved.ignored)
            self.say_ignored(self.stream.name, saved.ignored)
        if saved.by_merge or (isinstance(records.match, Found) and records.match.by_merge):
            self._survivors.add(contact.id)
        self.memory.loaded(
            records,
            contact,
            changed=saved.result is not Result.UNCHANGED,
            left_out=saved.dropped,
            by_merge=contact.id in self._survivors,
        )
        if saved.links_sent:
            self.links.confirm(records, contact)
        self._done(records, contact, saved.result)

    def _skipped(self, skipped: Skipped) -> None:
        records, contact = skipped.records, skipped.contact or skipped.records.found
        if contact is not None:
            self.memory.found(records, contact)
        self._done(records, contact, Result.SKIPPED, skipped.reason)

    def _done(
        self, records: ContactRecords, contact: Contact | None, result: Result, reason: SkipReason | None = None
    ) -> None:
        """Report records that went through, and save what they list."""
        if contact is not None:
            if contact.is_read and records.found is not contact:
                self._learn(contact, records)
            self.links.saved(records, contact, result)
        winner = records.entries[0 if self.stream.settings.sync_mode.first_wins else -1]
        for entry in records.entries:
            became = (result, reason) if entry is winner else (Result.MERGED, None)
            self.report.record(self.stream.name, Outcome(entry.received, *became))
        self.marks.live(places_of(records.entries))

    def _learn(self, contact: Contact, records: ContactRecords) -> None:
        """Remember a contact as a call has left it, while search may not show that."""
        if contact.is_named or all(entry.key is None for entry in records.entries):
            self.directory.learn(contact, Source.ANSWER)
        else:
            self.memory.made(contact)

    def _surprised(self, surprise: Surprise) -> list[Entry]:
        """Return the records to plan again, without their links, after their contact was gone or the wrong one.

        A record that was planned again before is refused.
        """
        entries, gone = surprise.records.entries, surprise.gone
        if gone is not None:
            self.directory.learn_fact(gone, Gone())
            self.links.gone(gone)
        self.refuse([entry for entry in entries if entry.again], surprise.refusal)
        return [_without_link(entry, gone) for entry in entries if not entry.again]

    # Refusals.

    def invalid(self, received: Received, error: InvalidRecordError) -> None:
        """Report a record that is invalid."""
        self._refuse(received, Refusal(Result.INVALID, error.reason, error.code, error.field))

    def refuse(self, entries: Iterable[Entry], why: Refusal) -> None:
        """Report records that are refused."""
        for entry in entries:
            self._refuse(entry.received, why)

    def _refuse(self, received: Received, why: Refusal) -> None:
        """Report a record, and protect the contacts that it may name from removal: the tap does not send it again."""
        self.report.record(self.stream.name, Outcome(received, why.result, refusal=why))
        mapper = self.mappers.of(received.schema)
        identity = mapper.identity(received.record)
        key = self.memory.see_refused(received, identity, mapper.identifiers)
        self.marks.refused(received, key, identity, is_mark=mapper.removes(received.record))


def _are_to_part(written: Written) -> bool:
    """Check whether records that were laid over each other are tried one by one, so that one spoils no other.

    They were refused, or a contact is there that they were to make.
    """
    match written:
        case Rejected(records) | Surprise(records, gone=None):
            return len(records.entries) > 1
        case Skipped(records):
            return len(records.entries) > 1 and records.found is None
        case _:
            return False


def _values_of(attributes: Iterable[str], records: ContactRecords) -> list[str]:
    """Return each attribute once for every record that has a value for it."""
    return [name for name in attributes for entry in records.entries if entry.draft.attributes.get(name) is not None]


def _without_link(entry: Entry, gone: ContactId | None) -> Entry:
    identity = entry.draft.identity
    if identity.id is not None and identity.id == gone:
        identity = identity._replace(id=None)
    return replace(entry, draft=replace(entry.draft, identity=identity), known=None, again=True)


def places_of(entries: Iterable[Entry]) -> dict[RecordKey, int]:
    """Return the place in the pipe of the last record of each key."""
    return {entry.key: entry.received.number for entry in entries if entry.key is not None}


def contact_or_place(entry: Entry) -> ContactId | int:
    """Return the id of a record's contact, or the record's number where the contact is not known."""
    return entry.received.number if entry.contact is None else entry.contact.id
