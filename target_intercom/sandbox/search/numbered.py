"""Pages by number, as lists of companies have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

MAX_PER_PAGE = 60
"""More is refused (PostHog records it of POST /companies/list; of the other lists by choice)."""

LIST_PER_PAGE = 15
"""What GET /companies and POST /companies/list do without `per_page` (OAS-2.16)."""

ATTACHED_PER_PAGE = 50
"""What the companies of a contact do without `per_page` (OAS-2.16 GET /contacts/{id}/companies)."""

_LONGEST = 9
"""Digits of a number that is read: Python would refuse to read any number."""


@dataclass(frozen=True)
class NumberedSlice(Generic[T]):
    """A page of a list, and the figures that go with it."""

    found: Sequence[T]
    total_count: int
    pages: dict[str, Any]


def cut(
    everything: Sequence[T],
    query: Mapping[str, str],
    default: int,
    url: str,
    most: int | None = None,
) -> NumberedSlice[T]:
    """Return the page that `query` asks for, with a link to the next (OAS-2.16 #pages_link).

    A page beyond the last is empty: by choice. `most` is how many entries can be listed in all.

    Raises:
        IntercomError: `page` or `per_page` is no number above 0, too large, or the page lies beyond `most`.
    """
    number = _number(query, "page", 1)
    per_page = _number(query, "per_page", default)
    if per_page > MAX_PER_PAGE:
        raise errors.per_page_too_big()
    start = (number - 1) * per_page
    if most is not None and start >= most:
        raise errors.page_limit_reached(most)
    end = start + per_page
    further = end < len(everything)
    link = f"{url}?{urlencode({**query, 'page': number + 1, 'per_page': per_page})}"
    pages = {
        "type": "pages",
        "next": link if further else None,
        "page": number,
        "per_page": per_page,
        "total_pages": -(-len(everything) // per_page),
    }
    return NumberedSlice(everything[start:end], len(everything), pages)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    given = query.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) <= _LONGEST) or int(given) < 1:
        raise errors.invalid(f"{name} must be a number above 0", name)
    return int(given)
