"""Streams of companies, and the companies of a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import People

ACCOUNTS: dict[str, Any] = {"streams": {"accounts": {"object": "companies", "mappings": {"id": "company_id"}}}}
"""Settings with a stream of companies, whose ids are in `id`."""
TYPES: dict[str, Any] = {
    "id": "text",
    "name": "text",
    "plan": "text",
    "size": "integer",
    "website": "text",
    "industry": "text",
    "monthly_spend": "number",
    "remote_created_at": "text",
    "tier": "text",
    "_sdc_deleted_at": "text",
}


def settings(**own: Any) -> dict[str, Any]:
    """Settings with a stream of companies that has these of its own, in place of those of `ACCOUNTS`."""
    return {"streams": {"accounts": {**ACCOUNTS["streams"]["accounts"], **own}}}


def accounts(*rows: dict[str, Any], keys: tuple[str, ...] = ("id",), **types: Any) -> list[dict[str, Any]]:
    """A stream of companies, and the STATE after it, which tells that it is complete."""
    described = schema("accounts", keys, **{**TYPES, **types})
    return [described, *(record("accounts", **row) for row in rows), state({"bookmarks": {"accounts": {}}})]


def many(numbers: Iterable[int], **values: Any) -> list[dict[str, Any]]:
    """A stream of so many companies."""
    return accounts(*({"id": f"c{n}", "name": f"Company {n}", **values} for n in numbers))


def companies(sandbox: SandboxServer) -> dict[str, dict[str, Any]]:
    """The live companies of a sandbox, by company_id."""
    everything: list[dict[str, Any]] = sandbox.workspace.all_companies()
    return {one["company_id"]: one for one in everything if one["state"] == "live"}


def join(people: People, contact: str, company: dict[str, Any]) -> None:
    """Put a contact into a company, as somebody else does."""
    people.call("POST", f"/contacts/{contact}/companies", {"id": company["id"]})
