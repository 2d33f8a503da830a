"""The only place that touches the network."""

from __future__ import annotations

import json
import logging
import typing as t
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from target_intercom.errors import ConnectionLostError, Fault
from target_intercom.intercom.outages import Tries

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import PreparedRequest

    from target_intercom.json_lines import Json

_TIMEOUT = (10.0, 20.0)
"""Seconds to connect and to wait for an answer; the slowest recorded answer took 1.8 s (fact sheet section 13)."""


@dataclass(slots=True)
class Call:
    """A call and its tries."""

    operation: str
    method: str
    path: str
    body: bytes | None
    params: Mapping[str, str] | None
    before: Callable[[], object] | None = None
    version: str | None = None
    """Its own `Intercom-Version`, where not every version has it."""
    optional: bool = False
    """The run may do without it: that it is forbidden does not keep others from being sent."""
    subject: tuple[object, ...] = ()
    """The subject of the call: ids or values that tell it from others of its operation."""
    is_harmless: bool = False
    """It changes nothing."""
    tries: Tries = field(default_factory=Tries)
    maybe_sent: bool = False
    fault: Fault = field(default_factory=Fault)
    """Why it failed the last time."""

    def headers(self) -> dict[str, str]:
        """Return the headers that not every call has."""
        headers: dict[str, str] = {} if self.version is None else {"Intercom-Version": self.version}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.method != "GET":
            headers["Content-Length"] = str(len(self.body or b""))
        return headers

    def kept_failing(self) -> str:
        """Return the message that it kept failing while others of its operation were answered."""
        return f"{self.operation} failed {self.tries.failures} times, while others were answered: {self.fault}"


def content_of(body: Json) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body, allow_nan=False).encode()


class _Adapter(HTTPAdapter):
    """Keeps connections open to one address, by the same settings for every call: so they are looked for once.

    Nor is anything made of an answer that nobody asks for, such as its cookies.
    """

    _pool: t.Any = None
    _verified: t.Any = None

    def get_connection_with_tls_context(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return the pool of connections."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def cert_verify(self, conn: t.Any, *args: t.Any) -> None:
        """Look for the certificates of a pool, which knows them then."""
        if self._verified is not conn:
            super().cert_verify(conn, *args)  # type: ignore[no-untyped-call] # its stub has no types
            self._verified = conn

    def build_response(self, req: PreparedRequest, resp: t.Any) -> requests.Response:
        """Return an answer: its status, headers and body."""
        response = requests.Response()
        response.request, response.raw = req, resp
        response.status_code, response.headers = resp.status, resp.headers
        return response


class Connection:
    """Connections to one address, kept open and used again.

    Of what requests does for every call, the address is read, and proxies and certificates are looked for, once; there
    are no cookies; nor are redirects followed: a redirected write may lose its body (fact sheet section 1).
    """

    def __init__(self, url: str, token: str, version: str, max_connections: int) -> None:
        """Connect to nothing yet; the token leaves this object in the `Authorization` header only."""
        self._url = url
        session = requests.Session()
        session.mount(url, _Adapter(pool_maxsize=max_connections, max_retries=0, pool_block=True))
        self._adapter = session.get_adapter(url)
        self._settings: dict[str, t.Any] = dict(session.merge_environment_settings(url, {}, None, None, None))
        self._headers = {
            **session.headers,
            "Accept": "application/json",
            "Intercom-Version": version,
            # Here, no netrc file can replace it.
            "Authorization": f"Bearer {token}",
        }
        _hush()

    def send(self, call: Call) -> requests.Response:
        """Send a call once and return its answer, whatever it says.

        Raises:
            ConnectionLostError: no answer came.
        """
        try:
            response = self._adapter.send(self._prepared(call), timeout=_TIMEOUT, **self._settings)
            # Read whole, so that the connection is free again.
            _ = response.content
        except requests.RequestException as error:
            # The exception's own text has the path, which may have an external_id.
            fault = Fault(message=f"{_cause(error)} at {self._url}")
            raise ConnectionLostError(fault, sent=not _never_connected(error)) from None
        return response

    def _prepared(self, call: Call) -> PreparedRequest:
        """Return a call as requests would prepare it; its path needs no more quoting."""
        query = "" if call.params is None else f"?{urlencode(call.params)}"
        request = requests.PreparedRequest()
        request.method, request.url = call.method, f"{self._address}{call.path}{query}"
        request.headers = self._headers | call.headers()  # type: ignore[assignment] # urllib3 takes any mapping
        request.body = call.body
        return request

    @cached_property
    def _address(self) -> str:
        return str(requests.Request("GET", self._url).prepare().url).rstrip("/")

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()


def _hush() -> None:
    """Keep urllib3 from logging odd answers: it quotes the path, which may have an external_id."""
    shows_all = logging.root.isEnabledFor(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.NOTSET if shows_all else logging.ERROR)


def _never_connected(error: requests.RequestException) -> bool:
    """Check whether the request surely never left: no connection came about."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS handshake failed"
    if _never_connected(error):
        return "no connection"
    return "the connection broke"
