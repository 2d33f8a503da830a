"""Values of records into values of attributes: which values fit a type, and what becomes of them. Pure.

The rules follow the fact sheet, sections 3.1, 3.2 and 3.4: dates are unix seconds, custom text has 255 characters at
most, custom values are flat.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import typing as t
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from target_intercom.kinds.entity import ValueType

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_intercom.model import Json

LONGEST_CUSTOM_TEXT: t.Final = 255
"""Characters of a custom attribute's text (intercom.com/help, data attributes)."""

_MILLISECONDS_FROM = 10**11
"""A timestamp from here on is no date in seconds: milliseconds have damaged data (OpenAPI repo, PR 525)."""
_INTEGER_LIMIT = 2**63
_LONGEST_DIGITS = 40
"""A number with more digits before or behind the point is written with an exponent."""
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_SECONDS = re.compile(r"-?[1-9]\d{8,}")
_NEVER_FROM = 5138
"""The year in which unix seconds reach 10^11: databases write a later one for "never", or for infinity."""
_DAY = re.compile(r"(?:\+?(\d{4,})-\d\d-\d\d|(\d{4})\d{4})(?!\d)")
_NOTHING = re.compile(r"[+-]?0+(\.0*)?(e[+-]?\d+)?|nan|[+-]?infinity")
"""Texts, in lower case, that mark nothing as deleted: zero, NaN, and a date of PostgreSQL that never comes."""
_FRACTION = re.compile(r"(?<=\d)[.,](\d{1,6})\d*")
_OFFSET = re.compile(r"(?<=\d) ?(?:([zZ]|UTC)|([+-]\d{2}):?(\d{2})?)$")


class UncoercibleError(Exception):
    """A value does not fit its attribute; `code` names the reason, the text explains it without the value."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep the code and the reason."""
        super().__init__(reason)
        self.code = code


def is_set(value: Json) -> bool:
    """Check whether a `deleted_property` marks its record.

    Null, false, zero, NaN, blank text, words of no and dates that mean "never" do not.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        return bool(text) and text not in _FALSE and not _NOTHING.fullmatch(text) and not _is_never(text)
    return not is_null(value) and value is not False and value != 0


def is_null(value: Json) -> bool:
    """Check whether a value is null, or the NaN that some taps send for an empty column."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or (isinstance(value, float) and math.isnan(value))


def identifier(value: Json) -> str | None:
    """Read an identifier: trimmed text; None for blank text and null.

    Raises:
        UncoercibleError: the value is no text and no whole number.
    """
    if isinstance(value, str):
        return _sound(value.strip()) or None
    if is_null(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise UncoercibleError("not_an_identifier", "an identifier is a text or a whole number")
    return str(value if isinstance(value, int) else _whole(Decimal(str(value))))


def coerce(value: Json, kind: ValueType) -> Json:
    """Return a record's value as a value of the attribute's type; None for null and NaN.

    Blank text is null for any type but text, and so is a date that means "never".

    Raises:
        UncoercibleError: the value does not fit.
    """
    return coercion(kind)(value)


def coercion(kind: ValueType) -> Callable[[Json], Json]:
    """Return the function that coerces values to a type."""
    return _COERCIONS[kind]


def whole_up_to(most: int) -> Callable[[Json], Json]:
    """Return the function that coerces values to whole numbers, without their decimals; beyond `most` none fits."""

    def read(value: Json) -> int:
        number = _number(value)
        if number.adjusted() > _LONGEST_DIGITS or not -most <= int(number) <= most:
            raise UncoercibleError("out_of_range", f"the attribute takes {most} at most")
        return int(number)

    return _optional(read)


def loses_decimals(value: Json, coerced: Json) -> bool:
    """Check whether a number lost its decimals when it was coerced to a whole one."""
    return coerced is not None and _number(value) != coerced


def cut(text: Json) -> tuple[Json, bool]:
    """Return a custom attribute's text, cut at what Intercom keeps, and whether it was cut."""
    if isinstance(text, str) and len(text) > LONGEST_CUSTOM_TEXT:
        return text[:LONGEST_CUSTOM_TEXT], True
    return text, False


def is_lost(value: Json) -> bool:
    """Check whether a value that was coerced to null was more than blank: a date that means "never" is."""
    return isinstance(value, str) and bool(value.strip())


def value_type(value: Json, text_type: ValueType = ValueType.STRING) -> ValueType:
    """Return the attribute type that fits a value whose property has no type; `text_type`: for texts that fit it."""
    if isinstance(value, bool):
        return ValueType.BOOLEAN
    if isinstance(value, int):
        return ValueType.INTEGER
    if isinstance(value, (float, Decimal)):
        return ValueType.FLOAT
    if isinstance(value, str):
        with suppress(UncoercibleError):
            coerce(value, text_type)
            return text_type
    return ValueType.STRING


def shared_type(kinds: Collection[ValueType]) -> ValueType:
    """Return the attribute type that fits values of several types."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return ValueType.FLOAT if set(kinds) == {ValueType.INTEGER, ValueType.FLOAT} else ValueType.STRING


def _string(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Decimal, float)):
        return _digits(Decimal(str(value)))
    if isinstance(value, (dict, list)):
        return _json(value)
    return str(value)


def _digits(number: Decimal) -> str:
    """Write a number as text, a whole one without a point: taps of warehouses write phone numbers as decimals."""
    if not number.is_finite():
        raise UncoercibleError("not_finite", "the number is not finite")
    if abs(number.adjusted()) >= _LONGEST_DIGITS:
        return str(number)
    return str(int(number)) if number == number.to_integral_value() else format(number, "f")


def _json(value: Json) -> str:
    try:
        text = json.dumps(value, default=_decimal, ensure_ascii=False, allow_nan=False, sort_keys=True)
    except ValueError:
        raise UncoercibleError("not_finite", "it holds a number that is not finite") from None
    return _sound(text)


def _sound(text: str) -> str:
    """Refuse half a character, a lone surrogate: JSON can escape one, no text of Unicode can hold it."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UncoercibleError("not_unicode", "the text holds half a character (a lone surrogate)") from None
    return text


def _decimal(value: Json) -> Json:
    """Return a Decimal inside an object as a number of JSON."""
    number = float(value)
    return int(value) if number.is_integer() else number


def _number(value: Json) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise UncoercibleError("not_a_number", "the attribute takes a number")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise UncoercibleError("not_a_number", "the attribute takes a number") from None
    if not number.is_finite():
        raise UncoercibleError("not_finite", "the number is not finite")
    return number


def _whole(number: Decimal) -> int:
    if not number.is_finite():
        raise UncoercibleError("not_finite", "the number is not finite")
    if number.adjusted() > _LONGEST_DIGITS:
        raise UncoercibleError("out_of_range", "the number is too large")
    if number != number.to_integral_value():
        raise UncoercibleError("not_whole", "it takes a whole number")
    return int(number)


def _integer(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return value
    number = _whole(_number(value))
    if not -_INTEGER_LIMIT <= number < _INTEGER_LIMIT:
        raise UncoercibleError("out_of_range", "the number has more than 64 bits")
    return number


def _float(value: Json) -> float | int:
    number = float(_number(value))
    if not math.isfinite(number):
        raise UncoercibleError("out_of_range", "the number is too large")
    return number


def _boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else str(value)
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    # Taps without booleans write 1.0.
    with suppress(UncoercibleError):
        number = _number(value)
        if number in {0, 1}:
            return bool(number)
    raise UncoercibleError("not_a_boolean", "the attribute takes true or false")


def _timestamp(value: Json) -> int | None:
    """Read a date: ISO 8601, in UTC where it has no offset, or unix seconds; None for one that means "never"."""
    if isinstance(value, (bool, dict, list)):
        raise UncoercibleError("not_a_date", "the attribute takes a date: ISO 8601 text, or unix seconds")
    if isinstance(value, str) and not _SECONDS.fullmatch(value.strip()):
        return _moment(value.strip())
    number = _number(value)
    seconds = math.floor(number) if number.adjusted() < _LONGEST_DIGITS else _MILLISECONDS_FROM
    if not -_MILLISECONDS_FROM < seconds < _MILLISECONDS_FROM:
        raise UncoercibleError("out_of_range", "the date is out of range (milliseconds? seconds are needed)")
    return seconds


def _moment(text: str) -> int | None:
    try:
        moment = _iso(text)
    except UncoercibleError:
        if _is_never(text):
            return None
        raise
    return None if moment.year >= _NEVER_FROM else math.floor(moment.timestamp())


def _is_never(text: str) -> bool:
    """Check whether a text is a date that means "never": of the year 0, or later than unix seconds can tell."""
    day = _DAY.match(text)
    year = 1 if day is None else int(day[1] or day[2])
    return year == 0 or year >= _NEVER_FROM


def _iso(text: str) -> dt.datetime:
    """Parse ISO 8601, and PostgreSQL's dates (`2024-02-01 00:00:20.5+00`), on any version of Python."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = _like_iso(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)


def _like_iso(text: str) -> dt.datetime:
    """Parse a date that this version of Python does not take as it is."""
    if ":" in text:
        text = _FRACTION.sub(lambda found: "." + found[1].ljust(6, "0"), text)
        text = _OFFSET.sub(lambda found: "+00:00" if found[1] else f"{found[2]}:{found[3] or '00'}", text)
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise UncoercibleError("not_a_date", "the attribute takes a date: ISO 8601 text, or unix seconds") from None


def _optional(read: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """Return a function that reads blank text as null."""

    def coerced(value: Json) -> Json:
        if not value.strip() if isinstance(value, str) else is_null(value):
            return None
        return read(value)

    return coerced


def _text(value: Json) -> str | None:
    return _sound(value) if isinstance(value, str) else None if is_null(value) else _string(value)


_COERCIONS: t.Final[Mapping[ValueType, Callable[[Json], Json]]] = {
    ValueType.STRING: _text,
    ValueType.INTEGER: _optional(_integer),
    ValueType.FLOAT: _optional(_float),
    ValueType.BOOLEAN: _optional(_boolean),
    ValueType.DATE: _optional(_timestamp),
    ValueType.DATETIME: _optional(_timestamp),
}
