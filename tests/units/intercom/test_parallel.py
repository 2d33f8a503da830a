from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from target_intercom.intercom.parallel import InParallel
from tests.support.loading import GUARD

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pool:
    """The threads, and what befell them."""

    def __init__(self) -> None:
        self.is_stopped = threading.Event()
        self.began: set[int] = set()
        self.in_parallel = InParallel(4, self.is_stopped.set, GUARD)

    def here(self, item: int) -> int:
        self.began.add(threading.get_ident())
        return item


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.in_parallel.close()


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 200])
def test_each_item_has_its_result(pool: Pool, count: int) -> None:
    for _ in range(3):
        assert sorted(pool.in_parallel(pool.here, range(count))) == list(range(count))
    assert len(pool.began) <= min(count, 4)
    assert threading.get_ident() not in pool.began


def test_one_item_after_the_other_takes_one_thread(pool: Pool) -> None:
    for item in range(20):
        assert list(pool.in_parallel(pool.here, [item])) == [item]
    # The one that has given its result may not be free yet when the next item comes.
    assert len(pool.began) <= 2


def test_as_many_items_as_there_are_threads_are_worked_on_at_once(pool: Pool) -> None:
    at_once = threading.Barrier(4)

    def meet(item: int) -> int:
        at_once.wait(GUARD)
        return item

    for _ in range(3):
        assert sorted(pool.in_parallel(meet, range(8))) == list(range(8))


def test_two_calls_share_the_threads(pool: Pool) -> None:
    first, second = pool.in_parallel(pool.here, range(50)), pool.in_parallel(pool.here, range(50, 100))
    assert sorted(second) == list(range(50, 100))
    assert sorted(first) == list(range(50))
    assert len(pool.began) <= 4


def test_what_a_function_raises_is_raised_after_the_results_of_what_had_begun(pool: Pool) -> None:
    def work(item: int) -> int:
        if item == 0:
            raise ValueError("no")
        assert pool.is_stopped.wait(GUARD)
        return item

    found: list[int] = []
    with pytest.raises(ValueError, match="no"):
        found.extend(pool.in_parallel(work, range(4)))
    assert sorted(found) == [1, 2, 3]


def test_a_thread_does_not_wait_for_the_others(pool: Pool) -> None:
    with pytest.raises(RuntimeError, match="must not wait"):
        list(pool.in_parallel(lambda item: list(pool.in_parallel(pool.here, [item])), [1]))
    assert not pool.began


def test_the_threads_end_with_the_pool(pool: Pool) -> None:
    before = set(threading.enumerate())
    threads: set[threading.Thread] = set()
    list(pool.in_parallel(lambda _: threads.add(threading.current_thread()), range(9)))
    assert threads
    assert not threads & before
    pool.in_parallel.close()
    for thread in threads:
        thread.join(GUARD)
        assert not thread.is_alive()
