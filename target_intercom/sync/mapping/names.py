"""Names of properties: compared without case, and with blanks and hyphens as `_`. Pure.

Warehouses, spreadsheets and Salesforce write `EMAIL`, `Signed Up At`, `IsDeleted` for what others call `email`.
"""

from __future__ import annotations

import typing as t
import unicodedata
from dataclasses import dataclass

from target_intercom.model import CUSTOM_PREFIX

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_BLANKS: t.Final = str.maketrans(" -\t\u00a0", "____")


def folded(name: str) -> str:
    """Return what names have in common that differ only in case, blanks and hyphens."""
    return name.strip().translate(_BLANKS).lower()


@dataclass(frozen=True, slots=True)
class Meant:
    """Which of a stream's properties a name means."""

    property: str | None = None
    """None: the stream has none, or several that differ from the name and only in case from each other."""
    others: tuple[str, ...] = ()
    """Properties that fold to the same name, and are left out."""


def meant(name: str, properties: Iterable[str]) -> Meant:
    """Find the property that a name means: the one of that very name, else the only one that folds to it."""
    wanted = folded(name)
    alike = tuple(one for one in properties if folded(one) == wanted)
    if name in alike:
        return Meant(name, tuple(one for one in alike if one != name))
    return Meant(alike[0]) if len(alike) == 1 else Meant(None, alike)


def allowed(name: str) -> str:
    """Replace the characters that Intercom does not allow in attribute names (fact sheet sections 3.4 and 8)."""
    return "".join(char if _is_allowed(char) else "_" for char in name.strip())


def _is_allowed(char: str) -> bool:
    return char.isalnum() or char in "_- " or (char != "$" and unicodedata.category(char) == "Sc")


def custom_name(name: str) -> str:
    """Return the full name of a custom attribute; characters that Intercom does not allow are replaced."""
    return CUSTOM_PREFIX + (allowed(name) or "_")
