"""Reads the bodies of POST and PUT /contacts: what they ask to be changed, or why they are refused.

Where Intercom documents no refusal (wrong types, malformed emails, long strings, values outside a list
attribute's options) the sandbox refuses: its real behaviour is unknown, and a value that only the sandbox
takes would be found wrong in production.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects import values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_intercom.sandbox.objects.attributes import DataAttributes
    from target_intercom.sandbox.versions import Version

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Za-z]{2,4})?")


class ContactForm:
    """Checks contact bodies against the workspace."""

    def __init__(self, attributes: DataAttributes, admin_ids: Collection[str]) -> None:
        self._attributes = attributes
        self._admin_ids = admin_ids

    def read(self, body: Mapping[str, Any], version: Version) -> dict[str, Any]:
        """Return the changes that a body asks for, as fields of a contact.

        Omitted is unchanged, null clears (GRP export-record-user#20-24), a null external_id is ignored
        (#85), unknown keys are too (by choice: nothing is known of single calls).

        Raises:
            IntercomError: One value is refused, and with it the whole body.
        """
        changes = {key: read(key, body[key]) for key, read in _FIELDS.items() if key in body}
        if changes.get("external_id", "") is None:
            del changes["external_id"]
        if "owner_id" in body:
            changes["owner_id"] = self._owner(body["owner_id"])
        if "custom_attributes" in body:
            changes["custom_attributes"] = self._custom_attributes(body["custom_attributes"])
        return changes | _fields_of_version(body, version)

    def _owner(self, value: object) -> str | None:
        """Return a teammate's id, as a string or a number (both by choice), or null."""
        if value is None:
            return None
        if isinstance(value, bool) or str(value) not in self._admin_ids:
            raise errors.unknown_owner()
        return str(value)

    def _custom_attributes(self, value: object) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise errors.invalid("custom_attributes must be an object", "custom_attributes")
        for name, entry in value.items():
            self._attributes.check_value("contact", name, entry)
        return value


def role_of(value: object) -> str:
    """Return the role that is meant: whatever is not a lead is a user (GRP export-record-lead#62)."""
    return "lead" if value == "lead" else "user"


def _fields_of_version(body: Mapping[str, Any], version: Version) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "email_verified" in body and version.email_verified_writable:
        changes["email_verified"] = _email_verified(body)
    if "language_override" in body and version.language_writable:
        changes["language_override"] = _language(body["language_override"])
    return changes


def _email_verified(body: Mapping[str, Any]) -> bool | None:
    """Return the flag, which needs an email beside it (OAS-2.16 #create_contact_request)."""
    value = body["email_verified"]
    if not body.get("email"):
        message = "email_verified must be supplied together with an email"
        raise errors.invalid(message, "email_verified")
    return None if value is None else values.flag("email_verified", value)


def _language(value: object) -> str | None:
    """Return a code that Intercom does not support becomes null without an error (OAS-P)."""
    return value if isinstance(value, str) and _LANGUAGE.fullmatch(value) else None


def _external_id(key: str, value: object) -> str | None:
    return values.text(key, value) or None


def _email(key: str, value: object) -> str:
    """Return an email. Null and empty clear it; it then reads as an empty string (GRP export-record-user#20)."""
    email = values.text(key, value) or ""
    if email and not _EMAIL.fullmatch(email):
        raise errors.invalid("Email is invalid", key)
    return email


_FIELDS: dict[str, Callable[[str, object], Any]] = {
    "external_id": _external_id,
    "email": _email,
    "phone": values.text,
    "name": values.text,
    "avatar": values.text,
    "signed_up_at": values.timestamp,
    "last_seen_at": values.timestamp,
    "unsubscribed_from_emails": values.flag,
}
