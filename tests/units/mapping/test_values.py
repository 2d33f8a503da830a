"""Values of records into values of attributes."""

from __future__ import annotations

import datetime as dt
import json
import math
import traceback
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from target_intercom.kinds.entity import ValueType
from target_intercom.sync.mapping.values import (
    UncoercibleError,
    coerce,
    cut,
    identifier,
    is_lost,
    is_set,
    shared_type,
    value_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = [
    Decimal("1E+1000000"),
    Decimal("-1E+1000000"),
    Decimal("1E-1000000"),
    Decimal("1E+400"),
    Decimal("0E-50"),
    Decimal("NaN"),
    Decimal("-Infinity"),
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    2**63,
    -(2**63) - 1,
    1e308,
    5e-324,
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=20),
    st.sampled_from(NUMBERS),
    st.datetimes().map(str),
    st.dates().map(str),
    st.integers().map(str),
    st.floats().map(str),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
types = st.sampled_from(ValueType)


def seconds(year: int, month: int, day: int, *time: int, zone: dt.timezone = dt.timezone.utc) -> int:
    hour, minute, second, microsecond = (*time, 0, 0, 0, 0)[:4]
    return int(dt.datetime(year, month, day, hour, minute, second, microsecond, zone).timestamp())


def offset(hours: int, minutes: int = 0) -> dt.timezone:
    return dt.timezone(dt.timedelta(hours=hours, minutes=minutes))


def refused(call: Callable[[], object]) -> str:
    """The code with which a value is refused."""
    with pytest.raises(UncoercibleError) as refusal:
        call()
    return refusal.value.code


# What holds for every value.


@settings(max_examples=400, deadline=None)
@given(value=values, type_=types)
@example(Decimal("1E+1000000"), ValueType.STRING)
@example(Decimal("1E+1000000"), ValueType.DATETIME)
@example({"a": [Decimal("1E+1000000")]}, ValueType.STRING)
@example({"a": math.nan}, ValueType.STRING)
@example("sNaN", ValueType.FLOAT)
def test_every_value_is_coerced_or_refused_and_no_other_thing_happens(value: Any, type_: ValueType) -> None:
    try:
        coerced = coerce(value, type_)
    except UncoercibleError:
        return
    allowed: dict[ValueType, tuple[type, ...]] = {
        ValueType.STRING: (str,),
        ValueType.INTEGER: (int,),
        ValueType.FLOAT: (int, float),
        ValueType.BOOLEAN: (bool,),
        ValueType.DATE: (int,),
        ValueType.DATETIME: (int,),
    }
    assert coerced is None or type(coerced) in allowed[type_]
    json.dumps(coerced, allow_nan=False).encode()


@settings(max_examples=400, deadline=None)
@given(value=values, type_=types)
def test_a_coerced_value_is_coerced_to_itself(value: Any, type_: ValueType) -> None:
    try:
        once = coerce(value, type_)
    except UncoercibleError:
        assume(False)
    again = coerce(once, type_)
    assert again == once
    assert type(again) is type(once)


@settings(deadline=None)
@given(value=st.text(), type_=st.sampled_from([type_ for type_ in ValueType if type_ is not ValueType.STRING]))
def test_a_refusal_never_quotes_the_value(value: str, type_: ValueType) -> None:
    secret = f"secret{value}"
    with pytest.raises(UncoercibleError) as refusal:
        coerce(secret, type_)
    shown = "".join(traceback.format_exception(refusal.value))
    assert "secret" not in shown.replace("coerce(secret, type_)", "")


@pytest.mark.parametrize("type_", list(ValueType))
def test_null_stays_null(type_: ValueType) -> None:
    assert coerce(None, type_) is None


@pytest.mark.parametrize("type_", [type_ for type_ in ValueType if type_ is not ValueType.STRING])
@pytest.mark.parametrize("blank", ["", "  ", "\t\n"], ids=repr)
def test_blank_text_is_no_value_for_any_type_but_text(blank: str, type_: ValueType) -> None:
    assert coerce(blank, type_) is None


@pytest.mark.parametrize("text", ["", "  ", " as it is ", "ünï", "山田 太郎", "👩\u200d💻", 'a\nb\t"q" \\'], ids=repr)
def test_text_stays_as_it_is(text: str) -> None:
    assert coerce(text, ValueType.STRING) == text


# Lone surrogates: half a character, which is no text that a server takes.


@pytest.mark.parametrize("value", ["a\ud800b", {"k": "\udfff"}, ["\ud83d"], {"\ud800": 1}], ids=repr)
def test_half_a_character_never_gets_out_of_a_text(value: Any) -> None:
    try:
        coerced = coerce(value, ValueType.STRING)
    except UncoercibleError:
        return
    coerced.encode()


def test_half_a_character_never_gets_out_of_an_identifier() -> None:
    try:
        text = identifier("a\ud800b")
    except UncoercibleError:
        return
    assert text is not None
    text.encode()


# Numbers.


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (-7, -7),
        (Decimal("5.0"), 5),
        (Decimal("1E+3"), 1000),
        (5.0, 5),
        ("42", 42),
        (" -42 ", -42),
        ("5.00", 5),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (str(2**63 - 1), 2**63 - 1),
        (Decimal(2**63 - 1), 2**63 - 1),
    ],
    ids=repr,
)
def test_whole_numbers_in_every_notation_are_integers(value: Any, number: int) -> None:
    coerced = coerce(value, ValueType.INTEGER)
    assert coerced == number
    assert type(coerced) is int


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (5.5, "not_whole"),
        (Decimal("5.01"), "not_whole"),
        ("5.5", "not_whole"),
        (Decimal("1E-1000000"), "not_whole"),
        (2**63, "out_of_range"),
        (-(2**63) - 1, "out_of_range"),
        (10**400, "out_of_range"),
        (Decimal("1E+1000000"), "out_of_range"),
        (math.inf, "not_finite"),
        (Decimal("Infinity"), "not_finite"),
        ("NaN", "not_finite"),
        ("12 apples", "not_a_number"),
        ("1,5", "not_a_number"),
        ("0x10", "not_a_number"),
        (True, "not_a_number"),
        (False, "not_a_number"),
        ([1], "not_a_number"),
        ({}, "not_a_number"),
    ],
    ids=repr,
)
def test_what_is_no_integer_is_refused(value: Any, code: str) -> None:
    assert refused(lambda: coerce(value, ValueType.INTEGER)) == code


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Decimal("1.37"), 1.37),
        (Decimal("0.14285714285714285714"), 0.14285714285714285),
        (0.1, 0.1),
        ("3.14", 3.14),
        ("-1e3", -1000.0),
        (7, 7.0),
        (Decimal("1E-1000000"), 0.0),
        (Decimal("1E+300"), 1e300),
    ],
    ids=repr,
)
def test_numbers_in_every_notation_are_floats(value: Any, number: float) -> None:
    assert coerce(value, ValueType.FLOAT) == number


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (Decimal("1E+309"), "out_of_range"),
        (Decimal("-1E+1000000"), "out_of_range"),
        (10**400, "out_of_range"),
        (math.inf, "not_finite"),
        ("Infinity", "not_finite"),
        ("much", "not_a_number"),
        (True, "not_a_number"),
        ([], "not_a_number"),
    ],
    ids=repr,
)
def test_what_is_no_finite_number_is_refused(value: Any, code: str) -> None:
    assert refused(lambda: coerce(value, ValueType.FLOAT)) == code


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (-5, "-5"),
        (Decimal("1.10"), "1.10"),
        (Decimal("353871234567.0"), "353871234567"),
        (353871234567.0, "353871234567"),
        (Decimal("-7.000"), "-7"),
        (Decimal("0.00"), "0"),
        (2.5, "2.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (True, "true"),
        (False, "false"),
        ([1, "x", {"k": None}], '[1, "x", {"k": null}]'),
        ({"b": Decimal("1.5"), "a": [True, None]}, '{"a": [true, null], "b": 1.5}'),
        ({"n": Decimal("2.0")}, '{"n": 2}'),
        ({"ü": "山"}, '{"ü": "山"}'),
        ([], "[]"),
        ({}, "{}"),
    ],
    ids=repr,
)
def test_anything_can_be_text_and_objects_are_json(value: Any, text: str) -> None:
    assert coerce(value, ValueType.STRING) == text


@pytest.mark.parametrize("exponent", ["1E+400", "-1E+1000000", "1E-400", "1E-1000000"])
def test_a_finite_number_of_any_size_can_be_text(exponent: str) -> None:
    text = coerce(Decimal(exponent), ValueType.STRING)
    assert len(text) < 1000
    assert Decimal(text) == Decimal(exponent)


@pytest.mark.parametrize("value", [math.inf, Decimal("-Infinity"), [math.nan], {"a": Decimal("Infinity")}], ids=repr)
def test_text_is_never_made_of_what_is_not_finite(value: Any) -> None:
    assert refused(lambda: coerce(value, ValueType.STRING)) == "not_finite"


# Booleans.


@pytest.mark.parametrize(
    "value",
    [True, 1, 1.0, Decimal("1.0"), "1.0", "1.00", "true", "TRUE", "t", "T", "yes", "Yes", "y", "1", " true "],
    ids=repr,
)
def test_words_of_yes_are_true(value: Any) -> None:
    assert coerce(value, ValueType.BOOLEAN) is True


@pytest.mark.parametrize(
    "value",
    [False, 0, 0.0, Decimal("0E-9"), "0.0", "-0", "false", "FALSE", "f", "F", "no", "No", "n", "0", " f "],
    ids=repr,
)
def test_words_of_no_are_false(value: Any) -> None:
    assert coerce(value, ValueType.BOOLEAN) is False


@pytest.mark.parametrize(
    "value", ["maybe", "2", 2, -1, Decimal("0.5"), "nan", "1.5", [], [True], {}, math.inf], ids=repr
)
def test_other_values_are_no_boolean(value: Any) -> None:
    assert refused(lambda: coerce(value, ValueType.BOOLEAN)) == "not_a_boolean"


# Dates.


@pytest.mark.parametrize("type_", [ValueType.DATE, ValueType.DATETIME])
@pytest.mark.parametrize(
    ("written", "moment"),
    [
        # tap-postgres, full table
        ("2023-12-31T22:01:00.123456+00:00", seconds(2023, 12, 31, 22, 1)),
        ("2024-01-01T10:00:01.000000+00:00", seconds(2024, 1, 1, 10, 0, 1)),
        ("1970-01-01T01:00:00+00:00", 3600),
        ("2020-01-02", seconds(2020, 1, 2)),
        # tap-postgres, log-based: PostgreSQL's own notation
        ("2023-12-31 22:20:00.123456+00", seconds(2023, 12, 31, 22, 20)),
        ("2024-01-01 10:00:20", seconds(2024, 1, 1, 10, 0, 20)),
        ("2024-02-01 00:00:20+00", seconds(2024, 2, 1, 0, 0, 20)),
        ("2026-11-20 17:17:45.841055+00", seconds(2026, 11, 20, 17, 17, 45)),
        ("2026-11-20T17:17:51Z", seconds(2026, 11, 20, 17, 17, 51)),
        ("2024-02-01 00:00:20.5+00", seconds(2024, 2, 1, 0, 0, 20)),
        ("2024-02-01 10:00:00-07", seconds(2024, 2, 1, 10, zone=offset(-7))),
        ("2024-02-01 10:00:00+05:30", seconds(2024, 2, 1, 10, zone=offset(5, 30))),
        ("1891-01-01 00:00:00+00:19:32", seconds(1891, 1, 1) - 19 * 60 - 32),
        # other Singer taps
        ("2024-02-01T00:00:00.000000Z", seconds(2024, 2, 1)),
        ("2024-02-01T00:00:00.1234567Z", seconds(2024, 2, 1)),
        ("2024-02-01T00:00:00.123456789+02:00", seconds(2024, 2, 1, zone=offset(2))),
        ("2024-02-01T00:00:00.000+0000", seconds(2024, 2, 1)),
        ("2024-02-01T00:00:00-0330", seconds(2024, 2, 1, zone=offset(-3, -30))),
        ("2024-02-01T10:00Z", seconds(2024, 2, 1, 10)),
        ("  2024-02-01T10:00:00Z  ", seconds(2024, 2, 1, 10)),
        # before the epoch
        ("1969-12-31T23:59:59.5Z", -1),
        ("0001-01-01", seconds(1, 1, 1)),
        # unix seconds
        (0, 0),
        (1_700_000_000, 1_700_000_000),
        (Decimal("1700000000.9"), 1_700_000_000),
        (1700000000.9, 1_700_000_000),
        ("1700000000", 1_700_000_000),
        (-1, -1),
    ],
    ids=repr,
)
def test_dates_in_every_notation_are_unix_seconds(written: Any, moment: int, type_: ValueType) -> None:
    coerced = coerce(written, type_)
    assert coerced == moment
    assert type(coerced) is int


@settings(max_examples=200, deadline=None)
@given(
    moment=st.datetimes(
        min_value=dt.datetime.fromisoformat("0001-01-03"),  # the zone is drawn beside it
        max_value=dt.datetime.fromisoformat("5000-01-01"),
        timezones=st.sampled_from([offset(0), offset(5, 30), offset(-12), offset(14)]),
    ),
    separator=st.sampled_from("T "),
)
def test_iso_dates_are_the_moment_they_name(moment: dt.datetime, separator: str) -> None:
    expected = math.floor((moment - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)).total_seconds())
    assert coerce(moment.isoformat(separator), ValueType.DATETIME) == expected
    if moment.utcoffset() == dt.timedelta(0):
        zulu = moment.isoformat(separator).replace("+00:00", "Z")
        assert coerce(zulu, ValueType.DATETIME) == expected
        assert coerce(moment.replace(tzinfo=None).isoformat(separator), ValueType.DATETIME) == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("not a date", "not_a_date"),
        ("10:00:20", "not_a_date"),
        ("20:00:00", "not_a_date"),
        ("2024-02-30", "not_a_date"),
        ("2024-13-01T00:00:00Z", "not_a_date"),
        ("0000000000004651", "not_a_date"),
        ("000001767225600", "not_a_date"),
        ("infinity", "not_a_date"),
        ("-infinity", "not_a_date"),
        ("0044-03-15 BC", "not_a_date"),
        ("01/02/2024", "not_a_date"),
        (True, "not_a_date"),
        ([], "not_a_date"),
        ({"date": 1}, "not_a_date"),
        (1_700_000_000_000, "out_of_range"),
        ("1700000000000", "out_of_range"),
        (Decimal("1E+1000000"), "out_of_range"),
        (-(10**11), "out_of_range"),
        (math.inf, "not_finite"),
        (Decimal("-Infinity"), "not_finite"),
    ],
    ids=repr,
)
def test_what_is_no_date_is_refused(value: Any, code: str) -> None:
    assert refused(lambda: coerce(value, ValueType.DATETIME)) == code


NEVER = [
    "9999-12-31",
    "9999-12-31T23:59:59.999999+00:00",
    "9999-12-31T23:59:59-12:00",
    "9999-12-31 00:00:00",
    "99991231",
    "5874897-12-31",
    "+275760-09-13T00:00:00Z",
    "5138-01-01",
    "0000-00-00",
    "0000-00-00 00:00:00",
    "0000-00-00T00:00:00Z",
    " 0000-00-00 ",
]


@pytest.mark.parametrize("type_", [ValueType.DATE, ValueType.DATETIME])
@pytest.mark.parametrize("written", NEVER)
def test_a_date_that_means_never_is_none_and_is_lost(written: str, type_: ValueType) -> None:
    assert coerce(written, type_) is None
    assert is_lost(written)


@pytest.mark.parametrize("value", [None, "", " ", math.nan])
def test_what_says_nothing_is_not_lost(value: Any) -> None:
    assert not is_lost(value)


@pytest.mark.parametrize("type_", list(ValueType))
@pytest.mark.parametrize("nan", [math.nan, Decimal("NaN"), Decimal("-NaN")], ids=repr)
def test_nan_is_no_value(nan: Any, type_: ValueType) -> None:
    assert coerce(nan, type_) is None


# Identifiers.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "abc"),
        ("  abc\t", "abc"),
        ("a b", "a b"),
        ("007", "007"),
        (7, "7"),
        (-7, "-7"),
        (0, "0"),
        (10**30, "1" + 30 * "0"),
        (Decimal("7.0"), "7"),
        (42.0, "42"),
        (math.nan, None),
        (Decimal("NaN"), None),
        (Decimal("1E+3"), "1000"),
        ("x" * 1000, "x" * 1000),
        ("", None),
        (" \t\n ", None),
        (None, None),
    ],
    ids=repr,
)
def test_identifiers_are_trimmed_never_cut_and_an_empty_one_is_none(value: Any, text: str | None) -> None:
    assert identifier(value) == text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (True, "not_an_identifier"),
        (False, "not_an_identifier"),
        ([1], "not_an_identifier"),
        ({"id": 1}, "not_an_identifier"),
        (Decimal("7.5"), "not_whole"),
        (Decimal("Infinity"), "not_finite"),
        (math.inf, "not_finite"),
        (Decimal("1E+1000000"), "out_of_range"),
    ],
    ids=repr,
)
def test_what_is_no_text_and_no_whole_number_is_no_identifier(value: Any, code: str) -> None:
    assert refused(lambda: identifier(value)) == code


@settings(deadline=None)
@given(value=st.text() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=0))
def test_an_identifier_identifies_itself(value: Any) -> None:
    try:
        once = identifier(value)
    except UncoercibleError:
        assume(False)
    assert identifier(once) == once


# Cutting.


@pytest.mark.parametrize(
    ("text", "left", "was_cut"),
    [
        ("x" * 255, 255, False),
        ("x" * 256, 255, True),
        ("x" * 10_000, 255, True),
        ("👩" * 256, 255, True),
        ("", 0, False),
    ],
    ids=repr,
)
def test_custom_text_is_cut_at_255_characters(text: str, left: int, was_cut: bool) -> None:
    shortened, told = cut(text)
    assert shortened == text[:left]
    assert told is was_cut


@pytest.mark.parametrize("value", [None, 10**300, True, 1.5], ids=repr)
def test_only_text_is_cut(value: Any) -> None:
    assert cut(value) == (value, False)


# Marks.


@pytest.mark.parametrize(
    ("value", "marked"),
    [
        (None, False),
        (False, False),
        (0, False),
        (Decimal(0), False),
        (Decimal("0.00"), False),
        (0.0, False),
        ("", False),
        ("   ", False),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("f", False),
        ("F", False),
        ("no", False),
        ("NO", False),
        ("n", False),
        ("N", False),
        ("0", False),
        (" false ", False),
        (True, True),
        (1, True),
        (-1, True),
        (Decimal("0.1"), True),
        ("2026-11-20T17:17:51Z", True),
        ("true", True),
        ("t", True),
        ("yes", True),
        ("1", True),
        ("deleted", True),
        ("null", True),
        (1_700_000_000, True),
        (math.nan, False),
        (Decimal("NaN"), False),
        ("NaN", False),
        ("0.0", False),
        ("0E-9", False),
        ("0000-00-00 00:00:00", False),
        ("9999-12-31T23:59:59.999+00:00", False),
        ("9999-12-31", False),
        ("infinity", False),
        ("294276-12-31", False),
        ("2024-01-01", True),
        ("0.1", True),
    ],
    ids=repr,
)
def test_the_mark_of_a_deleted_record(value: Any, marked: bool) -> None:
    assert is_set(value) is marked


# Types.


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, ValueType.BOOLEAN),
        (1, ValueType.INTEGER),
        (Decimal("1.0"), ValueType.FLOAT),
        (1.0, ValueType.FLOAT),
        ("1", ValueType.STRING),
        ("2024-02-01", ValueType.STRING),
        ([1], ValueType.STRING),
        ({"a": 1}, ValueType.STRING),
    ],
    ids=repr,
)
def test_the_type_that_fits_a_value_without_a_schema(value: Any, type_: ValueType) -> None:
    assert value_type(value) is type_


@pytest.mark.parametrize(
    ("types", "type_"),
    [
        ({ValueType.BOOLEAN}, ValueType.BOOLEAN),
        ({ValueType.INTEGER}, ValueType.INTEGER),
        ({ValueType.INTEGER, ValueType.FLOAT}, ValueType.FLOAT),
        ({ValueType.INTEGER, ValueType.STRING}, ValueType.STRING),
        ({ValueType.INTEGER, ValueType.BOOLEAN}, ValueType.STRING),
        ({ValueType.INTEGER, ValueType.FLOAT, ValueType.BOOLEAN}, ValueType.STRING),
    ],
)
def test_the_type_that_fits_all_of_several_values(types: set[ValueType], type_: ValueType) -> None:
    assert shared_type(types) is type_
