"""Who may work on a stream at once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_intercom.errors import LedgerError, StreamBusyError
from target_intercom.ledger.database import Database
from target_intercom.ledger.sql import SqlLedger

from .conftest import Ledgers, key, loaded, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.ledger.base import Ledger

S, T = "customers", "accounts"


def enters(ledger: Ledger, stream: str = S, *, alone: bool = False) -> bool:
    """Try to enter a stream."""
    try:
        ledger.enter(stream, ["id"], alone=alone)
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
    first.enter(S, ["id"], alone=True)
    with pytest.raises(StreamBusyError, match="'customers' is busy: another run that decides who is missing"):
        second.enter(S, ["id"], alone=False)
    with pytest.raises(StreamBusyError, match="'customers' is busy: this run decides who is missing"):
        second.enter(S, ["id"], alone=True)


def test_a_run_that_was_refused_leaves_no_trace(ledgers: Ledgers) -> None:
    ledgers("r1").enter(S, ["id"], alone=True)
    assert not enters(ledgers("r2"))
    assert ledgers.sql("SELECT last_run FROM target_intercom_streams") == [("r1",)]


def test_streams_are_entered_one_by_one(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first, S, alone=True)
    assert enters(second, T, alone=True)
    assert not enters(first, T)
    assert not enters(second, S)
    first.check_alone()
    second.check_alone()


def test_workspaces_do_not_meet(ledgers: Ledgers) -> None:
    assert enters(ledgers("r1", "w1"), alone=True)
    assert enters(ledgers("r2", "w2"), alone=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("w1", "a"), ("w", "1a")),
        (("a", "b"), ("b", "a")),
        (('w", "s', "t"), ("w", 's", "t')),
        (("w", "S"), ("w", "s")),
    ],
)
def test_names_are_not_mixed_up(ledgers: Ledgers, one: tuple[str, str], other: tuple[str, str]) -> None:
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
    first.check_alone()
    assert not enters(second)


def test_a_run_does_not_become_alone_while_another_is_there(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first)
    assert enters(second)
    assert not enters(first, alone=True)
    second.check_alone()
    assert not enters(ledgers("r3"), alone=True)
    second.close()
    assert enters(first, alone=True)


@pytest.mark.parametrize("alone", [True, False])
def test_a_stream_is_free_as_soon_as_its_run_has_closed_the_ledger(ledgers: Ledgers, alone: bool) -> None:
    for number in range(10):
        ledger = ledgers(f"r{number}")
        assert enters(ledger, alone=alone or number % 2 == 1), number
        ledger.close()


def test_a_ledger_may_be_closed_twice(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    assert enters(first, alone=True)
    first.close()
    first.close()


def test_work_goes_on_while_streams_are_held(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    assert enters(first, S, alone=True)
    assert enters(second, T, alone=True)
    for ledger in (first, second):
        ledger.remember(S, [loaded("1", "c1", changed=True)])
        assert set(ledger.recall(S, [key("1")])) == {key("1")}
    first.check_alone()
    assert not enters(second, S)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("spoil", [Path.mkdir, lambda path: path.write_bytes(b"no lock" * 100)], ids=["folder", "text"])
def test_a_lock_that_cannot_be_used_is_not_taken_for_another_run(
    sqlite: str, tmp_path: Path, spoil: Callable[[Path], object], alone: bool
) -> None:
    ledgers = Ledgers(sqlite)
    first = ledgers("r1")
    first.enter(S, ["id"], alone=True)
    first.close()
    (lock,) = tmp_path.glob("ledger.db-lock-*")
    lock.unlink()
    spoil(lock)
    second = ledgers("r2")
    with pytest.raises(LedgerError):
        second.enter(S, ["id"], alone=alone)
    second.close()


# Processes that die.

HOLD = """
import sys
from target_intercom.ledger.database import Database
from target_intercom.ledger.sql import SqlLedger
ledger = SqlLedger(Database(sys.argv[1]), "w1", "r9")
ledger.enter("customers", ["id"], alone=sys.argv[2] == "alone")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(url: str, how: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the stream."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_a_stream_is_free_after_its_process_was_killed(ledgers: Ledgers, how: str) -> None:
    with held(ledgers.url, how) as process:
        ledger = ledgers("r1")
        assert enters(ledger) is (how == "shared")
        ledger.close()
        again = ledgers("r2")
        assert not enters(again, alone=True)
        process.kill()
        process.wait()
        # PostgreSQL notices that the connection is gone a moment later.
        wait_until(lambda: enters(again, alone=True))
        again.check_alone()


# Connections that die.


@pytest.fixture
def on_postgresql(postgresql: str) -> Iterator[Ledgers]:
    opener = Ledgers(postgresql)
    yield opener
    for ledger in opener.opened:
        ledger.close()


def cut_all_connections(ledgers: Ledgers) -> None:
    ledgers.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def test_a_run_whose_connection_was_cut_is_not_sure_to_be_alone(on_postgresql: Ledgers) -> None:
    ledger = on_postgresql("r1")
    ledger.enter(S, ["id"], alone=True)
    ledger.check_alone()
    cut_all_connections(on_postgresql)
    assert enters(on_postgresql("r2"), alone=True)
    for _ in range(3):
        with pytest.raises(LedgerError):
            ledger.check_alone()


def test_a_run_whose_connection_was_cut_does_not_enter_anew_as_if_nothing_were(on_postgresql: Ledgers) -> None:
    ledger = on_postgresql("r1")
    ledger.enter(S, ["id"], alone=True)
    cut_all_connections(on_postgresql)
    for _ in range(2):
        with pytest.raises(LedgerError):
            ledger.enter(T, ["id"], alone=True)
    with pytest.raises(LedgerError):
        ledger.check_alone()


def test_a_run_that_holds_nothing_is_not_in_doubt(ledgers: Ledgers) -> None:
    ledgers("r1").check_alone()


def test_records_are_written_after_idle_connections_were_cut(on_postgresql: Ledgers) -> None:
    ledger = on_postgresql("r1")
    ledger.remember(S, [loaded("1", "c1")])
    cut_all_connections(on_postgresql)
    ledger.remember(S, [loaded("2", "c2")])
    assert ledger.known(S) == 2


def test_a_ledger_is_closed_after_its_connections_were_cut(on_postgresql: Ledgers) -> None:
    ledger = SqlLedger(Database(on_postgresql.url), "w1", "r1")
    ledger.enter(S, ["id"], alone=True)
    cut_all_connections(on_postgresql)
    ledger.close()
