"""Versions of the API."""

from __future__ import annotations


def version_at_least(version: str, major: int, minor: int) -> bool:
    """Check whether an `Intercom-Version` is this one or newer; Preview is newer than any number."""
    numbers = version.split(".")
    if not all(number.isdigit() for number in numbers):
        return True
    return [int(number) for number in numbers] >= [major, minor]
