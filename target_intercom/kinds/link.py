"""What a kind of link states about itself: contacts are linked to what their groups are in Intercom.

`sync/linking` has the rules that hold for every kind, and knows none by name.
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_intercom.json_lines import Json
    from target_intercom.model import Contact, ContactId, GroupKey, LinkedId, LinkName
    from target_intercom.outcomes import Refusal, Result, SkipReason
    from target_intercom.writes import LinkChange

_LONGEST_KEY: t.Final = 200
"""Characters; a longer name stands as its hash, since databases limit what they index."""


def short(name: str) -> str:
    """Return a name that a database can index."""
    if len(name) <= _LONGEST_KEY:
        return name
    return f"blake2b:{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"


@dataclass(frozen=True)
class GroupNames:
    """How records name the groups of a kind of link."""

    kind: LinkName
    target: str
    """How `mappings` name the property of a membership that names the group."""
    taken: tuple[str, ...]
    """Names of properties that are taken for that one without a mapping."""
    key: Callable[[str], GroupKey]
    """Returns the group that has a name."""
    thing: str
    """How messages call a group."""
    name: str
    """How messages call its name."""
    no_name: str
    """The code of a record that names no group."""
    invalid: str
    """The code of a record whose value cannot be a name."""


class Linked(t.Protocol):
    """What a group is in Intercom."""

    @property
    def id(self) -> LinkedId:
        """Its id in Intercom."""

    @property
    def name(self) -> str:
        """Its name in Intercom."""


class LinkedContacts(t.NamedTuple):
    """The answer to a call that links many contacts."""

    linked: LinkedId
    contacts: frozenset[ContactId] | None
    """The contacts that surely have the link now; None: the answer names none, and all have it."""


class LinkKind(t.Protocol):
    """A kind of link: its numbers, its words, and the calls that it makes.

    Every call may raise what the client's methods raise (`IntercomClient`).
    """

    names: GroupNames
    in_creates: bool
    """Jobs that make contacts take it, too."""
    not_made: str | None
    """The code with which what the workspace does not have is refused; None: it is made."""
    no_contact: str
    """Why a membership is refused whose contact is not there."""
    left_out: str
    """What is said of a contact's record where not all its links could be put on."""
    plural: str
    """How messages and the report call what contacts are linked to."""
    contacts_a_call: int
    """Contacts that one call links."""
    put_on_result: Result
    """The outcome of a record whose link was put on."""
    taken_off_result: Result
    """The outcome of a record whose link was taken off."""
    not_ours: SkipReason
    """Why a link stays that this target did not put on."""

    def shown(self, contact: Contact) -> frozenset[str]:
        """Return the links that a contact shows, by `own_id`."""

    def shows_all(self, contact: Contact) -> bool:
        """Check whether a contact has no links but those that it shows."""

    def own_id(self, linked: LinkedId) -> str | None:
        """Return the id by which contacts show a link; None: nobody has it."""

    def job_item(self, change: LinkChange) -> dict[str, Json]:
        """Return the part of a contact's item in a bulk job that changes its links."""

    def changed(self, contact: Contact, change: LinkChange) -> Contact:
        """Return a contact as a job has left it whose item changed its links."""

    def of_contact(self, contact: ContactId) -> frozenset[str]:
        """Read all links of a contact, by `own_id`, without the search index's lag."""

    def put_on_many(
        self, linked: Linked, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]]
    ) -> LinkedContacts:
        """Link many contacts by one call; repeating it does no harm.

        `others` are to be linked, too: the call may be tried with them to see whether it works at all.
        """

    def put_on(self, contact: ContactId, linked: LinkedId) -> None:
        """Link a contact; repeating it does no harm."""

    def take_off(self, contact: ContactId, linked: LinkedId) -> None:
        """Take a contact's link off.

        Raises:
            NotFoundError: the contact is not there, or does not have the link.
        """


class LinkCatalog(t.Protocol):
    """What the workspace has that contacts can be linked to, by group."""

    def get(self, group: GroupKey, name: str) -> Linked | None:
        """Return what a group with this name is in Intercom; None: the workspace does not have it."""

    def provide(self, names: Mapping[GroupKey, str]) -> Mapping[GroupKey, Refusal]:
        """Make what groups of these names need and the workspace does not have; returns why it does not have some."""

    def known(self, names: Collection[str]) -> Collection[str]:
        """Return those of these names that contacts can be linked to by now, as far as the ledger tells."""

    def read(self) -> None:
        """Read what the workspace has, where that was not done: once, before many threads ask for it."""

    def look_up(self, names: Collection[str]) -> None:
        """Ask for what single calls, and looks at contacts, need of these: all at once, before many threads do."""

    def lost(self, ids: Collection[LinkedId]) -> Collection[LinkedId]:
        """Return those of these ids that Intercom has no more, where the run has read what it has."""
