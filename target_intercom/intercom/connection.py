"""The only place that touches the network."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass, field

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from target_intercom.errors import ConnectionLostError, Fault
from target_intercom.intercom.outages import Tries

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import PreparedRequest

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
        headers = {} if self.body is None else {"Content-Type": "application/json"}
        return headers if self.version is None else {**headers, "Intercom-Version": self.version}


class _BearerAuth(requests.auth.AuthBase):
    """Sets the token on each request, so that no netrc file can replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Connection:
    """Connections to one address, kept open and used again.

    Of what requests does for every call, proxies and certificates are looked for once, and there are no cookies; nor
    are redirects followed: a redirected write may lose its body (fact sheet section 1).
    """

    def __init__(self, url: str, token: str, version: str, max_connections: int) -> None:
        """Connect to nothing yet; the token leaves this object in the `Authorization` header only."""
        self._url = url
        session = requests.Session()
        session.mount(url, HTTPAdapter(pool_maxsize=max_connections, max_retries=0, pool_block=True))
        self._adapter = session.get_adapter(url)
        self._settings: dict[str, t.Any] = dict(session.merge_environment_settings(url, {}, None, None, None))
        self._headers = {**session.headers, "Accept": "application/json", "Intercom-Version": version}
        self._auth = _BearerAuth(token)
        _hush()

    def send(self, call: Call) -> requests.Response:
        """Send a call once and return its answer, whatever it says.

        Raises:
            ConnectionLostError: no answer came.
        """
        try:
            request = requests.PreparedRequest()
            request.prepare(
                method=call.method,
                url=self._url + call.path,
                headers={**self._headers, **call.headers()},
                data=call.body,
                params=call.params,
                auth=self._auth,
            )
            response = self._adapter.send(request, timeout=_TIMEOUT, **self._settings)
            # Read whole, so that the connection is free again.
            _ = response.content
        except requests.RequestException as error:
            # The exception's own text has the path, which may have an external_id.
            fault = Fault(message=f"{_cause(error)} at {self._url}")
            raise ConnectionLostError(fault, sent=not _never_connected(error)) from None
        return response

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
