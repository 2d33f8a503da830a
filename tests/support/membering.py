"""Streams whose records put contacts into companies, and what is asked of their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.support.loading import Loaded, People

Row = dict[str, Any]

ATTACH, DETACH = "POST /contacts/{id}/companies", "DELETE /contacts/{id}/companies/{company_id}"
READ, FIND = "GET /contacts/{id}/companies", "GET /companies"
MEMBER_CALLS = {ATTACH, DETACH, READ, FIND}
LISTS: Row = {"companies_property": "account_id"}
"""Settings of contact streams whose records name their companies."""
SEATS: Row = {"streams": {"seats": {"object": "company_members"}}}
"""Settings with a stream of memberships."""


def working(*rows: Row, stream: str = "customers", accounts: str | Mapping[str, Any] = "any") -> list[Row]:
    """A contact stream whose records name their companies."""
    return [
        schema(stream, id="text", email="text", name="text", account_id=accounts, _sdc_deleted_at="datetime"),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {}}, "n": len(rows)}),
    ]


def seats(*rows: Row, stream: str = "seats", keys: Sequence[str] = ("external_id", "company_id")) -> list[Row]:
    """A stream of memberships."""
    types = {
        "row": "integer",
        "external_id": "text",
        "email": "text",
        "company_id": "any",
        "_sdc_deleted_at": "datetime",
    }
    return [
        schema(stream, keys, **types),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {}}, "n": len(rows)}),
    ]


def seat(external_id: int | str, company_id: str, **values: Any) -> Row:
    """A membership."""
    return {"external_id": str(external_id), "company_id": company_id, **values}


def add_companies(people: People, *company_ids: str) -> dict[str, str]:
    """Make companies as somebody else does; returns their Intercom ids."""
    return {
        one: str(people.call("POST", "/companies", {"company_id": one, "name": one.title()})["id"])
        for one in company_ids
    }


def attach_by_hand(people: People, company: str, contacts: Iterable[str]) -> None:
    """Put contacts into a company, by its Intercom id, as somebody in Intercom does."""
    for contact in contacts:
        people.call("POST", f"/contacts/{contact}/companies", {"id": company})


def member_calls(done: Loaded) -> dict[str, int]:
    """The calls of a run that concern memberships."""
    return {operation: count for operation, count in done.calls.items() if operation in MEMBER_CALLS}


def moved(done: Loaded, stream: str = "customers") -> tuple[int, int]:
    """How many memberships a stream began and ended, in a run in which all went well."""
    assert (done.exit_code, done.refusals) == (0, [])
    return done.stream(stream)["attached"], done.stream(stream)["detached"]


def companies_of(people: People, **wanted: Any) -> set[str]:
    """The company_ids of a contact's companies."""
    return set(people.one(**wanted)["companies"])


def all_companies(people: People) -> dict[str, set[str]]:
    """Everybody's companies, by external_id."""
    return {one["external_id"]: set(one["companies"]) for one in people.live()}
