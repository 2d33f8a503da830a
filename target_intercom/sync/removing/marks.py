"""The deletion marks of one stream: which contacts they mean, and which records take them back."""

from __future__ import annotations

import typing as t
from operator import itemgetter

from target_intercom.model import (
    Ambiguous,
    Found,
    MatchBy,
    MergedAway,
    NotFound,
    Outcome,
    Refusal,
    Result,
    SkipReason,
    Unanswered,
)
from target_intercom.sync.planning.wanted import not_shown, refusal
from target_intercom.sync.removing.marked import Mark

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.model import Contact, Entry, Identity, Match, Received, RecordKey
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.stream import Stream
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.removing.removals import Removals


class StreamMarks:
    """Hands a stream's marks to the removals of the run, and what takes them back."""

    def __init__(self, stream: Stream, removals: Removals, report: RunReport) -> None:
        """`removals` and `report` are shared by the streams of a run."""
        self._stream = stream
        self._removals = removals
        self._report = report
        self._waiting: list[tuple[Entry, list[Contact] | Refusal | SkipReason]] = []
        self._live: list[tuple[RecordKey, int]] = []

    def place(self, entry: Entry, match: Match, known: Directory) -> None:
        """Mark the contacts that a record means.

        In `remove` mode the leads with its email, or with that of the contact found, go, too: a privacy request means
        the person. Where several users have the email, they may be anybody's.
        """
        leads = _leads(entry, match, known) if self._stream.settings.orders_removals else []
        self._waiting.append((entry, self._to_remove(entry, match, leads)))

    def live(self, places: Mapping[RecordKey, int]) -> None:
        """Take the marks of records back that came again, live, told with their places in the pipe."""
        self._live.extend(places.items())

    def settle(self) -> None:
        """Mark what a batch marks, in the order of the pipe whatever the order of its writes."""
        waiting, self._waiting = self._waiting, []
        live, self._live = self._live, []
        marked = {entry.key for entry, _ in waiting}
        lives = sorted(((place, key) for key, place in live if key in marked), reverse=True)
        for entry, removal in sorted(waiting, key=lambda one: one[0].received.number):
            while lives and lives[-1][0] < entry.received.number:
                place, key = lives.pop()
                self._tell(self._removals.live(self._stream.name, {key: place}))
            self._mark(entry, removal)
        last = dict(sorted(live, key=itemgetter(1)))
        self._tell(self._removals.live(self._stream.name, last))

    def refused(self, received: Received, key: RecordKey | None, identity: Identity, *, is_mark: bool) -> None:
        """Keep whom a record names that could not be loaded; `key` is None where it cannot be read."""
        self._tell(self._removals.refused(self._stream.name, key, received.number, identity, is_mark=is_mark))

    def _tell(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        for stream, outcome in outcomes:
            self._report.record(stream, outcome)

    def _to_remove(self, entry: Entry, match: Match, leads: list[Contact]) -> list[Contact] | Refusal | SkipReason:
        """Decide which contacts a mark means."""
        if not self._stream.settings.may_remove:
            return SkipReason.NOT_REMOVED
        if _is_linked_by_merge(entry, match):
            return SkipReason.CONTACT_MERGED
        match match:
            case Found(contact) if not contact.is_named:
                return not_shown()
            case Found(contact):
                return [contact, *(lead for lead in leads if lead.id != contact.id)]
            case NotFound():
                return leads or SkipReason.NOT_THERE
            case Ambiguous(contacts) if leads and {lead.id for lead in leads} >= set(contacts):
                return leads
            case Ambiguous() | MergedAway() | Unanswered():
                return refusal(match)

    def _mark(self, entry: Entry, removal: list[Contact] | Refusal | SkipReason) -> None:
        outcome: Outcome | None
        match removal:
            case list():
                outcome = self._removals.mark(self._new_mark(entry, removal))
            case Refusal():
                outcome = Outcome(entry.received, removal.result, refusal=removal)
                self.refused(entry.received, entry.key, entry.draft.identity, is_mark=True)
            case SkipReason():
                outcome = Outcome(entry.received, Result.SKIPPED, removal)
                if entry.key is not None:
                    self._removals.mark_idle(self._stream.name, entry.key, entry.received.number)
        if outcome is not None:
            self._report.record(self._stream.name, outcome)

    def _new_mark(self, entry: Entry, contacts: list[Contact]) -> Mark:
        if entry.key is None:
            raise ValueError("a run that removes contacts keeps a ledger, and its records have keys")
        is_order = self._stream.settings.orders_removals
        return Mark(
            stream=self._stream.name,
            key=entry.key,
            received=entry.received,
            contacts=tuple(contacts),
            mode=self._stream.settings.removal_mode,
            is_order=is_order,
            is_linked=entry.contact is not None,
        )


def _leads(entry: Entry, match: Match, known: Directory) -> list[Contact]:
    emails = {entry.draft.identity.email, match.contact.email if isinstance(match, Found) else None} - {None}
    found: list[Contact] = []
    for email in sorted(filter(None, emails)):
        users = [contact for contact in known.named(MatchBy.EMAIL, email) if contact.role == "user"]
        found.extend(known.leads_with(email) if len(users) <= 1 else ())
    return found


def _is_linked_by_merge(entry: Entry, match: Match) -> bool:
    """Check whether nothing but a merge in Intercom leads from a record to a contact: that removes nobody."""
    match match:
        case MergedAway():
            return entry.contact is not None
        case Found(contact):
            return entry.is_linked_by_merge(contact.id)
        case _:
            return False
