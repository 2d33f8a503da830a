"""The files of a run: its report and its rejected records."""

from __future__ import annotations

import json
import typing as t
from collections import Counter, defaultdict

from target_intercom.errors import redact
from target_intercom.json_lines import json_line
from target_intercom.outcomes import CONTACT_RESULTS, MEMBERSHIP_RESULTS, Result
from target_intercom.private_files import LineFile, replace

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from target_intercom.model import Json, LinkName, Received
    from target_intercom.outcomes import Outcome, Refusal, SkipReason
    from target_intercom.reporting.log import Warnings

Status: t.TypeAlias = t.Literal["running", "succeeded", "failed"]

BESIDE: t.Final = {
    Result.TAGGED: "tags put on",
    Result.UNTAGGED: "tags taken off",
    Result.ATTACHED: "companies attached",
    Result.DETACHED: "companies detached",
}
"""Counted beside the outcomes of contact records."""
_WRITTEN: t.Final = frozenset({Result.CREATED, Result.UPDATED, Result.ARCHIVED, Result.DELETED, *BESIDE})
"""Something was changed in Intercom."""
READABLE: t.Final = 0o666
"""The report has no personal data: its readers are as the umask says."""


class RejectedRecords:
    """The refused records of a run as a Singer stream: once corrected, it can be piped in again as it is.

    The file appears with the first record and is readable by its owner only: it holds personal data.
    """

    def __init__(self, path: Path) -> None:
        """Create the file with the first record, not before."""
        self.path = path
        self.lines = 0
        self._written: dict[str, Json] = {}
        """The last SCHEMA message of each stream in the file."""
        self._file: LineFile | None = None

    def write(self, received: Received, refusal: Refusal) -> int:
        """Append a RECORD message as it was received, with the reason; returns its line number."""
        stream, schema = received.schema.tap_stream, received.schema.message
        if self._written.get(stream) != schema:
            self._append(schema)
            self._written[stream] = schema
        rejected = {
            "outcome": refusal.result.value,
            "reason": refusal.reason,
            "code": refusal.code,
            "field": refusal.field,
            "request_id": refusal.request_id,
        }
        self._append({**received.message, "rejected": rejected})
        return self.lines

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, message: Mapping[str, Json]) -> None:
        if self._file is None:
            self._file = LineFile(self.path)
        self._file.append(json_line(message))
        self.lines += 1


class StreamReport:
    """The counts of one stream."""

    def __init__(self, outcomes: Sequence[Result] = CONTACT_RESULTS, *, is_of_contacts: bool = True) -> None:
        """Begin with zeros; `outcomes` are those that its records can have."""
        self.results: Counter[Result] = Counter()
        self.is_of_contacts = is_of_contacts
        self.outcomes = outcomes
        self.beside: Counter[Result] = Counter()
        """Links that contact records put on or took off."""
        self.reasons: dict[Result, Counter[str]] = defaultdict(Counter)
        self.cut: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.left = 0
        self.unarchived = 0

    def summary(self) -> dict[str, Json]:
        """Return the stream's part of the report; `read` is the sum of the results."""
        return {
            "read": self.results.total(),
            **{result.value: self.results[result] for result in self.outcomes},
            "left": self.left,
            **({result.value: self.beside[result] for result in BESIDE} if self.is_of_contacts else {}),
            **({"unarchived": self.unarchived} if self.is_of_contacts else {}),
            "reasons": {result.value: _sorted(counts) for result, counts in sorted(self.reasons.items())},
            "cut": _sorted(self.cut),
            "left_out": _sorted(self.left_out),
        }

    def counts(self) -> dict[str, int]:
        """Return the counts of outcomes, and of links that contact records put on or took off."""
        return {result.value: count for counts in (self.results, self.beside) for result, count in dict(counts).items()}

    def sentence(self) -> str:
        """Return the results in a line."""
        counts = [f"{self.results[result]} {result.value}" for result in self.outcomes if self.results[result]]
        beside = [f"{self.left} removed because they left"] if self.left else []
        beside += [f"{self.beside[result]} {words}" for result, words in BESIDE.items() if self.beside[result]]
        beside += [f"{self.unarchived} left unarchived"] if self.unarchived else []
        read = f"{self.results.total()} read" + (f": {', '.join(counts)}" if counts else "")
        return "; ".join([read, *beside])


class RunReport:
    """Counts what became of every record; every record read has exactly one result."""

    def __init__(
        self,
        path: Path,
        rejected: RejectedRecords,
        run_id: str,
        started_at: str,
        warnings: Warnings,
        *,
        dry_run: bool = False,
    ) -> None:
        """`path` is the report's file, `started_at` the run's beginning (ISO 8601)."""
        self._dry_run = dry_run
        self._path = path
        self._rejected = rejected
        self._run_id = run_id
        self._started_at = started_at
        self._warnings = warnings
        self._streams: defaultdict[str, StreamReport] = defaultdict(StreamReport)
        self._refused = 0
        self._is_saved = False

    @property
    def refused(self) -> int:
        """How many records were invalid or rejected so far."""
        return self._refused

    @property
    def written(self) -> int:
        """How many contacts and links were changed, made or removed so far."""
        streams = self.streams().values()
        by_records = sum(count for one in streams for name, count in one.counts().items() if name in _WRITTEN)
        return by_records + sum(one.left for one in streams)

    @property
    def files(self) -> dict[str, Path]:
        """The files that this run has made, by what they hold."""
        report = {"Report": self._path} if self._is_saved else {}
        return {**report, **({"Refused records": self._rejected.path} if self._refused else {})}

    def streams(self) -> dict[str, StreamReport]:
        """Return the counts by stream; safe to call while another thread counts."""
        return self._streams.copy()

    def stream(self, name: str) -> StreamReport:
        """Return the counts of a stream."""
        return self._streams[name]

    def record(self, stream: str, outcome: Outcome) -> None:
        """Count a record's outcome; a refused record goes into the rejected records."""
        self.count(stream, outcome.result, outcome.reason)
        counts = self.stream(stream)
        if outcome.refusal is not None:
            counts.reasons[outcome.result][outcome.refusal.code or "other"] += 1
            self._refuse(stream, outcome.received, outcome.refusal)

    def count(self, stream: str, result: Result, reason: SkipReason | None = None, *, times: int = 1) -> None:
        """Count the outcome of a record that was not refused, or of so many."""
        counts = self.stream(stream)
        counts.results[result] += times
        if reason is not None:
            counts.reasons[result][reason.value] += 1

    def cut(self, stream: str, attributes: Iterable[str]) -> None:
        """Count values that were cut, by attribute."""
        self.stream(stream).cut.update(attributes)

    def left_out(self, stream: str, attributes: Iterable[str]) -> None:
        """Count values that were left out, by attribute."""
        self.stream(stream).left_out.update(attributes)

    def left(self, stream: str, contacts: int) -> None:
        """Count contacts, or memberships, that were removed because they are missing from the stream."""
        self.stream(stream).left += contacts

    def unarchived(self, stream: str, contacts: int) -> None:
        """Write down how many contacts were brought back from the archive to be looked at, and not archived again."""
        self.stream(stream).unarchived = contacts

    def contacts(self, stream: str) -> None:
        """Count a stream's records as contacts."""
        self.stream(stream)

    def companies(self, stream: str) -> None:
        """Count a stream's records as companies."""
        self._streams.setdefault(stream, StreamReport(is_of_contacts=False))

    def memberships(self, stream: str, links: LinkName) -> None:
        """Count a stream's records as memberships of a kind of link."""
        self._streams.setdefault(stream, StreamReport(MEMBERSHIP_RESULTS[links], is_of_contacts=False))

    def count_beside(self, stream: str, result: Result) -> None:
        """Count a link that was put on or taken off because of a contact's record, beside the record's own result."""
        self.stream(stream).beside[result] += 1

    def sentence(self) -> str:
        """Return what the run did, in a sentence for the last line of the log."""
        streams = [f"stream '{name}': {counts.sentence()}" for name, counts in self._streams.items()]
        where = f". Refused records are in {self._rejected.path}" if self._refused else ""
        return ("; ".join(streams) or "no record was processed") + where

    def save(self, status: Status, finished_at: str | None, api: Mapping[str, Json]) -> None:
        """Replace the report's file in one step, so that a reader never sees half of one."""
        report = self.summary(status, finished_at, api)
        draft = self._path.with_name(f"{self._path.name}.{self._run_id}")
        replace(self._path, draft, json.dumps(report, indent=2) + "\n", READABLE)
        self._is_saved = True

    def summary(self, status: Status, finished_at: str | None, api: Mapping[str, Json]) -> dict[str, Json]:
        """Return the content of the report's file."""
        return {
            "run_id": self._run_id,
            "status": status,
            "started_at": self._started_at,
            "finished_at": finished_at,
            "dry_run": self._dry_run,
            "streams": {name: counts.summary() for name, counts in self._streams.items()},
            "api": api,
        }

    def _refuse(self, stream: str, received: Received, refusal: Refusal) -> None:
        line = self._rejected.write(received, refusal)
        self._refused += 1
        where = "" if refusal.field is None else f"property '{refusal.field}': "
        why = f"Intercom refused it with code {refusal.code}" if refusal.quotes_intercom else refusal.reason
        what = f"Stream '{stream}': a record is {refusal.result.value}: {where}"
        self._warnings.warn(
            f"{what}{redact(why)} (line {line} of {self._rejected.path})", f"{what}{refusal.code or 'other'}"
        )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
