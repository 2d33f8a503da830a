"""A workspace that deviates is found out, and one that does not is left in peace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox.comparing.results.differences import compare
from target_intercom.sandbox.comparing.results.verdicts import Finding, verdicts
from target_intercom.sandbox.comparing.script import SCRIPT
from target_intercom.sandbox.comparing.unknowns import UNKNOWNS

from .deviations import DEVIATIONS, Deviation
from .worlds import Hurry, deviating, play, workspace

if TYPE_CHECKING:
    from target_intercom.sandbox.comparing.calls import Transcript

HIDING = frozenset({"there are no bulk jobs"})
"""Deviations under which others cannot show."""

SLOW = frozenset({"jobs are slow", "attributes are slow", "companies are deleted slowly"})


def test_two_sandboxes_do_not_differ(reference: Transcript, clock: Hurry) -> None:
    with workspace(clock, rate_limit=1000) as sandbox:
        transcript, cleaned, connection = play(sandbox.url, clock)
    comparison = compare(SCRIPT, transcript, reference)

    assert comparison.differences == ()
    assert comparison.compared == tuple(step.name for step in SCRIPT)
    assert cleaned.left == []
    assert connection.calls <= 400
    found = verdicts(UNKNOWNS, SCRIPT, comparison, transcript)
    untestable = {entry.unknown.number for entry in found if entry.finding is Finding.NOT_TESTABLE}
    assert untestable == {unknown.number for unknown in UNKNOWNS if unknown.untestable}
    assert all(entry.why for entry in found)
    assert not [entry for entry in found if entry.finding is Finding.REFUTED]


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=[deviation.name for deviation in DEVIATIONS])
def test_a_deviation_is_found(deviation: Deviation, reference: Transcript, clock: Hurry) -> None:
    with deviating(clock, deviation) as there:
        transcript, cleaned, connection = play(there, clock)
    comparison = compare(SCRIPT, transcript, reference)

    found = {(entry.kind, step) for entry in comparison.differences for step in entry.steps}
    assert (deviation.kind, deviation.step) in found, comparison.differences
    answers = verdicts(UNKNOWNS, SCRIPT, comparison, transcript)
    refuted = {entry.unknown.number for entry in answers if entry.finding is Finding.REFUTED}
    assert refuted >= {deviation.refutes} - {""}
    assert cleaned.left == []
    assert connection.calls <= 400


@pytest.mark.parametrize(("lag", "finding"), [(30, Finding.CONFIRMED), (150, Finding.REFUTED)])
def test_a_lag_that_the_target_waits_for_refutes_nothing(
    lag: float, finding: Finding, reference: Transcript, clock: Hurry
) -> None:
    with workspace(clock, search_lag=lag) as sandbox:
        transcript, _, _ = play(sandbox.url, clock)
    comparison = compare(SCRIPT, transcript, reference)

    (found,) = [
        entry for entry in verdicts(UNKNOWNS, SCRIPT, comparison, transcript) if entry.unknown.number == "contacts.6"
    ]
    assert found.finding is finding, found.why
    assert "the index shows new users" in found.why


@pytest.mark.parametrize("lag", [30, 170])
def test_the_calls_suffice_for_a_workspace_that_is_slow(lag: float, clock: Hurry) -> None:
    """Its index lags for minutes, jobs and deletions take their time, and its window is small."""
    slow = [entry for entry in DEVIATIONS if entry.name in SLOW]
    lagging = Deviation("", "", "", {"search_lag": lag, "rate_limit": 167})
    with deviating(clock, *slow, lagging) as there:
        transcript, cleaned, connection = play(there, clock)

    assert transcript.skipped == {}
    assert cleaned.left == []
    assert connection.calls <= 400


def test_each_of_many_deviations_at_once_is_found(reference: Transcript, clock: Hurry) -> None:
    together = [deviation for deviation in DEVIATIONS if deviation.name not in HIDING]
    with deviating(clock, *together) as there:
        transcript, cleaned, connection = play(there, clock)
    comparison = compare(SCRIPT, transcript, reference)

    found = {(entry.kind, step) for entry in comparison.differences for step in entry.steps}
    assert [entry.name for entry in together if (entry.kind, entry.step) not in found] == []
    assert len(together) >= 20
    assert cleaned.left == []
    assert connection.calls <= 400
