"""The sandbox on a socket, and the names under which it may be asked."""

from __future__ import annotations

from target_intercom.sandbox.wire.http import Bounds, HttpServer

__all__ = ["Bounds", "HttpServer"]
