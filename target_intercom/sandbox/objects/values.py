"""Values in the bodies of writes, whatever object they belong to: which are taken, and which are refused."""

from __future__ import annotations

from target_intercom.sandbox import errors

MILLISECONDS_FROM = 10**11
"""A timestamp from here on is in milliseconds, not seconds; PR 525 of Intercom-OpenAPI (May 2026)."""


def text(key: str, value: object) -> str | None:
    """Return a text, or null.

    Raises:
        IntercomError: It is neither.
    """
    if value is None or isinstance(value, str):
        return value
    raise errors.invalid(f"{key} must be a string", key)


def timestamp(key: str, value: object) -> int | None:
    """Return a time in whole seconds, or null.

    Raises:
        IntercomError: It is neither.
    """
    return None if value is None else check_timestamp(key, value)


def check_timestamp(key: str, value: object) -> int:
    """Return a time in whole seconds.

    Raises:
        IntercomError: Not a number of seconds.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise errors.invalid(f"{key} must be a UNIX timestamp in seconds", key)
    if value >= MILLISECONDS_FROM:
        raise errors.invalid(f"{key} must be in seconds, not milliseconds", key)
    return value


def flag(key: str, value: object) -> bool:
    """Return a boolean; null is false, as it clears (by choice).

    Raises:
        IntercomError: It is no boolean.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise errors.invalid(f"{key} must be a boolean", key)
