"""The sandbox on a socket: keep-alive, one thread a connection, and connections that break on demand."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.messages import Fate, Request, Response
from target_intercom.sandbox.wire import refusals

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

_POLL_SECONDS = 0.1
_DROPPED_BYTES = 65_536
_UNKNOWN_LENGTH = sys.maxsize
_GIVEN_ONCE = ("authorization", "content-length", "host")
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
_NO_HEADERS = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)
_LINGER_NOT = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


@dataclass(frozen=True)
class Bounds:
    """What a client may take of the server.

    Attributes:
        body_bytes: The longest body.
        request_seconds: How long a request may take to come, and its answer to be fetched.
        idle_seconds: How long a connection may lie unused.
        dropping_seconds: How long a body may go on that was refused.
    """

    body_bytes: int = 10_000_000
    request_seconds: float = 60
    idle_seconds: float = 300
    dropping_seconds: float = 5


class HttpServer(ThreadingHTTPServer):
    """Hands requests to a function, without their bodies: they are read when they are asked for."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(
        self,
        address: tuple[str, int],
        answer: Callable[[Request], Response],
        bounds: Bounds | None = None,
    ) -> None:
        self.answer = answer
        self.bounds = bounds or Bounds()
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
        """Keep the connection, so that it can be closed at the end."""
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
        """Close all connections."""
        self.stopping.set()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write no log line about clients that hang up."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Incoming(io.RawIOBase):
    """What a client sends, until a deadline: also one that sends a byte now and then lets its thread go."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._until = 0.0

    def end_in(self, seconds: float) -> None:
        """Set the deadline."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Return that it can be read: `BufferedReader` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, or wait for it.

        Raises:
            TimeoutError: Nothing came.
        """
        self._connection.settimeout(max(0.0, self._until - time.monotonic()))
        try:
            return self._connection.recv_into(buffer)
        except BlockingIOError:
            raise TimeoutError from None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpServer

    def setup(self) -> None:
        """Make the client's bytes end at a deadline."""
        super().setup()
        self.rfile.close()
        self._incoming = _Incoming(self.connection)
        self._input = self.rfile = io.BufferedReader(self._incoming)
        self._unread = 0  # bytes of the body
        self._continues = False  # whether the client waits to be told to send its body

    def handle_one_request(self) -> None:
        """Wait for a request, then have it come and answer it, each in its time."""
        self._unread = 0
        self._continues = False
        if not self._has_more(self.server.bounds.idle_seconds):
            self.close_connection = True
            return
        self._incoming.end_in(self.server.bounds.request_seconds)
        super().handle_one_request()

    def answer(self) -> None:
        """Answer a request in one write."""
        try:
            self._unread = self._length()
        except errors.IntercomError as error:
            self._refuse(error)
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.answer(Request(self.command, path, query, headers, self._body))
        if response.fate is Fate.ANSWERED:
            self._write(response)
        else:
            self._break(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def handle_expect_100(self) -> bool:
        """Make the client wait until its body is asked for."""
        self._continues = True
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP request."""
        self._refuse(refusals.malformed_request(message or explain or HTTPStatus(code).phrase, code))

    def log_message(self, *args: Any) -> None:
        """Write no log line."""

    def _length(self) -> int:
        """Return how long the body is.

        Raises:
            IntercomError: Where it ends is not certain, or it is too long.
        """
        length = _length_of(self.headers, self.server.bounds.body_bytes)
        if length is None and self.command in _WITH_BODY and self._has_more(0):
            raise refusals.length_required()
        return length or 0

    def _has_more(self, seconds: float) -> bool:
        """Return whether the client has sent more by now, or does so in the seconds to come."""
        self._incoming.end_in(seconds)
        try:
            return bool(self._input.peek(1))
        except TimeoutError:
            return False
        finally:
            self._incoming.end_in(self.server.bounds.request_seconds)

    def _body(self) -> bytes:
        """Read the body.

        Raises:
            IntercomError: It did not come.
        """
        length, self._unread = self._unread, _UNKNOWN_LENGTH
        try:
            if self._continues:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = self._input.read(length)
        except TimeoutError:
            raise refusals.request_timeout() from None
        except OSError:
            # The client has hung up: nobody will read the answer.
            body = b""
        if len(body) < length:
            raise refusals.malformed_request("The request body is shorter than its Content-Length")
        self._unread = 0
        return body

    def _refuse(self, error: errors.IntercomError) -> None:
        """Refuse a request of which nobody knows where it ends."""
        self._unread = _UNKNOWN_LENGTH
        response = Response.refusing(error)
        response.headers["Date"] = formatdate(usegmt=True)
        self._write(response)

    def _write(self, response: Response) -> None:
        if self._unread > _DROPPED_BYTES or (self._unread and self._continues):
            self.close_connection = True
        reason = HTTPStatus(response.status).phrase
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if self.close_connection:
            lines.append("Connection: close")
        lines.append(f"Content-Length: {len(response.body)}\r\n\r\n")
        body = b"" if self.command == "HEAD" else response.body
        self.connection.settimeout(self.server.bounds.request_seconds)
        self.wfile.write("\r\n".join(lines).encode("latin-1") + body)
        if self._unread and self.close_connection:
            self.connection.shutdown(socket.SHUT_WR)
        self._drop_the_rest()

    def _drop_the_rest(self) -> None:
        """Read what is left of the body for nothing: to close before that might take the answer from the client."""
        self._incoming.end_in(self.server.bounds.dropping_seconds)
        while self._unread and (dropped := self._input.read1(min(self._unread, _DROPPED_BYTES))):
            self._unread -= len(dropped)

    def _break(self, response: Response) -> None:
        self.close_connection = True
        if response.fate is Fate.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        else:
            self._drop_the_rest()
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


def _length_of(headers: Message, most: int) -> int | None:
    """Return how long the body is that the headers announce; None if they announce none.

    Raises:
        IntercomError: Where it ends is not certain, or it is too long.
    """
    if any(isinstance(defect, _NO_HEADERS) for defect in headers.defects):
        raise refusals.malformed_request("The request has a line among its headers that is no header")
    for name in _GIVEN_ONCE:
        if len(headers.get_all(name, [])) > 1:
            raise refusals.malformed_request(f"The request has more than one header {name.title()}")
    if "transfer-encoding" in headers:
        raise refusals.length_required()
    if "content-length" not in headers:
        return None
    text = str(headers["content-length"]).strip()
    if not (text.isascii() and text.isdecimal()):
        raise refusals.malformed_request("Content-Length is not a number")
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)) or int(digits) > most:
        raise refusals.body_too_large(most)
    return int(digits)


def _is_to_be_reset(connection: socket.socket) -> bool:
    try:
        option = connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_LINGER_NOT))
    except OSError:
        return False
    return option == _LINGER_NOT
