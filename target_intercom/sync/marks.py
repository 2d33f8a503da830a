"""The deletion marks of one stream: which contacts they mean, and what live records do to them."""

from __future__ import annotations

import typing as t

from target_intercom.config import SyncMode
from target_intercom.model import (
    Ambiguous,
    Found,
    Identity,
    MergedAway,
    NotFound,
    Outcome,
    Refusal,
    Result,
    SkipReason,
    Unanswered,
)
from target_intercom.sync.planning import not_shown, refusal

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_intercom.config import StreamConfig
    from target_intercom.model import Contact, Entry, Group, Identifier, Match
    from target_intercom.report import RunReport
    from target_intercom.sync.matching import View
    from target_intercom.sync.memory import Familiar
    from target_intercom.sync.removal import Removals


class StreamMarks:
    """Hands a stream's marks to the removals of the run, and takes them back where a live record says so."""

    def __init__(
        self, stream: str, config: StreamConfig, removals: Removals, report: RunReport, *, removes: bool
    ) -> None:
        """`removals` and `report` are shared by the streams of a run; `removes`: marks may remove."""
        self._stream = stream
        self._config = config
        self._removes = removes
        self._removals = removals
        self._report = report

    def place(self, entry: Entry, match: Match, view: View) -> None:
        """Mark the contacts that a record names; in `remove` mode the leads with its email go, too.

        A privacy request means the person.
        """
        email = entry.draft.identity.email if self._config.sync_mode is SyncMode.REMOVE else None
        self._mark(entry, self._to_remove(match, [] if email is None else view.leads_with(email)))

    def settle(self, group: Group, contact: Contact | None) -> None:
        """Deal with the marks among a group's records: those before its last live record are void."""
        self.void(group.cancelled)
        for entry in group.ended:
            self._mark(entry, self._to_remove(NotFound() if contact is None else Found(contact), []))

    def void(self, marks: Iterable[Entry]) -> None:
        """Report marks that a later live record took back."""
        reason = SkipReason.LIVE_AGAIN if self._removes else SkipReason.NOT_REMOVED
        for entry in marks:
            self._report.record(self._stream, Outcome(entry.received, Result.SKIPPED, reason))

    def seen_live(self, contact: Contact, number: int) -> None:
        """Take back the marks on a contact that came before a live record of it."""
        if not contact.is_named:
            self.seen_unnamed(Identity.of(contact).identifiers(), number)
            return
        for stream, outcome in self._removals.live(contact.id, number):
            self._report.record(stream, outcome)

    def seen_familiar(self, familiar: Sequence[Familiar]) -> None:
        """Take back the marks on contacts that came before live records of them, which came again as they were."""
        if not self._removals.are_expected:
            return
        for stream, outcome in self._removals.all_live({one.known_by(): one.received.number for one in familiar}):
            self._report.record(stream, outcome)

    def seen_unnamed(self, identifiers: Iterable[Identifier], number: int) -> None:
        """Take back the marks on whoever has one of these identifiers: a live record whose contact has no id yet."""
        for stream, outcome in self._removals.live_named(identifiers, number):
            self._report.record(stream, outcome)

    def seen_refused(self, identity: Identity, number: int) -> None:
        """Take back the marks on whoever a live record names, although the record could not be loaded."""
        for stream, outcome in self._removals.live_identifiers(identity.identifiers(), number):
            self._report.record(stream, outcome)

    def _to_remove(self, match: Match, leads: list[Contact]) -> list[Contact] | Refusal | SkipReason:
        """Tell which contacts a mark means."""
        if not self._removes:
            return SkipReason.NOT_REMOVED
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
                outcome = self._removals.mark(
                    self._stream, entry.received, removal, self._config.removal_mode, entry.key
                )
            case Refusal():
                outcome = Outcome(entry.received, removal.result, refusal=removal)
            case SkipReason():
                outcome = Outcome(entry.received, Result.SKIPPED, removal)
        if outcome is not None:
            self._report.record(self._stream, outcome)
