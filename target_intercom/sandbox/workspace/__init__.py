"""The workspace: Intercom's rules on contacts and what belongs to them. It knows nothing of HTTP."""

from __future__ import annotations

from target_intercom.sandbox.workspace.store import ADMINS
from target_intercom.sandbox.workspace.workspace import Workspace

__all__ = ["ADMINS", "Workspace"]
