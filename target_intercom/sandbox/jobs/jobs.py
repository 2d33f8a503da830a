"""Bulk jobs: tasks that are done in the background, whether or not anybody asks for them."""

from __future__ import annotations

import math
import secrets
import threading
import time
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.conditions import BulkAccess
from target_intercom.sandbox.jobs.job import Item, Job, Task, inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.jobs.submissions import Submission

_FIRST_NUMBERS = 10**6


class Jobs:
    """The jobs of a workspace, and the thread that does them.

    The thread ends when nothing is due; the next task starts another one. A task's items are done when its
    time is over: by choice, as nobody has documented their pace. Jobs run beside each other.
    """

    def __init__(self, conditions: Conditions, clock: Callable[[], float]) -> None:
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
        """Raise where the workspace is to have no bulk jobs.

        Raises:
            IntercomError: The condition `bulk` is not `on`.
        """
        refusal = _REFUSALS.get(self._conditions.bulk)
        if refusal is not None:
            raise refusal()

    def submit(self, submission: Submission, touched: Callable[[str], None]) -> dict[str, Any]:
        """Queue a task, and return its job as it is before the task starts (OAS-P POST /contacts/bulk).

        `touched` is told the id of each object that the task has written, when it has.

        Raises:
            IntercomError: The job that it names is unknown (404) or closed (403).
        """
        with self._changed:
            now = self._clock()
            subject, job_id = submission.subject, submission.job_id
            job = self._opened(subject, now) if job_id is None else self._open(subject, job_id, now)
            job.tasks.append(self._task(submission, int(now), touched))
            job.updated_at = int(now)
            shown = job.as_json(now)
            self._begin_next(job)
            return shown

    def show(self, subject: str, job_id: str) -> dict[str, Any]:
        """Return a job as it is now (OAS-P GET /contacts/bulk/{id}).

        Raises:
            IntercomError: None on such objects has this id: 404, by choice.
        """
        with self._changed:
            return self._known(subject, job_id).as_json(self._clock())

    def everything(self) -> list[dict[str, Any]]:
        """Return every job, with what became of each item: for those who check."""
        with self._changed:
            now = self._clock()
            return [{**job.as_json(now), "tasks": [inside(task) for task in job.tasks]} for job in self._jobs.values()]

    def stop(self) -> None:
        """End the work. A task whose time is over is done first; others stay as they are."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    # --- taking tasks; the lock is held ---

    def _opened(self, subject: str, now: float) -> Job:
        closing_at = now + self._conditions.bulk_open_seconds
        job = Job(f"job_v2_{next(self._job_numbers)}", subject, int(now), closing_at, int(now))
        self._jobs[job.id] = job
        return job

    def _known(self, subject: str, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or job.subject != subject:
            raise errors.job_not_found(job_id)
        return job

    def _open(self, subject: str, job_id: str, now: float) -> Job:
        job = self._known(subject, job_id)
        if not job.is_open(now):
            raise errors.job_closed(job_id)
        return job

    def _task(self, submission: Submission, now: int, touched: Callable[[str], None]) -> Task:
        """Return a task. What is to go wrong with it is settled here, in the order of the calls: it can be repeated."""
        conditions = self._conditions
        rate = conditions.bulk_item_fault_rate
        items = [Item(item, conditions.plan.spoils_item(rate)) for item in submission.items]
        stuck = conditions.take_stuck()
        return Task(f"task_v2_{next(self._task_numbers)}", submission, items, now, touched, stuck)

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
                item.effect = task.submission.perform(item.asked)
                task.touched(item.effect.id)
            except errors.IntercomError as error:
                item.error = error.with_traceback(None)  # which would keep all that it passed through


_REFUSALS: dict[BulkAccess, Callable[[], errors.IntercomError]] = {
    BulkAccess.VERSION: errors.not_in_this_version,
    BulkAccess.MISSING: errors.resource_not_found,
    BulkAccess.NOT_ACCEPTABLE: errors.not_acceptable,
    BulkAccess.PLAN: errors.plan_restricted,
}
