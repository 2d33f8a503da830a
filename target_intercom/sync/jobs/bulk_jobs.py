"""Bulk jobs: a hundred contacts a call, written in the background (fact sheet section 12).

Submissions are sent one after the other into a job of our own, and waited for. A job says neither which items failed
nor what it made. So every submission is judged by the tasks that it added to the job, and what did not end well is for
the caller to settle, item by item.
"""

from __future__ import annotations

import enum
import itertools
import math
import threading
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
from target_intercom.sync.jobs.pace import LONGEST_PAUSE, Pace

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.bulk import Job, Task
    from target_intercom.intercom.protocol.ids import ContactId, JobId, TaskId

ITEMS_A_CALL: t.Final = 100
"""More are refused (official description, `POST /contacts/bulk`)."""
FEWEST: t.Final = 2
"""A single contact costs one call singly, and a submission and a look as a job."""

_FAILED_IN_A_ROW = 2
"""So many submissions whose calls keep failing, one after the other, show that it is not what is in them."""
_SHORTEST_PATIENCE = 5.0
"""Seconds that a job is given at least."""
_GROWTH = 1.5
"""How the pauses between two looks at a job grow."""

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


@dataclass(frozen=True, slots=True)
class Deletions:
    """Contacts that a job was to delete."""

    done: frozenset[ContactId] = frozenset()
    tried: frozenset[ContactId] = frozenset()
    """A job may have deleted these: a 404 to a single deletion then counts as done."""


def patience(search_delay_seconds: float) -> float:
    """Return how long a job in which nothing moves is waited for, in seconds."""
    return max(search_delay_seconds, _SHORTEST_PATIENCE)


@dataclass
class BulkJobs:
    """Submits to bulk jobs, and waits for them; shared by a run."""

    client: IntercomClient
    in_parallel: InParallel
    look: Callable[[JobId], Job]
    """Reads a job."""
    plural: str
    """How messages call what the jobs write."""
    are_there: bool
    """Whether it is worth trying."""
    search_delay_seconds: float
    say: Callable[[str], None]
    given_up: set[ContactId] = field(default_factory=set, init=False)
    """Contacts that a job may still write to, which was not waited for any longer."""
    pace: Pace = field(default_factory=Pace, init=False)
    _failed: int = field(default=0, init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def patience_seconds(self) -> float:
        """How long a job may stand still before it is given up."""
        return patience(self.search_delay_seconds)

    def run(self, items: Sequence[_Item], send: Send[_Item]) -> Iterator[Ended[_Item]]:
        """Begin to submit items, and return the result of each submission as it comes, in any order."""
        lanes = parted(parted(items), self.pace.tasks_a_job)
        return itertools.chain.from_iterable(self.in_parallel(lambda some: _Lane(self, send).run(some), lanes))

    def delete(self, contacts: Sequence[ContactId], send: Send[ContactId]) -> Deletions:
        """Delete contacts for good, as far as jobs can; `send` submits some."""
        if not self.are_there or len(contacts) < FEWEST:
            return Deletions()
        done: set[ContactId] = set()
        tried: set[ContactId] = set()
        for ended in self.run(contacts, send):
            match ended.ending:
                case JobEnd.DONE:
                    done.update(ended.items)
                case JobEnd.FAILED | JobEnd.UNKNOWN:
                    tried.update(ended.items)
                case JobEnd.NOT_SENT:
                    pass
        return Deletions(frozenset(done), frozenset(tried))

    def answered(self, fault: Fault | None) -> None:
        """Count the submissions whose calls kept failing in a row; None: a submission was answered."""
        with self._turn:
            self._failed = 0 if fault is None else self._failed + 1
            is_enough = self._failed >= _FAILED_IN_A_ROW
        if is_enough:
            self.turn_off(f"Intercom's bulk jobs keep failing ({fault})")

    def turn_off(self, why: str) -> None:
        """Send no more submissions; the first that says so is heard."""
        with self._turn:
            were_there, self.are_there = self.are_there, False
        if were_there:
            self.say(f"{why}: {self.plural} are written singly")


@dataclass(slots=True)
class _Lane(t.Generic[_Item]):
    """Submissions that are sent one after the other, so that a new task in their job is the last one's."""

    jobs: BulkJobs
    send: Send[_Item]
    _ended: list[Ended[_Item]] = field(default_factory=list)
    _job: JobId | None = None
    _jobs: dict[JobId, dict[TaskId, Task]] = field(default_factory=dict)
    """What was seen of the tasks of each job: an answer may leave out those of earlier submissions."""
    _waiting: list[_Waiting[_Item]] = field(default_factory=list)
    _sent_at: float = math.inf
    """When the first of them was answered."""

    def run(self, submissions: Sequence[Sequence[_Item]]) -> list[Ended[_Item]]:
        """Carry out some submissions as one job, as long as it takes them."""
        for items in submissions:
            if self.jobs.are_there:
                self._submit(items)
            else:
                self._settle(items, JobEnd.NOT_SENT)
        self._wait()
        return self._ended

    def _settle(
        self, items: Sequence[_Item], ending: JobEnd, fault: Fault | None = None, since: int | None = None
    ) -> None:
        self._ended.append(Ended(items, ending, Fault() if fault is None else fault, since))

    def _submit(self, items: Sequence[_Item]) -> None:
        """Send items as a submission; into a job of its own where the last one takes no more."""
        fault: Fault | None = None
        for _ in range(2):
            try:
                return self._send(items)
            except (JobClosedError, NotFoundError) as error:
                self._job, fault = None, error.fault
        return self._settle(items, JobEnd.FAILED, fault)

    def _send(self, items: Sequence[_Item]) -> None:
        began = time.monotonic()
        try:
            job = self.send(items, self._job)
        except (JobClosedError, NotFoundError):
            raise
        except NoBulkError as error:
            self.jobs.turn_off(f"Intercom has no bulk jobs for this workspace ({error.fault})")
            self._settle(items, JobEnd.NOT_SENT)
        except RefusedError as error:
            self.jobs.answered(None)
            self._settle(items, JobEnd.FAILED, error.fault)
        except CallFailedError as error:
            self.jobs.answered(error.fault)
            self._job = None
            self._settle(items, JobEnd.UNKNOWN, error.fault)
        except InDoubtError as error:
            arrived = None if self._job is None else self._look(self._job)
            if arrived is None:
                self._settle(items, JobEnd.UNKNOWN, error.fault)
            else:
                self._sent(items, arrived, error.fault, time.monotonic() - began)
            # Nothing more goes into the job: what was sent may turn up in it as a task that is nobody else's.
            self._job = None
        else:
            self.jobs.answered(None)
            self._sent(items, job, _NOT_SHOWN, time.monotonic() - began)

    def _sent(self, items: Sequence[_Item], job: Job, fault: Fault, took: float) -> None:
        """Add the tasks that a submission has added to its job; `took`: the seconds of its call."""
        known = self._jobs.setdefault(job.id, {})
        tasks = job.tasks.keys() - known.keys()
        self._job = job.id
        known.update(job.tasks)
        if tasks:
            self._sent_at = min(self._sent_at, time.monotonic())
            self._waiting.append(_Waiting(items, job.id, tasks, took))
        else:
            self._settle(items, JobEnd.UNKNOWN, fault)

    def _look(self, job: JobId) -> Job | None:
        try:
            return self.jobs.look(job)
        except (UndoneError, NoBulkError):
            return None

    def _wait(self) -> None:
        """Wait for the tasks to end, with growing pauses, while in any job something moves."""
        pace, still_since = self.jobs.pace, time.monotonic()
        pause = pace.pause(sum(len(one.tasks) for one in self._waiting), still_since - self._sent_at)
        self._settle_ended()
        while self._waiting and time.monotonic() - max(still_since, pace.moved_at) < self.jobs.patience_seconds:
            self.jobs.client.pause(pause)
            pause = min(pause * _GROWTH, LONGEST_PAUSE)
            before = {id_: dict(tasks) for id_, tasks in self._jobs.items()}
            looked_at = time.monotonic()
            for id_ in {one.job for one in self._waiting}:
                if (shown := self._look(id_)) is not None:
                    self._jobs[id_].update(shown.tasks)
            if self._jobs != before:
                pace.moved_at = time.monotonic()
            # Time in which the job could not be read does not count.
            still_since = max(still_since, pace.moved_at) + time.monotonic() - looked_at
            self._settle_ended()
        for one in self._waiting:
            self._settle(one.items, JobEnd.UNKNOWN, _TOO_LATE, self._since(one))

    def _settle_ended(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            tasks = self._tasks(one)
            if not all(task.state.has_ended for task in tasks):
                self._waiting.append(one)
                continue
            self.jobs.pace.ended(task.seconds for task in tasks if task.seconds is not None)
            if any(task.state is TaskState.COMPLETED for task in tasks):
                self._settle(one.items, JobEnd.DONE, since=self._since(one))
            else:
                self._settle(one.items, JobEnd.FAILED, _WITH_ERRORS, self._since(one))

    def _tasks(self, one: _Waiting[_Item]) -> list[Task]:
        return [self._jobs[one.job][task] for task in one.tasks]

    def _since(self, one: _Waiting[_Item]) -> int | None:
        """Return when a submission was first sent: before its tasks were made, where it had to be sent again."""
        first = min((task.created_at for task in self._tasks(one) if task.created_at is not None), default=None)
        return None if first is None else first - int(one.took)


def parted(items: Sequence[_Item], size: int = ITEMS_A_CALL) -> list[Sequence[_Item]]:
    """Part items, into as many as go into a call."""
    return [items[start : start + size] for start in range(0, len(items), size)]
