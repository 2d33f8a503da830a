"""Who may work on a stream at once, and who was alone with it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_intercom.errors import LedgerError, StreamBusyError
from tests.support.loading import until

from .conftest import Ledgers, key, loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.ledger.interface import Ledger

S, T = "customers", "accounts"


def enters(ledger: Ledger, stream: str = S, *, alone: bool = False, removes: bool = False) -> bool:
    """Try to enter a stream."""
    try:
        ledger.streams.enter(stream, ["id"], alone=alone, removes=removes)
    except StreamBusyError:
        return False
    return True


def test_many_runs_share_a_stream(ledgers: Ledgers) -> None:
    assert all(enters(ledgers(run)) for run in ("r1", "r2", "r3"))


@pytest.mark.parametrize("later_alone", [True, False])
@pytest.mark.parametrize("earlier_alone", [True, False])
def test_a_run_that_is_alone_shares_with_nobody(ledgers: Ledgers, earlier_alone: bool, later_alone: bool) -> None:
    assert enters(ledgers("r1"), alone=earlier_alone)
    assert enters(ledgers("r2"), alone=later_alone) is not (earlier_alone or later_alone)


def test_who_is_refused_is_told_which_stream_and_why(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    first.streams.enter(S, ["id"], alone=True)
    with pytest.raises(StreamBusyError, match="'customers' is busy: another run that may remove what is missing"):
        second.streams.enter(S, ["id"], alone=False)
    with pytest.raises(StreamBusyError, match="'customers' is busy: this run may remove what is missing"):
        second.streams.enter(S, ["id"], alone=True)


def test_streams_are_entered_one_by_one(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first, S, alone=True)
    assert enters(second, T, alone=True)
    assert not enters(first, T, alone=True)
    assert not enters(second, S, alone=True)
    assert first.streams.was_alone(S)
    assert second.streams.was_alone(T)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("w1", "a"), ("w2", "a")),
        (("w1", "a"), ("w", "1a")),
        (("a", "b"), ("b", "a")),
        (('w", "s', "t"), ("w", 's", "t')),
        (("w", "S"), ("w", "s")),
    ],
)
def test_workspaces_and_streams_are_not_mixed_up(
    ledgers: Ledgers, one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert enters(ledgers("r1", one[0]), one[1], alone=True)
    assert enters(ledgers("r2", other[0]), other[1], alone=True)


def test_a_run_may_enter_again(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    for alone in (False, False, True, True, False):
        assert enters(first, alone=alone)
    assert enters(ledgers("r2"))


def test_a_run_that_has_to_be_alone_after_all_is_so_from_then_on(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first)
    assert enters(first, alone=True)
    assert not enters(second)
    assert first.streams.was_alone(S)


def test_a_run_does_not_become_alone_while_another_is_there(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first)
    assert enters(second)
    assert not enters(first, alone=True)
    assert not enters(ledgers("r3"), alone=True)
    second.close()
    until(lambda: enters(first, alone=True))


@pytest.mark.parametrize("alone", [True, False])
def test_a_stream_is_free_once_its_run_has_closed_the_ledger(ledgers: Ledgers, alone: bool) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first, alone=alone)
    first.close()
    first.close()
    # PostgreSQL notices that the connection is gone a moment later.
    until(lambda: enters(second, alone=True))


def test_a_run_waits_a_moment_for_another_that_is_alone(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    """That one may only have looked whether anybody is there."""
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first, alone=True)
    sleep = time.sleep

    def leave(seconds: float) -> None:
        first.close()
        sleep(seconds)

    monkeypatch.setattr("time.sleep", leave)
    assert enters(second)


@pytest.mark.parametrize("removes", [True, False])
def test_a_run_that_may_remove_lets_others_in_until_it_has_to_be_alone(ledgers: Ledgers, removes: bool) -> None:
    assert enters(ledgers("r1"), removes=True)
    assert enters(ledgers("r2"), removes=removes)
    assert not enters(ledgers("r3"), alone=True)


def test_work_goes_on_while_streams_are_held(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first, S, alone=True)
    assert enters(second, T, alone=True)
    for ledger in (first, second):
        ledger.remember(S, [loaded("1", "c1", changed=True)])
        assert set(ledger.recall(S, [key("1")])) == {key("1")}
    assert first.streams.was_alone(S)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("spoil", [Path.mkdir, lambda path: path.write_bytes(b"no lock" * 100)], ids=["folder", "text"])
def test_a_lock_that_cannot_be_used_is_not_taken_for_another_run(
    on_sqlite: Ledgers, tmp_path: Path, spoil: Callable[[Path], object], alone: bool
) -> None:
    first = on_sqlite("r1")
    first.streams.enter(S, ["id"], alone=True)
    first.close()
    (lock,) = tmp_path.glob("ledger.db-lock-*")
    lock.unlink()
    spoil(lock)
    with pytest.raises(LedgerError):
        on_sqlite("r2").streams.enter(S, ["id"], alone=alone)


# Who was there.


@pytest.mark.parametrize("alone", [True, False])
def test_a_run_that_nobody_came_after_was_alone(ledgers: Ledgers, alone: bool) -> None:
    earlier = ledgers("r0")
    assert enters(earlier)
    earlier.close()
    ledger = ledgers("r1")
    until(lambda: enters(ledger, alone=alone))
    assert enters(ledger, alone=True)
    assert ledger.streams.was_alone(S)


def test_a_run_that_another_came_after_was_not_alone(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first)
    assert enters(second)
    assert not first.streams.was_alone(S)
    assert second.streams.was_alone(S)


def test_a_run_that_another_visited_was_not_alone_though_it_is_now(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first)
    assert enters(second)
    second.finish()
    second.close()
    until(lambda: enters(first, alone=True))
    assert not first.streams.was_alone(S)


@pytest.mark.parametrize("is_done", [True, False])
def test_a_run_that_met_another_at_its_beginning_was_not_alone(ledgers: Ledgers, is_done: bool) -> None:
    """The other one may have read the source later, and go on to load what this one does not know."""
    other, ledger = ledgers("r1"), ledgers("r2")
    assert enters(other)
    assert enters(ledger, removes=True)
    if is_done:
        other.finish()
        other.close()
        until(lambda: enters(ledger, alone=True))
    assert not ledger.streams.was_alone(S)


def test_a_run_that_met_nobody_and_that_nobody_came_to_was_alone(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    assert enters(ledgers("r2"), T)
    assert enters(ledger, removes=True)
    assert enters(ledger, alone=True, removes=True)
    assert ledger.streams.was_alone(S)


def test_a_run_that_was_refused_leaves_no_trace(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    first.streams.enter(S, ["id"], alone=True)
    assert not enters(second, alone=True)
    assert first.streams.was_alone(S)
    assert not second.streams.was_alone(S)
    assert ledgers.rows("streams", "last_run") == [("r1",)]
    first.close()
    until(lambda: enters(second))
    assert second.streams.was_alone(S)
    assert ledgers.rows("streams", "last_run") == [("r2",)]


def test_who_came_to_another_stream_or_workspace_does_not_count(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    assert enters(ledger)
    assert enters(ledgers("r2"), T)
    assert enters(ledgers("r2", "w2"), S)
    assert ledger.streams.was_alone(S)
    assert not ledger.streams.was_alone(T)


def test_a_stream_is_told_of_a_run_when_it_enters_first_and_not_again(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=False)
    wanted = "stream, key_properties, last_run, started_at, finished_at"
    ledgers.sql(
        "UPDATE target_intercom_streams SET started_at = 'then', last_run = 'r2' WHERE workspace = :workspace",
        workspace=ledgers.workspace(),
    )
    ledger.streams.enter(S, ["id"], alone=True)
    ledger.streams.enter(S, ["id"], alone=False)
    assert ledgers.rows("streams", wanted) == [(S, '["id"]', "r2", "then", None)]
    ledgers("r3").streams.enter(S, ["tenant", "id"], alone=False)
    ((keys, run, started),) = ledgers.rows("streams", "key_properties, last_run, started_at")
    assert (keys, run) == ('["tenant", "id"]', "r3")
    assert started != "then"


# Processes that die.

HOLD = """
import sys
import time
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.records import SqlLedger
ledger = SqlLedger(Database(sys.argv[1]), sys.argv[2], "r9")
ledger.streams.enter("customers", ["id"], alone=True)
ledger.streams.enter("accounts", ["id"], alone=False)
print("held", flush=True)
sys.stdin.read()
"""


def test_streams_are_free_after_their_process_was_killed(ledgers: Ledgers) -> None:
    command = [sys.executable, "-c", HOLD, ledgers.url, ledgers.workspace()]
    ledger = ledgers("r1")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            assert not enters(ledger, S, alone=True)
            assert enters(ledger, T)
            assert not enters(ledger, T, alone=True)
        finally:
            process.kill()
    for stream in (S, T):
        until(partial(enters, ledger, stream, alone=True))
        assert ledger.streams.was_alone(stream)


# Connections that die.


@pytest.fixture
def on_postgresql(shared_postgresql: str) -> Iterator[Ledgers]:
    with closing(Ledgers(shared_postgresql)) as opener:
        yield opener


def cut_all_connections(ledgers: Ledgers) -> None:
    ledgers.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def test_a_run_whose_connection_was_cut_is_not_sure_to_have_been_alone(on_postgresql: Ledgers) -> None:
    ledger = on_postgresql("r1")
    ledger.streams.enter(S, ["id"], alone=True)
    assert ledger.streams.was_alone(S)
    cut_all_connections(on_postgresql)
    for _ in range(2):
        with pytest.raises(LedgerError):
            ledger.streams.was_alone(S)
    assert enters(on_postgresql("r2"), alone=True)
    with pytest.raises(LedgerError):
        ledger.streams.was_alone(S)
    ledger.close()


def test_a_run_whose_connection_was_cut_does_not_enter_anew_as_if_nothing_were(on_postgresql: Ledgers) -> None:
    ledger = on_postgresql("r1")
    ledger.streams.enter(S, ["id"], alone=True)
    cut_all_connections(on_postgresql)
    for _ in range(2):
        with pytest.raises(LedgerError):
            ledger.streams.enter(T, ["id"], alone=True)
    with pytest.raises(LedgerError):
        ledger.streams.was_alone(S)


def test_records_are_written_after_idle_connections_were_cut(on_postgresql: Ledgers) -> None:
    ledger = on_postgresql("r1")
    ledger.remember(S, [loaded("1", "c1")])
    cut_all_connections(on_postgresql)
    ledger.remember(S, [loaded("2", "c2")])
    assert ledger.known(S) == 2
