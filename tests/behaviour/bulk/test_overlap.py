"""Batches overlap: the next ones are sent while the jobs of others run; what they share with those waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bulking import BULK_POST, LEADS, by_email, by_jobs, crowd, tasks
from tests.support.loading import state
from tests.support.remembering import POST, WHEN, Row, assert_quiet, customers, person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

A_BATCH = 20
BOOKMARK: Row = {"bookmarks": {"customers": {"at": 1}}}
BAD_EMAIL = "p@example..com"
"""No email: Intercom refuses the contact, and the job does not say so."""


@pytest.fixture
def load(load: Loader, sandbox: SandboxServer) -> Iterator[Loader]:
    for one in by_jobs(load, sandbox):
        one.settings["batch_size_rows"] = A_BATCH
        yield one


def people_of(count: int, first: int = 1, **values: object) -> list[Row]:
    """Users without custom attributes, so that none goes singly before the others."""
    return crowd(count, first, plan=None, **values)


def order(done: Loaded, sandbox: SandboxServer) -> list[str]:
    """The calls of a run that make contacts, in their order."""
    calls = (f"{call.method} {call.path}" for call in sandbox.calls)
    assert done.calls
    return [call for call in calls if call in {POST, BULK_POST}]


def test_batches_are_sent_before_the_first_is_settled(load: Loader, sandbox: SandboxServer, people: People) -> None:
    everybody = people_of(3 * A_BATCH)
    everybody[7]["email"] = BAD_EMAIL
    done = load([*customers(*everybody), state(BOOKMARK)])
    assert (done.results(), done.states) == ({"created": 59, "rejected": 1}, [BOOKMARK])
    # The first batch's job has ended with errors, so its contacts are made singly, or found to be there.
    calls = order(done, sandbox)
    assert calls[:3] == [BULK_POST] * 3
    assert POST in calls[3:]
    assert len(people.everyone()) == 59


SHARED = {
    "key": person(5, plan=None, name="New"),
    "external_id": {**person(5, plan=None, name="New"), "row": 500},
    "email": {**person(5, plan=None, name="New"), "row": 500, "id": None},
}


@pytest.mark.parametrize("shared", [*SHARED])
def test_a_batch_that_shares_something_with_one_under_way_waits_for_it(
    load: Loader, people: People, shared: str
) -> None:
    later = [SHARED[shared], *people_of(A_BATCH - 1, 100)]
    done = load(customers(*people_of(A_BATCH), *people_of(A_BATCH, 50), *later, *people_of(A_BATCH, 200)))
    assert done.results() == {"created": 79, "updated": 1}
    assert [one["external_id"] for one in people.everyone() if one["name"] == "New"] == ["5"]
    assert len(people.everyone()) == 79
    assert_quiet(load(customers(*people_of(A_BATCH)[:4], *people_of(A_BATCH, 50), *later, *people_of(A_BATCH, 200))))


def test_a_lead_that_comes_in_every_batch_is_made_once(load: Loader, people: People) -> None:
    batches = [
        [*by_email(1, 1, plan=None, name=f"N{n}"), *by_email(A_BATCH - 1, 100 * n, plan=None)] for n in (1, 2, 3)
    ]
    rows = [{**row, "row": number} for number, row in enumerate(row for batch in batches for row in batch)]
    done = load(customers(*rows), **LEADS)
    assert done.results() == {"created": 58, "updated": 2}
    assert [one["name"] for one in people.everyone() if one["email"] == person(1)["email"]] == ["N3"]


def test_a_job_that_fails_in_the_middle_costs_no_other_batch_anything(load: Loader, people: People) -> None:
    everybody = people_of(5 * A_BATCH)
    for place in (2 * A_BATCH, 3 * A_BATCH - 1):
        everybody[place]["email"] = BAD_EMAIL
    done = load([*customers(*everybody), state(BOOKMARK)])
    assert (done.exit_code, done.results(), done.states) == (0, {"created": 98, "rejected": 2}, [BOOKMARK])
    good = [one for one in everybody if one["email"] != BAD_EMAIL]
    assert sorted(one["email"] for one in people.everyone()) == sorted(one["email"] for one in good)
    assert_quiet(load(customers(*good)))


def test_where_too_many_are_refused_there_is_no_state_and_all_that_was_sent_has_an_outcome(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    everybody = people_of(3 * A_BATCH)
    everybody[0]["email"] = BAD_EMAIL
    done = load([*customers(*everybody), state(BOOKMARK)], max_rejected_records=0)
    assert (done.exit_code, done.states) == (1, [])
    assert done.results() == {"created": 59, "rejected": 1}
    assert len(tasks(sandbox)) == 3
    assert len(people.everyone()) == 59


def test_what_comes_after_broken_input_is_lost_and_nothing_before_it(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    broken = {"type": "RECORD", "stream": "unheard_of", "record": {}}
    done = load([*customers(*people_of(2 * A_BATCH)), broken])
    assert (done.exit_code, done.states) == (1, [])
    assert done.results() == {"created": 40}
    assert (len(tasks(sandbox)), len(people.everyone())) == (2, 40)
    assert_quiet(load(customers(*people_of(2 * A_BATCH))))


def test_a_mark_means_the_contact_that_a_batch_before_it_makes(load: Loader, people: People) -> None:
    everybody = people_of(2 * A_BATCH)
    gone = [{**one, "_sdc_deleted_at": WHEN} for one in everybody[: A_BATCH // 2]]
    done = load(customers(*everybody, *gone), sync_mode="sync", max_removal_percent=100)
    assert done.results() == {"created": 40, "archived": 10}
    live = {one["email"] for one in people.everyone() if one["state"] == "live"}
    assert live == {one["email"] for one in everybody[A_BATCH // 2 :]}
