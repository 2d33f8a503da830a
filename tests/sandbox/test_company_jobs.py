"""Bulk jobs with companies: on contacts, and on companies. What a test rests on is OAS-P unless it says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.description import DESCRIBED, answers

from .jobs import CREATE, DELETE, NOBODY, PREVIEW, UPDATE, Bulk, results

if TYPE_CHECKING:
    from .client import Clock

SAVE, CHANGE, REMOVE = ("POST", "/companies/bulk"), ("PUT", "/companies/bulk"), ("POST", "/companies/bulk/delete")
CALLS = [SAVE, CHANGE, REMOVE]


def companies(bulk: Bulk) -> dict[str, Any]:
    """The companies by company_id."""
    shown = bulk.api.ok("GET", "/_sandbox/companies")["companies"]
    return {company["company_id"]: company for company in shown}


def attached(bulk: Bulk, contact_id: str) -> list[str]:
    found = bulk.api.ok("GET", f"/contacts/{contact_id}/companies")["data"]
    return [company["company_id"] for company in found]


# --- companies in jobs on contacts ---


def test_an_item_attaches_and_makes_what_is_missing(bulk: Bulk) -> None:
    known = bulk.api.company("known", name="Old", size=5)
    entries = [
        {"company_id": "known", "name": "New"},
        {"company_id": "missing", "name": "Made"},
        {"company_id": "bare"},
    ]
    state, (item,) = bulk.done(CREATE, [{"external_id": "u1", "companies": entries}])

    assert (state, item["skipped_companies"]) == ("completed", [])
    assert attached(bulk, item["contact_id"]) == ["known", "missing", "bare"]
    made = companies(bulk)
    assert (made["known"]["id"], made["known"]["name"], made["known"]["size"]) == (known["id"], "New", 5)
    assert (made["missing"]["name"], made["bare"]["name"]) == ("Made", None)


def test_an_update_attaches_and_detaches(bulk: Bulk) -> None:
    contact = bulk.api.create(role="user", external_id="u1")["id"]
    for company_id in ("stays", "goes"):
        bulk.api.attach(contact, bulk.api.company(company_id)["id"])
    entries = [
        {"company_id": "goes", "remove": True},
        {"company_id": "comes", "remove": False},
        {"company_id": "stays"},
        {"company_id": "never was", "remove": True},
    ]
    state, (item,) = bulk.done(UPDATE, [{"id": contact, "name": "Ann", "companies": entries}])

    assert (state, item["skipped_companies"]) == ("completed", [entries[3]])
    assert attached(bulk, contact) == ["stays", "comes"]
    assert set(companies(bulk)) == {"stays", "goes", "comes"}
    assert bulk.api.get(contact)["name"] == "Ann"


def test_a_create_does_not_know_how_to_remove_and_attaches(bulk: Bulk) -> None:
    """The schema has no such field: it is dropped as any other."""
    entry = {"company_id": "acme", "remove": True, "size": 5}
    _, (item,) = bulk.done(CREATE, [{"external_id": "u1", "companies": [entry]}])

    assert item["dropped"] == ["companies.remove", "companies.size"]
    assert attached(bulk, item["contact_id"]) == ["acme"]
    assert companies(bulk)["acme"]["size"] is None


def test_what_cannot_be_attached_fails_no_item(bulk: Bulk) -> None:
    """By choice. What is not a list, or holds no objects, is as if it were not there."""
    contact = bulk.api.create(role="user", external_id="u1")["id"]
    bad = [{"company_id": 5}, {"name": "Acme"}, {"company_id": ""}, {"company_id": "acme", "name": 5}]
    for given, skipped in ((bad, bad), ("acme", []), ([None, "acme"], []), (None, [])):
        state, (item,) = bulk.done(UPDATE, [{"id": contact, "companies": given}])
        assert (state, item["skipped_companies"]) == ("completed", skipped)
    assert (attached(bulk, contact), companies(bulk)) == ([], {})


def test_the_limit_holds_in_jobs_and_nobody_is_told(bulk: Bulk) -> None:
    contact = bulk.api.create(role="user", external_id="u1")["id"]
    entries = [{"company_id": f"c{number}"} for number in range(1001)]
    state, (item,) = bulk.done(UPDATE, [{"id": contact, "companies": entries}])

    assert (state, item["skipped_companies"]) == ("completed", [{"company_id": "c1000"}])
    assert bulk.api.get(contact)["companies"]["total_count"] == 1000


def test_an_item_that_fails_attaches_nobody(bulk: Bulk) -> None:
    items = [{"id": NOBODY, "companies": [{"company_id": "acme"}]}]
    assert bulk.done(UPDATE, items)[0] == "completed_with_errors"
    assert companies(bulk) == {}
    assert bulk.done(DELETE, items)[1][0]["dropped"] == ["companies"]


# --- jobs on companies ---


def test_companies_are_made_and_updated_by_company_id(bulk: Bulk, clock: Clock) -> None:
    bulk.api.attribute("colour", model="company")
    known = bulk.api.company("known", name="Old", size=5)
    whole = {
        "company_id": "new",
        "name": "New",
        "plan": "Pro",
        "size": 7,
        "website": "https://example.com",
        "industry": "Toys",
        "monthly_spend": 9.9,
        "remote_created_at": 1_600_000_000,
        "update_last_request_at": True,
        "custom_attributes": {"colour": "red"},
    }
    state, items = bulk.done(SAVE, [{"company_id": "known", "name": "Known"}, whole])

    assert (state, [item["dropped"] for item in items]) == ("completed", [[], []])
    made = companies(bulk)
    assert [item["company_id"] for item in items] == [known["id"], made["new"]["id"]]
    assert (made["known"]["name"], made["known"]["size"]) == ("Known", 5)
    kept = {key: value for key, value in whole.items() if key != "update_last_request_at"}
    expected = {**kept, "monthly_spend": 9, "last_request_at": clock.now}
    assert {key: made["new"][key] for key in expected} == expected


def test_an_item_with_an_unknown_key_or_without_a_company_id_fails(bulk: Bulk) -> None:
    """By choice; an unknown attribute fails it as it fails a single call."""
    items = [
        {"company_id": "a", "test": 1},
        {"name": "B"},
        {"company_id": "c", "custom_attributes": {"colour": "red"}},
        {"company_id": "d"},
    ]
    state, done = bulk.done(SAVE, items)

    assert state == "completed_with_errors"
    assert results(done) == [
        ("failed", 400, "bad 'test' parameter"),
        ("failed", 400, "company_id must be given"),
        ("failed", 400, "Custom attribute 'colour' does not exist"),
        ("done", None, None),
    ]
    assert set(companies(bulk)) == {"d"}


def test_an_update_goes_by_intercoms_id_and_makes_nothing(bulk: Bulk, clock: Clock) -> None:
    made = bulk.api.company("acme", name="Old")
    change = {"id": made["id"], "name": "New", "company_id": "x", "test": 1, "update_last_request_at": True}
    state, (known, unknown) = bulk.done(CHANGE, [change, {"id": NOBODY, "name": "x"}])

    assert (state, known["dropped"]) == ("completed_with_errors", ["company_id", "test"])
    assert results([unknown]) == [("failed", 404, "Company Not Found")]
    (shown,) = companies(bulk).values()
    assert (shown["company_id"], shown["name"], shown["last_request_at"]) == ("acme", "New", clock.now)


def test_a_delete_detaches_everybody_a_while_later(bulk: Bulk, clock: Clock) -> None:
    contact, company = bulk.api.create(role="user", external_id="u1")["id"], bulk.api.company("acme")["id"]
    bulk.api.attach(contact, company)
    state, items = bulk.done(REMOVE, [{"id": company}, {"id": NOBODY}])

    assert (state, [item["result"] for item in items]) == ("completed_with_errors", ["done", "failed"])
    assert attached(bulk, contact) == ["acme"]
    clock.pass_(bulk.api.sandbox.conditions.company_deletion_delay)
    assert attached(bulk, contact) == []
    assert bulk.api.refused("GET", f"/companies/{company}")[0] == 404


@pytest.mark.parametrize("call", CALLS)
def test_bad_bodies_are_refused_as_a_whole(bulk: Bulk, call: tuple[str, str]) -> None:
    refusals = [
        ({}, "field_not_found", "companies field must be supplied"),
        ({"contacts": [{"id": NOBODY}]}, "field_not_found", "companies field must be supplied"),
        ({"companies": {}}, "type_mismatch", "companies must be an array"),
        ({"companies": [{"id": NOBODY}, 5]}, "type_mismatch", "each company must be an object"),
        ({"companies": [{"id": NOBODY}] * 101}, "parameter_invalid", "maximum number of companies per request is 100"),
    ]
    if call != SAVE:
        refusals.append(({"companies": [{"company_id": "x"}]}, "field_not_found", "companies must be identified by id"))
    for body, code, message in refusals:
        assert bulk.api.refused(*call, body, version=PREVIEW) == (422, code, message)
    assert bulk.inside() == []


@pytest.mark.parametrize("call", [*CALLS, ("GET", "/companies/bulk/job_v2_1")])
def test_only_preview_has_them(bulk: Bulk, call: tuple[str, str]) -> None:
    body = {"companies": [{"id": NOBODY}]}
    assert bulk.api.refused(*call, body)[:2] == (400, "intercom_version_invalid")
    bulk.api.conditions(bulk="plan")
    assert bulk.api.refused(*call, body, version=PREVIEW)[:2] == (403, "api_plan_restricted")


def test_jobs_on_companies_and_on_contacts_are_not_each_others(bulk: Bulk) -> None:
    """By choice: 404."""
    job = bulk.submit(SAVE, [{"company_id": "acme"}])
    other = bulk.submit(CREATE, [{"role": "lead"}])

    assert (job["type"], job["url"]) == ("companies.bulk.job", f"{bulk.api.sandbox.url}/companies/bulk/{job['id']}")
    assert bulk.submit(REMOVE, [{"id": NOBODY}], job["id"])["id"] == job["id"]
    not_found = (404, "job_not_found", f"job {job['id']} not found")
    assert bulk.api.refused("GET", f"/contacts/bulk/{job['id']}", version=PREVIEW) == not_found
    body = {"contacts": [{"role": "lead"}], "job": {"id": job["id"]}}
    assert bulk.api.refused(*CREATE, body, version=PREVIEW) == not_found
    assert bulk.api.refused("GET", f"/companies/bulk/{other['id']}", version=PREVIEW)[:2] == (404, "job_not_found")
    bulk.wait(job["id"])
    bulk.wait(other["id"])


@DESCRIBED
def test_a_job_on_companies_has_the_described_shape(bulk: Bulk) -> None:
    check = answers(PREVIEW, complete=True)
    job = bulk.submit(SAVE, [{"company_id": "acme"}])
    check("companies_bulk_job", job)
    bulk.wait(job["id"])
    check("companies_bulk_job", bulk.show(job["id"], "companies"))
