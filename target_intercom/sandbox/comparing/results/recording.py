"""A transcript as a recording: one JSON object a call, without token, prefix, ids and data of others.

The same value has the same stand-in everywhere. The keys of a line are those of the recorded traffic that the sandbox's
tests replay (`seq method path query request_body status response_body response_headers`), and four more: `step`,
`request_headers` (version and Accept only, and whether the token was right), `waited`, and `again` for a call that was
repeated after it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.comparing.calls import Raw
from target_intercom.sandbox.comparing.results.words import EMAILS, IDS, Kind, Place, Words, is_standard, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sandbox.comparing.calls import Exchange, Transcript

PREFIX = "compare-recorded-"
"""What stands in a recording for the prefix of its run."""

_HEADERS = (
    "date",
    "status",
    "content-type",
    "cache-control",
    "link",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
    "x-runtime",
    "intercom-version",
)
_CLOCKS_APART = 3600.0
_SCRUBBED = frozenset({"link", "x-request-id"})


def recording(transcript: Transcript) -> Iterator[dict[str, Any]]:
    """Return the lines of a transcript."""
    since = min((exchange.at for exchange in transcript.exchanges), default=0.0) - _CLOCKS_APART
    scrub = _Scrub(Words(transcript), since)
    for number, exchange in enumerate(transcript.exchanges, 1):
        yield _line(number, exchange, scrub)


def _line(number: int, exchange: Exchange, scrub: _Scrub) -> dict[str, Any]:
    call = exchange.call
    line = {
        "seq": number,
        "step": exchange.step,
        "method": call.method,
        "path": "/".join(map(scrub.own, call.path.split("/"))),
        "query": scrub.own(dict(call.query)) or None,
        "request_headers": {
            "intercom-version": call.version,
            "accept": call.accept,
            "authorization": "right" if call.is_authorized else "wrong",
        },
        "request_body": call.body.text if isinstance(call.body, Raw) else scrub.own(call.body),
        "status": exchange.status,
        "response_body": scrub.answer(exchange.answer),
        "response_headers": {
            name: scrub.text(exchange.headers[name], invents=True) if name in _SCRUBBED else exchange.headers[name]
            for name in _HEADERS
            if name in exchange.headers
        },
    }
    if exchange.waited is not None:
        line["waited"] = round(exchange.waited, 1)
    return line if exchange.is_last else {**line, "again": True}


class _Scrub:
    """Puts stand-ins into the place of values, the same for the same."""

    def __init__(self, words: Words, since: float) -> None:
        self._words = words
        self._since = since
        self._stand_ins: dict[str, str] = {}

    def text(self, text: str, *, invents: bool = False) -> str:
        """Return a text with stand-ins for the ids and addresses in it; as a whole, if nothing is known of it."""
        if text in self._stand_ins:
            return self._stand_ins[text]
        if text in self._words.names:
            return self._stand_in(text)
        if invents and not IDS.search(text) and "/" not in text:
            return self._stand_in(text)
        named = IDS.sub(lambda match: self._id(match[0]), text.replace(self._words.prefix, PREFIX))
        return EMAILS.sub(lambda match: self._email(match[0]), named)

    def own(self, value: Any) -> Any:
        """Return what the script itself sent, with stand-ins for the ids of answers and for the prefix."""
        if isinstance(value, str):
            whole = self._stand_in(value) if value in self._words.names else value.replace(self._words.prefix, PREFIX)
            return IDS.sub(lambda match: self._stand_in(match[0]) if match[0] in self._words.names else match[0], whole)
        if isinstance(value, dict):
            return {self.own(key): self.own(entry) for key, entry in value.items()}
        return [self.own(entry) for entry in value] if isinstance(value, list) else value

    def answer(self, value: Any) -> Any:
        """Return an answer. Of lists of the workspace's objects, what is not the script's is left out."""
        found = listed(value)
        if found is not None:
            key, entries = found
            value = {**value, key: [entry for entry in entries if self._words.is_own(entry)]}
        return self._answer(Place(""), value)

    def _answer(self, place: Place, value: Any) -> Any:
        if isinstance(value, dict):
            standard = place.is_standard or is_standard(value)
            known = self._words.known_keys(place.key, value)
            return {self.text(key): self._answer(Place(key, standard), entry) for key, entry in known.items()}
        if isinstance(value, list):
            return [self._answer(place, entry) for entry in value]
        if value is None or isinstance(value, bool):
            return value
        return self._value(place, value)

    def _value(self, place: Place, value: str | float) -> Any:
        kind = self._words.kind(place, value)
        if kind is Kind.TIME:
            return self._time(value)
        if not isinstance(value, str):
            return int(self._id(str(value))) if kind in {Kind.NAMED, Kind.ID} else value
        if kind in {Kind.NAMED, Kind.ID}:
            return self._id(value)
        if kind in {Kind.CURSOR, Kind.REQUEST, Kind.FOREIGN}:
            return self._email(value) if EMAILS.fullmatch(value) else self._stand_in(value)
        if kind is Kind.ADDRESS:
            return self.text(re.sub(r"^https?://[^/]+", "https://api.intercom.io", value))
        if kind is Kind.OURS:
            return self.own(value)
        return value if kind is Kind.WORD else self.text(value)

    def _time(self, value: str | float) -> str | float:
        """Return a time of the run; one from long before it, as of the workspace itself, is nobody's business."""
        is_of_the_run = isinstance(value, (int, float)) and value > self._since
        return value if is_of_the_run else 0

    def _id(self, value: str) -> str:
        """Return a stand-in for an id; one that the script invented, as nobody's, stays."""
        return value if value not in self._words.names and self._words.is_sent(value) else self._stand_in(value)

    def _email(self, value: str) -> str:
        return value if PREFIX in value else self._stand_in(value)

    def _stand_in(self, value: str) -> str:
        if value not in self._stand_ins:
            number = len(self._stand_ins) + 1
            self._stand_ins[value] = next(form(number) for fits, form in _FORMS if fits(value))
        return self._stand_ins[value]


def _is(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


_FORMS: tuple[tuple[Callable[[str], bool], Callable[[int], str]], ...] = (
    (_is(r"[0-9a-f]{24}"), lambda number: f"5ca1ab1e{number:016x}"),
    (_is(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), lambda number: f"5ca1ab1e-0000-4000-8000-{number:012x}"),
    (_is(r"job_v2_\w+"), lambda number: f"job_v2_9{number:05}"),
    (_is(r"task_v2_\w+"), lambda number: f"task_v2_9{number:05}"),
    (_is(r"\d+"), lambda number: f"9{number:06}"),
    (_is(r"\[[0-9a-f]+\]"), lambda number: f"[{number:06x}]"),
    (_is(r"\S+@\S+"), lambda number: f"person{number}@example.com"),
    (lambda _: True, lambda number: f"text-{number}"),
)
