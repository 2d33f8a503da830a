"""The sandbox as a function from request to response."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import control, errors, routes
from target_intercom.sandbox.messages import Fate, Fault, Response, new_request_id
from target_intercom.sandbox.recording import subjects
from target_intercom.sandbox.state import SandboxState
from target_intercom.sandbox.versions import DEFAULT, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions.limits import Allowance
    from target_intercom.sandbox.messages import Call, Request
    from target_intercom.sandbox.recording.history import Entry

_log = logging.getLogger(__name__)
_WITH_BODY = frozenset({"POST", "PUT"})


class Sandbox(SandboxState):
    """An Intercom workspace and the API in front of it."""

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        if request.path.startswith(control.PREFIX):
            return self._guarded(lambda: self._control(request))
        call, entry = self.calls.record(self._clock(), request), self._entered(request)
        began = time.perf_counter()
        response = self._guarded(lambda: self._api(request, call, entry))
        call.status = response.status or None
        fault = call.fault and call.fault.value
        entry.end(call.status, response.headers["X-Request-Id"], time.perf_counter() - began, fault)
        entry.reason = response.reason
        return response

    def _entered(self, request: Request) -> Entry:
        """Record what the page shows of a call, also of one that will be refused."""
        found = routes.match(request)
        entry = self.history.begin(self._clock(), request, None if found is None else found[0].template)
        self._touch(entry, request, None)
        return entry

    def _touch(self, entry: Entry, request: Request, body: object) -> None:
        """Record the contacts that a call's path and body name."""
        found = routes.match(request)
        if found is None:
            return
        route, params = found
        for contact_id in subjects.named(route.method, route.template, params, body):
            if self.workspace.known(contact_id):
                self.history.touch(entry, contact_id)

    def _read(self, request: Request, call: Call, entry: Entry) -> None:
        """Read the body of a call that bears the token. Of any other call nothing is kept."""
        self.calls.record_body(call, request.body)
        self._touch(entry, request, call.body)

    def _guarded(self, answer: Callable[[], Response]) -> Response:
        """Turn refusals into answers, and give each answer the headers that all have."""
        try:
            response = answer()
        except errors.IntercomError as error:
            response = Response.refusing(error)
        except Exception:  # noqa: BLE001 - a bug here is an answer there, not a lost connection
            _log.exception("The sandbox broke")
            broken = errors.IntercomError(500, "sandbox_error", "The sandbox broke: see its log")
            response = Response.refusing(broken)
        response.headers.setdefault("X-Request-Id", new_request_id())
        response.headers["Date"] = formatdate(self._clock(), usegmt=True)
        response.headers.setdefault("Intercom-Version", DEFAULT.name)
        return response

    def _control(self, request: Request) -> Response:
        if not request.bears(self.token):
            raise errors.unauthorized()
        _require_json(request)
        return control.answer(self, request)

    def _api(self, request: Request, call: Call, entry: Entry) -> Response:
        conditions = self.conditions
        if conditions.token_revoked or not request.bears(self.token):
            raise errors.unauthorized()
        self._read(request, call, entry)
        allowance = self.windows.arrive(self._clock(), conditions.rate_limit, conditions.rate_window)
        headers = allowance.headers()
        try:
            version = Version.parse(request.headers.get("intercom-version"))
            headers["Intercom-Version"] = version.name
            run = partial(self._run, request, version, partial(self.history.touch, entry))
            response = self._with_fault(request, run, allowance, call)
        except errors.IntercomError as error:
            error.headers = headers | error.headers
            raise
        response.headers = headers | response.headers
        return response

    def _with_fault(self, request: Request, run: Callable[[], Response], allowance: Allowance, call: Call) -> Response:
        conditions = self.conditions
        if allowance.exceeded:
            raise errors.rate_limited(allowance.limit, conditions.rate_window)
        if conditions.latency:
            time.sleep(conditions.latency)
        call.fault = conditions.plan.draw(request, conditions.fault_rate, conditions.faults)
        if call.fault is None:
            return run()
        if call.fault.writes:
            _run_quietly(run)
        return self._failing(call.fault)

    def _run(self, request: Request, version: Version, touched: Callable[[str], None]) -> Response:
        if not request.takes_json:
            raise errors.media_type_not_acceptable()
        route, params = routes.find(request)
        if version.number < route.since:
            raise errors.not_in_this_version()
        if route.scope in self.conditions.deny_scopes:
            raise errors.forbidden(route.scope)
        errand = routes.Errand(
            workspace=self.workspace,
            version=version,
            params=params,
            query=request.query,
            body=_body_of(request),
            path=request.path,
            region=self.region,
            base_url=_base_url(request),
            touched=touched,
        )
        self.workspace.settle()
        return Response.of(route.status, route.run(errand))

    def _failing(self, fault: Fault) -> Response:
        if fault is Fault.TOO_MANY:
            error = errors.rate_limited(self.conditions.rate_limit, self.conditions.rate_window)
            error.headers["X-RateLimit-Remaining"] = "0"
            raise error
        if fault in {Fault.ERROR, Fault.ERROR_AFTER}:
            raise errors.server_error()
        if fault in {Fault.RESET_BEFORE, Fault.RESET_AFTER}:
            return Response(0, fate=Fate.RESET)
        if fault in {Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER}:
            return Response(0, fate=Fate.HELD, hold_seconds=self.conditions.fault_timeout)
        if fault is Fault.HTML:
            page = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
            return Response(503, page, {"Content-Type": "text/html"})
        broken = b'{"type":"contact","id":"6762f0d5'
        return Response(200, broken, {"Content-Type": "application/json; charset=utf-8"})


def _run_quietly(run: Callable[[], Response]) -> None:
    try:
        run()
    except errors.IntercomError:
        _log.debug("A call whose answer is lost was refused")


def _base_url(request: Request) -> str:
    """Return where the caller found the sandbox: what an answer links to must not lead it to Intercom."""
    host = request.headers.get("host")
    return f"http://{host}" if host else ""


def _body_of(request: Request) -> Mapping[str, Any]:
    if request.method not in _WITH_BODY:
        return {}
    _require_json(request)
    body = {} if request.json is None else request.json
    if not isinstance(body, dict):
        raise errors.unreadable_body()
    return body


def _require_json(request: Request) -> None:
    try:
        _ = request.json
    except ValueError:
        raise errors.unreadable_body() from None
