"""A ledger that cannot be used: the run says why and what to do, and ends before it writes, or where it is."""

from __future__ import annotations

import socket
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import GUARD, once_answered
from tests.support.remembering import Row, assert_quiet, customers, person, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

pytestmark = pytest.mark.usefixtures("by_row")
FIVE = customers(*(person(number) for number in range(5)))
LEADS = customers(*(person(number, id=None) for number in range(5)))


@contextmanager
def ledger_of(load: Loader) -> Iterator[sqlite3.Connection]:
    """The ledger, as somebody else opens it."""
    with closing(sqlite3.connect(load.data_dir / "ledger.db", isolation_level=None)) as connection:
        yield connection


def assert_refused_at_start(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, *words: str, **settings: Any
) -> None:
    """The run ends with a sentence, and the workspace has not been called, but to ask whose it is."""
    del sandbox.calls[:]
    caplog.clear()
    done = load(FIVE, **settings)
    assert (done.exit_code, done.states) == (1, [])
    assert {(call.method, call.path) for call in sandbox.calls} <= {("GET", "/me")}
    for word in words:
        assert word in caplog.text
    assert "Traceback" not in caplog.text


# Before anything is written.


def test_a_ledger_of_a_newer_version_is_left_alone(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    load(FIVE)
    with ledger_of(load) as ledger:
        ledger.execute("INSERT INTO target_intercom_migrations VALUES ('add_something_new', '2030-01-01')")
        before = "\n".join(ledger.iterdump())
    assert_refused_at_start(load, sandbox, caplog, "newer version", "add_something_new", "update the target")
    with ledger_of(load) as ledger:
        assert "\n".join(ledger.iterdump()) == before


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, it is a text\n" * 500)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def overwritten(path: Path) -> None:
    """The header is well, the pages are not."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


@pytest.mark.parametrize("damage", [garbage, cut_off, overwritten])
def test_a_damaged_ledger_is_said_to_be_damaged(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    load(customers(*(person(number) for number in range(100))))
    ledger = load.data_dir / "ledger.db"
    damage(ledger)
    before = ledger.read_bytes()
    assert_refused_at_start(load, sandbox, caplog, "ledger.db", "damaged", "move it away")
    assert ledger.read_bytes() == before


def test_a_file_of_something_else_is_no_ledger(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Remember the milk.\n" * 100)
    assert_refused_at_start(load, sandbox, caplog, "notes.txt", "is not a ledger", ledger_url=f"sqlite:///{notes}")
    assert notes.read_text() == "Remember the milk.\n" * 100


def test_a_database_of_something_else_is_shared_and_not_touched(load: Loader, people: People, tmp_path: Path) -> None:
    """The ledger's tables have names of their own, so it may move in with others."""
    path = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE streams (name TEXT)")
        database.execute("INSERT INTO streams VALUES ('mine')")
    url = f"sqlite:///{path}"
    assert load(FIVE, ledger_url=url).results() == {"created": 5}
    assert_quiet(load(FIVE, ledger_url=url))
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM streams").fetchall() == [("mine",)]


def test_a_folder_is_no_ledger(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    assert_refused_at_start(load, sandbox, caplog, "folder", ledger_url=f"sqlite:///{tmp_path / 'folder'}")


def test_a_ledger_below_a_file_cannot_be_opened(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert_refused_at_start(load, sandbox, caplog, "cannot be opened", ledger_url=f"sqlite:///{tmp_path}/file/x.db")


def test_a_postgresql_that_is_not_there_is_said_to_be_out_of_reach(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://me:hunter2@127.0.0.1:{taken.getsockname()[1]}/ledger"
        assert_refused_at_start(load, sandbox, caplog, "cannot be reached", "ledger_url", ledger_url=url)
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@localhost/ledger",
        "sqlite://",
        "sqlite:///:memory:",
        "ledger.db",
        "postgres",
        "nothing",
        "http://me:hunter2@example.com",
    ],
)
def test_an_address_that_is_no_ledgers_is_refused_with_what_is_allowed(
    load: Loader,
    sandbox: SandboxServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    url: str,
) -> None:
    done = load(FIVE, ledger_url=url)
    said = caplog.text + done.log + capfd.readouterr().err
    assert (done.exit_code, done.states, sandbox.calls) == (1, [], [])
    assert "'ledger_url'" in said
    assert "sqlite:///" in said
    assert "postgresql://" in said
    assert "hunter2" not in said
    assert "Traceback" not in said


@contextmanager
def locked(load: Loader, until: Callable[[], object]) -> Iterator[threading.Thread]:
    """Somebody who takes the ledger when started, and gives it back after `until`."""
    taken = threading.Event()

    def hold() -> None:
        with ledger_of(load) as ledger:
            ledger.execute("BEGIN IMMEDIATE")
            taken.set()
            until()

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(GUARD)
    yield holder
    holder.join()


@pytest.fixture
def soon_tired(load: Loader) -> None:
    """Twenty seconds are too long for a test: runs wait a fifth of one for the ledger."""
    load.settings["ledger_url"] = f"sqlite:///{load.data_dir / 'ledger.db'}?timeout=0.2"


def test_a_locked_ledger_is_waited_for(load: Loader, people: People) -> None:
    load(customers(person(9)))
    enough = threading.Event()
    with locked(load, enough.wait) as holder:
        assert holder.is_alive()
        threading.Timer(0.3, enough.set).start()
        assert load(FIVE).results() == {"created": 5}


@pytest.mark.usefixtures("soon_tired")
def test_a_ledger_that_stays_locked_ends_the_run(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    load(FIVE)
    enough = threading.Event()
    with locked(load, enough.wait):
        assert_refused_at_start(load, sandbox, caplog, "is locked by another process", "wait for it")
        enough.set()
    assert_quiet(load(FIVE))


# In the middle of a run.


def break_on(load: Loader, table: str, what: str, condition: str) -> None:
    """Let the disk have a bad spot: some rows cannot be written any more."""
    with ledger_of(load) as ledger:
        ledger.execute(
            f"CREATE TRIGGER bad_spot BEFORE {what} ON target_intercom_{table} WHEN {condition} "
            "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )


def mend(load: Loader) -> None:
    with ledger_of(load) as ledger:
        ledger.execute("DROP TRIGGER bad_spot")


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_ledger_that_fails_under_way_fails_the_run_and_the_next_one_is_right(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    load(rows("others", person(9)))
    break_on(load, "entries", "INSERT", """NEW.key = '["3"]'""")
    done = load(FIVE, batch_size_rows=size)
    assert (done.exit_code, done.states, done.report["status"]) == (1, [], "failed")
    assert "ledger" in caplog.text
    assert "disk I/O error" in caplog.text
    assert "Traceback" not in caplog.text
    assert "p3@example.com" not in caplog.text
    mend(load)
    done = load(FIVE)
    assert (done.exit_code, len(done.states)) == (0, 1)
    assert sorted(one["external_id"] for one in people.everyone()) == ["0", "1", "2", "3", "4", "9"]
    assert_quiet(load(FIVE))


@pytest.mark.usefixtures("soon_tired")
def test_a_ledger_that_is_locked_under_way_fails_the_run_and_the_next_one_is_right(
    load: Loader, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    load(rows("others", person(9)))
    enough = threading.Event()
    with ExitStack() as later:
        with once_answered(sandbox, "POST", "/contacts", lambda: later.enter_context(locked(load, enough.wait))):
            done = load(FIVE, max_connections=1)
        assert (done.exit_code, done.states) == (1, [])
        assert "is locked by another process" in caplog.text
        enough.set()
    assert load(FIVE).exit_code == 0
    assert sorted(one["external_id"] for one in people.everyone()) == ["0", "1", "2", "3", "4", "9"]


@pytest.mark.parametrize("source", ["stays", "goes back"])
def test_an_update_that_the_ledger_could_not_note_does_not_stand_in_its_way(
    load: Loader, people: People, source: str
) -> None:
    """Intercom has it and the ledger does not know: what the next run reads counts, be it the old value again."""
    load(FIVE)
    changed: list[Row] = customers(*(person(number, name="New") for number in range(5)))
    break_on(load, "entries", "UPDATE", """NEW.key = '["3"]' AND NEW.doubt IS NULL""")
    assert load(changed).exit_code == 1
    assert {one["name"] for one in people.everyone()} == {"New"}
    mend(load)
    assert load(changed if source == "stays" else FIVE).exit_code == 0
    expected = {"New"} if source == "stays" else {f"P {number}" for number in range(5)}
    assert {one["name"] for one in people.everyone()} == expected


def test_a_lead_whose_intent_cannot_be_written_is_not_sent(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(rows("others", person(9)))
    break_on(load, "intents", "INSERT", "NEW.email = 'p3@example.com'")
    done = load(LEADS, creation_mode="lead", batch_size_rows=1)
    assert (done.exit_code, done.states) == (1, [])
    assert not [call for call in sandbox.calls if call.method == "POST" and "p3@" in str(call.body.get("email"))]
    mend(load)
    assert load(LEADS, creation_mode="lead").exit_code == 0
    assert sorted(one["email"] for one in people.everyone() if one["role"] == "lead") == [
        f"p{number}@example.com" for number in range(5)
    ]


def test_a_removal_that_the_ledger_could_not_note_is_done_again_without_harm(load: Loader, people: People) -> None:
    load(FIVE, sync_mode="sync")
    gone = customers(*(person(number, _sdc_deleted_at="2024-05-01T12:00:00Z") for number in (1, 3)))
    break_on(load, "entries", "UPDATE", """NEW.key = '["3"]'""")
    assert load(gone, sync_mode="sync").exit_code == 1
    mend(load)
    done = load(gone, sync_mode="sync")
    assert done.exit_code == 0
    assert set(done.results()) <= {"archived", "skipped"}
    assert {one["external_id"]: one["state"] for one in people.everyone()} == {
        "0": "live",
        "1": "archived",
        "2": "live",
        "3": "archived",
        "4": "live",
    }


def test_a_ledger_that_breaks_under_way_and_is_moved_away_costs_nobody(
    load: Loader, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    def destroy() -> None:
        for path in load.data_dir.glob("ledger.db*"):
            if "lock" not in path.name:
                with path.open("r+b") as file:
                    file.write(b"\xa5" * path.stat().st_size)

    with once_answered(sandbox, "POST", "/contacts", destroy):
        done = load(FIVE, batch_size_rows=2, max_connections=1)
    assert (done.exit_code, done.states) == (1, [])
    assert "Traceback" not in caplog.text
    moved = replace(load, data_dir=load.data_dir.with_name("moved"))
    done = moved(FIVE)
    assert done.exit_code == 0
    assert sorted(one["external_id"] for one in people.everyone()) == ["0", "1", "2", "3", "4"]
