"""The ledger, from outside: what it saves a run, when it does not believe itself, and what losing it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import record, schema
from tests.support.remembering import (
    BY_ROW,
    GET,
    POST,
    PUT,
    SEARCH,
    TYPES,
    WHEN,
    Row,
    assert_quiet,
    customers,
    person,
    puts,
    rows,
)

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People


pytestmark = pytest.mark.usefixtures("by_row")

# Unchanged records.

FIVE = [person(number) for number in range(5)]
KEYED_BY_TWO = [person(number, row=number % 2, seats=number // 2) for number in range(4)]
UNCHANGED: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "one stream": (customers(*FIVE), {}),
    "batches": (customers(*FIVE), {"batch_size_rows": 2}),
    "streams": ([*customers(*FIVE[:2]), *rows("staff", *FIVE[2:])], {}),
    "streams in turns": (
        [
            schema("customers", ["row"], **TYPES),
            schema("staff", ["row"], **TYPES),
            *(record(("customers", "staff")[number % 2], **FIVE[number]) for number in range(5)),
        ],
        {"batch_size_rows": 1},
    ),
    "the same key in two streams": ([*customers(person(1)), *rows("staff", person(2, row=1))], {}),
    "a key of two properties": (customers(*KEYED_BY_TWO, keys=("row", "seats")), {}),
    "a key of two properties, one of them null": (
        customers(*({**row, "seats": row["seats"] or None} for row in KEYED_BY_TWO), keys=("row", "seats")),
        {},
    ),
    "keys that look alike": (
        customers(
            person(1, name="1", plan="23"), person(2, name="12", plan="3"), person(3, name="1,2", plan='3"]'),
            keys=("name", "plan"),
        ),
        {},
    ),
    "a key of any length": (customers(*(person(n, plan="k" * 600 + str(n)) for n in range(3)), keys=("plan",)), {}),
    "a key of any letters": (
        customers(*(person(n, name=f"Zoë \U0001f600 ' \" \\ % _ \n {n}") for n in range(3)), keys=("name",)),
        {},
    ),
    "no key": (customers(*FIVE, keys=()), {}),
    "no key and no external_id": (customers(*({**row, "id": None} for row in FIVE), keys=()), {}),
    "no key, email first": (customers(*FIVE, keys=()), {"match_by": ["email", "external_id"]}),
    "leads": (customers(*({**row, "id": None} for row in FIVE)), {"creation_mode": "lead"}),
    "lifecycle": (customers(*FIVE[:3], {**FIVE[3], "id": None}), {"creation_mode": "lifecycle"}),
    "mode sync": (customers(*FIVE), {"sync_mode": "sync"}),
    "nulls": (customers(*({**row, "plan": None, "name": None} for row in FIVE)), {}),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "settings"), UNCHANGED.values(), ids=UNCHANGED)
def test_unchanged_records_cost_no_call(
    load: Loader, people: People, messages: list[Row], settings: dict[str, Any]
) -> None:
    first = load(messages, **settings)
    created = first.calls[POST]
    assert created == len(people.everyone()) > 0
    after = people.everyone()
    for _ in range(2):
        again = load(messages, **settings)
        assert_quiet(again)
        assert sum(again.results(name).get("unchanged", 0) for name in again.report["streams"]) == created
        assert again.states == first.states
    assert people.everyone() == after


@pytest.mark.parametrize("mode", ["enrich", "insert"])
def test_records_of_contacts_that_were_there_before_us_are_quiet_too(load: Loader, people: People, mode: str) -> None:
    people.add(external_id="1", email="p1@example.com", name="P 1")
    messages = customers({"row": 1, "id": "1", "name": "P 1"})
    first = load(messages, sync_mode=mode)
    again = load(messages, sync_mode=mode)
    assert_quiet(again)
    assert again.results() == first.results()


def test_the_order_of_records_and_the_size_of_batches_do_not_matter(load: Loader) -> None:
    load(customers(*FIVE), batch_size_rows=2)
    assert_quiet(load(customers(*reversed(FIVE)), batch_size_rows=3))


@pytest.mark.parametrize(
    ("earlier", "later"), [(7, "7"), ("7", 7), (7, 7.0), (7.5, "7.5"), (10**20, str(10**20)), (True, "true")], ids=repr
)
def test_the_same_key_as_a_text_or_a_number_is_the_same_key(load: Loader, earlier: object, later: object) -> None:
    load(customers(person(1, row=earlier), row="any"))
    assert_quiet(load(customers(person(1, row=later), row="any")))


def test_the_same_text_in_other_letters_is_another_key(load: Loader) -> None:
    load(customers(person(1, row="a"), person(2, row="A"), row="text"))
    assert_quiet(load(customers(person(2, row="A"), person(1, row="a"), row="text")))


def test_records_that_come_twice_are_merged_without_a_call(load: Loader) -> None:
    load(customers(*FIVE))
    again = load(customers(*FIVE, *FIVE))
    assert_quiet(again)
    assert again.results() == {"unchanged": 5, "merged": 5}


def test_a_ledger_is_of_one_workspace(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """Another workspace's contacts are other contacts, although the keys are the same."""
    load(customers(*FIVE))
    sandbox.sandbox.reset()
    done = load(customers(*FIVE))
    assert done.results() == {"created": 5}
    assert_quiet(load(customers(*FIVE)))


def test_a_ledger_elsewhere_serves_as_well(load: Loader, people: People) -> None:
    url = f"sqlite:///{load.data_dir.parent / 'kept' / 'here.sqlite'}"
    load(customers(*FIVE), ledger_url=url)
    other = replace(load, data_dir=load.data_dir.with_name("other"))
    assert_quiet(other(customers(*FIVE), ledger_url=url))
    assert not (load.data_dir / "ledger.db").exists()


# Changed records.


def test_changed_records_cost_one_update_each_and_no_search(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(customers(*(person(number) for number in range(20))))
    changed = [person(number, name="New") if number % 4 == 0 else person(number) for number in range(20)]
    done = load(customers(*changed), batch_size_rows=7)
    assert done.calls == {"GET /me": 1, "GET /data_attributes": 1, PUT: 5}
    assert done.results() == {"updated": 5, "unchanged": 15}
    assert {one["external_id"] for one in people.everyone() if one["name"] == "New"} == {"0", "4", "8", "12", "16"}
    assert_quiet(load(customers(*changed)))


def test_an_update_from_memory_has_all_of_the_record(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """It has not read the contact, so it says all that it knows of it: hand edits of a changed record are undone."""
    load(customers(person(1, seats=3)))
    contact = people.one(external_id="1")["id"]
    people.call("PUT", f"/contacts/{contact}", {"name": "By hand", "custom_attributes": {"seats": 9}})
    del sandbox.calls[:]
    load(customers(person(1, seats=3, plan=None)))
    assert puts(sandbox) == [
        {
            "external_id": "1",
            "email": "p1@example.com",
            "name": "P 1",
            "custom_attributes": {"plan": None, "seats": 3},
        }
    ]
    assert people.one(id=contact)["custom_attributes"] == {"plan": None, "seats": 3}


def test_a_record_that_only_lost_properties_writes_nothing(load: Loader, people: People) -> None:
    """An absent property leaves its attribute alone."""
    load(customers(person(1), person(2)))
    after = people.everyone()
    less = [{"row": 1, "id": "1", "email": "p1@example.com"}, {"row": 2, "id": "2", "plan": "pro"}]
    done = load(customers(*less))
    assert done.writes == 0
    assert done.results() == {"unchanged": 2}
    assert people.everyone() == after
    assert_quiet(load(customers(*less)))


def test_properties_that_come_back_with_another_value_are_written(load: Loader, people: People) -> None:
    load(customers(person(1, plan="pro")))
    load(customers({"row": 1, "id": "1", "name": "P 1"}))
    load(customers(person(1, plan="free")))
    assert people.one(external_id="1")["custom_attributes"] == {"plan": "free"}


def test_a_new_column_is_written_where_it_has_a_value(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(customers(*(person(number) for number in range(100))))
    wider = [person(number, seats=number if number % 50 == 0 else None) for number in range(100)]
    done = load(customers(*wider), search_delay_seconds=0)
    assert done.results() == {"updated": 2, "unchanged": 98}
    assert (done.calls[PUT], done.calls.get(GET, 0)) == (2, 0)
    assert done.calls.get(SEARCH, 0) <= 3
    assert_quiet(load(customers(*wider)))


def test_a_value_that_became_null_is_cleared(load: Loader, people: People) -> None:
    load(customers(person(1)))
    done = load(customers(person(1, plan=None, name=None)))
    assert done.results() == {"updated": 1}
    assert (people.one(external_id="1")["name"], people.one(external_id="1")["custom_attributes"]) == (
        None,
        {"plan": None},
    )


def test_what_is_not_loaded_is_no_change(load: Loader) -> None:
    load.settings["mappings"] = {**BY_ROW, "plan": None}
    load(customers(person(1, plan="pro")))
    assert_quiet(load(customers(person(1, plan="free", _sdc_batched_at=WHEN), _sdc_batched_at="datetime")))


def test_a_value_that_goes_back_is_written_back(load: Loader, people: People) -> None:
    for name in ("A", "B", "A"):
        done = load(customers(person(1, name=name)))
        assert done.calls.get(PUT, 0) + done.calls.get(POST, 0) == 1
        assert people.one(external_id="1")["name"] == name


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_record_that_changes_within_a_run_ends_as_its_last(load: Loader, people: People, size: int) -> None:
    load(customers(person(1, name="A")))
    load(customers(person(1, name="B"), person(1, name="A"), person(2)), batch_size_rows=size)
    assert people.one(external_id="1")["name"] == "A"
    last = customers(person(1, name="A"), person(2))
    assert load(last).writes == 0
    assert_quiet(load(last))


@pytest.mark.parametrize("size", [1, 10])
def test_a_record_that_was_refused_is_not_taken_for_loaded(load: Loader, people: People, size: int) -> None:
    load.settings["mappings"] = {**BY_ROW, "plan": "owner_id"}
    load(customers(person(1, plan=None), person(2, plan=None)))
    refused = customers(person(1, plan="7", name="New"), person(2, plan=None), person(3, plan="7"))
    for _ in range(2):
        done = load(refused, batch_size_rows=size)
        assert done.results() == {"rejected": 2, "unchanged": 1}
    done = load(customers(person(1, plan=None), person(2, plan=None)))
    assert done.writes == 0


def test_an_invalid_record_is_not_taken_for_loaded(load: Loader, people: People) -> None:
    load(customers(person(1)))
    assert load(customers(person(1, seats="many"))).results() == {"invalid": 1}
    done = load(customers(person(1, seats=3)))
    assert done.results() == {"updated": 1}


def test_an_attribute_that_was_left_out_is_written_once_it_is_there(load: Loader, people: People) -> None:
    messages = customers(*FIVE)
    load(messages, create_attributes=False)
    assert_quiet(load(messages, create_attributes=False))
    people.call("POST", "/data_attributes", {"name": "plan", "model": "contact", "data_type": "string"})
    done = load(messages, create_attributes=False)
    assert done.calls[PUT] == 5
    assert all(one["custom_attributes"] == {"plan": "pro"} for one in people.everyone())


# Repair.


def test_repair_undoes_what_was_done_by_hand_and_without_it_an_unchanged_record_does_not(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(customers(*FIVE))
    contact = people.one(external_id="3")["id"]
    people.call("PUT", f"/contacts/{contact}", {"name": "By hand"})
    assert_quiet(load(customers(*FIVE)))
    assert people.one(id=contact)["name"] == "By hand"
    del sandbox.calls[:]
    done = load(customers(*FIVE), repair=True, search_delay_seconds=0)
    assert done.results() == {"updated": 1, "unchanged": 4}
    assert (done.calls[SEARCH], done.calls[PUT]) == (1, 1)
    assert puts(sandbox) == [{"name": "P 3"}]
    assert people.one(id=contact)["name"] == "P 3"
    assert_quiet(load(customers(*FIVE)))


def test_repair_brings_back_who_was_archived_by_hand(load: Loader, people: People) -> None:
    load(customers(*FIVE))
    contact = people.one(external_id="3")["id"]
    people.call("POST", f"/contacts/{contact}/archive", {})
    assert_quiet(load(customers(*FIVE)))
    assert people.one(id=contact)["state"] == "archived"
    done = load(customers(*FIVE), repair=True)
    assert done.results() == {"updated": 1, "unchanged": 4}
    assert (people.one(id=contact)["state"], len(people.everyone())) == ("live", 5)


# Changed settings.

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sync_mode": ({}, {"sync_mode": "sync"}),
    "sync_mode, to enrich": ({}, {"sync_mode": "enrich"}),
    "sync_mode, from enrich": ({"sync_mode": "enrich"}, {"sync_mode": "additive"}),
    "sync_mode, to insert": ({}, {"sync_mode": "insert"}),
    "creation_mode": ({}, {"creation_mode": "lifecycle"}),
    "creation_mode, to lead": ({}, {"creation_mode": "lead"}),
    "match_by": ({}, {"match_by": ["email", "external_id"]}),
    "mappings": ({}, {"mappings": {**BY_ROW, "name": "name"}}),
    "unmapped": ({}, {"unmapped": "ignore", "mappings": {**BY_ROW, "email": "email"}}),
    "clear_nulls": ({}, {"clear_nulls": False}),
    "deleted_property": ({}, {"deleted_property": "gone"}),
    "create_attributes": ({}, {"create_attributes": False}),
    "of the stream": ({}, {"streams": {"customers": {"sync_mode": "sync"}}}),
}


@pytest.mark.parametrize(("earlier", "later"), SETTINGS.values(), ids=SETTINGS)
def test_changed_settings_are_compared_through_a_search_and_not_written_blindly(
    load: Loader, people: People, earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    for row in FIVE:
        people.add(external_id=row["id"], email=row["email"])
    load(customers(*FIVE), **earlier)
    after = people.everyone()
    assert_quiet(load(customers(*FIVE), **earlier))
    compared = load(customers(*FIVE), search_delay_seconds=0, **later)
    assert (compared.exit_code, compared.writes) == (0, 0)
    assert compared.calls[SEARCH] == 1
    assert sum(compared.results().values()) == compared.results().get("unchanged", 0) + compared.results().get(
        "skipped", 0
    )
    assert_quiet(load(customers(*FIVE), **later))
    assert people.everyone() == after


def test_a_changed_mapping_is_written_where_something_differs(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    some = [person(0), person(1, plan=None), person(2)]
    load(customers(*some))
    contact = people.one(external_id="2")["id"]
    people.call("PUT", f"/contacts/{contact}", {"phone": "pro"})
    del sandbox.calls[:]
    mapped = {**BY_ROW, "plan": "phone"}
    done = load(customers(*some), mappings=mapped, search_delay_seconds=0)
    assert done.results() == {"updated": 1, "unchanged": 2}
    assert puts(sandbox) == [{"phone": "pro"}]
    assert_quiet(load(customers(*some), mappings=mapped))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"sync_mode": "sync"}, {"sync_mode": "sync", "removal_mode": "delete"}),
        ({"sync_mode": "sync"}, {"sync_mode": "sync", "snapshot": True}),
        ({}, {"rate_limit_percent": 50}),
        ({}, {"max_connections": 3}),
        ({}, {"max_rejected_records": 0}),
        ({"sync_mode": "sync"}, {"sync_mode": "sync", "max_removal_percent": 0}),
        ({}, {"search_delay_seconds": 30}),
        ({}, {"batch_size_rows": 2}),
        ({"sync_mode": "sync"}, {"streams": {"customers": {"sync_mode": "sync"}}}),
        ({}, {"streams": {"others": {"sync_mode": "sync"}}}),
        ({}, {"mappings": dict(reversed(BY_ROW.items()))}),
        ({}, {"sync_mode": "additive", "match_by": ["external_id", "email"], "clear_nulls": True}),
    ],
    ids=str,
)
def test_settings_that_change_nothing_of_what_is_written_cause_no_comparison(
    load: Loader, earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    load(customers(*FIVE), **earlier)
    assert_quiet(load(customers(*FIVE), **later))
