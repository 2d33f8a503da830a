"""`memory`: what a dry run takes of a first load, and of the same contacts marked as deleted: both wait for its end."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict

from benchmarks import customers, progress
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Demand, Findings, table
from benchmarks.measuring import measure
from benchmarks.workspaces import Weather, running_sandbox
from benchmarks.writers import TARGET, Loader, Writer
from demo.workspace import TOKEN

if t.TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measuring import Usage
    from benchmarks.options import Options

_SIZES = (50_000, 200_000)
_MOST_MEGABYTES = 200
_FREE = Weather(limit=1_000_000, window=1.0, latency=0.0, bulk=0.01)
_FIRST, _MARKS = "first load", "all marked as deleted"
_OUTCOMES: t.Final = {_FIRST: "created", _MARKS: "archived"}


def run(options: Options, folder: Path) -> Findings:
    """Measure dry runs of every size.

    Raises:
        BenchmarkError: a run failed, or decided otherwise.
    """
    usages: dict[tuple[str, int], Usage] = {}
    for size in options.sizes or _SIZES:
        place = folder / f"memory-{size}"
        place.mkdir()
        usages.update(_measured(place, size))
    head = ("dry run", "records", "time, s", "CPU, s", "records/CPU s", "peak MB")
    figures = [{"run": name, "records": size, **asdict(usage)} for (name, size), usage in usages.items()]
    demands = (
        Demand(f"peak memory in MB, dry run, {name}, {size:,}", usage.peak_mb, _MOST_MEGABYTES)
        for (name, size), usage in usages.items()
    )
    text = table(head, (_row(name, size, usage) for (name, size), usage in sorted(usages.items())))
    return Findings("memory", text, figures, tuple(demands))


def _measured(place: Path, size: int) -> dict[tuple[str, int], Usage]:
    """Plan the first load of a new workspace, do it, and plan the removal of all."""
    messages, marks = place / "messages.jsonl", place / "marks.jsonl"
    customers.write(messages, size)
    _mark(messages, marks)
    with running_sandbox(_FREE, place) as sandbox:
        loader = Loader(Writer.BULK, sandbox.url, place)
        first = _dry(loader, _FIRST, messages, size)
        loader.load(messages)
        removals = _dry(loader, _MARKS, marks, size)
    return {(_FIRST, size): first, (_MARKS, size): removals}


def _mark(messages: Path, marks: Path) -> None:
    """Write the messages with all records marked as deleted."""
    with messages.open(encoding="utf-8") as lines, marks.open("w", encoding="utf-8") as file:
        for line in lines:
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                message["schema"]["properties"]["_sdc_deleted_at"] = {"type": ["null", "string"]}
            elif message["type"] == "RECORD":
                message["record"]["_sdc_deleted_at"] = "2026-01-01T00:00:00Z"
            file.write(f"{json.dumps(message)}\n")


def _dry(loader: Loader, name: str, messages: Path, size: int) -> Usage:
    config = loader.folder / "dry.json"
    settings = {
        "access_token": TOKEN,
        "api_url": loader.url,
        "data_dir": str(loader.folder / "data"),
        "dry_run": True,
        "max_removal_percent": 100,
        "sync_mode": "sync",
    }
    config.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    usage = measure((TARGET, "--config", config, "--input", messages), loader.folder / "dry.log")
    results = loader.results()
    if results != {_OUTCOMES[name]: size}:
        raise BenchmarkError(f"The dry run ({name}) of {size:,} records decided otherwise: {results}")
    progress.say(
        f"{name}, {size:,} records: {usage.seconds:.1f} s, CPU {usage.cpu_seconds:.1f} s, {usage.peak_mb:.0f} MB"
    )
    return usage


def _row(name: str, size: int, usage: Usage) -> tuple[str, ...]:
    return (
        name,
        f"{size:,}",
        f"{usage.seconds:.0f}",
        f"{usage.cpu_seconds:.0f}",
        f"{size / usage.cpu_seconds:,.0f}",
        f"{usage.peak_mb:.0f}",
    )
