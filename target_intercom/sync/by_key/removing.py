"""Archives objects that are known by their key, unless people are in them that this target did not put there."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from target_intercom.errors import CallFailedError, RefusedError
from target_intercom.model import Found, NotFound, Unanswered
from target_intercom.sync.removing.remover import RemovalCalls, RemovalEnding, Removed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from target_intercom.model import Contact, ContactId
    from target_intercom.sync.by_key.known import KnownObjects
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs, Deletions
    from target_intercom.sync.removing.remover import Removal


@dataclass(frozen=True, slots=True)
class KeyedRemovals(RemovalCalls):
    """Archives objects of one kind; archiving one detaches everybody who is in it."""

    known: KnownObjects
    jobs: BulkJobs
    ours: Callable[[Collection[ContactId]], Mapping[ContactId, Collection[ContactId]]]
    """Returns whom this target has put into objects."""
    _found: dict[ContactId, Contact] = field(default_factory=dict)
    """The objects of the page that is being removed, with Intercom's ids."""

    def endings(self, page: Sequence[Removal]) -> Iterator[Removed]:
        """See `RemovalCalls`. An order to remove holds whoever is in the object."""
        self._found.clear()
        matches = self.known.find_with_ids([one.contact for one in page])
        looked_at: list[Removal] = []
        for removal in page:
            match matches[removal.contact]:
                case NotFound():
                    yield Removed(removal, RemovalEnding.NOT_THERE)
                case Unanswered(fault):
                    yield Removed(removal, RemovalEnding.REFUSED, fault)
                case Found(contact):
                    self._found[contact.id] = contact
                    looked_at.extend([] if removal.is_order else [removal])
        yield from self._in_use(looked_at)

    def _in_use(self, removals: Sequence[Removal]) -> Iterator[Removed]:
        """Yield the objects in which there are others."""
        keys = [one.contact for one in removals]
        ours = self.ours(keys)
        try:
            strangers = self.known.kind.strangers([self._found[key] for key in keys], ours)
        except (CallFailedError, RefusedError) as error:
            yield from (Removed(one, RemovalEnding.REFUSED, error.fault) for one in removals)
            return
        for one in removals:
            if one.contact not in strangers:
                yield Removed(one, RemovalEnding.NOT_THERE)
            elif strangers[one.contact]:
                yield Removed(one, RemovalEnding.IN_USE)

    def remove_in_bulk(self, page: Sequence[Removal]) -> Deletions:
        """See `RemovalCalls`."""
        return self.jobs.delete(
            [one.contact for one in page],
            lambda keys, job: self.known.kind.submit_archivals([self._found[key] for key in keys], job),
        )

    def remove(self, removal: Removal) -> None:
        """See `RemovalCalls`."""
        self.known.kind.archive(self._found[removal.contact])
