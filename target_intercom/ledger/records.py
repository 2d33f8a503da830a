"""The ledger that remembers: one workspace, one run, on SQLAlchemy Core."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
import time
import typing as t
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import bindparam, case, delete, exists, false, func, insert, or_, select, true, tuple_, update

from target_intercom.errors import LeadPendingError, LedgerError
from target_intercom.ledger.forgotten_memberships import forget_contacts, release_records
from target_intercom.ledger.interface import (
    UNCONFIRMED,
    UNNOTED,
    EntryState,
    Hashes,
    Holder,
    Ledger,
    LedgerEntry,
    Stamp,
    UnchangedRow,
    stamp,
)
from target_intercom.ledger.memberships import Memberships
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.locks import enter, lock_name, locks_of
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import ENTRIES, FAILURES, INTENTS, MEMBERSHIPS, STREAMS
from target_intercom.ledger.summaries import contact_streams
from target_intercom.ledger.unarchived import Unarchived, forget_live
from target_intercom.model import Contact, ContactId, Identity

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from target_intercom.ledger.interface import Loaded
    from target_intercom.ledger.store.database import Database
    from target_intercom.ledger.store.rows import Columns
    from target_intercom.model import Email, RecordKey

_PAGE = 5000
"""Rows that are in memory at once."""
_LONGEST_EMAIL = 500
_INTENTS_KEPT = 86_400.0
"""Seconds after which search shows every lead for sure: its intent is of no use any more."""

_FAILURES_KEPT = 30 * 86_400.0
"""Seconds after which a failure says nothing any more of the next."""

_E, _F, _I, _S = ENTRIES.c, FAILURES.c, INTENTS.c, STREAMS.c


class SqlLedger(Ledger):
    """The memory of one workspace, in one run."""

    remembers: t.ClassVar[bool] = True

    def __init__(self, database: Database, workspace: str, run: str) -> None:
        """Work on an open database; `run` is this run's id."""
        self.memberships = Memberships(database, workspace, run)
        self._database = database
        self._workspace = workspace
        self._run = run
        self._locks = locks_of(database)
        self.unarchived: Unarchived = Unarchived(database, workspace, run, self._locks)
        self._streams, self._entries, self._intents = (
            Rows(database, workspace, run, table) for table in (STREAMS, ENTRIES, INTENTS)
        )
        self._entered: set[str] = set()
        self._in_company: set[str] = set()
        self._waiting: list[_Intent] = []
        self._queue = threading.Lock()
        self._writing = threading.Lock()
        self._mend_stamps()

    def _mend_stamps(self) -> None:
        """Write that what was stamped by a clock that was ahead happened just now: search may lag behind it once."""
        now = stamp(time.time())
        ahead = [
            (table, (table.c.workspace == self._workspace, table.c.written_at > now))
            for table in (ENTRIES, MEMBERSHIPS)
        ]
        with self._database.reading() as connection:
            ahead = [(table, where) for table, where in ahead if connection.scalar(select(exists().where(*where)))]

        def work(connection: Connection) -> None:
            for table, where in ahead:
                connection.execute(update(table).where(*where).values(written_at=now))

        if ahead:
            self._database.write(work)

    # Streams.

    def enter(self, stream: str, keys: Sequence[str], *, alone: bool, removes: bool = False) -> None:
        """See `Ledger`."""
        name = lock_name(self._workspace, stream)
        if removes and not alone and stream not in self._entered:
            # Alone for a moment, to see whether anybody is there; noted before anybody else can come.
            if self._locks.take(name, alone=True):
                self._note(stream, keys)
            else:
                self._in_company.add(stream)
        enter(self._locks, name, stream, alone=alone)
        self._note(stream, keys)

    def _note(self, stream: str, keys: Sequence[str]) -> None:
        """Write down that this run works on a stream, once."""
        if stream in self._entered:
            return
        values = {"key_properties": json.dumps(list(keys)), "last_run": self._run, "started_at": _now()}

        def work(connection: Connection) -> None:
            row = {"workspace": self._workspace, "stream": stream, **values}
            self._streams.put(connection, [row], tuple(values))

        self._database.write(work)
        self._entered.add(stream)

    def contact_streams(self) -> Sequence[str]:
        """See `Ledger`."""
        with self._database.reading() as connection:
            return contact_streams(connection).get(self._workspace, ())

    def was_alone(self, stream: str) -> bool:
        """See `Ledger`. Nobody was there when this run entered, and whoever enters writes so: the last was this run."""
        self._locks.check()
        if stream in self._in_company:
            return False
        with self._database.reading() as connection:
            last = select(_S.last_run).where(_S.workspace == self._workspace, _S.stream == stream)
            return connection.scalar(last) == self._run

    def finish(self) -> None:
        """See `Ledger`. A stream is of contacts, or of memberships."""
        of_contacts = set(self.contact_streams())
        known = [
            {"which": stream, "count": (self if stream in of_contacts else self.memberships).known(stream)}
            for stream in sorted(self._entered)
        ]
        mine = (_S.workspace == self._workspace, _S.last_run == self._run, _S.stream == bindparam("which"))
        ended = update(STREAMS).where(*mine).values(finished_at=_now(), known=bindparam("count"))
        yesterday = stamp(time.time() - _INTENTS_KEPT)
        settled = (_I.workspace == self._workspace, _I.sent_at < yesterday)
        gone = (_E.workspace == self._workspace, _E.written_at < yesterday, *_GONE_UNKNOWN)
        overruled = (_E.workspace == self._workspace, _E.doubt == self._run)

        def work(connection: Connection) -> None:
            if known:
                connection.execute(ended, known)
            connection.execute(delete(INTENTS).where(*settled))
            connection.execute(delete(ENTRIES).where(*gone))
            # What a later record of the stream has changed is as that one says.
            connection.execute(update(ENTRIES).where(*overruled).values(doubt=None))

        self._database.write(work)
        self.memberships.finish()

    def failures(self) -> Mapping[str, int]:
        """See `Ledger`."""
        recent = (_F.workspace == self._workspace, _F.failed_at > stamp(time.time() - _FAILURES_KEPT))
        with self._database.reading() as connection:
            return {row.about: row.runs for row in connection.execute(select(FAILURES).where(*recent))}

    def note_failures(self, ended_by: str | None, worked: Collection[str]) -> None:
        """See `Ledger`."""
        runs = 0 if ended_by is None else self.failures().get(ended_by, 0) + 1
        over = {*worked, *(() if ended_by is None else (ended_by,))}

        def work(connection: Connection) -> None:
            connection.execute(delete(FAILURES).where(_F.workspace == self._workspace, _F.about.in_(sorted(over))))
            if ended_by is not None:
                row = {"workspace": self._workspace, "about": ended_by, "runs": runs, "failed_at": stamp(time.time())}
                connection.execute(insert(FAILURES), [row])

        if over:
            self._database.write(work)

    def close(self) -> None:
        """See `Ledger`."""
        self._locks.close()
        self._database.close()

    # Records.

    def recall(self, stream: str, keys: Sequence[RecordKey]) -> Mapping[RecordKey, LedgerEntry]:
        """See `Ledger`."""
        known: dict[RecordKey, LedgerEntry] = {}
        if not keys:
            return known
        with self._database.reading() as connection:
            for chunk in chunks(keys):
                of = (*self._entries.of(stream), _E.key.in_(chunk))
                for row in connection.execute(select(ENTRIES, _IS_IN_LINE.label("is_in_line")).where(*of)):
                    known[row.key] = self._entry(row)
        return known

    def settled(self, stream: str, keys: Sequence[RecordKey]) -> Mapping[RecordKey, UnchangedRow]:
        """See `Ledger`."""
        found: dict[RecordKey, UnchangedRow] = {}
        has_its_tags = or_(_E.groups_print.is_(None), (_E.groups_print != UNNOTED) & _E.groups_run.is_(None))
        is_settled = (_E.source.is_not(None), _E.content.is_not(None), _IS_IN_LINE, _E.role == "user", has_its_tags)
        query = select(_E.key, _E.source, _E.contact_id, _E.external_id, _E.email)
        query = query.where(*self._entries.of(stream), _E.standing == EntryState.SYNCED, *is_settled)
        with self._database.reading() as connection:
            for chunk in chunks(keys):
                for key, *rest in connection.execute(query.where(_E.key.in_(chunk))):
                    found[key] = UnchangedRow(*rest)
        return found

    def save_source_hashes(self, stream: str, sources: Mapping[RecordKey, str]) -> None:
        """See `Ledger`."""
        where = (*self._entries.of(stream), _E.key == bindparam("which"))
        values = [{"which": key, "as": source} for key, source in sorted(sources.items())]
        if values:
            statement = update(ENTRIES).where(*where).values(source=bindparam("as"))
            self._database.write(lambda connection: connection.execute(statement, values))

    def adopt(self, contacts: Sequence[Contact]) -> None:
        """See `Ledger`."""
        with self._database.reading() as connection:
            unnamed = select(_E.key).where(_E.workspace == self._workspace, *_UNNAMED).limit(1)
            if not contacts or connection.scalar(unnamed) is None:
                return
        users = [{"by": external_id, "who": contact.id} for contact in contacts if (external_id := _user_id(contact))]
        mails = [
            {"by": email, "as": contact.role, "who": contact.id}
            for contact in contacts
            if (email := _storable(contact.email)) is not None
        ]
        of = (_E.workspace == self._workspace, *_UNNAMED)
        by_external_id = update(ENTRIES).where(*of, _E.role == "user", _E.external_id == bindparam("by"))
        by_email = (_E.external_id.is_(None), _E.email == bindparam("by"), _E.role == bindparam("as"))

        def work(connection: Connection) -> None:
            if users:
                connection.execute(by_external_id.values(contact_id=bindparam("who")), users)
            if mails:
                connection.execute(update(ENTRIES).where(*of, *by_email).values(contact_id=bindparam("who")), mails)

        self._database.write(work)

    def doubt(self, contacts: Sequence[ContactId]) -> None:
        """See `Ledger`."""
        if contacts:
            self._database.write(lambda connection: self._doubt(connection, contacts))

    def _doubt(self, connection: Connection, contacts: Sequence[ContactId]) -> None:
        for chunk in chunks(contacts):
            where = (_E.workspace == self._workspace, _E.contact_id.in_(chunk))
            connection.execute(update(ENTRIES).where(*where).values(doubt=UNCONFIRMED))

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
        rows = {one.entry.key: self._row(stream, one) for one in loaded}
        named = [(one, one.entry.contact.id) for one in loaded if one.entry.contact and one.entry.contact.is_named]
        changed = {contact: one.entry for one, contact in named if one.changed}
        # What may still change is not confirmed.
        certain = {contact: entry.key for contact, entry in changed.items() if entry.prints is not None}
        live = {contact for _, contact in named}
        left = [self._left_row(stream, one.left) for one in loaded if one.left is not None]

        def work(connection: Connection) -> None:
            self._doubt(connection, sorted(changed))
            self._overrule(connection, stream, certain)
            self._entries.put(connection, left, _CHANGING)
            # In a fixed order, so that two runs do not wait for each other.
            in_order = [rows[key] for key in sorted(rows)]
            self._entries.put(connection, in_order, _CHANGING, groups_print=_groups_print)
            forget_live(connection, self._workspace, live)

        if rows:
            self._database.write(work)

    def see(self, stream: str, keys: Sequence[RecordKey], version: int | None) -> None:
        """See `Ledger`."""
        self._entries.see(stream, keys, version)

    def written_since(self, since: Stamp) -> Iterable[Contact]:
        """See `Ledger`."""
        id_ = func.coalesce(_E.contact_id, _E.gone_id)
        where = (_E.workspace == self._workspace, _E.written_at >= since, id_.is_not(None))
        with self._database.reading() as connection:
            return [_contact(row) for row in connection.execute(select(ENTRIES).where(*where))]

    # Leads on their way.

    def intend(self, email: Email, replacing: Stamp | None) -> Stamp:
        """See `Ledger`. Threads that come together share one transaction: each has to wait for the disk."""
        intent = _Intent(email, replacing)
        with self._queue:
            self._waiting.append(intent)
        with self._writing:
            if not intent.is_settled:
                self._write_intents()
        if intent.trouble is not None:
            raise intent.trouble
        if intent.pending is not None:
            raise LeadPendingError(intent.pending)
        return t.cast("Stamp", intent.written)

    def _write_intents(self) -> None:
        with self._queue:
            intents = list(self._waiting)
        try:
            self._database.write(lambda connection: self._claim_all(connection, intents))
        except LedgerError as error:
            for intent in intents:
                intent.trouble = error
        # After any other error they still wait, and the thread of each meets it for itself.
        with self._queue:
            del self._waiting[: len(intents)]
        for intent in intents:
            intent.is_settled = True

    def _claim_all(self, connection: Connection, intents: Sequence[_Intent]) -> None:
        for intent in intents:
            self._claim(connection, intent)

    def _claim(self, connection: Connection, intent: _Intent) -> None:
        """Write an intent where there is none, or in place of the one that it replaces."""
        intent.pending, intent.written = None, stamp(time.time() + intent.ahead_seconds)
        email = _intent_key(intent.email)
        row = {"workspace": self._workspace, "email": email, "sent_at": intent.written, "run": self._run}
        mine = (_I.workspace == self._workspace, _I.email == email)
        if intent.replacing is not None:
            replaces = update(INTENTS).where(*mine, _I.sent_at == intent.replacing).values(row)
            if connection.execute(replaces).rowcount:
                return
        if not self._intents.add(connection, row):
            intent.pending = connection.scalar(select(_I.sent_at).where(*mine))

    def intend_all(
        self, replacing: Mapping[Email, Stamp | None], ahead_seconds: float
    ) -> Mapping[Email, Stamp | LeadPendingError]:
        """See `Ledger`."""
        intents = [_Intent(email, earlier, ahead_seconds) for email, earlier in sorted(replacing.items())]
        self._database.write(lambda connection: self._claim_all(connection, intents))
        return {
            one.email: t.cast("Stamp", one.written) if one.pending is None else LeadPendingError(one.pending)
            for one in intents
        }

    def drop_intents(self, emails: Sequence[Email]) -> None:
        """See `Ledger`."""
        if emails:
            self._database.write(lambda connection: self._drop(connection, emails))

    def _drop(self, connection: Connection, emails: Iterable[Email]) -> None:
        for chunk in chunks(sorted(map(_intent_key, emails))):
            connection.execute(delete(INTENTS).where(_I.workspace == self._workspace, _I.email.in_(chunk)))

    # Contacts without an id.

    def unnamed(self) -> Iterator[tuple[Contact, Stamp]]:
        """See `Ledger`."""
        after = ("", "")
        order = tuple_(_E.stream, _E.key)
        page = select(ENTRIES).where(_E.workspace == self._workspace, *_UNNAMED).order_by(*order.clauses).limit(_PAGE)
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(page.where(order > tuple_(*after))).all()
            yield from ((_contact(row), row.written_at) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].stream, rows[-1].key

    def name(self, found: Sequence[tuple[Contact, Contact]]) -> None:
        """See `Ledger`. By what the contacts are known by: records of other keys and streams may name them, too."""

        def work(connection: Connection) -> None:
            for unnamed, contact in found:
                external_id, email = _storable(unnamed.external_id), _storable(unnamed.email)
                same = (_E.role == unnamed.role, _E.external_id == external_id, _E.email == email)
                where = (_E.workspace == self._workspace, *_UNNAMED, *same)
                connection.execute(update(ENTRIES).where(*where).values(contact_id=contact.id))

        if found:
            self._database.write(work)

    # Removals.

    def known(self, stream: str) -> int:
        """See `Ledger`."""
        # Those whose ids are not known count each for itself.
        contacts = func.coalesce(_E.contact_id, case((_E.role.is_not(None), _E.key))).distinct()
        count = select(func.count(contacts)).where(*self._entries.of(stream), _E.standing == EntryState.SYNCED)
        with self._database.reading() as connection:
            return connection.scalar(count) or 0

    def known_before(self, stream: str) -> int | None:
        """See `Ledger`."""
        with self._database.reading() as connection:
            return connection.scalar(select(_S.known).where(*self._streams.of(stream)))

    def streams(self) -> Mapping[str, str]:
        """See `Ledger`."""
        query = select(_S.stream, _S.started_at).where(_S.workspace == self._workspace).order_by(_S.stream)
        with self._database.reading() as connection:
            return {row.stream: row.started_at for row in connection.execute(query)}

    def misses(self, stream: str) -> bool:
        """See `Ledger`."""
        where = (*self._entries.of(stream), _E.standing.in_(_MISSABLE), ~self._entries.came())
        with self._database.reading() as connection:
            return connection.scalar(select(_E.key).where(*where).limit(1)) is not None

    def unseen(self, stream: str) -> Iterator[Holder]:
        """See `Ledger`."""
        after = ("", "")
        order = tuple_(_E.contact_id, _E.key)
        where = (*self._entries.of(stream), _E.standing.in_(_MISSABLE), ~self._entries.came())
        page = select(ENTRIES).where(*where).order_by(*order.clauses).limit(_PAGE)
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(page.where(order > tuple_(*after))).all()
            yield from map(self._holder, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].contact_id, rows[-1].key

    def holders(self, contacts: Sequence[ContactId]) -> Iterable[Holder]:
        """See `Ledger`."""
        found: list[Holder] = []
        with self._database.reading() as connection:
            for chunk in chunks(contacts):
                where = (_E.workspace == self._workspace, _E.contact_id.in_(chunk))
                found.extend(map(self._holder, connection.execute(select(ENTRIES).where(*where))))
        return found

    def users_with(self, emails: Sequence[Email]) -> Iterable[Contact]:
        """See `Ledger`."""
        found: dict[ContactId, Contact] = {}
        with self._database.reading() as connection:
            for chunk in chunks(email for email in emails if _storable(email) is not None):
                named = (_E.role == "user") & _E.contact_id.is_not(None) & _E.email.in_(chunk)
                where = select(ENTRIES).where(_E.workspace == self._workspace, named)
                found.update((contact.id, contact) for contact in map(_contact, connection.execute(where)))
        return found.values()

    def holds(self, stream: str, identity: Identity) -> bool:
        """See `Ledger`."""
        external_id, email = _storable(identity.external_id), _storable(identity.email)
        names = [
            *([] if external_id is None else [(_E.role == "user") & (_E.external_id == external_id)]),
            # Of two external_ids that differ, an email in common says nothing.
            *([] if email is None else [(_E.email == email) & _may_be(external_id)]),
            *([] if identity.id is None else [_E.contact_id == identity.id]),
        ]
        where = (*self._entries.of(stream), _E.standing.in_(_MISSABLE), or_(false(), *names))
        with self._database.reading() as connection:
            return connection.scalar(select(_E.key).where(*where).limit(1)) is not None

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
                where = (*self._entries.of(stream), _E.key.in_(chunk), _E.standing.in_(_MISSABLE))
                connection.execute(update(ENTRIES).where(*where).values(missing))
            release_records(connection, self._workspace, stream, keys)

        if keys:
            self._database.write(work)

    def unlink(self, stream: str, keys: Sequence[RecordKey], *, with_tags: bool) -> None:
        """See `Ledger`. The keys stay: a log-based tap may send a deletion twice, with nothing but the key."""

        def work(connection: Connection) -> None:
            for chunk in chunks(sorted(keys)):
                where = (*self._entries.of(stream), _E.key.in_(chunk))
                connection.execute(update(ENTRIES).where(*where).values({**_NOTHING, "gone_id": None}))
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
                where = (_E.workspace == self._workspace, _E.contact_id.in_(chunk))
                emails = connection.scalars(select(_E.email).where(*where, _E.email.is_not(None))).all()
                self._drop(connection, emails)
                known = set(connection.scalars(select(_E.contact_id).where(*where)))
                gone = {"gone_id": _E.contact_id, "written_at": stamp(time.time())}
                connection.execute(update(ENTRIES).where(*where).values({**_NOTHING, **gone}))
                unknown = [self._gone_row(contacts[contact], contact) for contact in chunk if contact not in known]
                self._entries.put(connection, unknown, _CHANGING)
            forget_contacts(connection, self._workspace, sorted(contacts))

        if contacts:
            self._database.write(work)

    # Rows.

    def _row(self, stream: str, loaded: Loaded) -> dict[str, object]:
        entry, contact, prints = loaded.entry, loaded.entry.contact, loaded.entry.prints
        identity = Identity() if contact is None else Identity.of(contact)
        return {
            "workspace": self._workspace,
            "stream": stream,
            "key": entry.key,
            "contact_id": None if contact is None or not contact.is_named else contact.id,
            "gone_id": None,
            "role": None if contact is None else contact.role,
            "external_id": _storable(identity.external_id),
            "email": _storable(identity.email),
            "content": None if prints is None else prints.content,
            "shape": None if prints is None else prints.shape,
            "settings": None if prints is None else prints.settings,
            "single": None if prints is None else prints.single,
            "standing": entry.standing.value,
            "written_at": entry.written_at,
            "doubt": self._run if entry.overruled_by is not None else None,
            "overruled_by": entry.overruled_by,
            "merged": entry.merged,
            **self._entries.seen(),
            "version": loaded.version,
            "groups_print": entry.groups,
            "source": entry.source,
        }

    def _left_row(self, stream: str, contact: Contact) -> dict[str, object]:
        """Return the row of a contact that its record has left: it is missing from the stream, under no key of it."""
        identity = Identity.of(contact)
        return {
            **self._keyless_row(stream, contact.id),
            "contact_id": contact.id,
            "role": contact.role,
            "external_id": _storable(identity.external_id),
            "email": _storable(identity.email),
            "standing": EntryState.MISSING.value,
        }

    def _gone_row(self, stream: str, contact: ContactId) -> dict[str, object]:
        """Return the row of a contact that no record named and that was removed: search may go on showing it."""
        return {**self._keyless_row(stream, contact), "gone_id": contact, "written_at": stamp(time.time())}

    def _keyless_row(self, stream: str, contact: ContactId) -> dict[str, object]:
        of = {"workspace": self._workspace, "stream": stream, "key": json.dumps({"contact": contact})}
        nothing = dict.fromkeys(column.name for column in ENTRIES.columns)
        return {**nothing, **_NOTHING, **of, "written_at": Stamp(0), "seen_at": Stamp(0)}

    def _entry(self, row: Row[t.Any]) -> LedgerEntry:
        return LedgerEntry(
            key=row.key,
            contact=None if row.contact_id is None and row.role is None else _contact(row),
            prints=None if row.content is None else Hashes(row.content, row.shape, row.settings, row.single),
            is_doubted=not row.is_in_line,
            overruled_by=row.overruled_by,
            standing=EntryState(row.standing),
            written_at=row.written_at,
            # A run that was cut off may not have put the tags on.
            groups=row.groups_print if row.groups_run in {None, self._run} else UNNOTED,
            source=row.source,
            merged=bool(row.merged),
        )

    def _holder(self, row: Row[t.Any]) -> Holder:
        return Holder(
            stream=row.stream,
            key=row.key,
            contact=row.contact_id,
            identity=Identity(row.external_id, row.email, row.contact_id),
            seen=row.seen_in == self._run,
            version=row.version,
            standing=EntryState(row.standing),
            merged=bool(row.merged),
        )


@dataclass(slots=True)
class _Intent:
    """A lead that a thread is about to make, on its way into the ledger."""

    email: Email
    replacing: Stamp | None
    ahead_seconds: float = 0.0
    written: Stamp | None = None
    pending: Stamp | None = None
    trouble: LedgerError | None = None
    is_settled: bool = False


_UNNAMED: t.Final = (_E.contact_id.is_(None), _E.role.is_not(None))
"""A bulk job made it: of a contact that was removed no role is left."""

_NOTHING: t.Final[Mapping[str, object]] = {
    "contact_id": None,
    "role": None,
    "external_id": None,
    "email": None,
    "content": None,
    "shape": None,
    "settings": None,
    "groups_print": None,
    "source": None,
    "single": None,
    "doubt": None,
    "overruled_by": None,
    "merged": None,
    "standing": EntryState.REMOVED.value,
}
"""What is left of a record whose contact was removed."""

_GONE_UNKNOWN: t.Final = (_E.standing == EntryState.REMOVED.value, _E.key.startswith('{"contact"'))

_MISSABLE: t.Final = (EntryState.SYNCED.value, EntryState.MISSING.value)
"""Records whose contacts are removed when they are missing."""

_OTHER: t.Final = ENTRIES.alias()
_IS_IN_LINE: t.Final = _E.doubt.is_(None) & or_(
    _E.overruled_by.is_(None),
    exists().where(
        _OTHER.c.workspace == _E.workspace,
        _OTHER.c.stream == _E.stream,
        _OTHER.c.key == _E.overruled_by,
        _OTHER.c.contact_id == _E.contact_id,
        _OTHER.c.standing == EntryState.SYNCED.value,
    ),
)
"""The contact is as the record says, or as the record does that overruled it and is still the contact's."""

_UNKNOWN: t.Final[Mapping[str, object]] = MappingProxyType({})

_CHANGING: t.Final = tuple(
    column.name for column in ENTRIES.columns if not column.primary_key and column.name != "groups_run"
)


def _may_be(external_id: str | None) -> ColumnElement[bool]:
    """Return the condition that a contact is not surely another person than a record with this external_id."""
    if external_id is None:
        return true()
    return or_(_E.role != "user", _E.external_id.is_(None), _E.external_id == external_id)


def _groups_print(new: Columns) -> ColumnElement[str | None]:
    """Return what stays of the hash of a record's groups: they were noted for the contact that the record had then."""
    is_kept = (new.contact_id == _E.contact_id) & new.groups_print.is_(None)
    return case((is_kept, _E.groups_print), else_=new.groups_print)


def _contact(row: Row[t.Any]) -> Contact:
    """Make a contact of a row; of one that was removed only the id is left, of one that a bulk job made all but it."""
    return Contact(
        id=ContactId(row.contact_id or row.gone_id or f"unnamed:{row.stream}:{row.key}"),
        role=row.role or "user",
        external_id=row.external_id,
        email=row.email,
        attributes=_UNKNOWN,
        is_read=False,
        is_named=(row.contact_id or row.gone_id) is not None,
    )


def _storable(text: str | None) -> str | None:
    """Leave out what PostgreSQL does not store."""
    return None if text is None or "\0" in text else text


def _user_id(contact: Contact) -> str | None:
    return _storable(contact.external_id) if contact.role == "user" else None


def _intent_key(email: Email) -> str:
    """Return what stands for an email in a primary key: itself, or its hash where the database would not take it."""
    if len(email) <= _LONGEST_EMAIL and "\0" not in email:
        return email
    return f"blake2b:{hashlib.blake2b(email.encode(), digest_size=16).hexdigest()}"


def _now() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds")
