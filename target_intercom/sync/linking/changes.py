"""Decides which memberships a record changes, by what is known of its contact and of other records. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from target_intercom.errors import UndoneError
from target_intercom.ledger.memberships.states import LinkState, Membership
from target_intercom.ledger.remembered import Stamp

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_intercom.model import Contact, ContactId, GroupKey, LinkedId, LinkName, RecordKey

ENDED: t.Final = frozenset(one for one in LinkState if one.is_ending or one is LinkState.OFF)


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """A record that names groups of a contact: a contact's record lists all of them, a membership names one."""

    kind: LinkName
    stream: str
    key: RecordKey
    contact: Contact
    groups: Mapping[GroupKey, str]
    releases: bool
    """The stream's mode takes off the links of groups that the record no longer names."""
    is_doubtful: bool = False
    """The contact may have lost links that are known of it: it is to be repaired."""
    content: str | None = None
    place: int | None = None
    version: int | None = None

    def is_of(self, one: Membership) -> bool:
        """Check whether an earlier record of the same key made a membership."""
        return (one.stream, one.key) == (self.stream, self.key)


@dataclass(slots=True)
class ChangedMemberships:
    """The memberships that a record changes."""

    changed: list[Membership] = field(default_factory=list)
    dropped: list[Membership] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShownLinks:
    """The links that a contact showed when it was read."""

    ids: Collection[str]
    are_all: bool
    """The contact has no others."""
    own_id: Callable[[LinkedId], str | None]
    """Returns the id by which contacts show a link."""

    def state_of(self, linked: LinkedId) -> LinkState:
        """Return whether a link has to be put on."""
        try:
            if self.ids and self.own_id(linked) in self.ids:
                return LinkState.ON
        except UndoneError:
            return LinkState.UNCLEAR
        return LinkState.WANTED if self.are_all else LinkState.UNCLEAR


def decide(
    change: MembershipChange,
    known: Collection[Membership],
    linked: Mapping[GroupKey, LinkedId],
    shown: ShownLinks,
    recent_since: Stamp,
) -> ChangedMemberships:
    """Decide which memberships a record changes.

    Args:
        change: the record.
        known: the memberships that this record has made so far, and those that any record has made of its contact.
        linked: what its groups are in Intercom, of those that the workspace has.
        shown: the links that the contact shows.
        recent_since: from then on search may not show what was put on or taken off.
    """
    decided = ChangedMemberships()
    for group, name in change.groups.items():
        id_ = linked.get(group)
        rows = [one for one in known if one.pair == (change.contact.id, group) or _is_link(one, change.contact.id, id_)]
        touched = max((one.written_at for one in rows), default=Stamp(0))
        state = _state(rows, id_, shown, is_doubtful=change.is_doubtful, is_recent=touched >= recent_since)
        if not change.contact.is_named:
            # It is about to be made; a run that was cut off may have tried it before.
            state = LinkState.WANTED
        decided.changed.append(
            Membership(
                kind=change.kind,
                stream=change.stream,
                key=change.key,
                contact=change.contact.id,
                group=group,
                name=name,
                linked=id_,
                state=state,
                # Another id is another link, whatever its name.
                ours=any(one.ours and one.linked in {None, id_} for one in rows),
                content=change.content,
                place=None if state is LinkState.ON else change.place,
                version=change.version,
                written_at=touched,
            )
        )
    for one in known:
        if change.is_of(one) and not (one.contact == change.contact.id and one.group in change.groups):
            _end(one, decided, of_same_contact=one.contact == change.contact.id, releases=change.releases)
    return decided


def waiting_for_outcome(change: MembershipChange, known: Iterable[Membership]) -> list[Membership]:
    """Return the memberships of an earlier record of the same key that still waits for its outcome."""
    return [one for one in known if change.is_of(one) and one.place is not None]


def _is_link(one: Membership, contact: ContactId, linked: LinkedId | None) -> bool:
    """Check whether a membership is the same link by another group, as after a tag got this group's name."""
    return one.contact == contact and one.linked is not None and one.linked == linked


def _state(
    rows: Collection[Membership], linked: LinkedId | None, shown: ShownLinks, *, is_doubtful: bool, is_recent: bool
) -> LinkState:
    """Decide whether a link has to be put on, by what all records say of it and what its contact shows."""
    if linked is None:
        # No contact is linked to what the workspace does not have.
        return LinkState.WANTED
    if not is_doubtful and any(one.state.is_on and one.linked == linked for one in rows):
        return LinkState.ON
    if is_recent:
        return LinkState.UNCLEAR
    if any(one.state is LinkState.WANTED for one in rows):
        return LinkState.WANTED
    return shown.state_of(linked)


def _end(one: Membership, decided: ChangedMemberships, *, of_same_contact: bool, releases: bool) -> None:
    """End a membership that its record no longer names."""
    if one.state.is_ending:
        decided.changed.append(replace(one, place=None))
        return
    if one.state is LinkState.OFF and not one.ours:
        return
    if one.state is LinkState.AWAY and not of_same_contact:
        decided.changed.append(replace(one, state=LinkState.OFF))
    elif releases and one.ours:
        # A link that is not known to be on may be: its run was cut off, or its contact was gone. It has no id then.
        linked = one.linked if one.state.is_on else None
        decided.changed.append(replace(one, state=LinkState.RELEASED, linked=linked, place=None))
    elif one.state.is_open and one.content is None and not releases:
        # What the contact's record listed before counts as well, as if it had been put on by now.
        return
    elif releases or one.state.is_open:
        decided.dropped.append(one)
    elif one.state is not LinkState.OFF:
        decided.changed.append(replace(one, state=LinkState.ON, place=None))
