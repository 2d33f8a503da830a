"""Who may see the page, and what a browser may do with it.

The page takes no token, as only this machine reaches it. A browser on this machine, however, can be led here by any
web page, under a name that leads to this address (DNS rebinding): the name that it asks for tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
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

_LOOPBACK = frozenset({"127.0.0.1", "localhost"})


@dataclass(frozen=True)
class Names:
    """The names under which a server may be asked for; on which port is no matter.

    Attributes:
        named: In small letters.
        every_address: Whether it listens on all addresses: then any of them will do, as none is a name that leads here.
    """

    named: frozenset[str]
    every_address: bool

    @classmethod
    def of(cls, asked: str, bound: str) -> Names:
        """Those of a server that was asked to listen on one address, and is bound to another way to say it."""
        return cls(_LOOPBACK | {asked.lower(), bound}, ip_address(bound).is_unspecified)


def admits(request: Request, names: Names) -> bool:
    """Whether the browser was led here under a name of this machine."""
    name = request.headers.get("host", "").strip().lower().partition(":")[0]
    return name in names.named or (names.every_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
