"""A look at a ledger: it says what is there, and changes nothing."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text

from target_intercom.errors import LedgerError
from target_intercom.ledger.command.looking import LedgerState, look
from target_intercom.ledger.memberships.states import LinkState, Membership
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.migrations import STEPS
from target_intercom.ledger.store.read_only import ReadOnlyLedger
from target_intercom.model import ContactId, GroupKey, LinkName

from .conftest import contact, key, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from .conftest import Ledgers

S = "customers"


def test_a_ledger_that_is_not_there_yet_is_not_made(url: str, tmp_path: Path) -> None:
    assert look(url).state is LedgerState.NEW
    assert list(tmp_path.iterdir()) == []
    if url.startswith("postgresql"):
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0
        engine.dispose()


def test_what_is_in_a_ledger_is_told(new_ledgers: Ledgers) -> None:
    ledger = new_ledgers()
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.remember(S, [loaded("1", contact("c1")), loaded("2", contact("c2"))])
    before = new_ledgers.rows("entries")
    seen = look(new_ledgers.url)
    assert (seen.state, seen.steps) == (LedgerState.READY, len(STEPS))
    assert [(one.stream, one.contacts) for one in seen.streams or ()] == [(S, 2)]
    assert new_ledgers.rows("entries") == before


def test_streams_of_contacts_are_those_with_records_or_that_a_run_finished_but_not_those_of_groups(
    new_ledgers: Ledgers,
) -> None:
    """A run knows them, and a look tells them."""
    first = new_ledgers("r1")
    for stream, object_ in (("with records", "contacts"), ("empty", "contacts"), ("of groups", "groups")):
        first.streams.enter(stream, ["id"], alone=False, object_=object_)
    first.remember("with records", [loaded("1", contact("c1"))])
    joined = Membership(
        LinkName.TAG, "of groups", key("1"), ContactId("c1"), GroupKey("vip"), "VIP", None, LinkState.ON, ours=True
    )
    first.memberships.save([joined], [])
    first.finish()
    second = new_ledgers("r2")
    for stream in ("only begun", "with records of a run that failed"):
        second.streams.enter(stream, ["id"], alone=False)
    second.remember("with records of a run that failed", [loaded("2", contact("c2"))])
    third = new_ledgers("r3", "w2")
    third.streams.enter("of another workspace", ["id"], alone=False)
    third.finish()
    known = ["empty", "with records", "with records of a run that failed"]
    assert list(new_ledgers("r4").streams.of_contacts()) == known
    objects = look(new_ledgers.url).objects
    assert objects[new_ledgers.workspace()] == {**dict.fromkeys(known, "contacts"), "of groups": "groups"}
    assert objects[new_ledgers.workspace("w2")] == {"of another workspace": "contacts"}


def test_an_older_ledger_is_not_migrated(new_ledgers: Ledgers) -> None:
    Database(new_ledgers.url).close()
    new_ledgers.sql("DELETE FROM target_intercom_migrations WHERE name = 'know_records_again'")
    seen = look(new_ledgers.url)
    assert (seen.state, seen.steps, seen.streams) == (LedgerState.OLDER, len(STEPS) - 1, ())
    assert new_ledgers.sql("SELECT count(*) FROM target_intercom_migrations") == [(len(STEPS) - 1,)]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_postgresql_user_who_may_not_write_is_told_before_a_run_is(postgresql: str, *, is_there: bool) -> None:
    if is_there:
        Database(postgresql).close()
    owner = make_url(postgresql).set(drivername="postgresql+psycopg")
    engine = create_engine(owner, isolation_level="AUTOCOMMIT")
    reader = f"reader_{owner.database}"
    with engine.connect() as connection:
        connection.execute(text(f'CREATE ROLE "{reader}" LOGIN'))
        connection.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{reader}"'))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM public"))
    try:
        seen = look(owner.set(drivername="postgresql", username=reader).render_as_string(hide_password=False))
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP OWNED BY "{reader}"'))
            connection.execute(text(f'DROP ROLE "{reader}"'))
        engine.dispose()
    assert seen.state is LedgerState.UNUSABLE
    assert "what the database's user may do" in (seen.message or "")
    assert "secret" not in (seen.message or "")


def test_what_was_read_while_somebody_began_to_write_is_read_again(on_sqlite: Ledgers) -> None:
    on_sqlite().close()
    counts: list[int] = []

    def count(connection: Connection) -> int:
        if not counts:
            on_sqlite("r2").remember(S, [loaded("1", "c1")])
        counts.append(connection.scalar(text("SELECT count(*) FROM target_intercom_entries")) or 0)
        return counts[-1]

    with closing(ReadOnlyLedger(on_sqlite.url)) as ledger:
        assert ledger.read(count) == 1
    assert counts == [0, 1]


def test_a_ledger_that_is_only_read_cannot_be_written(new_ledgers: Ledgers) -> None:
    new_ledgers().remember(S, [loaded("1", "c1")])
    with closing(ReadOnlyLedger(new_ledgers.url)) as ledger, pytest.raises(LedgerError):
        ledger.read(lambda connection: connection.execute(text("DELETE FROM target_intercom_entries")))
    assert len(new_ledgers.rows("entries")) == 1
