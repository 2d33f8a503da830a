"""Values in parts that a database takes at once."""

from __future__ import annotations

import typing as t
from itertools import islice

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = t.TypeVar("_T")
SIZE: t.Final = 500
"""Values in one IN: older SQLites take fewer than 1,000 (sqlite.org/limits.html)."""


def chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Return the items in lists that fit into one IN."""
    rest = iter(items)
    while chunk := list(islice(rest, SIZE)):
        yield chunk
