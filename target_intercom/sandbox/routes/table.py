"""All calls that there are: what answers each, and what Intercom has beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_intercom.sandbox import errors
from target_intercom.sandbox.routes import admins, attributes, companies, contacts, jobs, tags
from target_intercom.sandbox.routes.route import params_of, parts_of

if TYPE_CHECKING:
    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.routes.route import Route

ROUTES: list[Route] = [
    *admins.ROUTES,
    *jobs.ROUTES,
    *contacts.ROUTES,
    *companies.ROUTES,
    *tags.ROUTES,
    *attributes.ROUTES,
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
        "/companies/{id}/notes",
        "/contacts/merge/preview",
        "/contacts/{id}/banners/{view_id}/dismiss",
        "/contacts/{id}/block",
        "/contacts/{id}/notes",
        "/contacts/{id}/subscriptions",
    ),
    "PUT": ("/admins/{id}/away",),
    "DELETE": ("/contacts/{id}/subscriptions/{id}",),
}
"""What Intercom has beside it (OAS-2.16, OAS-P)."""

NOT_EMULATED_RESOURCES = frozenset(
    [
        "articles",
        "brands",
        "calls",
        "collections",
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

_NOT_EMULATED = [(method, parts_of(template)) for method, templates in NOT_EMULATED.items() for template in templates]


def find(request: Request) -> tuple[Route, tuple[str, ...]]:
    """Return the endpoint of a request, and its parameters.

    Raises:
        IntercomError: 501 for what Intercom has but the sandbox has not, 404 for what neither has.
    """
    _refuse_not_emulated(request)
    found = match(request)
    if found is None:
        raise errors.resource_not_found()
    return found


def match(request: Request) -> tuple[Route, tuple[str, ...]] | None:
    """Return the emulated endpoint of a request, and its parameters; None if there is none."""
    for route in ROUTES:
        params = route.params(request)
        if params is not None:
            return route, params
    return None


def _refuse_not_emulated(request: Request) -> None:
    for method, parts in _NOT_EMULATED:
        if method == request.method and params_of(parts, request.segments) is not None:
            raise errors.not_emulated(request.method, request.path)
    if request.segments[0] in NOT_EMULATED_RESOURCES and match(request) is None:
        raise errors.not_emulated(request.method, request.path)
