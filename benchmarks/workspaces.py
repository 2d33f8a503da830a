"""A sandbox workspace in a process of its own, seen from outside."""

from __future__ import annotations

import sys
import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from benchmarks.errors import BenchmarkError
from demo.processes import free_port, running, wait_until_ready
from demo.workspace import TOKEN, Workspace

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Weather:
    """What the sandbox is told to be like."""

    limit: int
    """Calls that a window allows."""
    window: float
    """Length of a window, in seconds."""
    latency: float
    """How long every call takes at least, in seconds."""
    search_lag: float = 0.0
    """How far search trails behind writes, in seconds."""
    bulk: float = 0.2
    """How long a task of a bulk job takes, in seconds."""


@dataclass(frozen=True)
class Traffic:
    """The calls that a workspace saw in a time, by rate-limit window."""

    windows: tuple[int, ...]
    """Calls of each window in which there were any, oldest first; refused ones count."""
    limit: int
    rate_limited: int
    """Calls that were answered 429."""

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(self.windows)

    @property
    def share(self) -> float:
        """Part of what the windows in which there were calls allowed."""
        return self.calls / (self.limit * len(self.windows)) if self.windows else 0.0


@dataclass(frozen=True)
class Place:
    """A workspace of the sandbox."""

    url: str
    weather: Weather

    @property
    def id(self) -> str:
        """The workspace's id, new with every sandbox."""
        return str(self._get("me")["app"]["id_code"])

    def wait_for_a_window(self) -> float:
        """Wait until a window begins, which nothing has used yet; returns the time."""
        length = self.weather.window
        time.sleep(length - time.time() % length)
        return time.time()

    def traffic(self, since: float) -> Traffic:
        """Tell the calls of the windows that were not over at a time."""
        windows = [one for one in self._get("_sandbox/windows")["windows"] if one["end"] > since]
        return Traffic(
            tuple(one["calls"] for one in windows),
            self.weather.limit,
            sum(one["rate_limited"] for one in windows),
        )

    def _get(self, path: str) -> t.Any:
        headers = {"Authorization": f"Bearer {TOKEN}", "Intercom-Version": "2.16"}
        response = requests.get(f"{self.url}/{path}", headers=headers, timeout=_PATIENCE_SECONDS)
        if not response.ok:
            raise BenchmarkError(f"The sandbox answered {response.status_code} to {path}: {response.text}")
        return response.json()


@contextmanager
def running_sandbox(weather: Weather, folder: Path) -> Iterator[Place]:
    """Run a sandbox with an empty workspace, its log in that folder, until the block ends."""
    port = free_port()
    log = folder / "sandbox.log"
    flags = {
        "--port": port,
        "--rate-limit": weather.limit,
        "--rate-window": weather.window,
        "--latency": weather.latency,
        "--search-lag": weather.search_lag,
        "--bulk-seconds": weather.bulk,
    }
    command = [sys.executable, "-m", "target_intercom.sandbox", "--token", TOKEN]
    for name, value in flags.items():
        command += [name, str(value)]
    workspace = Workspace(f"http://127.0.0.1:{port}")
    with running(command, log) as process:
        wait_until_ready("The sandbox", process, log, workspace.answers)
        yield Place(workspace.url, weather)
