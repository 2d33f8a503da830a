"""The companies of the workspace: search, filters, pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.objects.contacts import State
from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.pager import sheet
from target_intercom.sandbox.page.values import Moment, moment, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.objects.companies import Company
    from target_intercom.sandbox.objects.tags import Tag
    from target_intercom.sandbox.page.pager import Sheet
    from target_intercom.sandbox.workspace import Workspace

COMPANIES_A_PAGE = 25
STATES = (State.LIVE.value, State.ARCHIVED.value)
ANY_STATE = "any"
BEING_DELETED = "being deleted"


@dataclass(frozen=True)
class WantedCompanies:
    """The companies that are looked for; an empty text asks for nothing. Unknown values are as if not there."""

    text: str
    tag: str
    state: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> WantedCompanies:
        """Read the parameters of the address."""
        state = query.get("state", "")
        return cls(
            text=query.get("q", "").strip(),
            tag=query.get("tag", ""),
            state=state if state in {*STATES, ANY_STATE} else State.LIVE.value,
        )

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters of the address, without the page."""
        return {"q": self.text, "tag": self.tag, "state": "" if self.state == State.LIVE.value else self.state}

    def matches(self, company: Company) -> bool:
        """Return whether it is such a company. Case and accents do not count in identifiers and the name."""
        if self.state not in {ANY_STATE, company.state.value} or (self.tag and self.tag not in company.tags):
            return False
        wanted = plain(self.text)
        texts = (company.name, company.company_id, company.id)
        return any(wanted in plain(text) for text in texts if text)


@dataclass(frozen=True)
class CompanyRow:
    """A company in the list. `people` counts live contacts, leads too."""

    url: str
    label: str
    company_id: str
    state: str
    people: int
    plan: str | None
    tags: tuple[str, ...]
    changed: Moment | None


@dataclass(frozen=True)
class CompaniesView:
    """The page Companies. `any_at_all` tells a workspace without companies from a search that finds none."""

    wanted: WantedCompanies
    tags: list[Tag]
    companies: Sheet[CompanyRow]
    any_at_all: bool


def view(workspace: Workspace, query: Mapping[str, str]) -> CompaniesView:
    """Return the companies that `query` asks for, the last written first."""
    wanted = WantedCompanies.of(query)
    everything = workspace.every_company()
    found = [company for company in everything if wanted.matches(company)]
    found.sort(key=lambda company: (company.updated_at, company.id), reverse=True)
    tags = sorted(workspace.tags.all(), key=lambda tag: tag.name.casefold())
    names = {tag.id: tag.name for tag in tags}
    pages = sheet(found, COMPANIES_A_PAGE, addresses.COMPANIES, {**wanted.query, "page": query.get("page", "")})
    shown = pages.showing([_row(workspace, company, names) for company in pages.entries])
    return CompaniesView(wanted, tags, shown, any_at_all=bool(everything))


def label(company: Company) -> str:
    """Return what a company is called: its name, else its company_id."""
    return company.name if company.name and company.name.strip() else company.company_id


def state_of(company: Company) -> str:
    """Return the state of a company, and whether its deletion is still to take effect."""
    is_waiting = company.state is State.LIVE and company.deleting_at is not None
    return BEING_DELETED if is_waiting else company.state.value


def _row(workspace: Workspace, company: Company, names: Mapping[str, str]) -> CompanyRow:
    return CompanyRow(
        url=addresses.company(company.id),
        label=label(company),
        company_id=company.company_id,
        state=state_of(company),
        people=len(workspace.people(company)),
        plan=company.plan,
        tags=tuple(names[tag_id] for tag_id in company.tags if tag_id in names),
        changed=moment(company.updated_at),
    )
