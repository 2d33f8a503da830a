"""The summary of a run: a table of what became of the records, why some were refused, and where the files are."""

from __future__ import annotations

import typing as t

from target_intercom.outcomes import Result
from target_intercom.reporting.text import Lines, columns

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from target_intercom.reporting.report import StreamReport

DONE: t.Final = "What the run did:"
DRY_RUN: t.Final = "Dry run: nothing was written. What a run would do:"

_WIDEST: t.Final = 100
"""Characters in a line; a wider table is turned round, if that makes it narrower. A terminal has a width of its own."""
_MOST_REASONS: t.Final = 10
"""Reasons named with their counts; the report's file has all of them."""


def last_word(
    streams: Mapping[str, StreamReport],
    files: Mapping[str, Path],
    title: str = DONE,
    beside: Sequence[str] = (),
    *,
    widest: int | None = None,
) -> Lines:
    """Return the lines to be logged at the end of a run; without streams there is no table.

    Args:
        streams: the counts by stream.
        files: where something can be read on, by what it is.
        title: stands above the table: `DONE` or `DRY_RUN`.
        beside: lines that stand below it.
        widest: characters in a line of the terminal; None: there is none.
    """
    lines = [title, *_table(streams, widest or _WIDEST), *beside, *_refusals(streams)] if streams else []
    return Lines([*lines, *(f"{what}: {path}" for what, path in files.items())])


def _table(streams: Mapping[str, StreamReport], widest: int) -> list[str]:
    """Return the aligned counts, without those that are zero in every stream."""
    counts = [{"read": one.results.total(), **one.counts(), "left": one.left} for one in streams.values()]
    names = ["read", *(one.value for one in Result), "left"]
    shown = [name for name in names if name == "read" or any(one.get(name) for one in counts)]
    rows = [[name, *(str(one.get(key, 0)) for key in shown)] for name, one in zip(streams, counts, strict=True)]
    table = [["stream", *shown], *rows]
    upright, turned = (columns(one, numbers=True) for one in (table, list(zip(*table, strict=True))))
    return turned if _width(upright) > widest and _width(turned) < _width(upright) else upright


def _refusals(streams: Mapping[str, StreamReport]) -> list[str]:
    """Return why records were refused, by stream and result, the most frequent reason first."""
    return [
        f"{result.value} of {name}: {_reasons(counts.reasons[result])}"
        for name, counts in streams.items()
        for result in (Result.INVALID, Result.REJECTED)
        if counts.reasons.get(result)
    ]


def _reasons(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    named = [f"{times} {reason}" for reason, times in ordered[:_MOST_REASONS]]
    others = sum(times for _, times in ordered[_MOST_REASONS:])
    return ", ".join([*named, *([f"{others} for other reasons"] if others else [])])


def _width(lines: Sequence[str]) -> int:
    return max(map(len, lines))
