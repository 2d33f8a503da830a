"""Headers of answers: the rate-limit window."""

from __future__ import annotations

import email.utils
import math
import typing as t
from dataclasses import dataclass
from functools import lru_cache

if t.TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The rate-limit window, as an answer shows it; times in epoch seconds of Intercom's clock.

    `remaining` counts down over everybody's calls in the workspace. `date` is when Intercom answered (whole
    seconds), `retry_after` the seconds of a `Retry-After` header. Fact sheet section 2.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    date: float | None = None
    retry_after: float | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateLimit:
        """Read the headers; what is missing or unreadable is None."""
        date = headers.get("Date")
        return cls(
            limit=_whole(headers.get("X-RateLimit-Limit")),
            remaining=_whole(headers.get("X-RateLimit-Remaining")),
            reset=_whole(headers.get("X-RateLimit-Reset")),
            date=_http_date(date) if date else None,
            retry_after=_number(headers.get("Retry-After")),
        )


def _whole(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    try:
        number = math.nan if text is None else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@lru_cache(maxsize=1)  # the answers of one second have one
def _http_date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
