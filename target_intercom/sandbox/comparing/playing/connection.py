"""Calls over HTTP: counted, at the pace that the rate limit allows, and with every failure in a sentence."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from target_intercom.sandbox.comparing.calls import JSON_TYPE, ComparisonError, Exchange, Raw

if TYPE_CHECKING:
    from target_intercom.sandbox.comparing.calls import Call
    from target_intercom.sandbox.comparing.playing.waiting import Waiting

MOST_CALLS = 400
_TIMEOUT = 60.0
_TOO_MANY = 429
_UNAVAILABLE = frozenset({502, 503, 504})
_MOST_TRIES = 4
_LONGEST_WAIT = 65.0
_RESERVE = 10
"""Calls of a window that are left to others."""

_NO_TOKEN = "none"  # noqa: S105 - it opens nothing


class CallsSpentError(ComparisonError):
    """All calls that there may be were made."""


class Connection:
    """Speaks to one workspace."""

    def __init__(self, url: str, token: str, waiting: Waiting, most: int = MOST_CALLS) -> None:
        self.waiting = waiting
        self.calls = 0
        self.most = most
        self._url = url.rstrip("/")
        self._token = token
        self._session = requests.Session()
        self._resume_at = 0.0

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def send(self, step: str, call: Call) -> Exchange:
        """Send a call, again where the rate limit refuses it, or a reading call where Intercom is away.

        Raises:
            ComparisonError: No answer came, or all calls are spent.
            Stopped: Somebody asked to stop before it was sent.
        """
        for tries in range(1, _MOST_TRIES + 1):
            self._keep_pace()
            exchange = self._once(step, call)
            if exchange.status == _TOO_MANY:
                self._resume_at = self.waiting.clock.now() + _wait_of(exchange)
            elif exchange.status in _UNAVAILABLE and call.method == "GET":
                self._resume_at = self.waiting.clock.now() + tries
            else:
                return exchange
        if exchange.status == _TOO_MANY:
            raise ComparisonError(
                f"The rate limit refused a call {_MOST_TRIES} times: try again when less is going on."
            )
        return exchange

    def _keep_pace(self) -> None:
        self.waiting.check()
        seconds = self._resume_at - self.waiting.clock.now()
        if seconds > 0:
            self.waiting.pause(min(seconds, _LONGEST_WAIT))
        self._resume_at = 0.0

    def _once(self, step: str, call: Call) -> Exchange:
        if self.calls >= self.most:
            raise CallsSpentError(f"{self.most} calls were made, which is all there may be.")
        self.calls += 1
        at, began = self.waiting.clock.now(), time.perf_counter()
        try:
            response = self._session.request(
                call.method,
                self._url + call.path,
                params=dict(call.query),
                headers=self._headers(call),
                timeout=_TIMEOUT,
                allow_redirects=False,
                **_body(call.body),
            )
        except requests.RequestException as error:
            raise ComparisonError(f"No answer came from {_host(self._url)}: {_reason(error)}.") from None
        seconds = time.perf_counter() - began
        headers = {name.lower(): value for name, value in response.headers.items()}
        exchange = Exchange(step, call, response.status_code, headers, _answer(response), at, seconds)
        self._leave_some(exchange)
        return exchange

    def _headers(self, call: Call) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token if call.is_authorized else _NO_TOKEN}",
            "Accept": call.accept,
            "Intercom-Version": call.version,
            **({} if call.body is None else {"Content-Type": JSON_TYPE}),
        }

    def _leave_some(self, exchange: Exchange) -> None:
        """Wait for the next window where this one is nearly full."""
        remaining, limit = _number(exchange, "x-ratelimit-remaining"), _number(exchange, "x-ratelimit-limit")
        if remaining is not None and limit is not None and remaining < min(_RESERVE, limit / 2):
            self._resume_at = self.waiting.clock.now() + _wait_of(exchange)


def _body(body: Any) -> dict[str, Any]:
    if isinstance(body, Raw):
        return {"data": body.text.encode()}
    return {} if body is None else {"json": body}


def _answer(response: requests.Response) -> Any:
    """Return the answer; one that is not JSON is not kept, only that it is none."""
    if not response.content:
        return None
    with suppress(ValueError):
        return response.json()
    return {"not_json": response.headers.get("content-type", "").partition(";")[0]}


def _wait_of(exchange: Exchange) -> float:
    """Return how long to wait for the next window: as the answer says, by its own clock."""
    retry_after, reset = _number(exchange, "retry-after"), _number(exchange, "x-ratelimit-reset")
    waits = [retry_after or 0.0]
    if reset is not None:
        waits.append(reset - exchange.at)
    return max(1.0, *waits)


def _number(exchange: Exchange, header: str) -> float | None:
    try:
        return float(exchange.headers[header])
    except (KeyError, ValueError):
        return None


def _host(url: str) -> str:
    """Return the host of an address, without a name and a password in it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _reason(error: requests.RequestException) -> str:
    """Return why no answer came, without address and headers."""
    if isinstance(error, requests.Timeout):
        return f"nothing came within {_TIMEOUT:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed or broke"
    return "the request could not be made"
