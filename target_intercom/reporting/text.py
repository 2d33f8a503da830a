"""Texts for people: printable ones, columns, and what an error means."""

from __future__ import annotations

import traceback
import typing as t

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_intercom.errors import redact

if t.TYPE_CHECKING:
    from collections.abc import Sequence


def printable(text: str) -> str:
    """Return a text with characters escaped that are not printable: they could break a line or control a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class Lines(tuple[str, ...]):
    """A text of several lines, each made printable; the only text that may break a line of the log."""

    __slots__ = ()

    def __str__(self) -> str:
        """Put the lines below each other."""
        return "\n".join(map(printable, self))


def columns(rows: Sequence[Sequence[str]], *, indent: str = "", numbers: bool = False) -> list[str]:
    """Return rows as aligned columns, made printable, a line for each row.

    Args:
        rows: the cells, as many in each row.
        indent: what each line begins with.
        numbers: all columns but the first stand to the right.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        [cell.rjust(width) if numbers and place else cell.ljust(width) for place, (cell, width) in enumerate(pairs)]
        for pairs in (zip(row, widths, strict=True) for row in cells)
    ]
    return [f"{indent}{'  '.join(line)}".rstrip() for line in lines]


def explained(error: Exception) -> Lines:
    """Return what ended the run: the message of an expected error, the place of an unexpected one.

    The text of an unexpected error may quote a record; it is shown at DEBUG only.
    """
    if isinstance(error, (SingerSDKError, InvalidInputLine, OSError)):
        return Lines([redact(str(error))])
    stack = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return Lines([f"Unexpected {type(error).__name__}; with LOGLEVEL=DEBUG the log says more", *map(redact, stack)])
