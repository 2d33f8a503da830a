"""A contact goes only when no record names it any more: second rows, other streams, streams of old, merges, clocks."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import record, schema, state
from tests.support.remembering import WHEN, Row

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People

YEAR_MS = 365 * 86_400_000
TYPES = {
    "row": "integer",
    "id": "text",
    "email": "text",
    "name": "text",
    "tags": "array",
    "_sdc_deleted_at": "datetime",
}
ANN: Row = {"row": 1, "id": "1", "email": "ann@example.com", "name": "Ann"}


def stream(*values: Row, of: str = "customers", complete: bool = True) -> list[Row]:
    """A stream of rows whose key is no identifier."""
    messages = [schema(of, ["row"], **TYPES), *(record(of, **row) for row in values)]
    return [*messages, state({"bookmarks": {of: {}}})] if complete else messages


def other(number: int, **values: Any) -> Row:
    return {"row": number, "id": str(number), "email": f"p{number}@example.com", "name": f"P {number}", **values}


OTHERS = [other(number) for number in range(10, 20)]


def deleted(row: Row) -> Row:
    return {**row, "_sdc_deleted_at": WHEN}


def live(people: People) -> set[str]:
    return {str(one["external_id"]) for one in people.live()}


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {
        "sync_mode": "sync",
        "mappings": {"id": "external_id", "row": None},
        "streams": {"customers": {}, "users": {}},
    }
    return load


SECOND = {**ANN, "row": 2}
ORDERS = {
    "live, then marked": [ANN, deleted(SECOND)],
    "marked, then live": [deleted(SECOND), ANN],
    "marked, live, marked again": [deleted(SECOND), ANN, deleted(SECOND)],
}


@pytest.mark.parametrize("rows", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("url", [..., "none"], ids=["ledger", "no ledger"])
@pytest.mark.parametrize("bulk", [False, True], ids=["single", "bulk"])
def test_of_two_rows_of_one_person_a_deleted_one_removes_nobody(
    load: Loader, people: People, rows: list[Row], size: int, url: Any, bulk: bool
) -> None:
    people.add(external_id="1", email="ann@example.com")
    settings = {"batch_size_rows": size, "ledger_url": url, "bulk_writes": bulk}
    for _ in range(3):
        done = load(stream(*rows), **settings)
        assert done.exit_code == 0
        assert live(people) == {"1"}
        assert not any(name.endswith("archive") for name in done.calls)
    assert done.stream()["reasons"]["skipped"] == {"still_named": 1}
    assert load(stream(deleted(ANN), deleted(SECOND)), **settings).results() == {"archived": 1, "merged": 1}
    assert live(people) == set()


def test_a_row_known_from_an_earlier_run_keeps_the_contact_and_is_said(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(stream(ANN))
    assert load(stream(deleted(SECOND), complete=False)).results() == {"skipped": 1}
    assert live(people) == {"1"}
    assert "Stream 'customers': 1 contacts that it no longer names stay" in caplog.text
    # The mark is used up: the row that is left decides.
    assert load(stream(deleted(ANN), complete=False)).results() == {"archived": 1}
    assert live(people) == set()


def test_a_row_that_was_marked_keeps_nobody_any_more(load: Loader, people: People) -> None:
    load(stream(ANN, SECOND))
    assert load(stream(deleted(SECOND), complete=False)).results() == {"skipped": 1}
    assert load(stream(deleted(ANN), complete=False)).results() == {"archived": 1}


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert"])
def test_a_row_that_is_marked_in_a_stream_that_removes_nobody_keeps_nobody_either(
    load: Loader, people: People, mode: str
) -> None:
    streams = {"customers": {}, "users": {"sync_mode": mode}}
    load([*stream(ANN), *stream(ANN, of="users")], streams=streams)
    assert load(stream(deleted(ANN), of="users"), streams=streams).results("users") == {"skipped": 1}
    assert live(people) == {"1"}
    assert load(stream(deleted(ANN)), streams=streams).results() == {"archived": 1}


def test_a_deletion_that_comes_twice_with_the_key_alone_is_skipped_twice_as_still_named(
    load: Loader, people: People
) -> None:
    load(stream(ANN, SECOND))
    for reason in ("still_named", "not_there"):
        done = load([schema("customers", ["row"], **TYPES), record("customers", row=2, _sdc_deleted_at=WHEN)])
        assert done.stream()["reasons"]["skipped"] == {reason: 1}
    assert live(people) == {"1"}


@pytest.mark.parametrize("size", [1, 10])
def test_a_refused_record_of_another_person_takes_no_mark_back(load: Loader, people: People, size: int) -> None:
    load(stream(ANN))
    stranger = {"row": 3, "id": "3", "email": "ann@example.com", "name": {"no": "text"}, "signed_up_at": "no date"}
    described = schema("customers", ["row"], **TYPES, signed_up_at="datetime")
    for rows in ([deleted(ANN), stranger], [stranger, deleted(ANN)]):
        load(stream(ANN))
        done = load([described, *(record("customers", **row) for row in rows)], batch_size_rows=size)
        assert done.results() == {"archived": 1, "invalid": 1}
        assert live(people) == set()


# Streams of old.


def test_contacts_that_stay_for_a_renamed_stream_are_said_by_every_run(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"snapshot": True, "streams": {"users": {}}}
    load(stream(ANN, *OTHERS, of="users"), **settings)
    settings["streams"] = {"customers": {}}
    load(stream(ANN, *OTHERS), **settings)
    for _ in range(2):
        caplog.clear()
        assert load(stream(*OTHERS), **settings).stream()["left"] == 0
        assert live(people) >= {"1"}
        (said,) = [one.getMessage() for one in caplog.records if "'users'" in one.getMessage()]
        assert "Stream 'customers': 1 contacts that it no longer names stay" in said
        assert "it last ran at 20" in said
        assert "python -m target_intercom.ledger forget users" in said
    # What stays for it is no record of the stream: who comes back is loaded as before, and who goes is said again.
    assert load(stream(ANN, *OTHERS), **settings).exit_code == 0
    assert load(stream(*OTHERS), **settings).stream()["left"] == 0


# Merges.


def test_a_link_that_came_by_a_merge_removes_nobody(load: Loader, people: People) -> None:
    lead: Row = {"row": 5, "id": None, "email": "lead@example.com", "name": "Lead"}
    settings = {"streams": {"customers": {"creation_mode": "lead"}}}
    load(stream(lead, *OTHERS), **settings)
    user = people.add(external_id="9", email="lead@example.com")
    people.call(
        "POST", "/contacts/merge", {"from": people.one(email="lead@example.com", role="lead")["id"], "into": user}
    )
    load(stream({**lead, "name": "Followed", "email": None}, *OTHERS), **settings)
    assert people.one(external_id="9")["name"] == "Followed"
    gone = [schema("customers", ["row"], **TYPES), record("customers", row=5, _sdc_deleted_at=WHEN)]
    done = load(gone, **settings)
    assert done.stream()["reasons"]["skipped"] == {"contact_merged": 1}
    load(stream({**lead, "name": "Again", "email": None}, *OTHERS), **settings)
    assert load(stream(*OTHERS), snapshot=True, **settings).exit_code == 0
    assert people.one(external_id="9")["state"] == "live"


# Clocks.


def stamp_ahead(folder: Path) -> None:
    """Write the ledger's stamps anew, as of next year."""
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        ledger.execute(
            "UPDATE target_intercom_entries SET seen_at = seen_at + ?, written_at = written_at + ?", [YEAR_MS] * 2
        )
        ledger.execute("UPDATE target_intercom_intents SET sent_at = sent_at + ?", [YEAR_MS])
        ledger.commit()


def test_stamps_of_a_clock_that_was_ahead_keep_nobody(load: Loader, people: People) -> None:
    settings = {"snapshot": True, "streams": {"customers": {}}}
    load(stream(ANN, *OTHERS), **settings)
    stamp_ahead(load.data_dir)
    assert load(stream(*OTHERS), **settings).stream()["left"] == 1
    assert "1" not in live(people)


def test_an_intent_of_a_clock_that_was_ahead_is_waited_for_no_longer_than_any(load: Loader, people: People) -> None:
    settings = {"streams": {"customers": {"creation_mode": "lead"}}}
    lead: Row = {"row": 5, "id": None, "email": "lead@example.com", "name": "Lead"}
    load(stream(lead), **settings)
    people.call("DELETE", f"/contacts/{people.one(email='lead@example.com')['id']}", {})
    stamp_ahead(load.data_dir)
    began = time.monotonic()
    assert load(stream({**lead, "name": "Anew"}), repair=True, **settings).exit_code == 0
    assert time.monotonic() - began < 120
    assert [one["name"] for one in people.live()] == ["Anew"]


# What a run does not know.


@pytest.mark.parametrize("url", [..., "none"], ids=["ledger", "no ledger"])
def test_a_first_run_of_several_streams_says_that_marks_see_this_run_alone(
    load: Loader, url: Any, caplog: pytest.LogCaptureFixture
) -> None:
    both = [*stream(ANN), *stream(*OTHERS, of="users")]
    load(both, ledger_url=url)
    assert "The ledger knows of no earlier run" in caplog.text
    caplog.clear()
    load(both, ledger_url=url)
    assert ("The ledger knows of no earlier run" in caplog.text) == (url == "none")
    caplog.clear()
    load(stream(ANN), ledger_url="none")
    assert "The ledger knows of no earlier run" not in caplog.text


def test_privacy_requests_are_orders_and_say_who_brings_the_contacts_back(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    streams = {"customers": {}, "requests": {"sync_mode": "remove"}}
    load(stream(ANN, *OTHERS), streams=streams)
    done = load([*stream(ANN, of="requests"), *stream(ANN, *OTHERS)], streams=streams)
    assert done.results("requests") == {"archived": 1}
    assert "1" not in live(people)
    assert "Stream 'requests' removes 1 contacts that records of stream 'customers' still name" in caplog.text
    assert "are brought back" in caplog.text


def test_tags_that_stay_for_a_renamed_stream_are_said(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"tags_property": "tags", "streams": {"customers": {}}}
    load(stream({**ANN, "tags": ["vip"]}, of="users"), **settings)
    load(stream({**ANN, "tags": ["vip"]}), **settings)
    caplog.clear()
    load(stream({**ANN, "tags": []}), **settings)
    assert "1 tags that this run would take off stay, because records of stream 'users'" in caplog.text
    assert "python -m target_intercom.ledger forget users" in caplog.text
