"""Which streams are about people: what is loaded, what is refused at its SCHEMA, and what is left out."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import lines, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People
    from tests.support.remembering import Row

COLUMNS = {"id": "integer", "email": "text", "name": "text"}
ORDERS = {"id": "integer", "total": "number", "deleted_at": "datetime"}
ERASURE: Row = {"sync_mode": "remove", "removal_mode": "delete", "mappings": {"customer_id": "external_id"}}


@pytest.fixture
def load(load: Loader) -> Loader:
    load.names_streams = False
    return load


def customers(*numbers: int, of: str = "customers") -> list[Row]:
    """A table of people, with a STATE after it."""
    rows = [record(of, id=one, email=f"c{one}@example.com") for one in numbers]
    return [schema(of, **COLUMNS), *rows, state({"bookmarks": {of: {}}})]


def orders(*numbers: int, of: str = "orders") -> list[Row]:
    """A table that is not about people, though its column `id` looks like it."""
    rows = [record(of, id=one, total=5, deleted_at="2026-01-01T00:00:00Z") for one in numbers]
    return [schema(of, **ORDERS), *rows, state({"bookmarks": {of: {}}})]


def requests(*numbers: int, of: str = "erasure_requests") -> list[Row]:
    """A table of people to be erased."""
    properties = {"customer_id": "integer", "email": "text"}
    rows = [record(of, customer_id=one, email=f"c{one}@example.com") for one in numbers]
    return [schema(of, ("customer_id",), **properties), *rows, state({"bookmarks": {of: {}}})]


def ids(people: People, wanted: str = "live") -> list[str]:
    return sorted(str(one["external_id"]) for one in people.everyone() if one["state"] == wanted)


def refused(done: Loaded, caplog: pytest.LogCaptureFixture) -> str:
    """The error of a run that refused a stream: nothing is in STATE."""
    assert (done.exit_code, done.states) == (1, [])
    errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    caplog.clear()
    return errors[0]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    caplog.clear()
    return said


# One stream of contacts needs no entry, a further one does.


def test_a_second_stream_of_contacts_without_an_entry_is_refused_before_a_record_of_it_is_taken(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    said = refused(load([*customers(1), *orders(1, 77)], sync_mode="sync", deleted_property="deleted_at"), caplog)
    assert people.everyone() == []
    assert all(name in said for name in ("'orders'", "'customers'"))
    assert all(way in said for way in ('"orders": {} to', '"orders": {"object": "ignore"} to'))
    assert "ledger forget" not in said


def test_the_second_stream_is_refused_though_its_records_have_no_identifier(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    said = refused(load([*customers(1), *orders(1)], mappings={"nothing": "external_id"}), caplog)
    assert "'customers'" in said
    assert '"orders": {"object": "ignore"}' in said


@pytest.mark.parametrize("entry", [{}, {"sync_mode": "additive"}, {"object": "contacts"}])
def test_a_further_stream_that_is_named_is_loaded(load: Loader, people: People, entry: Row) -> None:
    done = load([*customers(1), *customers(2, of="leads")], streams={"leads": entry})
    assert (done.exit_code, ids(people)) == (0, ["1", "2"])


def test_the_named_stream_may_come_first(load: Loader, people: People) -> None:
    done = load([*customers(2, of="leads"), *customers(1)], streams={"leads": {}})
    assert (done.exit_code, ids(people)) == (0, ["1", "2"])


def test_a_groups_stream_is_named_by_its_setting(load: Loader, people: People) -> None:
    members = [
        schema("members", ("email",), email="text", tag="text"),
        record("members", email="c1@example.com", tag="VIP"),
    ]
    for messages in ([*members, *customers(1)], [*customers(1), *members]):
        assert load(messages, groups_stream="members").exit_code == 0
    assert people.one(external_id="1")["tags"] == ["VIP"]


def test_a_stream_that_comes_in_turns_and_with_another_schema_is_one(load: Loader, people: People) -> None:
    more = [schema("customers", **COLUMNS, plan="text"), record("customers", id=2, email="c2@example.com", plan="pro")]
    assert load([*customers(1), *more, *customers(3)]).exit_code == 0
    assert ids(people) == ["1", "2", "3"]


def test_the_stream_that_the_ledger_knows_is_the_one(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    """A tap sends its streams in any order."""
    assert load(customers(1)).exit_code == 0
    said = refused(load([*orders(7), *customers(1)]), caplog)
    assert all(name in said for name in ("'orders'", "'customers'", '"orders": {}', '{"object": "ignore"}'))
    assert "python -m target_intercom.ledger forget customers" in said
    assert load(customers(1, 2)).exit_code == 0
    assert ids(people) == ["1", "2"]


def test_a_stream_of_another_name_than_the_ledger_knows_is_refused_alone_too(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(customers(1))
    said = refused(load(customers(1, 2, of="the clients' table")), caplog)
    assert "ledger forget customers" in said
    assert ids(people) == ["1"]
    assert load(customers(1, 2, of="the clients' table"), streams={"the clients' table": {}}).exit_code == 0
    assert ids(people) == ["1", "2"]


def test_a_stream_of_the_ledger_that_is_named_by_now_is_not_the_one(load: Loader, people: People) -> None:
    load(orders(7))
    done = load([*orders(7), *customers(1)], streams={"orders": {"object": "ignore"}})
    assert (done.exit_code, ids(people)) == (0, ["1", "7"])


def test_what_a_run_that_was_refused_had_begun_is_not_known(load: Loader, people: People) -> None:
    """The first stream was the wrong one; the user takes it out of the tap's selection."""
    assert load([*orders(7), *customers(1)]).exit_code == 1
    assert load(customers(1)).exit_code == 0
    assert ids(people) == ["1"]


def test_without_a_ledger_the_first_of_each_run_is_the_one(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load.settings = {"ledger_url": "none"}
    assert load(customers(1)).exit_code == 0
    assert load(customers(2, of="clients")).exit_code == 0
    refused(load([*customers(3), *customers(4, of="clients")]), caplog)
    assert ids(people) == ["1", "2"]


def test_a_dry_run_refuses_what_a_run_refuses(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    assert "'orders'" in refused(load([*customers(1), *orders(1)], dry_run=True), caplog)
    load(customers(1))
    assert "ledger forget customers" in refused(load(orders(1), dry_run=True), caplog)


def test_a_groups_stream_of_the_ledger_is_not_the_one(load: Loader, people: People) -> None:
    """A groups stream makes no contacts, also when its name is not in the settings any more."""
    people.add(external_id="1", email="c1@example.com")
    members = schema("members", ("email",), email="text", tag="text")
    load([members, record("members", email="c1@example.com", tag="VIP")], groups_stream="members")
    assert load(customers(1)).exit_code == 0


# Every refusal of a stream says how to leave it out.

REFUSALS: dict[str, tuple[list[Row], Row]] = {
    "no identifier": (orders(1), {"mappings": {}}),
    "no group": ([schema("orders", email="text")], {"groups_stream": "orders", "mappings": {}}),
    "no snapshot": ([{**schema("orders", **COLUMNS), "bookmark_properties": ["id"]}], {"snapshot": True}),
    "no key": ([*orders(), record("orders", total=1)], {}),
    "no schema": ([{**schema("orders"), "schema": {"type": "object"}}], {"mappings": {}}),
    "a batch that cannot be read": (
        [
            *orders(),
            {"type": "BATCH", "stream": "orders", "encoding": {"format": "parquet"}, "manifest": []},
        ],
        {},
    ),
}


@pytest.mark.parametrize(("messages", "settings"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_of_a_stream_says_how_to_leave_it_out(
    load: Loader, caplog: pytest.LogCaptureFixture, messages: list[Row], settings: Row
) -> None:
    said = refused(load(messages, **settings), caplog)
    assert said.endswith('To leave the stream out, add "orders": {"object": "ignore"} to \'streams\'')
    ignored = {name: value for name, value in settings.items() if name != "groups_stream"}
    assert load(messages, **ignored, streams={"orders": {"object": "ignore"}}).exit_code == 0


# What is left out makes no sink, is not checked, and takes no part in removals.

LEFT_OUT: dict[str, Row] = {
    "ignored": {"streams": {"orders": {"object": "ignore"}}},
    "a null": {"stream_maps": {"orders": None}},
    "a null as text": {"stream_maps": {"orders": "__NULL__"}},
    "a pattern": {"stream_maps": {"ord*": None}},
    "the others": {"stream_maps": {"customers": {}, "__else__": None}},
    "the others, as text": {"stream_maps": {"customers": {}, "__else__": "__NULL__"}},
}


@pytest.mark.parametrize("settings", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_stream_that_is_left_out_is_not_checked_and_not_in_the_report(
    load: Loader, people: People, tmp_path: Path, settings: Row
) -> None:
    """Not even its BATCH files are opened."""
    strange = {
        "type": "SCHEMA",
        "stream": "orders",
        "schema": {"type": ["object", "strange"]},
        "key_properties": ["no"],
    }
    batch = {"type": "BATCH", "stream": "orders", "encoding": {"format": "parquet"}, "manifest": [f"{tmp_path}/none"]}
    versions = {"type": "ACTIVATE_VERSION", "stream": "orders", "version": 1}
    messages = [strange, record("orders", total=5), batch, versions, *customers(1), strange, *orders(3)]
    end = state({"bookmarks": {"orders": {}, "customers": {}}})
    done = load([*messages, end], **settings, sync_mode="sync", deleted_property="deleted_at")
    assert (done.exit_code, done.states[-1]) == (0, end["value"])
    assert list(done.report["streams"]) == ["customers"]
    assert ids(people) == ["1"]


@pytest.mark.parametrize("settings", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_stream_that_is_left_out_is_no_empty_table(load: Loader, people: People, settings: Row) -> None:
    load.settings = {"sync_mode": "sync", "snapshot": True, "mappings": {"id": "external_id", "total": None}}
    everybody = range(30)
    assert load([*customers(99), *orders(*everybody)], streams={"orders": {}}, deleted_property="gone").exit_code == 0
    done = load([*customers(99), *orders(*everybody)], **settings, max_removal_percent=100)
    assert done.exit_code == 0
    assert len(ids(people)) == 31


def test_a_groups_stream_that_a_map_takes_out_takes_no_tag_off(load: Loader, people: People) -> None:
    members = schema("members", ("email",), email="text", tag="text")
    rows = [record("members", email=f"c{one}@example.com", tag="VIP") for one in (1, 2)]
    messages = [*customers(1, 2), members, *rows, state({"bookmarks": {"members": {}}})]
    settings: Row = {"groups_stream": "members", "streams": {"members": {"snapshot": True, "sync_mode": "sync"}}}
    assert load(messages, **settings).exit_code == 0
    assert load(messages, **settings, stream_maps={"members": None}, max_removal_percent=100).exit_code == 0
    assert [one["tags"] for one in people.live()] == [["VIP"], ["VIP"]]


def test_rows_that_a_filter_drops_have_left(load: Loader, people: People) -> None:
    load.settings = {"sync_mode": "sync", "snapshot": True}
    load(customers(1, 2, 3))
    assert load(customers(1, 2, 3), stream_maps={"customers": {"__filter__": "id != 3"}}).exit_code == 0
    assert (ids(people), ids(people, "archived")) == (["1", "2"], ["3"])


def test_a_stream_that_is_left_out_comes_between_the_last_record_and_the_state(load: Loader, people: People) -> None:
    """A tap that fails in one stream may go on with the next: the STATE proves nothing of the first."""
    load.settings = {"sync_mode": "sync", "snapshot": True, "streams": {"orders": {"object": "ignore"}}}
    load(customers(1, 2))
    begin, only, _ = customers(1)
    assert load([begin, only, *orders(7), state({"bookmarks": {"customers": {}, "orders": {}}})]).exit_code == 0
    assert ids(people) == ["1", "2"]


def test_batches_of_a_stream_that_is_loaded_are_read(load: Loader, people: People, tmp_path: Path) -> None:
    file = tmp_path / "batch.gz"
    file.write_bytes(gzip.compress(lines([{"id": 5, "email": "c5@example.com"}]).encode()))
    encoding = {"format": "jsonl", "compression": "gzip"}
    batch = {"type": "BATCH", "stream": "customers", "encoding": encoding, "manifest": [file.as_uri()]}
    assert load([schema("customers", **COLUMNS), batch]).exit_code == 0
    assert ids(people) == ["5"]


# A stream's name is the one that stream maps give it.


def test_settings_take_the_name_that_stream_maps_give(load: Loader, people: People) -> None:
    maps = {"public-orders": {"__alias__": "orders"}, "public-customers": {"__alias__": "people"}}
    messages = [*customers(1, of="public-customers"), *orders(7, of="public-orders")]
    done = load(messages, stream_maps=maps, streams={"orders": {"object": "ignore"}})
    assert (done.exit_code, list(done.report["streams"]), ids(people)) == (0, ["people"], ["1"])
    assert done.states == [{"bookmarks": {"public-orders": {}}}]


def test_two_streams_of_the_tap_that_a_map_makes_one_are_one(load: Loader, people: People) -> None:
    maps = {name: {"__alias__": "people"} for name in ("customers", "leads")}
    assert load([*customers(1), *customers(2, of="leads")], stream_maps=maps).exit_code == 0
    assert ids(people) == ["1", "2"]


def test_a_copy_of_a_stream_is_a_further_one(load: Loader, people: People, caplog: pytest.LogCaptureFixture) -> None:
    maps = {"people": {"__source__": "customers"}}
    assert "'people'" in refused(load(customers(1), stream_maps=maps), caplog)
    assert load(customers(1), stream_maps={**maps, "customers": None}).exit_code == 0
    assert ids(people) == ["1"]


# Names that no stream has.


def test_names_that_no_stream_has_are_said_at_the_end(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    done = load(
        customers(1), groups_stream="membres", streams={"cusTomers": {"snapshot": True}, "orders": {"object": "ignore"}}
    )
    assert done.exit_code == 0
    said = [one for one in warnings(caplog) if "there is no stream" in one]
    assert [one.split("'")[1] for one in said] == ["streams.cusTomers", "streams.orders", "groups_stream"]
    assert "Did you mean 'customers'?" in said[0]
    assert "The streams are: 'customers'" in said[2]


def test_names_that_no_stream_has_are_said_of_a_failed_run_too(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    refused(load([*customers(1), *orders(1)], streams={"public-orders": {}}), caplog)
    load([*customers(1), record("customers", email="x@example.com")], streams={"leads": {}})
    assert "Setting 'streams.leads' has no effect: there is no stream 'leads'" in warnings(caplog)[-1]
    load([schema("customers", **COLUMNS), "{"], streams={"leads": {}})
    assert "Setting 'streams.leads'" in warnings(caplog)[-1]


def test_names_of_streams_that_came_are_not_said(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    """Whether they are loaded or not, and though no record came."""
    maps = {"customers": {"__alias__": "people"}, "carts": None}
    messages = [*customers(1), *orders(1), schema("carts", **ORDERS), schema("leads", **COLUMNS)]
    named: Row = {"people": {}, "carts": {}, "orders": {"object": "ignore"}, "leads": {}}
    assert load(messages, stream_maps=maps, streams=named).exit_code == 0
    assert [one for one in warnings(caplog) if "there is no stream" in one] == []


def test_a_name_from_before_the_stream_maps_is_said_with_the_new_one(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    load(customers(1), stream_maps={"customers": {"__alias__": "people"}}, streams={"customers": {"snapshot": True}})
    (said,) = [one for one in warnings(caplog) if "there is no stream" in one]
    assert said.endswith("there is no stream 'customers'. Did you mean 'people'?")


# A slip of the pen in a name makes nobody.


@pytest.mark.parametrize("first", [True, False])
def test_a_privacy_request_by_another_name_makes_nobody(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, first: bool
) -> None:
    tables = [customers(1, 2, of="public-customers"), requests(1, 9, of="public-erasure_requests")]
    messages = [one for table in (reversed(tables) if first else tables) for one in table]
    done = load(messages, streams={"erasure_requests": ERASURE})
    said = warnings(caplog)
    assert (done.exit_code, done.states, people.everyone()) == (1, [], [])
    assert "there is no stream 'erasure_requests'. Did you mean 'public-erasure_requests'?" in said[-1]


@pytest.mark.parametrize("name", ["public-erasure_requests", "Erasure-Requests", "erasure_request", "erausre_requests"])
def test_privacy_requests_alone_by_nearly_the_name_are_refused(
    load: Loader, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """No other stream is there to tell by."""
    done = load(requests(1, of=name), streams={"erasure_requests": ERASURE})
    said = refused(done, caplog)
    assert (people.everyone(), list(sandbox.calls)) == ([], [])
    assert "setting 'streams.erasure_requests'" in said
    assert json.dumps(name) + ': {"object": "ignore"}' in said
    assert json.dumps(name) + ": {}" in said


def test_memberships_and_ignored_streams_by_nearly_their_names_make_nobody(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    said = refused(load(customers(1, of="public-members"), groups_stream="members"), caplog)
    assert "setting 'groups_stream'" in said
    said = refused(load(customers(1, of="Orders"), streams={"orders": {"object": "ignore"}}), caplog)
    assert "setting 'streams.orders'" in said
    assert people.everyone() == []


def test_a_name_that_is_like_one_that_came_is_no_slip(load: Loader, people: People) -> None:
    entries = {"public-customers": {"object": "ignore"}, "custom": {"object": "ignore"}}
    load([*orders(7, of="public-customers"), *customers(1, of="customers_eu")], streams=entries)
    assert ids(people) == ["1"]


def test_a_privacy_request_that_is_named_right_erases(load: Loader, people: People) -> None:
    people.add(external_id="1", email="c1@example.com")
    done = load([*customers(2), *requests(1)], streams={"erasure_requests": ERASURE})
    assert (done.exit_code, ids(people), ids(people, "deleted")) == (0, ["2"], ["1"])


def test_an_entry_of_another_kind_contradicts_the_groups_stream(load: Loader) -> None:
    done: Any = load(customers(1), groups_stream="members", streams={"members": {"object": "ignore"}})
    assert done.exit_code != 0
