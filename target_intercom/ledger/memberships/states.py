"""Memberships as the ledger has them, and whether their contacts are linked to their groups. No SQL here."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

from target_intercom.ledger.remembered import Stamp

if t.TYPE_CHECKING:
    from target_intercom.model import ContactId, GroupKey, LinkedId, LinkName, Pair, RecordKey

MembershipId: t.TypeAlias = "tuple[str, RecordKey, ContactId, GroupKey]"
"""The stream, the record, the contact and the group: a record makes one membership of a contact in a group."""

_NEVER: t.Final = Stamp(0)

NOBODY: t.Final = ""
"""In place of the stream: a link that this target put on for a stream that was forgotten since."""


class LinkState(str, enum.Enum):
    """Whether a contact is linked to the group that a record puts it into: whether it has the group's tag."""

    WANTED = "wanted"
    """The link is to be put on."""
    UNCLEAR = "unclear"
    """The link is wanted; the contact has to be looked at for whether it has it."""
    ON = "on"
    """The contact has the link."""
    MARKED = "marked"
    """The contact has the link, and a record of this run marks the membership as deleted."""
    RELEASED = "released"
    """The record no longer names the group: the link is to be taken off."""
    MISSING = "left"
    """The record is missing from a complete stream: the link is to be taken off."""
    AWAY = "away"
    """The contact is gone; when it comes back, it has to be looked at for whether it has the link."""
    OFF = "off"
    """The contact does not have the link any more, or the membership ended while the contact was gone."""

    @property
    def is_on(self) -> bool:
        """Whether the contact is known to have the link; a link that is to be taken off may be off already."""
        return self in {LinkState.ON, LinkState.MARKED}

    @property
    def is_open(self) -> bool:
        """Whether the link has to be put on, or the contact to be looked at."""
        return self in {LinkState.WANTED, LinkState.UNCLEAR}

    @property
    def is_wanted(self) -> bool:
        """Whether the record wants the link."""
        return self.is_open or self is LinkState.ON

    @property
    def is_ending(self) -> bool:
        """Whether the link is to be taken off."""
        return self in {LinkState.RELEASED, LinkState.MISSING}


@dataclass(frozen=True, slots=True)
class Membership:
    """A record that puts, or has put, a contact into a group."""

    kind: LinkName
    stream: str
    key: RecordKey
    contact: ContactId
    group: GroupKey
    name: str
    """The group's name as the record writes it."""
    linked: LinkedId | None
    """Intercom's id of what the contact is linked to: of the group's tag; None: not known yet."""
    state: LinkState
    ours: bool
    """This target put the link on, or may have: it may take it off."""
    content: str | None = None
    """Hash of the record; None where the record is a contact's."""
    place: int | None = None
    """Where the record waits for its outcome in this run; None: it does not wait."""
    version: int | None = None
    """The version of its stream (ACTIVATE_VERSION), where the tap named it."""
    written_at: Stamp = _NEVER
    """When the link was last put on or taken off; 0: never."""

    @property
    def id(self) -> MembershipId:
        """What tells it from every other."""
        return self.stream, self.key, self.contact, self.group

    @property
    def pair(self) -> Pair:
        """The contact and the group."""
        return self.contact, self.group
