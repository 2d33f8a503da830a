"""The last runs of each workspace, in figures."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from target_intercom.ledger.interface import Ledger
from target_intercom.ledger.retention import RUNS_KEPT
from tests.units.reporting.pages.facts import ENDED

from .test_command import looked

if TYPE_CHECKING:
    from target_intercom.ledger.records import SqlLedger
    from target_intercom.reporting.ended_run import EndedRun

    from .conftest import Ledgers

RUN = replace(ENDED, run="r1", outcomes={"created": 292, "archived": 7})


def later(number: int, **figures: Any) -> EndedRun:
    """A run that began some minutes after the first."""
    hours, minutes = divmod(number, 60)
    return replace(RUN, run=f"r{number}", started_at=f"2026-11-21T{10 + hours}:{minutes:02}:00.000+00:00", **figures)


def test_a_ledger_knows_what_its_last_runs_did(ledgers: Ledgers) -> None:
    ledger = ledgers()
    failed = later(2, exit_code=143, outcomes={})
    for run in (failed, RUN):
        ledger.note_run(run)
    ledgers(workspace="w2").note_run(later(3))

    assert ledgers("r4").last_runs() == [RUN, failed]


def test_a_run_that_ends_twice_is_kept_as_it_ended_last(ledger: SqlLedger) -> None:
    ledger.note_run(RUN)
    ledger.note_run(replace(RUN, exit_code=1))
    assert [run.exit_code for run in ledger.last_runs()] == [1]


def test_the_last_hundred_runs_of_a_workspace_are_kept(ledgers: Ledgers) -> None:
    ledger, other = ledgers(), ledgers(workspace="w2")
    other.note_run(RUN)
    for number in range(RUNS_KEPT + 3):
        ledger.note_run(later(number))

    assert [run.run for run in ledger.last_runs()] == [f"r{number}" for number in range(3, RUNS_KEPT + 3)]
    assert len(ledgers.rows("runs")) == RUNS_KEPT
    assert other.last_runs() == [RUN]


def test_a_run_without_a_ledger_knows_of_no_other() -> None:
    ledger = Ledger()
    ledger.note_run(RUN)
    assert ledger.last_runs() == ()


def test_runs_are_listed_as_text_and_as_json(new_ledgers: Ledgers) -> None:
    failed = later(2, exit_code=1, outcomes={})
    for run in (RUN, failed):
        new_ledgers().note_run(run)
    new_ledgers(workspace="w2").note_run(RUN)
    workspace = new_ledgers.workspace()

    header, first, second, third = [line.split() for line in looked(new_ledgers.url, "runs").splitlines()]
    names = ["workspace", "run", "started_at", "seconds", "exit_code", "read", "written", "refused", "calls"]
    assert header == names
    assert first == [workspace, "r1", RUN.started_at, "91.5", "0", "360", "345", "8", "351"]
    assert (second[1], second[4]) == ("r2", "1")
    assert third[0] == new_ledgers.workspace("w2")

    listed = json.loads(looked(new_ledgers.url, "runs", "--format=json"))
    assert listed[:2] == [{"workspace": workspace, **asdict(run)} for run in (RUN, failed)]


def test_a_ledger_without_runs_lists_none(new_ledgers: Ledgers) -> None:
    new_ledgers()
    assert looked(new_ledgers.url, "runs").splitlines()[1:] == []
    assert json.loads(looked(new_ledgers.url, "runs", "--format=json")) == []
