"""Contacts through bulk jobs: a hundred a call, and all as it is with single calls."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import BulkAccess
from tests.support.bulking import (
    BULK_POST,
    BULK_PUT,
    KINDS,
    LEADS,
    LOOK,
    WHO,
    assert_nothing_dropped,
    by_email,
    by_jobs,
    crowd,
    items,
    jobs,
    reasons,
    tasks,
)
from tests.support.loading import feed, record, schema, until
from tests.support.remembering import BY_ROW, GET, POST, PUT, WHEN, Row, assert_quiet, customers, person, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

NOT_WRITTEN = {"id", "workspace_id", "created_at", "updated_at", "gone_at", "merged_into"}
ADA, BEN, NOBODY = "1000001", "1000002", "999"
LATE = {"search_lag": 0.9}
"""Conditions under which search shows nothing of what a run has just made; `search_delay_seconds` is 1 there."""


@pytest.fixture
def load(load: Loader, sandbox: SandboxServer) -> Iterator[Loader]:
    yield from by_jobs(load, sandbox)


def submissions(done: Loaded) -> int:
    """How many bulk calls were made, other than looks."""
    return done.calls.get(BULK_POST, 0) + done.calls.get(BULK_PUT, 0)


def written(people: People) -> list[Row]:
    """Everybody with all attributes, without ids, times of writing and the external_ids that Intercom makes up."""
    everyone = [{name: value for name, value in one.items() if name not in NOT_WRITTEN} for one in people.everyone()]
    for one in everyone:
        one["custom_attributes"] = {
            name: value for name, value in one["custom_attributes"].items() if value is not None
        }
        if one["role"] == "lead":
            del one["external_id"]
    return sorted(everyone, key=str)


# A hundred a call.


def test_a_thousand_users_are_made_changed_and_left_alone_in_few_calls(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    users = crowd(1000)
    first = load(customers(*users))
    assert (first.exit_code, first.results()) == (0, {"created": 1000})
    assert sum(first.calls.values()) <= 42, first.calls
    assert (first.calls[BULK_POST], len(jobs(sandbox))) == (10, 4)
    changed = [{**one, "name": "Another"} for one in users]
    second = load(customers(*changed))
    assert (second.exit_code, second.results(), second.calls[BULK_PUT]) == (0, {"updated": 1000}, 10)
    # A job has told no ids: they are looked for once.
    again = [{**one, "plan": "free"} for one in changed]
    third = load(customers(*again))
    assert third.results() == {"updated": 1000}
    assert sum(third.calls.values()) <= 20, third.calls
    assert_quiet(load(customers(*again)))
    assert [one["name"] for one in people.everyone()] == ["Another"] * 1000


@WHO
def test_nobody_is_made_twice_and_the_next_run_writes_nothing(
    load: Loader, people: People, sandbox: SandboxServer, who: str
) -> None:
    make, settings = KINDS[who]
    done = load(customers(*make(130)), **settings)
    assert (done.exit_code, done.results()) == (0, {"created": 130})
    # The first one shows that the new attribute is taken.
    assert [len(task["items"]) for task in tasks(sandbox)] == [100, 29]
    assert done.calls[POST] == 1
    assert len(jobs(sandbox)) == 1
    assert len(people.everyone()) == len({one["email"] for one in people.everyone()}) == 130
    assert_quiet(load(customers(*make(130)), **settings))


@WHO
def test_without_a_ledger_the_next_run_writes_nothing_either(load: Loader, people: People, who: str) -> None:
    make, settings = KINDS[who]
    load(customers(*make(30)), ledger_url="none", **settings)
    again = load(customers(*make(30)), ledger_url="none", **settings)
    assert (again.results(), again.writes) == ({"unchanged": 30}, 0)
    assert len(people.everyone()) == 30


def test_a_record_by_itself_is_written_singly(load: Loader, sandbox: SandboxServer) -> None:
    assert load(customers(person(1))).results() == {"created": 1}
    assert load(customers(person(1, name="New"))).results() == {"updated": 1}
    assert jobs(sandbox) == []


def test_each_call_has_its_own_version(load: Loader, sandbox: SandboxServer) -> None:
    load(customers(*crowd(5)), api_version="2.15", bulk_api_version="Unstable")
    versions = {"bulk" in call.path: call.version for call in sandbox.calls}
    assert versions == {True: "Unstable", False: "2.15"}
    assert len({("bulk" in call.path, call.version) for call in sandbox.calls}) == 2


def test_a_job_that_goes_on_running_is_not_waited_for_when_its_tasks_are_done(
    load: Loader, sandbox: SandboxServer
) -> None:
    done = load(customers(*crowd(5)))
    (job,) = jobs(sandbox)
    assert (job["state"], [task["state"] for task in job["tasks"]]) == ("running", ["completed"])
    assert done.calls[LOOK] == 1


def test_bulk_writes_are_an_offer_that_has_to_be_taken(load: Loader, sandbox: SandboxServer) -> None:
    assert load(customers(*crowd(5)), bulk_writes=...).results() == {"created": 5}
    assert jobs(sandbox) == []


# Nothing is dropped in silence.

EVERYTHING: Row = {
    "phone": "+4930123",
    "avatar": "https://example.com/a.png",
    "signed_up_at": WHEN,
    "last_seen_at": WHEN,
    "owner": ADA,
    "unsubscribed": True,
    "email_verified": True,
    "plan": "pro",
    "seats": 3,
    "ratio": 1.5,
    "is_vip": True,
}
EVERYTHING_TYPES: dict[str, str] = {
    **dict.fromkeys(("phone", "avatar", "owner"), "text"),
    **dict.fromkeys(("signed_up_at", "last_seen_at"), "datetime"),
    **dict.fromkeys(("unsubscribed", "email_verified", "is_vip"), "boolean"),
    "ratio": "number",
}
EVERYTHING_MAPPINGS = {**BY_ROW, "owner": "owner_id", "unsubscribed": "unsubscribed_from_emails"}
NULLS = dict.fromkeys(EVERYTHING)


def everything(*values: Row, **types: str) -> list[Row]:
    return customers(*values, **{**EVERYTHING_TYPES, **types})


def both_ways(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    *runs: list[Row],
    between: Callable[[], object] = lambda: None,
    **settings: Any,
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Load the same runs into two new workspaces, singly and by jobs; `between` is done before the last of them.

    Gives the outcomes, the reasons and who is in the workspace after each run.
    """
    ways: list[list[tuple[Any, ...]]] = []
    for bulk in (False, True):
        sandbox.sandbox.reset()
        sandbox.conditions.change({"bulk_seconds": 0, "deletion_delay": 0})
        ways.append([])
        for number, messages in enumerate(runs, start=1):
            if number == len(runs):
                between()
            done = load(messages, bulk_writes=bulk, search_delay_seconds=0, **settings)
            assert done.exit_code == 0
            ways[-1].append((done.results(), reasons(done), written(people)))
        assert bool(jobs(sandbox)) == bulk
        assert_nothing_dropped(sandbox)
    return ways[0], ways[1]


@pytest.mark.parametrize("mode", ["user", "lead", "lifecycle"])
def test_every_attribute_arrives_as_it_does_singly(
    load: Loader, people: People, sandbox: SandboxServer, mode: str
) -> None:
    new = [person(number, **{**EVERYTHING, "seats": number}) for number in range(1, 6)]
    bare = [*(person(number, **NULLS) for number in range(6, 9)), *by_email(3, 20, **EVERYTHING)]
    changed = [{**one, "owner": BEN, "phone": "+4930456", "is_vip": False, "avatar": None} for one in new]
    cleared = [{**one, **NULLS, "name": None} for one in new[:2]]
    later = [{**one, "signed_up_at": "2025-01-01T00:00:00Z", "name": "Later"} for one in bare]
    settings: Row = {"creation_mode": mode, "mappings": EVERYTHING_MAPPINGS}
    runs = everything(*new, *bare), everything(*changed, *later), everything(*cleared, *new[2:], *bare)
    single, bulk = both_ways(load, people, sandbox, *runs, **settings)
    assert bulk == single


def test_contacts_made_with_nulls_are_made_by_a_job(load: Loader, people: People, sandbox: SandboxServer) -> None:
    done = load(everything(*(person(number, **NULLS, name=None) for number in range(5))))
    assert done.results() == {"created": 5}
    assert len(items(sandbox)) == 5
    assert {one["name"] for one in people.everyone()} == {None}


def test_what_no_job_can_change_is_changed_singly_and_the_others_by_a_job(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    users = crowd(9)
    load(everything(*users))
    before = len(items(sandbox))
    alone: list[Row] = [
        {"name": None},
        {"signed_up_at": WHEN},
        {"last_seen_at": WHEN},
        {"email_verified": True, "name": "P"},
    ]
    changed = [{**one, **change} for one, change in zip(users, alone, strict=False)]
    done = load(everything(*changed, *({**one, "name": "New"} for one in users[4:])))
    assert done.results() == {"updated": 9}
    assert (done.calls[PUT], len(items(sandbox)) - before) == (4, 5)
    assert Counter(one["name"] for one in people.live()) == {None: 1, "P 2": 1, "P 3": 1, "P": 1, "New": 5}


def test_clearing_what_is_clear_writes_nothing(load: Loader, people: People) -> None:
    for number in range(1, 5):
        people.add(external_id=str(number), email=f"p{number}@example.com")
    nameless = [person(number, name=None, plan=None) for number in range(1, 5)]
    assert load(customers(*nameless)).results() == {"unchanged": 4}
    # The ledger tells that they have changed, and the workspace that there is nothing to do.
    load(customers(*crowd(4)))
    for one in people.live():
        people.call("PUT", f"/contacts/{one['id']}", {"name": None})
    done = load(customers(*(person(number, name=None) for number in range(1, 5))), search_delay_seconds=0)
    assert (done.results(), done.writes) == ({"unchanged": 4}, 0)


def test_an_owner_whom_nobody_knows_is_refused_with_intercoms_reason_and_the_others_go_in_bulk(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    owners = [ADA, NOBODY, None, BEN, NOBODY, ADA]
    settings: Row = {"mappings": EVERYTHING_MAPPINGS}
    done = load(everything(*(person(n, owner=owner, plan=None) for n, owner in enumerate(owners))), **settings)
    assert done.results() == {"created": 4, "rejected": 2}
    assert len(items(sandbox)) == 4
    assert all(NOBODY in refusal["reason"] or "owner" in refusal["reason"].lower() for refusal in done.refusals)
    assert all(refusal["request_id"] for refusal in done.refusals)
    assert done.calls["GET /admins"] == 1
    changed = load(everything(*(person(n, owner=NOBODY if n == 2 else BEN) for n in (0, 2, 3, 5))), **settings)
    assert changed.results() == {"updated": 3, "rejected": 1}
    assert sorted(str(one["owner_id"]) for one in people.live()) == [BEN, BEN, BEN, "None"]


def test_a_lead_becomes_a_user_singly_and_keeps_its_id(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(customers(*by_email(6)), creation_mode="lifecycle")
    before = {one["email"]: one["id"] for one in people.live()}
    done = load(customers(*crowd(3), *by_email(3, 4, name="New")), creation_mode="lifecycle")
    assert (done.results(), done.calls[PUT]) == ({"updated": 6}, 3)
    assert {one["email"]: one["id"] for one in people.everyone()} == before
    assert sorted(one["role"] for one in people.live()) == ["lead"] * 3 + ["user"] * 3
    assert tasks(sandbox)[-1]["kind"] == "update"


def test_a_mark_that_follows_in_the_same_batch_removes_who_was_just_made(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    marked = {"row": 3, "id": "3", "_sdc_deleted_at": WHEN}
    done = load(customers(*crowd(6), marked), sync_mode="sync", max_removal_percent=100)
    assert (done.exit_code, done.results()) == (0, {"created": 6, "archived": 1})
    assert [one["external_id"] for one in people.everyone() if one["state"] == "archived"] == ["3"]
    assert "3" not in {item["item"]["external_id"] for item in items(sandbox)}


def test_new_attributes_are_proven_by_one_single_write(load: Loader, sandbox: SandboxServer) -> None:
    load(customers(*crowd(5)))
    done = load(customers(*crowd(5, extra="x", other=1), extra="text", other="integer"))
    assert (done.calls["POST /data_attributes"], done.calls[PUT], done.calls[BULK_PUT]) == (2, 1, 1)
    again = load(customers(*crowd(5, extra="y", other=2), extra="text", other="integer"))
    assert PUT not in again.calls
    assert again.calls[BULK_PUT] == 1


# The same as singly, whatever fails.


def archived(people: People, **contact: Any) -> None:
    people.call("POST", f"/contacts/{people.add(**contact)}/archive", {})


def test_users_who_cannot_be_made_end_as_they_do_singly(load: Loader, people: People, sandbox: SandboxServer) -> None:
    def others() -> None:
        archived(people, external_id="1", email="p1@example.com")
        archived(people, external_id="x2", email="p2@example.com")
        people.call("DELETE", f"/contacts/{people.add(external_id='3', email='p3@example.com')}")
        people.add(external_id="x4", email="p4@example.com")
        people.add(external_id="5", email="elsewhere@example.com", name="Old")
        lead, user = (
            people.add(role="lead", email="p6@example.com"),
            people.add(external_id="x6", email="p6@example.com"),
        )
        people.call("POST", "/contacts/merge", {"from": lead, "into": user})
        people.add(email="p7@example.com")
        people.call("DELETE", f"/contacts/{people.add(email='p11@example.com')}")
        archived(people, email="p12@example.com")

    # The first one shows that the new attribute is taken.
    values = [person(15, owner=ADA), *crowd(10), *by_email(3, 11), person(14, owner=NOBODY), person(16)]
    for mode in ("additive", "insert"):
        settings: Row = {"mappings": EVERYTHING_MAPPINGS, "sync_mode": mode}
        single, bulk = both_ways(load, people, sandbox, everything(*values), between=others, **settings)
        assert bulk[-1][0] == single[-1][0], mode
        assert bulk[-1][1] == single[-1][1], mode
        assert bulk[-1][2] == single[-1][2], mode


def test_users_who_cannot_be_updated_end_as_they_do_singly(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    def others() -> None:
        ids = {one["email"]: one["id"] for one in people.everyone()}
        people.call("POST", f"/contacts/{ids['p1@example.com']}/archive", {})
        people.call("DELETE", f"/contacts/{ids['p2@example.com']}")
        people.add(external_id="x3", email="other@example.com")
        user = people.add(external_id="x4", email="p21@example.com")
        people.call("POST", "/contacts/merge", {"from": ids["p21@example.com"], "into": user})

    # Those without an external_id are leads.
    before = [*crowd(8), *by_email(5, 21)]
    after = [{**one, "name": "New"} for one in before]
    after[2]["id"] = "x3"
    after[4]["owner"] = NOBODY
    runs = everything(*before), everything(*after)
    settings: Row = {"mappings": EVERYTHING_MAPPINGS, "creation_mode": "lifecycle"}
    single, bulk = both_ways(load, people, sandbox, *runs, between=others, **settings)
    assert bulk == single


def test_leads_end_as_they_do_singly(load: Loader, people: People, sandbox: SandboxServer) -> None:
    def others() -> None:
        people.add(email="p1@example.com")
        people.add(role="lead", email="p2@example.com", name="Old")
        archived(people, role="lead", email="p3@example.com")
        for _ in range(2):
            people.add(role="lead", email="p4@example.com")

    values = [*by_email(8), {**by_email(1)[0], "row": 9, "email": None}]
    single, bulk = both_ways(load, people, sandbox, customers(*values), between=others, creation_mode="lead")
    assert bulk == single


def test_records_of_one_person_end_as_they_do_singly(load: Loader, people: People, sandbox: SandboxServer) -> None:
    twice = [*crowd(4), {**person(2), "row": 12, "name": "Later"}, {**person(3), "row": 13}]
    clash = [{**person(5), "row": 15}, {**person(6), "email": "p5@example.com", "row": 16}]
    runs = customers(*twice, *clash), customers(*twice, *clash)
    single, bulk = both_ways(load, people, sandbox, *runs[:1])
    assert bulk == single


# Contacts that a job has just made.


@pytest.mark.parametrize(("who", "url"), [*((who, ...) for who in KINDS), ("users by email", "none")])
def test_a_later_record_of_somebody_whom_a_job_has_just_made_updates_that_contact(
    load: Loader, people: People, sandbox: SandboxServer, who: str, url: Any
) -> None:
    sandbox.conditions.change(LATE)
    make, settings = KINDS[who]
    messages = customers(*make(25), *make(25, name="New"))
    done = load(messages, ledger_url=url, batch_size_rows=25, search_delay_seconds=1, **settings)
    assert (done.exit_code, done.results()) == (0, {"created": 25, "updated": 25})
    assert [one["name"] for one in people.everyone()] == ["New"] * 25


def test_a_few_users_whom_a_job_has_just_made_are_asked_for_and_not_waited_for(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = 3600
    messages = customers(*crowd(4), *crowd(4, name="New"))
    done = load(messages, batch_size_rows=4, search_delay_seconds=60)
    assert (done.exit_code, done.results()) == (0, {"created": 4, "updated": 4})
    assert [one["name"] for one in people.everyone()] == ["New"] * 4


@pytest.mark.parametrize("who", ["users", "leads"])
def test_another_streams_record_of_somebody_whom_a_job_has_just_made_updates_that_contact(
    load: Loader, people: People, sandbox: SandboxServer, who: str
) -> None:
    sandbox.conditions.change(LATE)
    make, settings = KINDS[who]
    messages = [*rows("a", *make(25)), *rows("b", *make(25, seats=7), *make(5, 26))]
    done = load(messages, search_delay_seconds=1, **settings)
    assert done.exit_code == 0
    assert (done.results("a"), done.results("b")) == ({"created": 25}, {"updated": 25, "created": 5})
    everyone = people.everyone()
    assert len(everyone) == 30
    assert [one["custom_attributes"].get("seats") for one in everyone].count(7) == 25


def test_unchanged_records_of_those_whom_a_job_has_just_made_are_left_alone(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.change(LATE)
    done = load(customers(*crowd(30), *crowd(30)), batch_size_rows=30, search_delay_seconds=1)
    assert done.results() == {"created": 30, "unchanged": 30}
    assert done.calls[POST] + done.calls[BULK_POST] == 2
    assert len(people.everyone()) == 30


@pytest.mark.parametrize("mode", ["user", "lead"])
def test_the_next_run_follows_contacts_without_an_id_to_their_new_identifiers(
    load: Loader, people: People, mode: str
) -> None:
    load(customers(*crowd(30)), creation_mode=mode)
    before = {one["id"] for one in people.everyone()}
    moved = [person(number, id=f"new{number}", email=f"new{number}@example.com") for number in range(1, 31)]
    done = load(customers(*moved), creation_mode=mode)
    assert done.results() == {"updated": 30}
    assert {one["id"] for one in people.everyone()} == before
    assert {one["email"] for one in people.live()} == {one["email"] for one in moved}
    assert_quiet(load(customers(*moved), creation_mode=mode))


def test_somebody_made_by_a_job_and_removed_by_hand_is_made_anew_when_the_record_changes(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    load(customers(*crowd(6)))
    for number in (1, 2):
        people.call("POST", f"/contacts/{people.one(external_id=str(number))['id']}/archive", {})
    people.call("DELETE", f"/contacts/{people.one(external_id='3')['id']}")
    done = load(customers(*crowd(6, name="New")))
    assert done.exit_code == 0
    assert done.results() == {"updated": 5, "rejected": 1}
    assert sorted(one["external_id"] for one in people.live()) == ["1", "2", "4", "5", "6"]
    assert {one["name"] for one in people.live()} == {"New"}


# STATE waits.


def test_a_run_that_is_stopped_while_a_job_runs_prints_no_state(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.bulk_seconds = 8
    process = load.start()
    feed(process, *customers(*crowd(5, plan=None)), end=True)
    until(lambda: any(call.path == "/contacts/bulk" and call.status for call in sandbox.calls))
    process.send_signal(signal.SIGTERM)
    done = load.finish(process)
    assert (done.exit_code, done.states) == (143, [])
    assert people.everyone() == []
    sandbox.conditions.bulk_seconds = 0
    until(lambda: len(people.everyone()) == 5)
    again = load(customers(*crowd(5, plan=None)))
    assert (again.exit_code, len(again.states)) == (0, 1)
    assert len(people.everyone()) == 5
    assert_quiet(load(customers(*crowd(5, plan=None))))


def test_a_state_comes_when_the_job_is_done(load: Loader, people: People, sandbox: SandboxServer) -> None:
    sandbox.conditions.bulk_seconds = 3
    done = load([*customers(*crowd(5)), schema("b", id="text"), record("b", id="b1"), record("b", id="b2")])
    assert (done.exit_code, len(done.states)) == (0, 1)
    assert done.calls[LOOK] >= 2
    assert len(people.everyone()) == 7


# There are no bulk jobs.


@pytest.mark.parametrize("how", [access for access in BulkAccess if access is not BulkAccess.ON])
def test_where_there_are_no_bulk_jobs_it_is_said_once_and_all_go_singly(
    load: Loader, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, how: BulkAccess
) -> None:
    sandbox.conditions.bulk = how
    streams = {"leads": LEADS}
    messages = [*customers(*crowd(25)), *rows("leads", *by_email(25, 101))]
    done = load(messages, batch_size_rows=10, streams=streams)
    assert done.exit_code == 0
    assert (done.results(), done.results("leads")) == ({"created": 25}, {"created": 25})
    assert caplog.text.count("no bulk jobs") == 1
    assert submissions(done) == 1
    assert (done.calls[POST], done.calls.get(GET)) == (50, None)
    assert len(people.everyone()) == 50
    assert_quiet(load(messages, streams=streams))
