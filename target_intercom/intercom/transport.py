"""The way to Intercom: one place that sends, waits and retries."""

from __future__ import annotations

import json
import logging
import math
import re
import time
import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote

import backoff
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from target_intercom.errors import (
    CallFailedError,
    ConnectionLostError,
    Fault,
    ForbiddenError,
    GarbledAnswerError,
    InDoubtError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RetriableError,
    StoppedError,
    UnauthorizedError,
    UnreachableError,
)
from target_intercom.intercom.limiter import RateLimiter
from target_intercom.intercom.protocol import Json, RateLimit, Workspace, decipher
from target_intercom.intercom.traffic import Traffic

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import PreparedRequest

_T = t.TypeVar("_T")

_PLACEHOLDER: t.Final = re.compile(r"\{\w+\}")

_TIMEOUT = (10.0, 20.0)
"""Seconds to connect and to wait for an answer; the slowest recorded answer took 1.8 s (fact sheet section 13)."""
_MAX_TRIES = 6
"""So often a call is tried at least."""
_LONGEST_OUTAGE = 45.0
"""When nothing succeeds for so many seconds, the run is given up; an outage that is shorter is waited for."""
_LONGEST_BACKOFF = 20.0
_LONG_WAIT = 3.0
"""Waits for the rate limit that are longer, in seconds, are said."""
_LONGEST_LIMITED = 900.0
"""A call that gets nothing but 429 for so many seconds is given up."""


class _BearerAuth(requests.auth.AuthBase):
    """Sets the token on each request, so that no netrc file can replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """Follows no redirect, and does not look where it leads to: requests does, and fails at odd addresses."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Lead nowhere."""
        del resp


class Transport:
    """Sends calls at the pace that Intercom allows, and tries them again; safe to use from any number of threads."""

    def __init__(
        self,
        *,
        url: str,
        token: str,
        version: str,
        rate_limit_percent: int,
        max_connections: int,
        backoff_seconds: float = 1.0,
        outage_seconds: float = _LONGEST_OUTAGE,
        limited_seconds: float = _LONGEST_LIMITED,
        tries_permissions: bool = False,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            url: the API's address without a path.
            token: the access token; it leaves this object in the `Authorization` header only.
            version: the `Intercom-Version` header.
            rate_limit_percent: how full the rate-limit window may get.
            max_connections: how many connections are kept open at most.
            backoff_seconds: the first pause after a failure; it doubles from there.
            outage_seconds: how long nothing may succeed before the run is given up; waits for the rate limit do not
                count.
            limited_seconds: how long a call may get nothing but 429 before it is given up.
            tries_permissions: a call that is forbidden does not keep others from being sent.
            say: takes what a person who watches should know, such as why nothing moves; told the same more than
                once, it says it once.
        """
        self.traffic = Traffic()
        self._url = url.rstrip("/")
        self._say = say
        self._limiter = RateLimiter(rate_limit_percent, on_wait=self._note_wait)
        self._succeeded_at = -1.0
        self._stopped_at = math.inf
        self._why_stopped: Exception | None = None
        self._token = token
        self._session = _Session()
        self._session.auth = _BearerAuth(token)
        self._session.headers.update({"Accept": "application/json", "Intercom-Version": version})
        adapter = HTTPAdapter(pool_maxsize=max_connections, max_retries=0)
        self._session.mount(self._url, adapter)
        self._backoff_seconds = backoff_seconds
        self._outage_seconds = outage_seconds
        self._limited_seconds = limited_seconds
        self._tries_permissions = tries_permissions
        _hush()

    @property
    def window_used(self) -> float | None:
        """The used share of the rate-limit window, 0 to 1; None before Intercom has told."""
        return self._limiter.window_used

    def stop(self, why: Exception | None = None) -> None:
        """Send nothing more: whoever waits or comes later gets `why`, or `StoppedError`."""
        self._why_stopped = self._why_stopped or why
        self._stopped_at = min(self._stopped_at, time.monotonic())
        self._limiter.stop()

    def close(self, grace_seconds: float) -> bool:
        """Stop, and wait for what is in flight; False when some did not come back within the grace after the stop."""
        self.stop()
        settled = self._limiter.settle(max(0.0, self._stopped_at + grace_seconds - time.monotonic()))
        self._session.close()
        return settled

    def pause(self, seconds: float) -> None:
        """Wait before something is tried again; counted among the waits, and cut short when the run is stopped.

        Raises:
            StoppedError: it was.
        """
        self.traffic.waits(seconds)
        if self._limiter.stopped_within(seconds):
            raise self._stopped()

    def _request(
        self,
        method: str,
        template: str,
        read: Callable[[Json], _T],
        *,
        ids: tuple[str, ...] = (),
        body: Json = None,
        params: Mapping[str, str] | None = None,
        repeatable: bool = True,
        before: Callable[[], object] | None = None,
        version: str | None = None,
        optional: bool = False,
    ) -> _T:
        """Make a call: wait for its turn, send, decipher, and try again where that is safe."""
        values = iter(ids)
        path = _PLACEHOLDER.sub(lambda _match: quote(next(values), safe=""), template)
        content = None if body is None else _json(body)
        call = Call(f"{method} {template}", method, path, content, params, before, version, optional)

        def attempt() -> _T:
            try:
                return self._unlimited(call, read)
            except RetriableError as error:
                call.maybe_sent = call.maybe_sent or _maybe_sent(error)
                if call.maybe_sent and not repeatable:
                    raise InDoubtError(error.fault) from None
                raise

        retrying = backoff.on_exception(
            backoff.expo,
            RetriableError,
            factor=self._backoff_seconds,
            max_value=_LONGEST_BACKOFF,
            giveup=lambda error: self._gives_up(call, error),
            on_backoff=lambda details: self._note_retry(
                details["wait"], t.cast("RetriableError", details["exception"])
            ),
            logger=None,
        )
        try:
            return retrying(attempt)()
        except RetriableError as error:
            raise self._given_up(call, error) from None
        except NotFoundError as error:
            error.repeated = call.maybe_sent
            raise

    def _unlimited(self, call: Call, read: Callable[[Json], _T]) -> _T:
        """Send a call as often as 429 answers it, as long as its next turn is in time: that is pacing, not failure."""
        deadline = time.monotonic() + self._limited_seconds
        while True:
            try:
                return self._send(call, read)
            except RateLimitedError:
                self.traffic.limited()
                if time.monotonic() + self._limiter.closed_for > deadline:
                    raise

    def _send(self, call: Call, read: Callable[[Json], _T]) -> _T:
        """Send a call once, when the limiter lets it through."""
        asked_at = time.monotonic()
        with self._limiter.slot(self._stopped) as sent_at:
            call.paced += time.monotonic() - asked_at
            if call.before is not None:
                call.before()
            call.success_before = self._succeeded_at
            self.traffic.called(call.operation)
            response = self._exchange(call)
            self._limiter.learn(
                RateLimit.from_headers(response.headers),
                sent_at,
                exceeded=response.status_code == requests.codes.too_many_requests,
            )
        try:
            value = _read(response, read, self._token)
        except RefusedError:
            self._succeeded_at = time.monotonic()
            raise
        except (UnauthorizedError, ForbiddenError) as error:
            is_borne = call.optional or self._tries_permissions
            if not (is_borne and isinstance(error, ForbiddenError)):
                self.stop(error)
            raise
        self._succeeded_at = time.monotonic()
        return value

    def _exchange(self, call: Call) -> requests.Response:
        """The only place that touches the network; a subclass may keep a call from it.

        Redirects are not followed: a redirected write may lose its body (fact sheet section 1).
        """
        try:
            return self._session.request(
                call.method,
                self._url + call.path,
                params=call.params,
                data=call.body,
                headers=call.headers(),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The exception's own text names the path, and with it maybe somebody's external_id.
            fault = Fault(message=f"{_cause(error)} at {self._url}")
            raise ConnectionLostError(fault, sent=not _never_connected(error)) from None

    def _gives_up(self, call: Call, error: BaseException) -> bool:
        """Decide after a failure whether a call is tried again.

        Others succeeding while it goes on failing shows that it is this call; as long as nothing succeeds it is an
        outage, which may pass. Where nothing ever succeeded, it is the settings or the network.
        """
        if isinstance(error, RateLimitedError):
            return True
        call.failed(time.monotonic())
        is_long = call.failing_seconds > self._outage_seconds
        if call.failed_alone or not (is_long or call.tries >= _MAX_TRIES):
            return call.failed_alone and call.tries >= _MAX_TRIES
        # Where nothing else is under way, this makes known whether anything can succeed; then the next failure counts.
        return not self._answers() and (is_long or self._succeeded_at < 0)

    def _given_up(self, call: Call, error: RetriableError) -> Exception:
        """Tell whether it is this call or everything that fails."""
        fault = error.fault
        if isinstance(error, RateLimitedError):
            message = f"Intercom's rate limit is reached: {call.operation} got nothing but 429 ({fault})"
            others_succeed = self._succeeded_at > call.began
            return CallFailedError(fault, message) if others_succeed else UnreachableError(fault, message)
        if call.failed_alone:
            return CallFailedError(fault, f"{call.operation} failed {call.tries} times: {fault}")
        return UnreachableError(
            fault,
            f"Intercom cannot be reached: {fault}. Check 'region' and 'api_url', the network, and "
            "Intercom's status; then run again.",
        )

    def _answers(self) -> bool:
        """Ask once whether anything works at all."""
        probe = Call("GET /me", "GET", "/me", None, None)
        try:
            self._unlimited(probe, Workspace.from_json)
        except RefusedError:
            return True
        except RetriableError:
            return False
        return True

    def _stopped(self) -> Exception:
        """Say why a call is not sent: what ended the run, where it was a call."""
        return self._why_stopped or StoppedError("The run was stopped before this call was sent")

    def _note_retry(self, wait: float, error: RetriableError) -> None:
        self.traffic.retried()
        self.traffic.waits(wait)
        fault = error.fault
        trouble = fault.message if fault.status is None else f"it answers {fault.status}"
        self._say(f"Intercom does not answer as it should ({trouble}): calls are tried again")

    def _note_wait(self, wait: float) -> None:
        self.traffic.waits(wait)
        if wait > _LONG_WAIT:
            self._say("Intercom's rate limit is reached: calls wait for the next window")


@dataclass(slots=True)
class Call:
    """One call and what is known of its tries."""

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
    maybe_sent: bool = False
    began: float = field(default_factory=time.monotonic)
    tries: int = 0
    success_before: float = -1.0
    """When any call had last succeeded, as the last try began."""
    failing_since: float = math.inf
    """When it first failed, or last failed alone."""
    paced: float = 0.0
    """Seconds that it has waited for its turn since then."""
    failed_at: float = math.inf
    failed_alone: bool = False
    """Another call succeeded between the last two failures of this one, before its last try began."""

    def headers(self) -> dict[str, str]:
        """Give the headers that not every call has."""
        headers = {} if self.body is None else {"Content-Type": "application/json"}
        return headers if self.version is None else {**headers, "Intercom-Version": self.version}

    def failed(self, now: float) -> None:
        """Count a failure."""
        self.tries += 1
        self.failed_alone = self.success_before > self.failed_at
        self.failed_at = now
        if self.failed_alone or self.tries == 1:
            self.failing_since, self.paced = now, 0.0

    @property
    def failing_seconds(self) -> float:
        """For how long nothing has succeeded, as far as this call shows; 0 at its first failure."""
        return self.failed_at - self.failing_since - self.paced


def _hush() -> None:
    """Keep urllib3 from warning of odd answers: it quotes the path, and with it maybe somebody's external_id."""
    shows_all = logging.root.isEnabledFor(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.NOTSET if shows_all else logging.ERROR)


def _read(response: requests.Response, read: Callable[[Json], _T], token: str) -> _T:
    """Decipher an answer and read its value; a value that cannot be read is a garbled answer."""
    value = decipher(response.status_code, response.headers, response.content, token=token)
    try:
        return read(value)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        fault = Fault(status=response.status_code, message="the answer is not what the API describes")
        raise GarbledAnswerError(fault) from None


def _json(body: Json) -> bytes:
    return json.dumps(body, allow_nan=False).encode()


def _maybe_sent(error: RetriableError) -> bool:
    """Tell whether Intercom may have acted on the request that failed so."""
    if isinstance(error, ConnectionLostError):
        return error.sent
    return not isinstance(error, RateLimitedError)


def _never_connected(error: requests.RequestException) -> bool:
    """Tell whether the request surely never left: no connection came about."""
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
