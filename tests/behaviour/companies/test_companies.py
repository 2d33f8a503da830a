"""Companies: by their own id, in every mode; unchanged ones cost no call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.objects.attributes import MAX_CUSTOM
from target_intercom.sandbox.versions import Version
from tests.support.companies import ACCOUNTS, accounts, companies, join, many, settings
from tests.support.loading import record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

ACME = {"id": "acme", "name": "Acme", "plan": "pro", "size": 12, "website": "https://acme.example", "tier": "gold"}


@pytest.fixture(autouse=True)
def at_once(sandbox: SandboxServer) -> None:
    """A company that is deleted is gone."""
    sandbox.conditions.change({"company_deletion_delay": 0})


def test_a_company_is_made_with_its_attributes(load: Loader, sandbox: SandboxServer) -> None:
    spent = {"industry": "Rockets", "monthly_spend": 49.9, "remote_created_at": "2024-02-01T00:00:00Z"}
    done = load(accounts({**ACME, **spent}), **ACCOUNTS)
    assert done.exit_code == 0
    assert done.results("accounts") == {"created": 1}
    assert done.stream("accounts")["cut"] == {"monthly_spend": 1}
    acme = companies(sandbox)["acme"]
    assert (acme["name"], acme["plan"], acme["size"], acme["industry"]) == ("Acme", "pro", 12, "Rockets")
    assert (acme["monthly_spend"], acme["remote_created_at"]) == (49, 1706745600)
    assert acme["custom_attributes"] == {"tier": "gold"}
    assert done.calls == {
        "GET /me": 1,
        # Of companies, and of contacts, with which they share their names.
        "GET /data_attributes": 2,
        "POST /data_attributes": 1,
        "POST /companies": 1,
    }


def test_the_same_again_costs_no_call(load: Loader) -> None:
    load(accounts(ACME), **ACCOUNTS)
    again = load(accounts(ACME), **ACCOUNTS)
    assert again.results("accounts") == {"unchanged": 1}
    assert again.writes == 0
    assert sum(again.calls.values()) <= 3


def test_a_change_is_written_and_a_null_clears(load: Loader, sandbox: SandboxServer) -> None:
    load(accounts(ACME), **ACCOUNTS)
    done = load(accounts({**ACME, "name": "Acme Inc", "website": None}), **ACCOUNTS)
    assert done.results("accounts") == {"updated": 1}
    acme = companies(sandbox)["acme"]
    assert (acme["name"], acme["website"], acme["plan"]) == ("Acme Inc", None, "pro")


def test_values_that_intercom_does_not_take_are_counted_and_sent_once(load: Loader, sandbox: SandboxServer) -> None:
    load(accounts(ACME), **ACCOUNTS)
    sandbox.conditions.change({"company_nulls": "ignore"})
    row = {**ACME, "website": None}
    done = load.pipe(accounts(row), **ACCOUNTS)
    assert done.results("accounts") == {"updated": 1}
    assert done.stream("accounts")["left_out"] == {"website": 1}
    assert done.log.count("'website'") == 1
    assert load(accounts(row), **ACCOUNTS).results("accounts") == {"unchanged": 1}


def test_no_company_id_makes_one_record_invalid_and_stops_no_other(load: Loader, sandbox: SandboxServer) -> None:
    done = load(accounts({"id": " ", "name": "Nobody"}, {"id": None, "name": "None"}, ACME), **ACCOUNTS)
    assert done.exit_code == 0
    assert done.results("accounts") == {"created": 1, "invalid": 2}
    assert {(one["code"], one["field"]) for one in done.refusals} == {("no_company_id", "id")}
    assert list(companies(sandbox)) == ["acme"]


@pytest.mark.parametrize("spend", [2**31, -(2**31), "much"])
def test_a_spend_that_does_not_fit_is_invalid(load: Loader, spend: Any) -> None:
    done = load(accounts({**ACME, "monthly_spend": spend}, monthly_spend={}), **ACCOUNTS)
    assert done.results("accounts") == {"invalid": 1}
    assert done.refusals[0]["code"] in {"out_of_range", "not_a_number"}


def test_a_stream_without_company_id_is_refused_at_its_schema(load: Loader, sandbox: SandboxServer) -> None:
    done = load.pipe(accounts(ACME), streams={"accounts": {"object": "companies"}})
    assert done.exit_code == 1
    assert "company_id" in done.log
    assert companies(sandbox) == {}


def test_properties_by_their_own_names_need_no_mapping(load: Loader, sandbox: SandboxServer) -> None:
    rows = [schema("accounts", ("company_id",), company_id="text", name="text", id="text")]
    rows.append(record("accounts", company_id=" acme ", name="Acme", id="7"))
    load(rows, streams={"accounts": {"object": "companies"}})
    assert list(companies(sandbox)) == ["acme"]


def test_the_general_mappings_are_not_for_companies(load: Loader, sandbox: SandboxServer) -> None:
    rows = [schema("accounts", ("company_id",), company_id="text", name="text")]
    rows.append(record("accounts", company_id="acme", name="Acme"))
    general = {"company_id": "external_id", "name": "custom_attributes.firm"}
    load(rows, mappings=general, streams={"accounts": {"object": "companies"}})
    assert companies(sandbox)["acme"]["name"] == "Acme"


WRONG: dict[str, dict[str, Any]] = {
    "creation_mode": {"creation_mode": "lead"},
    "match_by": {"match_by": ["email"]},
    "removal_mode": {"removal_mode": "delete"},
    "tags_property": {"tags_property": "tags"},
    "companies_property": {"companies_property": "x"},
    "mappings": {"mappings": {"id": "external_id"}},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_companies_do_not_take_is_refused_at_the_start(load: Loader, name: str) -> None:
    done = load.pipe(accounts(ACME), **settings(**WRONG[name]))
    assert done.exit_code == 1
    assert f"streams.accounts.{name}" in done.log
    assert done.report == {}


def test_a_general_setting_that_companies_do_not_take_is_ignored_for_them(load: Loader) -> None:
    general = {"creation_mode": "lead", "match_by": ["email"], "removal_mode": "delete", "tags_property": "tags"}
    assert load(accounts(ACME), **ACCOUNTS, **general).results("accounts") == {"created": 1}


# Several records, names and batches.


def test_records_of_one_company_are_laid_over_each_other(load: Loader, sandbox: SandboxServer) -> None:
    rows = accounts({"key": "1", "id": "acme", "name": "A"}, {"key": "2", "id": "acme", "plan": "pro"}, keys=("key",))
    done = load(rows, **ACCOUNTS)
    assert done.results("accounts") == {"created": 1, "merged": 1}
    assert done.calls["POST /companies"] == 1
    acme = companies(sandbox)["acme"]
    assert (acme["name"], acme["plan"]) == ("A", "pro")


@pytest.mark.parametrize("bulk", [False, True])
def test_records_of_one_company_that_come_again_write_nothing(load: Loader, sandbox: SandboxServer, bulk: bool) -> None:
    """Of one key, of several, and with a mark among them: the last one says what the company is."""
    keyed = settings(mappings={"id": "company_id", "row": None}, sync_mode="sync")
    table = ({"row": 1, "name": "A", "plan": "pro"}, {"row": 1, "name": "B", "plan": "free"}, {"row": 2, "plan": "max"})
    rows = accounts(*({"id": "acme", **one} for one in table), keys=("row",), row="integer")
    load(rows, bulk_writes=bulk, **keyed)
    held = companies(sandbox)["acme"]
    assert (held["name"], held["plan"]) == ("B", "max")
    again = load(rows, bulk_writes=bulk, **keyed)
    assert (again.results("accounts"), again.writes) == ({"unchanged": 1, "merged": 2}, 0)
    marked = load(
        [*rows, record("accounts", row=3, id="acme", _sdc_deleted_at="2026-01-01")], bulk_writes=bulk, **keyed
    )
    assert marked.results("accounts") == {"unchanged": 1, "merged": 2, "skipped": 1}
    assert marked.writes == 0


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("mode", ["sync", "enrich"])
def test_two_streams_that_say_different_things_of_companies_come_to_rest(
    load: Loader, sandbox: SandboxServer, people: People, mode: str, bulk: bool
) -> None:
    own = {**ACCOUNTS["streams"]["accounts"], "sync_mode": mode}
    loading = {"bulk_writes": bulk, "streams": {"accounts": own, "crm": own}}
    for n in range(3):
        people.call("POST", "/companies", {"company_id": f"c{n}"})
    crm = [schema("crm", id="text", industry="text"), *(record("crm", id=f"c{n}", industry="Toys") for n in range(3))]
    load([*many(range(3)), *crm], **loading)
    second = load([*many(range(3)), *crm], **loading)
    assert (second.results("accounts"), second.results("crm"), second.writes) == ({"unchanged": 3}, {"unchanged": 3}, 0)
    assert total(load([*many(range(3)), *crm], **loading).calls) <= 3
    changed = load([*many(range(3), plan="pro"), *crm], **loading)
    assert (changed.results("accounts"), changed.results("crm")) == ({"updated": 3}, {"unchanged": 3})
    assert {(one["plan"], one["industry"]) for one in companies(sandbox).values()} == {("pro", "Toys")}


def test_case_and_inner_blanks_tell_companies_apart(load: Loader, sandbox: SandboxServer) -> None:
    load(accounts({"id": "Acme"}, {"id": "acme"}, {"id": "ac me"}), **ACCOUNTS)
    assert set(companies(sandbox)) == {"Acme", "acme", "ac me"}


def test_a_new_id_is_a_new_company_and_the_old_one_leaves_with_the_table(load: Loader, sandbox: SandboxServer) -> None:
    rows = accounts({"key": "1", "id": "old", "name": "A"}, {"key": "2", "id": "b"}, keys=("key",))
    options = settings(sync_mode="sync", snapshot=True)
    load(rows, **options)
    done = load(accounts({"key": "1", "id": "new", "name": "A"}, {"key": "2", "id": "b"}, keys=("key",)), **options)
    assert done.results("accounts") == {"created": 1, "unchanged": 1}
    assert done.stream("accounts")["left"] == 1
    assert set(companies(sandbox)) == {"new", "b"}


@pytest.mark.parametrize("escaping", ["always", "never"])
@pytest.mark.parametrize("name", ["Tom & Jerry", "Tom &amp; Jerry", "<b>'\""])
def test_an_escaped_answer_is_no_reason_to_write(
    load: Loader, sandbox: SandboxServer, name: str, escaping: str
) -> None:
    sandbox.conditions.change({"company_escaping": escaping})
    rows = accounts({"id": "a & b", "name": name})
    first = load(rows, **ACCOUNTS)
    assert first.stream("accounts")["left_out"] == {}
    again = load(rows, repair=True, **ACCOUNTS)
    assert (again.results("accounts"), again.writes) == ({"unchanged": 1}, 0)
    assert companies(sandbox)["a & b"]["name"] == name


def test_an_attribute_that_contacts_have_is_left_out_with_the_name_to_map(load: Loader, people: People) -> None:
    people.call("POST", "/data_attributes", {"name": "tier", "model": "contact", "data_type": "string"})
    done = load.pipe(accounts(ACME), **ACCOUNTS)
    assert done.results("accounts") == {"created": 1}
    assert done.stream("accounts")["left_out"] == {"custom_attributes.tier": 1}
    assert "custom_attributes.company_tier" in done.log


def test_contacts_attributes_count_towards_the_limit_of_companies(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    for number in range(MAX_CUSTOM):
        body = {"name": f"attribute {number}", "model": "contact", "data_type": "string"}
        sandbox.workspace.create_attribute(body, Version.parse("2.16"))
    done = load.pipe(accounts(ACME), **ACCOUNTS)
    assert done.stream("accounts")["left_out"] == {"custom_attributes.tier": 1}
    assert "the workspace has 250 custom attributes already" in done.log
    assert "POST /data_attributes" not in done.calls


def test_what_a_run_makes_for_contacts_counts_towards_the_limit_of_companies(
    load: Loader, sandbox: SandboxServer
) -> None:
    for number in range(MAX_CUSTOM - 1):
        model = "company" if number % 2 else "contact"
        body = {"name": f"attribute {number}", "model": model, "data_type": "string"}
        sandbox.workspace.create_attribute(body, Version.parse("2.16"))
    customers = [
        schema("customers", ("external_id",), external_id="text", plan="text"),
        record("customers", external_id="1", plan="pro"),
    ]
    done = load.pipe([*customers, *accounts(ACME)], **ACCOUNTS)
    assert done.stream("customers")["left_out"] == {}
    assert done.stream("accounts")["left_out"] == {"custom_attributes.tier": 1}
    assert "the workspace has 250 custom attributes already" in done.log
    assert done.calls["POST /data_attributes"] == 1


def test_an_attribute_that_intercom_sets_by_itself_is_left_out(load: Loader, sandbox: SandboxServer) -> None:
    load(accounts({**ACME, "creation_source": "me"}, creation_source="text"), **ACCOUNTS)
    assert companies(sandbox)["acme"]["custom_attributes"] == {"tier": "gold"}


# Modes.


def test_a_company_that_others_made_is_updated(load: Loader, sandbox: SandboxServer, people: People) -> None:
    people.call("POST", "/companies", {"company_id": "acme", "name": "Was", "industry": "Rockets"})
    done = load(accounts(ACME), **ACCOUNTS)
    acme = companies(sandbox)["acme"]
    assert done.exit_code == 0
    assert (acme["name"], acme["industry"]) == ("Acme", "Rockets")


def test_enrich_makes_no_company(load: Loader, sandbox: SandboxServer, people: People) -> None:
    people.call("POST", "/companies", {"company_id": "acme", "name": "Was"})
    people.call("POST", "/companies", {"company_id": "same", "name": "Same"})
    options = settings(sync_mode="enrich")
    rows = accounts(ACME, {"id": "same", "name": "Same"}, {"id": "new", "name": "New"})
    done = load(rows, **options)
    assert done.results("accounts") == {"updated": 1, "unchanged": 1, "skipped": 1}
    assert done.stream("accounts")["reasons"]["skipped"] == {"not_created": 1}
    assert set(companies(sandbox)) == {"acme", "same"}
    assert done.calls["PUT /companies/{id}"] == 1
    again = load(rows, **options)
    assert again.writes == 0


def test_enrich_does_not_make_a_company_anew_that_is_gone(load: Loader, sandbox: SandboxServer, people: People) -> None:
    load(accounts(ACME), **ACCOUNTS)
    people.call("DELETE", f"/companies/{companies(sandbox)['acme']['id']}")
    done = load(accounts({**ACME, "name": "New"}), **settings(sync_mode="enrich"))
    assert done.results("accounts") == {"skipped": 1}
    assert companies(sandbox) == {}


def test_insert_changes_no_company(load: Loader, sandbox: SandboxServer, people: People) -> None:
    people.call("POST", "/companies", {"company_id": "acme", "name": "Was"})
    options = settings(sync_mode="insert")
    done = load(accounts(ACME, {"id": "new", "name": "New"}, {"id": "new", "name": "Newer"}, keys=()), **options)
    assert done.results("accounts") == {"created": 1, "merged": 1, "skipped": 1}
    assert done.stream("accounts")["reasons"]["skipped"] == {"exists": 1}
    assert {one["name"] for one in companies(sandbox).values()} == {"Was", "New"}
    again = load(accounts({**ACME, "name": "X"}, {"id": "new", "name": "X"}), **options)
    assert again.results("accounts") == {"skipped": 2}
    assert again.writes == 0


def test_repair_sends_only_what_differs(load: Loader, sandbox: SandboxServer, people: People) -> None:
    load(accounts(ACME, {"id": "b", "name": "B"}), **ACCOUNTS)
    people.call("POST", "/companies", {"company_id": "acme", "name": "Edited", "plan": "free"})
    done = load(accounts(ACME, {"id": "b", "name": "B"}), repair=True, **ACCOUNTS)
    assert done.results("accounts") == {"updated": 1, "unchanged": 1}
    assert (companies(sandbox)["acme"]["name"], companies(sandbox)["acme"]["plan"]) == ("Acme", "pro")
    assert (done.calls["GET /companies"], done.writes) == (2, 1)


# Removals.


def test_a_marked_company_is_archived(load: Loader, sandbox: SandboxServer) -> None:
    options = settings(sync_mode="sync")
    load(accounts(ACME, {"id": "b"}), **options)
    done = load(accounts({"id": "acme", "_sdc_deleted_at": "2025-01-01"}), **options)
    assert done.results("accounts") == {"archived": 1}
    assert set(companies(sandbox)) == {"b"}
    again = load(accounts({"id": "acme", "_sdc_deleted_at": "2025-01-01"}), **options)
    assert again.results("accounts") == {"skipped": 1}
    assert again.stream("accounts")["reasons"]["skipped"] == {"not_there": 1}


def test_a_company_that_is_missing_from_the_table_is_archived(load: Loader, sandbox: SandboxServer) -> None:
    options = settings(sync_mode="sync", snapshot=True)
    load(accounts(ACME, {"id": "b"}), **options)
    done = load(accounts(ACME), **options)
    assert done.results("accounts") == {"unchanged": 1}
    assert done.stream("accounts")["left"] == 1
    assert set(companies(sandbox)) == {"acme"}


def test_a_company_that_has_people_of_others_stays(load: Loader, sandbox: SandboxServer, people: People) -> None:
    options = settings(sync_mode="sync", snapshot=True)
    load(accounts(ACME, {"id": "b"}, {"id": "c"}), **options)
    for one in ("acme", "b"):
        join(people, people.add(external_id=f"of {one}"), companies(sandbox)[one])
    done = load.pipe(accounts({"id": "c"}, {"id": "acme", "_sdc_deleted_at": "2025-01-01"}), **options)
    assert done.exit_code == 0
    assert done.results("accounts") == {"unchanged": 1, "skipped": 1}
    assert done.stream("accounts")["reasons"]["skipped"] == {"has_people": 1}
    assert done.stream("accounts")["left"] == 0
    assert set(companies(sandbox)) == {"acme", "b", "c"}
    assert "has_people" in done.log


def test_an_order_removes_a_company_with_people_all_the_same(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load(accounts(ACME, {"id": "b"}), **ACCOUNTS)
    join(people, people.add(external_id="7"), companies(sandbox)["acme"])
    done = load(accounts({"id": "acme"}, {"id": "never"}), **settings(sync_mode="remove"))
    assert done.results("accounts") == {"archived": 1, "skipped": 1}
    assert set(companies(sandbox)) == {"b"}


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert"])
def test_other_modes_remove_nothing(load: Loader, sandbox: SandboxServer, mode: str) -> None:
    load(accounts(ACME), **ACCOUNTS)
    done = load(accounts({"id": "acme", "_sdc_deleted_at": "2025-01-01"}), **settings(sync_mode=mode))
    assert done.results("accounts") == {"skipped": 1}
    assert done.stream("accounts")["reasons"]["skipped"] == {"not_removed": 1}
    assert set(companies(sandbox)) == {"acme"}


def test_the_limit_holds_for_companies(load: Loader, sandbox: SandboxServer) -> None:
    options = settings(sync_mode="sync", snapshot=True)
    load(many(range(60)), **options)
    done = load.pipe(many(range(30)), **options)
    assert done.exit_code == 1
    assert "30 companies would be removed" in done.log
    assert len(companies(sandbox)) == 60


def test_a_company_that_came_and_went_in_one_batch_is_gone(load: Loader, sandbox: SandboxServer) -> None:
    done = load(accounts(ACME, {"id": "acme", "_sdc_deleted_at": "2025-01-01"}), **settings(sync_mode="sync"))
    assert done.results("accounts") == {"created": 1, "archived": 1}
    assert companies(sandbox) == {}


def test_a_company_that_comes_back_is_made_again(load: Loader, sandbox: SandboxServer) -> None:
    options = settings(sync_mode="sync")
    load(accounts(ACME), **options)
    load(accounts({"id": "acme", "_sdc_deleted_at": "2025-01-01"}), **options)
    assert load(accounts(ACME), **options).results("accounts") == {"created": 1}
    assert set(companies(sandbox)) == {"acme"}


def test_a_refused_record_keeps_its_company(load: Loader, sandbox: SandboxServer) -> None:
    options = settings(sync_mode="sync", snapshot=True)
    load(accounts(ACME, {"id": "b"}), **options)
    done = load(accounts({**ACME, "size": "many"}, {"id": "b"}, size={}), **options)
    assert done.results("accounts") == {"unchanged": 1, "invalid": 1}
    assert set(companies(sandbox)) == {"acme", "b"}


# The ledger.


@pytest.mark.parametrize("ledger", ["none", None])
def test_a_lost_ledger_changes_no_company(load: Loader, sandbox: SandboxServer, ledger: str | None) -> None:
    load(accounts(ACME, {"id": "b", "name": "B"}), **ACCOUNTS)
    before = companies(sandbox)
    (load.data_dir / "ledger.db").unlink()
    done = load(accounts(ACME, {"id": "b", "name": "B"}), ledger_url=ledger, **ACCOUNTS)
    assert done.exit_code == 0
    same = ("name", "plan", "size", "website", "custom_attributes", "id")
    assert {key: [one[name] for name in same] for key, one in companies(sandbox).items()} == {
        key: [one[name] for name in same] for key, one in before.items()
    }


def test_a_stream_whose_object_changed_is_refused(load: Loader, people: People) -> None:
    load([schema("accounts", email="text"), record("accounts", id="1", email="a@x.com")])
    done = load.pipe(accounts(ACME), **ACCOUNTS)
    assert done.exit_code == 1
    assert "ledger forget accounts" in done.log
    assert len(people.live()) == 1


# Calls.


def total(calls: dict[str, int]) -> int:
    return sum(calls.values())


def test_calls_for_a_thousand_companies(load: Loader, sandbox: SandboxServer) -> None:
    rows = many(range(1000))
    assert total(load(rows, **ACCOUNTS).calls) <= 1010
    assert total(load(rows, **ACCOUNTS).calls) <= 3
    assert total(load([*many(range(990)), *many(range(990, 1000), plan="pro")], **ACCOUNTS).calls) <= 15
    marked = many(range(1000), _sdc_deleted_at="2025-01-01")
    gone = load(marked, max_removal_percent=100, **settings(sync_mode="sync"))
    assert gone.results("accounts") == {"archived": 1000}
    assert total(gone.calls) <= 1010
    assert companies(sandbox) == {}


def test_calls_for_a_thousand_companies_in_bulk(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.change({"bulk_seconds": 0})
    rows = many(range(1000))
    first = load(rows, bulk_writes=True, **ACCOUNTS)
    assert first.results("accounts") == {"created": 1000}
    assert total(first.calls) <= 25
    assert total(load(rows, bulk_writes=True, **ACCOUNTS).calls) <= 3
    assert total(load(many(range(1000), plan="pro"), bulk_writes=True, **ACCOUNTS).calls) <= 25
    assert len(companies(sandbox)) == 1000
    assert {one["plan"] for one in companies(sandbox).values()} == {"pro"}


def test_calls_of_archiving_in_bulk(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.change({"bulk_seconds": 0})
    rows = many(range(1000))
    load(rows, **ACCOUNTS)
    done = load(rows, bulk_writes=True, **settings(sync_mode="remove"))
    assert done.results("accounts") == {"archived": 1000}
    assert total(done.calls) <= 25
    assert companies(sandbox) == {}


@pytest.mark.parametrize(("bulk", "repairing", "enriching"), [(False, 110, 210), (True, 110, 125)])
def test_calls_where_each_company_is_asked_for(
    load: Loader, sandbox: SandboxServer, bulk: bool, repairing: int, enriching: int
) -> None:
    sandbox.conditions.change({"bulk_seconds": 0})
    load(many(range(100)), **ACCOUNTS)
    repaired = load(many(range(100)), bulk_writes=bulk, repair=True, **ACCOUNTS)
    assert (repaired.results("accounts"), repaired.writes) == ({"unchanged": 100}, 0)
    assert total(repaired.calls) <= repairing
    forgotten = {"ledger_url": "none", **settings(sync_mode="enrich")}
    enriched = load(many(range(100), plan="pro"), bulk_writes=bulk, **forgotten)
    assert enriched.results("accounts") == {"updated": 100}
    assert total(enriched.calls) <= enriching


def test_a_job_that_fails_is_settled_one_by_one(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.change({"bulk_seconds": 0, "bulk_item_fault_rate": 0.5})
    done = load(many(range(50)), bulk_writes=True, **ACCOUNTS)
    assert done.results("accounts") == {"created": 50}
    assert len(companies(sandbox)) == 50


def test_nulls_of_standard_attributes_go_singly(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.change({"bulk_seconds": 0})
    load(many(range(20), website="https://x.example"), bulk_writes=True, **ACCOUNTS)
    rows = [*many(range(10), website=None, plan="pro"), *many(range(10, 20), website="https://y.example")]
    done = load(rows, bulk_writes=True, **ACCOUNTS)
    assert done.results("accounts") == {"updated": 20}
    assert {one["website"] for one in companies(sandbox).values()} == {None, "https://y.example"}
    assert done.calls["POST /companies"] == 10
