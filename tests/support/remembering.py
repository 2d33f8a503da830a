"""Rows for runs that remember each other, and what is asked of these runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

Row = dict[str, Any]
WHEN = "2024-05-01T12:00:00Z"
START = {"GET /me", "GET /data_attributes"}
SEARCH, PUT, GET, POST = "POST /contacts/search", "PUT /contacts/{id}", "GET /contacts/{id}", "POST /contacts"
BY_ROW = {"id": "external_id", "row": None}
"""The record's key is the property `row`, which is no identifier."""
TYPES = {
    "row": "integer",
    "id": "text",
    "email": "text",
    "name": "text",
    "plan": "text",
    "seats": "integer",
    "gone": "datetime",
    "_sdc_deleted_at": "datetime",
}


def rows(stream: str, *values: Row, keys: Sequence[str] = ("row",), **types: str) -> list[Row]:
    """A stream: its schema, its records and the STATE that says that it is complete."""
    return [
        schema(stream, keys, **{**TYPES, **types}),
        *(record(stream, **row) for row in values),
        state({"bookmarks": {stream: {}}, "n": len(values)}),
    ]


def customers(*values: Row, keys: Sequence[str] = ("row",), **types: str) -> list[Row]:
    """The stream of most tests."""
    return rows("customers", *values, keys=keys, **types)


def log_based(*values: Row) -> list[Row]:
    """Records as they come from a log: the stream is never complete."""
    return [schema("customers", ["row"], **TYPES), *(record("customers", **row) for row in values)]


def person(number: int, **values: Any) -> Row:
    """Somebody with both identifiers."""
    return {
        "row": number,
        "id": str(number),
        "email": f"p{number}@example.com",
        "name": f"P {number}",
        "plan": "pro",
        **values,
    }


def puts(sandbox: SandboxServer) -> list[Row]:
    """The bodies of all updates so far."""
    return [call.body for call in sandbox.calls if call.method == "PUT"]


def assert_quiet(done: Loaded) -> None:
    """Nobody was asked for, nothing was written: the run cost its start."""
    assert (done.exit_code, done.refusals) == (0, [])
    assert set(done.calls) <= START
    assert max(done.calls.values()) == 1


def standing(people: People) -> list[Row]:
    """Everybody, without what differs from one workspace to the next; what is cleared counts as never set."""
    everyone = [
        {
            "role": one["role"],
            "external_id": one["external_id"] if one["role"] == "user" else None,
            "email": one["email"] or None,
            "name": one["name"] or None,
            "custom_attributes": {key: value for key, value in one["custom_attributes"].items() if value is not None},
            "state": one["state"],
        }
        for one in people.everyone()
    ]
    return sorted(everyone, key=str)


def with_and_without_a_ledger(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    *runs: list[Row],
    first: Callable[[], object] = lambda: None,
    **settings: Any,
) -> tuple[list[list[Row]], list[list[Row]]]:
    """Load the same runs into two new workspaces, where `first` is done before; returns who is in them after each."""
    ways: list[list[list[Row]]] = []
    for url in (..., "none"):
        sandbox.sandbox.reset()
        first()
        ways.append([])
        for messages in runs:
            done = load(messages, ledger_url=url, **settings)
            assert done.exit_code == 0
            ways[-1].append(standing(people))
    return ways[0], ways[1]
