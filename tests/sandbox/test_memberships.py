"""Contacts in companies. What a test rests on is OAS-2.16 unless it says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.objects.companies import MAX_COMPANIES

from .jobs import UPDATE, Bulk

if TYPE_CHECKING:
    from .client import Api, Clock

COMPANY_NOT_FOUND = (404, "company_not_found", "Company Not Found")
USER_NOT_FOUND = (404, "not_found", "User Not Found")
NOWHERE = "0" * 24


def embedded(api: Api, contact_id: str) -> list[str]:
    return [company["id"] for company in api.get(contact_id)["companies"]["data"]]


@pytest.mark.parametrize("role", ["user", "lead"])
def test_a_contact_is_attached_and_detached(api: Api, clock: Clock, role: str) -> None:
    contact = api.create(role=role, email="a@x.com")
    company = api.company("acme")
    clock.pass_(10)
    attached = api.attach(contact["id"], company["id"])

    assert (attached["id"], attached["user_count"]) == (company["id"], int(role == "user"))
    assert attached["updated_at"] == company["updated_at"] + 10
    shown = api.get(contact["id"])
    assert shown["updated_at"] == contact["updated_at"] + 10
    assert shown["companies"] == {
        "type": "list",
        "data": [{"type": "company", "id": company["id"], "url": f"/companies/{company['id']}"}],
        "url": f"/contacts/{contact['id']}/companies",
        "total_count": 1,
        "has_more": False,
    }
    assert api.ok("GET", f"/contacts/{contact['id']}/companies")["data"] == [attached]
    people = api.ok("GET", f"/companies/{company['id']}/contacts")
    assert (people["data"], people["total_count"]) == ([shown], 1)
    clock.pass_(10)
    detached = api.ok("DELETE", f"/contacts/{contact['id']}/companies/{company['id']}")
    assert (detached["id"], detached["user_count"]) == (company["id"], 0)
    assert embedded(api, contact["id"]) == []
    assert api.ok("GET", f"/companies/{company['id']}/contacts")["data"] == []


def test_attaching_again_is_fine_and_changes_nothing(api: Api, clock: Clock) -> None:
    """Intercom's unversioned changes, February 2026."""
    contact, company = api.create(role="user", external_id="u1")["id"], api.company("acme")["id"]
    attached = api.attach(contact, company)
    clock.pass_(10)

    assert api.attach(contact, company) == attached
    assert (api.get(contact)["updated_at"], embedded(api, contact)) == (clock.now - 10, [company])


def test_what_is_not_there_cannot_be_attached_or_detached(api: Api) -> None:
    """Detaching who is not in it: 404, recorded by rudder-transformer."""
    contact, company = api.create(role="user", external_id="u1")["id"], api.company("acme")["id"]
    path = f"/contacts/{contact}/companies"

    for body in (None, {}, {"id": ""}, {"company_id": "acme"}):
        assert api.refused("POST", path, body) == (400, "parameter_not_found", "company not specified")
    for unknown in (NOWHERE, "acme", 5):
        assert api.refused("POST", path, {"id": unknown}) == COMPANY_NOT_FOUND
    assert api.refused("POST", f"/contacts/{NOWHERE}/companies", {"id": company}) == USER_NOT_FOUND
    assert api.refused("DELETE", f"{path}/{company}") == COMPANY_NOT_FOUND
    assert api.refused("DELETE", f"{path}/{NOWHERE}") == COMPANY_NOT_FOUND
    assert api.refused("DELETE", f"/contacts/{NOWHERE}/companies/{company}") == USER_NOT_FOUND
    assert api.refused("GET", f"/contacts/{NOWHERE}/companies") == USER_NOT_FOUND
    assert api.refused("GET", f"/companies/{NOWHERE}/contacts") == COMPANY_NOT_FOUND


def test_a_contact_shows_ten_companies_and_the_number_of_all(api: Api) -> None:
    contact = api.create(role="user", external_id="u1")["id"]
    ids = [api.company(f"c{number}")["id"] for number in range(12)]
    for company in ids:
        api.attach(contact, company)

    shown = api.get(contact)["companies"]
    assert ([entry["id"] for entry in shown["data"]], shown["total_count"], shown["has_more"]) == (ids[:10], 12, True)
    (hit,) = api.ok("GET", "/contacts")["data"]
    assert hit["companies"] == shown
    pages, link = [], f"/contacts/{contact}/companies?per_page=5"
    while link:
        page = api.ok("GET", link)
        pages.append([company["id"] for company in page["data"]])
        assert page["total_count"] == 12
        link = (page["pages"]["next"] or "").removeprefix(api.sandbox.url)
    assert pages == [ids[:5], ids[5:10], ids[10:]]


def test_the_people_of_a_company_are_walked_by_cursor(api: Api) -> None:
    company = api.company("acme")["id"]
    ids = [api.create(role="user", external_id=f"u{number}")["id"] for number in range(5)]
    for contact in ids:
        api.attach(contact, company)

    found: list[str] = []
    query = "per_page=2"
    while query:
        page = api.ok("GET", f"/companies/{company}/contacts?{query}")
        found += [contact["id"] for contact in page["data"]]
        following = page["pages"].get("next")
        query = f"per_page=2&starting_after={following['starting_after']}" if following else ""
    assert found == ids


def test_a_contact_may_be_in_a_thousand_companies(bulk: Bulk) -> None:
    """Intercom's unversioned changes, February 2026. The first thousand travel in a job."""
    api = bulk.api
    contact, last = api.create(role="user", external_id="u1")["id"], api.company("last")["id"]
    entries = [{"company_id": f"c{number}"} for number in range(MAX_COMPANIES)]
    bulk.done(UPDATE, [{"id": contact, "companies": entries}])
    first = embedded(api, contact)[0]

    refused = api.refused("POST", f"/contacts/{contact}/companies", {"id": last})
    message = "Contact has reached the maximum of 1000 company associations"
    assert refused == (400, "contact_company_limit_exceeded", message)
    assert api.attach(contact, first)["id"] == first
    api.ok("DELETE", f"/contacts/{contact}/companies/{first}")
    assert api.attach(contact, last)["id"] == last


def test_search_and_list_show_companies_as_late_as_everything_else(api: Api, clock: Clock) -> None:
    """As tags (GRP export-record-user#29), by choice."""
    contact, company = api.create(role="user", external_id="u1")["id"], api.company("acme")["id"]
    api.conditions(search_lag=60)
    api.attach(contact, company)

    def shown() -> int:
        (hit,) = api.ok("GET", "/contacts")["data"]
        total: int = hit["companies"]["total_count"]
        return total

    assert (shown(), embedded(api, contact)) == (0, [company])
    clock.pass_(60)
    assert shown() == 1


@pytest.mark.parametrize("ending", ["archive", "DELETE"])
def test_contacts_that_are_gone_count_no_more(api: Api, ending: str) -> None:
    contact, company = api.create(role="user", external_id="u1")["id"], api.company("acme")["id"]
    api.attach(contact, company)
    if ending == "archive":
        api.ok("POST", f"/contacts/{contact}/archive", {})
    else:
        api.ok("DELETE", f"/contacts/{contact}")

    assert api.ok("GET", f"/companies/{company}")["user_count"] == 0
    assert api.ok("GET", f"/companies/{company}/contacts")["data"] == []
    if ending == "archive":
        api.ok("POST", f"/contacts/{contact}/unarchive", {})
        assert (embedded(api, contact), api.ok("GET", f"/companies/{company}")["user_count"]) == ([company], 1)


def test_a_merge_takes_the_companies_of_both(api: Api) -> None:
    """OAS-P POST /contacts/merge."""
    user, lead = api.create(role="user", email="a@x.com")["id"], api.create(role="lead", email="a@x.com")["id"]
    ours, theirs = api.company("ours")["id"], api.company("theirs")["id"]
    api.attach(user, ours)
    api.attach(lead, theirs)
    api.attach(lead, ours)
    merged = api.ok("POST", "/contacts/merge", {"from": lead, "into": user})

    assert {entry["id"] for entry in merged["companies"]["data"]} == {ours, theirs}
    for company in (ours, theirs):
        assert [one["id"] for one in api.ok("GET", f"/companies/{company}/contacts")["data"]] == [user]


def test_the_control_plane_shows_companies_of_contacts_and_people_of_companies(api: Api) -> None:
    contact, company = api.create(role="user", external_id="u1")["id"], api.company("acme", name="Acme")["id"]
    api.attach(contact, company)
    api.ok("POST", "/tags", {"name": "VIP", "companies": [{"id": company}]})

    (person,) = api.ok("GET", "/_sandbox/contacts")["contacts"]
    (shown,) = api.ok("GET", "/_sandbox/companies")["companies"]
    assert person["companies"] == ["acme"]
    whole: dict[str, Any] = {"name": "Acme", "state": "live", "people": [contact], "tags": ["VIP"]}
    assert {key: shown[key] for key in whole} == whole
