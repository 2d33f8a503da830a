"""Calls to a sandbox in this process, without a socket: most of the time of a call goes into HTTP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from target_intercom.sandbox import Request
from target_intercom.sandbox.messages import Fate

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import Response


class Nearby(BaseAdapter):
    """The way to what answers; to be mounted in a session. An answer that is held is none."""

    url = "http://nearby.test"

    def __init__(self, handle: Callable[[Request], Response]) -> None:
        super().__init__()
        self._handle = handle

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Have a call answered.

        Raises:
            ConnectionError: no answer comes.
        """
        answer = self._handle(request_of(request))
        if answer.fate is not Fate.ANSWERED:
            raise requests.ConnectionError(answer.fate.value, request=request)
        return response_of(request, answer)

    def close(self) -> None:
        """There is nothing to close."""


def request_of(sent: requests.PreparedRequest) -> Request:
    """What a server reads of what was sent."""
    address = urlsplit(sent.url or "")
    headers = {name.lower(): value for name, value in sent.headers.items()}
    body = sent.body or b""
    return Request(
        sent.method or "",
        str(address.path),
        str(address.query),
        headers,
        body.encode() if isinstance(body, str) else body,
    )


def response_of(sent: requests.PreparedRequest, answer: Response) -> requests.Response:
    """What a client reads of an answer."""
    response = requests.Response()
    response.status_code = answer.status
    response.headers.update(answer.headers)
    response.raw = io.BytesIO(answer.body)
    response.request, response.url = sent, sent.url or ""
    return response
