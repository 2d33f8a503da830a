"""`workers`: how much of the rate-limit window two runs use that load into one workspace at the same time."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import mean

from benchmarks import customers, progress
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Demand, Findings, table
from benchmarks.workspaces import running_sandbox
from benchmarks.writers import Loader, Writer

if t.TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measuring import Usage
    from benchmarks.options import Options
    from benchmarks.workspaces import Place

_CONTACTS = 12_000
_WORKERS = 2
_DEMANDED = 0.9
_REFUSED = 0.01


def run(options: Options, folder: Path) -> Findings:
    """Load a half of the contacts in each run, over several windows, and look at those that the runs could fill.

    Raises:
        BenchmarkError: a load failed, or was over too soon to fill a window.
    """
    weather = options.weather
    size = _CONTACTS if options.sizes is None else options.sizes[-1]
    progress.say(f"{size:,} contacts by {_WORKERS} runs, {weather.limit:,} calls per {weather.window:g} s")
    with running_sandbox(weather, folder) as place, ThreadPoolExecutor(_WORKERS) as pool:
        begun = place.wait_for_a_window()
        usages = list(pool.map(partial(_load, place, folder, size), range(_WORKERS)))
        traffic = place.traffic(begun)
    full = traffic.windows[1:-2]
    if not full:
        raise BenchmarkError(f"{size:,} contacts fill no window between the first and the last: take more (--sizes)")
    shares = [calls / weather.limit for calls in full]
    summary = (
        f"{size:,} contacts by {_WORKERS} runs with one ledger, single writes, {weather.limit:,} calls per "
        f"{weather.window:g} s, {weather.latency * 1000:g} ms a call: {traffic.calls:,} calls in "
        f"{max(usage.seconds for usage in usages):.1f} s, {traffic.rate_limited} answered 429. The first window and "
        "the last two, in which a run is over, are not full."
    )
    rows = [(str(number), f"{calls:,}", f"{calls / weather.limit:.1%}") for number, calls in enumerate(full, 2)]
    figures = {"windows": traffic.windows, "shares": shares, "rate_limited": traffic.rate_limited}
    return Findings(
        "workers",
        f"{summary}\n\n{table(('window', 'calls', 'of the limit'), rows)}",
        figures,
        (
            Demand("use of the limit in full windows", mean(shares), _DEMANDED, at_least=True),
            Demand("share of calls answered 429", traffic.rate_limited / traffic.calls, _REFUSED),
        ),
    )


def _load(place: Place, folder: Path, size: int, worker: int) -> Usage:
    own = folder / f"worker {worker}"
    own.mkdir()
    messages = own / "messages.jsonl"
    customers.write(messages, size, part=worker, parts=_WORKERS)
    return Loader(Writer.SINGLE, place.url, own, ledger=folder / "ledger.db").load(messages)
