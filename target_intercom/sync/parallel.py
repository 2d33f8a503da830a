"""Calls beside each other, on threads that outlive a batch."""

from __future__ import annotations

import typing as t
from multiprocessing.pool import ThreadPool

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")


class InParallel:
    """Runs a function on many items at once.

    The threads are daemons: after a signal they do not hold up the exit, which those of `concurrent.futures` do.
    """

    def __init__(self, threads: int) -> None:
        """Use so many threads, from the first call on."""
        self._threads = threads
        self._pool: ThreadPool | None = None

    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Give the results as they come, in any order; an exception of the function is raised here."""
        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        return self._pool.imap_unordered(function, items)

    def close(self) -> None:
        """Take no more work. Threads that still run something are left to it: they are daemons."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
