"""The rate limit: fixed windows, counted on arrival."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace


@dataclass
class Window:
    """What one window has seen. `calls` counts the refused ones too."""

    start: float
    end: float
    limit: int
    calls: int = 0
    rate_limited: int = 0


@dataclass(frozen=True)
class Allowance:
    """What a call learns about the window it arrived in."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        """Return the three headers that authenticated answers carry (docs 2.17 rate-limiting)."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class RateWindows:
    """Counts calls by window.

    Windows lie on multiples of their length and do not slide (GRP, 525 answers of 2021). The first call
    of a window is told the whole limit, as most of the recorded ones were: the figure is what was left
    before the call. `X-RateLimit-Reset` is the window's end; the recordings show two seconds more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[tuple[float, float], Window] = {}

    def arrive(self, now: float, limit: int, length: float) -> Allowance:
        """Count a call."""
        start = math.floor(now / length) * length
        with self._lock:
            window = self._windows.get((start, length))
            if window is None:
                window = self._windows[start, length] = Window(start, start + length, limit)
            window.limit = limit
            left = max(0, limit - window.calls)
            window.calls += 1
            window.rate_limited += not left
            return Allowance(limit, left, math.ceil(window.end), exceeded=not left)

    def current(self, now: float, limit: int, length: float) -> Window:
        """Return the window that a call would arrive in now, as it is; nothing is counted."""
        start = math.floor(now / length) * length
        with self._lock:
            window = self._windows.get((start, length))
            return Window(start, start + length, limit) if window is None else replace(window, limit=limit)

    def all(self) -> list[Window]:
        """Return the windows in which there were calls, oldest first."""
        with self._lock:
            return sorted(self._windows.values(), key=lambda window: window.start)
