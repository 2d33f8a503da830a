"""Decides which streams delivered their complete table in this run: only there a missing record was deleted."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from target_intercom.settings.config import carries_all
from target_intercom.settings.warnings import incremental_bookmark, maybe_incomplete, shared_stream, unreadable_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.remembered import Holder
    from target_intercom.settings.config import Stream, StreamConfig
    from target_intercom.singer.tap_streams import TapStream


class Records(t.Protocol):
    """A part of the ledger with records."""

    def activate(self, stream: str, version: int) -> None:
        """Write the version of the records that came in this run."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A stream of this run from which contacts may be missing."""

    config: StreamConfig
    sources: list[TapStream]
    """The tap's streams that it is made of: stream maps may make one of several."""

    @property
    def version(self) -> int | None:
        """The version that its tap activated; of several streams' versions nothing follows."""
        return self.sources[0].version if len(self.sources) == 1 else None

    @property
    def wanted_version(self) -> int | None:
        """The version that a record must have to be there; None: it must have come in this run."""
        return None if self.config.snapshot else self.version

    @property
    def carries_all(self) -> bool:
        """Whether each run carries the complete table."""
        return carries_all(self.config, self.sources, self.version)


@dataclass(frozen=True, slots=True)
class CompleteStreams:
    """The streams of mode `sync`, and which of them are complete (docs/removals.md)."""

    ledger: Ledger
    records: Records
    """The part of the ledger with the streams' records: contacts, or memberships."""
    say: Callable[[str], None]
    _tables: dict[str, _Table] = field(default_factory=dict, init=False)
    _complete: dict[str, int | None] = field(default_factory=dict, init=False)

    def add(self, stream: Stream) -> None:
        """Add a stream of mode `sync` when it begins."""
        self._tables[stream.name] = _Table(stream.settings, list(dict.fromkeys(stream.sources)))

    def add_source(self, stream: str, tap_stream: TapStream) -> None:
        """Add a stream of the tap that a stream is made of, too."""
        table = self._tables.get(stream)
        if table is not None and tap_stream not in table.sources:
            table.sources.append(tap_stream)

    def may_tell(self, stream: str) -> bool:
        """Check whether, as far as its tap has said, a stream may tell which records are missing from it."""
        table = self._tables.get(stream)
        return table is not None and table.carries_all

    def decide(self, unclear: Collection[str]) -> None:
        """Decide which streams are complete, at the end of the pipe.

        `unclear`: streams with a refused record that may be any of their records.
        """
        for stream, table in self._tables.items():
            if self._is_complete(stream, table, is_unclear=stream in unclear):
                self._complete[stream] = table.wanted_version

    def versions(self) -> dict[str, int | None]:
        """Return the complete streams, with the version that a record must have; None: it must have come."""
        return self._complete.copy()

    def misses(self, record: Holder) -> bool:
        """Check whether a record is missing from a complete stream."""
        if record.seen or record.stream not in self._complete:
            return False
        version = self._complete[record.stream]
        return version is None or record.version != version

    def _is_complete(self, stream: str, table: _Table, *, is_unclear: bool) -> bool:
        if table.version is not None and not table.sources[0].tells_versions:
            self.records.activate(stream, table.version)
        if not table.carries_all:
            return False
        doubt = self._doubt(stream, table, is_unclear=is_unclear)
        if doubt is not None:
            self.say(doubt)
        return doubt is None

    def _doubt(self, stream: str, table: _Table, *, is_unclear: bool) -> str | None:
        """Return why a table may not be complete; None: it is."""
        position = next((source.position for source in table.sources if source.position is not None), None)
        if position is not None:
            return incremental_bookmark(stream, position)
        missing = next((source.missing for source in table.sources if source.missing is not None), None)
        if missing is not None:
            return maybe_incomplete(stream, missing)
        if is_unclear:
            return unreadable_key(stream)
        return None if self.ledger.streams.was_alone(stream) else shared_stream(stream)
