"""The sandbox without a socket."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import requests

from target_intercom.sandbox import Fault, Request, Sandbox, SandboxServer, TargetedFault

if TYPE_CHECKING:
    import pytest

    from .client import Api

HEADERS = {"authorization": "Bearer sandbox"}


def test_a_request_goes_in_and_a_response_comes_out() -> None:
    sandbox = Sandbox(region="AU")
    body = json.dumps({"role": "user", "email": "a@x.com"}).encode()

    assert sandbox.handle(Request("GET", "/me", headers=HEADERS)).json["app"]["region"] == "AU"
    created = sandbox.handle(Request("POST", "/contacts", headers=HEADERS, body=body))
    assert (created.status, created.json["email"]) == (200, "a@x.com")
    listed = sandbox.handle(Request("GET", "/contacts", "per_page=1", HEADERS))
    assert listed.json["data"][0]["id"] == created.json["id"]


class Bug(TargetedFault):
    """No fault of Intercom's."""

    def fits(self, request: Request) -> bool:
        return 1 / 0 > 0


def test_a_bug_in_the_sandbox_is_told_from_an_error_of_intercom(caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox()
    sandbox.conditions.plan.add(Bug(Fault.ERROR))

    response = sandbox.handle(Request("GET", "/contacts", headers=HEADERS))

    assert (response.status, response.json["errors"][0]["code"]) == (500, "sandbox_error")
    assert "ZeroDivisionError" in caplog.text


def test_workspaces_do_not_share_anything() -> None:
    with SandboxServer() as one, SandboxServer() as other:
        one.workspace.tags.save({"name": "A"})

        assert one.url != other.url
        assert other.workspace.tags.all() == []


def test_the_same_user_created_at_the_same_time_is_created_once(api: Api) -> None:
    statuses: list[int] = []

    def create() -> None:
        headers = {"Authorization": "Bearer sandbox"}
        body = {"role": "user", "external_id": "u1"}
        answer = requests.post(f"{api.sandbox.url}/contacts", json=body, headers=headers, timeout=120)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=create) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] + [409] * 11


def test_a_body_of_unknown_length_is_refused(api: Api) -> None:
    chunks = iter([b"{}"])

    answer = api.session.post(f"{api.sandbox.url}/contacts", data=chunks, timeout=120)
    assert answer.status_code == 411
