"""How fast a load goes: as fast as the workspace's rate limit lets it, and no faster.

The sandbox is a process of its own, as is the target: each needs a core for itself.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.loading import Loader, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CONTACTS = schema("customers", id="integer", email="text", name="text")
LIMIT = 200
WINDOW = 2.0
LATENCY = 0.05


def customers(count: int, first: int = 0) -> list[dict[str, Any]]:
    rows = [{"id": n, "email": f"person{n}@example.com", "name": f"Person {n}"} for n in range(first, first + count)]
    return [CONTACTS, *(record("customers", **row) for row in rows), state({"done": count})]


class Remote:
    """A sandbox in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = "Bearer sandbox"

    def close(self) -> None:
        self._session.close()

    def control(self, what: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        response = self._session.request(method, f"{self.url}/_sandbox/{what}", json=body, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()

    def full_windows(self) -> list[int]:
        """The calls of each window but the first and the last, which the run only filled in part."""
        windows = self.control("windows")["windows"]
        starts = [window["start"] for window in windows]
        length = windows[0]["end"] - windows[0]["start"]
        assert starts == [starts[0] + n * length for n in range(len(starts))], "a window without any call"
        return [window["calls"] for window in windows[1:-1]]

    def calls(self) -> list[dict[str, Any]]:
        """The calls in the order in which they arrived."""
        return sorted(self.control("calls")["calls"], key=lambda call: call["at"])

    def refused(self) -> int:
        """How many calls the rate limit has refused."""
        return sum(window["rate_limited"] for window in self.control("windows")["windows"])

    def external_ids(self) -> list[int]:
        """Who is in the workspace."""
        return sorted(int(contact["external_id"]) for contact in self.control("contacts")["contacts"])


class SomebodyElse:
    """Another client of the workspace, which lists tags at a steady pace."""

    def __init__(self, url: str, calls_a_second: float) -> None:
        self._url = url
        self._pause = 1 / calls_a_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        with requests.Session() as session:
            while not self._over.wait(self._pause):
                session.get(f"{self._url}/tags", headers={"Authorization": "Bearer sandbox"}, timeout=10)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def sandbox_process(**flags: float) -> Iterator[Remote]:
    command = [sys.executable, "-m", "target_intercom.sandbox", "--port", "0"]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://\S+", process.stdout.readline())
            assert url is not None
            remote = Remote(url[0])
            yield remote
            remote.close()
        finally:
            process.terminate()


@pytest.fixture
def remote() -> Iterator[Remote]:
    """A workspace with a narrow rate limit: 200 calls in 2 seconds."""
    with sandbox_process(rate_limit=LIMIT, rate_window=WINDOW, latency=LATENCY) as sandbox:
        yield sandbox


@pytest.fixture
def load(remote: Remote, tmp_path: Path) -> Loader:
    return Loader(remote.url, tmp_path / "data")


def wait_for_a_window(length: float) -> None:
    """Wait until a window has begun; the sandbox's lie on multiples of their length."""
    time.sleep(length - time.time() % length)


def test_a_load_uses_its_share_of_every_full_window_and_no_more(remote: Remote, load: Loader) -> None:
    share = LIMIT * 95 // 100
    done = load.pipe(customers(1500))
    assert done.exit_code == 0
    assert done.results() == {"created": 1500}
    full = remote.full_windows()
    assert len(full) >= 1500 // share - 2
    assert min(full) >= math.ceil(share * 0.95)
    assert max(full) <= share
    assert remote.refused() == 0
    api = done.report["api"]
    assert (api["rate_limited"], api["retries"]) == (0, 0)
    assert 0 < api["waited_seconds"] <= len(full) * WINDOW + 2 * WINDOW


def test_rate_limit_percent_leaves_the_rest_of_each_window_to_others(remote: Remote, load: Loader) -> None:
    share = LIMIT * 50 // 100
    remote.control("conditions", {"rate_window": 1})
    done = load.pipe(customers(300), rate_limit_percent=50)
    assert done.results() == {"created": 300}
    full = remote.full_windows()
    assert len(full) >= 2
    assert all(math.ceil(share * 0.95) <= calls <= share for calls in full)
    assert remote.refused() == 0


def test_the_calls_of_somebody_else_in_the_workspace_are_counted(remote: Remote, load: Loader) -> None:
    share = LIMIT * 95 // 100
    with SomebodyElse(remote.url, calls_a_second=20):
        done = load.pipe(customers(450))
    assert done.results() == {"created": 450}
    assert done.report["api"]["rate_limited"] == 0
    by_window: dict[int, list[str]] = {}
    for call in remote.calls():
        by_window.setdefault(int(call["at"] // WINDOW), []).append(call["path"])
    for paths in by_window.values():
        ours = [place for place, path in enumerate(paths, start=1) if path != "/tags"]
        # A call of theirs may arrive while the last ones of ours are on their way.
        assert max(ours, default=0) <= share + 3
    others = [paths.count("/tags") for paths in by_window.values()]
    # So many that calls of ours that did not count them would have gone past the share.
    assert max(others) >= 10


def test_what_somebody_else_has_used_before_the_run_is_counted(tmp_path: Path) -> None:
    length = 5.0
    with sandbox_process(rate_limit=LIMIT, rate_window=length, latency=LATENCY) as remote:
        load = Loader(remote.url, tmp_path / "data")
        wait_for_a_window(length)
        with ThreadPoolExecutor(10) as pool, requests.Session() as session:
            headers = {"Authorization": "Bearer sandbox"}
            list(pool.map(lambda _: session.get(f"{remote.url}/tags", headers=headers, timeout=10), range(120)))
        done = load.pipe(customers(120))
        first, second = remote.control("windows")["windows"]
    assert done.results() == {"created": 120}
    assert (first["rate_limited"], second["rate_limited"]) == (0, 0)
    assert 180 <= first["calls"] <= 190


def test_two_runs_on_one_workspace_share_its_limit(remote: Remote, tmp_path: Path) -> None:
    loads = [Loader(remote.url, tmp_path / "one"), Loader(remote.url, tmp_path / "two")]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda n: loads[n].pipe(customers(240, first=240 * n)), range(2)))
    assert [run.results() for run in runs] == [{"created": 240}] * 2
    assert remote.external_ids() == list(range(480))
    full = remote.full_windows()
    # Each learns of the other's calls from answers only: now and then one is a few calls late.
    assert remote.refused() <= 0.05 * 480
    assert min(full) >= 0.9 * LIMIT * 95 // 100


def test_after_a_429_nothing_is_sent_before_the_reset(remote: Remote, load: Loader) -> None:
    """Only calls that are under way already still arrive. Nothing is lost and nothing is made twice."""
    remote.control("conditions", {"targeted": [{"fault": "429", "path": "/contacts", "body_contains": "person150@"}]})
    remote.control("conditions", {"targeted": [{"fault": "429", "path": "/contacts", "body_contains": "person300@"}]})
    done = load.pipe(customers(330))
    assert done.exit_code == 0
    assert done.results() == {"created": 330}
    assert done.states == [{"done": 330}]
    assert remote.external_ids() == list(range(330))
    api = done.report["api"]
    assert api["rate_limited"] == 2
    assert api["waited_seconds"] > 0

    calls = remote.calls()
    limited = [call for call in calls if call["fault"] == "429"]
    assert len(limited) == 2
    for call in limited:
        answered = call["at"] + LATENCY
        reset = (call["at"] // WINDOW + 1) * WINDOW
        assert not [later for later in calls if answered + 0.1 < later["at"] < reset]


def test_a_storm_of_429s_loses_nothing(remote: Remote, load: Loader) -> None:
    """One call in ten is refused although the window has room."""
    remote.control("conditions", {"rate_window": 0.5, "fault_rate": 0.1, "faults": ["429"], "fault_seed": 1})
    done = load.pipe(customers(50))
    assert done.exit_code == 0
    assert done.results() == {"created": 50}
    assert remote.external_ids() == list(range(50))
    api = done.report["api"]
    limited = [call for call in remote.calls() if call["status"] == 429]
    assert api["rate_limited"] == len(limited) > 0
    assert sum(api["calls"].values()) == len(remote.calls())


def test_a_load_that_stays_below_its_share_waits_for_nothing(tmp_path: Path) -> None:
    """Windows that turn while calls are under way are no reason to stop."""
    with sandbox_process(rate_limit=100_000, rate_window=1, latency=0.1) as remote:
        done = Loader(remote.url, tmp_path / "data").pipe(customers(600))
    assert done.results() == {"created": 600}
    assert done.report["api"]["waited_seconds"] <= 0.5
