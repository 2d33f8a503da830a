"""A run that is ended early: no STATE beyond what is written, and the next run completes the work."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import lines, record, schema, state, until

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People
    from tests.support.processes import TargetProcess

CUSTOMERS = schema("customers", id="integer", email="text", name="text")
LONG = 3600.0
"""Seconds for which a test has a run wait: nobody waits for their end, the run's neither."""


def customers(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [
        record("customers", id=number, email=f"c{number}@example.com", name=f"C {number}")
        for number in range(first, first + count)
    ]


def sent(sandbox: SandboxServer, method: str, path: str) -> int:
    return sum((call.method, call.path) == (method, path) for call in sandbox.calls)


class Running:
    """A run in a process of its own, fed by the test."""

    def __init__(self, load: Loader, **settings: Any) -> None:
        self._load = load
        self.process: TargetProcess = load.start(**settings)
        assert self.process.stdin is not None
        self._stdin = self.process.stdin

    def feed(self, *messages: dict[str, Any] | str) -> None:
        self._stdin.write(lines(messages).encode())
        self._stdin.flush()

    def end_of_input(self) -> None:
        self._stdin.close()
        self.process.stdin = None

    def signalled(self, *signals: signal.Signals) -> Loaded:
        """Send signals and see the run end."""
        for one in signals:
            os.kill(self.process.pid, one)
        return self._load.finish(self.process)


def assert_ended(done: Loaded, number: signal.Signals) -> None:
    """What holds for every run that a signal ended."""
    assert done.exit_code == 128 + number
    assert done.states == []
    assert done.report["status"] == "failed"
    assert done.report["finished_at"]
    assert "Traceback" not in done.log


def assert_completed_by_the_next_run(load: Loader, people: People, messages: list[dict[str, Any]]) -> None:
    """The next run brings everybody in, once."""
    done = load([CUSTOMERS, *messages, state({"n": len(messages)})])
    assert (done.exit_code, done.states) == (0, [{"n": len(messages)}])
    wanted = {message["record"]["email"] for message in messages}
    assert Counter(contact["email"] for contact in people.everyone()) == Counter(wanted)


BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@BOTH
def test_a_signal_while_idle_ends_the_run_without_a_state(
    load: Loader, sandbox: SandboxServer, people: People, number: signal.Signals
) -> None:
    run = Running(load)
    run.feed(CUSTOMERS, *customers(3), state({"n": 3}))
    until(lambda: sent(sandbox, "GET", "/me") == 1)
    time.sleep(0.1)
    done = run.signalled(number)
    assert_ended(done, number)
    # Nothing was written, or all of it with its outcomes: both are honest, a STATE without the records is not.
    assert done.report["streams"].get("customers", {}).get("created", 0) == len(people.everyone())
    assert_completed_by_the_next_run(load, people, customers(3))


def test_a_signal_before_the_first_message_ends_the_run(load: Loader, sandbox: SandboxServer) -> None:
    run = Running(load)
    assert run.process.stderr is not None
    assert b"target-intercom v" in run.process.stderr.readline()
    time.sleep(0.5)
    done = run.signalled(signal.SIGTERM)
    assert (done.exit_code, done.states, sandbox.calls) == (128 + signal.SIGTERM, [], [])


@BOTH
def test_a_signal_in_the_middle_of_a_batch_leaves_no_state_and_the_outcomes_that_are_known(
    load: Loader, sandbox: SandboxServer, people: People, number: signal.Signals
) -> None:
    sandbox.conditions.latency = 0.3
    run = Running(load, max_connections=4)
    run.feed(CUSTOMERS, *customers(200), state({"n": 200}))
    run.end_of_input()
    until(lambda: sent(sandbox, "POST", "/contacts") > 8)
    time.sleep(0.1)
    done = run.signalled(number)
    assert_ended(done, number)
    there = len(people.everyone())
    assert 4 <= there < 200
    # Those in flight when the signal came may have arrived; all others have their outcome.
    assert there - 4 <= done.stream()["created"] <= there
    assert done.stream()["read"] == done.stream()["created"]
    assert done.calls["POST /contacts"] == sent(sandbox, "POST", "/contacts")
    sandbox.conditions.latency = 0.0
    assert_completed_by_the_next_run(load, people, customers(200))


def test_a_signal_keeps_a_state_back_whose_records_are_written(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    """Batches that are done count in the report; a STATE comes out only at the end of the pipe."""
    sandbox.conditions.latency = 0.1
    run = Running(load, max_connections=4, batch_size_rows=10)
    run.feed(CUSTOMERS, *customers(10), state({"n": 10}), *customers(390, first=11), state({"n": 400}))
    until(lambda: len(people.everyone()) > 12)
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGTERM)
    assert 10 <= done.stream()["created"] < 400
    sandbox.conditions.latency = 0.0
    assert_completed_by_the_next_run(load, people, customers(400))


@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM),
    ],
)
def test_several_signals_are_as_one(
    load: Loader, sandbox: SandboxServer, people: People, signals: tuple[signal.Signals, ...]
) -> None:
    """Meltano sends SIGTERM right after Ctrl-C's SIGINT."""
    sandbox.conditions.latency = 0.3
    run = Running(load, max_connections=4)
    run.feed(CUSTOMERS, *customers(100), state({"n": 100}))
    run.end_of_input()
    until(lambda: sent(sandbox, "POST", "/contacts") > 4)
    done = run.signalled(*signals)
    assert done.exit_code in {128 + number for number in signals}
    assert done.states == []
    assert done.report["status"] == "failed"
    assert "Traceback" not in done.log
    sandbox.conditions.latency = 0.0
    assert_completed_by_the_next_run(load, people, customers(100))


def test_a_second_signal_while_calls_come_back_does_not_break_the_end(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    sandbox.conditions.latency = 0.6
    run = Running(load, max_connections=4)
    run.feed(CUSTOMERS, *customers(500))
    run.end_of_input()
    until(lambda: sent(sandbox, "POST", "/contacts") >= 4)
    os.kill(run.process.pid, signal.SIGINT)
    time.sleep(0.3)
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGINT)


def test_a_signal_during_a_wait_for_the_rate_limit_ends_it(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    sandbox.conditions.rate_limit = 10
    sandbox.conditions.rate_window = 100 * LONG
    run = Running(load, rate_limit_percent=100)
    run.feed(CUSTOMERS, *customers(40), state({"n": 40}))
    run.end_of_input()
    until(lambda: len([call for call in sandbox.calls if call.status]) == 10)
    there = len(people.everyone())
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGTERM)
    assert done.stream()["created"] == there == len(people.everyone()) < 40
    assert done.report["api"]["rate_limited"] == 0
    assert done.report["api"]["waited_seconds"] >= 0
    sandbox.conditions.rate_limit = 1666
    sandbox.conditions.rate_window = 0.1
    time.sleep(0.1)
    assert_completed_by_the_next_run(load, people, customers(40))


def test_a_signal_while_a_lead_in_doubt_is_looked_for_ends_the_run(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    sandbox.conditions.search_lag = LONG
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts"))
    run = Running(load, creation_mode="lead", search_delay_seconds=3600, mappings={"id": "custom_attributes.number"})
    run.feed(CUSTOMERS, *customers(1), state({"n": 1}))
    run.end_of_input()
    until(lambda: sent(sandbox, "POST", "/contacts/search") >= 2)
    time.sleep(0.3)
    done = run.signalled(signal.SIGINT)
    assert_ended(done, signal.SIGINT)
    assert sent(sandbox, "POST", "/contacts") == 1
    sandbox.conditions.search_lag = 0.0
    load.settings = {"creation_mode": "lead", "mappings": {"id": "custom_attributes.number"}}
    assert_completed_by_the_next_run(load, people, customers(1))


def test_a_signal_while_the_server_hangs_ends_the_run(load: Loader, sandbox: SandboxServer, people: People) -> None:
    sandbox.conditions.fault_timeout = LONG
    sandbox.conditions.plan.add(TargetedFault(Fault.TIMEOUT_AFTER, "POST", "/contacts", times=20))
    run = Running(load, max_connections=4)
    run.feed(CUSTOMERS, *customers(20), state({"n": 20}))
    run.end_of_input()
    until(lambda: sent(sandbox, "POST", "/contacts") == 4)
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGTERM)
    assert sent(sandbox, "POST", "/contacts") == 4
    sandbox.conditions.plan.clear()
    assert_completed_by_the_next_run(load, people, customers(20))


def test_a_signal_while_the_server_hangs_at_the_first_call_ends_the_run(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.fault_timeout = LONG
    sandbox.conditions.plan.add(TargetedFault(Fault.TIMEOUT_BEFORE, "GET", "/me"))
    run = Running(load)
    run.feed(CUSTOMERS, *customers(1))
    until(lambda: sent(sandbox, "GET", "/me") == 1)
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGTERM)


def test_a_signal_between_two_tries_of_a_call_ends_the_run(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.fault_rate = 1.0
    sandbox.conditions.faults = (Fault.ERROR,)
    run = Running(load)
    run.feed(CUSTOMERS, *customers(1))
    until(lambda: sent(sandbox, "GET", "/me") >= 2)
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGTERM)
    assert done.report["api"]["retries"] >= 1


def test_a_signal_before_the_removals_removes_nobody(load: Loader, sandbox: SandboxServer, people: People) -> None:
    load([CUSTOMERS, *customers(5)])
    marked = schema("customers", id="integer", email="text", _sdc_deleted_at="datetime")
    run = Running(load, sync_mode="sync", batch_size_rows=1, ledger_url="none")
    rows = [one["record"] | {"_sdc_deleted_at": "2026-01-01T00:00:00Z"} for one in customers(5)]
    run.feed(marked, *(record("customers", **row) for row in rows), state({"n": 5}))
    until(lambda: sent(sandbox, "POST", "/contacts/search") >= 5)
    done = run.signalled(signal.SIGTERM)
    assert_ended(done, signal.SIGTERM)
    assert {contact["state"] for contact in people.everyone()} == {"live"}


# A tap that dies.


def test_a_tap_that_dies_leaves_its_last_state_and_what_it_sent_is_written(load: Loader, people: People) -> None:
    """A dead tap's input ends like any other: nobody can tell, so what came is written, and its STATE stands."""
    run = Running(load)
    run.feed(CUSTOMERS, *customers(3), state({"n": 3}), *customers(2, first=4))
    run.end_of_input()
    done = load.finish(run.process)
    assert (done.exit_code, done.states) == (0, [{"n": 3}])
    assert done.results() == {"created": 5}
    assert len(people.everyone()) == 5


def test_a_tap_that_dies_without_any_state_leaves_none(load: Loader, people: People) -> None:
    run = Running(load)
    run.feed(CUSTOMERS, *customers(3))
    run.end_of_input()
    done = load.finish(run.process)
    assert (done.exit_code, done.states) == (0, [])
    assert len(people.everyone()) == 3


def test_a_tap_that_dies_within_a_line_fails_the_run_without_a_state(load: Loader, people: People) -> None:
    run = Running(load)
    run.feed(CUSTOMERS, *customers(3), state({"n": 3}))
    assert run.process.stdin is not None
    run.process.stdin.write(b'{"type": "RECORD", "stream": "customers", "record": {"id": 4, "email": "c4@exam')
    run.end_of_input()
    done = load.finish(run.process)
    assert (done.exit_code, done.states) == (1, [])
    assert done.report["status"] == "failed"
    assert "Line 6" in done.log
    assert "c4@" not in done.log
    assert "Traceback" not in done.log
    assert_completed_by_the_next_run(load, people, customers(4))


def test_a_reader_of_states_that_is_gone_does_not_undo_the_work(load: Loader, people: People) -> None:
    """Whoever reads stdout has died: the records are written, and the exit code says that something is wrong."""
    run = Running(load)
    assert run.process.stdout is not None
    run.process.stdout.close()
    run.feed(CUSTOMERS, *customers(3), state({"n": 3}))
    run.end_of_input()
    assert run.process.stderr is not None
    log = run.process.stderr.read().decode()
    run.process.stderr.close()
    assert run.process.wait(timeout=120) != 0
    assert len(people.everyone()) == 3
    assert "example.com" not in log
