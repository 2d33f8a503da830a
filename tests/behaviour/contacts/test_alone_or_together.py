"""Small histories that random ones have shown: they end alike whatever the size of the batches, and then rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import record, schema, state
from tests.support.remembering import BY_ROW, TYPES, customers, rows

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

SIZES = pytest.mark.parametrize("batch_size_rows", [1, 100])


@pytest.fixture
def table(load: Loader) -> Loader:
    load.settings |= {"mappings": BY_ROW, "search_delay_seconds": 0}
    return load


def live(people: People, *names: str) -> list[Any]:
    return sorted(tuple(one[name] for name in names) for one in people.live())


@SIZES
def test_a_row_has_the_word_again_once_the_one_that_overruled_it_has_left_its_contact(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"batch_size_rows": batch_size_rows}
    first, last = {"row": 1, "id": "1", "name": "First"}, {"row": 2, "id": "1", "name": "Last"}
    table(customers(first, last))
    assert live(people, "external_id", "name") == [("1", "Last")]
    table(customers({**last, "id": "2"}, first))
    assert live(people, "external_id", "name") == [("1", "First"), ("2", "Last")]


@SIZES
def test_a_row_that_changes_nothing_wakes_no_row_that_it_has_overruled(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"batch_size_rows": batch_size_rows}
    first, last = {"row": 1, "id": "1", "name": "First"}, {"row": 2, "id": "1", "name": "Last"}
    table(customers(first, last, {"row": 2, "id": "1"}))
    done = table(customers(last, first))
    assert (done.results(), done.writes) == ({"unchanged": 2}, 0)
    assert live(people, "external_id", "name") == [("1", "Last")]


@SIZES
def test_a_record_that_intercom_refuses_in_every_run_has_the_others_of_its_contact_rest(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"mappings": {**BY_ROW, "plan": "owner_id"}, "batch_size_rows": batch_size_rows}
    shared = [{"row": 5, "email": "p@example.com", "name": "Five"}, {"row": 14, "email": "p@example.com", "name": "14"}]
    refused = {"row": 23, "email": "p@example.com", "plan": "7"}
    table(customers(*shared, refused))
    for _ in range(2):
        done = table(customers(*shared, refused))
        assert done.calls.get("PUT /contacts/{id}", 0) <= 1, "the refused one alone"
        assert (done.results()["rejected"], done.results().get("updated", 0)) == (1, 0)
    assert live(people, "name") == [("14",)]


@SIZES
def test_a_mark_that_removes_nobody_is_taken_back_by_a_later_live_record(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"sync_mode": "additive", "deleted_property": "_sdc_deleted_at"}
    two, five = {"row": 2, "email": "c@example.com", "name": "Two"}, {"row": 5, "email": "c@example.com", "name": "5"}
    table(customers(two, five))
    mark = {**two, "_sdc_deleted_at": "2026-05-01T12:00:00Z"}
    done = table(customers(mark, two), batch_size_rows=batch_size_rows)
    assert done.results() == {"skipped": 1, "unchanged": 1}
    assert live(people, "name") == [("5",)]


@SIZES
def test_a_record_is_held_against_its_contact_as_another_row_has_left_it(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"match_by": ["email", "id"], "mappings": {**BY_ROW, "plan": "id"}}
    contact = people.add(email="old@example.com")
    table(
        customers(
            {"row": 2, "id": "9", "email": "p@example.com", "plan": contact}, {"row": 6, "id": "11", "plan": contact}
        ),
        batch_size_rows=1,
    )
    assert people.one(email="p@example.com")["external_id"] == "11"
    done = table(
        customers({"row": 2, "id": "9", "email": "p@example.com"}, {"row": 6, "name": "Six"}),
        batch_size_rows=batch_size_rows,
    )
    assert done.results() == {"rejected": 1, "updated": 1}
    assert live(people, "external_id", "email", "name") == [("11", "p@example.com", "Six")]


@SIZES
def test_an_unchanged_record_stays_where_it_is_while_another_takes_its_external_id(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"creation_mode": "lead", "match_by": ["email"]}
    first = {"row": 3, "id": "18", "email": "p@example.com", "name": "Three"}
    last = {"row": 12, "id": "1", "email": "p@example.com", "name": "Twelve"}
    table(customers(first, last))
    people.add(external_id="18", email="z@example.com")
    done = table(customers({"row": 7, "id": "18", "email": "n@example.com"}, first), batch_size_rows=batch_size_rows)
    assert done.results() == {"created": 1, "unchanged": 1}
    assert people.one(email="p@example.com")["name"] == "Twelve"


def test_a_contact_written_moments_ago_is_not_made_twice_when_its_record_moves_on(
    table: Loader, people: People, sandbox: SandboxServer
) -> None:
    table.settings |= {"search_delay_seconds": 120, "streams": {"leads": {"creation_mode": "lifecycle"}}}
    sandbox.conditions.search_lag = 100
    table(customers({"row": 2, "email": "c@example.com"}))
    moved = customers({"row": 3, "id": "3"}, {"row": 2, "id": "3", "email": "b@example.com"})
    table([*moved, *rows("leads", {"row": 1, "email": "c@example.com"})], match_by=["external_id", "email"])
    assert sum(one["email"] == "c@example.com" for one in people.live()) == 1


@SIZES
def test_a_null_is_written_to_a_contact_that_was_written_moments_ago(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"search_delay_seconds": 120}
    table(customers({"row": 1, "id": "1", "name": "1", "seats": None}, {"row": 2, "id": "2", "seats": 5}))
    table(customers({"row": 1, "id": "2", "name": "One", "seats": None}), batch_size_rows=batch_size_rows)
    two = people.one(external_id="2")
    assert (two["name"], two["custom_attributes"]["seats"]) == ("One", None)


def test_an_order_whose_identifiers_are_two_persons_removes_neither(table: Loader, people: People) -> None:
    table.settings |= {"sync_mode": "remove", "match_by": ["email", "external_id"]}
    people.add(external_id="2", email="a@example.com")
    people.add(email="c@example.com")
    for _ in range(2):
        done = table(customers({"row": 1, "id": "2", "email": "c@example.com"}))
        assert [one["code"] for one in done.refusals] == ["ambiguous"]
    assert len(people.live()) == 2


@SIZES
def test_a_null_counts_whether_the_attribute_is_there_yet_or_not(table: Loader, batch_size_rows: int) -> None:
    piped = customers(
        {"row": 22, "email": "p@example.com", "seats": None}, {"row": 17, "email": "p@example.com", "seats": 0}
    )
    table(piped, batch_size_rows=batch_size_rows)
    assert table(piped, batch_size_rows=batch_size_rows).writes == 0


@SIZES
def test_in_insert_mode_a_list_of_groups_counts_only_where_it_made_its_contact(
    table: Loader, people: People, batch_size_rows: int
) -> None:
    table.settings |= {"sync_mode": "insert", "tags_property": "groups", "mappings": {"row": None}}
    table(
        customers(
            {"row": 1, "email": "p@example.com"}, {"row": 1, "email": "p@example.com", "groups": []}, groups="text"
        ),
        batch_size_rows=batch_size_rows,
    )
    table(customers({"row": 1, "email": "p@example.com", "groups": "Beta, Trial"}, groups="text"))
    assert people.one(email="p@example.com")["tags"] == []


MARK = {"_sdc_deleted_at": "2026-05-01T12:00:00Z"}


def test_a_mark_that_comes_again_does_not_forget_who_was_archived(
    table: Loader, people: People, sandbox: SandboxServer
) -> None:
    """Search goes on showing the contact: it is not there, and the live record brings it back."""
    table.settings |= {"sync_mode": "sync", "search_delay_seconds": 60}
    ann = {"row": 1, "id": "1", "email": "ann@example.com"}
    table(customers(ann))
    sandbox.conditions.search_lag = 1000
    assert [table(customers({"row": 1, **MARK})).results() for _ in range(2)] == [{"archived": 1}, {"skipped": 1}]
    assert table(customers(ann)).results() == {"updated": 1}
    assert people.one(external_id="1")["state"] == "live"


@pytest.mark.usefixtures("impatient")
def test_what_a_mark_says_is_written_before_a_state_goes_past_it(table: Loader, people: People) -> None:
    table.settings |= {"streams": {"crm": {"sync_mode": "additive"}, "customers": {"sync_mode": "sync"}}}
    ann = {"id": "e1", "email": "ann@example.com"}
    table([*rows("crm", {"row": 1, **ann}), *rows("customers", {"row": 9, **ann})])
    marks = [schema("crm", ["row"], **TYPES), record("crm", row=1, **MARK), state({"bookmarks": {"crm": {}}})]
    done = table([*marks, record("crm", row=5, id="e5"), "{no json}\n"])
    assert (done.exit_code, done.states) == (1, [{"bookmarks": {"crm": {}}}])
    assert table(customers({"row": 9, **MARK})).results() == {"archived": 1}
    assert [one["external_id"] for one in people.live()] == ["e5"]


@pytest.mark.usefixtures("hurried")
def test_a_refusal_takes_no_doubt_back_that_a_lost_answer_has_left(
    table: Loader, people: People, sandbox: SandboxServer
) -> None:
    table.settings |= {"mappings": {**BY_ROW, "plan": "owner_id"}}
    users = [{"row": n, "id": str(n), "name": "A"} for n in range(1, 21)]
    table(customers(*users))
    lost = TargetedFault(Fault.ERROR_AFTER, method="PUT", body_contains='"B"', times=100)
    sandbox.conditions.plan.add(lost)
    changed = [{**users[0], "name": "B"}, *({**one, "name": "C"} for one in users[1:])]
    done = table(customers(*changed, {**users[0], "plan": "999999"}), batch_size_rows=20)
    assert (done.results(), people.one(external_id="1")["name"]) == ({"updated": 19, "rejected": 2}, "B")
    sandbox.conditions.plan.clear()
    table(customers(users[0]))
    assert people.one(external_id="1")["name"] == "A"


def test_a_tag_that_was_just_taken_off_is_put_on_again_whatever_search_shows(
    table: Loader, people: People, sandbox: SandboxServer
) -> None:
    table.settings |= {"bulk_writes": True, "sync_mode": "sync", "tags_property": "groups"}
    users = [{"row": n, "id": str(n), "name": "A"} for n in range(1, 16)]
    table(customers(*({**one, "groups": "vip"} for one in users), groups="text"))
    sandbox.conditions.search_lag = 1000
    table.settings |= {"search_delay_seconds": 60}
    table(customers({**users[0], "groups": ""}, groups="text"))
    assert people.one(external_id="1")["tags"] == []
    first = [{**one, "plan": "p"} for one in reversed(users)]
    table(customers(*first, *({**one, "groups": "vip"} for one in first), groups="text"), batch_size_rows=15)
    assert people.one(external_id="1")["tags"] == ["vip"]
