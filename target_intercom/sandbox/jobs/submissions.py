"""What a bulk call asks for, whatever kind of object its items are."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_ITEMS = 100
"""Items a request (OAS-P, all calls)."""


class Kind(str, Enum):
    """What is done to the items."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Effect:
    """What an item did; the API shows none of it.

    Attributes:
        id: The object that the item was about.
        skipped: What of the item was skipped without a word, by name: `tags`, `companies`.
    """

    id: str
    skipped: Mapping[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Submission:
    """A bulk call that was taken. Without a `job_id` it makes a job of its own.

    Attributes:
        subject: The plural of its items: `contacts` or `companies`.
        about: The name that the control plane has for an object's id.
        skips: What an item may skip without a word.
        perform: Does what an item asks for, or raises an IntercomError.
        dropped: Names what of an item is ignored, as the call does not have such a field.
    """

    subject: str
    about: str
    skips: tuple[str, ...]
    kind: Kind
    items: list[Mapping[str, Any]]
    job_id: str | None
    perform: Callable[[Mapping[str, Any]], Effect]
    dropped: Callable[[Mapping[str, Any]], list[str]]


def read_items(subject: str, singular: str, kind: Kind, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items of a body: all of them or, with one flaw, none (OAS-P examples of 422).

    No items at all is as if the field were missing: by choice.

    Raises:
        IntercomError: 422.
    """
    items = body.get(subject)
    if items is None or items == []:
        raise errors.items_missing(subject)
    if not isinstance(items, list):
        raise errors.mistyped(f"{subject} must be an array")
    if len(items) > MAX_ITEMS:
        raise errors.too_many_items(subject, MAX_ITEMS)
    for item in items:
        if not isinstance(item, dict):
            raise errors.mistyped(f"each {singular} must be an object")
        if kind is not Kind.CREATE and not (isinstance(item.get("id"), str) and item["id"]):
            raise errors.items_unidentified(subject)
    return items


def read_job_id(body: Mapping[str, Any]) -> str | None:
    """Return the id of the job that a body appends to, if any.

    Raises:
        IntercomError: `job` is no object: 422, by choice.
    """
    job = body.get("job")
    if job is None:
        return None
    if not isinstance(job, dict):
        raise errors.mistyped("job must be an object")
    return str(job.get("id"))
