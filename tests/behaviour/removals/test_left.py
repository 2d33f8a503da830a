"""Contacts that their records have left for others: missing from a table that can tell, and removed like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import record, schema
from tests.support.remembering import BY_ROW, TYPES, customers

if TYPE_CHECKING:
    from tests.support.loading import Loaded, Loader, People

SIZES = pytest.mark.parametrize("size", [1, 100])
A, B, C = ({"row": n, "id": name, "name": name} for n, name in enumerate("abc"))


@pytest.fixture
def table(load: Loader) -> Loader:
    load.settings |= {"mappings": BY_ROW, "sync_mode": "sync", "snapshot": True, "search_delay_seconds": 0}
    return load


def live(people: People) -> list[str]:
    return sorted(one["email"] if one["role"] == "lead" else one["external_id"] for one in people.live())


@SIZES
@pytest.mark.parametrize("bulk", [False, True])
def test_a_contact_that_the_source_merged_into_another_is_removed(
    table: Loader, people: People, bulk: bool, size: int
) -> None:
    others = [{"row": n, "id": str(n), "name": "N"} for n in range(3, 15)]
    table(customers(A, B, C, *others), bulk_writes=bulk)
    done = table(customers({**A, "id": "b", "name": "b"}, B, C, *others), bulk_writes=bulk, batch_size_rows=size)
    assert (done.exit_code, done.stream()["left"]) == (0, 1)
    assert live(people) == sorted([*"bc", *(one["id"] for one in others)])


@SIZES
def test_versions_that_come_at_the_end_alone_tell_it_too(table: Loader, people: People, size: int) -> None:
    def run(version: int, *rows: dict[str, Any]) -> Loaded:
        described = schema("customers", ["row"], **TYPES)
        records = [{**record("customers", **row), "version": version} for row in rows]
        end = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": version}
        return table([described, *records, end], snapshot=False, batch_size_rows=size)

    run(1, A, B, C)
    run(2, {**A, "id": "b"}, B, C)
    assert live(people) == ["b", "c"]


@SIZES
def test_a_refused_record_keeps_the_contact_that_another_one_left(table: Loader, people: People, size: int) -> None:
    table(customers(A, B, C))
    bad = {**B, "id": "a", "seats": "many"}
    done = table(customers({**A, "id": "b"}, bad, C), batch_size_rows=size)
    assert done.results()["invalid"] == 1
    assert live(people) == ["a", "b", "c"]


@SIZES
def test_a_contact_that_is_gone_was_not_left(table: Loader, people: People, size: int) -> None:
    """A lead that a person archived, and whose row has another email now: it counts against nobody's fuse."""
    table.settings |= {"creation_mode": "lead", "mappings": {"row": None}}
    row = {"row": 1, "email": "a@example.com"}
    table(customers(row))
    people.archive(people.one()["id"])
    for _ in range(2):
        done = table(customers({**row, "email": "b@example.com"}), batch_size_rows=size)
        assert (done.exit_code, done.stream()["left"]) == (0, 0)
    assert live(people) == ["b@example.com"]


@SIZES
def test_a_user_into_whom_a_contact_was_merged_is_not_removed_with_its_row(
    table: Loader, people: People, size: int
) -> None:
    table.settings |= {"creation_mode": "lead", "mappings": {"row": None}, "max_removal_percent": 100}
    user = people.add(external_id="u9", email="u9@example.com")
    row, stays = {"row": 1, "email": "a@example.com"}, {"row": 2, "email": "q@example.com"}
    table(customers(row, stays))
    lead = people.one(email="a@example.com")["id"]
    people.call("POST", "/contacts/merge", {"from": lead, "into": user, "skip_duplicate_validation": True})
    changed = [{**row, "name": "N"}, {**row, "email": "b@example.com", "name": "M"}]
    table(customers(*changed, stays), batch_size_rows=size)
    table(customers(stays), batch_size_rows=size)
    assert people.one(external_id="u9")["state"] == "live"


def test_a_record_without_an_identifier_to_match_by_updates_nobody(load: Loader, people: People) -> None:
    people.add(external_id="1", name="Old")
    done = load(customers({"row": 1, "id": "1", "name": "New"}), mappings=BY_ROW, match_by=["email"])
    assert done.results() == {"invalid": 1}
    assert people.one(external_id="1")["name"] == "Old"
