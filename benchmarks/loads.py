"""`table`: what loads cost in calls, time, processor and memory, by writer and size, and how each grows."""

from __future__ import annotations

import enum
import itertools
import typing as t
from dataclasses import asdict, dataclass

from benchmarks import customers, progress
from benchmarks.customers import Edition
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Demand, Findings, table
from benchmarks.workspaces import running_sandbox
from benchmarks.writers import Loader, Writer, check_known

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.measuring import Usage
    from benchmarks.options import Options
    from benchmarks.workspaces import Place, Traffic, Weather

_SIZES = (1_000, 10_000, 100_000)
_CONNECTIONS = {Writer.SINGLE: 64, Writer.BULK: 64, Writer.NAIVE: 1}
_DEMANDED_SIZE = 10_000
_ROUND = 10  # rates below have a decimal place
_LEFT_OUT = "\N{EN DASH}"


class Step(enum.Enum):
    """The loads of one workspace, one after the other."""

    FIRST = "first load"
    UNCHANGED = "unchanged re-run"
    ONE_PERCENT = "1 % changed"
    FIRST_TAGS = "a tag on for each"
    OTHER_TAGS = "a tag on and one off for each"
    ALL = "all changed, a tag on and one off for each"


_EDITIONS: t.Final = dict(zip(Step, (Edition.FIRST, *Edition), strict=True))
# About how many calls a contact takes, to tell beforehand which loads take too long.
_ESTIMATES: t.Final[dict[Writer, dict[Step, float]]] = {
    Writer.SINGLE: dict(zip(Step, (1.02, 0.001, 0.01, 0.02, 1.02, 2.02), strict=True)),
    Writer.BULK: dict(zip(Step, (0.04, 0.001, 0.001, 0.04, 0.03, 0.03), strict=True)),
    Writer.NAIVE: dict(zip(Step, (2, 2, 2, 3, 4, 4), strict=True)),
}
_DEMANDED_CALLS: t.Final = {Step.FIRST: 420, Step.ALL: 240}
"""Of bulk writes, at `_DEMANDED_SIZE`."""


@dataclass(frozen=True)
class Cell:
    """What one load took."""

    writer: Writer
    size: int
    step: Step
    usage: Usage
    traffic: Traffic

    @property
    def calls_per_thousand(self) -> float:
        """Calls for 1,000 contacts."""
        return 1000 * self.traffic.calls / self.size

    @property
    def contacts_per_second(self) -> float:
        """Of the wall clock, the program's start and end in it."""
        return self.size / self.usage.seconds

    @property
    def records_per_cpu_second(self) -> float:
        """Of the target's own processor time."""
        return self.size / self.usage.cpu_seconds

    def as_json(self) -> dict[str, t.Any]:
        """All that was measured."""
        return {
            "writer": self.writer.value,
            "contacts": self.size,
            "load": self.step.value,
            "calls": self.traffic.calls,
            "calls_per_thousand": self.calls_per_thousand,
            "calls_by_window": self.traffic.windows,
            "window_share": self.traffic.share,
            "rate_limited": self.traffic.rate_limited,
            "contacts_per_second": self.contacts_per_second,
            "records_per_cpu_second": self.records_per_cpu_second,
            **asdict(self.usage),
        }


def run(options: Options, folder: Path) -> Findings:
    """Measure all writers and sizes that the patience allows.

    Raises:
        BenchmarkError: a load failed, or refused records.
    """
    check_known(options.writers, folder)
    sizes = options.sizes or _SIZES
    cells: list[Cell] = []
    for writer, size in itertools.product(options.writers, sizes):
        place = folder / f"{writer.value}-{size}"
        place.mkdir()
        cells += _loads(writer, size, options, place)
    figures = [cell.as_json() for cell in cells]
    return Findings("table", _text(cells, sizes, options), figures, tuple(_demands(cells)))


def estimate(writer: Writer, size: int, step: Step, weather: Weather) -> float:
    """Tell about how long a load takes: what the rate limit or the latency makes of its calls, in seconds."""
    calls = size * _ESTIMATES[writer][step]
    return max(calls * weather.window / weather.limit, calls * weather.latency / _CONNECTIONS[writer])


def _loads(writer: Writer, size: int, options: Options, folder: Path) -> Iterator[Cell]:
    """Load every edition in turn. Each rests on the one before: the first that takes too long is the last."""
    steps = itertools.takewhile(lambda step: estimate(writer, size, step, options.weather) <= options.patience, Step)
    with running_sandbox(options.weather, folder) as place:
        loader = Loader(writer, place.url, folder)
        for step in steps:
            yield _load(loader, size, step, place)


def _load(loader: Loader, size: int, step: Step, place: Place) -> Cell:
    messages = loader.folder / "messages.jsonl"
    customers.write(messages, size, _EDITIONS[step])
    begun = place.wait_for_a_window()
    usage = loader.load(messages)
    cell = Cell(loader.writer, size, step, usage, place.traffic(begun))
    results = loader.results()
    if results.keys() & {"invalid", "rejected"}:
        raise BenchmarkError(f"{loader.writer.value}, {step.value}: not all went through: {results}")
    progress.say(
        f"{loader.writer.value}, {size:,} contacts, {step.value}: {cell.traffic.calls:,} calls, "
        f"{usage.seconds:.1f} s, CPU {usage.cpu_seconds:.1f} s, {usage.peak_mb:.0f} MB"
    )
    return cell


def _demands(cells: Sequence[Cell]) -> Iterator[Demand]:
    for cell in cells:
        bound = _DEMANDED_CALLS.get(cell.step)
        if bound is not None and (cell.writer, cell.size) == (Writer.BULK, _DEMANDED_SIZE):
            yield Demand(f"calls, bulk, {cell.size:,} contacts, {cell.step.value}", cell.traffic.calls, bound)


def _text(cells: Sequence[Cell], sizes: Sequence[int], options: Options) -> str:
    weather = options.weather
    measured = {(cell.step, cell.writer, cell.size): cell for cell in cells}
    keys = list(itertools.product(Step, options.writers, sizes))
    parts = [
        f"{weather.limit:,} calls per {weather.window:g} s, {weather.latency * 1000:g} ms a call.",
        table(
            ("load", "writer", "contacts", "calls", "per 1,000", "of window", "contacts/s", "records/CPU s", "peak MB"),
            (_row(*key, measured.get(key)) for key in keys),
            texts=2,
        ),
    ]
    if len(measured) < len(keys):
        parts.append(
            f"{_LEFT_OUT}: left out, it would take more than {options.patience:g} s, or rests on one that would."
        )
    if len(sizes) > 1:
        parts += ["How each grows, as a factor:", _growth(measured, sizes, options.writers)]
    return "\n\n".join(parts)


def _row(step: Step, writer: Writer, size: int, cell: Cell | None) -> tuple[str, ...]:
    name = (step.value, writer.value, f"{size:,}")
    if cell is None:
        return (*name, *[_LEFT_OUT] * 6)
    return (
        *name,
        f"{cell.traffic.calls:,}",
        f"{cell.calls_per_thousand:,.1f}",
        f"{cell.traffic.share:.1%}",
        _rate(cell.contacts_per_second),
        _rate(cell.records_per_cpu_second),
        f"{cell.usage.peak_mb:.0f}",
    )


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= _ROUND else f"{value:.1f}"


def _growth(measured: dict[tuple[Step, Writer, int], Cell], sizes: Sequence[int], writers: Sequence[Writer]) -> str:
    """Compare each size with the one before it."""
    rows = [
        (step.value, writer.value, f"{small:,} → {large:,}", *_ratios(before, after))
        for step, writer in itertools.product(Step, writers)
        for small, large in itertools.pairwise(sizes)
        if (before := measured.get((step, writer, small))) and (after := measured.get((step, writer, large)))
    ]
    return table(("load", "writer", "contacts", "calls", "time", "CPU", "memory"), rows, texts=2)


def _ratios(before: Cell, after: Cell) -> Iterator[str]:
    for old, new in (
        (before.traffic.calls, after.traffic.calls),
        (before.usage.seconds, after.usage.seconds),
        (before.usage.cpu_seconds, after.usage.cpu_seconds),
        (before.usage.peak_mb, after.usage.peak_mb),
    ):
        yield f"{new / old:.3g}" if old else _LEFT_OUT
