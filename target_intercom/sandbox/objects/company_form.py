"""Reads the bodies of POST and PUT /companies: what they ask to be changed, or why they are refused.

Unlike those of contacts, they are refused for one unknown key (OAS-2.16 POST /companies). Values are refused where
Intercom documents no refusal, as those of contacts are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.conditions import CompanyNulls
from target_intercom.sandbox.objects import values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.objects.attributes import DataAttributes
    from target_intercom.sandbox.versions import Version

MAX_COMPANY_ID = 255
"""Characters of a `company_id`: by choice, as nothing is known of its length."""

_MAX_SPEND = 2**31 - 1
_CHANGEABLE = frozenset({"name", "plan", "size", "website", "industry", "custom_attributes", "monthly_spend"})
_ON_CREATE = _CHANGEABLE | {"company_id", "remote_created_at"}


class CompanyForm:
    """Checks company bodies against the workspace."""

    def __init__(self, attributes: DataAttributes, conditions: Conditions) -> None:
        self._attributes = attributes
        self._conditions = conditions

    def read_upsert(self, body: Mapping[str, Any], version: Version) -> dict[str, Any]:
        """Return the changes that a POST asks for (OAS-2.16 #create_or_update_company_request).

        `seen` is among them where `update_last_request_at` asks for the time of now.

        Raises:
            IntercomError: A key is unknown or a value is refused, and with it the whole body.
        """
        more = {"update_last_request_at"} if version.last_request_writable else set()
        return self._read(body, _ON_CREATE | more)

    def read_update(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes that a PUT asks for (OAS-2.16 #update_company_request: no company_id).

        Raises:
            IntercomError: A key is unknown or a value is refused, and with it the whole body.
        """
        return self._read(body, _CHANGEABLE)

    def read_bulk_update(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes that an item of PUT /companies/bulk asks for; it ignores unknown keys.

        Raises:
            IntercomError: A value is refused.
        """
        allowed = _CHANGEABLE | {"remote_created_at", "update_last_request_at"}
        return self._read({key: value for key, value in body.items() if key in allowed}, allowed)

    def _read(self, body: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
        for key in body:
            if key not in allowed:
                raise errors.bad_parameter(key)
        given = self._without_nulls(body)
        changes = {key: read(key, given[key]) for key, read in _FIELDS.items() if key in given}
        if "custom_attributes" in given:
            changes["custom_attributes"] = self._custom_attributes(given["custom_attributes"])
        if given.get("update_last_request_at") is not None:
            changes["seen"] = values.flag("update_last_request_at", given["update_last_request_at"])
        return changes

    def _without_nulls(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as the condition `company_nulls` has its nulls."""
        nulls = self._conditions.company_nulls
        if nulls is CompanyNulls.CLEAR:
            return dict(body)
        for key, value in body.items():
            if value is None and nulls is CompanyNulls.REFUSE:
                raise errors.invalid(f"{key} must not be null", key)
        return {key: value for key, value in body.items() if value is not None}

    def _custom_attributes(self, value: object) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise errors.invalid("custom_attributes must be an object", "custom_attributes")
        for name, entry in value.items():
            self._attributes.check_value("company", name, entry)
        return self._without_nulls(value)


def _company_id(key: str, value: object) -> str | None:
    """Return a company_id. Null is as if it were not there; an empty one is refused, by choice."""
    text = values.text(key, value)
    if text is None:
        return None
    if not text.strip() or len(text) > MAX_COMPANY_ID:
        raise errors.invalid(f"{key} must have 1 to {MAX_COMPANY_ID} characters", key)
    return text


def _plan(key: str, value: object) -> str | None:
    return values.text(key, value) or None


def _size(key: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise errors.invalid(f"{key} must be a whole number", key)


def _spend(key: str, value: object) -> int:
    """Return an amount without its decimals (OAS-2.16). Beyond the documented limit it is refused, by choice."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _MAX_SPEND:
        raise errors.invalid(f"{key} must be a number up to {_MAX_SPEND}", key)
    return math.trunc(value)


_FIELDS: dict[str, Callable[[str, object], Any]] = {
    "company_id": _company_id,
    "name": values.text,
    "plan": _plan,
    "size": _size,
    "website": values.text,
    "industry": values.text,
    "remote_created_at": values.timestamp,
    "monthly_spend": _spend,
}
