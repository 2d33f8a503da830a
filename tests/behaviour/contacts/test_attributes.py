"""Which attributes contacts get, as what, and what becomes of those that cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from target_intercom.sandbox.versions import Version
from tests.support.loading import once_answered, record, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

pytestmark = pytest.mark.usefixtures("few_connections")
VERSION = Version.parse("2.16")


def customers(properties: dict[str, Any], *rows: Any, stream: str = "customers") -> list[dict[str, Any]]:
    """A stream of contacts; each row has its number for an id unless it says otherwise."""
    return [
        schema(stream, id="integer", **properties),
        *(record(stream, **{"id": number, **row}) for number, row in enumerate(rows, start=1)),
    ]


def custom(people: People, external_id: str = "1") -> dict[str, Any]:
    attributes: dict[str, Any] = people.one(external_id=external_id)["custom_attributes"]
    return attributes


def attributes(people: People) -> dict[str, dict[str, Any]]:
    """The workspace's custom attributes of contacts by name, archived ones too."""
    listed = people.call("GET", "/data_attributes?model=contact&include_archived=true")["data"]
    return {entry["name"]: entry for entry in listed if entry["custom"]}


def make(people: People, name: str, data_type: str = "string", **more: Any) -> str:
    body = {"name": name, "model": "contact", "data_type": data_type, **more}
    return str(people.call("POST", "/data_attributes", body)["id"])


def archive(people: People, attribute: str) -> None:
    people.call("PUT", f"/data_attributes/{attribute}", {"archived": True})


def show(sandbox: SandboxServer, attribute: str, *, archived: bool) -> None:
    """Take an attribute away from the API, or bring it back, at once."""
    sandbox.workspace.update_attribute(attribute, {"archived": archived}, VERSION)


# Attributes that are made.


@pytest.mark.parametrize(
    ("kind", "value", "data_type", "stored"),
    [
        ("text", "pro", "string", "pro"),
        ("integer", 7, "integer", 7),
        ("number", 2.5, "float", 2.5),
        ("boolean", True, "boolean", True),
        ("date", "2024-02-29", "date", 1709164800),
        ("datetime", "2024-02-29T12:00:00+02:00", "date", 1709200800),
        ("object", {"b": [1, None], "a": "ü"}, "string", '{"a": "ü", "b": [1, null]}'),
        ("array", ["x", 1], "string", '["x", 1]'),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 7, "integer", 7),
        ({"type": ["integer", "string"]}, 7, "string", "7"),
        ({"type": "string", "format": "singer.decimal"}, "2.50", "float", 2.5),
        ("any", True, "boolean", True),
    ],
)
def test_a_missing_attribute_is_made_from_the_schemas_type(
    load: Loader, people: People, kind: Any, value: object, data_type: str, stored: object
) -> None:
    done = load(customers({"thing": kind}, {"thing": value}))
    assert done.results() == {"created": 1}
    assert attributes(people)["thing"]["data_type"] == data_type
    assert custom(people)["thing"] == stored
    assert load(customers({"thing": kind}, {"thing": value})).writes == 0


def test_both_kinds_of_timestamps_keep_their_type_where_intercom_tells_them_apart(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    row = {"day": "2024-02-29", "moment": "2024-02-29T10:00:00.999Z", "signed_up_at": "2024-02-29 10:00:00+00"}
    load(customers({"day": "date", "moment": "datetime", "signed_up_at": "datetime"}, row), api_version="Preview")
    kinds = {
        call.body["name"]: call.body["data_type"]
        for call in sandbox.calls
        if call.path == "/data_attributes" and call.body
    }
    assert kinds == {"day": "date", "moment": "datetime"}
    assert custom(people) == {"day": 1709164800, "moment": 1709200800}
    assert people.one(external_id="1")["signed_up_at"] == 1709200800


def test_each_attribute_is_made_once_for_all_batches_and_streams(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    rows = [{"plan": "pro"}] * 3
    messages = [*customers({"plan": "text"}, *rows), *customers({"plan": "text"}, *rows, stream="others")]
    done = load(messages, batch_size_rows=1)
    assert done.calls["POST /data_attributes"] == 1
    assert done.calls["GET /data_attributes"] == 1


def test_an_attribute_without_any_value_is_not_made(load: Loader, people: People) -> None:
    done = load(customers({"plan": "text"}, {"plan": None}))
    assert done.results() == {"created": 1}
    assert attributes(people) == {}
    assert done.stream()["left_out"] == {}


def test_an_attribute_that_gets_its_first_value_in_a_later_batch_is_made_then(load: Loader, people: People) -> None:
    load(customers({"plan": "text"}, {"plan": None}, {"plan": "pro"}), batch_size_rows=1)
    assert custom(people, "2") == {"plan": "pro"}


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.GARBAGE, Fault.RESET_BEFORE], ids=lambda fault: fault.value)
def test_an_attribute_whose_creation_got_no_answer_is_used(
    load: Loader, people: People, sandbox: SandboxServer, fault: Fault
) -> None:
    sandbox.conditions.plan.add(TargetedFault(fault, "POST", "/data_attributes"))
    done = load(customers({"plan": "text"}, {"plan": "pro"}))
    assert done.stream()["left_out"] == {}
    assert custom(people) == {"plan": "pro"}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("a.b", "a_b"),
        ("$price", "_price"),
        ("größe", "größe"),
        ("two words", "two words"),
        ("x-y", "x-y"),
        ("a/b", "a_b"),
    ],
)
def test_names_lose_the_characters_that_intercom_disallows(
    load: Loader, people: People, name: str, allowed: str
) -> None:
    load(customers({name: "text"}, {name: "pro"}))
    assert custom(people) == {allowed: "pro"}


def test_of_two_properties_with_one_allowed_name_one_is_left_out_and_said(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(customers({"a_b": "text", "a.b": "text"}, {"a.b": "dot", "a_b": "own"}))
    assert custom(people) == {"a_b": "own"}
    assert sum("'a.b'" in message for message in caplog.messages) == 1


# Attributes that exist.


@pytest.mark.parametrize(
    ("data_type", "kind", "value", "stored"),
    [
        ("string", "integer", 7, "7"),
        ("string", "boolean", False, "false"),
        ("string", "number", 2.5, "2.5"),
        ("integer", "text", " 7 ", 7),
        ("integer", "number", 7.0, 7),
        ("float", "text", "2.5", 2.5),
        ("boolean", "text", "No", False),
        ("boolean", "integer", 1, True),
        ("date", "text", "2024-02-29", 1709164800),
        ("date", "integer", 1709164800, 1709164800),
    ],
)
def test_an_existing_attributes_type_decides_the_value(
    load: Loader, people: People, data_type: str, kind: str, value: object, stored: object
) -> None:
    make(people, "thing", data_type)
    assert load(customers({"thing": kind}, {"thing": value})).results() == {"created": 1}
    assert custom(people) == {"thing": stored}
    assert load(customers({"thing": kind}, {"thing": value})).results() == {"unchanged": 1}


@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        ("integer", "seven"),
        ("integer", 2.5),
        ("boolean", "perhaps"),
        ("date", "soon"),
        ("date", 1709164800000),
        ("float", [1]),
        ("integer", 2**70),
    ],
)
def test_a_value_that_does_not_fit_makes_its_record_invalid_and_no_other(
    load: Loader, people: People, data_type: str, value: object
) -> None:
    make(people, "thing", data_type)
    done = load(customers({"thing": "any"}, {"thing": value}, {"thing": None}))
    assert done.results() == {"invalid": 1, "created": 1}
    assert done.refusals[0]["field"] == "thing"
    assert len(people.everyone()) == 1


def test_a_list_attribute_takes_its_options_and_nothing_else(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    make(people, "plan", "options", options=[{"value": "pro"}, {"value": "free"}])
    rows = [{"plan": "pro"}, {"plan": "Pro", "name": "Bob"}, {"plan": "other"}, {"plan": None}]
    done = load(customers({"plan": "text", "name": "text"}, *rows))
    assert done.results() == {"created": 4}
    assert done.stream()["left_out"] == {"custom_attributes.plan": 2}
    assert [custom(people, str(number)) for number in (1, 2, 3, 4)] == [{"plan": "pro"}, {}, {}, {}]
    assert people.one(external_id="2")["name"] == "Bob"
    assert sum("'plan'" in message for message in caplog.messages) == 1


def test_a_value_outside_the_options_leaves_the_one_there_alone(load: Loader, people: People) -> None:
    make(people, "plan", "options", options=[{"value": "pro"}, {"value": "free"}])
    load(customers({"plan": "text"}, {"plan": "pro"}))
    done = load(customers({"plan": "text"}, {"plan": "other"}), ledger_url="none")
    assert done.results() == {"unchanged": 1}
    assert custom(people) == {"plan": "pro"}


# Attributes that are left out.


def an_archived_one(people: People, sandbox: SandboxServer) -> None:
    archive(people, make(people, "plan"))


def a_companys(people: People, sandbox: SandboxServer) -> None:
    people.call("POST", "/data_attributes", {"name": "plan", "model": "company", "data_type": "string"})


def a_full_workspace(people: People, sandbox: SandboxServer) -> None:
    for number in range(250):
        body = {"name": f"attribute {number}", "model": "contact", "data_type": "string"}
        sandbox.workspace.create_attribute(body, VERSION)


@pytest.mark.parametrize("trouble", [an_archived_one, a_companys, a_full_workspace])
@pytest.mark.parametrize("size", [1, 10])
def test_an_attribute_that_cannot_be_written_is_left_out_said_once_and_counted(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    trouble: Callable[[People, SandboxServer], None],
    size: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble(people, sandbox)
    rows = [{"plan": "pro", "name": "Ann"}, {"plan": "free"}, {"plan": None}]
    done = load(customers({"plan": "text", "name": "text"}, *rows), batch_size_rows=size)
    assert done.exit_code == 0
    assert done.results() == {"created": 3}
    assert done.stream()["left_out"] == {"custom_attributes.plan": 2}
    assert people.one(name="Ann")["custom_attributes"] == {}
    assert sum("custom_attributes.plan" in message for message in caplog.messages) == 1


def test_a_custom_attribute_named_like_a_standard_one_is_left_out_unasked(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    members = {"created_at": "2024", "plan": "pro"}
    done = load(customers({"custom_attributes": "object"}, {"custom_attributes": members}))
    assert custom(people) == {"plan": "pro"}
    assert done.calls["POST /data_attributes"] == 1
    assert sum("named like a standard one" in message for message in caplog.messages) == 1


def test_an_attribute_of_a_full_workspace_that_exists_is_written(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    a_full_workspace(people, sandbox)
    load(customers({"attribute 7": "text"}, {"attribute 7": "pro"}))
    assert custom(people) == {"attribute 7": "pro"}


def test_archived_attributes_take_no_room(load: Loader, people: People, sandbox: SandboxServer) -> None:
    a_full_workspace(people, sandbox)
    archive(people, str(attributes(people)["attribute 7"]["id"]))
    load(customers({"plan": "text"}, {"plan": "pro"}))
    assert custom(people) == {"plan": "pro"}


def test_without_create_attributes_what_is_missing_is_left_out_said_once_and_counted(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    make(people, "known")
    rows = [{"known": "a", "missing": "b"}, {"known": "a", "missing": "c"}, {"known": "a", "missing": None}]
    done = load(customers({"known": "text", "missing": "text"}, *rows), create_attributes=False, batch_size_rows=1)
    assert done.results() == {"created": 3}
    assert done.stream()["left_out"] == {"custom_attributes.missing": 2}
    assert custom(people) == {"known": "a"}
    assert sum("'create_attributes'" in message for message in caplog.messages) == 1
    assert set(attributes(people)) == {"known"}


@pytest.mark.parametrize("name", ["created_at", "role", "updated_at", "has_hard_bounced"])
def test_a_property_named_like_a_standard_attribute_that_is_not_written_is_left_out_and_said(
    load: Loader, people: People, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    done = load(customers({name: "text"}, {name: "lead"}))
    assert done.results() == {"created": 1}
    assert custom(people) == {}
    assert people.one(external_id="1")["role"] == "user"
    assert f"'{name}'" in caplog.text


@pytest.mark.parametrize("name", ["_sdc_batched_at", "_sdc_extracted_at", "_sdc_sequence"])
def test_the_taps_own_properties_become_no_attributes(load: Loader, people: People, name: str) -> None:
    load(customers({name: "text"}, {name: "2024-01-01"}))
    assert custom(people) == {}


def test_the_sources_own_id_is_never_intercoms(load: Loader, people: People) -> None:
    ann = people.add(email="ann@example.com")
    messages = [schema("customers", id="text", email="text"), record("customers", id=ann, email="bob@example.com")]
    load(messages, mappings={}, match_by=["email", "id"])
    assert people.one(email="bob@example.com")["custom_attributes"] == {}
    assert people.one(id=ann)["email"] == "ann@example.com"


# Attributes that turn out not to exist.


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("known", [True, False], ids=["update", "create"])
def test_an_attribute_that_vanishes_is_dropped_and_the_rest_is_written(
    load: Loader, people: People, sandbox: SandboxServer, known: bool, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    plan = make(people, "plan")
    make(people, "team")
    for number in range(3 if known else 0):
        people.add(external_id=str(number + 1))
    rows = [{"plan": "pro", "team": "red", "name": f"P{number}"} for number in range(3)]
    with once_answered(sandbox, "GET", "/data_attributes", lambda: show(sandbox, plan, archived=True)):
        done = load(customers({"plan": "text", "team": "text", "name": "text"}, *rows), batch_size_rows=size)
    assert done.exit_code == 0
    assert done.results() == {"updated" if known else "created": 3}
    assert done.stream()["left_out"] == {"custom_attributes.plan": 3}
    assert sorted(contact["name"] for contact in people.live()) == ["P0", "P1", "P2"]
    assert all(contact["custom_attributes"] == {"team": "red"} for contact in people.live())
    assert sum("custom_attributes.plan" in message for message in caplog.messages) == 1


def test_an_attribute_that_vanishes_and_was_all_there_is_to_write_writes_nothing(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    plan = make(people, "plan")
    people.add(external_id="1")
    with once_answered(sandbox, "GET", "/data_attributes", lambda: show(sandbox, plan, archived=True)):
        done = load(customers({"plan": "text"}, {"plan": "pro"}))
    assert done.exit_code == 0
    assert done.results() == {"unchanged": 1}
    assert done.stream()["left_out"] == {"custom_attributes.plan": 1}
    assert not any(call.method == "PUT" and call.status == 200 for call in sandbox.calls if "/contacts/" in call.path)


@pytest.mark.parametrize("size", [1, 10])
def test_only_values_that_were_left_out_are_counted(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    plan = make(people, "plan")
    rows = [{"id": 1, "plan": "pro"}, {"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}, {"id": 1, "name": "Anne"}]
    with once_answered(sandbox, "GET", "/data_attributes", lambda: show(sandbox, plan, archived=True)):
        done = load(customers({"plan": "text", "name": "text"}, *rows), batch_size_rows=size)
    assert done.stream()["left_out"] == {"custom_attributes.plan": 1}


def test_an_attribute_of_this_run_that_intercom_takes_a_moment_to_accept_is_written(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    def hide() -> None:
        (plan,) = [
            one["id"]
            for one in sandbox.workspace.list_attributes(("contact",), VERSION, archived=False)
            if one["custom"]
        ]
        show(sandbox, str(plan), archived=True)
        hidden.append(str(plan))

    hidden: list[str] = []
    accepted = once_answered(sandbox, "POST", "/contacts", lambda: show(sandbox, hidden[0], archived=False))
    with once_answered(sandbox, "POST", "/data_attributes", hide), accepted:
        done = load(customers({"plan": "text"}, {"plan": "pro"}))
    assert done.results() == {"created": 1}
    assert [call.status for call in sandbox.calls if call.path == "/contacts"] == [400, 200]
    assert custom(people) == {"plan": "pro"}
    assert done.stream()["left_out"] == {}


# Values.


def test_null_clears_and_absent_leaves_alone(load: Loader, people: People) -> None:
    everything = {"plan": "pro", "seats": 3, "name": "Ann", "phone": "1", "email": "ann@example.com"}
    kinds = {"plan": "text", "seats": "integer", "name": "text", "phone": "text", "email": "text"}
    load(customers(kinds, everything))
    assert load(customers(kinds, {})).results() == {"unchanged": 1}
    assert load(customers(kinds, dict.fromkeys(everything))).results() == {"updated": 1}
    ann = people.one(external_id="1")
    assert (ann["name"], ann["phone"], ann["email"] or None) == (None, None, None)
    assert ann["custom_attributes"] == {"plan": None, "seats": None}
    assert load(customers(kinds, dict.fromkeys(everything))).results() == {"unchanged": 1}


def test_null_leaves_alone_where_clear_nulls_is_off(load: Loader, people: People) -> None:
    kinds = {"plan": "text", "name": "text", "email": "text"}
    row = {"plan": "pro", "name": "Ann", "email": "ann@example.com"}
    load(customers(kinds, row))
    before = people.everyone()
    assert load(customers(kinds, dict.fromkeys(row)), clear_nulls=False).results() == {"unchanged": 1}
    assert people.everyone() == before


def test_false_zero_and_empty_text_are_values(load: Loader, people: People) -> None:
    kinds = {"active": "boolean", "seats": "integer", "score": "number", "plan": "text"}
    load(customers(kinds, {"active": True, "seats": 3, "score": 1.5, "plan": "pro"}))
    assert load(customers(kinds, {"active": False, "seats": 0, "score": 0.0})).results() == {"updated": 1}
    assert custom(people) == {"active": False, "seats": 0, "score": 0, "plan": "pro"}
    assert load(customers(kinds, {"active": False, "seats": 0, "score": 0.0})).results() == {"unchanged": 1}


def test_false_differs_from_nothing(load: Loader, people: People) -> None:
    load(customers({"active": "boolean", "seats": "integer"}, {}))
    assert load(customers({"active": "boolean", "seats": "integer"}, {"active": False, "seats": 0})).results() == {
        "updated": 1
    }
    assert custom(people) == {"active": False, "seats": 0}


@pytest.mark.parametrize("text", ["x" * 256, "ü" * 10_000, "😀" * 300], ids=["256", "10000", "astral"])
def test_long_text_of_a_custom_attribute_is_cut_and_counted(load: Loader, people: People, text: str) -> None:
    done = load(customers({"plan": "text"}, {"plan": text}, {"plan": "x" * 255}))
    assert done.results() == {"created": 2}
    assert done.stream()["cut"] == {"custom_attributes.plan": 1}
    assert custom(people) == {"plan": text[:255]}
    again = load(customers({"plan": "text"}, {"plan": text}))
    assert again.results() == {"unchanged": 1}


def test_identifiers_and_names_are_never_cut(load: Loader, people: People) -> None:
    long = "x" * 300
    done = load(customers({"name": "text", "email": "text"}, {"name": long, "email": f"{long}@example.com"}))
    assert done.stream()["cut"] == {}
    ann = people.one(external_id="1")
    assert (ann["name"], ann["email"]) == (long, f"{long}@example.com")


@pytest.mark.parametrize(
    "text", ["Zoë Ünal", "李小龍", "עברית", "👩‍👩‍👧", "a\tb\nc", "\u202etxet", "'; --", '"\\"', "\u0000x"]
)
def test_text_arrives_as_it_is(load: Loader, people: People, text: str) -> None:
    load(customers({"name": "text", "plan": "text"}, {"name": text, "plan": text}))
    assert people.one(external_id="1")["name"] == text
    assert custom(people) == {"plan": text}
    assert load(customers({"name": "text", "plan": "text"}, {"name": text, "plan": text})).writes == 0


def test_an_avatar_is_compared_with_the_url_that_intercom_shows(load: Loader, people: People) -> None:
    row = {"avatar": "https://example.com/a.png"}
    load(customers({"avatar": "text"}, row))
    assert load(customers({"avatar": "text"}, row)).results() == {"unchanged": 1}
    assert load(customers({"avatar": "text"}, {"avatar": None})).results() == {"updated": 1}
    assert people.one(external_id="1")["avatar"] is None


def test_what_cannot_be_read_back_is_no_reason_to_write(load: Loader, people: People, sandbox: SandboxServer) -> None:
    kinds = {"email": "text", "email_verified": "boolean", "name": "text"}
    row = {"email": "ann@example.com", "email_verified": True, "name": "Ann"}
    load(customers(kinds, row))
    assert people.one(external_id="1")["email_verified"] is True
    assert load(customers(kinds, row)).results() == {"unchanged": 1}
    assert load(customers(kinds, {**row, "email_verified": False, "name": "Anne"})).results() == {"updated": 1}
    assert people.one(external_id="1")["email_verified"] is False


def test_email_verified_without_an_email_harms_nobody(load: Loader, people: People) -> None:
    people.add(external_id="2", email="bob@example.com")
    rows = [{"email_verified": True, "name": "Ann"}, {"email_verified": True, "name": "Bob"}]
    done = load(customers({"email_verified": "boolean", "name": "text"}, *rows))
    assert done.results() == {"created": 1, "updated": 1}


# Consent.

CONSENT = {"mappings": {"id": "external_id", "off": "unsubscribed_from_emails"}}


def unsubscribed(people: People, external_id: str = "1") -> bool:
    return bool(people.one(external_id=external_id)["unsubscribed_from_emails"])


@pytest.mark.parametrize("value", [False, None, "no", 0])
@pytest.mark.parametrize("mode", ["sync", "additive", "enrich"])
def test_nobody_is_subscribed_again(
    load: Loader, people: People, sandbox: SandboxServer, mode: str, value: object
) -> None:
    people.add(external_id="1", unsubscribed_from_emails=True, name="Old")
    done = load(customers({"off": "any", "name": "text"}, {"off": value, "name": "New"}), sync_mode=mode, **CONSENT)
    assert done.results() == {"updated": 1}
    assert unsubscribed(people)
    assert [call.body for call in sandbox.calls if call.method == "PUT"] == [{"name": "New"}]


def test_consent_alone_is_no_reason_to_write(load: Loader, people: People) -> None:
    people.add(external_id="1", unsubscribed_from_emails=True)
    assert load(customers({"off": "boolean"}, {"off": False}), **CONSENT).results() == {"unchanged": 1}


@pytest.mark.parametrize("size", [1, 10])
def test_who_unsubscribes_in_a_run_stays_so(load: Loader, people: People, size: int) -> None:
    people.add(external_id="1")
    rows = [{"id": one, "off": off} for one in (1, 2) for off in (False, True, False, None)]
    load(customers({"off": "boolean"}, *rows), batch_size_rows=size, **CONSENT)
    assert unsubscribed(people, "1")
    assert unsubscribed(people, "2")


def test_an_archived_user_who_unsubscribed_stays_so_when_brought_back(load: Loader, people: People) -> None:
    ann = people.add(external_id="1", unsubscribed_from_emails=True)
    people.call("POST", f"/contacts/{ann}/archive", {})
    load(customers({"off": "boolean", "name": "text"}, {"off": False, "name": "Ann"}), **CONSENT)
    assert unsubscribed(people)


def test_a_user_behind_a_conflict_who_unsubscribed_stays_so(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = 3600
    people.add(external_id="1", unsubscribed_from_emails=True)
    load(customers({"off": "boolean", "name": "text"}, {"off": False, "name": "Ann"}), **CONSENT)
    assert unsubscribed(people)
    assert people.one(external_id="1")["name"] == "Ann"


@pytest.mark.parametrize(("value", "sent"), [(True, True), (False, False), (None, False)])
def test_a_contact_being_made_gets_its_consent(
    load: Loader, people: People, sandbox: SandboxServer, value: object, sent: bool
) -> None:
    load(customers({"off": "boolean"}, {"off": value}), **CONSENT)
    (made,) = [call.body for call in sandbox.calls if (call.method, call.path) == ("POST", "/contacts")]
    assert made["unsubscribed_from_emails"] is sent


@pytest.mark.parametrize("name", ["unsubscribed_from_emails", "owner_id"])
def test_consent_and_owner_are_taken_only_when_mapped(
    load: Loader, people: People, sandbox: SandboxServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    done = load(customers({name: "any"}, {name: True if name != "owner_id" else "1000001"}))
    assert done.results() == {"created": 1}
    (made,) = [call.body for call in sandbox.calls if (call.method, call.path) == ("POST", "/contacts")]
    assert made == {"role": "user", "external_id": "1"}
    assert name in caplog.text


# Owners.

OWNER = {"mappings": {"id": "external_id", "owner": "owner_id"}}


@pytest.mark.parametrize("owner", ["1000001", 1000001, " 1000001 "], ids=repr)
@pytest.mark.parametrize("api_version", ["2.15", "2.16", "Preview"])
def test_an_owner_is_set_and_compared(load: Loader, people: People, owner: object, api_version: str) -> None:
    messages = customers({"owner": "any"}, {"owner": owner})
    load(messages, api_version=api_version, **OWNER)
    assert people.one(external_id="1")["owner_id"] == "1000001"
    assert load(messages, api_version=api_version, **OWNER).results() == {"unchanged": 1}
    assert load(customers({"owner": "any"}, {"owner": None}), api_version=api_version, **OWNER).results() == {
        "updated": 1
    }
    assert people.one(external_id="1")["owner_id"] is None


def test_an_unknown_owner_is_rejected_and_the_others_go_on(load: Loader, people: People) -> None:
    rows = [{"owner": "7"}, {"owner": "1000002"}, {"owner": None}]
    done = load(customers({"owner": "text"}, *rows), **OWNER)
    assert done.results() == {"rejected": 1, "created": 2}
    (refused,) = done.refusals
    assert (refused["outcome"], refused["code"], refused["field"]) == ("rejected", "parameter_invalid", "owner_id")
    assert refused["request_id"]
    assert "owner" in refused["reason"]
    assert {contact["external_id"] for contact in people.everyone()} == {"2", "3"}


# Mappings, and streams of their own.


def test_mappings_and_unmapped(load: Loader, people: People) -> None:
    kinds = {"full": "text", "level": "text", "secret": "text", "other": "text", "phone": "text"}
    row = {"full": "Ann", "level": "pro", "secret": "s", "other": "o", "phone": "1"}
    mappings = {"id": "external_id", "full": "name", "level": "custom_attributes.Plan Level", "secret": None}
    load(customers(kinds, row), mappings=mappings)
    ann = people.one(external_id="1")
    assert (ann["name"], ann["phone"]) == ("Ann", "1")
    assert ann["custom_attributes"] == {"Plan Level": "pro", "other": "o"}
    load(customers(kinds, {**row, "id": 2}), mappings=mappings, unmapped="ignore")
    bob = people.one(external_id="2")
    assert (bob["name"], bob["phone"], bob["custom_attributes"]) == ("Ann", None, {"Plan Level": "pro"})


def test_a_mapped_property_beats_one_of_the_attributes_name(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(
        customers({"name": "text", "full": "text"}, {"name": "nick", "full": "Ann"}),
        mappings={"id": "external_id", "full": "name"},
    )
    assert people.one(external_id="1")["name"] == "Ann"
    assert "'name'" in caplog.text


def test_each_stream_has_its_own_settings(load: Loader, people: People) -> None:
    make(people, "label")
    kinds = {"plan": "text", "label": "text", "email": "text"}
    row = {"plan": "pro", "label": "L", "email": "ann@example.com"}
    messages = [
        *customers(kinds, {**row, "id": 1}),
        *customers(kinds, {**row, "id": 2, "email": "bob@example.com"}, stream="others"),
        *customers(kinds, {**row, "id": 3, "email": "cid@example.com"}, stream="leads"),
    ]
    done = load(
        messages,
        streams={
            "others": {"mappings": {"id": "external_id", "label": "name"}, "unmapped": "ignore"},
            "leads": {"creation_mode": "lead", "create_attributes": False},
        },
        mappings={"id": "external_id", "plan": None},
    )
    assert done.exit_code == 0
    assert custom(people, "1") == {"label": "L"}
    bob = people.one(external_id="2")
    assert (bob["name"], bob["email"], bob["custom_attributes"]) == ("L", None, {})
    cid = people.one(email="cid@example.com")
    assert (cid["role"], cid["custom_attributes"]) == ("lead", {"label": "L"})
    assert {name: counts["left_out"] for name, counts in done.report["streams"].items()} == {
        "customers": {},
        "others": {},
        "leads": {},
    }
