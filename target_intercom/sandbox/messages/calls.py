"""A call, as the sandbox remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.messages.requests import json_of, query_of

if TYPE_CHECKING:
    from target_intercom.sandbox.messages.faults import Fault


@dataclass(slots=True, eq=False)
class Call:
    """One line of the sandbox's memory of calls. No status: nothing was answered (yet).

    Attributes:
        content: The body as it came; empty if the call was refused before it was read.
    """

    n: int
    at: float
    method: str
    path: str
    query_string: str
    version: str | None
    content: bytes = b""
    status: int | None = None
    fault: Fault | None = None

    @property
    def query(self) -> dict[str, str]:
        """Return the query parameters; of repeated ones the last."""
        return query_of(self.query_string)

    @property
    def body(self) -> Any:
        """Return the body as it is best shown: JSON, else text, else None."""
        try:
            return json_of(self.content)
        except ValueError:
            return self.content.decode(errors="replace")

    def as_json(self) -> dict[str, Any]:
        """Return the call as the control plane shows it."""
        return {
            "n": self.n,
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "body": self.body,
            "version": self.version,
            "status": self.status,
            "fault": self.fault and self.fault.value,
        }
