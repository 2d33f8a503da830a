"""Submissions that are sent one after the other into a job of our own, and waited for.

A job says neither which items failed nor what it made. So every submission is judged by the tasks that it added to the
job, and what did not end well is for the caller to settle, item by item.
"""

from __future__ import annotations

import enum
import time
import typing as t
from dataclasses import dataclass, field

from target_intercom.errors import (
    CallFailedError,
    Fault,
    InDoubtError,
    JobClosedError,
    NoBulkError,
    NotFoundError,
    RefusedError,
    UndoneError,
)
from target_intercom.intercom.protocol.bulk import TaskState

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.bulk import Job, Task
    from target_intercom.intercom.protocol.ids import JobId, TaskId
    from target_intercom.sync.jobs.pace import Pace

_LONGEST_PAUSE, _GROWTH = 10.0, 1.5
"""Seconds between two looks at a job, and how they grow."""

_Item = t.TypeVar("_Item")
Send: t.TypeAlias = "Callable[[Sequence[_Item], JobId | None], Job]"
"""Submits what goes into one call, as a task more of a job or as a job of its own."""


class JobEnd(enum.Enum):
    """What came of a submission."""

    DONE = enum.auto()
    """All its items are written."""
    FAILED = enum.auto()
    """It has ended, or was refused: some of its items, or all, are not written."""
    UNKNOWN = enum.auto()
    """It may have been carried out, or still be."""
    NOT_SENT = enum.auto()
    """There are no bulk jobs here."""


@dataclass(frozen=True, slots=True)
class Ended(t.Generic[_Item]):
    """What came of a submission."""

    items: Sequence[_Item]
    ending: JobEnd
    fault: Fault
    """Why it did not end well."""
    since: int | None = None
    """When it was submitted, in unix seconds of Intercom's clock."""


_NOT_SHOWN: t.Final = Fault(message="a bulk job does not show what was submitted")
_WITH_ERRORS: t.Final = Fault(message="a bulk job ended with errors, and does not say which")
_TOO_LATE: t.Final = Fault(message="a bulk job did not end in time")


@dataclass(slots=True)
class _Waiting(t.Generic[_Item]):
    """A submission, the job it went to, and the tasks that came of it: several where it had to be sent again."""

    items: Sequence[_Item]
    job: JobId
    tasks: AbstractSet[TaskId]
    took: float
    """Seconds from its first try to the answer."""


@dataclass(slots=True)
class Lane(t.Generic[_Item]):
    """Submissions that are sent one after the other, so that a new task in their job is the last one's."""

    client: IntercomClient
    read: Callable[[JobId], Job]
    send: Send[_Item]
    pace: Pace
    answered: Callable[[Fault | None], None]
    """Called after each submission: with None if it was answered, or with the fault of its call."""
    ended: list[Ended[_Item]] = field(default_factory=list)
    _job: JobId | None = None
    _jobs: dict[JobId, dict[TaskId, Task]] = field(default_factory=dict)
    """What was seen of the tasks of each job: an answer may leave out those of earlier submissions."""
    _waiting: list[_Waiting[_Item]] = field(default_factory=list)

    def settle(
        self, items: Sequence[_Item], ending: JobEnd, fault: Fault | None = None, since: int | None = None
    ) -> None:
        """Add what came of a submission."""
        self.ended.append(Ended(items, ending, Fault() if fault is None else fault, since))

    def submit(self, items: Sequence[_Item]) -> None:
        """Send items as a submission; into a job of its own where the last one takes no more."""
        fault: Fault | None = None
        for _ in range(2):
            try:
                return self._send(items)
            except (JobClosedError, NotFoundError) as error:
                self._job, fault = None, error.fault
        return self.settle(items, JobEnd.FAILED, fault)

    def _send(self, items: Sequence[_Item]) -> None:
        began = time.monotonic()
        try:
            job = self.send(items, self._job)
        except (JobClosedError, NotFoundError):
            raise
        except RefusedError as error:
            self.answered(None)
            self.settle(items, JobEnd.FAILED, error.fault)
        except CallFailedError as error:
            self.answered(error.fault)
            self._job = None
            self.settle(items, JobEnd.UNKNOWN, error.fault)
        except InDoubtError as error:
            arrived = None if self._job is None else self._look(self._job)
            if arrived is None:
                self.settle(items, JobEnd.UNKNOWN, error.fault)
            else:
                self._sent(items, arrived, error.fault, time.monotonic() - began)
            # Nothing more goes into the job: what was sent may turn up in it as a task that is nobody else's.
            self._job = None
        else:
            self.answered(None)
            self._sent(items, job, _NOT_SHOWN, time.monotonic() - began)

    def _sent(self, items: Sequence[_Item], job: Job, fault: Fault, took: float) -> None:
        """Add the tasks that a submission has added to its job; `took`: the seconds of its call."""
        known = self._jobs.setdefault(job.id, {})
        tasks = job.tasks.keys() - known.keys()
        self._job = job.id
        known.update(job.tasks)
        if tasks:
            self._waiting.append(_Waiting(items, job.id, tasks, took))
        else:
            self.settle(items, JobEnd.UNKNOWN, fault)

    def _look(self, job: JobId) -> Job | None:
        try:
            return self.read(job)
        except (UndoneError, NoBulkError):
            return None

    def wait(self, patience: float) -> None:
        """Wait for the tasks to end, with growing pauses, until in no job anything has moved for so many seconds."""
        self._settle_ended()
        pause, still_since = self.pace.pause(sum(len(one.tasks) for one in self._waiting)), time.monotonic()
        while self._waiting and time.monotonic() - max(still_since, self.pace.moved_at) < patience:
            self.client.pause(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            before = {id_: dict(tasks) for id_, tasks in self._jobs.items()}
            looked_at = time.monotonic()
            for id_ in {one.job for one in self._waiting}:
                if (shown := self._look(id_)) is not None:
                    self._jobs[id_].update(shown.tasks)
            if self._jobs != before:
                self.pace.moved_at = time.monotonic()
            # Time in which the job could not be read does not count.
            still_since = max(still_since, self.pace.moved_at) + time.monotonic() - looked_at
            self._settle_ended()
        for one in self._waiting:
            self.settle(one.items, JobEnd.UNKNOWN, _TOO_LATE, self._since(one))

    def _settle_ended(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            tasks = self._tasks(one)
            if not all(task.state.has_ended for task in tasks):
                self._waiting.append(one)
                continue
            self.pace.ended(task.seconds for task in tasks if task.seconds is not None)
            if any(task.state is TaskState.COMPLETED for task in tasks):
                self.settle(one.items, JobEnd.DONE, since=self._since(one))
            else:
                self.settle(one.items, JobEnd.FAILED, _WITH_ERRORS, self._since(one))

    def _tasks(self, one: _Waiting[_Item]) -> list[Task]:
        return [self._jobs[one.job][task] for task in one.tasks]

    def _since(self, one: _Waiting[_Item]) -> int | None:
        """Return when a submission was first sent: before its tasks were made, where it had to be sent again."""
        first = min((task.created_at for task in self._tasks(one) if task.created_at is not None), default=None)
        return None if first is None else first - int(one.took)
