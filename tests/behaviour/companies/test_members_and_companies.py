"""Companies and who works there, in one pipe: whatever the order of streams, and whoever comes again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.companies import ACCOUNTS, accounts
from tests.support.companies import companies as companies_in
from tests.support.grouping import add_people
from tests.support.membering import (
    ATTACH,
    DETACH,
    FIND,
    LISTS,
    add_companies,
    all_companies,
    attach_by_hand,
    companies_of,
    member_calls,
    moved,
    seat,
    seats,
    working,
)

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

WHEN = "2024-05-01T12:00:00Z"
ACME, BOLT = {"id": "acme", "name": "Acme"}, {"id": "bolt", "name": "Bolt"}
SYNC = {"accounts": {**ACCOUNTS["streams"]["accounts"], "sync_mode": "sync"}}
SETTINGS: dict[str, Any] = {**LISTS, "sync_mode": "sync", "streams": SYNC, "max_removal_percent": 100}
WITH_SEATS = {
    **SETTINGS,
    "streams": {**SYNC, "seats": {"object": "company_members", "sync_mode": "sync", "mappings": {}}},
}


@pytest.fixture(autouse=True)
def archives_at_once(sandbox: SandboxServer) -> None:
    sandbox.conditions.company_deletion_delay = 0.0


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("companies_first", [False, True])
def test_companies_of_the_same_pipe_count_whatever_the_order(
    load: Loader, people: People, bulk: bool, companies_first: bool
) -> None:
    parts = [accounts(ACME, BOLT), working(*({"id": str(n), "account_id": ["acme", "bolt"]} for n in range(4)))]
    parts.append(seats(seat(0, "acme"), seat(1, "bolt")))
    messages = [one for part in (parts if companies_first else reversed(parts)) for one in part]
    done = load(messages, bulk_writes=bulk, **WITH_SEATS)
    assert (done.exit_code, done.refusals, done.stream()["left_out"]) == (0, [], {})
    assert all_companies(people) == {str(n): {"acme", "bolt"} for n in range(4)}
    again = load(messages, bulk_writes=bulk, **WITH_SEATS)
    assert (again.writes, member_calls(again), again.stream()["unchanged"]) == (0, {}, 4)


def test_ids_that_the_ledger_knows_are_not_asked_for(load: Loader, people: People) -> None:
    load(accounts(ACME, BOLT), **SETTINGS)
    done = load(working({"id": "1", "account_id": "acme"}), **SETTINGS)
    assert member_calls(done) == {ATTACH: 1}


@pytest.mark.parametrize("alone", [True, False])
def test_a_company_that_a_later_run_brings_gets_its_people_though_they_do_not_come_again(
    load: Loader, people: People, alone: bool
) -> None:
    row = {"id": "1", "account_id": "acme"}
    first = load(working(row), **SETTINGS)
    assert first.stream()["left_out"] == {"companies": 1}
    if not alone:
        # As long as it is not there, the record that comes again tells so again.
        assert load(working(row), **SETTINGS).stream()["left_out"] == {"companies": 1}
    done = load([*accounts(ACME), *([] if alone else working(row))], **SETTINGS)
    assert (done.exit_code, done.refusals) == (0, [])
    assert companies_of(people, external_id="1") == {"acme"}
    assert done.calls[ATTACH] == 1
    # It is ours: the next list takes it off.
    assert moved(load(working({"id": "1", "account_id": None}), **SETTINGS)) == (0, 1)


@pytest.mark.parametrize("bulk", [False, True])
def test_where_nobody_leaves_a_company_that_comes_later_has_all_who_ever_named_it(
    load: Loader, people: People, bulk: bool
) -> None:
    settings = {**SETTINGS, "sync_mode": "additive", "bulk_writes": bulk}
    load(working(*({"id": str(n), "account_id": "acme"} for n in range(4))), **settings)
    named = working(*({"id": str(n), "name": "Ann", "account_id": "bolt"} for n in range(4)))
    done = load([*named, *accounts(ACME, BOLT)], **settings)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_companies(people) == {str(n): {"acme", "bolt"} for n in range(4)}


def test_a_record_that_wants_it_no_more_does_not_get_it_later(load: Loader, people: People) -> None:
    load(working({"id": "1", "account_id": "acme"}), **SETTINGS)
    load(working({"id": "1", "account_id": None}), **SETTINGS)
    load(accounts(ACME), **SETTINGS)
    assert companies_of(people, external_id="1") == set()


@pytest.mark.parametrize("companies_first", [False, True])
@pytest.mark.parametrize("come_again", [False, True])
@pytest.mark.parametrize("how", ["list", "seats"])
def test_a_company_that_comes_back_gets_our_people_back(
    load: Loader, people: People, sandbox: SandboxServer, how: str, come_again: bool, companies_first: bool
) -> None:
    ids = add_people(people, ["0", "1", "9"])
    rows = (
        working(*({"id": str(n), "account_id": "acme"} for n in range(2)))
        if how == "list"
        else seats(seat(0, "acme"), seat(1, "acme"))
    )
    load([*accounts(ACME), *rows], **WITH_SEATS)
    done = load(accounts({**ACME, "_sdc_deleted_at": WHEN}), **WITH_SEATS)
    assert done.results("accounts") == {"archived": 1}
    assert all_companies(people) == {"0": set(), "1": set(), "9": set()}
    parts = [accounts(ACME), rows if come_again else []]
    done = load([one for part in (parts if companies_first else reversed(parts)) for one in part], **WITH_SEATS)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_companies(people) == {"0": {"acme"}, "1": {"acme"}, "9": set()}
    attach_by_hand(people, companies_in(sandbox)["acme"]["id"], [ids["9"]])
    again = load([*accounts(ACME), *rows], **WITH_SEATS)
    assert (again.writes, member_calls(again)) == (0, {})


def test_who_was_archived_and_comes_back_is_ours_still_where_the_company_was_written_meanwhile(
    load: Loader, people: People
) -> None:
    rows = working({"id": "1", "account_id": "acme"})
    load([*accounts(ACME), *rows], **SETTINGS)
    done = load([*accounts({**ACME, "name": "Gone"}), *working({"id": "1", "_sdc_deleted_at": WHEN})], **SETTINGS)
    assert (done.results("accounts"), done.results()) == ({"updated": 1}, {"archived": 1})
    load(accounts(ACME), **SETTINGS)
    load(rows, **SETTINGS)
    assert companies_of(people, external_id="1") == {"acme"}
    assert moved(load(working({"id": "1", "account_id": None}), **SETTINGS)) == (0, 1)


def test_who_left_while_a_company_was_away_stays_out(load: Loader, people: People, sandbox: SandboxServer) -> None:
    add_people(people, ["0", "1"])
    load([*accounts(ACME), *seats(seat(0, "acme"), seat(1, "acme"))], **WITH_SEATS)
    load(accounts({**ACME, "_sdc_deleted_at": WHEN}), **WITH_SEATS)
    load(seats(seat(0, "acme", _sdc_deleted_at=WHEN)), **WITH_SEATS)
    load(accounts(ACME), **WITH_SEATS)
    assert all_companies(people) == {"0": set(), "1": {"acme"}}


def test_a_company_with_none_but_ours_is_archived_and_one_with_others_stays(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    ids = add_people(people, ["0", "1"])
    load([*accounts(ACME, BOLT), *working(*({"id": n, "account_id": ["acme", "bolt"]} for n in "01"))], **SETTINGS)
    stranger = people.add(external_id="9")
    attach_by_hand(people, companies_in(sandbox)["bolt"]["id"], [stranger])
    gone = [{**one, "_sdc_deleted_at": WHEN} for one in (ACME, BOLT)]
    done = load(accounts(*gone), **SETTINGS)
    assert done.results("accounts") == {"archived": 1, "skipped": 1}
    assert done.stream("accounts")["reasons"]["skipped"] == {"has_people": 1}
    assert set(companies_in(sandbox)) == {"bolt"}
    assert set(ids) == {"0", "1"}


# In bulk jobs.


def sent_items(sandbox: SandboxServer, method: str) -> list[dict[str, Any]]:
    bodies = [call.body for call in sandbox.calls if (call.method, call.path) == (method, "/contacts/bulk")]
    return [item for body in bodies for item in body["contacts"]]


def test_memberships_ride_in_the_contacts_own_items(load: Loader, people: People, sandbox: SandboxServer) -> None:
    add_companies(people, "acme", "bolt")
    settings = {**SETTINGS, "tags_property": "email", "mappings": {"id": "external_id", "email": None}}
    settings["bulk_writes"] = True
    first = {"name": "Ann", "email": "VIP", "account_id": "acme"}
    load(working(*({"id": str(n), **first} for n in range(3))), **settings)
    before = len(sent_items(sandbox, "PUT"))
    second = {"name": "Eve", "email": "Beta", "account_id": "bolt"}
    done = load(working(*({"id": str(n), **second} for n in range(3))), **settings)
    assert moved(done) == (3, 3)
    items = sent_items(sandbox, "PUT")[before:]
    assert len(items) == 3
    for item in items:
        assert item["companies"] == [{"company_id": "acme", "remove": True}, {"company_id": "bolt"}]
        assert set(item["tags"]) == {"add", "remove"}
    assert all_companies(people) == {str(n): {"bolt"} for n in range(3)}
    assert (done.calls.get(ATTACH), done.calls.get(DETACH)) == (None, None)


def test_a_job_makes_no_company(load: Loader, people: People, sandbox: SandboxServer) -> None:
    add_companies(people, "acme")
    rows = working(*({"id": str(n), "account_id": ["acme", "acmee"]} for n in range(3)))
    for _ in range(2):
        done = load(rows, bulk_writes=True, **SETTINGS)
        assert done.stream()["left_out"] == {"companies": 3}
        assert set(companies_in(sandbox)) == {"acme"}
        assert all_companies(people) == {str(n): {"acme"} for n in range(3)}
    done = load([*accounts({"id": "acmee"})], bulk_writes=True, **SETTINGS)
    assert all_companies(people) == {str(n): {"acme", "acmee"} for n in range(3)}


# Dry runs.


def plan_of(done: Loaded) -> list[dict[str, Any]]:
    (path,) = done.data_dir.glob(f"plan-{done.report['run_id']}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_dry_run_names_who_would_be_attached_and_detached(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load([*accounts(ACME, BOLT), *working({"id": "1", "account_id": "acme"})], **SETTINGS)
    contact = people.one(external_id="1")["id"]
    messages = [
        *accounts(ACME, BOLT, {"id": "core"}),
        *working({"id": "1", "account_id": ["bolt", "core"]}, {"id": "2", "account_id": ["bolt", "none"]}),
    ]
    dry = load(messages, dry_run=True, **SETTINGS)
    assert all_companies(people) == {"1": {"acme"}}
    lines = [one for one in plan_of(dry) if one["operation"] in {"attach", "detach"}]
    one = {"stream": "customers", "key": ["1"], "contact": contact, "role": "user", "external_id": "1", "email": None}
    two = {**one, "key": ["2"], "contact": None, "external_id": "2"}
    expected = [
        {"operation": "attach", **one, "company_id": "bolt"},
        {"operation": "attach", **one, "company_id": "core"},
        {"operation": "attach", **two, "company_id": "bolt"},
        {"operation": "detach", **one, "company_id": "acme"},
    ]
    assert sorted(lines, key=json.dumps) == sorted(expected, key=json.dumps)
    real = load(messages, **SETTINGS)
    assert (dry.report["streams"], real.exit_code) == (real.report["streams"], 0)
    assert all_companies(people) == {"1": {"bolt", "core"}, "2": {"bolt"}}


def test_in_a_dry_run_a_company_is_asked_for_once(load: Loader, people: People) -> None:
    add_companies(people, "acme")
    done = load(working(*({"id": str(n), "account_id": "acme"} for n in range(5))), dry_run=True, **SETTINGS)
    assert moved(done) == (5, 0)
    assert member_calls(done) == {FIND: 1}
