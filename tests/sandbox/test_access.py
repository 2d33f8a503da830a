from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox.routes import NOT_EMULATED, NOT_EMULATED_RESOURCES

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
