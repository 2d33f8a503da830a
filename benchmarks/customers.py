"""The customers that are loaded: a generated Singer file, the same on every machine."""

from __future__ import annotations

import datetime as dt
import enum
import json
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM: t.Final = "customers"
TAGS_PROPERTY: t.Final = "tags"
CUSTOM_ATTRIBUTES: t.Final = {"plan": "string", "seats": "integer", "newsletter": "boolean"}
"""Properties that become custom attributes, with Intercom's type."""

_CHANGED: t.Final = 100
"""One contact of so many differs in `Edition.ONE_PERCENT`."""
_FIRST_NAMES = ("Ada", "Björn", "Chloé", "Deniz", "Emeka", "Farah", "Goran", "Hana", "Ingrid", "João", "Kenji")
_LAST_NAMES = ("Okafor", "Lindqvist", "Moreau", "Öztürk", "Novák", "Haddad", "Sato", "Keller", "Silva", "O'Brien")
_PLANS = ("free", "team", "business", "enterprise")
_TAGS = ("trial", "active", "loyal")
_FIRST_DAY = dt.datetime(2021, 1, 1, tzinfo=dt.timezone.utc)
_SCHEMA: t.Final = {
    "type": "object",
    "properties": {
        "external_id": {"type": "string"},
        "email": {"type": ["string", "null"], "format": "email"},
        "name": {"type": ["string", "null"]},
        "phone": {"type": ["string", "null"]},
        "signed_up_at": {"type": ["string", "null"], "format": "date-time"},
        "plan": {"type": ["string", "null"]},
        "seats": {"type": ["integer", "null"]},
        "newsletter": {"type": ["boolean", "null"]},
        TAGS_PROPERTY: {"type": ["array", "null"], "items": {"type": "string"}},
    },
}


class Edition(enum.IntEnum):
    """The state of the source: each differs from the one before in what its name says."""

    FIRST = 0
    ONE_PERCENT = 1
    FIRST_TAGS = 2
    """One tag on for each."""
    OTHER_TAGS = 3
    """One tag on and one off for each."""
    ALL = 4
    """An attribute of each, and one tag on and one off."""


def write(path: Path, count: int, edition: Edition = Edition.FIRST, *, part: int = 0, parts: int = 1) -> None:
    """Write the messages that a tap would pipe for so many customers, or for a part of them."""
    with path.open("w", encoding="utf-8") as file:
        for message in _messages(range(part, count, parts), edition):
            json.dump(message, file, ensure_ascii=False)
            file.write("\n")


def _messages(numbers: range, edition: Edition) -> Iterator[dict[str, t.Any]]:
    yield {"type": "SCHEMA", "stream": STREAM, "schema": _SCHEMA, "key_properties": ["external_id"]}
    for number in numbers:
        yield {"type": "RECORD", "stream": STREAM, "record": _customer(number, edition)}
    yield {"type": "STATE", "value": {"bookmarks": {STREAM: {"edition": int(edition)}}}}


def _customer(number: int, edition: Edition) -> dict[str, t.Any]:
    first, last = _FIRST_NAMES[number % len(_FIRST_NAMES)], _LAST_NAMES[number // 7 % len(_LAST_NAMES)]
    signed_up = _FIRST_DAY + dt.timedelta(minutes=17 * number % 2_000_000)
    return {
        "external_id": f"cus_{number:07d}",
        "email": f"customer.{number:07d}@example.com",
        "name": f"{first} {last}",
        "phone": f"+49301{number:07d}",
        "signed_up_at": signed_up.isoformat(),
        "plan": _PLANS[number % len(_PLANS)],
        "seats": 1 + number % 40 + _changes(number, edition),
        "newsletter": number % 3 == 0,
        TAGS_PROPERTY: _tags(edition),
    }


def _changes(number: int, edition: Edition) -> int:
    """How often the customer's attributes have changed."""
    return (edition >= Edition.ONE_PERCENT and number % _CHANGED == 0) + (edition >= Edition.ALL)


def _tags(edition: Edition) -> list[str]:
    return [] if edition < Edition.FIRST_TAGS else [_TAGS[edition - Edition.FIRST_TAGS]]
