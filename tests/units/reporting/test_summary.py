"""The last word of a run: a table, the reasons of refusals, and where the files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from target_intercom.model import LinkName
from target_intercom.outcomes import CONTACT_RESULTS, MEMBERSHIP_RESULTS, Result
from target_intercom.reporting.report import StreamReport
from target_intercom.reporting.summary import DRY_RUN, last_word


def said(*given: Any) -> str:
    return str(last_word(*given))


FILES = {"Report": Path("data/report.json")}


def contacts(left: int = 0, tagged: int = 0, **results: int) -> StreamReport:
    report = StreamReport()
    report.results.update({Result(name): count for name, count in results.items()})
    report.beside.update({Result.TAGGED: tagged})
    report.left = left
    return report


def groups(**results: int) -> StreamReport:
    report = StreamReport(MEMBERSHIP_RESULTS[LinkName.TAG], is_of_contacts=False)
    report.results.update({Result(name): count for name, count in results.items()})
    return report


def refused(**reasons: dict[str, int]) -> StreamReport:
    report = contacts(**{name: sum(counts.values()) for name, counts in reasons.items()})
    for name, counts in reasons.items():
        report.reasons[Result(name)].update(counts)
    return report


def cells(text: str) -> list[list[str]]:
    """The cells of the table's lines, without the title and the files."""
    return [line.split() for line in text.splitlines()[1:-1]]


def test_a_table_shows_what_became_of_the_records_of_each_stream() -> None:
    streams = {"customers": contacts(created=120, updated=7, left=3, tagged=9), "teams": groups(tagged=4, rejected=1)}
    assert said(streams, FILES).splitlines() == [
        "What the run did:",
        "stream     read  created  updated  tagged  rejected  left",
        "customers   127      120        7       9         0     3",
        "teams         5        0        0       4         1     0",
        "Report: data/report.json",
    ]


def test_the_table_of_a_stream_without_records_says_that_none_was_read() -> None:
    assert cells(said({"customers": contacts()}, FILES)) == [["stream", "read"], ["customers", "0"]]


@pytest.mark.parametrize("result", CONTACT_RESULTS)
def test_every_result_of_contacts_has_a_column(result: Result) -> None:
    table = cells(said({"customers": contacts(**{result.value: 2})}, FILES))
    assert table == [["stream", "read", result.value], ["customers", "2", "2"]]


@pytest.mark.parametrize("result", MEMBERSHIP_RESULTS[LinkName.TAG])
def test_every_result_of_groups_has_a_column(result: Result) -> None:
    table = cells(said({"teams": groups(**{result.value: 2})}, FILES))
    assert table == [["stream", "read", result.value], ["teams", "2", "2"]]


def test_a_table_that_is_too_wide_is_turned_round() -> None:
    everything = contacts(left=1, tagged=1, **{result.value: 1000 for result in CONTACT_RESULTS})
    text = said({"customers": everything, "trials": everything}, FILES)
    assert max(map(len, text.splitlines())) < 80
    assert cells(text)[:3] == [["stream", "customers", "trials"], ["read", "9000", "9000"], ["created", "1000", "1000"]]


def test_a_table_that_does_not_fit_the_terminal_is_turned_round() -> None:
    streams = {"public-customers": contacts(created=1, updated=1, unchanged=1, skipped=1, archived=1, rejected=1)}
    upright = str(last_word(streams, FILES, widest=80)).splitlines()[1:-1]
    turned = str(last_word(streams, FILES, widest=60)).splitlines()[1:-1]
    assert [len(upright), len(turned)] == [2, 8]
    assert max(map(len, turned)) < 60 < max(map(len, upright)) <= 80


def test_reasons_of_refusals_are_counted_the_most_frequent_first() -> None:
    report = refused(rejected={"ambiguous": 1, "parameter_invalid": 5}, invalid={"not_a_date": 2})
    report.reasons[Result.SKIPPED].update({"exists": 4})
    assert said({"customers": report}, FILES).splitlines()[-3:-1] == [
        "invalid of customers: 2 not_a_date",
        "rejected of customers: 5 parameter_invalid, 1 ambiguous",
    ]


def test_many_reasons_are_summed_up() -> None:
    report = refused(rejected={f"code_{number:02}": 1 for number in range(14)})
    line = said({"customers": report}, FILES).splitlines()[-2]
    assert line.endswith("1 code_09, 4 for other reasons")


def test_names_cannot_break_a_line() -> None:
    text = said({"a\nb\x1b[31m": refused(rejected={"x\ny": 1})}, FILES)
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text


def test_a_dry_run_says_that_nothing_was_written() -> None:
    assert said({"customers": contacts(created=1)}, FILES, DRY_RUN).startswith("Dry run: nothing was written.")


def test_a_run_without_streams_names_its_files() -> None:
    assert said({}, FILES) == "Report: data/report.json"
    assert said({}, {}) == ""
