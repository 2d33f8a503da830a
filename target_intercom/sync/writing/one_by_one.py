"""Operations into Intercom: every one comes back as exactly one `Written`."""

from __future__ import annotations

import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass, replace

from target_intercom.errors import (
    CallFailedError,
    ConflictError,
    Fault,
    InDoubtError,
    LeadPendingError,
    MergedError,
    NotFoundError,
    RefusedError,
    UndoneError,
)
from target_intercom.intercom.outages import Tries
from target_intercom.intercom.protocol import ContactId
from target_intercom.ledger.interface import Stamp
from target_intercom.model import (
    Ambiguous,
    Contact,
    Create,
    Found,
    Identity,
    MatchBy,
    Refusal,
    Refuse,
    Result,
    Skip,
    SkipReason,
    Update,
)
from target_intercom.sync.matching.whose import another_person, match_identity
from target_intercom.sync.planning.wanted import changes, refusal
from target_intercom.sync.writing.bulk_jobs import patience
from target_intercom.sync.writing.leads_in_doubt import LeadInDoubt, LeadSearch

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import ContactRecords, Email, Json, PlannedWrite
    from target_intercom.settings.stream import Stream
    from target_intercom.sync.matching.search import Matcher
    from target_intercom.sync.workspace.attributes import AttributeCatalog
    from target_intercom.sync.writing.archived import ArchivedContacts

_CLOCK_STEP = 1
"""Seconds by which Intercom's own times may differ (fact sheet section 3.1)."""
_BEGUN: t.Final = Fault(message="a run that was cut off, or another one, began to create it")
_BY_BOTH: t.Final = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)


_SavedAs: t.TypeAlias = t.Literal[Result.CREATED, Result.UPDATED, Result.UNCHANGED]


@dataclass(frozen=True, slots=True)
class Saved:
    """The contact is as the records say, and `contact` is its state."""

    group: ContactRecords
    result: _SavedAs
    contact: Contact | None
    dropped: tuple[str, ...] = ()
    """Attributes that were left out because Intercom does not have them."""
    tags_sent: bool = False
    """The changes of its tags went along."""
    may_change: bool = False
    """A job that was given up may still write older values."""
    by_merge: bool = False
    """The contact is the survivor of a merge, into which the records' own contact went."""


@dataclass(frozen=True, slots=True)
class Left:
    """Nothing was to be written, for a reason."""

    group: ContactRecords
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Rejected:
    """The records were refused."""

    group: ContactRecords
    refusal: Refusal
    is_unchanged: bool = False
    """Intercom has refused to change the contact."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It is not known whether the contact was made: nothing of its records may be sent again."""

    group: ContactRecords
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Surprise:
    """The contact is gone, or another one has the identifiers of its records: they have to be planned anew."""

    group: ContactRecords
    refusal: Refusal
    """For records that were surprised before."""
    gone: ContactId | None = None
    """The contact that is gone; None: the ledger has linked the records to the wrong one."""


Written: t.TypeAlias = Saved | Left | Rejected | InDoubt | Surprise


class Writer(t.Protocol):
    """Carries out what was planned."""

    def write(self, operations: Iterable[PlannedWrite]) -> Iterator[Written]:
        """Return what became of each operation, as it becomes known, in any order."""


class DirectWriter:
    """Writes each contact by a call of its own, over many connections."""

    def __init__(
        self,
        client: IntercomClient,
        matcher: Matcher,
        catalog: AttributeCatalog,
        in_parallel: InParallel,
        ledger: Ledger,
        *,
        stream: Stream,
        archived: ArchivedContacts,
        search_delay_seconds: float,
    ) -> None:
        """Write for one stream; a lead in doubt is looked for up to `search_delay_seconds`."""
        self._stream = stream
        self._archived = archived
        self._client = client
        self._ledger = ledger
        self._matcher = matcher
        self._catalog = catalog
        self._in_parallel = in_parallel
        self._doubtful: dict[str, LeadInDoubt] = {}
        self._search = LeadSearch(client, matcher, search_delay_seconds)
        self._longest_job = patience(search_delay_seconds)

    def write(self, operations: Iterable[PlannedWrite]) -> Iterator[Written]:
        """Write; leads in doubt come last, settled together."""
        doubts: list[LeadInDoubt] = []
        calls: list[Create | Update] = []
        for operation in operations:
            match operation:
                case Create() | Update():
                    calls.append(operation)
                case Skip(group, reason):
                    yield _unchanged(group) if reason is None else Left(group, reason)
                case Refuse(group, why):
                    yield Rejected(group, why)
        for written in self._in_parallel(self._call, calls):
            if isinstance(written, LeadInDoubt):
                doubts.append(written)
            else:
                yield written
        yield from self._settle_leads(doubts)

    def _call(self, operation: Create | Update) -> Written | LeadInDoubt:
        try:
            match operation:
                case Create():
                    return self._create(operation)
                case Update():
                    return self._update(operation)
        except UndoneError as error:
            refusal = Refusal.by_intercom(error.fault)
            return Rejected(operation.group, refusal, is_unchanged=isinstance(error, RefusedError))

    # Creating.

    def _create(self, operation: Create) -> Written | LeadInDoubt:
        email = operation.group.draft.identity.email
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
            return self._after_conflict(operation.group, error, doubtful=False)
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
                return self._after_conflict(operation.group, error, doubtful=False)
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

        contact, dropped = self._catalog.sending(create, operation.attributes)
        return Saved(operation.group, Result.CREATED, contact, dropped)

    def _user_in_doubt(self, operation: Create, tries: Tries) -> Written:
        """Look for a user whose create got no answer before it is repeated; a 409 on the repetition finds it, too."""
        operation = replace(operation, again=True)
        identity = operation.group.draft.identity
        while True:
            found = self._find_user(identity)
            if found is not None:
                return self._adopt(operation, found)
            try:
                return self._post(operation, _nothing, tries)
            except ConflictError as error:
                return self._after_conflict(operation.group, error, doubtful=True)
            except InDoubtError:
                continue
            except CallFailedError as error:
                found = self._find_user(identity)
                if found is None:
                    return InDoubt(operation.group, _doubt(error.fault))
                return self._adopt(operation, found)

    def _find_user(self, identity: Identity) -> Contact | None:
        """Look for a user without the index's lag where that is possible."""
        if identity.external_id is not None and self._client.finds_by_external_id:
            with suppress(UndoneError):
                return self._client.find_user(identity.external_id)
        match = match_identity(self._matcher.search_one(identity), identity, _BY_BOTH)
        return match.contact if isinstance(match, Found) and match.contact.role == "user" else None

    def _adopt(self, operation: Create, contact: Contact, since: int | None = None) -> Written:
        """Take a contact that turned up after a lost answer for the one that was to be made, and complete it.

        One that was there before is no new one.
        """
        is_other, updates = (
            another_person(operation.group.draft.identity, contact),
            self._stream.settings.sync_mode.updates,
        )
        if not updates and (is_other or _is_older(contact, since)):
            return Left(operation.group, SkipReason.EXISTS)
        if is_other:
            return Rejected(operation.group, _taken(operation.group.draft.identity, contact))
        if _is_older(contact, since):
            return self._bring_up_to_date(operation.group, contact, Result.UNCHANGED)
        if not updates:
            # Whatever differs is Intercom's way to write it: what was sent is ours.
            return Saved(operation.group, Result.CREATED, contact)
        return self._bring_up_to_date(operation.group, contact, Result.CREATED)

    def _after_conflict(
        self, group: ContactRecords, error: ConflictError, *, doubtful: bool, since: int | None = None
    ) -> Written:
        """Go on with the contact that a 409 names (docs/identity.md).

        `doubtful`: it may be our own, if it is not older than `since` (unix seconds of Intercom's clock).
        """
        if not self._stream.settings.sync_mode.updates and (error.archived or not doubtful):
            return Left(group, SkipReason.EXISTS)
        contact_id = self._in_the_way(group.draft.identity, error)
        if contact_id is None:
            return Rejected(group, Refusal.by_intercom(error.fault))
        try:
            contact = self._read_conflicting(contact_id, group.draft.identity, archived=error.archived)
        except NotFoundError:
            return _gone(group, contact_id)
        except CallFailedError as failure:
            return Rejected(group, _not_restorable(contact_id, failure.fault))
        is_ours = doubtful and not _is_older(contact, since)
        is_other, updates = another_person(group.draft.identity, contact), self._stream.settings.sync_mode.updates
        if not updates and (is_other or not is_ours):
            return Left(group, SkipReason.EXISTS)
        if is_other:
            return Rejected(group, _taken(group.draft.identity, contact, error.fault))
        return self._bring_up_to_date(group, contact, _if_nothing_differs(is_ours=is_ours, archived=error.archived))

    def _read_conflicting(self, contact: ContactId, identity: Identity, *, archived: bool) -> Contact:
        """Read the contact that a 409 names; an archived one has to be brought back for that."""
        if not archived:
            return self._client.get_contact(contact)
        return self._archived.read(contact, self._stream.name, lambda read: not another_person(identity, read))

    def _in_the_way(self, identity: Identity, error: ConflictError) -> ContactId | None:
        if error.contact_id is not None:
            return ContactId(error.contact_id)
        found = self._find_user(identity)
        return None if found is None else found.id

    # What bulk jobs leave unsettled.

    def settle_users(self, operations: Iterable[Create], since: int | None) -> Iterator[Written]:
        """Find out about users that a job was to make, and make those that are not there.

        `since`: when the job got them, in unix seconds of Intercom's clock; who is older was not made by it.
        """
        wanted = list(operations)
        shown = self._matcher.search_index([operation.group.draft.identity for operation in wanted])
        found: list[tuple[Create, Contact | None]] = []
        for operation in wanted:
            match = match_identity(shown, operation.group.draft.identity, _BY_BOTH)
            is_user = isinstance(match, Found) and match.contact.role == "user"
            found.append((operation, match.contact if is_user and isinstance(match, Found) else None))
        yield from self._in_parallel(lambda one: self._settle_user(*one, since), found)

    def _settle_user(self, operation: Create, shown: Contact | None, since: int | None) -> Written:
        operation = replace(operation, again=True)
        try:
            contact = shown
            external_id = operation.group.draft.identity.external_id
            if contact is None and external_id is not None and self._client.finds_by_external_id:
                contact = self._client.find_user(external_id)
            if contact is not None:
                return self._adopt(operation, contact, since)
            tries = Tries()
            try:
                return self._post(operation, _nothing, tries)
            except ConflictError as error:
                return self._after_conflict(operation.group, error, doubtful=True, since=since)
            except InDoubtError:
                return self._user_in_doubt(operation, tries)
        except UndoneError as error:
            return Rejected(operation.group, Refusal.by_intercom(error.fault))

    def settle_leads(self, doubts: list[LeadInDoubt]) -> Iterator[Written]:
        """Find out about leads that a job was to make; those that surely were not are made singly."""
        yield from self._settle_leads(doubts)

    def is_doubtful(self, email: Email) -> bool:
        """Check whether a lead with this email was given up by this run, and may turn up."""
        return email in self._doubtful

    # Updating.

    def _update(self, operation: Update) -> Written:
        group = operation.group
        try:
            return self._save(group, operation.contact, operation.changes, Result.UNCHANGED)
        except ConflictError as error:
            if any(entry.contact is not None for entry in group.entries):
                return Surprise(group, Refusal.by_intercom(error.fault))
            if len(group.entries) > 1 or not self._goes_by_external_id(group.draft.identity):
                raise
            return self._after_conflict(group, error, doubtful=False)
        except MergedError as error:
            survivor = self._matcher.survivor(error)
            if survivor is None or another_person(group.draft.identity, survivor):
                return Rejected(group, Refusal.by_intercom(error.fault))
            written = self._bring_up_to_date(group, survivor, Result.UNCHANGED)
            return replace(written, by_merge=True) if isinstance(written, Saved) else written

    def _goes_by_external_id(self, identity: Identity) -> bool:
        """Check whether who has a record's external_id is meant, before whom its other identifiers find.

        Search may not show that user: it is archived, or was made a moment ago.
        """
        given = (which for which in self._stream.settings.match_by if identity.get(which) is not None)
        return next(given, None) is MatchBy.EXTERNAL_ID

    def _bring_up_to_date(self, group: ContactRecords, contact: Contact, unchanged: _SavedAs) -> Written:
        """Write what differs from a contact read just now; `unchanged` is the result when nothing does."""
        differing = changes(group.draft, contact, self._stream.settings.creation_mode)
        if differing and not self._stream.settings.sync_mode.updates:
            return Left(group, SkipReason.EXISTS)
        if not differing:
            return self._save(group, contact, differing, unchanged)
        # Other records may be of this contact, which was not planned for.
        self._ledger.adopt([contact])
        self._ledger.doubt([contact.id])
        try:
            return self._save(group, contact, differing, unchanged)
        except RefusedError:
            self._ledger.trust([contact.id])
            raise

    def _save(
        self, group: ContactRecords, contact: Contact, differing: Mapping[str, Json], unchanged: _SavedAs
    ) -> Written:
        """Update a contact; nothing is sent when no attribute is left."""

        def update(attributes: Mapping[str, Json]) -> Contact | None:
            return self._client.update_contact(contact.id, attributes) if attributes else None

        try:
            saved, dropped = self._catalog.sending(update, differing)
        except NotFoundError:
            return _gone(group, contact.id)
        if saved is None:
            return Saved(group, unchanged, contact, dropped)
        return Saved(group, Result.UPDATED, saved, dropped)

    # Leads in doubt.

    def _settle_leads(self, doubts: list[LeadInDoubt]) -> Iterator[Written]:
        """Look for leads in doubt before they are repeated; one that stays in doubt is rejected."""
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

    def _left_in_doubt(self, doubt: LeadInDoubt) -> InDoubt:
        """Return a lead up, and remember that it may turn up."""
        email = doubt.operation.group.draft.identity.email
        if email is not None:
            self._doubtful[email] = doubt
        return InDoubt(doubt.operation.group, _doubt(doubt.fault))

    def _repeat(self, doubt: LeadInDoubt) -> Written | LeadInDoubt:
        operation, email = replace(doubt.operation, again=True), doubt.operation.group.draft.identity.email
        if email is None:
            raise ValueError("a lead is not made without an email")
        try:
            return self._create_lead(operation, email, doubt.intent, doubt.tries)
        except UndoneError as error:
            return Rejected(operation.group, Refusal.by_intercom(error.fault))

    def _found_lead(self, doubt: LeadInDoubt, match: Found | Ambiguous) -> Written:
        if isinstance(match, Ambiguous):
            return Rejected(doubt.operation.group, refusal(match))
        try:
            return self._adopt(doubt.operation, match.contact)
        except UndoneError as error:
            return Rejected(doubt.operation.group, Refusal.by_intercom(error.fault))


class _Intent:
    """What the ledger has to know before a lead is sent; sent again within one operation, it stays the same one's."""

    def __init__(self, ledger: Ledger, email: Email, replacing: Stamp | None) -> None:
        self._ledger = ledger
        self._email = email
        self.written = replacing

    def write(self) -> None:
        self.written = self._ledger.intents.add(self._email, self.written)


def _nothing() -> None:
    """Nothing is to be done before a user is sent: Intercom refuses a second one."""


def _is_older(contact: Contact, since: int | None) -> bool:
    """Check whether a contact was surely there before something was sent, in unix seconds of Intercom's clock."""
    return since is not None and contact.created_at is not None and contact.created_at < since - _CLOCK_STEP


def _if_nothing_differs(*, is_ours: bool, archived: bool) -> _SavedAs:
    """Name what was done to a contact that a 409 named and that is as the record says.

    Bringing it back from the archive changed it; one that may be our own was made by the create whose answer was lost.
    """
    if archived:
        return Result.UPDATED
    return Result.CREATED if is_ours else Result.UNCHANGED


def _unchanged(group: ContactRecords) -> Saved:
    contact = group.match.contact if isinstance(group.match, Found) else None
    return Saved(group, Result.UNCHANGED, contact)


def _gone(group: ContactRecords, contact: ContactId) -> Surprise:
    reason = f"contact {contact} is gone, and so is every other match"
    return Surprise(group, Refusal(Result.REJECTED, reason, "contact_gone"), contact)


def _taken(identity: Identity, contact: Contact, fault: Fault | None = None) -> Refusal:
    """Return the refusal of a record of which another person has an identifier; Intercom does not tell which."""
    request_id = None if fault is None else fault.request_id
    theirs = Identity.of(contact)
    shared = [one.value for one in MatchBy if identity.get(one) is not None and identity.get(one) == theirs.get(one)]
    named = f"this {' and '.join(shared)}" if shared else "one of these identifiers"
    reason = f"contact {contact.id} has {named} and is another person: its external_id differs"
    return Refusal(Result.REJECTED, reason, "another_person", shared[0] if shared else None, request_id)


def _not_restorable(contact: ContactId, fault: Fault) -> Refusal:
    """Return what a 5xx to unarchive may mean: Intercom answered so for a permanently deleted contact (section 4)."""
    reason = f"contact {contact} has these identifiers and could not be read or brought back: {fault}"
    return Refusal(Result.REJECTED, reason, fault.code, None, fault.request_id, quotes_intercom=True)


def _doubt(fault: Fault) -> Refusal:
    reason = f"it is in doubt whether the contact was made; look for it before sending it again ({fault})"
    return Refusal(Result.REJECTED, reason, "in_doubt", None, fault.request_id, quotes_intercom=True)
