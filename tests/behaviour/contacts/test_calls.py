"""How many calls a load costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

CUSTOMERS = schema(
    "customers",
    id="integer",
    email="text",
    name="text",
    plan="text",
    seats="integer",
    balance="number",
    active="boolean",
    signed_up_at="datetime",
)
SEARCH = "POST /contacts/search"


def person(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "email": f"person{number}@example.com",
        "name": f"Person {number}",
        "plan": "pro" if number % 3 else None,
        "seats": number % 7,
        "balance": number / 4,
        "active": number % 2 == 0,
        "signed_up_at": "2024-03-01T12:00:00+00:00",
    }


def customers(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [CUSTOMERS, *(record("customers", **row) for row in rows), state({"done": True})]


def without_memory(load: Loader) -> Loader:
    """A loader whose next run knows nothing of those before it."""
    return replace(load, data_dir=load.data_dir.with_name(f"{load.data_dir.name}+"))


PEOPLE = [person(number) for number in range(1000)]


def test_a_thousand_new_users_then_the_same_again_then_five_changed(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """Grouparoo took 2,010 calls and 2,007."""
    first = load(customers(PEOPLE))
    assert first.results() == {"created": 1000}
    assert sum(first.calls.values()) == len(sandbox.calls) <= 1030
    before = people.everyone()
    assert len(before) == 1000

    sandbox.calls.clear()
    again = without_memory(load)(customers(PEOPLE))
    assert again.results() == {"unchanged": 1000}
    assert again.writes == 0
    assert sum(again.calls.values()) == len(sandbox.calls) <= 30
    assert people.everyone() == before

    sandbox.calls.clear()
    changed = [{**row, "name": "New name"} if row["id"] in {0, 74, 75, 500, 999} else row for row in PEOPLE]
    third = without_memory(load)(customers(changed))
    assert third.results() == {"unchanged": 995, "updated": 5}
    assert third.writes == third.calls["PUT /contacts/{id}"] == 5
    assert sum(third.calls.values()) == len(sandbox.calls) <= 35
    assert {contact["external_id"] for contact in people.live() if contact["name"] == "New name"} == {
        "0",
        "74",
        "75",
        "500",
        "999",
    }


@pytest.mark.parametrize(("most", "searches"), [(50, 20), (15, 75)])
def test_searches_are_halved_until_intercom_takes_them(
    load: Loader, people: People, sandbox: SandboxServer, most: int, searches: int
) -> None:
    """A limit on `IN` costs some searches, in the first batch above all, and no contact."""
    for row in PEOPLE[:300:2]:
        people.add(external_id=str(row["id"]), email=row["email"], name="Old name")
    sandbox.conditions.max_in_values = most

    done = load(customers(PEOPLE[:300]))
    assert done.exit_code == 0
    assert done.results() == {"updated": 150, "created": 150}
    assert done.calls[SEARCH] <= searches
    assert sorted(int(contact["external_id"]) for contact in people.live()) == list(range(300))

    again = without_memory(load)(customers(PEOPLE[:300]))
    assert again.results() == {"unchanged": 300}
    assert again.writes == 0


def test_a_size_that_intercom_refused_is_not_tried_again_in_the_next_batch(
    load: Loader, sandbox: SandboxServer
) -> None:
    sandbox.conditions.max_in_values = 50
    done = load(customers(PEOPLE[:300]), batch_size_rows=75)
    assert done.results() == {"created": 300}
    refused = [call for call in sandbox.calls if call.path == "/contacts/search" and call.status != 200]
    assert len(refused) == 1


def test_intercom_may_take_one_value_at_a_time(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.max_in_values = 1
    done = load(customers(PEOPLE[:20]))
    assert done.exit_code == 0
    assert done.results() == {"created": 20}


def test_records_that_come_again_in_the_same_run_cost_no_further_search(load: Loader, sandbox: SandboxServer) -> None:
    """In the same batch they are merged; in a later one the run knows the contact, and the index may not."""
    sandbox.conditions.search_lag = 3600
    hundred = PEOPLE[:100]
    renamed = [{**row, "name": "New name"} for row in hundred]
    done = load(customers([*hundred, *hundred, *hundred, *renamed]), batch_size_rows=100, search_delay_seconds=60)
    assert done.exit_code == 0
    assert done.results() == {"created": 100, "unchanged": 200, "updated": 100}
    assert done.calls[SEARCH] == 2
    assert done.calls["POST /contacts"] == done.calls["PUT /contacts/{id}"] == 100

    once = without_memory(load)
    sandbox.conditions.search_lag = 0
    merged = once(customers([*hundred, *hundred, *renamed]), batch_size_rows=1000)
    assert merged.results() == {"merged": 200, "unchanged": 100}
    assert merged.calls[SEARCH] == 2


def test_workspace_and_attributes_are_read_once_a_run(load: Loader) -> None:
    """Several streams, schemas and batches share them."""
    other = {**CUSTOMERS, "stream": "partners"}
    wider = schema("customers", id="integer", email="text", plan="text", city_name="text")
    done = load(
        [
            *customers(PEOPLE[:10])[:-1],
            other,
            *(record("partners", **row) for row in PEOPLE[10:20]),
            wider,
            *(record("customers", id=n, email=f"person{n}@example.com", city_name="Cork") for n in range(20, 40)),
        ],
        batch_size_rows=5,
    )
    assert done.exit_code == 0
    assert done.calls["GET /me"] == done.calls["GET /data_attributes"] == 1
    assert done.calls["POST /data_attributes"] == len({"plan", "seats", "balance", "active", "city_name"})


def test_what_no_record_asks_for_is_not_asked_of_intercom(load: Loader, tmp_path: Path) -> None:
    """Records that nothing has to be looked up for cost no call but the first."""
    done = load(customers([{"id": None, "email": None, "name": "Nobody"}] * 3), max_rejected_records=-1)
    assert done.results() == {"invalid": 3}
    assert done.calls.keys() <= {"GET /me", "GET /data_attributes"}
