"""Leads on their way: none is made twice, whoever makes it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from target_intercom.errors import LeadPendingError
from target_intercom.ledger.base import Stamp, stamp
from target_intercom.model import Email

from .conftest import contact, loaded

if TYPE_CHECKING:
    from target_intercom.ledger.base import Ledger
    from target_intercom.ledger.sql import SqlLedger
    from target_intercom.model import Role

    from .conftest import Ledgers

ANN, BOB = Email("ann@example.com"), Email("bob@example.com")


def pending_since(ledger: Ledger, email: Email, replacing: Stamp | None = None) -> Stamp | None:
    """Try to write an intent; gives the stamp of the one that is in the way."""
    try:
        ledger.intend(email, replacing)
    except LeadPendingError as error:
        return Stamp(error.since)
    return None


def let_the_clock_move_past(moment: Stamp) -> None:
    while stamp(time.time()) <= moment:
        time.sleep(0.001)


def test_an_intent_is_written_with_the_time(ledgers: Ledgers) -> None:
    before = stamp(time.time())
    written = ledgers("r7").intend(ANN, None)
    assert before <= written <= stamp(time.time())
    assert ledgers.sql("SELECT workspace, email, sent_at, run FROM target_intercom_intents") == [
        ("w1", ANN, written, "r7")
    ]


def test_a_second_intent_is_refused_with_the_time_of_the_first(ledgers: Ledgers) -> None:
    ledger = ledgers()
    first = ledger.intend(ANN, None)
    let_the_clock_move_past(first)
    assert pending_since(ledger, ANN) == first
    assert pending_since(ledgers("r2"), ANN) == first
    assert pending_since(ledger, BOB) is None


def test_an_intent_that_did_not_arrive_is_replaced(ledgers: Ledgers) -> None:
    first = ledgers().intend(ANN, None)
    let_the_clock_move_past(first)
    second = ledgers("r2").intend(ANN, first)
    assert second > first
    assert pending_since(ledgers("r3"), ANN) == second
    assert ledgers.sql("SELECT run FROM target_intercom_intents") == [("r2",)]


@pytest.mark.parametrize("by", [-1, 1, -1_000_000])
def test_an_intent_is_not_replaced_by_who_knows_only_another(ledgers: Ledgers, by: int) -> None:
    ledger = ledgers()
    first = ledger.intend(ANN, None)
    assert pending_since(ledger, ANN, Stamp(first + by)) == first
    assert pending_since(ledgers("r2"), ANN) == first


def test_an_intent_that_was_dropped_is_no_longer_replaced_but_written(ledger: SqlLedger) -> None:
    first = ledger.intend(ANN, None)
    ledger.drop_intents([ANN])
    assert pending_since(ledger, ANN, first) is None
    assert pending_since(ledger, ANN) is not None


def test_only_what_was_surely_not_made_is_dropped(ledgers: Ledgers) -> None:
    ledger = ledgers()
    for email in (ANN, BOB):
        ledger.intend(email, None)
    ledgers("r2").drop_intents([ANN, Email("nobody@example.com")])
    assert pending_since(ledger, ANN) is None
    assert pending_since(ledger, BOB) is not None


def test_many_intents_are_dropped_at_once(ledgers: Ledgers) -> None:
    ledger = ledgers()
    emails = [Email(f"p{number}@example.com") for number in range(1201)]
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda email: ledger.intend(email, None), emails))
    assert ledgers.sql("SELECT count(*) FROM target_intercom_intents") == [(1201,)]
    ledger.drop_intents(emails[:-1])
    assert ledgers.sql("SELECT email FROM target_intercom_intents") == [(emails[-1],)]


@pytest.mark.parametrize("role", ["user", "lead"])
def test_an_intent_stays_after_the_lead_was_made(ledgers: Ledgers, role: Role) -> None:
    """Another run, which looked before that, does not see the lead for a while."""
    first = ledgers().intend(ANN, None)
    ledger = ledgers("r2")
    ledger.remember("customers", [loaded("1", contact("c1", role, None, ANN), changed=True)])
    ledger.finish()
    assert pending_since(ledgers("r3"), ANN) == first


def test_an_intent_of_days_ago_is_dropped_at_the_end_of_a_run(ledgers: Ledgers) -> None:
    """Its lead, if there is one, is found by then."""
    hour = 3_600_000
    now = stamp(time.time())
    ledger = ledgers()
    for workspace, hours in (("w1", 1), ("w1", 20), ("w1", 100), ("w2", 100)):
        ledgers.sql(
            "INSERT INTO target_intercom_intents VALUES (:workspace, :email, :sent_at, 'r0')",
            workspace=workspace,
            email=f"{hours}@example.com",
            sent_at=now - hours * hour,
        )
    ledger.finish()
    left = ledgers.sql("SELECT workspace, email FROM target_intercom_intents ORDER BY workspace, email")
    assert left == [("w1", "1@example.com"), ("w1", "20@example.com"), ("w2", "100@example.com")]


def test_an_intent_holds_after_the_process_was_killed(ledgers: Ledgers) -> None:
    ledgers()
    intend_and_die = (
        "import os, signal, sys\n"
        "from target_intercom.ledger.database import Database\n"
        "from target_intercom.ledger.sql import SqlLedger\n"
        "print(SqlLedger(Database(sys.argv[1]), 'w1', 'r9').intend('ann@example.com', None), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", intend_and_die, ledgers.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert pending_since(ledgers("r2"), ANN) == int(done.stdout)


@pytest.mark.parametrize(
    "email",
    [
        "zoë@example.com",
        "o'brien@example.com",
        "a\0b@example.com",
        "".join(chr(0x4E00 + (n * n * 31 + n * 7) % 20_000) for n in range(2000)) + "@example.com",
    ],
    ids=["accent", "quote", "nul", "long"],
)
def test_any_address_can_be_an_intent(ledgers: Ledgers, email: str) -> None:
    """A record with such an address is for Intercom to refuse; it must not end the run."""
    first = ledgers().intend(Email(email), None)
    ledger = ledgers("r2")
    assert pending_since(ledger, Email(email)) == first
    ledger.drop_intents([Email(email)])
    assert pending_since(ledger, Email(email)) is None


# At once.


def all_at_once(ledgers: list[SqlLedger], email: Email, replacing: Stamp | None = None) -> list[Stamp | None]:
    """Try to write an intent in several threads of each ledger, all starting together."""
    workers = [ledger for ledger in ledgers for _ in range(4)]
    start = threading.Barrier(len(workers))

    def begin(ledger: SqlLedger) -> Stamp | None:
        start.wait()
        return pending_since(ledger, email, replacing)

    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(begin, workers))


def test_of_many_at_once_exactly_one_may_make_a_lead(ledgers: Ledgers) -> None:
    runs = [ledgers("r1"), ledgers("r2")]
    for number in range(20):
        email = Email(f"p{number}@example.com")
        answers = all_at_once(runs, email)
        assert answers.count(None) == 1
        (written,) = {answer for answer in answers if answer is not None}
        assert pending_since(runs[0], email) == written


def test_of_many_at_once_exactly_one_may_repeat_a_lead(ledgers: Ledgers) -> None:
    runs = [ledgers("r1"), ledgers("r2")]
    for number in range(10):
        email = Email(f"p{number}@example.com")
        first = runs[0].intend(email, None)
        let_the_clock_move_past(first)
        answers = all_at_once(runs, email, first)
        assert answers.count(None) == 1
        (written,) = {answer for answer in answers if answer is not None}
        assert written > first


def test_each_of_many_threads_is_told_of_its_own_lead(ledgers: Ledgers) -> None:
    """They share transactions: one that is refused must not refuse the others."""
    ledger = ledgers()
    emails = [Email(f"p{number}@example.com") for number in range(64)]
    earlier = {email: ledgers("r0").intend(email, None) for email in emails[::2]}
    with ThreadPoolExecutor(len(emails)) as pool:
        answers = dict(zip(emails, pool.map(lambda email: pending_since(ledger, email), emails), strict=True))
    assert {email: since for email, since in answers.items() if since is not None} == earlier
    assert ledgers.sql("SELECT count(*) FROM target_intercom_intents") == [(64,)]
