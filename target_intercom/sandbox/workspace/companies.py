"""Intercom's rules on companies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.conditions import CompanyEscaping, CompanyLookup, CompanyReturn
from target_intercom.sandbox.objects.companies import Company, CountedCompany, Deletion
from target_intercom.sandbox.objects.company_form import CompanyForm
from target_intercom.sandbox.objects.contacts import State
from target_intercom.sandbox.search.scroll import Scroll
from target_intercom.sandbox.workspace.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.versions import Version


class Companies(Store):
    """Companies, by Intercom's rules."""

    def __init__(self, conditions: Conditions | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(conditions, clock)
        self.scroll = Scroll(clock)
        self._company_form = CompanyForm(self.attributes, self._conditions)
        self._by_company_id: dict[str, str] = {}
        self._deleted_ids: dict[str, str] = {}
        self._deletions: list[Deletion] = []

    def save_company(self, body: Mapping[str, Any], version: Version) -> Company:
        """Create the company of a company_id, or update it (OAS-2.16 POST /companies).

        Without a company_id each call makes another one: by choice, the more awkward of what may be. A deleted
        company's company_id is free at once; what it makes is a condition, `company_return`.

        Raises:
            IntercomError: A key is unknown, or a value is refused.
        """
        with self._lock:
            changes = self._seen(self._company_form.read_upsert(body, version))
            company_id = changes.pop("company_id", None)
            known = self._company_of(company_id)
            if known is None and self._conditions.company_return is CompanyReturn.SAME:
                known = self._returned(company_id)
            return self._created(company_id, changes) if known is None else self._overwritten(known, changes)

    def company(self, company_id: str) -> Company:
        """Return a company by Intercom's id, as it is now; with or without people.

        Raises:
            IntercomError: Unknown or deleted.
        """
        with self._lock:
            found = self._companies.get(company_id)
            if found is None or found.state is not State.LIVE:
                raise errors.company_not_found()
            return found

    def find_company(self, field: str, value: str) -> Company:
        """Return a company by `company_id` or, exactly, by `name`; of several with one name the oldest (by choice).

        Raises:
            IntercomError: There is none, or none that the condition `company_lookup` shows.
        """
        with self._lock:
            found = self._company_of(value) if field == "company_id" else self._named(value)
            hides = self._conditions.company_lookup is CompanyLookup.WITH_PEOPLE
            if found is None or (hides and not self.counted(found).user_count):
                raise errors.company_not_found()
            return found

    def update_company(self, company_id: str, body: Mapping[str, Any]) -> Company:
        """Change what the body holds (OAS-2.16 PUT /companies/{id}). Nothing changed: `updated_at` stays (by choice).

        Raises:
            IntercomError: No such company, a key is unknown, or a value is refused.
        """
        with self._lock:
            return self._overwritten(self.company(company_id), self._company_form.read_update(body))

    def update_company_in_bulk(self, body: Mapping[str, Any]) -> Company:
        """Change what an item of a bulk job holds (OAS-P #bulk_update_companies_request).

        Raises:
            IntercomError: No such company, or a value is refused.
        """
        with self._lock:
            old = self.company(str(body.get("id")))
            return self._overwritten(old, self._seen(self._company_form.read_bulk_update(body)))

    def delete_company(self, company_id: str) -> Company:
        """Delete a company, which takes effect after `company_deletion_delay` (OAS-2.16 DELETE /companies/{id}).

        Until then it is there, by id and in lists, and can be deleted again (by choice).

        Raises:
            IntercomError: Unknown or deleted.
        """
        with self._lock:
            company = self.company(company_id)
            if company.deleting_at is not None:
                return company
            due = self._clock() + self._conditions.company_deletion_delay
            self._by_company_id.pop(company.company_id, None)
            self._deleted_ids[company.company_id] = company.id
            kept = self._changed_company(company, deleting_at=due)
            self._deletions.append(Deletion(due, kept, frozenset(self._members.get(company.id, ()))))
            self.settle()
            return kept

    def settle(self) -> None:
        """Carry out the deletions of companies whose time is over. Every call does so first."""
        with self._lock:
            now = self._clock()
            due = [deletion for deletion in self._deletions if deletion.due <= now]
            self._deletions = [deletion for deletion in self._deletions if deletion.due > now]
            for deletion in due:
                self._carry_out(deletion)

    def counted(self, company: Company) -> CountedCompany:
        """Return a company with the number of its users, as of now."""
        return CountedCompany(company, sum(contact.is_user for contact in self.people(company)))

    def people(self, company: Company) -> list[Contact]:
        """Return the live contacts of a company, users and leads, in the order in which they came."""
        with self._lock:
            members = self._all(self._members.get(company.id, ()))
            return [contact for contact in members if contact.state is State.LIVE]

    def escapes(self, version: Version) -> bool:
        """Return whether answers have names and company_ids HTML-escaped."""
        escaping = self._conditions.company_escaping
        return escaping is CompanyEscaping.ALWAYS or (escaping is CompanyEscaping.VERSION and version.companies_escaped)

    def every_company(self) -> list[Company]:
        """Return every company that ever was, deleted ones included, oldest first."""
        with self._lock:
            self.settle()
            return list(self._companies.values())

    def known_company(self, company_id: str) -> Company | None:
        """Return the company with this id, a deleted one too."""
        self.settle()
        return self._companies.get(company_id)

    def _company_of(self, company_id: str | None) -> Company | None:
        """Return the company that a company_id means; none for one that is being deleted."""
        found = self._by_company_id.get(company_id or "")
        return None if found is None else self._companies[found]

    def _named(self, name: str) -> Company | None:
        everything = (self._companies[found] for found in self._by_company_id.values())
        return next((company for company in everything if company.name == name), None)

    def _created(self, company_id: str | None, changes: dict[str, Any]) -> Company:
        new_id = self._next_id()
        company_id = company_id or new_id
        attributes = {name: value for name, value in changes.pop("custom_attributes", {}).items() if value is not None}
        self._by_company_id[company_id] = new_id
        return self._keep_company(
            Company(
                id=new_id,
                workspace_id=self.id,
                company_id=company_id,
                created_at=self._now(),
                updated_at=self._now(),
                custom_attributes=attributes,
                **changes,
            )
        )

    def _returned(self, company_id: str | None) -> Company | None:
        """Return a deleted company, live again. The people of before are detached all the same."""
        found = self._deleted_ids.pop(company_id or "", None)
        if found is None:
            return None
        self._by_company_id[str(company_id)] = found
        return self._changed_company(self._companies[found], state=State.LIVE, deleting_at=None)

    def _overwritten(self, old: Company, changes: dict[str, Any]) -> Company:
        if "custom_attributes" in changes:
            known = old.custom_attributes
            given = {k: v for k, v in changes["custom_attributes"].items() if v is not None or k in known}
            changes["custom_attributes"] = {**known, **given}
        return self._changed_company(old, **changes)

    def _seen(self, changes: dict[str, Any]) -> dict[str, Any]:
        if changes.pop("seen", False):
            changes["last_request_at"] = self._now()
        return changes

    def _carry_out(self, deletion: Deletion) -> None:
        """Detach the company's people and archive it. A company that has returned loses only the people of before."""
        company = self._companies[deletion.company.id]
        is_back = company.deleting_at is None
        members: Iterable[str] = deletion.contact_ids if is_back else list(self._members.get(company.id, ()))
        for contact in list(self._all(members)):
            kept = {company_id: at for company_id, at in contact.companies.items() if company_id != company.id}
            self._changed(contact, companies=kept)
        if not is_back:
            self._changed_company(company, state=State.ARCHIVED)
