from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox.routes.table import NOT_EMULATED, NOT_EMULATED_RESOURCES

if TYPE_CHECKING:
    from .client import Api, Clock


@pytest.mark.parametrize("token", [None, "wrong", "sandbox2", ""])
def test_a_call_without_the_token_is_refused_without_rate_headers(api: Api, token: str) -> None:
    """OAS-P; docs 2.17 rate-limiting: headers on authenticated answers only."""
    response = api.call("GET", "/me", token=token)

    assert response.status_code == 401
    error = response.json()["errors"][0]
    assert (error["code"], error["message"]) == ("unauthorized", "Access Token Invalid")
    assert not [name for name in response.headers if name.lower().startswith("x-ratelimit")]
    assert api.ok("GET", "/_sandbox/windows")["windows"] == []


def test_the_token_can_be_revoked_and_given_back(api: Api) -> None:
    api.conditions(token_revoked=True)
    assert api.refused("GET", "/me")[:2] == (401, "unauthorized")
    api.conditions(token_revoked=False)
    assert api.ok("GET", "/me")


def test_a_missing_permission_is_named(api: Api) -> None:
    """OAS-P examples of 403."""
    api.conditions(deny_scopes=["write_tags"])
    status, code, message = api.refused("POST", "/tags", {"name": "A"})

    assert (status, code) == (403, "forbidden")
    assert message.endswith("write_tags")
    assert api.ok("GET", "/tags")["data"] == []
    assert "X-RateLimit-Limit" in api.call("POST", "/tags", {"name": "A"}).headers


@pytest.mark.parametrize(
    ("sent", "used"),
    [("2.16", "2.16"), ("2.3", "2.3"), ("Preview", "Preview"), ("Unstable", "Preview"), (None, "2.16")],
)
def test_the_version_that_answers_is_named(api: Api, sent: str | None, used: str) -> None:
    """docs references/preview/introduction: Unstable is Preview's older name."""
    response = api.call("GET", "/me", version=sent)

    assert (response.status_code, response.headers["Intercom-Version"]) == (200, used)


@pytest.mark.parametrize("version", ["9.9", "latest", "1.4"])
def test_an_unknown_version_is_refused(api: Api, version: str) -> None:
    assert api.refused("GET", "/me", version=version)[:2] == (400, "intercom_version_invalid")


@pytest.mark.parametrize("data", [b"{", b"role=user", b"[]", b"5", b'{"name": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(api: Api, data: bytes) -> None:
    """docs error-codes."""
    response = api.call("POST", "/contacts", data=data)

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "parameter_invalid"


def test_every_answer_carries_its_request_id_and_date(api: Api, clock: Clock) -> None:
    """GRP: 20 characters, equal to the body's on errors."""
    ok, refused = api.call("GET", "/me"), api.call("GET", "/contacts/0")

    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]
    assert len(refused.headers["X-Request-Id"]) == len(ok.headers["X-Request-Id"]) == 20
    assert ok.headers["X-Request-Id"] != refused.headers["X-Request-Id"]
    assert ok.headers["Content-Type"] == "application/json; charset=utf-8"
    for response in (ok, refused):
        assert parsedate_to_datetime(response.headers["Date"]).timestamp() == clock.now


def test_what_is_not_emulated_says_so(api: Api) -> None:
    paths = [(method, path) for method, found in NOT_EMULATED.items() for path in found]
    paths += [("POST", f"/{resource}") for resource in NOT_EMULATED_RESOURCES]

    for method, template in paths:
        path = template.replace("{", "").replace("}", "")
        status, code, message = api.refused(method, path, version="Preview")
        assert (status, code) == (501, "not_emulated"), path
        assert path in message


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/nowhere"), ("PATCH", "/contacts/0"), ("POST", "/me")],
)
def test_what_intercom_does_not_have_is_not_found(api: Api, method: str, path: str) -> None:
    """docs http-responses: also for an unsupported method."""
    assert api.refused(method, path) == (404, "not_found", "Resource Not Found")


def test_an_admin_is_shown_alone_and_only_one_that_is_there(api: Api) -> None:
    """OAS-2.16 GET /admins/{admin_id}."""
    for admin in api.ok("GET", "/admins")["admins"]:
        shown = api.ok("GET", f"/admins/{admin['id']}")
        assert {**shown, "away_status_reason_id": None} == {**admin, "away_status_reason_id": None}
    assert api.refused("GET", "/admins/7") == (404, "admin_not_found", "Admin not found")


def test_what_there_is_none_of_is_an_empty_list(api: Api) -> None:
    assert api.ok("GET", "/teams") == {"type": "team.list", "teams": []}
    assert api.ok("GET", "/segments") == {"type": "segment.list", "segments": []}
    assert api.ok("GET", "/subscription_types") == {"type": "list", "data": []}
    contact = api.create(role="lead")["id"]
    for resource in ("notes", "companies", "segments", "subscriptions"):
        listed = api.ok("GET", f"/contacts/{contact}/{resource}")
        assert (listed["type"], listed["data"], listed.get("total_count", 0)) == ("list", [], 0)
        assert api.refused("GET", f"/contacts/0/{resource}") == (404, "not_found", "User Not Found")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html, application/json;q=0.9", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("", 200),
        ("text/html", 406),
        ("application/xml, text/plain", 406),
    ],
)
def test_a_client_that_takes_no_json_is_refused(api: Api, accept: str, status: int) -> None:
    """Recorded by others, without a request id."""
    headers = {"Authorization": "Bearer sandbox", "Accept": accept}
    answer = api.session.get(f"{api.sandbox.url}/me", headers=headers, timeout=120)
    assert answer.status_code == status
    if status == 406:
        error = {
            "code": "media_type_not_acceptable",
            "message": "The Accept header should send a media type of application/json",
        }
        assert answer.json() == {"type": "error.list", "errors": [error]}
