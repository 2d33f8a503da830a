"""The live line of a terminal, and log lines above it; imported only where there is one: tqdm is slow to load."""

from __future__ import annotations

import logging
import sys
import threading
import typing as t
from contextlib import contextmanager

from tqdm import tqdm

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class LiveLine:
    """A line at the bottom of the terminal that is drawn again and again; lines of the log go above it."""

    def __init__(self, stream: t.TextIO) -> None:
        """Draw an empty line, and send what the log's handlers write above it until `close`."""
        self._lock = threading.RLock()
        tqdm.set_lock(self._lock)
        # It would look after bars whose loop is slow; this one has none.
        tqdm.monitor_interval = 0
        self._bar: tqdm[t.NoReturn] = tqdm(
            bar_format="{desc} [{elapsed}]", file=stream, leave=False, dynamic_ncols=True, desc="Loading"
        )
        self._handlers = [(handler, handler.stream) for handler in _terminal_handlers()]
        for handler, original in self._handlers:
            handler.setStream(_Above(original, self))

    def show(self, text: str) -> None:
        """Draw the line anew."""
        with self._lock:
            self._bar.set_description_str(text)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take the line away while something else is written."""
        # Locked here: where a signal interrupts the wait, tqdm's own locking would raise another error over it.
        with self._lock, tqdm.external_write_mode(file=sys.stderr, nolock=True):
            yield

    def close(self) -> None:
        """Clear the line for good, and let the handlers write to their own streams again."""
        self._bar.close()
        for handler, original in self._handlers:
            handler.setStream(original)


class _Above:
    """The stream of a log handler: it writes each text, which is a whole line, above the live line."""

    def __init__(self, stream: t.TextIO, line: LiveLine) -> None:
        self._stream = stream
        self._line = line

    def write(self, text: str) -> int:
        with self._line.away():
            return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def _terminal_handlers() -> list[logging.StreamHandler[t.Any]]:
    """Return the handlers that write to the terminal; `SINGER_SDK_LOG_CONFIG` may have given any logger one."""
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    handlers = dict.fromkeys(handler for logger in (logging.root, *named) for handler in logger.handlers)
    return [
        handler
        for handler in handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in {sys.stderr, sys.stdout}
    ]
