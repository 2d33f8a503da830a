"""One contact: its attributes, its tags, its companies and the calls that touched it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.values import moment
from target_intercom.sandbox.page.views import attributes, companies
from target_intercom.sandbox.page.views.attributes import AppliedTag, Attribute
from target_intercom.sandbox.page.views.calls import CallRow, rows
from target_intercom.sandbox.page.views.people import label
from target_intercom.sandbox.workspace import ADMINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.page.views.attributes import Types
    from target_intercom.sandbox.recording.history import History
    from target_intercom.sandbox.workspace import Workspace

_SHOWN = (
    "id",
    "external_id",
    "role",
    "email",
    "phone",
    "name",
    "avatar",
    "owner_id",
    "unsubscribed_from_emails",
    "language_override",
    "signed_up_at",
    "last_seen_at",
    "created_at",
    "updated_at",
)


@dataclass(frozen=True)
class PersonView:
    """The page of a contact.

    `merged_into` is the address of the one that it became part of, `unset` the names of the standard attributes that
    have no value.
    """

    label: str
    role: str
    state: str
    merged_into: str | None
    standard: list[Attribute]
    unset: list[str]
    custom: list[Attribute]
    tags: list[AppliedTag]
    companies: list[AppliedTag]
    history: list[CallRow]


def view(workspace: Workspace, history: History, contact: Contact) -> PersonView:
    """Return all that is known of a contact."""
    types = attributes.types_of(workspace, "contact")
    return PersonView(
        label=label(contact),
        role=contact.role,
        state=contact.state.value,
        merged_into=addresses.person(contact.merged_into) if contact.merged_into else None,
        standard=[_standard(contact, types, name) for name in _SHOWN if getattr(contact, name) is not None],
        unset=[name for name in _SHOWN if getattr(contact, name) is None],
        custom=list(attributes.custom(types, contact.custom_attributes)),
        tags=list(attributes.tags(workspace, contact.tags, addresses.tagged)),
        companies=list(_companies(workspace, contact)),
        history=rows(workspace, history.of(contact.id)),
    )


def _standard(contact: Contact, types: Types, name: str) -> Attribute:
    owner = ADMINS.get(contact.owner_id or "", "") if name == "owner_id" else ""
    return attributes.standard(types, name, getattr(contact, name), owner)


def _companies(workspace: Workspace, contact: Contact) -> Iterator[AppliedTag]:
    """Yield the companies that a contact is in, as tags are shown."""
    for company_id, at in contact.companies.items():
        company = workspace.known_company(company_id)
        if company is not None:
            yield AppliedTag(companies.label(company), addresses.company(company_id), moment(at))
