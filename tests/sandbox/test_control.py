from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock


def test_calls_are_remembered(api: Api, clock: Clock) -> None:
    api.create(role="lead", name="Ann")
    clock.pass_(5)
    api.call("GET", "/contacts?per_page=7&x=", version=None)
    api.call("POST", "/contacts", data=b"{oops", version="Preview", token="wrong")

    calls = api.ok("GET", "/_sandbox/calls")["calls"]
    assert calls[0] == {
        "n": 1,
        "at": clock.now - 5,
        "method": "POST",
        "path": "/contacts",
        "query": {},
        "body": {"role": "lead", "name": "Ann"},
        "version": "2.16",
        "status": 200,
        "fault": None,
    }
    assert (calls[1]["query"], calls[1]["version"]) == ({"per_page": "7", "x": ""}, None)
    assert (calls[2]["n"], calls[2]["body"], calls[2]["status"]) == (3, None, 401)
    assert len(calls) == len(api.sandbox.calls) == 3


def test_contacts_show_everything_there_ever_was(api: Api) -> None:
    kept = api.create(role="user", external_id="u1", email="a@x.com")
    lead = api.create(role="lead", email="a@x.com")
    archived, deleted = api.create(role="lead")["id"], api.create(role="lead")["id"]
    api.ok("POST", f"/contacts/{kept['id']}/tags", {"id": api.tag("VIP")})
    api.ok("POST", f"/contacts/{archived}/archive", {})
    api.ok("DELETE", f"/contacts/{deleted}")
    api.ok("POST", "/contacts/merge", {"from": lead["id"], "into": kept["id"]})

    shown = api.ok("GET", "/_sandbox/contacts")["contacts"]
    assert [(contact["state"], contact["merged_into"]) for contact in shown] == [
        ("live", None),
        ("merged", kept["id"]),
        ("archived", None),
        ("deleted", None),
    ]
    assert (shown[0]["tags"], shown[0]["external_id"]) == (["VIP"], "u1")


def test_conditions_are_shown_as_they_are(api: Api) -> None:
    shown = api.conditions(search_lag=3, rate_limit=9, deny_scopes=["read_tags"], faults=["500"])

    assert shown == api.ok("GET", "/_sandbox/conditions")
    assert (shown["search_lag"], shown["rate_limit"]) == (3, 9)
    assert (shown["deny_scopes"], shown["faults"]) == (["read_tags"], ["500"])
    assert api.sandbox.conditions.search_lag == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"weather": "fine"},
        {"search_lag": "long"},
        {"search_lag": -1},
        {"latency": True},
        {"rate_limit": 0},
        {"rate_limit": 1.5},
        {"rate_window": 0},
        {"fault_rate": 1.1},
        {"faults": ["418"]},
        {"faults": "500"},
        {"fault_seed": "x"},
        {"max_in_values": 0},
        {"deny_scopes": ["everything"]},
        {"company_deletion_delay": -1},
        {"company_escaping": True},
        {"company_lookup": "some"},
        {"company_nulls": None},
        {"company_return": "never"},
        {"token_revoked": "yes"},
        {"fault": "418"},
        {"method": "POST"},
        {"fault": "500", "times": 0},
        {"fault": "500", "path": 5},
        {"targeted": {"fault": "500"}},
        {"targeted": [{"fault": "500", "until": "noon"}]},
    ],
)
def test_bad_conditions_are_refused_and_change_nothing(api: Api, changes: dict[str, Any]) -> None:
    before = api.ok("GET", "/_sandbox/conditions")

    refusal = api.refused("POST", "/_sandbox/conditions", {"search_lag": 1, **changes})
    assert refusal[:2] == (400, "parameter_invalid")
    assert api.ok("GET", "/_sandbox/conditions") == before


def test_a_reset_starts_anew(api: Api) -> None:
    before = api.ok("GET", "/_sandbox/conditions")
    api.create(role="user", external_id="u1")
    api.tag("A")
    api.attribute("plan")
    api.conditions(search_lag=9, token_revoked=True, fault="500")

    assert api.ok("POST", "/_sandbox/reset") == before
    for what in ("calls", "contacts", "windows"):
        assert api.ok("GET", f"/_sandbox/{what}") == {what: []}
    assert api.ok("GET", "/tags")["data"] == []
    assert api.create(role="user", external_id="u1")
    assert api.refused("POST", "/_sandbox/reset", {"all": True})[0] == 400


def test_the_control_plane_takes_the_token_even_a_revoked_one_and_no_other(api: Api) -> None:
    api.conditions(token_revoked=True, rate_limit=1)
    for _ in range(3):
        assert api.call("GET", "/_sandbox/calls").status_code == 200

    assert api.call("GET", "/_sandbox/calls", token="wrong").status_code == 401
    assert api.refused("GET", "/_sandbox/nowhere")[0] == 404
    assert api.refused("POST", "/_sandbox/conditions", [1])[0] == 400
    assert api.call("POST", "/_sandbox/conditions", data=b"{").status_code == 400
