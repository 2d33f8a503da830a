"""What is asked of records in the ledger. Only reads."""

from __future__ import annotations

import typing as t

from sqlalchemy import bindparam, false, func, or_, select, true, tuple_

from target_intercom.ledger import unnamed
from target_intercom.ledger.entries import (
    HOLDER_COLUMNS,
    IS_IN_LINE,
    IS_MISSABLE,
    IS_UNNAMED,
    EntryRows,
    contact_of,
    storable,
)
from target_intercom.ledger.interface import Ledger
from target_intercom.ledger.remembered import UNNOTED, EntryState, UnchangedRow
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.tables import ENTRIES, OF_CONTACTS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from target_intercom.ledger.remembered import Holder, LedgerEntry, Stamp
    from target_intercom.ledger.store.database import Database
    from target_intercom.model import Contact, ContactId, Email, Identity, RecordKey

_PAGE = 5000
"""Rows that are in memory at once."""

_E = ENTRIES.c


class RecordQueries(Ledger):
    """The records of one workspace, as far as they are read."""

    def __init__(self, database: Database, workspace: str, run: str) -> None:
        """Work on an open database; `run` is this run's id."""
        self._database = database
        self._workspace = workspace
        self._run = run
        self._entries = EntryRows(database, workspace, run, OF_CONTACTS)

    def recall(self, stream: str, keys: Sequence[RecordKey]) -> Mapping[RecordKey, LedgerEntry]:
        """See `Ledger`."""
        known: dict[RecordKey, LedgerEntry] = {}
        if not keys:
            return known
        with self._database.reading() as connection:
            for chunk in chunks(keys):
                of = (*self._entries.of(stream), _E.key.in_(chunk))
                for row in connection.execute(select(ENTRIES, IS_IN_LINE.label("is_in_line")).where(*of)):
                    known[row.key] = self._entries.entry(row)
        return known

    def unchanged(self, stream: str, keys: Sequence[RecordKey]) -> Mapping[RecordKey, UnchangedRow]:
        """See `Ledger`."""
        found: dict[RecordKey, UnchangedRow] = {}
        has_its_tags = or_(_E.groups_print.is_(None), (_E.groups_print != UNNOTED) & _E.groups_run.is_(None))
        is_unchanged = (_E.source.is_not(None), _E.content.is_not(None), IS_IN_LINE, _E.role == "user", has_its_tags)
        query = select(_E.key, _E.source, _E.contact_id, _E.external_id, _E.email)
        some = _E.key.in_(bindparam("some", expanding=True))
        query = query.where(*self._entries.of(stream), _E.standing == EntryState.SYNCED, *is_unchanged, some)
        with self._database.reading() as connection:
            for chunk in chunks(keys):
                rows = connection.execute(query, {"some": chunk}).all()
                found.update({row[0]: UnchangedRow(*row[1:]) for row in rows})
        return found

    def written_since(self, since: Stamp) -> Iterable[Contact]:
        """See `Ledger`."""
        id_ = func.coalesce(_E.contact_id, _E.gone_id)
        where = (*self._entries.all, _E.written_at >= since, id_.is_not(None))
        with self._database.reading() as connection:
            return [contact_of(row) for row in connection.execute(select(ENTRIES).where(*where))]

    def unnamed(self) -> Iterator[tuple[Contact, Stamp]]:
        """See `Ledger`."""
        is_of_contacts = self._entries.object == OF_CONTACTS
        return unnamed.find(self._database, self._workspace) if is_of_contacts else iter(())

    def unnamed_with(self, identities: Iterable[Identity], since: Stamp) -> Sequence[tuple[Contact, Stamp]]:
        """See `Ledger`."""
        return unnamed.with_identifiers(self._database, self._workspace, identities, since)

    def known(self, stream: str) -> int:
        """Count the contacts that were synced from a stream."""
        mine = (*self._entries.by_contact(stream), _E.standing == EntryState.SYNCED.value)
        named = select(_E.contact_id).where(*mine, _E.contact_id.is_not(None)).group_by(_E.contact_id).subquery()
        # Contacts whose ids are not known count each for itself.
        unnamed = select(func.count()).where(*mine, IS_UNNAMED)
        with self._database.reading() as connection:
            count = connection.scalar(select(func.count()).select_from(named)) or 0
            return count + (connection.scalar(unnamed) or 0)

    def misses(self, stream: str) -> bool:
        """See `Ledger`."""
        missing = select(_E.key).where(*self._entries.by_row(stream), IS_MISSABLE, self._entries.missing()).limit(1)
        with self._database.reading() as connection:
            return connection.scalar(missing) is not None

    def unseen(self, stream: str, version: int | None = None) -> Iterator[Holder]:
        """See `Ledger`. The first page is read in the order of rows; it is the only one where few are missing."""
        order = tuple_(_E.contact_id, _E.key)
        is_missing = (IS_MISSABLE, self._entries.missing(version), _E.contact_id.is_not(None))
        page = select(*HOLDER_COLUMNS).where(*is_missing).order_by(*order.clauses).limit(_PAGE)
        following = page.where(*self._entries.by_contact(stream))
        wanted = page.where(*self._entries.by_row(stream))
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(wanted).all()
            yield from map(self._entries.holder, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].contact_id, rows[-1].key
            wanted = following.where(_E.contact_id >= after[0], order > tuple_(*after))

    def holders(self, contacts: Sequence[ContactId]) -> Iterable[Holder]:
        """See `Ledger`."""
        found: list[Holder] = []
        with self._database.reading() as connection:
            for chunk in chunks(contacts):
                where = (*self._entries.all, _E.contact_id.in_(chunk))
                found.extend(map(self._entries.holder, connection.execute(select(*HOLDER_COLUMNS).where(*where))))
        return found

    def named(self, contacts: Sequence[ContactId]) -> Iterable[Contact]:
        """See `Ledger`."""
        found: dict[ContactId, Contact] = {}
        with self._database.reading() as connection:
            for chunk in chunks(contacts):
                of = (*self._entries.all, _E.contact_id.in_(chunk))
                # The row that knows Intercom's own id of a company comes last.
                rows = connection.execute(select(ENTRIES).where(*of).order_by(_E.intercom_id.is_not(None)))
                found.update((contact.id, contact) for contact in map(contact_of, rows))
        return found.values()

    def users_with(self, emails: Sequence[Email]) -> Iterable[Contact]:
        """See `Ledger`."""
        found: dict[ContactId, Contact] = {}
        with self._database.reading() as connection:
            for chunk in chunks(email for email in emails if storable(email) is not None):
                named = (_E.role == "user") & _E.contact_id.is_not(None) & _E.email.in_(chunk)
                where = select(ENTRIES).where(*self._entries.all, named)
                found.update((contact.id, contact) for contact in map(contact_of, connection.execute(where)))
        return found.values()

    def holds(self, stream: str, identity: Identity) -> bool:
        """See `Ledger`."""
        external_id, email = storable(identity.external_id), storable(identity.email)
        names = [
            *([] if external_id is None else [(_E.role == "user") & (_E.external_id == external_id)]),
            # Of two external_ids that differ, an email in common says nothing.
            *([] if email is None else [(_E.email == email) & _may_be(external_id)]),
            *([] if identity.id is None else [_E.contact_id == identity.id]),
        ]
        where = (*self._entries.of(stream), IS_MISSABLE, or_(false(), *names))
        with self._database.reading() as connection:
            return connection.scalar(select(_E.key).where(*where).limit(1)) is not None


def _may_be(external_id: str | None) -> ColumnElement[bool]:
    """Return the condition that a contact is not surely another person than a record with this external_id."""
    if external_id is None:
        return true()
    return or_(_E.role != "user", _E.external_id.is_(None), _E.external_id == external_id)
