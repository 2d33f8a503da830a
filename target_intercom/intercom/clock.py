"""The time, and waiting for it to pass."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    import threading


LONGEST_SLEEP: t.Final = 1.0
"""A waiting thread looks again after so many seconds, whatever it waits for."""


class Clock:
    """The clock of the machine; tests give `Transport` another one, which need not be waited for."""

    def time(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return the seconds since some moment; it is never set back."""
        return time.monotonic()

    def wait(self, what: threading.Event | threading.Condition, seconds: float) -> bool:
        """Wait until something happens, so many seconds at most; returns whether it did."""
        return what.wait(seconds)


MACHINE: t.Final = Clock()
