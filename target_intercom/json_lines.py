"""Lines of JSON, read and written without loss: decimal numbers keep all their digits, NaN stays NaN."""

from __future__ import annotations

import codecs
import json
import typing as t
from decimal import Decimal

import simplejson

Json: t.TypeAlias = t.Any
"""Any JSON value."""

_DECODER: t.Final = json.JSONDecoder(parse_float=Decimal)
"""Reads what the SDK's `deserialize_json` reads, which makes a decoder for every line."""


def parsed_line(line: str | bytes) -> Json:
    """Read a line; bytes are UTF-8.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    if isinstance(line, bytes):
        line = line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogatepass")
    return _DECODER.decode(line)


def json_line(value: Json) -> str:
    """Write a value as it was read, without the line's end."""
    return str(simplejson.dumps(value, use_decimal=True, ignore_nan=False, allow_nan=True))
