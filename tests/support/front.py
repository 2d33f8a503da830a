"""Intercom with a will of its own: a server before the sandbox."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from target_intercom.sandbox.wire import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from target_intercom.sandbox import Request, Response, SandboxServer

    Hook: TypeAlias = Callable[[Request], Response | None]


class Front:
    """Stands before a sandbox, and answers some calls itself."""

    def __init__(self, sandbox: SandboxServer, hook: Hook) -> None:
        self._sandbox = sandbox
        self.hook = hook
        self._http = HttpServer(("127.0.0.1", 0), self._answer)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def let_through(self) -> None:
        self.hook = lambda _request: None

    def handle(self, request: Request) -> Response:
        return self._sandbox.sandbox.handle(request)

    def _answer(self, request: Request) -> Response:
        own = self.hook(request)
        return self.handle(request) if own is None else own

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.close_connections()
        self._http.server_close()
