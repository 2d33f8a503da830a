"""The companies on the sandbox's page, over HTTP; how it looks and moves: test_page_browser.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .html import Html

if TYPE_CHECKING:
    from .client import Api, Clock


def show(api: Api, path: str) -> Html:
    answer = api.session.get(api.sandbox.url + path, timeout=120)
    assert answer.status_code == 200, answer.text
    return Html(answer.text)


def page_of(company: Any) -> str:
    return f"/page/companies/{company['id']}"


def test_companies_are_listed_the_last_changed_first(api: Api, clock: Clock) -> None:
    acme = api.company("acme", name="Acme", plan="Pro")
    clock.pass_(60)
    api.company("bare")
    clock.pass_(60)
    for role in ("user", "lead"):
        api.attach(api.create(role=role, email="a@x.com")["id"], acme["id"])
    api.ok("POST", "/tags", {"name": "VIP", "companies": [{"id": acme["id"]}]})

    page = show(api, "/page/companies")
    assert page.headings == ["Companies"]
    assert page.captions == ["1–2 of 2, last changed first"]
    assert page.rows() == [
        ["Acme", "acme", "2", "Pro", "VIP", "2023-11-14 22:15:20"],
        ["bare", "bare", "0", "–", "–", "2023-11-14 22:14:20"],
    ]
    assert page.links["Acme"] == page_of(acme)
    assert show(api, "/").links["Companies"] == "/page/companies"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Acme", "Zoë & Co", "leaving being deleted"]),
        ("q=ZOE", ["Zoë & Co"]),
        ("q=c-7", ["Acme"]),
        ("q=nothing", []),
        ("tag=TAG", ["Acme"]),
        ("tag=0", []),
        ("state=archived", ["gone archived"]),
        ("state=any", ["Acme", "Zoë & Co", "gone archived", "leaving being deleted"]),
        ("state=asleep", ["Acme", "Zoë & Co", "leaving being deleted"]),
    ],
)
def test_companies_are_found_by_text_tag_and_state(api: Api, clock: Clock, query: str, found: list[str]) -> None:
    api.company("c-77", name="Acme")
    api.company("zoe", name="Zoë & Co")
    tag = api.ok("POST", "/tags", {"name": "VIP", "companies": [{"company_id": "c-77"}]})["id"]
    api.ok("DELETE", f"/companies/{api.company('gone')['id']}")
    clock.pass_(api.sandbox.conditions.company_deletion_delay)
    api.ok("DELETE", f"/companies/{api.company('leaving')['id']}")

    page = show(api, "/page/companies?" + query.replace("TAG", tag))
    assert sorted(row[0] for row in page.rows()) == found if found else page.tables == []
    assert ("No companies match" in page.text) == (not found)


def test_a_workspace_without_companies_says_so(api: Api) -> None:
    assert "There are no companies yet." in show(api, "/page/companies").text


def test_a_company_is_shown_with_attributes_tags_and_people(api: Api) -> None:
    api.attribute("colour", model="company")
    api.attribute("renews", "datetime", model="company")
    custom = {"colour": "red", "renews": 1_700_000_000}
    acme = api.company("acme", name="Acme & Co", size=7, plan="Pro", monthly_spend=9, custom_attributes=custom)
    ann = api.create(role="user", external_id="u1", email="ann@x.com", name="Ann")
    lee = api.create(role="lead", name="Lee")
    for contact in (ann, lee):
        api.attach(contact["id"], acme["id"])
    tag = api.ok("POST", "/tags", {"name": "VIP", "companies": [{"id": acme["id"]}]})["id"]

    page = show(api, page_of(acme))
    assert (page.headings, page.links["VIP"]) == (["Acme & Co"], f"/page/companies?tag={tag}")
    assert show(api, page.links["VIP"]).column("company_id") == ["acme"]
    standard = {name: (value, data_type) for name, value, data_type in page.rows(0)}
    assert standard["company_id"] == ("acme", "string")
    assert (standard["size"], standard["user_count"]) == (("7", "integer"), ("1", "integer"))
    assert (standard["plan.name"], standard["monthly_spend"]) == (("Pro", "string"), ("9", "float"))
    assert standard["created_at"] == ("1700000000 2023-11-14 22:13:20", "datetime")
    assert "Not set: website , industry , remote_created_at , last_request_at" in page.text
    assert page.rows(1) == [
        ["colour", "red", "string"],
        ["renews", "1700000000 2023-11-14 22:13:20", "datetime"],
    ]
    assert page.rows(2) == [["Ann", "ann@x.com", "u1", "user"], ["Lee", "–", lee["external_id"], "lead"]]
    assert page.links["Ann"] == f"/page/people/{ann['id']}"


def test_a_contact_is_shown_with_its_companies(api: Api) -> None:
    contact = api.create(role="user", external_id="u1", name="Ann")
    companies = [api.company("acme", name="Acme"), api.company("bare")]
    for company in companies:
        api.attach(contact["id"], company["id"])

    page = show(api, f"/page/people/{contact['id']}")
    assert [page.links[name] for name in ("Acme", "bare")] == [page_of(company) for company in companies]
    assert show(api, page.links["Acme"]).links["Ann"] == f"/page/people/{contact['id']}"


def test_a_deletion_is_seen_coming_and_then_seen_done(api: Api, clock: Clock) -> None:
    acme, contact = api.company("acme"), api.create(role="user", external_id="u1", name="Ann")
    api.attach(contact["id"], acme["id"])
    api.ok("DELETE", f"/companies/{acme['id']}")

    before = show(api, page_of(acme))
    assert "being deleted" in before.text
    assert "Ann" in before.links
    clock.pass_(api.sandbox.conditions.company_deletion_delay)
    after = show(api, page_of(acme))
    assert ("archived" in after.text, "Ann" in after.links) == (True, False)
    assert "acme" not in show(api, f"/page/people/{contact['id']}").links


def test_long_lists_of_companies_and_of_people_are_turned_page_by_page(api: Api) -> None:
    acme = api.company("acme")
    tag = api.tag("VIP")
    for number in range(27):
        api.company(f"c{number:02}")
        api.attach(api.create(role="user", external_id=f"u{number:02}")["id"], acme["id"])
    tagged = [{"company_id": f"c{number:02}"} for number in range(27)]
    api.ok("POST", "/tags", {"name": "VIP", "companies": tagged})

    for path, column, names in (
        (f"/page/companies?tag={tag}", "company_id", [f"c{number:02}" for number in range(27)]),
        (page_of(acme), "external_id", [f"u{number:02}" for number in range(27)]),
    ):
        first = show(api, path)
        second = show(api, first.links["Next"])
        found = first.column(column, -1) + second.column(column, -1)
        assert (len(first.rows(-1)), sorted(found)) == (25, names)


def test_tags_lead_to_the_companies_that_have_them(api: Api) -> None:
    api.company("acme")
    api.ok("POST", "/tags", {"name": "VIP", "companies": [{"company_id": "acme"}]})
    gone = api.company("gone")
    api.ok("POST", "/tags", {"name": "VIP", "companies": [{"company_id": "gone"}]})
    api.conditions(company_deletion_delay=0)
    api.ok("DELETE", f"/companies/{gone['id']}")

    page = show(api, "/page/tags")
    assert page.column("Companies") == ["1"]
    assert show(api, page.links["1"]).column("company_id") == ["acme"]


@pytest.mark.parametrize("path", ["/page/companies/", "/page/companies/123", "/page/companiesx"])
def test_a_company_that_is_not_there_is_a_404_for_people(api: Api, path: str) -> None:
    answer = api.session.get(api.sandbox.url + path, timeout=120)
    assert (answer.status_code, Html(answer.text).headings) == (404, ["Not found"])
