"""`window`: how much of its share of the rate-limit window a load of single writes uses, with default settings."""

from __future__ import annotations

import typing as t
from statistics import mean

from benchmarks import customers, progress
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Demand, Findings, table
from benchmarks.workspaces import running_sandbox
from benchmarks.writers import Loader, Writer

if t.TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.options import Options

_CONTACTS = 12_000
_ALLOWED_PERCENT = 95  # the default of rate_limit_percent
_DEMANDED = 0.98


def run(options: Options, folder: Path) -> Findings:
    """Load contacts over several windows, and look at those that the load could fill.

    Raises:
        BenchmarkError: the load failed, or was over too soon to fill a window.
    """
    weather = options.weather
    size = _CONTACTS if options.sizes is None else options.sizes[-1]
    messages = folder / "messages.jsonl"
    customers.write(messages, size)
    progress.say(f"{size:,} contacts, {weather.limit:,} calls per {weather.window:g} s")
    with running_sandbox(weather, folder) as place:
        begun = place.wait_for_a_window()
        usage = Loader(Writer.SINGLE, place.url, folder).load(messages)
        traffic = place.traffic(begun)
    allowed = weather.limit * _ALLOWED_PERCENT // 100
    full = traffic.windows[1:-1]
    if not full:
        raise BenchmarkError(f"{size:,} contacts fill no window between the first and the last: take more (--sizes)")
    shares = [calls / allowed for calls in full]
    summary = (
        f"{size:,} contacts, single writes, {weather.limit:,} calls per {weather.window:g} s of which {allowed:,} are "
        f"allowed, {weather.latency * 1000:g} ms a call: {traffic.calls:,} calls in {usage.seconds:.1f} s, "
        f"{traffic.rate_limited} answered 429, CPU {usage.cpu_seconds:.1f} s. The first window (it begins with the "
        "start-up) and the last (the rest) are not full."
    )
    rows = [(str(number), f"{calls:,}", f"{calls / allowed:.1%}") for number, calls in enumerate(traffic.windows, 1)]
    text = f"{summary}\n\n{table(('window', 'calls', 'of the allowed share'), rows)}"
    figures = {"windows": traffic.windows, "allowed": allowed, "shares": shares, "mean_share": mean(shares)}
    return Findings(
        "window",
        text,
        {**figures, "rate_limited": traffic.rate_limited, "seconds": usage.seconds, "cpu_seconds": usage.cpu_seconds},
        (
            Demand("least use of the allowed share in a full window", min(shares), _DEMANDED, at_least=True),
            Demand("calls answered 429", traffic.rate_limited, 0),
        ),
    )
