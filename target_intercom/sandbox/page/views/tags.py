"""The tags, and how many contacts and companies have each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.objects.contacts import State
from target_intercom.sandbox.page import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.sandbox.objects.companies import Company
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.workspace import Workspace


@dataclass(frozen=True)
class TagRow:
    """A tag. `url` leads to the live contacts that have it, `people` counts them; likewise for companies."""

    name: str
    id: str
    people: int
    url: str
    companies: int
    companies_url: str


def view(workspace: Workspace) -> list[TagRow]:
    """Return all tags, by name."""
    people = _counted(workspace.everyone())
    companies = _counted(workspace.every_company())
    tags = sorted(workspace.tags.all(), key=lambda tag: tag.name.casefold())
    return [
        TagRow(
            name=tag.name,
            id=tag.id,
            people=people[tag.id],
            url=addresses.tagged(tag.id),
            companies=companies[tag.id],
            companies_url=addresses.tagged_companies(tag.id),
        )
        for tag in tags
    ]


def _counted(holders: Iterable[Contact | Company]) -> Counter[str]:
    """Return how many live contacts or companies have each tag."""
    return Counter(tag_id for holder in holders if holder.state is State.LIVE for tag_id in holder.tags)
