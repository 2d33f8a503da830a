"""What reasons and errors mean, and what to do: the texts of docs/report.md and docs/errors.md."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_QUOTED: t.Final = re.compile(r"`([^`]+)`")
_PLACEHOLDER: t.Final = re.compile(r"(…|'[^']*'|\b[A-Z]+\b|(?<= )/\w+(?:/\w+)*|\d+)")
"""Parts of a message that differ from case to case: `…`, a name, a word in capitals, a path, a number."""
_LEAST: t.Final = 12
"""Characters that a text has to have besides, to be known by them."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record was skipped or refused. Meaning and advice are Markdown."""

    reason: str
    """The code."""
    meaning: str
    advice: str
    """What to do; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """What the log says. All texts are Markdown."""

    says: str
    meaning: str
    advice: str
    error: str | None = None
    """The class of the error, or whose it is; empty: none; None: all of its kind are warnings."""


@cache
def reasons() -> Mapping[str, Sequence[Reason]]:
    """Return the reasons by result, as the documents have them."""
    return {result: [Reason(**row) for row in rows] for result, rows in _read("reasons").items()}


@cache
def messages() -> Mapping[str, Sequence[Message]]:
    """Return what the log says, by the headings of docs/errors.md."""
    return {heading: [Message(**row) for row in rows] for heading, rows in _read("errors").items()}


def meaning_of(reason: str, result: str) -> Reason | None:
    """Return what a reason means; None: it is a code of Intercom's own."""
    return next((one for one in reasons().get(result, ()) if one.reason == f"`{reason}`"), None)


def explanation_of(text: str, error: str | None = None) -> Message | None:
    """Return what a line of the log means; `error` is the class of the error that it tells.

    The entry that has the most of its words counts, and among entries of the error's class these alone.
    """
    everything = [message for rows in messages().values() for message in rows]
    of_class = [message for message in everything if error is not None and f"`{error}`" in (message.error or "")]
    for entries, must_name in ((of_class, True), (everything, True), (of_class, False), (everything, False)):
        found = max(entries, key=lambda one: _likeness(one, text, must_name=must_name), default=None)
        if found is not None and _likeness(found, text, must_name=must_name):
            return found
    return of_class[0] if len(of_class) == 1 else None


def _likeness(message: Message, text: str, *, must_name: bool) -> int:
    """Return how many characters a text and an entry have in common; 0: it is another text."""
    return max((known for pattern, known in _patterns(message, must_name) if pattern.match(text)), default=0)


@cache
def _patterns(message: Message, must_name: bool) -> Sequence[tuple[re.Pattern[str], int]]:  # noqa: FBT001 - of a cache
    return list(_made_patterns(message.says, must_name=must_name))


def _made_patterns(says: str, *, must_name: bool) -> Iterator[tuple[re.Pattern[str], int]]:
    """Yield what the texts of an entry look like; `must_name`: names that settings have must be the same."""
    for quoted in _QUOTED.findall(says):
        parts = _PLACEHOLDER.split(quoted.rstrip(".… "))
        known = sum(map(len, parts[::2]))
        if known >= _LEAST:
            made = (
                _part(part, must_name=must_name) if place % 2 else re.escape(part) for place, part in enumerate(parts)
            )
            yield re.compile("".join(made), re.DOTALL), known


def _part(part: str, *, must_name: bool) -> str:
    """Return the pattern of what differs from case to case."""
    match part[0]:
        case "'":
            is_setting = part[1:-1].islower() and "_" in part
            return re.escape(part) if must_name and is_setting else "'.*?'"
        case digit if digit.isdigit():
            return r"\d+"
        case "…":
            return ".*"
        case _:
            return ".+?"


def _read(name: str) -> t.Any:
    return json.loads((files(__package__ or "") / "texts" / f"{name}.json").read_text(encoding="utf-8"))
