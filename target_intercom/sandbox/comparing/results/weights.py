"""How much of the rate limit a call takes, by the windows that plain calls before and after it tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_intercom.sandbox.comparing.calls import Exchange, Transcript

_PROBES = (
    ("the window before", "the window after a plain call", "the window after a plain call"),
    ("the window after a plain call", "the window after a search", "the window after a search"),
    ("the window after a search", "the window after a job of five", "the window after a job of five"),
)
_PLAIN = frozenset({"the window after a plain call"})


def weights(transcript: Transcript) -> dict[str, int]:
    """Return how many calls a plain call, a search and a job of five items count as, by the step that tells.

    Where a new window began meanwhile, or the answers have no such headers, nothing is told of a call.
    """
    found = {}
    for before, after, name in _PROBES:
        first, last = transcript.last(before), transcript.last(after)
        taken = None if first is None or last is None else _taken(first, last)
        if taken is not None:
            found[name] = taken - (name not in _PLAIN)  # a plain call stands between the two as well
    return found


def _taken(first: Exchange, last: Exchange) -> int | None:
    try:
        resets = {exchange.headers["x-ratelimit-reset"] for exchange in (first, last)}
        left = [int(exchange.headers["x-ratelimit-remaining"]) for exchange in (first, last)]
    except (KeyError, ValueError):
        return None
    return left[0] - left[1] if len(resets) == 1 and left[0] >= left[1] else None
