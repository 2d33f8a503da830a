"""Ledgers in SQLite and in a real PostgreSQL, and what to write into them."""

from __future__ import annotations

import fcntl
import json
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, make_url, text

from demo.database import running_database
from target_intercom.ledger.base import LedgerEntry, Loaded, Prints, Stamp, Standing
from target_intercom.ledger.database import Database
from target_intercom.ledger.sql import SqlLedger
from target_intercom.model import Contact, ContactId, Email, ExternalId, RecordKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.database import Database as Server
    from target_intercom.model import Role

PRINTS = Prints("content", "values", "settings")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server of this test process."""
    with ExitStack() as stack:
        # Test processes start theirs one by one: the first may have to add the system user that all of them need.
        with (tmp_path_factory.getbasetemp().parent / "postgresql.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            running = stack.enter_context(running_database())
        yield running


@pytest.fixture
def postgresql(server: Server) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = f"ledger_{secrets.token_hex(8)}"
    with server.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        # What would collide after a second does so at once.
        connection.execute(f"ALTER DATABASE \"{name}\" SET deadlock_timeout = '20ms'".encode())
        yield f"postgresql://postgres:secret@127.0.0.1:{server.port}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a test's ledger is; it is new."""
    place: str = request.getfixturevalue(request.param)
    return place


@dataclass
class Ledgers:
    """Opens a ledger the way runs do, and looks into it past them."""

    url: str
    opened: list[SqlLedger] = field(default_factory=list)

    def __call__(self, run: str = "r1", workspace: str = "w1") -> SqlLedger:
        """Open it for a run."""
        ledger = SqlLedger(Database(self.url), workspace, run)
        self.opened.append(ledger)
        return ledger

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the database; gives its rows."""
        place = make_url(self.url)
        if place.get_backend_name() != "sqlite":
            place = place.set(drivername="postgresql+psycopg")
        engine = create_engine(place)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()


@pytest.fixture
def ledgers(url: str) -> Iterator[Ledgers]:
    """Opens the test's ledger."""
    opener = Ledgers(url)
    yield opener
    for ledger in opener.opened:
        ledger.close()


@pytest.fixture
def ledger(ledgers: Ledgers) -> SqlLedger:
    """A new ledger, open for the first run."""
    return ledgers()


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
    prints: Prints | None = PRINTS,
    standing: Standing = Standing.SYNCED,
    written_at: int = 0,
) -> LedgerEntry:
    """A record and its contact."""
    return LedgerEntry(key(name), of, prints, standing, Stamp(written_at))


def loaded(
    name: str,
    of: Contact | str | None,
    *,
    prints: Prints | None = PRINTS,
    standing: Standing = Standing.SYNCED,
    written_at: int = 0,
    version: int | None = None,
    changed: bool = False,
) -> Loaded:
    """A record to remember; of a contact or its id."""
    whose = contact(of) if isinstance(of, str) else of
    row = entry(name, whose, prints=prints, standing=standing, written_at=written_at)
    return Loaded(row, version, changed)


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
