"""An answer as it is compared: ids by name, no times, no data of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from target_intercom.sandbox.comparing.results.words import EMAILS, IDS, Kind, Place, Words, is_standard, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox.comparing.calls import Exchange

_HEADERS = (
    "content-type",
    "intercom-version",
    "link",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
)
_VALUED = frozenset({"content-type", "intercom-version"})


class Leaf(NamedTuple):
    """A value: its JSON type, and what is compared of it."""

    type: str
    shown: str


class Normal(NamedTuple):
    """An answer as it is compared.

    Attributes:
        leaves: The values, by where they stand.
        hits: What a list of the workspace's objects shows of the script's, in order; None where it is no such list.
        headers: The headers that matter; of most only that they are there.
    """

    leaves: dict[str, Leaf]
    hits: tuple[str, ...] | None
    headers: dict[str, str]


def normal(exchange: Exchange, words: Words) -> Normal:
    """Return an answer as it is compared."""
    answer, hits = exchange.answer, None
    found = listed(answer)
    if found is not None:
        key, entries = found
        own = [(_label(entry, words), entry) for entry in entries if words.is_own(entry)]
        hits = tuple(label for label, _ in own if label)
        answer = {**answer, key: _Labelled(own)}
    headers = {
        name: exchange.headers[name] if name in _VALUED else "there" for name in _HEADERS if name in exchange.headers
    }
    return Normal(dict(_leaves("", Place(""), answer, words)), hits, headers)


class _Labelled(dict[str, Any]):
    """The script's entries of a list, by label."""

    def __init__(self, entries: list[tuple[str, Any]]) -> None:
        super().__init__({f"[{label or number}]": entry for number, (label, entry) in enumerate(entries)})


def _label(entry: Any, words: Words) -> str:
    """Return what an entry is called: the name of its id, or else its own."""
    if not isinstance(entry, dict):
        return ""
    found = words.names.get(str(entry.get("id")))
    if found is not None:
        return found
    for key in ("external_id", "email", "company_id", "name", "id"):
        text = entry.get(key)
        if isinstance(text, str) and (is_standard(entry) or words.kind(Place(key), text) is Kind.OURS):
            return shortened(text, words)
    return ""


def _leaves(path: str, place: Place, value: Any, words: Words) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, dict):
        standard = place.is_standard or is_standard(value)
        for key, entry in words.known_keys(place.key, value).items():
            joined = path + key if key.startswith("[") else f"{path}.{shortened(key, words)}".lstrip(".")
            yield from _leaves(joined, Place(place.key if key.startswith("[") else key, standard), entry, words)
        if not value:
            yield path, Leaf("list" if isinstance(value, _Labelled) else "object", "empty")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _leaves(f"{path}[{index}]", place, entry, words)
        if not value:
            yield path, Leaf("list", "empty")
    else:
        yield path, _leaf(place, value, words)


def _leaf(place: Place, value: Any, words: Words) -> Leaf:
    if value is None:
        return Leaf("null", "null")
    if isinstance(value, bool):
        return Leaf("boolean", "true" if value else "false")
    return Leaf("text" if isinstance(value, str) else "number", _shown(place, value, words))


def _shown(place: Place, value: str | float, words: Words) -> str:
    kind = words.kind(place, value)
    if kind is Kind.NAMED:
        return f"<{words.names[str(value)]}>"
    if kind in {Kind.OURS, Kind.WORD}:
        return shortened(str(value), words)
    if kind is Kind.MESSAGE:
        return message(str(value), words)
    if kind is Kind.ADDRESS:
        parts = urlsplit(str(value))
        return message(parts.path + (f"?{parts.query}" if parts.query else ""), words)
    return f"<{kind.value}>"


def message(text: str, words: Words) -> str:
    """Return a text of Intercom's, with names for ids and without anybody's address."""
    named = IDS.sub(lambda match: f"<{words.names.get(match[0], 'id')}>", text)
    named = EMAILS.sub(lambda match: match[0] if words.prefix and words.prefix in match[0] else "<email>", named)
    return shortened(named, words)


def shortened(text: str, words: Words) -> str:
    """Return a text without the prefix, which differs from run to run."""
    return text.replace(words.prefix, "~") if words.prefix else text
