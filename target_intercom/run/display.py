"""Shows how far a run is, to people and to programs, and at its end what it did."""

from __future__ import annotations

import sys
import typing as t

from target_intercom.reporting.metrics import RunMetrics
from target_intercom.reporting.progress import Figures, Progress, columns_of
from target_intercom.reporting.summary import DONE, DRY_RUN, last_word

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from target_intercom.run.run import Run


class Display:
    """The progress, metrics and last words of a run."""

    def __init__(self, run: Run, logger: logging.Logger, read: Callable[[], int], pace_seconds: float) -> None:
        """Show nothing before `start`; `read` returns how many records were read so far."""
        self._run = run
        self._logger = logger
        self._read = read
        self._metrics: RunMetrics | None = None
        self._progress = Progress(self._figures, log=logger.info, beside=self._write_metrics, pace_seconds=pace_seconds)

    def start(self) -> None:
        """Show how far the run is, from now until it ends."""
        self._logger.info("Files of this run: %s", self._run.config.data_dir.absolute())
        self._metrics = RunMetrics(self._run.report, self._run.client.traffic)
        self._progress.start()

    def aside(self) -> AbstractContextManager[None]:
        """Take the live line away while something else is written to the terminal."""
        return self._progress.aside()

    def end(self) -> None:
        """End the progress, and log what became of the records."""
        self._progress.end()
        self._write_metrics()
        self._run.warn_of_repeated()
        report, plan = self._run.report, self._run.plan
        files = {**report.files, **({} if plan is None else {"Plan": plan.path}), **self._run.pages}
        title, beside = (DONE, ()) if plan is None else (DRY_RUN, plan.summary())
        lines = last_word(report.streams(), files, title, beside, widest=columns_of(sys.stderr))
        if lines:
            self._logger.info(lines)

    def sentence(self) -> str:
        """Return in a sentence what the run did, or would do."""
        doing = "" if self._run.plan is None else "nothing was written; a run would do: "
        return f"{doing}{self._run.report.sentence()}"

    def _write_metrics(self) -> None:
        if self._metrics is not None:
            self._metrics.write()

    def _figures(self) -> Figures:
        report, client = self._run.report, self._run.client
        return Figures(
            read=self._read(),
            written=report.written,
            rejected=report.refused,
            calls=client.traffic.calls,
            window=client.window_used,
            waited=client.traffic.waited_seconds,
            dry_run=self._run.config.dry_run,
        )
