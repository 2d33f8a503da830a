"""One company: its attributes, its tags and its people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.pager import sheet
from target_intercom.sandbox.page.views import attributes
from target_intercom.sandbox.page.views.companies import label, state_of
from target_intercom.sandbox.page.views.people import PEOPLE_A_PAGE, PersonRow, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.objects.companies import Company
    from target_intercom.sandbox.page.pager import Sheet
    from target_intercom.sandbox.page.views.attributes import AppliedTag, Attribute
    from target_intercom.sandbox.workspace import Workspace

_SHOWN = (
    "id",
    "company_id",
    "name",
    "plan.name",
    "size",
    "website",
    "industry",
    "monthly_spend",
    "user_count",
    "remote_created_at",
    "last_request_at",
    "created_at",
    "updated_at",
)


@dataclass(frozen=True)
class CompanyView:
    """The page of a company. `unset` has the names of the standard attributes that have no value."""

    label: str
    state: str
    standard: list[Attribute]
    unset: list[str]
    custom: list[Attribute]
    tags: list[AppliedTag]
    people: Sheet[PersonRow]


def view(workspace: Workspace, company: Company, query: Mapping[str, str]) -> CompanyView:
    """Return all that is known of a company, and the page of its people that `query` asks for."""
    types = attributes.types_of(workspace, "company")
    counted = workspace.counted(company)
    held = {**vars(company), "plan.name": company.plan, "user_count": counted.user_count}
    page = {"page": query.get("page", "")}
    people = sheet(workspace.people(company), PEOPLE_A_PAGE, addresses.company(company.id), page)
    return CompanyView(
        label=label(company),
        state=state_of(company),
        standard=[attributes.standard(types, name, held[name]) for name in _SHOWN if held[name] is not None],
        unset=[name for name in _SHOWN if held[name] is None],
        custom=list(attributes.custom(types, company.custom_attributes)),
        tags=list(attributes.tags(workspace, company.tags, addresses.tagged_companies)),
        people=people.showing(rows(workspace, people.entries)),
    )
