"""What a kind of link states about itself: contacts are linked to what their groups are in Intercom.

`sync/linking` has the rules that hold for every kind, and knows none by name.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_intercom.json_lines import Json
    from target_intercom.model import (
        Contact,
        ContactDraft,
        ContactId,
        GroupKey,
        LinkChange,
        LinkedId,
        Refusal,
        Result,
        SkipReason,
        Update,
    )


class Linked(t.Protocol):
    """What a group is in Intercom."""

    @property
    def id(self) -> LinkedId:
        """Its id in Intercom."""

    @property
    def name(self) -> str:
        """Its name in Intercom."""


class PutOn(t.NamedTuple):
    """The answer to a call that links many contacts."""

    linked: LinkedId
    contacts: frozenset[ContactId] | None
    """The contacts that surely have the link now; None: the answer names none, and all have it."""


class LinkKind(t.Protocol):
    """A kind of link: its numbers, its words, and the calls that it makes.

    Every call may raise what the client's methods raise (`IntercomClient`).
    """

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

    def key(self, name: str) -> GroupKey:
        """Return the group that has a name."""

    def listed(self, draft: ContactDraft) -> Mapping[GroupKey, str] | None:
        """Return the groups that a contact's record lists, with their names; None: the record says nothing of them."""

    def shown(self, contact: Contact) -> frozenset[LinkedId]:
        """Return the links that a contact shows."""

    def shows_all(self, contact: Contact) -> bool:
        """Check whether a contact has no links but those that it shows."""

    def with_change(self, update: Update, change: LinkChange) -> Update:
        """Return the update of a contact that changes its links, too."""

    def job_item(self, contact: ContactId, change: LinkChange) -> dict[str, Json]:
        """Return the part of a bulk job that changes a contact's links."""

    def of_contact(self, contact: ContactId) -> frozenset[LinkedId]:
        """Read all links of a contact, without the search index's lag."""

    def put_on_many(
        self, linked: Linked, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]]
    ) -> PutOn:
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

    def get(self, group: GroupKey) -> Linked | None:
        """Return what a group is in Intercom; None: the workspace does not have it."""

    def provide(self, names: Mapping[GroupKey, str]) -> Mapping[GroupKey, Refusal]:
        """Make what groups of these names need and the workspace does not have; returns why it does not have some."""

    def read(self) -> None:
        """Read what the workspace has, where that was not done: once, before many threads ask for it."""

    def lost(self, ids: Collection[LinkedId]) -> Collection[LinkedId]:
        """Return those of these ids that Intercom has no more, where the run has read what it has."""
