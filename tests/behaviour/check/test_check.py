"""`target-intercom-check`: what it finds, and that it writes nothing."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.check.found import Answer, Level
from target_intercom.ledger.command.looking import LedgerState
from target_intercom.sandbox import Response
from target_intercom.sandbox.conditions import BulkAccess
from tests.support.checking import catalog, offered, run
from tests.support.front import Front
from tests.support.loading import lines, record, schema
from tests.support.remembering import customers, person

if TYPE_CHECKING:
    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.checking import Checker
    from tests.support.loading import Loader, People

READS = {"GET", "POST /contacts/search"}
TOKEN = "dG9rZW4tdGhhdC1ub2JvZHktbWF5LXNlZQ=="
IDS = {"id": "external_id"}
CUSTOMERS = {"id": "integer", "email": "text", "name": "text"}


# Connection and permissions.


def test_a_workspace_that_is_well_is_said_to_be_ready_and_nothing_is_written(
    check: Checker, sandbox: SandboxServer, people: People, tmp_path: Path
) -> None:
    before = people.everyone()
    del sandbox.calls[:]
    done = check(tags_property="segments", bulk_writes=True, mappings={**IDS, "owner": "owner_id"})
    assert (done.exit_code, done.json["ok"], done.messages("error"), done.messages("warning")) == (0, True, [], [])
    assert {call.method for call in sandbox.calls if call.path != "/contacts/search"} == {"GET"}
    assert people.everyone() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "here"]
    workspace = done.json["workspace"]
    assert (workspace["id"], workspace["name"], workspace["region"]) == (sandbox.workspace.id, "Sandbox", "us")
    assert workspace["account"] == {"id": "1000001", "name": "Ada Sandbox"}
    assert (workspace["url"], workspace["api_version"]) == (sandbox.url, "2.16")
    assert any("'owner_id' are the ids of" in message for message in done.messages("ok", "mappings"))


def test_the_json_has_these_keys_and_no_others(check: Checker) -> None:
    shown = check().json
    assert list(shown) == ["ok", "workspace", "permissions", "attributes", "ledger", "bulk", "findings"]
    assert list(shown["permissions"][0]) == ["permission", "call", "needed", "found", "message"]
    of_attributes = ["name", "type", "custom", "writable", "archived", "options", "mappable", "object"]
    assert list(shown["attributes"][0]) == of_attributes
    assert list(shown["ledger"]) == ["place", "state", "steps", "steps_known", "streams", "message"]
    assert list(shown["bulk"]) == ["found", "message"]
    assert {tuple(one) for one in shown["findings"]} == {("level", "setting", "message")}


def test_the_page_names_every_key_and_state(check: Checker) -> None:
    page = (Path(__file__).parents[3] / "docs" / "check.md").read_text(encoding="utf-8")
    shown = check().json
    keys = {*shown, *shown["workspace"], *shown["permissions"][0], *shown["attributes"][0], *shown["ledger"]}
    words = {*keys, *shown["findings"][0], *(one.value for one in (*LedgerState, *Answer, *Level))}
    assert {word for word in words if f"`{word}`" not in page} == set()


def test_the_text_shows_all_of_it(check: Checker, attribute: Any) -> None:
    attribute("plan", "options", options=[{"value": "free"}, {"value": "pro"}])
    attribute("old", "integer", archived=True)
    done = check(as_="text", mappings={**IDS, "tier": "custom_attributes.gone"}, create_attributes=False)
    assert done.exit_code == 1
    titles = ("Connection", "Permissions", "Ledger", "Findings", "Attributes of contacts")
    places = [f"\n{done.stdout}".index(f"\n{title}") for title in titles]
    assert places == sorted(places)
    listed = [re.split(r"  +", line.strip()) for line in done.stdout.partition("Attributes of")[2].splitlines()]
    assert listed[1] == ["name", "type", "mappable", "options"]
    assert ["custom_attributes.plan", "string", "yes", "free, pro"] in listed
    assert ["id", "string", "to match by"] in listed
    assert ["custom_attributes.old", "integer", "no: archived"] in listed
    assert "created_at" not in [row[0] for row in listed]
    assert re.search(
        r"^  and \d\d that 'mappings' does not take \(--format json lists them\)$", done.stdout, re.MULTILINE
    )
    assert done.stdout.endswith("\n\nNot ready: 1 error\n")
    permissions = done.stdout.partition("\nPermissions\n")[2].partition("\n\n")[0]
    assert "  not asked: only a write would tell" in permissions.splitlines()
    assert max(map(len, permissions.splitlines())) <= 80


DISCOVERED = {**catalog(offered("customers", method="FULL_TABLE", id="integer", email="text"))}


def test_a_catalog_that_selects_nothing_is_said(check: Checker) -> None:
    (said,) = check(DISCOVERED, mappings=IDS).messages("warning")
    assert '"selected": true' in said
    assert "matched by external_id or email" in "".join(check(DISCOVERED, mappings=IDS).messages("ok"))
    assert said in check(catalog(), mappings=IDS).messages("warning")


@pytest.mark.parametrize(
    "of",
    [
        {"metadata": [{"breadcrumb": [], "metadata": {"selected": True}}]},
        {"metadata": [{"breadcrumb": [], "metadata": {"selected-by-default": True}}]},
        {"selected": True},
        {"schema": {**DISCOVERED["streams"][0]["schema"], "selected": True}},
        {"metadata": []},
    ],
)
def test_a_catalog_that_selects_a_stream_in_any_way_is_not_said_to_select_nothing(
    check: Checker, of: dict[str, Any]
) -> None:
    done = check(catalog({**DISCOVERED["streams"][0], **of}), mappings=IDS)
    assert done.messages("warning") == []
    assert "matched by external_id or email" in "".join(done.messages("ok"))


def test_a_wrong_token_is_said_and_the_ledger_is_looked_at_all_the_same(check: Checker) -> None:
    done = check(access_token=TOKEN)
    assert done.exit_code == 1
    assert "'access_token'" in done.only("error", "access_token")
    assert (done.json["workspace"], done.json["attributes"]) == (None, [])
    assert done.json["ledger"]["state"] == "new"


@pytest.mark.parametrize(
    ("as_", "settings"),
    [
        ("text", {}),
        ("json", {}),
        ("text", {"api_version": "nine"}),
        ("json", {"api_url": "http://127.0.0.1:1"}),
        ("text", {"region": 5}),
    ],
)
def test_the_token_is_never_printed(check: Checker, as_: str, settings: dict[str, Any]) -> None:
    done = check(as_=as_, access_token=TOKEN, **settings)
    assert done.exit_code == 1
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("scope", "call", "level"),
    [
        ("read_data_attributes", "GET /data_attributes", "error"),
        ("read_users", "POST /contacts/search", "error"),
        ("read_tags", "GET /tags", "error"),
        ("read_admins", "GET /me", "error"),
    ],
)
def test_a_permission_that_is_missing_is_named_with_its_call(
    check: Checker, sandbox: SandboxServer, scope: str, call: str, level: str
) -> None:
    sandbox.conditions.deny_scopes = (scope,)
    done = check(groups_stream="memberships")
    assert (done.exit_code, len(done.messages("error"))) == (1, 1)
    assert "Intercom forbids the call" in done.only(level, "access_token")
    found = {one["call"]: one["found"] for one in done.json["permissions"]}
    if call != "GET /me":
        assert call in done.messages(level)[0]
        # The others are asked for nevertheless.
        assert found.pop(call) == "no"
        assert set(found.values()) == {"yes", "not asked"}


def test_teammates_that_cannot_be_read_matter_only_where_owners_are_mapped(
    check: Checker, sandbox: SandboxServer
) -> None:
    def deny(request: Any) -> Response | None:
        body = {"type": "error.list", "errors": [{"code": "forbidden", "message": "no"}]}
        return Response.of(403, body) if request.path == "/admins" else None

    with Front(sandbox, deny) as front:
        assert check(api_url=front.url).messages("warning") == []
        done = check(api_url=front.url, mappings={**IDS, "owner": "owner_id"})
    assert done.exit_code == 0
    assert "may not read teammates (GET /admins)" in done.only("warning", "access_token")


def test_a_call_that_keeps_failing_is_not_taken_for_a_missing_permission(
    check: Checker, sandbox: SandboxServer
) -> None:
    with Front(sandbox, lambda request: Response.of(500, {}) if request.path == "/contacts/search" else None) as front:
        done = check(api_url=front.url)
    assert done.exit_code == 0
    assert "perhaps may not read contacts" in done.only("warning", "access_token")
    assert {one["call"]: one["found"] for one in done.json["permissions"]}["POST /contacts/search"] == "unknown"


def test_writes_are_named_and_not_tried(check: Checker) -> None:
    writes = {
        one["permission"]: one["needed"]
        for one in check(tags_property="tags", create_attributes=False).json["permissions"]
        if one["found"] == "not asked"
    }
    assert writes == {
        "write contacts": True,
        "unarchive contacts": True,
        "archive contacts": False,
        "delete contacts": False,
        "create attributes": False,
        "write tags": True,
    }


def test_the_calls_that_remove_are_named_and_needed_where_a_stream_removes(check: Checker) -> None:
    def needed(**settings: Any) -> set[str]:
        return {one["call"] for one in check(**settings).json["permissions"] if one["needed"]}

    archive, delete = "POST /contacts/{id}/archive", "DELETE /contacts/{id}"
    assert needed(sync_mode="sync") & {archive, delete} == {archive}
    assert needed(streams={"gone": {"sync_mode": "remove", "removal_mode": "delete"}}) & {archive, delete} == {delete}
    assert not needed(sync_mode="sync", max_removal_percent=0) & {archive, delete}
    assert not any("PUT /contacts/{id}" in call for call in needed(sync_mode="remove"))
    revive = "POST /contacts/{id}/unarchive"
    assert revive in needed()
    assert not {revive} & (needed(sync_mode="enrich") | needed(sync_mode="insert"))


def test_the_region_is_written_as_the_setting_takes_it(check: Checker) -> None:
    told = check(as_="text").stdout
    assert "  region       us\n" in told
    assert ", region us\n" in told


def test_a_host_that_is_not_there_is_said_to_be_out_of_reach(check: Checker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = check(api_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 1
    # The region has no effect beside an address.
    assert "Intercom cannot be reached" in done.only("error", "api_url")


def test_what_is_no_intercom_is_said_to_be_none(check: Checker, sandbox: SandboxServer) -> None:
    with Front(sandbox, lambda _: Response.of(404, {})) as front:
        done = check(api_url=front.url)
    assert "This is not Intercom's API" in done.only("error", "api_url")


def test_a_version_that_intercom_does_not_take_is_said(check: Checker) -> None:
    assert "Change 'api_version'" in check(api_version="1.99").only("error", "api_version")


def test_a_redirect_is_another_address(check: Checker, sandbox: SandboxServer) -> None:
    with Front(sandbox, lambda _: Response.of(301, {})) as front:
        assert "redirects the call" in check(api_url=front.url).only("error", "api_url")


def test_a_workspace_without_a_name_is_refused_in_the_words_of_a_run(
    check: Checker, sandbox: SandboxServer, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    me = {"type": "admin", "id": "1", "app": {"name": "W"}}
    with Front(sandbox, lambda request: Response.of(200, me) if request.path == "/me" else None) as front:
        message = check(api_url=front.url).only("error", "ledger_url")
        assert check(api_url=front.url, ledger_url="none").exit_code == 0
        assert load([schema("customers", **CUSTOMERS)], api_url=front.url).exit_code == 1
    assert message in caplog.text


# Attributes and mappings.


def test_the_attributes_are_listed_by_the_names_that_mappings_take(check: Checker, attribute: Any) -> None:
    attribute("plan", "options", options=[{"value": "free"}, {"value": "pro"}])
    attribute("old", "integer", archived=True)
    rows = {one["name"]: one for one in check().json["attributes"]}
    assert list(rows) == sorted(rows, key=lambda name: (rows[name]["custom"], name))
    assert rows["custom_attributes.plan"] == {
        "name": "custom_attributes.plan",
        "type": "string",
        "custom": True,
        "writable": True,
        "archived": False,
        "options": ["free", "pro"],
        "mappable": True,
        "object": "contact",
    }
    assert (rows["custom_attributes.old"]["archived"], rows["custom_attributes.old"]["mappable"]) == (True, False)
    assert (rows["name"]["mappable"], rows["created_at"]["mappable"], rows["role"]["mappable"]) == (True, False, False)
    assert (rows["id"]["mappable"], rows["id"]["writable"]) == (True, False)
    assert rows["email_verified"]["mappable"]
    assert "email_verified" not in {one["name"] for one in check(api_version="2.15").json["attributes"]}


def mapped(attribute: str, **settings: Any) -> dict[str, Any]:
    return {"mappings": {**IDS, "tier": f"custom_attributes.{attribute}"}, **settings}


def test_a_mapping_to_an_archived_attribute_is_an_error(check: Checker, attribute: Any) -> None:
    attribute("plan", archived=True)
    done = check(**mapped("plan"))
    assert done.exit_code == 1
    assert "'custom_attributes.plan' is left out: it is archived" in done.only("error", "mappings")


def test_a_mapping_to_what_the_api_does_not_write_is_an_error(check: Checker, sandbox: SandboxServer) -> None:
    entry = {
        "name": "score",
        "full_name": "custom_attributes.score",
        "data_type": "integer",
        "custom": True,
        "api_writable": False,
    }

    def list_it(request: Any) -> Response | None:
        return Response.of(200, {"type": "list", "data": [entry]}) if request.path == "/data_attributes" else None

    with Front(sandbox, list_it) as front:
        done = check(api_url=front.url, **mapped("score"))
    assert "Intercom does not let the API write it" in done.only("error", "mappings")


def test_a_mapping_to_what_does_not_exist_says_what_becomes_of_it(check: Checker, attribute: Any) -> None:
    attribute("subscription_plan")
    made = check(**mapped("seats"))
    assert made.exit_code == 0
    assert any("does not exist in Intercom: the run makes it" in one for one in made.messages("ok", "mappings"))
    assert "'create_attributes' is false" in check(**mapped("seats", create_attributes=False)).only("error", "mappings")
    slip = check(**mapped("subscription_plam")).only("warning", "mappings")
    assert "Did you mean 'custom_attributes.subscription_plan'?" in slip


def test_a_streams_own_mappings_are_checked_in_its_name(check: Checker) -> None:
    done = check(streams={"shops": mapped("seats", create_attributes=False)})
    assert "'custom_attributes.seats' does not exist" in done.only("error", "streams.shops.mappings")


def test_characters_that_are_replaced_are_shown_with_what_becomes_of_them(check: Checker) -> None:
    assert "'custom_attributes.a_b'" in check(**mapped("a.b")).only("warning", "mappings")


def test_a_name_that_collides_once_its_characters_are_replaced_is_an_error(check: Checker) -> None:
    done = check(**mapped("created.at"))
    assert any("named like a standard one" in one for one in done.messages("error"))
    both = check(mappings={**IDS, "x": "custom_attributes.a.b", "y": "custom_attributes.a_b"})
    assert "go into 'custom_attributes.a_b', which takes one of them" in both.messages("error", "mappings")[0]


@pytest.mark.parametrize(("there", "level"), [(250, "error"), (249, "warning"), (200, None)])
def test_the_limit_of_custom_attributes_is_told_before_it_is_met(
    check: Checker, sandbox: SandboxServer, there: int, level: str | None
) -> None:
    entries = [
        {"name": f"a{n}", "full_name": f"custom_attributes.a{n}", "data_type": "string", "custom": True}
        for n in range(there)
    ]

    def list_them(request: Any) -> Response | None:
        return Response.of(200, {"type": "list", "data": entries}) if request.path == "/data_attributes" else None

    with Front(sandbox, list_them) as front:
        done = check(api_url=front.url, **mapped("quite_another_name"))
    if level is None:
        assert done.messages("error") + done.messages("warning") == []
    else:
        assert f"{there} of 250" in done.only(level, "create_attributes")


def test_records_that_only_name_whom_to_remove_need_no_attributes(check: Checker) -> None:
    assert check(**mapped("gone", create_attributes=False, sync_mode="remove")).messages("error") == []


NO_ATTRIBUTES: dict[str, Any] = {"create_attributes": False}
SYNC = {"sync_mode": "sync"}
SEATS = catalog(offered("customers", id="integer", seats="integer"))


def seats(**settings: Any) -> dict[str, Any]:
    return {"mappings": {**IDS, "seats": "custom_attributes.seats"}, **settings}


@pytest.mark.parametrize("offered_", [SEATS, None])
def test_mappings_are_judged_by_what_holds_for_the_stream_an_archived_attribute(
    check: Checker, attribute: Any, offered_: Any
) -> None:
    attribute("seats", "integer", archived=True)
    done = check(offered_, **seats(sync_mode="remove", streams={"customers": SYNC}))
    assert done.exit_code == 1
    message = done.only("error", "mappings")
    assert message.startswith("Stream 'customers': Attribute 'custom_attributes.seats' is left out: it is archived")
    assert check(offered_, **seats(streams={"customers": {"sync_mode": "remove"}})).exit_code == (offered_ is None)


@pytest.mark.parametrize("offered_", [SEATS, None])
def test_mappings_are_judged_by_what_holds_for_the_stream_an_attribute_that_is_missing(
    check: Checker, offered_: Any
) -> None:
    done = check(offered_, **seats(streams={"customers": NO_ATTRIBUTES}))
    assert done.exit_code == 1
    words = "Stream 'customers': Attribute 'custom_attributes.seats' does not exist in Intercom and 'create_attributes'"
    assert done.only("error", "mappings").startswith(words)
    if offered_ is not None:
        assert "the run makes it" not in done.stdout
    other = check(offered_, **seats(**NO_ATTRIBUTES, streams={"customers": {"create_attributes": True}}))
    assert other.exit_code == 0
    assert any("Stream 'customers': Attribute 'custom_attributes.seats'" in one for one in other.messages("ok"))
    if offered_ is None:
        said = other.only("warning", "mappings")
        assert said.startswith("Streams that 'streams' does not name: Attribute 'custom_attributes.seats' does not")
    else:
        assert "is left out" not in other.stdout


def test_what_a_run_says_of_an_attribute_the_check_says_before(
    check: Checker, load: Loader, attribute: Any, caplog: pytest.LogCaptureFixture
) -> None:
    attribute("seats", "integer", archived=True)
    properties = {"id": "integer", "seats": "integer", "plan": "text"}
    settings: dict[str, Any] = {"streams": {"customers": NO_ATTRIBUTES}}
    done = check(catalog(offered("customers", **properties)), **settings)
    said = {one["setting"]: one["message"] for one in done.json["findings"] if one["level"] == "warning"}
    assert set(said) == {"mappings", "streams.customers.create_attributes"}
    load([schema("customers", **properties), record("customers", id=1, seats=1, plan="a")], **settings)
    for message in said.values():
        assert message.removeprefix("Stream 'customers': ") in caplog.text


def test_mappings_of_a_stream_that_is_refused_are_judged_nevertheless(check: Checker) -> None:
    done = check(SEATS, **NO_ATTRIBUTES, mappings={"seats": "custom_attributes.seats"})
    refused, left_out = sorted(done.messages("error"), key=len, reverse=True)
    assert "gives no identifier" in refused
    assert "is left out" in left_out


# The tap's streams.


def test_an_attribute_is_made_by_the_type_of_the_schema_or_by_the_first_value(check: Checker) -> None:
    of: dict[str, Any] = {"a": "any", "b": "integer"}
    (made,) = check(catalog(offered("customers", id="integer", **of))).messages("ok", "create_attributes")
    assert made.endswith("makes custom_attributes.a (by its first values), custom_attributes.b (integer)")


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"snapshot": True, "sync_mode": "additive"}, "snapshot"),
        ({"sync_mode": "sync", "streams": {"customers": {"snapshot": True, "sync_mode": "insert"}}}, "snapshot"),
        ({"sync_mode": "sync", "max_removal_percent": 0}, "max_removal_percent"),
    ],
)
def test_what_a_run_says_of_removals_the_check_says_before(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], setting: str
) -> None:
    done = check(catalog(offered("customers", **CUSTOMERS)), **settings)
    place = f"streams.customers.{setting}" if "streams" in settings else setting
    assert done.exit_code == 0
    assert load([schema("customers", **CUSTOMERS), record("customers", id=1)], **settings).exit_code == 0
    assert done.only("warning", place) in caplog.text


def test_types_that_will_not_fit_are_told_by_stream_and_property(check: Checker, attribute: Any) -> None:
    attribute("seats", "integer")
    attribute("ratio", "float")
    attribute("plan", "options", options=[{"value": "free"}, {"value": "pro"}])
    done = check(
        catalog(
            offered("customers", **CUSTOMERS, seats="boolean", ratio="text", signed_up_at="boolean", plan="text"),
        )
    )
    errors, warnings = "\n".join(done.messages("error")), "\n".join(done.messages("warning"))
    assert done.exit_code == 1
    assert "Stream 'customers': 'seats' (boolean) does not fit 'custom_attributes.seats'" in errors
    assert "'signed_up_at' (boolean) does not fit 'signed_up_at', which takes dates" in errors
    assert "'ratio' (string) goes into 'custom_attributes.ratio', which takes numbers" in warnings
    assert "a list of 'free', 'pro': other values are left out" in warnings


def test_values_that_a_list_attribute_does_not_have_are_named(check: Checker, attribute: Any) -> None:
    attribute("plan", "options", options=[{"value": "free"}, {"value": "pro"}])
    plan = {"type": ["string", "null"], "enum": ["free", "gold", None]}
    done = check(catalog(offered("customers", **CUSTOMERS, plan=plan)))
    assert "other values ('gold') are left out" in done.only("warning", "mappings")
    plan["enum"] = ["free", None]
    assert check(catalog(offered("customers", **CUSTOMERS, plan=plan))).messages("warning") == []


def test_a_stream_without_an_identifier_is_refused_as_a_run_refuses_it(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    done = check(catalog(offered("orders", number="integer")))
    message = done.only("error", "mappings") if not done.messages("warning") else done.messages("error")[0]
    assert load([schema("orders", number="integer")]).exit_code == 1
    assert message in caplog.text


def test_what_a_run_says_of_a_schema_the_check_says_before(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    properties = {**CUSTOMERS, "created_at": "datetime", "role": "text"}
    said = check(catalog(offered("customers", **properties))).messages("warning", "mappings")
    assert load([schema("customers", **properties)]).exit_code == 0
    assert len(said) == 2
    assert all(message in caplog.text for message in said)


def test_a_groups_stream_is_held_against_the_rules_for_groups(check: Checker) -> None:
    refused = check(catalog(offered("members", email="text")), groups_stream="members", mappings={})
    assert "no property that names the group" in refused.only("error", "mappings")
    taken = check(catalog(offered("members", email="text", tag="text")), groups_stream="members", mappings={})
    assert taken.exit_code == 0


def test_names_that_the_catalog_does_not_have_are_told(check: Checker) -> None:
    done = check(
        catalog(offered("customers", **CUSTOMERS)),
        mappings={**IDS, "vip": "custom_attributes.vip"},
        groups_stream="members",
        tags_property="segments",
        deleted_property="gone_at",
        streams={"custmers": {"sync_mode": "sync"}, "customers": {"mappings": {**IDS, "nickname": "name"}}},
    )
    warnings = {one["setting"]: one["message"] for one in done.json["findings"] if one["level"] == "warning"}
    assert "Did you mean 'customers'?" in warnings["streams.custmers"]
    assert "no stream 'members'" in warnings["groups_stream"]
    assert "'vip', which no stream has" in warnings["mappings"]
    assert "'nickname', which the stream does not have" in warnings["streams.customers.mappings"]
    assert (warnings["tags_property"], warnings["deleted_property"]) == (
        "No stream has the property 'segments'",
        "No stream has the property 'gone_at'",
    )
    assert done.exit_code == 0


# Which streams are about people.

ORDERS = {"id": "integer", "total": "number"}


def same_as_a_run(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture, *streams: Any, **settings: Any
) -> str:
    """What the check says is wrong, in the words of a run."""
    done = check(catalog(*(offered(name, **properties) for name, properties in streams)), **settings)
    assert done.exit_code == 1
    load.names_streams = False
    assert load([schema(name, **properties) for name, properties in streams], **settings).exit_code == 1
    (said,) = done.messages("error")
    assert said in caplog.messages
    assert all(message in caplog.messages for message in done.messages("warning") if "there is no stream" in message)
    caplog.clear()
    return said


def test_a_second_stream_of_contacts_without_an_entry_is_an_error(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    both = ("customers", CUSTOMERS), ("orders", ORDERS)
    said = same_as_a_run(check, load, caplog, *both)
    assert all(part in said for part in ("'customers'", '"orders": {}', '"orders": {"object": "ignore"}'))
    entry: Any
    for entry in ({}, {"object": "ignore"}):
        of = catalog(*(offered(name, **properties) for name, properties in both))
        done = check(of, streams={"orders": entry})
        assert (done.exit_code, done.messages("error")) == (0, [])


def test_a_stream_beside_the_one_that_the_ledger_knows_is_an_error(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    load(customers(person(1)))
    assert "ledger forget customers" in same_as_a_run(check, load, caplog, ("orders", ORDERS))
    assert check(catalog(offered("customers", **CUSTOMERS))).exit_code == 0


def test_a_stream_that_an_entry_may_mean_is_an_error(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    requests: Any = {"requests": {"sync_mode": "remove"}}
    said = same_as_a_run(check, load, caplog, ("public-requests", CUSTOMERS), streams=requests)
    assert "'streams.requests'" in said
    load(customers(person(1)))
    assert said == same_as_a_run(check, load, caplog, ("public-requests", CUSTOMERS), streams=requests)


def test_a_stream_without_an_identifier_takes_no_other_s_place(check: Checker) -> None:
    done = check(catalog(offered("orders", total="number"), offered("customers", **CUSTOMERS)))
    (error,) = done.messages("error")
    assert error.startswith("Stream 'orders' gives no identifier")
    assert error.endswith('add "orders": {"object": "ignore"} to \'streams\'')


@pytest.mark.parametrize(
    "settings",
    [
        {"streams": {"orders": {"object": "ignore"}}},
        {"stream_maps": {"orders": None}},
        {"stream_maps": {"customers": {}, "__else__": None}},
    ],
)
def test_a_stream_that_is_left_out_is_not_looked_at(check: Checker, settings: Any) -> None:
    orders = {**offered("orders", method="INCREMENTAL", selected=True), "schema": {"type": "strange"}}
    people = offered("customers", selected=True, **CUSTOMERS)
    done = check(catalog(orders, people), **settings, snapshot=True, sync_mode="sync")
    assert (done.exit_code, done.messages("error"), done.messages("warning")) == (0, [], [])
    assert "orders" not in "".join(done.messages("ok"))


def test_a_snapshot_of_an_incremental_stream_is_an_error(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    of: dict[str, Any] = {"snapshot": True, "sync_mode": "sync"}
    incremental = catalog(offered("customers", method="INCREMENTAL", selected=True, **CUSTOMERS))
    refused = check(incremental, **of).only("error", "snapshot")
    assert load([{**schema("customers", **CUSTOMERS), "bookmark_properties": ["id"]}], **of).exit_code == 1
    assert refused in caplog.text
    assert check(catalog(offered("customers", method="FULL_TABLE", selected=True, **CUSTOMERS)), **of).exit_code == 0


def test_only_what_is_selected_is_looked_at(check: Checker) -> None:
    orders = offered("orders", selected=False, number="integer")
    some = offered("customers", selected=True, deselected=["phone"], **CUSTOMERS, phone="boolean")
    assert check(catalog(orders, some)).messages("error") == []
    assert check(catalog({**orders, "metadata": []}, some)).exit_code == 1


def test_a_taps_output_serves_as_a_catalog(check: Checker) -> None:
    output = lines([schema("customers", **CUSTOMERS, phone="boolean"), record("customers", id=1, phone=True)])
    assert "'phone' (boolean)" not in check(output).stdout
    output = lines([schema("customers", **CUSTOMERS, signed_up_at="boolean"), record("customers", id=1)])
    assert "'signed_up_at' (boolean) does not fit" in check(output).only("error", "mappings")


def test_stream_maps_stand_between_the_tap_and_the_check(check: Checker) -> None:
    done = check(
        catalog(offered("public-customers", id="integer", key="integer", mail="text")),
        stream_maps={"public-customers": {"__alias__": "customers", "email": "mail", "mail": None}},
        mappings={"key": "external_id"},
    )
    assert done.exit_code == 0
    assert any("Stream 'customers' is matched by external_id or email" in one for one in done.messages("ok"))
    broken = check(catalog(offered("customers", **CUSTOMERS)), stream_maps={"customers": {"id": None}})
    assert "'id'" in broken.only("error", "stream_maps")


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"streams": 5}', '{"streams": [{}]}', '{"type": "x"'])
def test_a_file_that_is_no_catalog_is_wrong_usage(check: Checker, sandbox: SandboxServer, text: str) -> None:
    done = check(text)
    assert (done.exit_code, done.stdout, sandbox.calls) == (2, "", [])
    assert "neither a Singer catalog nor Singer messages" in done.stderr


@pytest.mark.parametrize("wrong", [[], True, "object", 5, None])
def test_a_schema_that_is_no_object_is_told_with_its_stream_in_the_words_of_a_run(
    check: Checker, load: Loader, caplog: pytest.LogCaptureFixture, wrong: Any
) -> None:
    bad = {**offered("orders", id="integer"), "schema": wrong}
    done = check(catalog(offered("customers", **CUSTOMERS), bad))
    assert done.exit_code == 1
    (message,) = done.messages("error")
    assert message.startswith("Stream 'orders': its schema is not a JSON object. To leave the stream out")
    assert load([{**schema("orders", id="integer"), "schema": wrong}]).exit_code == 1
    assert message in caplog.text


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_catalog_as_windows_writes_it_without_metadata_is_read(check: Checker, mark: str) -> None:
    whole = catalog({**offered("customers", **CUSTOMERS), "metadata": None})
    done = check(mark + json.dumps(whole))
    assert done.exit_code == 0
    assert any("Stream 'customers' is matched by" in one for one in done.messages("ok"))


@pytest.mark.parametrize(("before", "after", "number"), [("INFO begins", "", 1), ("", "INFO ends", 3)])
def test_a_log_line_among_a_taps_output_is_told_by_its_number(
    check: Checker, before: str, after: str, number: int
) -> None:
    messages = lines([schema("customers", **CUSTOMERS), record("customers", id=1)])
    done = check("".join(f"{line}\n" for line in (before, messages.rstrip(), after) if line))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"line {number} is not JSON" in done.stderr
    assert "INFO" not in done.stderr


# The ledger and the folder.


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_ledger_that_is_there_is_read_and_not_touched(check: Checker, load: Loader) -> None:
    load(customers(*(person(number) for number in range(3))), mappings={"id": "external_id", "row": None})
    before = contents(load.data_dir)
    done = check()
    assert contents(load.data_dir) == before
    ledger = done.json["ledger"]
    assert (ledger["state"], ledger["steps"]) == ("ready", ledger["steps_known"])
    assert [(one["stream"], one["contacts"]) for one in ledger["streams"]] == [("customers", 3)]
    assert "it has 3 records with a contact, in 1 streams of this workspace" in done.messages("ok", "ledger_url")[0]


def test_a_ledger_that_somebody_has_open_is_read_as_it_is_and_not_touched(check: Checker, load: Loader) -> None:
    load(customers(person(1)), mappings={"id": "external_id", "row": None})
    with closing(sqlite3.connect(load.data_dir / "ledger.db")) as other:
        other.execute("UPDATE target_intercom_streams SET stream = 'renamed'")
        other.commit()
        before = contents(load.data_dir)
        done = check()
        after = contents(load.data_dir)
        # What the processes share about who reads what is no part of the ledger.
        assert [name for name in after if "-shm" not in name and after[name] != before[name]] == []
        assert set(after) == set(before)
    assert [one["stream"] for one in done.json["ledger"]["streams"]] == ["renamed"]


def test_no_ledger_and_none_yet_are_both_well(check: Checker, load: Loader) -> None:
    assert check(ledger_url="none").json["ledger"]["state"] == "none"
    assert check().json["ledger"]["state"] == "new"
    assert not load.data_dir.exists()


def test_a_ledger_of_an_older_version_stays_of_that_version(check: Checker, load: Loader) -> None:
    load.data_dir.mkdir()
    with closing(sqlite3.connect(load.data_dir / "ledger.db")) as ledger:
        ledger.execute("CREATE TABLE target_intercom_migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
        ledger.execute("INSERT INTO target_intercom_migrations VALUES ('create_entries_streams_and_intents', '2025')")
        ledger.commit()
    before = contents(load.data_dir)
    done = check()
    assert (done.exit_code, done.json["ledger"]["state"], done.json["ledger"]["steps"]) == (0, "older", 1)
    assert contents(load.data_dir) == before


def test_a_ledger_of_a_newer_version_is_refused_in_the_words_of_a_run(check: Checker, load: Loader) -> None:
    load([schema("customers", **CUSTOMERS)])
    with closing(sqlite3.connect(load.data_dir / "ledger.db")) as ledger:
        ledger.execute("INSERT INTO target_intercom_migrations VALUES ('add_something_new', '2030')")
        ledger.commit()
    assert "newer version" in check().only("error", "ledger_url")


@pytest.mark.parametrize("damage", [b"this is no database\n" * 500, None])
def test_a_damaged_ledger_is_said_to_be_damaged(check: Checker, load: Loader, damage: bytes | None) -> None:
    load(customers(*(person(number) for number in range(50))))
    path = load.data_dir / "ledger.db"
    whole = path.read_bytes()
    path.write_bytes(damage or whole[:4096] + b"\xa5" * (len(whole) - 4096))
    before = contents(load.data_dir)
    done = check()
    assert "damaged" in done.only("error", "ledger_url")
    assert (done.json["ledger"]["state"], contents(load.data_dir)) == ("unusable", before)


def test_a_postgresql_that_is_not_there_is_out_of_reach_and_its_password_a_secret(check: Checker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = check(ledger_url=f"postgresql://me:hunter2@127.0.0.1:{taken.getsockname()[1]}/ledger")
    assert "cannot be reached" in done.only("error", "ledger_url")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_folder_that_cannot_be_made_is_told_before_a_run_needs_it(check: Checker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = check(data_dir=str(tmp_path / "file" / "data"))
    assert "is not a folder" in done.messages("error", "data_dir")[0]
    assert "cannot be opened" in done.messages("error", "ledger_url")[0]


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_a_folder_of_an_impossible_name_is_told(check: Checker, load: Loader, name: str) -> None:
    settings = {"data_dir": name, "ledger_url": "none"}
    done = check(**settings)
    assert done.exit_code == 1
    assert "'data_dir'" in done.only("error", "data_dir")
    assert load.pipe([schema("customers", **CUSTOMERS)], **settings).exit_code == 1


# Bulk jobs.


@pytest.mark.parametrize(
    ("access", "found", "words"),
    [
        (BulkAccess.ON, "yes", "only a submission proves it"),
        (BulkAccess.VERSION, "no", "API version 'Preview' has no bulk jobs"),
        (BulkAccess.PLAN, "no", "the workspace's plan has no bulk jobs"),
        (BulkAccess.NOT_ACCEPTABLE, "no", "406"),
        (BulkAccess.MISSING, "unknown", "may mean the job or all jobs"),
    ],
)
def test_bulk_jobs_are_told_as_far_as_a_read_can_tell(
    check: Checker, sandbox: SandboxServer, access: BulkAccess, found: str, words: str
) -> None:
    sandbox.conditions.bulk = access
    done = check(bulk_writes=True)
    assert done.exit_code == 0
    assert done.json["bulk"]["found"] == found
    assert words in done.json["bulk"]["message"]
    level = "ok" if found == "yes" else "warning"
    assert any(words in message for message in done.messages(level, "bulk_writes"))


def test_bulk_jobs_are_not_asked_for_where_nobody_wants_them(check: Checker, sandbox: SandboxServer) -> None:
    assert check().json["bulk"]["found"] == "not asked"
    assert not [call for call in sandbox.calls if "bulk" in call.path]


# Settings, usage, and the command as it is installed.


def test_a_wrong_setting_is_refused_in_the_words_of_the_target_and_nobody_is_asked(
    check: Checker, load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    done = check(match_by=["nothing"], sync_mod="sync")
    assert (done.exit_code, sandbox.calls, done.json["workspace"]) == (1, [], None)
    assert load([], match_by=["nothing"], sync_mod="sync").exit_code == 1
    for setting, words in (("match_by", "does not take"), ("sync_mod", "did you mean 'sync_mode'")):
        (message,) = done.messages("error", setting)
        assert words in message
        assert message in caplog.text


def test_a_setting_that_is_not_known_is_a_warning(check: Checker) -> None:
    assert "has no effect" in check(something_else=1).only("warning", "something_else")


@pytest.mark.parametrize("arguments", [["--config", "missing.json"], ["--catalog", "missing.json"], ["--format", "x"]])
def test_wrong_usage_ends_with_two(check: Checker, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")


def test_without_any_settings_the_token_is_missed(check: Checker) -> None:
    done = run("--format", "json", env={"TARGET_INTERCOM_ACCESS_TOKEN": "sandbox"})
    assert done.exit_code == 1
    assert "'access_token' is missing" in done.only("error", "access_token")


def test_settings_come_from_the_environment_and_several_files(
    check: Checker, sandbox: SandboxServer, tmp_path: Path
) -> None:
    (tmp_path / "more.json").write_text(json.dumps({"mappings": {"x": "custom_attributes.x"}}), encoding="utf-8")
    env = {
        "TARGET_INTERCOM_ACCESS_TOKEN": "sandbox",
        "TARGET_INTERCOM_API_URL": sandbox.url,
        "TARGET_INTERCOM_LEDGER_URL": "none",
        "TARGET_INTERCOM_CREATE_ATTRIBUTES": "false",
    }
    done = run("--config=ENV", "--config", str(tmp_path / "more.json"), "--format=json", env=env)
    assert "'custom_attributes.x' does not exist" in done.only("error", "mappings")
    assert done.json["ledger"]["state"] == "none"
    wrong = run("--config=ENV", "--format=json", env={**env, "TARGET_INTERCOM_BULK_WRITES": "perhaps"})
    assert "give true or false" in wrong.only("error", "bulk_writes")


def test_settings_that_meltano_wrote_flat_into_variables_are_understood(check: Checker, sandbox: SandboxServer) -> None:
    streams = {"shops.mappings.tier": "custom_attributes.tier", "shops.create_attributes": False}
    env = {
        "TARGET_INTERCOM_ACCESS_TOKEN": "sandbox",
        "TARGET_INTERCOM_API_URL": sandbox.url,
        "TARGET_INTERCOM_STREAMS": json.dumps(streams),
    }
    done = run("--config=ENV", "--format=json", env=env)
    assert "'custom_attributes.tier' does not exist" in done.only("error", "streams.shops.mappings")


def test_names_from_intercom_do_not_command_the_terminal(check: Checker, sandbox: SandboxServer) -> None:
    me = {"type": "admin", "id": "1", "name": "\x1b[2JEve\n", "app": {"id_code": "w", "name": "W", "region": "US"}}
    with Front(sandbox, lambda request: Response.of(200, me) if request.path == "/me" else None) as front:
        done = check(as_="text", api_url=front.url)
    assert "\x1b" not in done.stdout
    assert "\\x1b[2JEve\\n (id 1)" in done.stdout


@pytest.mark.parametrize("command", [["-m", "target_intercom.check"], None])
def test_the_command_runs_as_a_module_and_as_it_is_installed(
    load: Loader, sandbox: SandboxServer, tmp_path: Path, command: list[str] | None
) -> None:
    installed = Path(sys.executable).with_name("target-intercom-check")
    if command is None and not installed.exists():
        pytest.skip("target-intercom is not installed with this command; install it again")
    program = [sys.executable, *command] if command else [str(installed)]
    (tmp_path / ".env").write_text(f"TARGET_INTERCOM_ACCESS_TOKEN={TOKEN}\n", encoding="utf-8")
    env = {**load.env(), "TARGET_INTERCOM_API_URL": sandbox.url, "LOGLEVEL": "DEBUG"}
    done = subprocess.run(
        [*program, "--config=ENV", "--format=json"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)
    assert "refuses the access token" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env"]


# The rate limit.


def too_many(seconds: int) -> Response:
    """A 429 that tells how long to wait."""
    error = {"code": "rate_limit_exceeded", "message": "Exceeded rate limit of 1666 in 10_seconds"}
    response = Response.of(429, {"type": "error.list", "errors": [error]})
    response.headers["Retry-After"] = str(seconds)
    return response


def test_a_rate_limit_that_is_reached_is_waited_for_and_said_but_not_for_long(
    check: Checker, sandbox: SandboxServer
) -> None:
    answers, asked = iter([too_many(4)]), list[float]()

    def limited(_: Request) -> Response:
        asked.append(time.monotonic())
        return next(answers, too_many(60))

    with Front(sandbox, limited) as front:
        done = check(api_url=front.url)
    first, second = asked
    assert second - first >= 4
    assert done.stderr == "Intercom's rate limit is reached: calls wait for the next window\n"
    assert (done.exit_code, done.json["ok"], done.json["workspace"]) == (1, False, None)
    (message,) = done.messages("error")
    assert "rate limit is reached: GET /me got nothing but 429" in message
    assert "Exceeded rate limit of 1666 in 10_seconds" in message


def test_a_check_waits_for_the_rate_limit_once_and_not_call_by_call(check: Checker, sandbox: SandboxServer) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response | None:
        asked.append(request.path)
        return None if request.path == "/me" else too_many(60)

    with Front(sandbox, answer) as front:
        done = check(api_url=front.url, bulk_writes=True)
    assert asked == ["/me", "/data_attributes"]
    assert done.stderr == ""
    assert done.json["workspace"]["region"] == "us"
    assert [one["found"] for one in done.json["permissions"]][:4] == ["yes", "unknown", "unknown", "unknown"]
    assert "rate limit is reached" in done.json["bulk"]["message"]


def test_no_setting_is_to_blame_for_a_rate_limit(check: Checker, sandbox: SandboxServer) -> None:
    with Front(sandbox, lambda _request: too_many(60)) as front:
        done = check(api_url=front.url)
    (finding,) = (one for one in done.json["findings"] if one["level"] == "error")
    assert finding["message"].startswith("Intercom's rate limit is reached: GET /me got nothing but 429")
    assert finding["setting"] is None


# What real taps send: read as a run reads it.


@pytest.mark.parametrize(
    ("properties", "settings", "row"),
    [
        (
            {"EMAIL": "text", "Name": "text", "Signed Up At": "datetime", "UPDATED_AT": "text", "ID": "integer"},
            {"mappings": {}},
            {"EMAIL": "a@example.com"},
        ),
        ({"id": "integer", "EMAIL": "text", "Email": "text"}, {}, {"id": 1}),
        ({"id": "integer", "Gone": "any", "GONE": "any"}, {"deleted_property": "gone"}, {"id": 1}),
        ({"id": "integer", "Segments": "array"}, {"tags_property": "segments"}, {"id": 1}),
        ({"id": "integer"}, {"mappings": {"id": "external_id", "properties.email": "email"}}, {"id": 1}),
    ],
)
def test_what_a_run_says_of_names_the_check_says_before(
    check: Checker,
    load: Loader,
    caplog: pytest.LogCaptureFixture,
    properties: dict[str, Any],
    settings: dict[str, Any],
    row: dict[str, Any],
) -> None:
    done = check(catalog(offered("customers", **properties)), **settings)
    load([schema("customers", keys=(), **properties), record("customers", **row)], **settings)
    told = done.messages("warning") + [one for one in done.messages("error") if "customers" in one]
    run_said = {message for message in caplog.messages if "property" in message or "propert" in message}
    assert run_said <= {message for message in caplog.messages if any(one in message for one in told)}
    assert run_said
    assert all(any(one in message for message in caplog.messages) for one in told)


def test_a_stream_that_names_no_properties_is_matched_by_what_is_mapped(check: Checker) -> None:
    open_stream = {**offered("customers"), "schema": {"type": "object"}, "key_properties": ["id"]}
    done = check(catalog(open_stream), mappings={"id": "external_id", "whatever": "name"}, deleted_property="gone")
    assert (done.exit_code, done.messages("warning")) == (0, [])
    unknown = {**open_stream, "key_properties": []}
    done = check(catalog(unknown))
    assert done.exit_code == 1
    assert done.messages("error")[0].startswith("Stream 'customers': its SCHEMA names no properties")


def test_types_are_those_that_a_run_makes(check: Checker) -> None:
    odd = {
        "a": {"type": ["null", "string"], "format": "x-singer.decimal"},
        "b": {"$ref": "#/definitions/day"},
        "c": {"type": "number", "exclusiveMaximum": True},
        "custom_attributes": {"type": "object", "properties": {"seats": {"type": "integer"}}},
    }
    stream = offered("customers", id="integer", **odd)
    stream["schema"]["definitions"] = {"day": {"type": "string", "format": "date"}}
    done = check(catalog(stream))
    (made,) = done.messages("ok", "create_attributes")
    assert done.exit_code == 0
    for one in ("a (float)", "b (date)", "c (float)", "seats (integer)"):
        assert f"custom_attributes.{one}" in made


def test_objects_in_standard_attributes_are_said_to_be_left_out(check: Checker) -> None:
    done = check(catalog(offered("customers", id="integer", name="object", avatar="object")))
    assert done.exit_code == 0
    avatar, name = sorted(done.messages("warning", "mappings"))
    assert avatar.startswith("Stream 'customers': 'avatar' (object) goes into 'avatar', which takes texts: objects and")
    assert avatar.endswith("lists are left out, but for the 'image_url' of an object")
    assert name.endswith("'name' (object) goes into 'name', which takes texts: objects and lists are left out")


def test_a_member_that_a_mapping_names_by_a_path_is_judged(check: Checker, attribute: Any) -> None:
    attribute("seats", "integer")
    members = {"email": {"type": "string"}, "seats": {"type": "boolean"}}
    stream = offered("customers", id="integer", properties={"type": "object", "properties": members})
    settings = {"id": "external_id", "properties.email": "email", "properties.seats": "custom_attributes.seats"}
    done = check(catalog(stream), mappings=settings)
    (wrong,) = done.messages("error")
    assert "'properties.seats' (boolean) does not fit 'custom_attributes.seats'" in wrong
    assert done.messages("ok", "mappings")[0] == "Stream 'customers' is matched by external_id or email"


@pytest.mark.parametrize("catalog_of", ["{}", '{{"type": "SCHEMA", "stream": "a", "schema": {}}}', '{{"streams": {}}}'])
def test_a_catalog_that_is_nested_too_deeply_cannot_be_read(check: Checker, catalog_of: str) -> None:
    done = check(catalog_of.format("[" * 100_000 + "]" * 100_000))
    assert done.exit_code == 2
    assert "The catalog cannot be read" in done.stderr


# Meltano.


@pytest.mark.parametrize(
    ("variables", "config", "meant"),
    [
        ({"SYNC_MOD": "sync"}, {"sync_mod": "sync"}, "sync_mode"),
        ({"MAPPING_ID": "external_id"}, {"mapping": {"id": "external_id"}}, "mappings"),
        ({"STREAM_CUSTOMERS_SYNC_MODE": "sync"}, {"stream": {"customers": {"sync_mode": "sync"}}}, "streams"),
    ],
)
def test_a_name_in_meltano_yml_that_a_run_refuses_is_refused_by_the_check(
    load: Loader, tmp_path: Path, variables: dict[str, str], config: dict[str, Any], meant: str
) -> None:
    """As `meltano invoke target-intercom:check` (4.4) gives them: what is no setting, by a variable alone."""
    given = {"ACCESS_TOKEN": "sandbox", "API_URL": load.url, "DATA_DIR": str(tmp_path / "data"), **variables}
    extras = {"MELTANO_LOAD__LOG_PARSER": "singer-sdk", "MELTANO_LOAD__DIALECT": "target_intercom"}
    names = ("TARGET_INTERCOM_", "MELTANO_LOAD_")
    env = extras | {prefix + name: value for prefix in names for name, value in given.items()}
    done = run("--config=ENV", "--format", "json", env=env)
    (said,) = done.messages("error")
    assert f"did you mean '{meant}'?" in said
    assert done.exit_code == 1
    refused = load.pipe([schema("customers", id="integer")], **config)
    assert refused.exit_code == 1
    assert said in refused.log


def test_what_meltano_says_of_members_and_of_itself_is_no_unknown_setting(load: Loader, tmp_path: Path) -> None:
    given = {
        "ACCESS_TOKEN": "sandbox",
        "API_URL": load.url,
        "DATA_DIR": str(tmp_path / "data"),
        "MAPPINGS": '{"id": "external_id"}',
        "MAPPINGS_ID": "external_id",
        "STREAMS": '{"customers.sync_mode": "sync"}',
        "STREAMS_CUSTOMERS_SYNC_MODE": "sync",
        "_DIALECT": "target_intercom",
    }
    names = ("TARGET_INTERCOM_", "MELTANO_LOAD_")
    env = {prefix + name: value for prefix in names for name, value in given.items()}
    done = run("--config=ENV", "--format", "json", env=env)
    assert [one for one in done.messages("error") + done.messages("warning") if "unknown" in one] == []
