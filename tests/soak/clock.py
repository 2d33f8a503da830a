"""A time of our own: it passes when somebody waits, or calls, and nobody really waits for it."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import target_intercom.run.run  # noqa: F401 - and with it all modules of a run
from target_intercom.intercom.clock import Clock
from target_intercom.intercom.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "target_intercom."
CLOCKS = ("target_intercom.intercom.clock", "target_intercom.sandbox.")
"""Modules that are asked for the machine's time, or are handed a clock."""
START = 1_780_000_000.0
A_MOMENT = 0.0005
"""So long is really waited: for a thread beside this one, which may be about to do what is waited for."""


class SwiftClock(Clock):
    """Shows the same times whenever the same is done."""

    def __init__(self) -> None:
        self._now = START
        self._turn = threading.Lock()

    def time(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def wait(self, what: threading.Event | threading.Condition, seconds: float) -> bool:
        if what.wait(min(A_MOMENT, seconds)):
            return True
        self.pass_by(seconds)
        return False

    def pass_by(self, seconds: float) -> None:
        """Be so much later."""
        with self._turn:
            self._now += seconds


@contextmanager
def all_follow(clock: SwiftClock) -> Iterator[None]:
    """Have the target go by a clock: the transport, and whatever else asks the module `time`."""
    before = Transport.clock
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith(OURS) and not name.startswith(CLOCKS) and vars(module).get("time") is time
    ]
    shown = SimpleNamespace(time=clock.time, monotonic=clock.monotonic, sleep=clock.pass_by)
    Transport.clock = clock
    for module in modules:
        vars(module)["time"] = shown
    try:
        yield
    finally:
        Transport.clock = before
        for module in modules:
            vars(module)["time"] = time
