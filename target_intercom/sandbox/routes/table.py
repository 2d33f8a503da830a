"""Which call does what: (method, path template) and the workspace's part in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.bulk import contacts as bulk
from target_intercom.sandbox.objects.attributes import MODELS
from target_intercom.sandbox.rendering import contacts as rendering
from target_intercom.sandbox.versions import PREVIEW
from target_intercom.sandbox.workspace.workspace import ADMINS, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.versions import Version


@dataclass(frozen=True)
class Errand:
    """A call, made ready for the workspace. `touched` notes a contact that the call itself does not name."""

    workspace: Workspace
    version: Version
    params: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    region: str
    base_url: str
    touched: Callable[[str], None]


@dataclass(frozen=True)
class Route:
    """An endpoint. `scope` is the permission that it takes, `since` the version it came with.

    `status` is what it answers with when all is well.
    """

    method: str
    template: str
    run: Callable[[Errand], Any]
    scope: str
    since: tuple[int, int] = (2, 0)
    status: int = 200
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
    found = match(request)
    if found is None:
        raise errors.resource_not_found()
    return found


def match(request: Request) -> tuple[Route, tuple[str, ...]] | None:
    """The emulated endpoint of a request, and its parameters; None if there is none."""
    for route in ROUTES:
        params = route.params(request)
        if params is not None:
            return route, params
    return None


def _refuse_not_emulated(request: Request) -> None:
    for method, parts in _NOT_EMULATED:
        if method == request.method and _params(parts, request.segments) is not None:
            raise errors.not_emulated(request.method, request.path)
    if request.segments[0] in NOT_EMULATED_RESOURCES and match(request) is None:
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


# --- admins ---


def _admin_json(admin_id: str) -> dict[str, Any]:
    name = ADMINS[admin_id]
    email = f"{name.split()[0].lower()}@sandbox.example"
    return {"type": "admin", "id": admin_id, "name": name, "email": email, "has_inbox_seat": True}


def _show_me(errand: Errand) -> dict[str, Any]:
    return {
        **_admin_json(next(iter(ADMINS))),
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
    }


def _list_admins(_: Errand) -> dict[str, Any]:
    """All who may own a contact (OAS-P GET /admins)."""
    more = {"away_mode_enabled": False, "away_mode_reassign": False, "team_ids": list[int]()}
    return {"type": "admin.list", "admins": [{**_admin_json(admin_id), **more} for admin_id in ADMINS]}


def _show_admin(errand: Errand) -> dict[str, Any]:
    """One who may own a contact (OAS-2.16 GET /admins/{admin_id})."""
    (admin_id,) = errand.params
    if admin_id not in ADMINS:
        raise errors.admin_not_found()
    away = {"away_mode_enabled": False, "away_mode_reassign": False, "away_status_reason_id": None}
    return {**_admin_json(admin_id), **away, "team_ids": []}


# --- what there is none of, for clients that read it all ---


def _list_teams(_: Errand) -> dict[str, Any]:
    return {"type": "team.list", "teams": []}


def _list_segments(_: Errand) -> dict[str, Any]:
    return {"type": "segment.list", "segments": []}


def _list_subscription_types(_: Errand) -> dict[str, Any]:
    return {"type": "list", "data": []}


def _list_none_of_contact(errand: Errand) -> dict[str, Any]:
    """Return a contact's segments or subscriptions."""
    errand.workspace.contact(errand.params[0], errand.version)
    return {"type": "list", "data": []}


def _page_none_of_contact(errand: Errand) -> dict[str, Any]:
    """Return a contact's notes or companies: these have pages (OAS-2.16; total_pages 0 as recorded of contacts)."""
    pages = {"type": "pages", "page": 1, "per_page": _PER_PAGE_OF_NONE, "total_pages": 0}
    return {**_list_none_of_contact(errand), "total_count": 0, "pages": pages}


# --- contacts ---


def _create_contact(errand: Errand) -> dict[str, Any]:
    contact = errand.workspace.create_contact(errand.body, errand.version)
    errand.touched(contact.id)
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


# --- bulk jobs ---


def _bulk_create(errand: Errand) -> dict[str, Any]:
    return _submit(errand, bulk.Kind.CREATE)


def _bulk_update(errand: Errand) -> dict[str, Any]:
    return _submit(errand, bulk.Kind.UPDATE)


def _bulk_delete(errand: Errand) -> dict[str, Any]:
    return _submit(errand, bulk.Kind.DELETE)


def _submit(errand: Errand, kind: bulk.Kind) -> dict[str, Any]:
    errand.workspace.jobs.check_access()
    return _job(errand, errand.workspace.jobs.submit(bulk.read(kind, errand.body), errand.touched))


def _show_job(errand: Errand) -> dict[str, Any]:
    errand.workspace.jobs.check_access()
    return _job(errand, errand.workspace.jobs.show(errand.params[0]))


def _job(errand: Errand, shown: Mapping[str, Any]) -> dict[str, Any]:
    return {**shown, "url": f"{errand.base_url}/contacts/bulk/{shown['id']}"}


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
    for contact_id in errand.workspace.delete_tag(errand.params[0]):
        errand.touched(contact_id)


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
_BULK_SINCE = PREVIEW.number  # in OAS-P, not in OAS-2.16; of 2.17 nothing is known
_ACCEPTED = 202
_PER_PAGE_OF_NONE = 50

ROUTES = [
    Route("GET", "/me", _show_me, "read_admins"),
    Route("GET", "/admins", _list_admins, "read_admins"),
    Route("GET", "/admins/{id}", _show_admin, "read_admins"),
    Route("GET", "/teams", _list_teams, "read_admins"),
    Route("GET", "/segments", _list_segments, _USERS),
    Route("GET", "/subscription_types", _list_subscription_types, _USERS),
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
    Route("POST", "/contacts/bulk", _bulk_create, _WRITE_USERS, _BULK_SINCE, _ACCEPTED),
    Route("PUT", "/contacts/bulk", _bulk_update, _WRITE_USERS, _BULK_SINCE, _ACCEPTED),
    Route("POST", "/contacts/bulk/delete", _bulk_delete, _WRITE_USERS, _BULK_SINCE, _ACCEPTED),
    Route("GET", "/contacts/bulk/{id}", _show_job, _USERS, _BULK_SINCE),
    Route("GET", "/contacts/{id}", _show_contact, _USERS),
    Route("PUT", "/contacts/{id}", _update_contact, _WRITE_USERS),
    Route("DELETE", "/contacts/{id}", _delete_contact, _WRITE_USERS),
    Route("POST", "/contacts/{id}/archive", _archive_contact, _WRITE_USERS),
    Route("POST", "/contacts/{id}/unarchive", _unarchive_contact, _WRITE_USERS),
    Route("GET", "/contacts/{id}/notes", _page_none_of_contact, _USERS),
    Route("GET", "/contacts/{id}/companies", _page_none_of_contact, _USERS),
    Route("GET", "/contacts/{id}/segments", _list_none_of_contact, _USERS),
    Route("GET", "/contacts/{id}/subscriptions", _list_none_of_contact, _USERS),
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
        "/admins/activity_log_event_types",
        "/admins/activity_logs",
        "/contacts/activities",
        "/contacts/{id}/banners",
        "/contacts/{id}/merge_history",
    ),
    "POST": (
        "/admins/activity_logs/search",
        "/contacts/merge/preview",
        "/contacts/{id}/banners/{view_id}/dismiss",
        "/contacts/{id}/block",
        "/contacts/{id}/companies",
        "/contacts/{id}/notes",
        "/contacts/{id}/subscriptions",
    ),
    "PUT": ("/admins/{id}/away",),
    "DELETE": ("/contacts/{id}/companies/{company_id}", "/contacts/{id}/subscriptions/{id}"),
}
"""What Intercom has beside it (OAS-2.16, OAS-P)."""

NOT_EMULATED_RESOURCES = frozenset(
    [
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
"""First parts of paths that Intercom has and the sandbox has not, but for a list of them that is empty."""

_NOT_EMULATED = [(method, _parts(template)) for method, templates in NOT_EMULATED.items() for template in templates]
