"""Who is in which groups in a source, how a workspace begins, and how they differ in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.versions import Version
from tests.support.grouping import Row, all_tags, listing, member, members, tag_by_hand
from tests.support.loading import People

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer

PEOPLE = 120
"""More than one job of a hundred, and more than two calls that put on a tag."""
FOREIGN = "By hand"
SETTINGS: Row = {
    "sync_mode": "sync",
    "tags_property": "groups",
    "max_removal_percent": 100,
    "search_delay_seconds": 2,
    "streams": {"members": {"object": "groups", "mappings": {}, "snapshot": True}},
}


@dataclass(frozen=True)
class Source:
    """The groups that everybody is in, by contact."""

    name: str
    listed: dict[str, set[str]]
    joined: dict[str, set[str]]

    @property
    def messages(self) -> list[Row]:
        """The streams of a run."""
        rows = [
            {"id": one, "email": f"p{one}@example.com", "groups": sorted(names)} for one, names in self.listed.items()
        ]
        joined = [member(one, name) for one, names in self.joined.items() for name in sorted(names)]
        # A snapshot without a record proves nothing: somebody else stays in it.
        return [*members(*joined, member("other", "Stays")), *listing(*rows)]

    def tags(self, foreign: dict[str, set[str]]) -> dict[str, set[str]]:
        """Everybody's tags after it, beside those of others."""
        return {one: foreign[one] | self.listed[one] | self.joined[one] for one in self.listed}


def source(name: str, *, listed: Any, joined: Any) -> Source:
    """Return a source by what it says of each number."""
    everybody = range(PEOPLE)
    return Source(name, {str(n): set(listed(n)) for n in everybody}, {str(n): set(joined(n)) for n in everybody})


SOURCES = [
    source("nobody", listed=lambda _n: (), joined=lambda _n: ()),
    source("one", listed=lambda n: {"VIP", f"Tier {n % 3}"}, joined=lambda n: {"Beta"} if n % 2 else {"VIP"}),
    source("two", listed=lambda n: {f"Tier {n % 2}"}, joined=lambda n: {"Beta", "New"} if n % 3 else {"Tier 0"}),
]


def foreign_tags() -> dict[str, set[str]]:
    """Tags that somebody else put on: of other names, and of the names of groups."""
    names = {FOREIGN: 5, "VIP": 7, "New": 11}
    return {str(n): {name for name, each in names.items() if n % each == 0} for n in range(PEOPLE)}


def begin(sandbox: SandboxServer) -> None:
    """Make the contacts and the tags that are there before.

    Search shows them from the start: tags put on by hand while it lags behind may be taken for ours.
    """
    lag, ids = sandbox.conditions.search_lag, {}
    sandbox.conditions.change({"search_lag": 0})
    for one in [*foreign_tags(), "other"]:
        contact = {"external_id": one, "email": f"p{one}@example.com"}
        ids[one] = sandbox.workspace.create_contact(contact, Version.parse("2.16")).id
    for name in (FOREIGN, "VIP", "New"):
        tag_by_hand(People(sandbox), name, *(ids[one] for one, names in foreign_tags().items() if name in names))
    sandbox.conditions.change({"search_lag": lag})


def tags_of_all(sandbox: SandboxServer) -> dict[str, set[str]]:
    """Everybody's tags by external_id."""
    tags = all_tags(People(sandbox))
    del tags["other"]
    return tags


def differences(what: str, tags: dict[str, set[str]], wanted: dict[str, set[str]]) -> list[str]:
    """Return a line with the contacts whose tags are not as wanted."""
    wrong = {one: (sorted(tags[one]), sorted(names)) for one, names in wanted.items() if tags[one] != names}
    (first, *_) = [*wrong.items(), None]
    return [f"{what}: {len(wrong)} contacts, such as {first} (has, should have)"] if wrong else []
