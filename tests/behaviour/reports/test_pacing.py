"""How many calls a run makes: its share of the workspace's rate limit, and no more.

The clock of the workspace stands still, so that a window lasts as long as a test needs it. How fast a load goes is
measured by `benchmarks/`, and how the share is used over many windows by `tests/units/intercom/test_limiter.py`.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, SandboxServer, TargetedFault
from target_intercom.sandbox.conditions import Conditions
from target_intercom.sandbox.messages import Request
from tests.sandbox.client import Clock
from tests.support.front import Front
from tests.support.loading import Loader, People, record, schema, state, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.loading import Loaded

CONTACTS = schema("customers", id="integer", email="text", name="text")
LIMIT = 200
SHARE = 190
"""Of the limit, by default."""


def customers(count: int, first: int = 0) -> list[dict[str, Any]]:
    rows = [{"id": n, "email": f"person{n}@example.com", "name": f"Person {n}"} for n in range(first, first + count)]
    return [CONTACTS, *(record("customers", **row) for row in rows), state({"done": count})]


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A workspace in whose window there is no time."""
    clock = Clock()
    clock.now = time.time()
    with SandboxServer(Conditions(rate_limit=LIMIT, rate_window=100_000), clock=clock) as server:
        yield server


def others_call(sandbox: SandboxServer) -> None:
    """Have somebody else call the workspace."""
    headers = {"authorization": "Bearer sandbox"}
    assert sandbox.sandbox.handle(Request("GET", "/tags", headers=headers)).status == 200


def external_ids(sandbox: SandboxServer) -> list[int]:
    return sorted(int(contact["external_id"]) for contact in People(sandbox).everyone())


def refused(sandbox: SandboxServer) -> int:
    """How many calls the rate limit has refused."""
    return sum(window.rate_limited for window in sandbox.windows.all())


def held(sandbox: SandboxServer, *loads: Loader, calls: int, **settings: Any) -> list[Loaded]:
    """Run until there were so many calls, and whatever calls a run makes that does not hold then; end the runs."""
    processes = [load.begin(customers(300, first=300 * number), **settings) for number, load in enumerate(loads)]
    until(lambda: len(sandbox.calls) >= calls)
    time.sleep(0.3)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    return [load.finish(process) for load, process in zip(loads, processes, strict=True)]


@pytest.mark.parametrize(("percent", "share"), [(..., SHARE), (50, LIMIT // 2), (100, LIMIT)])
def test_a_load_uses_its_share_of_a_window_and_no_more(
    sandbox: SandboxServer, load: Loader, percent: object, share: int
) -> None:
    (done,) = held(sandbox, load, calls=share, rate_limit_percent=percent)
    assert len(sandbox.calls) == sum(done.calls.values()) == share
    assert refused(sandbox) == 0
    api = done.report["api"]
    assert (api["rate_limited"], api["retries"]) == (0, 0)
    assert api["waited_seconds"] > 0


def test_what_somebody_else_has_used_before_the_run_is_counted(sandbox: SandboxServer, load: Loader) -> None:
    for _ in range(120):
        others_call(sandbox)
    (done,) = held(sandbox, load, calls=SHARE)
    assert len(sandbox.calls) == SHARE
    assert sum(done.calls.values()) == SHARE - 120


def test_the_calls_of_somebody_else_in_the_workspace_are_counted(sandbox: SandboxServer, load: Loader) -> None:
    def somebody_else(_: Request) -> None:
        """Call right before each call of ours."""
        others_call(sandbox)

    with Front(sandbox, somebody_else) as front:
        (done,) = held(sandbox, load, calls=SHARE, max_connections=1, api_url=front.url)
    assert len(sandbox.calls) in {SHARE, SHARE + 1}
    assert sum(done.calls.values()) == len(sandbox.calls) // 2
    assert refused(sandbox) == 0


def test_two_runs_on_one_workspace_share_its_window(sandbox: SandboxServer, tmp_path: Path) -> None:
    loads = [Loader(sandbox.url, tmp_path / name) for name in ("one", "two")]
    done = held(sandbox, *loads, calls=SHARE, max_connections=4)
    # Each learns of the other's calls from its own answers: those in flight of both may come on top.
    assert SHARE <= len(sandbox.calls) <= SHARE + 8
    assert refused(sandbox) == 0
    assert sum(sum(one.calls.values()) for one in done) == len(sandbox.calls)


def test_after_a_429_nothing_is_sent_before_the_reset(sandbox: SandboxServer, load: Loader) -> None:
    sandbox.conditions.plan.add(TargetedFault(Fault.TOO_MANY, path="/contacts", body_contains="person50@"))
    process = load.begin(customers(300), max_connections=1)
    until(lambda: any(call.status == 429 for call in sandbox.calls))
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    done = load.finish(process)
    assert sandbox.calls[-1].status == 429
    assert done.report["api"]["rate_limited"] == 1
    assert done.report["api"]["waited_seconds"] > 0
    sandbox.conditions.rate_limit = 100_000
    assert load(customers(300)).exit_code == 0
    assert external_ids(sandbox) == list(range(300))


def test_a_load_goes_on_from_window_to_window(load: Loader, sandbox: SandboxServer) -> None:
    """Windows of real time; however long each call takes."""
    with SandboxServer(Conditions(rate_limit=40, rate_window=0.5)) as real:
        done = Loader(real.url, load.data_dir).pipe(customers(150))
        assert (done.exit_code, done.states) == (0, [{"done": 150}])
        assert done.results() == {"created": 150}
        assert external_ids(real) == list(range(150))
        assert len(real.windows.all()) >= 4


def test_a_storm_of_429s_loses_nothing(load: Loader) -> None:
    """One call in ten is refused although the window has room."""
    conditions = Conditions(rate_limit=LIMIT, rate_window=0.5, fault_rate=0.1, faults=(Fault.TOO_MANY,), fault_seed=1)
    with SandboxServer(conditions) as storm:
        done = Loader(storm.url, load.data_dir).pipe(customers(50))
        assert done.exit_code == 0
        assert done.results() == {"created": 50}
        assert external_ids(storm) == list(range(50))
        api = done.report["api"]
        limited = [call for call in storm.calls if call.status == 429]
        assert api["rate_limited"] == len(limited) > 0
        assert sum(api["calls"].values()) == len(storm.calls)
