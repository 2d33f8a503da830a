"""A proxy that leads an untouched client, which asks Intercom's own address, to the sandbox."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTERCOM = "api.intercom.io"
_CHUNK = 65536


@contextmanager
def led_to(port: int, folder: Path, host: str = INTERCOM) -> Iterator[dict[str, str]]:
    """Lead calls for one of Intercom's hosts to a port of this machine; yield the variables for its client."""
    certificate, key = _certificate(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, context, port, host), daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield {"HTTPS_PROXY": address, "NO_PROXY": "", "no_proxy": "", "REQUESTS_CA_BUNDLE": str(certificate)}


def _certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Make a certificate of the host's name that is worth something in this test alone."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("this machine has no openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={host}"]
    words += ["-addext", f"subjectAltName=DNS:{host}", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([openssl, *words], check=True, capture_output=True)
    return certificate, key


def _serve(server: socket.socket, context: ssl.SSLContext, port: int, host: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_lead, args=(client, context, port, host), daemon=True).start()


def _lead(client: socket.socket, context: ssl.SSLContext, port: int, host: str) -> None:
    """Answer a CONNECT, then carry what is said inside the TLS connection."""
    with suppress(OSError), client:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        assert head.startswith(f"CONNECT {host}:443".encode()), head
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with (
            context.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", port)) as sandbox,
        ):
            threading.Thread(target=_carry, args=(sandbox, inside), daemon=True).start()
            _carry(inside, sandbox)


def _carry(from_: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := from_.recv(_CHUNK):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
