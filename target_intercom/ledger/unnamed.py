"""Contacts that bulk jobs have made, and whose Intercom ids are not known yet."""

from __future__ import annotations

import typing as t

from sqlalchemy import bindparam, delete, select, tuple_, update

from target_intercom.ledger.entries import IS_UNNAMED, contact_of, storable
from target_intercom.ledger.store.tables import ENTRIES, MEMBERSHIPS
from target_intercom.model import STAND_IN, ContactId, stand_in

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

    from target_intercom.ledger.interface import Stamp
    from target_intercom.ledger.store.database import Database
    from target_intercom.model import Contact

_PAGE = 5000
"""Rows that are in memory at once."""

_E, _M = ENTRIES.c, MEMBERSHIPS.c


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
        names = _Names(connection, workspace)
        for one in users:
            names.add(ContactId(one["id"]), _E.role == "user", _E.external_id == one["by"])
        for one in mails:
            is_meant = (_E.external_id.is_(None), _E.email == one["by"], _E.role == one["as"])
            names.add(ContactId(one["id"]), *is_meant)
        if users:
            connection.execute(by_external_id, users)
        if mails:
            connection.execute(by_email, mails)
        names.write()

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
        names = _Names(connection, workspace)
        for unnamed, contact in found:
            external_id, email = storable(unnamed.external_id), storable(unnamed.email)
            same = (_E.role == unnamed.role, _E.external_id == external_id, _E.email == email)
            names.add(contact.id, *same)
            where = (_E.workspace == workspace, IS_UNNAMED, *same)
            connection.execute(update(ENTRIES).where(*where).values(contact_id=contact.id))
        names.write()

    if found:
        database.write(work)


class _Names:
    """The ids that unnamed contacts get: what jobs have linked them to is theirs from then on."""

    def __init__(self, connection: Connection, workspace: str) -> None:
        self._connection = connection
        self._workspace = workspace
        linked = (_M.workspace == workspace, _M.contact_id.startswith(STAND_IN))
        self._are_linked = connection.scalar(select(_M.key).where(*linked).limit(1)) is not None
        self._ids: dict[ContactId, ContactId] = {}

    def add(self, contact: ContactId, *same: ColumnElement[bool]) -> None:
        """Add the id of a contact that unnamed records are of; `same` is the condition for them."""
        if self._are_linked:
            rows = self._connection.execute(
                select(_E.stream, _E.key).where(_E.workspace == self._workspace, IS_UNNAMED, *same)
            )
            self._ids.update((stand_in(row.stream, row.key), contact) for row in rows)

    def write(self) -> None:
        """Write the ids into memberships; what a record has of the contact gives way."""
        values = [{"stood": one, "is": contact} for one, contact in sorted(self._ids.items())]
        if not values:
            return
        other = MEMBERSHIPS.alias()
        same = [other.c[name] == _M[name] for name in ("workspace", "stream", "key", "group_key")]
        twin = select(other.c.key).where(*same, other.c.contact_id == bindparam("stood")).exists()
        mine = (_M.workspace == self._workspace, _M.contact_id == bindparam("is"), twin)
        self._connection.execute(delete(MEMBERSHIPS).where(*mine), values)
        named = (_M.workspace == self._workspace, _M.contact_id == bindparam("stood"))
        self._connection.execute(update(MEMBERSHIPS).where(*named).values(contact_id=bindparam("is")), values)
