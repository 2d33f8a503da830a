"""Counts of calls and waits."""

from __future__ import annotations

import math
import threading
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field, replace

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.json_lines import Json


_MOST_PARTS: t.Final = 120
"""Parts of a timeline: as many as a chart shows."""
_FIRST_SECONDS: t.Final = 0.25
"""Length of a part at first; it doubles as often as a run goes on for more than all parts."""


@dataclass(slots=True)
class Part:
    """What was sent, and for how long calls were held back, in a part of a run."""

    calls: int = 0
    retries: int = 0
    rate_limited: int = 0
    waited: float = 0.0
    window: float | None = None
    """How full the rate-limit window was at most, 0 to 1; None: no answer told."""

    def add(self, other: Part) -> None:
        """Add what came in the part after it."""
        self.calls += other.calls
        self.retries += other.retries
        self.rate_limited += other.rate_limited
        self.waited += other.waited
        self.fill(other.window)

    def fill(self, window: float | None) -> None:
        """Keep how full the window was at most."""
        if window is not None:
            self.window = window if self.window is None else max(window, self.window)


@dataclass
class Timeline:
    """A run in parts of equal length; not safe to use from several threads."""

    began: float
    """By the clock whose times it is given."""
    seconds: float = _FIRST_SECONDS
    """Length of each part."""
    parts: list[Part] = field(default_factory=list)

    def at(self, now: float) -> Part:
        """Return the part that a moment is in."""
        while (place := max(0, int((now - self.began) / self.seconds))) >= _MOST_PARTS:
            self._halve()
        while len(self.parts) <= place:
            self.parts.append(Part())
        return self.parts[place]

    def wait(self, start: float, end: float) -> None:
        """Add a wait to the parts that it is in."""
        if end <= start:
            return
        self.at(end)
        while start < end:
            place = max(0, int((start - self.began) / self.seconds))
            # Not before the next part: a quotient that is rounded down would go round for ever.
            until = min(end, max(self.began + (place + 1) * self.seconds, math.nextafter(start, math.inf)))
            self.at(start).waited += until - start
            start = until

    def copy(self) -> Timeline:
        """Return it as it is now."""
        return Timeline(self.began, self.seconds, [replace(part) for part in self.parts])

    def _halve(self) -> None:
        """Make one part of each two."""
        for one, other in zip(self.parts[::2], self.parts[1::2], strict=False):
            one.add(other)
        self.parts = self.parts[::2]
        self.seconds *= 2


class Traffic:
    """The counts of a run: calls by operation, retries, 429s, waits. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with zeros."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waited_until = clock()
        self._timeline = Timeline(self._waited_until)
        self._calls: Counter[str] = Counter()
        self._retries = 0
        self._rate_limited = 0
        self._waited = 0.0

    def called(self, operation: str) -> None:
        """Count a call as it is sent; `operation` is its method and path template."""
        with self._lock:
            self._calls[operation] += 1
            self._timeline.at(self._clock()).calls += 1

    def filled(self, window: float | None) -> None:
        """Keep how full the rate-limit window is, 0 to 1, as an answer has told."""
        with self._lock:
            self._timeline.at(self._clock()).fill(window)

    def retried(self) -> None:
        """Count a call that is sent again after a failure."""
        with self._lock:
            self._retries += 1
            self._timeline.at(self._clock()).retries += 1

    def limited(self) -> None:
        """Count a 429."""
        with self._lock:
            self._rate_limited += 1
            self._timeline.at(self._clock()).rate_limited += 1

    def waits(self, seconds: float) -> None:
        """Count a wait that begins now; waits of several threads at the same time count once."""
        with self._lock:
            now = self._clock()
            until = now + seconds
            begins = max(now, self._waited_until)
            self._waited += max(0.0, until - begins)
            self._timeline.wait(begins, until)
            self._waited_until = max(self._waited_until, until)

    def timeline(self) -> Timeline:
        """Return what was sent, and for how long calls were held back, over the time of the run."""
        with self._lock:
            return self._timeline.copy()

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
