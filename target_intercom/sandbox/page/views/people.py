"""Who is in the workspace: search, filters, pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.objects.contacts import Contact, State
from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.pager import sheet
from target_intercom.sandbox.page.values import Moment, moment, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.sandbox.objects.tags import Tag
    from target_intercom.sandbox.page.pager import Sheet
    from target_intercom.sandbox.workspace import Workspace

PEOPLE_A_PAGE = 25
ROLES = ("user", "lead")
STATES = tuple(state.value for state in State)
ANY_STATE = "any"


@dataclass(frozen=True)
class Wanted:
    """Whom a person looks for; an empty text asks for nothing. What makes no sense is as if it were not there."""

    text: str
    role: str
    tag: str
    state: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """Read the parameters of the address."""
        role, state = query.get("role", ""), query.get("state", "")
        return cls(
            text=query.get("q", "").strip(),
            role=role if role in ROLES else "",
            tag=query.get("tag", ""),
            state=state if state in {*STATES, ANY_STATE} else State.LIVE.value,
        )

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters of the address, without the page."""
        state = "" if self.state == State.LIVE.value else self.state
        return {"q": self.text, "role": self.role, "tag": self.tag, "state": state}

    def matches(self, contact: Contact) -> bool:
        """Return whether it is such a contact. Case and accents do not count in identifiers and the name."""
        if self.state not in {ANY_STATE, contact.state.value}:
            return False
        if (self.role and contact.role != self.role) or (self.tag and self.tag not in contact.tags):
            return False
        text = plain(self.text)
        texts = (contact.name, contact.email, contact.external_id, contact.id)
        return not text or any(text in plain(one) for one in texts if one)


@dataclass(frozen=True)
class PersonRow:
    """A contact in the list. The fields that are None are not set."""

    url: str
    label: str
    email: str | None
    external_id: str | None
    role: str
    state: str
    tags: tuple[str, ...]
    changed: Moment | None


@dataclass(frozen=True)
class PeopleView:
    """The page People. `anybody` tells an empty workspace from a search that finds nobody."""

    wanted: Wanted
    tags: list[Tag]
    people: Sheet[PersonRow]
    anybody: bool


def view(workspace: Workspace, query: Mapping[str, str]) -> PeopleView:
    """Return the people that `query` asks for, the last written first."""
    wanted = Wanted.of(query)
    everyone = workspace.everyone()
    found = [contact for contact in everyone if wanted.matches(contact)]
    found.sort(key=lambda contact: (contact.updated_at, contact.id), reverse=True)
    tags = sorted(workspace.tags.all(), key=lambda tag: tag.name.casefold())
    pages = sheet(found, PEOPLE_A_PAGE, addresses.PEOPLE, {**wanted.query, "page": query.get("page", "")})
    shown = pages.showing(rows(workspace, pages.entries))
    return PeopleView(wanted, tags, shown, anybody=bool(everyone))


def label(contact: Contact) -> str:
    """Return what a contact is called: the first that it has of name, email, external_id and id."""
    texts = (contact.name, contact.email, contact.external_id)
    return next((text for text in texts if text and text.strip()), contact.id)


def rows(workspace: Workspace, contacts: Iterable[Contact]) -> list[PersonRow]:
    """Return contacts as lines of a list."""
    names = {tag.id: tag.name for tag in workspace.tags.all()}
    return [_row(contact, names) for contact in contacts]


def _row(contact: Contact, names: Mapping[str, str]) -> PersonRow:
    return PersonRow(
        url=addresses.person(contact.id),
        label=label(contact),
        email=contact.email or None,
        external_id=contact.external_id or None,
        role=contact.role,
        state=contact.state.value,
        tags=tuple(names[tag_id] for tag_id in contact.tags if tag_id in names),
        changed=moment(contact.updated_at),
    )
