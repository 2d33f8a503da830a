"""Lines of JSON, read and written without loss: decimal numbers keep all their digits, NaN stays NaN."""

from __future__ import annotations

import codecs
import json
import typing as t
from decimal import Decimal, InvalidOperation

import simplejson

Json: t.TypeAlias = t.Any
"""Any JSON value."""

_DECODER: t.Final = json.JSONDecoder(parse_float=Decimal)
"""Reads what the SDK's `deserialize_json` reads, which makes a decoder for every line."""


def _decimal(digits: str) -> Decimal | float:
    """Return a decimal number; one whose exponent no `Decimal` has is infinite, or zero."""
    try:
        return Decimal(digits)
    except InvalidOperation:
        return float(digits)


_DECODER_OF_ODD_NUMBERS: t.Final = json.JSONDecoder(parse_float=_decimal, parse_int=Decimal)
"""Reads numbers, too, that are not made an `int` (of more than 4300 digits) or a `Decimal` of; it is slower."""


def parsed_line(line: str | bytes) -> Json:
    """Read a line; bytes are UTF-8.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    if isinstance(line, bytes):
        line = line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogatepass")
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):
        return _DECODER_OF_ODD_NUMBERS.decode(line)


def json_line(value: Json) -> str:
    """Write a value as it was read, without the line's end."""
    return str(simplejson.dumps(value, use_decimal=True, ignore_nan=False, allow_nan=True))
