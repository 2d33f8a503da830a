"""Ledgers in SQLite and in a real PostgreSQL, and what to write into them."""

from __future__ import annotations

import fcntl
import json
import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, make_url, select, text

from demo.database import Database as Server
from demo.database import running_database
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.remembered import EntryState, Hashes, LedgerEntry, Loaded, Stamp
from target_intercom.ledger.store.database import Database
from target_intercom.model import Contact, ContactId, Email, ExternalId, RecordKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from target_intercom.model import Role


def gone(*contacts: ContactId) -> dict[ContactId, str]:
    """Return contacts that were removed on account of a stream."""
    return dict.fromkeys(contacts, "people")


HASHES = Hashes("content", "shape", "settings")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A PostgreSQL server, one for all test processes: the first that needs it starts it, and waits for the others."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    address = folder / "postgresql.port"
    with (folder / "postgresql.turn").open("w") as turn, (folder / "postgresql.users").open("w") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if address.exists():
            fcntl.flock(users, fcntl.LOCK_SH)
            fcntl.flock(turn, fcntl.LOCK_UN)
            yield Server(int(address.read_text()))
            return
        with running_database() as running:
            _ask_for_passwords(running)
            address.write_text(str(running.port))
            fcntl.flock(turn, fcntl.LOCK_UN)
            yield running
            fcntl.flock(turn, fcntl.LOCK_EX)
            address.unlink()
            fcntl.flock(turn, fcntl.LOCK_UN)
            # Free as soon as the last of the others is done, or dead.
            fcntl.flock(users, fcntl.LOCK_EX)


def _ask_for_passwords(server: Server) -> None:
    """Have the members of a role give passwords; everybody else is trusted."""
    with server.connect() as connection:
        connection.execute("CREATE ROLE guarded")
        (row,) = connection.execute("SHOW hba_file").fetchall()
        rules = Path(row["hba_file"])
        rules.write_text(f"host all +guarded all scram-sha-256\n{rules.read_text(encoding='utf-8')}", encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def new_database(server: Server) -> Iterator[str]:
    """Make an empty PostgreSQL database; returns its URL."""
    name = f"ledger_{secrets.token_hex(8)}"
    with server.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        # What would collide after a second does so at once.
        connection.execute(f"ALTER DATABASE \"{name}\" SET deadlock_timeout = '20ms'".encode())
        yield f"postgresql://postgres:secret@127.0.0.1:{server.port}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def postgresql(server: Server) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with new_database(server) as url:
        yield url


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(scope="session")
def shared_postgresql(server: Server) -> Iterator[str]:
    """The URL of a ledger in PostgreSQL that tests share."""
    with new_database(server) as url:
        Database(url).close()
        yield url


@pytest.fixture(scope="session")
def shared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a ledger in a file that tests share."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shared') / 'ledger.db'}"
    Database(url).close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a ledger of the test's own is; it is new."""
    place: str = request.getfixturevalue(request.param)
    return place


@dataclass
class Ledgers:
    """Opens a ledger the way runs do, and looks into it past them.

    Its workspaces are its own, whatever else is in the database.
    """

    url: str
    opened: list[SqlLedger] = field(default_factory=list)
    mark: str = field(default_factory=lambda: secrets.token_hex(4))

    def __call__(self, run: str = "r1", workspace: str = "w1") -> SqlLedger:
        """Open it for a run."""
        ledger = SqlLedger(Database(self.url), self.workspace(workspace), run)
        self.opened.append(ledger)
        return ledger

    def workspace(self, name: str = "w1") -> str:
        """Return what a workspace is called in the ledger."""
        return self.mark + name

    def rows(self, table: str, columns: str = "*", workspace: str = "w1") -> list[tuple[Any, ...]]:
        """Return what is in a table of a workspace, in order."""
        wanted = (
            select(text(columns)).select_from(text(f"target_intercom_{table}")).where(text("workspace = :workspace"))
        )
        return sorted(self.sql(str(wanted), workspace=self.workspace(workspace)), key=repr)

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the database; returns its rows."""
        with self._engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def close(self) -> None:
        """Close all that was opened."""
        for ledger in self.opened:
            ledger.close()
        self._engine.dispose()

    @cached_property
    def _engine(self) -> Engine:
        place = make_url(self.url)
        is_sqlite = place.get_backend_name() == "sqlite"
        return create_engine(place if is_sqlite else place.set(drivername="postgresql+psycopg"))


@pytest.fixture(params=["sqlite", "postgresql"])
def ledgers(request: pytest.FixtureRequest) -> Iterator[Ledgers]:
    """Opens a ledger that other tests use, too, for workspaces of the test's own."""
    with closing(Ledgers(request.getfixturevalue(f"shared_{request.param}"))) as opener:
        yield opener


@pytest.fixture
def ledger(ledgers: Ledgers) -> SqlLedger:
    """A ledger, open for the first run."""
    return ledgers()


@pytest.fixture
def new_ledgers(url: str) -> Iterator[Ledgers]:
    """Opens a new ledger of the test's own."""
    with closing(Ledgers(url)) as opener:
        yield opener


@pytest.fixture
def on_sqlite(sqlite: str) -> Iterator[Ledgers]:
    """Opens a new ledger in a file."""
    with closing(Ledgers(sqlite)) as opener:
        yield opener


def key(*values: str) -> RecordKey:
    """A record's key."""
    return RecordKey(json.dumps(values))


def contact(
    contact_id: str = "c1", role: Role = "user", external_id: str | None = None, email: str | None = None
) -> Contact:
    """A contact as the ledger gives it: without attributes."""
    return Contact(
        ContactId(contact_id),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {},
        is_read=False,
    )


def entry(
    name: str,
    of: Contact | None = None,
    *,
    hashes: Hashes | None = HASHES,
    state: EntryState = EntryState.SYNCED,
    written_at: int = 0,
    is_doubted: bool = False,
    overruled_by: str | None = None,
) -> LedgerEntry:
    """A record and its contact."""
    other = None if overruled_by is None else key(overruled_by)
    row = LedgerEntry(key(name), of, hashes, state, Stamp(written_at))
    return replace(row, is_doubted=is_doubted, overruled_by=other)


def loaded(
    name: str,
    of: Contact | str | None,
    *,
    hashes: Hashes | None = HASHES,
    state: EntryState = EntryState.SYNCED,
    written_at: int = 0,
    version: int | None = None,
    changed: bool = False,
) -> Loaded:
    """A record to remember; of a contact or its id."""
    whose = contact(of) if isinstance(of, str) else of
    row = entry(name, whose, hashes=hashes, state=state, written_at=written_at)
    return Loaded(row, version, changed)
