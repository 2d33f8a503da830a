"""Which call does what."""

from __future__ import annotations

from target_intercom.sandbox.routes.table import NOT_EMULATED, NOT_EMULATED_RESOURCES, ROUTES

__all__ = ["NOT_EMULATED", "NOT_EMULATED_RESOURCES", "ROUTES"]
