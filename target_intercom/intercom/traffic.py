"""Counts of calls and waits."""

from __future__ import annotations

import threading
import time
import typing as t
from collections import Counter

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.json_lines import Json


class Traffic:
    """The counts of a run: calls by operation, retries, 429s, waits. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with zeros."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waited_until = clock()
        self._calls: Counter[str] = Counter()
        self._retries = 0
        self._rate_limited = 0
        self._waited = 0.0

    def called(self, operation: str) -> None:
        """Count a call as it is sent; `operation` is its method and path template."""
        with self._lock:
            self._calls[operation] += 1

    def retried(self) -> None:
        """Count a call that is sent again after a failure."""
        with self._lock:
            self._retries += 1

    def limited(self) -> None:
        """Count a 429."""
        with self._lock:
            self._rate_limited += 1

    def waits(self, seconds: float) -> None:
        """Count a wait that begins now; waits of several threads at the same time count once."""
        with self._lock:
            now = self._clock()
            until = now + seconds
            self._waited += max(0.0, until - max(now, self._waited_until))
            self._waited_until = max(self._waited_until, until)

    def by_operation(self) -> dict[str, int]:
        """Return the calls sent so far."""
        with self._lock:
            return dict(self._calls)

    @property
    def calls(self) -> int:
        """How many calls were sent so far."""
        with self._lock:
            return self._calls.total()

    @property
    def retries(self) -> int:
        """How many of them were sent again after a failure."""
        return self._retries

    @property
    def rate_limited(self) -> int:
        """How many were answered 429."""
        return self._rate_limited

    @property
    def waited_seconds(self) -> float:
        """Seconds in which calls were held back; a wait that goes on counts in full."""
        return self._waited

    def summary(self) -> dict[str, Json]:
        """Return the `api` part of the report."""
        with self._lock:
            return {
                "calls": dict(sorted(self._calls.items())),
                "retries": self._retries,
                "rate_limited": self._rate_limited,
                "waited_seconds": round(self._waited, 3),
            }
