"""Removals with `bulk_writes`: who is deleted for good goes in jobs of a hundred, who is archived singly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.conditions import BulkAccess
from tests.support.remembering import WHEN, Row, customers, person, rows, standing

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

DELETIONS, SINGLE, ARCHIVE = "POST /contacts/bulk/delete", "DELETE /contacts/{id}", "POST /contacts/{id}/archive"
LOOK = "GET /contacts/bulk/{id}"
MAPPINGS = {"id": "external_id", "row": None}
WAYS = ["marks", "mode remove", "left"]


@pytest.fixture
def sandbox(sandbox: SandboxServer) -> SandboxServer:
    sandbox.conditions.bulk_seconds = 0
    sandbox.conditions.deletion_delay = 0
    return sandbox


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {
        "sync_mode": "sync",
        "removal_mode": "delete",
        "bulk_writes": True,
        "mappings": MAPPINGS,
        "max_connections": 8,
        "max_removal_percent": 100,
    }
    return load


def people_of(*numbers: int, **values: Any) -> list[Row]:
    return [person(number, **values) for number in numbers]


def table(*numbers: int) -> list[Row]:
    return customers(*people_of(*numbers))


def gone(people: People, state: str = "deleted") -> set[str]:
    return {one["external_id"] for one in people.everyone() if one["state"] == state}


def named(*numbers: int) -> set[str]:
    return {str(number) for number in numbers}


def remove(load: Loader, way: str, kept: range, ended: range) -> tuple[Loaded, int]:
    """Remove those who ended; returns the run, and how many it says it has removed."""
    if way == "left":
        done = load(table(*kept), snapshot=True)
        return done, done.stream()["left"]
    if way == "mode remove":
        done = load(rows("requests", *people_of(*ended)), streams={"requests": {"sync_mode": "remove"}})
        return done, done.results("requests").get("deleted", 0)
    done = load(customers(*people_of(*ended, _sdc_deleted_at=WHEN)))
    return done, done.results().get("deleted", 0)


@pytest.mark.parametrize("way", WAYS)
def test_who_is_to_be_deleted_goes_a_hundred_a_call(load: Loader, people: People, way: str) -> None:
    """Right after a run that made them by jobs: nobody knows their ids."""
    load(table(*range(130)), snapshot=way == "left")
    done, removed = remove(load, way, range(120, 130), range(120))
    assert (done.exit_code, done.refusals, removed) == (0, [], 120)
    assert (done.calls[DELETIONS], done.calls.get(SINGLE, 0)) == (2, 0)
    assert gone(people) == named(*range(120))
    again, removed = remove(load, way, range(120, 130), range(120))
    assert (again.exit_code, again.writes, removed) == (0, 0, 0)


def test_who_is_archived_goes_singly(load: Loader, people: People) -> None:
    load.settings["removal_mode"] = "archive"
    load(table(*range(8)), snapshot=True)
    done, _ = remove(load, "left", range(3, 8), range(3))
    assert (done.exit_code, done.calls[ARCHIVE]) == (0, 3)
    assert not {DELETIONS, SINGLE} & set(done.calls)
    assert gone(people, "archived") == named(0, 1, 2)


@pytest.mark.parametrize("way", ["marks", "left"])
def test_who_is_not_there_any_more_fails_the_job_and_nobody_else(load: Loader, people: People, way: str) -> None:
    load(table(*range(8)), snapshot=way == "left")
    people.call("DELETE", f"/contacts/{people.one(external_id='1')['id']}")
    people.call("POST", f"/contacts/{people.one(external_id='2')['id']}/archive", {})
    done, removed = remove(load, way, range(5, 8), range(5))
    assert done.exit_code == 0
    assert gone(people) == named(0, 1, 3, 4)
    # A job may have deleted who is not there: it was asked to.
    assert removed in {3, 4, 5}
    again, removed = remove(load, way, range(5, 8), range(5))
    assert (again.writes, removed) == (0, 0)


@pytest.mark.parametrize("way", ["marks", "left"])
@pytest.mark.parametrize("trouble", ["items fail", "there are no jobs"])
def test_whom_no_job_deletes_is_deleted_singly(
    load: Loader, people: People, sandbox: SandboxServer, way: str, trouble: str
) -> None:
    load(table(*range(12)), snapshot=way == "left")
    if trouble == "items fail":
        sandbox.conditions.change({"bulk_item_fault_rate": 0.5, "fault_seed": 1})
    else:
        sandbox.conditions.bulk = BulkAccess.MISSING
    done, removed = remove(load, way, range(10, 12), range(10))
    assert (done.exit_code, done.refusals, removed) == (0, [], 10)
    assert gone(people) == named(*range(10))
    assert done.calls[DELETIONS] == 1
    assert done.calls[SINGLE] == 10


def test_a_job_that_never_ends_is_not_waited_for_for_ever(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(table(*range(8)), snapshot=True)
    sandbox.conditions.change({"bulk_stuck": 1, "bulk_stuck_share": 0.5})
    done, removed = remove(load, "left", range(4, 8), range(4))
    assert (done.exit_code, removed) == (0, 4)
    assert gone(people) == named(0, 1, 2, 3)
    assert done.calls[SINGLE] == 4


@pytest.mark.parametrize(("left", "allowed"), [(24, True), (26, False)])
def test_the_fuse_counts_contacts_whose_ids_nobody_knows(
    load: Loader, people: People, left: int, allowed: bool
) -> None:
    load.settings["max_removal_percent"] = 50
    load(table(*range(50)), snapshot=True)
    done = load(table(*range(left, 50)), snapshot=True)
    assert done.exit_code == (0 if allowed else 1)
    assert gone(people) == (named(*range(left)) if allowed else set())


@pytest.mark.parametrize("lag", [0, 1])
def test_a_contact_that_a_job_made_and_that_left_is_removed_unless_another_stream_names_it(
    load: Loader, people: People, sandbox: SandboxServer, lag: float
) -> None:
    """Also while search does not show it: with an email alone it has to be waited for."""
    sandbox.conditions.search_lag = lag
    load.settings |= {"snapshot": True, "search_delay_seconds": 2 * lag}
    shop = rows("shop", *people_of(1, 2, 5, id=None))
    load([*table(*range(5)), *shop])
    done = load([*table(2, 3, 4), *rows("shop", *people_of(1, 5, id=None))])
    assert done.exit_code == 0
    assert gone(people) == named(0)
    assert sum(one["left"] for one in done.report["streams"].values()) == 1
    assert load(table(2, 3, 4)).exit_code == 0
    assert gone(people) == named(0)


@pytest.mark.parametrize("lag", [0, 1])
def test_a_deletion_that_has_nothing_but_the_key_removes_the_right_one(
    load: Loader, people: People, sandbox: SandboxServer, lag: float
) -> None:
    """As log-based taps send it: what the record's contact was is in the ledger alone."""
    sandbox.conditions.search_lag = lag
    load.settings["search_delay_seconds"] = 2 * lag
    load(table(*range(6)))
    done = load(customers({"row": 2, "_sdc_deleted_at": WHEN}, {"row": 4, "_sdc_deleted_at": WHEN}))
    assert (done.exit_code, done.results()) == (0, {"deleted": 2})
    assert gone(people) == named(2, 4)
    again = load(customers({"row": 2, "_sdc_deleted_at": WHEN}))
    assert (again.results(), again.writes) == ({"skipped": 1}, 0)


@pytest.mark.parametrize("other", ["customers", "shop"])
@pytest.mark.parametrize("first", ["mark", "live"])
def test_a_mark_of_a_new_contact_counts_where_no_other_row_names_it_and_no_live_one_comes_after_it(
    load: Loader, people: People, other: str, first: str
) -> None:
    """The contact is made by this run, in a batch before."""
    removed = first == "live" and other == "customers"
    mark, live = {**person(1), "_sdc_deleted_at": WHEN}, person(1)
    makes = people_of(0, 1, 2, 3)
    then = [customers(mark), rows(other, live)]
    pair = then if first == "mark" else then[::-1]
    done = load([*customers(*makes), *(message for some in pair for message in some[:2])], batch_size_rows=2)
    assert (done.exit_code, done.refusals) == (0, [])
    assert gone(people) == (named(1) if removed else set())


def test_jobs_remove_whom_single_writes_remove_and_say_the_same(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    runs = [
        [*table(*range(8)), *rows("shop", *people_of(6, 7, 8, 9))],
        [*customers(*people_of(0, 1, _sdc_deleted_at=WHEN), person(2)), *rows("shop", *people_of(6, 8))],
        [*customers(*people_of(2, 0), person(2, _sdc_deleted_at=WHEN)), *rows("shop", person(8, name="N"))],
    ]
    streams = {"shop": {"snapshot": True, "removal_mode": "archive"}}
    ends: list[list[Any]] = []
    for bulk in (False, True):
        sandbox.sandbox.reset()
        for path in load.data_dir.glob("ledger.db*"):
            path.unlink()
        sandbox.conditions.change({"bulk_seconds": 0, "deletion_delay": 0})
        ends.append([])
        for messages in runs:
            done = load(messages, bulk_writes=bulk, streams=streams)
            assert done.exit_code == 0
            said = {name: (done.results(name), one["left"]) for name, one in done.report["streams"].items()}
            ends[-1].append((standing(people), said))
    assert ends[0] == ends[1]


def test_a_record_keeps_the_contact_that_a_job_made_though_another_person_gets_its_email(
    load: Loader, people: People
) -> None:
    """The job told no id, and the record does not come again; a mark means its contact."""
    load.settings["removal_mode"] = "archive"
    streams = {"customers": {"match_by": ["email"], "sync_mode": "additive"}, "news": {}}
    ann, theirs = "ann@example.com", "bob@example.com"
    load(
        rows("customers", *({"row": n, "email": f"p{n}@example.com"} for n in range(3)), {"row": 9, "email": ann}),
        streams=streams,
    )
    people.call("POST", "/contacts", {"external_id": "19", "email": theirs, "name": "Bob"})
    news = rows(
        "news",
        {"row": 2, "email": ann, "_sdc_deleted_at": WHEN},
        {"row": 3, "id": "19", "email": ann},
        {"row": 3, "id": "19", "email": theirs, "name": "Bobby"},
    )
    done = load(news, streams=streams, batch_size_rows=1)
    assert done.stream("news")["reasons"] == {"skipped": {"still_named": 1}}
    assert people.one(email=ann)["external_id"] is None
