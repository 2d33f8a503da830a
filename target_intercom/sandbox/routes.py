"""Which call does what: (method, path template) and the workspace's part in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors, rendering
from target_intercom.sandbox.attributes import MODELS
from target_intercom.sandbox.workspace import ADMINS, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.versions import Version


@dataclass(frozen=True)
class Errand:
    """A call, made ready for the workspace."""

    workspace: Workspace
    version: Version
    params: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    region: str


@dataclass(frozen=True)
class Route:
    """An endpoint. `scope` is the permission that it takes, `since` the version it came with."""

    method: str
    template: str
    run: Callable[[Errand], Any]
    scope: str
    since: tuple[int, int] = (2, 0)
    parts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _parts(self.template))

    def params(self, request: Request) -> tuple[str, ...] | None:
        """The values of the template's parameters, or None if the request is another's."""
        if request.method != self.method:
            return None
        return _params(self.parts, request.segments)


def find(request: Request) -> tuple[Route, tuple[str, ...]]:
    """The endpoint of a request, and its parameters.

    Raises:
        IntercomError: 501 for what Intercom has but the sandbox has not, 404 for what neither has.
    """
    _refuse_not_emulated(request)
    for route in ROUTES:
        params = route.params(request)
        if params is not None:
            return route, params
    raise errors.resource_not_found()


def _refuse_not_emulated(request: Request) -> None:
    for method, parts in _NOT_EMULATED:
        if method == request.method and _params(parts, request.segments) is not None:
            raise errors.not_emulated(request.method, request.path)
    if request.segments[0] in NOT_EMULATED_RESOURCES:
        raise errors.not_emulated(request.method, request.path)


def _parts(template: str) -> tuple[str, ...]:
    return tuple(template.strip("/").split("/"))


def _params(parts: tuple[str, ...], segments: tuple[str, ...]) -> tuple[str, ...] | None:
    if len(parts) != len(segments):
        return None
    pairs = list(zip(parts, segments, strict=True))
    if any(part != segment for part, segment in pairs if not part.startswith("{")):
        return None
    return tuple(segment for part, segment in pairs if part.startswith("{"))


# --- the admin ---


def _show_me(errand: Errand) -> dict[str, Any]:
    admin_id, name = next(iter(ADMINS.items()))
    return {
        "type": "admin",
        "id": admin_id,
        "name": name,
        "email": "ada@sandbox.example",
        "email_verified": True,
        "app": {
            "type": "app",
            "id_code": errand.workspace.id,
            "name": "Sandbox",
            "created_at": 1611500000,
            "secure": False,
            "identity_verification": False,
            "timezone": "Etc/UTC",
            "region": errand.region,
        },
        "avatar": {"type": "avatar", "image_url": None},
        "has_inbox_seat": True,
    }


# --- contacts ---


def _create_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.create_contact(errand.body, errand.version)
    return rendering.contact_json(contact, errand.version)


def _list_contacts(errand: Errand) -> dict[str, Any]:
    return rendering.slice_json(errand.workspace.directory.list(errand.query), errand.version)


def _search_contacts(errand: Errand) -> dict[str, Any]:
    found = errand.workspace.directory.search(errand.body, errand.version)
    return rendering.slice_json(found, errand.version)


def _merge_contacts(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.merge_contacts(errand.body, errand.version)
    return rendering.contact_json(contact, errand.version)


def _find_by_external_id(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.contact_by_external_id(errand.params[0], errand.version)
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


# --- tags ---


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
    if errand.body.get("companies"):
        raise errors.not_emulated("POST", "/tags with companies")
    tag, tagged = errand.workspace.save_tag(errand.body, errand.version)
    if not errand.version.tagging_skips_missing:
        return tag.as_json()
    users = [{"id": contact_id, "tagged": done} for contact_id, done in tagged.items()]
    return {**tag.as_json(), "users": users, "companies": []}


def _delete_tag(errand: Errand) -> None:
    errand.workspace.delete_tag(errand.params[0])


# --- data attributes ---


def _list_attributes(errand: Errand) -> dict[str, Any]:
    model = errand.query.get("model")
    if model == "conversation" and errand.version.conversation_attributes_moved:
        raise errors.conversation_attributes_moved()
    if model is not None and model not in MODELS:
        raise errors.attribute_model_invalid()
    archived = errand.query.get("include_archived") == "true"
    models = MODELS if model is None else (model,)
    listed = errand.workspace.list_attributes(models, errand.version, archived=archived)
    return {"type": "list", "data": listed}


def _create_attribute(errand: Errand) -> dict[str, Any]:
    return errand.workspace.create_attribute(errand.body, errand.version)


def _update_attribute(errand: Errand) -> dict[str, Any]:
    return errand.workspace.update_attribute(errand.params[0], errand.body, errand.version)


_USERS, _WRITE_USERS = "read_users", "write_users"
_TAGS, _WRITE_TAGS = "read_tags", "write_tags"
_ATTRIBUTES, _WRITE_ATTRIBUTES = "read_data_attributes", "write_data_attributes"

ROUTES = [
    Route("GET", "/me", _show_me, "read_admins"),
    Route("POST", "/contacts", _create_contact, _WRITE_USERS),
    Route("GET", "/contacts", _list_contacts, _USERS),
    Route("POST", "/contacts/search", _search_contacts, _USERS),
    Route("POST", "/contacts/merge", _merge_contacts, _WRITE_USERS),
    Route(
        "GET",
        "/contacts/find_by_external_id/{external_id}",
        _find_by_external_id,
        _USERS,
        since=(2, 13),  # docs references/changelog
    ),
    Route("GET", "/contacts/{id}", _show_contact, _USERS),
    Route("PUT", "/contacts/{id}", _update_contact, _WRITE_USERS),
    Route("DELETE", "/contacts/{id}", _delete_contact, _WRITE_USERS),
    Route("POST", "/contacts/{id}/archive", _archive_contact, _WRITE_USERS),
    Route("POST", "/contacts/{id}/unarchive", _unarchive_contact, _WRITE_USERS),
    Route("GET", "/contacts/{id}/tags", _list_contact_tags, _TAGS),
    Route("POST", "/contacts/{id}/tags", _tag_contact, _WRITE_TAGS),
    Route("DELETE", "/contacts/{id}/tags/{tag_id}", _untag_contact, _WRITE_TAGS),
    Route("GET", "/tags", _list_tags, _TAGS),
    Route("POST", "/tags", _save_tag, _WRITE_TAGS),
    Route("GET", "/tags/{id}", _show_tag, _TAGS),
    Route("DELETE", "/tags/{id}", _delete_tag, _WRITE_TAGS),
    Route("GET", "/data_attributes", _list_attributes, _ATTRIBUTES),
    Route("POST", "/data_attributes", _create_attribute, _WRITE_ATTRIBUTES),
    Route("PUT", "/data_attributes/{id}", _update_attribute, _WRITE_ATTRIBUTES),
]
"""What the sandbox emulates. Of two that fit, the earlier one answers."""

NOT_EMULATED = {
    "GET": (
        "/contacts/bulk/{id}",
        "/contacts/activities",
        "/contacts/{id}/banners",
        "/contacts/{id}/companies",
        "/contacts/{id}/merge_history",
        "/contacts/{id}/notes",
        "/contacts/{id}/segments",
        "/contacts/{id}/subscriptions",
    ),
    "POST": (
        "/contacts/bulk",
        "/contacts/bulk/delete",
        "/contacts/merge/preview",
        "/contacts/{id}/banners/{view_id}/dismiss",
        "/contacts/{id}/block",
        "/contacts/{id}/companies",
        "/contacts/{id}/notes",
        "/contacts/{id}/subscriptions",
    ),
    "PUT": ("/contacts/bulk",),
    "DELETE": ("/contacts/{id}/companies/{company_id}", "/contacts/{id}/subscriptions/{id}"),
}
"""What Intercom has beside it (OAS-2.16, OAS-P)."""

NOT_EMULATED_RESOURCES = frozenset(
    [
        "admins",
        "articles",
        "brands",
        "calls",
        "collections",
        "companies",
        "content_snippets",
        "conversations",
        "custom_object_instances",
        "events",
        "export",
        "help_center",
        "internal_articles",
        "jobs",
        "macros",
        "messages",
        "news",
        "notes",
        "segments",
        "subscription_types",
        "teams",
        "ticket_types",
        "tickets",
        "visitors",
    ]
)
"""First parts of paths that Intercom has and the sandbox has not at all."""

_NOT_EMULATED = [(method, _parts(template)) for method, templates in NOT_EMULATED.items() for template in templates]
