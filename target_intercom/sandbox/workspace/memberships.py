"""Intercom's rules on contacts in companies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects.companies import MAX_COMPANIES, Company
from target_intercom.sandbox.workspace.companies import Companies
from target_intercom.sandbox.workspace.contacts import Contacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.versions import Version


class Memberships(Contacts, Companies):
    """Contacts in companies."""

    def attach(self, contact_id: str, body: Mapping[str, Any], version: Version) -> Company:
        """Attach a contact to a company by Intercom's id of it; again is fine (OAS-2.16 POST /contacts/{id}/companies).

        Raises:
            IntercomError: No such contact or company, none is named, or the contact is in too many.
        """
        with self._lock:
            contact = self.contact(contact_id, version)
            if not body.get("id"):
                raise errors.company_not_specified()
            company = self.company(str(body["id"]))
            if company.id in contact.companies:
                return company
            if len(contact.companies) >= MAX_COMPANIES:
                raise errors.company_limit_exceeded(MAX_COMPANIES)
            self._changed(contact, companies={**contact.companies, company.id: self._now()})
            return self._changed_company(company, updated_at=self._now())

    def detach(self, contact_id: str, company_id: str, version: Version) -> Company:
        """Detach a contact from a company (OAS-2.16 DELETE /contacts/{contact_id}/companies/{company_id}).

        Raises:
            IntercomError: No such contact or company, or the contact is not in it (recorded by rudder-transformer).
        """
        with self._lock:
            contact, company = self.contact(contact_id, version), self.company(company_id)
            if company.id not in contact.companies:
                raise errors.company_not_found()
            kept = {other: at for other, at in contact.companies.items() if other != company.id}
            self._changed(contact, companies=kept)
            return self._changed_company(company, updated_at=self._now())

    def companies_of(self, contact_id: str, version: Version) -> list[Company]:
        """Return the companies that a contact is in, in the order in which it came into them.

        Raises:
            IntercomError: No such contact.
        """
        with self._lock:
            return [self.company(company_id) for company_id in self.contact(contact_id, version).companies]

    def attach_by_company_id(self, contact_id: str, entry: Mapping[str, Any], version: Version) -> Company:
        """Attach a contact to a company, which is made or changed as by POST (OAS-P #bulk_create_contacts_request).

        Raises:
            IntercomError: No such contact, a value is refused, or the contact is in too many companies.
        """
        with self._lock:
            company = self.save_company(entry, version)
            return self.attach(contact_id, {"id": company.id}, version)

    def detach_by_company_id(self, contact_id: str, company_id: str, version: Version) -> Company:
        """Detach a contact from the company of a company_id (OAS-P #bulk_update_contacts_request).

        Raises:
            IntercomError: No such contact or company, or the contact is not in it.
        """
        with self._lock:
            company = self._company_of(company_id)
            if company is None:
                raise errors.company_not_found()
            return self.detach(contact_id, company.id, version)
