"""The tags, and how many contacts have each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.objects.contacts import State
from target_intercom.sandbox.page import addresses

if TYPE_CHECKING:
    from target_intercom.sandbox.workspace import Workspace


@dataclass(frozen=True)
class TagRow:
    """A tag. `url` leads to the live contacts that have it, `people` counts them."""

    name: str
    id: str
    people: int
    url: str


def view(workspace: Workspace) -> list[TagRow]:
    """Return all tags, by name."""
    live = (contact for contact in workspace.everyone() if contact.state is State.LIVE)
    counts = Counter(tag_id for contact in live for tag_id in contact.tags)
    tags = sorted(workspace.tags.all(), key=lambda tag: tag.name.casefold())
    return [TagRow(tag.name, tag.id, counts[tag.id], addresses.tagged(tag.id)) for tag in tags]
