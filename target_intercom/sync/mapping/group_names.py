"""The names of groups, as records write them. Pure."""

from __future__ import annotations

import json
import re
import typing as t
from contextlib import suppress

from target_intercom.kinds.company_members import COMPANY_NAMES
from target_intercom.kinds.tags import TAG_NAMES
from target_intercom.sync.mapping.values import UncoercibleError, identifier

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.kinds.link import GroupNames
    from target_intercom.model import GroupKey, Json, LinkName

NAMES: t.Final[Mapping[LinkName, GroupNames]] = {one.kind: one for one in (TAG_NAMES, COMPANY_NAMES)}
"""How records name groups, by kind of link."""

_ELEMENT: t.Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^",{}\\]|\\.)+?))\s*(?=,|$)', re.DOTALL)
_ESCAPED: t.Final = re.compile(r"\\(.)", re.DOTALL)


def group_name(value: Json, names: GroupNames) -> str | None:
    """Read the name of one group: trimmed text; None for null and blank text.

    Raises:
        UncoercibleError: the value is no text and no whole number, or holds a NUL.
    """
    try:
        name = identifier(value)
    except UncoercibleError as error:
        code = names.invalid if error.code == "not_an_identifier" else error.code
        raise UncoercibleError(code, f"{names.name} is a text or a whole number") from None
    if name is not None and "\0" in name:
        raise UncoercibleError(names.invalid, f"{names.name} cannot hold a NUL")
    return name


def group_names(value: Json, names: GroupNames) -> Mapping[GroupKey, str]:
    """Read the groups that a contact's record lists, in an array or in a text with commas.

    A text may hold an array as JSON, which the SDK's flattening and some warehouses write, or as PostgreSQL writes it
    (`{a,"b c"}`). Blank names and nulls are left out; of several names of one group the first is taken.

    Raises:
        UncoercibleError: an element cannot be a name.
    """
    listed: dict[GroupKey, str] = {}
    for one in _listed(value):
        name = group_name(one, names)
        if name is not None:
            listed.setdefault(names.key(name), name)
    return listed


def _listed(value: Json) -> Iterable[Json]:
    if not isinstance(value, str):
        return value if isinstance(value, list) else (value,)
    if value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            parsed: Json = json.loads(value)
            return parsed if isinstance(parsed, list) else (value,)
    elements = _postgres_array(value.strip())
    return value.split(",") if elements is None else elements


def _postgres_array(text: str) -> list[str | None] | None:
    """Read an array as PostgreSQL writes it (its manual, 8.15.6); None: the text is none, or an array of arrays."""
    if not (text.startswith("{") and text.endswith("}")):
        return None
    inner, place = text[1:-1], 0
    elements: list[str | None] = []
    while inner.strip() and place <= len(inner):
        element = _ELEMENT.match(inner, place)
        if element is None:
            return None
        quoted, bare = element.groups()
        name = _ESCAPED.sub(r"\1", bare if quoted is None else quoted)
        elements.append(None if quoted is None and name.upper() == "NULL" else name)
        place = element.end() + 1
    return elements
