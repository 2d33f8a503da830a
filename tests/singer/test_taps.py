"""What real taps send: schemas of any draft, names in any case, values in odd clothes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import TYPES, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.loading import Loaded, Loader, People

pytestmark = pytest.mark.usefixtures("few_connections")
DECIMAL = {"type": ["null", "string"], "format": "singer.decimal", "precision": 38, "scale": 9}


def users(properties: Mapping[str, Any], *rows: Mapping[str, Any], keys: tuple[str, ...] = ("id",)) -> list[Any]:
    """A stream of contacts; rows without an id have their number for one."""
    named = {"id": "integer", **properties} if "id" in keys else properties
    given = [{"id": number, **row} if "id" in keys else row for number, row in enumerate(rows, start=1)]
    return [schema("users", keys=keys, **named), *(record("users", **row) for row in given), state({"n": 1})]


def custom(people: People, external_id: str = "1") -> dict[str, Any]:
    attributes: dict[str, Any] = people.one(external_id=external_id)["custom_attributes"]
    return {name: value for name, value in attributes.items() if value is not None}


def kinds(people: People) -> dict[str, str]:
    """The types of the workspace's custom attributes."""
    listed = people.call("GET", "/data_attributes?model=contact")["data"]
    return {entry["name"]: entry["data_type"] for entry in listed if entry["custom"]}


def loads(done: Loaded, **results: int) -> bool:
    return (done.exit_code, done.states, done.results("users")) == (0, [{"n": 1}], results)


# Schemas.


@pytest.mark.parametrize(
    ("thing", "value", "kind", "stored"),
    [
        ({"type": "number", "exclusiveMaximum": True, "maximum": 9, "multipleOf": 0.01}, 2.5, "float", 2.5),
        ({"type": "number", "multipleOf": 0}, 2.5, "float", 2.5),
        ({"type": "integer", "required": True, "divisibleBy": 0}, 7, "integer", 7),
        ({"type": "array", "items": [{"type": "string"}]}, ["x"], "string", '["x"]'),
        ({"type": "any"}, 7, "integer", 7),
        ({"type": ["teapot", "null"]}, True, "boolean", True),
        ({"type": "string", "minLength": -1, "pattern": "["}, "x", "string", "x"),
        ({"type": "object", "properties": [], "additionalProperties": "no"}, {"a": 1}, "string", '{"a": 1}'),
        ({"allOf": [{"type": "string"}, {"format": "date-time"}]}, "2026-01-01T00:00:00Z", "date", 1767225600),
        ({"type": ["null", "string"], "format": "x-singer.decimal"}, "12.50", "float", 12.5),
        ({"type": ["number", "string", "null"], "format": "singer.decimal"}, "12.50", "float", 12.5),
        ({"type": ["null", "string"], "format": "singer.decimal"}, "0E-9", "float", 0),
        ({"$ref": "#/definitions/day"}, "2026-01-01", "date", 1767225600),
        ({"$ref": "https://example.com/day.json"}, 7, "integer", 7),
    ],
)
def test_of_a_schema_only_its_types_matter_whatever_draft_it_is_of(
    load: Loader, people: People, thing: dict[str, Any], value: object, kind: str, stored: object
) -> None:
    messages = users({"thing": thing}, {"thing": value}, {"thing": None})
    messages[0]["schema"]["definitions"] = {"day": {"type": ["null", "string"], "format": "date"}}
    assert loads(load(messages), created=2)
    assert kinds(people) == {"thing": kind}
    assert custom(people) == {"thing": stored}
    assert load(messages).writes == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "string"},
        {"type": ["object"], "required": "id", "additionalProperties": 7},
        {"$schema": "http://json-schema.org/draft-03/schema#", "dependencies": []},
    ],
)
def test_what_a_schema_says_of_the_record_refuses_nothing(load: Loader, people: People, odd: dict[str, Any]) -> None:
    messages = users({"email": "text"}, {"email": "ann@example.com"})
    messages[0]["schema"] = {"properties": messages[0]["schema"]["properties"], **odd}
    assert loads(load(messages), created=1)
    assert people.one()["email"] == "ann@example.com"


@pytest.mark.parametrize("flattening", [{}, {"flattening_enabled": True, "flattening_max_depth": 2}])
def test_odd_schemas_go_through_flattening_and_stream_maps(
    load: Loader, people: People, flattening: dict[str, Any]
) -> None:
    properties = {
        "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "b": {"anyOf": [{"$ref": "#"}, {"format": "x"}]},
        "c": {},
        "e": {"type": "any"},
        "f": {"description": "x", "items": [{}]},
    }
    rows = {"a": 1, "b": "x", "c": 2.5, "e": True, "f": [1]}
    done = load(users(properties, rows), stream_maps={"users": {"g": "a"}}, **flattening)
    assert loads(done, created=1)
    assert custom(people) == {"a": 1, "b": "x", "c": 2.5, "e": True, "f": "[1]", "g": 1}


@pytest.mark.parametrize("of", [{"type": "object"}, {}, {"properties": {}}, {"properties": None}])
def test_a_stream_whose_schema_names_no_properties_is_taken_by_its_records(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, of: dict[str, Any]
) -> None:
    described = {"type": "SCHEMA", "stream": "users", "schema": of, "key_properties": ["pk"]}
    rows = [{"pk": 1, "uid": "a", "email": "Ann@example.com", "mrr": 2.5, "n": 1}, {"pk": 2, "uid": "b", "n": 1.5}]
    messages = [described, *(record("users", **row) for row in rows), state({"n": 1})]
    settings = {"mappings": {"uid": "external_id", "pk": "custom_attributes.number"}}
    assert loads(load(messages, **settings), created=2)
    assert people.one(external_id="a")["email"] == "ann@example.com"
    assert custom(people, "a") == {"number": 1, "mrr": 2.5, "n": 1}
    assert "which no stream has" not in caplog.text
    assert load(messages, **settings).writes == 0


def test_a_stream_that_nobody_describes_is_refused_unless_its_own_mappings_do(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    described = {"type": "SCHEMA", "stream": "users", "schema": {"type": "object"}, "key_properties": []}
    messages = [described, record("users", id=7), state({"n": 1})]
    assert (load(messages).exit_code, load(messages).states) == (1, [])
    assert "Stream 'users': its SCHEMA names no properties" in caplog.text
    assert loads(load(messages, streams={"users": {"mappings": {"id": "external_id"}}}), created=1)
    assert people.one()["external_id"] == "7"


def test_a_schemaless_stream_with_a_stream_map_keeps_its_key(load: Loader, people: People) -> None:
    described = {"type": "SCHEMA", "stream": "users", "schema": {"type": "object"}, "key_properties": ["id"]}
    messages = [described, record("users", id=1, first="Ann"), state({"n": 1})]
    assert loads(load(messages, stream_maps={"users": {"name": "first.upper()"}}), created=1)
    assert people.one(external_id="1")["name"] == "ANN"


def test_a_mapped_property_that_only_records_have_is_loaded_and_not_said_to_be_nowhere(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    mappings = {"id": "external_id", "full": "name", "nothing": "phone"}
    assert loads(load(users({}, {"full": "Ann"}), mappings=mappings), created=1)
    assert people.one()["name"] == "Ann"
    said = [message for message in caplog.messages if "which no stream has" in message]
    assert [("'nothing'" in message, "'full'" in message) for message in said] == [(True, False)]


# Names.


def test_names_in_any_case_are_those_of_standard_attributes_and_that_is_said_once(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {
            "ID": number,
            "EMAIL": f"c{number}@example.com",
            "Full-Name": "x",
            "Name": "Ann",
            "Signed Up At": "2026-01-01T00:00:00Z",
            "last-seen-at": "2026-01-02",
            "UPDATED_AT": "2026-01-03",
            "Owner_Id": "7",
            "_SDC_BATCHED_AT": "2026-01-03",
            "PLAN": "pro",
        }
        for number in (1, 2)
    ]
    properties = dict.fromkeys(rows[0], "any") | {"ID": "integer"}
    messages = users(properties, *rows, keys=("ID",))
    assert loads(load(messages, mappings={"ID": "external_id"}, batch_size_rows=1), created=2)
    ann = people.one(external_id="1")
    assert (ann["email"], ann["name"], ann["owner_id"]) == ("c1@example.com", "Ann", None)
    assert (ann["signed_up_at"], ann["last_seen_at"]) == (1767225600, 1767312000)
    assert custom(people) == {"PLAN": "pro", "Full-Name": "x"}
    for name, attribute in (("EMAIL", "email"), ("Name", "name"), ("Signed Up At", "signed_up_at")):
        said = f"Stream 'users': property '{name}' is loaded as '{attribute}'"
        assert sum(message.startswith(said) for message in caplog.messages) == 1
    for name in ("UPDATED_AT", "Owner_Id"):
        assert sum(f"'{name}' is left out" in message for message in caplog.messages) == 1


def test_a_sources_id_in_any_case_is_never_intercoms(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    done = load(
        users({"Id": "text", "Email": "text"}, {"Id": "7", "Email": "a@example.com"}, keys=("Id",)), mappings={}
    )
    assert loads(done, created=1)
    assert people.one(email="a@example.com")["custom_attributes"] == {}
    assert sum("property 'Id' is left out" in message for message in caplog.messages) == 1


def test_where_a_mapping_differs_from_a_property_in_case_only_the_refusal_says_so(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    done = load(users({"ID": "integer", "total": "number"}, keys=("ID",)))
    assert done.exit_code == 1
    assert "names in 'mappings' are exact, and it has 'ID'" in caplog.text
    assert '{"ID": "external_id"}' in caplog.text


@pytest.mark.parametrize(
    ("names", "mappings", "email", "said"),
    [
        (["EMAIL", "email"], {}, "email", "'EMAIL' is left out: 'email' goes into 'email' already"),
        (["mail", "EMAIL"], {"mail": "email"}, "mail", "'EMAIL' is left out: 'mail' goes into 'email' already"),
        (
            ["mail", "EMAIL", "Email"],
            {"mail": "email"},
            "mail",
            "'Email' is left out: 'mail' goes into 'email' already",
        ),
        (["EMAIL", "Email"], {}, None, "properties 'EMAIL', 'Email' are left out"),
        (["EMAIL", "Email"], {"EMAIL": "email"}, "EMAIL", "'Email' is left out: 'EMAIL' goes into 'email' already"),
        (["EMAIL", "Email"], {"EMAIL": None}, "Email", "'Email' is loaded as 'email'"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_of_properties_that_differ_in_case_only_at_most_one_is_taken(
    load: Loader,
    people: People,
    caplog: pytest.LogCaptureFixture,
    names: list[str],
    mappings: dict[str, Any],
    email: str | None,
    said: str,
    turned: bool,
) -> None:
    ordered = names[::-1] if turned else names
    row = {name: f"{name}@{'x' * (names.index(name) + 1)}.test" for name in ordered}
    done = load(users(dict.fromkeys(ordered, "text"), row), mappings={"id": "external_id", **mappings})
    assert loads(done, created=1)
    ann = people.one()
    assert ann["email"] == (None if email is None else row[email].lower())
    assert ann["custom_attributes"] == {}
    if not turned:
        assert sum(said in message for message in caplog.messages) == 1


@pytest.mark.parametrize("named", [True, False], ids=["schema", "records only"])
@pytest.mark.parametrize(
    ("setting", "name"), [("_sdc_deleted_at", "_SDC_DELETED_AT"), ("is_deleted", "Is Deleted"), ("gone", "gone")]
)
def test_what_marks_a_record_as_deleted_is_found_in_any_case(
    load: Loader, people: People, setting: str, name: str, named: bool
) -> None:
    load.settings = {"sync_mode": "sync", "deleted_property": setting}
    properties = {"email": "text", **({name: "any"} if named else {})}
    rows = [{"email": f"c{number}@example.com"} for number in range(1, 5)]
    assert loads(load(users(properties, *rows)), created=4)
    assert all(contact["custom_attributes"] == {} for contact in people.live())
    # Unchanged but for the mark: it is not taken for the record that came before.
    rows[0] = {**rows[0], name: "2026-01-01T00:00:00Z"}
    assert loads(load(users(properties, *rows)), archived=1, unchanged=3)
    assert len(people.live()) == 3


def test_of_two_properties_that_may_mark_a_record_neither_does(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    messages = users({"Gone": "any", "GONE": "any"}, {"Gone": True, "GONE": False})
    assert loads(load(messages, sync_mode="sync", deleted_property="gone"), created=1)
    assert people.one()["custom_attributes"] == {}
    assert "properties 'Gone', 'GONE' are left out" in caplog.text
    assert "Name the right one in 'deleted_property'" in caplog.text


def test_the_properties_of_groups_are_found_in_any_case(load: Loader, people: People) -> None:
    load(users({"SEGMENTS": "array"}, {"SEGMENTS": ["a", "b"]}), tags_property="segments")
    (ann,) = people.live()
    assert len(ann["tags"]) == 2
    assert ann["custom_attributes"] == {}
    members = [
        schema("members", keys=("KEY",), KEY="integer", EXTERNAL_ID="text", Group="text"),
        record("members", KEY=1, EXTERNAL_ID="1", Group="c"),
    ]
    assert load(members, groups_stream="members", mappings={}).results("members") == {"tagged": 1}


# Values.


def test_decimals_that_come_as_text_are_numbers_wherever_they_go(load: Loader, people: People) -> None:
    properties = {"KEY": DECIMAL, "PHONE": DECIMAL, "NAME": DECIMAL, "AMT": DECIMAL, "seats": DECIMAL, "vip": DECIMAL}
    people.call("POST", "/data_attributes", {"name": "seats", "model": "contact", "data_type": "integer"})
    people.call("POST", "/data_attributes", {"name": "vip", "model": "contact", "data_type": "boolean"})
    row = {
        "KEY": "42.000000000",
        "PHONE": "353871234567.000000000",
        "NAME": "7.500",
        "AMT": "12.340000000",
        "seats": "3.000",
        "vip": "1.000000000",
    }
    rows: list[dict[str, Any]] = [row, {**dict.fromkeys(row), "KEY": "43"}, {**dict.fromkeys(row, "NaN"), "KEY": "44"}]
    messages = users(properties, *rows, keys=("KEY",))
    assert loads(load(messages, mappings={"KEY": "external_id"}), created=3)
    ann = people.one(external_id="42")
    assert (ann["phone"], ann["name"]) == ("353871234567", "7.500")
    assert custom(people, "42") == {"AMT": 12.34, "seats": 3, "vip": True}
    assert custom(people, "43") == custom(people, "44") == {}
    assert load(messages, mappings={"KEY": "external_id"}).writes == 0


def test_whole_floats_are_written_without_their_zeros(load: Loader, people: People) -> None:
    row = '"id": 42.0, "phone": 353871234567.0, "zip": 1234.0, "seats": "3.0", "vip": 1.0, "off": 0.0'
    properties = {"phone": "number", "zip": "text", "seats": "integer", "vip": "boolean", "off": "boolean"}
    messages = users(properties)
    messages[1:1] = [f'{{"type": "RECORD", "stream": "users", "record": {{{row}}}}}']
    assert loads(load(messages), created=1)
    assert people.one(external_id="42")["phone"] == "353871234567"
    assert custom(people, "42") == {"zip": "1234", "seats": 3, "vip": True, "off": False}


@pytest.mark.parametrize("typeless", [{}, {"description": "?"}, {"anyOf": [{}, {"type": "null"}]}, None])
@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([5, 7, None], "integer", [5, 7, None]),
        ([5, 7.5], "float", [5, 7.5]),
        ([7.5, 5], "float", [7.5, 5]),
        ([True, False], "boolean", [True, False]),
        ([5, "n/a", 7.5, {"a": 1}, True], "string", ["5", "n/a", "7.5", '{"a": 1}', "true"]),
        ([math.nan, 5], "integer", [None, 5]),
    ],
)
def test_a_property_without_a_type_gets_the_one_that_all_its_values_share(
    load: Loader, people: People, typeless: Any, values: list[Any], kind: str, stored: list[Any]
) -> None:
    properties = {} if typeless is None else {"thing": typeless}
    done = load(users(properties, *({"thing": value} for value in values)))
    assert loads(done, created=len(values))
    assert kinds(people) == {"thing": kind}
    numbered = [people.one(external_id=str(number + 1)) for number in range(len(values))]
    assert [one["custom_attributes"].get("thing") for one in numbered] == stored


NEVER = ["9999-12-31T23:59:59.999+00:00", "9999-12-31", "0000-00-00 00:00:00", "5874897-12-31"]


@pytest.mark.parametrize("never", NEVER)
def test_a_date_that_means_never_is_null_and_counted(load: Loader, people: People, never: str) -> None:
    properties = {"until": "datetime", "signed_up_at": "datetime"}
    load(users(properties, {"until": "2026-01-01", "signed_up_at": "2026-01-01"}))
    messages = users(properties, {"until": never, "signed_up_at": never})
    done = load(messages)
    assert loads(done, updated=1)
    assert done.stream("users")["cut"] == {"custom_attributes.until": 1, "signed_up_at": 1}
    assert people.one()["signed_up_at"] is None
    assert custom(people) == {}
    again = load(messages)
    assert (again.writes, again.stream("users")["cut"]) == (0, done.stream("users")["cut"])


@pytest.mark.parametrize("never", [*NEVER, "infinity", math.nan, "0.0"])
def test_a_date_that_means_never_removes_nobody(load: Loader, people: People, never: object) -> None:
    messages = users({"gone": "any", "email": "text"}, {"gone": never, "email": "a@example.com"})
    assert loads(load(messages, sync_mode="sync", deleted_property="gone"), created=1)
    assert people.one()["state"] == "live"


@pytest.mark.parametrize("value", ["0000000000004651", "000001767225600", "2024-00-00"])
def test_digits_that_are_no_seconds_are_no_date(load: Loader, value: str) -> None:
    assert loads(load(users({"when": "date"}, {"when": value})), invalid=1)


def test_nan_is_null_and_infinity_is_invalid(load: Loader, people: People) -> None:
    properties = {"email": "text", "n": "number", "seats": "integer", "name": "text", "signed_up_at": "datetime"}
    nothing = dict.fromkeys(properties, math.nan)
    whole = {"email": "a@example.com", "n": 1, "seats": 1, "name": "Ann", "signed_up_at": "2026-01-01"}
    load(users(properties, whole))
    done = load(users(properties, nothing, {"n": math.inf}, {"n": -math.inf}))
    assert loads(done, updated=1, invalid=2)
    assert {one["code"] for one in done.refusals} == {"not_finite"}
    ann = people.one()
    assert (ann["email"] or None, ann["name"], ann["signed_up_at"]) == (None, None, None)
    assert custom(people) == {}


# Objects.


def test_an_avatar_as_intercom_shows_it_gives_its_image(load: Loader, people: People) -> None:
    shown = {"type": "avatar", "image_url": "https://cdn.example.com/a.png"}
    rows: list[dict[str, Any]] = [
        {"avatar": shown},
        {"avatar": json.dumps(shown)},
        {"avatar": {"image_url": None}},
        {"avatar": {"a": 1}},
    ]
    done = load(users({"avatar": "object"}, *rows))
    assert loads(done, created=4)
    images = [people.one(external_id=str(number))["avatar"] for number in (1, 2, 3, 4)]
    assert images == [shown["image_url"], shown["image_url"], None, None]
    assert done.stream("users")["left_out"] == {"avatar": 1}


def test_other_objects_and_lists_in_standard_attributes_are_left_out_and_counted(load: Loader, people: People) -> None:
    load(users({"name": "text", "phone": "text"}, {"name": "Ann", "phone": "+1"}))
    row = {"name": {"first": "A"}, "phone": ["+2"], "signed_up_at": {"$date": 1}, "out": [True]}
    messages = users({**dict.fromkeys(row, "any")}, row)
    done = load(messages, mappings={"id": "external_id", "out": "unsubscribed_from_emails"})
    assert loads(done, unchanged=1)
    names = ("name", "phone", "signed_up_at", "unsubscribed_from_emails")
    assert done.stream("users")["left_out"] == dict.fromkeys(names, 1)
    assert (people.one()["name"], people.one()["phone"]) == ("Ann", "+1")


def test_an_object_of_custom_attributes_gives_its_members(load: Loader, people: People) -> None:
    declared = {"type": ["null", "object"], "properties": {"day": TYPES["date"]}}
    rows: list[dict[str, Any]] = [
        {"custom_attributes": {"plan": "pro", "seats": 3, "day": "2026-01-01", "deep": {"a": 1}, "none": None}},
        {"custom_attributes": {"plan": "free", "seats": 2.5}, "plan": "own"},
        {"custom_attributes": None},
        {"custom_attributes": '{"plan": "text"}'},
        {"custom_attributes": ["plan"]},
    ]
    messages = users({"custom_attributes": declared, "plan": "text"}, *rows)
    done = load(messages)
    assert loads(done, created=5)
    assert kinds(people) == {"plan": "string", "seats": "float", "day": "date", "deep": "string"}
    assert custom(people, "1") == {"seats": 3, "day": 1767225600, "deep": '{"a": 1}'}
    assert custom(people, "2") == {"seats": 2.5, "plan": "own"}
    assert done.stream("users")["left_out"] == {"custom_attributes": 1}
    changed = users({"custom_attributes": declared}, {"custom_attributes": {"plan": "free"}})
    assert load(messages).writes == 0
    assert loads(load(changed), updated=1)
    assert custom(people, "1")["plan"] == "free"


def test_a_mapped_object_of_custom_attributes_goes_where_it_is_mapped(load: Loader, people: People) -> None:
    messages = users({"custom_attributes": "object"}, {"custom_attributes": {"plan": "pro"}})
    load(messages, mappings={"id": "external_id", "custom_attributes": None})
    assert custom(people) == {}
    load(messages, mappings={"id": "external_id", "custom_attributes": "custom_attributes.raw"})
    assert custom(people) == {"raw": '{"plan": "pro"}'}
    load(messages, mappings={"id": "external_id", "custom_attributes.plan": "name"})
    assert people.one()["name"] == "pro"


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "open"])
def test_a_mapping_names_a_member_by_a_path(load: Loader, people: People, declared: bool) -> None:
    inner = {"email": TYPES["text"], "amount": DECIMAL, "name": {"type": "object", "properties": {"value": {}}}}
    props = {"type": "object", "properties": inner} if declared else {"type": "object"}
    mappings = {
        "properties.uid": "external_id",
        "properties.email": "email",
        "properties.amount": "custom_attributes.amount",
        "properties.name.value": "name",
        "properties.nothing.at.all": "phone",
        "properties": None,
    }
    if declared:
        inner["uid"] = TYPES["text"]
    row = {"uid": "7", "email": "Ann@example.com", "amount": "2.50", "name": {"value": "Ann"}}
    messages = users({"properties": props}, {"properties": row}, {"properties": {"uid": "8", "name": None}})
    assert loads(load(messages, mappings=mappings), created=2)
    ann = people.one(external_id="7")
    assert (ann["email"], ann["name"], ann["phone"]) == ("ann@example.com", "Ann", None)
    assert custom(people, "7") == {"amount": 2.5 if declared else "2.50"}
    assert load(messages, mappings=mappings).writes == 0
    row["name"] = {"value": "Anna"}
    assert loads(load(messages, mappings=mappings), updated=1, unchanged=1)
    assert people.one(external_id="7")["name"] == "Anna"


def test_a_property_of_a_paths_very_name_comes_before_the_path(load: Loader, people: People) -> None:
    properties = {"a.b": "text", "a": {"type": "object", "properties": {"b": TYPES["text"]}}}
    messages = users(properties, {"a.b": "own", "a": {"b": "member"}})
    load(messages, mappings={"id": "external_id", "a.b": "name", "a": None})
    assert people.one()["name"] == "own"


# Characters.


def test_the_mark_of_a_unicode_file_is_passed_over(load: Loader, people: People) -> None:
    first, *others = users({"email": "text"}, {"email": "a@example.com"})
    assert loads(load(["\ufeff" + json.dumps(first), *others]), created=1)
    assert people.one()["email"] == "a@example.com"


@pytest.mark.parametrize("unseen", ["\u200b", "\u200d", "\u2060", "\ufeff", "\x00", "\u00ad", "\u202e"])
@pytest.mark.parametrize("value", ["{}7", "7{}", "a{}b"])
@pytest.mark.parametrize("name", ["uid", "email"])
def test_an_identifier_with_a_character_that_cannot_be_seen_is_invalid(
    load: Loader, people: People, unseen: str, value: str, name: str
) -> None:
    text = value.format(unseen) + ("@example.com" if name == "email" else "")
    messages = users({"uid": "text", "email": "text"}, {"uid": "1", name: text})
    done = load(messages, mappings={"uid": "external_id"})
    assert loads(done, invalid=1)
    assert (done.refusals[0]["code"], done.refusals[0]["field"]) == ("unseen_character", name)
    assert people.everyone() == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{a,b}", ["a", "b"]),
        ('{"a, b",c,NULL}', ["a, b", "c"]),
        ("{}", []),
        ('{ a , "say \\"x\\"" }', ["a", 'say "x"']),
        ("{a", ["{a"]),
        ("a,b", ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
    ],
)
def test_an_array_as_postgres_writes_it_lists_groups(load: Loader, people: People, text: str, names: list[str]) -> None:
    assert loads(load(users({"tags": "text"}, {"tags": text}), tags_property="tags"), created=1)
    listed = {tag["id"]: tag["name"] for tag in people.call("GET", "/tags")["data"]}
    assert sorted(listed.values()) == sorted(names)
    assert len(people.one()["tags"]) == len(names)


# Stream maps.


@pytest.mark.parametrize(
    ("expressions", "field"),
    [
        ({"name": "first + ' ' + last"}, "name"),
        ({"note": "last.upper()"}, "note"),
        ({"note": "float(last or 'secret')"}, "note"),
        ({"note": "record['last'][0]"}, "note"),
        ({"__filter__": "last.startswith('B')"}, "__filter__"),
        ({"id": "id + (0 if last else last)"}, "id"),
    ],
)
def test_a_record_that_a_stream_map_fails_on_is_invalid_and_no_other(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, expressions: dict[str, str], field: str
) -> None:
    rows: list[dict[str, Any]] = [
        {"first": "Ann", "last": "Bell"},
        {"first": "secret", "last": None},
        {"first": "Cy", "last": "Byrd"},
    ]
    if "float" in str(expressions):
        rows[0]["last"] = rows[2]["last"] = "1"
    done = load(users({"first": "text", "last": "text"}, *rows), stream_maps={"users": expressions})
    assert loads(done, created=2, invalid=1)
    (refusal,) = done.refusals
    assert (refusal["code"], refusal["field"]) == ("stream_map_failed", field)
    assert done.rejected[1]["record"] == {"id": 2, **rows[1]}
    assert f"Stream 'users': a record is invalid: property '{field}'" in caplog.text
    assert "secret" not in caplog.text.replace("float(last or 'secret')", "")
    assert "Traceback" not in caplog.text


def test_a_record_that_a_stream_map_fails_on_has_not_left_its_stream(load: Loader, people: People) -> None:
    load.settings = {
        "sync_mode": "sync",
        "snapshot": True,
        "max_removal_percent": 100,
        "stream_maps": {"users": {"name": "first + last", "__alias__": "people"}},
    }
    rows: list[dict[str, str | None]] = [{"first": "A", "last": str(number)} for number in range(4)]
    whole = state({"bookmarks": {"users": {}}})

    def table(*given: dict[str, Any]) -> Loaded:
        return load([*users({"first": "text", "last": "text"}, *given)[:-1], whole])

    assert table(*rows).results("people") == {"created": 4}
    rows[1] = {"first": "A", "last": None}
    done = table(*rows[:3])
    assert (done.results("people"), done.stream("people")["left"]) == ({"unchanged": 2, "invalid": 1}, 1)
    assert {contact["external_id"] for contact in people.live()} == {"1", "2", "3"}


def test_a_membership_that_a_stream_map_fails_on_is_invalid(load: Loader, people: People) -> None:
    people.add(external_id="1")
    members = [
        schema("members", id="integer", uid="text", team="text"),
        record("members", id=1, uid="1", team="a"),
        record("members", id=2, uid="1", team=None),
    ]
    settings: dict[str, Any] = {"streams": {"members": {"object": "groups", "mappings": {"uid": "external_id"}}}}
    done = load(members, stream_maps={"members": {"tag": "team.upper()"}}, **settings)
    assert (done.exit_code, done.results("members")) == (0, {"tagged": 1, "invalid": 1})
    assert done.refusals[0]["code"] == "stream_map_failed"


def test_a_stream_map_that_fails_on_every_record_fails_the_run(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    messages = users({"last": "text"}, *({"last": "x"} for _ in range(5)))
    done = load(messages, stream_maps={"users": {"name": "lst.upper()"}}, max_rejected_records=3)
    assert (done.exit_code, done.states, people.everyone()) == (1, [], [])
    assert "NameNotDefined" in caplog.text
    assert "'max_rejected_records'" in caplog.text


# Snapshots that never look complete.


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (
            {"bookmarks": {"public-users": {}}},
            "its STATE names 'public-users', not 'users': if a mapper renames the stream, rename it with '__alias__'",
        ),
        ({"bookmarks": {"users": {"partitions": []}}}, "its bookmark in STATE has 'partitions'"),
        ({"bookmarks": {"users": {"progress_markers": {}}}}, "its bookmark in STATE has 'progress_markers'"),
        ({"bookmarks": {"users": {}}, "currently_syncing": "users"}, "its STATE says 'currently_syncing'"),
        ({"bookmarks": {}}, "its STATE has no bookmark of it"),
        (None, "no STATE, and no ACTIVATE_VERSION of the stream, came after its last record"),
    ],
)
def test_why_nobody_leaves_a_snapshot_is_said(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture, value: dict[str, Any] | None, why: str
) -> None:
    load.settings = {"sync_mode": "sync", "snapshot": True, "max_removal_percent": 100}

    def table(*numbers: int) -> list[Any]:
        rows = [record("users", id=number) for number in numbers]
        return [schema("users", id="integer"), *rows, *([] if value is None else [state(value)])]

    load(table(1, 2, 3))
    done = load(table(1, 2))
    assert (done.exit_code, len(people.live())) == (0, 3)
    (said,) = {message for message in caplog.messages if "Stream 'users': the tap did not say" in message}
    assert f"({why}" in said
    assert said.endswith("nothing is removed as missing from it")


def test_a_stream_that_the_targets_own_stream_map_renames_is_complete(load: Loader, people: People) -> None:
    load.settings = {"sync_mode": "sync", "snapshot": True, "max_removal_percent": 100}
    load.settings["stream_maps"] = {"public-users": {"__alias__": "users"}}
    for numbers in ((1, 2, 3), (1, 2)):
        rows = [record("public-users", id=number) for number in numbers]
        messages = [schema("public-users", id="integer"), *rows, state({"bookmarks": {"public-users": {}}})]
        done = load(messages)
    assert done.stream("users")["left"] == 1
    assert len(people.live()) == 2


@pytest.mark.parametrize(
    ("shards", "left"), [({}, 1), ({"shard_seq_numbers": {"shard": "300000000000000499659"}}, 0)], ids=["full", "log"]
)
def test_when_a_run_of_tap_dynamodb_ended_is_no_position_in_its_table(
    load: Loader, people: People, shards: dict[str, Any], left: int
) -> None:
    load.settings = {"sync_mode": "sync"}
    for version, numbers in ((1, (1, 2, 3)), (2, (1, 2))):
        rows = [{**record("users", id=number), "version": version} for number in numbers]
        bookmark = {"version": version, "initial_full_table_complete": True, "last_replication_method": "FULL_TABLE"}
        ended = {"success_timestamp": f"2026-11-30T07:5{version}:00.349633Z"}
        open_schema = {"type": "SCHEMA", "stream": "users", "schema": {"type": "object"}, "key_properties": ["id"]}
        activated = {"type": "ACTIVATE_VERSION", "stream": "users", "version": version}
        done = load([open_schema, *rows, activated, state({"bookmarks": {"users": {**bookmark, **ended, **shards}}})])
    assert done.stream("users")["left"] == left
    assert len(people.live()) == 3 - left


def test_a_schema_that_grows_and_never_names_its_key_is_taken_by_its_records(load: Loader, people: People) -> None:
    """So tap-mongodb writes it: dates, floats, objects and lists are in it, and nothing else."""
    load.settings = {"mappings": {"_id": "external_id"}}
    first = {**schema("people", ("_id",)), "schema": {"type": "object"}}
    score = schema("people", ("_id",), score={"anyOf": [{"type": "number"}, {}]})
    since = schema("people", ("_id",), score={}, since={"anyOf": [{"type": "string", "format": "date-time"}, {}]})
    ann = record("people", _id="5f43", name="Ann", score=1.5, seats=3)
    bob = record("people", _id="5f44", name="Bob", score=None, seats=4, since="2026-01-02T03:04:05.000000Z")
    done = load([first, score, ann, since, bob])
    assert (done.exit_code, done.results("people")) == (0, {"created": 2})
    ann, bob = people.one(external_id="5f43"), people.one(external_id="5f44")
    assert (ann["name"], ann["custom_attributes"]) == ("Ann", {"score": 1.5, "seats": 3})
    assert (bob["name"], bob["custom_attributes"]["seats"]) == ("Bob", 4)
    assert bob["custom_attributes"]["since"] == 1767323045


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        (["2026-01-02T03:04:05Z", None], "date", [1767323045, None]),
        (["2026-01-02T03:04:05Z", "n/a"], "string", ["2026-01-02T03:04:05Z", "n/a"]),
        (["2026-01-02T03:04:05Z", 7], "string", ["2026-01-02T03:04:05Z", "7"]),
        ([5, 7], "integer", [5, 7]),
    ],
)
def test_texts_of_a_property_of_any_type_are_dates_where_its_schema_says_so_and_all_are(
    load: Loader, people: People, values: list[Any], kind: str, stored: list[Any]
) -> None:
    properties = {"thing": {"anyOf": [{"type": "string", "format": "date-time"}, {}]}}
    assert loads(load(users(properties, *({"thing": value} for value in values))), created=len(values))
    assert kinds(people) == {"thing": kind}
    numbered = [people.one(external_id=str(number + 1)) for number in range(len(values))]
    assert [one["custom_attributes"].get("thing") for one in numbered] == stored
