"""The filter of the whole log: texts from elsewhere can neither forge a line nor command the terminal."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from singer_sdk.metrics import Point

from target_intercom.text import Lines, printable

if t.TYPE_CHECKING:
    from collections.abc import Callable

_FORMATTER: t.Final = logging.Formatter()


def guard_log() -> None:
    """Have every record of every logger filtered as it is made, libraries' too, whichever handler takes it."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Guarded):
        logging.setLogRecordFactory(_Guarded(make))


class _Guarded:
    """Makes log records whose texts are printable; a message breaks its line only where it is `Lines`."""

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
