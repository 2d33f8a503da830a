"""Intercom's own Python client takes the sandbox for Intercom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock

intercom = pytest.importorskip("intercom", reason="python-intercom is not installed")
api_error = pytest.importorskip("intercom.core.api_error", reason="python-intercom is not installed")
httpx = pytest.importorskip("httpx", reason="python-intercom is not installed")


def test_a_contact_is_created_found_updated_tagged_and_archived(api: Api) -> None:
    with httpx.Client() as http:
        client = intercom.Intercom(base_url=api.sandbox.url, token="sandbox", httpx_client=http)

        created = client.contacts.create(
            request=intercom.CreateContactRequestWithExternalId(external_id="u1", name="Ann")
        )
        query = intercom.SingleFilterSearchRequest(field="external_id", operator="=", value="u1")
        hits = list(client.contacts.search(query=query))
        updated = client.contacts.update(created.id, name="Ann Lee", email="ann@x.com")
        tag = client.tags.create(request=intercom.CreateOrUpdateTagRequest(name="VIP"))
        client.tags.tag_contact(created.id, tag_id=tag.id)
        tagged = client.contacts.list_attached_tags(created.id)
        archived = client.contacts.archive(created.id)
        with pytest.raises(api_error.ApiError) as gone:
            client.contacts.find(created.id)

    assert [hit.id for hit in hits] == [created.id]
    assert (updated.name, updated.email, updated.external_id) == ("Ann Lee", "ann@x.com", "u1")
    assert [entry.name for entry in tagged.data] == ["VIP"]
    assert (archived.id, archived.archived) == (created.id, True)
    assert gone.value.status_code == 404
    assert [call.status for call in api.sandbox.calls] == [200, 200, 200, 200, 200, 200, 200, 404]


def test_its_pager_walks_through_all_pages(api: Api) -> None:
    """That of the list: the one of its search asks for the first page again and again."""
    ids = [api.create(role="lead")["id"] for _ in range(5)]
    with httpx.Client() as http:
        client = intercom.Intercom(base_url=api.sandbox.url, token="sandbox", httpx_client=http)

        listed = [contact.id for contact in client.contacts.list(per_page=2)]

    assert listed == ids
    assert len(api.sandbox.calls) == len(ids) + 3


def test_a_company_is_made_found_filled_read_back_and_deleted(api: Api, clock: Clock) -> None:
    api.attribute("colour", model="company")
    with httpx.Client() as http:
        client = intercom.Intercom(base_url=api.sandbox.url, token="sandbox", httpx_client=http)

        contact = client.contacts.create(request=intercom.CreateContactRequestWithExternalId(external_id="u1"))
        request = intercom.CreateOrUpdateCompanyRequest(
            company_id="acme", name="Acme", plan="Pro", size=7, monthly_spend=100, custom_attributes={"colour": "red"}
        )
        made = client.companies.create_or_update(request=request)
        changed = client.companies.update(made.id, request=intercom.UpdateCompanyRequestBody(name="Acme Ltd"))
        client.companies.attach_contact(contact.id, company_id=made.id)
        client.tags.create(request=intercom.TagCompanyRequest(name="VIP", companies=[{"company_id": "acme"}]))
        found = client.companies.retrieve(company_id="acme")
        listed = [company.id for company in client.companies.list(per_page=10)]
        scrolled = [company.id for company in client.companies.scroll()]
        tagged = client.companies.find(made.id).tags
        people = client.companies.list_attached_contacts(made.id)
        attached = client.contacts.find(contact.id).companies
        detached = client.companies.detach_contact(contact.id, made.id)
        deleted = client.companies.delete(made.id)
        clock.pass_(api.sandbox.conditions.company_deletion_delay)
        with pytest.raises(api_error.ApiError) as gone:
            client.companies.find(made.id)

    assert (made.company_id, made.size, made.plan.name, made.user_count) == ("acme", 7, "Pro", 0)
    assert (changed.id, changed.name, changed.custom_attributes["colour"]) == (made.id, "Acme Ltd", "red")
    assert (found.id, found.user_count, [dict(tag)["name"] for tag in tagged.tags]) == (made.id, 1, ["VIP"])
    assert listed == scrolled == [made.id]
    assert [person.id for person in people.data] == [contact.id]
    assert [company.id for company in attached.data] == [made.id]
    assert (detached.id, detached.user_count) == (made.id, 0)
    assert (deleted.id, deleted.deleted) == (made.id, True)
    assert gone.value.status_code == 404
