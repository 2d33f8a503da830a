"""Which streams are whole tables of which all came: only there a missing record has left."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.sync.objections import holds_position

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_intercom.config import StreamConfig
    from target_intercom.ledger.base import Ledger
    from target_intercom.sync.pipe import TapStream


class Remembered(t.Protocol):
    """The part of the ledger that remembers a stream's records."""

    def known(self, stream: str) -> int:
        """Count what is known of a stream and may be removed."""

    def activate(self, stream: str, version: int) -> None:
        """Note the version of the records that came since this run began."""


@dataclass(frozen=True, slots=True)
class Table:
    """A stream of this run whose records decide who is removed."""

    config: StreamConfig
    sources: list[TapStream]
    """The tap's streams that it is made of: stream maps may make one of several."""
    known: int
    """Contacts, or memberships, known from it before this run."""

    @property
    def version(self) -> int | None:
        """The version that its tap activated; of several streams' versions nothing follows."""
        return self.sources[0].version if len(self.sources) == 1 else None

    @property
    def is_whole(self) -> bool:
        """Whether each run carries all of it."""
        is_incremental = any(source.is_incremental for source in self.sources)
        return not is_incremental and (self.config.snapshot or self.version is not None)


class Tables:
    """The streams of mode `sync`, and which of them may be held against who is missing (docs/removals.md)."""

    def __init__(self, ledger: Ledger, remembered: Remembered, say: Callable[[str], None]) -> None:
        """`remembered` is the ledger's part for their records."""
        self._ledger = ledger
        self._remembered = remembered
        self._say = say
        self._tables: dict[str, Table] = {}

    def join(self, stream: str, config: StreamConfig, sources: Iterable[TapStream]) -> None:
        """Take in a stream of mode `sync` when it begins, before anything of it is written.

        `sources` are the tap's streams that it is known to be made of, also those that have not begun.
        """
        self._tables[stream] = Table(config, list(dict.fromkeys(sources)), self._remembered.known(stream))

    def feed(self, stream: str, tap_stream: TapStream) -> None:
        """Note that a stream is made of one of the tap's, too."""
        table = self._tables.get(stream)
        if table is not None and tap_stream not in table.sources:
            table.sources.append(tap_stream)

    def known(self, stream: str) -> int:
        """Give how many contacts, or memberships, were known from a stream before this run."""
        return self._tables[stream].known if stream in self._tables else 0

    def __getitem__(self, stream: str) -> Table:
        """Give a stream's table."""
        return self._tables[stream]

    def whole(self) -> list[str]:
        """Decide which streams are whole, at the end of the pipe."""
        return [stream for stream, table in self._tables.items() if self._is_whole(stream, table)]

    def _is_whole(self, stream: str, table: Table) -> bool:
        if table.version is not None and not table.sources[0].tells_versions:
            self._remembered.activate(stream, table.version)
        if not table.is_whole:
            return False
        position = next((source.position for source in table.sources if source.position is not None), None)
        if position is not None:
            self._say(holds_position(stream, position))
            return False
        if not all(source.is_complete for source in table.sources):
            self._say(
                f"Stream '{stream}': the tap did not say that it is complete (no record, or no STATE or "
                "ACTIVATE_VERSION of the stream after its last one; see the README, Removals): who is missing from "
                "it is not removed"
            )
            return False
        if any(source.is_unclear for source in table.sources):
            self._say(
                f"Stream '{stream}': it has no key, and the identifier of a record is invalid, so that it may be "
                "anybody's: who is missing from it is not removed"
            )
            return False
        if not self._ledger.was_alone(stream):
            self._say(f"Stream '{stream}': another run worked on it, too: who is missing from it is not removed")
            return False
        return True
