"""A stream of a run, as the parts of its sync see it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from target_intercom.model import Received
    from target_intercom.settings.config import StreamConfig
    from target_intercom.singer.tap_streams import TapStream


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream, by the name that it has after stream maps."""

    name: str
    settings: StreamConfig
    keys: tuple[str, ...]
    """The names of its key properties."""
    sources: tuple[TapStream, ...]
    """The tap's streams that it is made of, as far as is known; first the stream of the SCHEMA that came."""

    @property
    def source(self) -> TapStream:
        """The tap's stream of the SCHEMA that came."""
        return self.sources[0]

    def version_of(self, received: Received) -> int | None:
        """Return the version of the table that a record is of."""
        return self.source.version_of(received.message)
