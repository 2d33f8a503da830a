"""`target-intercom-check` and streams of companies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Response
from tests.support.checking import catalog, offered
from tests.support.companies import ACCOUNTS, accounts, settings
from tests.support.front import Front
from tests.support.loading import lines, record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.checking import Checked, Checker
    from tests.support.loading import Loader, People

CUSTOMERS = offered("customers", id="integer", email="text")


def mapped(attribute: str, **own: Any) -> dict[str, Any]:
    return settings(mappings={"id": "company_id", "tier": f"custom_attributes.{attribute}"}, **own)


def permissions(done: Checked) -> dict[str, tuple[bool, str]]:
    return {one["permission"]: (one["needed"], one["found"]) for one in done.json["permissions"]}


def test_a_stream_of_companies_that_is_well_is_said_to_be(check: Checker, sandbox: SandboxServer) -> None:
    del sandbox.calls[:]
    done = check(catalog(offered("accounts", id="text", name="text", monthly_spend="number", tier="text")), **ACCOUNTS)
    assert (done.exit_code, done.messages("error"), done.messages("warning")) == (0, [], [])
    said = done.messages("ok")
    assert "Stream 'accounts' is matched by company_id" in said
    assert "Stream 'accounts': the run makes custom_attributes.tier (string)" in said
    assert {call.method for call in sandbox.calls if call.path != "/contacts/search"} == {"GET"}
    assert sandbox.workspace.all_companies() == []


@pytest.mark.parametrize(("named", "warned"), [("account.id", []), ("account.key", ["account.key"])])
def test_a_path_to_the_companies_of_contacts_is_looked_for(check: Checker, named: str, warned: list[str]) -> None:
    customers = offered("customers", id="integer", email="text")
    account = {"type": ["object", "null"], "properties": {"id": {"type": "integer"}}}
    customers["schema"]["properties"]["account"] = account
    done = check(catalog(customers), mappings={"id": "external_id", "account": None}, companies_property=named)
    assert done.messages("warning") == [f"No stream has the property '{one}'" for one in warned]


def test_without_companies_nothing_is_asked_of_them(check: Checker, sandbox: SandboxServer) -> None:
    del sandbox.calls[:]
    done = check(catalog(CUSTOMERS), mappings={"id": "external_id"})
    assert not any("compan" in call.path or "company" in str(call.query) for call in sandbox.calls)
    assert {row["object"] for row in done.json["attributes"]} == {"contact"}
    assert not any("companies" in name for name in permissions(done))


def test_the_attributes_of_companies_are_listed_where_companies_are_loaded(check: Checker, attribute: Any) -> None:
    attribute("region", model="company")
    attribute("tier")
    done = check(**ACCOUNTS)
    rows = {one["name"]: one for one in done.json["attributes"] if one["object"] == "company"}
    names = {"company_id", "name", "plan", "size", "website", "industry", "monthly_spend", "remote_created_at"}
    assert {name for name, row in rows.items() if row["mappable"]} == {*names, "custom_attributes.region"}
    assert "custom_attributes.tier" not in rows
    text = check(as_="text", **ACCOUNTS).stdout
    assert text.index("Attributes of contacts, by") < text.index("Attributes of companies, by")


@pytest.mark.parametrize(
    ("own", "needed"),
    [
        ({}, {"write companies"}),
        ({"sync_mode": "sync"}, {"read companies", "write companies", "archive companies"}),
        ({"sync_mode": "enrich"}, {"read companies", "write companies"}),
        ({"sync_mode": "insert"}, {"read companies", "write companies"}),
        ({"sync_mode": "remove"}, {"read companies", "archive companies"}),
    ],
)
def test_permissions_are_needed_as_the_mode_needs_them(check: Checker, own: dict[str, Any], needed: set[str]) -> None:
    found = permissions(check(**settings(**own)))
    of_companies = {"read companies", "write companies", "archive companies"}
    assert {name for name in of_companies if found[name][0]} == needed
    assert found["read companies"][1] == "yes"
    assert found["write companies"][1] == found["archive companies"][1] == "not asked"
    assert not found["archive contacts"][0]


def test_companies_that_may_not_be_read_matter_where_they_have_to_be(check: Checker, sandbox: SandboxServer) -> None:
    body = {"type": "error.list", "errors": [{"code": "api_plan_restricted", "message": "no"}]}
    with Front(sandbox, lambda one: Response.of(403, body) if one.path == "/companies" else None) as front:
        assert check(api_url=front.url, **ACCOUNTS).exit_code == 0
        done = check(api_url=front.url, **settings(sync_mode="enrich"))
    assert done.exit_code == 1
    assert "may not read companies (GET /companies)" in done.only("error", "access_token")


@pytest.mark.parametrize(("mode", "detaches"), [("additive", False), ("insert", False), ("sync", True)])
@pytest.mark.parametrize("from_stream", [False, True])
def test_who_puts_contacts_into_companies_has_to_read_them(
    check: Checker, mode: str, *, detaches: bool, from_stream: bool
) -> None:
    seats = {"seats": {"object": "company_members", "sync_mode": mode}}
    found = permissions(check(streams=seats) if from_stream else check(companies_property="account", sync_mode=mode))
    assert found["read companies"] == (True, "yes")
    assert found["attach companies"] == (True, "not asked")
    assert found["detach companies"] == (detaches, "not asked")
    assert "write companies" not in found


@pytest.mark.parametrize(
    ("own", "detaches"),
    [
        ({"streams": {"seats": {"object": "company_members", "sync_mode": "sync"}}}, False),
        ({"streams": {"seats": {"object": "company_members", "sync_mode": "remove"}}}, True),
        ({"companies_property": "account", "sync_mode": "sync"}, True),
        ({"companies_property": "account", "sync_mode": "remove"}, False),
    ],
)
def test_contacts_are_detached_as_a_run_without_removals_does(
    check: Checker, own: dict[str, Any], *, detaches: bool
) -> None:
    found = permissions(check(max_removal_percent=0, **own))
    assert found["detach companies"] == (detaches, "not asked")


def test_a_stream_of_members_is_held_against_the_rules_for_members(check: Checker) -> None:
    seats: dict[str, Any] = {"mappings": {}, "streams": {"seats": {"object": "company_members"}}}
    good = check(catalog(offered("seats", external_id="text", company_id="text")), **seats)
    assert (good.exit_code, good.messages("warning")) == (0, [])
    assert any("puts contacts into companies" in message for message in good.messages("ok"))
    done = check(catalog(offered("seats", external_id="text", id="text")), **seats)
    assert "has no property that names the company ('company_id')" in done.only("error", "streams.seats.mappings")


def test_a_companies_property_that_no_stream_has_is_said(check: Checker) -> None:
    done = check(catalog(CUSTOMERS), mappings={"id": "external_id"}, companies_property="account")
    assert done.only("warning", "companies_property") == "No stream has the property 'account'"


# Mappings.


@pytest.mark.parametrize("stream", [offered("accounts", id="text", tier="text"), None])
def test_mappings_are_held_against_the_attributes_of_companies(check: Checker, attribute: Any, stream: Any) -> None:
    attribute("level", "integer", model="company")
    attribute("old", model="company", archived=True)
    streams = None if stream is None else catalog(stream)
    where = "streams.accounts.mappings"
    assert "'tier' goes into 'custom_attributes.level' (integer)" in check(streams, **mapped("level")).stdout
    assert "it is archived" in check(streams, **mapped("old")).only("error", where)
    (near,) = check(streams, **mapped("levels")).messages("warning", where)
    assert near.endswith("Did you mean 'custom_attributes.level'?")


@pytest.mark.parametrize("stream", [offered("accounts", id="text", tier="text"), None])
@pytest.mark.parametrize("archived", [False, True])
def test_a_name_that_contacts_have_is_said_with_the_name_to_map(
    check: Checker, attribute: Any, *, stream: Any, archived: bool
) -> None:
    attribute("tier", archived=archived)
    streams = None if stream is None else catalog(stream)
    done = check(streams, **mapped("tier"))
    assert done.exit_code == 1
    taken = "Attribute 'custom_attributes.tier' is left out: contact data has this name already"
    said = done.only("error", "streams.accounts.mappings")
    assert taken in said
    assert "for example 'custom_attributes.company_tier'" in said


def test_a_name_of_an_unmapped_property_is_said_in_the_words_of_a_run(
    check: Checker, load: Loader, attribute: Any
) -> None:
    attribute("tier")
    said = check(catalog(offered("accounts", id="text", tier="text")), **ACCOUNTS)
    assert said.exit_code == 0
    (warning,) = said.messages("warning")
    done = load.pipe(accounts({"id": "acme", "tier": "gold"}), **ACCOUNTS)
    assert warning.removeprefix("Stream 'accounts': ") in done.log


def test_a_name_that_companies_have_is_none_for_contacts(check: Checker, attribute: Any) -> None:
    attribute("tier", model="company")
    done = check(catalog(offered("customers", id="integer", tier="text")), mappings={"id": "external_id"}, **ACCOUNTS)
    assert any("company data has this name already" in message for message in done.messages("warning"))


def test_a_name_that_both_would_make_is_said_once(check: Checker) -> None:
    streams = catalog(offered("customers", id="integer", tier="text"), offered("accounts", id="text", tier="text"))
    done = check(streams, mappings={"id": "external_id"}, **ACCOUNTS)
    assert done.exit_code == 0
    said = done.only("warning", "create_attributes")
    assert "would both make 'custom_attributes.tier'" in said
    assert "'custom_attributes.company_tier'" in said


@pytest.mark.parametrize(("of_contacts", "of_companies", "level"), [(240, 10, "error"), (239, 10, "warning")])
def test_attributes_of_both_count_towards_the_limit(
    check: Checker, sandbox: SandboxServer, of_contacts: int, of_companies: int, level: str
) -> None:
    def entry(name: str) -> dict[str, Any]:
        return {"name": name, "full_name": f"custom_attributes.{name}", "data_type": "string", "custom": True}

    def list_them(request: Any) -> Response | None:
        if request.path != "/data_attributes":
            return None
        model = request.query["model"]
        count = of_contacts if model == "contact" else of_companies
        return Response.of(200, {"type": "list", "data": [entry(f"{model}{n}") for n in range(count)]})

    with Front(sandbox, list_them) as front:
        done = check(catalog(offered("accounts", id="text", tier="text")), api_url=front.url, **ACCOUNTS)
    said = done.only(level, "create_attributes")
    assert f"{of_contacts + of_companies} of 250 custom attributes" in said
    assert "contacts' and companies' together" in said


@pytest.mark.parametrize(
    ("name", "of", "level"),
    [
        ("size", "text", "warning"),
        ("size", "boolean", "error"),
        ("remote_created_at", "boolean", "error"),
        ("monthly_spend", "number", None),
        ("monthly_spend", "integer", None),
        ("name", "object", "warning"),
    ],
)
def test_types_that_will_not_fit_are_told(check: Checker, name: str, of: str, level: str | None) -> None:
    done = check(catalog(offered("accounts", id="text", **{name: of})), **ACCOUNTS)
    found = {one["level"] for one in done.json["findings"] if f"'{name}'" in one["message"]}
    assert found - {"ok"} == (set() if level is None else {level})


def test_a_company_id_takes_texts_and_whole_numbers(check: Checker) -> None:
    assert check(catalog(offered("accounts", id="integer")), **ACCOUNTS).exit_code == 0
    done = check(catalog(offered("accounts", id="object")), **ACCOUNTS)
    assert "does not fit 'company_id', which takes texts and whole numbers" in done.messages("error")[0]


def test_a_stream_without_a_company_id_is_refused_in_the_words_of_a_run(check: Checker, load: Loader) -> None:
    without: dict[str, Any] = {"streams": {"accounts": {"object": "companies"}}}
    message = check(catalog(offered("accounts", id="text", name="text")), **without).only(
        "error", "streams.accounts.mappings"
    )
    done = load.pipe(accounts({"id": "acme"}), **without)
    assert done.exit_code == 1
    for line in message.splitlines():
        assert line.split(", for example")[0] in done.log


@pytest.mark.parametrize("object_", ["companies", "company_members"])
def test_a_stream_that_the_ledger_has_as_another_object_is_told_in_the_words_of_a_run(
    check: Checker, load: Loader, object_: str
) -> None:
    load([schema("accounts", id="text", email="text"), record("accounts", id="1", email="a@x.com")])
    own = {"object": object_, "mappings": {"id": "external_id" if object_ == "company_members" else "company_id"}}
    changed: dict[str, Any] = {"mappings": {}, "streams": {"accounts": own}}
    streams = catalog(offered("accounts", id="text", company_id="text", email="text"))
    said = check(streams, **changed).only("error", "streams.accounts.object")
    rows = [schema("accounts", id="text", company_id="text"), record("accounts", id="1", company_id="a")]
    done = load.pipe(rows, **changed)
    assert done.exit_code == 1
    assert said.splitlines()[0] in done.log
    assert check(catalog(offered("accounts", id="text", email="text"))).messages("error") == []


def test_the_general_mappings_are_not_for_companies(check: Checker, people: People) -> None:
    del people
    streams = catalog(CUSTOMERS, offered("accounts", company_id="text", email="text"))
    done = check(streams, mappings={"id": "external_id"}, streams={"accounts": {"object": "companies"}})
    assert done.exit_code == 0
    assert "Stream 'accounts': the run makes custom_attributes.email (string)" in done.messages("ok")


def test_a_removal_by_orders_needs_no_attributes(check: Checker, attribute: Any) -> None:
    attribute("tier")
    done = check(catalog(offered("accounts", id="text", tier="text")), **mapped("tier", sync_mode="remove"))
    assert (done.exit_code, done.messages("error")) == (0, [])


def test_a_taps_output_serves_as_a_catalog(check: Checker) -> None:
    assert "matched by company_id" in check(lines(accounts({"id": "acme"})), **ACCOUNTS).stdout
