"""Log records as they are made: harmless, and as the SDK's formatters need them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from singer_sdk import metrics
from singer_sdk.logging import ConsoleFormatter

from target_intercom.reporting.log import guard_log
from target_intercom.reporting.text import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

EVIL = "a\x1b[31m\nb\u202e\x00\ud800"
SHOWN = r"a\x1b[31m\nb\u202e\x00\ud800"


@pytest.fixture(autouse=True)
def guarded() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    guard_log()
    guard_log()
    yield
    logging.setLogRecordFactory(before)


def made(message: object, *args: object, name: str = "tests", error: BaseException | None = None) -> logging.LogRecord:
    given = None if error is None else (type(error), error, error.__traceback__)
    return logging.getLogger(name).makeRecord(name, logging.INFO, "file.py", 1, message, args, given)


@pytest.mark.parametrize(
    ("message", "args"),
    [(EVIL, ()), ("%s", (EVIL,)), (f"{EVIL}\n", ()), ("%(x)s", ({"x": EVIL},)), (ValueError(EVIL), ())],
)
def test_a_message_is_a_line(message: object, args: tuple[object, ...]) -> None:
    assert made(message, *args).getMessage() == SHOWN


def test_a_percent_sign_in_a_name_is_no_format() -> None:
    assert made("%s of %d%%", "100%s", 5).getMessage() == "100%s of 5%"


def test_a_message_that_cannot_be_made_is_shown_all_the_same() -> None:
    text = made("%d\n", EVIL).getMessage()
    assert "\n" not in text
    assert "x1b" in text


def test_only_lines_break_a_line() -> None:
    assert made(Lines(["first", EVIL])).getMessage() == f"first\n{SHOWN}"
    assert made("%s", Lines(["first", EVIL])).getMessage() == f"first\\n{SHOWN}"


def test_loggers_that_are_named_by_streams_are_shown_harmless() -> None:
    assert made("x", name=EVIL).name == SHOWN


def test_what_an_error_quotes_is_indented() -> None:
    text = ConsoleFormatter().format(made("x", error=ValueError(EVIL)))
    assert {char for char in text if not char.isprintable()} == {"\n"}
    first, *others = text.splitlines()
    assert first.endswith("x")
    assert [line for line in others if not line.startswith("  ")] == []
    assert "b\\u202e" in others[-1]


def test_metrics_stay_what_they_are() -> None:
    point = metrics.Point("counter", metrics.Metric.RECORD_COUNT, 3, {"stream": EVIL, "pid": 7})
    record = made("METRIC: %s", point)
    assert record.msg == "METRIC: %s"
    assert isinstance(record.args, tuple)
    (told,) = record.args
    assert isinstance(told, metrics.Point)
    assert told.to_dict() == {**point.to_dict(), "tags": {"stream": SHOWN, "pid": 7}}
