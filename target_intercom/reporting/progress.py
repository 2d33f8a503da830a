"""The progress of a run: a live line on a terminal, else a log line every minute."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from target_intercom.reporting.terminal import LiveLine

PACE_SECONDS: t.Final = 60.0
"""Seconds between two log lines; the SDK's counters have the same."""
_DRAWN_SECONDS: t.Final = 0.25
"""Seconds between two drawings of the live line."""
_PATIENCE_SECONDS: t.Final = 1.0
"""Seconds that the end waits for a line that is being written: a terminal may be stopped."""
_DUMB: t.Final = frozenset({"dumb", "unknown"})
_NARROWEST: t.Final = 20
"""Columns that a live line needs. Terminals that were told no size have none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The counts so far."""

    read: int
    """Records taken in, written or not."""
    written: int
    """Contacts and tags that were changed, made or removed."""
    rejected: int
    """Invalid records too."""
    calls: int
    window: float | None
    """The used share of the rate-limit window, 0 to 1; None before Intercom has told."""
    waited: float
    """Seconds in which calls were held back."""
    dry_run: bool = False


def progress_text(figures: Figures) -> str:
    """Return the progress of a run in a line that fits in a terminal."""
    return ", ".join(
        [
            f"{figures.read} read",
            f"{figures.written} {'to write' if figures.dry_run else 'written'}",
            f"{figures.rejected} rejected",
            f"{figures.calls} calls",
            *([] if figures.window is None else [f"window {figures.window:.0%}"]),
            f"waits {figures.waited:.0f}s",
        ]
    )


def has_live_line(stream: t.TextIO | None, environ: Mapping[str, str]) -> bool:
    """Check whether a live line can be drawn on a stream: it is a terminal, not a dumb one, and wide enough.

    A closed stream is None.
    """
    return environ.get("TERM") not in _DUMB and (columns_of(stream) or 0) >= _NARROWEST


def takes_colours(stream: t.TextIO | None, environ: Mapping[str, str]) -> bool:
    """Check whether what is written to a stream may have colours (no-color.org)."""
    return stream is not None and stream.isatty() and environ.get("TERM") not in _DUMB and not environ.get("NO_COLOR")


def columns_of(stream: t.TextIO | None) -> int | None:
    """Return the width of a terminal in characters; None: it is none, or does not tell."""
    if stream is None or not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


class Progress:
    """Shows the progress of a run, from threads of its own: also while the run waits."""

    def __init__(
        self,
        figures: Callable[[], Figures],
        *,
        log: Callable[[str], None],
        beside: Callable[[], None],
        pace_seconds: float = PACE_SECONDS,
    ) -> None:
        """Show nothing before `start`.

        Args:
            figures: returns what is counted so far.
            log: takes a line for the log.
            beside: is called at the same pace, also on a terminal.
            pace_seconds: between two lines of the log.
        """
        self._figures = figures
        self._log = log
        self._beside = beside
        self._pace_seconds = pace_seconds
        self._repeating: list[_Repeating] = []
        self._line: LiveLine | None = None

    def start(self) -> None:
        """Show the progress from now on."""
        if has_live_line(sys.stderr, os.environ):
            # Runs without a terminal need not wait for the import.
            line: type[LiveLine] = importlib.import_module("target_intercom.reporting.terminal").LiveLine
            self._line = line(sys.stderr)
            self._repeating.append(_Repeating(_DRAWN_SECONDS, self._draw))
        self._repeating.append(_Repeating(self._pace_seconds, self._keep_pace))

    def aside(self) -> AbstractContextManager[None]:
        """Take the live line away while something else is written to the terminal."""
        return contextlib.nullcontext() if self._line is None else self._line.away()

    def end(self) -> None:
        """Show nothing more, and leave a clean line behind. May be called again."""
        while self._repeating:
            self._repeating.pop().end()
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def _draw(self) -> None:
        line = self._line
        if line is not None:
            line.show(progress_text(self._figures()))

    def _keep_pace(self) -> None:
        if self._line is None:
            self._log(f"So far: {progress_text(self._figures())}")
        self._beside()


class _Repeating:
    """Calls a function again and again, the first time after one pause; it does not keep the process from ending."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(_PATIENCE_SECONDS)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self._act()
