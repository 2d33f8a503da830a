"""Several processes with one ledger, writing at once."""

from __future__ import annotations

import multiprocessing
import random
import secrets
import sqlite3
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url, update

from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.remembered import Stamp
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.migrations import STEPS
from target_intercom.ledger.store.tables import ENTRIES
from target_intercom.model import ContactId, Email
from tests.support.loading import GUARD

from .conftest import Ledgers, contact, entry, gone, key, loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Barrier

    AtOnce = Callable[..., None]

S = "customers"
PROCESSES = 2
ROUNDS, RECORDS = 6, 40

_BARRIER: list[Barrier] = []
"""Of a process that works with others: where all of them meet."""


def _meet_at(barrier: Barrier) -> None:
    _BARRIER.append(barrier)


def meet() -> None:
    """Wait for the others."""
    _BARRIER[0].wait(GUARD)


@pytest.fixture(scope="module")
def at_once() -> Iterator[AtOnce]:
    """Does something in several processes, each given its number."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        PROCESSES, mp_context=spawn, initializer=_meet_at, initargs=(spawn.Barrier(PROCESSES),)
    ) as pool:

        def work(what: Callable[..., None], *arguments: Any) -> None:
            for running in [pool.submit(what, number, *arguments) for number in range(PROCESSES)]:
                running.result(2 * GUARD)

        yield work


# Writing the same.


def write(number: int, url: str, workspace: str) -> None:
    """Write records that the others write too, in another order, and records of its own."""
    ledger = SqlLedger(Database(url), workspace, f"r{number}")
    order = random.Random(number)
    shared = list(range(RECORDS))
    meet()
    ledger.streams.enter(S, ["id"], alone=False)
    for turn in range(ROUNDS):
        order.shuffle(shared)
        ledger.doubt([ContactId(f"c{n}") for n in shared])
        rows = [loaded(f"s{n}", f"c{n}", version=turn, changed=True, written_at=1) for n in shared]
        ledger.remember(S, [*rows, loaded(f"own-{number}-{turn}", f"own{number}-{turn}", changed=True)])
        order.shuffle(shared)
        ledger.see(S, [key(f"s{n}") for n in shared], turn)
        ledger.remember(f"other{number}", [loaded(f"s{n}", f"c{n}", changed=True) for n in shared[:10]])
        ledger.intents.add(Email(f"p{number}-{turn}@example.com"), None)
        ledger.removed(gone(*(ContactId(f"gone{n}") for n in order.sample(shared, 10))))
    ledger.finish()
    ledger.close()


def test_what_processes_write_at_once_is_all_there(ledgers: Ledgers, at_once: AtOnce) -> None:
    ledgers().remember(S, [loaded(f"gone{n}", f"gone{n}") for n in range(RECORDS)])

    at_once(write, ledgers.url, ledgers.workspace())

    after = ledgers("r9")
    shared = after.recall(S, [key(f"s{n}") for n in range(RECORDS)])
    assert {name: (row.contact, row.written_at) for name, row in shared.items()} == {
        key(f"s{n}"): (contact(f"c{n}"), 1) for n in range(RECORDS)
    }
    own = [f"own-{number}-{turn}" for number in range(PROCESSES) for turn in range(ROUNDS)]
    rows = after.recall(S, [key(name) for name in own])
    assert rows == {key(name): entry(name, contact(name.replace("own-", "own"))) for name in own}
    assert len(ledgers.rows("intents")) == PROCESSES * ROUNDS


# Opening the same.


def open_all(number: int, places: list[str]) -> None:
    """Open new ledgers together with the others."""
    for place in places:
        meet()
        Database(place).close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_new_ledger_may_be_opened_by_several_at_once(
    request: pytest.FixtureRequest, at_once: AtOnce, kind: str
) -> None:
    if kind == "sqlite":
        places = [f"{request.getfixturevalue('sqlite')}{n}" for n in range(6)]
    else:
        url = request.getfixturevalue("shared_postgresql")
        names = [f"s{secrets.token_hex(4)}" for _ in range(6)]
        with closing(Ledgers(url)) as ledgers:
            for name in names:
                ledgers.sql(f"CREATE SCHEMA {name}")
        places = [f"{url}?options=-csearch_path%3D{name}" for name in names]

    at_once(open_all, places)

    for place in places:
        with closing(Ledgers(place)) as ledgers:
            applied = ledgers.sql("SELECT name FROM target_intercom_migrations")
        assert sorted(applied) == sorted((step.__name__,) for step in STEPS)


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


# Threads.


def test_threads_of_a_run_write_at_once(ledger: SqlLedger) -> None:
    """A file has one writer at a time; those that wait for their turn do not starve."""
    ledger.remember(S, [loaded(str(n), f"c{n}") for n in range(32)])
    start = threading.Barrier(32)

    def work(number: int) -> None:
        start.wait(GUARD)
        for _ in range(4):
            email = Email(f"p{number}@example.com")
            ledger.doubt([ContactId(f"c{number}")])
            ledger.intents.add(email, None)
            ledger.intents.drop([email])

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    assert {row.is_doubted for row in ledger.recall(S, [key(str(n)) for n in range(32)]).values()} == {True}


# Meanwhile.


@contextmanager
def another(url: str) -> Iterator[sqlite3.Connection | psycopg.Connection]:
    """Somebody else's connection, in a transaction that writes."""
    place = make_url(url)
    connection: sqlite3.Connection | psycopg.Connection
    if place.get_backend_name() == "sqlite":
        connection = sqlite3.connect(place.database or "", isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = psycopg.connect(place.render_as_string(hide_password=False))
    with closing(connection):
        yield connection


def give_to(ledgers: Ledgers, contact_id: str) -> str:
    """A statement that gives all records of the test another contact."""
    mine = update(ENTRIES).where(ENTRIES.c.workspace == ledgers.workspace()).values(contact_id=contact_id)
    return str(mine.compile(compile_kwargs={"literal_binds": True}))


def test_reading_does_not_wait_for_who_writes(ledgers: Ledgers) -> None:
    database = Database(ledgers.url)
    ledger = SqlLedger(database, ledgers.workspace(), "r2")
    ledger.remember(S, [loaded("1", "c1", written_at=5)])
    if database.is_sqlite:
        with database.reading() as connection:
            # Then it is refused at once where it would wait.
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    with another(ledgers.url) as other:
        other.execute(give_to(ledgers, "c2"))
        assert ledger.recall(S, [key("1")]) == {key("1"): entry("1", contact("c1"), written_at=5)}
        assert ledger.known(S) == 1
        assert [holder.contact for holder in ledger.holders([ContactId("c1")])] == ["c1"]
        assert list(ledger.unseen(S)) == []
        assert list(ledger.written_since(Stamp(5))) == [contact("c1")]
        other.execute("COMMIT")
    assert ledger.recall(S, [key("1")]) == {key("1"): entry("1", contact("c2"), written_at=5)}
    ledger.close()


def test_a_write_waits_for_another(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    ledger.remember(S, [loaded("1", "c1")])
    with another(ledgers.url) as other:
        other.execute(give_to(ledgers, "c2"))
        done = threading.Timer(0.2, other.execute, ["COMMIT"])
        began = time.monotonic()
        done.start()
        ledger.remember(S, [loaded("1", "c3")])
        assert time.monotonic() - began >= 0.2
        done.join()
    assert ledger.recall(S, [key("1")]) == {key("1"): entry("1", contact("c3"))}
