"""What the ledger keeps, and for whose eyes; runs without one, and runs that lost it."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Conditions, Fault, SandboxServer, TargetedFault
from tests.support.loading import feed
from tests.support.remembering import (
    BY_ROW,
    GET,
    POST,
    SEARCH,
    WHEN,
    assert_quiet,
    customers,
    person,
    rows,
    standing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.loading import Loader, People

TOKEN = "dG9rOjEyMzQ1Njc4OTBhYmNkZWY="


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A workspace whose token is not a word that turns up by itself."""
    with SandboxServer(Conditions(), token=TOKEN) as server:
        yield server


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"mappings": BY_ROW, "max_connections": 8, "access_token": TOKEN}
    return load


def ledger_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("ledger.db*"))


def lose_the_ledger(load: Loader) -> None:
    files = ledger_files(load.data_dir)
    assert files
    for path in files:
        path.unlink()


# Without a ledger.


def test_without_a_ledger_every_run_searches_and_leaves_no_file(load: Loader, people: People) -> None:
    messages = customers(*(person(number) for number in range(5)))
    load(messages, ledger_url="none")
    again = load(messages, ledger_url="none")
    assert again.results() == {"unchanged": 5}
    assert (again.calls[SEARCH], again.writes) == (1, 0)
    assert not ledger_files(load.data_dir)


@pytest.mark.parametrize("spelling", ["none", "None", "NONE"])
def test_none_in_any_letters_is_no_ledger(load: Loader, spelling: str) -> None:
    assert load(customers(person(1)), ledger_url=spelling).exit_code == 0
    assert not ledger_files(load.data_dir)


@pytest.mark.parametrize("size", [1, 10])
def test_without_a_ledger_leads_are_safe_within_the_run(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    """The index shows nothing of what the run does, and the first answer is lost."""
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts"))
    twice = [{"row": n, "email": f"l{n % 3}@example.com", "name": f"L {n}"} for n in range(6)]
    done = load(customers(*twice), ledger_url="none", creation_mode="lead", batch_size_rows=size)
    assert done.exit_code == 0
    assert sorted(one["email"] for one in people.everyone()) == [f"l{n}@example.com" for n in range(3)]


def test_a_record_without_identifiers_means_nobody_without_a_ledger(load: Loader, people: People) -> None:
    load(customers(person(1)), sync_mode="sync", ledger_url="none")
    done = load(customers({"row": 1, "_sdc_deleted_at": WHEN}), sync_mode="sync", ledger_url="none")
    assert done.results() == {"invalid": 1}
    assert people.one(external_id="1")["state"] == "live"


# Losing it.


def test_losing_the_ledger_costs_a_search_for_a_batch_and_nobody(load: Loader, people: People) -> None:
    """300 users and leads; 30 calls for 1,000 records are 9 for 300, and 4 for the start of two streams."""
    users = customers(*(person(number) for number in range(150)))
    leads = rows("leads", *(person(number, id=None, email=f"l{number}@example.com") for number in range(150)))
    settings: dict[str, Any] = {"sync_mode": "sync", "streams": {"leads": {"creation_mode": "lead"}}}
    settings["streams"]["leads"]["sync_mode"] = "sync"
    load([*users, *leads], **settings)
    people.call("POST", "/tags", {"name": "vip", "users": [{"id": one["id"]} for one in people.everyone()[::7]]})
    before = people.everyone()
    lose_the_ledger(load)
    done = load([*users, *leads], search_delay_seconds=0, **settings)
    assert done.results("customers") == done.results("leads") == {"unchanged": 150}
    assert done.writes == 0
    assert sum(done.calls.values()) <= 9
    assert people.everyone() == before
    assert_quiet(load([*users, *leads], **settings))


@pytest.mark.parametrize("change", [{"snapshot": True}, {"removal_mode": "delete"}])
def test_losing_the_ledger_removes_nobody(load: Loader, people: People, change: dict[str, Any]) -> None:
    load(customers(*(person(number) for number in range(10))), sync_mode="sync", **change)
    lose_the_ledger(load)
    done = load(customers(*(person(number) for number in range(8))), sync_mode="sync", **change)
    assert done.exit_code == 0
    assert all(one["state"] == "live" for one in people.everyone())


@pytest.mark.parametrize("creation_mode", ["user", "lead", "lifecycle"])
def test_losing_the_ledger_of_records_that_changed_makes_nobody_twice(
    load: Loader, people: People, creation_mode: str
) -> None:
    some = [person(number, **({"id": None} if number % 2 else {})) for number in range(6)]
    load(customers(*some), creation_mode=creation_mode)
    lose_the_ledger(load)
    done = load(customers(*({**row, "name": "New"} for row in some)), creation_mode=creation_mode)
    assert done.results() == {"updated": 6}
    assert len(people.everyone()) == 6
    assert {one["name"] for one in people.everyone()} == {"New"}


# What is in it.

SECRETS = {
    "name": "Annabel Secretname",
    "phone": "+4915112345678",
    "plan": "secretplan",
    "seats": 987654321,
    "balance": 1234.5678,
    "born": "1981-02-03",
    "note": "x" * 300 + "secretend",
    "profile": {"hobby": "secrethobby"},
    "avatar": "https://secret.example/face.png",
    "signed_up_at": "2019-08-07T06:05:04Z",
    "owner": "1000001",
}
SECRET_TYPES = {
    "phone": "text",
    "balance": "number",
    "born": "date",
    "note": "text",
    "profile": "object",
    "avatar": "text",
    "signed_up_at": "datetime",
    "owner": "text",
}
NEEDLES = [
    "Annabel",
    "Secretname",
    "4915112345678",
    "secretplan",
    "987654321",
    "1234.5678",
    "1981-02-03",
    "350006400",  # the date in unix seconds
    "secretend",
    "xxxxxxxx",
    "secrethobby",
    "secret.example",
    "2019-08-07",
    "1565157904",
    "1000001",
    TOKEN,
]


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in ledger_files(folder))


def test_the_ledger_holds_no_attribute_value_and_no_token(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load.settings["mappings"] = {**BY_ROW, "owner": "owner_id"}
    leads = [{"row": 2, "id": None, "email": "lead@example.com", **SECRETS}]
    some = [person(1, **SECRETS)]
    held: list[bytes] = []

    class Looking(TargetedFault):
        """No fault: a look at the files, the log of what is not in the ledger yet among them."""

        def fits(self, request: object) -> bool:
            held.append(all_bytes(load.data_dir))
            return False

    sandbox.conditions.plan.add(Looking(Fault.ERROR))
    load(customers(*some, **SECRET_TYPES))
    load(rows("leads", *leads, **SECRET_TYPES), creation_mode="lead")
    load(customers(*({**row, "seats": None} for row in some), **SECRET_TYPES), repair=True)
    assert people.one(external_id="1")["custom_attributes"]["plan"] == "secretplan"
    kept = b"".join([*held, all_bytes(load.data_dir)]).lower()
    assert b"p1@example.com" in kept
    assert b"lead@example.com" in held[-1]
    assert [needle for needle in NEEDLES if needle.lower().encode() in kept] == []


@pytest.mark.parametrize("creation_mode", ["user", "lead"])
def test_who_was_removed_leaves_no_identifier_behind(load: Loader, people: People, creation_mode: str) -> None:
    """Whoever asks to be forgotten is not kept in a file."""
    settings = {"sync_mode": "sync", "removal_mode": "delete", "creation_mode": creation_mode}
    load(customers(person(1, email="forget.me@example.com", id="uid-to-forget"), person(2)), **settings)
    load(customers({"row": 1, "_sdc_deleted_at": WHEN}, person(2)), **settings)
    assert [one["email"] for one in people.live()] == ["p2@example.com"]
    with closing(sqlite3.connect(load.data_dir / "ledger.db")) as ledger:
        held = "\n".join(ledger.iterdump())
    assert "p2@example.com" in held
    assert [needle for needle in ("forget.me", "uid-to-forget") if needle in held] == []


# Who may read it.


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in ledger_files(folder)}


@pytest.mark.usefixtures("nothing_masked")
def test_the_ledger_is_for_its_owner_only_while_it_is_open_and_after(load: Loader, sandbox: SandboxServer) -> None:
    seen: dict[str, int] = {}

    class Looking(TargetedFault):
        """No fault: a look at the files while the run is at it."""

        def fits(self, request: object) -> bool:
            seen.update(modes(load.data_dir))
            return False

    sandbox.conditions.plan.add(Looking(Fault.ERROR, "POST", "/contacts"))
    load(customers(person(1), person(2)), batch_size_rows=1)
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm"} <= set(seen)
    assert {
        name for name, mode in {**seen, **modes(load.data_dir)}.items() if mode & 0o077 and "lock" not in name
    } == set()


@pytest.mark.usefixtures("nothing_masked")
def test_the_locks_say_nothing_and_are_the_owners(load: Loader) -> None:
    """Whoever can open a lock can hold it, and keep the next run off its stream."""
    load(customers(person(1)))
    locks = [path for path in ledger_files(load.data_dir) if "lock" in path.name]
    assert [path.read_bytes() for path in locks] == [b""]
    assert "customers" not in locks[0].name
    assert stat.S_IMODE(locks[0].stat().st_mode) & 0o077 == 0


def test_a_ledger_that_others_could_read_is_closed_to_them(load: Loader) -> None:
    load(customers(person(1)))
    (load.data_dir / "ledger.db").chmod(0o644)
    assert_quiet(load(customers(person(1))))
    assert modes(load.data_dir)["ledger.db"] == 0o600


# It survives what ends a run.


def test_what_a_failed_run_had_written_is_known_to_the_next(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    messages = customers(*(person(number) for number in range(6)))
    broken = load([*messages, "no JSON"], batch_size_rows=2)
    assert (broken.exit_code, len(people.everyone())) == (1, 6)
    after = standing(people)
    done = load(messages)
    assert_quiet(done)
    assert done.results() == {"unchanged": 6}
    assert standing(people) == after


def test_what_a_killed_run_had_written_costs_a_look_at_most(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    messages = customers(*(person(number) for number in range(40)))
    sandbox.conditions.latency = 0.02
    process = load.start(batch_size_rows=10)
    feed(process, *messages, end=True)
    while len(people.everyone()) < 25:
        assert process.poll() is None
    process.kill()
    process.communicate()
    sandbox.conditions.latency = 0
    done = load(messages)
    assert (done.exit_code, len(people.everyone())) == (0, 40)
    assert done.results().get("unchanged", 0) + done.results().get("created", 0) == 40
    assert done.results().get("unchanged", 0) >= 25
    assert done.calls.get(GET, 0) + done.calls.get(SEARCH, 0) + done.calls[POST] <= 40
    assert_quiet(load(messages))
