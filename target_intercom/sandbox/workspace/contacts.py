"""Intercom's rules on contacts."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects.contact_form import ContactForm, role_of
from target_intercom.sandbox.objects.contacts import Contact, State, merged
from target_intercom.sandbox.workspace.store import ADMINS, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.versions import Version


class Contacts(Store):
    """Contacts, by Intercom's rules."""

    def __init__(self, conditions: Conditions | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(conditions, clock)
        self._contact_form = ContactForm(self.attributes, ADMINS)

    def create_contact(self, body: Mapping[str, Any], version: Version) -> Contact:
        """Create a lead or a user.

        A lead gets a UUID for an external_id, whatever was sent (GRP lead-quirks#5, #7), and may have any
        email (#24, #39). A user's identifiers must be free, among archived and deleted users too (#17,
        #32). A new external_id with a known email is a conflict as well: by choice, as it is the case
        that a client must be ready for.

        Raises:
            IntercomError: A value is refused, or another user holds the identifiers.
        """
        with self._lock:
            changes = self._contact_form.read(body, version)
            changes["email"] = changes.get("email") or None
            role = role_of(body.get("role"))
            if role == "lead":
                changes["external_id"] = str(uuid.uuid4())
            else:
                self._check_identifiers(changes)
            attributes = changes.pop("custom_attributes", {})
            return self._keep(
                Contact(
                    id=self._next_id(),
                    workspace_id=self.id,
                    role=role,
                    created_at=self._now(),
                    updated_at=self._now(),
                    custom_attributes=_without_nulls(attributes),
                    **changes,
                )
            )

    def contact(self, contact_id: str, version: Version) -> Contact:
        """Return a live contact, as it is now: no lag (GRP lead-quirks#15-16).

        Raises:
            IntercomError: Unknown, archived, deleted (404) or merged (410 from 2.16 on).
        """
        with self._lock:
            found = self._contacts.get(contact_id)
            if found is None or found.state in {State.ARCHIVED, State.DELETED}:
                raise errors.user_not_found()
            if found.state is State.MERGED:
                raise _gone(found, version)
            return found

    def contact_by_external_id(self, external_id: str, version: Version) -> Contact:
        """Return a live user by external_id; leads' generated ones do not count (OAS-2.16, there).

        Reads the state of now, and shows no archived one: by choice.

        Raises:
            IntercomError: No such user, or one that was merged.
        """
        with self._lock:
            found = list(self._all(self._identifiers.with_external_id(external_id)))
            for contact in found:
                if contact.is_user and contact.state is State.LIVE:
                    return contact
            for contact in found:
                if contact.state is State.MERGED:
                    raise _gone(contact, version)
            raise errors.user_not_found()

    def update_contact(self, contact_id: str, body: Mapping[str, Any], version: Version) -> Contact:
        """Change what the body holds. Nothing changed: `updated_at` stays (GRP export-record-user#24).

        An email that another user holds is fine (#93-95), and so is the external_id of an archived one
        (#103); that of a live user is a conflict (docs references 2.1-2.4 update a contact).

        Raises:
            IntercomError: No such contact, a value is refused, or a user was to become a lead.
        """
        with self._lock:
            old = self.contact(contact_id, version)
            changes = self._contact_form.read(body, version)
            changes["role"] = _changed_role(old, body)
            if changes["role"] == "lead":
                changes.pop("external_id", None)  # GRP export-record-no-create#62
            elif "external_id" in changes:
                self._check_external_id_free(old, changes["external_id"])
            if "custom_attributes" in changes:
                changes["custom_attributes"] = _overlaid(old, changes["custom_attributes"])
            return self._changed(old, **changes)

    def archive_contact(self, contact_id: str, version: Version) -> Contact:
        """Archive a contact; again is fine (GRP lead-quirks#2-4, #44-46).

        Raises:
            IntercomError: Unknown, deleted or merged.
        """
        with self._lock:
            known = self._contacts.get(contact_id)
            if known is not None and known.state is State.ARCHIVED:
                return known
            return self._changed(self.contact(contact_id, version), state=State.ARCHIVED)

    def unarchive_contact(self, contact_id: str) -> Contact:
        """Unarchive a contact, as it was (GRP lead-quirks#18-19).

        Raises:
            IntercomError: Unknown, deleted for good, merged, or another user has its external_id now.
        """
        with self._lock:
            known = self._contacts.get(contact_id)
            if known is None:
                raise errors.user_not_found()
            if known.state is State.MERGED:
                raise errors.not_restorable_merged()
            if known.state is State.DELETED:
                raise self._not_restorable(known)
            if known.is_user and known.external_id:
                self._check_external_id_free(known, known.external_id)
            return self._changed(known, state=State.LIVE)

    def delete_contact(self, contact_id: str, version: Version) -> Contact:
        """Delete for good. A user's identifiers stay taken (GRP lead-quirks#30-33); forever, by choice.

        Raises:
            IntercomError: Unknown, archived, deleted or merged.
        """
        with self._lock:
            old = self.contact(contact_id, version)
            return self._changed(old, state=State.DELETED, gone_at=self._clock())

    def merge_contacts(self, body: Mapping[str, Any], version: Version) -> Contact:
        """Merge a lead into a user (OAS-2.16 POST /contacts/merge). User into user: refused here.

        Raises:
            IntercomError: A contact is missing, the roles are others, or they are not duplicates.
        """
        with self._lock:
            lead = self.contact(str(body.get("from")), version)
            user = self.contact(str(body.get("into")), version)
            if lead.is_user or not user.is_user:
                raise errors.merge_not_allowed()
            skip = version.merge_check_skippable and body.get("skip_duplicate_validation") is True
            if not skip and not _duplicates(lead, user):
                raise errors.not_duplicates()
            self._changed(lead, state=State.MERGED, merged_into=user.id)
            return self._changed(user, **merged(lead, user))

    def everyone(self) -> list[Contact]:
        """Return every contact that ever was, gone ones included, oldest first."""
        with self._lock:
            self.settle()
            return list(self._contacts.values())

    def known(self, contact_id: str) -> Contact | None:
        """Return the contact with this id, a gone one too."""
        return self._contacts.get(contact_id)

    def _check_identifiers(self, changes: Mapping[str, Any]) -> None:
        """Raise a conflict with another user; live ones first, as its text tells them from archived ones."""
        email, external_id = changes.get("email"), changes.get("external_id")
        if not email and not external_id:
            raise errors.identifier_missing()
        holders = [
            *self._all(self._identifiers.with_external_id(external_id or "")),
            *self._all(self._identifiers.with_email(email or "")),
        ]
        users = [contact for contact in holders if contact.is_user]
        for user in sorted(users, key=lambda contact: contact.state is not State.LIVE):
            raise errors.conflict(user.id, archived=user.state is not State.LIVE)

    def _check_external_id_free(self, contact: Contact, external_id: str) -> None:
        for other in self._all(self._identifiers.with_external_id(external_id)):
            if other.id != contact.id and other.is_user and other.state is State.LIVE:
                raise errors.conflict(other.id, archived=False)

    def _not_restorable(self, deleted: Contact) -> errors.IntercomError:
        """Return why a deleted contact stays so: see `Conditions.deletion_delay`."""
        if self._clock() - deleted.gone_at < self._conditions.deletion_delay:
            return errors.server_error()
        return errors.not_restorable_deleted()


def _gone(contact: Contact, version: Version) -> errors.IntercomError:
    if version.merged_is_gone and contact.merged_into:
        return errors.contact_merged(contact.merged_into)
    return errors.user_not_found()


def _changed_role(old: Contact, body: Mapping[str, Any]) -> str:
    if "role" not in body:
        return old.role
    role = role_of(body["role"])
    if old.is_user and role == "lead":
        raise errors.not_convertible_to_lead()
    return role


def _without_nulls(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _overlaid(old: Contact, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes after a write. Null clears what was set; what never was stays unmentioned (by choice)."""
    known = old.custom_attributes
    return {**known, **{k: v for k, v in attributes.items() if v is not None or k in known}}


def _duplicates(one: Contact, other: Contact) -> bool:
    same_email = one.email_key is not None and one.email_key == other.email_key
    return same_email or (bool(one.phone) and one.phone == other.phone)
