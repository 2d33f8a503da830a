"""What a value in an answer is: the script's own, Intercom's vocabulary, an id, a time, or somebody's data.

Both the comparison and the recording rest on it. Whatever is none of the first four is somebody's, and never shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.comparing.playing.filling import texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.comparing.calls import Transcript

IDS = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b[0-9a-f]{24}\b|\b(?:job|task)_v2_\w+|\b\d{5,}\b|\[[0-9a-f]{6,}\]"
)
"""Ids of all kinds, as they stand in texts."""

EMAILS = re.compile(r"[^\s'\"<>=,;]+@[^\s'\"<>=,;]+")

_LISTED = ("data", "tags", "admins", "companies")
_TIMES = frozenset(
    {"created_at", "updated_at", "completed_at", "started_at", "applied_at", "last_request_at", "last_seen_at_by_api"}
)
_REQUESTS = frozenset({"request_id"})
CURSORS = frozenset({"starting_after", "scroll_param"})
_MESSAGES = frozenset({"message", "error"})
_ADDED = frozenset({"creation_source"})
_VOCABULARY = frozenset(
    {
        "code",
        "data_type",
        "field",
        "full_name",
        "model",
        "not_json",
        "object",
        "role",
        "state",
        "type",
    }
)


class Kind(Enum):
    """What a value is."""

    OURS = "ours"
    WORD = "word"
    NAMED = "named"
    ID = "id"
    TIME = "time"
    REQUEST = "request"
    CURSOR = "cursor"
    ADDRESS = "address"
    MESSAGE = "message"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Place:
    """Where a value stands: its key, and whether it is in a standard attribute, which every workspace has."""

    key: str
    is_standard: bool = False


class Words:
    """Knows the words of one transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.prefix = transcript.prefix
        self.names: Mapping[str, str] = transcript.names
        self._sent = {text for exchange in transcript.exchanges for text in texts_of(exchange.call)}

    def kind(self, place: Place, value: str | float) -> Kind:
        """Return what a text or number is."""
        key = place.key
        if str(value) in self.names:
            return Kind.NAMED
        if key in _TIMES:
            return Kind.TIME
        if isinstance(value, str):
            return self._kind_of_text(place, value)
        return Kind.ID if key == "id" or key.endswith("_id") else Kind.WORD

    def _kind_of_text(self, place: Place, value: str) -> Kind:
        key = place.key
        if key in _REQUESTS:
            return Kind.REQUEST
        if key in CURSORS:
            return Kind.CURSOR
        if key in _MESSAGES:
            return Kind.MESSAGE
        if value in self._sent or (self.prefix and self.prefix in value):
            return Kind.ADDRESS if key in {"url", "next"} else Kind.OURS
        if IDS.fullmatch(value) or key == "id" or key.endswith("_id"):
            return Kind.ID
        if key in {"url", "next"}:
            return Kind.ADDRESS
        is_word = not value or key in _VOCABULARY or place.is_standard
        return Kind.WORD if is_word else Kind.FOREIGN

    def is_sent(self, text: str) -> bool:
        """Return whether the script sent just this text."""
        return text in self._sent

    def known_keys(self, key: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what an object under a key holds; of custom attributes the script's, and what Intercom adds itself."""
        if key != "custom_attributes":
            return value
        return {name: entry for name, entry in value.items() if self.prefix in name or name in _ADDED}

    def is_own(self, entry: Any) -> bool:
        """Return whether an entry of a list is the script's, or one that every workspace has."""
        if not isinstance(entry, dict):
            return True
        if is_standard(entry) or str(entry.get("id")) in self.names:
            return True
        identifiers = (entry.get(key) for key in ("external_id", "email", "company_id", "name"))
        return any(isinstance(text, str) and bool(self.prefix) and self.prefix in text for text in identifiers)


def is_standard(entry: Any) -> bool:
    """Return whether it is an attribute that every workspace has."""
    return isinstance(entry, dict) and entry.get("type") == "data_attribute" and entry.get("custom") is False


def listed(answer: Any) -> tuple[str, list[Any]] | None:
    """Return the key and the entries of an answer that is a list of the workspace's objects."""
    if not isinstance(answer, dict) or not str(answer.get("type")).endswith("list"):
        return None
    for key in _LISTED:
        if isinstance(answer.get(key), list):
            return key, answer[key]
    return None
