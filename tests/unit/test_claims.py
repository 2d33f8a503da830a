"""What a record that names groups means for its contact's tags: the decision table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from target_intercom.intercom.protocol.contacts import Contact
from target_intercom.intercom.protocol.ids import ContactId, TagId
from target_intercom.ledger.interface import LinkState, Membership, Stamp
from target_intercom.model import GroupKey, RecordKey
from target_intercom.sync.linking.claims import Claim, awaited, settle, shown

VIP, BETA = GroupKey("vip"), GroupKey("beta")
TAGS = {VIP: TagId("1"), BETA: TagId("2")}
LATELY = Stamp(100)
OLD, NEW = Stamp(50), Stamp(150)
ON, OFF, WANTED, UNCLEAR = LinkState.ON, LinkState.OFF, LinkState.WANTED, LinkState.UNCLEAR


def person(contact_id: str = "c1", *tags: str, shows_all: bool = True) -> Contact:
    shown_tags = frozenset(map(TagId, tags))
    return Contact(ContactId(contact_id), "user", None, None, {}, tags=shown_tags, shows_all_tags=shows_all)


def membership(holding: LinkState = ON, **values: Any) -> Membership:
    """A membership of the record k in VIP, ours if nothing else is said."""
    given: dict[str, Any] = {
        "stream": "members",
        "key": RecordKey("k"),
        "contact": ContactId("c1"),
        "group": VIP,
        "name": "VIP",
        "tag": TagId("1"),
        "ours": True,
        **values,
    }
    return Membership(holding=holding, **given)


def claim(contact: Contact, *groups: GroupKey, **values: Any) -> Claim:
    given: dict[str, Any] = {"releases": True, **values}
    return Claim("members", RecordKey("k"), contact, {group: group.upper() for group in groups}, **given)


def decided(
    contact: Contact, *known: Membership, tags: dict[GroupKey, TagId] | None = None, **values: Any
) -> tuple[LinkState, bool]:
    """How VIP stands after a claim of it, and whether it is ours."""
    (one,) = settle(claim(contact, VIP, **values), known, TAGS if tags is None else tags, LATELY).changed
    assert one.pair == (contact.id, VIP)
    return one.holding, one.ours


@pytest.mark.parametrize(
    ("contact", "holding"),
    [
        (person(), WANTED),
        (person("c1", "2"), WANTED),
        (person("c1", "1"), ON),
        (person(shows_all=False), UNCLEAR),
        (person("c1", "1", shows_all=False), ON),
    ],
    ids=["no tags", "another tag", "the tag", "ten others", "the tag among ten"],
)
def test_a_new_membership_goes_by_what_the_contact_shows(contact: Contact, holding: LinkState) -> None:
    assert shown(contact, TagId("1")) is holding
    assert decided(contact) == (holding, False)


def test_a_tag_that_is_not_there_yet_nobody_has() -> None:
    assert decided(person(shows_all=False), tags={}) == (WANTED, False)


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
        (membership(LinkState.LEFT), [(WANTED, True), (ON, True), (UNCLEAR, True)]),
        (membership(LinkState.AWAY), [(WANTED, True), (ON, True), (UNCLEAR, True)]),
        (membership(OFF, ours=False), [(WANTED, False), (ON, False), (UNCLEAR, False)]),
        (membership(ON, tag=TagId("9")), [(WANTED, False), (ON, False), (UNCLEAR, False)]),
    ],
    ids=["on", "foreign", "marked", "wanted", "unclear", "released", "left", "away", "off", "on by another id"],
)
def test_what_is_known_goes_before_what_the_contact_shows(
    row: Membership, expected: list[tuple[LinkState, bool]], *, mine: bool
) -> None:
    row = replace(row, written_at=OLD) if mine else replace(row, written_at=OLD, stream="others")
    contacts = [person(), person("c1", "1"), person(shows_all=False)]
    assert [decided(contact, row) for contact in contacts] == expected


@pytest.mark.parametrize("holding", [UNCLEAR, LinkState.RELEASED, LinkState.LEFT, LinkState.AWAY, OFF])
def test_what_was_done_moments_ago_search_may_not_show(holding: LinkState) -> None:
    row = membership(holding, written_at=NEW)
    assert [decided(contact, row)[0] for contact in (person(), person("c1", "1"))] == [UNCLEAR, UNCLEAR]


@pytest.mark.parametrize(("written_at", "expected"), [(OLD, WANTED), (NEW, UNCLEAR)])
def test_a_repair_looks_at_what_is_thought_to_be_on(written_at: Stamp, expected: LinkState) -> None:
    assert decided(person(), membership(ON, written_at=written_at), is_doubtful=True) == (expected, True)


@pytest.mark.parametrize("releases", [True, False])
@pytest.mark.parametrize("holding", list(LinkState))
@pytest.mark.parametrize("ours", [True, False])
def test_a_group_that_the_record_no_longer_names(holding: LinkState, *, releases: bool, ours: bool) -> None:
    row = membership(holding, ours=ours, place=3)
    settled = settle(claim(person(), BETA, releases=releases), [row], TAGS, LATELY)
    left = next((one for one in settled.changed if one.group == VIP), None)
    is_dropped = settled.dropped == [row]
    assert not (is_dropped and left is not None)
    if holding in {LinkState.RELEASED, LinkState.LEFT}:
        assert left is not None
        assert (left.holding, left.place) == (holding, None)
    elif releases and ours:
        assert left is not None
        assert (left.holding, left.tag) == (LinkState.RELEASED, row.tag if holding.is_on else None)
    elif releases:
        assert is_dropped is (holding is not OFF)
    elif holding in {WANTED, UNCLEAR}:
        assert is_dropped
    else:
        assert not is_dropped
        assert left is None or left.holding is ON


@pytest.mark.parametrize("releases", [True, False])
def test_what_ends_while_its_contact_is_away_is_remembered(*, releases: bool) -> None:
    row = membership(LinkState.AWAY)
    settled = settle(claim(person("c2"), VIP, releases=releases), [row], TAGS, LATELY)
    assert [(one.contact, one.holding) for one in settled.changed] == [("c2", WANTED), ("c1", OFF)]


def test_other_records_keep_what_they_want() -> None:
    other = membership(ON, stream="others")
    settled = settle(claim(person(), BETA), [other], TAGS, LATELY)
    assert [one.group for one in settled.changed] == [BETA]
    assert settled.dropped == []


def test_only_records_of_the_same_key_are_awaited() -> None:
    rows = [membership(place=1), membership(place=None), membership(place=2, key=RecordKey("other"))]
    assert awaited(claim(person(), VIP), rows) == rows[:1]


@pytest.mark.parametrize(("contact", "place"), [(person(), 7), (person("c1", "1"), None)])
def test_a_record_waits_for_its_outcome_where_it_is_not_clear_yet(contact: Contact, place: int | None) -> None:
    (one,) = settle(claim(contact, VIP, place=7, content="hash", version=2), [], TAGS, LATELY).changed
    assert (one.place, one.content, one.version, one.tag) == (place, "hash", 2, TagId("1"))
