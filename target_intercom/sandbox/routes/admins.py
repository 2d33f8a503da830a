"""The workspace, its teammates, and lists of what there is none of."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.routes.route import ADMINS as READ_ADMINS
from target_intercom.sandbox.routes.route import USERS, Errand, Route
from target_intercom.sandbox.workspace import ADMINS


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
    """Return all who may own a contact (OAS-P GET /admins)."""
    more = {"away_mode_enabled": False, "away_mode_reassign": False, "team_ids": list[int]()}
    return {"type": "admin.list", "admins": [{**_admin_json(admin_id), **more} for admin_id in ADMINS]}


def _show_admin(errand: Errand) -> dict[str, Any]:
    """Return one who may own a contact (OAS-2.16 GET /admins/{admin_id})."""
    (admin_id,) = errand.params
    if admin_id not in ADMINS:
        raise errors.admin_not_found()
    away = {"away_mode_enabled": False, "away_mode_reassign": False, "away_status_reason_id": None}
    return {**_admin_json(admin_id), **away, "team_ids": []}


def _list_teams(_: Errand) -> dict[str, Any]:
    return {"type": "team.list", "teams": []}


def _list_segments(_: Errand) -> dict[str, Any]:
    return {"type": "segment.list", "segments": []}


def _list_subscription_types(_: Errand) -> dict[str, Any]:
    return {"type": "list", "data": []}


ROUTES = [
    Route("GET", "/me", _show_me, READ_ADMINS),
    Route("GET", "/admins", _list_admins, READ_ADMINS),
    Route("GET", "/admins/{id}", _show_admin, READ_ADMINS),
    Route("GET", "/teams", _list_teams, READ_ADMINS),
    Route("GET", "/segments", _list_segments, USERS),
    Route("GET", "/subscription_types", _list_subscription_types, USERS),
]
