"""Fills the requests of the script with the ids of earlier answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.comparing.calls import Raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.comparing.calls import Call

_NAME = re.compile(r"\{(\w+)\}")


class MissingNameError(Exception):
    """An id that the call needs is not known: an earlier step did not give it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def fill(call: Call, names: Mapping[str, str]) -> Call:
    """Return a call with the ids in the place of their names.

    Raises:
        MissingNameError: One is not known.
    """
    return replace(
        call,
        path=_text(call.path, names),
        query={key: _text(value, names) for key, value in call.query.items()},
        body=_filled(call.body, names),
    )


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _text(value, names)
    if isinstance(value, dict):
        return {_text(key, names): _filled(entry, names) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(entry, names) for entry in value]
    return value


def _text(text: str, names: Mapping[str, str]) -> str:
    def found(match: re.Match[str]) -> str:
        try:
            return names[match[1]]
        except KeyError:
            raise MissingNameError(match[1]) from None

    return _NAME.sub(found, text)


def value_at(answer: Any, path: str) -> str | None:
    """Return the text or number at a place in an answer, as text; None where there is none."""
    for key in path.split("."):
        answer = answer.get(key) if isinstance(answer, dict) else None
    return str(answer) if isinstance(answer, (str, int)) and not isinstance(answer, bool) else None


def texts_of(call: Call) -> set[str]:
    """Return every text that a call sends."""
    body = {call.body.text} if isinstance(call.body, Raw) else _texts(call.body)
    return {*body, *call.query.values()}


def _texts(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(set(value), *map(_texts, value.values()))
    return set().union(*map(_texts, value)) if isinstance(value, list) else set()
