"""Tags on companies (OAS-2.16 POST /tags)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock


def names(api: Api, company_id: str) -> list[str]:
    return [tag["name"] for tag in api.ok("GET", f"/companies/{company_id}")["tags"]["tags"]]


def tag(api: Api, name: str, *companies: dict[str, Any], version: str = "2.16") -> Any:
    return api.ok("POST", "/tags", {"name": name, "companies": list(companies)}, version=version)


def test_companies_are_tagged_and_untagged_in_one_call(api: Api, clock: Clock) -> None:
    one, two, three = (api.company(company_id)["id"] for company_id in ("one", "two", "three"))
    made = tag(api, "VIP", {"id": one}, {"company_id": "two"})
    clock.pass_(10)

    assert (made["name"], made["users"]) == ("VIP", [])
    assert made["companies"] == [{"id": one, "tagged": True}, {"id": two, "tagged": True}]
    mixed = tag(api, "vip", {"company_id": "one", "untag": True}, {"id": three}, {"id": two})
    assert mixed["id"] == made["id"]
    tagged = {entry["id"]: entry["tagged"] for entry in mixed["companies"]}
    assert tagged == {one: False, two: True, three: True}
    assert [names(api, company) for company in (one, two, three)] == [[], ["VIP"], ["VIP"]]
    moved = [api.ok("GET", f"/companies/{company}")["updated_at"] for company in (one, two, three)]
    assert moved == [clock.now, clock.now - 10, clock.now]


def test_a_company_shows_all_its_tags(api: Api) -> None:
    company = api.company("one")["id"]
    for number in range(12):
        tag(api, f"T{number}", {"id": company})
    assert names(api, company) == [f"T{number}" for number in range(12)]


@pytest.mark.parametrize("version", ["2.16", "2.17", "Preview"])
def test_missing_companies_are_skipped(api: Api, version: str) -> None:
    """OAS-2.16 #tag_create_response. A company_id that is none has no id to be named by: by choice."""
    one = api.company("one")["id"]
    made = tag(api, "VIP", {"company_id": "none"}, {"id": "0"}, {"id": ""}, {"id": one}, version=version)
    assert made["companies"] == [{"id": "0", "tagged": False}, {"id": one, "tagged": True}]


def test_up_to_2_15_a_missing_company_is_refused_and_the_tag_is_made(api: Api) -> None:
    """Preview's changelog."""
    one = api.company("one")["id"]
    body = {"name": "VIP", "companies": [{"id": one}, {"company_id": "none"}]}

    assert api.refused("POST", "/tags", body, version="2.15") == (404, "company_not_found", "Company Not Found")
    assert [entry["name"] for entry in api.ok("GET", "/tags")["data"]] == ["VIP"]
    assert names(api, one) == []
    assert "companies" not in tag(api, "VIP", {"id": one}, version="2.15")
    assert names(api, one) == ["VIP"]


@pytest.mark.parametrize(
    "companies",
    ["one", [{}], [{"name": "one"}], ["one"], [{"id": "x", "untag": "yes"}], [{"company_id": 5}], [None]],
)
def test_a_bad_list_of_companies_is_refused(api: Api, companies: object) -> None:
    body = {"name": "VIP", "companies": companies}
    assert api.refused("POST", "/tags", body) == (400, "parameter_invalid", "invalid tag parameters")
    assert api.ok("GET", "/tags")["data"] == []


def test_users_and_companies_are_not_tagged_together(api: Api) -> None:
    """Documents of API 1.0."""
    body = {
        "name": "VIP",
        "companies": [{"id": api.company("one")["id"]}],
        "users": [{"id": api.create(role="lead")["id"]}],
    }
    assert api.refused("POST", "/tags", body)[0] == 400


def test_a_deleted_tag_is_gone_from_companies(api: Api) -> None:
    company = api.company("one")["id"]
    made = tag(api, "VIP", {"id": company})
    tag(api, "Beta", {"id": company})
    api.ok("DELETE", f"/tags/{made['id']}")
    assert names(api, company) == ["Beta"]


def test_a_tag_on_a_company_is_none_on_its_people(api: Api) -> None:
    company, contact = api.company("one")["id"], api.create(role="user", external_id="u1")["id"]
    api.attach(contact, company)
    made = tag(api, "VIP", {"id": company})

    assert api.get(contact)["tags"]["data"] == []
    assert api.find("tag_id", "=", made["id"]) == []
