"""People of others in companies, companies that several records make, or that are made anew, and dry runs of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.companies import accounts, companies, join
from tests.support.loading import record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

GONE = {"_sdc_deleted_at": "2025-01-01"}


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
            "seats": {"object": "company_members"},
        },
    }


def customers(**account: Any) -> list[dict[str, Any]]:
    """Contacts, each with the company in which it is."""
    rows = [record("customers", id=key, account=value) for key, value in account.items()]
    return [schema("customers", id="text", account="any"), *rows]


def staff(sandbox: SandboxServer, people: People) -> dict[str, set[str]]:
    """Who is in each live company."""
    names = {one["id"]: one["external_id"] for one in people.everyone()}
    return {key: {names[id_] for id_ in one["people"]} for key, one in companies(sandbox).items()}


# Archiving: people of others keep a company.


def test_who_was_detached_by_hand_does_not_make_up_for_people_of_others(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme")])
    acme, ann = companies(sandbox)["acme"], people.one(external_id="ann")["id"]
    people.call("DELETE", f"/contacts/{ann}/companies/{acme['id']}")
    join(people, people.add(external_id="other"), acme)
    done = load(accounts({"id": "acme", **GONE}))
    assert staff(sandbox, people) == {"acme": {"other"}}
    assert done.stream("accounts")["reasons"]["skipped"] == {"has_people": 1}


def test_who_could_not_be_detached_yet_is_nobody_of_others(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme", bob="acme")])
    sandbox.conditions.change({"deny_scopes": ["write_users"]})
    assert load(customers(bob=None)).exit_code == 1
    sandbox.conditions.change({"deny_scopes": []})
    assert staff(sandbox, people) == {"acme": {"ann", "bob"}}
    done = load(accounts({"id": "acme", **GONE}))
    assert done.stream("accounts")["archived"] == 1
    assert companies(sandbox) == {}


def test_who_was_archived_by_hand_does_not_make_up_for_people_of_others(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme")])
    people.archive(people.one(external_id="ann")["id"])
    join(people, people.add(external_id="other"), companies(sandbox)["acme"])
    done = load(accounts({"id": "acme", **GONE}))
    assert staff(sandbox, people) == {"acme": {"other"}}
    assert done.stream("accounts")["reasons"]["skipped"] == {"has_people": 1}


def test_leads_of_others_keep_a_company_though_no_user_is_in_it(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load(accounts({"id": "acme"}))
    lead = people.call("POST", "/contacts", {"role": "lead", "email": "visitor@example.com"})["id"]
    join(people, lead, companies(sandbox)["acme"])
    done = load(accounts({"id": "acme", **GONE}))
    assert done.results("accounts") == {"skipped": 1}
    assert companies(sandbox)["acme"]["people"] == [lead]


# A dry run's results are those of the run.


def test_a_dry_run_archives_a_company_whose_people_leave_in_the_same_run(load: Loader, sandbox: SandboxServer) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme")])
    messages = [*accounts({"id": "acme", **GONE}), *customers(ann=None)]
    dry = load(messages, dry_run=True)
    real = load(messages)
    assert real.results("accounts") == {"archived": 1}
    assert dry.results("accounts") == real.results("accounts")


# Created or updated: by the ledger.


def test_a_company_of_two_streams_is_created_once(load: Loader, sandbox: SandboxServer) -> None:
    further = [schema("firms", id="text", name="text"), record("firms", id="acme", name="Acme")]
    streams = load.settings["streams"] | {"firms": load.settings["streams"]["accounts"]}
    done = load([*accounts({"id": "acme"}), *further], streams=streams)
    assert (done.results("accounts"), done.results("firms")) == ({"created": 1}, {"updated": 1})


def test_a_company_of_two_batches_is_created_once(load: Loader, sandbox: SandboxServer) -> None:
    rows = accounts({"key": "1", "id": "acme", "name": "A"}, {"key": "2", "id": "acme", "plan": "p"}, keys=("key",))
    assert load(rows, batch_size_rows=1).results("accounts") == {"created": 1, "updated": 1}


# A company that returns gets its people again, and the id of now, in bulk, too.

MANY = [f"c{number}" for number in range(5)]


def named(name: str) -> list[dict[str, Any]]:
    """As many companies as make a bulk job, with a name."""
    return accounts(*({"id": key, "name": name} for key in MANY))


def archive_by_hand(sandbox: SandboxServer, people: People, company_id: str) -> None:
    people.call("DELETE", f"/companies/{companies(sandbox)[company_id]['id']}")


def test_in_bulk_a_company_that_is_made_anew_can_be_archived(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load(named("A"))
    archive_by_hand(sandbox, people, "c0")
    load(named("B"), bulk_writes=True)
    done = load(accounts({"id": "c0", **GONE}))
    assert done.results("accounts") == {"archived": 1}
    assert "c0" not in companies(sandbox)


def test_in_bulk_a_company_that_is_made_anew_can_be_enriched(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load(named("A"))
    archive_by_hand(sandbox, people, "c0")
    load(named("B"), bulk_writes=True)
    enrich = {"accounts": {**load.settings["streams"]["accounts"], "sync_mode": "enrich"}}
    done = load(accounts({"id": "c0", "name": "C"}), streams=load.settings["streams"] | enrich)
    assert done.results("accounts") == {"updated": 1}
    assert companies(sandbox)["c0"]["name"] == "C"


@pytest.mark.parametrize(("bulk", "returns"), [(True, "new"), (False, "same")])
def test_a_company_that_repair_makes_anew_gets_its_people(
    load: Loader, sandbox: SandboxServer, people: People, bulk: bool, returns: str
) -> None:
    sandbox.conditions.change({"company_return": returns})
    load([*named("A"), *customers(ann="c0")])
    for company_id in MANY:
        archive_by_hand(sandbox, people, company_id)
    assert load(named("A"), repair=True, bulk_writes=bulk).results("accounts") == {"created": 5}
    assert staff(sandbox, people)["c0"] == {"ann"}


# A run that changes nothing writes nothing.


def test_an_attribute_that_the_other_kind_has_is_not_asked_for_in_each_run(load: Loader) -> None:
    people = [schema("customers", id="text", tier="text"), record("customers", id="1", tier="q")]
    messages = [*accounts({"id": "acme", "tier": "gold"}), *people]
    load(messages)
    again = load(messages)
    assert (again.results(), again.results("accounts")) == ({"unchanged": 1}, {"unchanged": 1})
    assert again.writes == 0


def test_a_dry_run_archives_a_company_whose_people_are_archived_in_the_same_run(
    load: Loader, sandbox: SandboxServer
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann="acme")])
    gone = [schema("customers", id="text", _sdc_deleted_at="text"), record("customers", id="ann", **GONE)]
    messages = [*accounts({"id": "acme", **GONE}), *gone]
    dry = load(messages, dry_run=True)
    assert dry.results("accounts") == load(messages).results("accounts") == {"archived": 1}


# A membership never makes a company.


def test_a_membership_of_a_company_that_somebody_has_archived_is_of_no_company(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load([*accounts({"id": "acme"}), *customers(ann=None)])
    archive_by_hand(sandbox, people, "acme")
    types = {"row": "integer", "external_id": "text", "company_id": "text"}
    seats = [schema("seats", ["row"], **types), record("seats", row=1, external_id="ann", company_id="acme")]
    done = load(seats)
    assert [one["code"] for one in done.refusals] == ["no_company"]


# Of several records of a key the last one says where somebody works; where the mode takes nobody out, all do.


@pytest.mark.parametrize(("mode", "stay"), [("sync", False), ("additive", True)])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_record_as_before_and_then_a_changed_one_end_as_one_after_the_other(
    load: Loader, sandbox: SandboxServer, people: People, mode: str, *, stay: bool, bulk: bool
) -> None:
    keys = [f"p{number}" for number in range(5)]
    first = customers(**dict.fromkeys(keys, "acme"))
    load([*accounts({"id": "beta"}), *first], sync_mode=mode, bulk_writes=bulk)
    changed = [record("customers", id=key, account="beta", name="New") for key in keys]
    described = schema("customers", id="text", account="any", name="text")
    load([described, *first[1:], *changed, *accounts({"id": "acme"}, {"id": "beta"})], sync_mode=mode, bulk_writes=bulk)
    assert staff(sandbox, people) == {"acme": set(keys) if stay else set(), "beta": set(keys)}
