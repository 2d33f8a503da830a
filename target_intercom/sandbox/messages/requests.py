"""A request, free of sockets."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
        """Return a body that is still to come is a function that reads it."""
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
        """Return the parts of the path, unquoted one by one, so that an identifier may hold a slash."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the query parameters; of repeated ones the last."""
        return query_of(self.query_string)

    @property
    def json(self) -> Any:
        """Return the body as JSON: None when there is none.

        Raises:
            ValueError: It is not JSON.
        """
        if self._json is _NOT_READ:
            self._json = json_of(self.body)
        return self._json

    @property
    def takes_json(self) -> bool:
        """Return whether the client takes an answer in JSON: it says so, takes anything, or says nothing."""
        given = [part.partition(";")[0].strip().lower() for part in self.headers.get("accept", "").split(",")]
        return given == [""] or not _JSON_TYPES.isdisjoint(given)

    def bears(self, token: str) -> bool:
        """Return whether the call is made with this access token."""
        return self.headers.get("authorization", "").strip() == f"Bearer {token}"


def query_of(query_string: str) -> dict[str, str]:
    """Return query parameters; of repeated ones the last."""
    return dict(parse_qsl(query_string, keep_blank_values=True))


def json_of(body: bytes) -> Any:
    """Return a body as JSON: None when there is none.

    Raises:
        ValueError: It is not JSON.
    """
    if not body.strip():
        return None
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
