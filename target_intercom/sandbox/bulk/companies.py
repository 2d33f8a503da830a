"""What each item of a bulk job on companies does to the workspace.

The rules for single writes are the workspace's; here stands only what bulk has of its own (OAS-P
#bulk_create_companies_request, #bulk_update_companies_request, #bulk_delete_companies_request).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.jobs.submissions import Effect, Kind, Submission, read_items, read_job_id
from target_intercom.sandbox.versions import PREVIEW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.workspace import Workspace

_UPDATED = frozenset(
    {
        "id",
        "name",
        "plan",
        "size",
        "website",
        "industry",
        "custom_attributes",
        "remote_created_at",
        "monthly_spend",
        "update_last_request_at",
    }
)


def submission(workspace: Workspace, kind: Kind, body: Mapping[str, Any]) -> Submission:
    """Return what a bulk call on companies asks for. `CREATE` updates, too.

    Raises:
        IntercomError: 422.
    """
    return Submission(
        subject="companies",
        about="company_id",
        skips=(),
        kind=kind,
        items=read_items("companies", "company", kind, body),
        job_id=read_job_id(body),
        perform=partial(perform, workspace, kind),
        dropped=partial(dropped, kind),
    )


def dropped(kind: Kind, item: Mapping[str, Any]) -> list[str]:
    """Return what of an item is ignored. An upsert ignores nothing: an unknown key fails its item (by choice)."""
    if kind is Kind.CREATE:
        return []
    known = _UPDATED if kind is Kind.UPDATE else {"id"}
    return [key for key in item if key not in known]


def perform(workspace: Workspace, kind: Kind, item: Mapping[str, Any]) -> Effect:
    """Write what an item asks for, by the rules for the single call.

    Raises:
        IntercomError: What a single call would be refused with, or an upsert has no company_id (by choice).
    """
    workspace.settle()
    if kind is Kind.DELETE:
        return Effect(workspace.delete_company(item["id"]).id)
    if kind is Kind.UPDATE:
        return Effect(workspace.update_company_in_bulk(item).id)
    if item.get("company_id") is None:
        raise errors.invalid("company_id must be given", "company_id")
    return Effect(workspace.save_company(item, PREVIEW).id)
