"""Companies as JSON (OAS-2.16 #company; Airbyte's recorded companies for what the description leaves open)."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.sandbox.objects.companies import Company, CountedCompany
    from target_intercom.sandbox.versions import Version
    from target_intercom.sandbox.workspace import Workspace

_ONLY_IF_SET = ("remote_created_at", "last_request_at", "size", "website", "industry")
_CREATED_BY_API = {"creation_source": "api"}
"""What Intercom adds to the custom attributes of a company by itself (Airbyte's recorded companies)."""


def company_json(workspace: Workspace, company: Company, version: Version) -> dict[str, Any]:
    """Return a company as single calls answer it, with the number of its users as of now."""
    return counted_json(workspace, workspace.counted(company), version)


def counted_json(workspace: Workspace, counted: CountedCompany, version: Version) -> dict[str, Any]:
    """Return a company with a number of users."""
    company = counted.company
    is_escaped = workspace.escapes(version)
    tags = {tag.id: tag for tag in workspace.tags.all()}
    shown = {
        "type": "company",
        "company_id": _text(company.company_id, is_escaped=is_escaped),
        "id": company.id,
        "app_id": company.workspace_id,
        "name": _text(company.name, is_escaped=is_escaped),
        "created_at": company.created_at,
        "updated_at": company.updated_at,
        "monthly_spend": company.monthly_spend,
        "session_count": 0,
        "user_count": counted.user_count,
        "tags": {"type": "tag.list", "tags": [tags[tag_id].as_json() for tag_id in company.tags if tag_id in tags]},
        "segments": {"type": "segment.list", "segments": []},
        "plan": _plan(company.plan),
        "custom_attributes": {**company.custom_attributes, **_CREATED_BY_API},
    }
    shown |= {name: getattr(company, name) for name in _ONLY_IF_SET if getattr(company, name) is not None}
    if version.company_shows_notes:
        url = f"/companies/{company.id}/notes"
        shown["notes"] = {"type": "note.list", "data": [], "url": url, "total_count": 0, "has_more": False}
    return shown


def list_json(
    workspace: Workspace,
    found: Iterable[CountedCompany],
    total_count: int | None,
    pages: Mapping[str, Any] | None,
    version: Version,
) -> dict[str, Any]:
    """Return a page of companies. Its key is `data`, as in the description's examples, not `companies`."""
    data = [counted_json(workspace, counted, version) for counted in found]
    return {"type": "list", "data": data, "total_count": total_count, "pages": pages}


def deleted_json(company: Company) -> dict[str, Any]:
    """Return the answer to a deletion (OAS-2.16 #deleted_company_object)."""
    return {"id": company.id, "object": "company", "deleted": True}


def _text(text: str | None, *, is_escaped: bool) -> str | None:
    """Return a text, HTML-escaped as Rails does it (by choice: which characters is not documented)."""
    return escape(text).replace("&#x27;", "&#39;") if text is not None and is_escaped else text


def _plan(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"type": "plan", "id": str(crc32(name.encode(errors="surrogatepass"))), "name": name}
