"""Which streams are loaded as contacts: one needs no entry in `streams`, every further one does. Pure.

A tap sends whatever is selected there, so that a table of orders would become people as well.
"""

from __future__ import annotations

import re
import typing as t

from target_intercom.settings.warnings import (
    maybe_misnamed_stream,
    missing_stream,
    stream_unknown_to_ledger,
    stream_without_entry,
)

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_intercom.errors import StreamRefusedError
    from target_intercom.settings.config import Config

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_SHORTEST: t.Final = 5
"""Letters of a name from which on one letter more or less is a typing error."""


class ContactStreams:
    """Decides which streams of contacts are loaded, in the order in which they come; a run and its check share it."""

    def __init__(self, config: Config) -> None:
        """Begin before the first stream."""
        self._config = config
        self._names: dict[str, str] = {}
        """The tap's name of each stream that came, also of one that is left out, by its name after stream maps."""
        self._unnamed: str | None = None
        """The stream of contacts that has no entry."""

    @property
    def names(self) -> Collection[str]:
        """The streams that came."""
        return self._names.keys()

    def came(self, stream: str, tap_stream: str) -> None:
        """Add a stream that came. `tap_stream`: its name before stream maps."""
        self._names[stream] = tap_stream

    def refusal(self, stream: str, known: Collection[str] = ()) -> StreamRefusedError | None:
        """Return why a stream of contacts is not loaded; None: it is. `known`: those in the ledger."""
        if stream == self._unnamed or stream in self._config.streams:
            return None
        if self._unnamed is not None:
            return stream_without_entry(stream, self._unnamed)
        for setting, name in self._config.named_streams():
            makes_nobody = not self._config.stream(name).makes_contacts
            if makes_nobody and name not in self._names and is_nearly(stream, name):
                return maybe_misnamed_stream(stream, setting, name)
        others = [name for name in known if name not in self._config.streams]
        if others and stream not in others:
            return stream_unknown_to_ledger(stream, others)
        return None

    def admit(self, stream: str) -> None:
        """Add a stream of contacts that is loaded."""
        if stream not in self._config.streams:
            self._unnamed = stream

    def missing(self) -> Iterator[tuple[str, str]]:
        """Yield each setting that names a stream that did not come, with a warning."""
        renamed = {tap_stream: stream for stream, tap_stream in self._names.items()}
        for setting, name in self._config.named_streams():
            if name not in self._names:
                yield setting, missing_stream(setting, name, sorted(self._names), renamed.get(name))


def is_nearly(stream: str, name: str) -> bool:
    """Check whether a name may mean a stream: in another case, without its schema, or with a typing error."""
    one, other = (_BETWEEN_WORDS.sub("_", text.casefold()) for text in (stream, name))
    return one == other or one.endswith(f"_{other}") or _is_slip(*sorted((one, other), key=len))


def _is_slip(short: str, long: str) -> bool:
    """Check whether a letter is missing, or two letters have changed places."""
    if len(short) < _SHORTEST:
        return False
    if len(short) < len(long):
        return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
    swapped = (long[:place] + long[place + 1] + long[place] + long[place + 2 :] for place in range(len(long) - 1))
    return len(short) == len(long) and short in swapped
