"""How the databases carry out what the ledger asks: by an index that leads to little more than what is returned."""

from __future__ import annotations

import inspect
import re
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sqlalchemy import event

from target_intercom.ledger.memberships.states import LinkState, Membership
from target_intercom.ledger.memberships.written import Memberships
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.remembered import Doubt, Stamp
from target_intercom.ledger.runs.lead_intents import SqlLeadIntents
from target_intercom.ledger.runs.stamps import mend_stamps
from target_intercom.ledger.runs.streams import SqlStreams
from target_intercom.ledger.runs.unarchived import SqlUnarchivedContacts
from target_intercom.ledger.scratch.database import ScratchDatabase
from target_intercom.ledger.store.database import Database
from target_intercom.model import Email, ExternalId, GroupKey, Identity, LinkName, TagId
from tests.units.reporting.pages.facts import ENDED

from .conftest import Ledgers, contact, gone, key, loaded
from .test_records import C1, S, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.ledger.interface import UnarchivedContacts

KEYS = [key("1"), key("2")]
MANY = 20_001
PLANS = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
SPARSE = (
    r"target_intercom_(entries_(doubt|overruled_by|unnamed|gone|groups_run|removed)"
    r"|memberships_(open_groups|open_contacts|ending|not_on))\b"
)
"""Indexes of few rows."""
UNBOUNDED = re.compile(
    r"^SCAN target_intercom_(entries|memberships)\b(?!.*" + SPARSE + ")"
    r"|^SEARCH target_intercom_(entries|memberships) USING (?!.*" + SPARSE + r").*\(workspace=\?( AND stream=\?)?\)$"
    r"|Seq Scan on target_intercom_(entries|memberships)"
    r"|using (?!" + SPARSE + r").* on target_intercom_(entries|memberships)"
    r".*Index Cond: \(+workspace = '[^']*'(::text)?\)( AND \(stream = '[^']*'(::text)?\)\))?$"
)


Ask: TypeAlias = "Callable[[SqlLedger], Any]"
PAIRS = {(C1, GroupKey("vip"))}
ROWS = [
    Membership(LinkName.TAG, S, KEYS[0], C1, GroupKey("vip"), "VIP", TagId("7"), state, ours=True)
    for state in (LinkState.WANTED, LinkState.RELEASED)
]

ASKED_OF_FEW: dict[str, Ask] = {
    "recall": lambda ledger: ledger.recall(S, KEYS),
    "unchanged": lambda ledger: ledger.unchanged(S, KEYS),
    "save_source_hashes": lambda ledger: ledger.save_source_hashes(S, {KEYS[0]: "hash"}),
    "adopt": lambda ledger: ledger.adopt([contact("c1", "user", "x1", "ann@example.com")]),
    "doubt": lambda ledger: ledger.doubt([C1]),
    "begin": lambda ledger: ledger.begin(S, KEYS),
    "take_back": lambda ledger: ledger.take_back(S, KEYS),
    "trust": lambda ledger: ledger.trust([C1], Doubt("r2 sends 1")),
    "remember": lambda ledger: ledger.remember(S, [loaded("1", "c1", changed=True)]),
    "see": lambda ledger: ledger.see(S, KEYS, 3),
    "written_since": lambda ledger: ledger.written_since(Stamp(MANY - 5)),
    "unnamed": lambda ledger: list(ledger.unnamed()),
    "unnamed_with": lambda ledger: ledger.unnamed_with(
        [Identity(ExternalId("x1"), Email("ann@example.com"))], Stamp(0)
    ),
    "name": lambda ledger: ledger.name([(contact("c0", "user", "x1"), contact("c1", "user", "x1"))]),
    "named": lambda ledger: ledger.named([C1]),
    "of": lambda ledger: ledger.of("companies").removed(gone(C1)),
    "last_runs": lambda ledger: ledger.last_runs(),
    "note_run": lambda ledger: ledger.note_run(ENDED),
    "holders": lambda ledger: ledger.holders([C1]),
    "release": lambda ledger: ledger.release(S, KEYS),
    "miss": lambda ledger: ledger.miss(S, KEYS),
    "unlink": lambda ledger: ledger.unlink(S, KEYS, with_tags=True),
    "removed": lambda ledger: ledger.removed(gone(C1)),
    "failures": lambda ledger: ledger.failures(),
    "note_failures": lambda ledger: ledger.note_failures("a call", ["another"]),
    "delete_old": lambda ledger: ledger.delete_old(),
    "intents.add": lambda ledger: ledger.intents.add(Email("ann@example.com"), None),
    "intents.add_all": lambda ledger: ledger.intents.add_all({Email("bob@example.com"): None}, 60.0),
    "intents.drop": lambda ledger: ledger.intents.drop([Email("bob@example.com")]),
    "intents.delete": lambda ledger: ledger.removed(gone(C1)),
    "intents.delete_old": lambda ledger: ledger.delete_old(),
    "streams.enter": lambda ledger: ledger.streams.enter("other", ["id"], alone=False),
    "streams.was_alone": lambda ledger: ledger.streams.was_alone(S),
    "streams.of_contacts": lambda ledger: ledger.streams.of_contacts(),
    "streams.known_before": lambda ledger: ledger.streams.known_before(S),
    "streams.last_runs": lambda ledger: ledger.streams.last_runs(),
    "streams.write_success": lambda ledger: ledger.streams.database.write(
        lambda connection: ledger.streams.write_success(connection, {S: 3})
    ),
    "unarchived.note": lambda ledger: _unarchived(ledger).note(C1, S),
    "unarchived.forget": lambda ledger: _unarchived(ledger).forget(C1),
    "unarchived.left": lambda ledger: _unarchived(ledger).left(),
    "unarchived.take_over": lambda ledger: _unarchived(ledger).take_over(),
    "memberships.of_keys": lambda ledger: ledger.memberships.of_keys(S, KEYS),
    "memberships.of_pairs": lambda ledger: ledger.memberships.of_pairs(PAIRS),
    "memberships.pending": lambda ledger: [
        ledger.memberships.pending(state, 10, by_contact=by_contact)
        for state in (LinkState.WANTED, LinkState.UNCLEAR)
        for by_contact in (True, False)
    ],
    "memberships.ending": lambda ledger: [ledger.memberships.ending([S, ""], 10, after) for after in (None, ROWS[0])],
    "memberships.wanted": lambda ledger: ledger.memberships.wanted(PAIRS),
    "memberships.count_wanted": lambda ledger: ledger.memberships.count_wanted(PAIRS),
    "memberships.linked_ids": lambda ledger: ledger.memberships.linked_ids([S, "other"]),
    "memberships.open_groups": lambda ledger: ledger.memberships.open_groups(),
    "memberships.open_unnamed": lambda ledger: ledger.memberships.open_unnamed(),
    "memberships.members_of_ours": lambda ledger: ledger.memberships.members_of_ours([GroupKey("vip")]),
    "memberships.take_over_groups": lambda ledger: ledger.memberships.take_over_groups([GroupKey("vip")]),
    "memberships.save": lambda ledger: ledger.memberships.save(ROWS, ROWS, {(S, KEYS[0]): "hash"}),
    "memberships.see": lambda ledger: ledger.memberships.see(S, KEYS, 3),
    "memberships.save_gone": lambda ledger: ledger.memberships.save_gone([C1]),
    "memberships.save_back": lambda ledger: ledger.memberships.save_back([C1]),
    "memberships.take_over": lambda ledger: ledger.memberships.take_over([S]),
    "memberships.save_lost": lambda ledger: ledger.memberships.save_lost([S], [TagId("7")]),
    "memberships.save_states": lambda ledger: ledger.memberships.save_states(ROWS),
    "memberships.share": lambda ledger: ledger.memberships.share(ROWS),
    "memberships.forget_lists": lambda ledger: ledger.memberships.forget_lists([(S, KEYS[0])]),
    "memberships.confirm_lists": lambda ledger: ledger.memberships.confirm_lists(),
    "memberships.start_taking_off": lambda ledger: ledger.memberships.start_taking_off(ROWS),
    "memberships.save_off": lambda ledger: ledger.memberships.save_off(PAIRS),
    "memberships.delete_old": lambda ledger: ledger.delete_old(),
    "the start of a run": lambda ledger: mend_stamps(ledger.streams.database, ledger.streams.workspace),
}
OF_ALL: dict[str, tuple[Ask, str]] = {
    "known": (lambda ledger: ledger.known(S), "the contacts of a stream, counted in an index"),
    "finish": (lambda ledger: ledger.finish(), "counts the streams of the run"),
    "trust_overruled": (lambda ledger: ledger.trust_overruled(), "once a run, whose records all came"),
    "misses": (lambda ledger: ledger.misses(S), "once a run, for a whole stream, whose records all came"),
    "unseen": (lambda ledger: list(ledger.unseen(S)), "once a run, for a whole stream, whose records all came"),
    "activate": (lambda ledger: ledger.activate(S, 3), "changes all records of the stream that came"),
    "users_with": (
        lambda ledger: ledger.users_with([Email("ann@example.com")]),
        "of a dry run, whose ledger is a copy with an index of emails",
    ),
    "holds": (
        lambda ledger: ledger.holds(S, Identity(email=Email("a@b.c"))),
        "of a refused record whose key cannot be read, in a stream that is whole",
    ),
    "memberships.activate": (lambda ledger: ledger.memberships.activate(S, 3), "changes all that came"),
    "memberships.linked_by_group": (
        lambda ledger: ledger.memberships.linked_by_group(),
        "once a run, counts how often each tag of a group is on",
    ),
    "memberships.known": (lambda ledger: ledger.memberships.known(S), "counts the memberships of a stream"),
    "memberships.marked": (lambda ledger: ledger.memberships.marked(S, {S: None}), "as many as are marked"),
    "memberships.missing": (lambda ledger: ledger.memberships.missing(S, {S: None}), "of a stream that is whole"),
    "memberships.release_forgotten": (
        lambda ledger: ledger.memberships.release_forgotten([S], has_complete=True),
        "of all streams that were forgotten",
    ),
    "memberships.save_missing": (lambda ledger: ledger.memberships.save_missing(S, None), "of a stream that is whole"),
}
"""What is asked once a run or seldom, and may read all records of a stream, with the reason."""
WITHOUT_QUERY = {"close", "memberships.of_kind"}


def _unarchived(ledger: SqlLedger) -> UnarchivedContacts:
    return ledger.unarchived


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


def test_every_query_is_asked_for_its_plan() -> None:
    """A new one has to say whether it is bounded by what it returns."""
    parts = {
        "": SqlLedger,
        "intents.": SqlLeadIntents,
        "streams.": SqlStreams,
        "unarchived.": SqlUnarchivedContacts,
        "memberships.": Memberships,
    }
    methods = {
        f"{part}{name}"
        for part, kind in parts.items()
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - WITHOUT_QUERY == {name for name in (*ASKED_OF_FEW, *OF_ALL) if name != "the start of a run"}
    assert not ASKED_OF_FEW.keys() & OF_ALL.keys()


def test_what_is_asked_of_a_few_records_is_found_by_an_index(asked: Asked) -> None:
    plans = {name: asked.plans(ask) for name, ask in ASKED_OF_FEW.items()}
    unbounded = {name: list(filter(UNBOUNDED.search, lines)) for name, lines in plans.items()}
    assert {name: lines for name, lines in unbounded.items() if lines} == {}


def test_what_is_asked_of_a_whole_stream_has_its_reason(asked: Asked) -> None:
    for ask, reason in OF_ALL.values():
        assert reason
        assert asked.plans(ask)


def test_who_has_an_email_is_found_by_an_index_in_the_copy_of_a_dry_run(asked: Asked, new_ledgers: Ledgers) -> None:
    with TemporaryDirectory() as folder, closing(ScratchDatabase(Path(folder), new_ledgers.url)) as copy:
        lines = Asked(copy, new_ledgers).plans(OF_ALL["users_with"][0])
    assert len(lines) == 1
    assert "INDEX target_intercom_scratch_emails (workspace=? AND email=?)" in lines[0]


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
