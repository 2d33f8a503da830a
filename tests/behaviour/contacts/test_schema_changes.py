"""A stream whose SCHEMA changes from record to record: log-based taps leave out columns that did not change."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.grouping import add_people, all_tags
from tests.support.loading import Loader, People, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded

    Message = Mapping[str, Any]

pytestmark = pytest.mark.usefixtures("few_connections")
WIDE = schema("customers", id="integer", email="text", name="text", plan="text", address="object")
NARROW = schema("customers", id="integer", email="text", name="text")
SEARCH = "POST /contacts/search"
DECIMAL = {"type": ["null", "string"], "format": "singer.decimal"}


def user(number: int, **values: Any) -> dict[str, Any]:
    email = f"u{number}@example.com"
    return record("customers", id=number, email=email, name=f"User {number}", **values)


def wide(number: int) -> dict[str, Any]:
    return user(number, plan=f"p{number % 3}", address={"city": "Ulm", "lines": {"first": f"No. {number}"}})


def users(many: int) -> list[tuple[Message, Message]]:
    """Records with the SCHEMA that a tap sends before each."""
    return [(WIDE, wide(number)) if number % 2 else (NARROW, user(number)) for number in range(many)]


def alternating(pairs: Iterable[tuple[Message, Message]]) -> list[Message]:
    return [*chain.from_iterable(pairs), state({"n": 1})]


def under_one(pairs: Iterable[tuple[Message, Message]], under: Message = WIDE) -> list[Message]:
    return [under, *(one for _, one in pairs), state({"n": 1})]


def beside(load: Loader, sandbox: SandboxServer, folder: Path) -> tuple[Loader, People]:
    """A run into the workspace of another sandbox."""
    return Loader(sandbox.url, folder, dict(load.settings), piped=dict(load.piped)), People(sandbox)


def contents(people: People) -> list[dict[str, Any]]:
    """What stands in a workspace, but for ids and times."""
    kept = ("external_id", "email", "name", "custom_attributes", "state", "role")
    return sorted(({name: one[name] for name in kept} for one in people.everyone()), key=str)


def as_cheap(done: Loaded, other: Loaded) -> bool:
    """Whether a run took no more than twice the calls of another, and few searches."""
    calls, least = sum(done.calls.values()), sum(other.calls.values())
    return calls <= 2 * least and done.calls.get(SEARCH, 0) <= 10


MAPS = {"customers": {"name": "name.upper()", "label": "record.get('plan', 'none') + '!'"}}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size_rows": 50},
        {"stream_maps": MAPS},
        {"stream_maps": {"customers": {"__alias__": "people"}}},
        {"flattening_enabled": True, "flattening_max_depth": 2},
        {"bulk_writes": True},
        {"ledger_url": "none"},
    ],
    ids=["plain", "batches", "maps", "alias", "flat", "bulk", "no ledger"],
)
def test_alternating_schemas_load_what_one_schema_loads_at_its_cost(
    load: Loader, people: People, sandbox: SandboxServer, tmp_path: Path, settings: dict[str, Any]
) -> None:
    with type(sandbox)() as other:
        one, others = beside(load, other, tmp_path / "one")
        for changed in (0, 1):
            pairs = users(200) if not changed else [(WIDE, wide(5)), *users(200)]
            done, reference = load(alternating(pairs), **settings), one(under_one(pairs), **settings)
            assert (done.exit_code, done.states) == (0, [{"n": 1}])
            assert contents(people) == contents(others)
            assert as_cheap(done, reference)
            if changed and settings.get("ledger_url") != "none":
                assert done.writes == reference.writes == 0


def test_batch_messages_under_alternating_schemas(
    load: Loader, people: People, sandbox: SandboxServer, tmp_path: Path
) -> None:
    pairs = users(60)
    files = []
    for number, (under, one) in enumerate(pairs):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps(one["record"]) + "\n", encoding="utf-8")
        manifest = {
            "type": "BATCH",
            "stream": "customers",
            "encoding": {"format": "jsonl"},
            "manifest": [path.as_uri()],
        }
        files.append((under, manifest))
    with type(sandbox)() as other:
        one_schema, others = beside(load, other, tmp_path / "one")
        done, reference = load(alternating(files)), one_schema(under_one(pairs))
        assert contents(people) == contents(others)
        assert as_cheap(done, reference)


def test_memberships_under_alternating_schemas(load: Loader, people: People) -> None:
    load.settings |= {"groups_stream": "members", "mappings": {}}
    add_people(people, range(60))
    brief = schema("members", ["external_id", "tag"], external_id="text", tag="text")
    full = schema("members", ["external_id", "tag"], external_id="text", tag="text", since="datetime")
    pairs = [
        (full, record("members", external_id=str(n), tag=f"T{n % 2}", since="2026-01-01T00:00:00Z"))
        if n % 3
        else (brief, record("members", external_id=str(n), tag=f"T{n % 2}"))
        for n in range(60)
    ]
    done = load(alternating(pairs))
    assert done.results("members") == {"tagged": 60}
    assert all_tags(people) == {str(n): {f"T{n % 2}"} for n in range(60)}
    assert done.calls[SEARCH] <= 10
    assert load(alternating(pairs)).writes == 0


def test_the_last_record_of_a_key_wins_whatever_schema_it_came_under(load: Loader, people: People) -> None:
    pairs = [
        (WIDE, user(1, plan="old")),
        (NARROW, record("customers", id=1, email="u1@example.com", name="Newer")),
        (WIDE, user(2, plan="old")),
        (WIDE, user(2, plan="new")),
        (NARROW, user(2)),
    ]
    assert load(alternating(pairs)).results() == {"created": 2, "merged": 3}
    assert people.one(external_id="1")["name"] == "Newer"
    assert people.one(external_id="1")["custom_attributes"]["plan"] == "old"
    assert people.one(external_id="2")["custom_attributes"]["plan"] == "new"


@pytest.mark.parametrize(
    ("first", "second", "kind", "stored"),
    [
        ((DECIMAL, "1.50"), ("text", "2.50"), "float", [1.5, 2.5]),
        (("any", 1), ("any", 2.5), "float", [1, 2.5]),
        (("any", 1), ("number", 2.5), "float", [1, 2.5]),
        (("any", None), ("integer", 2), "integer", [None, 2]),
        (("text", "7"), ("integer", 8), "string", ["7", "8"]),
        (("date", "2026-01-01"), ("datetime", "2026-01-02T00:00:00Z"), "date", [1767225600, 1767312000]),
    ],
)
def test_values_are_read_by_the_schema_that_they_came_under(
    load: Loader, people: People, first: tuple[Any, Any], second: tuple[Any, Any], kind: str, stored: list[Any]
) -> None:
    pairs = [
        (schema("customers", id="integer", email="text", thing=named), user(number, thing=value))
        for number, (named, value) in enumerate([first, second], start=1)
    ]
    assert load(alternating(pairs)).results() == {"created": 2}
    attributes = people.call("GET", "/data_attributes?model=contact")["data"]
    assert [one["data_type"] for one in attributes if one["name"] == "thing"] == [kind]
    there = [people.one(external_id=str(number))["custom_attributes"].get("thing") for number in (1, 2)]
    assert there == stored


def test_a_schema_that_lost_the_identifiers_is_refused_and_what_came_before_is_loaded(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = schema("customers", keys=[], name="text")
    unkeyed = {**WIDE, "key_properties": []}
    done = load([unkeyed, wide(1), state({"n": 1}), nobody, record("customers", name="X"), state({"n": 2})])
    assert (done.exit_code, done.states) == (1, [])
    assert "Stream 'customers'" in caplog.messages[-2] + caplog.messages[-1]
    assert [one["external_id"] for one in people.live()] == ["1"]


def test_a_mark_is_read_by_the_schema_that_it_came_under(load: Loader, people: People) -> None:
    load.settings |= {"sync_mode": "sync"}
    marked = schema("customers", id="integer", _sdc_deleted_at="datetime")
    load(alternating(users(4)))
    gone = record("customers", id=2, _sdc_deleted_at="2026-01-01T00:00:00Z")
    done = load(alternating([(NARROW, user(1)), (marked, gone), (WIDE, wide(3))]))
    assert done.results()["archived"] == 1
    assert {one["external_id"] for one in people.live()} == {"0", "1", "3"}


@pytest.mark.parametrize("stream", ["customers", "members"])
def test_refused_records_stand_under_their_own_schema(load: Loader, stream: str) -> None:
    load.settings |= {"groups_stream": "members", "mappings": {"id": "external_id"}}
    keys = ["id"] if stream == "customers" else ["external_id", "tag"]
    wanted = dict.fromkeys(("id", "email") if stream == "customers" else keys, "text")
    unders = [schema(stream, keys, **wanted), schema(stream, keys, **wanted, more="text")]
    wrong = {"email": "no address", "id": 7} if stream == "customers" else {"external_id": "7", "tag": "VIP"}
    rows = [record(stream, **wrong, **({"more": "x"} if number else {})) for number in range(2)]
    if stream == "members":
        rows[1]["record"]["tag"] = "Gold"
    done = load(alternating([(unders[0], rows[0]), (unders[1], rows[1]), (unders[0], rows[0])]))
    under: Message | None = None
    stands: list[tuple[Message | None, Message]] = []
    for message in done.rejected:
        if message["type"] == "SCHEMA":
            under = message
        else:
            stands.append((under, message["record"]))
    assert (unders[1], rows[1]["record"]) in stands
    assert (unders[0], rows[0]["record"]) in stands
    assert all(len(row) == len(under["schema"]["properties"]) for under, row in stands if under is not None)


def test_hundreds_of_schemas_of_one_stream(load: Loader, people: People) -> None:
    names = [(f"a{n % 40}", f"b{n % 7}") for n in range(240)]
    pairs = [
        (
            schema("customers", id="integer", email="text", **dict.fromkeys(two, "text")),
            user(n, **dict.fromkeys(two, "x")),
        )
        for n, two in enumerate(names)
    ]
    done = load(alternating(pairs))
    assert done.results() == {"created": 240}
    assert done.calls[SEARCH] <= 10
    for n in (0, 41, 239):
        assert people.one(external_id=str(n))["custom_attributes"].items() >= dict.fromkeys(names[n], "x").items()


def test_two_streams_in_turn_each_with_two_schemas(load: Loader, people: People) -> None:
    pairs: list[tuple[Message, Message]] = []
    for n in range(30):
        pairs.append(users(n + 1)[-1])
        pairs.append(
            (
                schema("leads", id="text", name="text", **({"score": "integer"} if n % 2 else {})),
                record("leads", id=f"x{n}", name=f"Lead {n}", **({"score": n} if n % 2 else {})),
            )
        )
    done = load(alternating(pairs))
    assert done.results("customers") == done.results("leads") == {"created": 30}
    assert done.calls[SEARCH] <= 10
    assert people.one(external_id="x7")["custom_attributes"]["score"] == 7
