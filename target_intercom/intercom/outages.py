"""Whether Intercom or a call is to blame for a failure: judged by operation (method and path), with no I/O.

A maintenance may take one part of Intercom down while the others answer. So an operation that has answered no call
since its failures began is out: that may pass, and few calls ask whether it has. A call that keeps failing while
others of its operation are answered is to blame itself.
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
import random
import threading
import typing as t
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass

from target_intercom.intercom.clock import LONGEST_SLEEP, MACHINE

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_FAILURES: t.Final = 5
"""Failures after which a call may be to blame itself."""
_FAILURES_OF_MANY: t.Final = 3
"""The same of a call about many things: what it asks for is asked in parts then."""


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long failures are borne, in seconds."""

    first_pause: float = 1.0
    """Before a call is tried again, at most; it doubles from there."""
    longest_pause: float = 20.0
    start: float = 45.0
    """An outage where nothing was ever answered: the settings or the network may be wrong."""
    outage: float = 600.0
    poison: float = 60.0
    """A call that fails for a shorter time is not given up, however often it does."""
    limited: float = 900.0
    """A call that gets nothing but 429 for so long is given up."""

    def pause(self, failures: int) -> float:
        """Return the longest pause after so many failures."""
        return min(self.longest_pause, self.first_pause * 2.0 ** min(max(failures - 1, 0), 32))


@dataclass(slots=True, eq=False)
class Tries:
    """The failures of one call. They add up while it is sent again, as another request too."""

    about: str = ""
    """A hash of the operation and of what the call is about: the same in every run."""
    failures: int = 0
    began: float = math.inf
    """When it first failed."""
    paced: float = 0.0
    """Seconds since then for which the rate limit kept it waiting."""

    def failed(self, now: float) -> None:
        """Count a failure."""
        if not self.failures:
            self.began, self.paced = now, 0.0
        self.failures += 1

    def has_failed_enough(self, now: float, retry_limits: RetryLimits) -> bool:
        """Check whether it is to blame, provided that its operation works."""
        return self.failures >= _FAILURES and now - self.began - self.paced >= retry_limits.poison

    @property
    def may_be_to_blame(self) -> bool:
        """Whether it is worth to ask for a part of it, or for something else."""
        return self.failures >= _FAILURES_OF_MANY

    def stand_in(self, choice: int) -> int | None:
        """Return which of so many stand-ins is to be sent in its place next: all in turn; None: itself."""
        turn = (self.failures - _FAILURES_OF_MANY) % (choice + 1)
        return turn if self.may_be_to_blame and turn < choice else None


class AfterFailure(enum.Enum):
    """The decision about a call that failed."""

    AGAIN = enum.auto()
    """The call is to be tried again."""
    GIVE_UP = enum.auto()
    """The call is to blame."""
    OUTAGE = enum.auto()
    """The operation was out for too long."""


class Health:
    """The failures and answers of an operation. Pure: it is given the time, and decides."""

    def __init__(self, retry_limits: RetryLimits, jitter: Callable[[float], float]) -> None:
        """`jitter` shortens a pause by chance, so that several processes do not ask at the same moment."""
        self._retry_limits = retry_limits
        self._jitter = jitter
        self._answered_at = -math.inf
        self._since = math.inf
        self._rounds = 0
        self._round_at = -math.inf
        self._not_before = -math.inf
        self._probes = 0
        self._suspects: set[Tries] = set()

    @property
    def is_out(self) -> bool:
        """Whether calls wait for one that asks: one that was sent after the failures began has failed, too."""
        return self._rounds > 1

    def wait(self, now: float) -> float:
        """Return for how long the next call is held back; infinite: until the one that asks has come back."""
        if not self.is_out:
            return 0.0
        return math.inf if self._probes else max(0.0, self._not_before - now)

    def send(self) -> bool:
        """Record that a call is sent; returns whether others wait for it."""
        self._probes += self.is_out
        return self.is_out

    def come_back(self, *, probe: bool) -> None:
        """Record that a call is not under way any more."""
        self._probes -= probe

    def answered(self, now: float) -> None:
        """Record that a call was answered, whatever the answer says."""
        self._answered_at = now
        self._since, self._rounds = math.inf, 0
        self._suspects.clear()

    def failed(self, now: float, tries: Tries, sent_at: float) -> None:
        """Record that a call, which was sent at a time, failed."""
        tries.failed(now)
        if not self._rounds:
            self._since = now
            self._begin_round(now)
        elif sent_at >= self._round_at:
            # Time in which no call was ready, or the rate limit held calls back, does not count.
            self._since += max(0.0, sent_at - self._not_before)
            self._begin_round(now)
        if tries.began > self._answered_at:
            self._suspects.add(tries)

    def _begin_round(self, now: float) -> None:
        self._rounds += 1
        self._round_at = now
        self._not_before = now + self._jitter(self._retry_limits.pause(self._rounds))

    def pause(self, tries: Tries) -> float:
        """Return how long a call that failed is to wait, before it waits for its turn."""
        return 0.0 if self.is_out or not tries.failures else self._jitter(self._retry_limits.pause(tries.failures))

    def suspects(self, tries: Tries) -> bool:
        """Check whether no other call has been answered since this one began to fail."""
        return tries in self._suspects

    def is_alone(self, tries: Tries) -> bool:
        """Check whether this is the only call that began to fail since the last answer."""
        return self._suspects == {tries}

    def judge(self, now: float, tries: Tries, limit: float, *, many: bool = False, known: bool = False) -> AfterFailure:
        """Decide what follows from a call's last failure.

        The operation works where another call was answered since this one began to fail, and none began to fail since
        that answer.

        Args:
            now: the time.
            tries: the call's failures.
            limit: how long the operation may be out.
            many: the call can be made in parts.
            known: the call has ended two runs in a row, each time alone.
        """
        is_enough = tries.has_failed_enough(now, self._retry_limits)
        if not self._suspects:
            return AfterFailure.GIVE_UP if is_enough or (many and tries.may_be_to_blame) else AfterFailure.AGAIN
        if known and is_enough and self.is_alone(tries):
            return AfterFailure.GIVE_UP
        is_over = max(now, self._not_before) - self._since >= limit
        return AfterFailure.OUTAGE if self.is_out and is_over else AfterFailure.AGAIN


class Outages:
    """Lets calls through to operations that work, and one at a time to those that are out; safe from any thread."""

    def __init__(
        self,
        retry_limits: RetryLimits,
        *,
        clock: Callable[[], float] = MACHINE.monotonic,
        wait: Callable[[threading.Condition, float], bool] = MACHINE.wait,
        on_wait: Callable[[str, float], None] = lambda _name, _seconds: None,
    ) -> None:
        """`on_wait` hears of every wait for an operation that is out: which, and for how many seconds."""
        self._retry_limits = retry_limits
        self._clock = clock
        self._wait = wait
        self._on_wait = on_wait
        self._operations: defaultdict[str, Health] = defaultdict(lambda: Health(retry_limits, _shortened))
        self._turn = threading.Condition()
        self._is_stopped = False
        self._has_answered = False
        self._known: frozenset[str] = frozenset()
        self.ended_by: str | None = None
        """The call (its hash) that failed alone until its operation was given up."""
        self.worked: set[str] = set()
        """Calls that have ended runs before, and that were answered in this one."""
        self._noted: frozenset[str] = frozenset()

    @property
    def has_answered(self) -> bool:
        """Whether any call was ever answered."""
        return self._has_answered

    def remember(self, noted: Collection[str], known: Collection[str]) -> None:
        """Keep what calls were about that have ended runs alone; `known` did so twice in a row."""
        self._noted, self._known = frozenset(noted), frozenset(known)

    def stop(self) -> None:
        """Stop all calls: `turn` raises for those that wait or come later."""
        with self._turn:
            self._is_stopped = True
            self._turn.notify_all()

    @property
    def has_notes(self) -> bool:
        """Whether any call has ended a run alone."""
        return bool(self._noted)

    @contextmanager
    def turn(self, name: str, tries: Tries, stopped: Callable[[], Exception]) -> Iterator[Turn]:
        """Wait until a call of an operation may be sent, and hold its place until it has come back.

        Raises:
            Exception: what `stopped` makes, once it was stopped.
        """
        operation = self._operations[name]
        with self._turn:
            while not self._is_stopped and (wait := operation.wait(self._clock())) > 0:
                if math.isfinite(wait):
                    self._on_wait(name, wait)
                self._wait(self._turn, min(wait, LONGEST_SLEEP))
            if self._is_stopped:
                raise stopped()
            probe = operation.send()
        try:
            yield Turn(self, operation, tries)
        finally:
            with self._turn:
                operation.come_back(probe=probe)
                self._turn.notify_all()

    def pause(self, name: str, tries: Tries) -> float:
        """Return how long a call that failed is to wait, before it waits for its turn."""
        with self._turn:
            return self._operations[name].pause(tries)

    def suspects(self, name: str, tries: Tries) -> bool:
        """Check whether no other call of an operation has been answered since this one began to fail."""
        with self._turn:
            return self._operations[name].suspects(tries)

    def judge(self, name: str, tries: Tries, *, many: bool = False) -> AfterFailure:
        """Decide what follows from a call's last failure; see `Health.judge`."""
        limit = self._retry_limits.outage if self._has_answered else self._retry_limits.start
        with self._turn:
            operation = self._operations[name]
            verdict = operation.judge(self._clock(), tries, limit, many=many, known=tries.about in self._known)
            if verdict is AfterFailure.OUTAGE and operation.is_alone(tries):
                self.ended_by = tries.about
            return verdict

    def note_answer(self, operation: Health) -> None:
        """Record that a call was answered."""
        with self._turn:
            self._has_answered = True
            operation.answered(self._clock())

    def note_work(self, about: str) -> None:
        """Keep what a call was about that was answered, where it has ended a run before."""
        with self._turn:
            self.worked |= self._noted & {about}

    def note_failure(self, operation: Health, tries: Tries, sent_at: float) -> None:
        """Record that a call failed which was sent at a time."""
        with self._turn:
            operation.failed(self._clock(), tries, sent_at)


@dataclass(frozen=True, slots=True)
class Turn:
    """A call's place among those of its operation."""

    outages: Outages
    operation: Health
    tries: Tries

    def answered(self) -> None:
        """Record that the call was answered, whatever the answer says."""
        self.outages.note_answer(self.operation)

    def failed(self, sent_at: float) -> None:
        """Record that the call failed; it was sent at a time."""
        self.outages.note_failure(self.operation, self.tries, sent_at)


def about(operation: str, *parts: object) -> str:
    """Return a hash of an operation and of what a call is about: no value can be read from it."""
    text = json.dumps([operation, *parts], default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _shortened(pause: float) -> float:
    return random.uniform(0.5, 1.0) * pause
