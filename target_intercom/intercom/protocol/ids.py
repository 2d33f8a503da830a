"""Ids, and how the parts of an answer are read."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.json_lines import Json


ContactId = t.NewType("ContactId", str)
"""Intercom's own id of a contact, 24 hex digits."""
ExternalId = t.NewType("ExternalId", str)
"""The source's id of a user, as Intercom keeps it."""
Email = t.NewType("Email", str)
"""An email address, trimmed and in lower case."""
TagId = t.NewType("TagId", str)
"""Intercom's id of a tag, digits."""
CompanyId = t.NewType("CompanyId", str)
"""Intercom's own id of a company, 24 hex digits; `company_id` is the source's."""
AdminId = t.NewType("AdminId", str)
"""Intercom's id of a teammate, digits."""
JobId = t.NewType("JobId", str)
"""Intercom's id of a bulk job."""
TaskId = t.NewType("TaskId", str)
"""Intercom's id of a task of a bulk job: what one call has submitted."""
Role: t.TypeAlias = t.Literal["user", "lead"]


def id_of(body: Mapping[str, Json]) -> str:
    """Return the id of what an answer is about.

    Raises:
        KeyError, TypeError: it has none, so it is about nothing.
    """
    value = body["id"]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TypeError("id")
    return str(value)


def seconds_of(value: Json) -> int | None:
    """Return unix seconds as an answer has them; None: it has none."""
    return value if isinstance(value, int) else None


def normal_email(text: str) -> Email:
    """Trim and lower-case an address: how this target writes, searches and compares emails."""
    return Email(text.strip().lower())


def text_of(value: Json) -> str | None:
    """Return a text as an answer has it; None: it has none."""
    return None if value is None else str(value)


def entries_of(body: Mapping[str, Json], name: str = "data") -> Sequence[Json]:
    """Return the entries of a list, as Intercom answers one.

    Raises:
        KeyError, TypeError, ValueError: it is none: what it holds is not known, which is not the same as nothing.
    """
    entries = body[name]
    if not isinstance(entries, list):
        raise TypeError(name)
    if not str(body.get("type", "list")).endswith("list") or "errors" in body:
        raise ValueError(name)
    return entries
