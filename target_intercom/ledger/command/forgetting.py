"""Forgets a stream, and counts what the ledger holds of it."""

from __future__ import annotations

import time
import typing as t
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from target_intercom.errors import StreamBusyError
from target_intercom.ledger.entries import names_contact
from target_intercom.ledger.memberships.forgotten import keep_links_of_stream, links_of_stream_alone
from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.store.locks import lock_name, locks_of
from target_intercom.ledger.store.tables import ENTRIES, MEMBERSHIPS, STREAMS

if t.TYPE_CHECKING:
    from sqlalchemy import Connection

    from target_intercom.ledger.store.database import Database

_E = ENTRIES.c


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds of a stream."""

    contacts: int
    """Contacts in Intercom that its records name."""
    alone: int
    """Those of them that no other stream names."""
    tags: int
    """Tags that this target has put on their contacts, and that no other stream wants."""


def held(workspace: str, stream: str, connection: Connection) -> Held:
    """Count what the ledger holds of a stream."""
    other = ENTRIES.alias()
    contacts = select(func.count(_E.contact_id.distinct())).where(
        _E.workspace == workspace, _E.stream == stream, *names_contact(ENTRIES)
    )
    elsewhere = select(other.c.key).where(
        other.c.workspace == workspace,
        other.c.object == _E.object,
        other.c.contact_id == _E.contact_id,
        other.c.stream != stream,
        *names_contact(other),
    )
    return Held(
        contacts=connection.scalar(contacts) or 0,
        alone=connection.scalar(contacts.where(~elsewhere.exists())) or 0,
        tags=connection.scalar(links_of_stream_alone(workspace, stream)) or 0,
    )


def forget(database: Database, workspace: str, stream: str) -> None:
    """Delete all that a ledger holds of a stream; nothing is called, contacts and tags stay in Intercom.

    The ledger keeps which tags are this target's, without the records: a record that names the group again goes on with
    the tag, and a record that lists its contact's groups without it has it taken off (`Memberships.release_forgotten`).

    Raises:
        StreamBusyError: a run works on the stream.
    """

    def work(connection: Connection) -> None:
        keep_links_of_stream(connection, workspace, stream, stamp(time.time()))
        for table in (MEMBERSHIPS, ENTRIES, STREAMS):
            of = (table.c.workspace == workspace, table.c.stream == stream)
            connection.execute(delete(table).where(*of))

    with closing(locks_of(database)) as locks:
        if not locks.take(lock_name(workspace, stream), alone=True):
            raise StreamBusyError(f"Stream '{stream}' is busy: a run works on it. Forget it when that has ended.")
        database.write(work)
