"""An Intercom emulator served over HTTP: a workspace to try a mapping on, without an account.

It emulates what Intercom documents and what was observed of it, and answers 501 to the rest.
Docstrings name the evidence: `OAS-P` and `OAS-2.16` are Intercom's OpenAPI descriptions, `docs` and
`help` its public pages, `GRP file#seq` an exchange recorded with the real API in 2021, and "by choice"
marks what nobody has documented.
"""

from __future__ import annotations

from target_intercom.sandbox.conditions import BulkAccess, Conditions
from target_intercom.sandbox.conditions.fault_plan import TargetedFault
from target_intercom.sandbox.messages import Call, Fault, Request, Response
from target_intercom.sandbox.sandbox import Sandbox
from target_intercom.sandbox.server import SandboxServer
from target_intercom.sandbox.wire.http import Bounds

__all__ = [
    "Bounds",
    "BulkAccess",
    "Call",
    "Conditions",
    "Fault",
    "Request",
    "Response",
    "Sandbox",
    "SandboxServer",
    "TargetedFault",
]
