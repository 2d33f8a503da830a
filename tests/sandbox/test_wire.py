"""What clients send that no HTTP library would: over bare sockets, to the real server."""

from __future__ import annotations

import itertools
import json
import logging
import socket
import struct
import threading
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Bounds, SandboxServer
from tests.support.loading import until

from .client import Api

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GUARD = 120
"""Seconds after which a test gives up on a server that hangs."""

TOKEN = "Authorization: Bearer sandbox"
POST = "POST /contacts HTTP/1.1"
LEAD = b'{"role":"lead"}'


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    said = caplog.get_records("call")
    assert [record for record in said if record.levelno >= logging.WARNING] == []
    assert "Traceback" not in capfd.readouterr().err


class Client:
    """One connection."""

    def __init__(self, sandbox: SandboxServer) -> None:
        host, _, port = sandbox.url.removeprefix("http://").rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=GUARD)

    def send(self, *lines: str, body: bytes = b"", host: str = "localhost") -> None:
        head = "\r\n".join([lines[0], f"Host: {host}", *lines[1:], "", ""])
        self.socket.sendall(head.encode("latin-1") + body)

    def stream(self, parts: Iterable[bytes], pause: float = 0) -> None:
        for part in parts:
            self.socket.sendall(part)
            time.sleep(pause)

    def answer(self) -> tuple[int, Any]:
        response = HTTPResponse(self.socket)
        response.begin()
        content = response.read()
        return response.status, json.loads(content) if "json" in response.headers["Content-Type"] else None

    def refusal(self) -> tuple[int, str]:
        """The status and code of an `error.list`."""
        status, content = self.answer()
        assert content["type"] == "error.list"
        return status, content["errors"][0]["code"]

    def is_closed(self) -> bool:
        """Wait for the end of the connection; False if something else comes."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[Client]:
    connected = Client(sandbox)
    yield connected
    connected.socket.close()


def people_in(sandbox: SandboxServer) -> int:
    return len(sandbox.workspace.everything())


# --- the name that it is asked under ---


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8030",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "localhost@evil.example",
        "10.1.2.3:8030",
        "[2001:db8::1]:8030",
        "localhost:8030:evil.example",
        "[localhost",
        "",
    ],
)
@pytest.mark.parametrize("line", ["GET /me", "POST /contacts", "POST /_sandbox/reset", "GET /_sandbox/calls", "GET /"])
def test_nothing_is_answered_under_a_name_that_is_not_the_sandbox_s(
    sandbox: SandboxServer, client: Client, line: str, host: str
) -> None:
    """A web page whose name leads to this machine (DNS rebinding) knows the token, as everybody does."""
    api = Api(sandbox)
    api.create(role="lead", name="Ann")
    api.session.close()

    client.send(f"{line} HTTP/1.1", TOKEN, f"Content-Length: {len(LEAD)}", host=host, body=LEAD)

    assert client.refusal() == (421, "misdirected_request")
    assert people_in(sandbox) == 1
    assert len(sandbox.calls) == 1


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:8030", "127.8.9.1:80", "[::1]", "[::1]:8030"]
)
def test_it_is_asked_under_the_names_of_this_machine_on_any_port(client: Client, host: str) -> None:
    """A container's port may be published as another."""
    for path in ("/me", "/_sandbox/conditions"):
        client.send(f"GET {path} HTTP/1.1", TOKEN, host=host)
        assert client.answer()[0] == 200


def test_further_names_can_be_allowed() -> None:
    with SandboxServer(allowed_hosts=["Sandbox", "host.docker.internal"]) as sandbox:
        client = Client(sandbox)
        for host, status in (("sandbox:8030", 200), ("HOST.docker.internal", 200), ("evil.example", 421)):
            client.send("GET /me HTTP/1.1", TOKEN, host=host)
            assert client.answer()[0] == status
        client.socket.close()


def test_a_request_without_a_host_or_with_two_is_refused(sandbox: SandboxServer) -> None:
    for lines, refused in (
        (["GET /me HTTP/1.1", TOKEN], (421, "misdirected_request")),
        (["GET /me HTTP/1.1", TOKEN, "Host: localhost", "Host: evil.example"], (400, "bad_request")),
        (["GET /me HTTP/1.0", TOKEN], (421, "misdirected_request")),
    ):
        client = Client(sandbox)
        client.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert client.refusal() == refused
        client.socket.close()


# --- the token before the body, and how long a body may be ---


@pytest.mark.parametrize("authorization", [[], ["Authorization: Bearer wrong"]])
def test_a_body_without_the_token_is_not_kept(sandbox: SandboxServer, client: Client, authorization: list[str]) -> None:
    for path in ("/contacts", "/nowhere", "/_sandbox/conditions"):
        client.send(f"POST {path} HTTP/1.1", *authorization, "Content-Length: 60000", body=b"x" * 60_000)
        assert client.refusal() == (401, "unauthorized")
    assert [(call.path, call.body) for call in sandbox.calls] == [("/contacts", None), ("/nowhere", None)]


def test_the_token_is_looked_at_before_the_body_comes(client: Client) -> None:
    client.send(POST, "Content-Length: 5000000")

    assert client.refusal() == (401, "unauthorized")
    assert client.is_closed()


@pytest.mark.parametrize("authorization", [[], [TOKEN]])
def test_an_endless_body_is_refused_at_its_head_and_the_connection_closed(authorization: list[str]) -> None:
    with SandboxServer(bounds=Bounds(dropping_seconds=0.1)) as sandbox:
        client = Client(sandbox)
        client.send(POST, *authorization, "Content-Length: 300000000")

        assert client.refusal() == (413, "request_too_large")
        with pytest.raises(ConnectionError):
            client.stream(itertools.repeat(b"x" * 65_536))
        assert people_in(sandbox) == 0
        client.socket.close()


def test_the_answer_to_a_large_body_reaches_a_client_that_sends_all_of_it_first(client: Client) -> None:
    client.send(POST, "Content-Length: 9000000", body=b"x" * 9_000_000)

    assert client.refusal() == (401, "unauthorized")


def test_the_longest_body_is_taken_and_none_that_is_longer() -> None:
    with SandboxServer(bounds=Bounds(body_bytes=len(LEAD))) as sandbox:
        for length, status in ((len(LEAD), 200), (len(LEAD) + 1, 413)):
            client = Client(sandbox)
            client.send(POST, TOKEN, f"Content-Length: {length}", body=LEAD.ljust(length))
            assert client.answer()[0] == status
            client.socket.close()


def test_a_client_that_waits_to_be_told_sends_its_body_only_with_the_token(
    sandbox: SandboxServer, client: Client
) -> None:
    client.send(POST, TOKEN, f"Content-Length: {len(LEAD)}", "Expect: 100-continue")
    assert client.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.socket.sendall(LEAD)
    assert client.answer()[0] == 200

    client.send(POST, f"Content-Length: {len(LEAD)}", "Expect: 100-continue")
    assert client.refusal() == (401, "unauthorized")
    assert client.is_closed()
    assert people_in(sandbox) == 1


# --- where a body ends ---


@pytest.mark.parametrize("authorization", [[], [TOKEN]])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Length: -1"], 400),
        (["Content-Length: fifteen"], 400),
        (["Content-Length: 15.0"], 400),
        (["Content-Length: 1_5"], 400),
        (["Content-Length: +15"], 400),
        (["Content-Length: 0x0f"], 400),
        (["Content-Length: \xb2"], 400),
        (["Content-Length: 15, 15"], 400),
        (["Content-Length:"], 400),
        (["Content-Length: 15", "Content-Length: 15"], 400),
        (["Content-Length: 15", "Content-Length: 2"], 400),
        (["Content-Length : 15"], 400),
        (["Content-Length: 10000001"], 413),
        (["Content-Length: 99999999999999999999999999"], 413),
        ([f"Content-Length: {'9' * 5000}"], 413),
        (["Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: gzip, Chunked"], 411),
        (["Transfer-Encoding: chunked", "Content-Length: 15"], 411),
        (["Transfer-Encoding: identity"], 411),
        ([], 411),
    ],
)
@pytest.mark.parametrize("path", ["/contacts", "/_sandbox/conditions", "/page/calls"])
def test_a_body_of_no_certain_length_is_refused(
    sandbox: SandboxServer, path: str, headers: list[str], status: int, authorization: list[str]
) -> None:
    client = Client(sandbox)
    client.send(f"POST {path} HTTP/1.1", *authorization, *headers, body=LEAD)

    assert client.refusal()[0] == status
    assert client.is_closed()
    assert people_in(sandbox) == 0
    client.socket.close()


def test_leading_zeros_are_a_length_too(client: Client) -> None:
    client.send(POST, TOKEN, f"Content-Length: {'0' * 5000}{len(LEAD)}", body=LEAD)
    assert client.answer()[0] == 200


def test_a_body_that_ends_too_soon_is_refused(sandbox: SandboxServer, client: Client) -> None:
    client.send(POST, TOKEN, "Content-Length: 100", body=LEAD)
    client.socket.shutdown(socket.SHUT_WR)

    assert client.refusal() == (400, "bad_request")
    assert people_in(sandbox) == 0


def test_a_call_without_a_body_needs_no_length(client: Client) -> None:
    """`curl -X POST` sends none."""
    client.send("POST /_sandbox/reset HTTP/1.1", TOKEN)
    assert client.answer()[0] == 200


def test_a_connection_goes_on_after_a_body_that_nobody_read(client: Client) -> None:
    for _ in range(3):
        client.send("POST /page/calls HTTP/1.1", "Content-Length: 1000", body=b"x" * 1000)
        assert client.answer() == (405, None)
    client.send(POST, TOKEN, f"Content-Length: {len(LEAD)}", body=LEAD)
    assert client.answer()[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/nine\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /me HTTP/1.1\r\n oops\r\nHost: localhost\r\n\r\n", 400),
    ],
)
def test_what_is_no_http_request_is_refused_as_all_else(client: Client, sent: bytes, status: int) -> None:
    client.socket.sendall(sent)

    assert client.refusal() == (status, "bad_request")
    assert client.is_closed()


def test_json_that_is_nested_too_deeply_is_refused(client: Client) -> None:
    body = b"[" * 200_000
    for path in ("/contacts", "/_sandbox/conditions"):
        client.send(f"POST {path} HTTP/1.1", TOKEN, f"Content-Length: {len(body)}", body=body)
        assert client.refusal() == (400, "parameter_invalid")
    client.send("GET /_sandbox/calls HTTP/1.1", TOKEN)
    assert client.answer()[1]["calls"][0]["body"] == body.decode()


# --- slow clients ---


BEGINNINGS = [
    [b"G"],
    [b"POST /contacts HTTP/1.1\r\nHost: localhost\r\n"],
    [f"{POST}\r\nHost: localhost\r\n{TOKEN}\r\nContent-Length: 15\r\n\r\n".encode(), b"{"],
]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_slow_clients_do_not_hold_up_others(sandbox: SandboxServer, beginning: list[bytes]) -> None:
    slow = [Client(sandbox) for _ in range(40)]
    for client in slow:
        for part in beginning:
            client.socket.sendall(part)
    api = Api(sandbox)
    for _ in range(3):
        api.create(role="lead")
    api.session.close()
    for client in slow:
        client.socket.close()


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_client_that_sends_a_byte_now_and_then_is_let_go(beginning: list[bytes]) -> None:
    """Whatever comes meanwhile, a request has to be there in its time."""
    with SandboxServer(bounds=Bounds(request_seconds=0.3, dropping_seconds=0.1)) as sandbox:
        client = Client(sandbox)
        with pytest.raises(ConnectionError):
            client.stream(itertools.chain(beginning, itertools.repeat(b" ", 20 * GUARD)), pause=0.05)
        client.socket.close()
        assert people_in(sandbox) == 0


def test_a_body_that_does_not_come_ends_in_a_408() -> None:
    with SandboxServer(bounds=Bounds(request_seconds=0.1)) as sandbox:
        client = Client(sandbox)
        client.send(POST, TOKEN, "Content-Length: 15", body=b"{")

        assert client.refusal() == (408, "request_timeout")
        assert client.is_closed()
        assert people_in(sandbox) == 0
        client.socket.close()


def test_a_client_that_breaks_the_connection_within_a_body_is_let_go_without_a_word() -> None:
    with SandboxServer() as sandbox:
        before = threading.active_count()
        client = Client(sandbox)
        client.send(POST, TOKEN, "Content-Length: 15", body=b"{")
        until(lambda: sandbox.calls)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        until_only(before)
        assert people_in(sandbox) == 0


def test_a_client_that_does_not_fetch_its_answer_is_let_go() -> None:
    with SandboxServer(bounds=Bounds(request_seconds=0.2)) as sandbox:
        before = threading.active_count()
        client = Client(sandbox)
        request = f"GET /me HTTP/1.1\r\nHost: localhost\r\n{TOKEN}\r\n\r\n"
        with pytest.raises(ConnectionError):
            client.stream(itertools.repeat(request.encode() * 100))
        until_only(before)
        client.socket.close()


@pytest.mark.parametrize("first", [[], ["GET /me HTTP/1.1", TOKEN]])
def test_a_connection_that_nobody_uses_is_closed(first: list[str]) -> None:
    with SandboxServer(bounds=Bounds(idle_seconds=0.1)) as sandbox:
        before = threading.active_count()
        client = Client(sandbox)
        if first:
            client.send(*first)
            assert client.answer()[0] == 200
        assert client.is_closed()
        until_only(before)
        client.socket.close()


def until_only(threads: int) -> None:
    """Wait until there are no more threads than that."""
    until(lambda: threading.active_count() <= threads)


# --- what is kept ---


def test_the_calls_that_are_remembered_are_bounded() -> None:
    with SandboxServer(remembered_bytes=100_000) as sandbox:
        api = Api(sandbox)
        for number in range(60):
            api.call("GET", "/nowhere" + "/x" * 400, token="wrong")
            api.create(role="lead", name=f"lead {number}", avatar="x" * 10_000)
            api.call("GET", f"/contacts?{'y' * 1000}")
        calls = api.ok("GET", "/_sandbox/calls")["calls"]
        api.session.close()

    assert len(json.dumps(calls)) < 100_000
    assert [call["n"] for call in calls] == list(range(calls[0]["n"], 181))
    assert len(calls) > 10
    assert calls[-2]["body"]["name"] == "lead 59"


def test_a_call_that_is_larger_than_all_that_is_kept_is_kept_alone() -> None:
    with SandboxServer(remembered_bytes=5_000) as sandbox:
        api = Api(sandbox)
        api.create(role="lead", name="Ann")
        api.create(role="lead", avatar="x" * 10_000)
        assert [len(call.content) > 10_000 for call in sandbox.calls] == [True]
        api.create(role="lead", name="Ben")
        assert [call.body.get("name") for call in sandbox.calls] == ["Ben"]
        api.session.close()
