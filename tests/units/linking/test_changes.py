"""What a record that names groups changes of its contact's memberships: the decision table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.intercom.protocol.contacts import Contact
from target_intercom.intercom.protocol.ids import ContactId, TagId
from target_intercom.ledger.memberships.states import LinkState, Membership
from target_intercom.ledger.remembered import Stamp
from target_intercom.model import GroupKey, LinkName, RecordKey
from target_intercom.sync.linking.changes import (
    ChangedMemberships,
    MembershipChange,
    ShownLinks,
    decide,
    waiting_for_outcome,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VIP, BETA = GroupKey("vip"), GroupKey("beta")
TAGS = {VIP: TagId("1"), BETA: TagId("2")}
RECENT = Stamp(100)
OLD, NEW = Stamp(50), Stamp(150)
ON, OFF, WANTED, UNCLEAR = LinkState.ON, LinkState.OFF, LinkState.WANTED, LinkState.UNCLEAR


def person(contact_id: str = "c1", *tags: str, shows_all: bool = True) -> Contact:
    shown_tags = frozenset(map(TagId, tags))
    return Contact(ContactId(contact_id), "user", None, None, {}, tags=shown_tags, shows_all_tags=shows_all)


def membership(state: LinkState = ON, **values: Any) -> Membership:
    """A membership of the record k in VIP, ours if nothing else is said."""
    given: dict[str, Any] = {
        "kind": LinkName.TAG,
        "stream": "members",
        "key": RecordKey("k"),
        "contact": ContactId("c1"),
        "group": VIP,
        "name": "VIP",
        "linked": TagId("1"),
        "ours": True,
        **values,
    }
    return Membership(state=state, **given)


def change(contact: Contact, *groups: GroupKey, **values: Any) -> MembershipChange:
    given: dict[str, Any] = {"releases": True, **values}
    return MembershipChange(
        LinkName.TAG, "members", RecordKey("k"), contact, {group: group.upper() for group in groups}, **given
    )


def links(contact: Contact) -> ShownLinks:
    return ShownLinks(contact.tags, contact.shows_all_tags, lambda linked: linked)


def decided(
    one: MembershipChange, known: Sequence[Membership], tags: dict[GroupKey, TagId] | None = None
) -> ChangedMemberships:
    return decide(one, known, TAGS if tags is None else tags, links(one.contact), RECENT)


def vip(
    contact: Contact, *known: Membership, tags: dict[GroupKey, TagId] | None = None, **values: Any
) -> tuple[LinkState, bool]:
    """The state of VIP after a record that names it, and whether the link is ours."""
    (one,) = decided(change(contact, VIP, **values), known, tags).changed
    assert one.pair == (contact.id, VIP)
    return one.state, one.ours


@pytest.mark.parametrize(
    ("contact", "state"),
    [
        (person(), WANTED),
        (person("c1", "2"), WANTED),
        (person("c1", "1"), ON),
        (person(shows_all=False), UNCLEAR),
        (person("c1", "1", shows_all=False), ON),
    ],
    ids=["no tags", "another tag", "the tag", "ten others", "the tag among ten"],
)
def test_a_new_membership_goes_by_what_the_contact_shows(contact: Contact, state: LinkState) -> None:
    assert links(contact).state_of(TagId("1")) is state
    assert vip(contact) == (state, False)


def test_a_tag_that_is_not_there_yet_nobody_has() -> None:
    assert vip(person(shows_all=False), tags={}) == (WANTED, False)


# What is known, and what comes of it where the contact shows no tags, the tag, or maybe more than it shows.
@pytest.mark.parametrize("mine", [True, False], ids=["of the same record", "of another"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (membership(ON), [(ON, True)] * 3),
        (membership(ON, ours=False), [(ON, False)] * 3),
        (membership(LinkState.MARKED), [(ON, True)] * 3),
        (membership(WANTED), [(WANTED, True)] * 3),
        (membership(UNCLEAR), [(WANTED, True), (ON, True), (UNCLEAR, True)]),
        (membership(LinkState.RELEASED), [(WANTED, True), (ON, True), (UNCLEAR, True)]),
        (membership(LinkState.MISSING), [(WANTED, True), (ON, True), (UNCLEAR, True)]),
        (membership(LinkState.AWAY), [(WANTED, True), (ON, True), (UNCLEAR, True)]),
        (membership(OFF, ours=False), [(WANTED, False), (ON, False), (UNCLEAR, False)]),
        (membership(ON, linked=TagId("9")), [(WANTED, False), (ON, False), (UNCLEAR, False)]),
    ],
    ids=["on", "foreign", "marked", "wanted", "unclear", "released", "missing", "away", "off", "on by another id"],
)
def test_what_is_known_goes_before_what_the_contact_shows(
    row: Membership, expected: list[tuple[LinkState, bool]], *, mine: bool
) -> None:
    row = replace(row, written_at=OLD) if mine else replace(row, written_at=OLD, stream="others")
    contacts = [person(), person("c1", "1"), person(shows_all=False)]
    assert [vip(contact, row) for contact in contacts] == expected


@pytest.mark.parametrize("state", [UNCLEAR, LinkState.RELEASED, LinkState.MISSING, LinkState.AWAY, OFF])
def test_what_was_done_moments_ago_search_may_not_show(state: LinkState) -> None:
    row = membership(state, written_at=NEW)
    assert [vip(contact, row)[0] for contact in (person(), person("c1", "1"))] == [UNCLEAR, UNCLEAR]


@pytest.mark.parametrize(("written_at", "expected"), [(OLD, WANTED), (NEW, UNCLEAR)])
def test_a_repair_looks_at_what_is_thought_to_be_on(written_at: Stamp, expected: LinkState) -> None:
    assert vip(person(), membership(ON, written_at=written_at), is_doubtful=True) == (expected, True)


@pytest.mark.parametrize("releases", [True, False])
@pytest.mark.parametrize("state", list(LinkState))
@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("content", [None, "hash"], ids=["of a list", "of a membership"])
def test_a_group_that_the_record_no_longer_names(
    state: LinkState, content: str | None, *, releases: bool, ours: bool
) -> None:
    row = membership(state, ours=ours, place=3, content=content)
    done = decided(change(person(), BETA, releases=releases), [row])
    ended = next((one for one in done.changed if one.group == VIP), None)
    is_dropped = done.dropped == [row]
    assert not (is_dropped and ended is not None)
    if state in {LinkState.RELEASED, LinkState.MISSING}:
        assert ended is not None
        assert (ended.state, ended.place) == (state, None)
    elif releases and ours:
        assert ended is not None
        assert (ended.state, ended.linked) == (LinkState.RELEASED, row.linked if state.is_on else None)
    elif releases:
        assert is_dropped is (state is not OFF)
    elif state in {WANTED, UNCLEAR} and content is not None:
        assert is_dropped
    elif state in {WANTED, UNCLEAR}:
        assert not is_dropped
        assert ended is None
    else:
        assert not is_dropped
        assert ended is None or ended.state is ON


@pytest.mark.parametrize("releases", [True, False])
def test_what_ends_while_its_contact_is_away_is_remembered(*, releases: bool) -> None:
    row = membership(LinkState.AWAY)
    done = decided(change(person("c2"), VIP, releases=releases), [row])
    assert [(one.contact, one.state) for one in done.changed] == [("c2", WANTED), ("c1", OFF)]


def test_other_records_keep_what_they_want() -> None:
    other = membership(ON, stream="others")
    done = decided(change(person(), BETA), [other])
    assert [one.group for one in done.changed] == [BETA]
    assert done.dropped == []


def test_only_records_of_the_same_key_are_awaited() -> None:
    rows = [membership(place=1), membership(place=None), membership(place=2, key=RecordKey("other"))]
    assert waiting_for_outcome(change(person(), VIP), rows) == rows[:1]


@pytest.mark.parametrize(("contact", "place"), [(person(), 7), (person("c1", "1"), None)])
def test_a_record_waits_for_its_outcome_where_it_is_not_clear_yet(contact: Contact, place: int | None) -> None:
    (one,) = decided(change(contact, VIP, place=7, content="hash", version=2), []).changed
    assert (one.place, one.content, one.version, one.linked) == (place, "hash", 2, TagId("1"))
