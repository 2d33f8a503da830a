"""Intercom's own Python client takes the sandbox for Intercom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Api

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
