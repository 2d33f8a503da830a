"""Tags of contacts: a group's contacts have the tag of its name."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from target_intercom.intercom.protocol.workspace import tag_key
from target_intercom.kinds.link import GroupNames, LinkedContacts, LinkKind, short
from target_intercom.model import GroupKey, LinkName
from target_intercom.outcomes import Result, SkipReason

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.intercom.protocol.workspace import Tag, Tagged
    from target_intercom.json_lines import Json
    from target_intercom.kinds.link import Linked
    from target_intercom.model import Contact, ContactId, TagId
    from target_intercom.writes import LinkChange


def group_key(name: str) -> GroupKey:
    """Return what names of one group have in common: those of its tag, and blanks around them do not count."""
    return GroupKey(short(tag_key(name.strip())))


TAG_NAMES: t.Final = GroupNames(
    kind=LinkName.TAG,
    target="tag",
    taken=("tag", "group"),
    key=group_key,
    thing="group",
    name="the name of a group",
    no_name="no_group",
    invalid="invalid_group",
)


class TagClient(t.Protocol):
    """The calls of the Intercom client that tags need."""

    def tag_contacts(
        self, name: str, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]] = ()
    ) -> Tagged:
        """Put one tag on many contacts."""

    def contact_tags(self, contact: ContactId) -> list[Tag]:
        """Read all tags of a contact."""

    def tag_contact(self, contact: ContactId, tag: TagId) -> None:
        """Put a tag on a contact."""

    def untag_contact(self, contact: ContactId, tag: TagId) -> None:
        """Take a tag off a contact."""


@dataclass(frozen=True)
class Tags(LinkKind):
    """The link of a contact and a tag; a tag that the workspace does not have is made (`sync/workspace/tags.py`)."""

    client: TagClient

    names = TAG_NAMES
    in_creates = False
    not_made = None
    no_contact = "there is no contact to put into the group; groups create none"
    left_out = "groups are left out: they could not become tags"
    plural = "tags"
    contacts_a_call = 50
    """`POST /tags` with more ran into time-outs (fact sheet section 7)."""
    put_on_result = Result.TAGGED
    taken_off_result = Result.UNTAGGED
    not_ours = SkipReason.NOT_TAGGED

    def shown(self, contact: Contact) -> frozenset[TagId]:
        """See `LinkKind`: ten tags at most."""
        return contact.tags

    def shows_all(self, contact: Contact) -> bool:
        """See `LinkKind`."""
        return contact.shows_all_tags

    def own_id(self, linked: TagId) -> str:
        """See `LinkKind`."""
        return linked

    def job_item(self, change: LinkChange) -> dict[str, Json]:
        """See `LinkKind`."""
        parts = {"add": change.add, "remove": change.remove}
        return {"tags": {name: [{"id": tag} for tag in sorted(ids)] for name, ids in parts.items() if ids}}

    def changed(self, contact: Contact, change: LinkChange) -> Contact:
        """See `LinkKind`."""
        return replace(contact, tags=(contact.tags | change.add) - change.remove)

    def of_contact(self, contact: ContactId) -> frozenset[TagId]:
        """See `LinkKind`."""
        return frozenset(tag.id for tag in self.client.contact_tags(contact))

    def put_on_many(
        self, linked: Linked, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]]
    ) -> LinkedContacts:
        """See `LinkKind`."""
        tagged = self.client.tag_contacts(linked.name, contacts, others)
        return LinkedContacts(tagged.tag.id, tagged.contacts)

    def put_on(self, contact: ContactId, linked: TagId) -> None:
        """See `LinkKind`."""
        self.client.tag_contact(contact, linked)

    def take_off(self, contact: ContactId, linked: TagId) -> None:
        """See `LinkKind`."""
        self.client.untag_contact(contact, linked)
