"""Contacts that bulk jobs have made, and whose Intercom ids are not known yet."""

from __future__ import annotations

import typing as t

from sqlalchemy import bindparam, select, tuple_, update

from target_intercom.ledger.entries import IS_UNNAMED, contact_of, storable
from target_intercom.ledger.store.tables import ENTRIES

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from target_intercom.ledger.interface import Stamp
    from target_intercom.ledger.store.database import Database
    from target_intercom.model import Contact

_PAGE = 5000
"""Rows that are in memory at once."""

_E = ENTRIES.c


def adopt(database: Database, workspace: str, contacts: Sequence[Contact]) -> None:
    """Write the ids of contacts into unnamed records with their identifiers."""
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
        if (email := storable(contact.email)) is not None
    ]
    named = update(ENTRIES).where(*of).values(contact_id=bindparam("id"))
    by_external_id = named.where(_E.role == "user", _E.external_id == bindparam("by"))
    by_email = named.where(_E.external_id.is_(None), _E.email == bindparam("by"), _E.role == bindparam("as"))

    def work(connection: Connection) -> None:
        if users:
            connection.execute(by_external_id, users)
        if mails:
            connection.execute(by_email, mails)

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


def name(database: Database, workspace: str, found: Sequence[tuple[Contact, Contact]]) -> None:
    """Write the ids of contacts, given as they were unnamed and as they were found.

    They are known by their identifiers: records of other keys and streams may name them, too.
    """

    def work(connection: Connection) -> None:
        for unnamed, contact in found:
            external_id, email = storable(unnamed.external_id), storable(unnamed.email)
            same = (_E.role == unnamed.role, _E.external_id == external_id, _E.email == email)
            where = (_E.workspace == workspace, IS_UNNAMED, *same)
            connection.execute(update(ENTRIES).where(*where).values(contact_id=contact.id))

    if found:
        database.write(work)
