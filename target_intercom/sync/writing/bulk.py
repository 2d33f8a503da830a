"""Contacts through bulk jobs, and singly what those cannot carry or did not settle."""

from __future__ import annotations

import itertools
import time
import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

from target_intercom.errors import LeadPendingError
from target_intercom.model import (
    STAND_IN,
    ContactId,
    ContactRecords,
    Create,
    Found,
    Result,
    Update,
)
from target_intercom.sync.jobs.bulk_jobs import FEWEST, parted
from target_intercom.sync.jobs.lane import JobEnd, Submission
from target_intercom.sync.planning import bulk_items
from target_intercom.sync.planning.wanted import changes
from target_intercom.sync.remembering.fingerprints import single_print
from target_intercom.sync.writing.lost_answers import LeadInDoubt, email_of
from target_intercom.sync.writing.results import Rejected, Saved, without_calls

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.kinds.link import LinkKind
    from target_intercom.ledger.interface import Stamp
    from target_intercom.model import Email, Json, LinkName, PlannedWrite
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs
    from target_intercom.sync.jobs.lane import Ended
    from target_intercom.sync.workspace.teammates import Teammates
    from target_intercom.sync.writing.conflicts import ExistingContacts
    from target_intercom.sync.writing.one_by_one import DirectWriter
    from target_intercom.sync.writing.results import SavedAs, Written

_PROOFS = 3
"""So often a new attribute is tried with a single contact before all that have it go singly."""
_STAND_INS = itertools.count()


@dataclass(frozen=True, slots=True)
class _Item:
    """An operation, and what of it is sent."""

    operation: Create | Update
    attributes: Mapping[str, Json]
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sorted:
    """The operations of a batch, sorted by how they are sent."""

    singly: list[Create | Update] = field(default_factory=list)
    users: list[_Item] = field(default_factory=list)
    leads: list[_Item] = field(default_factory=list)
    updates: list[_Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BulkWriter:
    """Writes the contacts of one stream through bulk jobs, a hundred a call."""

    jobs: BulkJobs
    direct: DirectWriter
    """Writes what no job can carry, and what a job left open."""
    existing: ExistingContacts
    teammates: Teammates
    links: Mapping[LinkName, LinkKind]
    """What contacts can be linked to."""

    def write(self, operations: Iterable[PlannedWrite]) -> Iterator[Written | None]:
        """See `Writer`."""
        for written in self._write(operations):
            match written:
                case Saved(contact=contact) if contact.id in self.jobs.given_up:
                    yield replace(written, may_change=True)
                case Rejected(records=ContactRecords(match=Found(contact))) if contact.id in self.jobs.given_up:
                    yield replace(written, is_unchanged=False)
                case _:
                    yield written

    def _write(self, operations: Iterable[PlannedWrite]) -> Iterator[Written | None]:
        """Write; single calls go first, since they may report what a job would silently ignore."""
        waiting, done = without_calls(operations)
        yield from done
        if not self.jobs.are_there or len(waiting) < FEWEST:
            yield from self.direct.write(waiting)
            return
        for _ in range(_PROOFS):
            proofs = self._proofs(waiting)
            taken = {id(one) for one in proofs}
            waiting = [one for one in waiting if id(one) not in taken]
            yield from self.direct.write(proofs)
        parts = self._sort(waiting)
        for few in (parts.users, parts.leads, parts.updates):
            if len(few) < FEWEST:
                parts.singly.extend(item.operation for item in few)
                few.clear()
        yield from self.direct.write(parts.singly)
        if parts.updates or parts.users or parts.leads:
            # All that may be waited for is sent before anything is.
            client = self.existing.client
            updates, creates = (
                self._run(parts.updates, client.submit_updates),
                self._run(parts.users, client.submit_creates),
            )
            begun = self._settle_updates(updates), self._settle_users(creates), self._create_leads(parts.leads)
            yield None
            yield from itertools.chain.from_iterable(begun)

    # What goes which way.

    def _proofs(self, operations: Sequence[Create | Update]) -> list[Create | Update]:
        """Choose few operations that show whether Intercom takes the attributes that are new."""
        proofs: list[Create | Update] = []
        unproven = set(self.existing.catalog.unproven)
        for operation in operations if unproven else ():
            if not unproven.isdisjoint(_named(operation)):
                proofs.append(operation)
                unproven -= _named(operation)
        return proofs

    def _sort(self, operations: Iterable[Create | Update]) -> _Sorted:
        parts = _Sorted()
        for item in self._compared(map(self._item, operations)):
            match item.operation:
                case _ if not self._may_go_in_job(item):
                    parts.singly.append(item.operation)
                case Update() if bulk_items.can_update(item.attributes):
                    parts.updates.append(item)
                case Create(role="lead") if bulk_items.can_create(item.attributes):
                    parts.leads.append(item)
                case Create() if bulk_items.can_create(item.attributes):
                    parts.users.append(item)
                case _:
                    parts.singly.append(item.operation)
        return parts

    def _item(self, operation: Create | Update) -> _Item:
        attributes = operation.attributes if isinstance(operation, Create) else operation.changes
        kept, dropped = self.existing.catalog.kept(attributes)
        return _Item(operation, kept, dropped)

    def _may_go_in_job(self, item: _Item) -> bool:
        """Check whether a job may carry an item: nothing about it needs the answer of a single call."""
        operation, attributes = item.operation, item.attributes
        has_links = isinstance(operation, Update) and bool(operation.links)
        if not (attributes or has_links) or not self.existing.catalog.unproven.isdisjoint(attributes):
            return False
        owners = bulk_items.owners(attributes).values()
        if owners and not self.teammates.admins().issuperset(owners):
            return False
        # What follows in the same batch needs the contact's id; a lead that was given up may turn up.
        email = operation.records.draft.identity.email
        is_doubtful = email is not None and self.direct.creates.is_doubtful(email)
        return isinstance(operation, Update) or not (operation.records.is_followed or is_doubtful)

    def _compared(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield items; those that write what no job can to contacts that were not read, with what differs.

        Mostly that is nothing, or what a job can write.
        """
        unread: list[Update] = []
        for item in items:
            match item.operation:
                case Update(contact=contact) as update if not contact.is_read and self._may_be_less(item):
                    unread.append(update)
                case _:
                    yield item
        lately = self.existing.matcher.lately() if unread else frozenset()
        view = self.existing.matcher.shown(one.contact.id for one in unread if one.contact.id not in lately)
        for update in unread:
            seen = view.get(update.contact.id)
            if seen is not None:
                differing = changes(update.records.draft, seen, self.existing.stream.settings.creation_mode)
                yield self._item(replace(update, contact=seen, changes=differing))
            elif update.contact.id in lately and _has_single_values(update):
                yield self._item(replace(update, changes=bulk_items.carried(update.changes)))
            else:
                yield self._item(update)

    def _may_be_less(self, item: _Item) -> bool:
        """Check whether comparing an item with its contact may show that a job can carry it."""
        is_too_much = not bulk_items.can_update(item.attributes) and bulk_items.may_be_less(item.attributes)
        return is_too_much and self._may_go_in_job(item)

    # What jobs do.

    def _run(self, items: Sequence[_Item], submit: Callable[..., Job]) -> Iterable[Ended[_Item]]:
        """Submit items, and return what becomes of them, as it becomes known."""
        return self.jobs.run([Submission(some, partial(self._send, submit, some)) for some in parted(items)])

    def _send(self, submit: Callable[..., Job], items: Sequence[_Item], job: JobId | None) -> Job:
        return submit([self._body(item) for item in items], job)

    def _settle_updates(self, submissions: Iterable[Ended[_Item]]) -> Iterator[Written]:
        for ended in submissions:
            if ended.ending is JobEnd.DONE:
                yield from map(self._written, ended.items)
            else:
                if ended.ending is JobEnd.UNKNOWN:
                    updates = (item.operation for item in ended.items)
                    self.jobs.given_up.update(one.contact.id for one in updates if isinstance(one, Update))
                # To write an update twice does no harm, and says what is wrong with it.
                yield from self.direct.write([item.operation for item in ended.items])

    def _body(self, item: _Item) -> dict[str, Json]:
        body = bulk_items.item(item.attributes)
        for name, change in item.operation.links.items():
            body |= self.links[name].job_item(change)
        return {"id": item.operation.contact.id, **body} if isinstance(item.operation, Update) else body

    def _written(self, item: _Item) -> Saved:
        """Return what a job has done with an item."""
        result: SavedAs
        match item.operation:
            case Update(records, contact, links=links):
                result = Result.UPDATED if item.attributes else Result.UNCHANGED
                saved = bulk_items.updated(contact, item.attributes) if item.attributes else contact
                links_sent = bool(links)
            case Create(records, links=links, stand_in=stand_in):
                result, links_sent = Result.CREATED, stand_in is not None
                id_ = stand_in or ContactId(f"{STAND_IN}{next(_STAND_INS)}")
                saved = bulk_items.made(records.draft, item.attributes, id_)
        for name, change in links.items():
            saved = self.links[name].changed(saved, change)
        return Saved(records, result, saved, item.dropped, links_sent=links_sent)

    def _settle_users(self, submissions: Iterable[Ended[_Item]]) -> Iterator[Written]:
        for ended in submissions:
            operations = [item.operation for item in ended.items]
            match ended.ending:
                case JobEnd.DONE:
                    yield from map(self._written, ended.items)
                case JobEnd.FAILED | JobEnd.UNKNOWN:
                    yield from self.direct.creates.settle_users(_creates(operations), ended.since)
                case JobEnd.NOT_SENT:
                    yield from self.direct.write(operations)

    def _create_leads(self, items: Sequence[_Item]) -> Iterator[Written]:
        """Submit leads to be made, and return what becomes of them, as it becomes known.

        Their intents are in the ledger before: Intercom would take a second one without a word.
        """
        intents = self.existing.ledger.intents.add_all(dict.fromkeys(map(_email, items)), self.jobs.patience_seconds)
        begun = [item for item in items if isinstance(intents[_email(item)], LeadPendingError)]
        items = [item for item in items if not isinstance(intents[_email(item)], LeadPendingError)]
        submitted = self._run(items, partial(self.existing.client.submit_creates, repeatable=False))
        return itertools.chain(
            self.direct.write([item.operation for item in begun]), self._settle_leads(submitted, intents)
        )

    def _settle_leads(
        self, submissions: Iterable[Ended[_Item]], intents: Mapping[Email, Stamp | LeadPendingError]
    ) -> Iterator[Written]:
        doubts: list[LeadInDoubt] = []
        for ended in submissions:
            match ended.ending:
                case JobEnd.DONE:
                    made = {_email(item): intents[_email(item)] for item in ended.items}
                    self.existing.ledger.intents.add_all(
                        {email: at for email, at in made.items() if isinstance(at, int)}, 0.0
                    )
                    yield from map(self._written, ended.items)
                case JobEnd.FAILED | JobEnd.UNKNOWN:
                    doubts.extend(self._doubts(ended, intents))
                case JobEnd.NOT_SENT:
                    self.existing.ledger.intents.drop([_email(item) for item in ended.items])
                    yield from self.direct.write([item.operation for item in ended.items])
        yield from self.direct.creates.settle_leads(doubts)

    def _doubts(self, ended: Ended[_Item], intents: Mapping[Email, Stamp | LeadPendingError]) -> Iterator[LeadInDoubt]:
        """Return leads that may have been made. Where a job is under way, it may make them yet."""
        is_open = ended.ending is JobEnd.UNKNOWN
        sent_at = time.monotonic() + (self.jobs.patience_seconds if is_open and ended.since is None else 0.0)
        for item in ended.items:
            intent = intents[_email(item)]
            if isinstance(item.operation, Create) and not isinstance(intent, LeadPendingError):
                may_come = is_open and ended.since is not None
                yield LeadInDoubt(item.operation, ended.fault, sent_at, intent, may_come)


def _has_single_values(operation: Update) -> bool:
    """Check whether the contact has, by the ledger, what no job can write: search may not show it yet."""
    match operation.records.entries:
        case [entry]:
            return entry.known is not None and entry.known.single == single_print(entry.draft.attributes)
        case _:
            return False


def _creates(operations: Iterable[Create | Update]) -> list[Create]:
    return [operation for operation in operations if isinstance(operation, Create)]


def _email(item: _Item) -> Email:
    return email_of(item.operation)


def _named(operation: Create | Update) -> set[str]:
    """Return the attributes that an operation sets."""
    attributes = operation.attributes if isinstance(operation, Create) else operation.changes
    return {name for name, value in attributes.items() if value is not None}
