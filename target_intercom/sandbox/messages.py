"""What goes in and out of the sandbox, free of sockets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.faults import Fault


@dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are lower-case."""

    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path, unquoted one by one, so that an identifier may hold a slash."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters; of repeated ones the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def json(self) -> Any:
        """The body as JSON: None when there is none.

        Raises:
            ValueError: It is not JSON.
        """
        if not self.body.strip():
            return None
        return json.loads(self.body, parse_constant=_refuse_constant)

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


@dataclass
class Call:
    """One line of the sandbox's memory of calls. No status: nothing was answered (yet)."""

    n: int
    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    version: str | None
    status: int | None = None
    fault: Fault | None = None

    def as_json(self) -> dict[str, Any]:
        """The call as the control plane shows it."""
        return {**vars(self), "fault": self.fault and self.fault.value}


def readable_body(request: Request) -> Any:
    """The body as it is best shown: JSON, else text, else None."""
    try:
        return request.json
    except ValueError:
        return request.body.decode(errors="replace")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
