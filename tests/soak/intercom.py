"""The sandbox in this process: what the target sends goes to it without a socket."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import BaseAdapter

from target_intercom.sandbox import Conditions, Request, Sandbox
from target_intercom.sandbox.messages import Fate
from tests.support.loading import until
from tests.support.nearby import request_of, response_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_intercom.sandbox import Response
    from tests.soak.clock import SwiftClock

URL = "http://intercom.test"
A_CALL = 0.05
"""Seconds that a call takes."""
ACCEPTED = 202
BAD_REQUEST = 400
TOO_MANY = 429
NOBODY = "0" * 24
"""The id of no contact: that it is not there is no news, as with a company that is looked for by its company_id."""
HEADERS = {"authorization": "Bearer sandbox", "intercom-version": "2.16"}


class KilledError(Exception):
    """The run gets no further."""


@dataclass
class Kill:
    """The end of a run, at one of its calls."""

    call: int
    is_write: bool
    """Whether only those count that change something."""
    is_done: bool
    """Whether that call has its effect."""
    on_end: Callable[[], object]
    """Is called at that moment."""


class Intercom(BaseAdapter):
    """A workspace, and the way to it."""

    def __init__(self, clock: SwiftClock, conditions: Conditions) -> None:
        super().__init__()
        self.sandbox = Sandbox(conditions, clock=clock.time)
        self.kill: Kill | None = None
        """What the run that begins then is to end by."""
        self.changes: list[str] = []
        """The calls of the target that changed something; to be cleared before a run of which they are to be told."""
        self.has_refused = False
        """Something was not done that the target asked for, or somebody not there."""
        self._clock = clock
        self._turn = threading.Lock()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Have a call of the target answered.

        Raises:
            ConnectionError: no answer comes, as the conditions will have it.
            KilledError: the run is over.
        """
        with self._turn:
            self._clock.pass_by(A_CALL)
            asked = request_of(request)
            answer = self._answer(asked)
            until(self._is_idle)
            self.note(asked, answer)
        if answer.fate is Fate.RESET:
            raise requests.ConnectionError("reset", request=request)
        if answer.fate is Fate.HELD:
            self._clock.pass_by(answer.hold_seconds)
            raise requests.ReadTimeout("held", request=request)
        return response_of(request, answer)

    def note(self, asked: Request, answer: Response) -> None:
        """Record what a call changed, or that it was refused, as a job is all of whose items were."""
        if BAD_REQUEST <= answer.status < TOO_MANY:
            self.has_refused |= not asked.path.endswith((NOBODY, "/companies"))
        elif _is_write(asked) and answer.status < BAD_REQUEST and self._is_done(answer):
            self.changes.append(f"{asked.method} {asked.path} {asked.body.decode()}")

    def _is_done(self, answer: Response) -> bool:
        """Check whether a call had an effect; of a job, whether an item of what was submitted last had one."""
        if answer.status != ACCEPTED:
            return True
        tasks = {task["id"]: task for job in self.sandbox.workspace.jobs.everything() for task in job["tasks"]}
        submitted = tasks[answer.json["tasks"][-1]["id"]]
        return any(item["result"] == "done" for item in submitted["items"])

    def _is_idle(self) -> bool:
        """Check whether bulk jobs are done: how far they are is not left to chance."""
        jobs = self.sandbox.workspace.jobs.everything()
        return all(task["completed_at"] is not None for job in jobs for task in job["tasks"])

    def _answer(self, request: Request) -> Response:
        kill = self.kill
        if kill is None or (kill.call > 0 and not self._counts(request, kill)):
            return self.sandbox.handle(request)
        kill.call -= 1
        if kill.call > 0:
            return self.sandbox.handle(request)
        if kill.call == 0:
            if kill.is_done:
                self.sandbox.handle(request)
            kill.on_end()
        raise KilledError

    @staticmethod
    def _counts(request: Request, kill: Kill) -> bool:
        return not kill.is_write or _is_write(request)

    def close(self) -> None:
        """There is nothing to close."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Do as somebody else in the workspace does; what Intercom refuses is not done."""
        content = b"" if body is None else json.dumps(body).encode()
        return self.sandbox.handle(Request(method, path, "", HEADERS, content)).json

    def live(self) -> list[dict[str, Any]]:
        """Everybody who is neither archived, deleted nor merged."""
        return [one for one in self.sandbox.workspace.everything() if one["state"] == "live"]

    def companies(self) -> list[dict[str, Any]]:
        """All companies that are not deleted."""
        return [one for one in self.sandbox.workspace.all_companies() if one["state"] == "live"]


@contextmanager
def all_sent_to(intercom: Intercom) -> Iterator[None]:
    """Have every session send through an adapter, whatever it has mounted itself."""
    before = requests.Session.get_adapter
    requests.Session.get_adapter = lambda _session, url: intercom  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        requests.Session.get_adapter = before  # type: ignore[method-assign]


def _is_write(request: Request) -> bool:
    return request.method != "GET" and not request.path.endswith("/search")
