"""Values as a person reads them."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timezone

_TIMES = frozenset({"date", "datetime"})


@dataclass(frozen=True)
class Moment:
    """A time in UTC: for machines, in full, and the time of day alone."""

    iso: str
    text: str
    clock: str


@dataclass(frozen=True)
class Value:
    """What an attribute holds. `missing` marks text that stands for no value; times are told in words as well."""

    text: str
    missing: bool = False
    moment: Moment | None = None


def moment(at: float) -> Moment | None:
    """Return a time from UNIX seconds; None when no calendar holds it."""
    try:
        time = datetime.fromtimestamp(at, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
    clock = f"{time:%H:%M:%S}.{time.microsecond // 1000:03}"
    return Moment(time.isoformat(timespec="milliseconds"), f"{time:%Y-%m-%d %H:%M:%S}", clock)


def plain(text: str) -> str:
    """Return text in small letters without accents: `Zoë` is found by `zoe`."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def value(held: object, data_type: str) -> Value:
    """Return what an attribute of a data type holds, as it is written."""
    if held is None:
        return Value("cleared", missing=True)
    if held == "":
        return Value("cleared", missing=True)
    if isinstance(held, str):
        return Value(held) if held.strip() else Value(json.dumps(held))
    return Value(json.dumps(held, ensure_ascii=False), moment=_told(held, data_type))


def _told(held: object, data_type: str) -> Moment | None:
    is_number = isinstance(held, (int, float)) and not isinstance(held, bool)
    return moment(float(str(held))) if is_number and data_type in _TIMES else None
