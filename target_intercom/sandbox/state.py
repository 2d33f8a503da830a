"""All that a sandbox holds: its workspace, its conditions, and what it remembers of calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from target_intercom.sandbox.conditions import Conditions
from target_intercom.sandbox.conditions.limits import RateWindows
from target_intercom.sandbox.recording import call_log
from target_intercom.sandbox.recording.call_log import CallLog
from target_intercom.sandbox.recording.history import History
from target_intercom.sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable


class SandboxState:
    """A workspace and what is around it. It answers no call."""

    def __init__(
        self,
        conditions: Conditions | None = None,
        *,
        token: str = "sandbox",  # noqa: S107 - it guards nothing
        region: str = "US",
        clock: Callable[[], float] = time.time,
        remembered_bytes: int = call_log.MEMORY,
    ) -> None:
        self.token = token
        self.region = region
        self.conditions = conditions or Conditions()
        self._clock = clock
        self._remembered_bytes = remembered_bytes
        self._initial = self.conditions.copy()
        self._start()

    def _start(self) -> None:
        self.workspace = Workspace(self.conditions, self._clock)
        self.windows = RateWindows()
        self.calls = CallLog(self._remembered_bytes)
        self.history = History()

    def reset(self) -> None:
        """Forget contacts, tags, attributes, jobs, calls and windows; conditions are as at the start."""
        self.workspace.jobs.stop()
        initial = self._initial.as_json() | {"targeted": []}
        self.conditions.change(initial)
        self._start()

    def now(self) -> float:
        """Return what its clock shows, in UNIX seconds."""
        return self._clock()
