"""The metrics of a run, as log lines that a program reads: the SDK's structured metrics.

The SDK's own metrics (`record_count`, `batch_processing_time`) go on beside these.
"""

from __future__ import annotations

import enum
import typing as t
from collections import Counter

from singer_sdk import metrics

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.intercom.traffic import Traffic
    from target_intercom.reporting.report import RunReport

_Tags: t.TypeAlias = tuple[tuple[str, str], ...]


class Metric(str, enum.Enum):
    """The metrics that the SDK has no name for."""

    HTTP_RETRY_COUNT = "http_retry_count"
    HTTP_RATE_LIMITED_COUNT = "http_rate_limited_count"
    OUTCOME_COUNT = "outcome_count"


class RunMetrics:
    """Writes how much each count has grown since the last time, as the SDK's counters do."""

    def __init__(self, report: RunReport, traffic: Traffic) -> None:
        """Write the counts of a report and of the calls."""
        self._report = report
        self._traffic = traffic
        self._written: Counter[tuple[enum.Enum, _Tags]] = Counter()

    def write(self) -> None:
        """Write a line for each count that has grown."""
        counts = Counter({(metric, tags): count for metric, tags, count in self._counts()})
        for (metric, tags), growth in (counts - self._written).items():
            counter = metrics.Counter(t.cast("metrics.Metric", metric), dict(tags))
            counter.increment(growth)
            counter.exit()
        self._written = counts

    def _counts(self) -> Iterator[tuple[enum.Enum, _Tags, int]]:
        for operation, calls in self._traffic.by_operation().items():
            yield metrics.Metric.HTTP_REQUEST_COUNT, ((metrics.Tag.ENDPOINT, operation),), calls
        yield Metric.HTTP_RETRY_COUNT, (), self._traffic.retries
        yield Metric.HTTP_RATE_LIMITED_COUNT, (), self._traffic.rate_limited
        for stream, report in self._report.streams().items():
            for outcome, count in _outcomes(report.counts(), report.left):
                yield Metric.OUTCOME_COUNT, ((metrics.Tag.STREAM, stream), ("outcome", outcome)), count


def _outcomes(counts: Mapping[str, int], left: int) -> Iterator[tuple[str, int]]:
    yield from counts.items()
    yield "left", left
