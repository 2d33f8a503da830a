"""Archived contacts in the way: brought back to be read, and archived again where they are another person's."""

from __future__ import annotations

import threading
import typing as t
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from target_intercom.errors import LedgerError, MergedError, NotFoundError, RefusedError, UndoneError, UnreachableError
from target_intercom.sync.writing.plan_file import Origin

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import Contact, ContactId
    from target_intercom.sync.writing.plan_file import Plan


@dataclass
class ArchivedContacts:
    """Reads archived contacts, which Intercom shows only after they are brought back.

    The ledger knows of each before it is brought back, so that a run that is cut off leaves it to the next one.
    """

    client: IntercomClient
    in_parallel: InParallel
    ledger: Ledger
    plan: Plan
    say: Callable[[str], None]
    _turns: dict[ContactId, threading.Lock] = field(default_factory=dict, init=False)
    """Two records in whose way a contact is would archive it for each other."""
    _kept: set[ContactId] = field(default_factory=set, init=False)

    def read(self, contact: ContactId, stream: str, stays: Callable[[Contact], bool]) -> Contact:
        """Bring a contact back and read it; it is archived again unless it `stays`.

        Raises:
            NotFoundError: it is not there any more.
            UndoneError: it cannot be brought back or read.
        """
        with self._turns.setdefault(contact, threading.Lock()):
            if contact in self._kept:
                # Another record of the run has brought it back for good.
                return self.client.get_contact(contact)
            self.ledger.unarchived.note(contact, stream)
            read = self._bring_back(contact, stream)
            if stays(read):
                self._kept.add(contact)
                self.ledger.unarchived.forget(contact)
            else:
                self._archive(contact, stream)
            return read

    def archive_again(self) -> None:
        """Archive what earlier runs had brought back to be looked at, and could not archive again."""
        left = self.ledger.unarchived.take_over()
        if not left:
            return
        self.plan.because({contact: Origin(stream) for contact, stream in left.items()})
        answers = self.in_parallel(lambda one: (one[1], self._try_again(*one)), sorted(left.items()))
        archived = Counter(stream for stream, is_archived in answers if is_archived)
        for stream, count in sorted(archived.items()):
            self.say(f"Stream '{stream}': contacts that an earlier run had brought back are archived again ({count})")

    def left(self) -> Mapping[str, int]:
        """Count by stream the contacts that are not archived again."""
        with suppress(LedgerError):
            # Also those whose look was cut off; not those that a record has brought back since.
            return Counter(self.ledger.unarchived.left().values())
        return {}

    def _bring_back(self, contact: ContactId, stream: str) -> Contact:
        is_back = False
        try:
            self.client.unarchive_contact(contact)
            is_back = True
            return self.client.get_contact(contact)
        except UndoneError as error:
            if isinstance(error, (NotFoundError, MergedError) if is_back else RefusedError):
                # It was deleted for good, or merged: it stays away.
                self.ledger.unarchived.forget(contact)
            else:
                self._archive(contact, stream)
            raise
        except BaseException:
            self._say_left(contact, stream)
            raise

    def _archive(self, contact: ContactId, stream: str) -> bool:
        """Archive a contact again; what keeps it from being done is said, and left to the next run."""
        try:
            self.client.archive_contact(contact)
        except (NotFoundError, MergedError):
            self.ledger.unarchived.forget(contact)
            return False
        except UndoneError:
            self._say_left(contact, stream)
            return False
        except BaseException:
            self._say_left(contact, stream)
            raise
        self.ledger.unarchived.forget(contact)
        return True

    def _try_again(self, contact: ContactId, stream: str) -> bool:
        try:
            return self._archive(contact, stream)
        except UnreachableError:
            # No record depends on it: an outage ends the run at the next call that a record needs.
            return False

    def _say_left(self, contact: ContactId, stream: str) -> None:
        if self.ledger.remembers:
            self.say(
                f"Stream '{stream}': contacts were brought back from the archive to be looked at, and could not be "
                "archived again; the next run tries again"
            )
        else:
            self.say(
                f"Stream '{stream}': contact {contact} was brought back from the archive to be looked at, and could "
                "not be archived again: archive it in Intercom; without a ledger no run will"
            )
