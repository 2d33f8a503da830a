"""The page's paths: which address shows what."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from target_intercom.sandbox.messages import Response
from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.views import calls, people, person, tags

if TYPE_CHECKING:
    from types import ModuleType

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.state import State

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

    def __init__(self, sandbox: State) -> None:
        self._sandbox = sandbox

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
        workspace, history = self._sandbox.workspace, self._sandbox.history
        if request.path == addresses.PEOPLE:
            return 200, "people", {"view": people.view(workspace, request.query)}
        if request.path == addresses.TAGS:
            return 200, "tags", {"tags": tags.view(workspace)}
        if request.path == addresses.CALLS:
            return 200, "calls", {"view": calls.view(workspace, history, request.query)}
        if request.path == addresses.LATEST_CALLS:
            return 200, "latest_calls", {"view": calls.view(workspace, history, {})}
        if request.path == addresses.WINDOW:
            return 200, "window", {}
        contact = self._contact(request)
        if contact is None:
            return 404, "missing", {"path": request.path}
        return 200, "person", {"view": person.view(workspace, history, contact)}

    def _contact(self, request: Request) -> Contact | None:
        if not request.path.startswith(addresses.PERSON):
            return None
        return self._sandbox.workspace.known(unquote(request.path.removeprefix(addresses.PERSON)))

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
