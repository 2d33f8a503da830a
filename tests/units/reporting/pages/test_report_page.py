"""What report.html says of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from target_intercom.reporting.pages.report_page import report_view

from .facts import COUNTS, ENDED, RUN, facts


def test_a_run_is_told_in_a_sentence() -> None:
    assert report_view(facts(2))["sentence"] == (
        "720 records of 2 streams were read in 1 min 32 s: 584 created, 70 updated, 36 unchanged, 14 archived, "
        "10 invalid, 6 rejected. In addition: 8 removed, missing from the source, 18 tags put on."
    )
    dry = report_view(facts(dry_run=True))
    assert dry["sentence"].startswith("Nothing was written; this is what a run would do. 360 records of 1 stream")
    assert (dry["title"], dry["status"]) == ("The dry run succeeded", "dry")
    assert report_view(facts(0))["sentence"] == "No record was processed (1 min 32 s)."


@pytest.mark.parametrize(
    ("exit_code", "title"), [(0, "The run succeeded"), (1, "The run failed"), (143, "The run was stopped by a signal")]
)
def test_the_title_says_how_it_ended(exit_code: int, title: str) -> None:
    assert report_view(facts(exit_code=exit_code))["title"] == title


def test_what_ended_a_run_comes_with_what_to_do() -> None:
    why = ["Stream 'customers' is busy: a run works on it. Run one after the other."]
    view = report_view(facts(exit_code=1, why=why, error="StreamBusyError"))
    assert view["why"] == why
    assert "wait for the other run" in view["explained"].advice


def test_each_stream_has_its_outcomes_and_kinds_their_sums() -> None:
    groups = {"read": 4, "tagged": 3, "untagged": 1, "left": 2, "reasons": {}, "cut": {}, "left_out": {}}
    given = facts(2)
    given.report["streams"]["members"] = groups
    view = report_view(replace(given, kinds={**given.kinds, "members": "groups"}))
    customers, _, members = view["streams"]
    assert [(one.name, one.count, one.kind) for one in customers.figures] == [
        ("created", 292, "written"),
        ("updated", 35, "changed"),
        ("unchanged", 18, "quiet"),
        ("archived", 7, "removed"),
        ("invalid", 5, "refused"),
        ("rejected", 3, "refused"),
    ]
    assert [(one.name, one.count) for one in customers.beside] == [("left", 4), ("tagged", 9)]
    assert [(one.name, one.count) for one in members.figures] == [("tagged", 3), ("untagged", 1)]
    assert sum(bar.width for bar in customers.bars) == pytest.approx(1000, abs=0.1)
    assert sum(bar.width for bar in members.bars) < 20
    (totals,) = view["totals"]
    assert (totals.name, totals.kind, totals.read) == ("2 streams", "contacts", 720)


def test_refusals_come_before_what_was_skipped_and_tell_their_streams() -> None:
    given = facts(2)
    given.report["streams"]["customers"] = {**COUNTS, "reasons": {**COUNTS["reasons"], "skipped": {"exists": 900}}}
    rows = report_view(given)["reasons"]
    assert [(row.result, row.reason, row.count) for row in rows] == [
        ("rejected", "parameter_invalid", 6),
        ("invalid", "invalid_email", 10),
        ("skipped", "exists", 900),
    ]
    assert rows[0].known is None
    assert rows[1].streams == [("customers", 5), ("stream_1", 5)]
    assert rows[2].known is not None


def test_values_that_were_cut_or_left_out_are_listed() -> None:
    assert report_view(facts())["lost"] == [("customers", "custom_attributes.plan", 1, 2), ("customers", "tags", 0, 3)]


def history(count: int) -> list[Any]:
    runs = [
        replace(ENDED, run=f"r{day}", read=day, exit_code=day % 2, started_at=f"2026-10-{day:02}T00:00:00+00:00")
        for day in range(1, count)
    ]
    return [*runs, ENDED]


def test_the_last_thirty_runs_are_charts_of_five_figures() -> None:
    view = report_view(facts(history=history(31)))
    charts = {chart.name: chart for chart in view["history"]}
    assert list(charts) == ["read", "written", "refused", "calls", "seconds"]
    read = charts["read"]
    assert len(read.bars) == len(view["runs"]) == 30
    assert (read.now, read.highest, read.usual) == ("360", "360", "16")
    assert charts["seconds"].now == "1 min 32 s"
    assert [bar.kind for bar in read.bars[-3:]] == ["failed", "done", "done now"]
    assert read.bars[-1].title == "2026-11-21 08:42 UTC: 360"
    assert view["runs"][0][0].run == RUN


def test_one_run_is_no_history() -> None:
    assert report_view(facts(history=[ENDED]))["history"] == []


def test_calls_are_listed_by_how_many_there_were() -> None:
    view = report_view(facts())
    assert [(one.name, one.count) for one in view["calls"]] == [
        ("POST /contacts", 300),
        ("PUT /contacts/{id}", 50),
        ("GET /me", 1),
    ]
    assert view["chart"].most_calls == 7
    assert report_view(facts(ended=replace(ENDED, calls=0)))["chart"] is None
