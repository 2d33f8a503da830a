"""The log: texts from elsewhere can neither forge a line nor control the terminal, and people can read it."""

from __future__ import annotations

import logging
import re
import sys
import threading
import typing as t
from dataclasses import dataclass, field, replace

from singer_sdk.logging import ConsoleFormatter
from singer_sdk.metrics import Point

from target_intercom.reporting.text import Lines, printable

if t.TYPE_CHECKING:
    from collections.abc import Callable

_FORMATTER: t.Final = logging.Formatter()
_METRICS: t.Final = logging.getLogger("singer_sdk.metrics")
_YELLOW, _RED, _PLAIN = "\x1b[33m", "\x1b[31m", "\x1b[0m"
_MOST_OF_A_KIND: t.Final = 3
_PARTICULAR: t.Final = re.compile(r"'([^']*)'|\"[^\"]*\"|\d+")
"""The parts in which warnings of one kind differ: names, values and numbers."""


def guard_log() -> None:
    """Make every record of every logger printable, libraries' too, whichever handler writes it."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Guarded):
        logging.setLogRecordFactory(_Guarded(make))


def dress_log(*, colours: bool) -> None:
    """Format the log for people: without metrics, and on a terminal with colours for warnings and errors.

    Level DEBUG shows the metrics, and so does a configuration of the user's that gives their logger a handler.
    """
    _METRICS.removeFilter(_nothing)
    if logging.root.level > logging.DEBUG and not _METRICS.handlers:
        # The SDK sets the logger's level itself, later.
        _METRICS.addFilter(_nothing)
    for handler in logging.root.handlers if colours else ():
        is_ours = type(handler.formatter) is ConsoleFormatter
        if is_ours and isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(_Coloured())


def _nothing(record: logging.LogRecord) -> bool:
    del record
    return False


class _Coloured(ConsoleFormatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return text
        return f"{_RED if record.levelno >= logging.ERROR else _YELLOW}{text}{_PLAIN}"


class Warnings:
    """The warnings of a run: the first three of a kind are written, the others counted and summed up at the end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """`write` takes each warning, from any thread."""
        self._write = write
        self._lock = threading.Lock()
        self._kinds: dict[str, _Kind] = {}

    def warn(self, text: str, kind: str | None = None) -> None:
        """Write a warning, unless three of its kind are written; `kind`: what they have in common, as a sentence.

        Without one, warnings that differ in what they quote are of one kind.
        """
        with self._lock:
            key = _PARTICULAR.sub("…", text) if kind is None else kind
            known = self._kinds.setdefault(key, _Kind(kind or text))
            known.count += 1
            is_shown = known.count <= _MOST_OF_A_KIND
            if not is_shown and kind is None:
                known.names.update(dict.fromkeys(name for name in _PARTICULAR.findall(text) if name))
        if is_shown:
            self._write(text)

    def sum_up(self) -> None:
        """Write how many more warnings of each kind there were, and the names in them; once."""
        with self._lock:
            kinds, self._kinds = list(self._kinds.values()), {}
        for kind in kinds:
            more = kind.count - _MOST_OF_A_KIND
            names = [f"'{name}'" for name in kind.names if f"'{name}'" not in kind.text]
            if more > 0:
                of = f", of {', '.join(names)}" if names else ""
                self._write(f"{more} more like it{of}: {kind.text}")


@dataclass
class _Kind:
    text: str
    """The sentence that stands for all of the kind."""
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)


class _Guarded:
    """Makes log records whose texts are printable; only a message of type `Lines` breaks its line."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        # The SDK names the loggers of sinks by their streams.
        record.name = printable(record.name)
        if isinstance(record.args, tuple) and any(isinstance(one, Point) for one in record.args):
            # The SDK's formatter and filter of metrics look at the point itself.
            record.args = tuple(_printable_point(one) if isinstance(one, Point) else one for one in record.args)
            return record
        record.msg, record.args = _message(record), ()
        if record.exc_info:
            record.exc_text = _traceback(record.exc_info)
        return record


def _message(record: logging.LogRecord) -> str:
    if isinstance(record.msg, Lines):
        return str(record.msg)
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - the handler would print both as they are
        text = f"{record.msg} {record.args}"
    return printable(text.rstrip())


def _printable_point(point: Point[t.Any]) -> Point[t.Any]:
    tags = {name: printable(value) if isinstance(value, str) else value for name, value in point.tags.items()}
    return replace(point, tags=tags)


def _traceback(error: t.Any) -> str:
    """Return a traceback whose lines are all indented: what an error quotes never looks like a line of the log."""
    return "\n".join(f"  {printable(line)}" for line in _FORMATTER.formatException(error).split("\n"))
