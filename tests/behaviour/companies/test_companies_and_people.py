"""Companies together with who works there: archived, brought back, in one pipe and in several runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.companies import accounts, companies, join
from tests.support.loading import record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

GONE = {"_sdc_deleted_at": "2025-01-01"}
ORDERS = pytest.mark.parametrize("companies_first", [True, False], ids=["companies first", "contacts first"])
WAYS = pytest.mark.parametrize("bulk", [False, True], ids=["singly", "in bulk"])


@pytest.fixture(autouse=True)
def settings(load: Loader, sandbox: SandboxServer) -> None:
    """Contacts name their companies; companies are archived when they are marked."""
    sandbox.conditions.change({"company_deletion_delay": 0, "bulk_seconds": 0})
    load.settings = {
        "sync_mode": "sync",
        "max_removal_percent": 100,
        "search_delay_seconds": 0,
        "companies_property": "account",
        "streams": {
            "customers": {},
            "accounts": {"object": "companies", "mappings": {"id": "company_id"}},
        },
    }


def customers(**account: Any) -> list[dict[str, Any]]:
    """Contacts, each with the company in which it is."""
    rows = [record("customers", id=key, account=value) for key, value in account.items()]
    return [schema("customers", id="text", account="text"), *rows]


def pipe(rows: list[dict[str, Any]], people: list[dict[str, Any]], *, companies_first: bool) -> list[dict[str, Any]]:
    return [*rows, *people] if companies_first else [*people, *rows]


def staff(sandbox: SandboxServer, people: People) -> dict[str, set[str]]:
    """Who is in each live company."""
    names = {one["id"]: one["external_id"] for one in people.everyone()}
    return {key: {names[id_] for id_ in one["people"]} for key, one in companies(sandbox).items()}


@ORDERS
@WAYS
def test_a_company_of_the_same_pipe_counts_whatever_the_order(
    load: Loader, sandbox: SandboxServer, people: People, companies_first: bool, bulk: bool
) -> None:
    rows = accounts({"id": "acme", "name": "Acme"}, {"id": "b"})
    messages = pipe(rows, customers(ann="acme", bob="acme", cy="b", dan="none"), companies_first=companies_first)
    done = load(messages, bulk_writes=bulk)
    assert done.exit_code == 0
    assert staff(sandbox, people) == {"acme": {"ann", "bob"}, "b": {"cy"}}
    assert (done.stream()["attached"], done.stream()["left_out"]) == (3, {"companies": 1})
    again = load(messages, bulk_writes=bulk)
    assert again.writes == 0


@ORDERS
@WAYS
def test_a_company_that_was_archived_and_comes_back_gets_its_people_and_only_ours(
    load: Loader, sandbox: SandboxServer, people: People, companies_first: bool, bulk: bool
) -> None:
    who = customers(ann="acme", bob="acme", cy="b")
    load([*accounts({"id": "acme"}, {"id": "b"}), *who], bulk_writes=bulk)
    load(accounts({"id": "acme", **GONE}), bulk_writes=bulk)
    assert staff(sandbox, people) == {"b": {"cy"}}
    load(pipe(accounts({"id": "acme"}), who, companies_first=companies_first), bulk_writes=bulk)
    assert staff(sandbox, people) == {"acme": {"ann", "bob"}, "b": {"cy"}}


@WAYS
def test_the_people_come_back_though_their_records_do_not(
    load: Loader, sandbox: SandboxServer, people: People, bulk: bool
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme", bob="acme")], bulk_writes=bulk)
    load(accounts({"id": "acme", **GONE}), bulk_writes=bulk)
    load(accounts({"id": "acme"}), bulk_writes=bulk)
    assert staff(sandbox, people) == {"acme": {"ann", "bob"}}


def test_a_company_that_somebody_archived_gets_its_people_when_it_is_made_anew(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme")])
    people.call("DELETE", f"/companies/{companies(sandbox)['acme']['id']}")
    load(accounts({"id": "acme", "name": "New"}))
    assert staff(sandbox, people) == {"acme": {"ann"}}


@WAYS
def test_people_of_ours_keep_no_company_and_those_of_others_do(
    load: Loader, sandbox: SandboxServer, people: People, bulk: bool
) -> None:
    load([*accounts({"id": "acme"}, {"id": "b"}), *customers(ann="acme", bob="b")], bulk_writes=bulk)
    join(people, people.add(external_id="other"), companies(sandbox)["b"])
    done = load(accounts({"id": "acme", **GONE}, {"id": "b", **GONE}), bulk_writes=bulk)
    assert done.results("accounts") == {"archived": 1, "skipped": 1}
    assert done.stream("accounts")["reasons"]["skipped"] == {"has_people": 1}
    assert staff(sandbox, people) == {"b": {"bob", "other"}}


def test_a_company_and_its_people_that_leave_together_leave_nobody_behind(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme")])
    gone = [
        schema("customers", id="text", account="text", _sdc_deleted_at="text"),
        record("customers", id="ann", **GONE),
    ]
    done = load([*gone, *accounts({"id": "acme", **GONE})])
    assert (done.results(), done.results("accounts")) == ({"archived": 1}, {"archived": 1})
    assert companies(sandbox) == {}


def test_who_changes_company_while_the_old_one_is_archived_is_in_the_new_one_alone(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "old"}, {"id": "new"}), *customers(ann="old")])
    load([*accounts({"id": "old", **GONE}), *customers(ann="new")])
    assert staff(sandbox, people) == {"new": {"ann"}}
    load(accounts({"id": "old"}))
    assert staff(sandbox, people) == {"new": {"ann"}, "old": set()}
