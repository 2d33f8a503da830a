"""Streams whose records put contacts into groups, and what is asked of their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, People

Row = dict[str, Any]

LIST_TAGS, PUT_ON = "GET /tags", "POST /tags"
PUT_ONE, TAKE_OFF, READ_TAGS = (
    "POST /contacts/{id}/tags",
    "DELETE /contacts/{id}/tags/{tag_id}",
    "GET /contacts/{id}/tags",
)
TAG_CALLS = {LIST_TAGS, PUT_ON, PUT_ONE, TAKE_OFF, READ_TAGS}
LISTS: Row = {"tags_property": "groups"}
"""Settings of contact streams whose records list their groups."""
MEMBERS: Row = {"groups_stream": "members"}
"""Settings with a groups stream."""


def listing(*rows: Row, stream: str = "customers", groups: str | Mapping[str, Any] = "array") -> list[Row]:
    """A contact stream whose records list groups."""
    return [
        schema(stream, id="text", email="text", name="text", groups=groups, _sdc_deleted_at="datetime"),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {}}, "n": len(rows)}),
    ]


def members(*rows: Row, stream: str = "members", keys: Sequence[str] = ("external_id", "tag")) -> list[Row]:
    """A groups stream."""
    return [
        schema(stream, keys, row="integer", external_id="text", email="text", tag="text", _sdc_deleted_at="datetime"),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {}}, "n": len(rows)}),
    ]


def member(external_id: int | str, tag: str, **values: Any) -> Row:
    """A membership."""
    return {"external_id": str(external_id), "tag": tag, **values}


def tag_calls(done: Loaded) -> dict[str, int]:
    """The calls of a run that concern tags."""
    return {operation: count for operation, count in done.calls.items() if operation in TAG_CALLS}


def tagged(done: Loaded, stream: str = "customers") -> tuple[int, int]:
    """How many tags a stream put on and took off, in a run in which all went well."""
    assert (done.exit_code, done.refusals) == (0, [])
    return done.stream(stream)["tagged"], done.stream(stream)["untagged"]


def tags_of(people: People, **wanted: Any) -> set[str]:
    """The names of a contact's tags."""
    return set(people.one(**wanted)["tags"])


def all_tags(people: People) -> dict[str, set[str]]:
    """Everybody's tags, by external_id."""
    return {one["external_id"]: set(one["tags"]) for one in people.live()}


def add_people(people: People, ids: Iterable[int | str]) -> dict[str, str]:
    """Make users as somebody else does; returns their Intercom ids by external_id."""
    return {str(one): people.add(external_id=str(one), email=f"p{one}@example.com") for one in ids}


def tag_by_hand(people: People, name: str, *contacts: str) -> str:
    """Return contacts a tag as somebody in Intercom does; returns the tag's id."""
    tag = people.call("POST", "/tags", {"name": name, "users": [{"id": contact} for contact in contacts]})
    return str(tag["id"])


def sent(sandbox: SandboxServer, method: str, path: str) -> list[Any]:
    """The bodies of all calls of one sort."""
    return [call.body for call in sandbox.calls if (call.method, call.path) == (method, path)]
