"""Bulk jobs: a hundred contacts a call, written in the background (fact sheet section 12).

A job says neither which items failed nor what it made. So every submission is judged by the tasks that it added to a
job of our own, and what did not end well is for the caller to settle, item by item.
"""

from __future__ import annotations

import enum
import itertools
import threading
import time
import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

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
    from collections.abc import Callable, Iterator, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import ContactId, JobId, TaskId

ITEMS_A_CALL: t.Final = 100
"""More are refused (official description, `POST /contacts/bulk`)."""
FEWEST: t.Final = 2
"""A single contact costs one call singly, and a submission and a look as a job."""

_TASKS_A_JOB: t.Final = 10
"""Submissions that go into one job: one look shows how far all of them are. They are sent one after the other, jobs
beside each other: more would save looks and take longer."""
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.5, 10.0, 1.5
"""Seconds between two looks at a job, and how they grow."""
_FAILED_IN_A_ROW = 2
"""So many submissions whose calls keep failing, one after the other, show that it is not what is in them."""
_SHORTEST_PATIENCE = 5.0
"""Seconds that a job is given at least."""

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


@dataclass(frozen=True, slots=True)
class Deletions:
    """Contacts that a job was to delete."""

    done: frozenset[ContactId] = frozenset()
    tried: frozenset[ContactId] = frozenset()
    """A job may have deleted these: a 404 to a single deletion then counts as done."""


_NOT_SHOWN: t.Final = Fault(message="a bulk job does not show what was submitted")
_WITH_ERRORS: t.Final = Fault(message="a bulk job ended with errors, and does not say which")
_TOO_LATE: t.Final = Fault(message="a bulk job did not end in time")


def patience(search_delay_seconds: float) -> float:
    """Return how long a job in which nothing moves is waited for, in seconds."""
    return max(search_delay_seconds, _SHORTEST_PATIENCE)


class BulkJobs:
    """Submits to bulk jobs, and waits for them; shared by a run."""

    def __init__(
        self,
        client: IntercomClient,
        in_parallel: InParallel,
        *,
        look: Callable[[JobId], Job],
        plural: str = "contacts",
        enabled: bool,
        patience_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        """A job in which nothing moves for `patience_seconds` is not waited for any longer.

        `look` reads a job; `plural` is how messages call what the jobs write.
        """
        self._client = client
        self._look = look
        self._plural = plural
        self._in_parallel = in_parallel
        self._patience = patience(patience_seconds)
        self._say = say
        self._turn = threading.Lock()
        self._failed = 0
        self.are_there = enabled
        """Whether it is worth trying."""
        self.given_up: set[ContactId] = set()
        """Contacts that a job may still write to, which was not waited for any longer."""

    @property
    def patience_seconds(self) -> float:
        """How long a job may stand still before it is given up."""
        return self._patience

    def run(self, submissions: Sequence[Submission[_Item]]) -> Iterator[Ended[_Item]]:
        """Begin to submit, and return the result of each submission as it comes, in any order."""
        lanes = [submissions[start : start + _TASKS_A_JOB] for start in range(0, len(submissions), _TASKS_A_JOB)]
        return itertools.chain.from_iterable(self._in_parallel(self._carry, lanes))

    def delete(
        self, contacts: Sequence[ContactId], send: Callable[[Sequence[ContactId], JobId | None], Job]
    ) -> Deletions:
        """Delete contacts for good, as far as jobs can; `send` submits some."""
        if not self.are_there or len(contacts) < FEWEST:
            return Deletions()
        done: set[ContactId] = set()
        tried: set[ContactId] = set()
        for ended in self.run([Submission(chunk, partial(send, chunk)) for chunk in parted(contacts)]):
            match ended.ending:
                case JobEnd.DONE:
                    done.update(ended.items)
                case JobEnd.FAILED | JobEnd.UNKNOWN:
                    tried.update(ended.items)
                case JobEnd.NOT_SENT:
                    pass
        return Deletions(frozenset(done), frozenset(tried))

    def _carry(self, submissions: Sequence[Submission[_Item]]) -> list[Ended[_Item]]:
        """Carry out some submissions as one job, as long as it takes them."""
        lane: _Lane[_Item] = _Lane(self._client, self._look, self._answered)
        for submission in submissions:
            if not self.are_there:
                lane.settle(submission, JobEnd.NOT_SENT)
                continue
            try:
                lane.submit(submission)
            except NoBulkError as error:
                fault = error.fault
                if self._turns_off():
                    self._say(
                        f"Intercom has no bulk jobs for this workspace ({fault}): {self._plural} are written singly"
                    )
                lane.settle(submission, JobEnd.NOT_SENT)
        lane.wait(self._patience)
        return lane.ended

    def _answered(self, fault: Fault | None) -> None:
        """Count the submissions whose calls kept failing in a row; None: a submission was answered."""
        with self._turn:
            self._failed = 0 if fault is None else self._failed + 1
            is_enough = self._failed >= _FAILED_IN_A_ROW
        if is_enough and self._turns_off():
            self._say(f"Intercom's bulk jobs keep failing ({fault}): {self._plural} are written singly")

    def _turns_off(self) -> bool:
        """Send no more submissions; True for the first that says so."""
        with self._turn:
            were_there, self.are_there = self.are_there, False
        return were_there


@dataclass(slots=True)
class _Waiting(t.Generic[_Item]):
    """A submission, the job it went to, and the tasks that came of it: several where it had to be sent again."""

    submission: Submission[_Item]
    job: JobId
    tasks: frozenset[TaskId]
    took: float
    """Seconds from its first try to the answer."""


@dataclass(slots=True)
class _Lane(t.Generic[_Item]):
    """Submissions that are sent one after the other, so that a new task in their job is the last one's."""

    client: IntercomClient
    read: Callable[[JobId], Job]
    answered: Callable[[Fault | None], None]
    """Called after each submission: with None if it was answered, or with the fault of its call."""
    ended: list[Ended[_Item]] = field(default_factory=list)
    _job: JobId | None = None
    _jobs: dict[JobId, Job] = field(default_factory=dict)
    _waiting: list[_Waiting[_Item]] = field(default_factory=list)

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
            job = replace(job, tasks={**before.tasks, **job.tasks}, created_at={**before.created_at, **job.created_at})
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
        """Wait for the tasks to end, with growing pauses, until nothing has moved for so many seconds."""
        pause, moved_at = _FIRST_PAUSE, time.monotonic()
        self._settle_ended()
        while self._waiting and time.monotonic() - moved_at < patience:
            self.client.pause(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            before = {id_: job.tasks for id_, job in self._jobs.items()}
            looked_at = time.monotonic()
            for id_ in {one.job for one in self._waiting}:
                if (shown := self._look(id_)) is not None:
                    self._note(shown)
            # Time in which the job could not be read does not count.
            moved_at += time.monotonic() - looked_at
            if any(job.tasks != before[id_] for id_, job in self._jobs.items()):
                moved_at = time.monotonic()
            self._settle_ended()
        for one in self._waiting:
            self.settle(one.submission, JobEnd.UNKNOWN, _TOO_LATE, self._since(one))

    def _settle_ended(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            states = [self._jobs[one.job].tasks.get(task, TaskState.PENDING) for task in one.tasks]
            if not all(state.has_ended for state in states):
                self._waiting.append(one)
            elif TaskState.COMPLETED in states:
                self.settle(one.submission, JobEnd.DONE, since=self._since(one))
            else:
                self.settle(one.submission, JobEnd.FAILED, _WITH_ERRORS, self._since(one))

    def _since(self, one: _Waiting[_Item]) -> int | None:
        """Return when a submission was first sent: before its tasks were made, where it had to be sent again."""
        times = [self._jobs[one.job].created_at.get(task) for task in one.tasks]
        first = min((at for at in times if at is not None), default=None)
        return None if first is None else first - int(one.took)


def parted(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Part items into as many as go into a call."""
    return (items[start : start + ITEMS_A_CALL] for start in range(0, len(items), ITEMS_A_CALL))
