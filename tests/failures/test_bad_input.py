"""What is wrong is said in words that help, costs as little as possible, and comes back to be mended."""

from __future__ import annotations

import json
import math
import os
import socket
import stat
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import processes
from tests.support.loading import BeforeACall, lines, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

CUSTOMERS = schema(
    "customers",
    id="integer",
    email="text",
    name="text",
    phone="text",
    signed_up_at="datetime",
    score="number",
    seats="integer",
    vip="boolean",
    renewed="date",
    notes="text",
    extra="object",
)
GOOD = record("customers", id=1, email="ann@example.com", name="Ann")
TOKEN = "dG9rOnNlY3JldC10b2tlbi1vZi1h"


def customer(number: int, **values: Any) -> dict[str, Any]:
    return record("customers", **{"id": number, "email": f"c{number}@example.com", **values})


def run(load: Loader, *records: dict[str, Any], **settings: Any) -> Loaded:
    return load([CUSTOMERS, *records, state({"n": len(records)})], **settings)


def contact_calls(sandbox: SandboxServer) -> list[str]:
    return [call.path for call in sandbox.calls if call.path.startswith("/contacts")]


def rejected_file(done: Loaded) -> Path:
    (path,) = done.data_dir.glob("rejected-*.jsonl")
    return path


# Settings.


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"access_token": ...}, ["'access_token'", "missing"]),
        ({"access_token": ""}, ["'access_token'"]),
        ({"access_token": 5}, ["'access_token'"]),
        ({"access_token": "two words"}, ["'access_token'"]),
        ({"region": "mars"}, ["'region'", '"mars"', '"us"', '"eu"', '"au"']),
        ({"region": "US"}, ["'region'", '"US"', '"us"']),
        ({"api_url": "intercom"}, ["'api_url'", '"intercom"', "https://"]),
        ({"api_version": "latest"}, ["'api_version'", '"latest"', "2.16"]),
        ({"api_version": 2.16}, ["'api_version'", " 2.16:"]),
        ({"sync_mode": "mirror"}, ["'sync_mode'", '"mirror"', '"additive"', '"remove"']),
        ({"creation_mode": "admin"}, ["'creation_mode'", '"admin"', '"lifecycle"']),
        ({"removal_mode": "burn"}, ["'removal_mode'", '"burn"', '"archive"', '"delete"']),
        ({"unmapped": "drop"}, ["'unmapped'", '"drop"', '"ignore"']),
        ({"match_by": ["phone"]}, ["'match_by'", '"phone"', '"email"']),
        ({"match_by": []}, ["'match_by'", "[]"]),
        ({"match_by": "email"}, ["'match_by'", '"email"']),
        ({"match_by": ["email", "email"]}, ["'match_by'", "once"]),
        (
            {"mappings": {"id": "externalid"}},
            ["'mappings'", '"id"', '"externalid"', "external_id", "custom_"],
        ),
        ({"mappings": {"id": "role"}}, ["'mappings'", '"role"', "creation_mode"]),
        ({"mappings": {"id": "created_at"}}, ["'mappings'", '"created_at"']),
        ({"mappings": {"a": "name", "b": "name"}}, ["'mappings'", '"name"', '"a"', '"b"']),
        ({"mappings": {"a": "custom_attributes."}}, ["'mappings'", '"a"']),
        ({"mappings": {"a": 3}}, ["'mappings'", '"a"', "3"]),
        ({"mappings": "id"}, ["'mappings'", '"id"']),
        ({"create_attributes": "no"}, ["'create_attributes'", '"no"', "true", "false"]),
        ({"clear_nulls": 1}, ["'clear_nulls'", "1", "true", "false"]),
        ({"deleted_property": 3}, ["'deleted_property'", "3"]),
        ({"max_rejected_records": -2}, ["'max_rejected_records'", "-2", "-1"]),
        ({"max_rejected_records": 1.5}, ["'max_rejected_records'", " 1.5:"]),
        ({"rate_limit_percent": 0}, ["'rate_limit_percent'", "0", "1", "100"]),
        ({"rate_limit_percent": 101}, ["'rate_limit_percent'", "101", "100"]),
        ({"rate_limit_percent": True}, ["'rate_limit_percent'", "true"]),
        ({"max_connections": 0}, ["'max_connections'", "0"]),
        ({"max_connections": "many"}, ["'max_connections'", '"many"']),
        ({"search_delay_seconds": -1}, ["'search_delay_seconds'", "-1"]),
        ({"data_dir": 7}, ["'data_dir'", "7"]),
        ({"batch_size_rows": "many"}, ["batch_size_rows", "many"]),
        ({"streams": []}, ["'streams'"]),
        ({"streams": {"customers": "sync"}}, ["'streams'", "sync"]),
        ({"streams": {"customers": {"sync_mode": "mirror"}}}, ["streams.customers.sync_mode", '"mirror"', '"sync"']),
        ({"streams": {"customers": {"sink_mode": "sync"}}}, ["streams.customers.sink_mode", "sync_mode"]),
        ({"streams": {"customers": {"region": "eu"}}}, ["streams.customers.region"]),
        ({"streams": {"customers": {"mappings": {"a": "nix"}}}}, ["streams.customers.mappings", '"a"', '"nix"']),
        *(
            ({"streams": {"links": {"object": kind, setting: value}}}, [f"streams.links.{setting}", "for contacts"])
            for kind in ("groups", "company_members")
            for setting, value in (
                ("create_attributes", True),
                ("creation_mode", "user"),
                ("match_by", ["email"]),
                ("removal_mode", "archive"),
                ("tags_property", "tags"),
                ("companies_property", "companies"),
            )
        ),
        ({"groups_stream": "links", "streams": {"links": {"match_by": ["id"]}}}, ["streams.links.match_by"]),
        ({"sync_mod": "sync"}, ["'sync_mod'", "'sync_mode'"]),
    ],
)
def test_a_wrong_setting_is_refused_at_the_start(
    load: Loader,
    sandbox: SandboxServer,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    told: list[str],
) -> None:
    done = run(load, GOOD, **{"access_token": TOKEN, **settings})
    assert (done.exit_code, done.states, sandbox.calls) == (1, [], [])
    for text in told:
        assert text in caplog.text
    assert TOKEN not in caplog.text
    assert "two words" not in caplog.text
    assert "Traceback" not in caplog.text


def test_all_wrong_settings_are_named_at_once(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    done = run(load, GOOD, region="mars", sync_mode="mirror", max_connections=0)
    assert done.exit_code == 1
    for setting in ("region", "sync_mode", "max_connections"):
        assert f"'{setting}'" in caplog.text


def test_an_address_with_credentials_is_refused_without_showing_them(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    done = run(load, GOOD, api_url="https://user:hidden@proxy.example")
    assert done.exit_code == 1
    assert "'api_url'" in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize("name", ["colour", "load_method"])
def test_a_setting_that_has_no_effect_is_said_to_have_none(
    load: Loader, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    done = run(load, GOOD, **{name: "x"})
    assert done.exit_code == 0
    assert f"'{name}'" in caplog.text


@pytest.mark.parametrize("content", [None, '{"access_token": "' + TOKEN, "[1]"])
def test_a_config_file_that_is_missing_or_broken_fails_without_its_content(
    load: Loader, tmp_path: Path, content: str | None
) -> None:
    config = tmp_path / "other.json"
    if content is not None:
        config.write_text(content, encoding="utf-8")
    done = processes.run(load.command(config), input=lines([CUSTOMERS, GOOD]).encode(), env=load.env())
    assert done.returncode != 0
    assert done.stdout == b""
    assert TOKEN not in done.stderr.decode()


def test_wrong_settings_in_the_environment_are_refused_by_their_names(load: Loader) -> None:
    wrong = {"MAX_CONNECTIONS": "many", "MAPPINGS": "id", "CLEAR_NULLS": "perhaps", "STREAMS": "{"}
    env = {f"TARGET_INTERCOM_{name}": value for name, value in {"ACCESS_TOKEN": TOKEN, **wrong}.items()}
    command = [*load.command(load.data_dir)[:-2], "--config=ENV"]
    done = processes.run(command, input=b"", env={**load.env(), **env})
    log = done.stderr.decode()
    assert done.returncode == 1
    for name in wrong:
        assert name.lower() in log
    assert "Traceback" not in log
    assert TOKEN not in log


def test_a_data_dir_that_cannot_be_one_fails_before_anything_is_written(
    load: Loader, people: People, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a file").touch()
    done = run(load, GOOD, data_dir=str(tmp_path / "a file"))
    assert (done.exit_code, done.states) == (1, [])
    assert "a file" in caplog.text
    assert "Traceback" not in caplog.text
    assert people.everyone() == []


# The stream.


@pytest.mark.parametrize(
    "settings", [{"mappings": {}}, {"mappings": {"id": None}}, {"unmapped": "ignore", "mappings": {}}]
)
def test_a_stream_without_an_identifier_is_refused_with_the_mapping_to_add(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, settings: dict[str, Any]
) -> None:
    done = load(
        [schema("orders", id="integer", total="number"), record("orders", id=1, total=2), state({})], **settings
    )
    assert (done.exit_code, done.states) == (1, [])
    assert contact_calls(sandbox) == []
    for text in ("'orders'", "external_id", "email", "mappings", '"id"'):
        assert text in caplog.text
    assert "Traceback" not in caplog.text


def test_match_by_alone_decides_what_an_identifier_is(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    done = run(load, GOOD, match_by=["id"])
    assert done.exit_code == 1
    assert "'customers'" in caplog.text


# Access.


@pytest.mark.parametrize("records", [1, 200])
def test_a_wrong_token_stops_the_run_at_once(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, records: int
) -> None:
    done = run(load, *(customer(n) for n in range(records)), access_token=TOKEN)
    assert (done.exit_code, done.states) == (1, [])
    assert contact_calls(sandbox) == []
    assert len(sandbox.calls) == 1
    for text in ("access token", "401", "access_token", "region"):
        assert text in caplog.text
    assert TOKEN not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_token_that_is_revoked_mid_run_stops_it(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    revoked = BeforeACall(
        lambda _: len(contact_calls(sandbox)) > 50, lambda: setattr(sandbox.conditions, "token_revoked", True)
    )
    sandbox.conditions.plan.add(revoked)
    done = run(load, *(customer(n) for n in range(300)), max_connections=2)
    assert (done.exit_code, done.states) == (1, [])
    assert done.report["status"] == "failed"
    assert "access token" in caplog.text
    refused = [call for call in sandbox.calls if call.status == 401]
    assert 1 <= len(refused) <= 2
    assert len(contact_calls(sandbox)) < 300


@pytest.mark.parametrize("scope", ["read_admins", "read_users", "write_users", "read_data_attributes"])
def test_a_token_without_a_permission_stops_the_run_with_what_to_do(
    load: Loader, sandbox: SandboxServer, people: People, caplog: pytest.LogCaptureFixture, scope: str
) -> None:
    sandbox.conditions.deny_scopes = (scope,)
    sandbox.conditions.latency = 0.02
    done = run(load, *(customer(n, seats=n) for n in range(100)), max_connections=4)
    assert (done.exit_code, done.states, people.everyone()) == (1, [], [])
    assert sum(call.status == 403 for call in sandbox.calls) <= 4
    for text in ("403", "permission"):
        assert text in caplog.text
    assert "Traceback" not in caplog.text
    assert not list(done.data_dir.glob("rejected-*"))


def test_a_token_that_may_not_make_attributes_stops_the_run_with_what_to_do(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.conditions.deny_scopes = ("write_data_attributes",)
    done = run(load, customer(1, seats=3))
    assert (done.exit_code, done.states) == (1, [])
    assert "permission" in caplog.text


def test_another_api_version_is_refused_with_the_setting(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    done = run(load, GOOD, api_version="3.99")
    assert (done.exit_code, done.states, people.everyone()) == (1, [], [])
    assert "api_version" in caplog.text
    assert "Traceback" not in caplog.text


class _Answer(BaseHTTPRequestHandler):
    """Answers every call in one way, and notes it."""

    status = 200
    headers_: tuple[tuple[str, str], ...] = ()
    body = b""
    calls: list[str]

    def do_GET(self) -> None:
        self.calls.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        for name, value in self.headers_:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A host that gives every call this answer; yields its address and the calls it got."""
    calls: list[str] = []
    handler = type("Answer", (_Answer,), {"status": status, "headers_": headers, "body": body, "calls": calls})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", calls
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("hurried")
def test_a_host_that_cannot_be_reached_fails_the_run(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = run(load, GOOD, api_url=url, access_token=TOKEN)
    assert (done.exit_code, done.states) == (1, [])
    assert done.report["status"] == "failed"
    for text in ("cannot be reached", url, "api_url", "region"):
        assert text in caplog.text
    assert TOKEN not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("hurried")
def test_a_host_that_answers_with_a_page_fails_the_run(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    with answering(200, b"<html>Welcome</html>", ("Content-Type", "text/html")) as (url, calls):
        done = run(load, GOOD, api_url=url)
    assert (done.exit_code, done.states) == (1, [])
    assert set(calls) == {"GET /me"}
    assert "api_url" in caplog.text
    assert "JSON" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'"ok"', b'{"type": "admin", "app": "none"}'])
def test_a_host_that_answers_with_other_json_fails_the_run(
    load: Loader, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    with answering(200, body, ("Content-Type", "application/json")) as (url, calls):
        done = run(load, GOOD, api_url=url)
    assert (done.exit_code, done.states) == (1, [])
    assert "POST /contacts" not in calls
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_host_that_redirects_fails_the_run_at_once_and_is_not_followed(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with answering(status, b"", ("Location", f"{sandbox.url}/me")) as (url, calls):
        done = run(load, GOOD, api_url=url)
    assert (done.exit_code, done.states) == (1, [])
    assert (calls, sandbox.calls) == (["GET /me"], [])
    for text in (str(status), "redirects", "api_url", "region"):
        assert text in caplog.text
    assert "Traceback" not in caplog.text


# Records.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("email", value) for value in ("no address", "ann@", "@example.com", "a b@example.com", "a@b@example.com")],
        *[("email", value) for value in ("ann@example.com, bob@example.com", 5, True, ["ann@example.com"], {"a": 1})],
        *[("id", value) for value in (1.5, True, {"a": 1}, [1])],
        *[("signed_up_at", value) for value in ("yesterday", "2024-13-01T00:00:00Z", "2024-02-30", "0000000000004651")],
        *[("signed_up_at", value) for value in (1714521600000, True, math.inf)],
        *[("renewed", value) for value in ("31.12.2024", "2024-01-01 or so", 10**30)],
        *[("score", value) for value in ("lots", math.inf, -math.inf, {"a": 1}, [1])],
        *[("seats", value) for value in (2**63, -(2**63) - 1, 10**400, 1.5, "12 or so")],
        *[("vip", value) for value in ("maybe", 2, {"a": 1})],
        ("notes", math.inf),
        *[("extra", value) for value in ({"deep": [math.nan]}, [math.inf])],
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_does_not_fit_makes_its_record_invalid_and_no_other(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, field: str, value: Any
) -> None:
    bad = customer(2, **{field: value})
    done = run(load, GOOD, bad, customer(3))
    assert (done.exit_code, done.states) == (0, [{"n": 3}])
    assert done.results() == {"created": 2, "invalid": 1}
    assert {contact["external_id"] for contact in people.live()} == {"1", "3"}
    (refusal,) = done.refusals
    assert (refusal["outcome"], refusal["field"], refusal["request_id"]) == ("invalid", field, None)
    assert set(refusal) == {"outcome", "reason", "code", "field", "request_id"}
    assert refusal["reason"]
    assert refusal["code"]
    assert "'customers'" in caplog.text
    assert f"'{field}'" in caplog.text
    assert rejected_file(done).name in caplog.text
    assert "example.com" not in caplog.text
    assert not isinstance(value, str) or value not in caplog.text + refusal["reason"]


def test_a_number_beyond_any_float_is_invalid(load: Loader) -> None:
    text = '{"type": "RECORD", "stream": "customers", "record": {"id": 2, "email": "b@example.com", "score": 1e999}}'
    done = load([CUSTOMERS, GOOD, text])
    assert done.results() == {"created": 1, "invalid": 1}
    assert done.refusals[0]["field"] == "score"


@pytest.mark.parametrize("row", [{"id": None, "email": None}, {"id": " ", "email": ""}, {"name": "Nobody"}])
def test_a_record_without_identifiers_is_invalid(load: Loader, row: dict[str, Any]) -> None:
    done = load([{**CUSTOMERS, "key_properties": []}, GOOD, record("customers", **row), state({"n": 2})])
    assert (done.exit_code, done.states) == (0, [{"n": 2}])
    assert done.results() == {"created": 1, "invalid": 1}
    for name in ("external_id", "email"):
        assert name in done.refusals[0]["reason"]


def test_nested_values_become_json_text(load: Loader, people: People) -> None:
    done = run(load, customer(1, extra={"b": [1, None, {"ü": 1.5}], "a": "x"}, notes=["x", True]))
    assert done.results() == {"created": 1}
    custom = people.one(external_id="1")["custom_attributes"]
    assert json.loads(custom["extra"]) == {"b": [1, None, {"ü": 1.5}], "a": "x"}
    assert json.loads(custom["notes"]) == ["x", True]


def test_long_text_is_cut_in_custom_attributes_only_and_counted(load: Loader, people: People) -> None:
    long = "ä" * 10_000
    done = run(
        load,
        customer(1, notes=long, name=long, extra={"long": long}),
        customer(2, notes="ä" * 256),
        customer(3, notes="ä" * 255),
    )
    assert (done.exit_code, done.results()) == (0, {"created": 3})
    ann = people.one(external_id="1")
    assert ann["name"] == long
    assert ann["custom_attributes"]["notes"] == "ä" * 255
    assert len(ann["custom_attributes"]["extra"]) == 255
    assert people.one(external_id="2")["custom_attributes"]["notes"] == "ä" * 255
    assert done.stream()["cut"] == {"custom_attributes.extra": 1, "custom_attributes.notes": 2}
    assert run(load, customer(1, notes=long, name=long, extra={"long": long})).results() == {"unchanged": 1}


def test_identifiers_are_never_cut(load: Loader, people: People) -> None:
    texts = schema("customers", id="text", email="text")
    email = "a" * 300 + "@example.com"
    done = load([texts, record("customers", id="x" * 10_000, email=email)])
    assert done.results() == {"created": 1}
    (user,) = people.live()
    assert (user["external_id"], user["email"]) == ("x" * 10_000, email)
    assert done.stream()["cut"] == {}


OWNED = {"mappings": {"id": "external_id", "owner": "owner_id"}}


def owned(number: int, owner: str) -> dict[str, Any]:
    return customer(number, owner=owner)


def test_a_record_that_intercom_refuses_is_rejected_with_its_reason(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    done = run(load, GOOD, owned(2, "99999999"), customer(3), **OWNED)
    assert (done.exit_code, done.states) == (0, [{"n": 3}])
    assert done.results() == {"created": 2, "rejected": 1}
    assert {contact["external_id"] for contact in people.live()} == {"1", "3"}
    (refusal,) = done.refusals
    assert refusal["outcome"] == "rejected"
    assert refusal["reason"]
    assert refusal["code"]
    assert refusal["request_id"]
    assert "'customers'" in caplog.text
    assert rejected_file(done).name in caplog.text
    assert "c2@example.com" not in caplog.text


def test_a_refused_record_keeps_the_request_id_of_its_own_call(load: Loader) -> None:
    done = run(load, *(owned(number, "99999999") for number in range(5)), **OWNED)
    assert done.results() == {"rejected": 5}
    assert len({refusal["request_id"] for refusal in done.refusals}) == 5


# Too many.


@pytest.mark.parametrize(
    ("most", "bad", "fails"),
    [(0, [2], True), (0, [], False), (1, [2], False), (1, [2, 3], True), (2, [2, 3], False), (-1, range(1, 9), False)],
)
def test_too_many_refused_records_fail_the_run_after_the_batch_in_flight(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, most: int, bad: Any, fails: bool
) -> None:
    rows = [customer(number, **({"seats": "many"} if number in bad else {})) for number in range(1, 9)]
    done = run(load, *rows, max_rejected_records=most, batch_size_rows=4)
    read = 4 if fails else 8
    assert done.stream()["read"] == read
    assert done.stream()["invalid"] == len(bad) == len(done.refusals)
    assert len(people.live()) == done.stream()["created"] == read - len(bad)
    assert (done.exit_code, done.states) == ((1, []) if fails else (0, [{"n": 8}]))
    assert done.report["status"] == ("failed" if fails else "succeeded")
    assert ("max_rejected_records" in caplog.text) == fails
    assert "Traceback" not in caplog.text


def test_rejected_records_count_towards_the_most_as_invalid_ones_do(load: Loader) -> None:
    rows = [owned(1, "99999999"), customer(2, seats="many")]
    assert run(load, *rows, max_rejected_records=1, **OWNED).exit_code == 1
    assert run(load, *rows, max_rejected_records=2, **OWNED).exit_code == 0


def test_the_last_batch_counts_too(load: Loader, people: People) -> None:
    done = run(load, customer(1), customer(2), customer(3, seats="many"), max_rejected_records=0, batch_size_rows=2)
    assert (done.exit_code, done.states) == (1, [])
    assert len(people.live()) == 2


def test_a_log_does_not_drown_in_refused_records(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    done = run(load, *(customer(number, seats="many") for number in range(200)))
    assert done.results() == {"invalid": 200}
    assert len(done.refusals) == 200
    assert len(caplog.records) < 100


# The rejected records, piped in again.


def again(load: Loader, done: Loaded, **changes: Any) -> Loaded:
    """Pipe the rejected records in as they lie there, or mended."""
    messages = [json.loads(line) for line in rejected_file(done).read_text(encoding="utf-8").splitlines()]
    for message in messages:
        if message["type"] == "RECORD":
            message["record"] |= changes
    rejected_file(done).unlink()
    return load(messages)


def test_rejected_records_that_are_mended_go_through(load: Loader, people: People) -> None:
    done = run(load, GOOD, customer(2, seats="many", name="Bob"), customer(3, seats=2**80))
    assert done.results() == {"created": 1, "invalid": 2}
    mended = again(load, done, seats=5)
    assert mended.exit_code == 0
    assert mended.results() == {"created": 2}
    assert mended.rejected == []
    bob = people.one(external_id="2")
    assert (bob["name"], bob["custom_attributes"]["seats"]) == ("Bob", 5)


def test_a_record_that_intercom_refused_goes_through_mended(load: Loader, people: People) -> None:
    load.settings = OWNED
    done = run(load, owned(2, "99999999"))
    assert again(load, done, owner=None).results() == {"created": 1}
    assert people.one(external_id="2")["owner_id"] is None


def test_rejected_records_that_are_not_mended_are_rejected_in_the_same_way(load: Loader, people: People) -> None:
    load.settings = OWNED
    bad = [
        customer(2, seats="many"),
        customer(3, score=math.inf),
        customer(4, extra={"x": -math.inf}),
        customer(5, email="nobody"),
        owned(6, "99999999"),
        customer(7, signed_up_at="yesterday"),
    ]
    first = run(load, *bad)
    assert first.results() == {"invalid": 5, "rejected": 1}
    second = again(load, first)
    assert second.results() == first.results()
    assert people.everyone() == []

    def told(done: Loaded) -> list[tuple[Any, ...]]:
        refused = [message for message in done.rejected if message["type"] == "RECORD"]
        return sorted(
            (one["record"]["id"], *(one["rejected"][key] for key in ("outcome", "reason", "code", "field")))
            for one in refused
        )

    assert told(second) == told(first)


def test_rejected_records_are_as_they_came_in(load: Loader) -> None:
    row = {
        "id": 2,
        "email": " Ann@Example.COM ",
        "seats": "many",
        "score": math.nan,
        "signed_up_at": "2024-05-01T00:00:00+02:00",
        "name": "Zoë \u2028 \x00",
        "extra": {"b": [1, 2.50, None], "a": {}},
        "_sdc_batched_at": "2024-05-01T00:00:00Z",
        "big": 2**70,
        "absent": None,
    }
    message = {**record("customers", **row), "time_extracted": "2024-05-01T00:00:00Z", "version": 3}
    done = load([CUSTOMERS, message, state({})])
    kept = next(one for one in done.rejected if one["type"] == "RECORD")
    assert math.isnan(kept["record"].pop("score"))
    row.pop("score")
    assert kept["record"] == row
    assert list(kept["record"]) == list(row)
    assert (kept["time_extracted"], kept["version"]) == (message["time_extracted"], 3)
    assert set(kept) == {*message, "rejected"}
    assert done.rejected[0] == CUSTOMERS


def test_rejected_records_keep_the_digits_of_their_numbers(load: Loader) -> None:
    text = '{"id": 2, "email": "nobody", "score": 12345678901234567890.10, "seats": 1E+2}'
    done = load([CUSTOMERS, f'{{"type": "RECORD", "stream": "customers", "record": {text}}}'])
    kept = rejected_file(done).read_text(encoding="utf-8")
    assert "12345678901234567890.10" in kept
    assert again(load, done, email="bob@example.com", seats=1).results() == {"created": 1}


def test_rejected_records_are_kept_from_before_stream_maps_and_flattening(load: Loader) -> None:
    load.settings = {
        "stream_maps": {
            "customers": {"__alias__": "people", "name": "name.upper()", "email": "'nobody'", "notes": "__NULL__"}
        },
        "flattening_enabled": True,
        "flattening_max_depth": 2,
    }
    message = customer(1, name="ann", seats=3, notes="kept", extra={"a": {"b": 1}})
    done = load([CUSTOMERS, message, state({})])
    assert done.exit_code == 0
    kept = next(one for one in done.rejected if one["type"] == "RECORD")
    assert (kept["stream"], kept["record"]) == ("customers", message["record"])
    assert done.rejected[0] == CUSTOMERS
    assert again(load, done).results("people") == done.results("people")


def test_the_rejected_records_have_each_schema_once(load: Loader) -> None:
    wider = {**CUSTOMERS, "schema": {**CUSTOMERS["schema"], "properties": {**CUSTOMERS["schema"]["properties"]}}}
    wider["schema"]["properties"]["tier"] = {"type": "string"}
    others = schema("others", id="integer", email="text", seats="integer")
    silent = schema("silent", id="integer", email="text")
    done = load(
        [
            CUSTOMERS,
            others,
            silent,
            record("silent", id=7, email="s@example.com"),
            customer(1, seats="many"),
            customer(2, seats="many"),
            record("others", id=8, email="o@example.com", seats="many"),
            customer(3, seats="many"),
            wider,
            customer(4, seats="many", tier="x"),
            customer(5, seats="many", tier="x"),
        ]
    )
    assert done.exit_code == 0
    schemas = [
        (message["stream"], "tier" in message["schema"]["properties"])
        for message in done.rejected
        if message["type"] == "SCHEMA"
    ]
    assert sorted(schemas) == [("customers", False), ("customers", True), ("others", False)]
    current: dict[str, bool] = {}
    for message in done.rejected:
        if message["type"] == "SCHEMA":
            current[message["stream"]] = "tier" in message["schema"]["properties"]
        else:
            assert current[message["stream"]] == ("tier" in message["record"])
    assert len(done.refusals) == 6


def test_rejected_records_are_for_their_owner_only(load: Loader) -> None:
    before = os.umask(0)
    try:
        done = run(load, customer(1, seats="many"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(rejected_file(done).stat().st_mode) == 0o600
    assert rejected_file(done).name == f"rejected-{done.report['run_id']}.jsonl"


def test_a_run_without_refused_records_leaves_no_file_for_them(load: Loader) -> None:
    assert not list(run(load, GOOD).data_dir.glob("rejected-*"))


def test_each_run_has_a_file_of_its_own(load: Loader) -> None:
    run(load, customer(1, seats="many"))
    done = run(load, customer(2, seats="many"))
    assert [message["record"]["id"] for message in done.rejected if message["type"] == "RECORD"] == [2]
    assert len(list(done.data_dir.glob("rejected-*"))) == 2
