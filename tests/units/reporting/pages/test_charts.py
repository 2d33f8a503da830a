"""Where the bars and lines of charts stand."""

from __future__ import annotations

import pytest

from target_intercom.intercom.traffic import Part, Timeline
from target_intercom.reporting.pages.charts import calls_chart, columns, duration, stacked


def test_bars_stand_beside_each_other_in_their_shares() -> None:
    bars = stacked([("created", "written", 75), ("skipped", "quiet", 0), ("invalid", "refused", 25)], 200, 1000, 14)
    assert [(bar.x, bar.width, bar.kind, bar.title) for bar in bars] == [
        (0, 375, "written", "75 created"),
        (375, 125, "refused", "25 invalid"),
    ]


def test_what_is_there_is_seen_and_nothing_leaves_the_picture() -> None:
    (one,) = stacked([("invalid", "refused", 1)], 1_000_000, 1000, 14)
    assert one.width == 1.5
    bars = stacked([(str(number), "written", 1) for number in range(2000)], 2000, 1000, 14)
    assert max(bar.x + bar.width for bar in bars) <= 1000


def test_columns_reach_up_to_the_highest() -> None:
    bars = columns([(0, "done", "a"), (5, "done", "b"), (10, "failed", "c")], 300, 50, 10)
    assert [(bar.x, bar.y, bar.height) for bar in bars] == [(0, 50, 0), (100, 25, 25), (200, 0, 50)]
    assert columns([(0, "done", "a")], 300, 50, 0)[0].height == 0


def test_the_calls_of_a_run_stand_over_its_time() -> None:
    parts = [Part(calls=4, window=0.5), Part(), Part(calls=8, window=0.9, waited=0.5, retries=1), Part(waited=1.0)]
    chart = calls_chart(Timeline(0.0, 1.0, parts), 3.0, 95, 300, 100)
    # A wait that was cut short goes beyond the end of the run.
    assert [bar.height for bar in chart.calls] == [50, 0, 100]
    assert [(bar.x, bar.width) for bar in chart.waits] == [(200, 50)]
    assert [bar.x for bar in chart.troubles] == [250]
    assert chart.window == ["0.0,50.0 100.0,50.0", "200.0,10.0 300.0,10.0"]
    assert (chart.limit, chart.most_calls, chart.seconds_each) == (5, 8, 1)
    assert chart.marks == [(0, "0 s"), (100, "1 s"), (200, "2 s"), (300, "3 s")]


@pytest.mark.parametrize("seconds", [0.01, 30.0, 5000.0, 1e6])
def test_the_axis_has_few_marks_within_the_picture(seconds: float) -> None:
    chart = calls_chart(Timeline(0.0, seconds / 100, [Part(calls=1)] * 100), seconds, 95, 1000, 100)
    assert 1 <= len(chart.marks) <= 8
    assert all(0 <= x <= 1000 for x, _ in chart.marks)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.25, "0.2 s"), (9, "9 s"), (59.6, "1 min"), (91.5, "1 min 32 s"), (7325, "2 h 2 min")],
)
def test_times_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said
