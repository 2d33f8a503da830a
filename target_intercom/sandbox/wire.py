"""The sandbox on a socket: keep-alive, one thread a connection, and connections that break on demand."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.messages import Fate, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.1
_LINGER_NOT = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


class HttpServer(ThreadingHTTPServer):
    """Hands requests to a function."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name that may take seconds."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection, so that it can be closed at the end."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; without a farewell if it is to be reset."""
        with self._lock:
            self._connections.discard(request)
        if _is_to_be_reset(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def close_connections(self) -> None:
        """End what is under way."""
        self.stopping.set()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpServer

    def answer(self) -> None:
        """Read a request, answer it in one write."""
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "chunked" in headers.get("transfer-encoding", ""):
            self.close_connection = True
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        length = int(headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        response = self.server.answer(Request(self.command, path, query, headers, body))
        if response.fate is Fate.ANSWERED:
            self._write(response)
        else:
            self._break(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

    def _write(self, response: Response) -> None:
        reason = HTTPStatus(response.status).phrase
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines.append(f"Content-Length: {len(response.body)}\r\n\r\n")
        body = b"" if self.command == "HEAD" else response.body
        self.wfile.write("\r\n".join(lines).encode("latin-1") + body)

    def _break(self, response: Response) -> None:
        self.close_connection = True
        if response.fate is Fate.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        else:
            self._hold(response.hold_seconds)

    def _hold(self, seconds: float) -> None:
        """Wait, until the time is over, the client leaves or the server stops."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.stopping.is_set():
            wait = min(_POLL_SECONDS, max(0.0, until - time.monotonic()))
            readable, _, _ = select.select([self.connection], [], [], wait)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return
            if readable:  # a client that sends its next request unanswered
                time.sleep(wait)


def _is_to_be_reset(connection: socket.socket) -> bool:
    try:
        option = connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_LINGER_NOT))
    except OSError:
        return False
    return option == _LINGER_NOT
