"""JSON schemas of any draft into what may come."""

from __future__ import annotations

from typing import Any

import pytest

from target_intercom.kinds.entity import ValueType
from target_intercom.singer.schemas import is_open, plain_schema, values_of

DATE = {"type": ["null", "string"], "format": "date-time"}


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string"}, ValueType.STRING),
        ({"type": ["null", "string"]}, ValueType.STRING),
        ({"type": ["integer", "null"]}, ValueType.INTEGER),
        ({"type": ["number", "null"]}, ValueType.FLOAT),
        ({"type": ["integer", "number"]}, ValueType.FLOAT),
        ({"type": ["boolean", "null"]}, ValueType.BOOLEAN),
        ({"type": ["string", "null"], "format": "date"}, ValueType.DATE),
        ({"type": ["string", "null"], "format": "date-time"}, ValueType.DATETIME),
        ({"type": ["string", "null"], "format": "time"}, ValueType.STRING),
        ({"type": ["string", "null"], "format": "uuid"}, ValueType.STRING),
        ({"type": ["string", "null"], "format": "singer.decimal"}, ValueType.FLOAT),
        ({"type": ["integer", "null"], "format": "date-time"}, ValueType.INTEGER),
        ({"type": ["object", "null"]}, ValueType.STRING),
        ({"type": "array", "items": {"type": "integer"}}, ValueType.STRING),
        ({"type": ["string", "number", "integer", "array", "object", "boolean", "null"]}, ValueType.STRING),
        ({"type": ["boolean", "integer"]}, ValueType.STRING),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ValueType.INTEGER),
        ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, ValueType.BOOLEAN),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, ValueType.DATETIME),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]}, ValueType.DATETIME),
        (
            {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]},
            ValueType.STRING,
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, ValueType.STRING),
        ({"oneOf": [{"type": "integer"}, {"anyOf": [{"type": "number"}, {"type": "null"}]}]}, ValueType.FLOAT),
        ({}, None),
        ({"type": "null"}, None),
        ({"type": ["null"]}, None),
        ({"description": "anything"}, None),
        ({"anyOf": [{}, {"type": "null"}]}, None),
        # Formats of other taps, and types in turn.
        ({"type": ["string", "null"], "format": "x-singer.decimal"}, ValueType.FLOAT),
        ({"type": ["number", "string", "null"], "format": "singer.decimal"}, ValueType.FLOAT),
        ({"anyOf": [{"type": "string", "format": "singer.decimal"}, {"type": "number"}]}, ValueType.FLOAT),
        ({"type": ["integer", "string"], "format": "date-time"}, ValueType.DATETIME),
        ({"type": ["object", "string"], "format": "date-time"}, ValueType.STRING),
        # All of several.
        ({"allOf": [{"type": "string"}, {"format": "date-time"}]}, ValueType.DATETIME),
        ({"allOf": [{"type": ["integer", "null"]}, {"type": "number"}]}, ValueType.INTEGER),
        ({"allOf": [{"type": ["integer", "number"]}, {"type": "number"}]}, ValueType.FLOAT),
        ({"allOf": [{"type": "integer"}, {"description": "seats"}]}, ValueType.INTEGER),
        ({"allOf": [{"type": "integer"}, {"type": "boolean"}]}, ValueType.STRING),
        ({"type": ["string", "null"], "anyOf": [{"format": "date"}, {}]}, ValueType.DATE),
        # Other drafts, and what is none of them.
        ({"type": "any"}, None),
        ({"type": ["any", "null"]}, None),
        ({"type": ["string", "any"]}, None),
        ({"type": "varchar"}, None),
        ({"type": [{"type": "integer"}, "null"]}, ValueType.INTEGER),
        ({"type": ["string"], "required": True}, ValueType.STRING),
        ({"type": "number", "exclusiveMaximum": True, "maximum": 9, "multipleOf": 0}, ValueType.FLOAT),
        ({"type": "number", "divisibleBy": "x", "minimum": None}, ValueType.FLOAT),
        ({"type": "array", "items": [{"type": "string"}], "uniqueItems": 1}, ValueType.STRING),
        ({"type": "integer", "anyOf": "x", "allOf": {"type": "string"}, "enum": 5, "format": 7}, ValueType.INTEGER),
        ({"type": 5}, None),
        ({"type": []}, None),
        ({"type": {"type": "integer"}}, ValueType.INTEGER),
        ({"properties": {"a": {}}}, ValueType.STRING),
        (True, None),
        (False, None),
        (None, None),
        ([], None),
        ("string", None),
    ],
    ids=repr,
)
def test_the_type_that_fits_a_schema(schema: Any, type_: ValueType | None) -> None:
    assert values_of(schema).value_type is type_


# References.


@pytest.mark.parametrize(
    ("reference", "type_"),
    [
        ("#/definitions/d", ValueType.DATETIME),
        ("#/$defs/a~1b%20c", ValueType.BOOLEAN),
        ("#/properties/day", ValueType.DATE),
        ("#/definitions/list/anyOf/0", ValueType.INTEGER),
        ("#/definitions/twice", ValueType.DATETIME),
        ("#/definitions/nowhere", None),
        ("#/definitions/d/type", None),
        ("#", ValueType.STRING),
        ("https://example.com/other.json#/definitions/d", None),
        ("https://example.com/users.json#/definitions/d", ValueType.DATETIME),
        ("#anchor", None),
        (5, None),
    ],
)
def test_a_reference_within_the_schema_is_followed(reference: Any, type_: ValueType | None) -> None:
    schema = {
        "$id": "https://example.com/users.json",
        "type": "object",
        "definitions": {
            "d": DATE,
            "twice": {"$ref": "#/definitions/d"},
            "list": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "$defs": {"a/b c": {"type": "boolean"}},
        "properties": {"x": {"$ref": reference}, "day": {"type": "string", "format": "date"}},
    }
    members = values_of(schema).members
    assert members is not None
    assert members["x"].value_type is type_


@pytest.mark.parametrize(
    "one",
    [{"$ref": "#/definitions/one"}, {"$ref": "#/definitions/other"}, {"anyOf": [{"$ref": "#/definitions/one"}]}],
)
def test_references_in_a_circle_say_nothing(one: dict[str, Any]) -> None:
    definitions = {"one": one, "other": {"allOf": [{"$ref": "#/definitions/one"}]}}
    schema = {"definitions": definitions, "properties": {"x": {"$ref": "#/definitions/one"}}}
    members = values_of(schema).members
    assert members is not None
    assert members["x"].value_type is None


def test_a_schema_that_refers_to_itself_is_read_once() -> None:
    schema: dict[str, Any] = {"properties": {"id": {"type": "integer"}, "parent": {"$ref": "#"}}}
    plain = plain_schema(schema)
    assert plain["properties"]["id"] == {"type": ["null", "integer"]}
    assert "object" in plain["properties"]["parent"]["type"]


def test_a_schema_of_any_depth_and_width_is_read_at_once() -> None:
    deep: dict[str, Any] = {"type": "integer"}
    for _ in range(900):
        deep = {"anyOf": [{"properties": {"x": deep}}]}
    wide = {f"d{n}": {"allOf": [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(200)}
    plain = plain_schema({"definitions": wide, "properties": {"deep": deep, "wide": {"$ref": "#/definitions/d0"}}})
    assert set(plain["properties"]) == {"deep", "wide"}


# The schema of a stream.


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"id": {"type": "integer"}}},
        {"$ref": "#/definitions/row", "definitions": {"row": {"properties": {"id": {"type": "integer"}}}}},
        {"allOf": [{"type": "object"}, {"properties": {"id": {"type": "integer"}}}]},
        {"type": ["null", "object"], "properties": {"id": {"type": ["integer", "null"], "required": True}}},
    ],
)
def test_a_plain_schema_names_the_properties_and_their_types(schema: dict[str, Any]) -> None:
    plain = plain_schema(schema, ["id"])
    assert plain == {"type": "object", "properties": {"id": {"type": ["null", "integer"]}}}
    assert not is_open(plain)


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"properties": {}}, {"properties": None}, {"properties": []}]
)
def test_a_schema_without_properties_is_open_and_has_those_of_the_key(schema: dict[str, Any]) -> None:
    plain = plain_schema(schema, ["id"])
    assert set(plain["properties"]) == {"id"}
    assert values_of(plain["properties"]["id"]).value_type is None
    assert is_open(plain)


def test_a_plain_schema_means_what_it_was_made_of() -> None:
    properties: dict[str, Any] = {
        "any": {},
        "never": {"type": "null"},
        "when": DATE,
        "amount": {"type": ["string", "null"], "format": "singer.decimal"},
        "plan": {"enum": ["free", "pro", None], "type": ["string", "null"]},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        "list": {"anyOf": [{"type": "array", "items": [{}]}, {"type": "null"}]},
    }
    plain = plain_schema({"properties": properties})
    again = plain_schema(plain)
    assert again == plain
    for name, schema in properties.items():
        assert values_of(plain["properties"][name]) == values_of(schema)
