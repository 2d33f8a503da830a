"""The names of groups, as records write them. Pure."""

from __future__ import annotations

import json
import re
import typing as t
from contextlib import suppress

from target_intercom.kinds.tags import group_key
from target_intercom.sync.mapping.values import UncoercibleError, identifier

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.model import GroupKey, Json

_ELEMENT: t.Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^",{}\\]|\\.)+?))\s*(?=,|$)', re.DOTALL)
_ESCAPED: t.Final = re.compile(r"\\(.)", re.DOTALL)


def group_name(value: Json) -> str | None:
    """Read the name of one group: trimmed text; None for null and blank text.

    Raises:
        UncoercibleError: the value is no text and no whole number, or holds a NUL.
    """
    try:
        name = identifier(value)
    except UncoercibleError as error:
        code = "invalid_group" if error.code == "not_an_identifier" else error.code
        raise UncoercibleError(code, "the name of a group is a text or a whole number") from None
    if name is not None and "\0" in name:
        raise UncoercibleError("invalid_group", "the name of a group cannot hold a NUL")
    return name


def group_names(value: Json) -> Mapping[GroupKey, str]:
    """Read the groups that a contact's record lists, in an array or in a text with commas.

    A text may hold an array as JSON, which the SDK's flattening and some warehouses write, or as PostgreSQL writes it
    (`{a,"b c"}`). Blank names and nulls are left out; of names that differ in case only, the first is taken.

    Raises:
        UncoercibleError: an element cannot be a name.
    """
    names: dict[GroupKey, str] = {}
    for name in map(group_name, _listed(value)):
        if name is not None:
            names.setdefault(group_key(name), name)
    return names


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
