"""Operations into Intercom: every one comes back as exactly one `Written`."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

import backoff

from target_intercom.errors import (
    CallFailedError,
    ConflictError,
    Fault,
    InDoubtError,
    MergedError,
    NotFoundError,
    RefusedError,
    UnknownAttributeError,
)
from target_intercom.intercom.protocol import CUSTOM_PREFIX, ContactId
from target_intercom.model import (
    Ambiguous,
    Contact,
    Create,
    Found,
    Leave,
    MatchBy,
    Refusal,
    Refuse,
    Result,
    SkipReason,
    Unanswered,
    Update,
)
from target_intercom.sync.matching import View, another_person
from target_intercom.sync.planning import changes, refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from target_intercom.config import StreamConfig
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.model import Group, Json, Operation
    from target_intercom.sync.attributes import AttributeCatalog
    from target_intercom.sync.matching import Matcher
    from target_intercom.sync.parallel import InParallel

_DOUBT_ROUNDS = 5
"""A create whose answer is lost again and again is tried so often."""
_DOUBT_BACKOFF = 8.0
"""The longest pause, in seconds, before a user in doubt is looked for again."""
_LOOKS = 8
"""Searches for leads in doubt, spread over the time the index may lag."""
_NEW_ATTRIBUTE_PAUSES = (0.5, 1.0, 2.0)
"""Pauses, in seconds, for Intercom to accept an attribute made a moment ago (fact sheet section 14, 32)."""
_BY_EMAIL: t.Final = (MatchBy.EMAIL,)
_BY_BOTH: t.Final = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)


_SavedAs: t.TypeAlias = t.Literal[Result.CREATED, Result.UPDATED, Result.UNCHANGED]


@dataclass(frozen=True, slots=True)
class Saved:
    """The contact is as the records say, and `contact` is its state."""

    group: Group
    result: _SavedAs
    contact: Contact | None
    dropped: tuple[str, ...] = ()
    """Attributes that were left out because Intercom does not have them."""


@dataclass(frozen=True, slots=True)
class Left:
    """Nothing was to be written, for a reason."""

    group: Group
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Rejected:
    """The records were refused."""

    group: Group
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Vanished:
    """The contact is gone; its records have to be matched again."""

    group: Group
    contact: ContactId


Written: t.TypeAlias = Saved | Left | Rejected | Vanished


@dataclass(frozen=True, slots=True)
class _LeadInDoubt:
    """A lead whose creation was sent and whose answer was lost."""

    operation: Create
    fault: Fault
    sent_at: float


class Writer(t.Protocol):
    """Carries out what was planned."""

    def write(self, operations: Iterable[Operation]) -> Iterator[Written]:
        """Give what became of each operation, as it becomes known, in any order."""


class DirectWriter:
    """Writes each contact by a call of its own, over many connections."""

    def __init__(
        self,
        client: IntercomClient,
        matcher: Matcher,
        catalog: AttributeCatalog,
        in_parallel: InParallel,
        config: StreamConfig,
        *,
        search_delay_seconds: float,
    ) -> None:
        """Write for one stream; a lead in doubt is looked for up to `search_delay_seconds`."""
        self._client = client
        self._matcher = matcher
        self._catalog = catalog
        self._in_parallel = in_parallel
        self._config = config
        self._delay = search_delay_seconds

    def write(self, operations: Iterable[Operation]) -> Iterator[Written]:
        """Write; leads in doubt come last, settled together."""
        doubts: list[_LeadInDoubt] = []
        calls: list[Create | Update] = []
        for operation in operations:
            match operation:
                case Create() | Update():
                    calls.append(operation)
                case Leave(group, reason):
                    yield _unchanged(group) if reason is None else Left(group, reason)
                case Refuse(group, why):
                    yield Rejected(group, why)
        for written in self._in_parallel(self._call, calls):
            if isinstance(written, _LeadInDoubt):
                doubts.append(written)
            else:
                yield written
        yield from self._settle_leads(doubts)

    def _call(self, operation: Create | Update) -> Written | _LeadInDoubt:
        try:
            match operation:
                case Create():
                    return self._create(operation)
                case Update():
                    return self._update(operation)
        except (RefusedError, CallFailedError) as error:
            return Rejected(operation.group, Refusal.by_intercom(error.fault))

    # Creating.

    def _create(self, operation: Create) -> Written | _LeadInDoubt:
        try:
            return self._post(operation)
        except ConflictError as error:
            return self._after_conflict(operation, error, doubtful=False)
        except InDoubtError as error:
            if operation.role == "lead":
                return _LeadInDoubt(operation, error.fault, time.monotonic())
            return self._user_in_doubt(operation, error.fault)

    def _create_again(self, operation: Create) -> Written | _LeadInDoubt:
        """Repeat the creation of a lead that surely was not made."""
        try:
            return self._post(operation, again=True)
        except InDoubtError as error:
            return _LeadInDoubt(operation, error.fault, time.monotonic())
        except (RefusedError, CallFailedError) as error:
            return Rejected(operation.group, Refusal.by_intercom(error.fault))

    def _post(self, operation: Create, *, again: bool = False) -> Saved:
        def create(attributes: Mapping[str, Json]) -> Contact:
            return self._client.create_contact(attributes, again=again)

        contact, dropped = self._without_unknown(create, operation.attributes)
        return Saved(operation.group, Result.CREATED, contact, dropped)

    def _user_in_doubt(self, operation: Create, fault: Fault) -> Written:
        """Look for a user whose create got no answer before it is repeated; a 409 on the repetition finds it, too."""
        for pause in _pauses(_DOUBT_ROUNDS):
            found = self._find_user(operation)
            if found is not None:
                return self._adopt(operation, found)
            self._client.pause(pause)
            try:
                return self._post(operation, again=True)
            except ConflictError as error:
                return self._after_conflict(operation, error, doubtful=True)
            except InDoubtError as error:
                fault = error.fault
        return Rejected(operation.group, _doubt(fault))

    def _find_user(self, operation: Create) -> Contact | None:
        """Look for a user without the index's lag where that is possible."""
        identity = operation.group.draft.identity
        if identity.external_id is not None and self._client.finds_by_external_id:
            return self._client.find_user(identity.external_id)
        match = self._matcher.look_for([identity]).match(identity, _BY_BOTH)
        return match.contact if isinstance(match, Found) else None

    def _adopt(self, operation: Create, contact: Contact) -> Written:
        """Take a contact that turned up after a lost answer for the one that was to be made, and complete it."""
        if another_person(operation.group.draft.identity, contact):
            return Rejected(operation.group, _taken(contact.id))
        return self._bring_up_to_date(operation.group, contact, Result.CREATED)

    def _after_conflict(self, operation: Create, error: ConflictError, *, doubtful: bool) -> Written:
        """Go on with the contact that a 409 names (design: identity rules). `doubtful`: it may be our own."""
        group = operation.group
        if not self._config.sync_mode.updates and (error.archived or not doubtful):
            return Left(group, SkipReason.EXISTS)
        contact_id = self._in_the_way(operation, error)
        if contact_id is None:
            return Rejected(group, Refusal.by_intercom(error.fault))
        if error.archived:
            self._unarchive(contact_id)
        try:
            contact = self._client.get_contact(contact_id)
        except NotFoundError:
            return Vanished(group, contact_id)
        if another_person(group.draft.identity, contact):
            if error.archived:
                self._client.archive_contact(contact_id)
            return Rejected(group, _taken(contact_id, error.fault))
        return self._bring_up_to_date(group, contact, _if_nothing_differs(doubtful=doubtful, archived=error.archived))

    def _in_the_way(self, operation: Create, error: ConflictError) -> ContactId | None:
        if error.contact_id is not None:
            return ContactId(error.contact_id)
        found = self._find_user(operation)
        return None if found is None else found.id

    def _unarchive(self, contact: ContactId) -> None:
        try:
            self._client.unarchive_contact(contact)
        except CallFailedError as error:
            # Intercom has answered so for a permanently deleted contact (recorded: lead-quirks, 33).
            why = f"contact {contact} has these identifiers, is archived, and cannot be brought back: {error.fault}"
            raise RefusedError(Fault(error.fault.status, "not_restorable", why, None, error.fault.request_id)) from None

    # Updating.

    def _update(self, operation: Update) -> Written:
        group, contact = operation.group, operation.contact
        try:
            saved, dropped = self._put(contact.id, operation.changes)
        except NotFoundError:
            return Vanished(group, contact.id)
        except MergedError as error:
            return self._after_merge(group, error)
        if saved is None:
            return Saved(group, Result.UNCHANGED, contact, dropped)
        return Saved(group, Result.UPDATED, saved, dropped)

    def _after_merge(self, group: Group, error: MergedError) -> Written:
        survivor = self._matcher.survivor(error)
        if survivor is None or another_person(group.draft.identity, survivor):
            return Rejected(group, Refusal.by_intercom(error.fault))
        return self._bring_up_to_date(group, survivor, Result.UNCHANGED)

    def _bring_up_to_date(self, group: Group, contact: Contact, unchanged: _SavedAs) -> Written:
        """Write what differs from a contact read just now; `unchanged` is the result when nothing does."""
        lost = self._lost(group.draft.attributes)
        differing = {
            name: value
            for name, value in changes(group.draft, contact, self._config.creation_mode).items()
            if name not in lost
        }
        if not differing:
            return Saved(group, unchanged, contact, lost)
        if not self._config.sync_mode.updates:
            return Left(group, SkipReason.EXISTS)
        try:
            saved, dropped = self._put(contact.id, differing)
        except NotFoundError:
            return Vanished(group, contact.id)
        if saved is None:
            return Saved(group, unchanged, contact, (*lost, *dropped))
        return Saved(group, Result.UPDATED, saved, (*lost, *dropped))

    def _put(self, contact: ContactId, differing: Mapping[str, Json]) -> tuple[Contact | None, tuple[str, ...]]:
        """Update a contact; nothing is sent when no attribute is left."""

        def update(attributes: Mapping[str, Json]) -> Contact | None:
            return self._client.update_contact(contact, attributes) if attributes else None

        return self._without_unknown(update, differing)

    # Attributes that turn out not to exist.

    def _without_unknown(
        self, call: Callable[[Mapping[str, Json]], _Answer], attributes: Mapping[str, Json]
    ) -> tuple[_Answer, tuple[str, ...]]:
        """Make a call; an attribute that Intercom does not know is dropped and the call repeated without it."""
        pauses = iter(_NEW_ATTRIBUTE_PAUSES)
        while True:
            dropped = self._lost(attributes)
            try:
                return call({name: value for name, value in attributes.items() if name not in dropped}), dropped
            except UnknownAttributeError as error:
                name = CUSTOM_PREFIX + error.attribute
                if name not in attributes or name in dropped:
                    raise
                pause = next(pauses, None) if self._catalog.is_new(name) else None
                if pause is None:
                    self._catalog.lose(name)
                else:
                    self._client.pause(pause)

    def _lost(self, attributes: Mapping[str, Json]) -> tuple[str, ...]:
        return tuple(name for name in attributes if self._catalog.is_lost(name))

    # Leads in doubt.

    def _settle_leads(self, doubts: list[_LeadInDoubt]) -> Iterator[Written]:
        """Look for leads in doubt, all at once, before they are repeated; one still in doubt is rejected."""
        for _ in range(_DOUBT_ROUNDS):
            if not doubts:
                return
            missing = yield from self._look_for_leads(doubts)
            doubts = []
            for written in self._in_parallel(self._create_again, missing):
                if isinstance(written, _LeadInDoubt):
                    doubts.append(written)
                else:
                    yield written
        for doubt in doubts:
            yield Rejected(doubt.operation.group, _doubt(doubt.fault))

    def _look_for_leads(self, doubts: Sequence[_LeadInDoubt]) -> Generator[Written, None, list[Create]]:
        """Search for leads until the index must show them; gives those that surely were not made."""
        missing = list(doubts)
        view = View()
        for _ in self._until_indexed(doubts):
            view = self._matcher.look_for([doubt.operation.group.draft.identity for doubt in missing])
            for doubt in list(missing):
                match = view.match(doubt.operation.group.draft.identity, _BY_EMAIL)
                if isinstance(match, (Found, Ambiguous)):
                    missing.remove(doubt)
                    yield self._found_lead(doubt, match)
            if not missing:
                break
        sure: list[Create] = []
        for doubt in missing:
            if isinstance(view.match(doubt.operation.group.draft.identity, _BY_EMAIL), Unanswered):
                yield Rejected(doubt.operation.group, _doubt(doubt.fault))
            else:
                sure.append(doubt.operation)
        return sure

    def _until_indexed(self, doubts: Sequence[_LeadInDoubt]) -> Iterator[None]:
        """Pace the searches for leads in doubt; the last comes when the index must show what was sent."""
        due = max(doubt.sent_at for doubt in doubts) + self._delay
        while True:
            left = due - time.monotonic()
            yield
            if left <= 0:
                return
            self._client.pause(min(max(self._delay / _LOOKS, 0.1), max(due - time.monotonic(), 0.0)))

    def _found_lead(self, doubt: _LeadInDoubt, match: Found | Ambiguous) -> Written:
        if isinstance(match, Ambiguous):
            return Rejected(doubt.operation.group, refusal(match))
        try:
            return self._adopt(doubt.operation, match.contact)
        except (RefusedError, CallFailedError) as error:
            return Rejected(doubt.operation.group, Refusal.by_intercom(error.fault))


_Answer = t.TypeVar("_Answer")


def _if_nothing_differs(*, doubtful: bool, archived: bool) -> _SavedAs:
    """Name what was done to a contact that a 409 named and that is as the record says.

    Bringing it back from the archive changed it; one that may be our own was made by the create whose answer was lost.
    """
    if archived:
        return Result.UPDATED
    return Result.CREATED if doubtful else Result.UNCHANGED


def _unchanged(group: Group) -> Saved:
    contact = group.match.contact if isinstance(group.match, Found) else None
    return Saved(group, Result.UNCHANGED, contact)


def _pauses(rounds: int) -> Iterator[float]:
    """Give jittered, growing pauses, in seconds."""
    waits = backoff.expo(max_value=_DOUBT_BACKOFF)
    next(waits)  # the generator's first value is its start signal
    for _ in range(rounds):
        yield backoff.full_jitter(next(waits) or 0.0)


def _taken(contact: ContactId, fault: Fault | None = None) -> Refusal:
    request_id = None if fault is None else fault.request_id
    reason = f"contact {contact} has one of these identifiers and is another person: its external_id differs"
    return Refusal(Result.REJECTED, reason, "another_person", None, request_id)


def _doubt(fault: Fault) -> Refusal:
    reason = f"it is in doubt whether the contact was made; look for it before sending it again ({fault})"
    return Refusal(Result.REJECTED, reason, "in_doubt", None, fault.request_id)
