"""Links in bulk jobs: by jobs of their own at the end of the pipe, or with the contacts' own changes before.

What goes with contacts is written into the ledger before it is sent, as all that is ours: what a job does not carry is
put on or taken off at the end of the pipe like any other link, and what is refused is taken back.
"""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial

from target_intercom.ledger.memberships.states import LinkState
from target_intercom.ledger.remembered import stamp
from target_intercom.model import STAND_IN
from target_intercom.sync.jobs.bulk_jobs import FEWEST, JobEnd, parted
from target_intercom.writes import LinkChange

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.kinds.link import LinkKind
    from target_intercom.ledger.memberships.states import Membership
    from target_intercom.model import ContactId, LinkedId, Pair, RecordKey
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs
    from target_intercom.sync.linking.changes import MembershipChange
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.outcomes import Outcomes

_LOOKS = 2
"""Calls that a job costs beside its submissions, about."""


@dataclass(frozen=True)
class LinkJobs:
    """Changes links by bulk jobs, where that costs fewer calls."""

    kind: LinkKind
    client: IntercomClient
    jobs: BulkJobs

    @property
    def are_available(self) -> bool:
        """Whether it is worth to bring the changes of a contact together."""
        return self.jobs.are_there

    def run(self, changes: Mapping[ContactId, LinkChange], calls: int) -> frozenset[ContactId]:
        """Change links; returns the contacts whose links are changed. `calls` is what all would cost otherwise.

        Of the other contacts nothing is known: to put a link on or take it off again does no harm.
        """
        contacts = sorted(changes)
        if not self.are_available or len(contacts) < FEWEST or len(parted(contacts)) + _LOOKS >= calls:
            return frozenset()
        ended = self.jobs.run(contacts, partial(self._send, changes))
        done = (one.items for one in ended if one.ending is JobEnd.DONE)
        return frozenset(contact for items in done for contact in items)

    def _send(self, changes: Mapping[ContactId, LinkChange], contacts: Sequence[ContactId], job: JobId | None) -> Job:
        return self.client.submit_updates([{"id": one, **self.kind.job_item(changes[one])} for one in contacts], job)


@dataclass(slots=True)
class _LinkPlan:
    """The links of one contact that a job is to change."""

    before: list[Membership] = field(default_factory=list)
    """The memberships of the contact's records before they came."""
    after: list[Membership] = field(default_factory=list)
    """The memberships that they make now."""
    on: list[Membership] = field(default_factory=list)
    off: list[Membership] = field(default_factory=list)


@dataclass
class LinksWithContacts:
    """The links of one stream's contacts that go into the jobs of the contacts, batch by batch."""

    links: Links
    jobs: LinkJobs
    outcomes: Outcomes
    look_at: Callable[[Sequence[Membership]], None]
    """Finds out whether contacts have their links."""
    save_off: Callable[[Sequence[Membership]], None]
    """Writes that links were taken off."""
    _plans: dict[ContactId, _LinkPlan] = field(default_factory=dict)
    _confirmed: list[_LinkPlan] = field(default_factory=list)

    def plan(self, lists: Sequence[MembershipChange]) -> Mapping[ContactId, LinkChange]:
        """Write what the records of a stream list; returns the changes that follow for their contacts' links."""
        # What this batch has changed so far counts.
        self.save()
        self._plans = defaultdict(_LinkPlan)
        if not (lists and self.jobs.are_available):
            return {}
        rows = self._read_looked_at(self._save_lists(lists))
        mine = {(one.stream, one.key) for one in lists}
        elsewhere = {one.pair for one in rows if (one.stream, one.key) not in mine and one.state.is_open}
        for one in rows:
            if (one.stream, one.key) in mine and one.pair not in elsewhere:
                self._add(one)
        self._provide()
        self._keep_wanted()
        return {contact: change for contact, plan in self._plans.items() if (change := self._change(plan))}

    def confirm(self, contact: ContactId) -> bool:
        """Save that a job has changed a contact's links; returns whether some of them wait for the end of the pipe."""
        plan = self._plans.pop(contact, None)
        if plan is None:
            return False
        self._confirmed.append(plan)
        sent = {one.id for one in (*plan.on, *plan.off)}
        return any((one.state.is_open or one.state.is_ending) and one.id not in sent for one in plan.after)

    def cancel(self, contact: ContactId, unknown: Collection[RecordKey]) -> None:
        """Take back what the records of a contact list: nothing was written to it.

        What those of `unknown` keys list was never to last: a run that was cut off has planned as much before it wrote.
        """
        plan = self._plans.pop(contact, None)
        if plan is None:
            return
        open_ = {one.id for one in plan.before if one.state.is_open and one.key in unknown}
        before = [replace(one, state=LinkState.OFF) if one.id in open_ else one for one in plan.before]
        kept = {one.id for one in before}
        self.links.memberships.save(before, [one for one in plan.after if one.id not in kept])
        self.links.memberships.forget_lists({(one.stream, one.key) for one in plan.after})

    def save(self) -> None:
        """Write the links that jobs have changed."""
        confirmed, self._confirmed = self._confirmed, []
        if not confirmed:
            return
        on = sorted((one for plan in confirmed for one in plan.on), key=lambda one: one.pair)
        off = sorted((one for plan in confirmed for one in plan.off), key=lambda one: one.pair)
        self.outcomes.put_on(replace(one, linked=self.links.linked_id(one)) for one in on)
        self.save_off(off)

    def _save_lists(self, lists: Sequence[MembershipChange]) -> set[Pair]:
        """Write what records list; returns all pairs that they may change."""
        batch = self.links.batch()
        batch.read_lists(lists)
        pairs: set[Pair] = set()
        for one in lists:
            plan = self._plans[one.contact.id]
            plan.before.extend(batch.of_key(one.stream, one.key))
            batch.add(one)
            after = batch.of_key(one.stream, one.key)
            plan.after.extend(after)
            # What earlier lists want and could not have yet waits on.
            now = (row for row in after if row.group in one.groups or not row.state.is_open)
            pairs.update(row.pair for row in now if row.contact == one.contact.id)
        batch.save()
        return pairs

    def _read_looked_at(self, pairs: set[Pair]) -> list[Membership]:
        """Return the memberships of pairs when it is known which contacts have their links."""
        rows = self.links.memberships.of_pairs(pairs)
        unclear = sorted((one for one in rows if one.state is LinkState.UNCLEAR), key=lambda one: one.pair)
        if not unclear:
            return rows
        self.look_at(unclear)
        return self.links.memberships.of_pairs(pairs)

    def _add(self, one: Membership) -> None:
        match one.state:
            case LinkState.WANTED:
                self._plans[one.contact].on.append(one)
            case LinkState.RELEASED:
                self._plans[one.contact].off.append(one)
            case _:
                pass

    def _provide(self) -> None:
        """Make what the workspace does not have, and write that the links are ours before they are."""
        plans, now = list(self._plans.values()), stamp(time.time())
        missing = self.links.catalog.provide({one.group: one.name for plan in plans for one in plan.on})
        for plan in plans:
            # When it was sent tells a contact that a job has made from one that was there.
            plan.on = [
                replace(one, ours=True, written_at=now if one.contact.startswith(STAND_IN) else one.written_at)
                for one in plan.on
                if one.group not in missing
            ]
        self.links.memberships.save_states([one for plan in plans for one in plan.on])

    def _keep_wanted(self) -> None:
        """Keep the links that other records want, of any stream."""
        rows = sorted((one for plan in self._plans.values() for one in plan.off), key=lambda one: one.pair)
        staying = self.links.memberships.start_taking_off(rows) if rows else set()
        for plan in self._plans.values():
            plan.off = [one for one in plan.off if one.pair not in staying]

    def _change(self, plan: _LinkPlan) -> LinkChange | None:
        on, off = self._ids(plan.on), self._ids(plan.off)
        return LinkChange(on, off - on) if on or off else None

    def _ids(self, rows: Iterable[Membership]) -> frozenset[LinkedId]:
        return frozenset(linked for one in rows if (linked := self.links.linked_id(one)) is not None)
