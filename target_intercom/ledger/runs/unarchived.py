"""Contacts that were brought back from the archive only to be looked at: noted, until they are archived again."""

from __future__ import annotations

import time
import typing as t
from functools import partial

from sqlalchemy import delete, select

from target_intercom.ledger.interface import UnarchivedContacts, stamp
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


class SqlUnarchived(UnarchivedContacts):
    """The notes of one workspace, as one run makes and takes them over. Safe from any thread."""

    def __init__(self, database: Database, workspace: str, run: str, locks: StreamLocks) -> None:
        """Work on an open database; `run` is this run's id, `locks` tell which streams other runs work on."""
        self._database = database
        self._workspace = workspace
        self._run = run
        self._locks = locks
        self._rows = Rows(database, workspace, run, UNARCHIVED)

    def note(self, contact: ContactId, stream: str) -> None:
        """Write down, for good before it is done, that a record of a stream has a contact brought back for a look."""
        row = self._noted({contact: stream})
        self._database.write(lambda connection: self._rows.put(connection, row, _CHANGING))

    def forget(self, contact: ContactId) -> None:
        """Delete the note of a contact that is archived again, gone, or live because a record says so."""
        mine = (_U.workspace == self._workspace, _U.run == self._run, _U.contact_id == contact)
        self._database.write(lambda connection: connection.execute(delete(UNARCHIVED).where(*mine)))

    def left(self) -> Mapping[ContactId, str]:
        """Return the contacts of which this run has notes, with the streams."""
        mine = (_U.workspace == self._workspace, _U.run == self._run)
        with self._database.reading() as connection:
            return {row.contact_id: row.stream for row in connection.execute(select(UNARCHIVED).where(*mine))}

    def take_over(self) -> Mapping[ContactId, str]:
        """Make this run the owner of the notes whose runs have ended; return its contacts with the streams.

        While another run works on a stream, its contacts may be looked at right now: they are left to it.
        """
        others = (_U.workspace == self._workspace, _U.run != self._run)
        with self._database.reading() as connection:
            streams = connection.scalars(select(_U.stream).where(*others).distinct()).all()
        for stream in streams:
            name = lock_name(self._workspace, stream)
            if self._locks.take(name, alone=True):
                try:
                    self._database.write(partial(self._take_over, stream))
                finally:
                    self._locks.release(name)
        return self.left()

    def _take_over(self, stream: str, connection: Connection) -> None:
        ended = (_U.workspace == self._workspace, _U.run != self._run, _U.stream == stream)
        contacts = connection.scalars(select(_U.contact_id).where(*ended).distinct()).all()
        connection.execute(delete(UNARCHIVED).where(*ended))
        self._rows.put(connection, self._noted(dict.fromkeys(contacts, stream)), _CHANGING)

    def _noted(self, streams: Mapping[ContactId, str]) -> list[dict[str, object]]:
        same = {"workspace": self._workspace, "run": self._run, "noted_at": stamp(time.time())}
        return [{**same, "contact_id": contact, "stream": stream} for contact, stream in sorted(streams.items())]


def forget_live(connection: Connection, workspace: str, contacts: Iterable[ContactId]) -> None:
    """Delete the notes of contacts that records have brought back for good, whichever runs have looked at them."""
    for chunk in chunks(sorted(contacts)):
        connection.execute(delete(UNARCHIVED).where(_U.workspace == workspace, _U.contact_id.in_(chunk)))
