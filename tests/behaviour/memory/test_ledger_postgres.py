"""A ledger in PostgreSQL, from outside: it serves as the file does, and losing it under way loses nobody."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from sqlalchemy import MetaData, create_engine, select

from demo.database import running_database
from tests.support.loading import once_answered
from tests.support.planning import dry_run
from tests.support.remembering import BY_ROW, PUT, WHEN, assert_quiet, customers, person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.database import Database
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

_NUMBERS = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Database]:
    with running_database() as database:
        yield database


@pytest.fixture
def ledger(server: Database) -> Ledger:
    return Ledger(server)


class Ledger:
    """A database of its own on the server."""

    def __init__(self, server: Database) -> None:
        self._server = server
        self._name = f"ledger_{next(_NUMBERS)}"
        self._do("CREATE DATABASE {}")

    @property
    def url(self) -> str:
        return f"postgresql://postgres:hunter2@127.0.0.1:{self._server.port}/{self._name}"

    def break_off(self) -> None:
        """End all connections, and let no new one in."""
        self._do("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false")
        self.end_connections()

    def end_connections(self) -> None:
        with self._server.connect() as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(query, [self._name])

    def let_in(self) -> None:
        self._do("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true")

    def content(self) -> dict[str, list[Any]]:
        """All rows of all tables."""
        engine = create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as connection:
            tables = MetaData()
            tables.reflect(connection)
            rows = {one.name: sorted(map(str, connection.execute(select(one)))) for one in tables.sorted_tables}
        engine.dispose()
        return rows

    def _do(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self._name)))


@pytest.fixture
def load(load: Loader, ledger: Ledger) -> Loader:
    load.settings = {"mappings": BY_ROW, "max_connections": 8, "ledger_url": ledger.url}
    return load


def somebody(number: int, **values: Any) -> dict[str, Any]:
    """With a key and an email that not every database would take."""
    return person(number, **{"row": f"{number} Zoë ' \" \\ %s :x", "email": f"o'p{number}@example.com", **values})


def table(*values: dict[str, Any]) -> list[dict[str, Any]]:
    return customers(*values, row="text")


@pytest.mark.parametrize("creation_mode", ["user", "lead"])
def test_it_serves_as_the_file_does(load: Loader, people: People, creation_mode: str) -> None:
    load.settings |= {"creation_mode": creation_mode, "sync_mode": "sync"}
    five = [somebody(number) for number in range(5)]
    load(table(*five))
    elsewhere = replace(load, data_dir=load.data_dir.with_name("elsewhere"))
    assert_quiet(elsewhere(table(*five)))
    assert not list(load.data_dir.glob("ledger*"))
    changed = load(table({**five[0], "email": "new@example.com"}, *five[1:]))
    assert (changed.results(), changed.calls[PUT]) == ({"updated": 1, "unchanged": 4}, 1)
    gone = load(table({"row": five[0]["row"], "_sdc_deleted_at": WHEN}))
    assert gone.results() == {"archived": 1}
    assert people.one(email="new@example.com")["state"] == "archived"
    again = load(table({"row": five[0]["row"], "_sdc_deleted_at": WHEN}))
    assert again.results() == {"skipped": 1}


def test_a_dry_run_reads_it_and_writes_nothing(load: Loader, ledger: Ledger) -> None:
    load(table(somebody(1), somebody(2)))
    before = ledger.content()
    messages = table(somebody(1, name="New"), somebody(2), somebody(3))
    dry, plan = dry_run(load, messages)
    assert (dry.exit_code, dry.results()) == (0, {"created": 1, "updated": 1, "unchanged": 1})
    assert sorted(line["operation"] for line in plan) == ["create", "update"]
    assert ledger.content() == before
    assert load(messages).results() == dry.results()


def test_a_dry_run_on_a_database_without_a_ledger_makes_none(load: Loader, ledger: Ledger) -> None:
    dry, _ = dry_run(load, table(somebody(1)))
    assert (dry.results(), ledger.content()) == ({"created": 1}, {})


def test_keys_and_values_with_a_nul_do_no_harm(load: Loader, people: People) -> None:
    """PostgreSQL stores no such text."""
    odd = [somebody(1, row="a\0b", name="P\0Q"), somebody(2, id="x\0y"), somebody(3)]
    done = load(table(*odd))
    assert done.exit_code == 0
    assert load(table(*odd)).writes == 0


def test_connections_that_end_between_two_writes_are_made_again(
    load: Loader, people: People, sandbox: SandboxServer, ledger: Ledger
) -> None:
    messages = customers(*(person(number) for number in range(6)))
    with once_answered(sandbox, "POST", "/contacts", ledger.end_connections):
        done = load(messages, batch_size_rows=2, max_connections=1)
    assert len(people.everyone()) in range(1, 7)
    if done.exit_code:
        assert done.states == []
    assert load(messages).exit_code == 0
    assert sorted(one["external_id"] for one in people.everyone()) == [str(number) for number in range(6)]
    assert_quiet(load(messages))


@pytest.mark.parametrize("creation_mode", ["user", "lead"])
def test_a_database_that_goes_away_under_way_fails_the_run_and_the_next_one_is_right(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    creation_mode: str,
) -> None:
    messages = customers(*(person(number) for number in range(6)))
    load.settings["creation_mode"] = creation_mode
    with once_answered(sandbox, "POST", "/contacts", ledger.break_off):
        done = load(messages, batch_size_rows=2, max_connections=1)
    assert (done.exit_code, done.states, done.report["status"]) == (1, [], "failed")
    assert 1 <= len(people.everyone()) < 6
    assert "The ledger" in caplog.text
    assert "cannot be reached" in caplog.text
    for secret in ("hunter2", "@example.com", "Traceback"):
        assert secret not in caplog.text
    assert "<email>" not in caplog.text, "its address was taken for somebody's"
    ledger.let_in()
    assert load(messages).exit_code == 0
    assert sorted(one["email"] for one in people.everyone()) == [f"p{number}@example.com" for number in range(6)]
    assert_quiet(load(messages))
