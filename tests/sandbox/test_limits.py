from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import Conditions, SandboxServer

from .client import Api

if TYPE_CHECKING:
    from .client import Clock


def headers(api: Api) -> tuple[int, int, int]:
    found = api.call("GET", "/me").headers
    return (
        int(found["X-RateLimit-Limit"]),
        int(found["X-RateLimit-Remaining"]),
        int(found["X-RateLimit-Reset"]),
    )


def test_the_headers_count_down_to_the_end_of_a_fixed_window(api: Api, clock: Clock) -> None:
    """GRP: the first call of a window is told the whole limit."""
    api.conditions(rate_limit=100, rate_window=10)
    clock.pass_(3)

    assert headers(api) == (100, 100, 1_700_000_010)
    clock.pass_(6.9)
    assert headers(api) == (100, 99, 1_700_000_010)
    clock.pass_(0.1)
    assert headers(api) == (100, 100, 1_700_000_020)


def test_calls_beyond_the_limit_are_refused_until_the_window_ends(api: Api, clock: Clock) -> None:
    """docs 2.17 rate-limiting."""
    api.conditions(rate_limit=3, rate_window=10)
    for _ in range(3):
        api.create(role="lead")

    refused = api.call("POST", "/contacts", {"role": "lead"})
    assert refused.status_code == 429
    error = refused.json()["errors"][0]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"] == "Exceeded rate limit of 3 in 10_seconds"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["X-RateLimit-Reset"] == "1700000010"
    clock.pass_(10)
    assert api.ok("GET", "/contacts")["total_count"] == 3


def test_every_call_counts_whatever_becomes_of_it(api: Api) -> None:
    api.conditions(rate_limit=4)
    for method, path in [("GET", "/contacts/0"), ("GET", "/nowhere"), ("POST", "/contacts/search")]:
        assert api.call(method, path).status_code >= 400

    assert headers(api)[1] == 1
    assert api.call("GET", "/me").status_code == 429


def test_windows_tell_calls_and_refusals(api: Api, clock: Clock) -> None:
    api.conditions(rate_limit=2, rate_window=10)
    for calls in (3, 1):
        for _ in range(calls):
            api.call("GET", "/me")
        clock.pass_(10)

    windows = api.ok("GET", "/_sandbox/windows")["windows"]
    start = 1_700_000_000
    assert windows == [
        {"start": start, "end": start + 10, "limit": 2, "calls": 3, "rate_limited": 1},
        {"start": start + 10, "end": start + 20, "limit": 2, "calls": 1, "rate_limited": 0},
    ]
    assert [window.calls for window in api.sandbox.windows.all()] == [3, 1]


def test_calls_at_the_same_time_are_all_counted() -> None:
    with SandboxServer(Conditions(rate_limit=50, rate_window=1000)) as sandbox:
        statuses: list[int] = []

        def work() -> None:
            api = Api(sandbox)
            statuses.extend(api.call("GET", "/me").status_code for _ in range(10))
            api.session.close()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(statuses) == [200] * 50 + [429] * 30
        (window,) = sandbox.windows.all()
        assert (window.calls, window.rate_limited) == (80, 30)


def test_latency_delays_calls_side_by_side() -> None:
    """Eight connections wait together, not one after the other."""
    with SandboxServer(Conditions(latency=2)) as sandbox:
        clients = [Api(sandbox) for _ in range(8)]
        threads = [threading.Thread(target=api.create, kwargs={"role": "lead"}) for api in clients]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - started
        for api in clients:
            api.session.close()

    assert 2 <= took < 8 * 2


def test_keep_alive_calls_do_not_stall() -> None:
    """A delayed acknowledgement would cost 40 ms a call; on a connection of its own no call has it."""
    with SandboxServer() as sandbox:
        kept, fresh = Api(sandbox), []
        # The first ones are never delayed.
        took = [duration(kept) for _ in range(50)][25:]
        for _ in range(25):
            api = Api(sandbox)
            fresh.append(duration(api))
            api.session.close()
        kept.session.close()

    assert min(took) < min(fresh) + 0.03


def duration(api: Api) -> float:
    started = time.perf_counter()
    api.create(role="lead")
    return time.perf_counter() - started


@pytest.mark.parametrize("window", [1, 0.5])
def test_short_windows_end_at_the_next_whole_second_at_the_latest(api: Api, clock: Clock, window: float) -> None:
    api.conditions(rate_limit=1, rate_window=window)
    clock.pass_(0.25)

    assert headers(api)[2] == 1_700_000_001
    assert api.call("GET", "/me").status_code == 429
    clock.pass_(window)
    assert api.call("GET", "/me").status_code == 200
