"""The ways in which a call may fail."""

from __future__ import annotations

from enum import Enum


class Fault(str, Enum):
    """A way for a call to fail. `before` and `after` are about the write that it asks for."""

    TOO_MANY = "429"
    ERROR = "500"
    ERROR_AFTER = "500_after"
    HTML = "503_html"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    GARBAGE = "garbage"

    @property
    def writes(self) -> bool:
        """Return whether the call has its effect all the same."""
        return self in {
            Fault.ERROR_AFTER,
            Fault.RESET_AFTER,
            Fault.TIMEOUT_AFTER,
            Fault.GARBAGE,
        }
