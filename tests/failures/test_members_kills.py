"""Killed at any call, a run leaves no membership that the next one does not settle, whose it is included."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.companies import ACCOUNTS, accounts
from tests.support.grouping import add_people
from tests.support.loading import send_before
from tests.support.membering import LISTS, SEATS, add_companies, all_companies, attach_by_hand, seat, seats, working

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

OURS = range(6)
SETTINGS: dict[str, Any] = {**LISTS, "sync_mode": "sync"}


def everybody(company: str | None, **values: Any) -> list[dict[str, Any]]:
    return working(*({"id": str(n), "account_id": company, **values} for n in [*OURS, "other"]))


def kill_before(
    load: Loader, sandbox: SandboxServer, call: int, messages: list[dict[str, Any]], **settings: Any
) -> None:
    begun = len(sandbox.calls)
    process = load.begin(messages, **settings)
    send_before(sandbox, process, signal.SIGKILL, lambda: len(sandbox.calls) >= begun + call)
    process.communicate()


@pytest.mark.parametrize("then", ["acme", "bolt"])
@pytest.mark.parametrize(("bulk", "call"), [(True, 4), (True, 5), (True, 6), (False, 5), (False, 12)])
def test_a_run_that_makes_contacts_in_companies_and_is_killed(
    load: Loader, people: People, sandbox: SandboxServer, bulk: bool, call: int, then: str | None
) -> None:
    """Somebody is in the company by another hand."""
    own = add_companies(people, "acme", "bolt")
    other = add_people(people, ["other"])["other"]
    attach_by_hand(people, own["acme"], [other])
    kill_before(load, sandbox, call, everybody("acme"), bulk_writes=bulk, **SETTINGS)
    done = load(everybody(then), bulk_writes=bulk, **SETTINGS)
    assert (done.exit_code, done.refusals) == (0, [])
    wanted = set() if then is None else {then}
    assert all_companies(people) == {"other": {"acme", *wanted}, **{str(n): wanted for n in OURS}}
    again = load(everybody(then), bulk_writes=bulk, **SETTINGS)
    assert (again.exit_code, again.writes) == (0, 0)
    assert load(everybody(None), bulk_writes=bulk, **SETTINGS).exit_code == 0
    assert all_companies(people) == {"other": {"acme"}, **{str(n): set() for n in OURS}}


@pytest.mark.parametrize("then", ["acme", "bolt"])
@pytest.mark.parametrize("call", [3, 5, 8])
def test_a_run_that_moves_contacts_and_is_killed(
    load: Loader, people: People, sandbox: SandboxServer, call: int, then: str | None
) -> None:
    own = add_companies(people, "acme", "bolt")
    other = add_people(people, ["other"])["other"]
    attach_by_hand(people, own["acme"], [other])
    load(everybody("acme"), **SETTINGS)
    bulk = call != 5
    kill_before(load, sandbox, call, everybody("bolt", name="Ann"), bulk_writes=bulk, **SETTINGS)
    done = load(everybody(then), bulk_writes=bulk, **SETTINGS)
    assert (done.exit_code, done.refusals) == (0, [])
    wanted = set() if then is None else {then}
    assert all_companies(people) == {"other": {"acme", *wanted}, **{str(n): wanted for n in OURS}}


@pytest.mark.parametrize("call", range(3, 8))
def test_a_refused_record_changes_no_membership_though_a_run_was_killed_before_it_was_refused(
    load: Loader, people: People, sandbox: SandboxServer, call: int
) -> None:
    add_companies(people, "acme")
    add_people(people, OURS)
    emails = {n: f"p{n}@example.com" for n in OURS} | {0: "p0@example..com"}
    rows = working(*({"id": str(n), "email": email, "account_id": "acme"} for n, email in emails.items()))
    kill_before(load, sandbox, call, rows, bulk_writes=True, **SETTINGS)
    done = load(rows, bulk_writes=True, **SETTINGS)
    assert (done.exit_code, [one["reason"] for one in done.refusals]) == (
        0,
        ["Intercom answered 400: Email is invalid"],
    )
    assert all_companies(people) == {str(n): {"acme"} if n else set() for n in OURS}


@pytest.mark.parametrize("call", range(4, 9))
def test_people_whose_records_do_not_come_again_are_put_into_a_new_company_though_a_run_is_killed(
    load: Loader, people: People, sandbox: SandboxServer, call: int
) -> None:
    settings = {**SETTINGS, **ACCOUNTS}
    load(everybody("acme"), **settings)
    company = accounts({"id": "acme", "name": "Acme"})
    kill_before(load, sandbox, call, company, **settings)
    done = load(company, **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_companies(people) == {**{str(n): {"acme"} for n in OURS}, "other": {"acme"}}


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("are_together", [True, False])
@pytest.mark.parametrize("mode", ["sync", "insert"])
def test_a_user_whom_a_killed_run_has_made_is_put_into_a_company_though_search_lags(
    load: Loader, people: People, sandbox: SandboxServer, mode: str, are_together: bool, bulk: bool
) -> None:
    """The ledger does not know the user; a 409 tells, and search does not. The memberships come with it, or later."""
    add_companies(people, "acme")
    sandbox.conditions.search_lag = 3600
    settings = {**SEATS, "search_delay_seconds": 3600, "sync_mode": mode, "bulk_writes": bulk}
    row = {"id": "7", "email": "ann@example.com", "name": "Ann"}
    people.call("POST", "/contacts", {"external_id": "7", "email": "ann@example.com", "name": "Ann"})
    streams = [working(row, stream="customers"), seats(seat(7, "acme"))]
    if are_together:
        runs = [load([*streams[0], *streams[1]], **settings)]
    else:
        runs = [load(messages, **settings) for messages in streams]
    assert [(done.exit_code, done.refusals) for done in runs] == [(0, [])] * len(runs)
    assert all_companies(people) == {"7": {"acme"}}


@pytest.mark.parametrize("object_", ["company_members", "groups"])
def test_users_whom_a_job_has_just_made_are_found_by_the_next_run_though_search_lags(
    load: Loader, people: People, sandbox: SandboxServer, object_: str
) -> None:
    """The job told no ids, and no record of theirs comes again."""
    add_companies(people, "acme")
    sandbox.conditions.change({"search_lag": 3600, "bulk_seconds": 0})
    settings = {"search_delay_seconds": 3600, "bulk_writes": True}
    load(working(*({"id": str(n), "email": f"p{n}@example.com"} for n in OURS)), **settings)
    rows = seats(*(seat(n, "acme") for n in [*OURS, "nobody"]))
    mappings = {"external_id": "external_id", "company_id": "tag" if object_ == "groups" else "company_id"}
    done = load(rows, streams={"seats": {"object": object_, "mappings": mappings}}, **settings)
    assert (done.exit_code, [one["code"] for one in done.refusals]) == (0, ["no_contact"])
    held = "tags" if object_ == "groups" else "companies"
    assert [one[held] for one in people.live()] == [["acme"]] * len(OURS)
