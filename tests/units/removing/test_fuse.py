"""How many of a stream's contacts one run may remove, as a decision table and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_intercom.sync.removing.fuse import FEW, HALF, Share, too_many


def blows(marked: int, missing: int, known: int | None, percent: int) -> bool:
    return too_many(Share("customers", marked, missing, known), percent) is not None


def test_the_figures_are_those_of_the_design() -> None:
    assert (FEW, HALF) == (20, 50)


@pytest.mark.parametrize(
    ("marked", "missing", "known", "percent", "blown"),
    [
        # Nothing to remove.
        (0, 0, 0, 20, False),
        (0, 0, 100, 20, False),
        (0, 0, None, 1, False),
        # Up to 20 marked ones need no share.
        (20, 0, 20, 20, False),
        (20, 0, 20, 1, False),
        (21, 0, 21, 20, True),
        # Exactly the percentage is allowed, one more is not.
        (21, 0, 105, 20, False),
        (21, 0, 104, 20, True),
        (200, 0, 1000, 20, False),
        (201, 0, 1000, 20, True),
        (10, 0, 1000, 1, False),
        (11, 0, 1000, 1, False),
        (21, 0, 1000, 1, True),
        (21, 0, 2100, 1, False),
        # Where no run has succeeded, up to 20 go, and no more.
        (20, 0, None, 20, False),
        (0, 20, None, 20, False),
        (21, 0, None, 20, True),
        (0, 21, None, 99, True),
        (0, 1000, None, 100, False),
        # Marked and missing count together.
        (10, 10, 20, 20, False),
        (10, 11, 100, 20, True),
        (11, 10, 105, 20, False),
        (100, 100, 1000, 20, False),
        (100, 101, 1000, 20, True),
        # Half of the known may be missing, and no more, at any number.
        (0, 1, 2, 20, False),
        (0, 1, 1, 20, True),
        (0, 2, 3, 20, True),
        (0, 5, 10, 20, False),
        (0, 6, 10, 20, True),
        (0, 20, 40, 20, False),
        (0, 20, 39, 20, True),
        (0, 1, 0, 20, True),
        # That half is of the missing, not of the marked.
        (6, 0, 10, 20, False),
        (6, 5, 10, 20, False),
        (1, 6, 10, 20, True),
        # A higher percentage lets more be missing.
        (0, 21, 42, 50, False),
        (0, 22, 42, 50, True),
        (0, 60, 100, 60, False),
        (0, 61, 100, 60, True),
        (0, 6, 10, 60, False),
        (0, 7, 10, 60, True),
        (0, 99, 100, 99, False),
        (0, 100, 100, 99, True),
        # At a hundred there is no fuse.
        (0, 100, 100, 100, False),
        (0, 1, 0, 100, False),
        (1000, 0, 10, 100, False),
        # A low one does not: half is half.
        (0, 5, 10, 1, False),
        (0, 6, 10, 1, True),
    ],
)
def test_the_fuse(marked: int, missing: int, known: int | None, percent: int, blown: bool) -> None:
    assert blows(marked, missing, known, percent) is blown


def test_it_says_how_many_of_how_many_and_which_setting_to_raise() -> None:
    said = too_many(Share("customers", 12, 345, 1000), 20)
    assert said is not None
    assert "Stream 'customers': 357 contacts would be removed (12 marked as deleted, 345 missing)" in said
    assert "it had 1000 when its last run succeeded" in said
    assert "'max_removal_percent' (20)" in said
    assert "none was removed" in said
    assert "no run of the stream has succeeded yet" in (too_many(Share("customers", 21, 0, None), 20) or "")


counts = st.integers(0, 300)
bases = st.none() | counts
percents = st.integers(1, 100)


@given(marked=counts, missing=counts, known=bases, percent=percents)
def test_a_higher_percentage_allows_no_less(marked: int, missing: int, known: int | None, percent: int) -> None:
    if not blows(marked, missing, known, percent):
        assert not blows(marked, missing, known, min(percent + 1, 100))


@given(marked=counts, missing=counts, known=bases, percent=percents)
def test_fewer_removals_are_no_less_allowed(marked: int, missing: int, known: int | None, percent: int) -> None:
    if not blows(marked, missing, known, percent):
        assert not blows(max(marked - 1, 0), missing, known, percent)
        assert not blows(marked, max(missing - 1, 0), known, percent)


@given(marked=counts, missing=counts, known=counts, percent=st.integers(1, 99))
def test_it_is_as_the_design_words_it(marked: int, missing: int, known: int, percent: int) -> None:
    beyond_share = marked + missing > 20 and (marked + missing) / max(known, 0.5) > percent / 100 + 1e-9
    beyond_half = missing > 0 and missing / max(known, 0.5) > max(0.5, percent / 100) + 1e-9
    assert blows(marked, missing, known, percent) is (beyond_share or beyond_half)
