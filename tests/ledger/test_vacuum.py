"""What a ledger keeps for a stated time, and what `vacuum` returns to the disk."""

from __future__ import annotations

import re
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from target_intercom.ledger.__main__ import main
from target_intercom.ledger.command.vacuuming import vacuum
from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.store.locks import FileLocks, lock_name, sweep_files
from target_intercom.model import ContactId
from tests.support.loading import record, schema

from .conftest import Ledgers, gone, key, loaded
from .test_memberships import membership

if TYPE_CHECKING:
    from tests.support.loading import Loaded, Loader, People

S = "customers"
DAY = 86_400
KEPT = 90 * DAY


def removed_long_ago(ledgers: Ledgers, seconds: float) -> None:
    """Of four records one has its contact; of the others, two were removed and one is unlinked. One came again."""
    ledger = ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.remember(S, [loaded(str(number), f"c{number}") for number in range(4)])
    ledger.memberships.save([membership("1", "c1", "vip", stream=S)], [])
    ledger.removed(gone(ContactId("c1"), ContactId("c2")))
    ledger.unlink(S, [key("3")], with_tags=False)
    then = stamp(time.time() - seconds)
    ledgers.sql(
        "UPDATE target_intercom_entries SET written_at = :at, seen_at = :at "
        "WHERE workspace = :workspace AND standing = 'removed'",
        at=then,
        workspace=ledgers.workspace(),
    )
    ledger.see(S, [key("2")], None)
    ledger.close()


def keys(ledgers: Ledgers) -> list[str]:
    return [row[0] for row in ledgers.rows("entries", "key")]


@pytest.mark.parametrize("how", ["a run", "vacuum"])
@pytest.mark.parametrize(("seconds", "left"), [(KEPT - DAY, "0123"), (KEPT + DAY, "02")], ids=["recent", "old"])
def test_the_key_of_a_removed_record_is_kept_for_a_time(
    new_ledgers: Ledgers, how: str, seconds: float, left: str
) -> None:
    removed_long_ago(new_ledgers, seconds)
    if how == "a run":
        new_ledgers("r2").finish()
    else:
        assert vacuum(new_ledgers.url).keys == 4 - len(left)
    assert keys(new_ledgers) == [key(one) for one in left]
    # Whose tags these are is known for ever: the contact may come back from the archive.
    assert new_ledgers.rows("memberships", "contact_id, holding") == [("c1", "away")]


def test_the_space_is_returned_and_what_is_left_can_be_read(new_ledgers: Ledgers) -> None:
    ledger = new_ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.remember(S, [loaded(str(number), f"c{number}") for number in range(3000)])
    ledger.release(S, [key(str(number)) for number in range(1, 3000)])
    ledger.close()
    done = vacuum(new_ledgers.url)
    assert 0 < done.after <= done.before
    if make_url(new_ledgers.url).get_backend_name() == "sqlite":
        file = Path(make_url(new_ledgers.url).database or "")
        assert done.after == file.stat().st_size < done.before / 2
        assert file.stat().st_mode & 0o777 == 0o600
    assert list(new_ledgers("r2").recall(S, [key("0"), key("1")])) == [key("0")]


def test_all_workspaces_are_swept_while_a_run_works_on_one(new_ledgers: Ledgers) -> None:
    removed_long_ago(new_ledgers, KEPT + DAY)
    other = new_ledgers("r1", "w2")
    other.streams.enter(S, ["id"], alone=True)
    other.remember(S, [loaded("1", "c1")])
    result = CliRunner().invoke(main, ["--ledger-url", new_ledgers.url, "vacuum"])
    assert (result.exit_code, result.stderr) == (0, "")
    size = r"\d+\.\d MB"
    said = f"Forgotten: 2 keys of removed records, 0 lock files\nThe ledger has {size}, before it had {size}\n"
    assert re.fullmatch(said, result.stdout)
    other.finish()
    assert other.known(S) == 1
    assert other.streams.was_alone(S)


# Lock files.


def lock_files(ledgers: Ledgers) -> set[str]:
    place = Path(make_url(ledgers.url).database or "")
    return {path.name for path in place.parent.glob(f"{place.name}-lock-*")}


def test_lock_files_go_with_streams_that_are_forgotten_unless_a_run_holds_them(on_sqlite: Ledgers) -> None:
    ledger = on_sqlite("r1")
    for stream in (S, "forgotten", "held"):
        ledger.streams.enter(stream, ["id"], alone=False)
    files = lock_files(on_sqlite)
    ledger.close()
    on_sqlite.sql("DELETE FROM target_intercom_streams WHERE stream <> :stream", stream=S)
    place = Path(make_url(on_sqlite.url).database or "")
    mine = place.with_name(f"{place.name}-lock-by-hand")
    mine.touch()
    with closing(FileLocks(place.with_name(f"{place.name}-lock"))) as locks:
        assert locks.take(lock_name(on_sqlite.workspace(), "held"), alone=False)
        assert vacuum(on_sqlite.url).locks == 1
        assert len(lock_files(on_sqlite)) == len(files)
        assert mine.exists()
    assert vacuum(on_sqlite.url).locks == 1
    assert len(lock_files(on_sqlite) - {mine.name}) == 1


def test_no_two_runs_are_alone_with_a_stream_while_its_lock_file_is_swept(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    over = threading.Event()
    inside: list[int] = []
    met: list[list[int]] = []

    def sweep() -> None:
        while not over.is_set():
            sweep_files(ledger, [])

    def enter(number: int) -> None:
        locks = FileLocks(Path(f"{ledger}-lock"))
        for _ in range(300):
            if locks.take("a stream", alone=True):
                inside.append(number)
                met.append(inside.copy())
                inside.remove(number)
                locks.release("a stream")

    sweeper, *runs = threads = [threading.Thread(target=sweep)] + [
        threading.Thread(target=enter, args=(number,)) for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in runs:
        thread.join()
    over.set()
    sweeper.join()
    assert met
    assert [several for several in met if len(several) > 1] == []


# From outside.


@pytest.mark.parametrize("forgets", [True, False])
def test_what_is_forgotten_changes_no_contact(load: Loader, people: People, *, forgets: bool) -> None:
    rows = schema(S, ["row"], row="text", id="text", gone="boolean")
    config = {"sync_mode": "sync", "deleted_property": "gone"}

    def come(**values: object) -> Loaded:
        return load([rows, record(S, row="7", **values)], **config)

    assert come(id="1").results() == {"created": 1}
    assert come(id="1", gone=True).results() == {"archived": 1}
    if forgets:
        url = f"sqlite:///{load.data_dir / 'ledger.db'}"
        with closing(Ledgers(url)) as ledgers:
            ledgers.sql("UPDATE target_intercom_entries SET written_at = 1, seen_at = 1")
        assert vacuum(url).keys == 1
    assert come(id="1", gone=True).results() == {"skipped": 1}
    come(id="1")
    assert [one["state"] for one in people.everyone()] == ["live"]
