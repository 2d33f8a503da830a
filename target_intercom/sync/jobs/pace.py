"""How fast Intercom works off the tasks of bulk jobs: measured, never assumed."""

from __future__ import annotations

import math
import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_TASKS: t.Final = 8
"""Tasks of a job: one look shows how far all of them are. They are sent one after the other, jobs beside each other:
more would save looks and take longer."""
_TASKS_AT_FIRST: t.Final = 3
"""Tasks of a job before any has ended."""
_A_JOB: t.Final = 3.0
"""Seconds of work that a job is given. Where tasks take long, more jobs are worked off beside each other."""
_REMEMBERED: t.Final = 100
"""Tasks by which the pace is told, about: of older ones the half is forgotten."""
_SHORTEST_PAUSE: t.Final = 0.4
LONGEST_PAUSE: t.Final = 10.0
"""Seconds before a look."""


class Pace:
    """How long Intercom works on a task, as its tasks say, and when anything moved; shared by all jobs of a run."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._turn = threading.Lock()
        self._tasks = 0.0
        self._seconds = 0.0
        self.moved_at = -math.inf
        """When a task of any job was last seen to move, on the monotonic clock: where Intercom works off one job after
        the other, those that wait for their turn do not stand still."""

    @property
    def tasks_a_job(self) -> int:
        """How many tasks go into a job."""
        if not self._tasks:
            return _TASKS_AT_FIRST
        return max(1, min(_MOST_TASKS, int(_A_JOB / max(self._a_task, _A_JOB / _MOST_TASKS))))

    def ended(self, seconds: Iterable[int]) -> None:
        """Add how long Intercom has worked on tasks, in whole seconds of its clock: the mean of many tells parts."""
        with self._turn:
            for one in seconds:
                self._tasks += 1
                self._seconds += one
                if self._tasks > _REMEMBERED:
                    self._tasks, self._seconds = self._tasks / 2, self._seconds / 2

    def pause(self, tasks: int, passed: float) -> float:
        """Return after how many seconds so many tasks of a job should have ended, as far as is known.

        `passed`: for how many seconds the first of them may have been worked on.
        """
        return max(_SHORTEST_PAUSE, min(LONGEST_PAUSE, tasks * self._a_task - passed))

    @property
    def _a_task(self) -> float:
        return self._seconds / self._tasks if self._tasks else 0.0
