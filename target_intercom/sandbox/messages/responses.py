"""A response, free of sockets."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_intercom.sandbox.errors import IntercomError

_REQUEST_ID_CHARACTERS = "0123456789abcdefghijklmnopqrstuv"
_REQUEST_ID_LENGTH = 20


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
        """Return a JSON response; without a body where there is no content."""
        if content is None:
            return cls(status)
        body = json.dumps(content, separators=(",", ":")).encode()
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8"})

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


def new_request_id() -> str:
    """Return a new request id, of 20 characters as Intercom's."""
    return "".join(random.choices(_REQUEST_ID_CHARACTERS, k=_REQUEST_ID_LENGTH))
