"""Leads that are about to be made: written before they are sent, since Intercom would make one twice."""

from __future__ import annotations

import hashlib
import threading
import time
import typing as t
from dataclasses import dataclass, field

from sqlalchemy import delete, select, update

from target_intercom.errors import LeadPendingError, LedgerError
from target_intercom.ledger.interface import LeadIntents
from target_intercom.ledger.remembered import Stamp, stamp
from target_intercom.ledger.retention import SEARCH_SHOWS_ALL
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import INTENTS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from target_intercom.ledger.store.database import Database
    from target_intercom.model import Email

_LONGEST_EMAIL = 500

_NEVER: t.Final = Stamp(0)
_I = INTENTS.c


@dataclass(slots=True)
class _Intent:
    """A lead that a thread is about to make, on its way into the ledger."""

    email: Email
    replacing: Stamp | None
    ahead_seconds: float = 0.0
    written: Stamp = _NEVER
    pending: Stamp | None = None
    trouble: LedgerError | None = None
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class SqlLeadIntents(LeadIntents):
    """The intents of one workspace, in one run."""

    database: Database
    workspace: str
    run: str
    _waiting: list[_Intent] = field(default_factory=list, init=False)
    _queue: threading.Lock = field(default_factory=threading.Lock, init=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, init=False)

    def add(self, email: Email, replacing: Stamp | None) -> Stamp:
        """See `LeadIntents`. Threads that come together share one transaction: each has to wait for the disk."""
        intent = _Intent(email, replacing)
        with self._queue:
            self._waiting.append(intent)
        with self._writing:
            if not intent.is_done:
                self._write_waiting()
        if intent.trouble is not None:
            raise intent.trouble
        if intent.pending is not None:
            raise LeadPendingError(intent.pending)
        return intent.written

    def add_all(
        self, replacing: Mapping[Email, Stamp | None], ahead_seconds: float
    ) -> Mapping[Email, Stamp | LeadPendingError]:
        """See `LeadIntents`."""
        intents = [_Intent(email, earlier, ahead_seconds) for email, earlier in sorted(replacing.items())]
        self.database.write(lambda connection: self._write_all(connection, intents))
        return {one.email: one.written if one.pending is None else LeadPendingError(one.pending) for one in intents}

    def drop(self, emails: Sequence[Email]) -> None:
        """See `LeadIntents`."""
        if emails:
            self.database.write(lambda connection: self.delete(connection, emails))

    def delete(self, connection: Connection, emails: Iterable[Email]) -> None:
        """Delete the intents of leads with these emails."""
        for chunk in chunks(sorted(map(_intent_key, emails))):
            connection.execute(delete(INTENTS).where(_I.workspace == self.workspace, _I.email.in_(chunk)))

    def delete_old(self, connection: Connection) -> None:
        """Delete the intents of leads that search shows by now."""
        yesterday = stamp(time.time() - SEARCH_SHOWS_ALL)
        connection.execute(delete(INTENTS).where(_I.workspace == self.workspace, _I.sent_at < yesterday))

    def _write_waiting(self) -> None:
        with self._queue:
            intents = list(self._waiting)
        try:
            self.database.write(lambda connection: self._write_all(connection, intents))
        except LedgerError as error:
            for intent in intents:
                intent.trouble = error
        # After any other error they still wait, and the thread of each meets it for itself.
        with self._queue:
            del self._waiting[: len(intents)]
        for intent in intents:
            intent.is_done = True

    def _write_all(self, connection: Connection, intents: Sequence[_Intent]) -> None:
        for intent in intents:
            self._write(connection, intent)

    def _write(self, connection: Connection, intent: _Intent) -> None:
        """Write an intent where there is none, or in place of the one that it replaces."""
        intent.pending, intent.written = None, stamp(time.time() + intent.ahead_seconds)
        email = _intent_key(intent.email)
        row = {"workspace": self.workspace, "email": email, "sent_at": intent.written, "run": self.run}
        mine = (_I.workspace == self.workspace, _I.email == email)
        if intent.replacing is not None:
            replaces = update(INTENTS).where(*mine, _I.sent_at == intent.replacing).values(row)
            if connection.execute(replaces).rowcount:
                return
        if not Rows(self.database, self.workspace, self.run, INTENTS).add(connection, row):
            intent.pending = connection.scalar(select(_I.sent_at).where(*mine))


def _intent_key(email: Email) -> str:
    """Return the text that stands for an email in a primary key: itself, or a hash of an email that is too long."""
    if len(email) <= _LONGEST_EMAIL and "\0" not in email:
        return email
    return f"blake2b:{hashlib.blake2b(email.encode(), digest_size=16).hexdigest()}"
