"""Leads on their way: none is made twice, whoever makes it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from target_intercom.errors import LeadPendingError
from target_intercom.ledger.remembered import Stamp, stamp
from target_intercom.model import ContactId, Email

from .conftest import contact, gone, key, loaded

if TYPE_CHECKING:
    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.records import SqlLedger

    from .conftest import Ledgers

ANN, BOB = Email("ann@example.com"), Email("bob@example.com")


def pending_since(ledger: Ledger, email: Email, replacing: Stamp | None = None) -> Stamp | None:
    """Try to write an intent; returns the stamp of the one that is in the way."""
    try:
        ledger.intents.add(email, replacing)
    except LeadPendingError as error:
        return Stamp(error.since)
    return None


def let_the_clock_move_past(moment: Stamp) -> None:
    while stamp(time.time()) <= moment:
        time.sleep(0.001)


def test_an_intent_is_written_with_the_time(ledgers: Ledgers) -> None:
    before = stamp(time.time())
    written = ledgers("r7").intents.add(ANN, None)
    assert before <= written <= stamp(time.time())
    assert ledgers.rows("intents", "email, sent_at, run") == [(ANN, written, "r7")]


def test_a_second_intent_is_refused_with_the_time_of_the_first(ledgers: Ledgers) -> None:
    ledger = ledgers()
    first = ledger.intents.add(ANN, None)
    let_the_clock_move_past(first)
    assert pending_since(ledger, ANN) == first
    assert pending_since(ledgers("r2"), ANN) == first
    assert pending_since(ledger, BOB) is None


def test_an_intent_that_did_not_arrive_is_replaced(ledgers: Ledgers) -> None:
    first = ledgers().intents.add(ANN, None)
    let_the_clock_move_past(first)
    second = ledgers("r2").intents.add(ANN, first)
    assert second > first
    assert pending_since(ledgers("r3"), ANN) == second
    assert ledgers.rows("intents", "run") == [("r2",)]


def test_an_intent_is_not_replaced_by_who_knows_only_another(ledger: SqlLedger) -> None:
    first = ledger.intents.add(ANN, None)
    for by in (-1, 1, -1_000_000):
        assert pending_since(ledger, ANN, Stamp(first + by)) == first
    assert pending_since(ledger, ANN) == first


def test_an_intent_that_was_dropped_is_no_longer_replaced_but_written(ledger: SqlLedger) -> None:
    first = ledger.intents.add(ANN, None)
    ledger.intents.drop([ANN])
    assert pending_since(ledger, ANN, first) is None
    assert pending_since(ledger, ANN) is not None


def test_only_what_was_surely_not_made_is_dropped(ledgers: Ledgers) -> None:
    ledger = ledgers()
    for email in (ANN, BOB):
        ledger.intents.add(email, None)
    ledgers("r2").intents.drop([ANN, Email("nobody@example.com")])
    assert pending_since(ledger, ANN) is None
    assert pending_since(ledger, BOB) is not None


def test_many_intents_are_dropped_at_once(ledgers: Ledgers) -> None:
    """More than fit in one question."""
    ledgers.sql(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 502) "
        "INSERT INTO target_intercom_intents SELECT :workspace, 'p' || n || '@example.com', 0, 'r0' FROM numbers",
        workspace=ledgers.workspace(),
    )
    ledgers().intents.drop([Email(f"p{number}@example.com") for number in range(1, 502)])
    assert ledgers.rows("intents", "email") == [("p502@example.com",)]


def test_an_intent_stays_after_the_lead_was_made(ledgers: Ledgers) -> None:
    """Another run, which looked before that, does not see the lead for a while."""
    first = ledgers().intents.add(ANN, None)
    ledger = ledgers("r2")
    ledger.remember("customers", [loaded("1", contact("c1", "lead", None, ANN), changed=True)])
    ledger.doubt([ContactId("c1")])
    ledger.see("customers", [key("1")], 1)
    ledger.activate("customers", 2)
    ledger.removed(gone(ContactId("c2")))
    ledger.release("customers", [key("1")])
    ledger.finish()
    assert pending_since(ledgers("r3"), ANN) == first


LONG = "".join(chr(0x4E00 + (n * n * 31 + n * 7) % 20_000) for n in range(2000)) + "@example.com"
ODD = ["zoë@example.com", "o'brien@example.com", "a\0b@example.com", LONG]


def test_intents_of_a_removed_contact_are_dropped(ledgers: Ledgers) -> None:
    """It may be made anew at once."""
    emails = [ANN, BOB, Email("cy@example.com"), Email(LONG)]
    ledger = ledgers()
    for email in emails:
        ledger.intents.add(email, None)
    ledger.remember("customers", [loaded("1", contact("c1", "lead", None, ANN)), loaded("2", "c1")])
    ledger.remember("customers", [loaded("3", contact("c2", "lead", None, BOB))])
    ledger.remember("leads", [loaded("1", contact("c1", "lead", None, emails[2]))])
    ledger.remember("leads", [loaded("2", contact("c3", "lead", None, LONG))])
    elsewhere = ledgers("r1", "w2")
    elsewhere.intents.add(ANN, None)
    elsewhere.remember("customers", [loaded("1", contact("c1", "lead", None, ANN))])

    ledgers("r2").removed(gone(ContactId("c1"), ContactId("c3")))

    assert ledgers.rows("intents", "email") == [(BOB,)]
    assert ledgers.rows("intents", "email", "w2") == [(ANN,)]


def test_an_intent_of_yesterday_is_dropped_at_the_end_of_a_run(ledgers: Ledgers) -> None:
    """Its lead, if there is one, is found by then."""
    hour = 3_600_000
    now = stamp(time.time())
    for workspace, hours in (("w1", 1), ("w1", 23), ("w1", 25), ("w2", 25)):
        ledgers.sql(
            "INSERT INTO target_intercom_intents VALUES (:workspace, :email, :sent_at, 'r0')",
            workspace=ledgers.workspace(workspace),
            email=f"{hours}@example.com",
            sent_at=now - hours * hour,
        )
    ledgers().finish()
    assert ledgers.rows("intents", "email") == [("1@example.com",), ("23@example.com",)]
    assert ledgers.rows("intents", "email", "w2") == [("25@example.com",)]


@pytest.mark.parametrize("email", [Email(odd) for odd in ODD], ids=["accent", "quote", "nul", "long"])
def test_any_address_can_be_an_intent(ledger: SqlLedger, email: Email) -> None:
    """A record with such an address is for Intercom to refuse; it must not end the run."""
    first = ledger.intents.add(email, None)
    assert pending_since(ledger, email) == first
    ledger.intents.drop([email])
    assert pending_since(ledger, email) is None


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
    for number in range(5):
        email = Email(f"p{number}@example.com")
        answers = all_at_once(runs, email)
        assert answers.count(None) == 1
        (written,) = {answer for answer in answers if answer is not None}
        assert pending_since(runs[0], email) == written


def test_of_many_at_once_exactly_one_may_repeat_a_lead(ledgers: Ledgers) -> None:
    runs = [ledgers("r1"), ledgers("r2")]
    for number in range(5):
        email = Email(f"p{number}@example.com")
        first = runs[0].intents.add(email, None)
        let_the_clock_move_past(first)
        answers = all_at_once(runs, email, first)
        assert answers.count(None) == 1
        (written,) = {answer for answer in answers if answer is not None}
        assert written > first


def test_each_of_many_threads_is_told_of_its_own_lead(ledgers: Ledgers) -> None:
    """They share transactions: one that is refused must not refuse the others."""
    ledger = ledgers()
    emails = [Email(f"p{number}@example.com") for number in range(64)]
    before = ledgers("r0")
    earlier = {email: before.intents.add(email, None) for email in emails[::2]}
    with ThreadPoolExecutor(len(emails)) as pool:
        answers = dict(zip(emails, pool.map(lambda email: pending_since(ledger, email), emails), strict=True))
    assert {email: since for email, since in answers.items() if since is not None} == earlier
    assert len(ledgers.rows("intents")) == 64
