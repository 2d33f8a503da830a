"""Contacts that bulk jobs have made, and whose Intercom ids are not known yet."""

from __future__ import annotations

import typing as t

from sqlalchemy import bindparam, delete, select, tuple_, update

from target_intercom.ledger.entries import IS_UNNAMED, contact_of, storable
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.tables import ENTRIES, MEMBERSHIPS
from target_intercom.model import ContactId, Identity, stand_in

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from target_intercom.ledger.remembered import Stamp
    from target_intercom.ledger.store.database import Database
    from target_intercom.model import Contact

_PAGE = 5000
"""Rows that are in memory at once."""

_E, _M = ENTRIES.c, MEMBERSHIPS.c


def adopt(database: Database, workspace: str, contacts: Sequence[Contact]) -> None:
    """Write the ids of contacts into unnamed records with their identifiers.

    A user with an external_id may have got the email of one who was made without: that is somebody else's record.
    """
    of = (_E.workspace == workspace, IS_UNNAMED)
    with database.reading() as connection:
        if not contacts or connection.scalar(select(_E.key).where(*of).limit(1)) is None:
            return
    users = [
        {"by": external_id, "id": contact.id}
        for contact in contacts
        if contact.role == "user" and (external_id := storable(contact.external_id)) is not None
    ]
    mails = [
        {"by": email, "as": contact.role, "id": contact.id}
        for contact in contacts
        if (email := storable(contact.email)) is not None and Identity.of(contact).external_id is None
    ]
    named = update(ENTRIES).where(*of).values(contact_id=bindparam("id"))
    by_external_id = named.where(_E.role == "user", _E.external_id == bindparam("by"))
    by_email = named.where(_E.external_id.is_(None), _E.email == bindparam("by"), _E.role == bindparam("as"))

    def work(connection: Connection) -> None:
        rows = _rows(connection, workspace, {one["by"] for one in users}, {one["by"] for one in mails})
        by_id = {one["by"]: ContactId(one["id"]) for one in users}
        by_mail = {(one["as"], one["by"]): ContactId(one["id"]) for one in mails}
        ids: dict[ContactId, ContactId] = {}
        for row in rows:
            id_ = by_id.get(row.external_id) if row.role == "user" else None
            if row.external_id is None:
                id_ = by_mail.get((row.role, row.email))
            if id_ is not None:
                ids[stand_in(row.stream, row.key)] = id_
        if users:
            connection.execute(by_external_id, users)
        if mails:
            connection.execute(by_email, mails)
        _name_linked(connection, workspace, ids)

    database.write(work)


def find(database: Database, workspace: str) -> Iterator[tuple[Contact, Stamp]]:
    """Yield the unnamed contacts of all streams, and when they were made."""
    after = ("", "")
    order = tuple_(_E.stream, _E.key)
    page = select(ENTRIES).where(_E.workspace == workspace, IS_UNNAMED).order_by(*order.clauses).limit(_PAGE)
    while True:
        with database.reading() as connection:
            rows = connection.execute(page.where(order > tuple_(*after))).all()
        yield from ((contact_of(row), row.written_at) for row in rows)
        if len(rows) < _PAGE:
            return
        after = rows[-1].stream, rows[-1].key


def with_identifiers(
    database: Database, workspace: str, identities: Iterable[Identity], since: Stamp
) -> list[tuple[Contact, Stamp]]:
    """Return the unnamed contacts with an identifier of these that were made since, each with when it was."""
    wanted = list(identities)
    made = select(ENTRIES).where(_E.workspace == workspace, IS_UNNAMED, _E.written_at >= since)
    found: dict[tuple[str, str | None, str | None], tuple[Contact, Stamp]] = {}
    with database.reading() as connection:
        for column, values in (
            (_E.external_id, {storable(one.external_id) for one in wanted}),
            (_E.email, {storable(one.email) for one in wanted}),
        ):
            for chunk in chunks(sorted(value for value in values if value is not None)):
                for row in connection.execute(made.where(column.in_(chunk))):
                    contact = contact_of(row)
                    found[_found_by(contact)] = contact, row.written_at
    return list(found.values())


def name(database: Database, workspace: str, found: Sequence[tuple[Contact, Contact]]) -> None:
    """Write the ids of contacts, given as they were unnamed and as they were found.

    They are known by their identifiers: records of other keys and streams may name them, too.
    """

    def work(connection: Connection) -> None:
        now = {_found_by(unnamed): contact.id for unnamed, contact in found}
        rows = _rows(connection, workspace, {one for _, one, _ in now}, {mail for _, one, mail in now if one is None})
        ids = {
            stand_in(row.stream, row.key): id_
            for row in rows
            if (id_ := now.get((row.role, row.external_id, row.email))) is not None
        }
        for unnamed, contact in found:
            role, external_id, email = _found_by(unnamed)
            same = (_E.role == role, _E.external_id == external_id, _E.email == email)
            where = (_E.workspace == workspace, IS_UNNAMED, *same)
            connection.execute(update(ENTRIES).where(*where).values(contact_id=contact.id))
        _name_linked(connection, workspace, ids)

    if found:
        database.write(work)


def _found_by(contact: Contact) -> tuple[str, str | None, str | None]:
    return contact.role, storable(contact.external_id), storable(contact.email)


def _rows(
    connection: Connection, workspace: str, external_ids: Iterable[str | None], emails: Iterable[str | None]
) -> list[Row[t.Any]]:
    """Return the unnamed records with one of these external_ids; or without any, with one of these emails."""
    query = select(_E.stream, _E.key, _E.role, _E.external_id, _E.email).where(_E.workspace == workspace, IS_UNNAMED)
    found: list[Row[t.Any]] = []
    for chunk in chunks(sorted(one for one in external_ids if one is not None)):
        found.extend(connection.execute(query.where(_E.external_id.in_(chunk))))
    for chunk in chunks(sorted(one for one in emails if one is not None)):
        found.extend(connection.execute(query.where(_E.external_id.is_(None), _E.email.in_(chunk))))
    return found


def _name_linked(connection: Connection, workspace: str, ids: Mapping[ContactId, ContactId]) -> None:
    """Write ids into the memberships of contacts that jobs have made with their links, in place of stand-ins.

    What a record has of the contact besides gives way.
    """
    linked: set[ContactId] = set()
    for chunk in chunks(sorted(ids)):
        of = (_M.workspace == workspace, _M.contact_id.in_(chunk))
        linked.update(connection.scalars(select(_M.contact_id).where(*of).distinct()))
    values = [{"stood": one, "is": ids[one]} for one in sorted(linked)]
    if not values:
        return
    other = MEMBERSHIPS.alias()
    same = [other.c[name] == _M[name] for name in ("workspace", "stream", "key", "group_key")]
    twin = select(other.c.key).where(*same, other.c.contact_id == bindparam("stood")).exists()
    mine = (_M.workspace == workspace, _M.contact_id == bindparam("is"), twin)
    connection.execute(delete(MEMBERSHIPS).where(*mine), values)
    named = (_M.workspace == workspace, _M.contact_id == bindparam("stood"))
    connection.execute(update(MEMBERSHIPS).where(*named).values(contact_id=bindparam("is")), values)
