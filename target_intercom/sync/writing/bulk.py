"""Contacts through bulk jobs, and singly what those cannot carry or did not settle."""

from __future__ import annotations

import itertools
import time
import typing as t
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial

from target_intercom.model import STAND_IN, ContactId
from target_intercom.outcomes import Result
from target_intercom.sync.jobs.bulk_jobs import FEWEST, JobEnd
from target_intercom.sync.matching.roles import newborn
from target_intercom.sync.planning import bulk_items
from target_intercom.sync.planning.wanted import changes
from target_intercom.sync.remembering.fingerprints import single_print
from target_intercom.sync.workspace.attributes import MOST_PROOFS
from target_intercom.sync.writing.one_by_one import LeadInDoubt, email_of
from target_intercom.writes import Create, Saved, Update

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.kinds.link import LinkKind
    from target_intercom.ledger.remembered import Stamp
    from target_intercom.model import Email, Json, LinkName
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs, Ended
    from target_intercom.sync.workspace.teammates import Teammates
    from target_intercom.sync.writing.conflicts import ExistingContacts
    from target_intercom.sync.writing.one_by_one import DirectWriter
    from target_intercom.writes import Call, SavedAs, Written

_STAND_INS = itertools.count()
_Way: t.TypeAlias = t.Literal["singly", "update", "user", "lead"]


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

    def write(self, calls: Sequence[Call]) -> Iterator[Written | None]:
        """See `Writer`; single calls go first, since they may report what a job would silently ignore."""
        if not self.jobs.are_there or len(calls) < FEWEST:
            yield from self.direct.write(calls)
            return
        for _ in range(MOST_PROOFS):
            proofs = [*self.existing.catalog.proofs(one.attributes for one in calls)]
            yield from self.direct.write([one for one, is_proof in zip(calls, proofs, strict=True) if is_proof])
            calls = [one for one, is_proof in zip(calls, proofs, strict=True) if not is_proof]
        ways: dict[_Way, list[Call]] = defaultdict(list)
        for one in self._compared(calls):
            ways[self._way(one)].append(one)
        for way in ("user", "lead", "update"):
            if len(ways[way]) < FEWEST:
                ways["singly"].extend(ways.pop(way))
        yield from self.direct.write(ways.pop("singly", ()))
        if ways:
            yield from self._write_in_jobs(ways)

    # What goes which way.

    def _way(self, call: Call) -> _Way:
        """Return how a call goes: singly, or in a job of some sort."""
        attributes = self._kept(call)
        can_carry = bulk_items.can_update if isinstance(call, Update) else bulk_items.can_create
        if not (can_carry(attributes) and self._may_go_in_job(call)):
            return "singly"
        return "update" if isinstance(call, Update) else call.role

    def _kept(self, call: Call) -> Mapping[str, Json]:
        return self.existing.catalog.kept(call.attributes)[0]

    def _may_go_in_job(self, call: Call) -> bool:
        """Check whether a job may carry a call: nothing about it needs the answer of a single one."""
        attributes = self._kept(call)
        has_links = isinstance(call, Update) and bool(call.links)
        if not (attributes or has_links) or not self.existing.catalog.unproven.isdisjoint(attributes):
            return False
        owners = bulk_items.owners(attributes).values()
        if owners and not self.teammates.admins().issuperset(owners):
            return False
        # What follows in the same batch needs the contact's id; a lead that was given up may turn up.
        email = call.records.draft.identity.email
        is_doubtful = email is not None and self.direct.is_doubtful(email)
        return isinstance(call, Update) or not (call.records.is_followed or is_doubtful)

    def _compared(self, calls: Iterable[Call]) -> Iterator[Call]:
        """Yield calls; of those to contacts that were not read, what differs: mostly that is what a job can write."""
        unread: list[Update] = []
        for one in calls:
            if isinstance(one, Update) and not one.contact.is_read and self._may_be_less(one):
                unread.append(one)
            else:
                yield one
        lately = self.existing.matcher.lately() if unread else {}
        view = self.existing.matcher.shown(one.contact.id for one in unread if one.contact.id not in lately)
        for update in unread:
            seen = view.get(update.contact.id)
            if seen is not None:
                differing = changes(update.records.draft, seen, self.existing.stream.settings.creation_mode)
                yield replace(update, contact=seen, attributes=differing)
            elif update.contact.id in lately and _has_single_values(update):
                yield replace(update, attributes=bulk_items.carried(update.attributes))
            else:
                yield update

    def _may_be_less(self, update: Update) -> bool:
        """Check whether comparing an update with its contact may show that a job can carry it."""
        attributes = self._kept(update)
        is_too_much = not bulk_items.can_update(attributes) and bulk_items.may_be_less(attributes)
        return is_too_much and self._may_go_in_job(update)

    # What jobs do.

    def _write_in_jobs(self, ways: Mapping[_Way, Sequence[Call]]) -> Iterator[Written | None]:
        """Submit calls, and yield what becomes of them; all that may be waited for is sent before anything is.

        The intents of leads are in the ledger before: Intercom would take a second one without a word.
        """
        client, leads = self.existing.client, ways.get("lead", ())
        intents = self.existing.ledger.intents.add_all(dict.fromkeys(map(email_of, leads)), self.jobs.patience_seconds)
        stamps = {email: intent for email, intent in intents.items() if isinstance(intent, int)}
        ended = [
            self.jobs.run(ways.get("update", ()), partial(self._send, client.submit_updates)),
            self.jobs.run(ways.get("user", ()), partial(self._send, client.submit_creates)),
            self.jobs.run(
                [one for one in leads if email_of(one) in stamps],
                partial(self._send, partial(client.submit_creates, repeatable=False)),
            ),
        ]
        yield None
        yield from self._settle(itertools.chain.from_iterable(ended), stamps)
        yield from self.direct.write([one for one in leads if email_of(one) not in stamps])

    def _send(self, submit: Callable[..., Job], calls: Sequence[Call], job: JobId | None) -> Job:
        return submit([self._item(one) for one in calls], job)

    def _item(self, call: Call) -> dict[str, Json]:
        item = bulk_items.item(self._kept(call))
        for name, change in call.links.items():
            item |= self.links[name].job_item(change)
        return {"id": call.contact.id, **item} if isinstance(call, Update) else item

    def _settle(self, submissions: Iterable[Ended[Call]], stamps: Mapping[Email, Stamp]) -> Iterator[Written]:
        """Yield what became of submissions, and finish what they left open; `stamps` are of the intents of leads."""
        intents, doubts = self.existing.ledger.intents, list[LeadInDoubt]()
        for ended in submissions:
            updates = [one for one in ended.items if isinstance(one, Update)]
            users = [one for one in ended.items if isinstance(one, Create) and one.role == "user"]
            leads = {email_of(one): one for one in ended.items if isinstance(one, Create) and one.role == "lead"}
            match ended.ending:
                case JobEnd.DONE:
                    if leads:
                        intents.add_all({email: stamps[email] for email in leads}, 0.0)
                    yield from map(self._written, ended.items)
                case JobEnd.NOT_SENT:
                    if leads:
                        intents.drop(list(leads))
                    yield from self.direct.write(ended.items)
                case JobEnd.FAILED | JobEnd.UNKNOWN:
                    is_open, is_known = ended.ending is JobEnd.UNKNOWN, ended.since is not None
                    if is_open:
                        self.jobs.given_up.update(one.contact.id for one in updates)
                    # To write an update twice does no harm, and says what is wrong with it.
                    yield from self.direct.write(updates)
                    yield from self.direct.settle_users(users, ended.since)
                    # A job that is under way may make leads yet.
                    sent_at = time.monotonic() + (0.0 if is_known or not is_open else self.jobs.patience_seconds)
                    doubts.extend(
                        LeadInDoubt(one, ended.fault, sent_at, stamps[email], may_come=is_open and is_known)
                        for email, one in leads.items()
                    )
        yield from self.direct.settle_leads(doubts)

    def _written(self, call: Call) -> Saved:
        """Return what a job has done with a call."""
        attributes, dropped = self.existing.catalog.kept(call.attributes)
        result: SavedAs
        match call:
            case Update(records, contact, links=links):
                result = Result.UPDATED if attributes else Result.UNCHANGED
                saved = bulk_items.updated(contact, attributes) if attributes else contact
                links_sent = bool(links)
            case Create(records, role, links=links, stand_in=stand_in):
                result, links_sent = Result.CREATED, stand_in is not None
                id_ = stand_in or ContactId(f"{STAND_IN}{next(_STAND_INS)}")
                # It is searched before it is compared with anything, so its attributes are not kept.
                saved = newborn(records.draft, role, id_, by_job=True)
        for name, change in links.items():
            saved = self.links[name].changed(saved, change)
        return Saved(records, result, saved, dropped, links_sent=links_sent)


def _has_single_values(update: Update) -> bool:
    """Check whether the contact has, by the ledger, what no job can write: search may not show it yet."""
    match update.records.entries:
        case [entry]:
            return entry.known is not None and entry.known.single == single_print(entry.draft.attributes)
        case _:
            return False
