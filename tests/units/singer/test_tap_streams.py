"""What a tap's messages say of its streams: whether all records came, and of which version."""

from __future__ import annotations

from typing import Any

import pytest

from target_intercom.singer.tap_streams import TapStream, TapStreams

S, T = "customers", "orders"


def bookmark(stream: str = S, value: Any = None, **more: Any) -> dict[str, Any]:
    """The value of a STATE that names a stream."""
    return {"bookmarks": {stream: {} if value is None else value}, **more}


DONE = bookmark()
BOTH: dict[str, Any] = {"bookmarks": {S: {}, T: {}}}


def told(*messages: Any) -> TapStreams:
    """Have messages come by, each a word and what goes with it: ("schema", stream), ("state", value) and so on."""
    pipe = TapStreams()
    for kind, *rest in messages:
        match kind:
            case "schema":
                pipe.schema(rest[0], rest[1] if len(rest) > 1 else None)
            case "record":
                pipe.record(*rest)
            case "batched":
                pipe.record(rest[0], in_batch=True)
            case "version":
                pipe.activate_version(rest[0], rest[1])
            case "state":
                pipe.state(rest[0])
            case _:
                raise ValueError(kind)
    return pipe


SCHEMA, RECORD, STATE = ("schema", S), ("record", S), ("state", DONE)
BATCHED = ("batched", S)
OTHER_SCHEMA, OTHER_RECORD = ("schema", T), ("record", T)
VERSION = ("version", S, 5)


MESSAGES: dict[str, tuple[list[tuple[Any, ...]], bool]] = {
    "nothing": ([], False),
    "a schema": ([SCHEMA], False),
    "a record and no word": ([SCHEMA, RECORD], False),
    "a state after the last record": ([SCHEMA, RECORD, STATE], True),
    "two records": ([SCHEMA, RECORD, RECORD, STATE], True),
    "no record": ([SCHEMA, STATE], False),
    "a state before the first record": ([SCHEMA, STATE, RECORD], False),
    "a state between records": ([SCHEMA, RECORD, STATE, RECORD], False),
    "a state between and after": ([SCHEMA, RECORD, STATE, RECORD, STATE], True),
    "the word twice": ([SCHEMA, RECORD, STATE, STATE], True),
    "a state of another stream only": ([SCHEMA, RECORD, ("state", bookmark(T))], False),
    "a state of both": ([SCHEMA, RECORD, ("state", BOTH)], True),
    "a state after another's schema": ([SCHEMA, RECORD, OTHER_SCHEMA, STATE], False),
    "a state after another's record": ([SCHEMA, RECORD, OTHER_SCHEMA, OTHER_RECORD, ("state", BOTH)], False),
    "a state after another's version": ([SCHEMA, RECORD, ("version", T, 1), STATE], False),
    "a schema again, then a state": ([SCHEMA, RECORD, SCHEMA, STATE], True),
    "another after the state": ([SCHEMA, RECORD, STATE, OTHER_SCHEMA, OTHER_RECORD], True),
    "another after, with its state": ([SCHEMA, RECORD, STATE, OTHER_SCHEMA, OTHER_RECORD, ("state", BOTH)], True),
    "another before": ([OTHER_SCHEMA, OTHER_RECORD, SCHEMA, RECORD, STATE], True),
    "schemas first": ([SCHEMA, OTHER_SCHEMA, RECORD, STATE, OTHER_RECORD], True),
    "in turns, the other's turn": ([SCHEMA, RECORD, OTHER_RECORD, STATE], False),
    "in turns, its own turn": ([SCHEMA, RECORD, OTHER_RECORD, RECORD, STATE], True),
    "more records after the word": ([SCHEMA, RECORD, STATE, OTHER_RECORD, RECORD], False),
    "more after it, and the word again": ([SCHEMA, RECORD, STATE, OTHER_RECORD, RECORD, STATE], True),
    "a version after the last record": ([SCHEMA, RECORD, VERSION], True),
    "a version before the first": ([SCHEMA, VERSION, RECORD], False),
    "a version before, a state after": ([SCHEMA, VERSION, RECORD, STATE], True),
    "versions before and after": ([SCHEMA, VERSION, RECORD, VERSION], True),
    "a version and no record": ([SCHEMA, VERSION, VERSION], False),
    "a version between records": ([SCHEMA, RECORD, VERSION, RECORD], False),
    "a version after another's record": ([SCHEMA, RECORD, OTHER_SCHEMA, OTHER_RECORD, VERSION], False),
    "such a version and then a state": ([SCHEMA, RECORD, OTHER_RECORD, VERSION, STATE], False),
    "its schema after another's record": ([SCHEMA, RECORD, OTHER_RECORD, SCHEMA, STATE], False),
    "such a version twice": ([SCHEMA, RECORD, OTHER_RECORD, VERSION, VERSION], False),
    "a version after the state": ([SCHEMA, RECORD, ("state", {}), VERSION], True),
    "a version of another stream": ([SCHEMA, RECORD, ("version", T, 5)], False),
}


@pytest.mark.parametrize(("messages", "complete"), MESSAGES.values(), ids=MESSAGES)
def test_a_stream_is_complete_when_its_tap_says_so_after_its_last_record(
    messages: list[tuple[Any, ...]], complete: bool
) -> None:
    """After that record, and before another stream's messages: a tap that fails in one may go on with the next."""
    assert (told(*messages).stream(S).missing is None) is complete


@pytest.mark.parametrize(
    ("value", "complete"),
    [
        (DONE, True),
        (bookmark(S, {"replication_key_value": 5}), True),
        (bookmark(S, {"version": 1, "xmin": None}), True),
        (bookmark(S, "2026-01-01"), True),
        (bookmark(currently_syncing=None), True),
        (bookmark(currently_syncing=T), True),
        (bookmark(currently_syncing=S), False),
        (bookmark(currently_syncing=[S]), False),
        (bookmark(currently_syncing=[T, S]), False),
        (bookmark(currently_syncing=[T]), True),
        (bookmark(S, {"currently_syncing": True}), False),
        (bookmark(S, {"currently_syncing": None}), True),
        (bookmark(S, {"progress_markers": {"replication_key": "id"}}), False),
        (bookmark(S, {"progress_markers": {}}), False),
        (bookmark(S, {"progress_markers": None}), True),
        (bookmark(S, {"partitions": [{"context": {"tenant": 1}}]}), False),
        (bookmark(S, {"partitions": []}), False),
        (bookmark(S, {"partitions": None}), True),
        ({"bookmarks": {S: {}, T: {"progress_markers": {}}}}, True),
        ({"bookmarks": {S: None}}, True),
        ({"bookmarks": {"CUSTOMERS": {}}}, False),
        ({"bookmarks": {f"{S}-more": {}}}, False),
        ({"bookmarks": {}}, False),
        ({"bookmarks": [S]}, False),
        ({"bookmarks": S}, False),
        ({"bookmarks": None}, False),
        ({S: {}}, False),
        ({}, False),
        ([], False),
        (None, False),
        (S, False),
        (5, False),
    ],
    ids=str,
)
def test_a_state_says_so_that_names_the_stream_as_done(value: Any, complete: bool) -> None:
    assert (told(SCHEMA, RECORD, ("state", value)).stream(S).missing is None) is complete


NO_POSITION: dict[str, Any] = {
    "nothing": {},
    "null": None,
    "yes": True,
    "a word": "done",
    "singer-io tap-postgres, pipelinewise, FULL_TABLE": {"version": 1700000000000, "xmin": None},
    "singer-io tap-mysql, FULL_TABLE": {"version": 1700000000000, "initial_full_table_complete": True},
    "singer-io tap-mysql, FULL_TABLE by key": {"version": 1, "max_pk_values": {"id": 9}, "last_pk_fetched": {"id": 9}},
    "singer-io tap-mongodb, FULL_TABLE": {"version": 1, "initial_full_table_complete": True},
    "singer-io tap-salesforce, FULL_TABLE": {"version": 1700000000000},
    "tap-google-sheets": 5,
    "the version, by another name": {"activated": 5},
    "the version as text": {"activated": "5"},
    "Meltano SDK, partitions of a whole table": {"partitions": [{"context": {"file": "2026-01-01.csv", "tenant": 1}}]},
    "Meltano SDK, no value yet": {"replication_key": "updated_at", "replication_key_value": None},
    "an empty value": {"replication_key_value": ""},
    "paging that is over": {"offset": {}, "page": None},
    "texts of other kinds": {"log_file": "mysql-bin.000003", "status": "complete", "etag": "33a64df5", "id": "4f-2024"},
    "a list of names": {"finished_shards": ["shardId-1"]},
}
"""Bookmarks of whole tables; 5 is the stream's version."""
POSITIONS: dict[str, tuple[str, Any]] = {
    "Meltano SDK, INCREMENTAL": (
        "replication_key_value",
        {"replication_key": "updated_at", "replication_key_value": "2026-01-01T00:00:00+00:00"},
    ),
    "Meltano SDK, by number": ("replication_key_value", {"replication_key": "id", "replication_key_value": 7}),
    "Meltano SDK, by text": ("replication_key_value", {"replication_key": "ulid", "replication_key_value": "01ARZ3"}),
    "Meltano SDK, begun": ("starting_replication_value", {"starting_replication_value": "abc"}),
    "Meltano SDK, in progress": ("replication_key_value", {"progress_markers": {"replication_key_value": "x"}}),
    "Meltano SDK, partitions": (
        "replication_key_value",
        {"partitions": [{"context": {"tenant": 1}}, {"context": {"tenant": 2}, "replication_key_value": "x"}]},
    ),
    "Meltano SDK, LOG_BASED": ("replication_key_value", {"replication_key": "_sdc_lsn", "replication_key_value": 3000}),
    "pipelinewise-tap-s3-csv": ("modified_since", {"modified_since": "2026-11-30T02:57:00+00:00"}),
    "singer-io tap-postgres, INCREMENTAL": (
        "replication_key_value",
        {"version": 1, "replication_key": "id", "replication_key_value": 3},
    ),
    "singer-io tap-postgres, on its way": ("xmin", {"version": 1, "xmin": 7000}),
    "singer-io tap-postgres, LOG_BASED": ("lsn", {"version": 1, "lsn": 29996896, "xmin": None}),
    "singer-io tap-mysql, LOG_BASED": ("log_pos", {"version": 1, "log_file": "mysql-bin.000003", "log_pos": 154}),
    "singer-io tap-mongodb, LOG_BASED": ("oplog_ts_time", {"version": 1, "oplog_ts_time": 1700000000}),
    "tap-stripe, by number": ("created", {"created": 1700000000}),
    "tap-stripe, by text": ("updates_created", {"updates_created": "2026-01-01T00:00:00Z"}),
    "singer-io tap-salesforce": ("SystemModstamp", {"version": 1, "SystemModstamp": "2026-01-01T00:00:00.000000Z"}),
    "by the key's name": ("updated_at", {"updated_at": "2026-01-01"}),
    "tap-hubspot, under way": ("vidOffset", {"offset": {"vidOffset": 5001}}),
    "only a date": (S, "2026-01-01T00:00:00Z"),
    "only a number": (S, 6),
    "only a list": (S, ["2026-01-01"]),
    "a fraction": ("since", {"since": 1700000000.5}),
    "a number as text": ("since", {"since": "1700000000"}),
    "a date and a blank": ("since", {"since": " 2026-01-01 00:00:00+00"}),
    "a month": ("since", {"since": "2026-01"}),
    "slashes": ("since", {"since": "2026/01/31"}),
    "the day first": ("since", {"since": "31.01.2026 10:00"}),
    "no signs between": ("since", {"since": "20260131"}),
    "as HTTP writes it": ("since", {"since": "Sat, 31 Jan 2026 10:00:00 GMT"}),
    "deep down": ("since", {"accounts": [{"one": {"since": "2026-01-31"}}]}),
    "another version": ("activated", {"activated": 4}),
}
"""Bookmarks of taps that go on from there, with the part that tells."""


@pytest.mark.parametrize("value", NO_POSITION.values(), ids=NO_POSITION)
def test_the_bookmark_of_a_whole_table_holds_no_position(value: Any) -> None:
    assert told(SCHEMA, RECORD, VERSION, ("state", {"bookmarks": {S: value}})).stream(S).position is None


@pytest.mark.parametrize(("part", "value"), POSITIONS.values(), ids=POSITIONS)
def test_a_bookmark_that_holds_a_position_is_of_an_incremental_stream(part: str, value: Any) -> None:
    assert told(SCHEMA, RECORD, VERSION, ("state", {"bookmarks": {S: value}})).stream(S).position == part


def test_the_version_that_records_name_is_no_position() -> None:
    sheet = told(SCHEMA, ("record", S, 7), ("state", {"bookmarks": {S: 7}})).stream(S)
    assert (sheet.position, sheet.missing) == (None, None)


@pytest.mark.parametrize(
    ("messages", "position"),
    [
        ([RECORD, ("state", bookmark(S, {"xmin": 5})), RECORD, ("state", bookmark(S, {"xmin": None}))], None),
        ([("state", bookmark(S, {"since": 5})), RECORD, ("state", bookmark(S, {}))], None),
        ([RECORD, ("state", bookmark(S, {})), ("state", bookmark(S, {"since": 5}))], "since"),
        ([RECORD, OTHER_RECORD, ("state", {"bookmarks": {S: {"since": 5}, T: {}}})], "since"),
        ([RECORD, ("state", bookmark(S, {"since": 5})), OTHER_RECORD, ("state", bookmark(T))], "since"),
        ([RECORD, ("state", bookmark(T, {"since": 5}))], None),
        ([RECORD, ("state", {S: {"since": 5}})], None),
        ([RECORD, ("state", {"bookmarks": {S: {}}, "since": 5})], None),
        ([RECORD, ("state", None)], None),
    ],
)
def test_the_last_state_that_names_the_stream_counts(messages: list[tuple[Any, ...]], position: str | None) -> None:
    """Whosever turn it is: taps that read a whole table keep a position on their way, and drop it at the end."""
    assert told(SCHEMA, *messages).stream(S).position == position


def test_a_stream_named_like_a_part_of_a_bookmark_has_a_position() -> None:
    assert told(("schema", "version"), ("state", bookmark("version", "2026-01-01"))).stream("version").position


def test_a_state_that_comes_before_everything_is_harmless() -> None:
    pipe = told(STATE)
    assert pipe.stream(S).missing is not None


@pytest.mark.parametrize(
    ("messages", "complete"),
    [
        ([BATCHED, STATE], False),
        ([BATCHED, STATE, STATE], False),
        ([RECORD, STATE, BATCHED], False),
        ([RECORD, STATE, BATCHED, STATE], False),
        ([BATCHED, VERSION], True),
        ([BATCHED, STATE, VERSION], True),
        ([BATCHED, BATCHED, RECORD, STATE], True),
        ([RECORD, STATE, ("batched", T)], True),
        ([("batched", T), RECORD, STATE], True),
    ],
)
def test_a_state_after_a_batch_proves_nothing(messages: list[tuple[Any, ...]], complete: bool) -> None:
    """Taps of the Meltano SDK send one after every BATCH."""
    assert (told(SCHEMA, *messages).stream(S).missing is None) is complete


@pytest.mark.parametrize(
    ("count", "complete"), [(9_999, True), (10_000, False), (10_001, True), (20_000, False), (5_000, True)]
)
def test_a_state_where_taps_send_one_on_their_way_proves_nothing(count: int, complete: bool) -> None:
    """Taps of the Meltano SDK send one after every 10,000 records; a version is the word all the same."""
    records = [RECORD] * count
    assert (told(SCHEMA, *records, STATE).stream(S).missing is None) is complete
    assert told(SCHEMA, *records, VERSION).stream(S).missing is None


def test_each_stream_has_its_own_count() -> None:
    pipe = told(SCHEMA, OTHER_SCHEMA, *[OTHER_RECORD] * 9_999, RECORD, STATE)
    assert pipe.stream(S).missing is None


def test_streams_are_told_apart() -> None:
    pipe = told(SCHEMA, RECORD, STATE, OTHER_SCHEMA, OTHER_RECORD)
    assert pipe.stream(S).missing is None
    assert pipe.stream(T).missing is not None
    assert pipe.stream(S) is pipe.stream(S)
    assert (pipe.stream(S).name, pipe.stream(T).name) == (S, T)
    assert pipe.stream("never seen").missing is not None


@pytest.mark.parametrize(
    ("messages", "version"),
    [
        ([], None),
        ([SCHEMA, RECORD], None),
        ([VERSION], 5),
        ([SCHEMA, VERSION, RECORD], 5),
        ([SCHEMA, RECORD, VERSION], 5),
        ([SCHEMA, VERSION, RECORD, ("version", S, 6)], 6),
        ([SCHEMA, RECORD, OTHER_RECORD, VERSION], 5),
        ([SCHEMA, RECORD, ("version", T, 7)], None),
        ([VERSION, ("version", S, None)], None),
    ],
)
def test_a_stream_has_the_version_that_was_named_last(messages: list[tuple[Any, ...]], version: int | None) -> None:
    assert told(*messages).stream(S).version == version


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (0, 0),
        (-1, -1),
        (1_700_000_000_000, 1_700_000_000_000),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-(2**63), None),
        (10**30, None),
        (True, None),
        (False, None),
        (1.0, None),
        ("1", None),
        (None, None),
        ([1], None),
        ({}, None),
    ],
    ids=repr,
)
def test_a_version_is_a_whole_number_that_the_ledger_can_hold(value: Any, version: int | None) -> None:
    stream = TapStream(S)
    stream.activated(7, follows=False)
    assert stream.version_of({"version": value}) == (7 if version is None else version)


@pytest.mark.parametrize(
    ("messages", "tells"),
    [
        ([], False),
        ([SCHEMA, RECORD], False),
        ([SCHEMA, VERSION, RECORD, VERSION], False),
        ([SCHEMA, ("record", S, None)], False),
        ([SCHEMA, ("record", S, 5)], True),
        ([SCHEMA, ("record", S, 0)], True),
        ([SCHEMA, RECORD, ("record", S, 5), RECORD], True),
        ([SCHEMA, ("record", S, 5), OTHER_RECORD, SCHEMA, RECORD], True),
        ([SCHEMA, RECORD, ("record", T, 5)], False),
        ([SCHEMA, ("record", S, "5"), ("record", S, 5.0), ("record", S, True), ("record", S, 2**63)], False),
    ],
)
def test_a_stream_tells_versions_whose_records_name_them(messages: list[tuple[Any, ...]], tells: bool) -> None:
    assert told(*messages).stream(S).tells_versions is tells


def test_only_an_activation_says_which_version_a_stream_is() -> None:
    pipe = told(SCHEMA, ("record", S, 5))
    assert pipe.stream(S).version is None
    pipe.activate_version(S, 6)
    pipe.record(S, 7)
    assert pipe.stream(S).version == 6


@pytest.mark.parametrize("version", [None, 5, "odd"])
def test_a_record_with_a_version_counts_like_one_without(version: Any) -> None:
    named = ("record", S, version)
    assert told(SCHEMA, named, STATE).stream(S).missing is None
    assert told(SCHEMA, RECORD, STATE, named).stream(S).missing is not None
    assert told(SCHEMA, RECORD, ("record", T, version), STATE).stream(S).missing is not None


@pytest.mark.parametrize(
    ("properties", "incremental"), [(None, False), ([], False), (["updated_at"], True), (["a", "b"], True)]
)
def test_a_stream_with_bookmark_properties_is_incremental(properties: list[str] | None, incremental: bool) -> None:
    assert told(("schema", S, properties)).stream(S).is_incremental is incremental


def test_a_stream_that_was_incremental_once_stays_so() -> None:
    assert told(("schema", S, ["id"]), ("schema", S, [])).stream(S).is_incremental
    assert told(("schema", S, []), ("schema", S, ["id"])).stream(S).is_incremental
    assert not told(("schema", T, ["id"])).stream(S).is_incremental
