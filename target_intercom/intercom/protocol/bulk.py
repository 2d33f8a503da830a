"""Bulk jobs and their tasks."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

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


class Task(t.NamedTuple):
    """A task of a bulk job."""

    state: TaskState
    created_at: int | None
    """When it was submitted, in unix seconds of Intercom's clock."""
    seconds: int | None = None
    """How long Intercom has worked on it, in whole seconds of its clock; None until it has ended."""

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Task:
        """Read a task; see `Job`."""
        began, ended = seconds_of(body.get("started_at")), seconds_of(body.get("completed_at"))
        took = None if began is None or ended is None else max(0, ended - began)
        return cls(TaskState.of(body["state"]), seconds_of(body.get("created_at")), took)


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk job and its tasks. Its own state says nothing: it may go on running when all tasks have ended."""

    id: JobId
    tasks: Mapping[TaskId, Task]

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Job:
        """Read the answer to a submission, or to `GET /contacts/bulk/{id}` (official description, contacts_bulk_job).

        Raises:
            KeyError, TypeError: the body is no such job.
        """
        return cls(JobId(id_of(body)), {TaskId(id_of(task)): Task.from_json(task) for task in body["tasks"]})
