"""Contacts through bulk jobs: how they are loaded, and what the workspace tells of the jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.remembering import BY_ROW, Row, person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader

BULK_POST, BULK_PUT, LOOK = "POST /contacts/bulk", "PUT /contacts/bulk", "GET /contacts/bulk/{id}"
BULK: Row = {"bulk_writes": True, "mappings": BY_ROW}
LEADS: Row = {"creation_mode": "lead", "match_by": ["email"]}


def by_jobs(load: Loader, sandbox: SandboxServer, **conditions: Any) -> Iterator[Loader]:
    """Load by bulk jobs that are soon done. Whatever a test is about: nothing is dropped in silence."""
    sandbox.conditions.change({"bulk_seconds": 0, **conditions})
    load.settings = {**BULK, "max_connections": 8}
    yield load
    assert_nothing_dropped(sandbox)


def jobs(sandbox: SandboxServer) -> list[Row]:
    """All bulk jobs, as the control plane shows them."""
    everything: list[Row] = sandbox.workspace.jobs.everything()
    return everything


def tasks(sandbox: SandboxServer) -> list[Row]:
    """The tasks of all bulk jobs."""
    return [task for job in jobs(sandbox) for task in job["tasks"]]


def items(sandbox: SandboxServer) -> list[Row]:
    """What was in all bulk jobs, with what became of it."""
    return [item for task in tasks(sandbox) for item in task["items"]]


def assert_nothing_dropped(sandbox: SandboxServer) -> None:
    """Hold the jobs' items against what Intercom ignores without a word."""
    assert [item for item in items(sandbox) if item["dropped"] or item["skipped_tags"]] == []


def crowd(count: int, first: int = 1, **values: Any) -> list[Row]:
    """Users with both identifiers."""
    return [person(number, **values) for number in range(first, first + count)]


def by_email(count: int, first: int = 1, **values: Any) -> list[Row]:
    """Rows of persons who are known by email alone."""
    return [{**one, "id": None, **values} for one in crowd(count, first)]


KINDS: dict[str, tuple[Callable[..., list[Row]], Row]] = {
    "users": (crowd, {}),
    "users by email": (by_email, {}),
    "leads": (by_email, LEADS),
}
WHO = pytest.mark.parametrize("who", list(KINDS))


def reasons(done: Loaded) -> list[tuple[Any, ...]]:
    """Who was refused, and why; without what differs from one workspace to the next."""
    records = [message for message in done.rejected if message["type"] == "RECORD"]
    return sorted(
        (
            message["record"].get("row"),
            message["rejected"]["outcome"],
            message["rejected"]["code"],
            message["rejected"]["field"] or "",
            re.sub(r"\b[0-9a-f]{24}\b|request \w{20}", "ID", message["rejected"]["reason"]),
        )
        for message in records
    )
