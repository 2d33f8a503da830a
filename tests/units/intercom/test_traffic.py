"""The calls of a run over its time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom.intercom.traffic import Timeline, Traffic


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_calls_stand_in_the_part_of_the_run_in_which_they_were_sent() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    for after, calls in ((0.0, 2), (0.3, 1), (1.0, 3)):
        clock.now = 1000.0 + after
        for _ in range(calls):
            traffic.called("GET /me")
    traffic.retried()
    traffic.limited()
    for share in (0.5, 0.25, None):
        traffic.filled(share)
    timeline = traffic.timeline()
    assert [part.calls for part in timeline.parts] == [2, 1, 0, 0, 3]
    assert [part.window for part in timeline.parts] == [None, None, None, None, 0.5]
    assert (timeline.parts[4].retries, timeline.parts[4].rate_limited) == (1, 1)


def test_parts_become_longer_with_the_run_and_nothing_is_lost() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    for second in range(0, 3600, 10):
        clock.now = 1000.0 + second
        traffic.called("GET /me")
        traffic.filled(second / 3600)
    timeline = traffic.timeline()
    assert timeline.seconds == 32.0
    assert sum(part.calls for part in timeline.parts) == traffic.calls == 360
    shares = [part.window for part in timeline.parts if part.window is not None]
    assert shares == sorted(shares)


def test_a_wait_is_in_all_parts_that_it_covers_and_counts_once() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    clock.now += 0.1
    traffic.waits(1.0)
    traffic.waits(0.5)
    assert [part.waited for part in traffic.timeline().parts] == pytest.approx([0.15, 0.25, 0.25, 0.25, 0.1])
    assert traffic.waited_seconds == pytest.approx(1.0)


def test_what_is_returned_does_not_change_any_more() -> None:
    traffic = Traffic(Clock())
    traffic.called("GET /me")
    timeline = traffic.timeline()
    traffic.called("GET /me")
    assert timeline.parts[0].calls == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), max_size=20))
def test_all_seconds_of_waits_are_in_the_parts(waits: list[tuple[float, float]]) -> None:
    timeline = Timeline(0.0)
    for start, seconds in waits:
        timeline.wait(start, start + seconds)
    assert len(timeline.parts) <= 120
    assert sum(part.waited for part in timeline.parts) == pytest.approx(sum(seconds for _, seconds in waits), abs=1e-3)
