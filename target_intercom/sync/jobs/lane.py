"""Submissions that are sent one after the other into a job of our own, and waited for.

A job says neither which items failed nor what it made. So every submission is judged by the tasks that it added to the
job, and what did not end well is for the caller to settle, item by item.
"""

from __future__ import annotations

import enum
import math
import time
import typing as t
from dataclasses import dataclass, field, replace

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

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId, TaskId
    from target_intercom.sync.jobs.pace import Pace

_LONGEST_PAUSE, _GROWTH = 10.0, 1.5
"""Seconds between two looks at a job, and how they grow."""

_Item = t.TypeVar("_Item")


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
class Submission(t.Generic[_Item]):
    """What goes into one call; `send` submits it, as a task more of a job or as a job of its own."""

    items: Sequence[_Item]
    send: Callable[[JobId | None], Job]


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

    submission: Submission[_Item]
    job: JobId
    tasks: frozenset[TaskId]
    took: float
    """Seconds from its first try to the answer."""


@dataclass(slots=True)
class Lane(t.Generic[_Item]):
    """Submissions that are sent one after the other, so that a new task in their job is the last one's."""

    client: IntercomClient
    read: Callable[[JobId], Job]
    pace: Pace
    answered: Callable[[Fault | None], None]
    """Called after each submission: with None if it was answered, or with the fault of its call."""
    ended: list[Ended[_Item]] = field(default_factory=list)
    _job: JobId | None = None
    _jobs: dict[JobId, Job] = field(default_factory=dict)
    _waiting: list[_Waiting[_Item]] = field(default_factory=list)
    _sent_at: float = math.inf
    """When the first submission was answered."""

    def settle(
        self, submission: Submission[_Item], ending: JobEnd, fault: Fault | None = None, since: int | None = None
    ) -> None:
        """Add the result of a submission."""
        self.ended.append(Ended(submission.items, ending, Fault() if fault is None else fault, since))

    def submit(self, submission: Submission[_Item]) -> None:
        """Send a submission; into a job of its own where the last one takes no more."""
        try:
            self._send(submission)
        except (JobClosedError, NotFoundError):
            self._job = None
            self._send_anew(submission)

    def _send_anew(self, submission: Submission[_Item]) -> None:
        try:
            self._send(submission)
        except (JobClosedError, NotFoundError) as error:
            self.settle(submission, JobEnd.FAILED, error.fault)

    def _send(self, submission: Submission[_Item]) -> None:
        began = time.monotonic()
        try:
            job = submission.send(self._job)
        except (JobClosedError, NotFoundError):
            raise
        except RefusedError as error:
            self.answered(None)
            self.settle(submission, JobEnd.FAILED, error.fault)
        except CallFailedError as error:
            self.answered(error.fault)
            self._close()
            self.settle(submission, JobEnd.UNKNOWN, error.fault)
        except InDoubtError as error:
            self._look_for(submission, error.fault, began)
            self._close()
        else:
            self.answered(None)
            self._sent(submission, job, _NOT_SHOWN, time.monotonic() - began)

    def _sent(self, submission: Submission[_Item], job: Job, fault: Fault, took: float) -> None:
        """Add the tasks that a submission has added to its job; `took`: the seconds of its call."""
        before = self._jobs.get(job.id)
        tasks = frozenset(job.tasks) - (frozenset() if before is None else frozenset(before.tasks))
        self._job = job.id
        self._note(job)
        if tasks:
            self._sent_at = min(self._sent_at, time.monotonic())
            self._waiting.append(_Waiting(submission, job.id, tasks, took))
        else:
            self.settle(submission, JobEnd.UNKNOWN, fault)

    def _close(self) -> None:
        """Put nothing more into the job: what was sent may turn up in it as a task that is nobody else's."""
        self._job = None

    def _note(self, job: Job) -> None:
        """Take in what a job shows; an answer may leave out the tasks of earlier submissions."""
        before = self._jobs.get(job.id)
        if before is not None:
            job = replace(
                job,
                tasks={**before.tasks, **job.tasks},
                created_at={**before.created_at, **job.created_at},
                seconds={**before.seconds, **job.seconds},
            )
        self._jobs[job.id] = job

    def _look_for(self, submission: Submission[_Item], fault: Fault, began: float) -> None:
        """Find out whether a submission arrived whose answer was lost."""
        job = None if self._job is None else self._look(self._job)
        if job is None:
            self.settle(submission, JobEnd.UNKNOWN, fault)
        else:
            self._sent(submission, job, fault, time.monotonic() - began)

    def _look(self, job: JobId) -> Job | None:
        try:
            return self.read(job)
        except (UndoneError, NoBulkError):
            return None

    def wait(self, patience: float) -> None:
        """Wait for the tasks to end, with growing pauses, until in no job anything has moved for so many seconds."""
        still_since = time.monotonic()
        pause = self.pace.pause(sum(len(one.tasks) for one in self._waiting), still_since - self._sent_at)
        self._settle_ended()
        while self._waiting and time.monotonic() - max(still_since, self.pace.moved_at) < patience:
            self.client.pause(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            before = {id_: job.tasks for id_, job in self._jobs.items()}
            looked_at = time.monotonic()
            for id_ in {one.job for one in self._waiting}:
                if (shown := self._look(id_)) is not None:
                    self._note(shown)
            if any(job.tasks != before[id_] for id_, job in self._jobs.items()):
                self.pace.moved_at = time.monotonic()
            # Time in which the job could not be read does not count.
            still_since = max(still_since, self.pace.moved_at) + time.monotonic() - looked_at
            self._settle_ended()
        for one in self._waiting:
            self.settle(one.submission, JobEnd.UNKNOWN, _TOO_LATE, self._since(one))

    def _settle_ended(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            states = [self._jobs[one.job].tasks.get(task, TaskState.PENDING) for task in one.tasks]
            if not all(state.has_ended for state in states):
                self._waiting.append(one)
                continue
            seconds = self._jobs[one.job].seconds
            self.pace.ended(seconds[task] for task in one.tasks if task in seconds)
            if TaskState.COMPLETED in states:
                self.settle(one.submission, JobEnd.DONE, since=self._since(one))
            else:
                self.settle(one.submission, JobEnd.FAILED, _WITH_ERRORS, self._since(one))

    def _since(self, one: _Waiting[_Item]) -> int | None:
        """Return when a submission was first sent: before its tasks were made, where it had to be sent again."""
        times = [self._jobs[one.job].created_at.get(task) for task in one.tasks]
        first = min((at for at in times if at is not None), default=None)
        return None if first is None else first - int(one.took)
