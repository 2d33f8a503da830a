"""How many tasks go into a job, and when it is looked at, by what Intercom has told of tasks so far."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from target_intercom.intercom.protocol.bulk import Task
from target_intercom.sync.jobs.pace import Pace


def pace(*seconds: int) -> Pace:
    known = Pace()
    known.ended(seconds)
    return known


def test_before_a_task_has_ended_jobs_are_short_and_looked_at_soon() -> None:
    assert (Pace().tasks_a_job, Pace().pause(3, 0.0)) == (3, 0.4)


@pytest.mark.parametrize(
    ("seconds", "tasks"),
    [([0, 0, 0, 0], 8), ([0, 0, 0, 0, 1], 8), ([0, 1], 6), ([1], 3), ([2], 1), ([5, 5], 1), ([600], 1)],
)
def test_the_longer_tasks_take_the_fewer_go_into_a_job(seconds: list[int], tasks: int) -> None:
    assert pace(*seconds).tasks_a_job == tasks


@pytest.mark.parametrize(
    ("seconds", "tasks", "passed", "pause"),
    [
        ([0], 8, 0.0, 0.4),
        ([1], 3, 0.0, 3.0),
        ([1], 3, 1.5, 1.5),
        ([1], 3, 7.0, 0.4),
        ([5], 1, 0.0, 5.0),
        ([60], 1, 0.0, 10.0),
    ],
)
def test_a_job_is_looked_at_when_its_tasks_should_have_ended(
    seconds: list[int], tasks: int, passed: float, pause: float
) -> None:
    assert pace(*seconds).pause(tasks, passed) == pause


def test_a_change_of_pace_is_noticed() -> None:
    known = pace(*repeat(0, 10_000))
    assert known.tasks_a_job == 8
    known.ended(repeat(5, 100))
    assert known.tasks_a_job == 1
    known.ended(chain.from_iterable(repeat([0, 0, 0, 0, 1], 100)))
    assert known.tasks_a_job == 8


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"started_at": 100, "completed_at": 107}, 7),
        ({"started_at": 100, "completed_at": 100}, 0),
        ({"started_at": 100, "completed_at": 99}, 0),
        ({"started_at": 100, "completed_at": None}, None),
        ({"completed_at": 107}, None),
        ({"started_at": "then", "completed_at": 107}, None),
    ],
)
def test_a_task_tells_how_long_it_was_worked_on(times: dict[str, object], seconds: int | None) -> None:
    assert Task.from_json({"state": "completed", "created_at": 90, **times}).seconds == seconds
