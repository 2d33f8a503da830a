"""Opening a ledger: its tables, its file's permissions, and what is said when it cannot be used."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import MetaData, create_engine, inspect, make_url

from demo.processes import free_port
from target_intercom.errors import LedgerError
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.migrations import STEPS
from target_intercom.ledger.store.tables import METADATA
from target_intercom.model import Email
from tests.support.loading import until

from .conftest import Ledgers, contact, key, loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Inspector

    from demo.database import Database as Server

S = "customers"
ANN = "ann@example.com"
PASSWORD = "pssst"


def refused(place: str | Path) -> str:
    """Open a ledger that cannot be used; returns what is said, which quotes no password."""
    with pytest.raises(LedgerError) as caught:
        Database(place)
    said = str(caught.value)
    assert PASSWORD not in said
    return said


def file_of(url: str) -> Path:
    return Path(make_url(url).database or "")


# Tables.


def described(inspector: Inspector) -> dict[str, Any]:
    """The tables as a database has them."""
    dialect = inspector.bind.dialect
    return {
        table: {
            "columns": {
                column["name"]: (column["type"].compile(dialect), column["nullable"])
                for column in inspector.get_columns(table)
            },
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "indexes": {
                index["name"]: (index["column_names"], bool(index["unique"])) for index in inspector.get_indexes(table)
            },
            "unique": inspector.get_unique_constraints(table),
            "foreign": inspector.get_foreign_keys(table),
            "checks": inspector.get_check_constraints(table),
        }
        for table in inspector.get_table_names()
    }


def tables(url: str, metadata: MetaData | None = None) -> dict[str, Any]:
    """Look at the tables of a database; make those of `metadata` in it first."""
    place = make_url(url)
    engine = create_engine(
        place if place.get_backend_name() == "sqlite" else place.set(drivername="postgresql+psycopg")
    )
    try:
        if metadata is not None:
            metadata.create_all(engine)
        return described(inspect(engine))
    finally:
        engine.dispose()


def test_the_migrations_make_the_tables_that_the_code_works_with(url: str, new_ledgers: Ledgers) -> None:
    wanted = tables(url, METADATA)
    for table in wanted:
        new_ledgers.sql(f"DROP TABLE {table}")
    assert tables(url) == {}
    Database(url).close()
    assert tables(url) == wanted
    names = ("migrations", "streams", "entries", "intents", "memberships", "unarchived", "failures", "runs")
    assert set(wanted) == {f"target_intercom_{name}" for name in names}


def test_opening_again_changes_nothing(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.remember(S, [loaded("1", "c1")])
    ledger.close()
    applied = ledgers.sql("SELECT name, applied_at FROM target_intercom_migrations")
    assert [name for name, _ in applied] == [step.__name__ for step in STEPS]
    before = tables(ledgers.url)
    for _ in range(2):
        Database(ledgers.url).close()
    assert tables(ledgers.url) == before
    assert ledgers.sql("SELECT name, applied_at FROM target_intercom_migrations") == applied
    assert set(ledgers().recall(S, [key("1")])) == {key("1")}


def test_a_ledger_of_a_newer_version_is_not_touched(new_ledgers: Ledgers) -> None:
    new_ledgers().close()
    new_ledgers.sql("INSERT INTO target_intercom_migrations VALUES ('add_moon_phases', '2031-01-01T00:00:00+00:00')")
    new_ledgers.sql("DROP TABLE target_intercom_intents")
    before = tables(new_ledgers.url)
    said = refused(new_ledgers.url)
    assert "newer version of target-intercom" in said
    assert "add_moon_phases" in said
    assert "update the target" in said
    assert "'ledger_url'" in said
    assert tables(new_ledgers.url) == before


def test_a_ledger_may_lie_in_a_schema_of_its_own_beside_other_tables(postgresql: str) -> None:
    with closing(Ledgers(postgresql)) as outside, closing(Ledgers(f"{postgresql}?options=-csearch_path%3Dmine")) as own:
        outside.sql("CREATE SCHEMA mine")
        outside.sql("CREATE TABLE streams (name TEXT)")
        own().remember(S, [loaded("1", "c1")])
        assert set(tables(postgresql)) == {"streams"}
        assert outside.sql("SELECT contact_id FROM mine.target_intercom_entries") == [("c1",)]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "PostgreSQL"])
def test_postgresql_goes_by_several_names(shared_postgresql: str, scheme: str) -> None:
    with closing(Ledgers(shared_postgresql.replace("postgresql", scheme, 1))) as ledgers:
        ledgers().remember(S, [loaded("1", "c1")])
    with closing(Ledgers(shared_postgresql, mark=ledgers.mark)) as again:
        assert again().known(S) == 1


def test_all_tables_come_together_or_none(new_ledgers: Ledgers) -> None:
    """What is in the way of one keeps the others from being made; without it, all of them are."""
    new_ledgers.sql("CREATE TABLE target_intercom_intents (moon TEXT)")
    before = tables(new_ledgers.url)
    assert "target_intercom_intents" in refused(new_ledgers.url)
    assert tables(new_ledgers.url) == before
    new_ledgers.sql("DROP TABLE target_intercom_intents")
    new_ledgers().intents.add(Email(ANN), None)


# Files that are no ledger, or none any more.


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(1, 256)) * 100)


def words(path: Path) -> None:
    path.write_text("id,email\n" + f"1,{ANN}\n" * 100, encoding="utf-8")


def filled(path: Path) -> bytes:
    ledger = SqlLedger(Database(path), "w1", "r1")
    ledger.remember(S, [loaded(str(n), contact(f"c{n}", "user", str(n), ANN)) for n in range(500)])
    ledger.close()
    return path.read_bytes()


def cut_off(path: Path) -> None:
    whole = filled(path)
    path.write_bytes(whole[: len(whole) // 2])


def overwritten(path: Path) -> None:
    whole = filled(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\xa5" * 8192 + whole[middle + 8192 :])


def headless(path: Path) -> None:
    path.write_bytes(b"\0" * 100 + filled(path)[100:])


@pytest.mark.parametrize("make", [garbage, words, cut_off, overwritten, headless])
def test_a_file_that_is_damaged_or_no_ledger_is_told_and_kept(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    before = path.read_bytes()
    said = refused(path)
    assert str(path) in said
    assert "is damaged, or is not a ledger: restore it, or move it away" in said
    assert ANN not in said
    assert path.read_bytes() == before


def test_damage_that_shows_only_later_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    whole = filled(path)
    database = Database(path)
    ledger = SqlLedger(database, "w1", "r1")
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA shrink_memory")
    with pytest.raises(LedgerError, match="is damaged") as caught:
        ledger.recall(S, [key(str(n)) for n in range(500)])
    ledger.close()
    assert str(path) in str(caught.value)
    assert ANN not in str(caught.value)


def test_an_empty_file_becomes_a_ledger(on_sqlite: Ledgers) -> None:
    file_of(on_sqlite.url).touch()
    on_sqlite().remember(S, [loaded("1", "c1")])


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "ledger.db"
    Database(path).close()
    assert path.is_file()


@pytest.mark.parametrize("as_url", [True, False])
def test_a_file_may_have_any_name(tmp_path: Path, as_url: bool) -> None:
    path = tmp_path / "Zoë's 100% ledger #1.db"
    Database(f"sqlite:///{path}" if as_url else path).close()
    assert path.is_file()


def test_the_scheme_of_a_file_may_be_in_capitals(tmp_path: Path) -> None:
    """The setting takes it so."""
    path = tmp_path / "ledger.db"
    Database(f"SQLITE:///{path}").close()
    assert path.is_file()


@pytest.mark.parametrize("as_url", [True, False])
@pytest.mark.parametrize("name", ["folder", "file/ledger.db", "folder/../file/x/ledger.db"])
def test_a_place_that_cannot_be_a_file_is_told(tmp_path: Path, name: str, as_url: bool) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    place = tmp_path / name
    said = refused(f"sqlite:///{place}" if as_url else place)
    assert str(place) in said
    assert "cannot be opened" in said


# Permissions.

OPEN_AS_NOBODY = """
import os, sys
from target_intercom.errors import LedgerError
from target_intercom.ledger.store.database import Database
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
for place in sys.argv[1:]:
    try:
        Database(place)
        print("opened")
    except LedgerError as error:
        print(error)
"""
CLOSED = {
    "no file": (0o555, None),
    "nothing": (0o555, 0o444),
    "folder": (0o555, 0o666),
    "file": (0o777, 0o444),
    "unreadable": (0o777, 0),
}
"""Modes of a folder, and of the ledger in it."""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that everybody can reach: those of pytest are their owner's."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        for folder in path.iterdir():
            folder.chmod(0o755)


def test_a_place_that_cannot_be_written_is_told(reachable: Path) -> None:
    """Root may write everywhere, so that it turns into somebody else first."""
    paths = []
    for name, (folder_mode, file_mode) in CLOSED.items():
        path = reachable / name / "ledger.db"
        path.parent.mkdir()
        if file_mode is not None:
            filled(path)
            path.chmod(file_mode)
        path.parent.chmod(folder_mode)
        paths.append(path)
    command = [sys.executable, "-c", OPEN_AS_NOBODY, *(f"sqlite:///{path}" for path in paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    for path, said in zip(paths, done.stdout.splitlines(), strict=True):
        assert said.startswith(f"The ledger (sqlite:///{path}) cannot be "), path
        assert "permission" in said.lower()


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.glob("ledger.db*")}


@pytest.mark.usefixtures("nothing_masked")
@pytest.mark.parametrize(
    ("before", "as_url"), [(None, True), (None, False), (0o644, True), (0o666, False), (0o600, False)]
)
def test_only_the_owner_can_read_the_ledger_and_its_locks(tmp_path: Path, before: int | None, as_url: bool) -> None:
    path = tmp_path / "ledger.db"
    if before is not None:
        filled(path)
        path.chmod(before)
    with closing(SqlLedger(Database(f"sqlite:///{path}" if as_url else path), "w1", "r1")) as ledger:
        ledger.streams.enter(S, ["id"], alone=True)
        ledger.streams.enter("accounts", ["id"], alone=False)
        ledger.remember(S, [loaded("1", contact("c1", "user", "1", ANN))])
        while_open = modes(tmp_path)
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm"} < set(while_open)
    locks = [name for name in while_open if name.startswith("ledger.db-lock-") and not name.endswith("-journal")]
    assert len(locks) == 2
    assert set(while_open.values()) == set(modes(tmp_path).values()) == {"0o600"}


@pytest.mark.usefixtures("nothing_masked")
def test_the_files_beside_a_copy_of_the_ledger_are_the_owners_too(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqlLedger(Database(path), "w1", "r1")
    ledger.remember(S, [loaded("1", contact("c1", "user", "1", ANN))])
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in modes(tmp_path):
        (copies / name).write_bytes((tmp_path / name).read_bytes())
    ledger.close()
    assert set(modes(copies).values()) == {"0o666"}

    again = SqlLedger(Database(copies / "ledger.db"), "w1", "r2")
    again.remember(S, [loaded("2", contact("c2", "user", "2", ANN))])
    assert set(modes(copies).values()) == {"0o600"}
    assert set(again.recall(S, [key("1"), key("2")])) == {key("1"), key("2")}
    again.close()


@pytest.mark.usefixtures("nothing_masked")
def test_a_file_that_is_named_as_a_uri_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be made by SQLite, readable by others."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerError, match="plain path"):
        Database(f"sqlite:///file:{tmp_path}/ledger.db?uri=true")
    assert list(tmp_path.iterdir()) == []


# Locked.


def test_a_file_that_stays_locked_is_told(sqlite: str) -> None:
    database = Database(sqlite)
    with database.reading() as connection:
        # Then it does not wait, which takes longer than a test should.
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(file_of(sqlite), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ledger = SqlLedger(database, "w1", "r1")
    with pytest.raises(LedgerError) as caught:
        ledger.remember(S, [loaded("1", contact("c1", "user", "1", ANN))])
    other.execute("ROLLBACK")
    other.close()
    assert str(caught.value).startswith(f"The ledger ({sqlite}) is locked by another process: wait for it, or end it")
    ledger.remember(S, [loaded("1", "c1")])
    ledger.close()


def test_the_url_says_how_long_to_wait_for_who_locks_the_file(sqlite: str) -> None:
    Database(sqlite).close()
    other = sqlite3.connect(file_of(sqlite), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    said = refused(f"{sqlite}?timeout=0.1")
    waited = time.monotonic() - began
    other.close()
    assert "is locked by another process" in said
    assert waited < 15  # without, it would be 20


# PostgreSQL that cannot be used.


def test_a_server_that_is_not_there_is_told() -> None:
    port = free_port()
    said = refused(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/ledgers")
    assert f"127.0.0.1:{port}/ledgers" in said
    assert "cannot be reached: check 'ledger_url', the network and the database" in said


def test_a_database_that_is_not_there_is_told(server: Server) -> None:
    said = refused(f"postgresql://postgres:{PASSWORD}@127.0.0.1:{server.port}/nowhere")
    assert "cannot be reached: check 'ledger_url'" in said
    assert 'database "nowhere" does not exist' in said


@pytest.fixture
def guarded(server: Server, postgresql: str) -> Iterator[str]:
    """A user of the database who has to give a password."""
    user = f"user_{free_port()}"
    with server.connect() as connection:
        connection.execute(f"CREATE USER {user} PASSWORD 'right' IN ROLE guarded".encode())
        until(lambda: not _answers(make_url(postgresql).set(username=user, password="")))
        yield user
        connection.execute(f"DROP USER {user}".encode())


def _answers(url: Any) -> bool:
    try:
        psycopg.connect(url.render_as_string(hide_password=False)).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_wrong_password_is_told_and_not_shown(guarded: str, postgresql: str) -> None:
    said = refused(make_url(postgresql).set(username=guarded, password=PASSWORD).render_as_string(hide_password=False))
    assert "cannot be reached: check 'ledger_url'" in said
    assert f'password authentication failed for user "{guarded}"' in said


def test_a_user_who_may_make_no_tables_is_told(guarded: str, postgresql: str) -> None:
    said = refused(make_url(postgresql).set(username=guarded, password="right").render_as_string(hide_password=False))
    assert str(make_url(postgresql).database) in said
    assert "permission denied for schema public" in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://{host}/ledgers?user=me&password={password}",
        "postgresql://me@{host}/ledgers?password={password}",
        "postgresql://me:{password}@127.0.0.1:port/ledgers",
        "postgresql://me:x@{password}@{host}/ledgers",
        "postgresql://me:{password}@[::1/ledgers",
        "postgresql://me:{password}@{host}/ledgers?nonsense=1",
        "postgresql://me:{password}@{host}/ledgers?connect_timeout=soon",
        "postgresql:/me:{password}@{host}",
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str) -> None:
    refused(url.format(password=PASSWORD, host=f"127.0.0.1:{free_port()}"))


# While it is used.


def test_an_error_while_writing_quotes_nobody(new_ledgers: Ledgers) -> None:
    ledger = new_ledgers()
    for table in ("entries", "intents"):
        new_ledgers.sql(
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON target_intercom_{table} "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            if new_ledgers.url.startswith("sqlite")
            else f"ALTER TABLE target_intercom_{table} ADD CHECK (email IS NULL)"
        )
    secret_key = "the-key"
    acts: list[Callable[[], object]] = [
        lambda: ledger.remember(S, [loaded(secret_key, contact("c1", "user", "the-id", ANN))]),
        lambda: ledger.intents.add(Email(ANN), None),
    ]
    for act in acts:
        with pytest.raises(LedgerError) as caught:
            act()
        said = str(caught.value)
        assert said.startswith("The ledger (")
        assert str(make_url(new_ledgers.url).database) in said
        for private in (ANN, secret_key, "the-id", "secret"):
            assert private not in said
