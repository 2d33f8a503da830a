"""Many calls at once, on threads that outlive a batch."""

from __future__ import annotations

import queue
import threading
import time
import typing as t
from collections import deque
from contextvars import ContextVar
from functools import partial

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")


class _Results(t.Generic[_Result]):
    """What comes of the items of a call."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        """How many have not been taken yet."""
        self._ended: queue.SimpleQueue[tuple[_Result, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def work(self, function: Callable[[], _Result]) -> None:
        """Call a function, and keep its result or what it raises."""
        try:
            self._ended.put((function(), None))
        except BaseException as error:  # noqa: BLE001 - raised where the results are taken
            self._ended.put((None, error))

    def next(self, seconds: float | None = None) -> _Result:
        """Wait for the next result, and return it or raise what its function has raised.

        Raises:
            queue.Empty: none came within so many seconds.
        """
        result, error = self._ended.get(timeout=seconds)
        self.expected -= 1
        if error is not None:
            raise error
        return t.cast("_Result", result)


class InParallel:
    """Runs a function on many items at once.

    The threads are daemons: after a signal they do not hold up the exit, which those of `concurrent.futures` do.
    """

    def __init__(self, threads: int, stop: Callable[[], None], grace_seconds: float) -> None:
        """Use so many threads at most; each is started when there is something to do that no other is free for.

        When it ends early, by a signal or an error, `stop` keeps what has not begun from beginning, and what has is
        waited for as long as `grace_seconds`.
        """
        self._stop = stop
        self._grace = grace_seconds
        self._most = threads
        self._started = 0
        self._free = 0
        """How many threads wait for something to do, or are about to."""
        self._is_closed = False
        self._to_do: deque[Callable[[], None]] = deque()
        self._turn = threading.Condition()
        self._is_worker: ContextVar[bool] = ContextVar("is_worker", default=False)

    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Begin at once, and return the results as they come, in any order; they raise the exceptions of the function.

        Not for the function itself: when every thread waited for another, none would be left to work.
        """
        if self._is_worker.get():
            raise RuntimeError("a thread of the pool must not wait for the pool")
        calls = [partial(function, item) for item in items]
        results: _Results[_Result] = _Results(len(calls))
        with self._turn:
            self._to_do.extend(partial(results.work, call) for call in calls)
            self._turn.notify(len(calls))
        self._grow()
        return self._yielded(results)

    def _grow(self) -> None:
        """Start a thread if there is more to do than the others are free for.

        Each starts the next: whoever waits for the results looks at the first ones meanwhile.
        """
        with self._turn:
            if len(self._to_do) <= self._free or self._started == self._most:
                return
            self._started += 1
            self._free += 1
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        """Do one thing after the other."""
        self._is_worker.set(True)
        while (work := self._next()) is not None:
            self._grow()
            work()
            with self._turn:
                self._free += 1

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do; None: nothing comes any more."""
        with self._turn:
            while not self._to_do and not self._is_closed:
                self._turn.wait()
            self._free -= 1
            return self._to_do.popleft() if self._to_do else None

    def _yielded(self, results: _Results[_Result]) -> Iterator[_Result]:
        """Yield the results as they come.

        Whatever ends it early, the results of calls that had begun are yielded first: they have to be reported.
        """
        try:
            while results.expected:
                yield results.next()
        except GeneratorExit:
            raise
        except BaseException:
            self._stop()
            yield from self._last(results)
            raise

    def _last(self, results: _Results[_Result]) -> Iterator[_Result]:
        """Yield the results that still come within the grace."""
        deadline = time.monotonic() + self._grace
        while results.expected:
            try:
                result = results.next(max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                return
            except Exception:  # noqa: BLE001, S112 - the first one, which ended it all, is raised in the end
                continue
            yield result

    def close(self) -> None:
        """Start nothing more. Threads that still run something are left alone: they are daemons."""
        with self._turn:
            self._is_closed = True
            self._turn.notify_all()
