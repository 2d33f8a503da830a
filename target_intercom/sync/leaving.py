"""Who left a whole table: contacts that were synced from a stream and that a complete run of it no longer names."""

from __future__ import annotations

import typing as t
from itertools import islice

from target_intercom.config import RemovalMode
from target_intercom.errors import MergedError, NotFoundError, UndoneError
from target_intercom.sync.plan import Origin
from target_intercom.sync.removal import remove_contact

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol import ContactId
    from target_intercom.ledger.base import Holder, Ledger
    from target_intercom.sync.jobs import BulkJobs
    from target_intercom.sync.parallel import InParallel
    from target_intercom.sync.plan import Plan
    from target_intercom.sync.removal import Removals
    from target_intercom.sync.whole import Tables

_AT_ONCE = 500
"""Contacts that are looked up in the ledger together."""


class Leaving:
    """Finds and removes who left. Nobody else's contact, and nobody while there is a doubt (docs/removals.md)."""

    def __init__(
        self,
        client: IntercomClient,
        in_parallel: InParallel,
        ledger: Ledger,
        *,
        jobs: BulkJobs,
        removals: Removals,
        tables: Tables,
        plan: Plan,
        say: Callable[[str], None],
    ) -> None:
        """`removals` knows who is marked, and who was named by a record that could not be loaded."""
        self._client = client
        self._in_parallel = in_parallel
        self._ledger = ledger
        self._jobs = jobs
        self._removals = removals
        self._tables = tables
        self._plan = plan
        self._say = say
        self._streams: list[str] = []

    def decide(self) -> None:
        """Decide which streams are whole, at the end of the pipe."""
        self._streams = self._tables.whole()

    @property
    def is_due(self) -> bool:
        """Whether anybody may have left."""
        return any(self._ledger.misses(stream) for stream in self._streams)

    def count(self) -> dict[str, int]:
        """Count who left, by stream; who is also marked is not counted."""
        return {stream: sum(len(leaving) for leaving, _ in self._pages(stream)) for stream in self._streams}

    def release(self) -> None:
        """Forget records that left and whose contacts stay, for others that name them."""
        for stream in self._streams:
            for _, fed in self._pages(stream):
                self._ledger.release(stream, [holder.key for holder in fed])

    def remove(self) -> Iterator[tuple[str, int]]:
        """Remove who left; gives the streams and how many contacts are gone, as it goes on."""
        for stream in self._streams:
            mode = self._tables[stream].config.removal_mode
            for leaving, _ in self._pages(stream):
                for removed in self._remove(stream, leaving, mode):
                    yield stream, removed

    def _remove(self, stream: str, contacts: list[ContactId], mode: RemovalMode) -> Iterator[int]:
        self._ledger.doubt(contacts)
        self._plan.because(dict.fromkeys(contacts, Origin(stream)))
        deletions = self._jobs.delete(contacts if mode is RemovalMode.DELETE else ())
        gone: list[ContactId] = list(deletions.done)
        left = [contact for contact in contacts if contact not in deletions.done]
        try:
            yield from (1 for _ in deletions.done)
            for contact, answer in self._in_parallel(lambda contact: (contact, self._try(contact, mode)), left):
                if answer is not None and not isinstance(answer, (NotFoundError, MergedError)):
                    self._say(
                        f"Stream '{stream}': contacts that left it could not be removed; the next run tries again"
                    )
                    continue
                gone.append(contact)
                if answer is None or contact in deletions.tried:
                    yield 1
        finally:
            self._ledger.removed(gone)

    def _try(self, contact: ContactId, mode: RemovalMode) -> UndoneError | None:
        """Remove a contact; a refusal is for the run to say, no record can be blamed for it."""
        try:
            remove_contact(self._client, contact, mode)
        except UndoneError as error:
            return error
        return None

    def _pages(self, stream: str) -> Iterator[tuple[list[ContactId], list[Holder]]]:
        """Give the contacts that left a stream, and those records whose contacts stay for others, page by page."""
        missing = (holder for holder in self._ledger.unseen(stream) if self._has_left(holder))
        while page := list(islice(missing, _AT_ONCE)):
            contacts = {holder.contact for holder in page}
            staying = {
                holder.contact for holder in self._ledger.holders(sorted(contacts)) if not self._has_left(holder)
            }
            fed = [holder for holder in page if holder.contact in staying]
            yield sorted(contacts - staying - self._excepted(page)), fed

    def _excepted(self, page: list[Holder]) -> set[ContactId]:
        """Give contacts that are removed otherwise, or that a record named that could not be loaded."""
        return {holder.contact for holder in page if self._removals.concerns(holder.contact, holder.identity)}

    def _has_left(self, holder: Holder) -> bool:
        """Tell whether a record that named a contact is missing from a stream that is whole."""
        if holder.seen or holder.stream not in self._streams:
            return False
        table = self._tables[holder.stream]
        return table.config.snapshot or holder.version != table.version
