"""Pages by cursor: cursors that hold a place in the order, not a number of rows to leave out."""

from __future__ import annotations

import base64
import json
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_PER_PAGE = 150
"""More is cut to it (by choice; 150 is documented, what happens above it is not)."""

COMPANY_SEARCH_PER_PAGE = 15
"""What POST /companies/search does without `per_page` (OAS-P)."""

SEARCH_PER_PAGE = 50
LIST_PER_PAGE = 10
"""What GET /contacts really does without `per_page` (PR 639 of Intercom-OpenAPI)."""

_LONGEST = 9
"""Digits that count: Python would refuse to read any number."""

_ORDERS = {"ascending": False, "descending": True}


class Identified(Protocol):
    """An object that can be listed."""

    @property
    def id(self) -> str:
        """Return Intercom's id of it."""


T = TypeVar("T", bound=Identified)


@dataclass(frozen=True)
class Order:
    """How contacts or companies are sorted: by `read`, then by id, which rises with time.

    Unsorted lists and searches were recorded oldest first (GRP lead-quirks#1, export-record-user#91);
    where a sort is asked for, descending is the default (OAS-P).
    """

    read: Callable[[Any], Any] = lambda _: None
    descending: bool = False

    def key(self, entry: Identified) -> tuple[bool, Any, str]:
        """Return what an object is sorted by; objects without a value come first."""
        value = self.read(entry)
        return (value is not None, value if value is not None else 0, entry.id)


@dataclass(frozen=True)
class Page:
    """Which part of the result is asked for."""

    per_page: int
    after: tuple[bool, Any, str] | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], default: int) -> Page:
        """Read `per_page` and `starting_after`.

        Raises:
            IntercomError: One of them is unusable.
        """
        per_page = _per_page(options.get("per_page"), default)
        return cls(per_page, _cursor(options.get("starting_after")))


@dataclass(frozen=True)
class Slice(Generic[T]):
    """A page of contacts or companies, and the figures that go with it."""

    found: list[T]
    total_count: int
    pages: dict[str, Any]


def descends(order: object, *, strict: bool) -> bool:
    """Return whether a sort order is descending, as it is by default.

    Raises:
        IntercomError: It is neither of the two.
    """
    if isinstance(order, str) and order in _ORDERS:
        return _ORDERS[order]
    if order is not None and strict:
        raise errors.invalid_sort_order(order)
    return True


def cut(everything: list[T], order: Order, page: Page) -> Slice[T]:
    """Sort, and take one page (OAS-P #cursor_pages; without a next page there is no `next`)."""
    ranked = sorted(everything, key=order.key, reverse=order.descending)
    start = _start(ranked, order, page)
    shown = ranked[start : start + page.per_page]
    number = start // page.per_page + 1
    pages: dict[str, Any] = {
        "type": "pages",
        "page": number,
        "per_page": page.per_page,
        "total_pages": -(-len(ranked) // page.per_page),
    }
    if start + page.per_page < len(ranked):
        cursor = base64.urlsafe_b64encode(json.dumps(order.key(shown[-1])).encode()).decode()
        pages["next"] = {"page": number + 1, "starting_after": cursor}
    return Slice(shown, len(ranked), pages)


def _start(ranked: list[T], order: Order, page: Page) -> int:
    if page.after is None:
        return 0
    passed = operator.ge if order.descending else operator.le
    try:
        return sum(passed(order.key(entry), page.after) for entry in ranked)
    except TypeError:  # the cursor of a search with another sort
        raise _bad_cursor() from None


def _per_page(value: object, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:_LONGEST])
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise errors.invalid("per_page must be a number from 1 to 150", "per_page")
    return min(value, MAX_PER_PAGE)


def _cursor(value: object) -> tuple[bool, Any, str] | None:
    if value is None:
        return None
    try:
        has_value, stored, contact_id = json.loads(base64.urlsafe_b64decode(str(value)))
    except (ValueError, TypeError):
        raise _bad_cursor() from None
    return (bool(has_value), stored, str(contact_id))


def _bad_cursor() -> errors.IntercomError:
    return errors.invalid("starting_after is not a cursor of this list", "starting_after")
