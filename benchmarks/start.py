"""`start`: how long the command takes to come up, against a bare target of the SDK."""

from __future__ import annotations

import itertools
import sys
import typing as t
from statistics import median

from benchmarks import progress
from benchmarks.findings import Demand, Findings, table
from benchmarks.measuring import measure

if t.TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.options import Options

_ROUNDS = 15
_FLAGS = ("--version", "--about")
_OURS, _BARE = "target_intercom", "benchmarks.idle"
_MOST = 1.3


def run(options: Options, folder: Path) -> Findings:
    """Start both in turn, the same way, and compare the medians.

    A first start of each compiles, and is not counted.

    Raises:
        BenchmarkError: a start failed.
    """
    rounds = options.rounds or _ROUNDS
    progress.say(f"{rounds} starts of each")
    seconds: dict[str, list[float]] = {}
    for counts in (False, *[True] * rounds):
        for flag, module in itertools.product(_FLAGS, (_OURS, _BARE)):
            usage = measure((sys.executable, "-m", module, flag), folder / "start.log")
            if counts:
                seconds.setdefault(f"{module} {flag}", []).append(usage.seconds)
    medians = {name: median(ones) for name, ones in seconds.items()}
    ratios = {flag: medians[f"{_OURS} {flag}"] / medians[f"{_BARE} {flag}"] for flag in _FLAGS}
    head = ("", "target-intercom, ms", "bare SDK target, ms", "ratio")
    rows = [
        (
            f"`{flag}`",
            *(f"{1000 * medians[f'{module} {flag}']:.0f}" for module in (_OURS, _BARE)),
            f"{ratios[flag]:.2f}",
        )
        for flag in _FLAGS
    ]
    return Findings(
        "start",
        f"Medians of {rounds} starts, in turn.\n\n{table(head, rows)}",
        {"seconds": seconds, "ratios": ratios},
        tuple(Demand(f"time of a bare SDK target, {flag}", ratios[flag], _MOST) for flag in _FLAGS),
    )
