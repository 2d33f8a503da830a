"""What a record that names groups means for its contact's tags: a decision on what is known of them. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from target_intercom.ledger.interface import LinkState, Membership, Stamp

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_intercom.model import Contact, ContactId, GroupKey, RecordKey, TagId


@dataclass(frozen=True, slots=True)
class Claim:
    """A record that says which groups a contact is in: a contact's record all of them, a membership one."""

    stream: str
    key: RecordKey
    contact: Contact
    groups: Mapping[GroupKey, str]
    releases: bool
    """The stream's mode takes off the tags of groups that the record names no more."""
    is_doubtful: bool = False
    """The contact may have lost tags that are known of it: it was gone, or it is to be repaired."""
    content: str | None = None
    place: int | None = None
    version: int | None = None


@dataclass(slots=True)
class Settled:
    """What a claim changes."""

    changed: list[Membership] = field(default_factory=list)
    dropped: list[Membership] = field(default_factory=list)


def settle(claim: Claim, known: Collection[Membership], tags: Mapping[GroupKey, TagId], lately: Stamp) -> Settled:
    """Decide on a claim.

    Args:
        claim: the record.
        known: the memberships that this record has made so far, and those that any record has made of its contact.
        tags: those of its groups' tags that there are.
        lately: since then search may not show what was put on or taken off.
    """
    settled = Settled()
    for group, name in claim.groups.items():
        tag = tags.get(group)
        rows = [one for one in known if one.pair == (claim.contact.id, group) or _has(one, claim.contact.id, tag)]
        touched = max((one.written_at for one in rows), default=Stamp(0))
        holding = _holding(claim.contact, rows, tag, is_doubtful=claim.is_doubtful, is_late=touched >= lately)
        settled.changed.append(
            Membership(
                stream=claim.stream,
                key=claim.key,
                contact=claim.contact.id,
                group=group,
                name=name,
                tag=tag,
                holding=holding,
                # A tag of another id is another tag, whatever its name.
                ours=any(one.ours and one.tag in {None, tag} for one in rows),
                content=claim.content,
                place=None if holding is LinkState.ON else claim.place,
                version=claim.version,
                written_at=touched,
            )
        )
    for mine in known:
        if _is_of(mine, claim) and not (mine.contact == claim.contact.id and mine.group in claim.groups):
            _let_go(mine, settled, here=claim.contact.id, releases=claim.releases)
    return settled


def _has(one: Membership, contact: ContactId, tag: TagId | None) -> bool:
    """Check whether a contact has a tag because of another group: it was renamed to this one's name."""
    return one.contact == contact and one.tag is not None and one.tag == tag


def _is_of(one: Membership, claim: Claim) -> bool:
    return (one.stream, one.key) == (claim.stream, claim.key)


def _let_go(mine: Membership, settled: Settled, *, here: ContactId, releases: bool) -> None:
    """Take back a membership that its record no longer names; the contact that it names is `here`."""
    if mine.holding.is_ending:
        settled.changed.append(replace(mine, place=None))
        return
    if mine.holding is LinkState.OFF and not mine.ours:
        return
    if mine.holding is LinkState.AWAY and mine.contact != here:
        settled.changed.append(replace(mine, holding=LinkState.OFF))
    elif releases and mine.ours:
        # One that is not known to be on may be so: its run was cut off, or its contact was gone. It has no tag's id.
        tag = mine.tag if mine.holding.is_on else None
        settled.changed.append(replace(mine, holding=LinkState.RELEASED, tag=tag, place=None))
    elif releases or mine.holding.is_open:
        settled.dropped.append(mine)
    elif mine.holding is not LinkState.OFF:
        settled.changed.append(replace(mine, holding=LinkState.ON, place=None))


def _holding(
    contact: Contact, rows: Collection[Membership], tag: TagId | None, *, is_doubtful: bool, is_late: bool
) -> LinkState:
    if tag is None:
        # Nobody has a tag that is not there.
        return LinkState.WANTED
    if not is_doubtful and any(one.holding.is_on and one.tag == tag for one in rows):
        return LinkState.ON
    if is_late:
        return LinkState.UNCLEAR
    if any(one.holding is LinkState.WANTED for one in rows):
        return LinkState.WANTED
    return shown(contact, tag)


def shown(contact: Contact, tag: TagId) -> LinkState:
    """Tell from a contact as it was read whether a tag is to be put on; it shows ten at most."""
    if tag in contact.tags:
        return LinkState.ON
    return LinkState.WANTED if contact.shows_all_tags else LinkState.UNCLEAR


def awaited(claim: Claim, known: Iterable[Membership]) -> list[Membership]:
    """Return the memberships of an earlier record of the same key that still waits for its outcome."""
    return [one for one in known if _is_of(one, claim) and one.place is not None]
