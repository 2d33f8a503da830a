"""Intercom's own Python client reads back the companies that were loaded, and who works there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.companies import accounts
from tests.support.loading import record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

intercom = pytest.importorskip("intercom", reason="python-intercom is not installed")
httpx = pytest.importorskip("httpx", reason="python-intercom is not installed")


@pytest.mark.parametrize("bulk", [False, True], ids=["singly", "in bulk"])
def test_what_was_loaded_is_read_back(load: Loader, sandbox: SandboxServer, people: People, bulk: bool) -> None:
    companies = {"object": "companies", "mappings": {"id": "company_id"}}
    rows = [{"id": f"c{n}", "name": f"Company {n}", "plan": "pro", "size": n, "tier": "gold"} for n in range(8)]
    users = [record("customers", id=str(n), account=f"c{n}") for n in range(8)]
    load(
        [*accounts(*rows), schema("customers", id="text", account="text"), *users],
        bulk_writes=bulk,
        companies_property="account",
        streams={"accounts": companies, "customers": {}},
    )
    ids = {one["external_id"]: one["id"] for one in people.live()}
    with httpx.Client() as http:
        client = intercom.Intercom(base_url=sandbox.url, token="sandbox", httpx_client=http)
        for row in rows:
            company = client.companies.retrieve(company_id=row["id"])
            held = (
                company.name,
                company.plan.name,
                company.size,
                company.custom_attributes["tier"],
                company.user_count,
            )
            assert held == (row["name"], "pro", row["size"], "gold", 1)
            staff = client.companies.list_attached_contacts(company.id)
            contact = ids[str(row["size"])]
            assert [one.id for one in staff.data] == [contact]
            assert [one.id for one in client.contacts.find(contact).companies.data] == [company.id]
