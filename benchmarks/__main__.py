"""`python -m benchmarks`, or `make bench`: measure, show, keep the figures, and fail when a demanded one is missed."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import typing as t
from importlib.metadata import version
from pathlib import Path

from benchmarks import companies, loads, memory, plot, progress, start, unchanged, window, workers
from benchmarks.errors import BenchmarkError
from benchmarks.options import Options, parse
from demo.errors import DemoError
from demo.processes import let_sigterm_interrupt

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.findings import Findings

_BENCHMARKS: dict[str, Callable[[Options, Path], Findings]] = {
    "table": loads.run,
    "window": window.run,
    "workers": workers.run,
    "unchanged": unchanged.run,
    "memory": memory.run,
    "start": start.run,
    "companies": companies.run,
}
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and give the exit code; whatever it started has stopped by then."""
    options = parse(arguments, tuple(_BENCHMARKS))
    let_sigterm_interrupt()
    names = _BENCHMARKS if options.benchmark == "all" else (options.benchmark,)
    missed: list[str] = []
    try:
        for name in names:
            with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
                findings = _BENCHMARKS[name](options, Path(folder))
            _show(findings)
            _keep(findings, options)
            missed += findings.missed
    except (BenchmarkError, DemoError) as error:
        progress.say(f"\nThe benchmark failed. {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("\nInterrupted; everything that was started is stopped.")
        return _INTERRUPTED
    for sentence in missed:
        progress.say(f"Missed: {sentence}")
    return 1 if missed else 0


def _show(findings: Findings) -> None:
    sys.stdout.write(f"\n{findings.markdown()}")
    sys.stdout.flush()


def _keep(findings: Findings, options: Options) -> None:
    """Write the text, the figures and, of the table, the plot."""
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / findings.name
    stem.with_suffix(".md").write_text(findings.markdown(), encoding="utf-8")
    kept = {"machine": _machine(), "options": _shown(options), "figures": findings.figures, "missed": findings.missed}
    stem.with_suffix(".json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    picture = stem.with_suffix(".png")
    if findings.name == "table" and findings.figures and not plot.draw(findings.figures, picture):
        progress.say("No plot: matplotlib is not installed here. `make bench` sets it up (dependency group `bench`).")
    progress.say(f"Kept in {options.out}")


def _machine() -> dict[str, t.Any]:
    return {
        "python": platform.python_version(),
        "singer_sdk": version("singer-sdk"),
        "system": platform.platform(),
        "processors": os.cpu_count(),
    }


def _shown(options: Options) -> dict[str, t.Any]:
    return {
        **vars(options),
        "writers": [writer.value for writer in options.writers],
        "weather": vars(options.weather),
        "keep": options.keep and str(options.keep),
        "out": str(options.out),
    }


if __name__ == "__main__":
    sys.exit(main())
