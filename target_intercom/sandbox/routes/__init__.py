"""Which call does what."""

from __future__ import annotations

from target_intercom.sandbox.routes.route import Errand
from target_intercom.sandbox.routes.table import NOT_EMULATED, NOT_EMULATED_RESOURCES, ROUTES, find, match

__all__ = ["NOT_EMULATED", "NOT_EMULATED_RESOURCES", "ROUTES", "Errand", "find", "match"]
