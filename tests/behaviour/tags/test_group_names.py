"""Groups whose tags are renamed in Intercom, and names that differ in more than case."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.ledger.store.migrations import tell_groups_apart_in_lower_case
from tests.support.grouping import (
    LIST_TAGS,
    LISTS,
    add_people,
    all_tags,
    listing,
    member,
    members,
    tag_by_hand,
    tag_calls,
    tagged,
)

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

Row = dict[str, Any]
SYNC: Row = {"sync_mode": "sync", **LISTS}
GROUPS: Row = {
    "sync_mode": "sync",
    "max_removal_percent": 100,
    "streams": {"members": {"object": "groups", "mappings": {}, "snapshot": True}},
}
SAID = "The tag of group 'VIP' is now called 'Gold' in Intercom; the group keeps it"


def row(number: int, *groups: str, **values: Any) -> Row:
    return {"id": str(number), "email": f"p{number}@example.com", "groups": list(groups), **values}


def rename(people: People, old: str, new: str) -> str:
    """Rename a tag as somebody in Intercom does; returns its id."""
    (tag,) = (one["id"] for one in people.call("GET", "/tags")["data"] if one["name"] == old)
    people.call("POST", "/tags", {"id": tag, "name": new})
    return str(tag)


def tag_names(people: People) -> list[str]:
    return sorted(one["name"] for one in people.call("GET", "/tags")["data"])


# Renamed tags.


@pytest.mark.parametrize("bulk", [False, True])
def test_a_renamed_tag_keeps_its_group_together(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, *, bulk: bool
) -> None:
    load(listing(row(1, "VIP"), row(2, "VIP"), row(3)), **SYNC)
    rename(people, "VIP", "Gold")
    done = load(listing(row(1, "VIP"), row(2), row(3, "VIP"), row(4, "VIP")), bulk_writes=bulk, **SYNC)
    assert tagged(done) == (2, 1)
    assert caplog.text.count(SAID) == 1
    assert all_tags(people) == {"1": {"Gold"}, "2": set(), "3": {"Gold"}, "4": {"Gold"}}
    assert tag_names(people) == ["Gold"]
    done = load(listing(row(1), row(3, "VIP"), row(4)), bulk_writes=bulk, **SYNC)
    assert tagged(done) == (0, 2)
    assert all_tags(people) == {"1": set(), "2": set(), "3": {"Gold"}, "4": set()}


def test_a_renamed_tag_keeps_its_memberships_together(load: Loader, people: People) -> None:
    add_people(people, [1, 2, 3])
    load(members(member(1, "VIP"), member(2, "VIP")), **GROUPS)
    rename(people, "VIP", "Gold")
    done = load(members(member(1, "VIP"), member(3, "VIP")), **GROUPS)
    assert (done.results("members"), done.stream("members")["left"]) == ({"tagged": 1, "unchanged": 1}, 1)
    assert all_tags(people) == {"1": {"Gold"}, "2": set(), "3": {"Gold"}}


def test_a_new_tag_of_the_old_name_is_another_tag(load: Loader, people: People) -> None:
    ids = add_people(people, [9])
    load(listing(row(1, "VIP")), **SYNC)
    rename(people, "VIP", "Gold")
    tag_by_hand(people, "VIP", ids["9"])
    assert tagged(load(listing(row(1, "VIP", name="Ann"), row(2, "VIP")), **SYNC)) == (1, 0)
    assert all_tags(people) == {"1": {"Gold"}, "2": {"Gold"}, "9": {"VIP"}}


def test_two_tags_that_change_their_names_stay_with_their_groups(load: Loader, people: People) -> None:
    load(listing(row(1, "A"), row(2, "B")), **SYNC)
    rename(people, "A", "C")
    rename(people, "B", "A")
    rename(people, "C", "B")
    assert tagged(load(listing(row(1, "A", name="Ann"), row(2, "B"), row(3, "A"), row(4, "B")), **SYNC)) == (2, 0)
    assert all_tags(people) == {"1": {"B"}, "2": {"A"}, "3": {"B"}, "4": {"A"}}


def test_a_tag_that_was_renamed_and_then_deleted_is_made_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    sandbox.workspace.delete_tag(rename(people, "VIP", "Gold"))
    load(listing(row(1, "VIP"), row(2, "VIP")), **SYNC)
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}}


@pytest.mark.parametrize("bulk", [False, True])
def test_a_name_that_changes_in_intercom_and_in_the_source_changes_nothing(
    load: Loader, people: People, *, bulk: bool
) -> None:
    everybody = range(1, 31)
    load(listing(*(row(n, "VIP") for n in everybody)), **SYNC)
    rename(people, "VIP", "Gold")
    done = load(listing(*(row(n, "Gold") for n in everybody)), bulk_writes=bulk, **SYNC)
    assert tagged(done) == (0, 0)
    assert set(tag_calls(done)) <= {LIST_TAGS}
    assert all_tags(people) == {str(n): {"Gold"} for n in everybody}
    # It is still the target's to take off.
    assert tagged(load(listing(*(row(n) for n in everybody)), bulk_writes=bulk, **SYNC)) == (0, len(everybody))
    assert all_tags(people) == {str(n): set() for n in everybody}


def test_memberships_whose_name_changes_in_both_places_stay(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    load(members(member(1, "VIP"), member(2, "VIP")), **GROUPS)
    rename(people, "VIP", "Gold")
    done = load(members(member(1, "Gold"), member(2, "Gold")), **GROUPS)
    assert done.results("members") == {"unchanged": 2}
    assert all_tags(people) == {"1": {"Gold"}, "2": {"Gold"}}
    done = load(members(member(1, "Gold")), **GROUPS)
    assert all_tags(people) == {"1": {"Gold"}, "2": set()}


def test_a_tag_stays_as_long_as_one_of_its_groups_wants_it(load: Loader, people: People) -> None:
    """It was renamed to the name of another group."""
    load(listing(row(1, "VIP"), row(2, "VIP")), **SYNC)
    rename(people, "VIP", "Gold")
    load(listing(row(1, "VIP", "Gold"), row(2, "Gold", "VIP")), **SYNC)
    assert tagged(load(listing(row(1, "VIP"), row(2, "Gold")), **SYNC)) == (0, 0)
    assert all_tags(people) == {"1": {"Gold"}, "2": {"Gold"}}
    assert tagged(load(listing(row(1), row(2)), **SYNC)) == (0, 2)
    assert all_tags(people) == {"1": set(), "2": set()}


def test_the_plan_calls_a_renamed_tag_by_its_name(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP"), row(2)), **SYNC)
    rename(people, "VIP", "Gold")
    done = load(listing(row(1), row(2, "VIP")), dry_run=True, **SYNC)
    assert done.exit_code == 0
    (plan,) = load.data_dir.glob("plan-*.jsonl")
    lines = [json.loads(line) for line in plan.read_text(encoding="utf-8").splitlines()]
    assert [(one["operation"], one["stream"], one["key"], one["tag"]) for one in lines] == [
        ("tag", "customers", ["2"], "Gold"),
        ("untag", "customers", ["1"], "Gold"),
    ]


# Names.


def test_names_that_differ_in_more_than_case_are_two_groups(load: Loader, people: People) -> None:
    ids = add_people(people, [9])
    tag_by_hand(people, "Masse", ids["9"])
    done = load(listing(row(1, "Maße"), row(2, "MASSE"), row(3, "maße", "Masse"), row(4, "ΣΟΦΟΣ", "σοφοσ")), **SYNC)
    # Small letters of a capital sigma at the end of a word: Python's are another letter than the source's.
    assert tagged(done) == (6, 0)
    assert all_tags(people)["1"] == {"Maße"}
    assert all_tags(people)["2"] == {"Masse"}
    assert all_tags(people)["3"] == {"Maße", "Masse"}
    load(listing(row(3, "Masse")), **SYNC)
    assert all_tags(people)["3"] == {"Masse"}


def test_a_dry_run_tells_the_names_apart_as_a_run_does(load: Loader, people: People) -> None:
    tag_by_hand(people, "Masse", *add_people(people, [9]).values())
    load(listing(row(1, "Maße"), row(2, "MASSE")), dry_run=True, **SYNC)
    (plan,) = load.data_dir.glob("plan-*.jsonl")
    lines = [json.loads(line) for line in plan.read_text(encoding="utf-8").splitlines()]
    tags = [(one["operation"], one["tag"]) for one in lines if one["operation"] != "create"]
    assert tags == [("create_tag", "Maße"), ("tag", "Masse"), ("tag", "Maße")]


# Ledgers of older versions.


def casefolded(load: Loader, *, keys: bool = False) -> None:
    """Make the ledger one of a version that casefolded the names of groups."""
    with closing(sqlite3.connect(load.data_dir / "ledger.db")) as ledger, ledger:
        ledger.create_function("fold", 1, str.casefold)
        ledger.create_function("fold_key", 1, lambda key: json.dumps([one.casefold() for one in json.loads(key)]))
        if keys:
            ledger.execute("UPDATE target_intercom_memberships SET key = fold_key(key)")
        changed = ledger.execute(
            "UPDATE target_intercom_memberships SET group_key = fold(name), content = content || 'x'"
        )
        assert changed.rowcount
        ledger.execute("UPDATE target_intercom_entries SET groups_print = groups_print || 'x' WHERE groups_print <> ''")
        step = tell_groups_apart_in_lower_case.__name__
        assert ledger.execute("DELETE FROM target_intercom_migrations WHERE name = ?", [step]).rowcount == 1


@pytest.mark.parametrize("bulk", [False, True])
def test_the_groups_of_an_older_ledger_go_on(load: Loader, people: People, *, bulk: bool) -> None:
    everybody = range(1, 31)
    load(listing(*(row(n, "Maße", "VIP", "Ende ΣΑΣ") for n in everybody)), **SYNC)
    casefolded(load)
    done = load(listing(*(row(n, "Maße", "VIP", "Ende ΣΑΣ") for n in everybody)), bulk_writes=bulk, **SYNC)
    assert tagged(done) == (0, 0)
    assert set(tag_calls(done)) <= {LIST_TAGS}
    assert tagged(load(listing(*(row(n, "VIP") for n in everybody)), bulk_writes=bulk, **SYNC)) == (0, 60)
    assert all_tags(people) == {str(n): {"VIP"} for n in everybody}


def test_the_memberships_of_an_older_ledger_go_on(load: Loader, people: People) -> None:
    add_people(people, [1, 2, 3])
    rows = [member(n, "Maße") for n in (1, 2, 3)]
    load(members(*rows), **GROUPS)
    casefolded(load)
    done = load(members(*rows), **GROUPS)
    assert (done.results("members"), set(tag_calls(done)) - {LIST_TAGS}) == ({"unchanged": 3}, set())
    done = load(members(*rows[:2]), **GROUPS)
    assert done.stream("members")["left"] == 1
    assert all_tags(people) == {"1": {"Maße"}, "2": {"Maße"}, "3": set()}


def test_records_that_are_known_by_their_group_are_known_again(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    load(members(member(1, "Maße"), member(2, "Maße"), keys=()), **GROUPS)
    casefolded(load, keys=True)
    marked = member(1, "Maße", _sdc_deleted_at="2026-01-01T00:00:00Z")
    done = load(members(marked, member(2, "Maße"), keys=()), **GROUPS)
    assert done.results("members") == {"untagged": 1, "unchanged": 1}
    assert all_tags(people) == {"1": set(), "2": {"Maße"}}


def test_what_an_older_version_took_for_one_group_keeps_its_tag(load: Loader, people: People) -> None:
    """It put "Masse", which was there, on those in "Maße"."""
    load(listing(row(1, "Maße"), row(2, "Maße")), **SYNC)
    casefolded(load)
    rename(people, "Maße", "Masse")
    assert tagged(load(listing(row(1, "Maße"), row(2), row(3, "Maße")), **SYNC)) == (1, 1)
    assert all_tags(people) == {"1": {"Masse"}, "2": set(), "3": {"Masse"}}
