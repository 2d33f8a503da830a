"""The Singer side: messages in their order, and a STATE only behind what is written."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.target import TargetIntercom
from tests.support import processes
from tests.support.loading import Loader, lines, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import People

CUSTOMERS = schema("customers", id="integer", email="text", name="text", plan="text")


def customer(number: int, **values: Any) -> dict[str, Any]:
    return record("customers", id=number, email=f"c{number}@example.com", **values)


def batch(*paths: Path, **encoding: Any) -> dict[str, Any]:
    """A BATCH message for these files."""
    return {
        "type": "BATCH",
        "stream": "customers",
        "encoding": encoding or {"format": "jsonl"},
        "manifest": [path.as_uri() for path in paths],
    }


def jsonl(path: Path, *rows: Mapping[str, Any]) -> Path:
    """Write a BATCH file; compressed when its name says so."""
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def ids(people: People) -> set[str]:
    return {contact["external_id"] for contact in people.live()}


def searched(sandbox: SandboxServer) -> list[set[str]]:
    """The external_ids that each search asked for, in order."""
    found = []
    for call in sandbox.calls:
        if call.path == "/contacts/search":
            query: dict[str, Any] = call.body["query"]
            fields = query["value"] if query["operator"] == "OR" else [query]
            found.append({value for field in fields if field["field"] == "external_id" for value in field["value"]})
    return found


# STATE.


class Watched(io.StringIO):
    """A stdout that notes, with each line written, who is in the workspace at that moment."""

    def __init__(self, people: People) -> None:
        super().__init__()
        self._people = people
        self.seen: list[tuple[Any, set[str]]] = []

    def write(self, text: str) -> int:
        for line in text.splitlines():
            self.seen.append((json.loads(line), ids(self._people)))
        return len(text)


def run_watched(
    load: Loader, people: People, messages: Iterable[Mapping[str, Any]], **settings: Any
) -> list[tuple[Any, set[str]]]:
    """Run so that every record may bring a STATE out, as it does when minutes lie between two."""
    target = TargetIntercom(config=load.config(**settings))
    stdout = Watched(people)
    with redirect_stdout(stdout):
        target.listen(io.StringIO(lines(messages)))
    return stdout.seen


@pytest.mark.usefixtures("impatient")
def test_a_state_comes_out_only_after_the_records_that_it_covers(load: Loader, people: People) -> None:
    messages: list[dict[str, Any]] = [CUSTOMERS]
    for number in range(1, 6):
        messages += [customer(number), state({"covers": number})]
    seen = run_watched(load, people, messages)
    assert [value["covers"] for value, _ in seen] == sorted(value["covers"] for value, _ in seen)
    assert seen[-1] == ({"covers": 5}, {"1", "2", "3", "4", "5"})
    assert len(seen) > 2
    for value, there in seen:
        assert {str(number) for number in range(1, value["covers"] + 1)} <= there


@pytest.mark.usefixtures("impatient")
def test_a_state_that_may_cover_a_removal_waits_until_it_is_done(load: Loader, people: People) -> None:
    people.add(external_id="1", email="c1@example.com")
    messages = [
        schema("customers", id="integer", email="text", _sdc_deleted_at="datetime"),
        customer(2),
        state({"covers": 2}),
        customer(1, _sdc_deleted_at="2026-01-01T00:00:00Z"),
        state({"covers": 3}),
        customer(4),
        state({"covers": 4}),
        customer(5),
        state({"covers": 5}),
    ]
    seen = run_watched(load, people, messages, sync_mode="sync")
    assert seen[-1] == ({"covers": 5}, {"2", "4", "5"})
    assert all("1" not in there for value, there in seen if value["covers"] > 2)


def test_the_last_state_comes_out_once_and_nothing_else_does(load: Loader) -> None:
    done = load.pipe([CUSTOMERS, customer(1), state({"n": 1}), customer(2), state({"n": 2})])
    assert done.exit_code == 0
    assert done.states == [{"n": 2}]


@pytest.mark.parametrize("value", [{"ü": "\u2028"}, {"at": 1714521600.123}, {"n": 2**70}, {"deep": [{"a": None}]}])
def test_a_state_comes_out_as_it_came_in(load: Loader, value: dict[str, Any]) -> None:
    done = load([CUSTOMERS, customer(1), state({"bookmarks": {"customers": value}})])
    assert done.exit_code == 0
    assert done.states == [{"bookmarks": {"customers": value}}]


def test_a_state_without_records_comes_through(load: Loader) -> None:
    done = load([CUSTOMERS, state({"n": 0})])
    assert (done.exit_code, done.states) == (0, [{"n": 0}])


def test_no_input_at_all_is_a_run_without_records(load: Loader) -> None:
    done = load([])
    assert (done.exit_code, done.states) == (0, [])
    assert (done.report["status"], done.report["streams"]) == ("succeeded", {})


def test_records_without_a_state_are_written_all_the_same(load: Loader, people: People) -> None:
    done = load([CUSTOMERS, customer(1)])
    assert (done.exit_code, done.states) == (0, [])
    assert ids(people) == {"1"}


def test_no_state_is_printed_past_a_failure_not_even_one_that_is_covered(load: Loader, people: People) -> None:
    messages: list[dict[str, Any] | str] = [
        CUSTOMERS,
        customer(1),
        customer(2),
        state({"n": 2}),
        customer(3),
        "no json",
    ]
    done = load(messages, batch_size_rows=2)
    assert (done.exit_code, done.states) == (1, [])
    assert ids(people) == {"1", "2"}


# The order of messages.


def test_records_before_a_schema_change_come_before_those_after_it(load: Loader, people: People) -> None:
    wider = schema("customers", id="integer", email="text", name="text", plan="text", seats="integer")
    done = load(
        [
            CUSTOMERS,
            customer(1, name="first", plan="old"),
            wider,
            customer(1, name="second", seats=3),
            CUSTOMERS,
            customer(1, name="third"),
        ]
    )
    assert done.results() == {"created": 1, "merged": 2}
    user = people.one(external_id="1")
    assert user["name"] == "third"
    assert user["custom_attributes"] == {"plan": "old", "seats": 3}


def test_a_full_batch_after_a_schema_change_does_not_overtake_what_was_pending(load: Loader, people: People) -> None:
    wider = schema("customers", id="integer", email="text", name="text", plan="text", seats="integer")
    after = [customer(number, name="new", seats=1) for number in range(1, 7)]
    load([CUSTOMERS, customer(1, name="old"), customer(2, name="old"), wider, *after], batch_size_rows=3)
    assert {contact["name"] for contact in people.live()} == {"new"}


def test_a_new_type_of_a_property_holds_from_its_schema_on(load: Loader, people: People) -> None:
    as_text = schema("customers", id="integer", email="text", joined="text")
    as_date = schema("customers", id="integer", email="text", signed_up_at="date")
    done = load([as_text, customer(1, joined="2024-05-01"), as_date, customer(1, signed_up_at="2024-05-01")])
    assert done.exit_code == 0
    user = people.one(external_id="1")
    assert user["custom_attributes"] == {"joined": "2024-05-01"}
    assert user["signed_up_at"] == 1714521600


def test_the_same_schema_again_changes_nothing(load: Loader, sandbox: SandboxServer) -> None:
    done = load([CUSTOMERS, customer(1), CUSTOMERS, customer(2), CUSTOMERS, customer(3)])
    assert done.results() == {"created": 3}
    assert len(searched(sandbox)) == 1


def test_records_before_a_change_of_key_are_written_before_those_after_it(load: Loader, people: People) -> None:
    rekeyed = {**CUSTOMERS, "key_properties": ["email"]}
    done = load([CUSTOMERS, customer(1, name="first"), rekeyed, customer(1, name="second"), state({"n": 2})])
    assert done.results() == {"created": 1, "updated": 1}
    assert people.one(external_id="1")["name"] == "second"
    assert done.states == [{"n": 2}]


def test_a_stream_without_key_properties_loads(load: Loader, people: People) -> None:
    done = load([{**CUSTOMERS, "key_properties": []}, customer(1)])
    assert done.results() == {"created": 1}
    assert ids(people) == {"1"}


def test_batch_size_rows_says_how_many_records_a_batch_takes(load: Loader, sandbox: SandboxServer) -> None:
    messages = [CUSTOMERS, *(customer(number) for number in range(1, 6))]
    assert load(messages, batch_size_rows=2).results() == {"created": 5}
    assert searched(sandbox) == [{"1", "2"}, {"3", "4"}, {"5"}]


@pytest.mark.parametrize("rows", [0, -5])
def test_a_batch_of_no_rows_is_refused(
    load: Loader, sandbox: SandboxServer, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    done = load([CUSTOMERS, customer(1)], batch_size_rows=rows)
    assert (done.exit_code, sandbox.calls) == (1, [])
    assert f"Setting 'batch_size_rows' does not take {rows}: give a whole number from 1" in caplog.text


def test_two_streams_are_loaded_each_with_its_own_settings(load: Loader, people: People) -> None:
    orders = schema("trials", keys=["uid"], uid="text", email="text", name="text")
    done = load(
        [
            CUSTOMERS,
            orders,
            customer(1, name="Ann"),
            record("trials", uid="t1", email="t1@example.com", name="Tom"),
            customer(2, name="Bob"),
            record("trials", uid="t2", email=None, name="Tim"),
            state({"customers": 2, "trials": 2}),
        ],
        streams={"trials": {"mappings": {"uid": "custom_attributes.trial"}, "creation_mode": "lead"}},
    )
    assert done.exit_code == 0
    assert done.results("customers") == {"created": 2}
    assert done.results("trials") == {"created": 1, "invalid": 1}
    assert done.states == [{"customers": 2, "trials": 2}]
    lead = people.one(role="lead")
    assert (lead["name"], lead["email"], lead["custom_attributes"]) == ("Tom", "t1@example.com", {"trial": "t1"})
    assert {user["name"] for user in people.live() if user["role"] == "user"} == {"Ann", "Bob"}


def test_a_person_in_two_streams_is_one_contact_with_the_attributes_of_both(load: Loader, people: People) -> None:
    billing = schema("billing", id="integer", email="text", balance="number")
    done = load([CUSTOMERS, billing, customer(1, plan="pro"), record("billing", id=1, email=None, balance=2.5)])
    assert sorted([*done.results("customers").items(), *done.results("billing").items()]) == [
        ("created", 1),
        ("updated", 1),
    ]
    assert people.one(external_id="1")["custom_attributes"] == {"plan": "pro", "balance": 2.5}


# BATCH.


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_batch_message_is_read_in_its_place_among_the_records(
    load: Loader, people: People, tmp_path: Path, name: str
) -> None:
    row = customer(1)["record"]
    file = jsonl(tmp_path / name, {**row, "name": "second", "plan": "pro"}, customer(2, name="Bob")["record"])
    encoding = {"format": "jsonl", "compression": "gzip" if name.endswith(".gz") else None}
    done = load(
        [CUSTOMERS, customer(1, name="first"), batch(file, **encoding), customer(1, name="third"), state({"n": 4})],
    )
    assert done.exit_code == 0
    assert done.results() == {"created": 2, "merged": 2}
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]) == ("third", {"plan": "pro"})
    assert people.one(external_id="2")["name"] == "Bob"
    assert done.states == [{"n": 4}]


@pytest.mark.parametrize("left", [0, 2, 20, -4], ids=["none", "no header", "no end", "no checksum"])
def test_a_batch_file_that_is_not_whole_ends_the_run(
    load: Loader, tmp_path: Path, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    file = jsonl(tmp_path / "rows.jsonl.gz", customer(1)["record"])
    file.write_bytes(file.read_bytes()[:left] if left else b"no gzip")
    done = load([CUSTOMERS, batch(file, format="jsonl", compression="gzip"), state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])
    assert "Stream 'customers': BATCH file 1 is damaged, or not whole" in caplog.text


def test_a_batch_message_wins_over_records_before_it_even_when_they_were_written(
    load: Loader, people: People, tmp_path: Path
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", customer(1, name="second")["record"])
    load([CUSTOMERS, customer(1, name="first"), batch(file)], batch_size_rows=1)
    assert people.one(external_id="1")["name"] == "second"


def test_a_batch_of_several_files_is_read_in_their_order(load: Loader, people: People, tmp_path: Path) -> None:
    files = [jsonl(tmp_path / f"{n}.jsonl", customer(1, name=f"from {n}")["record"]) for n in (3, 1, 2)]
    done = load([CUSTOMERS, batch(*files)])
    assert done.results() == {"created": 1, "merged": 2}
    assert people.one(external_id="1")["name"] == "from 2"


def test_a_batch_message_goes_through_stream_maps(load: Loader, people: People, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "rows.jsonl", customer(1, name="ann")["record"], customer(2, name="bob")["record"])
    maps = {"customers": {"name": "name.upper()", "__filter__": "id == 1", "__else__": None, "id": "id"}}
    done = load([CUSTOMERS, batch(file)], stream_maps=maps)
    assert done.results() == {"created": 1}
    assert people.one(external_id="1")["name"] == "ANN"


def test_a_bad_record_of_a_batch_file_is_rejected_alone(load: Loader, people: People, tmp_path: Path) -> None:
    bad = {"id": 2, "email": "no address"}
    done = load([CUSTOMERS, batch(jsonl(tmp_path / "rows.jsonl", customer(1)["record"], bad)), state({"n": 2})])
    assert done.exit_code == 0
    assert done.results() == {"created": 1, "invalid": 1}
    assert next(message for message in done.rejected if message["type"] == "RECORD")["record"] == bad


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ({"format": "parquet"}, "parquet"),
        ({"format": "csv", "compression": "gzip"}, "csv"),
        ({"format": "jsonl", "compression": "zstd"}, "zstd"),
    ],
)
def test_a_batch_of_another_format_is_refused(
    load: Loader, people: People, tmp_path: Path, encoding: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = jsonl(tmp_path / "rows", customer(1)["record"])
    done = load([CUSTOMERS, batch(file, **encoding), state({"n": 1})])
    assert (done.exit_code, done.states, people.everyone()) == (1, [], [])
    assert named in caplog.text
    assert "customers" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("content", [b'{"id": 1}\nc1@example.com\n', b"[1]\n", b'"c1@example.com"\n'])
def test_a_batch_file_that_holds_no_records_is_refused_without_its_text(
    load: Loader, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(content)
    done = load([CUSTOMERS, batch(file), state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])
    assert "Stream 'customers'" in caplog.text
    assert "example.com" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_batch_file_that_is_not_gzip_is_refused(
    load: Loader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = jsonl(tmp_path / "rows.jsonl", customer(1)["record"])
    done = load([CUSTOMERS, batch(file, format="jsonl", compression="gzip"), state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])
    assert "Traceback" not in caplog.text


def test_a_batch_file_that_is_not_there_fails_the_run(
    load: Loader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = load([CUSTOMERS, customer(1), batch(tmp_path / "gone.jsonl"), state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])
    assert "gone.jsonl" in caplog.text


def test_a_batch_before_its_schema_fails_the_run(load: Loader, tmp_path: Path) -> None:
    done = load([batch(jsonl(tmp_path / "rows.jsonl", customer(1)["record"])), state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])


# Stream maps and flattening.


def test_a_stream_map_renames_a_stream_and_its_settings_go_by_the_new_name(load: Loader, people: People) -> None:
    done = load(
        [CUSTOMERS, customer(1, name="Ann")],
        stream_maps={"customers": {"__alias__": "people"}},
        streams={"people": {"mappings": {"id": "external_id", "name": "custom_attributes.nick"}}},
    )
    assert done.exit_code == 0
    assert done.results("people") == {"created": 1}
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]["nick"]) == (None, "Ann")


def test_a_stream_map_filters_records(load: Loader, people: People) -> None:
    done = load(
        [CUSTOMERS, customer(1, plan="pro"), customer(2, plan="free"), state({"n": 2})],
        stream_maps={"customers": {"__filter__": "plan == 'pro'"}},
    )
    assert done.results() == {"created": 1}
    assert ids(people) == {"1"}
    assert done.states == [{"n": 2}]


def test_a_stream_map_computes_properties(load: Loader, people: People) -> None:
    done = load(
        [CUSTOMERS, customer(1, name="ann", plan="pro")],
        stream_maps={"customers": {"name": "name.title() + ' (' + plan + ')'", "plan": "__NULL__", "tier": "plan"}},
    )
    assert done.exit_code == 0
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]) == ("Ann (pro)", {"tier": "pro"})


def test_a_stream_map_sees_deletion_marks(load: Loader, people: People) -> None:
    people.add(external_id="1", email="c1@example.com")
    done = load(
        [
            schema("customers", id="integer", email="text", _sdc_deleted_at="datetime"),
            customer(1, _sdc_deleted_at="2026-01-01T00:00:00Z"),
            customer(2, _sdc_deleted_at=None),
        ],
        sync_mode="sync",
        deleted_property="gone",
        stream_maps={"customers": {"id": "id", "email": "email", "gone": "bool(_sdc_deleted_at)", "__else__": None}},
    )
    assert done.results() == {"archived": 1, "created": 1}
    assert ids(people) == {"2"}


def test_flattening_makes_attributes_of_nested_properties(load: Loader, people: People) -> None:
    address = {
        "type": ["object", "null"],
        "properties": {"city": {"type": ["string", "null"]}, "lat": {"type": "number"}},
    }
    done = load(
        [
            schema("customers", id="integer", email="text", address=address),
            customer(1, address={"city": "Köln", "lat": 50.94}),
        ],
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert done.exit_code == 0
    assert people.one(external_id="1")["custom_attributes"] == {"address__city": "Köln", "address__lat": 50.94}


def test_a_property_outside_the_schema_is_loaded_by_its_value(load: Loader, people: People) -> None:
    done = load([CUSTOMERS, customer(1, seats=3, phone="+49 221 1", vip=True, note=None)])
    assert done.results() == {"created": 1}
    ann = people.one(external_id="1")
    assert (ann["phone"], ann["custom_attributes"]) == ("+49 221 1", {"seats": 3, "vip": True})


# Messages that are wrong.


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (record("orders", id=1, email="secret@example.com"), "orders"),
        (record("customers", email="secret@example.com"), "Stream 'customers': a record lacks the key property 'id'"),
        (
            {"type": "SCHEMA", "stream": "orders", "schema": {"type": "object"}, "key_properties": []},
            "Stream 'orders': its SCHEMA names no properties, and it has no key_properties",
        ),
        *(
            (
                {"type": "SCHEMA", "stream": "orders", "schema": wrong},
                "Stream 'orders': its schema is not a JSON object",
            )
            for wrong in (["secret@example.com"], True, None, "object")
        ),
        ({"type": "SCHEMA", "stream": "orders", "key_properties": ["id"]}, "lacks schema"),
        *(
            ({**CUSTOMERS, "key_properties": wrong}, "Stream 'customers': its key_properties are not a list of names")
            for wrong in ("id", [1], [None], {"id": 1}, True)
        ),
        ({"type": "RECORD", "stream": 7, "record": {}}, "Line 4 is not a Singer message: its stream is not a text"),
        (
            {"type": "SCHEMA", "stream": ["a"], "schema": {}},
            "Line 4 is not a Singer message: its stream is not a text",
        ),
        ('{"type": "RECORD", "secret": ' + "[" * 50_000 + "]" * 50_000 + "}", "Line 4 cannot be read: it is nested"),
        *(
            ({"type": "BATCH", "stream": "customers", "encoding": encoding, "manifest": manifest}, "a list of files")
            for encoding, manifest in (
                ("jsonl", []),
                ({"compression": "gzip"}, []),
                ({"format": "jsonl"}, "file:///a.jsonl"),
                ({"format": "jsonl"}, [7]),
            )
        ),
        *(
            (
                {"type": "BATCH", "stream": "customers", "encoding": {"format": "jsonl"}, "manifest": [place]},
                "Stream 'customers': BATCH file 1 cannot be opened",
            )
            for place in ("", "nowhere://rows.jsonl", "s3://bucket/rows.jsonl")
        ),
        ({"type": "RECORD", "stream": "customers"}, "lacks record"),
        ({"type": "STATE"}, "lacks value"),
        ({"type": "MOCKERY", "email": "secret@example.com"}, "MOCKERY"),
        ({"kind": "RECORD", "email": "secret@example.com"}, "Line 4"),
        ('{"type": "RECORD", "email": "secret@example.com"', "Line 4"),
        ("secret@example.com", "Line 4"),
        ('["secret@example.com"]', "Line 4"),
    ],
)
def test_a_wrong_message_ends_the_run_without_a_state_and_without_its_content(
    load: Loader, people: People, wrong: dict[str, Any] | str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    done = load([CUSTOMERS, customer(1), state({"n": 1}), wrong, customer(2), state({"n": 2})])
    assert (done.exit_code, done.states) == (1, [])
    assert done.report["status"] == "failed"
    assert told in caplog.text
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text
    assert "2" not in ids(people)


@pytest.mark.parametrize("content", [[1, 2], "secret@example.com", 7, None])
def test_a_record_that_is_no_object_ends_the_run_without_its_content(
    load: Loader, content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    done = load([CUSTOMERS, {"type": "RECORD", "stream": "customers", "record": content}, state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])
    assert "secret" not in caplog.text


def test_blank_lines_are_skipped(load: Loader, people: People) -> None:
    messages: list[dict[str, Any] | str] = ["", CUSTOMERS, "   ", customer(1), "\t", state({"n": 1}), ""]
    done = load(messages)
    assert (done.exit_code, done.states) == (0, [{"n": 1}])
    assert ids(people) == {"1"}


def test_lines_of_windows_and_unicode_separators_are_read(load: Loader, people: People) -> None:
    text = json.dumps(record("customers", id=1, email="c1@example.com", name="a\u2028b\u0085c"), ensure_ascii=False)
    done = load([json.dumps(CUSTOMERS) + "\r", text + "\r", json.dumps(state({"n": 1})) + "\r"])
    assert (done.exit_code, done.states) == (0, [{"n": 1}])
    assert people.one(external_id="1")["name"] == "a\u2028b\u0085c"


def test_half_a_unicode_character_does_not_end_the_run(load: Loader) -> None:
    done = load([CUSTOMERS, customer(1, name="\ud800"), record("customers", id="\ud800"), customer(2), state({"n": 3})])
    assert (done.exit_code, done.states) == (0, [{"n": 3}])
    assert done.stream()["read"] == 3


@pytest.mark.parametrize("place", ["before the records", "after the records", "both", "of an unknown stream"])
def test_activate_version_harms_nobody(load: Loader, people: People, place: str) -> None:
    other = people.add(external_id="99", email="other@example.com")
    version: dict[str, Any] = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 1785000000000}
    before = [version] if place in {"before the records", "both"} else []
    after = [version] if place in {"after the records", "both"} else []
    unknown = [{**version, "stream": "orders"}] if place == "of an unknown stream" else []
    rows = [customer(1) | {"version": version["version"]}, customer(2) | {"version": version["version"]}]
    done = load([*unknown, CUSTOMERS, *before, *rows, *after, state({"n": 2})], sync_mode="sync")
    assert (done.exit_code, done.states) == (0, [{"n": 2}])
    assert done.results() == {"created": 2}
    assert people.one(id=other)["state"] == "live"


# The command.


def test_settings_come_from_the_environment_where_config_says_env(load: Loader, people: People, tmp_path: Path) -> None:
    piped = lines([CUSTOMERS, customer(1, name="Ann"), state({"n": 1})])
    env = {
        f"TARGET_INTERCOM_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in load.config(max_connections=3, clear_nulls=False, match_by=["external_id"]).items()
    }
    command = [*load.command(tmp_path)[:-2], "--config=ENV"]
    done = processes.run(command, input=piped.encode(), env={**load.env(), **env})
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {"n": 1}
    assert people.one(external_id="1")["name"] == "Ann"


OF_THE_SDK = {
    "batch_size_rows",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
    "stream_map_config",
    "stream_maps",
}


def test_about_offers_exactly_the_settings_that_there_are(load: Loader, tmp_path: Path) -> None:
    command = [*load.command(tmp_path)[:-2], "--about", "--format=json"]
    about = json.loads(subprocess.run(command, capture_output=True, check=True, env=load.env()).stdout)
    offered = about["settings"]["properties"]
    defaults = {name: offered[name].get("default") for name in offered if name not in OF_THE_SDK}
    assert set(offered) >= OF_THE_SDK
    assert about["settings"]["required"] == ["access_token"]
    assert offered["access_token"]["secret"] is True
    assert all(offered[name]["description"] for name in offered)
    assert defaults == {
        "access_token": None,
        "region": "us",
        "api_url": None,
        "api_version": "2.16",
        "sync_mode": "additive",
        "creation_mode": "user",
        "removal_mode": "archive",
        "match_by": ["external_id", "email"],
        "mappings": {},
        "unmapped": "load",
        "create_attributes": True,
        "clear_nulls": True,
        "deleted_property": "_sdc_deleted_at",
        "snapshot": False,
        "tags_property": None,
        "companies_property": None,
        "groups_stream": None,
        "streams": {},
        "max_removal_percent": 20,
        "max_rejected_records": 1000,
        "rate_limit_percent": 95,
        "max_connections": 64,
        "search_delay_seconds": 120,
        "bulk_writes": False,
        "bulk_api_version": "Preview",
        "data_dir": ".target-intercom",
        "ledger_url": None,
        "repair": False,
        "dry_run": False,
    }
