"""Bulk jobs on contacts, and the admins who may own these. What a test rests on is OAS-P unless it says otherwise."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from target_intercom.sandbox import Conditions, SandboxServer
from tests.support.description import DESCRIBED, answers
from tests.support.loading import until

from .client import Api, Clock
from .jobs import CREATE, DELETE, NOBODY, PREVIEW, UPDATE, Bulk, results, workers

ROOT = Path(__file__).parents[2]
CALLS = [CREATE, UPDATE, DELETE]


# --- calls and answers ---


@pytest.mark.parametrize("call", CALLS)
def test_a_job_is_answered_as_it_is_before_its_task_starts(bulk: Bulk, clock: Clock, call: tuple[str, str]) -> None:
    """The examples of 202: the job runs, the task does not yet."""
    job = bulk.submit(call, [{"id": NOBODY}, {"id": NOBODY}])

    assert re.fullmatch(r"job_v2_\d+", job["id"])
    assert re.fullmatch(r"task_v2_\d+", job["tasks"][0]["id"])
    assert job["id"].removeprefix("job") != job["tasks"][0]["id"].removeprefix("task")
    assert job == {
        "id": job["id"],
        "type": "contacts.bulk.job",
        "state": "running",
        "created_at": clock.now,
        "updated_at": clock.now,
        "completed_at": None,
        "tasks": [
            {
                "id": job["tasks"][0]["id"],
                "item_count": 2,
                "state": "pending",
                "created_at": clock.now,
                "started_at": None,
                "completed_at": None,
            }
        ],
        "url": f"{bulk.api.sandbox.url}/contacts/bulk/{job['id']}",
    }


@pytest.mark.parametrize("version", ["2.17", "2.16", "2.3", None])
def test_only_preview_has_bulk_jobs(bulk: Bulk, version: str | None) -> None:
    """They are not in OAS-2.16; of 2.17 nothing is known."""
    for method, path in [*CALLS, ("GET", "/contacts/bulk/job_v2_1")]:
        response = bulk.api.call(method, path, {"contacts": [{"id": NOBODY}]}, version=version)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "intercom_version_invalid")
    assert bulk.inside() == []


def test_unstable_is_preview(bulk: Bulk) -> None:
    assert bulk.api.call(*CREATE, {"contacts": [{"role": "lead"}]}, version="Unstable").status_code == 202


MISSING = (422, "field_not_found", "contacts field must be supplied")
UNIDENTIFIED = (422, "field_not_found", "contacts must be identified by id")
NO_ARRAY = (422, "type_mismatch", "contacts must be an array")
NO_OBJECT = (422, "type_mismatch", "each contact must be an object")
TOO_MANY = (422, "parameter_invalid", "maximum number of contacts per request is 100")


@pytest.mark.parametrize(
    ("call", "body", "refusal"),
    [
        *[(call, {}, MISSING) for call in CALLS],
        (CREATE, {"contacts": None}, MISSING),
        (CREATE, {"contacts": []}, MISSING),
        *[(call, {"contacts": {"id": NOBODY}}, NO_ARRAY) for call in CALLS],
        *[(call, {"contacts": [{"id": NOBODY}, "x"]}, NO_OBJECT) for call in CALLS],
        *[(call, {"contacts": [{"id": NOBODY}] * 101}, TOO_MANY) for call in CALLS],
        *[(call, {"contacts": [{"id": NOBODY}, {"name": "A"}]}, UNIDENTIFIED) for call in (UPDATE, DELETE)],
        *[(call, {"contacts": [{"id": bad}]}, UNIDENTIFIED) for call in (UPDATE, DELETE) for bad in ("", None, 5)],
        (UPDATE, {"contacts": [{"id": NOBODY}], "job": "job_v2_1"}, (422, "type_mismatch", "job must be an object")),
    ],
)
def test_a_body_with_one_flaw_is_refused_as_a_whole(
    bulk: Bulk, call: tuple[str, str], body: object, refusal: tuple[int, str, str]
) -> None:
    assert bulk.api.refused(*call, body, version=PREVIEW) == refusal
    assert bulk.inside() == []


def test_a_hundred_contacts_travel_in_one_call(bulk: Bulk) -> None:
    leads = [{"role": "lead", "name": str(number)} for number in range(100)]

    assert bulk.done(CREATE, leads)[0] == "completed"
    assert [contact["name"] for contact in bulk.api.sandbox.workspace.everything()] == [lead["name"] for lead in leads]


def test_a_call_counts_once_against_the_rate_limit(bulk: Bulk) -> None:
    job = bulk.submit(CREATE, [{"role": "lead"}] * 100)
    bulk.show(job["id"])

    (window,) = bulk.api.ok("GET", "/_sandbox/windows")["windows"]
    assert window["calls"] == 2


def test_jobs_take_the_permissions_of_contacts(bulk: Bulk) -> None:
    job = bulk.submit(CREATE, [{"role": "lead"}])
    bulk.api.conditions(deny_scopes=["write_users", "read_users"])

    for call in [*CALLS, ("GET", f"/contacts/bulk/{job['id']}")]:
        assert bulk.api.refused(*call, {"contacts": [{"id": NOBODY}]}, version=PREVIEW)[:2] == (403, "forbidden")


@DESCRIBED
def test_answers_have_the_described_shape(bulk: Bulk) -> None:
    check = answers("Preview", complete=True)
    job = bulk.submit(CREATE, [{"role": "lead"}])
    check("contacts_bulk_job", job)
    bulk.wait(job["id"])
    check("contacts_bulk_job", bulk.show(job["id"]))
    check("admin_list", bulk.api.ok("GET", "/admins", version=PREVIEW))


# --- jobs and tasks ---


def test_a_job_takes_further_tasks_while_it_is_open(bulk: Bulk, clock: Clock) -> None:
    """Closed after `bulk_open_seconds`; 900 with the legacy API (intercom-ruby issue 245)."""
    first = bulk.submit(CREATE, [{"role": "lead"}])
    clock.pass_(899)
    second = bulk.submit(DELETE, [{"id": NOBODY}, {"id": NOBODY}], first["id"])

    assert (second["id"], second["created_at"]) == (first["id"], first["created_at"])
    assert [task["item_count"] for task in second["tasks"]] == [1, 2]
    assert second["tasks"][0]["id"] == first["tasks"][0]["id"] != second["tasks"][1]["id"]
    assert [task["created_at"] for task in second["tasks"]] == [clock.now - 899, clock.now]
    assert second["tasks"][1]["state"] == "pending"

    clock.pass_(1)
    closed = (403, "forbidden", f"job {first['id']} is closed for new task updates")
    body = {"contacts": [{"id": NOBODY}], "job": {"id": first["id"]}}
    assert [bulk.api.refused(*call, body, version=PREVIEW) for call in CALLS] == [closed] * 3
    assert len(bulk.show(first["id"])["tasks"]) == 2


def test_an_unknown_job_is_not_found(bulk: Bulk) -> None:
    """For GET by choice."""
    task_id = bulk.submit(CREATE, [{"role": "lead"}])["tasks"][0]["id"]

    for job_id in ("job_v2_0", task_id.replace("task", "job")):
        unknown = (404, "job_not_found", f"job {job_id} not found")
        body = {"contacts": [{"id": NOBODY}], "job": {"id": job_id}}
        for call in [*CALLS, ("GET", f"/contacts/bulk/{job_id}")]:
            assert bulk.api.refused(*call, body, version=PREVIEW) == unknown
    assert len(bulk.inside()) == 1


@pytest.mark.parametrize(
    ("contact", "state"), [({"role": "lead"}, "completed"), ({"role": "user"}, "completed_with_errors")]
)
def test_a_job_runs_on_while_it_is_open_and_then_is_what_its_tasks_were(
    bulk: Bulk, clock: Clock, contact: object, state: str
) -> None:
    """intercom-ruby issue 245, intercom-php issue 174."""
    created_at = clock.now
    clock.pass_(0.5)
    job_id = bulk.submit(CREATE, [contact])["id"]
    assert bulk.wait(job_id)["tasks"][0]["state"] == state
    clock.pass_(899)
    while_open = bulk.show(job_id)
    clock.pass_(1)
    closed = bulk.show(job_id)

    assert (while_open["state"], while_open["completed_at"]) == ("running", None)
    assert while_open["tasks"][0]["completed_at"] == created_at
    assert (closed["state"], closed["completed_at"]) == (state, created_at + 900)
    assert closed["updated_at"] == closed["completed_at"]
    assert closed["tasks"] == while_open["tasks"]


def test_a_job_that_is_never_open_ends_with_its_task(bulk: Bulk) -> None:
    bulk.api.conditions(bulk_open_seconds=0)
    job_id = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    bulk.wait(job_id)

    assert bulk.show(job_id)["state"] == "completed"
    assert bulk.api.refused(*CREATE, {"contacts": [{}], "job": {"id": job_id}}, version=PREVIEW)[0] == 403


def test_tasks_of_a_job_run_one_after_the_other_and_jobs_beside_each_other(bulk: Bulk, clock: Clock) -> None:
    """By choice."""
    bulk.api.conditions(bulk_seconds=60)
    one = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    clock.pass_(5)
    again = bulk.submit(CREATE, [{"role": "lead"}], one)
    other = bulk.submit(CREATE, [{"role": "lead"}])["id"]

    assert [task["state"] for task in again["tasks"]] == bulk.state(one) == ["running", "pending"]
    assert bulk.state(other) == ["running"]
    assert [task["started_at"] for task in bulk.show(one)["tasks"]] == [clock.now - 5, None]
    assert (bulk.show(one)["updated_at"], bulk.show(one)["state"]) == (clock.now, "running")


def test_items_and_tasks_are_done_in_the_order_of_their_submission(bulk: Bulk) -> None:
    bulk.api.conditions(bulk_seconds=0.02)
    names = [f"{task}.{item}" for task in range(3) for item in range(4)]
    job_id = bulk.submit(CREATE, [{"role": "lead", "name": name} for name in names[:4]])["id"]
    for start in (4, 8):
        bulk.submit(CREATE, [{"role": "lead", "name": name} for name in names[start : start + 4]], job_id)

    bulk.wait(job_id)
    assert [contact["name"] for contact in bulk.api.sandbox.workspace.everything()] == names


def test_a_task_takes_its_time_and_needs_nobody_to_ask(bulk: Bulk) -> None:
    bulk.api.conditions(bulk_seconds=0.1)
    workspace = bulk.api.sandbox.workspace
    started = time.monotonic()
    bulk.submit(CREATE, [{"role": "lead"}, {"role": "lead"}])

    assert workspace.everything() == []
    until(lambda: len(workspace.everything()) == 2)
    assert time.monotonic() - started >= 0.1
    assert [call.method for call in bulk.api.sandbox.calls] == ["POST"]


def test_a_task_comes_to_its_end_though_a_longer_one_was_there_before(bulk: Bulk) -> None:
    bulk.api.conditions(bulk_seconds=60)
    long = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    bulk.api.conditions(bulk_seconds=0)

    assert bulk.done(CREATE, [{"role": "lead"}])[0] == "completed"
    assert bulk.state(long) == ["running"]


def test_a_reset_forgets_jobs_and_what_they_had_yet_to_do(bulk: Bulk) -> None:
    before = set(workers())
    bulk.api.conditions(bulk_seconds=3600)
    old = bulk.api.sandbox.workspace
    job_id = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    bulk.submit(CREATE, [{"role": "lead"}], job_id)
    bulk.api.ok("POST", "/_sandbox/reset")

    assert bulk.inside() == []
    assert bulk.api.refused("GET", f"/contacts/bulk/{job_id}", version=PREVIEW)[0] == 404
    until(lambda: set(workers()) <= before)
    assert bulk.api.sandbox.workspace.everything() == old.everything() == []
    bulk.api.conditions(bulk_seconds=0)
    assert bulk.done(CREATE, [{"role": "lead"}])[0] == "completed"


def test_jobs_do_not_hold_up_the_end() -> None:
    before = set(workers())
    with SandboxServer(Conditions(bulk_seconds=3600)) as sandbox:
        api = Api(sandbox)
        Bulk(api).submit(CREATE, [{"role": "lead"}])
        assert set(workers()) - before
        started = time.monotonic()
    assert time.monotonic() - started < 600
    assert set(workers()) <= before
    assert sandbox.workspace.everything() == []
    api.session.close()


# --- items ---

FULL: dict[str, Any] = {
    "external_id": "u1",
    "email": "A@x.com",
    "name": "Ann",
    "phone": "+1",
    "avatar": "https://example.com/a.png",
    "owner_id": "1000002",
    "unsubscribed_from_emails": True,
    "language_override": "fr",
    "custom_attributes": {"plan": "pro"},
}
TIMES: dict[str, Any] = {"signed_up_at": 1_600_000_000, "last_seen_at": 1_600_000_001}


def the_same_but_for_names(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two contacts agree in all that the test does not have to make differ."""
    own = {"id", "workspace_id", "external_id", "email"}
    return {k: v for k, v in one.items() if k not in own} == {k: v for k, v in other.items() if k not in own}


def test_a_created_contact_is_what_a_single_call_makes(bulk: Bulk) -> None:
    bulk.api.attribute("plan")
    single = bulk.api.create(version=PREVIEW, **{**FULL, **TIMES, "role": "user", "external_id": "s", "email": "s@x"})
    state, (item,) = bulk.done(CREATE, [{**FULL, **TIMES, "role": "user"}])

    assert (state, item["result"], item["error"], item["dropped"]) == ("completed", "done", None, [])
    one, other = (contact for contact in bulk.api.sandbox.workspace.everything())
    assert (other["id"], other["external_id"], other["email"]) == (item["contact_id"], "u1", "A@x.com")
    assert (one["id"], other["name"], other["last_seen_at"]) == (single["id"], "Ann", 1_600_000_001)
    assert the_same_but_for_names(one, other)


def test_an_updated_contact_is_what_a_single_call_makes_of_it(bulk: Bulk, clock: Clock) -> None:
    bulk.api.attribute("plan")
    kept = {"name": "Old", "phone": "+2", "custom_attributes": {"plan": "basic"}, **TIMES}
    single = bulk.api.create(role="user", email="s@x.com", **kept)["id"]
    contact = bulk.api.create(role="user", email="old@x.com", **kept)["id"]
    clock.pass_(5)
    changes = {**FULL, "name": None}
    bulk.api.update(single, version=PREVIEW, **{**changes, "external_id": "s", "email": "s@x.com"})
    state, (item,) = bulk.done(UPDATE, [{"id": contact, **changes}])

    assert (state, item["contact_id"], item["dropped"]) == ("completed", contact, [])
    one, other = (contact for contact in bulk.api.sandbox.workspace.everything())
    assert (other["external_id"], other["email"], other["name"]) == ("u1", "A@x.com", None)
    assert (other["updated_at"], other["signed_up_at"]) == (clock.now, 1_600_000_000)
    assert the_same_but_for_names(one, other)


def test_fields_that_the_call_does_not_have_are_dropped_in_silence(bulk: Bulk) -> None:
    tag_id = bulk.api.tag("A")
    lead = bulk.api.create(role="lead", email="lead@x.com")["id"]
    ignored = {"email_verified": True, "colour": 5}
    tags = {"add": [], "remove": [{"id": tag_id}], "set": [5]}
    created, (one,) = bulk.done(CREATE, [{"id": lead, "email": "a@x.com", "tags": tags, **ignored}])
    updated, (two,) = bulk.done(
        UPDATE, [{"id": lead, "email": "b@x.com", "role": "user", "tags": tags, **TIMES, **ignored}]
    )
    deleted, (three,) = bulk.done(DELETE, [{"id": one["contact_id"], "email": "c@x.com", "tags": tags}])

    assert created == updated == deleted == "completed"
    assert one["dropped"] == ["id", "email_verified", "colour", "tags.remove", "tags.set"]
    assert two["dropped"] == ["role", "signed_up_at", "last_seen_at", "email_verified", "colour", "tags.set"]
    assert three["dropped"] == ["email", "tags"]
    shown = bulk.api.get(lead)
    assert (shown["role"], shown["email"], shown["signed_up_at"]) == ("lead", "b@x.com", None)
    users = [contact for contact in bulk.api.sandbox.workspace.everything() if contact["id"] != lead]
    assert [(user["email"], user["email_verified"], user["state"]) for user in users] == [("a@x.com", None, "deleted")]


def test_a_create_never_updates(bulk: Bulk) -> None:
    """A user whose external_id or email exists is refused, an archived one too; others go on."""
    live = bulk.api.create(role="user", external_id="live", email="live@x.com")["id"]
    archived = bulk.api.create(role="user", external_id="archived", email="archived@x.com")["id"]
    deleted = bulk.api.create(role="user", external_id="deleted")["id"]
    bulk.api.ok("POST", f"/contacts/{archived}/archive", {})
    bulk.api.ok("DELETE", f"/contacts/{deleted}")

    state, items = bulk.done(
        CREATE,
        [
            {"external_id": "live", "name": "X"},
            {"external_id": "new", "email": "LIVE@x.com"},
            {"email": "archived@x.com"},
            {"external_id": "deleted"},
            {"external_id": "fine"},
            {"external_id": "fine", "name": "once more"},
            {"role": "lead", "email": "live@x.com"},
            {"role": "lead", "email": "live@x.com"},
        ],
    )

    exists = "matching those details already exists with id="
    fine = items[4]["contact_id"]
    assert state == "completed_with_errors"
    assert results(items) == [
        ("failed", 409, f"A contact {exists}{live}"),
        ("failed", 409, f"A contact {exists}{live}"),
        ("failed", 409, f"An archived contact {exists}{archived}"),
        ("failed", 409, f"An archived contact {exists}{deleted}"),
        ("done", None, None),
        ("failed", 409, f"A contact {exists}{fine}"),
        ("done", None, None),
        ("done", None, None),
    ]
    assert len(bulk.api.sandbox.workspace.everything()) == 3 + 3
    assert bulk.api.get(live)["name"] is None


@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        ({"owner_id": "9"}, "The owner specified is not a member of the workspace"),
        ({"custom_attributes": {"nope": 1}}, "Custom attribute 'nope' does not exist"),
        ({"name": 5}, "name must be a string"),
        ({"email": "none"}, "Email is invalid"),
    ],
)
def test_a_bad_value_fails_its_item_and_all_of_it(bulk: Bulk, flaw: dict[str, Any], message: str) -> None:
    """An unknown custom attribute by choice: nobody knows whether Intercom drops it."""
    one = bulk.api.create(role="user", external_id="one")["id"]
    two = bulk.api.create(role="user", external_id="two")["id"]
    tags = {"tags": {"add": [{"id": bulk.api.tag("A")}]}}
    created = bulk.done(CREATE, [{"external_id": "new", **tags, **flaw}, {"external_id": "fine"}])
    updated = bulk.done(UPDATE, [{"id": one, "phone": "+9", **tags, **flaw}, {"id": two, "phone": "+8"}])

    for state, items in (created, updated):
        assert state == "completed_with_errors"
        assert results(items) == [("failed", 400, message), ("done", None, None)]
    assert [
        (contact["external_id"], contact["phone"], contact["tags"])
        for contact in bulk.api.sandbox.workspace.everything()
    ] == [("one", None, []), ("two", "+8", []), ("fine", None, [])]


@pytest.mark.parametrize("call", [UPDATE, DELETE])
def test_contacts_that_are_not_there_fail_their_items(bulk: Bulk, call: tuple[str, str]) -> None:
    """Archived ones and merged ones as with the single call, the latter by choice for deletes."""
    user, lead, archived, merged = (
        bulk.api.create(role=role, email=f"{n}@x.com")["id"] for n, role in enumerate(["user", "lead", "user", "lead"])
    )
    bulk.api.ok("POST", f"/contacts/{archived}/archive", {})
    body = {"from": merged, "into": user, "skip_duplicate_validation": True}
    bulk.api.ok("POST", "/contacts/merge", body)

    state, items = bulk.done(call, [{"id": each} for each in (NOBODY, archived, merged, lead)])

    assert state == "completed_with_errors"
    assert [item[:2] for item in results(items)] == [("failed", 404), ("failed", 404), ("failed", 410), ("done", None)]
    assert items[-1]["contact_id"] == lead


def test_a_conflict_fails_an_update(bulk: Bulk) -> None:
    bulk.api.create(role="user", external_id="taken")
    other = bulk.api.create(role="user", external_id="other")["id"]

    state, items = bulk.done(UPDATE, [{"id": other, "external_id": "taken"}, {"id": other, "name": "Ann"}])
    assert (state, [item["result"] for item in items]) == ("completed_with_errors", ["failed", "done"])
    assert (bulk.api.get(other)["external_id"], bulk.api.get(other)["name"]) == ("other", "Ann")


def test_a_delete_is_for_good(bulk: Bulk) -> None:
    user = bulk.api.create(role="user", external_id="u1")["id"]

    assert bulk.done(DELETE, [{"id": user}])[0] == "completed"
    assert bulk.api.refused("GET", f"/contacts/{user}")[0] == 404
    assert bulk.api.refused("POST", "/contacts", {"role": "user", "external_id": "u1"})[0] == 409
    assert bulk.api.refused("POST", f"/contacts/{user}/unarchive", {})[0] in {400, 500}
    assert bulk.done(DELETE, [{"id": user}])[0] == "completed_with_errors"


def test_tags_come_and_go_by_id_and_fail_no_item(bulk: Bulk) -> None:
    """Unknown ids are skipped; taking off what is not on is fine."""
    one, two, three = (bulk.api.tag(name) for name in ("One", "Two", "Three"))
    bulk.api.ok("POST", "/tags", {"name": "Three", "users": []})
    created, (item,) = bulk.done(
        CREATE,
        [{"external_id": "u1", "tags": {"add": [{"id": one}, {"id": "1"}, {"id": int(two)}, {"id": "VIP"}, {}, 7]}}],
    )
    assert (created, item["skipped_tags"]) == ("completed", ["1", "VIP", None, 7])
    contact = item["contact_id"]
    assert names(bulk, contact) == ["One", "Two"]

    changes = {"add": [{"id": three}, {"id": three}, {"id": "2"}], "remove": [{"id": one}, {"id": "3"}, {"id": one}]}
    updated, (item,) = bulk.done(UPDATE, [{"id": contact, "tags": changes}])
    assert (updated, item["skipped_tags"]) == ("completed", ["2", "3"])
    assert names(bulk, contact) == ["Two", "Three"]

    malformed: list[object] = [None, [], "x", {"add": "x"}, {"add": None, "remove": {}}]
    for tags in malformed:
        assert bulk.done(UPDATE, [{"id": contact, "tags": tags}])[0] == "completed"
    assert names(bulk, contact) == ["Two", "Three"]


def names(bulk: Bulk, contact_id: str) -> list[str]:
    return [tag["name"] for tag in bulk.api.ok("GET", f"/contacts/{contact_id}/tags")["data"]]


def test_search_lags_behind_jobs_too(bulk: Bulk, clock: Clock) -> None:
    bulk.api.conditions(search_lag=60)
    _, (item,) = bulk.done(CREATE, [{"external_id": "u1", "email": "a@x.com"}])

    assert bulk.api.find("email", "=", "a@x.com") == []
    assert bulk.api.ok("GET", "/contacts/find_by_external_id/u1")["id"] == item["contact_id"]
    clock.pass_(60)
    assert bulk.api.find("email", "=", "a@x.com") == [item["contact_id"]]


# --- conditions ---


@pytest.mark.parametrize(
    ("bulk_is", "refusal"),
    [
        ("version", (400, "intercom_version_invalid")),
        ("missing", (404, "not_found")),
        ("not_acceptable", (406, "not_acceptable")),
        ("plan", (403, "api_plan_restricted")),
    ],
)
def test_a_workspace_can_be_without_bulk_jobs(bulk: Bulk, bulk_is: str, refusal: tuple[int, str]) -> None:
    job_id = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    bulk.api.conditions(bulk=bulk_is)

    for method, path in [*CALLS, ("GET", f"/contacts/bulk/{job_id}")]:
        for body in ({"contacts": [{"id": NOBODY}]}, {}):
            assert bulk.api.refused(method, path, body, version=PREVIEW)[:2] == refusal
    assert bulk.api.create(version=PREVIEW, role="lead")
    bulk.api.conditions(bulk="on")
    assert len(bulk.inside()) == 1
    assert bulk.show(job_id)["id"] == job_id


def test_a_plan_that_has_no_bulk_jobs_says_so(bulk: Bulk) -> None:
    bulk.api.conditions(bulk="plan")
    assert bulk.api.refused(*CREATE, {}, version=PREVIEW)[2] == "Active subscription needed."


def test_the_next_tasks_can_be_made_never_to_end(bulk: Bulk, clock: Clock) -> None:
    bulk.api.conditions(bulk_stuck=2, bulk_open_seconds=0)
    one, two = (bulk.submit(CREATE, [{"role": "lead", "name": "stuck"}])["id"] for _ in range(2))

    assert bulk.done(CREATE, [{"role": "lead", "name": "fine"}])[0] == "completed"
    clock.pass_(10_000)
    for job_id in (one, two):
        assert (bulk.state(job_id), bulk.show(job_id)["state"]) == (["running"], "running")
    assert [contact["name"] for contact in bulk.api.sandbox.workspace.everything()] == ["fine"]
    assert bulk.api.ok("GET", "/_sandbox/conditions")["bulk_stuck"] == 0
    assert [job["tasks"][0]["stuck"] for job in bulk.inside()] == [True, True, False]


def test_a_stuck_task_holds_up_its_job_and_may_have_done_a_part(bulk: Bulk) -> None:
    bulk.api.conditions(bulk_stuck=1, bulk_stuck_share=0.5)
    job_id = bulk.submit(CREATE, [{"role": "lead", "name": name} for name in "abc"])["id"]
    bulk.submit(CREATE, [{"role": "lead", "name": "d"}], job_id)

    until(lambda: len(bulk.api.sandbox.workspace.everything()) == 2)
    assert bulk.done(CREATE, [{"role": "lead", "name": "e"}])[0] == "completed"
    assert bulk.state(job_id) == ["running", "pending"]
    assert [item["result"] for item in bulk.inside()[0]["tasks"][0]["items"]] == ["done", "done", None]
    assert [contact["name"] for contact in bulk.api.sandbox.workspace.everything()] == ["a", "b", "e"]


def test_items_fail_for_no_reason_at_the_rate_and_by_the_seed(bulk: Bulk) -> None:
    def failed(seed: int) -> list[bool]:
        bulk.api.conditions(bulk_item_fault_rate=0.3, fault_seed=seed)
        state, items = bulk.done(CREATE, [{"role": "lead"}] * 50)
        assert (state, {item["error"]["status"] for item in items if item["error"]}) == ("completed_with_errors", {500})
        return [item["result"] == "failed" for item in items]

    first = failed(7)
    assert first == failed(7) != failed(8)
    assert 5 < sum(first) < 28
    written = len(bulk.api.sandbox.workspace.everything())
    bulk.api.conditions(bulk_item_fault_rate=1)
    assert {item["result"] for item in bulk.done(CREATE, [{"role": "lead"}] * 20)[1]} == {"failed"}
    assert len(bulk.api.sandbox.workspace.everything()) == written


def test_items_that_fail_do_not_move_the_faults_of_calls() -> None:
    def drawn(items: int) -> list[str | None]:
        conditions = Conditions(fault_seed=3, fault_rate=0.5, bulk_item_fault_rate=0.5, bulk_seconds=60)
        with SandboxServer(conditions) as sandbox:
            api = Api(sandbox)
            sandbox.conditions.faults = ()
            Bulk(api).submit(CREATE, [{"role": "lead"}] * items)
            api.conditions(faults=["500", "503_html"])
            for _ in range(20):
                api.call("GET", "/me")
            api.session.close()
            return [call.fault and call.fault.value for call in sandbox.calls]

    assert drawn(1) == drawn(50)


@pytest.mark.parametrize(
    ("fault", "queued"),
    [
        ("500_after", True),
        ("reset_after", True),
        ("timeout_after", True),
        ("garbage", True),
        ("429", False),
        ("500", False),
        ("503_html", False),
        ("reset_before", False),
        ("timeout_before", False),
    ],
)
def test_a_lost_answer_may_have_queued_its_task(bulk: Bulk, fault: str, queued: bool) -> None:
    bulk.api.conditions(fault_timeout=0.05, fault=fault, method="POST", path="/contacts/bulk")
    with contextlib.suppress(requests.ConnectionError):
        assert bulk.api.call(*CREATE, {"contacts": [{"role": "lead"}]}, version=PREVIEW).status_code != 202

    jobs = bulk.inside()
    assert len(jobs) == queued
    for job in jobs:
        bulk.wait(job["id"])
    assert len(bulk.api.sandbox.workspace.everything()) == queued


def test_calls_about_a_job_can_fail_too(bulk: Bulk) -> None:
    job_id = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    bulk.api.conditions(fault="500", method="GET", path="/contacts/bulk/{id}")

    assert bulk.api.refused("GET", f"/contacts/bulk/{job_id}", version=PREVIEW)[0] == 500
    assert bulk.show(job_id)["id"] == job_id


@pytest.mark.parametrize(
    "changes",
    [
        {"bulk": "off"},
        {"bulk": True},
        {"bulk_seconds": -1},
        {"bulk_open_seconds": "long"},
        {"bulk_stuck": -1},
        {"bulk_stuck": True},
        {"bulk_stuck": False},
        {"bulk_stuck_share": 1.1},
        {"bulk_item_fault_rate": 2},
    ],
)
def test_bad_conditions_are_refused(bulk: Bulk, changes: dict[str, Any]) -> None:
    before = bulk.api.ok("GET", "/_sandbox/conditions")

    assert bulk.api.refused("POST", "/_sandbox/conditions", changes)[:2] == (400, "parameter_invalid")
    assert bulk.api.ok("GET", "/_sandbox/conditions") == before


def test_a_reset_gives_back_the_conditions_of_the_start() -> None:
    with SandboxServer(Conditions(bulk_stuck=1, bulk_seconds=0)) as sandbox:
        api = Api(sandbox)
        api.conditions(bulk="plan", bulk_open_seconds=1)
        api.ok("POST", "/_sandbox/reset")
        bulk = Bulk(api)
        stuck = bulk.submit(CREATE, [{"role": "lead"}])["id"]
        assert bulk.done(CREATE, [{"role": "lead"}])[0] == "completed"
        assert bulk.state(stuck) == ["running"]
        api.ok("POST", "/_sandbox/reset")

        shown = api.ok("GET", "/_sandbox/conditions")
        assert (shown["bulk"], shown["bulk_open_seconds"], shown["bulk_stuck"]) == ("on", 900, 1)
        api.session.close()


# --- looking inside ---


def test_the_control_plane_tells_what_became_of_each_item(bulk: Bulk) -> None:
    contacts = [{"external_id": "u1", "colour": "red"}, {"role": "user"}]
    job = bulk.submit(CREATE, contacts)
    bulk.wait(job["id"])

    (shown,) = bulk.inside()
    (created,) = bulk.api.sandbox.workspace.everything()
    assert (shown["id"], shown["state"], shown["completed_at"]) == (job["id"], "running", None)
    (task,) = shown["tasks"]
    assert (task["kind"], task["state"], task["stuck"]) == ("create", "completed_with_errors", False)
    assert task["items"] == [
        {
            "item": contacts[0],
            "result": "done",
            "contact_id": created["id"],
            "error": None,
            "dropped": ["colour"],
            "skipped_tags": [],
            "skipped_companies": [],
        },
        {
            "item": contacts[1],
            "result": "failed",
            "contact_id": None,
            "error": {
                "status": 400,
                "code": "parameter_missing",
                "message": "email or external_id must be given for a user",
            },
            "dropped": [],
            "skipped_tags": [],
            "skipped_companies": [],
        },
    ]


def test_calls_about_jobs_are_remembered_as_any_other(bulk: Bulk) -> None:
    job_id = bulk.submit(CREATE, [{"role": "lead"}])["id"]
    bulk.show(job_id)

    one, two = bulk.api.ok("GET", "/_sandbox/calls")["calls"]
    assert (one["path"], one["status"], one["body"]) == ("/contacts/bulk", 202, {"contacts": [{"role": "lead"}]})
    assert (two["path"], two["status"], two["version"]) == (f"/contacts/bulk/{job_id}", 200, "Preview")


# --- the command ---

COMMAND = [sys.executable, "-m", "target_intercom.sandbox"]


def test_the_command_takes_the_flags_and_ends_cleanly_with_a_task_under_way() -> None:
    flags = ["--bulk-seconds", "60", "--bulk-stuck", "1", "--bulk-item-fault-rate", "0.5", "--bulk-open-seconds", "9"]
    command = [*COMMAND, "--port", "0", "--bulk", "on", "--bulk-stuck-share", "0.5", *flags]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        headers = {"Authorization": "Bearer sandbox", "Intercom-Version": PREVIEW}
        body = {"contacts": [{"role": "lead"}]}
        queued = requests.post(f"{url}/contacts/bulk", json=body, headers=headers, timeout=120)
        shown = requests.get(f"{url}/_sandbox/conditions", headers=headers, timeout=120).json()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=120)

    assert queued.status_code == 202
    assert (shown["bulk_seconds"], shown["bulk_stuck"], shown["bulk_stuck_share"]) == (60, 0, 0.5)
    assert (shown["bulk"], shown["bulk_item_fault_rate"], shown["bulk_open_seconds"]) == ("on", 0.5, 9)
    assert (process.returncode, rest, errors) == (0, "", "")


# --- admins ---


def test_admins_are_listed_and_may_own_contacts(api: Api) -> None:
    """OAS-2.16 and OAS-P GET /admins; the one who asks is among them."""
    listed = api.ok("GET", "/admins")
    me = api.ok("GET", "/me")

    assert listed["type"] == "admin.list"
    assert (me["id"], me["name"], me["email"]) in [
        (admin["id"], admin["name"], admin["email"]) for admin in listed["admins"]
    ]
    for admin in listed["admins"]:
        assert admin["type"] == "admin"
        assert api.create(role="lead", owner_id=admin["id"])["owner_id"] == admin["id"]


def test_admins_take_their_permission(api: Api) -> None:
    api.conditions(deny_scopes=["read_admins"])
    assert api.refused("GET", "/admins")[:2] == (403, "forbidden")
