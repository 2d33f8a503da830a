"""Intercom's rules on tags, and on what has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects.contacts import State
from target_intercom.sandbox.workspace.companies import Companies
from target_intercom.sandbox.workspace.contacts import Contacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.objects.companies import Company
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.objects.tags import Tag
    from target_intercom.sandbox.versions import Version


@dataclass(frozen=True)
class Saved:
    """A tag that was saved.

    Attributes:
        users: Whether the contact has it now, by the ids in `users`.
        companies: Whether the company has it now, by Intercom's ids of those in `companies`.
    """

    tag: Tag
    users: Mapping[str, bool]
    companies: Mapping[str, bool]


class Tagging(Contacts, Companies):
    """Tags on contacts and companies."""

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

    def save_tag(self, body: Mapping[str, Any], version: Version) -> Saved:
        """Create, find or rename a tag, and tag the contacts in `users`, or tag and untag the companies in `companies`.

        Both in one call are refused (so said the documents of API 1.0). The missing are skipped from 2.16 on.

        Raises:
            IntercomError: The body is refused, or, up to 2.15, a contact or company is missing.
        """
        with self._lock:
            ids, entries = _user_ids(body), _company_entries(body)
            if ids and entries:
                raise errors.invalid_tag()
            missing = [contact_id for contact_id in ids if not self._is_live(contact_id)]
            if missing and not version.tagging_skips_missing:
                raise errors.user_not_found()
            tag = self.tags.save(body)
            for contact_id in ids:
                if contact_id not in missing:
                    self._tagged(self._contacts[contact_id], tag)
            users = {contact_id: contact_id not in missing for contact_id in ids}
            return Saved(tag, users, self._tag_companies(tag, entries, version))

    def delete_tag(self, tag_id: str) -> list[str]:
        """Delete a tag, and take it from all contacts and companies.

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
            for company in list(self._companies.values()):
                self._untagged_company(company, tag)
            self.tags.delete(tag_id)
            return [contact.id for contact in holders]

    def _tag_companies(self, tag: Tag, entries: list[Mapping[str, Any]], version: Version) -> dict[str, bool]:
        """Tag and untag companies; return, by Intercom's id, whether each has the tag now.

        A missing company leaves its id and False, or nothing where it was named by company_id (by choice). Up to 2.15
        it makes the call a 404; the tag exists all the same (Preview's changelog), and no company has it (by choice).

        Raises:
            IntercomError: A company is missing, up to 2.15.
        """
        found = [(entry, self._entry_company(entry)) for entry in entries]
        if not version.tagging_skips_missing and not all(company for _, company in found):
            raise errors.company_not_found()
        tagged: dict[str, bool] = {}
        for entry, company in found:
            if company is None:
                if entry.get("id"):
                    tagged[str(entry["id"])] = False
            elif entry.get("untag"):
                tagged[self._untagged_company(company, tag).id] = False
            else:
                at = {tag.id: company.tags.get(tag.id, self._now())}
                tagged[self._changed_company(company, tags={**company.tags, **at}).id] = True
        return tagged

    def _entry_company(self, entry: Mapping[str, Any]) -> Company | None:
        if not entry.get("id"):
            return self._company_of(str(entry.get("company_id")))
        found = self._companies.get(str(entry["id"]))
        return found if found is not None and found.state is State.LIVE else None

    def _untagged_company(self, company: Company, tag: Tag) -> Company:
        kept = {tag_id: at for tag_id, at in company.tags.items() if tag_id != tag.id}
        return self._changed_company(company, tags=kept)

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


def _company_entries(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of `companies`: each has an `id` or a `company_id` (OAS-2.16 #tag_company_request)."""
    entries = body.get("companies") or []
    if not isinstance(entries, list):
        raise errors.invalid_tag()
    for entry in entries:
        is_named = isinstance(entry, dict) and any(isinstance(entry.get(key), str) for key in ("id", "company_id"))
        if not is_named or not isinstance(entry.get("untag", False), bool):
            raise errors.invalid_tag()
    return entries
