"""Contact streams whose records list their groups: `tags_property`, from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault, errors
from target_intercom.sandbox.objects.tags import Tag, Tags
from tests.support.grouping import (
    LIST_TAGS,
    LISTS,
    PUT_ON,
    PUT_ONE,
    TAKE_OFF,
    Row,
    add_people,
    all_tags,
    listing,
    sent,
    tag_by_hand,
    tag_calls,
    tagged,
    tags_of,
)
from tests.support.loading import record, schema, state
from tests.support.remembering import BY_ROW, WHEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

A, B = "a@example.com", "b@example.com"
ANN: Row = {"id": "1", "email": A, "name": "Ann"}
MODES = ["sync", "additive", "enrich", "insert", "remove"]
TAKES_OFF = ["sync"]
"""The modes in which who left a group loses its tag."""
SIZES = pytest.mark.parametrize("size", [1, 2, 100])
DELAYS = pytest.mark.parametrize("delay", [0, 600])
"""Long after the earlier run's writes, and within the time that search may lag behind them."""
LAG = 600
LEDGERS = pytest.mark.parametrize("ledger", [..., "none"], ids=["ledger", "none"])


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {**LISTS, "sync_mode": "sync", "max_connections": 8}
    return load


def ann(*groups: object, **values: Any) -> list[Row]:
    """A stream of one record, which lists these groups."""
    return listing({**ANN, "groups": list(groups), **values})


def by_row(*rows: Row, stream: str = "customers") -> list[Row]:
    """Records whose key is no identifier."""
    return [
        schema(
            stream,
            ["row"],
            row="integer",
            id="text",
            email="text",
            name="text",
            groups="array",
            _sdc_deleted_at="datetime",
        ),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {}}, "n": len(rows)}),
    ]


def tag_id(people: People, name: str) -> str:
    return {str(one["name"]): str(one["id"]) for one in people.call("GET", "/tags")["data"]}[name]


def take_off(people: People, name: str, contact: str) -> None:
    people.call("DELETE", f"/contacts/{contact}/tags/{tag_id(people, name)}")


def left_out(done: Loaded) -> int:
    count: int = done.stream()["left_out"].get("tags", 0)
    return count


def users_sent(sandbox: SandboxServer) -> list[int]:
    """How many contacts each call gave a tag."""
    return [len(body["users"]) for body in sent(sandbox, "POST", "/tags") if "users" in body]


# What a list is.


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["VIP", "Beta"], ["VIP", "Beta"]),
        ("VIP,Beta", ["VIP", "Beta"]),
        (" VIP ,\tBeta users\n", ["VIP", "Beta users"]),
        (",,VIP,, ,", ["VIP"]),
        ("VIP", ["VIP"]),
        (["VIP, Beta"], ["VIP, Beta"]),
        (["a,b", "a", "b"], ["a,b", "a", "b"]),
        ([" VIP ", "vip", "ViP"], ["VIP"]),
        ("VIP,vip", ["VIP"]),
        ([None, "", "  ", "VIP"], ["VIP"]),
        ([None], []),
        ([], []),
        ("", []),
        (" , ", []),
        (None, []),
        ([7, "7"], ["7"]),
        ([7.0], ["7"]),
        ([10**20], [str(10**20)]),
        (["#1", "50 %", "a/b?c=d&e", 'say "hi"', "\\"], ["#1", "50 %", "a/b?c=d&e", 'say "hi"', "\\"]),
    ],
    ids=str,
)
@LEDGERS
def test_names_are_taken_from_arrays_and_from_text_with_commas(
    load: Loader, people: People, groups: object, expected: list[str], ledger: object
) -> None:
    done = load(listing({**ANN, "groups": groups}, groups="any"), ledger_url=ledger)
    assert tagged(done) == (len(expected), 0)
    assert done.results() == {"created": 1}
    assert tags_of(people) == set(expected)


@pytest.mark.parametrize(
    "groups", [[["VIP"]], [{"name": "VIP"}], [True], ["VIP", False], {"VIP": 1}, True, [1.5], ["nul\0"]], ids=ascii
)
def test_a_list_that_holds_no_names_makes_its_record_invalid_and_changes_nothing(
    load: Loader, people: People, groups: object
) -> None:
    load(ann("VIP"))
    rows = [{**ANN, "name": "New", "groups": groups}, {"id": "2", "groups": ["VIP"]}]
    done = load(listing(*rows, groups="any"))
    assert done.exit_code == 0
    assert done.results() == {"invalid": 1, "created": 1}
    assert done.refusals[0]["code"] == ("not_whole" if groups == [1.5] else "invalid_group")
    assert done.refusals[0]["field"] == "groups"
    assert people.one(external_id="1")["name"] == "Ann"
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}}


@pytest.mark.parametrize(
    "names",
    [
        ["Ünïcode Größe", "日本語", "🚀 launch", "👩‍👩‍👧", "عميل"],
        ["x" * 300],
        ["x" * 300, "x" * 299 + "y"],
        ["İstanbul"],
        ["tab\there", "two\nlines"],
    ],
    ids=["scripts", "long", "long and alike", "dotted", "white space"],
)
def test_any_text_can_be_a_name_and_is_the_same_group_in_the_next_run(
    load: Loader, people: People, names: list[str]
) -> None:
    load(ann(*names))
    assert tags_of(people) == set(names)
    again = load(ann(*reversed(names)))
    assert (tagged(again), tag_calls(again)) == ((0, 0), {})
    other = load([*ann(*names), *listing({"id": "2", "groups": names}, stream="other")], search_delay_seconds=0)
    assert tagged(other, "other") == (len(names), 0)
    assert len(people.call("GET", "/tags")["data"]) == len(names)
    assert tagged(load(ann(names[0]))) == (0, len(names) - 1)
    assert tagged(load(ann())) == (0, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [("VIP", "vip"), ("x" * 300, "X" * 300), ("Größe", "GRÖßE"), ("a ", " A")],
    ids=["case", "long", "umlauts", "blanks"],
)
def test_a_name_that_changes_in_case_or_blanks_only_is_no_change(
    load: Loader, people: People, before: str, after: str
) -> None:
    load(ann(before))
    again = load(ann(after))
    assert (tagged(again), tag_calls(again), again.writes) == ((0, 0), {}, 0)
    assert tags_of(people) == {before.strip()}
    assert tagged(load(ann())) == (0, 1)


def test_a_tag_that_is_there_in_another_case_is_the_one(load: Loader, people: People) -> None:
    (contact,) = add_people(people, [1]).values()
    tag_by_hand(people, "Big Spender", contact)
    done = load(listing({"id": "1", "groups": ["BIG spender "]}, {"id": "2", "groups": [" big Spender"]}))
    assert tagged(done) == (1, 0)
    assert all_tags(people) == {"1": {"Big Spender"}, "2": {"Big Spender"}}
    load(listing({"id": "1", "groups": []}, {"id": "2", "groups": []}))
    assert all_tags(people) == {"1": {"Big Spender"}, "2": set()}


# Nothing listed, in each mode.


@pytest.mark.parametrize("clear_nulls", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("values", "names_none"),
    [({"groups": None}, "when nulls clear"), ({"groups": []}, True), ({"groups": ""}, True), ({}, False)],
    ids=["null", "[]", "blank", "absent"],
)
def test_who_is_in_no_group_any_more_loses_our_tags_in_mode_sync(
    load: Loader, people: People, values: Row, names_none: object, mode: str, clear_nulls: bool
) -> None:
    first = listing({**ANN, "groups": "ours,theirs"}, groups="any")
    load(first, sync_mode="sync")
    contact = people.one()["id"]
    take_off(people, "theirs", contact)
    tag_by_hand(people, "foreign", contact)
    done = load(listing({**ANN, **values}, groups="any"), sync_mode=mode, clear_nulls=clear_nulls)
    assert done.exit_code == 0
    loses = mode in TAKES_OFF and (clear_nulls if names_none == "when nulls clear" else bool(names_none))
    assert tags_of(people) == ({"foreign"} if loses else {"ours", "foreign"})
    assert done.stream()["untagged"] == (1 if loses else 0)


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_tags_those_whom_it_may_change(load: Loader, people: People, mode: str) -> None:
    add_people(people, [1])
    done = load(listing({"id": "1", "groups": ["VIP"]}, {"id": "2", "groups": ["VIP"]}), sync_mode=mode)
    assert done.exit_code == 0
    there = {"1": {"VIP"} if mode in {"sync", "additive", "enrich"} else set()}
    made = {} if mode in {"enrich", "remove"} else {"2": {"VIP"}}
    assert all_tags(people) == ({} if mode == "remove" else {**there, **made})
    assert done.stream()["tagged"] == sum("VIP" in tags for tags in all_tags(people).values())


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("sync", {"b", "c"}), ("additive", {"a", "b", "c"}), ("enrich", {"a", "b", "c"}), ("insert", {"a", "b"})],
)
@LEDGERS
def test_a_list_that_changes_is_followed_as_far_as_the_mode_goes(
    load: Loader, people: People, mode: str, expected: set[str], ledger: object
) -> None:
    load(ann("a", "b"), ledger_url=ledger)
    tag_by_hand(people, "foreign", people.one()["id"])
    done = load(ann("b", "c"), sync_mode=mode, ledger_url=ledger)
    assert done.exit_code == 0
    # Without a ledger nobody knows whose a tag is.
    assert tags_of(people) == expected | {"foreign"} | ({"a"} if ledger == "none" else set())
    again = load(ann("b", "c"), sync_mode=mode, ledger_url=ledger)
    assert (again.stream()["tagged"], again.stream()["untagged"]) == (0, 0)
    assert not {PUT_ON, PUT_ONE, TAKE_OFF} & set(again.calls)


# Settings.


def test_the_property_is_not_loaded_as_an_attribute(load: Loader, people: People) -> None:
    done = load(ann("VIP"))
    assert people.one()["custom_attributes"] == {}
    assert "POST /data_attributes" not in done.calls


@pytest.mark.parametrize("groups", [["VIP", "Beta"], "VIP,Beta"], ids=["array", "text"])
def test_the_property_is_loaded_too_when_it_is_mapped(load: Loader, people: People, groups: object) -> None:
    mappings = {"id": "external_id", "groups": "custom_attributes.segments"}
    kind = "array" if isinstance(groups, list) else "text"
    done = load(listing({**ANN, "groups": groups}, groups=kind), mappings=mappings)
    assert tagged(done) == (2, 0)
    value = people.one()["custom_attributes"]["segments"]
    assert (json.loads(value) if isinstance(groups, list) else value) == groups
    assert tags_of(people) == {"VIP", "Beta"}


@pytest.mark.parametrize("settings", [{"unmapped": "ignore"}, {"mappings": {"id": "external_id", "groups": None}}])
def test_the_property_names_groups_also_where_it_is_no_attribute(load: Loader, people: People, settings: Row) -> None:
    assert tagged(load(ann("VIP"), **settings)) == (1, 0)
    assert tags_of(people) == {"VIP"}


def test_the_setting_of_one_stream_is_for_that_stream_alone(load: Loader, people: People) -> None:
    rows = [*listing({"id": "1", "groups": ["VIP"]}), *listing({"id": "2", "groups": ["VIP"]}, stream="shop")]
    done = load(rows, tags_property=..., streams={"customers": LISTS})
    assert (done.stream()["tagged"], done.stream("shop")["tagged"]) == (1, 0)
    assert all_tags(people) == {"1": {"VIP"}, "2": set()}
    assert "groups" in people.one(external_id="2")["custom_attributes"]


def test_the_setting_of_a_stream_goes_before_the_general_one(load: Loader, people: People) -> None:
    shop = [
        schema("shop", ["id"], id="text", groups="array", segments="text"),
        record("shop", id="2", groups=["VIP"], segments="a,b"),
    ]
    done = load([*ann("VIP"), *shop], streams={"shop": {"tags_property": "segments"}})
    assert done.exit_code == 0
    assert all_tags(people) == {"1": {"VIP"}, "2": {"a", "b"}}


def test_a_setting_that_is_new_on_a_loaded_stream_tags_contacts_whose_records_are_the_same(
    load: Loader, people: People
) -> None:
    rows = listing(*({"id": str(n), "groups": ["VIP"]} for n in range(3)))
    load(rows, tags_property=..., unmapped="ignore")
    done = load(rows, unmapped="ignore")
    assert tagged(done) == (3, 0)
    assert done.results() == {"unchanged": 3}
    assert set(map(frozenset, all_tags(people).values())) == {frozenset({"VIP"})}
    assert tag_calls(load(rows, unmapped="ignore")) == {}


def test_a_setting_that_names_another_property_makes_that_one_count(load: Loader, people: People) -> None:
    rows = [
        schema("customers", ["id"], id="text", old="array", new="array"),
        record("customers", id="1", old=["a", "b"], new=["b", "c"]),
    ]
    load(rows, tags_property="old", unmapped="ignore")
    tag_by_hand(people, "foreign", people.one()["id"])
    done = load(rows, tags_property="new", unmapped="ignore")
    assert tagged(done) == (1, 1)
    assert tags_of(people) == {"b", "c", "foreign"}


def test_a_setting_that_is_taken_away_leaves_the_tags(load: Loader, people: People) -> None:
    load(ann("VIP"), unmapped="ignore")
    done = load(ann(), tags_property=..., unmapped="ignore")
    assert tag_calls(done) == {}
    assert tags_of(people) == {"VIP"}
    assert tagged(load(ann(), unmapped="ignore")) == (0, 1)
    assert tags_of(people) == set()


def test_a_mode_that_changes_from_additive_to_sync_takes_off_what_the_list_lost_meanwhile(
    load: Loader, people: People
) -> None:
    (contact,) = add_people(people, [1]).values()
    tag_by_hand(people, "foreign", contact)
    load(ann("a", "b", "foreign"), sync_mode="additive")
    assert tagged(load(ann("a"), sync_mode="additive")) == (0, 0)
    assert tags_of(people) == {"a", "b", "foreign"}
    assert tagged(load(ann("a"), sync_mode="sync")) == (0, 1)
    assert tags_of(people) == {"a", "foreign"}


def test_a_mode_that_changes_from_sync_to_additive_takes_nothing_off(load: Loader, people: People) -> None:
    load(ann("a", "b"))
    assert tagged(load(ann("a"), sync_mode="additive")) == (0, 0)
    assert tagged(load(ann(), sync_mode="additive")) == (0, 0)
    assert tags_of(people) == {"a", "b"}


def test_a_setting_that_never_removes_contacts_leaves_their_lists_in_force(load: Loader, people: People) -> None:
    load(listing({"id": "1", "groups": ["a"]}, {"id": "2", "groups": ["a"]}))
    gone = {"id": "2", "groups": ["a"], "_sdc_deleted_at": WHEN}
    done = load(listing({"id": "1", "groups": []}, gone), max_removal_percent=0)
    assert done.exit_code == 0
    assert all_tags(people) == {"1": set(), "2": {"a"}}


def test_tags_that_lists_let_go_of_are_no_removals_for_the_fuse(load: Loader, people: People) -> None:
    load(listing(*({"id": str(n), "groups": ["a"]} for n in range(30))))
    assert tagged(load(listing(*({"id": str(n), "groups": []} for n in range(30))))) == (0, 30)


def test_a_flattened_array_still_names_groups(load: Loader, people: People) -> None:
    """The SDK's flattening turns arrays into JSON texts; it has to keep working."""
    done = load(ann("VIP", "Beta"), flattening_enabled=True, flattening_max_depth=2)
    assert tagged(done) == (2, 0)
    assert tags_of(people) == {"VIP", "Beta"}


def test_a_stream_map_may_make_the_list(load: Loader, people: People) -> None:
    assert tagged(load(ann("VIP", "Beta"), stream_maps={"customers": {"groups": "','.join(groups)"}})) == (2, 0)
    assert tags_of(people) == {"VIP", "Beta"}


# From run to run.


@LEDGERS
def test_groups_come_go_and_come_back(load: Loader, people: People, ledger: object) -> None:
    (contact,) = add_people(people, [1]).values()
    tag_by_hand(people, "foreign", contact)
    ever: set[str] = set()
    for groups in (["a"], ["a", "b"], ["b"], [], ["a", "c"], ["A", "b", "C"], ["d"], ["d"], []):
        done = load(ann(*groups), ledger_url=ledger)
        assert done.exit_code == 0
        names = {name.lower() for name in groups}
        ever |= names
        assert tags_of(people) == {"foreign"} | (ever if ledger == "none" else names)


@pytest.mark.parametrize("count", [9, 10, 11, 25])
@DELAYS
def test_contacts_with_more_tags_than_they_show_are_right(load: Loader, people: People, count: int, delay: int) -> None:
    (contact,) = add_people(people, [1]).values()
    foreign = [f"foreign {n}" for n in range(count)]
    for name in foreign:
        tag_by_hand(people, name, contact)
    done = load(ann("first", foreign[0], foreign[-1].upper()), search_delay_seconds=delay)
    assert tagged(done) == (1, 0)
    assert tagged(load(ann("second", foreign[-1]), search_delay_seconds=delay)) == (1, 1)
    assert tags_of(people) == {"second", *foreign}
    assert tagged(load(ann(), search_delay_seconds=delay)) == (0, 1)
    assert tags_of(people) == set(foreign)


@pytest.mark.parametrize("count", [10, 11, 25])
@DELAYS
def test_a_repair_of_many_tags_puts_on_those_alone_that_are_missing(
    load: Loader, people: People, sandbox: SandboxServer, count: int, delay: int
) -> None:
    names = [f"ours {n}" for n in range(count)]
    load(ann(*names))
    contact = people.one()["id"]
    for name in (names[0], names[-1]):
        take_off(people, name, contact)
    before = len(users_sent(sandbox))
    done = load(ann(*names), repair=True, search_delay_seconds=delay)
    assert tagged(done) == (2, 0)
    assert len(users_sent(sandbox)) - before == 2
    assert tags_of(people) == set(names)
    assert tagged(load(ann(), search_delay_seconds=delay)) == (0, count)
    assert tags_of(people) == set()


# Several records of one contact.


@SIZES
@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([{"groups": ["a"]}, {"groups": ["b"]}], ["b"]),
        ([{"groups": ["a"]}, {"groups": []}], []),
        ([{"groups": ["a"]}, {}], ["a"]),
        ([{"groups": ["a"]}, {"groups": None}], []),
        ([{"groups": ["a"]}, {"groups": ["b"]}, {"groups": ["A"]}], ["a"]),
        ([{}, {"groups": ["a", "b"]}], ["a", "b"]),
    ],
    ids=str,
)
@LEDGERS
def test_of_records_with_one_key_the_last_list_counts(
    load: Loader, people: People, lists: list[Row], expected: list[str], size: int, ledger: object
) -> None:
    rows = listing(*({**ANN, "name": f"Ann {n}", **values} for n, values in enumerate(lists)))
    done = load(rows, batch_size_rows=size, ledger_url=ledger)
    assert (done.exit_code, done.refusals) == (0, [])
    assert {name.lower() for name in tags_of(people)} == set(expected)
    again = load(rows, batch_size_rows=size, ledger_url=ledger)
    assert again.exit_code == 0
    assert {name.lower() for name in tags_of(people)} == set(expected)


@SIZES
def test_of_records_with_one_key_the_last_list_counts_over_tags_that_are_on(
    load: Loader, people: People, size: int
) -> None:
    load(ann("a", "b"))
    rows = [{**ANN, "groups": groups} for groups in (["b", "c"], ["a"], ["c", "d"])]
    done = load(listing(*rows), batch_size_rows=size)
    assert done.exit_code == 0
    assert tags_of(people) == {"c", "d"}
    assert tagged(done) == (2, 2)


@SIZES
def test_in_mode_insert_the_first_list_of_a_new_contact_counts(load: Loader, people: People, size: int) -> None:
    rows = listing({**ANN, "groups": ["a"]}, {**ANN, "groups": ["b"]})
    done = load(rows, sync_mode="insert", batch_size_rows=size)
    assert (done.exit_code, done.stream()["tagged"]) == (0, 1)
    assert tags_of(people) == {"a"}


@SIZES
def test_the_lists_of_records_with_different_keys_add_up_on_their_contact(
    load: Loader, people: People, size: int
) -> None:
    def rows(first: list[str], second: list[str]) -> list[Row]:
        return by_row({"row": 1, **ANN, "groups": first}, {"row": 2, **ANN, "groups": second})

    settings = {"mappings": BY_ROW, "batch_size_rows": size}
    for first, second in (
        (["a", "both"], ["b", "BOTH"]),
        (["both"], ["b", "both"]),
        ([], ["both"]),
        (["a"], []),
        ([], []),
    ):
        done = load(rows(first, second), **settings)
        assert (done.exit_code, done.refusals) == (0, [])
        assert {name.lower() for name in tags_of(people)} == {name.lower() for name in first + second}
        quiet = load(rows(first, second), **settings)
        assert not {PUT_ON, PUT_ONE, TAKE_OFF} & set(quiet.calls)


@SIZES
def test_a_change_of_one_record_leaves_the_groups_of_another_one(load: Loader, people: People, size: int) -> None:
    settings = {"mappings": BY_ROW, "batch_size_rows": size}
    load(by_row({"row": 1, **ANN, "groups": ["a", "both"]}, {"row": 2, **ANN, "groups": ["b", "both"]}), **settings)
    done = load(by_row({"row": 1, **ANN, "groups": ["c"]}), **settings)
    assert tagged(done) == (1, 1)
    assert tags_of(people) == {"b", "both", "c"}


def test_a_tag_that_two_contact_streams_want_stays_until_both_let_go(load: Loader, people: People) -> None:
    load([*ann("VIP", "a"), *listing({**ANN, "groups": ["vip", "b"]}, stream="shop")])
    assert tagged(load(ann("a"))) == (0, 0)
    assert tags_of(people) == {"VIP", "a", "b"}
    assert tagged(load(listing({**ANN, "groups": []}, stream="shop")), "shop") == (0, 2)
    assert tags_of(people) == {"a"}


def test_many_contacts_and_small_batches_end_as_one_batch_would(load: Loader, people: People) -> None:
    def wanted(number: int, turn: int) -> set[str]:
        return {f"g{(number * step + turn) % 7}" for step in (1, 2, 3)}

    for turn, size in enumerate((3, 100, 7)):
        rows = listing(*({"id": str(n), "groups": sorted(wanted(n, turn))} for n in range(40)))
        assert load(rows, batch_size_rows=size).exit_code == 0
        assert all_tags(people) == {str(n): wanted(n, turn) for n in range(40)}


# Hand edits.


@DELAYS
@pytest.mark.parametrize("repair", [True, False])
def test_a_tag_taken_off_by_hand_stays_off_until_a_repair(
    load: Loader, people: People, sandbox: SandboxServer, repair: bool, delay: int
) -> None:
    rows = listing(*({"id": str(n), "groups": ["a", "b"]} for n in range(3)))
    load(rows)
    take_off(people, "a", people.one(external_id="1")["id"])
    before = len(users_sent(sandbox))
    done = load(rows, repair=repair, search_delay_seconds=delay)
    assert tagged(done) == (1 if repair else 0, 0)
    assert all_tags(people) == {"0": {"a", "b"}, "1": {"a", "b"} if repair else {"b"}, "2": {"a", "b"}}
    assert users_sent(sandbox)[before:] == ([1] if repair else [])


@DELAYS
@pytest.mark.parametrize("change", [{"groups": ["a", "c"]}, {"groups": ["a"], "name": "New"}], ids=str)
def test_a_tag_taken_off_by_hand_stays_off_also_when_the_record_changes(
    load: Loader, people: People, change: Row, delay: int
) -> None:
    load(ann("a"))
    take_off(people, "a", people.one()["id"])
    assert load(listing({**ANN, **change}), search_delay_seconds=delay).exit_code == 0
    assert tags_of(people) == set(change["groups"]) - {"a"}
    repaired = load(listing({**ANN, **change}), search_delay_seconds=delay, repair=True)
    assert tagged(repaired) == (1, 0)
    assert tags_of(people) == set(change["groups"])


def test_a_group_whose_tag_was_taken_off_by_hand_is_left_without_a_fuss(load: Loader, people: People) -> None:
    load(ann("a", "b"))
    take_off(people, "a", people.one()["id"])
    done = load(ann("b"))
    assert tagged(done) == (0, 0)
    assert tags_of(people) == {"b"}
    assert tag_calls(load(ann("b"))) == {}


def test_a_tag_taken_off_by_hand_and_put_on_by_us_again_is_ours(load: Loader, people: People) -> None:
    load(ann("a"))
    take_off(people, "a", people.one()["id"])
    assert tagged(load(ann("a"), repair=True, search_delay_seconds=0)) == (1, 0)
    assert tagged(load(ann(), search_delay_seconds=0)) == (0, 1)
    assert tags_of(people) == set()


@DELAYS
@pytest.mark.parametrize("repair", [True, False])
def test_a_tag_put_on_by_hand_is_never_taken_off(load: Loader, people: People, repair: bool, delay: int) -> None:
    settings = {"repair": repair, "search_delay_seconds": delay}
    load(ann("a"), **settings)
    tag_by_hand(people, "foreign", people.one()["id"])
    for groups, expected in (
        (["a"], {"a", "foreign"}),
        (["a", "Foreign"], {"a", "foreign"}),
        (["foreign"], {"foreign"}),
        ([], {"foreign"}),
    ):
        assert load(ann(*groups), **settings).exit_code == 0
        assert tags_of(people) == expected


@DELAYS
def test_a_tag_put_on_by_hand_after_ours_was_taken_off_is_not_ours(load: Loader, people: People, delay: int) -> None:
    load(ann("a"))
    load(ann(), search_delay_seconds=delay)
    tag_by_hand(people, "a", people.one()["id"])
    assert tagged(load(ann("a"), search_delay_seconds=delay)) == (0, 0)
    assert tagged(load(ann(), search_delay_seconds=delay)) == (0, 0)
    assert tags_of(people) == {"a"}


def test_a_tag_that_the_lagging_index_shows_after_it_was_taken_off_is_put_on_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """The index may show it still, or show it because somebody has put it on by hand: the contact itself tells."""
    _, other = add_people(people, [1, 2]).values()
    rows = {groups: listing(*({"id": str(n), "groups": list(groups)} for n in (1, 2))) for groups in ("", "a")}
    load(rows["a"])
    sandbox.conditions.search_lag = LAG
    moments = {"search_delay_seconds": LAG}
    assert tagged(load(rows[""], **moments)) == (0, 2)
    tag_by_hand(people, "a", other)
    assert tagged(load(rows["a"], **moments)) == (1, 0)
    assert all_tags(people) == {"1": {"a"}, "2": {"a"}}
    # The other one's is not ours.
    assert tagged(load(rows[""], **moments)) == (0, 1)
    assert all_tags(people) == {"1": set(), "2": {"a"}}


def delete_a(people: People, sandbox: SandboxServer) -> None:
    sandbox.workspace.delete_tag(tag_id(people, "a"))


def test_a_deleted_tag_is_no_matter_while_nothing_changes(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(ann("a", "b"))
    delete_a(people, sandbox)
    quiet = load(ann("a", "b"))
    assert (tag_calls(quiet), tags_of(people)) == ({}, {"b"})


def test_a_deleted_tag_is_made_again_with_all_its_contacts_by_a_run_that_puts_on_any(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    rows = [{"id": str(n), "groups": ["a", "b"]} for n in range(3)]
    load(listing(*rows))
    delete_a(people, sandbox)
    done = load(listing(*rows, {"id": "3", "groups": ["b"]}))
    assert tagged(done) == (4, 0)
    assert all_tags(people) == {**{str(n): {"a", "b"} for n in range(3)}, "3": {"b"}}
    assert tagged(load(listing(*({**row, "groups": []} for row in rows)))) == (0, 6)


@DELAYS
def test_a_deleted_tag_is_made_again_by_a_repair(
    load: Loader, people: People, sandbox: SandboxServer, delay: int
) -> None:
    load(ann("a", "b"))
    delete_a(people, sandbox)
    assert tagged(load(ann("a", "b"), repair=True, search_delay_seconds=delay)) == (1, 0)
    assert tags_of(people) == {"a", "b"}


def test_a_deleted_tag_that_nobody_wants_any_more_is_not_missed(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(ann("a", "b"))
    delete_a(people, sandbox)
    assert tagged(load(ann("b"))) == (0, 0)
    assert tags_of(people) == {"b"}
    assert tagged(load(ann("b", "c"))) == (1, 0)
    assert tags_of(people) == {"b", "c"}


def test_a_tag_that_somebody_made_anew_is_theirs(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(ann("a"))
    delete_a(people, sandbox)
    tag_by_hand(people, "a", people.one()["id"])
    assert load(ann("a", "b"), search_delay_seconds=0).exit_code == 0
    assert load(ann(), search_delay_seconds=0).exit_code == 0
    assert tags_of(people) == {"a"}


def test_a_renamed_tag_is_taken_off_with_its_group(load: Loader, people: People) -> None:
    load(ann("a", "b"))
    people.call("POST", "/tags", {"id": tag_id(people, "a"), "name": "renamed"})
    assert tag_calls(load(ann("a", "b"))) == {}
    assert tagged(load(ann("b"))) == (0, 1)
    assert tags_of(people) == {"b"}


@pytest.mark.parametrize("repair", [True, False])
def test_a_group_whose_tag_was_renamed_keeps_it_and_loses_it(load: Loader, people: People, repair: bool) -> None:
    load(ann("a"))
    people.call("POST", "/tags", {"id": tag_id(people, "a"), "name": "renamed"})
    load(ann("a", "b"), repair=repair)
    assert tags_of(people) == {"renamed", "b"}
    load(ann())
    assert tags_of(people) == set()


def test_a_tag_that_takes_the_name_of_a_renamed_one_is_not_ours(load: Loader, people: People) -> None:
    load(ann("a"))
    contact = people.one()["id"]
    people.call("POST", "/tags", {"id": tag_id(people, "a"), "name": "renamed"})
    tag_by_hand(people, "a", contact)
    load(ann(), search_delay_seconds=0)
    assert tags_of(people) == {"a"}


# Contacts that go.


@pytest.mark.parametrize("mode", ["user", "lead"])
def test_an_unchanged_record_of_an_archived_contact_costs_no_tag_call(load: Loader, people: People, mode: str) -> None:
    load(ann("a"), creation_mode=mode)
    people.archive(people.one()["id"])
    done = load(ann("a"), creation_mode=mode)
    assert (done.exit_code, tag_calls(done), people.live()) == (0, {}, [])


@DELAYS
@pytest.mark.parametrize("loses", [True, False], ids=["bare", "with its tags"])
def test_a_changed_record_of_an_archived_contact_brings_it_back_with_its_groups(
    load: Loader, people: People, loses: bool, delay: int
) -> None:
    """Whether Intercom keeps the tags of an archived contact is not known: both may be."""
    load(ann("a", "b"))
    contact = people.one()["id"]
    tag_by_hand(people, "foreign", contact)
    if loses:
        take_off(people, "a", contact)
        take_off(people, "b", contact)
    people.archive(contact)
    done = load(ann("b", "c", name="New"), search_delay_seconds=delay)
    assert (done.exit_code, done.refusals) == (0, [])
    assert people.one(id=contact)["state"] == "live"
    assert tags_of(people) == {"b", "c", "foreign"}
    quiet = load(ann("b", "c", name="New"), search_delay_seconds=delay)
    assert tag_calls(quiet) == {}


def test_a_new_list_of_an_archived_contact_ends_the_run_well_and_says_what_it_left_out(
    load: Loader, people: People
) -> None:
    rows = [{"id": "2", "groups": ["a"]}, {"id": "3", "groups": ["a"]}]
    load(listing({**ANN, "groups": ["a"]}, *rows))
    people.archive(people.one(external_id="1")["id"])
    new = [{**row, "groups": ["a", "b"]} for row in rows]
    done = load(listing({**ANN, "groups": ["a", "b"]}, *new))
    assert done.exit_code == 0
    assert {who: tags for who, tags in all_tags(people).items() if who != "1"} == {"2": {"a", "b"}, "3": {"a", "b"}}
    back = people.one(external_id="1")
    if back["state"] == "live":
        assert set(back["tags"]) == {"a", "b"}
    else:
        assert left_out(done) >= 1
    people.call("POST", f"/contacts/{back['id']}/unarchive", {})
    assert load(listing({**ANN, "groups": ["a", "b"]}, *new)).exit_code == 0
    assert tags_of(people, external_id="1") == {"a", "b"}


@DELAYS
def test_a_tag_that_could_not_be_put_on_and_is_put_on_by_hand_later_is_not_ours(
    load: Loader, people: People, delay: int
) -> None:
    load(ann("a"))
    contact = people.one()["id"]
    people.archive(contact)
    done = load(ann("a", "b"))
    assert (left_out(done), done.stream()["tagged"]) == (1, 0)
    people.call("POST", f"/contacts/{contact}/unarchive", {})
    tag_by_hand(people, "b", contact)
    for groups in (["a"], []):
        assert load(ann(*groups), search_delay_seconds=delay).exit_code == 0
        assert tags_of(people) == {*groups, "b"}


@DELAYS
def test_a_repair_brings_an_archived_contact_back_with_its_groups(load: Loader, people: People, delay: int) -> None:
    load(ann("a", "b"))
    contact = people.one()["id"]
    take_off(people, "a", contact)
    people.archive(contact)
    done = load(ann("a", "b"), repair=True, search_delay_seconds=delay)
    assert (done.exit_code, done.refusals) == (0, [])
    assert people.one(id=contact)["state"] == "live"
    assert tags_of(people) == {"a", "b"}


@DELAYS
@pytest.mark.parametrize("loses", [True, False], ids=["bare", "with its tags"])
@pytest.mark.parametrize("groups", [["a"], ["b"], []], ids=str)
def test_a_contact_that_was_removed_and_comes_back_has_the_groups_of_its_record(
    load: Loader, people: People, groups: list[str], loses: bool, delay: int
) -> None:
    load(ann("a"))
    contact = people.one()["id"]
    tag_by_hand(people, "foreign", contact)
    if loses:
        take_off(people, "a", contact)
    gone = load(ann("a", _sdc_deleted_at=WHEN), search_delay_seconds=delay)
    assert gone.results() == {"archived": 1}
    assert people.live() == []
    back = load(ann(*groups), search_delay_seconds=delay)
    assert (back.exit_code, back.refusals) == (0, [])
    assert people.one(id=contact)["state"] == "live"
    assert tags_of(people) == {"foreign", *groups}
    assert load(ann(), search_delay_seconds=delay).exit_code == 0
    assert tags_of(people) == {"foreign"}


def test_a_contact_that_left_a_snapshot_and_comes_back_has_the_groups_of_its_record(
    load: Loader, people: People
) -> None:
    rows = [{"id": str(n), "groups": ["a", "b"]} for n in range(4)]
    load(listing(*rows), snapshot=True)
    left = load(listing(*rows[:3]), snapshot=True)
    assert left.stream()["left"] == 1
    back = load(listing(*rows[:3], {"id": "3", "groups": ["b", "c"]}), snapshot=True)
    assert back.exit_code == 0
    assert all_tags(people) == {**{str(n): {"a", "b"} for n in range(3)}, "3": {"b", "c"}}


def test_a_contact_that_leaves_one_of_two_streams_loses_that_streams_groups(load: Loader, people: People) -> None:
    rows = [{"id": str(n), "groups": ["a", "both"]} for n in range(4)]
    shop = listing({"id": "3", "groups": ["b", "both"]}, stream="shop")
    load([*listing(*rows), *shop], streams={"customers": {"snapshot": True}})
    done = load([*listing(*rows[:3]), *shop], streams={"customers": {"snapshot": True}})
    assert done.exit_code == 0
    assert all_tags(people) == {**{str(n): {"a", "both"} for n in range(3)}, "3": {"b", "both"}}


def test_a_user_that_was_deleted_for_good_is_rejected_and_the_others_get_their_tags(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    load(listing({**ANN, "groups": ["a"]}, {"id": "2", "groups": ["a"]}))
    people.call("DELETE", f"/contacts/{people.one(external_id='1')['id']}")
    rows = listing({**ANN, "name": "New", "groups": ["b"]}, {"id": "2", "groups": ["b"]})
    for _ in range(2):
        done = load(rows)
        assert done.exit_code == 0
        assert done.results() == {"rejected": 1, "unchanged": 1}
        assert all_tags(people) == {"2": {"b"}}


def test_a_lead_that_was_deleted_is_made_again_with_its_groups(load: Loader, people: People) -> None:
    load(ann("a", "b"), creation_mode="lead")
    people.call("DELETE", f"/contacts/{people.one()['id']}")
    done = load(ann("b", "c", name="New"), creation_mode="lead")
    assert (done.exit_code, done.refusals) == (0, [])
    (lead,) = people.live()
    assert set(lead["tags"]) == {"b", "c"}
    assert load(ann(name="New"), creation_mode="lead").exit_code == 0
    (lead,) = people.live()
    assert set(lead["tags"]) == set()


def test_a_record_marked_as_deleted_and_live_again_in_one_run_keeps_its_groups(load: Loader, people: People) -> None:
    load(ann("a"))
    for size in (1, 100):
        done = load(
            listing({**ANN, "groups": ["a"], "_sdc_deleted_at": WHEN}, {**ANN, "groups": ["a"]}), batch_size_rows=size
        )
        assert done.exit_code == 0
        assert people.one()["state"] == "live"
        assert tags_of(people) == {"a"}


# Contacts that change.


@DELAYS
def test_a_record_whose_contact_changes_its_identifiers_keeps_its_tags(
    load: Loader, people: People, delay: int
) -> None:
    settings = {"mappings": BY_ROW, "search_delay_seconds": delay}
    load(by_row({"row": 1, **ANN, "groups": ["a", "b"]}), **settings)
    done = load(by_row({"row": 1, "id": "5", "email": B, "groups": ["b", "c"]}), **settings)
    assert tagged(done) == (1, 1)
    assert people.one()["external_id"] == "5"
    assert tags_of(people) == {"b", "c"}


@DELAYS
def test_a_record_that_means_another_contact_takes_its_groups_along(load: Loader, people: People, delay: int) -> None:
    """The new external_id is somebody else's: the record is that one's from now on."""
    settings = {"mappings": BY_ROW, "search_delay_seconds": delay}
    load(by_row({"row": 1, **ANN, "groups": ["a", "b"]}), **settings)
    tag_by_hand(people, "foreign", people.one()["id"])
    other = people.add(external_id="2", email=B)
    tag_by_hand(people, "b", other)
    done = load(by_row({"row": 1, "id": "2", "email": B, "groups": ["a", "b"]}), **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == {"1": {"foreign"}, "2": {"a", "b"}}
    assert load(by_row({"row": 1, "id": "2", "email": B, "groups": []}), **settings).exit_code == 0
    assert all_tags(people) == {"1": {"foreign"}, "2": {"b"}}


@SIZES
def test_two_records_of_one_contact_that_part_take_their_groups_along(load: Loader, people: People, size: int) -> None:
    settings = {"mappings": BY_ROW, "batch_size_rows": size}
    load(by_row({"row": 1, **ANN, "groups": ["a", "both"]}, {"row": 2, **ANN, "groups": ["b", "both"]}), **settings)
    parted = {"row": 2, "id": "2", "email": B, "groups": ["b", "both"]}
    done = load(by_row({"row": 1, **ANN, "groups": ["a", "both"]}, parted), **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == {"1": {"a", "both"}, "2": {"b", "both"}}


def test_leads_get_their_groups(load: Loader, people: People) -> None:
    rows = listing(*({"id": str(n), "email": f"p{n}@example.com", "groups": ["a"]} for n in range(3)))
    assert tagged(load(rows, creation_mode="lead")) == (3, 0)
    assert {(one["role"], *one["tags"]) for one in people.live()} == {("lead", "a")}
    assert tag_calls(load(rows, creation_mode="lead")) == {}


@DELAYS
def test_a_lead_that_becomes_a_user_keeps_its_tags(load: Loader, people: People, delay: int) -> None:
    settings = {"creation_mode": "lifecycle", "mappings": BY_ROW, "search_delay_seconds": delay}
    load(by_row({"row": 1, "email": A, "groups": ["a", "b"]}), **settings)
    tag_by_hand(people, "foreign", people.one(role="lead")["id"])
    done = load(by_row({"row": 1, "id": "1", "email": A, "groups": ["b", "c"]}), **settings)
    assert tagged(done) == (1, 1)
    assert people.one()["role"] == "user"
    assert tags_of(people) == {"b", "c", "foreign"}


@DELAYS
def test_a_lead_that_was_merged_by_hand_leaves_its_groups_to_the_user(load: Loader, people: People, delay: int) -> None:
    settings = {"creation_mode": "lead", "mappings": BY_ROW, "search_delay_seconds": delay}
    load(by_row({"row": 1, "email": A, "groups": ["a"]}), **settings)
    user = people.add(external_id="9", email=A)
    people.call("POST", "/contacts/merge", {"from": people.one(role="lead")["id"], "into": user})
    done = load(by_row({"row": 1, "email": A, "name": "New", "groups": ["a", "b"]}), **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert tags_of(people, id=user) == {"a", "b"}


# Names that Intercom refuses.


class PickyTags(Tags):
    """Tags that may not have some names."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = set(refused)

    def save(self, body: Mapping[str, Any]) -> Tag:
        if body.get("name") in self.refused:
            raise errors.invalid("Tag name is not allowed")
        return super().save(body)


def test_a_name_that_intercom_refuses_is_left_out_and_tried_again_by_the_next_run(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    picky = sandbox.workspace.tags = PickyTags("bad")
    rows = listing({"id": "1", "groups": ["good", "bad"]}, {"id": "2", "groups": ["bad"]}, {"id": "3", "groups": ["x"]})
    first = load(rows)
    assert (first.exit_code, first.results(), len(first.states)) == (0, {"created": 3}, 1)
    assert (first.stream()["tagged"], left_out(first)) == (2, 2)
    assert all_tags(people) == {"1": {"good"}, "2": set(), "3": {"x"}}
    second = load(rows)
    assert (second.exit_code, second.results()) == (0, {"unchanged": 3})
    assert (second.stream()["tagged"], left_out(second)) == (0, 2)
    picky.refused.clear()
    third = load(rows)
    assert (third.stream()["tagged"], left_out(third)) == (2, 0)
    assert all_tags(people) == {"1": {"good", "bad"}, "2": {"bad"}, "3": {"x"}}
    assert tag_calls(load(rows)) == {}


def test_a_refused_name_of_a_contact_that_was_inserted_is_tried_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    picky = sandbox.workspace.tags = PickyTags("bad")
    assert left_out(load(ann("good", "bad"), sync_mode="insert")) == 1
    picky.refused.clear()
    assert load(ann("good", "bad"), sync_mode="insert").exit_code == 0
    assert tags_of(people) == {"good", "bad"}


def test_a_refused_name_is_said_without_the_name(load: Loader, sandbox: SandboxServer, caplog: Any) -> None:
    sandbox.workspace.tags = PickyTags("ann@private.example")
    load(ann("ann@private.example"))
    assert "could not become tags" in caplog.text
    assert "ann@private.example" not in caplog.text


def test_a_refused_name_that_the_list_loses_is_forgotten(load: Loader, people: People, sandbox: SandboxServer) -> None:
    sandbox.workspace.tags = PickyTags("bad")
    load(ann("good", "bad"))
    done = load(ann("good"))
    assert (done.exit_code, left_out(done)) == (0, 0)
    assert tags_of(people) == {"good"}
    assert tag_calls(load(ann("good"))) == {}


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.ERROR_AFTER, Fault.RESET_AFTER, Fault.GARBAGE, Fault.TOO_MANY])
def test_a_call_that_fails_once_is_repeated(load: Loader, people: People, sandbox: SandboxServer, fault: Fault) -> None:
    sandbox.conditions.plan.add(TargetedFault(fault, "POST", "/tags", body_contains="users"))
    sandbox.conditions.rate_window = 0.2
    done = load(ann("a", "b"))
    assert tagged(done) == (2, 0)
    assert tags_of(people) == {"a", "b"}
    sandbox.conditions.plan.add(TargetedFault(fault, "DELETE"))
    done = load(ann("b"))
    assert tagged(done) == (0, 1)
    assert tags_of(people) == {"b"}


# API versions.


@pytest.mark.parametrize("version", ["2.15", "2.16"])
def test_one_missing_contact_costs_the_others_nothing(
    load: Loader, people: People, sandbox: SandboxServer, version: str
) -> None:
    rows = [{"id": str(n), "groups": ["a"]} for n in range(4)]
    load(listing(*rows), api_version=version)
    people.archive(people.one(external_id="2")["id"])
    done = load(listing(*({**row, "groups": ["a", "b"]} for row in rows)), api_version=version)
    assert done.exit_code == 0
    expected = {str(n): {"a", "b"} for n in (0, 1, 3)}
    assert {who: tags for who, tags in all_tags(people).items() if who != "2"} == expected
    assert done.stream()["tagged"] == 3 + (people.one(external_id="2")["state"] == "live")
    assert {call.version for call in sandbox.calls[-3:]} == {version}


def test_version_2_15_puts_on_and_takes_off(load: Loader, people: People) -> None:
    rows = [{"id": str(n), "groups": ["a", "b"]} for n in range(3)]
    assert tagged(load(listing(*rows), api_version="2.15")) == (6, 0)
    assert tagged(load(listing(*({**row, "groups": ["b", "c"]} for row in rows)), api_version="2.15")) == (3, 3)
    assert all(tags == {"b", "c"} for tags in all_tags(people).values())


# What the index does not show yet.


def test_runs_right_after_one_another_do_not_ask_the_lagging_index(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    (contact,) = add_people(people, [1]).values()
    tag_by_hand(people, "foreign", contact)
    sandbox.conditions.search_lag = LAG
    for groups in (["a"], ["b"], ["a", "b"], ["a"], [], ["b", "c"], ["c"]):
        assert load(listing({"id": "1", "groups": groups}), search_delay_seconds=LAG).exit_code == 0
        assert tags_of(people) == {"foreign", *groups}


@pytest.mark.parametrize("mode", ["user", "lead"])
def test_a_contact_that_the_index_does_not_show_yet_gets_its_tags(
    load: Loader, people: People, sandbox: SandboxServer, mode: str
) -> None:
    sandbox.conditions.search_lag = LAG
    for groups in (["a"], ["b", "c"], ["c"]):
        done = load(ann(*groups), search_delay_seconds=LAG, creation_mode=mode)
        assert (done.exit_code, done.refusals, left_out(done)) == (0, [], 0)
        assert tags_of(people) == set(groups)


def test_a_stream_that_follows_right_after_another_one_finds_its_tags(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = LAG
    load(ann("a"), search_delay_seconds=LAG)
    shop = load(listing({**ANN, "groups": ["A", "b"]}, stream="shop"), search_delay_seconds=LAG)
    assert tagged(shop, "shop") == (1, 0)
    assert load(ann(), search_delay_seconds=LAG).exit_code == 0
    assert tags_of(people) == {"a", "b"}
    assert load(listing({**ANN, "groups": []}, stream="shop"), search_delay_seconds=LAG).exit_code == 0
    assert tags_of(people) == set()


# Without memory.


def test_a_lost_ledger_takes_off_nothing_that_it_put_on_before(load: Loader, people: People) -> None:
    load(ann("a", "b"), search_delay_seconds=0)
    for file in load.data_dir.glob("ledger.db*"):
        file.unlink()
    done = load(ann("b", "c"), search_delay_seconds=0)
    assert tagged(done) == (1, 0)
    assert tags_of(people) == {"a", "b", "c"}
    assert tagged(load(ann(), search_delay_seconds=0)) == (0, 1)
    assert tags_of(people) == {"a", "b"}


def test_without_a_ledger_nothing_is_sent_for_tags_that_are_on(load: Loader, people: People) -> None:
    contacts = add_people(people, [1, 2])
    for n in range(11):
        tag_by_hand(people, f"t{n}", *contacts.values())
    rows = listing({"id": "1", "groups": ["t0", "t10"]}, {"id": "2", "groups": ["T1"]})
    done = load(rows, ledger_url="none")
    assert tagged(done) == (0, 0)
    assert not {PUT_ON, PUT_ONE, TAKE_OFF} & set(done.calls)


# STATE.


@pytest.mark.parametrize("what", ["on", "off"])
def test_no_state_comes_out_before_the_tags_are_done_and_the_next_run_does_them(
    load: Loader, people: People, sandbox: SandboxServer, what: str
) -> None:
    load(ann("a"))
    sandbox.conditions.deny_scopes = ("write_tags",)
    groups = ["a", "b"] if what == "on" else []
    failed = load([*ann(*groups, name="New"), state({"bookmarks": {"customers": {}}, "n": 2})])
    assert (failed.exit_code, failed.states) == (1, [])
    assert people.one()["name"] == "New"
    sandbox.conditions.deny_scopes = ()
    done = load(ann(*groups, name="New"))
    assert tagged(done) == ((1, 0) if what == "on" else (0, 1))
    assert done.states == [{"bookmarks": {"customers": {}}, "n": 1}]
    assert tags_of(people) == set(groups)


@pytest.mark.parametrize("mode", ["sync", "additive", "insert"])
@LEDGERS
def test_a_contact_that_a_cut_off_run_made_gets_its_tags_from_the_next_one(
    load: Loader, people: People, sandbox: SandboxServer, mode: str, ledger: object
) -> None:
    """STATE was held back, so that the tap sends the record again; `insert` without a memory cannot know."""
    cut_off_before_tagging(load, sandbox, ann("a"), sync_mode=mode, ledger_url=ledger)
    assert people.one()["tags"] == []
    done = load(ann("a"), sync_mode=mode, ledger_url=ledger)
    assert done.exit_code == 0
    assert tags_of(people) == (set() if (mode, ledger) == ("insert", "none") else {"a"})


def test_a_run_that_may_not_write_tags_does_no_harm_to_what_is_ours(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """The tags of the run that failed are the next one's, also when the list has changed again by then."""
    load(ann("a"))
    sandbox.conditions.deny_scopes = ("write_tags",)
    assert load(ann("b", "c")).exit_code == 1
    sandbox.conditions.deny_scopes = ()
    assert load(ann("c")).exit_code == 0
    assert tags_of(people) == {"c"}
    assert load(ann()).exit_code == 0
    assert tags_of(people) == set()


def test_a_run_that_was_cut_off_after_intercom_tagged_knows_the_tag_for_its_own(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    class Revoking(TargetedFault):
        """The token is revoked as soon as the first tag is on."""

        def fits(self, request: Any) -> bool:
            if any("a" in one["tags"] for one in people.everyone()):
                sandbox.conditions.token_revoked = True
            return False

    sandbox.conditions.plan.add(Revoking(Fault.ERROR))
    failed = load(ann("a", "b", "c"), max_connections=1)
    assert (failed.exit_code, failed.states) == (1, [])
    sandbox.conditions.plan.clear()
    sandbox.conditions.token_revoked = False
    assert "a" in tags_of(people)
    assert load(ann("a", "b", "c")).exit_code == 0
    assert tags_of(people) == {"a", "b", "c"}
    assert load(ann()).exit_code == 0
    assert tags_of(people) == set()


def cut_off_before_tagging(load: Loader, sandbox: SandboxServer, rows: list[Row], **settings: Any) -> None:
    sandbox.conditions.deny_scopes = ("write_tags",)
    failed = load(rows, **settings)
    assert (failed.exit_code, failed.states) == (1, [])
    sandbox.conditions.deny_scopes = ()


def test_a_tag_that_two_cut_off_runs_wanted_and_let_go_of_is_put_on_when_it_is_wanted_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    tag_by_hand(people, "a")
    load(ann())
    cut_off_before_tagging(load, sandbox, ann("a"))
    cut_off_before_tagging(load, sandbox, ann())
    done = load(ann("a"))
    assert tags_of(people) == {"a"}
    assert tagged(done) == (1, 0)


@pytest.mark.parametrize("mode", ["sync", "additive"])
def test_a_tag_that_a_cut_off_run_wanted_and_the_next_run_did_not_is_put_on_when_it_is_wanted_again(
    load: Loader, people: People, sandbox: SandboxServer, mode: str
) -> None:
    tag_by_hand(people, "a")
    load(ann(), sync_mode=mode)
    cut_off_before_tagging(load, sandbox, ann("a"), sync_mode=mode)
    assert tagged(load(ann(), sync_mode=mode)) == (0, 0)
    assert tags_of(people) == set()
    assert tagged(load(ann("a"), sync_mode=mode)) == (1, 0)
    assert tags_of(people) == {"a"}


def test_a_tag_that_was_taken_off_unheard_is_put_on_when_it_is_wanted_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """The answer to the call that takes it off is lost, and nothing gets through after it."""
    load(ann("a"))

    class Revoking(TargetedFault):
        """The token is revoked with the call."""

        def fits(self, request: Any) -> bool:
            fits = super().fits(request)
            sandbox.conditions.token_revoked |= fits
            return fits

    sandbox.conditions.plan.add(Revoking(Fault.RESET_AFTER, "DELETE"))
    failed = load(ann())
    assert (failed.exit_code, failed.states, tags_of(people)) == (1, [], set())
    sandbox.conditions.plan.clear()
    sandbox.conditions.token_revoked = False
    assert load(ann("a")).exit_code == 0
    assert tags_of(people) == {"a"}


@SIZES
def test_a_tag_that_a_cut_off_run_wanted_is_put_on_also_where_a_record_lets_go_of_it_first(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    tag_by_hand(people, "a")
    load(ann())
    cut_off_before_tagging(load, sandbox, ann("a"))
    load(listing({**ANN, "groups": []}, {**ANN, "groups": ["a"]}), batch_size_rows=size)
    assert tags_of(people) == {"a"}


def test_a_tag_that_a_cut_off_run_wanted_is_put_on_also_where_another_record_wants_it_now(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    tag_by_hand(people, "a")
    first, second = {"row": 1, **ANN}, {"row": 2, **ANN}
    load(by_row({**first, "groups": []}, {**second, "groups": []}), mappings=BY_ROW)
    cut_off_before_tagging(load, sandbox, by_row({**first, "groups": ["a"]}), mappings=BY_ROW)
    done = load(by_row({**first, "groups": []}, {**second, "groups": ["a"]}), mappings=BY_ROW)
    assert done.exit_code == 0
    assert tags_of(people) == {"a"}


# Calls.


def test_a_tag_is_put_on_fifty_contacts_a_call(load: Loader, sandbox: SandboxServer) -> None:
    done = load(listing(*({"id": str(n), "groups": ["a"]} for n in range(120))))
    assert tagged(done) == (120, 0)
    assert sorted(users_sent(sandbox)) == [20, 50, 50]
    assert tag_calls(done)[LIST_TAGS] == 1
    assert tag_calls(done)[PUT_ON] <= 4


def test_only_contacts_without_their_tag_are_sent(load: Loader, people: People, sandbox: SandboxServer) -> None:
    contacts = add_people(people, range(10))
    tag_by_hand(people, "a", *list(contacts.values())[:7])
    before = len(users_sent(sandbox))
    done = load(listing(*({"id": str(n), "groups": ["a"]} for n in range(10))))
    assert tagged(done) == (3, 0)
    assert users_sent(sandbox)[before:] == [3]


@pytest.mark.parametrize("row", [{"groups": []}, {"groups": None}, {}, {"groups": [" "]}], ids=str)
def test_who_is_in_no_group_costs_no_tag_call(load: Loader, row: Row) -> None:
    assert tag_calls(load(listing({**ANN, **row}))) == {}


@pytest.mark.parametrize(
    "again",
    [
        {"groups": ["a", "b"]},
        {"groups": ["b", "a"]},
        {"groups": ["B", " A ", "a", None]},
        {"groups": ["a", "b"], "name": "New"},
    ],
    ids=str,
)
@DELAYS
def test_the_same_groups_cost_no_tag_call(load: Loader, people: People, again: Row, delay: int) -> None:
    load(ann("a", "b"))
    done = load(listing({**ANN, **again}), search_delay_seconds=delay)
    assert (tagged(done), tag_calls(done)) == ((0, 0), {})
    assert people.one()["name"] == again.get("name", "Ann")


def test_a_tag_is_taken_off_by_one_call_and_none_is_put_on(load: Loader, people: People) -> None:
    load(ann("a", "b", "c"))
    done = load(ann("b"))
    assert tagged(done) == (0, 2)
    assert tag_calls(done)[TAKE_OFF] == 2
    assert not {PUT_ON, PUT_ONE} & set(done.calls)
    assert tags_of(people) == {"b"}


def test_repairs_of_what_is_right_write_nothing(load: Loader, people: People) -> None:
    rows = listing(*({"id": str(n), "groups": ["a", "b"]} for n in range(3)))
    load(rows)
    for delay in (0, 600):
        done = load(rows, repair=True, search_delay_seconds=delay)
        assert (done.exit_code, done.writes, done.results()) == (0, 0, {"unchanged": 3})
    assert all(tags == {"a", "b"} for tags in all_tags(people).values())


def test_records_that_are_refused_put_on_nothing(load: Loader, people: People) -> None:
    people.add(role="lead", email=A)
    people.add(role="lead", email=A)
    rows: Sequence[Row] = ({"id": None, "email": A, "groups": ["a"]}, {"id": None, "email": None, "groups": ["a"]})
    done = load(listing(*rows), creation_mode="lead")
    assert done.results() == {"rejected": 1, "invalid": 1}
    assert tag_calls(done) == {}


def test_the_report_says_per_stream_how_many_tags_went_on_and_off(load: Loader) -> None:
    first = [*ann("a", "b"), *listing({"id": "2", "groups": ["a"]}, stream="shop")]
    done = load(first)
    assert (tagged(done), tagged(done, "shop")) == ((2, 0), (1, 0))
    done = load([*ann("b", "c"), *listing({"id": "2", "groups": []}, stream="shop")])
    assert (tagged(done), tagged(done, "shop")) == ((1, 1), (0, 1))
