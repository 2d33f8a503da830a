"""Streams whose records put contacts into groups: each record has one outcome, and each contact the tags it should."""

from __future__ import annotations

import gzip
import json
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.versions import Version
from tests.support.grouping import (
    TAKE_OFF,
    Row,
    add_people,
    all_tags,
    listing,
    member,
    members,
    sent,
    tag_by_hand,
    tag_calls,
    tags_of,
)
from tests.support.loading import feed, lines, once_answered, record, schema, send_before, state, until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

Messages = list[Row]
WHEN = "2024-05-01T12:00:00Z"
SYNC: Row = {"sync_mode": "sync"}
MODES = ["sync", "additive", "enrich", "insert", "remove"]
ROW = ("row",)
"""A record's key that says nothing of the contact or the group."""
SIZES = pytest.mark.parametrize("size", [1, 10])
RESULTS = {"tagged", "untagged", "unchanged", "merged", "skipped", "invalid", "rejected"}


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"groups_stream": "members", "mappings": {}, "max_connections": 8}
    return load


def customers(*rows: Row, stream: str = "customers") -> Messages:
    """A contact stream that needs no mapping."""
    return [
        schema(stream, ["external_id"], external_id="text", email="text", name="text", _sdc_deleted_at="datetime"),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {}}, "n": len(rows)}),
    ]


def person(number: int, **values: Any) -> Row:
    return {"external_id": str(number), "email": f"p{number}@example.com", **values}


def keyed(row: int, external_id: int | str, tag: str, **values: Any) -> Row:
    """A membership with a key of its own."""
    return member(external_id, tag, row=row, **values)


def mark(row: int, external_id: int | str, tag: str) -> Row:
    return keyed(row, external_id, tag, _sdc_deleted_at=WHEN)


def rows(*values: Row) -> Messages:
    """A stream of memberships with keys of their own."""
    return members(*values, keys=ROW)


def outcomes(done: Loaded, records: int, stream: str = "members") -> Row:
    """The outcomes that are not zero: each record that was sent has exactly one."""
    results = done.results(stream)
    assert done.stream(stream)["read"] == records, results
    return results


def reasons(done: Loaded, stream: str = "members") -> Row:
    counts: Row = done.stream(stream)["reasons"]
    return counts


def left_behind(done: Loaded) -> set[str]:
    """The files of a run that are neither its report, its ledger nor its refused records, nor the test's own."""
    known = ("report.html", "report.json", "ledger.db", "rejected-", "config.json", "input.singer")
    return {path.name for path in done.data_dir.rglob("*") if not path.name.startswith(known)}


# What a record says: who, and which group.


def told(
    row: Row, *, own: Mapping[str, str | None] | None = None, match_by: list[str] | None = None, **general: str | None
) -> tuple[Row, Row]:
    """A record, and the settings it comes with."""
    settings: Row = {"mappings": general}
    if own is not None:
        settings["streams"] = {"members": {"mappings": own}}
    if match_by is not None:
        settings["match_by"] = match_by
    return row, settings


TOLD: dict[str, tuple[Row, Row]] = {
    "external_id and tag": told({"external_id": "1", "tag": "VIP"}),
    "external_id and group": told({"external_id": "1", "group": "VIP"}),
    "email and tag": told({"email": "p1@example.com", "tag": "VIP"}),
    "email as somebody types it": told({"email": "  P1@Example.COM ", "tag": "VIP"}),
    "external_id with blanks": told({"external_id": " 1 ", "tag": " VIP "}),
    "external_id as a number": told({"external_id": 1, "tag": "VIP"}),
    "external_id before email": told({"external_id": "1", "email": "p2@example.com", "tag": "VIP"}),
    "email after an external_id of nobody": told({"external_id": None, "email": "p1@example.com", "tag": "VIP"}),
    "external_id whatever match_by says": told({"external_id": "1", "tag": "VIP"}, match_by=["email"]),
    "email whatever match_by says": told({"email": "p1@example.com", "tag": "VIP"}, match_by=["external_id"]),
    "own mappings": told({"who": "1", "segment": "VIP"}, own={"who": "external_id", "segment": "tag"}),
    "own mapping of an email": told({"mail": "p1@example.com", "tag": "VIP"}, own={"mail": "email"}),
    "own mappings before the names": told(
        {"who": "1", "external_id": "2", "segment": "VIP", "tag": "no", "group": "no"},
        own={"who": "external_id", "segment": "tag"},
    ),
    "own mappings replace the general ones": told(
        {"id": "2", "external_id": "1", "segment": "no", "tag": "VIP"}, own={}, id="external_id"
    ),
    "null leaves a property out": told(
        {"external_id": "2", "email": "p1@example.com", "tag": "VIP"}, own={"external_id": None}
    ),
    "null leaves the tag out and the group counts": told(
        {"external_id": "1", "tag": "no", "group": "VIP"}, own={"tag": None}
    ),
    "general mappings where there is nothing else": told(
        {"id": "1", "segment": "VIP"}, id="external_id", segment="tag"
    ),
    "names before general mappings": told({"id": "2", "external_id": "1", "tag": "VIP"}, id="external_id"),
    "general mappings for contacts": told(
        {"external_id": "1", "tag": "VIP", "full_name": "x", "plan": "y"}, full_name="name", plan="custom_attributes.p"
    ),
    "properties that mean nothing": told(
        {"external_id": "1", "tag": "VIP", "name": "x", "created_at": WHEN, "_sdc_batched_at": WHEN, "more": {"a": [1]}}
    ),
    "a mark that is none": told({"external_id": "1", "tag": "VIP", "_sdc_deleted_at": "false"}),
}


@pytest.mark.parametrize(("row", "settings"), TOLD.values(), ids=TOLD)
def test_a_record_names_a_contact_and_a_group(load: Loader, people: People, row: Row, settings: Row) -> None:
    add_people(people, [1, 2])
    before = {one["id"]: one for one in people.everyone()}
    done = load([schema("members", [], **dict.fromkeys(row, "any")), record("members", **row)], **settings)
    assert done.exit_code == 0
    assert outcomes(done, 1) == {"tagged": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": set()}
    # Tags are all that a membership gives a contact.
    assert [one["custom_attributes"] for one in people.everyone()] == [{}, {}]
    assert [one["name"] for one in people.everyone()] == [one["name"] for one in before.values()]


@pytest.mark.parametrize("tag", [7, 7.0, " 7 "], ids=repr)
def test_the_name_of_a_group_may_be_a_whole_number(load: Loader, people: People, tag: object) -> None:
    add_people(people, [1])
    load(
        [
            schema("members", ["row"], row="integer", external_id="text", tag="any"),
            record("members", **keyed(1, 1, "7")),
        ]
    )
    messages = [schema("members", ["row"], row="integer", external_id="text", tag="any")]
    done = load([*messages, record("members", row=1, external_id="1", tag=tag)])
    assert outcomes(done, 1) == {"unchanged": 1}
    assert tags_of(people) == {"7"}


def test_an_intercom_id_names_a_contact_where_it_is_mapped(load: Loader, people: People) -> None:
    ids = add_people(people, [1, 2])
    done = load(
        [schema("members", [], contact="text", tag="text"), record("members", contact=ids["1"], tag="VIP")],
        streams={"members": {"mappings": {"contact": "id"}}},
    )
    assert outcomes(done, 1) == {"tagged": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": set()}


def test_an_id_of_the_source_is_never_taken_for_intercoms(load: Loader, people: People) -> None:
    ids = add_people(people, [1, 2])
    done = load(
        [
            schema("members", ["id"], id="text", external_id="text", tag="text"),
            record("members", id=ids["2"], external_id="1", tag="VIP"),
        ],
        match_by=["id", "external_id"],
    )
    assert outcomes(done, 1) == {"tagged": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": set()}


# What is refused before anything is called for.

SLIPS: dict[str, tuple[list[str], Row, list[str]]] = {
    "no identifier": (["who", "tag"], {}, ["'external_id' or 'email'", '"who": "external_id"']),
    "no group": (["external_id", "segment"], {}, ["'tag' or 'group'", '": "tag"']),
    "an id that is not mapped": (["id", "tag"], {"match_by": ["id"]}, ["'id'", '"id"']),
    "an identifier that is left out": (
        ["email", "tag"],
        {"streams": {"members": {"mappings": {"email": None}}}},
        ["'external_id' or 'email'"],
    ),
    "a group that is left out": (
        ["email", "group"],
        {"streams": {"members": {"mappings": {"group": None}}}},
        ["'tag' or 'group'"],
    ),
    "own mappings in place of general ones": (
        ["who", "tag"],
        {"mappings": {"who": "external_id"}, "streams": {"members": {"mappings": {}}}},
        ["'external_id' or 'email'"],
    ),
}


@pytest.mark.parametrize(("properties", "settings", "said"), SLIPS.values(), ids=SLIPS)
def test_a_stream_that_does_not_say_who_or_which_group_is_refused_at_its_schema(
    load: Loader,
    sandbox: SandboxServer,
    caplog: pytest.LogCaptureFixture,
    properties: list[str],
    settings: Row,
    said: list[str],
) -> None:
    described = schema("members", [], **dict.fromkeys(properties, "text"))
    done = load([described, record("members", **dict.fromkeys(properties, "x")), state({"n": 1})], **settings)
    assert (done.exit_code, done.states) == (1, [])
    for text in ("Stream 'members'", "'mappings'", *said):
        assert text in caplog.text
    assert sandbox.calls == []


CONTRADICTIONS: dict[str, tuple[Row, list[str]]] = {
    "object contacts of the groups stream": (
        {"streams": {"members": {"object": "contacts"}}},
        ["'streams.members.object'", "'groups_stream'"],
    ),
    "tags_property of the groups stream": (
        {"streams": {"members": {"tags_property": "groups"}}},
        ["'streams.members.tags_property'"],
    ),
    "tags_property of another groups stream": (
        {"streams": {"teams": {"object": "groups", "tags_property": "groups"}}},
        ["'streams.teams.tags_property'"],
    ),
    "a groups stream's property to a name": (
        {"streams": {"members": {"mappings": {"who": "name"}}}},
        ["'streams.members.mappings'", '"who"', '"name"', "tag"],
    ),
    "a groups stream's property to a custom attribute": (
        {"streams": {"members": {"mappings": {"who": "custom_attributes.who"}}}},
        ["'streams.members.mappings'", '"custom_attributes.who"'],
    ),
    "a contact stream's property to tag": (
        {"streams": {"customers": {"mappings": {"plan": "tag"}}}},
        ["'streams.customers.mappings'", '"plan"', "'tags_property'"],
    ),
    "any property to tag without a groups stream": (
        {"groups_stream": ..., "mappings": {"plan": "tag"}},
        ["'mappings'", '"plan"', "'tags_property'"],
    ),
    "two properties to tag": (
        {"streams": {"members": {"mappings": {"a": "tag", "b": "tag"}}}},
        ["'streams.members.mappings'", '"tag"'],
    ),
    "an object that is none": ({"streams": {"members": {"object": "people"}}}, ["'streams.members.object'"]),
    "no name": ({"groups_stream": " "}, ["'groups_stream'"]),
    "a snapshot of groups without a ledger": (
        {"streams": {"members": {"snapshot": True}}, "ledger_url": "none"},
        ["'streams.members.snapshot'", "ledger_url"],
    ),
}


@pytest.mark.parametrize(("settings", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_at_the_start(
    load: Loader,
    sandbox: SandboxServer,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    settings: Row,
    said: list[str],
) -> None:
    done = load(rows(keyed(1, 1, "VIP")), **settings)
    log = done.log + caplog.text + capfd.readouterr().err
    assert (done.exit_code, done.states, sandbox.calls) == (1, [], [])
    for text in said:
        assert text in log


def test_the_groups_stream_may_be_said_twice(load: Loader, people: People) -> None:
    add_people(people, [1])
    assert load(rows(keyed(1, 1, "VIP")), streams={"members": {"object": "groups"}}).exit_code == 0
    assert tags_of(people) == {"VIP"}


# Records that are refused for what is in them.

BAD: dict[str, tuple[Row, str, str | None]] = {
    "no identifier": ({"tag": "VIP"}, "no_identifier", None),
    "identifiers that are null": ({"external_id": None, "email": None, "tag": "VIP"}, "no_identifier", None),
    "identifiers that are blank": ({"external_id": " ", "email": "", "tag": "VIP"}, "no_identifier", None),
    "no email address": ({"email": "nobody", "tag": "VIP"}, "invalid_email", "email"),
    "no email address beside an external_id": (
        {"external_id": "1", "email": "a@b@c", "tag": "VIP"},
        "invalid_email",
        "email",
    ),
    "an identifier of a wrong type": ({"external_id": ["1"], "tag": "VIP"}, "not_an_identifier", "external_id"),
    "an identifier that is a fraction": ({"external_id": 1.5, "tag": "VIP"}, "not_whole", "external_id"),
    "an identifier with half a character": ({"external_id": "\ud83d", "tag": "VIP"}, "not_unicode", "external_id"),
    "no group": ({"external_id": "1"}, "no_group", "tag"),
    "a group that is null": ({"external_id": "1", "tag": None}, "no_group", "tag"),
    "a group that is empty": ({"external_id": "1", "tag": ""}, "no_group", "tag"),
    "a group that is blank": ({"external_id": "1", "tag": " \t\n"}, "no_group", "tag"),
    "a group that is a list": ({"external_id": "1", "tag": ["VIP"]}, "invalid_group", "tag"),
    "a group that is an object": ({"external_id": "1", "tag": {"name": "VIP"}}, "invalid_group", "tag"),
    "a group that is true": ({"external_id": "1", "tag": True}, "invalid_group", "tag"),
    "a group that is a fraction": ({"external_id": "1", "tag": 1.5}, "not_whole", "tag"),
    "a group with half a character": ({"external_id": "1", "tag": "VIP \ud83d"}, "not_unicode", "tag"),
    "a group with a NUL": ({"external_id": "1", "tag": "V\0IP"}, "invalid_group", "tag"),
}
ANY = schema("members", ROW, row="integer", external_id="any", email="any", tag="any", note="any")


@pytest.mark.parametrize(("bad", "code", "field"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("keys", [ROW, ()], ids=["keyed", "keyless"])
def test_a_bad_record_is_invalid_and_can_be_mended_and_loaded(
    load: Loader, people: People, bad: Row, code: str, field: str | None, keys: tuple[str, ...]
) -> None:
    add_people(people, [1, 2])
    described = {**ANY, "key_properties": list(keys)}
    received = record("members", row=7, note={"kept": [1.50, "ü"]}, **bad)
    good = record("members", row=8, external_id="2", tag="VIP")
    done = load([described, received, good, state({"n": 2})])
    assert (done.exit_code, done.states) == (0, [{"n": 2}])
    assert outcomes(done, 2) == {"invalid": 1, "tagged": 1}
    assert reasons(done) == {"invalid": {code: 1}}
    assert done.rejected[0] == described
    rejected = done.rejected[1].pop("rejected")
    assert done.rejected[1:] == [received]
    assert (rejected["outcome"], rejected["code"], rejected["field"]) == ("invalid", code, field)
    # Piped in again as it is, it is refused again; mended, it goes through.
    again = load(done.rejected)
    assert outcomes(again, 1) == {"invalid": 1}
    mended = {**received, "record": {**received["record"], "external_id": "1", "email": None, "tag": "VIP"}}
    assert outcomes(load([described, {**mended, "rejected": rejected}]), 1) == {"tagged": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}}


def test_a_bad_record_is_kept_as_it_was_before_stream_maps(load: Loader) -> None:
    received = record("raw", row=1, who="1", tag="")
    described = schema("raw", ROW, row="integer", who="text", tag="text")
    maps = {"raw": {"__alias__": "members", "external_id": "who"}}
    done = load([described, received], stream_maps=maps)
    assert outcomes(done, 1) == {"invalid": 1}
    assert [done.rejected[0], {**done.rejected[1], "rejected": None}] == [described, {**received, "rejected": None}]


# Records whose contact is not clear.


def test_a_membership_of_nobody_is_rejected_and_replayable_once_the_contact_is_there(
    load: Loader, people: People
) -> None:
    done = load(rows(keyed(1, 1, "VIP"), {"row": 2, "email": "p1@example.com", "tag": "Beta"}))
    assert done.exit_code == 0
    assert outcomes(done, 2) == {"rejected": 2}
    assert reasons(done) == {"rejected": {"no_contact": 2}}
    assert people.everyone() == []  # groups create nobody
    add_people(people, [1])
    assert outcomes(load(done.rejected), 2) == {"tagged": 2}
    assert tags_of(people) == {"VIP", "Beta"}


def test_an_ambiguous_contact_is_rejected_with_all_ids(load: Loader, people: People) -> None:
    twins = [people.add(role="lead", email="twin@example.com") for _ in range(2)]
    done = load(rows({"row": 1, "email": "twin@example.com", "tag": "VIP"}))
    assert outcomes(done, 1) == {"rejected": 1}
    (refusal,) = done.refusals
    assert refusal["code"] == "ambiguous"
    assert all(twin in refusal["reason"] for twin in twins)
    assert [one["tags"] for one in people.everyone()] == [[], []]


@pytest.mark.parametrize("how", ["archived", "deleted"])
@pytest.mark.parametrize("who", [{"external_id": "1"}, {"email": "p1@example.com"}, {"contact": "?"}], ids=str)
def test_a_membership_of_a_contact_that_is_gone_is_rejected_as_contact_gone(
    load: Loader, people: People, how: str, who: Row
) -> None:
    contact = add_people(people, [1])["1"]
    call = ("POST", "/archive") if how == "archived" else ("DELETE", "")
    people.call(call[0], f"/contacts/{contact}{call[1]}", {})
    row = {"contact": contact} if "contact" in who else who
    described = schema("members", [], external_id="text", email="text", contact="text", tag="text")
    done = load(
        [described, record("members", **row, tag="VIP")],
        streams={"members": {"mappings": {"contact": "id"}}},
    )
    assert done.exit_code == 0
    assert outcomes(done, 1) == {"rejected": 1}
    assert reasons(done)["rejected"].keys() <= {"no_contact", "contact_gone"}
    assert people.one()["tags"] == []
    assert done.writes == 0


@pytest.mark.parametrize(("external_id", "result"), [(None, "tagged"), ("9", "tagged"), ("1", "rejected")])
def test_a_contact_that_was_merged_away_leads_to_its_survivor_unless_that_is_somebody_else(
    load: Loader, people: People, external_id: str | None, result: str
) -> None:
    lead, user = people.add(role="lead", email="p9@example.com"), add_people(people, [9])["9"]
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    done = load(
        [
            schema("members", [], contact="text", external_id="text", tag="text"),
            record("members", contact=lead, external_id=external_id, tag="VIP"),
        ],
        streams={"members": {"mappings": {"contact": "id"}}},
    )
    assert outcomes(done, 1) == {result: 1}
    assert people.one(id=user)["tags"] == (["VIP"] if result == "tagged" else [])
    if result == "rejected":
        assert reasons(done) == {"rejected": {"contact_merged": 1}}


def test_an_email_that_is_somebody_elses_counts_for_nothing(load: Loader, people: People) -> None:
    add_people(people, [1])
    done = load(rows({**keyed(1, 2, "VIP"), "email": "p1@example.com"}))
    assert outcomes(done, 1) == {"rejected": 1}
    assert tags_of(people) == set()


@pytest.mark.parametrize("how", ["archived", "deleted"])
def test_a_contact_that_vanishes_between_search_and_tag_is_rejected_alone(
    load: Loader, people: People, sandbox: SandboxServer, how: str
) -> None:
    ids = add_people(people, [1, 2])
    workspace, version = sandbox.workspace, Version.parse("2.16")
    act = workspace.archive_contact if how == "archived" else workspace.delete_contact
    with once_answered(sandbox, "POST", "/contacts/search", lambda: act(ids["1"], version)):
        done = load(rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP")))
    assert done.exit_code == 0
    assert outcomes(done, 2) == {"tagged": 1, "rejected": 1}
    assert reasons(done) == {"rejected": {"contact_gone": 1}}
    assert all_tags(people) == {"2": {"VIP"}}


def test_a_refused_membership_is_asked_for_again_by_the_next_run(load: Loader, people: People) -> None:
    for _ in range(2):
        assert outcomes(load(rows(keyed(1, 1, "VIP"))), 1) == {"rejected": 1}
    add_people(people, [1])
    assert outcomes(load(rows(keyed(1, 1, "VIP"))), 1) == {"tagged": 1}


# Where its contact is.

BOTH = [keyed(1, 1, "VIP"), keyed(2, 2, "Beta")]
MEMBERS = rows(*BOTH)
CONTACTS = customers(person(1), person(2))
PLACES: dict[str, Messages] = {
    "before": [*MEMBERS, *CONTACTS],
    "between": [*CONTACTS[:2], *MEMBERS, *CONTACTS[2:]],
    "after": [*CONTACTS, *MEMBERS],
    "around": [*MEMBERS[:2], *CONTACTS, *MEMBERS[2:]],
    "in turns": [CONTACTS[0], MEMBERS[0], MEMBERS[1], CONTACTS[1], MEMBERS[2], CONTACTS[2]],
    "in another stream": [*MEMBERS, *customers(person(1)), *customers(person(2), stream="shop")],
}


@pytest.mark.parametrize("lag", [0, 600])
@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("messages", PLACES.values(), ids=PLACES)
def test_memberships_find_contacts_that_the_run_makes_wherever_they_come(
    load: Loader, people: People, sandbox: SandboxServer, messages: Messages, size: int, lag: int
) -> None:
    sandbox.conditions.search_lag = lag
    done = load(messages, batch_size_rows=size, search_delay_seconds=lag)
    assert done.exit_code == 0
    assert outcomes(done, 2) == {"tagged": 2}
    assert all_tags(people) == {"1": {"VIP"}, "2": {"Beta"}}
    again = load(messages, batch_size_rows=size, search_delay_seconds=lag)
    assert outcomes(again, 2) == {"unchanged": 2}
    assert (again.writes, tag_calls(again)) == (0, {})


def test_a_membership_by_email_follows_what_the_run_writes(load: Loader, people: People) -> None:
    load(customers(person(1, email="old@example.com")))
    done = load(
        [
            *rows(
                {"row": 1, "email": "new@example.com", "tag": "VIP"}, {"row": 2, "email": "old@example.com", "tag": "X"}
            ),
            *customers(person(1, email="new@example.com")),
        ]
    )
    assert outcomes(done, 2) == {"tagged": 1, "rejected": 1}
    assert tags_of(people) == {"VIP"}


@pytest.mark.parametrize("made", ["by the run", "before"])
def test_leads_are_in_groups_by_their_email(load: Loader, people: People, made: str) -> None:
    leads = customers({"external_id": "1", "email": "lead@example.com"}) if made == "by the run" else []
    if not leads:
        people.add(role="lead", email="lead@example.com")
    done = load([*rows({"row": 1, "email": "Lead@example.com", "tag": "VIP"}), *leads], creation_mode="lead")
    assert outcomes(done, 1) == {"tagged": 1}
    assert (people.one()["role"], tags_of(people)) == ("lead", {"VIP"})


def test_a_user_beats_a_lead_with_the_same_email(load: Loader, people: People) -> None:
    people.add(role="lead", email="p1@example.com")
    add_people(people, [1])
    assert outcomes(load(rows({"row": 1, "email": "p1@example.com", "tag": "VIP"})), 1) == {"tagged": 1}
    assert tags_of(people, role="user") == {"VIP"}
    assert tags_of(people, role="lead") == set()


def test_a_contact_that_could_not_be_made_leaves_its_memberships_rejected(load: Loader) -> None:
    done = load([*rows(keyed(1, 1, "VIP")), *customers({"external_id": "1", "email": "no address"})])
    assert done.results() == {"invalid": 1}
    assert outcomes(done, 1) == {"rejected": 1}


# Several streams.


def test_several_groups_streams_stand_beside_each_other(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    done = load(
        [
            *rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP")),
            *members(member(1, "Team A"), member(9, "Team A"), stream="teams"),
            *members({"external_id": "2", "tag": ""}, stream="plans"),
        ],
        streams={"teams": {"object": "groups"}, "plans": {"object": "groups", "sync_mode": "sync"}},
    )
    assert outcomes(done, 2) == {"tagged": 2}
    assert outcomes(done, 2, "teams") == {"tagged": 1, "rejected": 1}
    assert outcomes(done, 1, "plans") == {"invalid": 1}
    assert all_tags(people) == {"1": {"VIP", "Team A"}, "2": {"VIP"}}
    assert [one["stream"] for one in done.rejected if one["type"] == "SCHEMA"] == ["plans", "teams"]


def test_a_groups_stream_needs_no_groups_stream_setting(load: Loader, people: People) -> None:
    add_people(people, [1])
    done = load(rows(keyed(1, 1, "VIP")), groups_stream=..., streams={"members": {"object": "groups"}})
    assert outcomes(done, 1) == {"tagged": 1}
    assert tags_of(people) == {"VIP"}


LISTED: Row = {"tags_property": "groups", "streams": {"customers": {"mappings": {"id": "external_id"}}}}


@pytest.mark.parametrize("order", [1, -1], ids=["listed first", "members first"])
def test_what_a_record_lists_and_what_memberships_say_adds_up(load: Loader, people: People, order: int) -> None:
    def run(groups: list[str], *tags: str) -> Loaded:
        streams = [
            listing({"id": "1", "groups": groups}),
            members(*(member(1, tag) for tag in tags), member(1, "Kept")),
        ]
        return load([one for stream in streams[::order] for one in stream], **LISTED, **SYNC, snapshot=True)

    done = run(["VIP", "Beta"], "VIP", "Team")
    assert tags_of(people) == {"VIP", "Beta", "Team", "Kept"}
    # Each tag that was put on is counted once, the membership has its outcome all the same.
    assert outcomes(done, 3)["tagged"] + done.stream()["tagged"] == 4
    assert run(["VIP"], "VIP").writes > 0
    assert tags_of(people) == {"VIP", "Kept"}
    run([], "VIP")
    assert tags_of(people) == {"VIP", "Kept"}
    run([])
    assert tags_of(people) == {"Kept"}


def test_one_table_can_be_contacts_and_memberships_at_once(load: Loader, people: People) -> None:
    messages = [schema("customers", id="text", plan="text"), record("customers", id="1", plan="pro")]
    done = load(
        messages,
        stream_maps={"members": {"__source__": "customers"}},
        streams={
            "customers": {"mappings": {"id": "external_id", "plan": None}},
            "members": {"mappings": {"id": "external_id", "plan": "tag"}},
        },
    )
    assert (done.results(), outcomes(done, 1)) == ({"created": 1}, {"tagged": 1})
    assert tags_of(people) == {"pro"}


# Records that say the same, or contradict each other. Each has exactly one outcome.

ONE, TWO = keyed(1, 1, "VIP"), keyed(2, 1, "VIP")
REPEATED: dict[str, tuple[list[Row], Row, Row, set[str]]] = {
    "same record twice": ([ONE, ONE], {"tagged": 1, "merged": 1}, {"unchanged": 2}, {"VIP"}),
    "same record thrice": ([ONE, ONE, ONE], {"tagged": 1, "merged": 2}, {"unchanged": 3}, {"VIP"}),
    "same pair under two keys": ([ONE, TWO], {"tagged": 1, "merged": 1}, {"unchanged": 2}, {"VIP"}),
    "same pair in other cases": ([ONE, keyed(2, 1, " vip ")], {"tagged": 1, "merged": 1}, {"unchanged": 2}, {"VIP"}),
    "same pair by another identifier": (
        [ONE, {"row": 2, "email": "p1@example.com", "tag": "VIP"}],
        {"tagged": 1, "merged": 1},
        {"unchanged": 2},
        {"VIP"},
    ),
    "a key that is used twice": (
        [ONE, keyed(1, 1, "Beta")],
        {"tagged": 1, "merged": 1},
        {"unchanged": 1, "merged": 1},
        {"Beta"},
    ),
    "a key and a record of nobody": ([ONE, keyed(1, 9, "VIP")], {"tagged": 1, "rejected": 1}, {}, {"VIP"}),
    "a record of nobody and a key": ([keyed(1, 9, "VIP"), ONE], {"tagged": 1, "rejected": 1}, {}, {"VIP"}),
    "a key and a bad record": (
        [ONE, keyed(1, 1, "")],
        {"tagged": 1, "invalid": 1},
        {"unchanged": 1, "invalid": 1},
        {"VIP"},
    ),
    "two keys, one of them changes": (
        [ONE, TWO, keyed(2, 1, "Beta")],
        {"tagged": 2, "merged": 1},
        {},
        {"VIP", "Beta"},
    ),
}


@SIZES
@pytest.mark.parametrize(("messages", "first", "second", "tags"), REPEATED.values(), ids=REPEATED)
def test_records_of_one_key_or_one_pair_have_one_outcome_each(
    load: Loader, people: People, messages: list[Row], first: Row, second: Row, tags: set[str], size: int
) -> None:
    add_people(people, [1])
    done = load(rows(*messages), batch_size_rows=size, **SYNC)
    assert outcomes(done, len(messages)) == first
    assert tags_of(people) == tags
    again = load(rows(*messages), batch_size_rows=size, **SYNC)
    results = outcomes(again, len(messages))
    assert not second or results == second or "merged" in second
    assert tags_of(people) == tags


def test_one_pair_in_two_streams_is_tagged_once_and_each_record_has_its_outcome(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    add_people(people, [1])
    messages = [*rows(ONE), *members(member(1, "vip"), stream="teams")]
    settings: Row = {"streams": {"teams": {"object": "groups"}}}
    done = load(messages, **settings)
    both = Counter(outcomes(done, 1)) + Counter(outcomes(done, 1, "teams"))
    assert both == {"tagged": 1, "unchanged": 1}
    assert [len(body["users"]) for body in sent(sandbox, "POST", "/tags") if "users" in body] == [1]
    again = load(messages, **settings)
    assert (outcomes(again, 1), outcomes(again, 1, "teams")) == ({"unchanged": 1}, {"unchanged": 1})


@pytest.mark.parametrize("mode", ["sync", "additive"])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_every_record_has_one_outcome(load: Loader, people: People, mode: str, seed: int) -> None:
    """Runs of records that are few in keys, contacts and groups, so that all of them meet."""
    add_people(people, [1, 2])
    number = seed
    for _ in range(4):
        chosen: list[Row] = []
        for _ in range(9):
            number = (number * 1103515245 + 12345) % 2**31
            bits = number >> 8
            made = (keyed, mark)[bits % 4 == 0]
            tag = ("VIP", "Beta", "", "vip")[bits // 4 % 4]
            chosen.append(made(bits // 16 % 3, bits // 64 % 3 + 1, tag))
        done = load(rows(*chosen), sync_mode=mode, batch_size_rows=4, max_removal_percent=100)
        assert done.exit_code == 0
        outcomes(done, len(chosen))


# A key that means another membership than before.


@pytest.mark.parametrize(("mode", "kept"), [("sync", False), ("additive", True), ("enrich", True), ("insert", True)])
@pytest.mark.parametrize("size", [1, 10])
def test_a_key_whose_group_changes(load: Loader, people: People, mode: str, kept: bool, size: int) -> None:
    add_people(people, [1, 2])
    load(rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP")), sync_mode=mode)
    done = load(rows(keyed(1, 1, "Beta"), keyed(2, 2, "VIP")), sync_mode=mode, batch_size_rows=size)
    assert outcomes(done, 2) == {"tagged": 1, "unchanged": 1}
    assert all_tags(people) == {"1": {"VIP", "Beta"} if kept else {"Beta"}, "2": {"VIP"}}


@pytest.mark.parametrize(("mode", "kept"), [("sync", False), ("additive", True)])
def test_a_key_whose_contact_changes(load: Loader, people: People, mode: str, kept: bool) -> None:
    add_people(people, [1, 2])
    load(rows(keyed(1, 1, "VIP")), sync_mode=mode)
    done = load(rows(keyed(1, 2, "VIP")), sync_mode=mode)
    assert outcomes(done, 1) == {"tagged": 1}
    assert all_tags(people) == {"1": {"VIP"} if kept else set(), "2": {"VIP"}}
    # And back again.
    done = load(rows(keyed(1, 1, "VIP")), sync_mode=mode)
    assert outcomes(done, 1) == ({"unchanged": 1} if kept else {"tagged": 1})
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"} if kept else set()}


def test_a_key_that_changes_in_one_run_ends_where_its_last_record_says(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    load(rows(keyed(1, 1, "VIP")), **SYNC)
    done = load(rows(keyed(1, 1, "Beta"), keyed(1, 2, "Beta"), keyed(1, 2, "VIP")), **SYNC)
    assert outcomes(done, 3) == {"tagged": 1, "merged": 2}
    assert all_tags(people) == {"1": set(), "2": {"VIP"}}


def test_a_key_that_goes_and_comes_back_in_one_run_costs_nothing(load: Loader, people: People) -> None:
    add_people(people, [1])
    load(rows(keyed(1, 1, "VIP")), **SYNC)
    done = load(rows(keyed(1, 1, "VIP"), keyed(1, 1, "Beta"), keyed(1, 1, "VIP")), **SYNC)
    assert outcomes(done, 3) == {"unchanged": 2, "merged": 1}
    assert done.writes == 0
    assert tags_of(people) == {"VIP"}


def test_a_group_that_a_record_left_in_another_mode_is_taken_off_once_the_mode_is_sync(
    load: Loader, people: People
) -> None:
    add_people(people, [1])
    load(rows(keyed(1, 1, "VIP")))
    load(rows(keyed(1, 1, "Beta")))
    assert tags_of(people) == {"VIP", "Beta"}  # additive never untags
    load(rows(keyed(1, 1, "Beta")), **SYNC)
    assert tags_of(people) == {"Beta"}


# Marks.

MARKS: dict[str, tuple[list[Row], Row, Row, set[str]]] = {
    "mark": ([mark(1, 1, "VIP")], {"untagged": 1}, {}, set()),
    "mark, mark": ([mark(1, 1, "VIP")] * 2, {"untagged": 1, "merged": 1}, {}, set()),
    "live, mark": ([keyed(1, 1, "VIP"), mark(1, 1, "VIP")], {"unchanged": 1, "untagged": 1}, {}, set()),
    "mark, live": ([mark(1, 1, "VIP"), keyed(1, 1, "VIP")], {"unchanged": 1, "skipped": 1}, {"live_again": 1}, {"VIP"}),
    "mark, live, mark": (
        [mark(1, 1, "VIP"), keyed(1, 1, "VIP"), mark(1, 1, "VIP")],
        {"unchanged": 1, "skipped": 1, "untagged": 1},
        {"live_again": 1},
        set(),
    ),
    "mark, live in another group": (
        [mark(1, 1, "VIP"), keyed(1, 1, "Beta")],
        {"tagged": 1, "skipped": 1},
        {"live_again": 1},
        {"Beta"},
    ),
    "live in another group, mark": (
        [keyed(1, 1, "Beta"), mark(1, 1, "Beta")],
        {"merged": 1, "untagged": 1},
        {},
        set(),
    ),
    "mark, live under another key": (
        [mark(1, 1, "VIP"), keyed(2, 1, "VIP")],
        {"unchanged": 1, "skipped": 1},
        {"still_wanted": 1},
        {"VIP"},
    ),
    "live under another key, mark": (
        [keyed(2, 1, "VIP"), mark(1, 1, "VIP")],
        {"unchanged": 1, "skipped": 1},
        {"still_wanted": 1},
        {"VIP"},
    ),
    "mark of a key that nobody knows": (
        [mark(7, 1, "VIP")],
        {"skipped": 1},
        {"not_tagged": 1},
        {"VIP"},
    ),
    "live and mark of somebody new": (
        [keyed(7, 2, "VIP"), mark(7, 2, "VIP")],
        {"merged": 1, "skipped": 1},
        {"not_tagged": 1},
        {"VIP"},
    ),
    "mark without group and contact": (
        [{"row": 1, "_sdc_deleted_at": WHEN}],
        {"untagged": 1},
        {},
        set(),
    ),
    "mark with a bad email": (
        [{"row": 1, "email": "nobody", "tag": ["?"], "_sdc_deleted_at": WHEN}],
        {"untagged": 1},
        {},
        set(),
    ),
}


@SIZES
@pytest.mark.parametrize(("messages", "wanted", "why", "tags"), MARKS.values(), ids=MARKS)
def test_a_mark_counts_where_no_live_record_comes_after_it(
    load: Loader, people: People, messages: list[Row], wanted: Row, why: Row, tags: set[str], size: int
) -> None:
    add_people(people, [1, 2])
    load(rows(keyed(1, 1, "VIP")), **SYNC)
    done = load(rows(*messages), batch_size_rows=size, **SYNC)
    assert done.exit_code == 0
    assert outcomes(done, len(messages)) == wanted
    assert reasons(done).get("skipped", {}) == why
    assert all_tags(people) == {"1": tags, "2": set()}


def test_a_mark_and_a_live_record_of_a_key_with_two_groups_have_one_outcome_each(load: Loader, people: People) -> None:
    add_people(people, [1])
    load(rows(keyed(1, 1, "VIP")))
    load(rows(keyed(1, 1, "Beta")))  # the mode is additive: the key has put on both
    done = load(rows(mark(1, 1, "VIP"), keyed(1, 1, "VIP")), **SYNC)
    assert outcomes(done, 2) == {"unchanged": 1, "skipped": 1}
    assert "VIP" in tags_of(people)


@SIZES
def test_a_key_that_moves_is_marked_and_comes_back_has_one_outcome_for_each_record(
    load: Loader, people: People, size: int
) -> None:
    add_people(people, [1, 2])
    load(rows(keyed(3, 1, "Beta"), keyed(9, 2, "VIP")), **SYNC)
    messages = rows(keyed(3, 2, "VIP"), mark(3, 2, "VIP"), keyed(3, 2, "VIP"))
    done = load(messages, batch_size_rows=size, **SYNC)
    assert outcomes(done, 3) == {"unchanged": 2, "skipped": 1}
    assert all_tags(people) == {"1": set(), "2": {"VIP"}}


def test_a_mark_with_nothing_but_its_key_takes_the_tag_off(load: Loader, people: People) -> None:
    """As log-based replication sends it."""
    add_people(people, [1, 2])
    load(rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP")), **SYNC)
    described = schema("members", ROW, row="integer", external_id="text", tag="text", _sdc_deleted_at="datetime")
    done = load([described, record("members", row=1, _sdc_deleted_at=WHEN)], **SYNC)
    assert outcomes(done, 1) == {"untagged": 1}
    assert all_tags(people) == {"1": set(), "2": {"VIP"}}
    again = load([described, record("members", row=1, _sdc_deleted_at=WHEN)], **SYNC)
    assert outcomes(again, 1) == {"skipped": 1}
    assert again.writes == 0


def test_a_deleted_property_of_ones_own_marks(load: Loader, people: People) -> None:
    add_people(people, [1])
    described = schema("members", ROW, row="integer", external_id="text", tag="text", gone="boolean")
    load([described, record("members", **keyed(1, 1, "VIP"), gone=False)], deleted_property="gone", **SYNC)
    done = load([described, record("members", **keyed(1, 1, "VIP"), gone=True)], deleted_property="gone", **SYNC)
    assert outcomes(done, 1) == {"untagged": 1}
    assert tags_of(people) == set()


def test_who_comes_back_is_tagged_again(load: Loader, people: People) -> None:
    add_people(people, [1])
    for _ in range(2):
        assert outcomes(load(rows(keyed(1, 1, "VIP")), **SYNC), 1) == {"tagged": 1}
        assert tags_of(people) == {"VIP"}
        assert outcomes(load(rows(mark(1, 1, "VIP")), **SYNC), 1) == {"untagged": 1}
        assert tags_of(people) == set()


def test_a_tag_that_somebody_took_off_meanwhile_is_no_trouble(load: Loader, people: People) -> None:
    contact = add_people(people, [1])["1"]
    load(rows(keyed(1, 1, "VIP")), **SYNC)
    (tag,) = people.call("GET", "/tags")["data"]
    people.call("DELETE", f"/contacts/{contact}/tags/{tag['id']}")
    done = load(rows(mark(1, 1, "VIP")), **SYNC)
    assert done.exit_code == 0
    assert outcomes(done, 1) == {"skipped": 1}
    assert reasons(done) == {"skipped": {"not_there": 1}}


# Streams without a key.


def test_a_stream_without_a_key_remembers_its_memberships(load: Loader, people: People) -> None:
    add_people(people, [1, 2])

    def run(*values: Row) -> Loaded:
        return load(members(*values, keys=()), **SYNC)

    every = [member(1, "VIP"), member(1, "Beta"), {"email": "p2@example.com", "tag": "VIP"}]
    assert outcomes(run(*every), 3) == {"tagged": 3}
    again = run(*every)
    assert outcomes(again, 3) == {"unchanged": 3}
    assert set(again.calls) == {"GET /me"}
    done = run(*({**one, "_sdc_deleted_at": WHEN} for one in every[1:]))
    assert outcomes(done, 2) == {"untagged": 2}
    assert all_tags(people) == {"1": {"VIP"}, "2": set()}


def test_a_mark_without_a_key_that_does_not_say_which_membership_is_refused(load: Loader, people: People) -> None:
    add_people(people, [1])
    load(members(member(1, "VIP"), keys=()), **SYNC)
    done = load(
        members({"external_id": "1", "_sdc_deleted_at": WHEN}, {"tag": "VIP", "_sdc_deleted_at": WHEN}, keys=()), **SYNC
    )
    assert outcomes(done, 2) == {"invalid": 2}
    assert tags_of(people) == {"VIP"}


@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_mark_with_a_blank_key_and_no_group_is_refused(load: Loader, people: People, blank: str | None) -> None:
    add_people(people, [1])
    described = schema("members", ROW, row="text", external_id="text", tag="text", _sdc_deleted_at="datetime")
    load([described, record("members", row=blank, external_id="1", tag="VIP")], **SYNC)
    done = load([described, record("members", row=blank, external_id="1", _sdc_deleted_at=WHEN)], **SYNC)
    assert reasons(done) == {"invalid": {"no_identifier": 1}}
    assert tags_of(people) == {"VIP"}


# Modes.


@pytest.mark.parametrize("mode", MODES)
def test_what_each_mode_puts_on_and_takes_off(load: Loader, people: People, mode: str) -> None:
    add_people(people, range(1, 5))
    load(rows(*(keyed(number, number, "VIP") for number in (1, 2, 3))), **SYNC)
    done = load(rows(keyed(1, 1, "VIP"), mark(2, 2, "VIP"), keyed(4, 4, "VIP"), keyed(5, 9, "VIP")), sync_mode=mode)
    assert done.exit_code == 0
    results = outcomes(done, 4)
    after = {number for number, tags in all_tags(people).items() if tags}
    if mode == "remove":
        assert results == {"untagged": 2, "skipped": 2}
        assert after == {"3"}
    elif mode == "sync":
        assert results == {"unchanged": 1, "untagged": 1, "tagged": 1, "rejected": 1}
        assert after == {"1", "3", "4"}
    else:
        assert results == {"unchanged": 1, "skipped": 1, "tagged": 1, "rejected": 1}
        assert reasons(done)["skipped"] == {"not_removed": 1}
        assert after == {"1", "2", "3", "4"}
    assert len(people.everyone()) == 4  # no mode makes a contact for a group


def test_remove_takes_off_no_tag_that_another_stream_has_put_on(load: Loader, people: People) -> None:
    contact = add_people(people, [1])["1"]
    tag_by_hand(people, "Foreign", contact)
    settings: Row = {"streams": {"ending": {"object": "groups", "sync_mode": "remove"}}}
    load(members(member(1, "VIP")), **settings)
    done = load(members(member(1, "VIP"), member(1, "Foreign"), stream="ending"), **settings)
    assert outcomes(done, 2, "ending") == {"skipped": 2}
    assert tags_of(people) == {"VIP", "Foreign"}


@pytest.mark.parametrize("percent", [0, 100])
def test_remove_mode_takes_off_all_whatever_the_percentage(load: Loader, people: People, percent: int) -> None:
    add_people(people, range(30))
    every = [keyed(number, number, "VIP") for number in range(30)]
    load(rows(*every))
    done = load(rows(*every), sync_mode="remove", max_removal_percent=percent)
    assert outcomes(done, 30) == {"untagged": 30}
    assert not any(all_tags(people).values())


def test_a_mode_of_its_own_holds_for_a_groups_stream(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    settings: Row = {"streams": {"members": {"sync_mode": "sync"}}}
    load(rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP")), **settings)
    load([*rows(mark(1, 1, "VIP")), *customers(person(2, _sdc_deleted_at=WHEN))], **settings)
    assert all_tags(people) == {"1": set(), "2": {"VIP"}}


@pytest.mark.parametrize("mode", ["sync", "additive"])
def test_without_a_ledger_tags_are_only_put_on(load: Loader, people: People, mode: str) -> None:
    add_people(people, [1])
    settings: Row = {"sync_mode": mode, "ledger_url": "none"}
    assert outcomes(load(rows(keyed(1, 1, "VIP")), **settings), 1) == {"tagged": 1}
    again = load(rows(keyed(1, 1, "VIP"), keyed(2, 1, "Beta")), **settings)
    assert outcomes(again, 2) == {"unchanged": 1, "tagged": 1}
    done = load(rows(mark(1, 1, "VIP"), mark(2, 1, "Beta")), **settings)
    assert (done.exit_code, outcomes(done, 2)) == (0, {"skipped": 2})
    assert tags_of(people) == {"VIP", "Beta"}
    assert left_behind(done) == set()


# Messages.


def test_a_stream_map_that_renames_the_stream(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    maps: Row = {"stream_maps": {"raw_members": {"__alias__": "members"}}, **SYNC}
    done = load(members(member(1, "VIP"), member(2, "VIP"), stream="raw_members"), **maps)
    assert outcomes(done, 2) == {"tagged": 2}
    assert "raw_members" not in done.report["streams"]
    done = load(members(member(1, "VIP", _sdc_deleted_at=WHEN), stream="raw_members"), **maps)
    assert outcomes(done, 1) == {"untagged": 1}
    assert all_tags(people) == {"1": set(), "2": {"VIP"}}


def test_stream_maps_filter_and_compute_memberships(load: Loader, people: People) -> None:
    add_people(people, [1, 2])
    done = load(
        rows(keyed(1, 1, "pro"), keyed(2, 2, "free")),
        stream_maps={"members": {"__filter__": "tag == 'pro'", "tag": "'Plan: ' + tag"}},
    )
    assert outcomes(done, 1) == {"tagged": 1}
    assert all_tags(people) == {"1": {"Plan: pro"}, "2": set()}


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_batch_messages_are_records(load: Loader, people: People, tmp_path: Path, compression: str | None) -> None:
    add_people(people, [1, 2])
    file = tmp_path / "members.jsonl"
    content = lines([keyed(1, 1, "VIP"), keyed(2, 2, ""), keyed(3, 9, "VIP")]).encode()
    file.write_bytes(gzip.compress(content) if compression else content)
    encoding = {"format": "jsonl", **({"compression": compression} if compression else {})}
    batch = {"type": "BATCH", "stream": "members", "encoding": encoding, "manifest": [file.as_uri()]}
    described, one, end = rows(keyed(4, 2, "Beta"))
    done = load([described, batch, one, end])
    assert done.exit_code == 0
    assert outcomes(done, 4) == {"tagged": 2, "invalid": 1, "rejected": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": {"Beta"}}
    assert done.states == [end["value"]]
    assert outcomes(load(done.rejected), 2) == {"invalid": 1, "rejected": 1}


def test_a_schema_that_changes_in_the_middle(load: Loader, people: People) -> None:
    add_people(people, [1, 2, 3])
    done = load(
        [
            schema("members", ROW, row="integer", external_id="text", tag="text"),
            record("members", row=1, external_id="1", tag="VIP"),
            record("members", row=2, external_id="2", tag=""),
            schema("members", ROW, row="integer", email="text", group="text"),
            record("members", row=3, email="p3@example.com", group="Beta"),
            record("members", row=1, email="p1@example.com", group="Beta"),
            record("members", row=4, email="p9@example.com", group="Beta"),
            state({"n": 5}),
        ],
        **SYNC,
    )
    assert (done.exit_code, done.states) == (0, [{"n": 5}])
    assert outcomes(done, 5) == {"tagged": 2, "merged": 1, "invalid": 1, "rejected": 1}
    assert all_tags(people) == {"1": {"Beta"}, "2": set(), "3": {"Beta"}}


def test_a_schema_that_loses_its_group_in_the_middle_ends_the_run(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    add_people(people, [1])
    done = load([*rows(keyed(1, 1, "VIP")), schema("members", ROW, row="integer", external_id="text")])
    assert (done.exit_code, done.states) == (1, [])
    assert "'tag' or 'group'" in caplog.text
    assert left_behind(done) == set()


# STATE.


def running_report(load: Loader) -> Row:
    """The streams in the report of the run that is under way; nothing where none is."""
    path = load.data_dir / "report.json"
    report: Row = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"status": ""}
    streams: Row = report["streams"] if report["status"] == "running" else {}
    return streams


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_only_one_state_comes_out_and_it_comes_after_the_tags(
    load: Loader, people: People, sandbox: SandboxServer, where: str
) -> None:
    """The last record of a contact stream is written long before; the memberships still wait."""
    add_people(people, [1])
    ours = [*rows(keyed(1, 1, "VIP"))[:-1], state({"n": 1})]
    others = [*customers(person(2)), state({"n": 2})]
    messages = {"before": [*ours, *others], "after": [*others, *ours], "both": [*ours, *others, *ours]}[where]
    process = load.start(batch_size_rows=1)
    feed(process, *messages)
    until(lambda: any(one["external_id"] == "2" for one in people.everyone()))
    until(lambda: "members" in running_report(load))
    # All of it is read, and contact 2 is written: no tag may be on, and no STATE out, while more can come.
    assert not any(all_tags(people).values())
    feed(process, end=True)
    done = load.finish(process)
    assert done.exit_code == 0
    assert done.states == [messages[-1]["value"]]
    assert tags_of(people, external_id="1") == {"VIP"}


def test_a_run_whose_tags_cannot_be_put_on_gives_no_state(load: Loader, people: People, sandbox: SandboxServer) -> None:
    add_people(people, [1])
    sandbox.conditions.deny_scopes = ("write_tags",)
    done = load([*customers(person(2)), *rows(keyed(1, 1, "VIP"))])
    assert (done.exit_code, done.states) == (1, [])
    assert done.report["status"] == "failed"
    assert left_behind(done) == set()
    sandbox.conditions.deny_scopes = ()
    done = load([*customers(person(2)), *rows(keyed(1, 1, "VIP"))])
    assert outcomes(done, 1) == {"tagged": 1}
    assert done.states != []


# How a run ends.


@pytest.mark.parametrize(
    ("bad", "most", "code"),
    [
        ([], 0, 0),
        ([keyed(8, 1, "")], 0, 1),
        ([keyed(8, 9, "VIP")], 0, 1),
        ([keyed(8, 9, "VIP"), keyed(9, 1, "")], 1, 1),
        ([keyed(8, 9, "VIP"), keyed(9, 1, "")], 2, 0),
        ([keyed(8, 9, "VIP"), keyed(9, 1, "")], -1, 0),
    ],
    ids=["none", "invalid", "rejected", "both", "as many as are allowed", "any number"],
)
def test_the_exit_code_tells_whether_too_many_were_refused(
    load: Loader, people: People, bad: list[Row], most: int, code: int
) -> None:
    add_people(people, [1])
    messages = rows(keyed(1, 1, "VIP"), *bad)
    done = load(messages, max_rejected_records=most)
    assert done.exit_code == code
    assert done.states == ([] if code else [messages[-1]["value"]])
    assert done.report["status"] == ("failed" if code else "succeeded")
    assert left_behind(done) == set()


def test_the_report_of_a_groups_stream_has_its_own_results(load: Loader, people: People) -> None:
    add_people(people, [1])
    done = load([*customers(person(2)), *rows(keyed(1, 1, "VIP"))], **SYNC)
    assert set(done.stream("members")) == {"read", *RESULTS, "left", "reasons", "cut", "left_out"}
    assert done.stream("members") == {
        "read": 1,
        **dict.fromkeys(RESULTS, 0),
        "tagged": 1,
        "left": 0,
        "reasons": {},
        "cut": {},
        "left_out": {},
    }


def test_a_groups_stream_without_records_is_in_the_report(load: Loader) -> None:
    done = load(rows())
    assert done.exit_code == 0
    assert set(done.stream("members")) == {"read", *RESULTS, "left", "reasons", "cut", "left_out"}
    assert outcomes(done, 0) == {}


def test_the_last_line_says_what_became_of_the_memberships(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    add_people(people, [1, 2, 3])
    settings: Row = {**SYNC, "snapshot": True}
    load(rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP"), keyed(3, 3, "VIP")), **settings)
    caplog.clear()
    done = load(rows(keyed(1, 1, "VIP"), mark(2, 2, "VIP"), keyed(4, 1, "Beta"), keyed(5, 9, "VIP")), **settings)
    assert outcomes(done, 4) == {"unchanged": 1, "untagged": 1, "tagged": 1, "rejected": 1}
    last = caplog.records[-1].getMessage()
    assert last.startswith("Done: ")
    for words in ("'members'", "4 read", "1 tagged", "1 untagged", "1 unchanged", "1 rejected", "1 removed because"):
        assert words in last


def test_no_address_and_no_token_is_in_the_log_or_the_report(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    emails = ["ann@private.example", "bob@private.example"]
    for email in emails:
        people.add(external_id=email, email=email)
    for _ in range(2):
        people.add(role="lead", email="twin@private.example")
    bad: Iterable[Row] = (
        {"external_id": "bob@private.example", "tag": ["bob@private.example"]},
        {"email": "ann@private.example bob@private.example", "tag": "VIP"},
        {"email": "twin@private.example", "tag": "VIP"},
        {"email": "nobody@private.example", "tag": "VIP"},
        {"external_id": ["ann@private.example"], "tag": "VIP"},
        {"external_id": "ann@private.example", "tag": "V\0IP ann@private.example"},
    )
    good = [{"external_id": email, "email": email, "tag": "VIP"} for email in emails]
    described = schema("members", [], external_id="any", email="any", tag="any", _sdc_deleted_at="datetime")
    messages = [described, *(record("members", **row) for row in [*good, *bad]), state({"n": 8})]
    done = load.pipe(messages, **SYNC)
    assert done.exit_code == 0
    assert outcomes(done, 8) == {"tagged": 2, "invalid": 4, "rejected": 2}
    gone = load.pipe([described, *(record("members", **row, _sdc_deleted_at=WHEN) for row in good)], **SYNC)
    assert outcomes(gone, 2) == {"untagged": 2}
    for text in (done.log, gone.log, json.dumps(done.report), json.dumps(gone.report)):
        assert "private.example" not in text.lower()
        assert f"Bearer {sandbox.token}" not in text
        assert "Traceback" not in text
    (rejected,) = done.data_dir.glob("rejected-*")
    assert rejected.stat().st_mode & 0o077 == 0
    assert left_behind(gone) == set()


@pytest.mark.parametrize("ledger", [..., "none"])
def test_nothing_of_the_memberships_is_left_in_the_data_dir(load: Loader, people: People, ledger: object) -> None:
    add_people(people, [1])
    done = load([*rows(keyed(1, 1, "VIP"), keyed(2, 9, "VIP")), *customers(person(2))], ledger_url=ledger)
    assert done.exit_code == 0
    assert left_behind(done) == set()


@pytest.mark.parametrize("ledger", [..., "none"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_mid_stream_is_made_good_by_a_whole_one(
    load: Loader, people: People, number: signal.Signals, ledger: object
) -> None:
    add_people(people, [1, 2])
    messages = rows(keyed(1, 1, "VIP"), keyed(2, 2, "VIP"), keyed(3, 2, ""))
    process = load.start(batch_size_rows=1, ledger_url=ledger)
    feed(process, *messages, *customers(person(3)))
    until(lambda: any(one["external_id"] == "3" for one in people.everyone()))
    until(lambda: running_report(load).get("customers", {}).get("read") == 1)
    os.kill(process.pid, number)
    done = load.finish(process)
    assert done.exit_code == (-number if number is signal.SIGKILL else 128 + number)
    assert done.states == []
    assert not any(all_tags(people).values())
    if number is signal.SIGTERM:
        assert done.report["status"] == "failed"
        # Those that waited got no outcome; what was wrong in itself has its own.
        assert outcomes(done, 1) == {"invalid": 1}
        assert left_behind(done) == set()
    whole = load(messages, ledger_url=ledger)
    assert (whole.exit_code, whole.states) == (0, [messages[-1]["value"]])
    assert outcomes(whole, 3) == {"tagged": 2, "invalid": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}, "3": set()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_between_tags_is_completed_by_the_next_one_and_all_are_ours(
    load: Loader, people: People, sandbox: SandboxServer, number: signal.Signals
) -> None:
    add_people(people, [1])
    groups = [f"g{n}" for n in range(8)]
    messages = rows(*(keyed(n, 1, group) for n, group in enumerate(groups)))
    process = load.begin(messages, max_connections=1, **SYNC)
    send_before(sandbox, process, number, lambda: len(tags_of(people)) >= 2)
    done = load.finish(process)
    # A call that was under way arrives all the same.
    until(lambda: all(call.status is not None for call in sandbox.calls))
    assert done.states == []
    assert 2 <= len(tags_of(people)) < len(groups)
    done = load(messages, **SYNC)
    assert done.exit_code == 0
    outcomes(done, len(groups))
    assert tags_of(people) == set(groups)
    # Those that the killed run put on are ours, too.
    ended = load(rows(*(mark(n, 1, group) for n, group in enumerate(groups))), **SYNC)
    assert outcomes(ended, len(groups)) == {"untagged": len(groups)}
    assert tag_calls(ended)[TAKE_OFF] == len(groups)
    assert tags_of(people) == set()
