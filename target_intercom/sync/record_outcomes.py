"""Records the outcomes of a stream of contacts or companies in the report, the ledger, the links and the marks."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from target_intercom.errors import LedgerError
from target_intercom.model import Entry, Found, NotFound, Outcome, Refusal, Result
from target_intercom.settings.config import SyncMode
from target_intercom.sync.matching.directory import Gone, Source
from target_intercom.sync.writing.results import InDoubt, Rejected, Saved, Skipped, Surprise

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_intercom.errors import InvalidRecordError
    from target_intercom.intercom.protocol.ids import ContactId
    from target_intercom.model import Contact, ContactRecords, Received, RecordKey, SkipReason
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Stream
    from target_intercom.sync.linking.listed import ContactLinks
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.records import RecordMapper
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.remembering.stream_memory import Familiar, StreamMemory
    from target_intercom.sync.removing.marked import StreamMarks
    from target_intercom.sync.writing.results import Written


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

    def report_write(self, written: Written) -> list[Entry]:
        """Report what became of a write; returns the records that have to be planned anew."""
        if not isinstance(written, (Saved, InDoubt)):
            # What is in doubt may have been made, with its links.
            self.links.cancel(written.records)
        match written:
            case Saved():
                return self._saved(written)
            case Skipped(records, reason):
                return self._skipped(records, reason)
            case Rejected(records, why):
                return self._rejected(records, why)
            case InDoubt(records, why):
                self.refuse(records.entries, why)
                return []
            case Surprise():
                return self._surprised(written)

    def _saved(self, saved: Saved) -> list[Entry]:
        records, contact = saved.records, saved.contact
        self.report.left_out(self.stream.name, _values_of(saved.dropped, records))
        if saved.ignored:
            self.report.left_out(self.stream.name, saved.ignored)
            self.say_ignored(self.stream.name, saved.ignored)
        if contact is not None:
            changed = saved.result is not Result.UNCHANGED
            if saved.by_merge or (isinstance(records.match, Found) and records.match.by_merge):
                self._survivors.add(contact.id)
            self.memory.loaded(
                records,
                contact,
                changed=changed,
                left_out=saved.dropped,
                may_change=saved.may_change,
                by_merge=contact.id in self._survivors,
            )
        if saved.links_sent and contact is not None:
            self.links.confirm(records, contact)
        return self._done(records, contact, saved.result)

    def _skipped(self, records: ContactRecords, reason: SkipReason) -> list[Entry]:
        if isinstance(records.match, NotFound) and len(records.entries) > 1:
            # The contact exists after all: the records, laid over each other for a create, are tried one by one.
            return self._one_by_one(records)
        contact = records.match.contact if isinstance(records.match, Found) else None
        if contact is not None:
            self.memory.found(records, contact)
        return self._done(records, contact, Result.SKIPPED, reason)

    def _done(
        self, records: ContactRecords, contact: Contact | None, result: Result, reason: SkipReason | None = None
    ) -> list[Entry]:
        """Report records that went through, and save what they list."""
        if contact is not None:
            if contact.is_read and not (isinstance(records.match, Found) and records.match.contact is contact):
                self._learn(contact, records)
            self.links.saved(records, contact, result)
        first_wins = self.stream.settings.sync_mode is SyncMode.INSERT
        winner = records.entries[0] if first_wins else records.entries[-1]
        for entry in records.entries:
            if entry is winner:
                self.report.record(self.stream.name, Outcome(entry.received, result, reason))
            else:
                self.report.record(self.stream.name, Outcome(entry.received, Result.MERGED))
        self.marks.live(places_of(records.entries))
        return []

    def _learn(self, contact: Contact, records: ContactRecords) -> None:
        """Remember a contact as a call has left it, while search may not show that."""
        if contact.is_named or all(entry.key is None for entry in records.entries):
            self.directory.learn(contact, Source.ANSWER)
        else:
            self.memory.made(contact)

    def _rejected(self, records: ContactRecords, why: Refusal) -> list[Entry]:
        """Reject a record; several that were refused together are tried one by one, so that one spoils no other."""
        if len(records.entries) > 1:
            return self._one_by_one(records)
        self.refuse(records.entries, why)
        return []

    @staticmethod
    def _one_by_one(records: ContactRecords) -> list[Entry]:
        """Return records to be planned anew, each by itself."""
        return [replace(entry, alone=True) for entry in records.entries]

    def _surprised(self, surprise: Surprise) -> list[Entry]:
        """Return the records to plan again, without their links, after their contact was gone or the wrong one.

        A record that was planned again before is refused. Several refused together are each tried alone.
        """
        records, gone = surprise.records, surprise.gone
        if gone is not None:
            self.directory.learn_fact(gone, Gone())
            self.links.gone(gone)
        elif len(records.entries) > 1:
            return self._one_by_one(records)
        self.refuse([entry for entry in records.entries if entry.again], surprise.refusal)
        return [_without_link(entry, gone) for entry in records.entries if not entry.again]

    # Refusals.

    def invalid(self, received: Received, error: InvalidRecordError) -> None:
        """Report a record that is invalid."""
        why = Refusal(Result.INVALID, error.reason, error.code, error.field)
        self.report.record(self.stream.name, Outcome(received, Result.INVALID, refusal=why))
        self._keep_refused(received)

    def refuse(self, entries: Iterable[Entry], why: Refusal) -> None:
        """Report records that are refused."""
        for entry in entries:
            self.report.record(self.stream.name, Outcome(entry.received, why.result, refusal=why))
            self._keep_refused(entry.received)

    def _keep_refused(self, received: Received) -> None:
        """Protect the contacts that a refused record may name from removal: the tap does not send the record again."""
        mapper = self.mappers.of(received.schema)
        identity = mapper.identity(received.record)
        key = self.memory.see_refused(received, identity, mapper.identifiers)
        self.marks.refused(received, key, identity, is_mark=mapper.removes(received.record))


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
