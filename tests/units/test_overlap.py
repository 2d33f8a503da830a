"""Batches that overlap: which waits for which, and how many there are at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_intercom.sync.overlap import MOST_RECORDS, Overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sync.overlap import Names, Work

CONTACTS, COMPANIES = "contacts", "companies"


class Diary:
    """What batches do, one after the other; a clock that shows how much that was."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.before: dict[str, list[str]] = {}
        """What had been done when a batch had asked Intercom what it needs to know."""
        self.overlap = Overlap(lambda: float(len(self.lines)))

    def begin(self, name: str, names: str = "", *, records: int = 1, kind: str = CONTACTS, waits: int = 1) -> None:
        """Begin with a batch that has a letter of `names` for each name, and waits so often."""
        self.overlap.begin(self._work(name, frozenset(names), waits), kind, records)

    def _work(self, name: str, names: Names, waits: int) -> Work:
        self.overlap.end_sharing(lambda: names)
        self.before[name] = list(self.lines)
        yield lambda: names
        self.lines.append(f"{name} is sent")
        for _ in range(waits):
            yield lambda: names
        self.lines.append(f"{name} ends")


@pytest.fixture
def diary() -> Diary:
    return Diary()


def test_a_batch_that_waits_for_no_job_ends_at_once(diary: Diary) -> None:
    diary.begin("first", waits=0)
    assert diary.lines == ["first is sent", "first ends"]


def test_batches_that_share_nothing_overlap_and_end_in_the_order_of_the_pipe(diary: Diary) -> None:
    diary.begin("first", "ab", waits=2)
    diary.begin("second", "cd")
    diary.overlap.end_all()
    assert diary.lines == ["first is sent", "second is sent", "first ends", "second ends"]


def test_a_batch_that_shares_a_name_waits_for_those_up_to_the_last_that_has_it(diary: Diary) -> None:
    diary.begin("first", "a")
    diary.begin("second", "b")
    diary.begin("third", "c")
    diary.begin("fourth", "be")
    assert diary.lines[3:] == ["first ends", "second ends", "fourth is sent"]


def test_batches_of_different_kinds_do_not_overlap(diary: Diary) -> None:
    diary.begin("first", "a", kind=COMPANIES)
    diary.begin("second", "b", kind=CONTACTS)
    assert diary.lines == ["first is sent", "first ends", "second is sent"]


def test_there_are_no_more_records_under_way_than_memory_is_meant_for(diary: Diary) -> None:
    some = MOST_RECORDS // 2
    diary.begin("first", "a", records=some)
    diary.begin("second", "b", records=some)
    assert diary.lines == ["first is sent", "second is sent"]
    diary.begin("third", "c", records=1)
    assert diary.lines[2:] == ["first ends", "third is sent"]
    # While it waits for answers, there is something to do.
    assert diary.before["third"] == ["first is sent", "second is sent"]
    diary.begin("huge", "d", records=2 * MOST_RECORDS)
    assert diary.lines[4:] == ["second ends", "third ends", "huge is sent"]
    diary.begin("last", "e", records=1)
    assert diary.lines[7:] == ["huge ends", "last is sent"]


def test_it_is_known_when_the_oldest_batch_under_way_began(diary: Diary) -> None:
    assert diary.overlap.began == 0
    diary.begin("first", "a")
    diary.begin("second", "b")
    assert diary.overlap.began == 0
    diary.begin("third", "a")
    assert diary.overlap.began == 1


def test_names_are_asked_for_only_if_there_are_others(diary: Diary) -> None:
    asked: list[str] = []

    def names(name: str) -> Callable[[], Names]:
        def find() -> Names:
            asked.append(name)
            return frozenset({name})

        return find

    def work(name: str) -> Work:
        diary.overlap.end_sharing(names(name))
        yield names(name)
        yield names(name)

    diary.overlap.begin(work("first"), CONTACTS, 1)
    assert asked == []
    diary.overlap.begin(work("second"), CONTACTS, 1)
    assert asked == ["second", "first"]


def test_what_a_batch_fails_on_ends_the_run_and_the_others_stay_as_they_are(diary: Diary) -> None:
    def failing() -> Iterator[Callable[[], Names]]:
        yield lambda: frozenset("a")
        yield lambda: frozenset("a")
        raise RuntimeError("broken")

    left: list[str] = []

    def waiting() -> Iterator[Callable[[], Names]]:
        try:
            yield lambda: frozenset("b")
            yield lambda: frozenset("b")
        finally:
            left.append("left")

    diary.overlap.begin(failing(), CONTACTS, 1)
    diary.overlap.begin(waiting(), CONTACTS, 1)
    with pytest.raises(RuntimeError, match="broken"):
        diary.overlap.end_all()
    assert left == []
    diary.overlap.close()
    diary.overlap.end_all()
    assert left == ["left"]
