"""`unchanged`: a re-run in which nothing changed, against what the SDK alone costs on the same file."""

from __future__ import annotations

import shutil
import sys
import typing as t
from dataclasses import asdict
from statistics import median

from sqlalchemy import MetaData, create_engine

from benchmarks import customers, progress
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Demand, Findings, table
from benchmarks.measuring import Usage, measure
from benchmarks.workspaces import Weather, running_sandbox
from benchmarks.writers import Loader, Writer, knows_bulk

if t.TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.options import Options

_SIZES = (200_000, 1_000_000)
_ROUNDS = 3
_MODE = "additive"
"""The default."""
_MOST_OF_IDLE = 0.5
_MOST_MEGABYTES = 150
# Calls cost what they cost in processor, and nobody waits.
_FAIR = Weather(limit=1_000_000, window=1.0, latency=0.0, bulk=0.01)


def run(options: Options, folder: Path) -> Findings:
    """Compare at the smallest size, look at the memory at all.

    Raises:
        BenchmarkError: a run failed, or found something to do.
    """
    sizes = options.sizes or _SIZES
    if options.keep is not None:
        folder = options.keep.resolve()
    target: dict[int, list[Usage]] = {}
    idle: list[Usage] = []
    for size in sizes:
        place = folder / f"unchanged-{size}"
        _fill(place, size, folder)
        rounds = (options.rounds or _ROUNDS) if size == sizes[0] else 1
        target[size], alone = _rounds(place, size, rounds, compare=size == sizes[0])
        idle += alone
    cpu = median(one.cpu_seconds for one in target[sizes[0]]) / median(one.cpu_seconds for one in idle)
    wall = median(one.seconds for one in target[sizes[0]]) / median(one.seconds for one in idle)
    peaks = {size: max(one.peak_mb for one in usages) for size, usages in target.items()}
    rows = [_row(f"target, {size:,}", usages) for size, usages in target.items()]
    head = ("re-run", "rounds", "time, s", "CPU, s", "records/CPU s", "peak MB")
    text = "\n\n".join(
        (
            "Nothing changed; medians, the target and the SDK's do-nothing batch target in turn on the same file.",
            table(head, [*rows, _row(f"SDK alone, {sizes[0]:,}", idle)]),
        )
    )
    figures = {
        "target": {str(size): [asdict(one) for one in usages] for size, usages in target.items()},
        "idle": [asdict(one) for one in idle],
        "cpu_ratio": cpu,
        "wall_ratio": wall,
    }
    demands = (
        Demand(f"CPU of the SDK's do-nothing target, {sizes[0]:,} unchanged records", cpu, _MOST_OF_IDLE),
        Demand(f"time of the SDK's do-nothing target, {sizes[0]:,} unchanged records", wall, _MOST_OF_IDLE),
        *(
            Demand(f"peak memory in MB, {size:,} unchanged records", peak, _MOST_MEGABYTES)
            for size, peak in peaks.items()
        ),
    )
    return Findings("unchanged", text, figures, demands)


def _row(name: str, usages: list[Usage]) -> tuple[str, ...]:
    records = int(name.rsplit(" ", 1)[1].replace(",", ""))
    cpu = median(one.cpu_seconds for one in usages)
    seconds = median(one.seconds for one in usages)
    peak = max(one.peak_mb for one in usages)
    return name, str(len(usages)), f"{seconds:.2f}", f"{cpu:.2f}", f"{records / cpu:,.0f}", f"{peak:.0f}"


def _fill(place: Path, size: int, folder: Path) -> None:
    """Load the file once, so that the ledger knows every record; nothing is done where that was kept."""
    filled = place / "filled"
    if filled.exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    customers.write(place / "messages.jsonl", size)
    writer = Writer.BULK if knows_bulk(folder) else Writer.SINGLE
    progress.say(f"Filling the ledger with {size:,} contacts, writer {writer.value}; this takes a while")
    with running_sandbox(_FAIR, place) as sandbox:
        loader = Loader(writer, sandbox.url, place, _MODE)
        usage = loader.load(place / "messages.jsonl")
        if loader.results() != {"created": size}:
            raise BenchmarkError(f"The first load did not create {size} contacts: {loader.results()}")
    progress.say(f"Filled in {usage.seconds:.0f} s, CPU {usage.cpu_seconds:.0f} s, {usage.peak_mb:.0f} MB")
    filled.touch()


def _rounds(place: Path, size: int, rounds: int, *, compare: bool) -> tuple[list[Usage], list[Usage]]:
    """Run the target, and the idle one after it where they are compared, so many times."""
    target: list[Usage] = []
    idle: list[Usage] = []
    messages = place / "messages.jsonl"
    with running_sandbox(_FAIR, place) as sandbox:
        _hand_over(place / "data" / "ledger.db", sandbox.id)
        loader = Loader(Writer.SINGLE, sandbox.url, place, _MODE)
        for number in range(1, rounds + 1):
            target.append(loader.load(messages))
            if loader.results() != {"unchanged": size}:
                raise BenchmarkError(f"The re-run of {size} records found something to do: {loader.results()}")
            progress.say(f"{size:,} unchanged, round {number}, target: {_told(target[-1])}")
            if compare:
                idle.append(measure((sys.executable, "-m", "benchmarks.idle", "--input", messages), place / "idle.log"))
                progress.say(f"{size:,} unchanged, round {number}, SDK alone: {_told(idle[-1])}")
    return target, idle


def _told(usage: Usage) -> str:
    return f"{usage.seconds:.2f} s, CPU {usage.cpu_seconds:.2f} s, {usage.peak_mb:.0f} MB"


def _hand_over(ledger: Path, workspace: str) -> None:
    """Make a ledger that of another workspace: a sandbox is another one with every start.

    The contacts are not there; a re-run that finds nothing to do asks for none.
    """
    engine = create_engine(f"sqlite:///{ledger}")
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.begin() as connection:
        for one in metadata.tables.values():
            if "workspace" in one.columns:
                connection.execute(one.update().values(workspace=workspace))
    engine.dispose()
