"""How a run ended, and what it did in figures."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections import Counter
from dataclasses import dataclass

from target_intercom.reporting.ended_run import EndedRun
from target_intercom.reporting.text import explained

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.intercom.traffic import Traffic
    from target_intercom.reporting.report import RunReport, Status

GRACE_SECONDS: t.Final = 5.0
"""How long a run that ends early waits for calls in flight: a supervisor kills after some 10 to 30 seconds."""
STOPPED: t.Final = "Stopped by a signal: no STATE is printed for what is not done"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    exit_code: int = 0
    """0: it succeeded; above 128: a signal ended it."""
    why: Sequence[str] = ()
    """What ended a run that failed, as the log says it: without personal data."""
    error: str | None = None
    """The name of the error's class."""

    @property
    def status(self) -> Status:
        """What the report says of it."""
        return "failed" if self.exit_code else "succeeded"

    @classmethod
    def by(cls, error: BaseException) -> Ending:
        """Return the ending of a run by an error, or by a signal."""
        if isinstance(error, SystemExit):
            return cls(error.code if isinstance(error.code, int) else 1, [STOPPED])
        why = explained(error) if isinstance(error, Exception) else (type(error).__name__,)
        return cls(1, why, type(error).__name__)


def ended_run(run: str, began: dt.datetime, report: RunReport, traffic: Traffic, exit_code: int) -> EndedRun:
    """Return what a run did until now."""
    now = dt.datetime.now(tz=dt.timezone.utc)
    results: Counter[str] = Counter()
    for stream in report.streams().values():
        results.update({result.value: count for result, count in dict(stream.results).items() if count})
    return EndedRun(
        run=run,
        started_at=began.isoformat(timespec="milliseconds"),
        finished_at=now.isoformat(timespec="milliseconds"),
        seconds=max(0.0, (now - began).total_seconds()),
        exit_code=exit_code,
        read=results.total(),
        written=report.written,
        refused=report.refused,
        calls=traffic.calls,
        retries=traffic.retries,
        rate_limited=traffic.rate_limited,
        waited_seconds=traffic.waited_seconds,
        outcomes=dict(sorted(results.items())),
    )
