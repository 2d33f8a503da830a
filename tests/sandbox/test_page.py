"""What the sandbox shows to a browser, over HTTP; how it looks and moves: test_page_browser.py."""

from __future__ import annotations

import html
import http.client
import re
import subprocess
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests

from target_intercom.sandbox import Request, SandboxServer
from target_intercom.sandbox.page import rendering
from target_intercom.sandbox.page.values import Value
from target_intercom.sandbox.page.views.attributes import Attribute
from target_intercom.sandbox.page.views.calls import CALLS_A_PAGE, WindowView
from target_intercom.sandbox.page.views.person import PersonView
from target_intercom.sandbox.recording.history import CALLS_OF_A_CONTACT, LAST_CALLS, NOTES, History
from target_intercom.sandbox.wire.names import Names

from .html import Html

if TYPE_CHECKING:
    from .client import Api, Clock

ROOT = Path(__file__).parents[2]
PAGES = (
    "/",
    "/page/companies",
    "/page/tags",
    "/page/calls",
    "/page/calls/latest",
    "/page/window",
    "/page/style.css",
    "/page/live.js",
)
SCRIPT = "<script>alert('x')</script>"


def get(api: Api, path: str, **headers: str) -> requests.Response:
    return requests.get(api.sandbox.url + path, headers=headers, timeout=120)


def show(api: Api, path: str) -> Html:
    answer = get(api, path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Html(answer.text)


def page_of(contact: Any) -> str:
    return f"/page/people/{contact['id']}"


def history(api: Api, contact: Any) -> list[str]:
    """The calls of a contact's page, oldest first."""
    page = show(api, page_of(contact))
    calls = zip(page.column("Method", -1), page.column("Path", -1), page.column("Status", -1), strict=True)
    return [" ".join(call).replace(contact["id"], "ID") for call in calls][::-1]


# --- people ---


def test_people_are_listed_with_what_tells_them_apart_the_last_changed_first(api: Api, clock: Clock) -> None:
    ann = api.create(role="user", external_id="u1", email="ann@x.com", name="Ann")
    clock.pass_(60)
    api.create(role="user", external_id="u2")
    clock.pass_(60)
    api.ok("POST", f"/contacts/{ann['id']}/tags", {"id": api.tag("VIP")})

    page = show(api, "/")
    assert page.headings == ["People"]
    assert page.captions == ["1–2 of 2, last changed first"]
    assert page.rows() == [
        ["Ann", "ann@x.com", "u1", "user", "VIP", "2023-11-14 22:15:20"],
        ["u2", "–", "u2", "user", "–", "2023-11-14 22:14:20"],
    ]
    assert page.links["Ann"] == page_of(ann)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Ann", "Ben", "Lee"]),
        ("q=ANN", ["Ann"]),
        ("q=b%40X.com", ["Ben"]),
        ("q=u-7", ["Ann"]),
        ("q=%20ben%20", ["Ben"]),
        ("q=nobody", []),
        ("role=lead", ["Lee"]),
        ("role=user&q=n", ["Ann", "Ben"]),
        ("role=emperor", ["Ann", "Ben", "Lee"]),
        ("tag=TAG", ["Ann"]),
        ("tag=TAG&role=lead", []),
        ("tag=0", []),
        ("state=archived", ["Gus"]),
        ("state=any", ["Ann", "Ben", "Gus", "Lee"]),
        ("state=asleep&role=&q=", ["Ann", "Ben", "Lee"]),
    ],
)
def test_people_are_found_by_text_role_tag_and_state(api: Api, query: str, found: list[str]) -> None:
    ann = api.create(role="user", external_id="u-77", name="Ann")
    api.create(role="user", email="B@x.com", name="Ben")
    api.create(role="lead", name="Lee")
    gus = api.create(role="lead", name="Gus")
    api.ok("POST", f"/contacts/{gus['id']}/archive", {})
    tag = api.tag("VIP")
    api.ok("POST", f"/contacts/{ann['id']}/tags", {"id": tag})

    page = show(api, "/?" + query.replace("TAG", tag))
    names = sorted(row[0].split()[0] for row in page.rows()) if page.tables else []
    assert names == found
    assert ("No contacts match" in page.text) == (not found)


def test_a_contact_is_found_by_its_id(api: Api) -> None:
    contact = api.create(role="user", external_id="u1", name="Ann")
    api.create(role="user", external_id="u2", name="Ben")

    assert show(api, f"/?q={contact['id']}").column("Name") == ["Ann"]


def test_a_long_list_is_turned_page_by_page_and_keeps_its_filters(api: Api) -> None:
    for number in range(27):
        api.create(role="user", external_id=f"u{number:02}")
        api.create(role="lead")

    first = show(api, "/?role=user")
    assert (first.captions, len(first.rows())) == (["1–25 of 27, last changed first"], 25)
    assert "Previous" not in first.links
    second = show(api, first.links["Next"])
    assert (second.captions, len(second.rows())) == (["26–27 of 27, last changed first"], 2)
    assert "Next" not in second.links
    assert sorted(first.column("external_id") + second.column("external_id")) == [f"u{n:02}" for n in range(27)]
    assert show(api, second.links["Previous"]).rows() == first.rows()


@pytest.mark.parametrize(("asked", "shown"), [("99", 2), ("0", 1), ("-1", 1), ("two", 1), ("²", 1), ("", 1)])
def test_a_page_that_does_not_exist_is_the_nearest_one(api: Api, asked: str, shown: int) -> None:
    for number in range(26):
        api.create(role="user", external_id=f"u{number}")

    assert f"Page {shown} of 2" in show(api, f"/?page={asked}").text


def test_an_empty_workspace_says_what_to_do(api: Api) -> None:
    assert "Point the target at this address" in show(api, "/").text
    assert "There are no tags." in show(api, "/page/tags").text
    assert "No call yet." in show(api, "/page/calls").text


# --- a contact ---


def test_a_contact_is_shown_with_its_attributes_and_their_types(api: Api) -> None:
    for name, data_type in (("plan", "string"), ("seats", "integer"), ("renews", "datetime"), ("beta", "boolean")):
        api.attribute(name, data_type)
    custom = {"plan": "Team", "seats": 0, "renews": 1_700_000_000, "beta": False}
    made = api.create(role="user", external_id="u1", email="a@x.com", owner_id=1000002, custom_attributes=custom)
    api.update(made["id"], email="", custom_attributes={"plan": None})
    archived = next(one["id"] for one in api.ok("GET", "/data_attributes")["data"] if one["name"] == "beta")
    api.ok("PUT", f"/data_attributes/{archived}", {"archived": True})

    page = show(api, page_of(made))
    standard = {name: (value, data_type) for name, value, data_type in page.rows(0)}
    assert standard["id"] == (made["id"], "string")
    assert standard["email"] == ("cleared", "string")
    assert standard["owner_id"] == ("1000002 Ben Sandbox", "integer")
    assert standard["unsubscribed_from_emails"] == ("false", "boolean")
    assert standard["created_at"] == ("1700000000 2023-11-14 22:13:20", "datetime")
    assert "Not set: phone , name , avatar , language_override , signed_up_at , last_seen_at" in page.text
    assert page.rows(1) == [
        ["beta", "false archived", "boolean"],
        ["plan", "cleared", "string"],
        ["renews", "1700000000 2023-11-14 22:13:20", "datetime"],
        ["seats", "0", "integer"],
    ]


def test_a_contact_is_shown_with_its_tags(api: Api) -> None:
    contact = api.create(role="user", external_id="u1", name="Ann")
    tag = api.tag("VIP")
    api.ok("POST", f"/contacts/{contact['id']}/tags", {"id": tag})

    page = show(api, page_of(contact))
    assert (page.headings, page.links["VIP"]) == (["Ann"], f"/?tag={tag}")
    assert show(api, page.links["VIP"]).column("Name") == ["Ann"]


def test_who_was_merged_leads_to_the_other(api: Api) -> None:
    user = api.create(role="user", external_id="u1", email="a@x.com")
    lead = api.create(role="lead", email="a@x.com")
    api.ok("POST", "/contacts/merge", {"from": lead["id"], "into": user["id"]})

    page = show(api, page_of(lead))
    assert page.links["The contact that it was merged into"] == page_of(user)
    assert history(api, user)[-1] == history(api, lead)[-1] == "POST /contacts/merge 200"


# --- its history ---


def test_a_contact_has_the_calls_that_touched_it(api: Api) -> None:
    contact, other = api.create(role="user", external_id="u1"), api.create(role="user", external_id="u2")
    api.update(contact["id"], name="Ann")
    api.update(contact["id"], name="Ann")
    api.refused("PUT", f"/contacts/{contact['id']}", {"name": 5})
    api.get(contact["id"])
    api.ok("GET", "/contacts/find_by_external_id/u1")
    tag = api.ok("POST", "/tags", {"name": "A", "users": [{"id": contact["id"]}, {"id": other["id"]}]})["id"]
    api.ok("DELETE", f"/contacts/{contact['id']}/tags/{tag}")
    api.ok("POST", f"/contacts/{contact['id']}/archive", {})
    api.find("external_id", "=", "u1")
    api.ok("GET", "/contacts")

    assert history(api, contact) == [
        "POST /contacts 200",
        "PUT /contacts/ID 200",
        "PUT /contacts/ID 200",
        "PUT /contacts/ID 400 name must be a string",
        "GET /contacts/ID 200",
        "GET /contacts/find_by_external_id/u1 200",
        "POST /tags 200",
        f"DELETE /contacts/ID/tags/{tag} 200",
        "POST /contacts/ID/archive 200",
    ]
    assert history(api, other) == ["POST /contacts 200", "POST /tags 200"]


def test_a_write_whose_answer_was_lost_is_in_the_history_and_so_is_one_that_never_happened(api: Api) -> None:
    api.conditions(fault="500_after")
    api.call("POST", "/contacts", {"role": "user", "external_id": "u1"})
    (contact,) = api.ok("GET", "/_sandbox/contacts")["contacts"]
    api.conditions(fault="reset_before")
    with pytest.raises(requests.ConnectionError):
        api.update(contact["id"], name="Ann")
    api.conditions(rate_limit=1)
    api.call("PUT", f"/contacts/{contact['id']}", {"name": "Ann"})

    assert history(api, contact) == [
        "POST /contacts 500 fault: 500_after",
        "PUT /contacts/ID no answer fault: reset_before",
        "PUT /contacts/ID 429 Exceeded rate limit of 1 in 10_seconds",
    ]


def test_a_deleted_tag_is_in_the_history_of_those_who_had_it(api: Api) -> None:
    contact, other = api.create(role="user", external_id="u1"), api.create(role="user", external_id="u2")
    tag = api.ok("POST", "/tags", {"name": "A", "users": [{"id": contact["id"]}]})["id"]
    api.ok("DELETE", f"/tags/{tag}")

    assert history(api, contact)[-1] == f"DELETE /tags/{tag} 200"
    assert len(history(api, other)) == 1


def test_bulk_jobs_are_in_the_history_of_each_contact_of_theirs(api: Api) -> None:
    known = api.create(role="user", external_id="u1")
    api.conditions(bulk_seconds=0)
    for method, item in (("POST", {"external_id": "u2"}), ("PUT", {"id": known["id"], "name": "Ann"})):
        answer = api.call(method, "/contacts/bulk", {"contacts": [item]}, version="Preview")
        assert answer.status_code == 202
    deadline = time.monotonic() + 120
    while (everybody := api.ok("GET", "/_sandbox/contacts")["contacts"])[0]["name"] is None or len(everybody) < 2:
        assert time.monotonic() < deadline

    created = next(one for one in everybody if one["external_id"] == "u2")
    while not api.sandbox.sandbox.history.of(created["id"]):
        assert time.monotonic() < deadline
    assert history(api, created) == ["POST /contacts/bulk 202"]
    assert history(api, known) == ["POST /contacts 200", "PUT /contacts/bulk 202"]


def test_the_history_is_bounded_however_many_calls_there_are() -> None:
    history, request = History(), Request("PUT", "/contacts/" + "x" * 10_000)
    for number in range(NOTES + 2000):
        entry = history.begin(0.0, request, None)
        history.touch(entry, "always")
        history.touch(entry, f"once{number}")
        history.touch(entry, f"once{number}")

    assert history.total == NOTES + 2000
    assert [entry.n for entry in history.last()] == list(range(NOTES + 2000, NOTES + 2000 - LAST_CALLS, -1))
    assert len(history.of("always")) == CALLS_OF_A_CONTACT
    kept = [bool(history.of(f"once{number}")) for number in range(NOTES + 2000)]
    assert kept == [False] * (2000 + CALLS_OF_A_CONTACT) + [True] * (NOTES - CALLS_OF_A_CONTACT)
    assert len(history.last()[0].path) == 500


# --- tags and calls ---


def test_tags_are_listed_with_the_number_of_those_who_have_them(api: Api) -> None:
    people = [api.create(role="user", external_id=f"u{number}")["id"] for number in range(3)]
    users = [{"id": one} for one in people]
    vip = api.ok("POST", "/tags", {"name": "VIP", "users": users})["id"]
    beta = api.ok("POST", "/tags", {"name": "beta", "users": users[:1]})["id"]
    none = api.tag("Nobody's")
    api.ok("POST", f"/contacts/{people[2]}/archive", {})

    page = show(api, "/page/tags")
    assert page.rows() == [["beta", beta, "1", "0"], ["Nobody's", none, "0", "0"], ["VIP", vip, "2", "0"]]
    assert show(api, page.links["VIP"]).column("external_id") == ["u1", "u0"]


def test_calls_are_listed_with_endpoint_status_and_request_id(api: Api, clock: Clock) -> None:
    ann = api.create(role="user", external_id="u1", name="Ann")
    ben = api.create(role="user", external_id="u2", name="Ben")
    clock.pass_(1.25)
    api.ok("POST", "/tags", {"name": "A", "users": [{"id": ann["id"]}, {"id": ben["id"]}]})
    updated = api.call("PUT", f"/contacts/{ann['id']}", {"name": "Annie"})
    api.call("GET", "/me", token="wrong")
    api.call("GET", "/companies")
    api.call("GET", "/nowhere")

    page = show(api, "/page/calls")
    assert page.captions == ["1–7 of the last 7, the newest first"]
    calls = [[*row[:3], row[3].split()[0]] for row in page.rows()]
    assert calls[:5] == [
        ["22:13:21.250", "GET", "/nowhere", "404"],
        ["22:13:21.250", "GET", "/companies", "400"],
        ["22:13:21.250", "GET", "/me", "401"],
        ["22:13:21.250", "PUT", "/contacts/{id}", "200"],
        ["22:13:21.250", "POST", "/tags", "200"],
    ]
    assert page.column("Contact")[3] == page.column("Contact")[6] == "Annie"
    assert page.column("Contact")[4] in {"Annie and 1 more", "Ben and 1 more"}
    assert page.links["Annie"] == page_of(ann)
    assert page.column("Request id")[3] == updated.headers["X-Request-Id"]
    assert all(took.endswith(" ms") for took in page.column("Took"))


def test_the_last_thousand_calls_are_kept_and_turned_page_by_page(api: Api) -> None:
    sandbox = api.sandbox.sandbox
    for number in range(LAST_CALLS + 5):
        sandbox.handle(Request("GET", f"/nowhere/{number}"))

    first = show(api, "/page/calls")
    assert first.captions == ["1–50 of the last 1,000, the newest first; 1,005 in all"]
    assert first.column("Endpoint")[0] == "/nowhere/1004"
    assert show(api, "/page/calls?page=99").column("Endpoint")[-1] == "/nowhere/5"
    assert show(api, first.links["Next"]).column("Endpoint")[0] == "/nowhere/954"
    assert len(sandbox.calls) == LAST_CALLS + 5


def test_a_call_under_way_is_shown_as_such(api: Api) -> None:
    sandbox = api.sandbox.sandbox
    sandbox.history.begin(sandbox.now(), Request("GET", "/me"), "/me")

    assert show(api, "/page/calls").rows()[0][1:] == ["GET", "/me", "under way", "–", "–", "–"]


# --- the rate limit ---


def test_the_window_fills_and_starts_anew(api: Api, clock: Clock) -> None:
    api.conditions(rate_limit=3)
    for _ in range(5):
        api.call("GET", "/me")
    clock.pass_(4)

    full = show(api, "/")
    assert "5 of 3 calls in 10 s , 2 refused ; 6 s left" in full.text
    (meter,) = [attributes for name, attributes in full.elements if name == "meter"]
    assert (meter["value"], meter["max"]) == ("5", "3")
    assert show(api, "/page/window").text == "Rate limit 5 of 3 5 of 3 calls in 10 s , 2 refused ; 6 s left"
    clock.pass_(6)
    assert "0 of 3 calls in 10 s ; 10 s left" in show(api, "/").text


def test_looking_is_no_call_and_changes_nothing(api: Api) -> None:
    contact = api.create(role="user", external_id="u1")
    api.ok("POST", f"/contacts/{contact['id']}/tags", {"id": api.tag("VIP")})
    looks = [*PAGES, page_of(contact), "/?q=u1&role=user&tag=1&state=any&page=2", "/page/nowhere", "/favicon.ico"]
    whats = ("calls", "contacts", "windows", "jobs", "conditions")
    before = {what: api.ok("GET", f"/_sandbox/{what}") for what in whats}
    total = api.sandbox.sandbox.history.total

    for path in looks:
        get(api, path)
        requests.head(api.sandbox.url + path, timeout=120)
    assert {what: api.ok("GET", f"/_sandbox/{what}") for what in whats} == before
    assert api.sandbox.sandbox.history.total == total == len(before["calls"]["calls"])


@pytest.mark.parametrize("text", ["zoe", "ZO\u00cb", "Zoe\u0308", "muller", "M\u00fcller"])
def test_people_are_found_without_accents(api: Api, text: str) -> None:
    api.create(role="user", external_id="1", name="Zo\u00eb M\u00fcller")
    api.create(role="user", external_id="2", name="Bob")
    assert len(show(api, "/?" + urlencode({"q": text})).rows()) == 1


def test_a_refused_call_has_its_reason(api: Api) -> None:
    contact = api.create(role="user", external_id="u1")
    api.refused("POST", "/contacts", {"role": "user", "external_id": "u1"})
    (row, *_) = show(api, "/page/calls").rows()
    assert f"409 A contact matching those details already exists with id={contact['id']}" in row


def test_the_next_page_of_calls_goes_on_where_this_one_ended_however_many_come_meanwhile(api: Api) -> None:
    for number in range(CALLS_A_PAGE + 3):
        api.call("GET", f"/tags/{number}")
    link = re.search(r'href="([^"]*)" rel="next"', get(api, "/page/calls").text)
    assert link is not None
    wanted = html.unescape(link[1])
    before = [row[3] for row in show(api, wanted).rows()]
    for _ in range(10):
        api.call("GET", "/me")
    second = show(api, wanted)
    assert [row[3] for row in second.rows()] == before
    assert len(second.rows()) == 3
    assert 'data-live="/page/calls/latest"' not in get(api, wanted.replace("page=2", "page=1")).text


def test_a_reset_empties_the_page(api: Api) -> None:
    contact = api.create(role="user", external_id="u1")
    api.ok("POST", "/_sandbox/reset")

    assert "There are no contacts yet" in show(api, "/").text
    assert "No call yet" in show(api, "/page/calls").text
    assert get(api, page_of(contact)).status_code == 404


# --- who may look ---


@pytest.mark.parametrize("path", [*PAGES, "/page/nowhere", "/favicon.ico"])
def test_a_browser_that_was_led_here_under_another_name_is_sent_away(api: Api, path: str) -> None:
    api.create(role="user", external_id="u1", name="Ann")
    port = api.sandbox.url.rpartition(":")[2]
    for host in (
        f"evil.example:{port}",
        f"10.1.2.3:{port}",
        f"localhost.evil.example:{port}",
        f"localhost.:{port}",
        "",
    ):
        answer = get(api, path, Host=host)
        assert answer.status_code == 421
        assert "Ann" not in answer.text


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_the_names_of_this_machine_are_fine_on_any_port(api: Api, name: str) -> None:
    """A container's port may be published as another."""
    for port in ("", f":{api.sandbox.url.rpartition(':')[2]}", ":9000"):
        assert get(api, "/", Host=f"{name}{port}").status_code == 200


def test_the_address_that_it_was_bound_to_is_fine() -> None:
    names = Names.of("Sandbox.test", "10.1.2.3")
    for host, fine in (
        ("sandbox.test:8030", True),
        ("10.1.2.3:8030", True),
        ("localhost:8030", True),
        ("10.1.2.4:8030", False),
    ):
        assert names.admit(Request("GET", "/", headers={"host": host})) == fine


def test_bound_to_all_addresses_it_is_shown_under_any_of_them_and_under_no_name() -> None:
    everywhere = str(IPv4Address(0))
    names = Names.of(everywhere, everywhere)
    for host, fine in (("192.0.2.7:8030", True), ("localhost:9000", True), ("evil.example:8030", False), ("", False)):
        assert names.admit(Request("GET", "/", headers={"host": host})) == fine


def test_texts_that_no_browser_can_be_shown_do_not_break_a_page(api: Api) -> None:
    contact = api.create(role="user", external_id="odd", name="half \ud800 character")
    assert [get(api, path).status_code for path in ("/", "/page/calls", f"/page/people/{contact['id']}")] == [200] * 3


def test_a_page_beyond_all_numbers_is_the_last(api: Api) -> None:
    api.create(role="user", external_id="u1", name="Ann")
    assert "Ann" in get(api, f"/?page={'9' * 5000}").text


def test_a_request_without_a_host_is_sent_away(api: Api) -> None:
    host, port = api.sandbox.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=120)
    connection.putrequest("GET", "/", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 421
    connection.close()


def test_the_page_is_only_read(api: Api) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = requests.request(method, api.sandbox.url + "/page/calls", timeout=120)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert requests.post(api.sandbox.url + "/", timeout=120).status_code == 401


def test_the_token_is_nowhere_to_be_seen() -> None:
    with SandboxServer(token="t0k3n-of-mine") as sandbox:
        headers = {"Authorization": "Bearer t0k3n-of-mine"}
        contact = requests.post(f"{sandbox.url}/contacts", json={"role": "lead"}, headers=headers, timeout=120).json()
        for path in (*PAGES, page_of(contact)):
            assert "t0k3n" not in requests.get(sandbox.url + path, timeout=120).text


@pytest.mark.parametrize("path", [*PAGES, "/page/nowhere"])
def test_nothing_is_loaded_from_or_shown_in_another_place(api: Api, path: str) -> None:
    answer = get(api, path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for _, attributes in Html(answer.text).elements if "html" in answer.headers["Content-Type"] else ():
        assert not {"style", "onclick", "onload"} & set(attributes)
        for name in ("href", "src", "action", "data-live"):
            assert (attributes.get(name) or "/").startswith(("/", "#"))
            assert not (attributes.get(name) or "").startswith("//")


@pytest.mark.parametrize("path", ["/page/", "/page/nowhere", "/page/people/", "/page/people/123", "/page/static/x"])
def test_what_is_not_there_is_a_404_for_people(api: Api, path: str) -> None:
    answer = get(api, path)
    assert (answer.status_code, Html(answer.text).headings) == (404, ["Not found"])


# --- hostile values ---


def test_hostile_values_are_shown_as_text(api: Api) -> None:
    api.attribute("note")
    contact = api.create(
        role="user", external_id=SCRIPT, name=SCRIPT, avatar="javascript:x", custom_attributes={"note": SCRIPT}
    )
    tag = api.tag(SCRIPT)
    api.ok("POST", f"/contacts/{contact['id']}/tags", {"id": tag})
    company = api.company(SCRIPT, name=SCRIPT, plan=SCRIPT, website="javascript:x")
    api.attach(contact["id"], company["id"])
    api.ok("POST", "/tags", {"name": SCRIPT, "companies": [{"id": company["id"]}]})
    api.call("GET", f"/{SCRIPT}")
    api.sandbox.sandbox.handle(Request("GET", f"/{SCRIPT}"))
    api.sandbox.sandbox.handle(Request(SCRIPT, f"/contacts/{contact['id']}"))

    for path, seen in (
        ("/", 3),
        (f"/?q={SCRIPT}&tag={tag}", 4),
        (page_of(contact), 7),
        ("/page/companies", 4),
        (f"/page/companies?q={SCRIPT}&tag={tag}", 6),
        (f"/page/companies/{company['id']}", 6),
        ("/page/tags", 1),
        ("/page/calls", 3),
        ("/page/calls/latest", 3),
    ):
        page = show(api, path)
        assert SCRIPT not in page.source
        assert page.source.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") >= seen, path
        assert [attributes.get("src") for name, attributes in page.elements if name == "script"] in (
            [],
            ["/page/live.js"],
        )
        assert not any("javascript:" in (attributes.get("href") or "") for _, attributes in page.elements)
    missing = get(api, "/page/people/%3Cscript%3E<script>")
    assert (missing.status_code, "<script>" in missing.text.partition("</head>")[2]) == (404, False)


def test_a_hostile_name_of_an_attribute_is_refused_and_would_be_shown_as_text(api: Api) -> None:
    body = {"name": SCRIPT, "model": "contact", "data_type": "string"}
    assert api.refused("POST", "/data_attributes", body)[0] == 400
    attribute = Attribute(SCRIPT, Value(SCRIPT), SCRIPT, SCRIPT)
    view = PersonView(SCRIPT, SCRIPT, SCRIPT, None, [attribute], [SCRIPT], [attribute], [], [], [])
    html = rendering.html("person", view=view, window=WindowView(0, 1, 0, "10", "10"))

    assert SCRIPT not in html
    assert html.count("&lt;script&gt;alert") >= 12


# --- without Jinja2 ---

WITHOUT_JINJA = """
import sys, requests
from target_intercom.sandbox import SandboxServer

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "jinja2":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

assert not any(name.startswith("jinja2") for name in sys.modules), "imported too early"
sys.meta_path.insert(0, Blocker())
with SandboxServer() as sandbox:
    page = requests.get(sandbox.url + "/", timeout=120)
    api = requests.get(sandbox.url + "/me", headers={"Authorization": "Bearer sandbox"}, timeout=120)
    print(page.status_code, page.headers["Content-Type"], api.status_code, page.text, sep="\\n", end="")
"""


def test_without_jinja_the_page_says_what_to_install_and_the_api_works() -> None:
    command = [sys.executable, "-c", WITHOUT_JINJA]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "501",
        "text/plain; charset=utf-8",
        "200",
        "This page needs Jinja2: install target-intercom with its extra 'sandbox', or Jinja2 itself",
    ]
