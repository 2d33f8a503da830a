"""Reads Singer messages without ever quoting them: a line may hold personal data."""

from __future__ import annotations

import typing as t
from collections import Counter

from singer_sdk.io_base import SingerReader
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_intercom.json_lines import parsed_line

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_MARK: t.Final = "\ufeff"


class MessageReader(SingerReader):
    """The SDK's reader, with errors that name the line's number in place of its text. Blank lines are skipped."""

    def process_lines(
        self, file_input: t.IO[str] | None, callbacks: dict[str, Callable[[dict[str, t.Any]], None]]
    ) -> t.Counter[str]:
        """Call the callback of each message's type.

        Raises:
            InvalidInputLine: a line is no Singer message.
        """
        counts: Counter[str] = Counter()
        for number, line in _lines(file_input or self.default_input):
            if line.isspace():
                continue
            message = _message(number, line)
            callback = callbacks.get(message["type"])
            if callback is None:
                error = f"Line {number} has the unknown message type {message['type']!r}"
                raise InvalidInputLine(error)
            callback(message)
            counts[message["type"]] += 1
        return counts

    @staticmethod
    def assert_line_requires(line_dict: dict[str, t.Any], requires: Iterable[str]) -> None:
        """Check that a message has some keys.

        Raises:
            InvalidInputLine: names the type and the key.
        """
        missing = sorted(set(requires) - set(line_dict))
        if missing:
            error = f"A {line_dict.get('type', 'part of a SCHEMA')} message lacks {', '.join(missing)}"
            raise InvalidInputLine(error)


def _lines(source: t.IO[str]) -> Iterator[tuple[int, str]]:
    """Yield each line with its number; before the first, Windows writes the mark of a Unicode file."""
    number = 0
    try:
        for number, line in enumerate(source, start=1):
            yield number, line if number > 1 else line.removeprefix(_MARK)
    except UnicodeDecodeError:
        error = f"Line {number + 1}, or one soon after it, is not UTF-8"
        raise InvalidInputLine(error) from None


def _message(number: int, line: str) -> dict[str, t.Any]:
    try:
        message: object = parsed_line(line)
    except ValueError:
        error = f"Line {number} is not JSON"
        raise InvalidInputLine(error) from None
    except RecursionError:
        error = f"Line {number} cannot be read: it is nested too deeply"
        raise InvalidInputLine(error) from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        error = f"Line {number} is not a Singer message: it has no type"
        raise InvalidInputLine(error)
    if not isinstance(message.get("stream", ""), str):
        error = f"Line {number} is not a Singer message: its stream is not a text"
        raise InvalidInputLine(error)
    return message
