"""The values that settings take: each as a JSON schema, and as a function that reads a given value."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from target_intercom.model import Json, MatchBy
from target_intercom.settings.config import NO_LEDGER

if t.TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterator, Mapping

_NULL = "null"
_VERSION = re.compile(r"\d+\.\d+")
_LEDGER = re.compile(r"(sqlite:///(?!:memory:).+|postgres(ql)?(\+psycopg)?://.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Value:
    """The values that a setting takes."""

    schema: Mapping[str, Json]
    """Its JSON schema, with one `type`."""
    read: Callable[[Json], Json]
    """Returns a given value as the settings have it; raises `WrongValueError`."""


class WrongValueError(Exception):
    """A setting does not take a value; the text is what it takes."""

    def __init__(self, allowed: str, *, shown: Json = None) -> None:
        """`shown` stands for the value in the message."""
        super().__init__(allowed)
        self.allowed = allowed
        self.shown = shown

    def sentences(self, name: str, value: Json) -> Iterator[str]:
        """Yield a message: the setting, what was given, and what to give."""
        given = "this value" if name == "access_token" else shown(value if self.shown is None else self.shown)
        yield f"Setting '{name}' does not take {given}: give {self.allowed}"


def shown(value: Json) -> str:
    """Return a value as a message shows it."""
    return json.dumps(
        value, default=lambda one: float(one) if isinstance(one, Decimal) else str(one), ensure_ascii=False
    )


# Texts.


def _text(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WrongValueError("a text that is not empty")
    return value.strip()


def _folder(value: Json) -> Path:
    text = _text(value)
    if "\0" in text:
        raise WrongValueError("the path of a folder")
    return Path(text)


def _token(value: Json) -> str:
    text = _text(value)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise WrongValueError("the access token as Intercom shows it")
    return text


def _version(value: Json) -> str:
    text = _text(value)
    if text.lower() in {"preview", "unstable"} or _VERSION.fullmatch(text):
        return text
    raise WrongValueError('a version like "2.16", or "Preview"')


def _url(value: Json) -> str:
    text = _text(value).rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise WrongValueError('an address like "https://api.intercom.io"')
    if parts.username is not None or parts.password is not None:
        raise WrongValueError("an address without credentials", shown="an address with credentials")
    return text


def _ledger_url(value: Json) -> str:
    text = _text(value)
    if text.lower() == NO_LEDGER:
        return NO_LEDGER
    if not _LEDGER.fullmatch(text):
        allowed = f'"sqlite:///FILE", "postgresql://USER@HOST/DATABASE", or {shown(NO_LEDGER)}'
        raise WrongValueError(allowed, shown="an address with credentials" if "@" in text else text)
    return text


_STRING: t.Final = MappingProxyType({"type": "string"})
FOLDER: t.Final = Value(_STRING, _folder)
LEDGER_URL: t.Final = Value(_STRING, _ledger_url)
TOKEN: t.Final = Value(_STRING, _token)
URL: t.Final = Value(_STRING, _url)
VERSION: t.Final = Value(_STRING, _version)


def name_of(what: str) -> Value:
    """Return the value of a setting that names something, as it is written."""

    def read(value: Json) -> str:
        if not isinstance(value, str) or not value.strip():
            raise WrongValueError(f"the name of {what}")
        return value

    return Value(_STRING, read)


def one_of(kind: type[enum.Enum]) -> Value:
    """Return the value of a setting that takes one of some words."""
    words = [member.value for member in kind]

    def read(value: Json) -> enum.Enum:
        try:
            return kind(value)
        except ValueError:
            raise WrongValueError("one of " + ", ".join(map(shown, words))) from None

    return Value({"type": "string", "enum": words}, read)


# Flags and numbers.


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError("true or false")
    return value


FLAG: t.Final = Value({"type": "boolean"}, _flag)


def number(low: int, high: int | None = None) -> Value:
    """Return the value of a setting that takes a whole number."""

    def read(value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise WrongValueError(
                f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
            )
        return value

    limits = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    return Value({"type": "integer", **limits}, read)


# Lists and objects.


def _match_by(value: Json) -> tuple[MatchBy, ...]:
    allowed = "a list of some of " + ", ".join(shown(member.value) for member in MatchBy) + ", each once"
    if not isinstance(value, list) or not value:
        raise WrongValueError(allowed)
    try:
        order = tuple(MatchBy(item) for item in value)
    except ValueError:
        raise WrongValueError(allowed) from None
    if len(set(order)) < len(order):
        raise WrongValueError(allowed)
    return order


def _mappings(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise WrongValueError("an object of {property: attribute}")
    # `meltano config set` stores the text. Which attributes there are depends on the stream's object: `objects.py`.
    return MappingProxyType({prop: None if attribute == _NULL else attribute for prop, attribute in value.items()})


MAPPINGS: t.Final = Value({"type": "object", "additionalProperties": {"type": ["string", "null"]}}, _mappings)
MATCH_BY: t.Final = Value(
    {"type": "array", "items": {"type": "string", "enum": [which.value for which in MatchBy]}}, _match_by
)
STREAMS: t.Final = Value({"type": "object", "additionalProperties": {"type": "object"}}, lambda value: value)
