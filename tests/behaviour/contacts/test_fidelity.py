"""Every request is one that Intercom's official description knows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.description import VERSIONS, Description, official_description
from tests.support.front import Front
from tests.support.loading import Loaded, Loader, People, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.sandbox import Request, SandboxServer


@pytest.fixture(scope="module")
def description() -> Description:
    described = official_description()
    if described is None:
        pytest.skip("the official description does not lie beside the repository")
    return described


class Ear(Front):
    """Stands in front of a sandbox and hears each request, headers and all."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.heard: list[Request] = []
        super().__init__(sandbox, self._hear)

    def _hear(self, request: Request) -> None:
        self.heard.append(request)


@pytest.fixture
def ear(sandbox: SandboxServer) -> Iterator[Ear]:
    with Ear(sandbox) as ear:
        yield ear


COLUMNS: dict[str, Any] = {
    "id": "integer",
    "contact": "text",
    "email": "text",
    "name": "text",
    "phone": "text",
    "avatar": "text",
    "signed_up_at": "datetime",
    "last_seen_at": "datetime",
    "owner": "integer",
    "opted_out": "boolean",
    "verified": "boolean",
    "plan": "text",
    "seats": "integer",
    "balance": "number",
    "active": "boolean",
    "born": "date",
    "renewed": "datetime",
    "extras": "object",
    "labels": "array",
    "gone": "boolean",
}
MAPPINGS = {
    "id": "external_id",
    "contact": "id",
    "owner": "owner_id",
    "opted_out": "unsubscribed_from_emails",
    "verified": "email_verified",
}
FULL: dict[str, Any] = {
    "name": "Zoë Ünal",
    "phone": "+353871234567",
    "avatar": "https://example.com/zoe.png",
    "signed_up_at": "2024-03-01T12:00:00+00:00",
    "last_seen_at": "2024-03-02T12:00:00+00:00",
    "owner": None,
    "opted_out": True,
    "verified": True,
    "plan": "pro",
    "seats": 3,
    "balance": 12.5,
    "active": True,
    "born": "1990-02-01",
    "renewed": "2024-01-01T00:00:00Z",
    "extras": {"a": [1, 2]},
    "labels": ["x", "y"],
}
EMPTY = dict.fromkeys(FULL)
EVERYTHING = {
    "GET /me",
    "GET /data_attributes",
    "POST /data_attributes",
    "POST /contacts/search",
    "POST /contacts",
    "GET /contacts/{id}",
    "GET /contacts/find_by_external_id/{id}",
    "PUT /contacts/{id}",
    "POST /contacts/{id}/archive",
    "POST /contacts/{id}/unarchive",
    "DELETE /contacts/{id}",
}


def all_operations(load: Loader, people: People, sandbox: SandboxServer, **settings: Any) -> list[Loaded]:
    """Runs in which every operation of the target occurs, on attributes of every type."""
    streams = {
        "leads": {"creation_mode": "lead"},
        "promoted": {"creation_mode": "lifecycle"},
        "erased": {"sync_mode": "remove", "removal_mode": "delete"},
        "known": {"match_by": ["id", "external_id"], "sync_mode": "enrich"},
    }
    settings |= {"mappings": MAPPINGS, "streams": streams, "sync_mode": "sync", "deleted_property": "gone"}
    back = people.add(external_id="back", email="back@example.com")
    people.call("POST", f"/contacts/{back}/archive", {})
    for who in ("in.doubt@example.com", "in.doubt@lead.example.com"):
        sandbox.conditions.change({"fault": "500_after", "method": "POST", "path": "/contacts", "body_contains": who})

    def rows(stream: str, *values: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [schema(stream, keys=(), **COLUMNS), *(record(stream, **one) for one in values)]

    first = load(
        [
            *rows(
                "users",
                {"id": "1", "email": "one@example.com", **FULL},
                {"id": "2", "email": "two@example.com", **EMPTY},
                {"id": "3/ö?", "email": "in.doubt@example.com", **FULL},
                {"id": "4", "email": None},
                {"id": "back", "email": "back@example.com", "name": "Back"},
                {"id": "6", "email": "six@example.com"},
            ),
            *rows(
                "leads",
                {"email": "lead@example.com", **FULL},
                {"email": "other@example.com"},
                {"email": "in.doubt@lead.example.com"},
            ),
            state({"first": True}),
        ],
        **settings,
    )
    hidden = people.one(external_id="6")["id"]
    sandbox.conditions.change({"fault": "reset_after", "method": "PUT", "path": "/contacts/{id}"})
    second = load(
        [
            *rows(
                "users",
                {"id": "1", "email": None, **EMPTY},
                {"id": "2", "email": "new.two@example.com", **FULL, "verified": False, "opted_out": False},
                {"id": "4", "gone": True},
            ),
            *rows("promoted", {"id": "9", "email": "lead@example.com", "name": "Promoted"}),
            *rows("erased", {"email": "other@example.com"}),
            *rows("known", {"contact": hidden, "name": "Six"}, {"contact": "0" * 24, "id": "nobody", "name": "Nobody"}),
            state({"second": True}),
        ],
        **settings,
    )
    return [first, second]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_request_fits_the_official_description(
    load: Loader, people: People, sandbox: SandboxServer, ear: Ear, description: Description, version: str
) -> None:
    runs = all_operations(Loader(ear.url, load.data_dir), people, sandbox, api_version=version)
    for done in runs:
        assert done.exit_code == 0
        assert done.rejected == []
    assert {operation for done in runs for operation in done.calls} == EVERYTHING
    assert len(ear.heard) == sum(sum(done.calls.values()) for done in runs)
    wrong = [
        problem
        for heard in ear.heard
        for problem in description.check(heard.method, heard.path, heard.json, heard.headers.get("intercom-version"))
    ]
    assert wrong == []


def test_the_operations_did_what_they_were_to_do(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """Lest the test above check requests that nobody would send."""
    first, second = all_operations(load, people, sandbox)
    assert (first.results("users"), first.results("leads")) == ({"created": 5, "updated": 1}, {"created": 3})
    assert second.results("users") == {"updated": 2, "archived": 1}
    assert second.results("promoted") == {"updated": 1}
    assert second.results("erased") == {"deleted": 1}
    assert second.results("known") == {"updated": 1, "skipped": 1}
    states = Counter(contact["state"] for contact in people.everyone())
    assert states == {"live": 7, "archived": 1, "deleted": 1}


def test_every_request_says_which_version_it_speaks_and_what_it_takes(
    load: Loader, people: People, sandbox: SandboxServer, ear: Ear
) -> None:
    all_operations(Loader(ear.url, load.data_dir), people, sandbox, api_version="2.15")
    assert len(ear.heard) > 20
    for heard in ear.heard:
        assert heard.headers["intercom-version"] == "2.15"
        assert heard.headers["accept"] == "application/json"
        assert heard.headers["authorization"] == "Bearer sandbox"
        assert "sandbox" not in heard.path + heard.query_string
        if heard.body:
            assert heard.headers["content-type"] == "application/json"
        assert (heard.method in {"POST", "PUT"}) == bool(heard.body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/contacts", {"email": 5}),
        ("POST", "/contacts", {}),
        ("PUT", "/contacts/5", {"signed_up_at": "yesterday"}),
        ("POST", "/nowhere", {}),
    ],
)
def test_the_description_is_one_that_requests_can_break(
    description: Description, method: str, path: str, body: dict[str, Any]
) -> None:
    assert description.check(method, path, body, "2.16") != []
