"""The sandbox as a function from request to response, and as an HTTP server on a thread."""

from __future__ import annotations

import logging
import threading
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import control, errors
from target_intercom.sandbox.conditions.conditions import Conditions
from target_intercom.sandbox.conditions.faults import Fault
from target_intercom.sandbox.conditions.limits import RateWindows
from target_intercom.sandbox.messages import Call, Fate, Request, Response, new_request_id
from target_intercom.sandbox.page import Page
from target_intercom.sandbox.recording import call_log
from target_intercom.sandbox.recording.call_log import CallLog
from target_intercom.sandbox.recording.history import Entry, History
from target_intercom.sandbox.routes import subjects
from target_intercom.sandbox.routes import table as routes
from target_intercom.sandbox.versions import DEFAULT, Version
from target_intercom.sandbox.wire.http import Bounds, HttpServer
from target_intercom.sandbox.wire.names import Names
from target_intercom.sandbox.workspace.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from target_intercom.sandbox.conditions.limits import Allowance

_log = logging.getLogger(__name__)
_WITH_BODY = frozenset({"POST", "PUT"})


class Sandbox:
    """An Intercom workspace and the API in front of it."""

    def __init__(
        self,
        conditions: Conditions | None = None,
        *,
        token: str = "sandbox",  # noqa: S107 - it guards nothing
        region: str = "US",
        clock: Callable[[], float] = time.time,
        remembered_bytes: int = call_log.MEMORY,
    ) -> None:
        self.token = token
        self.region = region
        self.conditions = conditions or Conditions()
        self._clock = clock
        self._remembered_bytes = remembered_bytes
        self._initial = self.conditions.copy()
        self._start()

    def _start(self) -> None:
        self.workspace = Workspace(self.conditions, self._clock)
        self.windows = RateWindows()
        self.calls = CallLog(self._remembered_bytes)
        self.history = History()

    def reset(self) -> None:
        """Forget contacts, tags, attributes, jobs, calls and windows; conditions are as at the start."""
        self.workspace.jobs.stop()
        initial = self._initial.as_json() | {"targeted": []}
        self.conditions.change(initial)
        self._start()

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

    def now(self) -> float:
        """What its clock shows, in UNIX seconds."""
        return self._clock()

    def _entered(self, request: Request) -> Entry:
        """Begin what the page tells of a call, also of one that will be refused."""
        found = routes.match(request)
        entry = self.history.begin(self._clock(), request, None if found is None else found[0].template)
        self._touch(entry, request, None)
        return entry

    def _touch(self, entry: Entry, request: Request, body: object) -> None:
        """Keep the contacts that a call's path and body name."""
        found = routes.match(request)
        if found is None:
            return
        for contact_id in subjects.named(*found, body):
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
            region=self.region,
            base_url=_base_url(request),
            touched=touched,
        )
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


class SandboxServer:
    """A sandbox that listens: `with SandboxServer(Conditions(search_lag=2)) as sandbox: sandbox.url`."""

    def __init__(
        self,
        conditions: Conditions | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        allowed_hosts: Iterable[str] = (),
        bounds: Bounds | None = None,
        **sandbox: Any,
    ) -> None:
        """Bind the port; `sandbox` are the keywords of `Sandbox`, `allowed_hosts` further names to be asked under.

        Raises:
            OSError: The address cannot be used.
        """
        self.sandbox = Sandbox(conditions, **sandbox)
        self._http = HttpServer((host, port), self._answer, bounds)
        self._names = Names.of(host, str(self._http.server_address[0]), allowed_hosts)
        self._page = Page(self.sandbox)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def token(self) -> str:
        """The access token that it takes."""
        return self.sandbox.token

    @property
    def workspace(self) -> Workspace:
        """The workspace as it is now."""
        return self.sandbox.workspace

    @property
    def conditions(self) -> Conditions:
        """The conditions; they may be set while it runs."""
        return self.sandbox.conditions

    @property
    def calls(self) -> list[Call]:
        """The calls so far."""
        return self.sandbox.calls

    @property
    def windows(self) -> RateWindows:
        """The calls by rate-limit window."""
        return self.sandbox.windows

    def start(self) -> None:
        """Answer calls, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, close all connections, and leave bulk jobs where they are."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.close_connections()
        self._http.server_close()
        self.workspace.jobs.stop()

    def _answer(self, request: Request) -> Response:
        """The page lies beside the API: what is asked of it is no call, nor is what is asked under another's name."""
        if not self._names.admit(request):
            return Response.refusing(errors.misdirected())
        return self._page.answer(request) or self.sandbox.handle(request)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _run_quietly(run: Callable[[], Response]) -> None:
    try:
        run()
    except errors.IntercomError:
        _log.debug("A call whose answer is lost was refused")


def _base_url(request: Request) -> str:
    """Where the caller found the sandbox: what an answer links to must not lead it to Intercom."""
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
