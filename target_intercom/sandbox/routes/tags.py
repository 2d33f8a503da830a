"""Calls about tags."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.rendering import contacts as rendering
from target_intercom.sandbox.routes.route import TAGS, WRITE_TAGS, Errand, Route
from target_intercom.sandbox.workspace import ADMINS


def _list_contact_tags(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.contact(errand.params[0], errand.version)
    tags = errand.workspace.tags
    admin = next(iter(ADMINS))
    data = [rendering.applied_tag_json(tags.get(tag_id), at, admin) for tag_id, at in contact.tags.items()]
    return {"type": "list", "data": data}


def _tag_contact(errand: Errand) -> dict[str, Any]:
    tag_id = errand.body.get("id")
    if not isinstance(tag_id, (str, int)):
        raise errors.invalid_tag()
    tag, contact = errand.workspace.tag_contact(errand.params[0], str(tag_id), errand.version)
    return rendering.applied_tag_json(tag, contact.tags.get(tag.id), next(iter(ADMINS)))


def _untag_contact(errand: Errand) -> dict[str, Any]:
    contact_id, tag_id = errand.params
    tag, _ = errand.workspace.untag_contact(contact_id, tag_id, errand.version)
    return tag.as_json()


def _list_tags(errand: Errand) -> dict[str, Any]:
    return {"type": "list", "data": [tag.as_json() for tag in errand.workspace.tags.all()]}


def _show_tag(errand: Errand) -> dict[str, Any]:
    return errand.workspace.tags.get(errand.params[0]).as_json()


def _save_tag(errand: Errand) -> dict[str, Any]:
    saved = errand.workspace.save_tag(errand.body, errand.version)
    if not errand.version.tagging_skips_missing:
        return saved.tag.as_json()
    users = [{"id": contact_id, "tagged": tagged} for contact_id, tagged in saved.users.items()]
    companies = [{"id": company_id, "tagged": tagged} for company_id, tagged in saved.companies.items()]
    return {**saved.tag.as_json(), "users": users, "companies": companies}


def _delete_tag(errand: Errand) -> None:
    for contact_id in errand.workspace.delete_tag(errand.params[0]):
        errand.touched(contact_id)


ROUTES = [
    Route("GET", "/contacts/{id}/tags", _list_contact_tags, TAGS),
    Route("POST", "/contacts/{id}/tags", _tag_contact, WRITE_TAGS),
    Route("DELETE", "/contacts/{id}/tags/{tag_id}", _untag_contact, WRITE_TAGS),
    Route("GET", "/tags", _list_tags, TAGS),
    Route("POST", "/tags", _save_tag, WRITE_TAGS),
    Route("GET", "/tags/{id}", _show_tag, TAGS),
    Route("DELETE", "/tags/{id}", _delete_tag, WRITE_TAGS),
]
