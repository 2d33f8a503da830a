"""Companies: by company_id, their attributes, their people and their tags."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import PREVIEW, Call, Step, answered, delete, get, lists, post, put
from target_intercom.sandbox.comparing.script.access import NOBODY


def _company(**company: Any) -> Call:
    return post("/companies", company)


def _acme(**company: Any) -> Call:
    return _company(company_id="{p}acme", **company)


_SAVED = (
    Step("a company", _acme(name="{p}Tom & Jerry <1>"), saves={"acme": "id"}, answers=("companies.3",)),
    Step(
        "a company with everything",
        _acme(
            plan="{p}Pro",
            size=7,
            website="https://example.com/{p}acme",
            industry="{p}Toys",
            remote_created_at=1_600_000_000,
            custom_attributes={"{p}sector": "{p}games"},
        ),
    ),
    Step("a spend with decimals", _acme(monthly_spend=99.9), answers=("companies.12",), is_strange=True),
    Step("a company in version 2.17", get("/companies/{acme}", version="2.17"), answers=("companies.3",)),
    Step("a company in Preview", get("/companies/{acme}", version=PREVIEW), answers=("companies.3",)),
    Step("a company without people by company_id", get("/companies", company_id="{p}acme"), answers=("companies.5",)),
    Step("a company without people by name", get("/companies", name="{p}Tom & Jerry <1>"), answers=("companies.5",)),
    Step("a company that does not exist", get("/companies", company_id="{p}nothing")),
    Step("a company_id in capitals", _company(company_id="{p}ACME"), saves={"capital": "id"}, answers=("companies.2",)),
    Step(
        "a company_id with spaces", _company(company_id=" {p}acme "), saves={"spaced": "id"}, answers=("companies.2",)
    ),
    Step("a company without a company_id", _company(name="{p}nameless"), answers=("companies.1",)),
    Step("a key that companies lack", _acme(nickname="{p}A")),
    Step(
        "nulls in a company",
        _acme(size=None, custom_attributes={"{p}sector": None}),
        answers=("companies.4",),
        is_strange=True,
    ),
    Step("a spend that is too large", _acme(monthly_spend=2**31), answers=("companies.12",)),
    Step("a new company_id", put("/companies/{acme}", {"company_id": "{p}new"})),
    Step("too many companies a page", post("/companies/list", per_page="61"), answers=("companies.21",)),
)

_MEMBERS = (
    Step("a contact joins", post("/contacts/{ann}/companies", {"id": "{acme}"})),
    Step("a contact joins again", post("/contacts/{ann}/companies", {"id": "{acme}"})),
    Step("a lead joins", post("/contacts/{lea}/companies", {"id": "{acme}"})),
    Step("the companies of a contact", get("/contacts/{ann}/companies"), answers=("companies.21",)),
    Step("the contacts of a company", get("/companies/{acme}/contacts"), answers=("companies.21",)),
    Step(
        "a contact leaves what it never joined",
        delete("/contacts/{cyd}/companies/{acme}"),
        answers=("companies.7", "companies.8"),
    ),
    Step("a lead leaves", delete("/contacts/{lea}/companies/{acme}")),
    Step(
        "the index shows a company",
        post(
            "/companies/search",
            {"query": {"field": "company_id", "operator": "=", "value": "{p}acme"}},
            version=PREVIEW,
        ),
        until=lists("acme"),
        answers=("contacts.6",),
    ),
)

_TAGGED = (
    Step("a company is tagged", post("/tags", {"name": "{p}VIP", "companies": [{"company_id": "{p}acme"}]})),
    Step("a missing company is tagged", post("/tags", {"name": "{p}VIP", "companies": [{"id": NOBODY}]})),
    Step(
        "a company is untagged by the tag's name",
        post("/tags", {"name": "{p}VIP", "companies": [{"id": "{acme}", "untag": True}]}),
        answers=("companies.18",),
    ),
    Step("a company by its id again", get("/companies/{acme}")),
)

_DELETED = (
    Step("a company to be deleted", _company(company_id="{p}beta", name="{p}Beta"), saves={"beta": "id"}),
    Step("a contact joins it", post("/contacts/{cyd}/companies", {"id": "{beta}"})),
    Step("a company is deleted", delete("/companies/{beta}")),
    Step("a company is gone", get("/companies/{beta}"), until=answered(404), answers=("companies.6",)),
    Step("a contact of a deleted company", get("/contacts/{cyd}/companies"), answers=("companies.6",)),
    Step(
        "a deleted company's company_id",
        _company(company_id="{p}beta"),
        saves={"beta_again": "id"},
        answers=("companies.6",),
    ),
)

STEPS = _SAVED + _MEMBERS + _TAGGED + _DELETED
