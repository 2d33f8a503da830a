"""Writes the tables of reasons and errors into docs/report.md and docs/errors.md: `python -m docs.meanings_tables`.

Their texts stand in `target_intercom/reporting/pages/texts`: report.html has them from there, too. A test holds the
documents and the texts together.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from target_intercom.reporting.pages.meanings import messages, reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DOCS = Path(__file__).parent
REPORT, ERRORS = DOCS / "report.md", DOCS / "errors.md"


def with_tables(page: Path) -> str:
    """Return the text of a page with the tables of now between their marks."""
    text = page.read_text(encoding="utf-8")
    for name, lines in _reason_tables() if page == REPORT else _message_tables():
        begin, end = f"<!-- {name}: written by python -m docs.meanings_tables -->\n", f"<!-- end of {name} -->\n"
        before, begins, rest = text.partition(begin)
        _, ends, after = rest.partition(end)
        if not (begins and ends):
            raise ValueError(f"{page.name} has no marks for the table '{name}'")
        text = f"{before}{begin}\n{''.join(lines)}\n{end}{after}"
    return text


def _reason_tables() -> Iterator[tuple[str, list[str]]]:
    for result, rows in reasons().items():
        advice = "if you want it otherwise" if result == "skipped" else "what to do"
        yield result, _table(("reason", "meaning", advice), ((row.reason, row.meaning, row.advice) for row in rows))


def _message_tables() -> Iterator[tuple[str, list[str]]]:
    for heading, rows in messages().items():
        names = ("it says", "meaning", "what to do")
        if all(row.error is None for row in rows):
            yield heading, _table(names, ((row.says, row.meaning, row.advice) for row in rows))
        else:
            cells = ((row.says, row.meaning, row.advice, row.error or "") for row in rows)
            yield heading, _table((*names, "error"), cells)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(header), "|---" * len(header) + "|\n", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


if __name__ == "__main__":
    for page in (REPORT, ERRORS):
        page.write_text(with_tables(page), encoding="utf-8")
