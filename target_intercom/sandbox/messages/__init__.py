"""What goes in and out of the sandbox, free of sockets."""

from __future__ import annotations

from target_intercom.sandbox.messages.calls import Call
from target_intercom.sandbox.messages.faults import Fault
from target_intercom.sandbox.messages.requests import Request
from target_intercom.sandbox.messages.responses import Fate, Response, new_request_id

__all__ = ["Call", "Fate", "Fault", "Request", "Response", "new_request_id"]
