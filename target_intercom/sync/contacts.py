"""A contact stream, batch by batch: map, match, plan, write, remember, report."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import replace

from target_intercom.errors import InvalidRecordError, LedgerError
from target_intercom.model import (
    Ambiguous,
    ContactRecords,
    Entry,
    Found,
    Identity,
    MatchBy,
    MergedAway,
    NotFound,
    Outcome,
    Refusal,
    Result,
    SkipReason,
    Unanswered,
)
from target_intercom.settings.config import SyncMode
from target_intercom.sync.mapping.attribute_values import WantedAttributes
from target_intercom.sync.mapping.identifiers import no_identifier
from target_intercom.sync.matching.directory import Gone, Source
from target_intercom.sync.matching.whose import may_let_go
from target_intercom.sync.planning.plan import matters, play
from target_intercom.sync.planning.wanted import plan, refusal
from target_intercom.sync.remembering.stream_memory import Ground, in_line
from target_intercom.sync.writing.one_by_one import InDoubt, Left, Rejected, Saved, Surprise

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.intercom.protocol import ContactId
    from target_intercom.model import Contact, Identifier, Match, Received, RecordKey, StreamSchema
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.stream import Stream
    from target_intercom.sync.linking.listed import NoLinks
    from target_intercom.sync.mapping.attribute_values import AttributeType
    from target_intercom.sync.mapping.contacts import ContactMapper
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.matching.contact_ids import ContactIds
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher
    from target_intercom.sync.planning.plan import BatchPlan, Unwritten
    from target_intercom.sync.remembering.stream_memory import Familiar, StreamMemory
    from target_intercom.sync.removing.marked import StreamMarks
    from target_intercom.sync.workspace.attributes import AttributeCatalog
    from target_intercom.sync.writing.one_by_one import Writer, Written


_NEVER: t.Final = float("inf")


class ContactSync:
    """Brings the contacts of one stream in line with its records."""

    def __init__(
        self,
        stream: Stream,
        *,
        mappers: Mappers[ContactMapper],
        catalog: AttributeCatalog,
        matcher: Matcher,
        directory: Directory,
        memory: StreamMemory,
        ids: ContactIds,
        writer: Writer,
        marks: StreamMarks,
        groups: NoLinks,
        report: RunReport,
    ) -> None:
        """Put the parts together; `catalog`, `matcher`, `directory`, `ids` and `report` are shared by all streams."""
        self._stream = stream
        self._mappers = mappers
        self._catalog = catalog
        self._matcher = matcher
        self._directory = directory
        self._memory = memory
        self._ids = ids
        self._writer = writer
        self._marks = marks
        self._groups = groups
        self._report = report
        self._custom: dict[str, AttributeType | None] = {}
        self._survivors: set[ContactId] = set()
        """Contacts that records of the batch have by nothing but a merge."""

    def meet(self, schema: StreamSchema) -> None:
        """Check that records can be loaded that come under a schema.

        Raises:
            StreamRefusedError: they cannot.
        """
        self._mappers.of(schema)

    def run(self, records: Sequence[Received]) -> None:
        """Bring a batch into Intercom; every record gets its outcome, marked ones at the end of the pipe."""
        self._survivors.clear()
        records = self._refuse_troubled(records)
        for mapper, some in self._mappers.parted(records):
            mapper.learn([received.record for received in some])
        familiar, others, sources = self._memory.familiar(records, self._ground)
        quiet, entries = in_line(self._memory.recall(self._map(others, sources)))
        known = self._directory.layer()
        self._look_up(entries, known)
        entries = self._leave(familiar, quiet, entries, known)
        try:
            while entries:
                entries = self._memory.recall(self._carry_out(*self._plan(entries, known)))
                self._look_up([entry for entry in entries if entry.again], known)
        except BaseException:
            # What ended it is what counts, also where the ledger cannot be written any more.
            with suppress(LedgerError):
                self._memory.forget_batch()
            raise
        self._marks.apply()
        self._memory.flush()
        self._groups.save()
        self._memory.save_source_hashes()
        self._memory.forget_batch()

    def _ground(self, schema: StreamSchema) -> Ground:
        mapper = self._mappers.of(schema)
        return Ground(mapper.relevant(), mapper.basis(self._catalog.describe))

    def _map(self, records: Sequence[Received], sources: Mapping[int, str]) -> list[Entry]:
        self._provide_attributes(records)
        entries: list[Entry] = []
        for mapper, some in self._mappers.runs(records):
            for received in some:
                try:
                    mapped = mapper.map(received, self._custom)
                except InvalidRecordError as error:
                    self._invalid(received, error)
                    continue
                self._report.cut(self._stream.name, mapped.cut)
                self._report.left_out(self._stream.name, mapped.left_out)
                source = sources.get(received.number) if mapper.says_all(mapped, received.record) else None
                entries.append(Entry(received, mapped.draft, source=source))
        return entries

    def _provide_attributes(self, records: Sequence[Received]) -> None:
        """Find, or make, the custom attributes that records want: of the schemas that name a type the first counts."""
        wanted = WantedAttributes(self._custom)
        for mapper, some in self._mappers.runs(records):
            mapper.want((one.record for one in some if not mapper.removes(one.record)), wanted)
        self._custom |= self._catalog.provide(wanted.types(), create=self._stream.settings.create_attributes)

    def _plan(self, entries: Sequence[Entry], known: Directory) -> tuple[BatchPlan, Directory]:
        """Plan a batch, and look up what that shows to be needed; returns the plan, and what is known after it."""
        held: set[ContactId] = set()
        self._ids.find_for(_identities(entries))
        for entry in entries:
            if entry.contact is not None:
                known.learn(entry.contact, Source.LEDGER)
        while True:
            stage, links = known.layer(), self._memory.links(entries, held)
            batch = play(entries, stage, links, self._stream.settings)
            if not (batch.unasked or links.unknown):
                return batch, stage
            held |= links.unknown
            self._search(batch.unasked, known, trusting=True)

    def _look_up(self, entries: Sequence[Entry], known: Directory) -> None:
        """Ask Intercom for the contacts of records; where the ledger knows them it is not asked, unless in doubt.

        Records that may let go of their contacts are looked up, too: their identifiers may be another contact's.
        """
        asked = [entry for entry in entries if entry.contact is None or entry.is_unsure]
        moving = [entry for entry in entries if not (entry.contact is None or entry.is_unsure) and may_let_go(entry)]
        removes = self._stream.settings.sync_mode is SyncMode.REMOVE
        unsure = {entry.contact.id for entry in asked if entry.contact is not None}
        self._search(asked, known, known=unsure, everyone=removes)
        if moving:
            self._search(moving, known, trusting=True)
        if removes:
            self._look_up_leads(entries, known)

    def _search(self, entries: Iterable[Entry], into: Directory, **how: t.Any) -> None:
        # A removal means the leads with an email, too; what is written must not be another contact's.
        also = (
            [MatchBy.EMAIL]
            if self._stream.settings.sync_mode is SyncMode.REMOVE
            else [MatchBy.EXTERNAL_ID, MatchBy.EMAIL]
        )
        identities = _identities(entries)
        self._ids.find_for(identities)
        self._matcher.look_up(identities, self._stream.settings.match_by, into, also=also, **how)

    def _look_up_leads(self, entries: Sequence[Entry], known: Directory) -> None:
        """Ask Intercom for all contacts with the emails of those that orders to remove find: they mean the person."""
        identities = _identities(entries)
        linked = (entry.contact for entry in entries if entry.contact is not None)
        emails = {contact.email for contact in (*known.around(identities), *linked) if contact.email is not None}
        emails -= {identity.email for identity in identities if identity.email is not None}
        wanted = [Identity(email=email) for email in sorted(emails)]
        self._matcher.look_up(wanted, [MatchBy.EMAIL], known, everyone=True)

    def _leave(
        self, familiar: Sequence[Familiar], quiet: Sequence[Entry], others: Sequence[Entry], known: Directory
    ) -> list[Entry]:
        """Leave records alone that are in line with their contacts; returns those that are not, in their order.

        One whose contact another record of the batch may mean, too, is not left: the later of the two has to win.
        """
        around = known.around(_identities(others))
        involved = {name for contact in around for name in Identity.of(contact).identifiers()}.union(
            *map(_names, others)
        )
        if involved:
            roused = [one.received for one in familiar if not involved.isdisjoint(one.names())]
            familiar = [one for one in familiar if involved.isdisjoint(one.names())]
            quiet = [*quiet, *self._memory.recall(self._map(roused, {}))]
        touched = {_whose(entry) for entry in quiet if involved and not involved.isdisjoint(_names(entry))}
        self._leave_alone(familiar, [entry for entry in quiet if _whose(entry) not in touched])
        woken = [entry for entry in quiet if _whose(entry) in touched]
        return sorted([*others, *self._memory.named(woken)], key=_place)

    def _leave_alone(self, familiar: Sequence[Familiar], quiet: Sequence[Entry]) -> None:
        """Report records that are in line with their contacts: of several of one contact the last is the one."""
        last: dict[ContactId | int, int] = {one.whose(): one.received.number for one in familiar}
        for entry in quiet:
            last[_whose(entry)] = max(entry.received.number, last.get(_whose(entry), -1))
            if entry.contact is not None:
                self._groups.unchanged(entry, entry.contact)
        self._report.count(self._stream.name, Result.UNCHANGED, times=len(last))
        self._report.count(self._stream.name, Result.MERGED, times=len(familiar) + len(quiet) - len(last))
        self._marks.live({**{one.key: one.received.number for one in familiar}, **_places(quiet)})

    def _refuse_troubled(self, records: Sequence[Received]) -> list[Received]:
        """Report the records that are known to be invalid, and return the others."""
        for received in records:
            if received.trouble is not None:
                self._invalid(received, received.trouble)
        return [received for received in records if received.trouble is None]

    def _carry_out(self, batch: BatchPlan, stage: Directory) -> list[Entry]:
        """Carry out a plan, round by round; returns the records that have to be planned anew, in their order.

        They are those of a write that ended otherwise than foretold, and all that were planned to come after it.
        """
        again = list(batch.later)
        written: dict[ContactId | None, Contact] = {}
        rounds = batch.rounds()
        end = _NEVER
        for number, writes in enumerate(rounds, start=1):
            retried, failed = self._write(writes, written)
            again.extend(retried)
            if retried or matters(failed, rounds[number:], batch.unwritten):
                again.extend(entry for later in rounds[number:] for write in later for entry in write.entries)
                end = writes[0].turn
                break
        again.extend(one.entry for one in batch.unwritten if one.turn > end)
        self._finish([one for one in batch.unwritten if one.turn <= end], stage, written)
        return sorted(again, key=_place)

    def _write(
        self, writes: Sequence[ContactRecords], written: dict[ContactId | None, Contact]
    ) -> tuple[list[Entry], list[ContactRecords]]:
        """Write contacts beside each other; `written` has those of the rounds before, and gets these.

        Returns:
            The records that have to be planned anew, and the writes that ended otherwise than foretold.
        """
        for write in writes:
            if write.contact in written:
                write.match = _as_written(write.match, written)
        operations = self._groups.plan([plan(write, self._stream.settings) for write in writes])
        self._memory.doubt(operations)
        again: list[Entry] = []
        failed: list[ContactRecords] = []
        refused: set[ContactId] = set()
        for one in self._writer.write(operations):
            group, now = one.group, one.contact if isinstance(one, Saved) else None
            is_foretold = _is_foretold(one)
            again.extend(self._report_write(one))
            if not is_foretold:
                failed.append(group)
                now = now or (group.match.contact if isinstance(group.match, Found) else None)
            if now is not None and group.contact is not None:
                # What comes after begins with the contact as it is.
                written[group.contact] = now
                group.moved.update(() if is_foretold else Identity.of(now).identifiers())
            if isinstance(one, Rejected) and one.is_unchanged and isinstance(group.match, Found):
                refused.add(group.match.contact.id)
        self._memory.trust(refused)
        return again, failed

    def _finish(
        self, unwritten: Iterable[Unwritten], stage: Directory, written: Mapping[ContactId | None, Contact]
    ) -> None:
        """Leave, refuse and mark records as planned; `written` has the contacts as they are now."""
        quiet: list[Entry] = []
        for one in unwritten:
            entry = one.entry
            match one.match:
                case _ if entry.draft.removed and not one.is_unidentified:
                    self._marks.place(entry, _as_written(one.match, written), stage)
                case Ambiguous() | MergedAway() | Unanswered() as unclear:
                    self._refuse([entry], refusal(unclear))
                case Found():
                    quiet.append(entry)
                case NotFound():
                    self._invalid(entry.received, no_identifier(self._stream.settings.match_by))
        self._leave_alone([], quiet)

    def _report_write(self, written: Written) -> list[Entry]:
        """Report what became of a group; returns the entries that have to be tried again."""
        if not isinstance(written, Saved):
            self._groups.cancel(written.group)
        match written:
            case Saved():
                return self._saved(written)
            case Left(group, reason):
                return self._left(group, reason)
            case Rejected(group, why):
                return self._rejected(group, why)
            case InDoubt(group, why):
                self._refuse(group.entries, why)
                return []
            case Surprise():
                return self._surprised(written)

    def _saved(self, saved: Saved) -> list[Entry]:
        group, contact = saved.group, saved.contact
        self._report.left_out(self._stream.name, _values_of(saved.dropped, group))
        if contact is not None:
            changed = saved.result is not Result.UNCHANGED
            if saved.by_merge or (isinstance(group.match, Found) and group.match.by_merge):
                self._survivors.add(contact.id)
            self._memory.loaded(
                group,
                contact,
                changed=changed,
                left_out=saved.dropped,
                may_change=saved.may_change,
                by_merge=contact.id in self._survivors,
            )
        if saved.tags_sent:
            self._groups.confirm(group)
        return self._done(group, contact, saved.result)

    def _left(self, group: ContactRecords, reason: SkipReason) -> list[Entry]:
        if isinstance(group.match, NotFound) and len(group.entries) > 1:
            # Intercom knew somebody after all: that holds for the first record, not for those laid over it.
            return self._one_by_one(group)
        contact = group.match.contact if isinstance(group.match, Found) else None
        if contact is not None:
            self._memory.found(group, contact)
        return self._done(group, contact, Result.SKIPPED, reason)

    def _done(
        self, group: ContactRecords, contact: Contact | None, result: Result, reason: SkipReason | None = None
    ) -> list[Entry]:
        """Report a group whose records went through, and mark its contact where some of them do."""
        if contact is not None:
            if contact.is_read and not (isinstance(group.match, Found) and group.match.contact is contact):
                self._directory.learn(contact, Source.ANSWER)
            self._groups.saved(group, contact, result)
        first_wins = self._stream.settings.sync_mode is SyncMode.INSERT
        winner = group.entries[0] if first_wins else group.entries[-1]
        for entry in group.entries:
            if entry is winner:
                self._report.record(self._stream.name, Outcome(entry.received, result, reason))
            else:
                self._report.record(self._stream.name, Outcome(entry.received, Result.MERGED))
        self._marks.live(_places(group.entries))
        return []

    def _rejected(self, group: ContactRecords, why: Refusal) -> list[Entry]:
        """Reject a record; several that were refused together are tried one by one, so that one spoils no other."""
        if len(group.entries) > 1:
            return self._one_by_one(group)
        self._refuse(group.entries, why)
        return []

    @staticmethod
    def _one_by_one(group: ContactRecords) -> list[Entry]:
        """Return a group's records to be tried again, each by itself."""
        return [replace(entry, alone=True) for entry in group.entries]

    def _surprised(self, surprise: Surprise) -> list[Entry]:
        """Have records planned anew whose contact is gone or another one, without their links, and no third time.

        Where several were refused together each is tried by itself: one may have spoilt it for the others.
        """
        group, gone = surprise.group, surprise.gone
        if gone is not None:
            self._directory.learn_fact(gone, Gone())
            self._groups.gone(gone)
        elif len(group.entries) > 1:
            return self._one_by_one(group)
        self._refuse([entry for entry in group.entries if entry.again], surprise.refusal)
        return [_without_link(entry, gone) for entry in group.entries if not entry.again]

    # Refusals.

    def _invalid(self, received: Received, error: InvalidRecordError) -> None:
        why = Refusal(Result.INVALID, error.reason, error.code, error.field)
        self._report.record(self._stream.name, Outcome(received, Result.INVALID, refusal=why))
        self._keep_refused(received)

    def _refuse(self, entries: Iterable[Entry], why: Refusal) -> None:
        for entry in entries:
            self._report.record(self._stream.name, Outcome(entry.received, why.result, refusal=why))
            self._keep_refused(entry.received)

    def _keep_refused(self, received: Received) -> None:
        """Keep the contacts that a record may name that could not be loaded: it came, and STATE goes past it."""
        mapper = self._mappers.of(received.schema)
        identity = mapper.identity(received.record)
        key = self._memory.see_refused(received, identity, mapper.identifiers)
        self._marks.refused(received, key, identity, is_mark=mapper.removes(received.record))


_M = t.TypeVar("_M", bound="Match")


def _as_written(match: _M, written: Mapping[ContactId | None, Contact]) -> _M:
    """Return a match with its contact as a write has left it: one that was made has its id now."""
    if isinstance(match, Found) and match.contact.id in written:
        return replace(match, contact=written[match.contact.id])
    return match


def _is_foretold(written: Written) -> bool:
    """Check whether a write ended as its plan has it: made, changed, or left alone since the mode changes none."""
    group = written.group
    match written:
        case _ if group.contact is None:
            return True
        case Saved(result=result):
            return isinstance(group.match, Found) or result is Result.CREATED
        case Left():
            return isinstance(group.match, Found)
        case _:
            return False


def _values_of(attributes: Iterable[str], group: ContactRecords) -> list[str]:
    """Return each attribute once for every record that has a value for it."""
    return [name for name in attributes for entry in group.entries if entry.draft.attributes.get(name) is not None]


def _without_link(entry: Entry, gone: ContactId | None) -> Entry:
    identity = entry.draft.identity
    if identity.id is not None and identity.id == gone:
        identity = replace(identity, id=None)
    return replace(entry, draft=replace(entry.draft, identity=identity), known=None, again=True)


def _identities(entries: Iterable[Entry]) -> list[Identity]:
    return list(dict.fromkeys(entry.draft.identity for entry in entries))


def _place(entry: Entry) -> int:
    return entry.received.number


def _names(entry: Entry) -> set[Identifier]:
    """Return the identifiers by which a record may mean somebody whom another record means."""
    names = set(entry.draft.identity.identifiers())
    return names if entry.contact is None else names.union(Identity.of(entry.contact).identifiers())


def _places(entries: Iterable[Entry]) -> dict[RecordKey, int]:
    """Return the place in the pipe of the last record of each key."""
    return {entry.key: entry.received.number for entry in entries if entry.key is not None}


def _whose(entry: Entry) -> ContactId | int:
    """Tell records of one contact; where it is not known, each stands for itself."""
    return entry.received.number if entry.contact is None else entry.contact.id
