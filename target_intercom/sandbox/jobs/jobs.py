"""Bulk jobs: tasks that are done in the background, whether or not anybody asks for them."""

from __future__ import annotations

import math
import secrets
import threading
import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.bulk import contacts as bulk
from target_intercom.sandbox.conditions.conditions import BulkAccess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions.conditions import Conditions
    from target_intercom.sandbox.workspace.workspace import Workspace

_FIRST_NUMBERS = 10**6


@dataclass
class Item:
    """A contact of a task. `faulty`: it will fail for no reason of its own."""

    asked: Mapping[str, Any]
    faulty: bool
    effect: bulk.Effect | None = None
    error: errors.IntercomError | None = None

    def as_json(self, kind: bulk.Kind) -> dict[str, Any]:
        """The item as the control plane shows it; the real API shows none."""
        error = self.error and {"status": self.error.status, "code": self.error.code, "message": self.error.message}
        return {
            "item": dict(self.asked),
            "result": "failed" if self.error else "done" if self.effect else None,
            "contact_id": self.effect and self.effect.contact_id,
            "error": error,
            "dropped": bulk.dropped(kind, self.asked),
            "skipped_tags": list(self.effect.skipped_tags) if self.effect else [],
        }


@dataclass
class Task:
    """The contacts of one call. Times are in UNIX seconds; `touched` takes the id of each contact it is done with."""

    id: str
    kind: bulk.Kind
    items: list[Item]
    created_at: int
    touched: Callable[[str], None]
    stuck: bool = False
    started_at: int | None = None
    completed_at: int | None = None

    @property
    def state(self) -> str:
        """One of the four that are documented (OAS-P #contacts_bulk_job)."""
        if self.started_at is None:
            return "pending"
        if self.completed_at is None:
            return "running"
        return "completed" if all(item.effect for item in self.items) else "completed_with_errors"

    def as_json(self) -> dict[str, Any]:
        """The task as a job shows it (OAS-P #contacts_bulk_job)."""
        return {
            "id": self.id,
            "item_count": len(self.items),
            "state": self.state,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
        }


@dataclass
class Job:
    """Tasks that are done one after the other. It takes new ones until `closing_at`."""

    id: str
    created_at: int
    closing_at: float
    updated_at: int
    tasks: list[Task] = field(default_factory=list)

    def is_open(self, now: float) -> bool:
        """Whether it takes another task."""
        return now < self.closing_at

    def completed_at(self, now: float) -> int | None:
        """When it was closed and all was done; None until then.

        The legacy API left jobs running through their open window, long after their tasks were done
        (intercom-ruby issue 245, intercom-php issue 174).
        """
        ends = [task.completed_at for task in self.tasks]
        done = [end for end in ends if end is not None]
        if self.is_open(now) or len(done) < len(ends):
            return None
        return max(int(self.closing_at), *done)

    def state(self, now: float) -> str:
        """One of the four that are documented; `pending` is for tasks only (OAS-P, the examples of 202)."""
        if self.completed_at(now) is None:
            return "running"
        clean = all(task.state == "completed" for task in self.tasks)
        return "completed" if clean else "completed_with_errors"

    def as_json(self, now: float) -> dict[str, Any]:
        """The job as the API shows it (OAS-P #contacts_bulk_job), but for its `url`."""
        completed_at = self.completed_at(now)
        return {
            "id": self.id,
            "type": "contacts.bulk.job",
            "state": self.state(now),
            "created_at": self.created_at,
            "updated_at": max(self.updated_at, completed_at or 0),
            "completed_at": completed_at,
            "tasks": [task.as_json() for task in self.tasks],
        }


class Jobs:
    """The jobs of a workspace, and the thread that does them.

    The thread ends when nothing is due; the next task starts another one. A task's items are done when its
    time is over: by choice, as nobody has documented their pace. Jobs run beside each other.
    """

    def __init__(self, workspace: Workspace, conditions: Conditions, clock: Callable[[], float]) -> None:
        self._workspace = workspace
        self._conditions = conditions
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._due: list[tuple[float, int, Job, Task]] = []
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._turns = count()
        # Counts that never agree: to take one id for the other, or an old workspace's for this one's, gives a 404.
        self._job_numbers = count(1 + secrets.randbelow(_FIRST_NUMBERS))
        self._task_numbers = count(1 + _FIRST_NUMBERS * (1 + secrets.randbelow(_FIRST_NUMBERS)))

    def check_access(self) -> None:
        """Let nobody in who is to find no bulk jobs here.

        Raises:
            IntercomError: The condition `bulk` is not `on`.
        """
        refusal = _REFUSALS.get(self._conditions.bulk)
        if refusal is not None:
            raise refusal()

    def submit(self, submission: bulk.Submission, touched: Callable[[str], None]) -> dict[str, Any]:
        """Queue a task, and show its job as it is before the task starts (OAS-P POST /contacts/bulk).

        `touched` is told the id of each contact that the task has written, when it has.

        Raises:
            IntercomError: The job that it names is unknown (404) or closed (403).
        """
        with self._changed:
            now = self._clock()
            job = self._opened(now) if submission.job_id is None else self._open(submission.job_id, now)
            job.tasks.append(self._task(submission, int(now), touched))
            job.updated_at = int(now)
            shown = job.as_json(now)
            self._begin_next(job)
            return shown

    def show(self, job_id: str) -> dict[str, Any]:
        """A job as it is now (OAS-P GET /contacts/bulk/{id}).

        Raises:
            IntercomError: There is none with this id: 404, by choice.
        """
        with self._changed:
            return self._known(job_id).as_json(self._clock())

    def everything(self) -> list[dict[str, Any]]:
        """Every job, with what became of each item: for those who check."""
        with self._changed:
            now = self._clock()
            return [{**job.as_json(now), "tasks": [_inside(task) for task in job.tasks]} for job in self._jobs.values()]

    def stop(self) -> None:
        """Do nothing more. A task whose time is over is done first; others stay as they are."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    # --- taking tasks; the lock is held ---

    def _opened(self, now: float) -> Job:
        closing_at = now + self._conditions.bulk_open_seconds
        job = Job(f"job_v2_{next(self._job_numbers)}", int(now), closing_at, int(now))
        self._jobs[job.id] = job
        return job

    def _known(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise errors.job_not_found(job_id)
        return self._jobs[job_id]

    def _open(self, job_id: str, now: float) -> Job:
        job = self._known(job_id)
        if not job.is_open(now):
            raise errors.job_closed(job_id)
        return job

    def _task(self, submission: bulk.Submission, now: int, touched: Callable[[str], None]) -> Task:
        """A task. What is to go wrong with it is settled here, in the order of the calls: it can be repeated."""
        conditions = self._conditions
        rate = conditions.bulk_item_fault_rate
        items = [Item(contact, conditions.plan.spoils_item(rate)) for contact in submission.contacts]
        stuck = conditions.take_stuck()
        return Task(f"task_v2_{next(self._task_numbers)}", submission.kind, items, now, touched, stuck)

    def _begin_next(self, job: Job) -> None:
        """Start the first task that waits, unless another one is under way."""
        task = next((task for task in job.tasks if task.completed_at is None), None)
        if task is None or task.started_at is not None or self._stopped:
            return
        task.started_at = job.updated_at = int(self._clock())
        at = time.monotonic() + self._conditions.bulk_seconds
        heappush(self._due, (at, next(self._turns), job, task))
        self._changed.notify_all()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="bulk jobs", daemon=True)
            self._thread.start()

    # --- doing them; on the thread ---

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            job, task = turn
            self._perform(task)
            with self._changed:
                if not task.stuck:
                    task.completed_at = job.updated_at = int(self._clock())
                    self._begin_next(job)

    def _next(self) -> tuple[Job, Task] | None:
        """Wait for the next task whose time is over; None when there is none any more."""
        with self._changed:
            while self._due and not self._stopped:
                seconds = self._due[0][0] - time.monotonic()
                if seconds <= 0:
                    return heappop(self._due)[2:]
                self._changed.wait(seconds)
            self._thread = None
            return None

    def _perform(self, task: Task) -> None:
        share = self._conditions.bulk_stuck_share if task.stuck else 1.0
        for item in task.items[: math.ceil(len(task.items) * share)]:
            try:
                if item.faulty:
                    raise errors.server_error()
                item.effect = bulk.perform(self._workspace, task.kind, item.asked)
                task.touched(item.effect.contact_id)
            except errors.IntercomError as error:
                item.error = error.with_traceback(None)  # which would keep all that it passed through


def _inside(task: Task) -> dict[str, Any]:
    items = [item.as_json(task.kind) for item in task.items]
    return {**task.as_json(), "kind": task.kind.value, "stuck": task.stuck, "items": items}


_REFUSALS: dict[BulkAccess, Callable[[], errors.IntercomError]] = {
    BulkAccess.VERSION: errors.not_in_this_version,
    BulkAccess.MISSING: errors.resource_not_found,
    BulkAccess.NOT_ACCEPTABLE: errors.not_acceptable,
    BulkAccess.PLAN: errors.plan_restricted,
}
