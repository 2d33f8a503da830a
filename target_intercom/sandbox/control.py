"""The control plane: `/_sandbox/…`, for tests and for the curious."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.state import SandboxState

PREFIX = "/_sandbox/"


def answer(sandbox: SandboxState, request: Request) -> Response:
    """Answer a call to the control plane.

    Raises:
        IntercomError: There is no such call, or its body is refused.
    """
    run = _ROUTES.get((request.method, request.path.removeprefix(PREFIX)))
    if run is None:
        raise errors.resource_not_found()
    return Response.of(200, run(sandbox, request))


def _calls(sandbox: SandboxState, _: Request) -> dict[str, Any]:
    return {"calls": [call.as_json() for call in sandbox.calls]}


def _contacts(sandbox: SandboxState, _: Request) -> dict[str, Any]:
    return {"contacts": sandbox.workspace.everything()}


def _companies(sandbox: SandboxState, _: Request) -> dict[str, Any]:
    return {"companies": sandbox.workspace.all_companies()}


def _jobs(sandbox: SandboxState, _: Request) -> dict[str, Any]:
    return {"jobs": sandbox.workspace.jobs.everything()}


def _windows(sandbox: SandboxState, _: Request) -> dict[str, Any]:
    return {"windows": [vars(window) for window in sandbox.windows.all()]}


def _show_conditions(sandbox: SandboxState, _: Request) -> dict[str, Any]:
    return sandbox.conditions.as_json()


def _change_conditions(sandbox: SandboxState, request: Request) -> dict[str, Any]:
    sandbox.conditions.change(_body(request))
    return sandbox.conditions.as_json()


def _reset(sandbox: SandboxState, request: Request) -> dict[str, Any]:
    for key in _body(request):
        raise errors.invalid(f"Unknown key: {key}", key)
    sandbox.reset()
    return sandbox.conditions.as_json()


def _body(request: Request) -> dict[str, Any]:
    body = {} if request.json is None else request.json
    if not isinstance(body, dict):
        raise errors.unreadable_body()
    return body


_ROUTES: dict[tuple[str, str], Callable[[SandboxState, Request], dict[str, Any]]] = {
    ("GET", "calls"): _calls,
    ("GET", "contacts"): _contacts,
    ("GET", "companies"): _companies,
    ("GET", "jobs"): _jobs,
    ("GET", "windows"): _windows,
    ("GET", "conditions"): _show_conditions,
    ("POST", "conditions"): _change_conditions,
    ("POST", "reset"): _reset,
}
