"""Who is missing from a whole table is removed. Nobody else is, and nobody while there is a doubt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import lines, record, schema
from tests.support.remembering import WHEN, Row
from tests.support.tables import (
    Message,
    Table,
    gone,
    partial_snapshots,
    partial_versions,
    person,
    whole_snapshots,
    whole_versions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

ARCHIVE = "POST /contacts/{id}/archive"
PROPERTIES = {"id": "integer", "email": "text", "name": "text", "owner": "text"}
DATES = {"signed_up_at": "datetime", "_sdc_deleted_at": "datetime"}
TABLE = Table(schema("customers", **PROPERTIES, **DATES), person)
stream, rows, bookmarks, activate = TABLE.stream, TABLE.rows, TABLE.bookmarks, TABLE.activate
whole, versioned = TABLE.whole, TABLE.versioned


def marked(number: int) -> Row:
    return person(number, _sdc_deleted_at=WHEN)


@pytest.fixture
def load(load: Loader) -> Loader:
    mappings = {"id": "external_id", "owner": "owner_id"}
    load.settings = {"sync_mode": "sync", "snapshot": True, "max_connections": 8, "mappings": mappings}
    return load


# A bookmark that holds a position: the tap sends what changed, whether its SCHEMA says so or not.

BOOKMARKS: dict[str, Row] = {
    "a date": {"modified_since": "2026-11-30T02:57:00+00:00"},
    "a number": {"created": 1700000000},
    "a replication key": {"replication_key": "ulid", "replication_key_value": "01ARZ3"},
}


@pytest.mark.parametrize("bookmark", BOOKMARKS.values(), ids=BOOKMARKS)
def test_who_is_missing_from_a_stream_whose_bookmark_holds_a_position_stays(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, bookmark: Row
) -> None:
    done = bookmarks(**bookmark)
    load([stream(), *rows(1, 2, 3, 4, 5), done])
    caplog.clear()
    assert load([stream(), *rows(1, 2, 3), done, done], max_removal_percent=100).exit_code == 0
    assert gone(people) == set()
    (said,) = [one for one in caplog.messages if "holds a position" in one]
    assert f"'{list(bookmark)[-1]}'" in said
    assert not any(str(value) in said for value in bookmark.values() if value != "ulid")


def test_who_is_missing_from_a_version_stays_while_the_bookmark_holds_a_position(load: Loader, people: People) -> None:
    load.settings["snapshot"] = False
    position = bookmarks(lsn=29996896, version=1)
    load([*versioned(1, 1, 2, 3)[:-1], position])
    assert load([*versioned(2, 1, 2)[:-1], position]).exit_code == 0
    assert gone(people) == set()


def test_a_whole_table_may_keep_its_version_and_a_position_on_its_way_in_its_bookmark(
    load: Loader, people: People
) -> None:
    """As tap-google-sheets and the tap-postgres of singer-io do."""
    load.settings["snapshot"] = False
    first, second = (
        [
            stream(),
            *rows(*numbers, version=of),
            bookmarks(xmin=7, version=of),
            activate(of),
            bookmarks(xmin=None, sheet=of),
        ]
        for of, numbers in ((1700000000001, (1, 2, 3)), (1700000000002, (1, 2)))
    )
    load(first)
    assert load(second).exit_code == 0
    assert gone(people) == {"3"}


def test_marked_records_of_a_stream_whose_bookmark_holds_a_position_are_removed(load: Loader, people: People) -> None:
    position = bookmarks(modified_since="2026-11-30")
    load([stream(), *rows(1, 2), position])
    assert load([stream(), *rows(marked(2)), position]).exit_code == 0
    assert gone(people) == {"2"}


# A snapshot: what the tap has to say. Four people are known, and the fourth is missing.

CUSTOMERS, ORDERS, THREE, DONE = stream(), stream("orders"), rows(1, 2, 3), bookmarks()
WHOLE, NOT_WHOLE = whole_snapshots(TABLE, "orders"), partial_snapshots(TABLE, "orders")


@pytest.mark.parametrize("messages", WHOLE.values(), ids=WHOLE)
def test_who_is_missing_from_a_whole_snapshot_is_removed(load: Loader, people: People, messages: list[Message]) -> None:
    load(whole(1, 2, 3, 4))
    done = load(messages)
    assert done.exit_code == 0
    assert gone(people) == {"4"}
    assert (done.stream()["left"], done.calls[ARCHIVE]) == (1, 1)
    assert done.results() == {"unchanged": 3}


@pytest.mark.parametrize("messages", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_nobody_is_removed_while_the_tap_did_not_say_that_it_is_whole(
    load: Loader, people: People, messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    load(whole(1, 2, 3, 4))
    caplog.clear()
    done = load(messages)
    assert done.exit_code == 0
    assert gone(people) == set()
    assert ARCHIVE not in done.calls
    assert not messages or "nothing is removed as missing from it" in caplog.text
    # What was not whole spoils nothing for the next run that is.
    load(whole(1, 2, 3))
    assert gone(people) == {"4"}


def test_an_unreadable_line_after_a_whole_snapshot_removes_nobody(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    for end in ('{"type": "RECORD", "stream": "cust', json.dumps(record("nobody_knows", id=1))):
        done = load([*map(json.dumps, whole(1, 2, 3)), end])
        assert (done.exit_code, done.states) == (1, [])
        assert gone(people) == set()


def test_too_many_rejected_records_remove_nobody(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    done = load(whole(1, 2, person(3, signed_up_at="no date")), max_rejected_records=0)
    assert (done.exit_code, done.states) == (1, [])
    assert gone(people) == set()


# ACTIVATE_VERSION: the first run was of version 1, and the fourth is missing from the second one.

WHOLE_VERSION, NOT_WHOLE_VERSION = whole_versions(TABLE, "orders"), partial_versions(TABLE, "orders")


@pytest.mark.parametrize("messages", WHOLE_VERSION.values(), ids=WHOLE_VERSION)
def test_who_is_missing_from_a_whole_version_is_removed(load: Loader, people: People, messages: list[Message]) -> None:
    load(versioned(1, 1, 2, 3, 4), snapshot=False)
    done = load(messages, snapshot=False)
    assert done.exit_code == 0
    assert gone(people) == {"4"}
    assert (done.stream()["left"], done.calls[ARCHIVE]) == (1, 1)
    assert done.results() == {"unchanged": 3}


@pytest.mark.parametrize("messages", NOT_WHOLE_VERSION.values(), ids=NOT_WHOLE_VERSION)
def test_nobody_is_removed_where_no_new_version_is_whole(load: Loader, people: People, messages: list[Message]) -> None:
    load(versioned(1, 1, 2, 3, 4), snapshot=False)
    done = load(messages, snapshot=False)
    assert done.exit_code == 0
    assert gone(people) == set()
    assert ARCHIVE not in done.calls
    load(versioned(3, 1, 2, 3), snapshot=False)
    assert gone(people) == {"4"}


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("told", ["in the records", "before", "after"])
def test_a_tap_that_sends_the_same_version_every_run_removes_nobody(
    load: Loader, people: People, told: str, size: int
) -> None:
    for numbers in ((1, 2, 3, 4), (1, 2, 3), (1, 2), (1, 3)):
        before = [activate(7)] if told == "before" else []
        version: dict[str, Any] = {"version": 7} if told == "in the records" else {}
        messages = [CUSTOMERS, *before, *rows(*numbers, **version), activate(7), DONE]
        done = load(messages, snapshot=False, batch_size_rows=size)
        assert done.exit_code == 0
        assert gone(people) == set()


def test_the_same_version_removes_nobody_either_after_a_run_that_died_before_it_said_it(
    load: Loader, people: People
) -> None:
    def run(*messages: Message) -> None:
        assert load([CUSTOMERS, *messages], snapshot=False).exit_code == 0

    run(*rows(1, 2, 3, 4), activate(7), DONE)
    run(*rows(1, 2, 3, 4))
    run(*rows(1, 2, 3), activate(7), DONE)
    assert gone(people) == set()


@pytest.mark.parametrize("before", [{"sync_mode": "additive"}, {"max_removal_percent": 0}])
def test_the_same_version_removes_nobody_where_it_began_in_a_run_that_removes_nothing(
    load: Loader, people: People, before: Row
) -> None:
    load.settings["snapshot"] = False
    load(versioned(1, 1, 2, 3, 4, 5), **before)
    load(versioned(2, 1, 2, 3, 4, 5), **before)
    assert load(versioned(2, 1, 2, 3)).exit_code == 0
    assert gone(people) == set()


def test_a_version_that_comes_back_keeps_who_was_last_seen_with_it(load: Loader, people: People) -> None:
    load(versioned(1, 1, 2, 3, 4, 5), snapshot=False)
    load([CUSTOMERS, activate(2), *rows(1, 2, 3, 4, version=2)], snapshot=False)
    load(versioned(1, 1, 2, 3), snapshot=False)
    assert gone(people) == {"4"}  # whose last version is 2, while that of 5 is still 1


def test_a_snapshot_whose_tap_sends_the_same_version_every_run_is_still_a_snapshot(
    load: Loader, people: People
) -> None:
    load(versioned(1, 1, 2, 3, 4))
    load(versioned(1, 1, 2, 3))
    assert gone(people) == {"4"}


def test_who_was_synced_before_the_tap_versioned_its_stream_can_leave(load: Loader, people: People) -> None:
    load([CUSTOMERS, *rows(1, 2, 3, 4), DONE], snapshot=False)
    load(versioned(1, 1, 2, 3), snapshot=False)
    assert gone(people) == {"4"}


# Settings.


@pytest.mark.parametrize("removal_mode", ["archive", "delete"])
def test_the_others_are_not_called_for(load: Loader, people: People, removal_mode: str) -> None:
    load(whole(1, 2, 3, 4))
    before = {one["external_id"]: one for one in people.everyone()}
    done = load(whole(1, 2, 3), removal_mode=removal_mode)
    call = {"archive": ARCHIVE, "delete": "DELETE /contacts/{id}"}[removal_mode]
    assert done.calls == {"GET /me": 1, call: 1}
    after = {one["external_id"]: one for one in people.everyone()}
    assert after.pop("4")["state"] == f"{removal_mode}d"
    assert after == {key: one for key, one in before.items() if key != "4"}
    assert load(whole(1, 2, 3), removal_mode=removal_mode).calls == {"GET /me": 1}


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert", "remove"])
@pytest.mark.parametrize("messages", [whole(1, 2), versioned(2, 1, 2)], ids=["snapshot", "version"])
def test_no_other_mode_removes_who_left(
    load: Loader, people: People, mode: str, messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    load(versioned(1, 1, 2, 3, 4))
    done = load(messages, sync_mode=mode, snapshot=messages == whole(1, 2))
    assert done.exit_code == 0
    assert done.stream()["left"] == 0
    assert gone(people) == ({"1", "2"} if mode == "remove" else set())
    said = f"Stream 'customers': 'snapshot' removes nothing in mode '{mode}'"
    assert (said in caplog.text) is (messages == whole(1, 2))


def test_a_stream_can_be_a_snapshot_by_itself(load: Loader, people: People) -> None:
    settings: dict[str, Any] = {"snapshot": False, "streams": {"customers": {"snapshot": True}}}
    load([*whole(1, 2, 3, 4), *whole(11, 12, 13, 14, of="orders")], **settings)
    load([*whole(1, 2, 3), *whole(11, 12, 13, of="orders")], **settings)
    assert gone(people) == {"4"}


def test_a_stream_can_be_no_snapshot_by_itself(load: Loader, people: People) -> None:
    settings = {"streams": {"customers": {"snapshot": False}}}
    load([*whole(1, 2, 3, 4), *whole(11, 12, 13, 14, of="orders")], **settings)
    load([*whole(1, 2, 3), *whole(11, 12, 13, of="orders")], **settings)
    assert gone(people) == {"14"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"snapshot": True}, "'snapshot'"),
        ({"snapshot": False, "streams": {"customers": {"snapshot": True}}}, "'streams.customers.snapshot'"),
    ],
)
def test_a_snapshot_without_a_ledger_is_refused_at_the_start(
    load: Loader, sandbox: SandboxServer, settings: dict[str, Any], named: str
) -> None:
    done = load.pipe(whole(1, 2, 3, 4), ledger_url="none", **settings)
    assert done.exit_code == 1
    assert named in done.log
    assert "ledger_url" in done.log
    assert sandbox.calls == []


def test_an_incremental_snapshot_is_refused_before_anything_is_written(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    done = load([stream(bookmark_properties=["id"]), *rows(1, 2), DONE])
    assert (done.exit_code, done.states) == (1, [])
    assert "Stream 'customers'" in caplog.text
    assert "'snapshot'" in caplog.text
    assert "bookmark_properties" in caplog.text
    assert sandbox.calls == []


def test_a_stream_that_becomes_incremental_in_the_middle_removes_nobody(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    load([CUSTOMERS, *THREE, stream(bookmark_properties=["id"]), DONE])
    assert gone(people) == set()


# Whose removal it is: contacts that this target synced from this very stream.


def test_a_contact_that_was_never_synced_by_us_stays(load: Loader, people: People) -> None:
    others = [people.add(external_id="99"), people.add(role="lead", email="lead@example.com")]
    load(whole(1, 2, 3, 4))
    load(whole(1, 2, 3))
    assert gone(people) == {"4"}
    assert {people.one(id=one)["state"] for one in others} == {"live"}


def test_a_contact_that_was_there_and_was_brought_in_line_leaves_with_its_record(load: Loader, people: People) -> None:
    for number in (3, 4):
        people.add(external_id=str(number), email=f"c{number}@example.com", name="Old" if number == 3 else None)
    assert load(whole(1, 2, person(3, name="New"), 4)).results() == {"created": 2, "updated": 1, "unchanged": 1}
    load(whole(1, 2))
    assert gone(people) == {"3", "4"}


@pytest.mark.parametrize("mode", ["additive", "enrich"])
def test_who_was_synced_in_another_mode_leaves_once_the_mode_is_sync(load: Loader, people: People, mode: str) -> None:
    for number in range(1, 5):
        people.add(external_id=str(number), name="Old")
    load(whole(*(person(number, name="New") for number in range(1, 5))), sync_mode=mode)
    load(whole(*(person(number, name="New") for number in range(1, 4))))
    assert gone(people) == {"4"}


def test_whom_insert_only_found_stays_until_a_sync_has_written_it_and_whom_it_made_leaves(
    load: Loader, people: People
) -> None:
    for number in (1, 2, 3):
        people.add(external_id=str(number))
    done = load(whole(1, 2, 3, 4, 5, 6), sync_mode="insert")
    assert done.results() == {"skipped": 3, "created": 3}
    load(whole(1, 2, 4, 5))
    assert gone(people) == {"6"}  # 3 is missing, too, but nobody ever wrote to it
    load(whole(1, 4, 5))
    assert gone(people) == {"6", "2"}


def test_deleting_the_ledger_removes_nobody(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    for file in load.data_dir.glob("ledger.db*"):
        file.unlink()
    for _ in range(2):
        done = load(whole(1, 2, 3))
        assert done.results() == {"unchanged": 3}
        assert done.writes == 0
    assert len(people.everyone()) == 4
    assert gone(people) == set()
    load(whole(1, 2))
    assert gone(people) == {"3"}


def test_leads_leave_too(load: Loader, people: People) -> None:
    mode = {"creation_mode": "lead", "mappings": {}}
    load(whole(1, 2, 3, 4), **mode)
    load(whole(1, 2, 3), **mode)
    assert {one["email"] for one in people.live()} == {f"c{number}@example.com" for number in (1, 2, 3)}
    assert people.one(email="c4@example.com")["state"] == "archived"
    load(whole(1, 2, 3, 4), **mode)
    assert sorted(one["email"] for one in people.live()) == [f"c{number}@example.com" for number in (1, 2, 3, 4)]


def test_many_leave_at_once(load: Loader, people: People) -> None:
    load(whole(*range(530)))
    done = load(whole(*range(20)), max_removal_percent=100)
    assert (done.stream()["left"], done.calls[ARCHIVE]) == (510, 510)
    assert gone(people) == set(map(str, range(20, 530)))


# Who did not leave, although it looks so.


@pytest.mark.parametrize(
    ("row", "result"),
    [
        (person(4, signed_up_at="no date"), "invalid"),
        ({"id": 4, "email": "no address"}, "invalid"),
        (person(4, owner="7"), "rejected"),
        ({"id": 4, "email": None, "signed_up_at": "no date"}, "invalid"),
        ({"id": None, "email": "c4@example.com", "signed_up_at": "no date"}, "invalid"),
        ({"id": " ", "email": "C4@example.com ", "signed_up_at": "no date"}, "invalid"),
        ({"id": [4], "email": "c4@example.com"}, "invalid"),
    ],
    ids=["invalid", "invalid email", "refused", "by its key", "by its email", "by its email as told", "key in a list"],
)
@pytest.mark.parametrize("size", [1, 10])
def test_a_record_that_cannot_be_loaded_still_counts_as_seen(
    load: Loader, people: People, row: Row, result: str, size: int
) -> None:
    load(whole(1, 2, 3, 4, 5))
    done = load(whole(1, 2, 3, row), batch_size_rows=size)
    assert done.results() == {"unchanged": 3, result: 1}
    assert gone(people) == {"5"}


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("row", [{"id": None, "email": None}, person(44)], ids=["no identifier", "other identifiers"])
def test_an_invalid_record_that_only_its_key_names_counts_as_seen(
    load: Loader, people: People, row: Row, size: int
) -> None:
    keyed = schema("customers", keys=["row"], row="integer", id="integer", email="text", signed_up_at="datetime")
    settings = {"mappings": {"id": "external_id", "row": None}, "batch_size_rows": size}
    load([keyed, *rows(*(person(number, row=number) for number in range(1, 6))), DONE], **settings)
    invalid = {**row, "row": 4, "signed_up_at": "no date"}
    done = load([keyed, *rows(*(person(number, row=number) for number in range(1, 4)), invalid), DONE], **settings)
    assert done.results() == {"unchanged": 3, "invalid": 1}
    assert gone(people) == {"5"}


def test_a_record_without_its_key_that_names_the_contact_by_email_counts_as_seen(load: Loader, people: People) -> None:
    keyed = stream() | {"key_properties": []}
    load([keyed, *rows(1, 2, 3, 4, 5), DONE])
    load([keyed, *rows(1, 2, 3, {"id": None, "email": "c4@example.com"}), DONE])
    assert gone(people) == {"5"}


@pytest.mark.parametrize("size", [1, 10])
def test_a_record_whose_key_changed_still_names_its_contact(load: Loader, people: People, size: int) -> None:
    keyed = schema("customers", keys=["row"], row="text", id="integer", email="text")
    mappings = {"id": "external_id", "row": None}

    def run(*keys: str) -> Loaded:
        all_rows = (record("customers", row=key, **person(number)) for number, key in enumerate(keys, start=1))
        return load([keyed, *all_rows, DONE], mappings=mappings, batch_size_rows=size)

    run("a", "b", "c", "d")
    done = run("e", "f", "g")
    assert gone(people) == {"4"}
    assert done.stream()["left"] == 1
    assert run("a", "b", "g").results() == {"unchanged": 3}
    assert gone(people) == {"4"}


def test_a_stream_whose_key_properties_change_removes_nobody(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    done = load([stream() | {"key_properties": ["email"]}, *rows(1, 2, 3, 4), DONE])
    assert done.results() == {"unchanged": 4}
    assert gone(people) == set()


@pytest.mark.parametrize("key", ["1", 1.0])
def test_a_key_is_the_same_as_text_and_as_a_number(load: Loader, people: People, key: object) -> None:
    load(whole(1, 2, 3))
    load(whole({"id": key, "email": "c1@example.com"}, 2))
    assert gone(people) == {"3"}


def test_a_contact_that_its_record_left_while_nothing_was_removed_is_missing_afterwards(
    load: Loader, people: People
) -> None:
    """As one whose record is gone: the percentage decides what a run removes, not what is missing."""
    keyed = schema("customers", keys=["row"], row="integer", id="integer", email="text")
    mappings = {"id": "external_id", "row": None}

    def run(percent: int, **whose: int) -> None:
        all_rows = (record("customers", row=int(key[1:]), **person(number)) for key, number in whose.items())
        load([keyed, *all_rows, DONE], mappings=mappings, max_removal_percent=percent)

    run(100, r1=1, r2=2, r3=3)
    run(0, r1=1, r2=2, r3=1)
    assert gone(people) == set()
    run(100, r1=1, r2=2, r3=1)
    assert gone(people) == {"3"}


@pytest.mark.parametrize("size", [1, 10])
def test_a_person_with_two_rows_leaves_with_the_second_one(load: Loader, people: People, size: int) -> None:
    keyed = schema("customers", keys=["row"], row="integer", id="integer", email="text")
    mappings = {"id": "external_id", "row": None}

    def run(**whose: int) -> Loaded:
        all_rows = (record("customers", row=int(key[1:]), **person(number)) for key, number in whose.items())
        return load([keyed, *all_rows, DONE], mappings=mappings, batch_size_rows=size)

    run(r1=1, r2=1, r3=2, r4=3)
    run(r2=1, r3=2, r4=3)
    assert gone(people) == set()
    assert run(r3=2, r4=3).stream()["left"] == 1
    assert gone(people) == {"1"}


# Marks and live rows of one person.


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("other", ["customers", "orders"])
@pytest.mark.parametrize("changed", [False, True], ids=["unchanged", "changed"])
@pytest.mark.parametrize("first", ["mark", "live"])
def test_a_mark_counts_where_no_live_row_of_its_key_comes_after_it_and_none_of_another_at_all(
    load: Loader, people: People, size: int, other: str, changed: bool, first: str
) -> None:
    removed = first == "live" and other == "customers"
    both = [*whole(1, 2, 3), *whole(1, 11, 12, of="orders")]
    load(both)
    mark = rows(marked(1))
    live = rows(person(1, name="New") if changed else 1, of=other)
    pair = [*mark, *live] if first == "mark" else [*live, *mark]
    messages = [stream("orders"), *rows(11, of="orders"), CUSTOMERS, *rows(2), *pair, *rows(3), DONE]
    messages += [*rows(12, of="orders"), bookmarks("customers", "orders")]
    done = load(messages, batch_size_rows=size)
    assert done.exit_code == 0
    assert gone(people) == ({"1"} if removed else set())
    assert done.stream("customers")["archived"] == int(removed)
    assert done.stream("customers")["left"] == done.stream("orders")["left"] == 0


def test_a_mark_removes_although_the_snapshot_is_not_whole(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    done = load([CUSTOMERS, *rows(1, 2, marked(3))])
    assert (done.results(), done.stream()["left"]) == ({"unchanged": 2, "archived": 1}, 0)
    assert gone(people) == {"3"}


def test_who_is_marked_and_who_left_go_together_each_counted_once(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4, 5))
    done = load(whole(1, 2, 3, marked(4)))
    assert (done.results(), done.stream()["left"]) == ({"unchanged": 3, "archived": 1}, 1)
    assert gone(people) == {"4", "5"}
    done = load(whole(1, 2, 3))
    assert (done.writes, done.stream()["left"]) == (0, 0)


def test_who_left_and_is_asked_to_be_forgotten_is_removed_once(load: Loader, people: People) -> None:
    settings = {"streams": {"requests": {"sync_mode": "remove", "removal_mode": "delete", "snapshot": False}}}
    load(whole(1, 2, 3, 4))
    done = load([*whole(1, 2, 3), *whole(4, of="requests")], **settings)
    assert (done.results("requests"), done.stream()["left"]) == ({"deleted": 1}, 0)
    assert done.writes == 1
    assert gone(people) == {"4"}


# The contact is also fed by another stream.

FED: dict[str, tuple[list[Message], list[Message], set[str]]] = {
    "in this run": (whole(3, 4, 5, of="orders"), whole(3, 4, 5, of="orders"), set()),
    "in an earlier run": (whole(3, 4, 5, of="orders"), [], set()),
    "for the first time": ([], whole(4, of="orders"), set()),
    "for the first time, with a change": ([], whole(person(4, name="New"), of="orders"), set()),
    "for the first time, and refused": ([], whole(person(4, owner="7"), of="orders"), set()),
    "by a part of its stream": (whole(3, 4, 5, of="orders"), [ORDERS, *rows(3, 5, of="orders")], set()),
    "by an empty stream": (whole(3, 4, 5, of="orders"), [ORDERS, bookmarks("orders")], set()),
    "and it leaves that one as well": (whole(3, 4, 5, of="orders"), whole(3, 5, of="orders"), {"4"}),
}


@pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])
@pytest.mark.parametrize(("earlier", "now", "left"), FED.values(), ids=FED)
def test_a_contact_that_another_stream_feeds_stays(
    load: Loader, people: People, earlier: list[Message], now: list[Message], left: set[str], order: int
) -> None:
    def both(*streams: list[Message]) -> list[Message]:
        return [message for messages in streams[::order] for message in messages]

    load(both(whole(1, 2, 3, 4), earlier))
    done = load(both(whole(1, 2, 3), now))
    assert done.exit_code == 0
    assert gone(people) == left
    assert sum(one["left"] for one in done.report["streams"].values()) == len(left)


def test_a_refused_record_of_another_person_keeps_nobody(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4, 5))
    done = load(whole(1, 2, 3, person(44, email="c4@example.com", signed_up_at="no date")))
    assert done.results() == {"unchanged": 3, "invalid": 1}
    assert gone(people) == {"4", "5"}


@pytest.mark.parametrize("row", [{"id": [7], "email": None}, {"id": None, "email": "new@example.com"}, {"id": " "}])
@pytest.mark.parametrize("keys", [["id"], []], ids=["keyed", "keyless"])
def test_nobody_is_missing_while_a_refused_record_may_be_anybody(
    load: Loader, people: People, row: Row, keys: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    described = stream() | {"key_properties": keys}
    load([described, *rows(1, 2, 3, 4, 5), DONE])
    for _ in range(2):
        caplog.clear()
        done = load([described, *rows(1, 2, 3, {"signed_up_at": "no date", **row}), DONE])
        assert done.results() == {"unchanged": 3, "invalid": 1}
        assert gone(people) == set()
        assert "the key of a refused record cannot be read" in caplog.text
    load([described, *rows(1, 2, 3), DONE])
    assert gone(people) == {"4", "5"}


@pytest.mark.parametrize("keys", [["id"], ["id", "email"]], ids=["one key property", "two"])
def test_a_truth_value_is_no_key_that_can_be_read(load: Loader, people: People, keys: list[str]) -> None:
    described = stream() | {"key_properties": keys}
    load([described, *rows(1, 2, 3, 4, 5), DONE])
    refused = {"id": True, "email": "no address", "name": "N"}
    assert load([described, *rows(1, 2, 3, 4, refused), DONE]).results() == {"unchanged": 4, "invalid": 1}
    assert gone(people) == set()


@pytest.mark.parametrize("blank", ["", " ", None, float("nan")], ids=["empty", "blank", "null", "NaN"])
def test_a_blank_key_makes_one_person_of_no_two(load: Loader, people: People, blank: object) -> None:
    keyed = schema("customers", keys=["row"], row={}, id="integer", email="text")
    settings = {"mappings": {"id": "external_id", "row": None}}
    everybody = [person(number, row=blank) for number in range(1, 6)]
    assert load([keyed, *rows(*everybody), DONE], **settings).results() == {"created": 5}
    assert load([keyed, *rows(*everybody[1:]), DONE], **settings).stream()["left"] == 1
    assert gone(people) == {"1"}
    assert load([keyed, *rows(*everybody[1:]), DONE], **settings).writes == 0


@pytest.mark.parametrize("complete", [True, False], ids=["whole", "not whole"])
def test_whom_a_refused_record_kept_from_a_mark_leaves_with_it(load: Loader, people: People, complete: bool) -> None:
    """The mark is used up, and the refused record is in no ledger: that may not keep the contact for ever."""
    keyed = schema("customers", keys=["row"], row="integer", **PROPERTIES, **DATES)
    settings = {"mappings": {"id": "external_id", "row": None}}
    others = rows(*(person(number, row=number) for number in range(2, 6)))
    load([keyed, *rows(person(1, row=1)), *others, DONE], **settings)
    refused = person(1, row=9, signed_up_at="no date")
    both = rows(person(1, row=1, _sdc_deleted_at=WHEN), refused)
    done = load([keyed, *others, *both, *([DONE] if complete else [])], **settings)
    assert done.stream()["reasons"]["skipped"] == {"still_named": 1}
    assert gone(people) == set()
    assert load([keyed, *others, *rows(refused), DONE], **settings).stream()["left"] == 0
    assert load([keyed, *others, DONE], **settings).stream()["left"] == 1
    assert gone(people) == {"1"}


def test_a_stream_that_removes_nobody_is_not_said_to_have_sent_nothing(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    streams = {"others": {"sync_mode": "additive", "snapshot": False}}
    load([*whole(1, 2, 3), *whole(1, of="others")], streams=streams)
    assert load([*whole(2, 3), *whole(1, of="others")], streams=streams).exit_code == 0
    assert gone(people) == set()
    assert "did not come in this run" not in caplog.text


@pytest.mark.parametrize("mode", ["additive", "enrich"])
def test_another_stream_in_any_mode_keeps_a_contact(load: Loader, people: People, mode: str) -> None:
    settings = {"streams": {"orders": {"sync_mode": mode, "snapshot": False}}}
    load([*whole(1, 2, 3, 4), *whole(4, of="orders")], **settings)
    load(whole(1, 2, 3), **settings)
    assert gone(people) == set()


def test_who_leaves_one_stream_and_later_the_other_is_removed_then(load: Loader, people: People) -> None:
    load([*whole(1, 2, 3, 4), *whole(4, 5, 6, of="orders")])
    for _ in range(2):
        load(whole(1, 2, 3))
        assert gone(people) == set()
    done = load(whole(5, 6, of="orders"))
    assert gone(people) == {"4"}
    assert done.stream("orders")["left"] == 1


# What happened in Intercom meanwhile.


@pytest.mark.parametrize("removal_mode", ["archive", "delete"])
@pytest.mark.parametrize("how", ["archived", "deleted"])
def test_who_was_removed_by_hand_meanwhile_is_no_trouble(
    load: Loader, people: People, how: str, removal_mode: str
) -> None:
    load(whole(1, 2, 3, 4, 5, 6))
    contact = people.one(external_id="4")["id"]
    call = ("POST", "/archive") if how == "archived" else ("DELETE", "")
    people.call(call[0], f"/contacts/{contact}{call[1]}", {})
    done = load(whole(1, 2, 3, 6), removal_mode=removal_mode)
    assert done.exit_code == 0
    assert done.states == [DONE["value"]]
    assert gone(people) == {"4", "5"}
    assert done.stream()["left"] in {1, 2}
    assert load(whole(1, 2, 3, 6), removal_mode=removal_mode).calls == {"GET /me": 1}


@pytest.mark.parametrize("removal_mode", ["archive", "delete"])
def test_who_was_merged_by_hand_meanwhile_takes_nobody_along(load: Loader, people: People, removal_mode: str) -> None:
    mode = {"creation_mode": "lead", "mappings": {}, "removal_mode": removal_mode}
    load(whole(1, 2, 3, 4), **mode)
    survivor = people.add(external_id="99", email="c4@example.com")
    lead = people.one(email="c4@example.com", role="lead")["id"]
    people.call("POST", "/contacts/merge", {"from": lead, "into": survivor})
    done = load(whole(1, 2, 3), **mode)
    assert done.exit_code == 0
    assert done.stream()["left"] == 0
    assert people.one(id=survivor)["state"] == "live"
    assert set(load(whole(1, 2, 3), **mode).calls) == {"GET /data_attributes", "GET /me"}


def test_who_came_back_is_unarchived_and_updated_and_can_leave_again(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    load(whole(1, 2, 3))
    done = load(whole(1, 2, 3, person(4, name="Back")))
    assert done.results() == {"unchanged": 3, "updated": 1}
    back = people.one(external_id="4")
    assert (back["state"], back["name"]) == ("live", "Back")
    assert load(whole(1, 2, 3, person(4, name="Back"))).results() == {"unchanged": 4}
    assert load(whole(1, 2, 3)).stream()["left"] == 1
    assert gone(people) == {"4"}


def test_who_came_back_just_as_they_left_is_unarchived(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    load(whole(1, 2, 3))
    assert load(whole(1, 2, 3, 4)).exit_code == 0
    assert gone(people) == set()
    assert len(people.everyone()) == 4


def test_who_came_back_after_a_permanent_deletion_is_rejected_with_the_reason(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    load(whole(1, 2, 3, 4))
    load(whole(1, 2, 3), removal_mode="delete")
    for _ in range(2):
        done = load(whole(1, 2, 3, 4), removal_mode="delete")
        assert done.exit_code == 0
        assert done.results() == {"unchanged": 3, "rejected": 1}
        assert "permanent" in done.refusals[0]["reason"]
        assert done.stream()["left"] == 0
    assert gone(people) == {"4"}


@pytest.mark.usefixtures("hurried")
def test_a_removal_that_keeps_failing_does_not_stop_the_others_and_is_tried_again_by_the_next_run(
    load: Loader, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    load(whole(*range(1, 41)))
    missing = {people.one(external_id=str(number))["id"]: str(number) for number in range(29, 41)}
    # The first to be removed: others are removed while it fails, so that it is to blame itself.
    contact, failing = min(missing.items())
    sandbox.conditions.plan.add(TargetedFault(Fault.ERROR, "POST", f"/contacts/{contact}/archive", times=1000))
    done = load(whole(*range(1, 28), marked(28)), max_connections=2)
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert gone(people) == {"28", *missing.values()} - {failing}
    assert (done.results(), done.stream()["left"]) == ({"unchanged": 27, "archived": 1}, 11)
    assert "could not be removed; the next run tries again" in caplog.text
    sandbox.conditions.plan.clear()
    assert load(whole(*range(1, 28))).calls == {"GET /me": 1, ARCHIVE: 1}
    assert gone(people) == {"28", *missing.values()}


def test_a_token_that_may_not_write_ends_the_run_without_a_state(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(whole(1, 2, 3, 4))
    sandbox.conditions.deny_scopes = ("write_users",)
    done = load(whole(1, 2, 3))
    assert (done.exit_code, done.states) == (1, [])
    sandbox.conditions.deny_scopes = ()
    load(whole(1, 2, 3))
    assert gone(people) == {"4"}


# Stream maps and BATCH messages.


def test_a_renamed_stream_is_the_one_whose_bookmark_the_tap_writes(load: Loader, people: People) -> None:
    settings: dict[str, Any] = {
        "stream_maps": {"customers": {"__alias__": "people"}},
        "snapshot": False,
        "streams": {"people": {"snapshot": True}},
    }
    load(whole(1, 2, 3, 4), **settings)
    load([CUSTOMERS, *THREE, bookmarks("people")], **settings)
    assert gone(people) == set()
    assert load(whole(1, 2, 3), **settings).stream("people")["left"] == 1
    assert gone(people) == {"4"}


def test_a_renamed_stream_is_the_one_whose_version_the_tap_activates(load: Loader, people: People) -> None:
    settings = {"stream_maps": {"customers": {"__alias__": "people"}}, "snapshot": False}
    load(versioned(1, 1, 2, 3, 4), **settings)
    load(versioned(2, 1, 2, 3), **settings)
    assert gone(people) == {"4"}


def test_who_is_filtered_out_has_left(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    load(whole(1, 2, 3, 4), stream_maps={"customers": {"__filter__": "id != 4"}})
    assert gone(people) == {"4"}


def test_a_stream_and_its_copy_are_left_together(load: Loader, people: People) -> None:
    settings: Row = {"stream_maps": {"copies": {"__source__": "customers"}}, "streams": {"copies": {}}}
    load(whole(1, 2, 3, 4), **settings)
    assert load(whole(1, 2, 3), **settings).calls[ARCHIVE] == 1
    assert gone(people) == {"4"}


DIED: dict[str, list[Message] | None] = {
    "with no STATE": rows(4, of="us"),
    "after a STATE": [*rows(4, of="us"), bookmarks("us"), *rows(4, of="us")],
    "with no record": [],
    "before it began": None,
}


@pytest.mark.parametrize("first", ["eu", "us"])
@pytest.mark.parametrize("messages", DIED.values(), ids=DIED)
def test_a_stream_that_is_made_of_two_is_whole_when_both_are(
    load: Loader, people: People, messages: list[Message] | None, first: str
) -> None:
    settings = {"stream_maps": {name: {"__alias__": "people"} for name in ("eu", "us")}}
    load([*whole(1, 2, 3, of="eu"), *whole(4, 5, of="us")], **settings)
    streams = [whole(1, 2, 3, of="eu"), [] if messages is None else [stream("us"), *messages]]
    done = load([message for one in (streams if first == "eu" else streams[::-1]) for message in one], **settings)
    assert done.exit_code == 0
    assert gone(people) == set()
    load([*whole(1, 2, 3, of="eu"), *whole(4, of="us")], **settings)
    assert gone(people) == {"5"}


def test_a_stream_that_is_made_of_two_is_no_snapshot_when_one_is_incremental(load: Loader, people: People) -> None:
    settings = {"stream_maps": {name: {"__alias__": "people"} for name in ("eu", "us")}}
    load([*whole(1, 2, 3, of="eu"), *whole(4, 5, of="us")], **settings)
    done = load([*whole(1, 2, 3, of="eu"), stream("us", bookmark_properties=["id"]), *rows(4, of="us")], **settings)
    assert (done.exit_code, done.states) == (1, [])
    assert gone(people) == set()


def batch(tmp_path: Path, *people: int) -> Message:
    """A BATCH message with these people."""
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
    file.write_text(lines(one["record"] for one in rows(*people)), encoding="utf-8")
    return {"type": "BATCH", "stream": "customers", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}


@pytest.mark.parametrize("snapshot", [True, False], ids=["snapshot", "version"])
def test_batch_messages_are_records(load: Loader, people: People, tmp_path: Path, snapshot: bool) -> None:
    def run(version: int, *messages: Message) -> None:
        end = [] if snapshot else [activate(version)]
        assert load([CUSTOMERS, *messages, *end], snapshot=snapshot).exit_code == 0

    run(1, batch(tmp_path, 1, 2, 3, 4), DONE)
    run(2, *THREE, DONE, batch(tmp_path, 4))
    assert gone(people) == set()
    run(3, batch(tmp_path, 1, 2), *rows(3), DONE)
    assert gone(people) == {"4"}


# What is said.


def test_who_left_stands_beside_the_sum_and_in_the_last_line(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(whole(1, 2, 3, 4, 5))
    done = load(whole(1, 2, 6))
    assert done.exit_code == 1  # more than half of the known are missing
    caplog.clear()
    done = load(whole(1, 2, 3, 6))
    assert done.results() == {"unchanged": 4}
    assert (done.stream()["read"], done.stream()["left"]) == (4, 2)
    assert done.stream()["archived"] == 0
    last = caplog.records[-1].getMessage()
    assert "4 read: 4 unchanged" in last
    assert "2 removed because they left" in last
    assert load(whole(1, 2, 3, 6)).stream()["left"] == 0
