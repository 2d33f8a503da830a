"""The calls that the sandbox remembers, bounded however many and however large they are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_intercom.sandbox.messages import Call

if TYPE_CHECKING:
    from target_intercom.sandbox.messages import Request

MEMORY = 128_000_000
"""Bytes that the calls may take in all; beyond, the oldest are forgotten."""

CALL = 1_000
"""Bytes that a call is counted with beside its path, query and body."""

_KEPT_SHARE = 0.9  # so that forgetting, which counts all, is seldom


class CallLog(list[Call]):
    """The last calls, oldest first. Safe to record in from several threads."""

    def __init__(self, memory: int = MEMORY) -> None:
        """Keep `memory` bytes at most."""
        super().__init__()
        self._memory = memory
        self._lock = threading.Lock()
        self._held = 0

    def record(self, at: float, request: Request) -> Call:
        """Record that a call came, without its body."""
        version = request.headers.get("intercom-version")
        with self._lock:
            n = self[-1].n + 1 if self else 1
            call = Call(n, at, request.method, request.path, request.query_string, version)
            self.append(call)
            self._hold(_size(call))
        return call

    def record_body(self, call: Call, body: bytes) -> None:
        """Record a call's body."""
        with self._lock:
            call.content = body
            self._hold(len(body))

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._memory:
            self._forget()

    def _forget(self) -> None:
        """Drop the oldest calls. What is held is counted anew, as whoever reads the calls may take some away."""
        self._held = sum(map(_size, self))
        dropped = 0
        while self._held > self._memory * _KEPT_SHARE and dropped < len(self) - 1:
            self._held -= _size(self[dropped])
            dropped += 1
        del self[:dropped]


def _size(call: Call) -> int:
    return CALL + len(call.path) + len(call.query_string) + len(call.content)
