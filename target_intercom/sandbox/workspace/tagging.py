"""Intercom's rules on tags, and on what has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.workspace.contacts import Contacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.objects.tags import Tag
    from target_intercom.sandbox.versions import Version


class Tagging(Contacts):
    """Tags on contacts."""

    def tag_contact(self, contact_id: str, tag_id: str, version: Version) -> tuple[Tag, Contact]:
        """Tag a contact; once more is fine (by choice).

        Raises:
            IntercomError: No such contact or tag.
        """
        with self._lock:
            contact, tag = self.contact(contact_id, version), self.tags.get(tag_id)
            return tag, self._tagged(contact, tag)

    def untag_contact(self, contact_id: str, tag_id: str, version: Version) -> tuple[Tag, Contact]:
        """Untag a contact.

        Raises:
            IntercomError: No such contact or tag, or the contact does not have it (by choice).
        """
        with self._lock:
            contact, tag = self.contact(contact_id, version), self.tags.get(tag_id)
            if tag.id not in contact.tags:
                raise errors.resource_not_found()
            return tag, self._untagged(contact, tag)

    def save_tag(self, body: Mapping[str, Any], version: Version) -> tuple[Tag, dict[str, bool]]:
        """Create, find or rename a tag, and tag the contacts in `users` with it.

        Returns:
            The tag and, by contact id, whether the contact has it now.

        Raises:
            IntercomError: The body is refused, or, up to 2.15, a contact is missing.
        """
        with self._lock:
            ids = _user_ids(body)
            missing = {contact_id for contact_id in ids if not self._is_live(contact_id)}
            if missing and not version.tagging_skips_missing:
                raise errors.user_not_found()
            tag = self.tags.save(body)
            for contact_id in ids:
                if contact_id not in missing:
                    self._tagged(self._contacts[contact_id], tag)
            return tag, {contact_id: contact_id not in missing for contact_id in ids}

    def delete_tag(self, tag_id: str) -> list[str]:
        """Delete a tag, and take it from all contacts.

        Returns:
            The ids of the contacts that had it.

        Raises:
            IntercomError: No such tag.
        """
        with self._lock:
            tag = self.tags.get(tag_id)
            holders = [contact for contact in self._contacts.values() if tag.id in contact.tags]
            for contact in holders:
                self._untagged(contact, tag)
            self.tags.delete(tag_id)
            return [contact.id for contact in holders]

    def _tagged(self, contact: Contact, tag: Tag) -> Contact:
        return self._changed(contact, tags={**contact.tags, tag.id: contact.tags.get(tag.id, self._now())})

    def _untagged(self, contact: Contact, tag: Tag) -> Contact:
        kept = {tag_id: at for tag_id, at in contact.tags.items() if tag_id != tag.id}
        return self._changed(contact, tags=kept)


def _user_ids(body: Mapping[str, Any]) -> list[str]:
    """Return the contacts of `users:[{id}]`; no other way to name them is documented, nor `untag` for users."""
    users = body.get("users") or []
    if not isinstance(users, list):
        raise errors.invalid_tag()
    for user in users:
        if not isinstance(user, dict) or "untag" in user or not isinstance(user.get("id"), str):
            raise errors.invalid_tag()
    return [user["id"] for user in users]
