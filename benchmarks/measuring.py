"""What one program took: wall clock, processor, memory."""

from __future__ import annotations

import os
import sys
import time
import typing as t
from dataclasses import dataclass

from benchmarks.errors import BenchmarkError
from demo.processes import running

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN_LOG_LINES = 20
_MEGABYTE = 1_000_000
# Bytes on macOS, kibibytes elsewhere (getrusage(2) of each).
_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Usage:
    """What a program took, from its start to its end."""

    seconds: float
    """Wall clock."""
    cpu_seconds: float
    """Processor, of the program and in the system on its behalf."""
    peak_mb: float
    """Most memory that it held at once, in megabytes."""


def measure(command: Sequence[str | Path], log: Path) -> Usage:
    """Run a program to its end, in the project's folder.

    Its peak is at least this process's own at the time, which the kernel hands down: nothing large may be imported
    before it.

    Raises:
        BenchmarkError: it failed; the end of its log is told.
    """
    # An installed program has its bytecode, whatever the terminal's user tells Python about writing some.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    with running(command, log, environment=environment) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:]
        name = " ".join(str(part) for part in command)
        raise BenchmarkError("\n".join((f"Exit code {process.returncode}: {name}", *lines)))
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MEMORY_UNIT / _MEGABYTE)
