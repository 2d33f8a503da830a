"""Writes contacts by a call each, over many connections; a create whose answer was lost is looked for first.

Intercom refuses a second user with a 409. It would take a second lead without a word, so none is repeated before it is
sure that the first did not arrive: not before the search index must show it.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

from target_intercom.errors import CallFailedError, ConflictError, Fault, InDoubtError, LeadPendingError, UndoneError
from target_intercom.intercom.outages import Tries
from target_intercom.ledger.remembered import Stamp
from target_intercom.model import Ambiguous, Found, NotFound
from target_intercom.outcomes import Refusal, Result
from target_intercom.sync.jobs.bulk_jobs import patience
from target_intercom.sync.matching.whose import match_identity
from target_intercom.sync.planning.refusals import refusal
from target_intercom.sync.writing.conflicts import attempt, is_older, user_in
from target_intercom.writes import InDoubt, Rejected, Saved, Update

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_intercom.intercom.parallel import InParallel
    from target_intercom.model import Contact, Email, Match
    from target_intercom.sync.writing.conflicts import ExistingContacts
    from target_intercom.writes import Call, Create, Written

_LOOKS = 8
"""Searches, spread over the time the index may lag."""
_SHORTEST_PAUSE = 0.1
"""Between two searches, in seconds."""

_BEGUN: t.Final = Fault(message="a run that was cut off, or another one, began to create it")


@dataclass(frozen=True, slots=True)
class LeadInDoubt:
    """A lead that may have been made; `sent_at` is when it was sent at the latest, on the monotonic clock."""

    operation: Create
    fault: Fault
    sent_at: float
    intent: Stamp | None = None
    """Its stamp in the ledger."""
    may_come: bool = False
    """A job that may still make it is under way: it must not be sent again, also where it is not found."""
    tries: Tries = field(default_factory=Tries)
    """The failures of its creation."""


@dataclass
class DirectWriter:
    """Writes the contacts of one stream, each by a call of its own."""

    existing: ExistingContacts
    """Writes to contacts that are there, or turn up."""
    in_parallel: InParallel
    search_delay_seconds: float
    """How long a lead in doubt is looked for: the longest that search lags behind."""
    _doubtful: dict[Email, LeadInDoubt] = field(default_factory=dict, init=False)
    """Leads that stayed in doubt."""

    def write(self, calls: Sequence[Call]) -> Iterator[Written]:
        """Write; leads in doubt come last, settled together."""
        yield from self.settle_leads(self.in_parallel(lambda one: attempt(one.records, self._call, one), calls))

    def _call(self, call: Call) -> Written | LeadInDoubt:
        if isinstance(call, Update):
            return self.existing.update(call)
        if call.role == "user":
            return self._create_user(call)
        earlier = self._doubtful.pop(email_of(call), None)
        return self._create_lead(call, None, Tries()) if earlier is None else replace(earlier, operation=call)

    def _create_lead(self, operation: Create, intent: Stamp | None, tries: Tries) -> Written | LeadInDoubt:
        """Make a lead, with its intent in the ledger right before each try; what surely failed leaves none."""
        intents, email = self.existing.ledger.intents, email_of(operation)

        def write_intent() -> None:
            nonlocal intent
            intent = intents.add(email, intent)

        try:
            return self._post(operation, write_intent, tries)
        except LeadPendingError as error:
            return LeadInDoubt(operation, _BEGUN, self._sent_at(error.since), Stamp(error.since), tries=tries)
        except (InDoubtError, CallFailedError) as error:
            doubt = LeadInDoubt(operation, error.fault, time.monotonic(), intent, tries=tries)
            return doubt if isinstance(error, InDoubtError) else self._left_in_doubt(doubt)
        except UndoneError as error:
            intents.drop([email])
            if isinstance(error, ConflictError):
                return self.existing.after_conflict(operation.records, error, doubtful=False)
            raise

    def _sent_at(self, since: int) -> float:
        """Return when an intent says that a lead was sent at the latest, on the monotonic clock.

        That may lie as far ahead as a job is given time; further ahead, a clock was wrong, and it is taken for now.
        """
        ahead = since / 1000 - time.time()
        return time.monotonic() + (ahead if ahead <= patience(self.search_delay_seconds) else 0.0)

    def _post(self, operation: Create, before: Callable[[], object] | None, tries: Tries) -> Saved:
        create = partial(self.existing.client.create_contact, before=before, again=operation.again, tries=tries)
        contact, dropped = self.existing.catalog.sending(create, operation.attributes)
        return Saved(operation.records, Result.CREATED, contact, dropped)

    def _create_user(self, operation: Create, found: Contact | None = None, since: int | None = None) -> Written:
        """Make a user that was not `found`; one whose answer is lost is looked for before it is sent again.

        A 409 may tell, too, that it was made. `since`: when a job that may have made it got it, in unix seconds of
        Intercom's clock; the job did not make an older contact.
        """
        records, tries, is_lost = operation.records, Tries(), False
        while found is None:
            try:
                return self._post(operation, None, tries)
            except ConflictError as error:
                return self.existing.after_conflict(records, error, doubtful=operation.again, since=since)
            except (InDoubtError, CallFailedError) as error:
                failed = isinstance(error, CallFailedError)
                if failed and not is_lost:
                    raise
                found = self.existing.find_user(records.draft.identity)
                if found is None and failed:
                    return InDoubt(records, _doubt(error.fault))
                operation, is_lost = replace(operation, again=True), True
        return self.existing.adopt(records, found, is_ours=not is_older(found, since))

    # Users and leads that a job, or a call, may have made.

    def settle_users(self, operations: Sequence[Create], since: int | None) -> Iterator[Written]:
        """Find out about users that a job was to make, and make those that are not there; `since`: see above."""
        shown = self.existing.matcher.search_index([operation.records.draft.identity for operation in operations])

        def settle(operation: Create) -> Written:
            identity = operation.records.draft.identity
            found = user_in(shown, identity)
            if found is None and identity.external_id is not None:
                found = self.existing.client.find_user(identity.external_id)
            return self._create_user(replace(operation, again=True), found, since)

        yield from self.in_parallel(lambda one: attempt(one.records, settle, one), operations)

    def settle_leads(self, written: Iterable[Written | LeadInDoubt]) -> Iterator[Written]:
        """Yield what became of writes; leads in doubt, all at once, are looked for before they are repeated.

        One that stays in doubt is rejected.
        """
        while True:
            doubts: list[LeadInDoubt] = []
            for one in written:
                if isinstance(one, LeadInDoubt):
                    doubts.append(one)
                else:
                    yield one
            if not doubts:
                return
            missing: list[LeadInDoubt] = []
            for doubt, match in self._look_for(doubts):
                if isinstance(match, NotFound) and not doubt.may_come:
                    missing.append(doubt)
                else:
                    yield self._settled(doubt, match)
            written = self.in_parallel(self._repeat, missing)

    def _look_for(self, missing: list[LeadInDoubt]) -> Iterator[tuple[LeadInDoubt, Match]]:
        """Search until each lead is found, or the index must show what was sent; yields what was found in the end."""
        due = max(doubt.sent_at for doubt in missing) + self.search_delay_seconds
        pause = max(self.search_delay_seconds / _LOOKS, _SHORTEST_PAUSE)
        while missing:
            is_last = time.monotonic() >= due
            identities = [doubt.operation.records.draft.identity for doubt in missing]
            shown = self.existing.matcher.search_index(identities)
            looked_for, missing = missing, []
            for doubt, identity in zip(looked_for, identities, strict=True):
                match = match_identity(shown, identity, (), makes_lead=True)
                if is_last or isinstance(match, (Found, Ambiguous)):
                    yield doubt, match
                else:
                    missing.append(doubt)
            if missing:
                self.existing.client.pause(min(pause, max(due - time.monotonic(), 0.0)))

    def _settled(self, doubt: LeadInDoubt, match: Match) -> Written:
        records = doubt.operation.records
        match match:
            case Found(contact):
                return attempt(records, self.existing.adopt, records, contact, is_ours=True)
            case Ambiguous():
                return Rejected(records, refusal(match))
            case _:
                return self._left_in_doubt(doubt)

    def is_doubtful(self, email: Email) -> bool:
        """Check whether a lead with this email was given up by this run, and may turn up."""
        return email in self._doubtful

    def _left_in_doubt(self, doubt: LeadInDoubt) -> InDoubt:
        """Return the outcome of a lead that stays in doubt, and remember that it may still appear."""
        self._doubtful[email_of(doubt.operation)] = doubt
        return InDoubt(doubt.operation.records, _doubt(doubt.fault))

    def _repeat(self, doubt: LeadInDoubt) -> Written | LeadInDoubt:
        operation = replace(doubt.operation, again=True)
        return attempt(operation.records, self._create_lead, operation, doubt.intent, doubt.tries)


def email_of(operation: Call) -> Email:
    """Return the email of a lead: none is made without."""
    email = operation.records.draft.identity.email
    if email is None:
        raise ValueError("a lead is not made without an email")
    return email


def _doubt(fault: Fault) -> Refusal:
    reason = f"it is in doubt whether the contact was made; look for it before sending it again ({fault})"
    return Refusal(Result.REJECTED, reason, "in_doubt", None, fault.request_id, quotes_intercom=True)
