"""Groups become tags: what contact records list, and what groups streams say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.grouping import (
    LISTS,
    MEMBERS,
    PUT_ON,
    TAKE_OFF,
    add_people,
    all_tags,
    listing,
    member,
    members,
    tag_by_hand,
    tag_calls,
    tags_of,
)

if TYPE_CHECKING:
    from tests.support.loading import Loader, People

SYNC = {"sync_mode": "sync"}


def test_a_contact_gets_the_groups_that_its_record_lists(load: Loader, people: People) -> None:
    done = load(listing({"id": "1", "email": "a@x.com", "groups": ["VIP", "Beta"]}), **LISTS)
    assert done.exit_code == 0
    assert done.results() == {"created": 1}
    assert (done.stream()["tagged"], done.stream()["untagged"]) == (2, 0)
    assert tags_of(people) == {"VIP", "Beta"}
    assert "custom_attributes.groups" not in people.one()["custom_attributes"]


def test_the_groups_may_be_a_text_with_commas(load: Loader, people: People) -> None:
    load(listing({"id": "1", "groups": " VIP, ,Beta users ,vip"}, groups="text"), **LISTS)
    assert tags_of(people) == {"VIP", "Beta users"}


def test_a_second_run_makes_no_tag_call(load: Loader) -> None:
    rows = listing(*({"id": str(n), "groups": ["VIP"]} for n in range(3)))
    load(rows, **LISTS)
    again = load(rows, **LISTS)
    assert again.results() == {"unchanged": 3}
    assert (tag_calls(again), again.stream()["tagged"]) == ({}, 0)


@pytest.mark.parametrize("how", ["listed", "members"])
def test_a_thousand_contacts_and_two_new_tags_on_each(load: Loader, people: People, how: str) -> None:
    add_people(people, range(1000))
    both = ["VIP", "Beta"]
    if how == "listed":
        rows = listing(*({"id": str(n), "groups": both} for n in range(1000)))
    else:
        rows = members(*(member(n, tag) for n in range(1000) for tag in both))
    done = load(rows, **(LISTS if how == "listed" else {**MEMBERS, "mappings": {}}))
    assert done.exit_code == 0
    assert sum(done.calls.values()) <= 75
    assert all(tags == set(both) for tags in all_tags(people).values())
    again = load(rows, **(LISTS if how == "listed" else {**MEMBERS, "mappings": {}}))
    assert tag_calls(again) == {}
    assert again.writes == 0


def test_a_contact_that_loses_all_our_groups_keeps_the_foreign_ones(load: Loader, people: People) -> None:
    (contact,) = add_people(people, [1]).values()
    foreign = [f"foreign {n}" for n in range(10)]
    for name in foreign:
        tag_by_hand(people, name, contact)
    ours = [f"ours {n}" for n in range(15)]
    load(listing({"id": "1", "groups": ours}), **LISTS, **SYNC)
    assert tags_of(people) == {*foreign, *ours}
    done = load(listing({"id": "1", "groups": []}), **LISTS, **SYNC)
    assert tags_of(people) == set(foreign)
    assert tag_calls(done)[TAKE_OFF] == 15
    assert done.stream()["untagged"] == 15
    assert done.results() == {"unchanged": 1}


@pytest.mark.parametrize("mode", ["sync", "additive", "enrich", "insert", "remove"])
def test_a_tag_that_was_there_before_survives_every_mode(load: Loader, people: People, mode: str) -> None:
    (contact,) = add_people(people, [1]).values()
    tag_by_hand(people, "VIP", contact)
    add_people(people, [2])
    load(members(member(1, "vip"), member(2, "vip")), **MEMBERS, sync_mode="sync", mappings={})
    load(members(member(1, "vip", _sdc_deleted_at="2024-01-01")), **MEMBERS, sync_mode=mode, mappings={})
    assert tags_of(people, external_id="1") == {"VIP"}


def test_members_come_before_their_contacts(load: Loader, people: People) -> None:
    done = load(
        [*members(member(1, "VIP"), member(9, "VIP")), *listing({"id": "1"})],
        **MEMBERS,
        streams={"members": {"mappings": {}}},
    )
    assert done.results() == {"created": 1}
    assert done.results("members") == {"tagged": 1, "rejected": 1}
    assert [one["code"] for one in done.refusals] == ["no_contact"]
    assert tags_of(people) == {"VIP"}
    assert done.states == [{"bookmarks": {"customers": {}}, "n": 1}]


def test_who_left_a_group_loses_its_tag(load: Loader, people: People) -> None:
    add_people(people, range(3))
    settings = {**MEMBERS, **SYNC, "mappings": {}}
    load(members(*(member(n, "VIP") for n in range(3))), **settings)
    done = load(members(member(1, "VIP", _sdc_deleted_at="2024-01-01"), member(2, "VIP")), **settings)
    assert done.results("members") == {"untagged": 1, "unchanged": 1}
    assert all_tags(people) == {"0": {"VIP"}, "1": set(), "2": {"VIP"}}
    assert tag_calls(done) == {TAKE_OFF: 1}


def test_who_is_missing_from_a_snapshot_of_groups_loses_its_tag(load: Loader, people: People) -> None:
    add_people(people, range(4))
    settings = {**MEMBERS, **SYNC, "mappings": {}, "snapshot": True}
    load(members(*(member(n, "VIP") for n in range(4))), **settings)
    done = load(members(*(member(n, "VIP") for n in range(3))), **settings)
    assert done.results("members") == {"unchanged": 3}
    assert done.stream("members")["left"] == 1
    assert all_tags(people) == {"0": {"VIP"}, "1": {"VIP"}, "2": {"VIP"}, "3": set()}


def test_without_a_ledger_tags_are_only_added(load: Loader, people: People) -> None:
    settings = {**LISTS, **SYNC, "ledger_url": "none"}
    load(listing({"id": "1", "groups": ["a", "b"]}), **settings)
    done = load(listing({"id": "1", "groups": ["b", "c"]}), **settings)
    assert done.exit_code == 0
    assert tags_of(people) == {"a", "b", "c"}
    assert not [path for path in done.data_dir.iterdir() if "scratch" in path.name]


def test_a_tag_still_wanted_by_another_stream_stays_until_both_let_go(load: Loader, people: People) -> None:
    settings = {**MEMBERS, **LISTS, **SYNC, "streams": {"members": {"mappings": {}}}}
    gone = "2024-01-01"
    load([*listing({"id": "1", "groups": ["VIP"]}), *members(member(1, "vip"))], **settings)
    first = load(members(member(1, "vip", _sdc_deleted_at=gone)), **settings)
    assert first.stream("members")["reasons"] == {"skipped": {"still_wanted": 1}}
    assert tags_of(people) == {"VIP"}
    second = load(listing({"id": "1", "groups": []}), **settings)
    assert second.stream()["untagged"] == 1
    assert tags_of(people) == set()


def test_names_that_differ_in_case_or_blanks_are_one_group(load: Loader, people: People) -> None:
    tag_by_hand(people, "Big Spender")
    add_people(people, [1, 2])
    done = load(members(member(1, " big SPENDER "), member(2, "Big spender")), **MEMBERS, mappings={})
    assert tag_calls(done)[PUT_ON] == 1
    assert all_tags(people) == {"1": {"Big Spender"}, "2": {"Big Spender"}}
