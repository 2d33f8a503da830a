"""Who works where: a contact is in the companies that its groups name, by their `company_id`.

That is what jobs and the ledger take. Single calls, and what contacts show, go by Intercom's own id of a company, which
the workspace's catalog finds out where one is needed (`sync/workspace/companies.py`).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from target_intercom.errors import Fault, NotFoundError, RefusedError
from target_intercom.kinds.link import GroupNames, LinkedContacts, LinkKind, short
from target_intercom.model import GroupKey, LinkName
from target_intercom.outcomes import Result, SkipReason

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.intercom.protocol.ids import CompanyId
    from target_intercom.json_lines import Json
    from target_intercom.kinds.link import Linked
    from target_intercom.model import Contact, ContactId, LinkedId
    from target_intercom.writes import LinkChange

_PREFIX: t.Final = " company:"
"""No group of tags begins with a blank."""
NO_COMPANY: t.Final = "no_company"
"""Our code of a record whose company does not exist."""
_NOT_FOUND: t.Final = "company_not_found"
"""Intercom's code of a 404 that is not about the contact."""


def company_key(company_id: str) -> GroupKey:
    """Return the group of a company's people; Intercom compares a company_id exactly, as far as is known."""
    return GroupKey(_PREFIX + short(company_id.strip()))


def no_company(company_id: str) -> Fault:
    """Return why a contact is not put into a company that does not exist."""
    return Fault(code=NO_COMPANY, message=f"There is no company '{company_id}': memberships create none")


COMPANY_NAMES: t.Final = GroupNames(
    kind=LinkName.COMPANY,
    target="company_id",
    taken=("company_id",),
    key=company_key,
    thing="company",
    name="a company_id",
    no_name="no_company_id",
    invalid="not_an_identifier",
)


class MemberClient(t.Protocol):
    """The calls of the Intercom client that memberships need."""

    def contact_companies(self, contact: ContactId) -> list[CompanyId]:
        """Read all companies of a contact."""

    def attach_company(self, contact: ContactId, company: CompanyId) -> None:
        """Put a contact into a company."""

    def detach_company(self, contact: ContactId, company: CompanyId) -> None:
        """Take a contact out of a company."""


class CompanyIds(t.Protocol):
    """Intercom's own ids of companies. Every call may raise what the client's methods raise."""

    def own_id(self, company_id: LinkedId) -> CompanyId | None:
        """Return Intercom's id of a company; None: there is no such company."""

    def asked_again(self, company_id: LinkedId, but: CompanyId) -> CompanyId | None:
        """Return Intercom's id of a company which has another than was known; None: there is none."""


@dataclass(frozen=True)
class CompanyMembers(LinkKind):
    """The link of a contact and a company; it never makes a company."""

    client: MemberClient
    ids: CompanyIds

    names = COMPANY_NAMES
    in_creates = True
    not_made = NO_COMPANY
    no_contact = "there is no contact to put into the company; memberships create none"
    left_out = "companies are left out: they do not exist, or did not take the contact"
    plural = "companies"
    contacts_a_call = 1
    put_on_result = Result.ATTACHED
    taken_off_result = Result.DETACHED
    not_ours = SkipReason.NOT_ATTACHED

    def shown(self, contact: Contact) -> frozenset[str]:
        """See `LinkKind`: ten companies at most."""
        return contact.companies

    def shows_all(self, contact: Contact) -> bool:
        """See `LinkKind`."""
        return contact.shows_all_companies

    def own_id(self, linked: LinkedId) -> str | None:
        """See `LinkKind`."""
        return self.ids.own_id(linked)

    def job_item(self, change: LinkChange) -> dict[str, Json]:
        """See `LinkKind`. A name would change the company's."""
        gone = [{"company_id": one, "remove": True} for one in sorted(change.remove)]
        return {"companies": [*gone, *({"company_id": one} for one in sorted(change.add))]}

    def changed(self, contact: Contact, change: LinkChange) -> Contact:
        """See `LinkKind`. Intercom's ids of the companies need not be known."""
        del change
        return replace(contact, companies=frozenset(), shows_all_companies=False)

    def of_contact(self, contact: ContactId) -> frozenset[str]:
        """See `LinkKind`."""
        return frozenset(self.client.contact_companies(contact))

    def put_on_many(
        self, linked: Linked, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]]
    ) -> LinkedContacts:
        """See `LinkKind`: there is no such call, each contact goes singly."""
        del contacts, others
        return LinkedContacts(linked.id, frozenset())

    def put_on(self, contact: ContactId, linked: LinkedId) -> None:
        """See `LinkKind`."""
        own = self.ids.own_id(linked)
        if own is None:
            raise RefusedError(no_company(linked))
        try:
            self.client.attach_company(contact, own)
        except NotFoundError as error:
            if error.fault.code != _NOT_FOUND:
                raise
            anew = self.ids.asked_again(linked, own)
            if anew is None:
                raise RefusedError(no_company(linked)) from None
            self.client.attach_company(contact, anew)

    def take_off(self, contact: ContactId, linked: LinkedId) -> None:
        """See `LinkKind`."""
        own = self.ids.own_id(linked)
        if own is None:
            raise NotFoundError(no_company(linked))
        try:
            self.client.detach_company(contact, own)
        except NotFoundError as error:
            anew = self.ids.asked_again(linked, own) if error.fault.code == _NOT_FOUND else None
            if anew is None:
                raise
            self.client.detach_company(contact, anew)
