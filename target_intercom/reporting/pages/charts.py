"""Charts as shapes: where bars and lines stand, in the units of their picture. The templates draw them as SVG."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.intercom.traffic import Timeline


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    """The class of its colour."""
    title: str = ""


def stacked(counts: Sequence[tuple[str, str, int]], whole: int, width: float, height: float) -> list[Bar]:
    """Return bars that stand beside each other: a name, the class of its colour and a count each.

    `whole` is the count that is as wide as the picture. What is there can be seen, however little it is.
    """
    bars, left = [], 0.0
    for name, kind, count in counts:
        if count:
            wide = min(max(1.5, width * count / max(whole, 1)), max(0.0, width - left))
            bars.append(Bar(round(left, 2), 0, round(wide, 2), height, kind, f"{count:,} {name}"))
            left += wide
    return bars


def columns(values: Sequence[tuple[float, str, str]], width: float, height: float, highest: float) -> list[Bar]:
    """Return columns from left to right: a value, the class of its colour and a title each."""
    step = width / max(len(values), 1)
    wide = step * 0.8
    bars = []
    for place, (value, kind, title) in enumerate(values):
        high = 0.0 if highest <= 0 or value <= 0 else max(1.0, height * value / highest)
        bars.append(Bar(round(place * step, 2), round(height - high, 2), round(wide, 2), round(high, 2), kind, title))
    return bars


@dataclass(frozen=True, slots=True)
class CallsChart:
    """The calls of a run over its time, and how full the rate-limit window was."""

    width: float
    height: float
    calls: Sequence[Bar]
    waits: Sequence[Bar]
    troubles: Sequence[Bar]
    """Where calls were answered 429 or had to be repeated."""
    window: Sequence[str]
    """Lines of points, one for each stretch in which answers told how full the window was."""
    limit: float
    """The height at which the run holds back."""
    most_calls: int
    seconds_each: float
    marks: Sequence[tuple[float, str]]
    """Places on the axis of time, and what they are called."""


def calls_chart(timeline: Timeline, seconds: float, limit_percent: int, width: float, height: float) -> CallsChart:
    """Return the chart of a run that took so many seconds."""
    count = max(1, min(len(timeline.parts), math.ceil(seconds / timeline.seconds)))
    parts = timeline.parts[:count]
    step = width / count
    most = max((part.calls for part in parts), default=0)
    told = [part.window for part in parts]
    return CallsChart(
        width=width,
        height=height,
        calls=columns([(part.calls, "calls", f"{part.calls:,} calls") for part in parts], width, height, most),
        waits=[
            Bar(round(place * step, 2), 0, round(step * share, 2), height, "waits", f"waited for {part.waited:.1f} s")
            for place, part in enumerate(parts)
            if (share := min(1.0, part.waited / timeline.seconds)) > 0
        ],
        troubles=[
            Bar(
                round((place + 0.5) * step, 2),
                0,
                0,
                0,
                "trouble",
                f"429: {part.rate_limited}, sent again: {part.retries}",
            )
            for place, part in enumerate(parts)
            if part.rate_limited or part.retries
        ],
        window=_lines(told, step, height),
        limit=round(height * (1 - limit_percent / 100), 2),
        most_calls=most,
        seconds_each=timeline.seconds,
        marks=_marks(count * timeline.seconds, width),
    )


def _lines(shares: Sequence[float | None], step: float, height: float) -> list[str]:
    """Return lines in steps; there is none where no answer told."""
    lines: list[list[str]] = [[]]
    for place, share in enumerate(shares):
        if share is None:
            lines.append([])
        else:
            high = f"{height * (1 - share):.1f}"
            lines[-1] += [f"{place * step:.1f},{high}", f"{(place + 1) * step:.1f},{high}"]
    return [" ".join(line) for line in lines if line]


_STEPS: t.Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two marks on the axis of time."""
_MOST_MARKS: t.Final = 6


def _marks(seconds: float, width: float) -> list[tuple[float, str]]:
    """Return some moments of a run, at a round distance."""
    step = next((one for one in _STEPS if seconds / one <= _MOST_MARKS), _STEPS[-1] * math.ceil(seconds / 86400 / 6))
    moments = range(0, math.floor(seconds) + 1, step)
    return [(round(width * moment / max(seconds, 1), 2), duration(moment)) for moment in moments]


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 10:  # noqa: PLR2004 - below, tenths say something
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    said = [(hours, "h"), (minutes, "min"), (rest, "s")]
    begun = [f"{count} {unit}" for count, unit in said if count]
    return " ".join(begun[:2]) or "0 s"
