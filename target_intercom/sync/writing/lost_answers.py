"""Creates whose answer was lost: whether the contact was made is found out before the create is repeated.

Intercom refuses a second user with a 409. It would take a second lead without a word, so none is repeated before it is
sure that the first did not arrive: not before the search index must show it.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field, replace

from target_intercom.errors import CallFailedError, ConflictError, Fault, InDoubtError, LeadPendingError, UndoneError
from target_intercom.intercom.outages import Tries
from target_intercom.ledger.interface import Stamp
from target_intercom.model import Ambiguous, Found, NotFound, Refusal, Result
from target_intercom.sync.jobs.bulk_jobs import patience
from target_intercom.sync.matching.whose import match_identity
from target_intercom.sync.planning.wanted import refusal
from target_intercom.sync.writing.conflicts import BY_BOTH
from target_intercom.sync.writing.results import InDoubt, Rejected, Saved

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import Contact, Create, Email, Json
    from target_intercom.sync.matching.search import Matcher
    from target_intercom.sync.writing.conflicts import ExistingContacts
    from target_intercom.sync.writing.results import Written

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


@dataclass(slots=True)
class Search:
    """What came of looking for leads in doubt."""

    found: list[tuple[LeadInDoubt, Found | Ambiguous]] = field(default_factory=list)
    missing: list[LeadInDoubt] = field(default_factory=list)
    """Surely not made."""
    unclear: list[LeadInDoubt] = field(default_factory=list)
    """Intercom gave no answer on them, or a job that may make them is still under way."""


class LeadSearch:
    """Looks for leads in doubt, all at once."""

    def __init__(self, client: IntercomClient, matcher: Matcher, search_delay_seconds: float) -> None:
        """Look for up to `search_delay_seconds`, the longest that search lags behind."""
        self._client = client
        self._matcher = matcher
        self._delay = search_delay_seconds

    def run(self, doubts: Sequence[LeadInDoubt]) -> Search:
        """Search until every lead is found, or the index must show what was sent."""
        search = Search(missing=list(doubts))
        due = max(doubt.sent_at for doubt in doubts) + self._delay
        while True:
            is_last = time.monotonic() >= due
            self._look(search, is_last=is_last)
            if is_last or not search.missing:
                return search
            self._client.pause(min(max(self._delay / _LOOKS, _SHORTEST_PAUSE), max(due - time.monotonic(), 0.0)))

    def _look(self, search: Search, *, is_last: bool) -> None:
        """Search once, and sort out who was found."""
        identities = [doubt.operation.records.draft.identity for doubt in search.missing]
        shown = self._matcher.search_index(identities)
        looked_for, search.missing = search.missing, []
        for doubt, identity in zip(looked_for, identities, strict=True):
            match = match_identity(shown, identity, (), makes_lead=True)
            if isinstance(match, (Found, Ambiguous)):
                search.found.append((doubt, match))
            elif is_last and (doubt.may_come or not isinstance(match, NotFound)):
                search.unclear.append(doubt)
            else:
                search.missing.append(doubt)


class Creates:
    """Makes contacts of one stream, and finds out about those whose answer was lost."""

    def __init__(
        self,
        client: IntercomClient,
        matcher: Matcher,
        in_parallel: InParallel,
        ledger: Ledger,
        existing: ExistingContacts,
        *,
        search_delay_seconds: float,
    ) -> None:
        """Look for a lead in doubt for up to `search_delay_seconds`; `existing` writes to contacts that turn up."""
        self._client = client
        self._matcher = matcher
        self._in_parallel = in_parallel
        self._ledger = ledger
        self._existing = existing
        self._doubtful: dict[str, LeadInDoubt] = {}
        self._search = LeadSearch(client, matcher, search_delay_seconds)
        self._longest_job = patience(search_delay_seconds)

    def create(self, operation: Create) -> Written | LeadInDoubt:
        """Make a contact; a user whose answer is lost is looked for at once, leads together at the end of a batch."""
        email = operation.records.draft.identity.email
        if operation.role == "lead" and email is not None:
            earlier = self._doubtful.pop(email, None)
            return (
                self._create_lead(operation, email, None, Tries())
                if earlier is None
                else replace(earlier, operation=operation)
            )
        tries = Tries()
        try:
            return self._post(operation, _nothing, tries)
        except ConflictError as error:
            return self._existing.after_conflict(operation.records, error, doubtful=False)
        except InDoubtError:
            return self._user_in_doubt(operation, tries)

    def _create_lead(
        self, operation: Create, email: Email, replacing: Stamp | None, tries: Tries
    ) -> Written | LeadInDoubt:
        """Make a lead, with its intent in the ledger right before each try; what surely failed leaves none.

        Raises:
            CallFailedError: it keeps failing, and may have been made.
        """
        intent = _Intent(self._ledger, email, replacing)
        try:
            return self._post(operation, intent.write, tries)
        except LeadPendingError as error:
            return LeadInDoubt(operation, _BEGUN, self._sent_at(error.since), Stamp(error.since), tries=tries)
        except InDoubtError as error:
            return LeadInDoubt(operation, error.fault, time.monotonic(), intent.written, tries=tries)
        except CallFailedError as error:
            return self._left_in_doubt(
                LeadInDoubt(operation, error.fault, time.monotonic(), intent.written, tries=tries)
            )
        except UndoneError as error:
            self._ledger.intents.drop([email])
            if isinstance(error, ConflictError):
                return self._existing.after_conflict(operation.records, error, doubtful=False)
            raise

    def _sent_at(self, since: int) -> float:
        """Return when an intent says that a lead was sent at the latest, on the monotonic clock.

        That may lie as far ahead as a job is given time; further ahead, a clock was wrong, and it is taken for now.
        """
        ahead = since / 1000 - time.time()
        return time.monotonic() + (ahead if ahead <= self._longest_job else 0.0)

    def _post(self, operation: Create, before: Callable[[], object], tries: Tries) -> Saved:
        def create(attributes: Mapping[str, Json]) -> Contact:
            return self._client.create_contact(attributes, before=before, again=operation.again, tries=tries)

        contact, dropped = self._existing.catalog.sending(create, operation.attributes)
        return Saved(operation.records, Result.CREATED, contact, dropped)

    def _user_in_doubt(self, operation: Create, tries: Tries) -> Written:
        """Look for a user whose create got no answer before it is repeated; a 409 on the repetition finds it, too."""
        operation = replace(operation, again=True)
        identity = operation.records.draft.identity
        while True:
            found = self._existing.find_user(identity)
            if found is not None:
                return self._existing.adopt(operation, found)
            try:
                return self._post(operation, _nothing, tries)
            except ConflictError as error:
                return self._existing.after_conflict(operation.records, error, doubtful=True)
            except InDoubtError:
                continue
            except CallFailedError as error:
                found = self._existing.find_user(identity)
                if found is None:
                    return InDoubt(operation.records, _doubt(error.fault))
                return self._existing.adopt(operation, found)

    # Users and leads that a job, or a call, may have made.

    def settle_users(self, operations: Iterable[Create], since: int | None) -> Iterator[Written]:
        """Find out about users that a job was to make, and make those that are not there.

        `since`: when the job got them, in unix seconds of Intercom's clock; the job did not make an older contact.
        """
        wanted = list(operations)
        shown = self._matcher.search_index([operation.records.draft.identity for operation in wanted])
        found: list[tuple[Create, Contact | None]] = []
        for operation in wanted:
            match = match_identity(shown, operation.records.draft.identity, BY_BOTH)
            is_user = isinstance(match, Found) and match.contact.role == "user"
            found.append((operation, match.contact if is_user and isinstance(match, Found) else None))
        yield from self._in_parallel(lambda one: self._settle_user(*one, since), found)

    def _settle_user(self, operation: Create, shown: Contact | None, since: int | None) -> Written:
        operation = replace(operation, again=True)
        try:
            contact = shown
            external_id = operation.records.draft.identity.external_id
            if contact is None and external_id is not None and self._client.finds_by_external_id:
                contact = self._client.find_user(external_id)
            if contact is not None:
                return self._existing.adopt(operation, contact, since)
            tries = Tries()
            try:
                return self._post(operation, _nothing, tries)
            except ConflictError as error:
                return self._existing.after_conflict(operation.records, error, doubtful=True, since=since)
            except InDoubtError:
                return self._user_in_doubt(operation, tries)
        except UndoneError as error:
            return Rejected(operation.records, Refusal.by_intercom(error.fault))

    def settle_leads(self, doubts: list[LeadInDoubt]) -> Iterator[Written]:
        """Look for leads in doubt before they are repeated, by call or job; one that stays in doubt is rejected."""
        while doubts:
            search = self._search.run(doubts)
            for doubt, match in search.found:
                yield self._found_lead(doubt, match)
            for doubt in search.unclear:
                yield self._left_in_doubt(doubt)
            doubts = []
            for written in self._in_parallel(self._repeat, search.missing):
                if isinstance(written, LeadInDoubt):
                    doubts.append(written)
                else:
                    yield written

    def is_doubtful(self, email: Email) -> bool:
        """Check whether a lead with this email was given up by this run, and may turn up."""
        return email in self._doubtful

    def _left_in_doubt(self, doubt: LeadInDoubt) -> InDoubt:
        """Return the outcome of a lead that stays in doubt, and remember that it may still appear."""
        email = doubt.operation.records.draft.identity.email
        if email is not None:
            self._doubtful[email] = doubt
        return InDoubt(doubt.operation.records, _doubt(doubt.fault))

    def _repeat(self, doubt: LeadInDoubt) -> Written | LeadInDoubt:
        operation, email = replace(doubt.operation, again=True), doubt.operation.records.draft.identity.email
        if email is None:
            raise ValueError("a lead is not made without an email")
        try:
            return self._create_lead(operation, email, doubt.intent, doubt.tries)
        except UndoneError as error:
            return Rejected(operation.records, Refusal.by_intercom(error.fault))

    def _found_lead(self, doubt: LeadInDoubt, match: Found | Ambiguous) -> Written:
        if isinstance(match, Ambiguous):
            return Rejected(doubt.operation.records, refusal(match))
        try:
            return self._existing.adopt(doubt.operation, match.contact)
        except UndoneError as error:
            return Rejected(doubt.operation.records, Refusal.by_intercom(error.fault))


class _Intent:
    """The ledger's intent of one lead, written before each try; repeated tries of a create replace their own intent."""

    def __init__(self, ledger: Ledger, email: Email, replacing: Stamp | None) -> None:
        self._ledger = ledger
        self._email = email
        self.written = replacing

    def write(self) -> None:
        self.written = self._ledger.intents.add(self._email, self.written)


def _nothing() -> None:
    """Nothing is to be done before a user is sent: Intercom refuses a second one."""


def _doubt(fault: Fault) -> Refusal:
    reason = f"it is in doubt whether the contact was made; look for it before sending it again ({fault})"
    return Refusal(Result.REJECTED, reason, "in_doubt", None, fault.request_id, quotes_intercom=True)
