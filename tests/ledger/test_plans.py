"""How the databases carry out what the ledger asks: by an index that leads to little more than what is returned."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from target_intercom.ledger.interface import Stamp
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.store.database import Database
from target_intercom.model import Email, Identity

from .conftest import Ledgers, contact, gone, key, loaded
from .test_records import C1, S, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = [key("1"), key("2")]
MANY = 20_001
PLANS = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
SPARSE = r"target_intercom_entries_(doubt|overruled_by|unnamed|gone)\b"
"""Indexes of few rows."""
UNBOUNDED = re.compile(
    r"^SCAN target_intercom_(entries|memberships)\b(?!.*" + SPARSE + ")"
    r"|^SEARCH target_intercom_(entries|memberships) USING (?!.*" + SPARSE + r").*\(workspace=\?( AND stream=\?)?\)$"
    r"|Seq Scan on target_intercom_(entries|memberships)"
    r"|using (?!" + SPARSE + r").* on target_intercom_(entries|memberships)"
    r".*Index Cond: \(+workspace = '[^']*'(::text)?\)( AND \(stream = '[^']*'(::text)?\)\))?$"
)


ASKED_OF_FEW: dict[str, Callable[[SqlLedger], Any]] = {
    "recall": lambda ledger: ledger.recall(S, KEYS),
    "unchanged": lambda ledger: ledger.unchanged(S, KEYS),
    "save_source_hashes": lambda ledger: ledger.save_source_hashes(S, {KEYS[0]: "hash"}),
    "adopt": lambda ledger: ledger.adopt([contact("c1", "user", "x1", "ann@example.com")]),
    "doubt": lambda ledger: ledger.doubt([C1]),
    "remember": lambda ledger: ledger.remember(S, [loaded("1", "c1", changed=True)]),
    "see": lambda ledger: ledger.see(S, KEYS, 3),
    "written_since": lambda ledger: ledger.written_since(Stamp(MANY - 5)),
    "unnamed": lambda ledger: list(ledger.unnamed()),
    "name": lambda ledger: ledger.name([(contact("c0", "user", "x1"), contact("c1", "user", "x1"))]),
    "holders": lambda ledger: ledger.holders([C1]),
    "release": lambda ledger: ledger.release(S, KEYS),
    "miss": lambda ledger: ledger.miss(S, KEYS),
    "unlink": lambda ledger: ledger.unlink(S, KEYS, with_tags=True),
    "removed": lambda ledger: ledger.removed(gone(C1)),
    "intents.add": lambda ledger: ledger.intents.add(Email("ann@example.com"), None),
    "finish": lambda ledger: ledger.finish(),
}


class Asked:
    """A ledger of many rows, and the plans of what it asks its database."""

    def __init__(self, database: Database, ledgers: Ledgers) -> None:
        self._database = database
        self._statements: list[tuple[str, Any]] = []
        self.ledger = SqlLedger(database, ledgers.workspace(), "r2")
        event.listen(database.engine, "before_cursor_execute", self._note)

    def _note(self, _: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        del cursor, context
        if not statement.startswith(("EXPLAIN", "BEGIN", "SET")):
            self._statements.append((statement, parameters[0] if executemany else parameters))

    def plans(self, ask: Callable[[SqlLedger], Any]) -> list[str]:
        """Return the lines of the plans of all that is asked."""
        self._statements.clear()
        ask(self.ledger)
        assert self._statements
        lines: list[str] = []
        asked, backend = list(self._statements), self._database.engine.dialect.name
        with self._database.engine.connect() as connection:
            if backend == "postgresql":
                # A plan is still a sequential scan where no index will do.
                connection.exec_driver_sql("SET enable_seqscan = off")
                connection.exec_driver_sql("SET enable_bitmapscan = off")
            for statement, parameters in asked:
                if "FROM target_intercom_streams" in statement:
                    # It asks whether a stream has any record.
                    continue
                plan = [str(row[-1]) for row in connection.exec_driver_sql(PLANS[backend] + statement, parameters)]
                # A node of PostgreSQL has its conditions in lines of their own.
                lines.extend(re.sub(r"\n +(?=[A-Z]\w+ Cond:)", " ", "\n".join(plan)).splitlines())
            connection.rollback()
        return lines


@pytest.fixture
def asked(new_ledgers: Ledgers) -> Iterator[Asked]:
    # Most records of an old ledger were written before yesterday, and a few contacts were removed.
    earlier = new_ledgers("r1")
    fill(new_ledgers, MANY)
    new_ledgers.sql(
        "INSERT INTO target_intercom_memberships (workspace, stream, key, contact_id, group_key, name, holding, ours, "
        "run, written_at, seen_at) SELECT workspace, stream, key, contact_id, 'vip', 'VIP', 'on', true, 'r1', 0, 0 "
        "FROM target_intercom_entries"
    )
    earlier.removed(gone(C1))
    if not new_ledgers.url.startswith("sqlite"):
        new_ledgers.sql("ANALYZE")
    with closing(Database(new_ledgers.url)) as database:
        yield Asked(database, new_ledgers)


def test_what_is_asked_of_a_few_records_is_found_by_an_index(asked: Asked) -> None:
    plans = {name: asked.plans(ask) for name, ask in ASKED_OF_FEW.items()}
    unbounded = {name: list(filter(UNBOUNDED.search, lines)) for name, lines in plans.items()}
    assert {name: lines for name, lines in unbounded.items() if lines} == {}


def test_that_a_plan_is_unbounded_is_noticed(asked: Asked) -> None:
    assert any(map(UNBOUNDED.search, asked.plans(lambda ledger: ledger.holds(S, Identity(email=Email("a@b.c"))))))


def test_contacts_are_counted_in_an_index(asked: Asked) -> None:
    plans = asked.plans(lambda ledger: ledger.known(S))
    assert any(re.search("COVERING INDEX target_intercom_entries_contacts|Aggregate", line) for line in plans)
    assert not any(re.search("^SCAN target_intercom_entries|TEMP B-TREE|Seq Scan|Sort", line) for line in plans)


def test_who_is_missing_from_many_is_found_in_one_scan(asked: Asked) -> None:
    """An index would lead to each row singly, which takes SQLite ten times as long."""
    plans = asked.plans(lambda ledger: ledger.misses(S))
    assert any(re.search("^SCAN target_intercom_entries$|Scan.* on target_intercom_entries", line) for line in plans)
    pages = asked.plans(lambda ledger: list(ledger.unseen(S)))
    assert len([line for line in pages if re.search("^SCAN target_intercom_entries$", line)]) <= 1
    following = (
        "SEARCH target_intercom_entries USING INDEX target_intercom_entries_contacts .workspace=. AND contact_id>"
    )
    assert any(re.search(f"{following}|Index Cond.*contact_id >", line) for line in pages)


def test_few_records_are_found_by_their_stream(asked: Asked) -> None:
    for ask in (lambda ledger: ledger.misses("other"), lambda ledger: list(ledger.unseen("other"))):
        plans = asked.plans(ask)
        assert not any(re.search("^SCAN target_intercom_entries|Seq Scan", line) for line in plans)


def test_many_records_are_all_counted_and_found(asked: Asked) -> None:
    found = [holder.contact for holder in asked.ledger.unseen(S)]
    assert len(found) == len(set(found)) == asked.ledger.known(S) == MANY - 1
    assert found == sorted(found)
