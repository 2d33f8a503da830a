"""Contacts that bulk jobs made: the ledger knows them by their identifiers until somebody finds their ids."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, MetaData, Table, create_engine, insert, make_url

from target_intercom.errors import LeadPendingError
from target_intercom.ledger.interface import Ledger
from target_intercom.ledger.remembered import EntryState, Stamp, stamp
from target_intercom.ledger.store.migrations import STEPS
from target_intercom.ledger.store.tables import MIGRATIONS
from target_intercom.model import Contact, ContactId, Email, ExternalId, Identity

from .conftest import HASHES, contact, gone, key, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from target_intercom.ledger.records import SqlLedger
    from target_intercom.ledger.remembered import LedgerEntry
    from target_intercom.model import Role

    from .conftest import Ledgers

S, T = "customers", "accounts"
ANN, BOB, CEE = Email("ann@example.com"), Email("bob@example.com"), Email("cee@example.com")
PAGE = 5000
"""Rows that are read at once."""


def unnamed(external_id: str | None = None, email: str | None = None, role: Role = "user") -> Contact:
    """A contact as a bulk job leaves it: with a stand-in for an id."""
    made = contact("unnamed:1", role, external_id, email)
    return replace(made, is_named=False)


def named(contact_id: str, of: Contact) -> Contact:
    """The same contact when it was found."""
    return replace(of, id=ContactId(contact_id), is_named=True, is_read=True)


def recalled(ledger: Ledger, name: str, stream: str = S) -> LedgerEntry:
    return ledger.recall(stream, [key(name)])[key(name)]


def ids(ledger: Ledger, *names: str, stream: str = S) -> list[str | None]:
    """The Intercom ids that the ledger knows of some records' contacts."""
    contacts = [recalled(ledger, name, stream).contact for name in names]
    return [None if one is None or not one.is_named else one.id for one in contacts]


def waiting(ledger: Ledger) -> set[tuple[str | None, str | None]]:
    return {(one.external_id, one.email) for one, _ in ledger.unnamed()}


# Remembered and recalled.


@pytest.mark.parametrize(
    "of", [unnamed("x1", ANN), unnamed("x1"), unnamed(None, ANN), unnamed(None, ANN, role="lead")], ids=str
)
def test_a_contact_without_an_id_is_recalled_with_all_else(ledgers: Ledgers, of: Contact) -> None:
    ledgers().remember(S, [loaded("1", of, written_at=7, changed=True)])
    entry = recalled(ledgers("r2"), "1")
    assert entry.contact is not None
    assert (entry.hashes, entry.state, entry.written_at) == (HASHES, EntryState.SYNCED, 7)
    assert replace(entry.contact, id=of.id) == replace(of, is_read=False, shows_all_tags=entry.contact.shows_all_tags)
    assert not entry.contact.is_named
    assert ledgers.rows("entries", "contact_id, gone_id") == [(None, None)]


def test_no_two_records_without_an_id_look_like_one_contact(ledger: SqlLedger) -> None:
    """Their stand-ins differ, whatever they were when they were remembered."""
    for stream in (S, T):
        ledger.remember(stream, [loaded("1", unnamed("x1")), loaded("2", unnamed("x2"))])
    stand_ins = {one.id for one, _ in ledger.unnamed()}
    assert len(stand_ins) == 4
    entries = [recalled(ledger, name, stream) for name in "12" for stream in (S, T)]
    assert {entry.contact.id for entry in entries if entry.contact is not None} == stand_ins


def test_a_contact_that_was_removed_is_not_one_without_an_id(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", contact("c1", "user", "x1")), loaded("2", unnamed("x2"))])
    ledger.removed(gone(ContactId("c1")))
    assert waiting(ledger) == {("x2", None)}
    assert recalled(ledger, "1").state is EntryState.REMOVED


def test_who_has_no_id_comes_with_the_time_it_was_written_page_by_page(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.remember(T, [loaded("t", unnamed("t"), written_at=3)])
    ledger.remember(S, [loaded(str(number), unnamed(str(number)), written_at=number) for number in range(PAGE + 1)])
    ledger.remember(S, [loaded("named", contact("c1", "user", "y"))])
    ledgers("r1", "w2").remember(S, [loaded("1", unnamed("other"))])
    found = {one.external_id: when for one, when in ledger.unnamed()}
    assert found == {"t": 3, **{str(number): number for number in range(PAGE + 1)}}


def test_pages_go_on_while_what_they_gave_is_named(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded(f"{number:05}", unnamed(f"{number:05}")) for number in range(PAGE + 2)])
    seen = 0
    for one, _ in ledger.unnamed():
        seen += 1
        if seen % 1000 == 0:
            ledger.name([(one, named(f"c{seen}", one))])
    assert seen == PAGE + 2
    assert len(list(ledger.unnamed())) == PAGE + 2 - 5


# Named.


def test_who_is_found_is_named_for_every_record_with_these_identifiers(ledgers: Ledgers) -> None:
    ann = unnamed("x1", ANN)
    before = ledgers()
    before.remember(S, [loaded("1", ann, written_at=5), loaded("2", ann)])
    before.remember(T, [loaded("1", ann)])
    ledgers("r2").name([(ann, named("c1", ann))])
    after = ledgers("r3")
    assert (ids(after, "1", "2"), ids(after, "1", stream=T)) == (["c1", "c1"], ["c1"])
    entry = recalled(after, "1")
    assert (entry.hashes, entry.state, entry.written_at) == (HASHES, EntryState.SYNCED, 5)
    assert waiting(after) == set()


@pytest.mark.parametrize(
    "other",
    [
        unnamed("x2", ANN),
        unnamed("x1", BOB),
        unnamed("x1"),
        unnamed(None, ANN),
        unnamed(None, ANN, role="lead"),
        contact("c9", "user", "x1", ANN),
    ],
    ids=["another external_id", "another email", "no email", "no external_id", "a lead", "with an id"],
)
def test_nobody_else_gets_the_name(ledgers: Ledgers, other: Contact) -> None:
    ann, ledger = unnamed("x1", ANN), ledgers()
    ledger.remember(S, [loaded("1", ann), loaded("2", other)])
    ledgers("r1", "w2").remember(S, [loaded("1", ann)])
    ledger.name([(ann, named("c1", ann))])
    assert ids(ledger, "1", "2") == ["c1", "c9" if other.is_named else None]
    assert ids(ledgers("r2", "w2"), "1") == [None]


@pytest.mark.parametrize("role", ["user", "lead"])
def test_who_has_an_email_alone_is_named_by_it(ledger: SqlLedger, role: Role) -> None:
    ann, bob = unnamed(None, ANN, role), unnamed(None, BOB, role)
    ledger.remember(S, [loaded("1", ann), loaded("2", bob)])
    ledger.name([(ann, named("c1", ann)), (bob, named("c2", bob))])
    assert ids(ledger, "1", "2") == ["c1", "c2"]


def test_who_is_removed_is_not_named_any_more(ledger: SqlLedger) -> None:
    ann = unnamed("x1", ANN)
    ledger.remember(S, [loaded("1", contact("c1", "user", "x1", ANN))])
    ledger.removed(gone(ContactId("c1")))
    ledger.name([(ann, named("c2", ann))])
    assert recalled(ledger, "1").state is EntryState.REMOVED
    assert list(ledger.holders([ContactId("c2")])) == []


def test_to_name_nobody_is_harmless(ledger: SqlLedger) -> None:
    ann = unnamed("x1", ANN)
    ledger.name([])
    ledger.name([(ann, named("c1", ann))])
    assert list(ledger.unnamed()) == []
    Ledger().name([(ann, named("c1", ann))])
    assert list(Ledger().unnamed()) == []


def test_who_was_named_is_removed_and_kept_like_anybody(ledgers: Ledgers) -> None:
    before = ledgers()
    ann, bob = unnamed("x1", ANN), unnamed("x2", BOB)
    before.remember(S, [loaded("1", ann), loaded("2", bob)])
    before.remember(T, [loaded("9", bob)])
    time.sleep(0.002)
    now = ledgers("r2")
    now.name([(ann, named("c1", ann)), (bob, named("c2", bob))])
    assert [holder.contact for holder in now.unseen(S)] == ["c1", "c2"]
    assert sorted((one.stream, one.key) for one in now.holders([ContactId("c2")])) == [(T, key("9")), (S, key("2"))]
    now.removed(gone(ContactId("c1")))
    assert now.known(S) == 1


# Counted, missing, in doubt.


def test_each_contact_without_an_id_counts(ledger: SqlLedger) -> None:
    rows = [loaded("1", contact("c1")), loaded("2", contact("c1")), loaded("3", unnamed("x3"))]
    ledger.remember(S, [*rows, loaded("4", unnamed("x4")), loaded("5", unnamed("x5"), state=EntryState.FOUND)])
    ledger.remember(T, [loaded("3", unnamed("x3"))])
    assert (ledger.known(S), ledger.known(T)) == (3, 1)
    ledger.name([(unnamed("x3"), named("c3", unnamed("x3")))])
    assert (ledger.known(S), ledger.known(T)) == (3, 1)


def test_who_has_no_id_is_missing_and_nobody_to_remove_before_it_has_one(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", unnamed("x1"))])
    time.sleep(0.002)
    now = ledgers("r2")
    assert now.misses(S)
    assert list(now.unseen(S)) == []
    now.see(S, [key("1")], None)
    assert not now.misses(S)


def test_a_doubt_of_others_leaves_who_has_no_id_alone(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", unnamed("x1")), loaded("2", contact("c2"))])
    ledger.doubt([ContactId("c2")])
    ledger.remember(T, [loaded("9", unnamed("x9"), changed=True)])
    assert [recalled(ledger, name).is_doubted for name in "12"] == [False, True]


def test_who_is_remembered_again_with_an_id_has_it(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", unnamed("x1"))])
    ledger.remember(S, [loaded("1", contact("c1", "user", "x1"))])
    assert (ids(ledger, "1"), waiting(ledger)) == (["c1"], set())
    # A job made it anew, as it was deleted meanwhile.
    ledger.remember(S, [loaded("1", unnamed("x1"))])
    assert (ids(ledger, "1"), waiting(ledger)) == ([None], {("x1", None)})


# Leads that are about to be made together.


def test_leads_are_intended_together_each_but_those_that_are_begun(ledgers: Ledgers) -> None:
    begun = ledgers().intents.add(BOB, None)
    intents = dict(ledgers("r2").intents.add_all(dict.fromkeys([CEE, ANN, BOB]), 0))
    pending = intents.pop(BOB)
    assert isinstance(pending, LeadPendingError)
    assert pending.since == begun
    assert set(intents) == {ANN, CEE}
    assert sorted(ledgers.rows("intents", "email, run")) == [(ANN, "r2"), (BOB, "r1"), (CEE, "r2")]
    again = ledgers("r3").intents.add_all({ANN: None}, 0)[ANN]
    assert isinstance(again, LeadPendingError)
    assert again.since == intents[ANN]


def test_an_intent_lies_ahead_by_the_time_its_job_may_take(ledger: SqlLedger) -> None:
    before, later = stamp(time.time()), ledger.intents.add_all({ANN: None}, 60)[ANN]
    assert isinstance(later, int)
    assert before + 60_000 <= later <= stamp(time.time()) + 60_000


def test_intents_that_are_dropped_or_replaced_are_free(ledger: SqlLedger) -> None:
    intents = ledger.intents.add_all({ANN: None, BOB: None}, 0)
    ledger.intents.drop([ANN])
    assert not isinstance(ledger.intents.add_all({ANN: None}, 0)[ANN], LeadPendingError)
    replaced = intents[BOB]
    assert not isinstance(replaced, LeadPendingError)
    again = ledger.intents.add_all({BOB: replaced}, 60)[BOB]
    assert not isinstance(again, LeadPendingError)
    assert again > replaced
    # It was replaced by the one above: nobody's to replace any more.
    assert isinstance(ledger.intents.add_all({BOB: replaced}, 0)[BOB], LeadPendingError)
    assert ledger.intents.add_all({}, 0) == {}
    assert Ledger().intents.add_all({ANN: None}, 5) == {ANN: Stamp(0)}


# A ledger of the version before.


def test_a_ledger_of_the_version_before_goes_on_with_what_it_knows(url: str, new_ledgers: Ledgers) -> None:
    make_old(url)
    columns = ["stream", "key", "contact_id", "gone_id", "role", "external_id", "standing", "written_at", "seen_at"]
    old = Table("target_intercom_entries", MetaData(), *map(Column, ["workspace", *columns]))
    rows = [
        (S, key("1"), "c1", None, "user", "x1", "synced", 5, 5),
        (S, key("2"), None, "c2", None, None, "removed", 5, 5),
    ]
    with engine_of(url) as engine, engine.begin() as connection:
        connection.execute(insert(old).values([(new_ledgers.workspace(), *row) for row in rows]))
    ledger = new_ledgers()
    assert (recalled(ledger, "1").contact, recalled(ledger, "2").contact) == (contact("c1", "user", "x1"), None)
    assert (list(ledger.unnamed()), ledger.known(S)) == ([], 1)
    ledger.remember(S, [loaded("3", unnamed("x3"))])
    ledger.name([(unnamed("x3"), named("c3", unnamed("x3")))])
    assert ids(ledger, "3") == ["c3"]
    applied = new_ledgers.sql("SELECT name FROM target_intercom_migrations")
    assert {name for (name,) in applied} == {step.__name__ for step in STEPS}


def make_old(url: str) -> None:
    """Make a ledger as the version did that knew no contact without an id."""
    with engine_of(url) as engine, engine.begin() as connection:
        MIGRATIONS.create(connection)
        for step in STEPS[:2]:
            step(connection)
            connection.execute(insert(MIGRATIONS).values(name=step.__name__, applied_at="2026-01-01T00:00:00+00:00"))


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    """Open a database past the ledger."""
    place = make_url(url)
    engine = create_engine(
        place if place.get_backend_name() == "sqlite" else place.set(drivername="postgresql+psycopg")
    )
    try:
        yield engine
    finally:
        engine.dispose()


# Found by their identifiers.


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ({"external_id": "x1"}, {("x1", ANN)}),
        ({"email": ANN}, {("x1", ANN)}),
        ({"email": BOB}, {(None, BOB)}),
        ({"external_id": "x2", "email": CEE}, {("x3", CEE)}),
        ({"external_id": "x2"}, set()),
        ({}, set()),
        ({"external_id": "named"}, set()),
    ],
)
def test_who_has_no_id_is_found_by_any_identifier(ledger: SqlLedger, by: dict[str, Any], found: set[Any]) -> None:
    ledger.remember(S, [loaded("1", unnamed("x1", ANN)), loaded("2", unnamed("x1", ANN))])
    ledger.remember(T, [loaded("1", unnamed(None, BOB, role="lead")), loaded("2", unnamed("x3", CEE))])
    ledger.remember(T, [loaded("3", contact("c1", "user", "named"))])
    shown = ledger.unnamed_with([Identity(**by)], Stamp(0))
    assert (len(shown), {(one.external_id, one.email) for one, _ in shown}) == (len(found), found)


def test_who_was_made_before_is_not_found(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", unnamed("x1"), written_at=5), loaded("2", unnamed("x2"), written_at=7)])
    wanted = [Identity(ExternalId("x1")), Identity(ExternalId("x2"))]
    assert [(one.external_id, when) for one, when in ledger.unnamed_with(wanted, Stamp(6))] == [("x2", 7)]
