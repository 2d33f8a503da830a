"""Calls about contacts."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.rendering import contacts as rendering
from target_intercom.sandbox.routes.route import USERS, WRITE_USERS, Errand, Route

_PER_PAGE_OF_NONE = 50


def _create_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.create_contact(errand.body, errand.version)
    errand.touched(contact.id)
    return rendering.contact_json(contact, errand.version)


def _list_contacts(errand: Errand) -> dict[str, Any]:
    return rendering.slice_json(errand.workspace.directory.contacts(errand.query), errand.version)


def _search_contacts(errand: Errand) -> dict[str, Any]:
    found = errand.workspace.directory.search(errand.body, errand.version)
    return rendering.slice_json(found, errand.version)


def _merge_contacts(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.merge_contacts(errand.body, errand.version)
    return rendering.contact_json(contact, errand.version)


def _find_by_external_id(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.contact_by_external_id(errand.params[0], errand.version)
    errand.touched(contact.id)
    return rendering.contact_json(contact, errand.version)


def _show_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.contact(errand.params[0], errand.version)
    return rendering.contact_json(contact, errand.version)


def _update_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.update_contact(errand.params[0], errand.body, errand.version)
    return rendering.contact_json(contact, errand.version)


def _delete_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.delete_contact(errand.params[0], errand.version)
    return rendering.gone_json(contact, deleted=True)


def _archive_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.archive_contact(errand.params[0], errand.version)
    return rendering.gone_json(contact, archived=True)


def _unarchive_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.unarchive_contact(errand.params[0])
    return rendering.gone_json(contact, archived=False)


def _list_none_of_contact(errand: Errand) -> dict[str, Any]:
    """Return a contact's segments or subscriptions."""
    errand.workspace.contact(errand.params[0], errand.version)
    return {"type": "list", "data": []}


def _page_none_of_contact(errand: Errand) -> dict[str, Any]:
    """Return a contact's notes: these have pages (OAS-2.16; total_pages 0 as recorded of contacts)."""
    pages = {"type": "pages", "page": 1, "per_page": _PER_PAGE_OF_NONE, "total_pages": 0}
    return {**_list_none_of_contact(errand), "total_count": 0, "pages": pages}


ROUTES = [
    Route("POST", "/contacts", _create_contact, WRITE_USERS),
    Route("GET", "/contacts", _list_contacts, USERS),
    Route("POST", "/contacts/search", _search_contacts, USERS),
    Route("POST", "/contacts/merge", _merge_contacts, WRITE_USERS),
    Route(
        "GET",
        "/contacts/find_by_external_id/{external_id}",
        _find_by_external_id,
        USERS,
        since=(2, 13),  # docs references/changelog
    ),
    Route("GET", "/contacts/{id}", _show_contact, USERS),
    Route("PUT", "/contacts/{id}", _update_contact, WRITE_USERS),
    Route("DELETE", "/contacts/{id}", _delete_contact, WRITE_USERS),
    Route("POST", "/contacts/{id}/archive", _archive_contact, WRITE_USERS),
    Route("POST", "/contacts/{id}/unarchive", _unarchive_contact, WRITE_USERS),
    Route("GET", "/contacts/{id}/notes", _page_none_of_contact, USERS),
    Route("GET", "/contacts/{id}/segments", _list_none_of_contact, USERS),
    Route("GET", "/contacts/{id}/subscriptions", _list_none_of_contact, USERS),
]
