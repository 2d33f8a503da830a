"""What each item of a bulk job on contacts does to the workspace.

The rules for single writes are the workspace's; here stands only what bulk has of its own (OAS-P
#bulk_create_contacts_request, #bulk_update_contacts_request, #bulk_delete_contacts_request).
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.jobs.submissions import Effect, Kind, Submission, read_items, read_job_id
from target_intercom.sandbox.versions import PREVIEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.sandbox.workspace import Workspace


def submission(workspace: Workspace, kind: Kind, body: Mapping[str, Any]) -> Submission:
    """Return what a bulk call on contacts asks for.

    Raises:
        IntercomError: 422.
    """
    return Submission(
        subject="contacts",
        about="contact_id",
        skips=("tags", "companies"),
        kind=kind,
        items=read_items("contacts", "contact", kind, body),
        job_id=read_job_id(body),
        perform=partial(perform, workspace, kind),
        dropped=partial(dropped, kind),
    )


def dropped(kind: Kind, item: Mapping[str, Any]) -> list[str]:
    """Return what of an item is ignored, as the call does not have such a field."""
    tags = item.get("tags")
    nested = tags if "tags" in _KEYS[kind] and isinstance(tags, dict) else {}
    in_companies = {key for entry in _companies(kind, item) for key in entry if key not in _IN_COMPANY[kind]}
    return [
        *(key for key in item if key not in _KEYS[kind]),
        *(f"tags.{key}" for key in nested if key not in _TAG_CHANGES[kind]),
        *(f"companies.{key}" for key in sorted(in_companies)),
    ]


def perform(workspace: Workspace, kind: Kind, item: Mapping[str, Any]) -> Effect:
    """Write what an item asks for, by the rules for the single call.

    Tags come after the rest, and companies after them, and only where that was done: by choice.

    Raises:
        IntercomError: What a single call would be refused with.
    """
    workspace.settle()
    if kind is Kind.DELETE:
        return Effect(workspace.delete_contact(item["id"], PREVIEW).id)
    changes = {key: value for key, value in item.items() if key in _FIELDS[kind]}
    if kind is Kind.CREATE:
        contact = workspace.create_contact(changes, PREVIEW)
    else:
        contact = workspace.update_contact(item["id"], changes, PREVIEW)
    tags = list(_change_tags(workspace, contact.id, kind, item))
    return Effect(contact.id, {"tags": tags, "companies": list(_change_companies(workspace, contact.id, kind, item))})


def _change_tags(workspace: Workspace, contact_id: str, kind: Kind, item: Mapping[str, Any]) -> Iterator[Any]:
    """Add, then remove (by choice). Yield the ids that were skipped."""
    for change in _TAG_CHANGES[kind]:
        for tag_id in _tag_ids(item, change):
            if not _is_tag(workspace, tag_id):
                yield tag_id
                continue
            run = workspace.tag_contact if change == "add" else workspace.untag_contact
            with contextlib.suppress(errors.IntercomError):
                run(contact_id, str(tag_id), PREVIEW)


def _tag_ids(item: Mapping[str, Any], change: str) -> list[Any]:
    tags = item.get("tags")
    entries = tags.get(change) if isinstance(tags, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]


def _change_companies(workspace: Workspace, contact_id: str, kind: Kind, item: Mapping[str, Any]) -> Iterator[Any]:
    """Attach and detach, in the order given (by choice). Yield the entries that were skipped.

    A company that does not exist is made by attaching, not by detaching. What cannot be done fails no item, and no
    answer tells of it: by choice, the more awkward of what may be.
    """
    for entry in _companies(kind, item):
        given = {key: value for key, value in entry.items() if key in _IN_COMPANY[kind]}
        is_removal = given.pop("remove", None) is True
        try:
            if not isinstance(given.get("company_id"), str):
                yield entry
            elif is_removal:
                workspace.detach_by_company_id(contact_id, given["company_id"], PREVIEW)
            else:
                workspace.attach_by_company_id(contact_id, given, PREVIEW)
        except errors.IntercomError:
            yield entry


def _companies(kind: Kind, item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = item.get("companies") if "companies" in _KEYS[kind] else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _is_tag(workspace: Workspace, tag_id: object) -> bool:
    try:
        return bool(workspace.tags.get(str(tag_id)))
    except errors.IntercomError:
        return False


_WRITABLE = frozenset(
    {
        "external_id",
        "email",
        "name",
        "phone",
        "avatar",
        "owner_id",
        "unsubscribed_from_emails",
        "language_override",
        "custom_attributes",
    }
)
_FIELDS = {
    Kind.CREATE: _WRITABLE | {"role", "signed_up_at", "last_seen_at"},
    Kind.UPDATE: _WRITABLE,
    Kind.DELETE: frozenset[str](),
}
_KEYS = {
    Kind.CREATE: _FIELDS[Kind.CREATE] | {"companies", "tags"},
    Kind.UPDATE: _FIELDS[Kind.UPDATE] | {"id", "companies", "tags"},
    Kind.DELETE: frozenset({"id"}),
}
_TAG_CHANGES: dict[Kind, tuple[str, ...]] = {
    Kind.CREATE: ("add",),
    Kind.UPDATE: ("add", "remove"),
    Kind.DELETE: (),
}
_IN_COMPANY: dict[Kind, frozenset[str]] = {
    Kind.CREATE: frozenset({"company_id", "name"}),
    Kind.UPDATE: frozenset({"company_id", "name", "remove"}),
    Kind.DELETE: frozenset(),
}
"""What an entry of `companies` may hold: without `remove`, which a create ignores, it attaches."""
