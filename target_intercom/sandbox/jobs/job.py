"""A bulk job: its tasks, their items, and the states of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox import errors
    from target_intercom.sandbox.jobs.submissions import Effect, Submission


@dataclass
class Item:
    """An object that a task writes. `faulty`: it will fail for no reason of its own."""

    asked: Mapping[str, Any]
    faulty: bool
    effect: Effect | None = None
    error: errors.IntercomError | None = None

    def as_json(self, submission: Submission) -> dict[str, Any]:
        """Return the item as the control plane shows it; the real API shows none."""
        error = self.error and {"status": self.error.status, "code": self.error.code, "message": self.error.message}
        skipped = self.effect.skipped if self.effect else {}
        return {
            "item": dict(self.asked),
            "result": "failed" if self.error else "done" if self.effect else None,
            submission.about: self.effect and self.effect.id,
            "error": error,
            "dropped": submission.dropped(self.asked),
            **{f"skipped_{name}": skipped.get(name, []) for name in submission.skips},
        }


@dataclass
class Task:
    """The items of one call. Times are in UNIX seconds; `touched` takes the id of each object it is done with."""

    id: str
    submission: Submission
    items: list[Item]
    created_at: int
    touched: Callable[[str], None]
    stuck: bool = False
    started_at: int | None = None
    completed_at: int | None = None

    @property
    def state(self) -> str:
        """Return one of the four that are documented (OAS-P #contacts_bulk_job)."""
        if self.started_at is None:
            return "pending"
        if self.completed_at is None:
            return "running"
        return "completed" if all(item.effect for item in self.items) else "completed_with_errors"

    def as_json(self) -> dict[str, Any]:
        """Return the task as a job shows it (OAS-P #contacts_bulk_job)."""
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
    """Tasks that are done one after the other. It takes new ones, on the same kind of object, until `closing_at`."""

    id: str
    subject: str
    created_at: int
    closing_at: float
    updated_at: int
    tasks: list[Task] = field(default_factory=list)

    def is_open(self, now: float) -> bool:
        """Return whether it takes another task."""
        return now < self.closing_at

    def completed_at(self, now: float) -> int | None:
        """Return when it was closed and all was done; None until then.

        The legacy API left jobs running through their open window, long after their tasks were done
        (intercom-ruby issue 245, intercom-php issue 174).
        """
        ends = [task.completed_at for task in self.tasks]
        done = [end for end in ends if end is not None]
        if self.is_open(now) or len(done) < len(ends):
            return None
        return max(int(self.closing_at), *done)

    def state(self, now: float) -> str:
        """Return one of the four that are documented; `pending` is for tasks only (OAS-P, the examples of 202)."""
        if self.completed_at(now) is None:
            return "running"
        clean = all(task.state == "completed" for task in self.tasks)
        return "completed" if clean else "completed_with_errors"

    def as_json(self, now: float) -> dict[str, Any]:
        """Return the job as the API shows it (OAS-P #contacts_bulk_job), but for its `url`."""
        completed_at = self.completed_at(now)
        return {
            "id": self.id,
            "type": f"{self.subject}.bulk.job",
            "state": self.state(now),
            "created_at": self.created_at,
            "updated_at": max(self.updated_at, completed_at or 0),
            "completed_at": completed_at,
            "tasks": [task.as_json() for task in self.tasks],
        }


def inside(task: Task) -> dict[str, Any]:
    """Return a task as the control plane shows it, with what became of each item."""
    items = [item.as_json(task.submission) for item in task.items]
    return {**task.as_json(), "kind": task.submission.kind.value, "stuck": task.stuck, "items": items}
