"""Removes contacts, or other objects, from Intercom, one by one or by bulk jobs, and writes it into the ledger."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass
from itertools import islice

from target_intercom.errors import MergedError, NotFoundError, UndoneError
from target_intercom.settings.config import RemovalMode

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_intercom.errors import Fault
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.ids import ContactId
    from target_intercom.ledger.interface import Ledger
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs, Deletions
    from target_intercom.sync.writing.plan_file import Origin, Plan

_AT_ONCE = 500
"""Contacts whose removal is written into the ledger as begun together."""
_MOST_UNWRITTEN = 200
"""Contacts that may be removed and not written into the ledger as removed."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A contact to remove, how, and the record on whose account."""

    contact: ContactId
    mode: RemovalMode
    origin: Origin
    is_order: bool = False
    """Its stream is of mode `remove`."""


class RemovalEnding(enum.Enum):
    """What became of a removal."""

    REMOVED = enum.auto()
    NOT_THERE = enum.auto()
    """There was no such contact any more."""
    MERGED = enum.auto()
    """It was merged into another contact, which no record asks to remove."""
    IN_USE = enum.auto()
    """People are in it whom this target did not put there."""
    REFUSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a removal; `fault` says why it was refused."""

    removal: Removal
    ending: RemovalEnding
    fault: Fault | None = None


class RemovalCalls(t.Protocol):
    """The calls that remove objects of a kind."""

    def endings(self, page: Sequence[Removal]) -> Iterator[Removed]:
        """Yield the removals that end without a call that removes: the object is gone, or stays for others."""

    def remove_in_bulk(self, page: Sequence[Removal]) -> Deletions:
        """Remove what bulk jobs can remove."""

    def remove(self, removal: Removal) -> None:
        """Remove an object.

        Raises:
            NotFoundError: it is not there any more.
        """


@dataclass(frozen=True, slots=True)
class ContactRemovals(RemovalCalls):
    """Archives contacts, or deletes them for good."""

    client: IntercomClient
    jobs: BulkJobs
    """For contacts that are deleted for good."""

    def endings(self, page: Sequence[Removal]) -> Iterator[Removed]:
        """See `RemovalCalls`: every contact takes a call."""
        del page
        return iter(())

    def remove_in_bulk(self, page: Sequence[Removal]) -> Deletions:
        """See `RemovalCalls`."""
        wanted = sorted(one.contact for one in page if one.mode is RemovalMode.DELETE)
        return self.jobs.delete(wanted, self.client.submit_deletions)

    def remove(self, removal: Removal) -> None:
        """See `RemovalCalls`."""
        match removal.mode:
            case RemovalMode.ARCHIVE:
                self.client.archive_contact(removal.contact)
            case RemovalMode.DELETE:
                self.client.delete_contact(removal.contact)


@dataclass(frozen=True, slots=True)
class Remover:
    """Removes contacts, whether marked or missing."""

    calls: RemovalCalls
    in_parallel: InParallel
    ledger: Ledger
    plan: Plan
    """It is told on whose account a contact is removed."""

    def remove(self, removals: Iterable[Removal]) -> Iterator[Removed]:
        """Remove contacts, each given once; yields what became of each, in any order."""
        waiting = iter(removals)
        while page := list(islice(waiting, _AT_ONCE)):
            yield from self._remember(self._remove(page))

    def _remove(self, page: Sequence[Removal]) -> Iterator[Removed]:
        ended = {one.removal.contact: one for one in self.calls.endings(page)}
        yield from ended.values()
        page = [one for one in page if one.contact not in ended]
        self.ledger.doubt(sorted(one.contact for one in page))
        self.plan.because({one.contact: one.origin for one in page})
        deletions = self.calls.remove_in_bulk(page)
        yield from (Removed(one, RemovalEnding.REMOVED) for one in page if one.contact in deletions.done)
        singly = [one for one in page if one.contact not in deletions.done]
        yield from self.in_parallel(lambda one: self._remove_one(one, deletions), singly)

    def _remove_one(self, removal: Removal, deletions: Deletions) -> Removed:
        try:
            self.calls.remove(removal)
        except NotFoundError:
            # A job may have deleted it.
            return Removed(
                removal, RemovalEnding.REMOVED if removal.contact in deletions.tried else RemovalEnding.NOT_THERE
            )
        except MergedError as error:
            return Removed(removal, RemovalEnding.MERGED, error.fault)
        except UndoneError as error:
            return Removed(removal, RemovalEnding.REFUSED, error.fault)
        return Removed(removal, RemovalEnding.REMOVED)

    def _remember(self, removed: Iterable[Removed]) -> Iterator[Removed]:
        """Write into the ledger which contacts are gone, also where the run ends in between."""
        gone: dict[ContactId, str] = {}
        try:
            for one in removed:
                if one.ending not in {RemovalEnding.REFUSED, RemovalEnding.IN_USE}:
                    gone[one.removal.contact] = one.removal.origin.stream
                if len(gone) >= _MOST_UNWRITTEN:
                    self.ledger.removed(gone)
                    gone = {}
                yield one
        finally:
            self.ledger.removed(gone)
