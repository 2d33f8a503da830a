"""The names under which the sandbox may be asked, its page, its API and its control plane alike.

The page takes no token, and everybody knows the API's, as only this machine reaches them. A browser on this machine,
however, can be led here by any web page, under a name that leads to this address (DNS rebinding): the name that it
asks for tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.sandbox.messages import Request

_HOST = re.compile(r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::\d*)?")


@dataclass(frozen=True)
class Names:
    """The names under which a server may be asked, beside this machine's own; on which port is no matter.

    Attributes:
        named: In small letters.
        every_address: Whether it listens on all addresses: then any of them will do, as none is a name that leads here.
    """

    named: frozenset[str]
    every_address: bool

    @classmethod
    def of(cls, asked: str, bound: str, allowed: Iterable[str] = ()) -> Names:
        """Return those of a server: it was asked to listen on one address, and is bound to another way to say it."""
        named = {"localhost", asked, bound, *allowed}
        return cls(frozenset(name.lower() for name in named), ip_address(bound).is_unspecified)

    def admit(self, request: Request) -> bool:
        """Return whether a request came under one of the names."""
        found = _HOST.fullmatch(request.headers.get("host", "").strip().lower())
        if found is None:
            return False
        name = found["name"] or found["bracketed"] or ""
        address = _address(name)
        if address is not None and (address.is_loopback or self.every_address):
            return True
        return name in self.named


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
