"""Contacts that are written, or that turn up: brought in line with a record, unless they are another person's."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass, replace

from target_intercom.errors import (
    CallFailedError,
    ConflictError,
    Fault,
    MergedError,
    NotFoundError,
    RefusedError,
    UndoneError,
)
from target_intercom.intercom.protocol.ids import ContactId
from target_intercom.model import Contact, Found, Identity, MatchBy
from target_intercom.outcomes import Refusal, Result, SkipReason
from target_intercom.sync.matching.whose import another_person, match_identity
from target_intercom.sync.planning.wanted import changes
from target_intercom.writes import Rejected, Saved, SavedAs, Skipped, Surprise

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import Json
    from target_intercom.settings.config import Stream
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher
    from target_intercom.sync.workspace.attributes import AttributeCatalog
    from target_intercom.sync.writing.archived import ArchivedContacts
    from target_intercom.writes import ContactRecords, Update, Written

_CLOCK_STEP = 1
"""Seconds by which Intercom's own times may differ (fact sheet section 3.1)."""
_Written = t.TypeVar("_Written")
_P = t.ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class ExistingContacts:
    """Writes to contacts that are there: those that were planned for, and those that a 409 or a search shows."""

    client: IntercomClient
    matcher: Matcher
    catalog: AttributeCatalog
    ledger: Ledger
    archived: ArchivedContacts
    stream: Stream

    def update(self, operation: Update) -> Written:
        """Update a contact as planned, or the one that Intercom names in its place."""
        records = operation.records
        try:
            return self.save(records, operation.contact, operation.attributes, Result.UNCHANGED)
        except ConflictError as error:
            if any(entry.contact is not None for entry in records.entries):
                return Surprise(records, Refusal.by_intercom(error.fault))
            if len(records.entries) > 1 or not self._goes_by_external_id(records.draft.identity):
                raise
            return self.after_conflict(records, error, doubtful=False)
        except MergedError as error:
            survivor = self.matcher.survivor(error)
            if survivor is None or another_person(records.draft.identity, survivor):
                return Rejected(records, Refusal.by_intercom(error.fault))
            written = self.bring_up_to_date(records, survivor, Result.UNCHANGED)
            return replace(written, by_merge=True) if isinstance(written, Saved) else written

    def _goes_by_external_id(self, identity: Identity) -> bool:
        """Check whether a record's external_id counts first; search may not show its user: an archived or a new one."""
        given = (which for which in self.stream.settings.match_by if identity.get(which) is not None)
        return next(given, None) is MatchBy.EXTERNAL_ID

    def save(
        self, records: ContactRecords, contact: Contact, differing: Mapping[str, Json], unchanged: SavedAs
    ) -> Written:
        """Update a contact; nothing is sent when no attribute is left."""
        try:
            saved, dropped = self.catalog.sending(
                lambda kept: self.client.update_contact(contact.id, kept) if kept else None, differing
            )
        except NotFoundError:
            return _gone(records, contact.id)
        if saved is None:
            return Saved(records, unchanged, contact, dropped)
        return Saved(records, Result.UPDATED, saved, dropped)

    def bring_up_to_date(self, records: ContactRecords, contact: Contact, unchanged: SavedAs) -> Written:
        """Write what differs from a contact read just now; `unchanged` is the result when nothing does."""
        differing = changes(records.draft, contact, self.stream.settings.creation_mode)
        if not differing:
            return Saved(records, unchanged, contact)
        # Other records may be of this contact, which was not planned for.
        self.ledger.adopt([contact])
        doubt = self.ledger.doubt([contact.id])
        try:
            return self.save(records, contact, differing, unchanged)
        except RefusedError:
            self.ledger.trust([contact.id], doubt)
            raise

    def find_user(self, identity: Identity) -> Contact | None:
        """Look for a user without the index's lag where that is possible."""
        if identity.external_id is not None and self.client.finds_by_external_id:
            with suppress(UndoneError):
                return self.client.find_user(identity.external_id)
        return user_in(self.matcher.search_one(identity), identity)

    def adopt(
        self,
        records: ContactRecords,
        contact: Contact,
        *,
        is_ours: bool,
        unchanged: SavedAs = Result.UNCHANGED,
        fault: Fault | None = None,
    ) -> Written:
        """Bring a contact that turned up in line with records that were to make one, unless it is another person's.

        `is_ours`: it was made for them, by a call or job whose answer was lost. Else it was there before, and
        `unchanged` is the result when nothing differs. `fault` is that of a 409.
        """
        is_other = another_person(records.draft.identity, contact)
        if not self.stream.settings.sync_mode.updates:
            # Whatever differs of ours is Intercom's way to write it.
            is_made = is_ours and not is_other
            if is_made:
                return Saved(records, Result.CREATED, contact)
            return Skipped(records, SkipReason.EXISTS, None if is_other else contact)
        if is_other:
            return Rejected(records, _taken(records.draft.identity, contact, fault))
        return self.bring_up_to_date(records, contact, Result.CREATED if is_ours else unchanged)

    def after_conflict(
        self, records: ContactRecords, error: ConflictError, *, doubtful: bool, since: int | None = None
    ) -> Written:
        """Go on with the contact that a 409 names (docs/identity.md).

        `doubtful`: it may be our own, if it is not older than `since` (unix seconds of Intercom's clock).
        """
        if not self.stream.settings.sync_mode.updates and (error.archived or not doubtful):
            return Skipped(records, SkipReason.EXISTS, None if error.archived else self._named_by(records, error))
        contact_id = self._in_the_way(records.draft.identity, error)
        if contact_id is None:
            return Rejected(records, Refusal.by_intercom(error.fault))
        try:
            if error.archived:
                # Only then Intercom shows it.
                contact = self.archived.read(
                    contact_id, self.stream.name, lambda read: not another_person(records.draft.identity, read)
                )
            else:
                contact = self.client.get_contact(contact_id)
        except NotFoundError:
            return _gone(records, contact_id)
        except CallFailedError as failure:
            return Rejected(records, _not_restorable(contact_id, failure.fault))
        is_ours = doubtful and not error.archived and not is_older(contact, since)
        # Bringing it back from the archive has changed it.
        unchanged: SavedAs = Result.UPDATED if error.archived else Result.UNCHANGED
        return self.adopt(records, contact, is_ours=is_ours, unchanged=unchanged, fault=error.fault)

    def _named_by(self, records: ContactRecords, error: ConflictError) -> Contact | None:
        """Return the contact that a 409 names; None: it is another person's, or cannot be read."""
        contact = None
        with suppress(UndoneError):
            contact = None if error.contact_id is None else self.client.get_contact(ContactId(error.contact_id))
        return None if contact is None or another_person(records.draft.identity, contact) else contact

    def _in_the_way(self, identity: Identity, error: ConflictError) -> ContactId | None:
        if error.contact_id is not None:
            return ContactId(error.contact_id)
        found = self.find_user(identity)
        return None if found is None else found.id


def attempt(
    records: ContactRecords, write: Callable[_P, _Written], *args: _P.args, **kwargs: _P.kwargs
) -> _Written | Rejected:
    """Return what became of a write; it is rejected where Intercom refuses it, or keeps failing on it."""
    try:
        return write(*args, **kwargs)
    except UndoneError as error:
        return Rejected(records, Refusal.by_intercom(error.fault), is_unchanged=isinstance(error, RefusedError))


def user_in(shown: Directory, identity: Identity) -> Contact | None:
    """Return the user with an external_id, else with an email, among those that a search has shown."""
    match = match_identity(shown, identity, (MatchBy.EXTERNAL_ID, MatchBy.EMAIL))
    return match.contact if isinstance(match, Found) and match.contact.role == "user" else None


def is_older(contact: Contact, since: int | None) -> bool:
    """Check whether a contact was surely there before something was sent, in unix seconds of Intercom's clock."""
    return since is not None and contact.created_at is not None and contact.created_at < since - _CLOCK_STEP


def _gone(records: ContactRecords, contact: ContactId) -> Surprise:
    reason = f"contact {contact} is gone, and so is every other match"
    return Surprise(records, Refusal(Result.REJECTED, reason, "contact_gone"), contact)


def _taken(identity: Identity, contact: Contact, fault: Fault | None) -> Refusal:
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
