"""A long list, cut into pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from target_intercom.sandbox.page.addresses import with_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

S = TypeVar("S")
T = TypeVar("T")


_LONGEST = 9
"""Digits of a page's number that count."""


@dataclass(frozen=True)
class Sheet(Generic[T]):
    """One page of a list. `before` and `after` are where the neighbours are, None at the ends."""

    entries: Sequence[T]
    number: int
    count: int
    first: int
    total: int
    before: str | None
    after: str | None

    @property
    def last(self) -> int:
        """Return the place of its last entry in the whole list, from 1 on."""
        return self.first + len(self.entries) - 1

    def showing(self, entries: Sequence[S]) -> Sheet[S]:
        """Return the same page, with what is shown of its entries."""
        return Sheet(entries, self.number, self.count, self.first, self.total, self.before, self.after)


def sheet(everything: Sequence[T], size: int, path: str, query: Mapping[str, str]) -> Sheet[T]:
    """Return the page that `query` asks for by number; the nearest one there is."""
    count = max(1, -(-len(everything) // size))
    asked = query.get("page", "")
    # Longer than any page's number is beyond the last one; Python would refuse to read it.
    wanted = int(asked[:_LONGEST]) if asked.isascii() and asked.isdecimal() else 1
    number = min(max(1, wanted), count)
    start = (number - 1) * size

    def place(other: int) -> str | None:
        return with_query(path, {**query, "page": str(other)}) if 1 <= other <= count else None

    return Sheet(
        entries=everything[start : start + size],
        number=number,
        count=count,
        first=start + 1,
        total=len(everything),
        before=place(number - 1),
        after=place(number + 1),
    )
