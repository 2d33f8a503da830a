"""Many calls at once, on threads that outlive a batch."""

from __future__ import annotations

import multiprocessing
import time
import typing as t
from contextvars import ContextVar
from multiprocessing.pool import ThreadPool

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.pool import IMapIterator

_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")


class InParallel:
    """Runs a function on many items at once.

    The threads are daemons: after a signal they do not hold up the exit, which those of `concurrent.futures` do.
    """

    def __init__(self, threads: int, stop: Callable[[], None], grace_seconds: float) -> None:
        """Use so many threads, from the first call on.

        When it ends early, by a signal or an error, `stop` keeps what has not begun from beginning, and what has is
        waited for as long as `grace_seconds`.
        """
        self._stop = stop
        self._grace = grace_seconds
        self._threads = threads
        self._pool: ThreadPool | None = None
        self._is_worker: ContextVar[bool] = ContextVar("is_worker", default=False)

    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Begin at once, and return the results as they come, in any order; they raise the exceptions of the function.

        Not for the function itself: when every thread waited for another, none would be left to work.
        """
        if self._is_worker.get():
            raise RuntimeError("a thread of the pool must not wait for the pool")
        if self._pool is None:
            self._pool = ThreadPool(self._threads, self._is_worker.set, (True,))
        return self._results(self._pool.imap_unordered(function, items))

    def _results(self, results: IMapIterator[_Result]) -> Iterator[_Result]:
        """Yield the results as they come.

        Whatever ends it early, the results of calls that had begun are yielded first: they have to be reported.
        """
        try:
            yield from results
        except GeneratorExit:
            raise
        except BaseException:
            self._stop()
            yield from self._last(results)
            raise

    def _last(self, results: IMapIterator[_Result]) -> Iterator[_Result]:
        """Yield the results that still come within the grace."""
        deadline = time.monotonic() + self._grace
        while True:
            try:
                result = results.next(max(deadline - time.monotonic(), 0.0))
            except (StopIteration, multiprocessing.TimeoutError):
                return
            except Exception:  # noqa: BLE001, S112 - the first one, which ended it all, is raised in the end
                continue
            yield result

    def close(self) -> None:
        """Start nothing more. Threads that still run something are left alone: they are daemons."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
