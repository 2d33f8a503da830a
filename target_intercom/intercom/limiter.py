"""How many calls may be sent now, as the headers of answers say, never by constants.

Intercom counts calls in fixed windows (fact sheet section 2). Everybody in the workspace draws on the same window,
so its fill is read from `X-RateLimit-*`, and the calls in flight, which no answer can show yet, are added to it.
"""

from __future__ import annotations

import math
import threading
import typing as t
from contextlib import contextmanager

from target_intercom.intercom.clock import LONGEST_SLEEP, MACHINE

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.intercom.protocol.headers import RateLimit

_PROBES = 8
"""Calls that may ask whether a window has turned; fewer where the share left free is smaller."""
_LONGEST_WAIT = 60.0
"""No answer keeps the run waiting longer than this without asking again, in seconds."""
_STALE_PAUSES = (0.25, 0.5, 1.0)
"""Pauses between questions while Intercom still answers with a window that should be over, in seconds."""
_BLIND_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses after 429s that say nothing about the window, in seconds."""
_CLOCK_SKEW = 2.0
"""Clocks that differ by less are taken to agree: `Date` has whole seconds."""


class Window:
    """The rate-limit window, as far as it is known. Pure: it is given the time, and decides."""

    def __init__(self, percent: int) -> None:
        """`percent` of each window may be used, everybody's calls counted."""
        self._percent = percent
        self._limit: int | None = None
        self._used = 0
        self._own = 0
        self._reset = -math.inf
        self._turned_at = -math.inf
        self._ends = -math.inf
        self._not_before = -math.inf
        self._stale = 0
        self._blind = 0
        self.skew = 0.0
        """How far Intercom's clock is ahead of ours, in seconds."""

    def wait(self, now: float, in_flight: int) -> float:
        """Return how long to hold back the next call, in seconds.

        Returns:
            0: send it. Finite: ask again after so long. Infinite: ask again when a call has come back.
        """
        if now < self._turned_at:
            # The clock was set back: what was planned with it is void.
            self._ends = self._not_before = self._turned_at = now
        if now < self._not_before:
            return self._not_before - now
        if self._limit is None:
            return math.inf if self._blind and in_flight >= _PROBES else 0.0
        if now >= self._ends:
            return 0.0 if in_flight < self._probes() else math.inf
        free = self._share() - self._used
        if in_flight < min(self._part(free), max(self._probes(), self._own)):
            return 0.0
        return math.inf if free > 0 and in_flight else self._ends - now

    def used(self, now: float) -> float | None:
        """Return the share of the window that everybody has used, 0 to 1; None: its size is not known yet."""
        if not self._limit:
            return None
        return 0.0 if now >= self._ends else min(1.0, self._used / self._limit)

    def learn(self, now: float, rate: RateLimit, sent_at: float) -> bool:
        """Learn from the headers of the answer to a call; returns whether they show a new window.

        `Remaining` is what was left before the call (recorded: a window's first call shows the whole limit).
        """
        if sent_at >= self._not_before:
            self._blind = 0
        return self._note(now, rate, sent_at)

    def _note(self, now: float, rate: RateLimit, sent_at: float) -> bool:
        if rate.limit is None or rate.remaining is None or rate.reset is None:
            return False
        turned = rate.reset > self._reset
        if turned:
            self._turn(now, rate, rate.reset)
        if rate.reset == self._reset:
            self._own += 1
            self._used = max(self._used, rate.limit - rate.remaining + 1, self._own)
            if sent_at >= self._ends:
                self._not_before = now + _STALE_PAUSES[min(self._stale, len(_STALE_PAUSES) - 1)]
                self._stale += 1
        return turned

    def exceeded(self, now: float, rate: RateLimit, sent_at: float) -> None:
        """Hold calls back after a 429: until the reset, or for a growing pause where the answer names none."""
        self._note(now, rate, sent_at)
        if rate.retry_after is not None and rate.retry_after > 0:
            self._not_before = max(self._not_before, now + math.ceil(min(rate.retry_after, _LONGEST_WAIT)))
        elif rate.reset is not None and rate.reset == self._reset and now < self._ends:
            self._not_before = max(self._not_before, self._ends)
        elif sent_at >= self._not_before:
            # Not for the others of the calls that were in flight together.
            self._not_before = now + _BLIND_PAUSES[min(self._blind, len(_BLIND_PAUSES) - 1)]
            self._blind += 1

    def _turn(self, now: float, rate: RateLimit, reset: float) -> None:
        """Begin a new window; its end comes in Intercom's time and is kept in ours."""
        skew = 0.0 if rate.date is None else rate.date - now
        self.skew = skew if abs(skew) >= _CLOCK_SKEW else 0.0
        ends = reset - self.skew
        self._limit = rate.limit
        self._used = self._own = self._stale = 0
        self._reset = reset
        self._turned_at = now
        self._ends = min(ends, now + _LONGEST_WAIT)

    def _part(self, free: int) -> int:
        """Return how many of the free calls may be in flight: half, or our part of what everybody uses if that is less.

        So several processes that share a window and do the same do not overrun it together.
        """
        return math.ceil(free * min(0.5, max(self._own, 1) / max(self._used, 1)))

    def _share(self) -> int:
        return max(1, (self._limit or 0) * self._percent // 100)

    def _probes(self) -> int:
        if self._stale:
            return 1
        return max(1, min(_PROBES, (self._limit or 0) - self._share()))


class RateLimiter:
    """Lets calls through, from any thread, as fast as the window allows.

    Calls in flight start few in each window, grow with the answers, and end few: several processes that share a
    window can see each other's use before they overrun it. A single process loses a few round trips by it.
    """

    def __init__(
        self,
        percent: int,
        *,
        clock: Callable[[], float] = MACHINE.time,
        wait: Callable[[threading.Event | threading.Condition, float], bool] = MACHINE.wait,
        on_wait: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """`percent` of each window may be used; `on_wait` takes the seconds of every wait for a window."""
        self._window = Window(percent)
        self._clock = clock
        self._wait = wait
        self._on_wait = on_wait
        self._in_flight = 0
        self._stopped = threading.Event()
        self._turn = threading.Condition()

    @property
    def skew(self) -> float:
        """How far Intercom's clock is ahead of ours, in seconds; 0 for less than whole seconds of answers hide."""
        return self._window.skew

    @property
    def in_flight(self) -> int:
        """How many calls have been sent and not answered."""
        return self._in_flight

    @property
    def window_used(self) -> float | None:
        """The used share of the window; see `Window.used`."""
        return self._window.used(self._clock())

    @property
    def closed_for(self) -> float:
        """For how many seconds no call is let through, as far as is known; 0: that depends on calls in flight."""
        with self._turn:
            wait = self._window.wait(self._clock(), self._in_flight)
        return wait if math.isfinite(wait) else 0.0

    def stop(self) -> None:
        """Stop all calls: `slot` raises for those that wait or come later."""
        self._stopped.set()
        with self._turn:
            self._turn.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait for the calls in flight; returns whether all came back in time."""
        with self._turn:
            return self._turn.wait_for(lambda: self._in_flight == 0, seconds)

    def stopped_within(self, seconds: float) -> bool:
        """Wait, and return whether the limiter was stopped meanwhile: at once then."""
        return self._wait(self._stopped, seconds)

    @contextmanager
    def slot(self, stopped: Callable[[], Exception]) -> Iterator[float]:
        """Wait for a place in the window and hold it during a call; yields the time at which it was granted.

        Raises:
            Exception: what `stopped` makes, once the limiter was stopped.
        """
        with self._turn:
            while not self._stopped.is_set() and (wait := self._window.wait(self._clock(), self._in_flight)) > 0:
                if math.isfinite(wait):
                    self._on_wait(wait)
                self._wait(self._turn, min(wait, LONGEST_SLEEP))
            if self._stopped.is_set():
                raise stopped()
            self._in_flight += 1
            granted = self._clock()
        try:
            yield granted
        finally:
            with self._turn:
                self._in_flight -= 1
                self._turn.notify()

    def learn(self, rate: RateLimit, sent_at: float, *, exceeded: bool) -> None:
        """Learn from the headers of an answer before the call's slot is free again; `sent_at`: when it was granted."""
        with self._turn:
            if exceeded:
                self._window.exceeded(self._clock(), rate, sent_at)
            elif self._window.learn(self._clock(), rate, sent_at):
                self._turn.notify_all()
