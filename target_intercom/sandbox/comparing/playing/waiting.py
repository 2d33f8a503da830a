"""Clocks, and waiting that ends when somebody asks to stop."""

from __future__ import annotations

import time
from typing import Protocol

_SLICE = 0.25
"""Seconds after which a wait looks whether it is to end."""


class Clock(Protocol):
    """A clock, and how time passes on it."""

    def now(self) -> float:
        """Return the time, in UNIX seconds."""

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed."""


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return the time, in UNIX seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """Somebody asked to stop: nothing more is made."""


class Stop:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False

    def ask(self) -> None:
        """Ask to stop after the call that is under way."""
        self.is_asked = True


class Waiting:
    """Waits on a clock. Once it is `steadfast`, it ends no wait early: what was made is taken away in any case."""

    def __init__(self, clock: Clock, stop: Stop) -> None:
        self.clock = clock
        self.is_steadfast = False
        self._stop = stop

    def check(self) -> None:
        """Raise where somebody asked to stop.

        Raises:
            Stopped: Somebody did.
        """
        if self._stop.is_asked and not self.is_steadfast:
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: Somebody asked to stop meanwhile.
        """
        left = seconds
        while left > 0:
            self.check()
            step = min(_SLICE, left)
            self.clock.sleep(step)
            left -= step
        self.check()
