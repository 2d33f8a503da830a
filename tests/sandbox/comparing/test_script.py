"""The script and the questions, as data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox.comparing.calls import Raw
from target_intercom.sandbox.comparing.playing.filling import MissingNameError, fill
from target_intercom.sandbox.comparing.script import SCRIPT
from target_intercom.sandbox.comparing.unknowns import UNKNOWNS
from target_intercom.sandbox.comparing.unknowns.unknown import NOTHING_YET
from target_intercom.settings.table import SETTINGS
from tests.support.description import DESCRIBED, VERSIONS, official_description

if TYPE_CHECKING:
    from target_intercom.sandbox.comparing.calls import Step, Transcript

ROOT = Path(__file__).parents[3]


def test_each_step_has_a_name_of_its_own() -> None:
    assert [name for name, number in Counter(step.name for step in SCRIPT).items() if number > 1] == []


def test_each_step_uses_what_an_earlier_one_saves() -> None:
    names = {"p": "compare-x-"}
    for step in SCRIPT:
        try:
            fill(step.call, names)
        except MissingNameError as missing:
            pytest.fail(f"{step.name} needs {missing.name}, which no earlier step saves")
        names |= dict.fromkeys(step.saves, "1")


def test_everything_that_is_made_bears_the_prefix() -> None:
    """By name, as no answer may come that gives its id."""
    keys = {"external_id", "email", "company_id", "name"}
    strange = {"email", "name"}  # the name of a standard attribute, which is refused
    for step in SCRIPT:
        body = step.call.body
        if step.call.method == "POST" and isinstance(body, dict) and step.call.path.count("/") == 1:
            given = [body[key] for key in keys if key in body and isinstance(body[key], str)]
            assert all("{p}" in text or text in strange or not text for text in given), step.name


@DESCRIBED
@pytest.mark.parametrize("step", [step for step in SCRIPT if step.call.version in VERSIONS], ids=lambda step: step.name)
def test_requests_are_as_described_unless_they_are_to_be_strange(step: Step, reference: Transcript) -> None:
    exchange = reference.last(step.name)
    description = official_description()
    assert exchange is not None
    assert description is not None
    call = exchange.call

    wrong = isinstance(call.body, Raw) or description.check(call.method, call.path, call.body, call.version)

    assert bool(wrong) is step.is_strange, wrong


def test_each_question_is_asked_by_a_step_or_has_a_reason() -> None:
    asked = Counter(number for step in SCRIPT for number in step.answers)

    assert {unknown.number for unknown in UNKNOWNS} >= set(asked)
    assert [unknown.number for unknown in UNKNOWNS if bool(asked[unknown.number]) is bool(unknown.untestable)] == []


def test_the_questions_are_those_of_the_fact_sheet() -> None:
    expected = [f"contacts.{number}" for number in range(1, 34)] + [f"companies.{number}" for number in range(1, 23)]

    assert [unknown.number for unknown in UNKNOWNS] == expected


@pytest.mark.parametrize("rest", sorted({rest for unknown in UNKNOWNS for rest in unknown.rests_on}))
def test_what_rests_on_an_answer_is_there(rest: str) -> None:
    file, _, name = rest.partition(": ")

    if file == "setting":
        assert name in {setting.name for setting in SETTINGS}
    elif rest != NOTHING_YET:
        assert name in (ROOT / file).read_text(encoding="utf-8")
