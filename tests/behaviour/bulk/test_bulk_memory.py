"""What runs with bulk jobs know of contacts whose ids no job has told, whose tags are still to come or that may change.

Where single writes can go wrong as well, both are held against the same.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, Response, TargetedFault, errors
from tests.support.bulking import LEADS, by_email, by_jobs, crowd
from tests.support.grouping import LISTS, add_people, all_tags, listing
from tests.support.loading import until
from tests.support.remembering import Row, assert_quiet, customers, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.front import Front
    from tests.support.loading import Loader, People

BOTH_WAYS = pytest.mark.parametrize("bulk", [False, True], ids=["singly", "by jobs"])
LISTED: Row = {**LISTS, "sync_mode": "sync", "max_removal_percent": 100}
LEDGERS = pytest.mark.parametrize("url", [..., "none"], ids=["ledger", "no ledger"])


@pytest.fixture
def load(load: Loader, sandbox: SandboxServer) -> Iterator[Loader]:
    yield from by_jobs(load, sandbox)


def emails(people: People) -> Counter[str]:
    """How many contacts have which email."""
    return Counter(one["email"] for one in people.live())


def names(people: People) -> Counter[str]:
    """How many contacts have which name."""
    return Counter(one["name"] for one in people.live())


def is_submission(request: Request, method: str) -> bool:
    """Check whether a call submits contacts to a job."""
    return (request.method, request.path) == (method, "/contacts/bulk")


# Who is who.


@BOTH_WAYS
def test_a_new_record_with_the_email_that_another_of_its_batch_gives_a_contact_is_of_that_contact(
    load: Loader, people: People, *, bulk: bool
) -> None:
    settings: Row = {**LEADS, "bulk_writes": bulk}
    load(customers(*by_email(2)), **settings)
    moved = by_email(2, name="Moved")
    for one in moved:
        one["email"] = f"new{one['row']}@example.com"
    new = [{**one, "row": one["row"] + 10, "name": "Later"} for one in moved]
    done = load(customers(*moved, *new), **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert emails(people) == {"new1@example.com": 1, "new2@example.com": 1}
    assert names(people) == {"Later": 2}


@BOTH_WAYS
def test_whom_another_stream_names_by_a_former_email_is_not_archived_when_a_snapshot_loses_them(
    load: Loader, people: People, *, bulk: bool
) -> None:
    settings: Row = {
        "match_by": ["external_id", "email"],
        "max_removal_percent": 100,
        "streams": {"a": {"snapshot": True, "sync_mode": "sync"}},
        "bulk_writes": bulk,
    }
    load(rows("b", *({"row": n, "email": f"p{n}@example.com", "name": "B"} for n in (1, 2, 3))), **settings)
    load(rows("a", *({"row": n, "email": f"p{n}@example.com", "plan": "A"} for n in (1, 2, 3))), **settings)
    moved: list[Row] = [{"row": n, "email": f"new{n}@example.com", "plan": "A"} for n in (1, 2, 3)]
    load(rows("a", *moved), **settings)
    done = load(rows("a", *moved[:1]), **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert [one["state"] for one in people.everyone()] == ["live"] * 3


@BOTH_WAYS
def test_records_that_come_again_are_written_again_where_another_stream_has_changed_their_contacts(
    load: Loader, people: People, *, bulk: bool
) -> None:
    load(rows("a", *crowd(4)), bulk_writes=bulk)
    load(rows("b", *crowd(4, name="B")), bulk_writes=bulk)
    assert names(people) == {"B": 4}
    done = load(rows("a", *crowd(4)), bulk_writes=bulk)
    assert done.results("a") == {"updated": 4}
    assert names(people) == {f"P {n}": 1 for n in range(1, 5)}


@BOTH_WAYS
def test_who_was_made_without_an_external_id_is_told_from_users_who_share_the_email_by_now(
    load: Loader, people: People, *, bulk: bool
) -> None:
    load.settings["bulk_writes"] = bulk
    nameless = [{"row": n, "email": f"p{n}@example.com", "name": "Before"} for n in range(3)]
    users = [{"row": n, "id": f"u{n}", "email": f"u{n}@example.com"} for n in range(3)]
    load([*customers(*nameless), *rows("shop", *users)])
    shared = [{**one, "email": f"p{n}@example.com"} for n, one in enumerate(users)]
    done = load([*rows("shop", *shared), *customers(*({**one, "name": "After"} for one in nameless))])
    assert (done.exit_code, done.refusals, done.results("customers")) == (0, [], {"updated": 3})
    assert names(people) == {"After": 3, None: 3}


# Jobs of which nobody hears.


def test_what_fails_of_a_submission_is_not_taken_for_done_because_one_that_was_lost_before_is(
    load: Loader, people: People, sandbox: SandboxServer, front: Front
) -> None:
    sandbox.conditions.plan.add(TargetedFault(Fault.ERROR_AFTER, "POST", "/contacts/bulk", "p150@example.com"))
    looks: list[str] = []

    def hook(request: Request) -> Response | None:
        if request.method != "GET" or not request.path.startswith("/contacts/bulk/"):
            return None
        looks.append(request.path)
        if len(looks) > 1:
            return None
        # The look for the lost one tells nothing either.
        error = errors.job_not_found(request.path.rpartition("/")[2])
        return Response.of(error.status, error.body("r" * 20))

    front.hook = hook
    leads = by_email(204, plan=None)
    leads[202]["email"] = refused = "p203@example..com"
    done = load(customers(*leads), search_delay_seconds=0, **LEADS)
    assert (done.exit_code, done.results()) == (0, {"created": 203, "rejected": 1})
    assert "Email is invalid" in done.refusals[0]["reason"]
    assert emails(people) == {one["email"]: 1 for one in leads if one["email"] != refused}


def test_what_a_job_that_was_given_up_overwrites_later_is_mended_by_the_next_run(
    load: Loader, people: People, sandbox: SandboxServer, front: Front
) -> None:
    add_people(people, range(1, 6))
    load(customers(*crowd(5)))
    sandbox.conditions.bulk_seconds = 10

    def hook(request: Request) -> Response | None:
        if not is_submission(request, "PUT") or not sandbox.conditions.bulk_seconds:
            return None
        answer = front.handle(request)
        # The tasks of the next submission are done at once.
        sandbox.conditions.bulk_seconds = 0
        return Response.of(answer.status, {**json.loads(answer.body), "tasks": []})

    front.hook = hook
    done = load(customers(*crowd(5, name="Older"), *crowd(5, name="Newer")), batch_size_rows=5)
    assert (done.exit_code, done.results(), names(people)) == (0, {"updated": 10}, {"Newer": 5})
    until(lambda: names(people) == {"Older": 5})
    mended = load(customers(*crowd(5, name="Newer")))
    assert (mended.results(), names(people)) == ({"updated": 5}, {"Newer": 5})
    assert_quiet(load(customers(*crowd(5, name="Newer"))))


# Lists.


def listed(*groups: str, count: int = 3, **values: Any) -> list[Row]:
    """Records that list the same groups."""
    return [{"id": str(n), "email": f"p{n}@example.com", "groups": list(groups), **values} for n in range(1, count + 1)]


def everybody(*tags: str, count: int = 3) -> dict[str, set[str]]:
    """Return who has which tags where all have the same."""
    return {str(n): set(tags) for n in range(1, count + 1)}


@BOTH_WAYS
def test_of_two_lists_of_a_record_in_a_batch_the_last_counts(load: Loader, people: People, *, bulk: bool) -> None:
    load.settings.update(LISTED, mappings={"id": "external_id"}, bulk_writes=bulk)
    load(listing(*listed("A")))
    load(listing(*listed("A", name="Named")))
    first = [{**one, "groups": groups} for one, groups in zip(listed(), ([], ["B"], ["A", "B"]), strict=True)]
    assert load(listing(*first, *listed("A", name="Last"))).exit_code == 0
    assert all_tags(people) == everybody("A")
    # It is ours still.
    assert load(listing(*listed(name="Out"))).exit_code == 0
    assert all_tags(people) == everybody()


@BOTH_WAYS
@LEDGERS
def test_an_older_list_never_overwrites_a_newer_one(load: Loader, people: People, url: Any, *, bulk: bool) -> None:
    load.settings.update(LISTED, mappings={"id": "external_id"}, bulk_writes=bulk, ledger_url=url)
    newer = listed("B", count=4, name="Newer")
    done = load(listing(*listed("A", count=4, name="Older"), *newer), batch_size_rows=4)
    assert (done.exit_code, done.refusals) == (0, [])
    assert (names(people), all_tags(people)) == ({"Newer": 4}, everybody("B", count=4))
    again = load(listing(*newer), batch_size_rows=4)
    assert (again.results(), again.writes) == ({"unchanged": 4}, 0)
    assert all_tags(people) == everybody("B", count=4)


@BOTH_WAYS
@LEDGERS
@pytest.mark.parametrize("size", [4, 100])
def test_where_no_tag_is_taken_off_all_lists_of_a_record_count(
    load: Loader, people: People, url: Any, size: int, *, bulk: bool
) -> None:
    """In one run as over several: what a job has carried stays, so what waits for the end of the run counts as well."""
    load.settings.update(LISTED, mappings={"id": "external_id"}, sync_mode="additive", bulk_writes=bulk, ledger_url=url)
    everything = listing(
        *listed("A", count=4),
        *listed("B", count=4, name="Second"),
        *listed(count=4, name="Last"),
        *listed("C", count=1),
    )
    done = load(everything, batch_size_rows=size)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == {**everybody("A", "B", count=4), "1": {"A", "B", "C"}}
    load(listing(*listed("D", count=4), *listed("E", count=4, name="Next")), batch_size_rows=size)
    assert all_tags(people) == {**everybody("A", "B", "D", "E", count=4), "1": {"A", "B", "C", "D", "E"}}


@BOTH_WAYS
@pytest.mark.parametrize("size", [3, 100])
def test_where_no_tag_is_taken_off_each_contact_of_a_record_has_what_it_listed(
    load: Loader, people: People, size: int, *, bulk: bool
) -> None:
    def of(first: int, tag: str) -> list[Row]:
        return [{"row": n, "id": str(first + n), "groups": [tag]} for n in range(3)]

    load.settings.update(LISTED, sync_mode="additive", bulk_writes=bulk)
    add_people(people, [10, 11, 12])
    done = load(customers(*of(0, "A"), *of(10, "B"), *of(0, "C"), groups="array"), batch_size_rows=size)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == {
        str(first + n): tags for first, tags in ((0, {"A", "C"}), (10, {"B"})) for n in range(3)
    }


@BOTH_WAYS
@pytest.mark.parametrize("size", [3, 100])
def test_what_a_record_says_nothing_of_stays_with_the_contact_that_it_was_said_of(
    load: Loader, people: People, size: int, *, bulk: bool
) -> None:
    load.settings.update(LISTED, bulk_writes=bulk, companies_property="account")
    add_people(people, [10, 11, 12])
    first = [{"row": n, "id": str(n), "groups": ["A"]} for n in range(3)]
    silent = [{"row": n, "id": str(10 + n), "account": None} for n in range(3)]
    done = load(customers(*first, *silent, groups="array", account="text"), batch_size_rows=size)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == {**{str(n): {"A"} for n in range(3)}, **{str(10 + n): set() for n in range(3)}}


@BOTH_WAYS
def test_who_was_made_keeps_the_list_of_the_first_record_in_insert_mode(
    load: Loader, people: People, *, bulk: bool
) -> None:
    load.settings.update(LISTED, mappings={"id": "external_id"}, sync_mode="insert", bulk_writes=bulk)
    done = load(listing(*listed("A", count=4), *listed("B", count=4, name="Later"), *listed()), batch_size_rows=4)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == everybody("A", count=4)
