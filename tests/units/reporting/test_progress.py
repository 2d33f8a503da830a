"""What is said of a run that goes on, and where a live line can be drawn."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docs.terminal import LOGGING
from target_intercom.reporting.metrics import Metric
from target_intercom.reporting.progress import Figures, has_live_line, progress_text

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
FIGURES = Figures(read=1234, written=900, rejected=3, calls=321, window=0.456, waited=12.4)


def test_a_line_has_all_the_figures() -> None:
    assert progress_text(FIGURES) == "1234 read, 900 written, 3 rejected, 321 calls, window 46%, waits 12s"


def test_the_window_is_not_told_before_it_is_known() -> None:
    text = progress_text(replace(FIGURES, window=None))
    assert text == "1234 read, 900 written, 3 rejected, 321 calls, waits 12s"
    assert "window 0%" in progress_text(replace(FIGURES, window=0.0))


def test_a_dry_run_has_written_nothing() -> None:
    assert "900 to write" in progress_text(replace(FIGURES, dry_run=True))


def test_a_run_of_a_million_records_fits_in_a_small_terminal() -> None:
    figures = Figures(read=1_234_567, written=1_234_567, rejected=12, calls=99_999, window=0.95, waited=999)
    assert len(progress_text(figures)) < 80


@pytest.fixture
def terminal() -> Iterator[io.TextIOWrapper]:
    main, side = os.openpty()
    with os.fdopen(side, "w", encoding="utf-8") as stream:
        yield stream
    os.close(main)


def size(terminal: io.TextIOWrapper, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def test_a_live_line_needs_a_terminal_that_is_not_dumb_and_has_a_width(terminal: io.TextIOWrapper) -> None:
    assert not has_live_line(terminal, {"TERM": "xterm"})
    size(terminal, 80)
    assert has_live_line(terminal, {"TERM": "xterm"})
    assert has_live_line(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
    assert has_live_line(terminal, {})
    assert not has_live_line(terminal, {"TERM": "dumb"})
    assert not has_live_line(io.StringIO(), {"TERM": "xterm"})
    assert not has_live_line(None, {"TERM": "xterm"})


@pytest.mark.parametrize("metric", list(Metric))
def test_the_report_page_explains_every_metric(metric: Metric) -> None:
    assert f"| `{metric.value}` |" in REPORT


def test_the_report_page_has_the_logging_configuration_of_the_pictures() -> None:
    assert f"```yaml{LOGGING}```" in REPORT
