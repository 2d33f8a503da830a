"""The sandbox as an HTTP server on a thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.messages import Response
from target_intercom.sandbox.page import Page
from target_intercom.sandbox.sandbox import Sandbox
from target_intercom.sandbox.wire import Bounds, HttpServer, refusals
from target_intercom.sandbox.wire.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.conditions.limits import RateWindows
    from target_intercom.sandbox.messages import Call, Request
    from target_intercom.sandbox.workspace import Workspace


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
        """Return where it listens."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def token(self) -> str:
        """Return the access token that it takes."""
        return self.sandbox.token

    @property
    def workspace(self) -> Workspace:
        """Return the workspace as it is now."""
        return self.sandbox.workspace

    @property
    def conditions(self) -> Conditions:
        """Return the conditions; they may be set while it runs."""
        return self.sandbox.conditions

    @property
    def calls(self) -> list[Call]:
        """Return the calls so far."""
        return self.sandbox.calls

    @property
    def windows(self) -> RateWindows:
        """Return the calls by rate-limit window."""
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
        """Return the answer of the page or the API. Requests to the page, and under another's name, are no calls."""
        if not self._names.admit(request):
            return Response.refusing(refusals.misdirected())
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
