"""Names of custom attributes."""

from __future__ import annotations

import unicodedata

from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX


def custom_name(name: str) -> str:
    """Return the full name of a custom attribute; characters that Intercom does not allow are replaced."""
    return CUSTOM_PREFIX + (allowed(name) or "_")


def allowed(name: str) -> str:
    """Replace the characters that Intercom does not allow in attribute names (fact sheet sections 3.4 and 8)."""
    return "".join(char if _is_allowed(char) else "_" for char in name.strip())


def _is_allowed(char: str) -> bool:
    return char.isalnum() or char in "_- " or (char != "$" and unicodedata.category(char) == "Sc")
