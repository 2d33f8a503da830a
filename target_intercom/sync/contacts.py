"""A contact stream, batch by batch: map, match, plan, write, remember, report."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import replace

from target_intercom.config import CreationMode, SyncMode
from target_intercom.errors import InvalidRecordError, LedgerError
from target_intercom.model import (
    Entry,
    Found,
    Identity,
    MatchBy,
    NotFound,
    Outcome,
    Refusal,
    Result,
    SkipReason,
)
from target_intercom.sync.identity import no_identifier
from target_intercom.sync.mapping import Wanted
from target_intercom.sync.memory import Ground, in_line
from target_intercom.sync.overlay import overlay
from target_intercom.sync.planning import plan, refusal
from target_intercom.sync.writing import InDoubt, Left, Mistaken, Rejected, Saved, Vanished

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.config import StreamConfig
    from target_intercom.intercom.protocol import ContactId
    from target_intercom.model import Contact, Group, Identifier, Received, RecordKey, StreamSchema
    from target_intercom.report import RunReport
    from target_intercom.sync.attributes import AttributeCatalog
    from target_intercom.sync.listing import ListedGroups
    from target_intercom.sync.mappers import Mappers
    from target_intercom.sync.mapping import AttributeType, ContactMapper
    from target_intercom.sync.marks import StreamMarks
    from target_intercom.sync.matching import Matcher, View
    from target_intercom.sync.memory import Familiar, StreamMemory
    from target_intercom.sync.naming import Naming
    from target_intercom.sync.overlay import Wave
    from target_intercom.sync.recent import RecentContacts
    from target_intercom.sync.writing import Writer, Written


class ContactSync:
    """Brings the contacts of one stream in line with its records."""

    def __init__(
        self,
        stream: str,
        config: StreamConfig,
        *,
        mappers: Mappers[ContactMapper],
        catalog: AttributeCatalog,
        matcher: Matcher,
        recent: RecentContacts,
        memory: StreamMemory,
        naming: Naming,
        writer: Writer,
        marks: StreamMarks,
        groups: ListedGroups,
        report: RunReport,
    ) -> None:
        """Put the parts together: All but `catalog`, `matcher`, `recent` and `report` are this stream's own."""
        self._stream = stream
        self._config = config
        self._mappers = mappers
        self._catalog = catalog
        self._matcher = matcher
        self._recent = recent
        self._memory = memory
        self._naming = naming
        self._writer = writer
        self._marks = marks
        self._groups = groups
        self._report = report
        self._custom: dict[str, AttributeType | None] = {}

    def meet(self, schema: StreamSchema) -> None:
        """Check that records can be loaded that come under a schema.

        Raises:
            StreamRefusedError: they cannot.
        """
        self._mappers.of(schema)

    def run(self, records: Sequence[Received]) -> None:
        """Bring a batch into Intercom; every record gets its outcome, marked ones at the end of the pipe."""
        records = self._refuse_troubled(records)
        for mapper, some in self._mappers.parted(records):
            mapper.learn([received.record for received in some])
        familiar, others, sources = self._memory.familiar(records, self._ground)
        quiet, entries = in_line(self._memory.recall(self._map(others, sources)))
        view = self._look_up(entries)
        entries = self._leave(familiar, quiet, entries, view)
        try:
            while entries := self._refuse_unidentified(entries):
                now = self._now(view, entries)
                wave = overlay(entries, now, self._config)
                entries = self._memory.recall(self._write(wave, now))
                view.absorb(self._look_up([entry for entry in entries if entry.again]))
        except BaseException:
            # What ended it is what counts, also where the ledger cannot be written any more.
            with suppress(LedgerError):
                self._memory.forget_batch()
            raise
        self._memory.flush()
        self._groups.write()
        self._memory.know_again()
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
                self._report.cut(self._stream, mapped.cut)
                self._report.left_out(self._stream, mapped.left_out)
                source = sources.get(received.number) if mapper.says_all(mapped, received.record) else None
                entries.append(Entry(received, mapped.draft, source=source))
        return entries

    def _provide_attributes(self, records: Sequence[Received]) -> None:
        """Find, or make, the custom attributes that records want: of the schemas that name a type the first counts."""
        wanted = Wanted(self._custom)
        for mapper, some in self._mappers.runs(records):
            mapper.want((one.record for one in some if not mapper.removes(one.record)), wanted)
        self._custom |= self._catalog.provide(wanted.kinds(), create=self._config.create_attributes)

    def _look_up(self, entries: Sequence[Entry]) -> View:
        """Ask Intercom whom these records mean; where the ledger knows, it is not asked, unless there is a doubt."""
        asked = [entry for entry in entries if entry.contact is None or entry.is_unsure]
        identities = list(dict.fromkeys(entry.draft.identity for entry in asked))
        self._naming.meet(identities)
        removes = self._config.sync_mode is SyncMode.REMOVE
        leads = removes or self._config.creation_mode is not CreationMode.USER
        known = {entry.contact.id for entry in asked if entry.contact is not None}
        view = self._matcher.look_up(identities, self._config.match_by, known=known, leads=leads, everyone=removes)
        if removes:
            self._look_up_leads(view, entries)
        return view

    def _look_up_leads(self, view: View, entries: Sequence[Entry]) -> None:
        """Ask Intercom for all contacts with the emails of those that orders to remove find: they mean the person."""
        linked = (entry.contact for entry in entries if entry.contact is not None)
        emails = {contact.email for contact in (*view.contacts(), *linked) if contact.email is not None}
        emails -= {entry.draft.identity.email for entry in entries if entry.draft.identity.email is not None}
        identities = [Identity(email=email) for email in sorted(emails)]
        view.absorb(self._matcher.look_up(identities, [MatchBy.EMAIL], leads=True, everyone=True))

    def _leave(
        self, familiar: Sequence[Familiar], quiet: Sequence[Entry], others: Sequence[Entry], view: View
    ) -> list[Entry]:
        """Leave records alone that are in line with their contacts; gives those that are not, in their order.

        One whose contact another record of the batch may mean, too, is not left: the later of the two has to win.
        """
        involved = view.names().union(*map(_names, others))
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
        self._report.count(self._stream, Result.UNCHANGED, times=len(last))
        self._report.count(self._stream, Result.MERGED, times=len(familiar) + len(quiet) - len(last))
        self._marks.live({**{one.key: one.received.number for one in familiar}, **_places(quiet)})

    def _refuse_troubled(self, records: Sequence[Received]) -> list[Received]:
        """Report the records that are known to be invalid, and return the others."""
        for received in records:
            if received.trouble is not None:
                self._invalid(received, received.trouble)
        return [received for received in records if received.trouble is None]

    def _refuse_unidentified(self, entries: Sequence[Entry]) -> list[Entry]:
        """Refuse records without an identifier that the ledger does not know, and will not know within the batch."""
        kept: list[Entry] = []
        loaded: set[RecordKey | None] = set()
        for entry in entries:
            if self._is_unidentified(entry) and entry.key not in loaded:
                self._invalid(entry.received, no_identifier(self._config.match_by))
                continue
            kept.append(entry)
            if entry.key is not None and not entry.draft.removed:
                loaded.add(entry.key)
        return kept

    def _is_unidentified(self, entry: Entry) -> bool:
        if entry.again or any(entry.draft.identity.get(which) is not None for which in self._config.match_by):
            return False
        return entry.known is None or (entry.contact is None and not entry.draft.removed)

    def _now(self, view: View, entries: Sequence[Entry]) -> View:
        """Give the view as this run's writes have left it."""
        identities = list(dict.fromkeys(entry.draft.identity for entry in entries))
        self._naming.meet(identities)
        self._matcher.refresh(view, identities)
        self._matcher.remind(view, (entry.contact for entry in entries if entry.contact is not None))
        return view.copy()

    def _write(self, wave: Wave, view: View) -> list[Entry]:
        """Carry out a wave; gives the entries that are to be tried (again) after it, in their order."""
        for entry, unclear in wave.refused:
            self._refuse([entry], refusal(unclear))
        for entry, match in wave.marks:
            if self._marks.place(entry, match, view):
                self._memory.unlink(entry)
        again: list[Entry] = []
        operations = [plan(group, self._config) for group in wave.groups]
        operations = self._groups.load(operations)
        self._memory.doubt(operations)
        for written in self._writer.write(operations):
            again.extend(self._settle(written))
        return sorted([*again, *wave.waiting], key=_place)

    def _settle(self, written: Written) -> list[Entry]:
        """Report what became of a group; gives the entries that have to be tried again."""
        if not isinstance(written, Saved):
            self._groups.take_back(written.group)
        match written:
            case Saved():
                return self._saved(written)
            case Left(group, reason):
                return self._left(group, reason)
            case Rejected(group, why):
                return self._rejected(group, why)
            case InDoubt(group, why):
                self._refuse(group.entries, why)
                return group.ended
            case Vanished(group, contact_id):
                return self._vanished(group, contact_id)
            case Mistaken(group, why):
                return self._mistaken(group, why)

    def _saved(self, saved: Saved) -> list[Entry]:
        group, contact = saved.group, saved.contact
        self._report.left_out(self._stream, _values_of(saved.dropped, group))
        if contact is not None:
            changed = saved.result is not Result.UNCHANGED
            self._memory.loaded(
                group,
                contact,
                changed=changed,
                left_out=saved.dropped,
                may_change=saved.may_change,
                by_merge=saved.by_merge or (isinstance(group.match, Found) and group.match.by_merge),
            )
        if saved.tags_sent:
            self._groups.arrived(group)
        return self._done(group, contact, saved.result)

    def _left(self, group: Group, reason: SkipReason) -> list[Entry]:
        if isinstance(group.match, NotFound) and len(group.entries) > 1:
            # Intercom knew somebody after all: that holds for the first record, not for those laid over it.
            return self._one_by_one(group)
        contact = group.match.contact if isinstance(group.match, Found) else None
        if contact is not None:
            self._memory.found(group, contact)
        return self._done(group, contact, Result.SKIPPED, reason)

    def _done(
        self, group: Group, contact: Contact | None, result: Result, reason: SkipReason | None = None
    ) -> list[Entry]:
        """Report a group whose records went through, and mark its contact where some of them do."""
        if contact is not None:
            if contact.is_read and not (isinstance(group.match, Found) and group.match.contact is contact):
                self._recent.remember(contact)
            self._groups.saved(group, contact, result)
        first_wins = self._config.sync_mode is SyncMode.INSERT
        winner = group.entries[0] if first_wins else group.entries[-1]
        for entry in group.entries:
            if entry is winner:
                self._report.record(self._stream, Outcome(entry.received, result, reason))
            else:
                self._report.record(self._stream, Outcome(entry.received, Result.MERGED))
        for entry in group.in_order():
            if not entry.draft.removed:
                self._marks.live(_places([entry]))
            elif self._marks.place_after(entry, contact):
                self._memory.unlink(entry)
        return []

    def _rejected(self, group: Group, why: Refusal) -> list[Entry]:
        """Reject a record; several that were refused together are tried one by one, so that one spoils no other."""
        if len(group.entries) > 1:
            return self._one_by_one(group)
        self._refuse(group.entries, why)
        # They were placed as if the record had been written: they may mean somebody else now.
        return group.ended

    @staticmethod
    def _one_by_one(group: Group) -> list[Entry]:
        """Give a group's records to be tried again, each by itself."""
        return [entry if entry.draft.removed else replace(entry, alone=True) for entry in group.in_order()]

    def _vanished(self, group: Group, contact: ContactId) -> list[Entry]:
        """Match the records of a contact that is gone a second time, and no third time."""
        self._recent.forget(contact)
        self._groups.gone(contact)
        if any(entry.again for entry in group.entries):
            reason = f"contact {contact} is gone, and so is every other match"
            self._refuse(group.entries, Refusal(Result.REJECTED, reason, "contact_gone"))
            return group.ended
        return [_second_try(entry, contact) for entry in group.in_order()]

    def _mistaken(self, group: Group, why: Refusal) -> list[Entry]:
        """Match records a second time, without the ledger that named the wrong contact, and no third time.

        Of several that were refused together each has to be tried by itself: one may have spoilt it for the others.
        """
        if len(group.entries) > 1:
            return self._one_by_one(group)
        if any(entry.again for entry in group.entries):
            return self._rejected(group, why)
        return [replace(entry, known=None, again=True) for entry in group.in_order()]

    # Refusals.

    def _invalid(self, received: Received, error: InvalidRecordError) -> None:
        why = Refusal(Result.INVALID, error.reason, error.code, error.field)
        self._report.record(self._stream, Outcome(received, Result.INVALID, refusal=why))
        self._keep_refused(received)

    def _refuse(self, entries: Iterable[Entry], why: Refusal) -> None:
        for entry in entries:
            self._report.record(self._stream, Outcome(entry.received, why.result, refusal=why))
            self._keep_refused(entry.received)

    def _keep_refused(self, received: Received) -> None:
        """Keep the contacts that a record may name that could not be loaded: it came, and STATE goes past it."""
        mapper = self._mappers.of(received.schema)
        identity = mapper.identity(received.record)
        key = self._memory.see_refused(received, identity, mapper.identifiers)
        self._marks.refused(received, key, identity, is_mark=mapper.removes(received.record))


def _values_of(attributes: Iterable[str], group: Group) -> list[str]:
    """Give each attribute once for every record that has a value for it."""
    return [name for name in attributes for entry in group.entries if entry.draft.attributes.get(name) is not None]


def _second_try(entry: Entry, gone: ContactId) -> Entry:
    identity = entry.draft.identity
    if identity.id == gone:
        identity = replace(identity, id=None)
    return replace(entry, draft=replace(entry.draft, identity=identity), known=None, again=True)


def _place(entry: Entry) -> int:
    return entry.received.number


def _names(entry: Entry) -> set[Identifier]:
    """Give the identifiers by which a record may mean somebody whom another record means."""
    names = set(entry.draft.identity.identifiers())
    return names if entry.contact is None else names.union(Identity.of(entry.contact).identifiers())


def _places(entries: Iterable[Entry]) -> dict[RecordKey, int]:
    """Return the place in the pipe of the last record of each key."""
    return {entry.key: entry.received.number for entry in entries if entry.key is not None}


def _whose(entry: Entry) -> ContactId | int:
    """Tell records of one contact; where it is not known, each stands for itself."""
    return entry.received.number if entry.contact is None else entry.contact.id
