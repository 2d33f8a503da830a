"""What goes in and out of the sandbox, free of sockets."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions.faults import Fault
    from target_intercom.sandbox.errors import IntercomError

_REQUEST_ID_CHARACTERS = "0123456789abcdefghijklmnopqrstuv"
_REQUEST_ID_LENGTH = 20
_NOT_READ = object()
_JSON_TYPES = frozenset({"application/json", "application/*", "*/*"})


class Request:
    """An HTTP request. Header names are lower-case."""

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], bytes] = b"",
    ) -> None:
        """A body that is still to come is a function that reads it."""
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers or {}
        self._body = body
        self._json: Any = _NOT_READ

    @property
    def body(self) -> bytes:
        """Return the body. It is read when it is first asked for: a call that is refused before is not read.

        Raises:
            IntercomError: It does not come.
        """
        # Not a cached_property: before Python 3.12 one that waits for its client would hold up those of all others.
        if not isinstance(self._body, bytes):
            self._body = self._body()
        return self._body

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path, unquoted one by one, so that an identifier may hold a slash."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters; of repeated ones the last."""
        return _query_of(self.query_string)

    @property
    def json(self) -> Any:
        """The body as JSON: None when there is none.

        Raises:
            ValueError: It is not JSON.
        """
        if self._json is _NOT_READ:
            self._json = _json_of(self.body)
        return self._json

    @property
    def takes_json(self) -> bool:
        """Whether the client takes an answer in JSON: it says so, takes anything, or says nothing."""
        given = [part.partition(";")[0].strip().lower() for part in self.headers.get("accept", "").split(",")]
        return given == [""] or not _JSON_TYPES.isdisjoint(given)

    def bears(self, token: str) -> bool:
        """Whether the call is made with this access token."""
        return self.headers.get("authorization", "").strip() == f"Bearer {token}"


class Fate(Enum):
    """What becomes of the connection."""

    ANSWERED = "answered"
    RESET = "reset"
    HELD = "held"


@dataclass
class Response:
    """An HTTP response, or the lack of one."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    fate: Fate = Fate.ANSWERED
    hold_seconds: float = 0.0
    reason: str | None = None
    """Why the call is refused, as the body says."""

    @classmethod
    def refusing(cls, error: IntercomError) -> Response:
        """Return a refusal as a response, with a request id of its own."""
        request_id = new_request_id()
        response = cls.of(error.status, error.body(request_id))
        response.headers |= {**error.headers, "X-Request-Id": request_id}
        response.reason = error.message
        return response

    @classmethod
    def of(cls, status: int, content: object) -> Response:
        """A JSON response; without a body where there is no content."""
        if content is None:
            return cls(status)
        body = json.dumps(content, separators=(",", ":")).encode()
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8"})

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True, eq=False)
class Call:
    """One line of the sandbox's memory of calls. No status: nothing was answered (yet).

    Attributes:
        content: The body as it came; empty if the call was refused before it was read.
    """

    n: int
    at: float
    method: str
    path: str
    query_string: str
    version: str | None
    content: bytes = b""
    status: int | None = None
    fault: Fault | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of repeated ones the last."""
        return _query_of(self.query_string)

    @property
    def body(self) -> Any:
        """The body as it is best shown: JSON, else text, else None."""
        try:
            return _json_of(self.content)
        except ValueError:
            return self.content.decode(errors="replace")

    def as_json(self) -> dict[str, Any]:
        """The call as the control plane shows it."""
        return {
            "n": self.n,
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "body": self.body,
            "version": self.version,
            "status": self.status,
            "fault": self.fault and self.fault.value,
        }


def new_request_id() -> str:
    """Return a new request id, of 20 characters as Intercom's."""
    return "".join(random.choices(_REQUEST_ID_CHARACTERS, k=_REQUEST_ID_LENGTH))


def _query_of(query_string: str) -> dict[str, str]:
    return dict(parse_qsl(query_string, keep_blank_values=True))


def _json_of(body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
