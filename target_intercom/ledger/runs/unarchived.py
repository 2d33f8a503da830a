"""Contacts that were brought back from the archive only to be read: noted until they are archived again."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass
from functools import partial

from sqlalchemy import delete, select

from target_intercom.ledger.interface import UnarchivedContacts
from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.locks import lock_name
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import UNARCHIVED

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from target_intercom.ledger.store.database import Database
    from target_intercom.ledger.store.locks import StreamLocks
    from target_intercom.model import ContactId

_U = UNARCHIVED.c
_CHANGING: t.Final = ("stream", "noted_at")


@dataclass(frozen=True, slots=True)
class SqlUnarchivedContacts(UnarchivedContacts):
    """The notes of one workspace, as one run makes them and takes them over."""

    database: Database
    workspace: str
    run: str
    locks: StreamLocks
    """They show which streams other runs work on."""

    def note(self, contact: ContactId, stream: str) -> None:
        """See `UnarchivedContacts`."""
        self.database.write(lambda connection: self._put(connection, [contact], stream))

    def forget(self, contact: ContactId) -> None:
        """See `UnarchivedContacts`."""
        mine = (_U.workspace == self.workspace, _U.run == self.run, _U.contact_id == contact)
        self.database.write(lambda connection: connection.execute(delete(UNARCHIVED).where(*mine)))

    def left(self) -> Mapping[ContactId, str]:
        """See `UnarchivedContacts`."""
        mine = (_U.workspace == self.workspace, _U.run == self.run)
        with self.database.reading() as connection:
            return {row.contact_id: row.stream for row in connection.execute(select(UNARCHIVED).where(*mine))}

    def take_over(self) -> Mapping[ContactId, str]:
        """See `UnarchivedContacts`."""
        others = (_U.workspace == self.workspace, _U.run != self.run)
        with self.database.reading() as connection:
            streams = connection.scalars(select(_U.stream).where(*others).distinct()).all()
        for stream in streams:
            name = lock_name(self.workspace, stream)
            if self.locks.take(name, alone=True):
                try:
                    self.database.write(partial(self._take_over, stream))
                finally:
                    self.locks.release(name)
        return self.left()

    def _take_over(self, stream: str, connection: Connection) -> None:
        ended = (_U.workspace == self.workspace, _U.run != self.run, _U.stream == stream)
        contacts = connection.scalars(select(_U.contact_id).where(*ended).distinct()).all()
        connection.execute(delete(UNARCHIVED).where(*ended))
        self._put(connection, contacts, stream)

    def _put(self, connection: Connection, contacts: Iterable[ContactId], stream: str) -> None:
        same = {"workspace": self.workspace, "run": self.run, "stream": stream, "noted_at": stamp(time.time())}
        rows = [{**same, "contact_id": contact} for contact in sorted(contacts)]
        Rows(self.database, self.workspace, self.run, UNARCHIVED).put(connection, rows, _CHANGING)


def forget_live(connection: Connection, workspace: str, contacts: Iterable[ContactId]) -> None:
    """Delete the notes of contacts that records have brought back for good, whichever runs made the notes."""
    for chunk in chunks(sorted(contacts)):
        connection.execute(delete(UNARCHIVED).where(_U.workspace == workspace, _U.contact_id.in_(chunk)))
