"""What can be chosen on the command line."""

from __future__ import annotations

import argparse
import typing as t
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workspaces import Weather
from benchmarks.writers import Writer

if t.TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS: t.Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Options:
    """The command line. What is None is up to the benchmark."""

    benchmark: str
    sizes: tuple[int, ...] | None
    writers: tuple[Writer, ...]
    weather: Weather
    patience: float
    """Cells of the table that would take longer are left out, in seconds."""
    rounds: int | None
    keep: Path | None
    out: Path


def parse(arguments: Sequence[str] | None, benchmarks: Sequence[str]) -> Options:
    """Read the command line; the first of the benchmarks is the default."""
    given = _parser(benchmarks).parse_args(arguments)
    quick = given.quick and given.benchmark == benchmarks[0]
    latency = given.latency if given.latency is not None else 0.0 if quick else 0.2
    return Options(
        benchmark=given.benchmark,
        sizes=given.sizes or ((1000,) if quick else None),
        writers=given.writers,
        weather=Weather(given.limit, given.window, latency, given.search_lag, given.bulk_seconds),
        patience=given.patience,
        rounds=given.rounds,
        keep=given.keep,
        out=given.out,
    )


def _parser(benchmarks: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What the target costs, against a sandbox workspace. docs/performance.md explains the figures.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("benchmark", nargs="?", choices=(*benchmarks, "all"), default=benchmarks[0], help="what to measure")
    add("--quick", action="store_true", help="the table for 1,000 contacts and no latency: a few minutes")
    add("--sizes", type=_sizes, metavar="LIST", help="numbers of contacts, as 1000,10000")
    add("--writers", type=_writers, metavar="LIST", default=tuple(Writer), help="of single, bulk and naive")
    add("--latency", type=float, metavar="SECONDS", help="how long each call takes (default 0.2)")
    add("--limit", type=int, metavar="CALLS", default=1666, help="calls that a rate-limit window allows")
    add("--window", type=float, metavar="SECONDS", default=10.0, help="length of a rate-limit window")
    add("--bulk-seconds", type=float, metavar="SECONDS", default=0.2, help="how long a task of a bulk job takes")
    add("--search-lag", type=float, metavar="SECONDS", default=0.0, help="how far search trails behind writes")
    add("--patience", type=float, metavar="SECONDS", default=700.0, help="cells that would take longer are left out")
    add("--rounds", type=int, metavar="N", help="how often each is run where medians are taken")
    add("--keep", type=Path, metavar="DIR", help="`unchanged`: keep the filled ledgers here for the next time")
    add("--out", type=Path, metavar="DIR", default=RESULTS, help="where the table, the plot and the figures go")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(sorted({int(part) for part in text.split(",")}))
    if sizes[0] < 1:
        raise argparse.ArgumentTypeError(f"{sizes[0]} is no number of contacts")
    return sizes


def _writers(text: str) -> tuple[Writer, ...]:
    try:
        return tuple(Writer(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; it takes {', '.join(one.value for one in Writer)}") from None
