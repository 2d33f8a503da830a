"""Tag changes that travel with the contacts' own changes, in the same bulk job.

They are noted before they are sent, as all that is ours: what a job does not carry is put on or taken off at the end of
the pipe like any other, and what is refused is taken back.
"""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field, replace

from target_intercom.ledger.interface import LinkState, stamp
from target_intercom.model import TagChange

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_intercom.ledger.interface import Membership
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import ContactId, GroupKey, TagId
    from target_intercom.sync.linking.claiming import Claiming
    from target_intercom.sync.linking.claims import Claim
    from target_intercom.sync.linking.tagging import Tagging
    from target_intercom.sync.workspace.tags import TagCatalog
    from target_intercom.sync.writing.bulk_jobs import BulkJobs


@dataclass(slots=True)
class _Parcel:
    """The tags of one contact, on their way."""

    before: list[Membership] = field(default_factory=list)
    """What its records had said."""
    noted: list[Membership] = field(default_factory=list)
    """What they say now."""
    on: list[Membership] = field(default_factory=list)
    off: list[Membership] = field(default_factory=list)


class CarriedTags:
    """The tags of one stream's contacts that go into bulk jobs, batch by batch."""

    def __init__(
        self,
        jobs: BulkJobs,
        *,
        memberships: Memberships,
        tags: TagCatalog,
        tagging: Tagging,
        begin: Callable[[], Claiming],
    ) -> None:
        """`begin` gives a place for the claims of a batch."""
        self._jobs = jobs
        self._memberships = memberships
        self._tags = tags
        self._tagging = tagging
        self._begin = begin
        self._parcels: dict[ContactId, _Parcel] = {}
        self._arrived: list[_Parcel] = []

    def load(self, listed: Sequence[Claim]) -> Mapping[ContactId, TagChange]:
        """Note what the records of a stream list, and give the changes that follow for their contacts' tags."""
        # What this batch has changed so far counts.
        self.write()
        self._parcels = defaultdict(_Parcel)
        if not (listed and self._jobs.are_there):
            return {}
        pairs = self._note(listed)
        rows = self._looked_at(pairs)
        mine = {(one.stream, one.key) for one in listed}
        elsewhere = {one.pair for one in rows if (one.stream, one.key) not in mine and one.holding.is_open}
        for one in rows:
            if (one.stream, one.key) in mine and one.pair not in elsewhere:
                self._take_in(one)
        self._provide()
        self._let_go()
        return {contact: change for contact, parcel in self._parcels.items() if (change := self._change(parcel))}

    def _note(self, listed: Sequence[Claim]) -> set[tuple[ContactId, GroupKey]]:
        """Note the claims; returns all pairs that they may change."""
        claims = self._begin()
        for stream in {one.stream for one in listed}:
            claims.recall(stream, [one.key for one in listed if one.stream == stream])
        claims.meet((one.contact.id, group) for one in listed for group in one.groups)
        pairs: set[tuple[ContactId, GroupKey]] = set()
        for one in listed:
            parcel = self._parcels[one.contact.id]
            parcel.before.extend(claims.of_key(one.stream, one.key))
            claims.claim(one)
            noted = claims.of_key(one.stream, one.key)
            parcel.noted.extend(noted)
            pairs.update(row.pair for row in noted if row.contact == one.contact.id)
        claims.write()
        return pairs

    def _looked_at(self, pairs: set[tuple[ContactId, GroupKey]]) -> list[Membership]:
        """Return the memberships of pairs when it is known which contacts have their tags."""
        rows = self._memberships.of_pairs(pairs)
        unclear = sorted((one for one in rows if one.holding is LinkState.UNCLEAR), key=lambda one: one.pair)
        if not unclear:
            return rows
        self._tagging.look(unclear)
        return self._memberships.of_pairs(pairs)

    def _take_in(self, one: Membership) -> None:
        match one.holding:
            case LinkState.WANTED:
                self._parcels[one.contact].on.append(one)
            case LinkState.RELEASED:
                self._parcels[one.contact].off.append(one)
            case _:
                pass

    def _provide(self) -> None:
        """Make the tags that are missing, and write down that they are ours before they are."""
        parcels = list(self._parcels.values())
        unmade = self._tags.provide({one.group: one.name for parcel in parcels for one in parcel.on})
        for parcel in parcels:
            parcel.on = [replace(one, ours=True) for one in parcel.on if one.group not in unmade]
        self._memberships.settle([one for parcel in parcels for one in parcel.on])

    def _let_go(self) -> None:
        """Keep the tags that other records want, of any stream."""
        rows = sorted((one for parcel in self._parcels.values() for one in parcel.off), key=lambda one: one.pair)
        staying = self._memberships.let_go(rows) if rows else set()
        for parcel in self._parcels.values():
            parcel.off = [one for one in parcel.off if one.pair not in staying]

    def _change(self, parcel: _Parcel) -> TagChange | None:
        on, off = self._ids(parcel.on), self._ids(parcel.off)
        return TagChange(on, off - on) if on or off else None

    def _ids(self, rows: Iterable[Membership]) -> frozenset[TagId]:
        return frozenset(tag for one in rows if (tag := self._tagging.tag_of(one)) is not None)

    def arrived(self, contact: ContactId) -> None:
        """Note that a contact's tags were changed."""
        self._arrived.append(self._parcels.pop(contact))

    def take_back(self, contact: ContactId) -> None:
        """Note that nothing was written to a contact: its records have not said what they list."""
        parcel = self._parcels.pop(contact, None)
        if parcel is None:
            return
        kept = {one.id for one in parcel.before}
        self._memberships.note(parcel.before, [one for one in parcel.noted if one.id not in kept])
        self._memberships.unlist({(one.stream, one.key) for one in parcel.noted})

    def write(self) -> None:
        """Write down what arrived."""
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        now = stamp(time.time())
        on = sorted((one for parcel in arrived for one in parcel.on), key=lambda one: one.pair)
        off = sorted((one for parcel in arrived for one in parcel.off), key=lambda one: one.pair)
        self._tagging.put_on_already(
            [replace(one, holding=LinkState.ON, tag=self._tagging.tag_of(one), written_at=now) for one in on]
        )
        self._tagging.taken_off_already(off)
