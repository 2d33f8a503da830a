"""The ledger that remembers: one workspace, one run, on SQLAlchemy Core."""

from __future__ import annotations

import itertools
import time
import typing as t
from copy import copy

from sqlalchemy import bindparam, case, delete, select, true, update

from target_intercom.intercom.protocol.companies import Company
from target_intercom.kinds.company_members import company_key
from target_intercom.ledger import unnamed
from target_intercom.ledger.entries import (
    CHANGING,
    IS_BEGUN,
    IS_MISSABLE,
    NOTHING,
    EntryRows,
    columns_of,
    groups_print,
)
from target_intercom.ledger.memberships.forgotten import (
    forget_contacts,
    forget_groups,
    look_at_returned,
    release_records,
)
from target_intercom.ledger.memberships.written import Memberships
from target_intercom.ledger.record_queries import RecordQueries
from target_intercom.ledger.remembered import UNCONFIRMED, UNNOTED, Doubt, EntryState, stamp
from target_intercom.ledger.runs import failures, last_runs
from target_intercom.ledger.runs.lead_intents import SqlLeadIntents
from target_intercom.ledger.runs.stamps import mend_stamps
from target_intercom.ledger.runs.streams import SqlStreams
from target_intercom.ledger.runs.unarchived import SqlUnarchivedContacts, forget_live
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.locks import locks_of
from target_intercom.ledger.store.tables import ENTRIES, OF_COMPANIES, OF_CONTACTS

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from target_intercom.ledger.remembered import Loaded
    from target_intercom.ledger.store.database import Database
    from target_intercom.model import Contact, ContactId, RecordKey
    from target_intercom.reporting.ended_run import EndedRun

_OVERRULED: t.Final = ", overruled"
"""After a doubt: a record of this run had overruled the row before."""

_E = ENTRIES.c
_FOUND_BY: t.Final = (_E.contact_id, _E.role, _E.external_id, _E.email, _E.intercom_id)


class SqlLedger(RecordQueries):
    """The memory of one workspace, in one run."""

    remembers: t.ClassVar[bool] = True

    def __init__(self, database: Database, workspace: str, run: str) -> None:
        """Work on an open database; `run` is this run's id."""
        super().__init__(database, workspace, run)
        self._doubts = itertools.count()
        self._locks = locks_of(database)
        self.streams: SqlStreams = SqlStreams(database, workspace, run, self._locks)
        self.intents: SqlLeadIntents = SqlLeadIntents(database, workspace, run)
        self.memberships: Memberships = Memberships(database, workspace, run)
        self.unarchived: SqlUnarchivedContacts = SqlUnarchivedContacts(database, workspace, run, self._locks)
        mend_stamps(database, workspace)

    def finish(self) -> None:
        """See `Ledger`."""
        known = {
            stream: (self if object_ in {OF_CONTACTS, OF_COMPANIES} else self.memberships).known(stream)
            for stream, object_ in self.streams.entered.items()
        }
        self._database.write(lambda connection: self.streams.write_success(connection, known))
        self.delete_old()

    def trust_overruled(self) -> None:
        """See `Ledger`."""
        overruled = update(ENTRIES).where(_E.workspace == self._workspace, _E.doubt == self._run).values(doubt=None)
        self._database.write(lambda connection: connection.execute(overruled))

    def delete_old(self) -> int:
        """Delete what is of no use any more (docs/ledger.md); returns how many keys of removed records were."""

        def work(connection: Connection) -> int:
            self.intents.delete_old(connection)
            failures.delete_old(connection, self._workspace)
            self.memberships.delete_old(connection)
            return self._entries.delete_old(connection)

        return self._database.write(work)

    def failures(self) -> Mapping[str, int]:
        """See `Ledger`."""
        return failures.read(self._database, self._workspace)

    def note_failures(self, ended_by: str | None, worked: Collection[str]) -> None:
        """See `Ledger`."""
        failures.write(self._database, self._workspace, ended_by, worked)

    def of(self, object_: str) -> SqlLedger:
        """See `Ledger`."""
        view = copy(self)
        view._entries = EntryRows(self._database, self._workspace, self._run, object_)  # noqa: SLF001 - a copy of this
        return view

    def last_runs(self) -> Sequence[EndedRun]:
        """See `Ledger`."""
        with self._database.reading() as connection:
            return last_runs.read(connection, self._workspace)

    def note_run(self, run: EndedRun) -> None:
        """See `Ledger`."""
        last_runs.write(self._database, self._workspace, run)

    def close(self) -> None:
        """See `Ledger`."""
        self._locks.close()
        self._database.close()

    # Records.

    def save_source_hashes(self, stream: str, sources: Mapping[RecordKey, str]) -> None:
        """See `Ledger`."""
        where = (*self._entries.of(stream), _E.key == bindparam("which"))
        values = [{"which": key, "as": source} for key, source in sorted(sources.items())]
        if values:
            statement = update(ENTRIES).where(*where).values(source=bindparam("as"))
            self._database.write(lambda connection: connection.execute(statement, values))

    def adopt(self, contacts: Sequence[Contact]) -> None:
        """See `Ledger`."""
        if self._entries.object == OF_CONTACTS:
            unnamed.adopt(self._database, self._workspace, contacts)

    def doubt(self, contacts: Sequence[ContactId]) -> Doubt:
        """See `Ledger`."""
        doubt = Doubt(f"{self._run} sends {next(self._doubts)}")
        # Of a contact that is in doubt for another reason too, nothing can be taken back.
        now = case((_E.doubt.is_(None), doubt), (_E.doubt == self._run, doubt + _OVERRULED), else_=UNCONFIRMED)
        self._set_doubt(contacts, true(), now)
        return doubt

    def begin(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """See `Ledger`."""
        rows = [self._entries.of_begun(stream, key) for key in sorted(keys)]
        if rows:
            self._database.write(lambda connection: self._entries.add_all(connection, rows))

    def take_back(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """See `Ledger`."""

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(keys)):
                where = (*self._entries.of(stream), _E.key.in_(chunk), IS_BEGUN)
                connection.execute(delete(ENTRIES).where(*where))

        if keys:
            self._database.write(work)

    def trust(self, contacts: Sequence[ContactId], doubt: Doubt) -> None:
        """See `Ledger`."""
        before = case((_E.doubt == doubt + _OVERRULED, self._run), else_=None)
        self._set_doubt(contacts, _E.doubt.in_([doubt, doubt + _OVERRULED]), before)

    def _set_doubt(
        self, contacts: Sequence[ContactId], where: ColumnElement[bool], doubt: ColumnElement[t.Any]
    ) -> None:
        def work(connection: Connection) -> None:
            for chunk in chunks(contacts):
                of = (*self._entries.all, _E.contact_id.in_(chunk), where)
                connection.execute(update(ENTRIES).where(*of).values(doubt=doubt))

        if contacts:
            self._database.write(work)

    def _change(self, connection: Connection, contacts: Iterable[Contact]) -> None:
        """Write that contacts were changed, and what they are found by now, into the rows of all their records."""
        now = {one.id: columns_of(one) for one in contacts}
        stale: set[ContactId] = set()
        for chunk in chunks(sorted(now)):
            where = (*self._entries.all, _E.contact_id.in_(chunk))
            connection.execute(update(ENTRIES).where(*where).values(doubt=UNCONFIRMED))
            rows = connection.execute(select(*_FOUND_BY).where(*where)).mappings()
            stale.update(row["contact_id"] for row in rows if dict(row) != now[row["contact_id"]])
        found_by: dict[str, object] = {column.name: bindparam(f"new_{column.name}") for column in _FOUND_BY}
        moved = update(ENTRIES).where(*self._entries.all, _E.contact_id == bindparam("new_contact_id"))
        if stale:
            values = [{f"new_{name}": value for name, value in now[one].items()} for one in sorted(stale)]
            connection.execute(moved.values(found_by), values)

    def _anew(self, connection: Connection, companies: Iterable[Contact]) -> Iterator[ContactId]:
        """Yield the companies that another one has taken the place of: somebody archived the one that was known."""
        now = {one.id: one.intercom_id for one in companies if isinstance(one, Company)}
        for chunk in chunks(sorted(now)):
            known = (*self._entries.all, _E.contact_id.in_(chunk), _E.intercom_id.is_not(None))
            for row in connection.execute(select(_E.contact_id, _E.intercom_id).where(*known)):
                if now[row.contact_id] not in {None, row.intercom_id}:
                    yield row.contact_id

    def _gone(self, connection: Connection, companies: Iterable[ContactId]) -> set[ContactId]:
        """Return those of these companies that were removed, and did not come back."""
        gone: set[ContactId] = set()
        for chunk in chunks(sorted(companies)):
            removed = (*self._entries.all, _E.gone_id.in_(chunk))
            live = (*self._entries.all, _E.contact_id.in_(chunk))
            gone.update(connection.scalars(select(_E.gone_id).where(*removed)))
            gone.difference_update(connection.scalars(select(_E.contact_id).where(*live)))
        return gone

    def _overrule(self, connection: Connection, stream: str, changed: Mapping[ContactId, RecordKey]) -> None:
        """Write which record of a stream changed a contact that others of it have, too."""
        where = (*self._entries.of(stream), _E.contact_id == bindparam("of"), _E.key != bindparam("by"))
        values = [{"of": contact, "by": key} for contact, key in sorted(changed.items())]
        if values:
            overruled = update(ENTRIES).where(*where).values(doubt=self._run, overruled_by=bindparam("by"))
            connection.execute(overruled, values)

    def remember(self, stream: str, loaded: Sequence[Loaded]) -> None:
        """See `Ledger`.

        What other records, of any stream, said of a changed contact is in doubt; this comes first, so that it does
        not hit those that are written now.
        """
        rows = {one.entry.key: self._entries.of_record(stream, one) for one in loaded}
        named = [(one, one.entry.contact.id) for one in loaded if one.entry.contact and one.entry.contact.is_named]
        changed = {contact: one.entry for one, contact in named if one.changed}
        shown = [entry.contact for entry in changed.values() if entry.contact is not None]
        # What may still change is not confirmed.
        certain = {contact: entry.key for contact, entry in changed.items() if entry.hashes is not None}
        live = {contact for _, contact in named}
        dropped = [self._entries.of_dropped(stream, one.dropped) for one in loaded if one.dropped is not None]

        def work(connection: Connection) -> int:
            back: set[ContactId] = set()
            if self._entries.object == OF_COMPANIES:
                anew = set(self._anew(connection, shown))
                forget_groups(connection, self._workspace, set(map(company_key, anew)))
                back = anew | self._gone(connection, live)
            self._change(connection, shown)
            self._overrule(connection, stream, certain)
            self._entries.put(connection, dropped, CHANGING)
            # In a fixed order, so that two runs do not wait for each other.
            in_order = [rows[key] for key in sorted(rows)]
            self._entries.put(connection, in_order, CHANGING, groups_print=groups_print)
            if self._entries.object == OF_COMPANIES:
                return look_at_returned(connection, self._workspace, set(map(company_key, back)), self._run)
            forget_live(connection, self._workspace, live)
            return 0

        if rows:
            self.memberships.work.waits = bool(self._database.write(work)) or self.memberships.work.waits

    def see(self, stream: str, keys: Sequence[RecordKey], version: int | None) -> None:
        """See `Ledger`."""
        self._entries.see(stream, keys, version)

    def name(self, found: Sequence[tuple[Contact, Contact]]) -> None:
        """See `Ledger`."""
        unnamed.name(self._database, self._workspace, found)

    # Removals.

    def activate(self, stream: str, version: int) -> None:
        """See `Ledger`."""
        self._entries.activate(stream, version)

    def release(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """See `Ledger`."""

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(keys)):
                connection.execute(delete(ENTRIES).where(*self._entries.of(stream), _E.key.in_(chunk)))
            release_records(connection, self._workspace, stream, keys)

        if keys:
            self._database.write(work)

    def miss(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """See `Ledger`. A record that comes again is compared, and says its groups anew."""
        missing = {
            "standing": EntryState.MISSING.value,
            "content": None,
            "groups_print": case((_E.groups_print.is_not(None), UNNOTED)),
        }

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(keys)):
                where = (*self._entries.of(stream), _E.key.in_(chunk), IS_MISSABLE)
                connection.execute(update(ENTRIES).where(*where).values(missing))
            release_records(connection, self._workspace, stream, keys)

        if keys:
            self._database.write(work)

    def unlink(self, stream: str, keys: Sequence[RecordKey], *, with_tags: bool) -> None:
        """See `Ledger`. The keys stay: a log-based tap may send a deletion twice, with nothing but the key."""
        nothing = {**NOTHING, "gone_id": None, "seen_at": stamp(time.time())}

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(keys)):
                where = (*self._entries.of(stream), _E.key.in_(chunk), _E.standing != EntryState.REMOVED.value)
                connection.execute(update(ENTRIES).where(*where).values(nothing))
            if with_tags:
                release_records(connection, self._workspace, stream, keys)

        if keys:
            self._database.write(work)

    def removed(self, contacts: Mapping[ContactId, str]) -> None:
        """See `Ledger`. The keys stay: a log-based tap may send a deletion twice, with nothing but the key.

        So does the contact's id, since search may go on showing the contact for a while.
        """

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(contacts)):
                where = (*self._entries.all, _E.contact_id.in_(chunk))
                emails = connection.scalars(select(_E.email).where(*where, _E.email.is_not(None))).all()
                self.intents.delete(connection, emails)
                known = set(connection.scalars(select(_E.contact_id).where(*where)))
                gone = {"gone_id": _E.contact_id, "written_at": stamp(time.time())}
                connection.execute(update(ENTRIES).where(*where).values({**NOTHING, **gone}))
                unknown = [
                    self._entries.of_gone(contacts[contact], contact) for contact in chunk if contact not in known
                ]
                self._entries.put(connection, unknown, CHANGING)
            if self._entries.object == OF_COMPANIES:
                forget_groups(connection, self._workspace, set(map(company_key, contacts)))
            else:
                forget_contacts(connection, self._workspace, sorted(contacts))

        if contacts:
            self._database.write(work)
