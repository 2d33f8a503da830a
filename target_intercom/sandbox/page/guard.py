"""Who may see the page, and what a browser may do with it.

The page takes no token, as only this machine reaches it. A browser on this machine, however, can be led here by any
web page, under a name that leads to this address (DNS rebinding): the name that it asks for tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_intercom.sandbox.messages import Request

HEADERS = {
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
"""What every answer of the page carries: nothing is loaded from, sent to or shown inside another place."""

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORT = 80


def hosts(asked: str, bound: str | bytes | bytearray, port: int) -> frozenset[str]:
    """The `Host` headers of a server that was asked to listen on one address, and is bound to another way to say it."""
    names = {*_LOOPBACK, asked.lower(), str(bound)}
    named = {f"{name}:{port}" for name in names}
    return frozenset(named | names if port == _DEFAULT_PORT else named)


def admits(request: Request, allowed: frozenset[str]) -> bool:
    """Whether the browser was led here under a name of this machine."""
    return request.headers.get("host", "").strip().lower() in allowed
