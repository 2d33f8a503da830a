"""Who is missing from a whole table of memberships loses its tag. Nobody else, and nobody while there is a doubt."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.versions import Version
from tests.support.grouping import LIST_TAGS, TAKE_OFF, Row, add_people, tag_by_hand, tag_calls
from tests.support.loading import another, feed, lines, record, schema, send_before, until
from tests.support.remembering import WHEN
from tests.support.shares import SHARES
from tests.support.tables import (
    ORDINARY,
    SNAPSHOT,
    Message,
    Table,
    alone,
    partial_snapshots,
    partial_versions,
    whole_snapshots,
    whole_versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People
    from tests.support.processes import TargetProcess

CONTACTS = 25
V = Version.parse("2.16")


def membership(number: int, **values: Any) -> Row:
    """One of many, each of another contact or another group."""
    return {"row": number, "external_id": str(number % CONTACTS), "tag": f"g{number // CONTACTS}", **values}


def marked(*numbers: int) -> list[Row]:
    return [membership(number, _sdc_deleted_at=WHEN) for number in numbers]


DESCRIBED = schema(
    "members", ["row"], row="integer", external_id="text", email="text", tag="any", _sdc_deleted_at="datetime"
)
TABLE = Table(DESCRIBED, membership)
stream, rows, bookmarks, activate = TABLE.stream, TABLE.rows, TABLE.bookmarks, TABLE.activate
whole, versioned = TABLE.whole, TABLE.versioned


def customers(*values: Row) -> list[Message]:
    """A contact stream of which the tap says that it is complete."""
    described = schema(
        "customers", ["external_id"], external_id="text", name="text", groups="array", _sdc_deleted_at="datetime"
    )
    return [described, *(record("customers", **one) for one in values), bookmarks("customers")]


def there(people: People) -> set[int]:
    """The memberships whose contact has the tag, by number."""
    tagged = {(one["external_id"], tag) for one in people.everyone() for tag in one["tags"]}
    return {int(tag.removeprefix("g")) * CONTACTS + int(who) for who, tag in tagged if tag.startswith("g")}


@pytest.fixture
def ids(people: People) -> dict[str, str]:
    """The contacts, by external_id."""
    return add_people(people, range(CONTACTS))


@pytest.fixture
def load(load: Loader, ids: dict[str, str]) -> Loader:
    del ids
    load.settings = {"groups_stream": "members", "mappings": {}, "sync_mode": "sync", "snapshot": True}
    load.settings["max_connections"] = 8
    return load


# A snapshot: what the tap has to say. Four memberships are known, and the fourth is missing.

MEMBERS, TEAMS, THREE, DONE = stream(), stream("teams"), rows(1, 2, 3), bookmarks()
TWO_STREAMS: Row = {"streams": {"teams": {"object": "groups"}}}
WHOLE: dict[str, list[Message]] = {
    **whole_snapshots(TABLE, "teams"),
    "contacts before": [*customers({"external_id": "1"}), MEMBERS, *THREE, DONE],
    "contacts after": [MEMBERS, *THREE, DONE, *customers({"external_id": "1"})],
}
NOT_WHOLE: dict[str, list[Message]] = {
    **partial_snapshots(TABLE, "teams"),
    "STATE of the contacts": [MEMBERS, *THREE, *customers({"external_id": "1"})],
}


@pytest.mark.parametrize("messages", WHOLE.values(), ids=WHOLE)
def test_who_is_missing_from_a_whole_snapshot_loses_its_tag(
    load: Loader, people: People, messages: list[Message]
) -> None:
    load(whole(1, 2, 3, 4), **TWO_STREAMS)
    done = load(messages, **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) - {9} == {1, 2, 3}
    assert (done.stream("members")["left"], done.calls[TAKE_OFF]) == (1, 1)
    assert done.results("members") == {"unchanged": 3}
    assert len(people.live()) == CONTACTS


@pytest.mark.parametrize("messages", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_no_tag_is_taken_off_while_the_tap_did_not_say_that_it_is_whole(
    load: Loader, people: People, messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    load(whole(1, 2, 3, 4), **TWO_STREAMS)
    caplog.clear()
    done = load(messages, **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) - {9} == {1, 2, 3, 4}
    assert TAKE_OFF not in done.calls
    assert not messages or "nothing is removed as missing from it" in caplog.text
    # What was not whole spoils nothing for the next run that is.
    load(whole(1, 2, 3), **TWO_STREAMS)
    assert there(people) - {9} == {1, 2, 3}


def test_an_unreadable_line_after_a_whole_snapshot_takes_nothing_off(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    for end in ('{"type": "RECORD", "stream": "memb', json.dumps(record("nobody_knows", id=1))):
        done = load([*map(json.dumps, whole(1, 2, *marked(3))), end])
        assert (done.exit_code, done.states) == (1, [])
        assert there(people) == {1, 2, 3, 4}


@pytest.mark.parametrize("bad", [membership(5, tag=""), membership(5, external_id="900")], ids=["invalid", "rejected"])
@pytest.mark.parametrize("size", [1, 10])
def test_too_many_refused_records_remove_nothing(load: Loader, people: People, bad: Row, size: int) -> None:
    """Neither tags nor contacts: a run that fails has removed nobody."""
    load([*whole(1, 2, 3, 4), *customers({"external_id": "7"}, {"external_id": "8"})])
    messages = [
        *customers({"external_id": "7", "_sdc_deleted_at": WHEN}, {"external_id": "8"}),
        *whole(1, 2, *marked(3), bad),
    ]
    done = load(messages, max_rejected_records=0, batch_size_rows=size)
    assert (done.exit_code, done.states) == (1, [])
    assert there(people) == {1, 2, 3, 4}
    assert len(people.live()) == CONTACTS


# ACTIVATE_VERSION: the first run was of version 1, and the fourth is missing from the second one.

WHOLE_VERSION, NOT_WHOLE_VERSION = whole_versions(TABLE, "teams"), partial_versions(TABLE, "teams")


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("messages", WHOLE_VERSION.values(), ids=WHOLE_VERSION)
def test_who_is_missing_from_a_whole_version_loses_its_tag(
    load: Loader, people: People, messages: list[Message], size: int
) -> None:
    load(versioned(1, 1, 2, 3, 4), snapshot=False, **TWO_STREAMS)
    done = load(messages, snapshot=False, batch_size_rows=size, **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) - {9} == {1, 2, 3}
    assert (done.stream("members")["left"], done.calls[TAKE_OFF]) == (1, 1)
    assert done.results("members") == {"unchanged": 3}


@pytest.mark.parametrize("messages", NOT_WHOLE_VERSION.values(), ids=NOT_WHOLE_VERSION)
def test_no_tag_is_taken_off_where_no_new_version_is_whole(
    load: Loader, people: People, messages: list[Message]
) -> None:
    load(versioned(1, 1, 2, 3, 4), snapshot=False, **TWO_STREAMS)
    done = load(messages, snapshot=False, **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) - {9} == {1, 2, 3, 4}
    assert TAKE_OFF not in done.calls
    load(versioned(3, 1, 2, 3), snapshot=False, **TWO_STREAMS)
    assert there(people) - {9} == {1, 2, 3}


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("told", ["in the records", "before", "after"])
def test_a_tap_that_sends_the_same_version_every_run_takes_nothing_off(
    load: Loader, people: People, told: str, size: int
) -> None:
    for numbers in ((1, 2, 3, 4), (1, 2, 3), (1, 2), (1, 3)):
        before = [activate(7)] if told == "before" else []
        version: dict[str, Any] = {"version": 7} if told == "in the records" else {}
        messages = [MEMBERS, *before, *rows(*numbers, **version), activate(7), DONE]
        done = load(messages, snapshot=False, batch_size_rows=size)
        assert done.exit_code == 0
        assert there(people) == {1, 2, 3, 4}


def test_the_same_version_takes_nothing_off_either_after_a_run_that_died_before_it_said_it(
    load: Loader, people: People
) -> None:
    load([MEMBERS, *rows(1, 2, 3, 4), activate(7), DONE], snapshot=False)
    load([MEMBERS, *rows(1, 2, 3, 4)], snapshot=False)
    load([MEMBERS, *rows(1, 2, 3), activate(7), DONE], snapshot=False)
    assert there(people) == {1, 2, 3, 4}


@pytest.mark.parametrize("before", [{"sync_mode": "additive"}, {"max_removal_percent": 0}])
def test_the_same_version_takes_nothing_off_where_it_began_in_a_run_that_takes_nothing_off(
    load: Loader, people: People, before: Row
) -> None:
    load.settings["snapshot"] = False
    load(versioned(1, 1, 2, 3, 4, 5), **before)
    load(versioned(2, 1, 2, 3, 4, 5), **before)
    assert load(versioned(2, 1, 2, 3)).exit_code == 0
    assert there(people) == {1, 2, 3, 4, 5}


def test_a_version_that_comes_back_keeps_who_was_last_seen_with_it(load: Loader, people: People) -> None:
    load(versioned(1, 1, 2, 3, 4, 5), snapshot=False)
    load([MEMBERS, activate(2), *rows(1, 2, 3, 4, version=2)], snapshot=False)
    load(versioned(1, 1, 2, 3), snapshot=False)
    assert there(people) == {1, 2, 3, 5}


def test_a_snapshot_whose_tap_sends_the_same_version_every_run_is_still_a_snapshot(
    load: Loader, people: People
) -> None:
    load(versioned(1, 1, 2, 3, 4))
    load(versioned(1, 1, 2, 3))
    assert there(people) == {1, 2, 3}


def test_who_was_in_a_group_before_the_tap_versioned_its_stream_can_leave(load: Loader, people: People) -> None:
    load([MEMBERS, *rows(1, 2, 3, 4), DONE], snapshot=False)
    load(versioned(1, 1, 2, 3), snapshot=False)
    assert there(people) == {1, 2, 3}


# Settings.


def test_the_others_are_not_called_for(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    done = load(whole(1, 2, 3))
    assert done.calls == {"GET /me": 1, TAKE_OFF: 1}
    assert load(whole(1, 2, 3)).calls == {"GET /me": 1}
    assert there(people) == {1, 2, 3}


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert", "remove"])
@pytest.mark.parametrize("messages", [whole(1, 2), versioned(2, 1, 2)], ids=["snapshot", "version"])
def test_no_other_mode_takes_off_who_left(
    load: Loader, people: People, mode: str, messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    load(versioned(1, 1, 2, 3, 4))
    done = load(messages, sync_mode=mode, snapshot=messages == whole(1, 2))
    assert done.exit_code == 0
    assert done.stream("members")["left"] == 0
    assert there(people) == ({3, 4} if mode == "remove" else {1, 2, 3, 4})
    said = f"Stream 'members': 'snapshot' removes nothing in mode '{mode}'"
    assert (said in caplog.text) is (messages == whole(1, 2))


@pytest.mark.parametrize("is_members", [True, False])
def test_a_stream_can_be_a_snapshot_by_itself(load: Loader, people: People, is_members: bool) -> None:
    settings: Row = {
        "snapshot": False,
        "streams": {"teams": {"object": "groups", "snapshot": not is_members}, "members": {"snapshot": is_members}},
    }
    load([*whole(1, 2, 3, 4), *whole(11, 12, 13, 14, of="teams")], **settings)
    load([*whole(1, 2, 3), *whole(11, 12, 13, of="teams")], **settings)
    assert there(people) == ({1, 2, 3, 11, 12, 13, 14} if is_members else {1, 2, 3, 4, 11, 12, 13})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"snapshot": True}, "'snapshot'"),
        ({"snapshot": False, "streams": {"members": {"snapshot": True}}}, "'streams.members.snapshot'"),
    ],
)
def test_a_snapshot_without_a_ledger_is_refused_at_the_start(
    load: Loader, sandbox: SandboxServer, settings: Row, named: str
) -> None:
    before = len(sandbox.calls)
    done = load.pipe(whole(1, 2, 3, 4), ledger_url="none", **settings)
    assert done.exit_code == 1
    assert named in done.log
    assert "ledger_url" in done.log
    assert len(sandbox.calls) == before


def test_without_a_ledger_a_version_takes_nothing_off(load: Loader, people: People) -> None:
    settings: Row = {"snapshot": False, "ledger_url": "none"}
    load(versioned(1, 1, 2, 3, 4), **settings)
    done = load(versioned(2, 1, 2, 3), **settings)
    assert (done.exit_code, done.stream("members")["left"]) == (0, 0)
    assert there(people) == {1, 2, 3, 4}


def test_an_incremental_snapshot_is_refused_before_anything_is_written(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(sandbox.calls)
    done = load([stream(bookmark_properties=["row"]), *rows(1, 2), DONE])
    assert (done.exit_code, done.states) == (1, [])
    for words in ("Stream 'members'", "'snapshot'", "bookmark_properties"):
        assert words in caplog.text
    assert len(sandbox.calls) == before


def test_a_stream_that_becomes_incremental_in_the_middle_takes_nothing_off(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    load([MEMBERS, *THREE, stream(bookmark_properties=["row"]), DONE])
    assert there(people) == {1, 2, 3, 4}


# Whose tag it is.


def test_a_tag_that_was_there_before_stays_when_its_membership_leaves(
    load: Loader, people: People, ids: dict[str, str]
) -> None:
    tag_by_hand(people, "G0", ids["4"], ids["20"])
    assert load(whole(1, 2, 3, 4)).results("members") == {"tagged": 3, "unchanged": 1}
    done = load(whole(1, 2, 3))
    assert (done.stream("members")["left"], done.writes) == (0, 0)
    assert people.one(external_id="4")["tags"] == ["G0"]
    assert people.one(external_id="20")["tags"] == ["G0"]  # whom no record ever named


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert"])
def test_who_was_tagged_in_another_mode_leaves_once_the_mode_is_sync(load: Loader, people: People, mode: str) -> None:
    load(whole(1, 2, 3, 4), sync_mode=mode)
    load(whole(1, 2, 3))
    assert there(people) == {1, 2, 3}


def test_deleting_the_ledger_takes_nothing_off(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    for file in load.data_dir.glob("ledger.db*"):
        file.unlink()
    for _ in range(2):
        done = load(whole(1, 2, 3))
        assert done.results("members") == {"unchanged": 3}
        assert done.writes == 0
    # Whose tags these are is forgotten, so that they are nobody's to take off.
    load(whole(1, 2))
    assert there(people) == {1, 2, 3, 4}


def test_many_leave_at_once(load: Loader, people: People) -> None:
    load(whole(*range(120)))
    done = load(whole(*range(20)), max_removal_percent=100)
    assert (done.stream("members")["left"], done.calls[TAKE_OFF]) == (100, 100)
    assert there(people) == set(range(20))


# Who did not leave, although it looks so.

STILL_THERE: dict[str, tuple[Row, str]] = {
    "no group": (membership(4, tag=None), "invalid"),
    "a group of a wrong type": (membership(4, tag=["g0"]), "invalid"),
    "no identifier": (membership(4, external_id=None), "invalid"),
    "no email address": (membership(4, email="nobody"), "invalid"),
    "a contact that is not there": (membership(4, external_id="900"), "rejected"),
}


@pytest.mark.parametrize("how", ["snapshot", "version"])
@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize(("row", "result"), STILL_THERE.values(), ids=STILL_THERE)
def test_a_record_that_cannot_be_loaded_still_counts_as_seen(
    load: Loader, people: People, row: Row, result: str, size: int, how: str
) -> None:
    if how == "snapshot":
        load(whole(1, 2, 3, 4, 5))
        done = load(whole(1, 2, 3, row), batch_size_rows=size)
    else:
        load(versioned(1, 1, 2, 3, 4, 5), snapshot=False)
        done = load(versioned(2, 1, 2, 3, row), batch_size_rows=size, snapshot=False)
    assert done.results("members") == {"unchanged": 3, result: 1}
    assert there(people) == {1, 2, 3, 4}


def keyless(*values: Row) -> list[Message]:
    return [stream(key_properties=[]), *rows(*values), DONE]


@pytest.mark.parametrize(
    "row",
    [membership(4, tag=""), membership(4, external_id=None), membership(4, tag=["g0"]), membership(4, external_id=[4])],
    ids=["no group", "no identifier", "a group of a wrong type", "an identifier of a wrong type"],
)
def test_a_record_without_a_key_that_does_not_say_whose_it_is_may_be_anybodys(
    load: Loader, people: People, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    every = [membership(number) for number in range(1, 6)]
    load(keyless(*every))
    done = load(keyless(*every[:3], row))
    assert done.results("members") == {"unchanged": 3, "invalid": 1}
    assert there(people) == {1, 2, 3, 4, 5}
    assert "nothing is removed as missing from it" in caplog.text
    load(keyless(*every[:4]))
    assert there(people) == {1, 2, 3, 4}


def test_a_record_without_a_key_that_names_its_contact_otherwise_keeps_the_tag(load: Loader, people: People) -> None:
    load(keyless(*(membership(number) for number in range(1, 5))))
    by_email = {"external_id": None, "email": "p3@example.com", "tag": "g0"}
    done = load(keyless(membership(1), membership(2), by_email))
    assert done.results("members") == {"unchanged": 3}
    assert there(people) == {1, 2, 3}
    assert done.stream("members")["left"] == 1


@pytest.mark.parametrize("size", [1, 10])
def test_a_record_whose_key_changed_still_names_its_membership(load: Loader, people: People, size: int) -> None:
    load(whole(1, 2, 3, 4), batch_size_rows=size)
    done = load(whole(*(membership(number, row=number + 100) for number in (1, 2, 3))), batch_size_rows=size)
    assert done.exit_code == 0
    assert done.results("members") == {"unchanged": 3}
    assert there(people) == {1, 2, 3}
    assert done.stream("members")["left"] == 1
    # And they are still ours.
    load(whole(membership(1, row=101), membership(2, row=102)))
    assert there(people) == {1, 2}


@pytest.mark.parametrize("size", [1, 10])
def test_a_membership_with_two_records_leaves_with_the_second_one(load: Loader, people: People, size: int) -> None:
    both = [membership(4, row=104), membership(4, row=204)]
    load(whole(1, 2, 3, *both), batch_size_rows=size)
    done = load(whole(1, 2, 3, both[1]), batch_size_rows=size)
    assert (there(people), done.stream("members")["left"]) == ({1, 2, 3, 4}, 0)
    done = load(whole(1, 2, 3), batch_size_rows=size)
    assert (there(people), done.stream("members")["left"]) == ({1, 2, 3}, 1)


def test_a_membership_whose_records_leave_together_is_counted_once(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, membership(4, row=104), membership(4, row=204)))
    done = load(whole(1, 2, 3))
    assert (there(people), done.stream("members")["left"], done.calls[TAKE_OFF]) == ({1, 2, 3}, 1, 1)


# Marks.


def test_a_mark_takes_the_tag_off_although_the_snapshot_is_not_whole(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    done = load([MEMBERS, *rows(1, 2, *marked(3))])
    assert (done.results("members"), done.stream("members")["left"]) == ({"unchanged": 2, "untagged": 1}, 0)
    assert there(people) == {1, 2, 4}


def test_who_is_marked_and_who_left_go_together_each_counted_once(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4, 5))
    done = load(whole(1, 2, 3, *marked(4)))
    assert done.results("members") == {"unchanged": 3, "untagged": 1}
    assert done.stream("members")["left"] == 1
    assert there(people) == {1, 2, 3}
    done = load(whole(1, 2, 3))
    assert (done.writes, done.stream("members")["left"]) == (0, 0)


def test_a_stream_of_marks_alone_is_whole_and_empty(load: Loader, people: People) -> None:
    load(whole(1, 2))
    done = load(whole(*marked(1, 2)))
    assert done.results("members") == {"untagged": 2}
    assert there(people) == set()


# Another record or stream has the contact in the group.

FED: dict[str, tuple[list[Message], list[Message], set[int]]] = {
    "in this run": (whole(3, 4, 5, of="teams"), whole(3, 4, 5, of="teams"), set()),
    "in an earlier run": (whole(3, 4, 5, of="teams"), [], set()),
    "for the first time": ([], whole(4, of="teams"), set()),
    "by a part of its stream": (whole(3, 4, 5, of="teams"), [TEAMS, *rows(3, 5, of="teams")], set()),
    "by an empty stream": (whole(3, 4, 5, of="teams"), [TEAMS, bookmarks("teams")], set()),
    "and it leaves that one as well": (whole(3, 4, 5, of="teams"), whole(3, 5, of="teams"), {4}),
    "and that one marks it as well": (whole(3, 4, 5, of="teams"), [TEAMS, *rows(*marked(4), of="teams")], {4}),
}


@pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])
@pytest.mark.parametrize(("earlier", "now", "gone"), FED.values(), ids=FED)
def test_a_membership_that_another_stream_has_keeps_its_tag(
    load: Loader, people: People, earlier: list[Message], now: list[Message], gone: set[int], order: int
) -> None:
    def both(*streams: list[Message]) -> list[Message]:
        return [message for messages in streams[::order] for message in messages]

    load(both(whole(1, 2, 3, 4), earlier), **TWO_STREAMS)
    done = load(both(whole(1, 2, 3), now), **TWO_STREAMS)
    assert done.exit_code == 0
    assert {1, 2, 3, 4} - there(people) == gone
    ended = [one["left"] + one["untagged"] for one in done.report["streams"].values()]
    assert sum(ended) == len(gone)


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert"])
def test_another_stream_in_any_mode_keeps_a_tag(load: Loader, people: People, mode: str) -> None:
    settings: Row = {"streams": {"teams": {"object": "groups", "sync_mode": mode, "snapshot": False}}}
    load([*whole(1, 2, 3, 4), *whole(4, of="teams")], **settings)
    load(whole(1, 2, 3), **settings)
    assert there(people) == {1, 2, 3, 4}


def test_who_leaves_one_stream_and_later_the_other_loses_its_tag_then(load: Loader, people: People) -> None:
    load([*whole(1, 2, 3, 4), *whole(4, 5, 6, of="teams")], **TWO_STREAMS)
    for _ in range(2):
        load(whole(1, 2, 3), **TWO_STREAMS)
        assert there(people) == {1, 2, 3, 4, 5, 6}
    done = load(whole(5, 6, of="teams"), **TWO_STREAMS)
    assert there(people) == {1, 2, 3, 5, 6}
    assert done.stream("teams")["left"] == 1


@pytest.mark.parametrize("order", [1, -1], ids=["members first", "contacts first"])
def test_a_group_that_the_contact_s_record_lists_keeps_its_tag(load: Loader, people: People, order: int) -> None:
    def run(members: list[Message], groups: list[str]) -> Loaded:
        streams = [members, customers({"external_id": "4", "groups": groups})]
        return load([one for messages in streams[::order] for one in messages], tags_property="groups")

    run(whole(1, 2, 3, 4), ["G0"])
    done = run(whole(1, 2, 3), ["G0"])
    assert (there(people), done.stream("members")["left"]) == ({1, 2, 3, 4}, 0)
    run(whole(1, 2, 3), [])
    assert there(people) == {1, 2, 3}


# What happened in Intercom meanwhile.


@pytest.mark.parametrize("how", ["archived", "deleted"])
def test_whose_contact_is_gone_meanwhile_is_no_trouble(
    load: Loader, people: People, sandbox: SandboxServer, ids: dict[str, str], how: str
) -> None:
    load(whole(1, 2, 3, 4, 5, 6))
    (sandbox.workspace.archive_contact if how == "archived" else sandbox.workspace.delete_contact)(ids["4"], V)
    done = load(whole(1, 2, 3, 6))
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert people.one(external_id="5")["tags"] == []
    assert done.stream("members")["left"] == 1
    assert load(whole(1, 2, 3, 6)).calls == {"GET /me": 1}


@pytest.mark.parametrize("how", ["from the contact", "altogether"])
def test_whose_tag_is_gone_meanwhile_is_no_trouble(
    load: Loader, people: People, sandbox: SandboxServer, ids: dict[str, str], how: str
) -> None:
    load(whole(1, 2, 3, 4))
    (tag,) = people.call("GET", "/tags")["data"]
    if how == "altogether":
        sandbox.workspace.delete_tag(tag["id"])
    else:
        sandbox.workspace.untag_contact(ids["4"], tag["id"], V)
    done = load(whole(1, 2, 3))
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert done.stream("members")["left"] == 0
    assert 4 not in there(people)
    assert load(whole(1, 2, 3)).writes == 0


def test_whose_contact_is_removed_in_the_same_run_is_no_trouble(load: Loader, people: People) -> None:
    every = [{"external_id": str(number)} for number in range(CONTACTS)]
    load([*customers(*every), *whole(1, 2, 3, 4)])
    done = load([*customers(*every[:4], *every[5:]), *whole(1, 2, 3)])
    assert (done.exit_code, done.stream()["left"]) == (0, 1)
    assert people.one(external_id="4")["state"] == "archived"
    assert load([*customers(*every[:4], *every[5:]), *whole(1, 2, 3)]).writes == 0


def test_who_came_back_is_tagged_again_and_can_leave_again(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    for _ in range(2):
        assert load(whole(1, 2, 3)).stream("members")["left"] == 1
        assert there(people) == {1, 2, 3}
        assert load(whole(1, 2, 3, 4)).results("members") == {"unchanged": 3, "tagged": 1}
        assert there(people) == {1, 2, 3, 4}


def test_a_token_that_may_not_write_tags_ends_the_run_without_a_state(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(whole(1, 2, 3, 4))
    sandbox.conditions.deny_scopes = ("write_tags",)
    done = load(whole(1, 2, 3))
    assert (done.exit_code, done.states) == (1, [])
    sandbox.conditions.deny_scopes = ()
    assert load(whole(1, 2, 3)).exit_code == 0
    assert there(people) == {1, 2, 3}


def test_a_membership_that_comes_back_after_a_run_that_failed_at_its_removal_stays(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(whole(1, 2, 3, 4))
    sandbox.conditions.deny_scopes = ("write_tags",)
    assert load(whole(1, 2, 3)).exit_code == 1
    sandbox.conditions.deny_scopes = ()
    done = load(whole(1, 2, 3, 4))
    assert done.results("members") == {"unchanged": 4}
    assert there(people) == {1, 2, 3, 4}


def test_a_tag_that_went_with_another_stream_after_a_run_that_failed_is_put_on_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load([*whole(1, 2, 4), *whole(3, 4, of="teams")], **TWO_STREAMS)
    sandbox.conditions.deny_scopes = ("write_tags",)
    assert load(whole(3, membership(4, tag="g4"), of="teams"), **TWO_STREAMS).exit_code == 1
    sandbox.conditions.deny_scopes = ()
    load(whole(1, 2), **TWO_STREAMS)
    assert there(people) == {1, 2, 3}
    load(whole(3, 4, of="teams"), **TWO_STREAMS)
    assert there(people) == {1, 2, 3, 4}


NEVER_ON: dict[str, tuple[list[Row], list[Row]]] = {
    "comes again": ([], [membership(4)]),
    "is marked by a run that fails, too": (marked(4), [membership(4)]),
    "moves in a run that fails, too": ([membership(4, tag="g4")], [membership(4)]),
    "moves and comes back": ([], [membership(4, tag="g4"), membership(4)]),
    "is marked and comes back": ([], [*marked(4), membership(4)]),
    "is another record's by now": (marked(4), [membership(4, row=104)]),
}


@pytest.mark.parametrize(("second", "third"), NEVER_ON.values(), ids=NEVER_ON)
def test_a_tag_that_a_failed_run_did_not_get_to_put_on_is_put_on_in_the_end(
    load: Loader, people: People, sandbox: SandboxServer, second: list[Row], third: list[Row]
) -> None:
    settings: Row = {"snapshot": False, "search_delay_seconds": 0}
    load(whole(1, 2, 3), **settings)
    sandbox.conditions.deny_scopes = ("write_tags",)
    assert load(whole(1, 2, 3, 4), **settings).exit_code == 1
    if second:
        load(whole(1, 2, 3, *second), **settings)
    sandbox.conditions.deny_scopes = ()
    assert there(people) == {1, 2, 3}
    done = load(whole(1, 2, 3, *third), **settings)
    assert done.exit_code == 0
    assert there(people) == {1, 2, 3, 4}


# Stream maps and BATCH messages.


def test_a_renamed_stream_is_the_one_whose_bookmark_the_tap_writes(load: Loader, people: People) -> None:
    settings: Row = {"stream_maps": {"raw": {"__alias__": "members"}}}
    load(whole(1, 2, 3, 4, of="raw"), **settings)
    load([stream("raw"), *rows(1, 2, 3, of="raw"), bookmarks("members")], **settings)
    assert there(people) == {1, 2, 3, 4}
    assert load(whole(1, 2, 3, of="raw"), **settings).stream("members")["left"] == 1
    assert there(people) == {1, 2, 3}


def test_who_is_filtered_out_has_left(load: Loader, people: People) -> None:
    load(whole(1, 2, 3, 4))
    load(whole(1, 2, 3, 4), stream_maps={"members": {"__filter__": "row != 4"}})
    assert there(people) == {1, 2, 3}


@pytest.mark.parametrize("second", [rows(4, of="us"), []], ids=["no STATE", "no record"])
def test_a_stream_that_is_made_of_two_is_whole_when_both_are(
    load: Loader, people: People, second: list[Message]
) -> None:
    settings: Row = {"stream_maps": {name: {"__alias__": "members"} for name in ("eu", "us")}}
    load([*whole(1, 2, 3, of="eu"), *whole(4, 5, of="us")], **settings)
    done = load([*whole(1, 2, 3, of="eu"), stream("us"), *second], **settings)
    assert done.exit_code == 0
    assert there(people) == {1, 2, 3, 4, 5}
    load([*whole(1, 2, 3, of="eu"), *whole(4, of="us")], **settings)
    assert there(people) == {1, 2, 3, 4}


@pytest.mark.parametrize("snapshot", [True, False], ids=["snapshot", "version"])
def test_batch_messages_are_records(load: Loader, people: People, tmp_path: Path, snapshot: bool) -> None:
    def batch(*numbers: int) -> Message:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        file.write_text(lines(one["record"] for one in rows(*numbers)), encoding="utf-8")
        return {"type": "BATCH", "stream": "members", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}

    def run(version: int, *messages: Message) -> None:
        end = [] if snapshot else [activate(version)]
        assert load([MEMBERS, *messages, *end], snapshot=snapshot).exit_code == 0

    run(1, batch(1, 2, 3, 4), DONE)
    run(2, *THREE, DONE, batch(4))
    assert there(people) == {1, 2, 3, 4}
    run(3, batch(1, 2), *rows(3), DONE)
    assert there(people) == {1, 2, 3}


# What is said.


def test_who_left_stands_beside_the_sum_and_in_the_last_line(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(whole(1, 2, 3, 4, 5))
    caplog.clear()
    done = load(whole(1, 2, 3, 6))
    assert done.results("members") == {"unchanged": 3, "tagged": 1}
    assert (done.stream("members")["read"], done.stream("members")["left"]) == (4, 2)
    last = caplog.records[-1].getMessage()
    assert "4 read: 1 tagged, 3 unchanged" in last
    assert "2 removed because they left" in last
    assert load(whole(1, 2, 3, 6)).stream("members")["left"] == 0
    assert there(people) == {1, 2, 3, 6}


# The fuse.


@SHARES
def test_how_many_tags_may_be_taken_off(
    load: Loader, people: People, known: int, left: int, are_marked: int, percent: int, allowed: bool
) -> None:
    load(whole(*range(known)))
    staying = range(left + are_marked, known)
    # A stream without any record proves nothing: where nobody stays somebody comes.
    messages = whole(*staying or [200], *marked(*range(left, left + are_marked)))
    done = load(messages, max_removal_percent=percent)
    if allowed:
        assert (done.exit_code, done.states) == (0, [DONE["value"]])
        assert (done.stream("members")["left"], done.stream("members")["untagged"]) == (left, are_marked)
        assert there(people) - {200} == set(staying)
    else:
        assert (done.exit_code, done.states) == (1, [])
        assert done.report["status"] == "failed"
        assert (done.stream("members")["left"], done.stream("members")["untagged"]) == (0, 0)
        assert there(people) - {200} == set(range(known))


def test_the_failure_has_the_figures_and_the_setting_and_raising_it_lets_the_removals_through(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load([*whole(*range(50)), *whole(*range(100, 104), of="teams")], **TWO_STREAMS)
    messages = [
        *whole(*range(24, 50), 74, *marked(*range(4))),
        *whole(*range(100, 102), *marked(102), of="teams"),
    ]
    known = {*range(50), *range(100, 104)}
    for _ in range(2):
        caplog.clear()
        done = load(messages, max_removal_percent=47, **TWO_STREAMS)
        assert (done.exit_code, done.states) == (1, [])
        # What was to be put on is on: 74 is there.
        assert there(people) == {*known, 74}
        (said,) = [one.getMessage() for one in caplog.records if "'max_removal_percent'" in one.getMessage()]
        for figure in ("Stream 'members'", "24 memberships", "4 marked", "20 missing", "(47)", "had 50"):
            assert figure in said
        assert "'teams'" not in said
        assert "contacts" not in said
        assert "Failed" in caplog.records[-1].getMessage()
    done = load(messages, max_removal_percent=48, **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) == {*known, 74} - {*range(24), 102, 103}
    assert [done.stream(name)["left"] for name in ("members", "teams")] == [20, 1]


def test_streams_beyond_the_fuse_are_all_said(load: Loader, people: People, caplog: pytest.LogCaptureFixture) -> None:
    every = [{"external_id": str(number)} for number in range(3)]
    load([*whole(1, 2, 3), *whole(11, 12, 13, of="teams"), *customers(*every)], **TWO_STREAMS)
    assert load([*whole(1), *whole(11, of="teams"), *customers(every[0])], **TWO_STREAMS).exit_code == 1
    for words in ("'members': 2 memberships", "'teams': 2 memberships", "'customers': 2 contacts"):
        assert f"Stream {words}" in caplog.text
    assert there(people) == {1, 2, 3, 11, 12, 13}
    assert len(people.live()) == CONTACTS


@pytest.mark.parametrize("beyond", ["members", "customers"])
@pytest.mark.parametrize("how", ["left", "marked"])
def test_one_fuse_holds_everything_back(load: Loader, people: People, beyond: str, how: str) -> None:
    """One run, one decision: memberships and contacts, marked and left, of all streams."""
    every = [{"external_id": str(number)} for number in range(CONTACTS)]
    load([*whole(*range(50)), *customers(*every)])
    few, many = (1, 22) if beyond == "customers" else (22, 1)
    gone = [{**one, "_sdc_deleted_at": WHEN} for one in every[:many]] if how == "marked" else []
    ended = marked(*range(few)) if how == "marked" else []
    messages = [*customers(*every[many:], *gone), *whole(*range(few, 50), *ended)]
    for _ in range(2):
        done = load(messages)
        assert (done.exit_code, done.states) == (1, [])
        assert there(people) == set(range(50))
        assert len(people.live()) == CONTACTS
    assert load(messages, max_removal_percent=100).exit_code == 0
    assert len(people.live()) == CONTACTS - many
    assert not there(people) & set(range(few))


def test_a_fuse_keeps_the_removals_of_a_remove_stream_back_too(load: Loader, people: People) -> None:
    settings: Row = {"streams": {"requests": {"sync_mode": "remove", "snapshot": False}, "members": {}}}
    load(whole(1, 2, 3, 4, 5), **settings)
    request = schema("requests", ["external_id"], external_id="text")
    messages = [request, record("requests", external_id="20"), *whole(1)]
    assert load(messages, **settings).exit_code == 1
    assert len(people.live()) == CONTACTS
    assert there(people) == {1, 2, 3, 4, 5}


AFTERWARDS: dict[str, list[Message]] = {
    "not whole": [MEMBERS, *rows(30)],
    "of another stream": whole(100, of="teams"),
    "of contacts": customers({"external_id": "1"}),
}


@pytest.mark.parametrize("how", ["left", "marked"])
@pytest.mark.parametrize("messages", AFTERWARDS.values(), ids=AFTERWARDS)
def test_the_run_after_a_fuse_does_not_do_in_silence_what_it_held_back(
    load: Loader, people: People, messages: list[Message], how: str
) -> None:
    load([*whole(*range(50)), *customers({"external_id": "1"})], **TWO_STREAMS)
    ended = marked(*range(30)) if how == "marked" else []
    assert load(whole(*range(30, 50), *ended), **TWO_STREAMS).exit_code == 1
    done = load(messages, **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) - {100} == set(range(50))
    assert TAKE_OFF not in done.calls
    # Nor does the one in which all are back.
    back = load(whole(*range(50)), **TWO_STREAMS)
    assert back.results("members") == {"unchanged": 50}
    assert there(people) - {100} == set(range(50))


def test_foreign_tags_do_not_count(load: Loader, people: People, ids: dict[str, str]) -> None:
    """Neither as removals, which they cannot be, nor as known."""
    tag_by_hand(people, "g0", *(ids[str(number)] for number in range(5, CONTACTS)))
    load(whole(*range(CONTACTS)))
    # 21 of 25 are missing, and 2 of the 5 that are ours.
    done = load(whole(*range(3)))
    assert (done.exit_code, done.stream("members")["left"]) == (0, 2)
    assert there(people) == {*range(3), *range(5, CONTACTS)}


def test_who_left_is_held_against_those_whose_tags_are_ours(load: Loader, people: People, ids: dict[str, str]) -> None:
    tag_by_hand(people, "g0", *(ids[str(number)] for number in range(5, CONTACTS)))
    load(whole(*range(CONTACTS)))
    done = load(whole(*range(3, CONTACTS)))  # 3 of our 5 are missing: no, 3 of 5 is more than half
    assert done.exit_code == 1
    assert there(people) == set(range(CONTACTS))


def test_who_stays_for_another_stream_does_not_count(load: Loader, people: People) -> None:
    load([*whole(1, 2, 3, 4, 5), *whole(2, 3, 4, of="teams")], **TWO_STREAMS)
    done = load(whole(1), **TWO_STREAMS)
    assert done.exit_code == 0
    assert there(people) == {1, 2, 3, 4}
    assert done.stream("members")["left"] == 1


def test_a_table_that_gets_new_keys_is_no_matter_for_the_fuse(load: Loader, people: People) -> None:
    """A table that is made anew: nobody leaves any group."""
    load(whole(*range(30)))
    done = load(whole(*(membership(number, row=number + 1000) for number in range(30))))
    assert done.exit_code == 0
    assert there(people) == set(range(30))
    assert set(tag_calls(done)) <= {LIST_TAGS}


def test_marks_that_live_records_took_back_and_marks_of_nobody_do_not_count(load: Loader, people: People) -> None:
    load(whole(*range(30)))
    done = load(whole(*marked(*range(30)), *range(29), *marked(*range(100, 130))))
    assert done.exit_code == 0
    assert done.results("members") == {"unchanged": 29, "skipped": 59, "untagged": 1}
    assert there(people) == set(range(29))


@pytest.mark.parametrize("messages", [whole(1, *marked(2)), versioned(2, 1)], ids=["snapshot", "version"])
def test_a_percentage_of_zero_takes_nothing_off_and_says_so(
    load: Loader, people: People, messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    load(versioned(1, 1, 2, 3))
    done = load(messages, max_removal_percent=0, snapshot=messages == whole(1, *marked(2)))
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert there(people) == {1, 2, 3}
    assert done.writes == 0
    if done.stream("members")["skipped"]:
        assert done.stream("members")["reasons"] == {"skipped": {"not_removed": 1}}
    assert "Stream 'members': 'max_removal_percent' is 0: nothing is removed" in caplog.text


# Two runs at once.


def has_begun(load: Loader) -> bool:
    """Whether the run that is under way has taken in records of the stream."""
    path = load.data_dir / "report.json"
    report: Row = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"status": ""}
    return report["status"] == "running" and "members" in report["streams"]


def begun(load: Loader, *messages: Message, **settings: Any) -> TargetProcess:
    """A run that has taken in records of these messages; they wait."""
    process = load.start(batch_size_rows=1, **settings)
    feed(process, *messages)
    until(lambda: has_begun(load))
    return process


BEGINNING = [MEMBERS, *rows(1)]
VERSION_BEGINNING = [MEMBERS, activate(2), *rows(1)]
ALONE = alone(TABLE, BEGINNING, VERSION_BEGINNING)


@pytest.mark.parametrize(("first", "settings", "second", "others"), ALONE.values(), ids=ALONE)
def test_of_two_runs_of_which_one_has_to_be_alone_with_the_stream_the_second_is_refused(
    load: Loader,
    people: People,
    first: list[Message],
    settings: Row,
    second: list[Message],
    others: Row,
    caplog: pytest.LogCaptureFixture,
) -> None:
    load(versioned(1, 1, 2, 3, 4))
    process = begun(load, *first, **settings)
    caplog.clear()
    refused = another(load)(second, **others)
    assert (refused.exit_code, refused.states, refused.writes) == (1, [], 0)
    assert refused.report["status"] == "failed"
    assert "Stream 'members'" in caplog.text
    assert there(people) == {1, 2, 3, 4}
    feed(process, *rows(2, 3), DONE, end=True)
    done = load.finish(process)
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    removes = settings == SNAPSHOT or first == VERSION_BEGINNING
    assert there(people) == ({1, 2, 3} if removes else {1, 2, 3, 4})
    # Neither of them is in the way of the next.
    assert another(load)(whole(1, 2, 3)).exit_code == 0
    assert there(people) == {1, 2, 3}


BESIDE: dict[str, tuple[Row, list[Message], Row]] = {
    "ordinary runs": (ORDINARY, whole(1, 2, 3), ORDINARY),
    "a snapshot of another stream": (ORDINARY, whole(100, 101, of="teams"), SNAPSHOT),
    "an ordinary run of another stream": (SNAPSHOT, whole(100, 101, of="teams"), ORDINARY),
    "a version in a mode that removes nobody": (ORDINARY, versioned(2, 1, 2, 3), {**ORDINARY, "sync_mode": "additive"}),
}


@pytest.mark.parametrize(("settings", "second", "others"), BESIDE.values(), ids=BESIDE)
def test_other_runs_are_fine_beside_each_other(
    load: Loader, people: People, settings: Row, second: list[Message], others: Row
) -> None:
    load(whole(1, 2, 3, 4))
    process = begun(load, *BEGINNING, **settings, **TWO_STREAMS)
    assert another(load)(second, **others, **TWO_STREAMS).exit_code == 0
    feed(process, *rows(2, 3), DONE, end=True)
    assert load.finish(process).exit_code == 0
    assert there(people) - {100, 101} == ({1, 2, 3} if settings == SNAPSHOT else {1, 2, 3, 4})


@pytest.mark.parametrize("second", [[MEMBERS, *rows(4)], whole(4)], ids=["not whole", "whole"])
def test_a_run_that_came_and_went_beside_a_version_takes_nothing_away_from_it(
    load: Loader, people: People, second: list[Message]
) -> None:
    """The tap names the version at its end only: until then nobody knows that the run has to be alone."""
    load(versioned(1, 1, 2, 3, 4), snapshot=False)
    process = begun(load, MEMBERS, *rows(1, 2, 3, version=2), snapshot=False)
    assert another(load)(second, snapshot=False).exit_code == 0
    feed(process, activate(2), DONE, end=True)
    load.finish(process)
    assert there(people) == {1, 2, 3, 4}


def test_a_membership_that_another_run_puts_on_meanwhile_through_another_stream_stays(
    load: Loader, people: People
) -> None:
    load(whole(1, 2, 3, 4), **TWO_STREAMS)
    process = begun(load, MEMBERS, *rows(1, 2), **TWO_STREAMS)
    done = another(load)(whole(4, of="teams"), **TWO_STREAMS)
    assert done.results("teams") == {"unchanged": 1}
    feed(process, *rows(3), DONE, end=True)
    assert load.finish(process).exit_code == 0
    assert there(people) == {1, 2, 3, 4}


# Runs that end before their time.


@pytest.mark.parametrize("end", [[], [DONE]], ids=["mid-stream", "before the end of the input"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_takes_nothing_off(load: Loader, people: People, end: list[Message], number: signal.Signals) -> None:
    load(whole(1, 2, 3, 4))
    process = begun(load, MEMBERS, *rows(1, 3, *marked(2)), *end)
    os.kill(process.pid, number)
    done = load.finish(process)
    assert (done.exit_code, done.states) == (128 + number, [])
    assert there(people) == {1, 2, 3, 4}
    load(whole(1, 2, 3))
    assert there(people) == {1, 2, 3}


@pytest.mark.parametrize("how", ["left", "marked"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_between_two_removals_is_completed_by_the_next_one(
    load: Loader, people: People, sandbox: SandboxServer, number: signal.Signals, how: str
) -> None:
    load(whole(*range(12)))
    messages = whole(*range(6), *(marked(*range(6, 12)) if how == "marked" else []))
    process = load.begin(messages, max_connections=1)
    send_before(sandbox, process, number, lambda: len(there(people)) <= 10)
    done = load.finish(process)
    assert done.exit_code == (-number if number is signal.SIGKILL else 128 + number)
    assert done.states == []  # which comes after the removals
    assert 6 < len(there(people)) <= 10
    done = load(messages)
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert there(people) == set(range(6))
    assert load(whole(*range(6))).calls == {"GET /me": 1}


def test_nothing_is_left_behind_by_a_run_that_the_fuse_stops(load: Loader) -> None:
    load(whole(1, 2, 3, 4, 5))
    done = load(whole(1))
    assert done.exit_code == 1
    known: Iterable[str] = ("report.html", "report.json", "ledger.db", "config.json", "input.singer")
    assert {path.name for path in done.data_dir.rglob("*") if not path.name.startswith(tuple(known))} == set()
