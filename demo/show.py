"""Reports, rows and contacts as text for a person."""

from __future__ import annotations

import json
import typing as t
import unicodedata
from datetime import date, datetime
from decimal import Decimal

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.pipeline import Report
    from demo.tables.rows import Row
    from demo.workspace import Company, Contact

# The mappings in meltano.yml.
_RENAMED = {"id": "external_id"}
_RENAMED_OF_COMPANIES = {"id": "company_id", "opened_at": "remote_created_at", "tier": "account_tier"}
# Who is to be removed, Intercom's own, and which company the contact is in.
_NOT_LOADED = ("deleted_at", "updated_at", "account_id")
_WIDTH = 40
_ZERO_WIDTH_JOINER = "\N{ZERO WIDTH JOINER}"


def report(report: Report) -> Iterator[str]:
    """Say what a run did: the records of each stream by outcome, and the calls that it took."""
    for name, counts in report["streams"].items():
        outcomes = {what: count for what, count in counts.items() if what != "read" and isinstance(count, int)}
        yield f"{report['status']}: {counts['read']} records read from {name}: {_figures(outcomes)}"
        for what, by_attribute in counts.items():
            if isinstance(by_attribute, dict) and by_attribute:
                yield f"  {what}: {_figures(by_attribute)}"
    calls = report["api"]["calls"]
    yield f"{sum(calls.values())} calls to Intercom: {_figures(calls)}"


def comparison(
    row: Row, segments: list[str], contact: Contact | None, tags: list[str], companies: list[str]
) -> Iterator[str]:
    """Set a row and the contact that came of it side by side, column by column, with its segments and account."""
    if contact is None:
        yield f"  deleted_at is {_text(row['deleted_at'])}: no such contact any more, it is archived"
        return
    yield _line("column", "in PostgreSQL", "in Intercom (dates are unix seconds)")
    for column, value in row.items():
        if column not in _NOT_LOADED:
            yield _line(column, _text(value), _text(attribute(contact, _RENAMED.get(column, column))))
    yield _line("segments", ", ".join(segments), ", ".join(tags))
    yield _line("account_id", row["account_id"] or "", ", ".join(companies))


def company(row: Row, workers: list[int], company: Company | None) -> Iterator[str]:
    """Set an account and the company that came of it side by side, column by column, and how many work there."""
    if company is None:
        yield "  no such company"
        return
    yield _line("column", "in PostgreSQL", "in Intercom (dates are unix seconds)")
    for column, value in row.items():
        yield _line(column, _text(value), _text(attribute(company, _RENAMED_OF_COMPANIES.get(column, column))))
    yield _line("customers", str(len(workers)), str(company["user_count"]))


def attribute(shown: Contact | Company, name: str) -> t.Any:
    """Find an attribute: a standard one, or else a custom one."""
    custom = shown["custom_attributes"]
    value = custom[name] if name in custom else shown.get(name)
    return value.get("name") if name == "plan" and isinstance(value, dict) else value


def _figures(counts: dict[str, t.Any]) -> str:
    return ", ".join(
        f"{what} ({_figures(count)})" if isinstance(count, dict) else f"{count} {what}"
        for what, count in counts.items()
        if count
    )


def _line(*cells: str) -> str:
    name, left, right = cells
    return f"  {name:<14} {_padded(left)} {right}"


def _padded(text: str) -> str:
    return text + " " * (_WIDTH - _width(text))


def _width(text: str) -> int:
    """Count the columns that a terminal takes for the text: wide characters take two, marks none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character == _ZERO_WIDTH_JOINER:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _text(value: t.Any) -> str:
    """Write a value in one short line; text is quoted, so that line breaks and numbers in text show."""
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=_plain)
    while _width(text) > _WIDTH:
        text = text[:-2] + "…"
    return text


def _plain(value: t.Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
