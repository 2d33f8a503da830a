"""What a bulk call asks for, and what each of its items does to the workspace.

The rules for single writes are the workspace's; here stands only what bulk has of its own (OAS-P
#bulk_create_contacts_request, #bulk_update_contacts_request, #bulk_delete_contacts_request).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.versions import PREVIEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.sandbox.workspace.workspace import Workspace

MAX_ITEMS = 100
"""Contacts a request (OAS-P, all three calls)."""


class Kind(str, Enum):
    """What is done to the contacts."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Submission:
    """A bulk call that was taken. Without a `job_id` it makes a job of its own."""

    kind: Kind
    contacts: list[Mapping[str, Any]]
    job_id: str | None


@dataclass(frozen=True)
class Effect:
    """What an item did.

    Attributes:
        contact_id: The contact that it was about.
        skipped_tags: The ids of its tags that no tag has. Intercom tells nobody.
    """

    contact_id: str
    skipped_tags: tuple[Any, ...] = ()


def read(kind: Kind, body: Mapping[str, Any]) -> Submission:
    """Check a body: all of it is taken or, with one flaw, none (OAS-P examples of 422).

    No contacts at all is as if the field were missing: by choice. So is what is said of a bad `job`.

    Raises:
        IntercomError: 422; or 501 for items with companies, as the sandbox has none.
    """
    contacts = body.get("contacts")
    if contacts is None or contacts == []:
        raise errors.contacts_missing()
    if not isinstance(contacts, list):
        raise errors.mistyped("contacts must be an array")
    if len(contacts) > MAX_ITEMS:
        raise errors.too_many_contacts(MAX_ITEMS)
    for contact in contacts:
        _check_contact(kind, contact)
    return Submission(kind, contacts, _job_id(body.get("job")))


def dropped(kind: Kind, item: Mapping[str, Any]) -> list[str]:
    """What of an item is ignored in silence, as the call does not have such a field."""
    tags = item.get("tags")
    nested = tags if "tags" in _KEYS[kind] and isinstance(tags, dict) else {}
    return [
        *(key for key in item if key not in _KEYS[kind]),
        *(f"tags.{key}" for key in nested if key not in _TAG_CHANGES[kind]),
    ]


def perform(workspace: Workspace, kind: Kind, item: Mapping[str, Any]) -> Effect:
    """Do what an item asks for, by the rules for the single call.

    Tags come after the rest, and only where that was done: by choice.

    Raises:
        IntercomError: What a single call would be refused with.
    """
    if kind is Kind.DELETE:
        return Effect(workspace.delete_contact(item["id"], PREVIEW).id)
    changes = {key: value for key, value in item.items() if key in _FIELDS[kind]}
    if kind is Kind.CREATE:
        contact = workspace.create_contact(changes, PREVIEW)
    else:
        contact = workspace.update_contact(item["id"], changes, PREVIEW)
    return Effect(contact.id, tuple(_change_tags(workspace, contact.id, kind, item)))


def _check_contact(kind: Kind, contact: object) -> None:
    if not isinstance(contact, dict):
        raise errors.mistyped("each contact must be an object")
    if kind is not Kind.CREATE and not (isinstance(contact.get("id"), str) and contact["id"]):
        raise errors.contacts_unidentified()
    if kind is not Kind.DELETE and contact.get("companies"):
        raise errors.not_emulated("A bulk call", "with companies")


def _job_id(job: object) -> str | None:
    if job is None:
        return None
    if not isinstance(job, dict):
        raise errors.mistyped("job must be an object")
    return str(job.get("id"))


def _change_tags(workspace: Workspace, contact_id: str, kind: Kind, item: Mapping[str, Any]) -> Iterator[Any]:
    """Add, then remove (by choice); gives the ids that were skipped."""
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
