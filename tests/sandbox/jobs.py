"""Bulk jobs, for tests that submit them and look at what became of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tests.support.loading import until

if TYPE_CHECKING:
    from .client import Api

NOBODY = "0" * 24
PREVIEW = "Preview"
CREATE, UPDATE, DELETE = ("POST", "/contacts/bulk"), ("PUT", "/contacts/bulk"), ("POST", "/contacts/bulk/delete")


class Bulk:
    """Submits jobs, and looks at them."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def submit(self, call: tuple[str, str], items: list[Any], job_id: str | None = None) -> Any:
        """The job as the answer shows it."""
        body = {_subject(call): items, **({"job": {"id": job_id}} if job_id else {})}
        response = self.api.call(*call, body, version=PREVIEW)
        assert response.status_code == 202, response.text
        return response.json()

    def show(self, job_id: str, subject: str = "contacts") -> Any:
        return self.api.ok("GET", f"/{subject}/bulk/{job_id}", version=PREVIEW)

    def state(self, job_id: str) -> list[str]:
        """The states of a job's tasks."""
        return [task["state"] for task in self.show(job_id)["tasks"]]

    def inside(self) -> list[Any]:
        """The jobs as the control plane shows them."""
        jobs: list[Any] = self.api.ok("GET", "/_sandbox/jobs")["jobs"]
        return jobs

    def done(self, call: tuple[str, str], items: list[Any], job_id: str | None = None) -> tuple[str, list[Any]]:
        """Submit, wait, and give the task's state and its items as the control plane shows them."""
        job = self.submit(call, items, job_id)
        (task,) = [task for task in self.wait(job["id"])["tasks"] if task["id"] == job["tasks"][-1]["id"]]
        return task["state"], task["items"]

    def wait(self, job_id: str) -> Any:
        """The job on the control plane, when all its tasks are done."""

        def found() -> Any:
            (job,) = [job for job in self.inside() if job["id"] == job_id]
            return job if all(task["completed_at"] for task in job["tasks"]) else None

        return until(found)


def _subject(call: tuple[str, str]) -> str:
    return call[1].split("/")[1]


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "bulk jobs"]


def results(items: list[Any]) -> list[tuple[str, int | None, str | None]]:
    """Of each item: its result, and the error."""
    return [
        (item["result"], item["error"] and item["error"]["status"], item["error"] and item["error"]["message"])
        for item in items
    ]
