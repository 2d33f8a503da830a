"""Several processes with one ledger, writing at once."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import make_url

from target_intercom.ledger.base import Stamp
from target_intercom.ledger.database import Database
from target_intercom.ledger.migrations import STEPS
from target_intercom.ledger.sql import SqlLedger
from target_intercom.model import ContactId, Email

from .conftest import Ledgers, contact, entry, key, loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

_SPAWN = multiprocessing.get_context("spawn")
S = "customers"
ROUNDS, RECORDS = 12, 40


def at_once(work: Callable[..., None], *arguments: Any, processes: int = 2) -> None:
    """Do something in several processes, each given a barrier for all of them and its own number."""
    barrier = _SPAWN.Barrier(processes)
    running = [_SPAWN.Process(target=work, args=(barrier, number, *arguments)) for number in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
        process.kill()
        process.join()
    assert [process.exitcode for process in running] == [0] * processes


# Writing the same.


def write(barrier: Barrier, number: int, url: str) -> None:
    """Write records that the others write too, in another order, and records of its own."""
    ledger = SqlLedger(Database(url), "w1", f"r{number}")
    order = random.Random(number)
    shared = list(range(RECORDS))
    barrier.wait(30)
    ledger.enter(S, ["id"], alone=False)
    for turn in range(ROUNDS):
        order.shuffle(shared)
        rows = [loaded(f"s{n}", f"c{n}", version=turn, changed=True, written_at=1) for n in shared]
        ledger.remember(S, [*rows, loaded(f"own-{number}-{turn}", f"own{number}-{turn}", changed=True)])
        order.shuffle(shared)
        ledger.see(S, [key(f"s{n}") for n in shared], turn)
        ledger.remember(f"other{number}", [loaded(f"s{n}", f"c{n}", changed=True) for n in shared[:10]])
        ledger.intend(Email(f"p{number}-{turn}@example.com"), None)
        ledger.removed([ContactId(f"gone{n}") for n in order.sample(shared, 10)])
    ledger.finish()
    ledger.close()


def test_what_processes_write_at_once_is_all_there(ledgers: Ledgers) -> None:
    before = ledgers("r0")
    before.remember(S, [loaded(f"gone{n}", f"gone{n}") for n in range(RECORDS)])
    before.close()

    at_once(write, ledgers.url)

    after = ledgers("r9")
    shared = after.recall(S, [key(f"s{n}") for n in range(RECORDS)])
    assert {name: (row.contact, row.written_at) for name, row in shared.items()} == {
        key(f"s{n}"): (contact(f"c{n}"), 1) for n in range(RECORDS)
    }
    own = [f"own-{number}-{turn}" for number in range(2) for turn in range(ROUNDS)]
    rows = after.recall(S, [key(name) for name in own])
    assert rows == {key(name): entry(name, contact(name.replace("own-", "own"))) for name in own}
    assert ledgers.sql("SELECT count(*) FROM target_intercom_intents") == [(2 * ROUNDS,)]


# Opening the same.


def open_all(barrier: Barrier, number: int, places: list[str]) -> None:
    """Open new ledgers together with the others."""
    for place in places:
        barrier.wait(30)
        Database(place).close()


def test_a_new_ledger_may_be_opened_by_several_at_once(ledgers: Ledgers) -> None:
    if ledgers.url.startswith("sqlite"):
        places = [f"{ledgers.url}{n}" for n in range(12)]
    else:
        for n in range(12):
            ledgers.sql(f"CREATE SCHEMA s{n}")
        places = [f"{ledgers.url}?options=-csearch_path%3Ds{n}" for n in range(12)]

    at_once(open_all, places, processes=3)

    for place in places:
        applied = Ledgers(place).sql("SELECT name FROM target_intercom_migrations")
        assert applied == [(step.__name__,) for step in STEPS]


def test_opening_a_new_file_waits_for_another_that_makes_it(sqlite: str) -> None:
    """It is not in WAL mode yet: where SQLite turns to it, it does not wait by itself."""
    other = sqlite3.connect(make_url(sqlite).database or "", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.3, other.execute, ["COMMIT"])
    done.start()
    try:
        Database(sqlite).close()
    finally:
        done.join()
        other.close()


# Reading meanwhile.


def test_reading_does_not_wait_for_who_writes(ledgers: Ledgers) -> None:
    database = Database(ledgers.url)
    ledger = SqlLedger(database, "w1", "r2")
    ledger.remember(S, [loaded("1", "c1", written_at=5)])
    place = make_url(ledgers.url)
    other: sqlite3.Connection | psycopg.Connection
    if database.is_sqlite:
        with database.reading() as connection:
            # Then it is refused at once where it would wait.
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(place.database or "", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(place.render_as_string(hide_password=False))
    try:
        other.execute("UPDATE target_intercom_entries SET contact_id = 'c2'")
        assert ledger.recall(S, [key("1")]) == {key("1"): entry("1", contact("c1"), written_at=5)}
        assert ledger.known(S) == 1
        assert [holder.contact for holder in ledger.holders([ContactId("c1")])] == ["c1"]
        assert list(ledger.unseen(S)) == []
        assert list(ledger.written_since(Stamp(5))) == [contact("c1")]
        other.execute("COMMIT")
    finally:
        other.close()
    assert ledger.recall(S, [key("1")]) == {key("1"): entry("1", contact("c2"), written_at=5)}
    ledger.close()


def test_a_write_waits_for_another(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    ledger.remember(S, [loaded("1", "c1")])
    place = make_url(ledgers.url)
    other: sqlite3.Connection | psycopg.Connection
    if place.get_backend_name() == "sqlite":
        other = sqlite3.connect(place.database or "", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(place.render_as_string(hide_password=False))
    other.execute("UPDATE target_intercom_entries SET contact_id = 'c2'")
    done = threading.Timer(0.2, other.execute, ["COMMIT"])
    done.start()
    began = time.monotonic()
    ledger.remember(S, [loaded("1", "c3")])
    assert time.monotonic() - began >= 0.1
    done.join()
    other.close()
    assert ledger.recall(S, [key("1")]) == {key("1"): entry("1", contact("c3"))}
