"""How many of a stream's contacts one run may remove, as a decision table and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_intercom.sync.fuse import FEW, HALF, Share, too_many


def blows(marked: int, left: int, known: int, read: int, percent: int) -> bool:
    return too_many(Share("customers", marked, left, known, read), percent) is not None


def test_the_figures_are_those_of_the_design() -> None:
    assert (FEW, HALF) == (20, 50)


@pytest.mark.parametrize(
    ("marked", "left", "known", "read", "percent", "blown"),
    [
        # Nothing to remove.
        (0, 0, 0, 0, 20, False),
        (0, 0, 100, 0, 20, False),
        (0, 0, 0, 100, 0, False),
        # Up to 20 marked ones need no share.
        (20, 0, 20, 20, 20, False),
        (20, 0, 0, 20, 20, False),
        (20, 0, 20, 20, 1, False),
        (21, 0, 21, 21, 20, True),
        (21, 0, 0, 21, 20, True),
        # Exactly the percentage is allowed, one more is not.
        (21, 0, 105, 0, 20, False),
        (21, 0, 104, 0, 20, True),
        (200, 0, 1000, 0, 20, False),
        (201, 0, 1000, 0, 20, True),
        (10, 0, 1000, 0, 1, False),
        (11, 0, 1000, 0, 1, False),
        (21, 0, 1000, 0, 1, True),
        (21, 0, 2100, 0, 1, False),
        # Of the known, or of the records read if these are more.
        (200, 0, 0, 1000, 20, False),
        (201, 0, 0, 1000, 20, True),
        (200, 0, 10, 1000, 20, False),
        (200, 0, 1000, 10, 20, False),
        (201, 0, 1000, 999, 20, True),
        (201, 0, 999, 1005, 20, False),
        # Marked and left count together.
        (10, 10, 20, 20, 20, False),
        (10, 11, 100, 100, 20, True),
        (11, 10, 105, 0, 20, False),
        (100, 100, 1000, 0, 20, False),
        (100, 101, 1000, 0, 20, True),
        # Half of the known may leave, and no more, at any number.
        (0, 1, 2, 1, 20, False),
        (0, 1, 1, 1, 20, True),
        (0, 2, 3, 1, 20, True),
        (0, 5, 10, 5, 20, False),
        (0, 6, 10, 4, 20, True),
        (0, 20, 40, 20, 20, False),
        (0, 20, 39, 19, 20, True),
        (0, 20, 39, 1000, 20, True),
        (0, 1, 0, 1000, 20, True),
        # That half is of those who left, not of the marked.
        (6, 0, 10, 4, 20, False),
        (6, 5, 10, 4, 20, False),
        (1, 6, 10, 4, 20, True),
        # A higher percentage lets more leave.
        (0, 21, 42, 21, 50, False),
        (0, 22, 42, 20, 50, True),
        (0, 60, 100, 40, 60, False),
        (0, 61, 100, 39, 60, True),
        (0, 6, 10, 4, 60, False),
        (0, 7, 10, 3, 60, True),
        (0, 99, 100, 1, 99, False),
        (0, 100, 100, 1, 99, True),
        (0, 100, 100, 1, 100, False),
        (0, 1, 1, 1, 100, False),
        (1000, 0, 1000, 1000, 100, False),
        (500, 500, 1000, 0, 100, False),
        # A low one does not: half is half.
        (0, 5, 10, 5, 1, False),
        (0, 6, 10, 4, 1, True),
    ],
)
def test_the_fuse(marked: int, left: int, known: int, read: int, percent: int, blown: bool) -> None:
    assert blows(marked, left, known, read, percent) is blown


def test_it_says_how_many_of_how_many_and_which_setting_to_raise() -> None:
    said = too_many(Share("customers", 12, 345, 1000, 678), 20)
    assert said is not None
    assert "Stream 'customers': 357 contacts would be removed (12 marked as deleted, 345 missing)" in said
    assert "of 1000 known before and 678 records read" in said
    assert "'max_removal_percent' (20)" in said
    assert "none was removed" in said


counts = st.integers(0, 300)
percents = st.integers(1, 100)


@given(marked=counts, left=counts, known=counts, read=counts, percent=percents)
def test_a_higher_percentage_allows_no_less(marked: int, left: int, known: int, read: int, percent: int) -> None:
    if not blows(marked, left, known, read, percent):
        assert not blows(marked, left, known, read, min(percent + 1, 100))


@given(marked=counts, left=counts, known=counts, read=counts, percent=percents)
def test_fewer_removals_are_no_less_allowed(marked: int, left: int, known: int, read: int, percent: int) -> None:
    if not blows(marked, left, known, read, percent):
        assert not blows(max(marked - 1, 0), left, known, read, percent)
        assert not blows(marked, max(left - 1, 0), known, read, percent)


@given(left=counts, known=counts, extra=counts)
def test_all_that_are_known_may_leave_at_a_hundred_percent(left: int, known: int, extra: int) -> None:
    assert not blows(0, min(left, known), known, extra, 100)


@given(marked=counts, left=counts, known=counts, read=counts, percent=percents)
def test_it_is_as_the_design_words_it(marked: int, left: int, known: int, read: int, percent: int) -> None:
    beyond_share = marked + left > 20 and (marked + left) / max(known, read, 1) > percent / 100 + 1e-9
    beyond_half = left > 0 and left / max(known, 0.5) > max(0.5, percent / 100) + 1e-9
    assert blows(marked, left, known, read, percent) is (beyond_share or beyond_half)
