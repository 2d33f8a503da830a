"""The page of a run: what its report, its calls and the runs before it come to, in the words of people."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from target_intercom.reporting.pages.charts import Bar, CallsChart, calls_chart, columns, duration, stacked
from target_intercom.reporting.pages.meanings import explanation_of, meaning_of
from target_intercom.reporting.report import BESIDE

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_intercom.intercom.traffic import Timeline
    from target_intercom.reporting.ended_run import EndedRun
    from target_intercom.reporting.pages.meanings import Reason

WIDTH: t.Final = 1000
"""Of a chart, in its own units: it is drawn as wide as the page."""
_CALLS_HEIGHT: t.Final = 160
_HISTORY_WIDTH, _HISTORY_HEIGHT = 240, 56
_SHOWN_RUNS: t.Final = 30

KINDS: t.Final = {
    "updated": "changed",
    "archived": "removed",
    "deleted": "removed",
    "left": "removed",
    "untagged": "removed",
    "detached": "removed",
    "unarchived": "removed",
    "unchanged": "quiet",
    "merged": "quiet",
    "skipped": "quiet",
    "invalid": "refused",
    "rejected": "refused",
}
"""The classes of the colours of outcomes; what all others have in common is that something was made."""
_IN_WORDS: t.Final = {
    "left": "removed, missing from the source",
    "unarchived": "left unarchived",
    **{result.value: words for result, words in BESIDE.items()},
}
"""Counts beside the sum, which are not of records."""


@dataclass(frozen=True)
class RunFacts:
    """What the page of a run is made of; nothing in it is personal data."""

    report: Mapping[str, t.Any]
    """As report.json has it."""
    ended: EndedRun
    timeline: Timeline
    rate_limit_percent: int
    why: Sequence[str] = ()
    """What ended a run that failed, as the log says it."""
    error: str | None = None
    """The class of that error."""
    workspace: str | None = None
    """None: it was not reached."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """By stream: what its records are."""
    warnings: Sequence[str] = ()
    settings: Sequence[Setting] = ()
    stream_settings: Mapping[str, Sequence[Setting]] = field(default_factory=dict)
    """By stream: those that are its own."""
    history: Sequence[EndedRun] = ()
    """The runs of the workspace, the latest last."""
    has_ledger: bool = True
    files: Mapping[str, str] = field(default_factory=dict)
    """What lies beside the page: names of files, by what they hold."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting and its value, without secrets."""

    name: str
    value: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """A count and what it counts."""

    name: str
    count: int
    kind: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream, or all streams of a kind."""

    name: str
    kind: str
    read: int
    bars: Sequence[Bar]
    figures: Sequence[Figure]
    beside: Sequence[Figure]
    settings: Sequence[Setting] = ()


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Why records were skipped or refused."""

    result: str
    reason: str
    count: int
    streams: Sequence[tuple[str, int]]
    known: Reason | None
    """None: the code is Intercom's own."""


@dataclass(frozen=True, slots=True)
class HistoryChart:
    """A figure of the last runs."""

    name: str
    bars: Sequence[Bar]
    now: str
    highest: str
    usual: str
    """The median of the runs before."""


def report_view(facts: RunFacts) -> dict[str, t.Any]:
    """Return what the template of a run shows."""
    report, ended = facts.report, facts.ended
    streams = [_stream(name, counts, facts) for name, counts in report["streams"].items()]
    return {
        "facts": facts,
        "run": report["run_id"],
        "title": _title(facts),
        "status": "dry" if report["dry_run"] and not ended.exit_code else report["status"],
        "sentence": _sentence(facts),
        "why": list(facts.why),
        "explained": explanation_of(facts.why[0], facts.error) if facts.why else None,
        "began": moment(ended.started_at),
        "took": duration(ended.seconds),
        "streams": streams,
        "totals": _totals(report["streams"], facts),
        "reasons": list(_reasons(report["streams"])),
        "lost": list(_lost(report["streams"])),
        "warnings": [(text, explanation_of(text)) for text in facts.warnings],
        "calls": _calls(report["api"]["calls"]),
        "chart": _chart(facts),
        "waited": duration(report["api"]["waited_seconds"]),
        "history": list(_history(facts)) if len(facts.history) > 1 else [],
        "runs": [(run, duration(run.seconds), moment(run.started_at)) for run in _shown(facts.history)[::-1]],
    }


def _title(facts: RunFacts) -> str:
    ended, name = facts.ended, "dry run" if facts.report["dry_run"] else "run"
    if ended.exit_code > 128:  # noqa: PLR2004 - as shells have it
        return f"The {name} was stopped by a signal"
    return f"The {name} failed" if ended.exit_code else f"The {name} succeeded"


def _sentence(facts: RunFacts) -> str:
    """Return in a sentence or two what happened."""
    streams: Mapping[str, Mapping[str, t.Any]] = facts.report["streams"]
    took = duration(facts.ended.seconds)
    if not streams:
        return f"No record was processed ({took})."
    outcomes = Counter[str]()
    beside = Counter[str]()
    for counts in streams.values():
        of_records, others = _split(counts)
        outcomes.update(of_records)
        beside.update(others)
    done = [f"{count:,} {name}" for name, count in outcomes.items() if count]
    more = [f"{count:,} {_IN_WORDS.get(name, name)}" for name, count in beside.items() if count]
    what = f"{_count(outcomes.total(), 'record')} of {_count(len(streams), 'stream')}"
    said = f"{what} were read in {took}" + (f": {', '.join(done)}" if done else "") + "."
    if more:
        said += f" In addition: {', '.join(more)}."
    return f"Nothing was written; this is what a run would do. {said}" if facts.report["dry_run"] else said


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _split(counts: Mapping[str, t.Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Return what became of records, whose sum is `read`, and the counts that stand beside it.

    In the report, `left` is the first of the others.
    """
    figures = [(name, count) for name, count in counts.items() if isinstance(count, int) and name != "read"]
    names = [name for name, _ in figures]
    end = names.index("left") if "left" in names else len(names)
    return dict(figures[:end]), dict(figures[end:])


def _stream(name: str, counts: Mapping[str, t.Any], facts: RunFacts) -> StreamRow:
    most = max((stream["read"] for stream in facts.report["streams"].values()), default=0)
    return _row(name, facts.kinds.get(name, ""), counts, most, facts.stream_settings.get(name, ()))


def _row(name: str, kind: str, counts: Mapping[str, t.Any], most: int, settings: Sequence[Setting] = ()) -> StreamRow:
    outcomes, beside = _split(counts)
    return StreamRow(
        name=name,
        kind=kind,
        read=counts["read"],
        bars=stacked([(one, KINDS.get(one, "written"), count) for one, count in outcomes.items()], most, WIDTH, 14),
        figures=_figures(outcomes, counts["read"]),
        beside=_figures(beside, counts["read"]),
        settings=settings,
    )


def _figures(counts: Mapping[str, int], whole: int) -> list[Figure]:
    return [
        Figure(name, count, kind, bar)
        for name, count in counts.items()
        if count
        for kind in [KINDS.get(name, "written")]
        for bar in stacked([(name, kind, count)], whole, 100, 8)
    ]


def _totals(streams: Mapping[str, Mapping[str, t.Any]], facts: RunFacts) -> list[StreamRow]:
    """Return the sums of each kind, where it has several streams."""
    sums: dict[str, Counter[str]] = {}
    names: Counter[str] = Counter()
    for name, counts in streams.items():
        kind = facts.kinds.get(name, "")
        names[kind] += 1
        total = sums.setdefault(kind, Counter())
        for one, count in counts.items():
            if isinstance(count, int):
                total[one] += count
    return [
        _row(_count(names[kind], "stream"), kind, total, total["read"])
        for kind, total in sums.items()
        if names[kind] > 1
    ]


def _reasons(streams: Mapping[str, Mapping[str, t.Any]]) -> Iterator[ReasonRow]:
    """Yield the reasons: refusals first, then the most frequent."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for name, counts in streams.items():
        for result, reasons in counts["reasons"].items():
            for reason, count in reasons.items():
                found.setdefault((result, reason), []).append((name, count))
    rows = [
        ReasonRow(result, reason, sum(count for _, count in where), where, meaning_of(reason, result))
        for (result, reason), where in found.items()
    ]
    order = {"rejected": 0, "invalid": 1}
    yield from sorted(rows, key=lambda row: (order.get(row.result, 2), -row.count, row.reason))


def _lost(streams: Mapping[str, Mapping[str, t.Any]]) -> Iterator[tuple[str, str, int, int]]:
    """Yield the values that were not loaded as they came: stream, attribute, how many were cut and left out."""
    for name, counts in streams.items():
        for attribute in sorted({*counts["cut"], *counts["left_out"]}):
            yield name, attribute, counts["cut"].get(attribute, 0), counts["left_out"].get(attribute, 0)


def _calls(calls: Mapping[str, int]) -> list[Figure]:
    most = max(calls.values(), default=0)
    ordered = sorted(calls.items(), key=lambda one: (-one[1], one[0]))
    return [Figure(name, count, "calls", stacked([(name, "calls", count)], most, 100, 8)[0]) for name, count in ordered]


def _chart(facts: RunFacts) -> CallsChart | None:
    if not facts.ended.calls:
        return None
    return calls_chart(facts.timeline, facts.ended.seconds, facts.rate_limit_percent, WIDTH, _CALLS_HEIGHT)


def _shown(history: Sequence[EndedRun]) -> Sequence[EndedRun]:
    return history[-_SHOWN_RUNS:]


def _history(facts: RunFacts) -> Iterator[HistoryChart]:
    """Yield the charts of the last runs, this one the last."""
    runs = _shown(facts.history)
    figures: Mapping[str, t.Callable[[EndedRun], float]] = {
        "read": lambda run: run.read,
        "written": lambda run: run.written,
        "refused": lambda run: run.refused,
        "calls": lambda run: run.calls,
        "seconds": lambda run: run.seconds,
    }
    for name, figure in figures.items():
        said = duration if name == "seconds" else _plain
        values = [figure(run) for run in runs]
        bars = [
            (value, _run_kind(run, facts), f"{moment(run.started_at)}: {said(value)}")
            for run, value in zip(runs, values, strict=True)
        ]
        before = sorted(values[:-1])
        yield HistoryChart(
            name=name,
            bars=columns(bars, _HISTORY_WIDTH, _HISTORY_HEIGHT, max(values)),
            now=said(values[-1]),
            highest=said(max(values)),
            usual=said(before[len(before) // 2]),
        )


def _run_kind(run: EndedRun, facts: RunFacts) -> str:
    ending = "failed" if run.exit_code else "done"
    return f"{ending} now" if run.run == facts.ended.run else ending


def _plain(value: float) -> str:
    return f"{value:,.0f}"


def moment(iso: str) -> str:
    """Return a time as people read it, in UTC."""
    return f"{dt.datetime.fromisoformat(iso):%Y-%m-%d %H:%M} UTC"
