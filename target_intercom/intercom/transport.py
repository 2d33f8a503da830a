"""Sends calls to Intercom: waits for the rate limit and outages, and tries again."""

from __future__ import annotations

import math
import re
import typing as t
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import requests

from target_intercom.errors import (
    ApiError,
    CallFailedError,
    Fault,
    ForbiddenError,
    InDoubtError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RegionError,
    RetriableError,
    StoppedError,
    UnauthorizedError,
    UnreachableError,
)
from target_intercom.intercom.clock import MACHINE, Clock
from target_intercom.intercom.connection import Call, Connection, content_of
from target_intercom.intercom.limiter import RateLimiter
from target_intercom.intercom.outages import AfterFailure, Outages, RetryLimits, Tries, Turn, about
from target_intercom.intercom.protocol.answers import read_answer
from target_intercom.intercom.protocol.headers import RateLimit
from target_intercom.intercom.traffic import Traffic

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_intercom.json_lines import Json

_T = t.TypeVar("_T")

_What: t.TypeAlias = "tuple[str, bytes | None]"
"""The path and the body of a call."""

_PLACEHOLDER: t.Final = re.compile(r"\{\w+\}")

_RUNS_ENDED: t.Final = 2
"""A call that has ended so many runs in a row, alone, is to blame the next time."""
_LONG_WAIT = 3.0
"""Waits for the rate limit that are longer, in seconds, are said."""


class Transport:
    """Sends calls at the pace that Intercom allows, and tries them again; safe to use from any number of threads."""

    retry_limits: t.ClassVar[RetryLimits] = RetryLimits()
    """The limits for failures where none are given."""
    clock: t.ClassVar[Clock] = MACHINE
    """Tells the time, and how pauses pass."""

    def __init__(
        self,
        *,
        url: str,
        token: str,
        version: str,
        rate_limit_percent: int,
        max_connections: int,
        retry_limits: RetryLimits | None = None,
        tries_permissions: bool = False,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Send nothing yet. The parameters are settings of the run, handed on to its parts.

        Args:
            url: the API's address without a path.
            token: the access token; it leaves this object in the `Authorization` header only.
            version: the `Intercom-Version` header.
            rate_limit_percent: how full the rate-limit window may get.
            max_connections: how many connections are kept open at most.
            retry_limits: the limits for failures; None: `Transport.retry_limits`.
            tries_permissions: a call that is forbidden does not keep others from being sent.
            warn: takes warnings, such as why the run waits; may be called with the same one again.
        """
        self.traffic = Traffic(self.clock.monotonic)
        self._url = url.rstrip("/")
        self._warn = warn
        self._limiter = RateLimiter(
            rate_limit_percent, clock=self.clock.time, wait=self.clock.wait, on_wait=self._note_wait
        )
        self._retry_limits = self.retry_limits if retry_limits is None else retry_limits
        self._answered: dict[str, Sequence[_What]] = {}
        self._outages = Outages(
            self._retry_limits, clock=self.clock.monotonic, wait=self.clock.wait, on_wait=self._note_outage
        )
        self._stopped_at = math.inf
        self._why_stopped: Exception | None = None
        self._token = token
        self._connection = Connection(self._url, token, version, max_connections)
        self._tries_permissions = tries_permissions

    @property
    def window_used(self) -> float | None:
        """The used share of the rate-limit window, 0 to 1; None before Intercom has told."""
        return self._limiter.window_used

    def intercom_time(self, moment: float) -> float:
        """Return what Intercom's clock showed at a moment of ours, in unix seconds, once a call was answered."""
        return moment + self._limiter.skew

    def remember(self, failures: Mapping[str, int]) -> None:
        """Keep the calls that ended earlier runs alone, each with how many runs in a row it ended."""
        self._outages.remember(failures, [call for call, runs in failures.items() if runs >= _RUNS_ENDED])

    @property
    def ended_by(self) -> str | None:
        """The call that failed alone until its operation was given up; None: several did, or none."""
        return self._outages.ended_by

    @property
    def worked(self) -> frozenset[str]:
        """The calls that ended earlier runs, and that were answered in this one."""
        return frozenset(self._outages.worked)

    def stop(self, why: Exception | None = None) -> None:
        """Send nothing more: calls that wait or come later raise `why`, or `StoppedError`."""
        self._why_stopped = self._why_stopped or why
        self._stopped_at = min(self._stopped_at, self.clock.monotonic())
        self._limiter.stop()
        self._outages.stop()

    def close(self, grace_seconds: float) -> bool:
        """Stop, and wait for calls in flight; returns whether all came back within the grace after the stop."""
        self.stop()
        settled = self._limiter.settle(max(0.0, self._stopped_at + grace_seconds - self.clock.monotonic()))
        self._connection.close()
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
        subject: tuple[object, ...] = (),
        tries: Tries | None = None,
        reads: bool = False,
        parts: Sequence[Json] = (),
        others: Sequence[Json] = (),
    ) -> _T:
        """Send a call when its turn has come, read its answer, and try again where that is safe.

        Args:
            method: the HTTP method.
            template: the path, with placeholders for `ids`.
            read: reads the value of the answer.
            ids: what the placeholders stand for.
            body: what is sent.
            params: the query.
            repeatable: False: once Intercom may have seen it, `InDoubtError` is raised in place of a repetition.
            before: is called right before each time it is sent.
            version: its own `Intercom-Version`.
            optional: that it is forbidden does not end the run.
            subject: what the call is about, where neither `ids` nor the body tells it from every other.
            tries: the failures of earlier calls for the same.
            reads: it changes nothing, as GET does: what was answered last may be asked again, to see whether the
                operation answers at all.
            parts: bodies of calls that ask for the same together; a call that has some is given up sooner.
            others: bodies of calls that may be sent in its place for the same purpose.
        """
        values = iter(ids)
        path = _PLACEHOLDER.sub(lambda _match: quote(next(values), safe=""), template)
        content = None if body is None else content_of(body)
        call = Call(f"{method} {template}", method, path, content, params, before, version, optional)
        call.tries, call.subject = Tries() if tries is None else tries, subject or ids or (content,)
        call.is_harmless = reads or method == "GET"
        while True:
            self._wait_again(call)
            try:
                if self._ask_instead(call, read, (*parts, *others)) and parts:
                    raise CallFailedError(call.fault, call.kept_failing())
                return self._unlimited(call, read)
            except RetriableError as error:
                self._check(call, error, many=bool(parts))
                if call.maybe_sent and not repeatable:
                    raise InDoubtError(error.fault) from None
                self._note_retry(error)
            except NotFoundError as error:
                error.repeated = call.maybe_sent
                raise

    def _wait_again(self, call: Call) -> None:
        """Wait before a call is tried again."""
        pause = self._outages.pause(call.operation, call.tries) if call.tries.failures else 0.0
        if pause:
            self.pause(pause)

    def _ask_instead(self, call: Call, read: Callable[[Json], object], bodies: Sequence[Json]) -> bool:
        """Send something else in place of a call that keeps failing alone; returns whether it was answered.

        `bodies` are what may be sent; so may what was answered last.
        """
        if not call.tries.may_be_to_blame:
            return False
        stand_ins = [(call.path, content_of(one)) for one in bodies]
        answered = [one for one in self._answered.get(call.operation, ()) if one != (call.path, call.body)]
        choice = [*stand_ins, *answered]
        number = call.tries.stand_in(len(choice))
        if number is None or not self._outages.suspects(call.operation, call.tries):
            return False
        path, body = choice[number]
        with suppress(RefusedError):
            self._unlimited(replace(call, path=path, body=body, before=None, subject=()), read)
        return True

    def _unlimited(self, call: Call, read: Callable[[Json], _T]) -> _T:
        """Send a call as often as 429 answers it, as long as its next turn is in time: that is pacing, not failure."""
        deadline = self.clock.monotonic() + self._retry_limits.limited
        while True:
            try:
                return self._send(call, read)
            except RateLimitedError:
                self.traffic.limited()
                if self.clock.monotonic() + self._limiter.closed_for > deadline:
                    raise

    def _send(self, call: Call, read: Callable[[Json], _T]) -> _T:
        """Send a call once, when outages and the rate limit let it through."""
        with self._outages.turn(call.operation, call.tries, self._stopped) as turn:
            asked_at = self.clock.monotonic()
            sent_at = asked_at
            try:
                with self._limiter.slot(self._stopped) as granted_at:
                    sent_at = self.clock.monotonic()
                    call.tries.paced += sent_at - asked_at
                    response = self._sent(call, granted_at)
                value = read_answer(response.status_code, response.headers, response.content, read, token=self._token)
            except RateLimitedError:
                raise
            except RetriableError:
                turn.failed(sent_at)
                raise
            except (ApiError, RegionError) as error:
                self._note_answer(turn, call)
                is_borne = call.optional or self._tries_permissions
                if isinstance(error, UnauthorizedError) or (isinstance(error, ForbiddenError) and not is_borne):
                    self.stop(error)
                raise
            self._note_answer(turn, call)
        return value

    def _note_answer(self, turn: Turn, call: Call) -> None:
        turn.answered()
        if call.is_harmless:
            self._answered[call.operation] = ((call.path, call.body),)
        if self._outages.has_notes and call.subject:
            self._outages.note_work(about(call.operation, *call.subject))

    def _sent(self, call: Call, granted_at: float) -> requests.Response:
        """Send a call now, and learn the pace from its answer."""
        if call.before is not None:
            call.before()
        self.traffic.called(call.operation)
        response = self._exchange(call)
        self._limiter.learn(
            RateLimit.from_headers(response.headers),
            granted_at,
            exceeded=response.status_code == requests.codes.too_many_requests,
        )
        self.traffic.filled(self._limiter.window_used)
        return response

    def _exchange(self, call: Call) -> requests.Response:
        """Send a call; a subclass may keep it from being sent."""
        return self._connection.send(call)

    def _check(self, call: Call, error: RetriableError, *, many: bool) -> None:
        """Raise what a failure ends: the run, or this call.

        Raises:
            UnreachableError: the operation was out for too long.
            CallFailedError: the call kept failing while others of its operation were answered.
        """
        fault = error.fault
        call.maybe_sent = call.maybe_sent or error.sent
        if isinstance(error, RateLimitedError):
            message = f"Intercom's rate limit is reached: {call.operation} got nothing but 429 ({fault})"
            raise UnreachableError(fault, message) from None
        call.fault = fault
        call.tries.about = call.tries.about or about(call.operation, *call.subject)
        match self._outages.judge(call.operation, call.tries, many=many):
            case AfterFailure.GIVE_UP:
                raise CallFailedError(fault, call.kept_failing()) from None
            case AfterFailure.OUTAGE:
                raise UnreachableError(fault, self._unreachable(call, fault)) from None
            case AfterFailure.AGAIN:
                pass

    def _unreachable(self, call: Call, fault: Fault) -> str:
        if not self._outages.has_answered:
            return (
                f"Intercom cannot be reached: {fault}. Check 'region' and 'api_url', the network, and "
                "Intercom's status; then run again."
            )
        return (
            f"Intercom cannot be reached: {call.operation} did not work for {_minutes(self._retry_limits.outage)} "
            f"({fault}). Look at Intercom's status; then run again: what was not done is repeated."
        )

    def _stopped(self) -> Exception:
        """Return why a call is not sent: the error of the call that ended the run, if one did."""
        return self._why_stopped or StoppedError("The run was stopped before this call was sent")

    def _note_retry(self, error: RetriableError) -> None:
        self.traffic.retried()
        fault = error.fault
        trouble = fault.message if fault.status is None else f"it answers {fault.status}"
        self._warn(f"Intercom does not answer as it should ({trouble}): calls are tried again")

    def _note_outage(self, operation: str, wait: float) -> None:
        self.traffic.waits(wait)
        if wait > _LONG_WAIT:
            self._warn(
                f"Intercom does not answer {operation}: the run waits, {_minutes(self._retry_limits.outage)} at most"
            )

    def _note_wait(self, wait: float) -> None:
        self.traffic.waits(wait)
        if wait > _LONG_WAIT:
            self._warn("Intercom's rate limit is reached: calls wait for the next window")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes"
