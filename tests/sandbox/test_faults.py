from __future__ import annotations

import json
import time

import pytest
import requests

from target_intercom.sandbox import Conditions, Fault, SandboxServer, TargetedFault

from .client import Api

LEAD = {"role": "lead", "email": "a@x.com"}
WRITTEN = ["500_after", "reset_after", "timeout_after", "garbage"]
NOT_WRITTEN = ["429", "500", "503_html", "reset_before", "timeout_before"]


def leads(api: Api) -> int:
    return len(api.sandbox.workspace.everything())


def queue(api: Api, fault: str, **more: object) -> None:
    api.conditions(fault=fault, method="POST", path="/contacts", **more)


@pytest.mark.parametrize("fault", WRITTEN + NOT_WRITTEN)
def test_faults_come_before_or_after_the_write(api: Api, fault: str) -> None:
    """Once; the same call then goes through."""
    api.conditions(fault_timeout=0.05)
    queue(api, fault)
    try:
        status = api.call("POST", "/contacts", LEAD).status_code
    except requests.ConnectionError:
        status = None

    assert leads(api) == (fault in WRITTEN)
    shown = {"429": 429, "503_html": 503, "500": 500, "500_after": 500, "garbage": 200}
    assert status == shown.get(fault)
    (call,) = api.ok("GET", "/_sandbox/calls")["calls"]
    assert (call["status"], call["fault"]) == (status, fault)
    assert api.create(**LEAD)["role"] == "lead"


def test_an_injected_429_looks_like_a_real_one(api: Api) -> None:
    queue(api, "429")
    response = api.call("POST", "/contacts", LEAD)

    assert response.json()["errors"][0]["code"] == "rate_limit_exceeded"
    assert response.headers["X-RateLimit-Remaining"] == "0"
    assert response.headers["X-RateLimit-Reset"] == "1700000010"


def test_a_503_is_a_page(api: Api) -> None:
    queue(api, "503_html")
    response = api.call("POST", "/contacts", LEAD)

    assert response.headers["Content-Type"] == "text/html"
    assert response.text.startswith("<html>")


def test_garbage_is_no_json(api: Api) -> None:
    queue(api, "garbage")
    response = api.call("POST", "/contacts", LEAD)

    assert response.headers["Content-Type"].startswith("application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.text)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_reset_is_a_reset_not_a_farewell(api: Api, fault: str) -> None:
    queue(api, fault)

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        api.call("POST", "/contacts", LEAD)


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_a_timeout_holds_the_connection_while_the_client_waits(api: Api, fault: str) -> None:
    """The fixture's fault_timeout is long: the client gives up first."""
    queue(api, fault)

    with pytest.raises(requests.ReadTimeout):
        api.call("POST", "/contacts", LEAD, timeout=(120, 0.3))


def test_a_timeout_ends_without_an_answer(api: Api) -> None:
    api.conditions(fault_timeout=0.2)
    queue(api, "timeout_before")
    started = time.monotonic()

    with pytest.raises(requests.ConnectionError, match="without response"):
        api.call("POST", "/contacts", LEAD)
    assert time.monotonic() - started >= 0.2


def test_a_held_connection_does_not_hold_up_the_end() -> None:
    with SandboxServer(Conditions(fault_timeout=3600)) as sandbox:
        api = Api(sandbox)
        sandbox.conditions.plan.add(TargetedFault(Fault.TIMEOUT_BEFORE))
        with pytest.raises(requests.ReadTimeout):
            api.call("GET", "/me", timeout=(120, 0.1))
        started = time.monotonic()
    assert time.monotonic() - started < 600
    api.session.close()


def test_targeted_faults_hit_the_calls_they_are_meant_for(api: Api) -> None:
    api.conditions(fault="500", method="PUT", path="/contacts/{id}", body_contains="Bob", times=2)
    one, two = api.create(role="lead")["id"], api.create(role="lead")["id"]

    def put(contact_id: str, name: str) -> int:
        return api.call("PUT", f"/contacts/{contact_id}", {"name": name}).status_code

    assert put(one, "Ann") == 200
    assert api.call("POST", f"/contacts/{one}/archive", {"name": "Bob"}).status_code == 200
    assert [put(two, "Bob") for _ in range(3)] == [500, 500, 200]


def test_targeted_faults_can_be_queued_and_dropped(api: Api) -> None:
    shown = api.conditions(targeted=[{"fault": "500"}, {"fault": "garbage", "method": "GET"}])

    assert [entry["fault"] for entry in shown["targeted"]] == ["500", "garbage"]
    assert api.call("GET", "/me").status_code == 500
    assert api.conditions(targeted=[])["targeted"] == []
    assert api.ok("GET", "/me")["type"] == "admin"


def drawn(seed: int, calls: int) -> list[str | None]:
    conditions = Conditions(fault_rate=0.3, fault_seed=seed, faults=(Fault.ERROR, Fault.HTML, Fault.TOO_MANY))
    with SandboxServer(conditions) as sandbox:
        api = Api(sandbox)
        for _ in range(calls):
            api.call("GET", "/me")
        api.session.close()
        return [call.fault and call.fault.value for call in sandbox.calls]


def test_random_faults_repeat_with_their_seed() -> None:
    first = drawn(7, 60)

    assert first == drawn(7, 60) != drawn(8, 60)
    assert {"500", "503_html", "429"} == set(first) - {None}
    assert 5 < sum(fault is not None for fault in first) < 35


def test_the_control_plane_never_fails(api: Api) -> None:
    api.conditions(fault_rate=1, faults=["500"])

    for _ in range(5):
        assert api.call("GET", "/me").status_code == 500
        assert api.call("GET", "/_sandbox/calls").status_code == 200


def test_faults_can_be_set_in_process(api: Api) -> None:
    api.sandbox.conditions.faults = (Fault.HTML,)
    api.sandbox.conditions.fault_rate = 1

    assert api.call("GET", "/me").status_code == 503
