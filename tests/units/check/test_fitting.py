"""What a check judges without asking anybody: types against types, catalogs, settings from Meltano's variables."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.check.catalog import CatalogError, read_catalog
from target_intercom.check.fitting import Fit, fit, identifier_fit, named
from target_intercom.errors import InvalidRecordError
from target_intercom.intercom.protocol.workspace import DataAttribute
from target_intercom.kinds.entity import ValueType
from target_intercom.model import MatchBy
from target_intercom.settings.environment import unflattened
from target_intercom.singer.schemas import values_of
from target_intercom.sync.mapping.identifiers import read_identity
from target_intercom.sync.mapping.values import UncoercibleError, coerce
from target_intercom.sync.workspace.attributes import CustomAttributes
from tests.support.loading import TYPES, lines, record, schema

if TYPE_CHECKING:
    from collections.abc import Callable

DECIMAL = {"type": ["string", "null"], "format": "singer.decimal"}
EITHER = {"type": ["integer", "boolean", "null"]}
VALUES: list[tuple[dict[str, Any], list[Any]]] = [
    (TYPES["text"], ["abc", "12", "yes", "2024-05-01", "ann@example.com"]),
    (TYPES["integer"], [1, 0, 1_700_000_000, 7]),
    (TYPES["number"], [Decimal("1.5"), Decimal(2), Decimal(0)]),
    (TYPES["boolean"], [True, False]),
    (TYPES["date"], [dt.date(2024, 5, 1).isoformat()]),
    (TYPES["datetime"], ["2024-05-01T12:00:00Z"]),
    (TYPES["object"], [{"a": 1}]),
    (TYPES["array"], [[1]]),
    (EITHER, [7, True]),
]
"""Property schemas, with values that show what becomes of such: each type has one that fits wherever one can."""


def goes(read: Callable[[Any], object], value: Any) -> bool:
    try:
        read(value)
    except (UncoercibleError, InvalidRecordError):
        return False
    return True


def expected(read: Callable[[Any], object], values: list[Any]) -> Fit:
    each = {goes(read, value) for value in values}
    return Fit.SOME if len(each) > 1 else (Fit.ALL if each == {True} else Fit.NONE)


@pytest.mark.parametrize("type_", list(ValueType))
@pytest.mark.parametrize(("of", "values"), VALUES)
def test_what_is_said_to_fit_is_what_can_be_coerced(of: dict[str, Any], values: list[Any], type_: ValueType) -> None:
    assert fit(values_of(of), type_) in {expected(lambda value: coerce(value, type_), values), _cautious(of, type_)}


def _cautious(of: dict[str, Any], type_: ValueType) -> Fit | None:
    """Of numbers it depends on the number, whatever the examples are."""
    is_number = of in (TYPES["integer"], TYPES["number"])
    return Fit.SOME if is_number and type_ in {ValueType.DATE, ValueType.DATETIME, ValueType.BOOLEAN} else None


@pytest.mark.parametrize("which", [MatchBy.EXTERNAL_ID, MatchBy.ID])
@pytest.mark.parametrize(("of", "values"), VALUES)
def test_what_is_said_to_be_an_identifier_can_be_one(of: dict[str, Any], values: list[Any], which: MatchBy) -> None:
    def read(value: Any) -> object:
        return read_identity({"key": value}, {which.value: "key"}, [which], lenient=False)

    assert identifier_fit(values_of(of), which) is expected(read, values)


def test_only_texts_are_addresses() -> None:
    fits = {name: identifier_fit(values_of(of), MatchBy.EMAIL) for name, of in TYPES.items()}
    assert {name for name, one in fits.items() if one is Fit.ALL} == {"text"}
    assert fits["any"] is None


@pytest.mark.parametrize("of", [{}, True, {"type": "null"}, {"type": ["null"]}])
def test_a_schema_that_names_no_type_tells_nothing(of: Any) -> None:
    assert {fit(values_of(of), type_) for type_ in ValueType} == {None}


@pytest.mark.parametrize(
    ("of", "name"), [(DECIMAL, "float"), (TYPES["date"], "date"), (EITHER, "boolean or integer"), ({}, "")]
)
def test_types_are_named_as_intercom_names_them(of: dict[str, Any], name: str) -> None:
    assert named(values_of(of)) == name


def test_a_catalog_on_one_line_or_many_is_the_same() -> None:
    stream = {"tap_stream_id": "a-b", "stream": "b", "schema": {"properties": {"x": {}}}, "key_properties": ["x"]}
    whole = {"streams": [stream]}
    for text in (json.dumps(whole), json.dumps(whole, indent=2), "\n\n" + json.dumps(whole)):
        (one,) = read_catalog(text.splitlines(keepends=True))
        assert (one.name, one.schema["properties"], one.key_properties, one.is_incremental) == (
            "b",
            {"x": {}},
            ["x"],
            False,
        )


def test_of_messages_the_last_schema_of_a_stream_counts() -> None:
    messages: list[Any] = [
        schema("a", x="text"),
        record("a", x='"SCHEMA"'),
        {**schema("a", y="text"), "bookmark_properties": ["y"]},
    ]
    (one,) = read_catalog(lines(messages).splitlines(keepends=True))
    assert (list(one.schema["properties"]), one.is_incremental) == (["y"], True)


@pytest.mark.parametrize("text", ["", "5", '{"streams": {}}', '{"streams": [5]}'])
def test_what_is_no_catalog_is_refused_without_a_quote(text: str) -> None:
    with pytest.raises(CatalogError, match=r"^it is neither a Singer catalog nor Singer messages$"):
        read_catalog([text])


def test_a_live_attribute_hides_an_archived_one_of_its_name() -> None:
    archived, live = (
        DataAttribute.from_json({"name": "plan", "custom": True, "archived": archived}) for archived in (True, False)
    )
    assert CustomAttributes([archived, live]).entries == CustomAttributes([live, archived]).entries
    assert not CustomAttributes([archived, live]).entries["custom_attributes.plan"].archived


@pytest.mark.parametrize(
    ("flat", "nested"),
    [
        (
            {"a.sync_mode": "sync", "a.mappings.id": "external_id"},
            {"a": {"sync_mode": "sync", "mappings": {"id": "external_id"}}},
        ),
        ({r"public\.a.snapshot": True}, {"public.a": {"snapshot": True}}),
        ({r"a.mappings.x\.y": "name"}, {"a": {"mappings": {"x.y": "name"}}}),
        ({"public.a": {"snapshot": True}, "b": {}}, {"public.a": {"snapshot": True}, "b": {}}),
    ],
)
def test_what_meltano_wrote_flat_into_a_variable_is_nested_again(flat: Any, nested: Any) -> None:
    assert unflattened({"streams": flat, "region": "eu"}) == {"streams": nested, "region": "eu"}


def test_a_property_with_a_dot_in_its_name_stays_one() -> None:
    given = {"mappings": {"x.y": "name", r"a\.b": "phone"}, "match_by": ["email"], "streams": None}
    assert unflattened(given) == {**given, "mappings": {"x.y": "name", "a.b": "phone"}}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('{"streams": [{"tap_stream_id": "a"}, {"stream": "b", "schema": {}}]}', "tap_stream_id"),
        ('{"type": "SCHEMA", "schema": {}}', "stream"),
        ('{"type": "SCHEMA", "stream": "a"}', "schema"),
    ],
)
def test_a_key_that_a_catalog_lacks_is_named(text: str, missing: str) -> None:
    with pytest.raises(CatalogError, match=rf"^it is neither a Singer catalog .*: a part of it lacks '{missing}'$"):
        read_catalog([text])
