"""How a record is known again, and whether it is still the same."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from target_intercom.model import ContactDraft, ContactId, Email, ExternalId, Identity, MatchBy
from target_intercom.settings.config import CreationMode, RemovalMode, StreamConfig, StreamObject, SyncMode, Unmapped
from target_intercom.sync.remembering.fingerprints import LONGEST_KEY, prints_of, record_key, settings_print

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = Identity()
ANN = Identity(ExternalId("x1"), Email("ann@example.com"), ContactId("c1"))
BY_BOTH = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)


def key(record: Mapping[str, Any], *names: str, identity: Identity = NOBODY) -> str | None:
    return record_key(record, names, identity, BY_BOTH)


def key_of(value: Any) -> str | None:
    return key({"id": value}, "id")


# Keys.

BLANK: list[tuple[dict[str, Any], list[str]]] = [
    ({"id": ""}, ["id"]),
    ({"id": " ", "tenant": None}, ["id", "tenant"]),
    ({"id": float("nan")}, ["id"]),
    ({"id": Decimal("NaN")}, ["id"]),
]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", 1, 1.0, Decimal(1), Decimal("1.0"), Decimal("1.000")], '["1"]'),
        (["0", 0, 0.0, -0.0, Decimal(0), Decimal("-0.00")], '["0"]'),
        (["-5", -5, -5.0, Decimal(-5)], '["-5"]'),
        (["100", 100, 1e2, Decimal("1E+2")], '["100"]'),
        (["10000000001", 10_000_000_001, 1.0000000001e10, Decimal("10000000001.0")], '["10000000001"]'),
        ([str(10**30), 10**30, Decimal(10**30), Decimal("1E+30")], f'["{10**30}"]'),
        (
            ["12345678901234567890123456789012345678", Decimal("12345678901234567890123456789012345678.00")],
            '["12345678901234567890123456789012345678"]',
        ),
        (["1.5", 1.5, Decimal("1.5")], '["1.5"]'),
        (["0.1", 0.1, Decimal("0.1")], '["0.1"]'),
        (["001"], '["001"]'),
        ([" 1 "], '[" 1 "]'),
        (["é"], '["\\u00e9"]'),
        (["🎈"], '["\\ud83c\\udf88"]'),
        (["a\0b"], '["a\\u0000b"]'),
        (["\ud800"], '["\\ud800"]'),
        (['"'], '["\\""]'),
        (["true", True], '["true"]'),
        (["false", False], '["false"]'),
        ([["a", 1]], '["[\\"a\\",1]"]'),
        ([{"b": 1, "a": None}, {"a": None, "b": 1}], '["{\\"a\\":null,\\"b\\":1}"]'),
    ],
)
def test_the_same_value_is_the_same_key_as_text_or_as_a_number(values: list[Any], expected: str) -> None:
    assert [key_of(value) for value in values] == [expected] * len(values)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        float("-inf"),
        Decimal("Infinity"),
        Decimal("1E+400"),
        Decimal("1E-400"),
        Decimal("1E+5000"),
    ],
    ids=repr,
)
def test_an_odd_number_makes_a_key_all_the_same(value: Any) -> None:
    assert key_of(value) == key_of(value)
    assert key_of(value) is not None


@pytest.mark.parametrize(
    ("record", "names", "expected"),
    [
        ({"a": 1, "b": 2}, ["a", "b"], '["1", "2"]'),
        ({"a": 1, "b": 2}, ["b", "a"], '["2", "1"]'),
        ({"a": 1, "b": None}, ["a", "b"], '["1", null]'),
        ({"a": None, "b": 2}, ["a", "b"], '[null, "2"]'),
        ({"a": 1}, ["a", "b"], '["1", null]'),
        ({"a": "null", "b": None}, ["a", "b"], '["null", null]'),
        ({"a": "1, 2"}, ["a"], '["1, 2"]'),
        ({"a": "", "b": 2}, ["a", "b"], '["", "2"]'),
    ],
)
def test_a_key_is_made_of_all_key_properties_in_their_order(
    record: dict[str, Any], names: list[str], expected: str
) -> None:
    assert key(record, *names, identity=ANN) == expected


@pytest.mark.parametrize(
    ("identity", "match_by", "expected"),
    [
        (ANN, (MatchBy.EXTERNAL_ID, MatchBy.EMAIL), '["external_id", "x1"]'),
        (ANN, (MatchBy.EMAIL, MatchBy.EXTERNAL_ID), '["email", "ann@example.com"]'),
        (ANN, (MatchBy.ID,), '["id", "c1"]'),
        (Identity(email=Email("ann@example.com")), (MatchBy.ID, *BY_BOTH), '["email", "ann@example.com"]'),
        (Identity(email=Email("ann@example.com")), (MatchBy.EXTERNAL_ID,), None),
        (NOBODY, (*BY_BOTH, MatchBy.ID), None),
    ],
)
@pytest.mark.parametrize(("record", "names"), [({"id": 1}, []), ({"id": None}, ["id"]), ({}, ["id", "tenant"]), *BLANK])
def test_without_a_key_the_first_identifier_is_it(
    record: dict[str, Any], names: list[str], identity: Identity, match_by: tuple[MatchBy, ...], expected: str | None
) -> None:
    assert record_key(record, names, identity, match_by) == expected


def test_the_identity_changes_nothing_of_a_key() -> None:
    assert key({"id": 1}, "id", identity=ANN) == key({"id": 1}, "id")


@pytest.mark.parametrize(("length", "as_it_is"), [(LONGEST_KEY - 4, True), (LONGEST_KEY - 3, False)])
def test_a_key_that_is_too_long_stands_as_its_hash(length: int, as_it_is: bool) -> None:
    made = key_of("x" * length)
    assert made is not None
    assert len(made) <= LONGEST_KEY
    assert (made == json.dumps(["x" * length])) is as_it_is
    (value,) = json.loads(made)
    assert value.startswith("blake2b:") is not as_it_is


def test_long_keys_are_told_apart() -> None:
    ends = ["x" * 2000 + end for end in ("a", "b", "\ud800", "é")]
    assert len({key_of(end) for end in ends} | {key({"id": "x" * 2000, "n": "a"}, "id", "n")}) == 5


def test_a_long_key_is_the_same_every_time() -> None:
    """It is in ledgers: it cannot be changed any more."""
    assert key_of("x" * 2000) == '["blake2b:4233412d44b1f08f4212e28a59e58730"]'


texts = st.text(st.characters(codec=None), max_size=20)
values = st.one_of(texts, st.none(), st.integers(), st.booleans(), st.decimals(allow_nan=False, allow_infinity=False))


@given(st.lists(values, min_size=1, max_size=3))
def test_any_key_is_a_short_list_in_ascii(parts: list[Any]) -> None:
    record = {str(number): part for number, part in enumerate(parts)}
    made = key(record, *record, identity=ANN)
    assert made is not None
    assert made.isascii()
    assert made.isprintable()
    assert len(made) <= LONGEST_KEY
    assert isinstance(json.loads(made), list)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_different_texts_are_different_keys(some: list[str], others: list[str]) -> None:
    assume(some != others and all(any(part.strip() for part in parts) for parts in (some, others)))
    first, second = ({str(number): part for number, part in enumerate(parts)} for parts in (some, others))
    assert key(first, *first) != key(second, *second)


@given(st.integers())
def test_a_whole_number_is_the_same_key_however_a_tap_writes_it(number: int) -> None:
    spellings = [number, str(number), Decimal(number), Decimal(f"{number}.00")]
    assert len({key_of(spelling) for spelling in spellings}) == 1


# What a record says.

SETTINGS = "settings"


def draft(identity: Identity = ANN, **attributes: Any) -> ContactDraft:
    return ContactDraft(identity, attributes)


BASE: dict[str, Any] = {"email": "ann@example.com", "name": "Ann", "plan": None}


@pytest.mark.parametrize(
    "other",
    [
        draft(**BASE | {"name": "Bob"}),
        draft(**BASE | {"email": "bob@example.com"}),
        draft(**BASE | {"name": ""}),
        draft(**BASE | {"seats": 0}),
        draft(email="ann@example.com", plan=None),
        draft(Identity(ExternalId("x2"), Email("ann@example.com"), ContactId("c1")), **BASE),
        draft(Identity(None, Email("ann@example.com"), ContactId("c1")), **BASE),
        draft(Identity(ExternalId("x1"), Email("ann@example.com"), ContactId("c2")), **BASE),
        draft(Identity(ExternalId("c1"), Email("ann@example.com"), ContactId("x1")), **BASE),
    ],
)
def test_a_record_that_says_something_else_has_other_content(other: ContactDraft) -> None:
    first, second = prints_of(draft(**BASE), SETTINGS), prints_of(other, SETTINGS)
    assert first.content != second.content
    assert first.settings == second.settings == SETTINGS


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", 1), (1, True), (0, False), ("", None), ("None", None), (1, 2), (1.5, "1.5"), ("a", "A"), ("a", "a ")],
)
def test_values_that_differ_have_other_content_and_the_same_shape(one: Any, other: Any) -> None:
    first, second = prints_of(draft(value=one), SETTINGS), prints_of(draft(value=other), SETTINGS)
    assert first.content != second.content
    assert first.shape == second.shape


def test_a_value_in_another_attribute_has_other_prints() -> None:
    first, second = prints_of(draft(a="x"), SETTINGS), prints_of(draft(b="x"), SETTINGS)
    assert first.content != second.content
    assert first.shape != second.shape


def test_the_order_of_attributes_is_of_no_account() -> None:
    assert prints_of(draft(a=1, b=2), SETTINGS) == prints_of(draft(b=2, a=1), SETTINGS)


def shape(*names: str, value: Any = "x") -> str:
    return prints_of(draft(**dict.fromkeys(names, value)), SETTINGS).shape


def test_the_shape_is_which_attributes_a_record_names() -> None:
    """An attribute that is null is named; one that is absent is not."""
    shapes = [shape(), shape("name"), shape("plan"), shape("name", "plan"), shape("name", "plan", "seats")]
    shapes += [shape("name,plan"), shape('name","plan'), shape("Name")]
    assert len(set(shapes)) == len(shapes)
    assert shape("name", "plan") == shape("plan", "name")
    assert shape("name", "plan") == shape("name", "plan", value=None)


def test_the_identity_is_of_the_content_and_not_of_the_shape() -> None:
    ann, nobody = prints_of(draft(ANN, name="Ann"), SETTINGS), prints_of(draft(NOBODY, name="Ann"), SETTINGS)
    assert ann.content != nobody.content
    assert ann.shape == nobody.shape


def test_what_intercom_did_not_take_is_left_out() -> None:
    said = draft(name="Ann", plan="gold", seats=None)
    assert prints_of(said, SETTINGS, {"plan"}) == prints_of(draft(name="Ann", seats=None), SETTINGS)
    assert prints_of(said, SETTINGS, {"seats"}) == prints_of(draft(name="Ann", plan="gold"), SETTINGS)
    assert prints_of(said, SETTINGS, ["other"]) == prints_of(said, SETTINGS)


@pytest.mark.parametrize("value", ["zoë 🎈", "a\0b", "x" * 100_000, 10**30, 1.5, Decimal("1.50"), True, ""])
def test_anything_can_be_hashed_and_nothing_can_be_read(value: Any) -> None:
    prints = prints_of(draft(value=value), SETTINGS)
    for one in (prints.content, prints.shape):
        assert len(one) == 32
        assert set(one) <= set("0123456789abcdef")


# Settings.

OTHER_VALUES: dict[str, Any] = {
    "sync_mode": SyncMode.SYNC,
    "creation_mode": CreationMode.LEAD,
    "match_by": (MatchBy.EMAIL, MatchBy.EXTERNAL_ID),
    "mappings": {"id": "external_id"},
    "unmapped": Unmapped.IGNORE,
    "create_attributes": False,
    "clear_nulls": False,
    "deleted_property": "gone",
}
WITHOUT_EFFECT: dict[str, Any] = {
    "companies_property": "companies",
    "max_removal_percent": 0,
    "object": StreamObject.GROUPS,
    "removal_mode": RemovalMode.DELETE,
    "snapshot": True,
    "tags_property": "groups",
}


def test_every_setting_of_a_stream_is_looked_at_here() -> None:
    assert {field.name for field in fields(StreamConfig)} == {*OTHER_VALUES, *WITHOUT_EFFECT}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_a_setting_that_decides_what_is_written_changes_the_print(name: str) -> None:
    changed = replace(StreamConfig(), **{name: OTHER_VALUES[name]})
    assert settings_print(changed) != settings_print(StreamConfig())


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_setting_that_decides_only_removals_leaves_the_print(name: str) -> None:
    changed = replace(StreamConfig(), **{name: WITHOUT_EFFECT[name]})
    assert settings_print(changed) == settings_print(StreamConfig())


def test_all_settings_together_differ_from_each_alone() -> None:
    prints = [settings_print(replace(StreamConfig(), **{name: value})) for name, value in OTHER_VALUES.items()]
    prints.append(settings_print(replace(StreamConfig(), **OTHER_VALUES)))
    assert len(set(prints)) == len(OTHER_VALUES) + 1


@pytest.mark.parametrize(
    "mappings",
    [
        {"id": "external_id", "mail": "email"},
        {"id": "email"},
        {"key": "external_id"},
        {"id": None},
        {"id": "external_id", "x": None},
    ],
)
def test_another_mapping_is_another_print(mappings: dict[str, str | None]) -> None:
    first = settings_print(StreamConfig(mappings={"id": "external_id"}))
    assert settings_print(StreamConfig(mappings=mappings)) != first


def test_the_order_of_mappings_is_of_no_account_and_that_of_identifiers_is() -> None:
    one, other = {"a": "name", "b": "email"}, {"b": "email", "a": "name"}
    assert settings_print(StreamConfig(mappings=one)) == settings_print(StreamConfig(mappings=other))
    by = [(MatchBy.EMAIL, MatchBy.ID), (MatchBy.ID, MatchBy.EMAIL)]
    assert len({settings_print(StreamConfig(match_by=one)) for one in by}) == 2


def test_a_setting_that_is_given_its_default_leaves_no_trace() -> None:
    given = StreamConfig(sync_mode=SyncMode.ADDITIVE, mappings={}, deleted_property="_sdc_deleted_at")
    assert settings_print(given) == settings_print(StreamConfig())
