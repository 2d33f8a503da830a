"""The page's paths: which address shows what."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from target_intercom.sandbox.messages import Response
from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.views import calls, companies, company, people, person, tags

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.state import SandboxState

_Shown: TypeAlias = "tuple[str, dict[str, Any]]"
"""A template, and what it shows."""

WITHOUT_JINJA = "This page needs Jinja2: install target-intercom with its extra 'sandbox', or Jinja2 itself\n"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Every answer of the page carries them: nothing is loaded from, sent to or shown inside another place.

_READING = frozenset({"GET", "HEAD"})
_STATIC = {
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
    "/page/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
}
_JINJA = frozenset({"jinja2", "markupsafe"})


class Page:
    """Answers browsers. It reads the sandbox, and changes nothing."""

    def __init__(self, sandbox: SandboxState) -> None:
        self._sandbox = sandbox
        self._pages: dict[str, Callable[[Request], _Shown]] = {
            addresses.PEOPLE: self._people,
            addresses.COMPANIES: self._companies,
            addresses.TAGS: self._tags,
            addresses.CALLS: self._calls,
            addresses.LATEST_CALLS: self._latest_calls,
            addresses.WINDOW: lambda _: ("window", {}),
        }

    def answer(self, request: Request) -> Response | None:
        """Return the answer to a request to the page; None for a request to the API."""
        if not _is_ours(request):
            return None
        if request.method not in _READING:
            response = _text(405, "This page is only read.\n", Allow="GET, HEAD")
        else:
            response = self._shown(request)
        response.headers.update(_HEADERS)
        return response

    def _shown(self, request: Request) -> Response:
        if request.path in _STATIC:
            name, content_type = _STATIC[request.path]
            return Response(200, _static(name), {"Content-Type": content_type})
        try:
            rendering = _rendering()
        except ModuleNotFoundError as error:
            if error.name not in _JINJA:
                raise
            return _text(501, WITHOUT_JINJA)
        status, template, shown = self._view(request)
        html: str = rendering.html(template, **shown, window=self._window())
        return Response(status, html.encode(errors="replace"), {"Content-Type": "text/html; charset=utf-8"})

    def _view(self, request: Request) -> tuple[int, str, dict[str, Any]]:
        """Return the status, the template and what it shows."""
        show = self._pages.get(request.path)
        if show is not None:
            return 200, *show(request)
        for prefix, show_object in ((addresses.PERSON, self._person), (addresses.COMPANY, self._company)):
            if request.path.startswith(prefix):
                shown = show_object(unquote(request.path.removeprefix(prefix)), request)
                return (404, "missing", {"path": request.path}) if shown is None else (200, *shown)
        return 404, "missing", {"path": request.path}

    def _people(self, request: Request) -> _Shown:
        return "people", {"view": people.view(self._sandbox.workspace, request.query)}

    def _companies(self, request: Request) -> _Shown:
        return "companies", {"view": companies.view(self._sandbox.workspace, request.query)}

    def _tags(self, _: Request) -> _Shown:
        return "tags", {"tags": tags.view(self._sandbox.workspace)}

    def _calls(self, request: Request) -> _Shown:
        return "calls", {"view": calls.view(self._sandbox.workspace, self._sandbox.history, request.query)}

    def _latest_calls(self, _: Request) -> _Shown:
        return "latest_calls", {"view": calls.view(self._sandbox.workspace, self._sandbox.history, {})}

    def _person(self, contact_id: str, _: Request) -> _Shown | None:
        workspace, history = self._sandbox.workspace, self._sandbox.history
        workspace.settle()
        contact = workspace.known(contact_id)
        return None if contact is None else ("person", {"view": person.view(workspace, history, contact)})

    def _company(self, company_id: str, request: Request) -> _Shown | None:
        workspace = self._sandbox.workspace
        found = workspace.known_company(company_id)
        return None if found is None else ("company", {"view": company.view(workspace, found, request.query)})

    def _window(self) -> calls.WindowView:
        now, conditions = self._sandbox.now(), self._sandbox.conditions
        window = self._sandbox.windows.current(now, conditions.rate_limit, conditions.rate_window)
        return calls.window_view(window, now)


def _is_ours(request: Request) -> bool:
    """Return whether the page is meant: the root, or a prefix that Intercom's API does not have; without a token."""
    if "authorization" in request.headers:
        return False
    if request.path.startswith(addresses.PREFIX):
        return True
    return request.method in _READING and request.path in {addresses.PEOPLE, *_STATIC}


def _rendering() -> ModuleType:
    """Return the part that needs Jinja2, imported when the first page is asked for."""
    return importlib.import_module("target_intercom.sandbox.page.rendering")


@cache
def _static(name: str) -> bytes:
    return files(__package__).joinpath("static").joinpath(name).read_bytes()


def _text(status: int, text: str, **headers: str) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **headers})
