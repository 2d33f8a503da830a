"""What is done when all records came: tags are put on and taken off, and contacts are removed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import TooManyRemovalsError
from target_intercom.sync.removing.limit import too_many

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from target_intercom.model import Outcome
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Config
    from target_intercom.sync.memberships import Groups
    from target_intercom.sync.removing.limit import Share
    from target_intercom.sync.removing.removals import Removals


@dataclass(frozen=True)
class EndOfPipe:
    """The end of a run, after the last batch of each stream is written."""

    config: Config
    removals: Removals
    groups: Groups | None
    report: RunReport

    @property
    def has_work(self) -> bool:
        """Whether removals, memberships or tags wait."""
        return self.removals.pending or (self.groups is not None and self.groups.pending)

    def run(self, streams: Collection[str]) -> None:
        """Put tags on, decide what ends, check that it is not too much, and remove it; `streams` are those that came.

        Raises:
            TooManyRemovalsError: `max_removal_percent` does not allow so many removals, and nothing is removed.
        """
        if self.groups is not None:
            self.groups.put_on()
            self.groups.decide()
        self.removals.decide()
        self._check_limit(streams)
        self._record(self.removals.release())
        if self.groups is not None:
            self.groups.take_off()
        self._record(self.removals.remove_marked())
        for stream in self.removals.remove_missing():
            self.report.left(stream, 1)

    def _check_limit(self, streams: Iterable[str]) -> None:
        limited = [stream for stream in streams if self.config.stream(stream).is_limited]
        of_contacts = [stream for stream in limited if not self.config.stream(stream).is_groups]
        shares: list[Share] = list(self.removals.shares(of_contacts))
        if self.groups is not None:
            shares.extend(self.groups.shares())
        refusals = [too_many(share, self.config.max_removal_percent) for share in shares]
        if any(refusals):
            raise TooManyRemovalsError(" ".join(filter(None, refusals)))

    def _record(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        for stream, outcome in outcomes:
            self.report.record(stream, outcome)
