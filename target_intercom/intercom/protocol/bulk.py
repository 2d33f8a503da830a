"""Bulk jobs and their tasks."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

from target_intercom.intercom.protocol.ids import JobId, TaskId, id_of, seconds_of

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.json_lines import Json


class TaskState(str, enum.Enum):
    """How far a task of a bulk job is (fact sheet section 12.2); there is no `failed`."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self in {TaskState.COMPLETED, TaskState.COMPLETED_WITH_ERRORS}

    @classmethod
    def of(cls, state: Json) -> TaskState:
        """Read a state; an unknown one has not ended."""
        try:
            return cls(state)
        except ValueError:
            return cls.RUNNING


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk job and its tasks. Its own state says nothing: it may go on running when all tasks have ended."""

    id: JobId
    tasks: Mapping[TaskId, TaskState]
    created_at: Mapping[TaskId, int | None]
    """When each task was submitted, in unix seconds of Intercom's clock."""
    seconds: Mapping[TaskId, int] = field(default_factory=dict)
    """How long Intercom has worked on each task that has ended, in whole seconds of its clock."""

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Job:
        """Read the answer to a submission, or to `GET /contacts/bulk/{id}` (official description, contacts_bulk_job).

        Raises:
            KeyError, TypeError: the body is no such job.
        """
        tasks = {TaskId(id_of(task)): task for task in body["tasks"]}
        return cls(
            id=JobId(id_of(body)),
            tasks={id_: TaskState.of(task["state"]) for id_, task in tasks.items()},
            created_at={id_: seconds_of(task.get("created_at")) for id_, task in tasks.items()},
            seconds={id_: took for id_, task in tasks.items() if (took := _took(task)) is not None},
        )


def _took(task: Mapping[str, Json]) -> int | None:
    began, ended = seconds_of(task.get("started_at")), seconds_of(task.get("completed_at"))
    return None if began is None or ended is None else max(0, ended - began)
