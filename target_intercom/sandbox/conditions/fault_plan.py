"""Which call fails, and how: what networks and servers do to a client on a bad day."""

from __future__ import annotations

import random
import re
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.messages.faults import Fault


@dataclass
class TargetedFault:
    """A fault for the next calls that fit. An empty condition fits all.

    `path` is literal, or a template: `/contacts/{id}/tags`.
    """

    fault: Fault
    method: str | None = None
    path: str | None = None
    body_contains: str | None = None
    times: int = 1

    def fits(self, request: Request) -> bool:
        """Return whether it is meant for this call."""
        return (
            (self.method is None or self.method.upper() == request.method)
            and (self.path is None or _fits_path(self.path, request.path))
            and (self.body_contains is None or self.body_contains.encode() in request.body)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the fault as the control plane shows it."""
        return {**vars(self), "fault": self.fault.value}


class FaultPlan:
    """Decides which call fails, and how: targeted faults first, else a seeded draw."""

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._items = random.Random(seed)  # of its own: how many items a job has moves no fault of a call
        self._targeted: deque[TargetedFault] = deque()

    def seed(self, seed: int | None) -> None:
        """Start the draws anew."""
        with self._lock:
            self._random.seed(seed)
            self._items.seed(seed)

    def add(self, fault: TargetedFault) -> None:
        """Queue a targeted fault."""
        with self._lock:
            self._targeted.append(fault)

    def clear(self) -> None:
        """Drop the targeted faults."""
        with self._lock:
            self._targeted.clear()

    @property
    def targeted(self) -> list[TargetedFault]:
        """Return the targeted faults still to come."""
        with self._lock:
            return list(self._targeted)

    def draw(self, request: Request, rate: float, kinds: Sequence[Fault]) -> Fault | None:
        """Return the fault of this call, if any."""
        with self._lock:
            return self._targeted_for(request) or self._drawn(rate, kinds)

    def spoils_item(self, rate: float) -> bool:
        """Return whether the next item of a bulk job fails."""
        with self._lock:
            return bool(rate) and self._items.random() < rate

    def _targeted_for(self, request: Request) -> Fault | None:
        for entry in self._targeted:
            if entry.fits(request):
                entry.times -= 1
                if entry.times <= 0:
                    self._targeted.remove(entry)
                return entry.fault
        return None

    def _drawn(self, rate: float, kinds: Sequence[Fault]) -> Fault | None:
        if not kinds or not rate or self._random.random() >= rate:
            return None
        return self._random.choice(kinds)


def _fits_path(template: str, path: str) -> bool:
    parts = re.split(r"\{[^}/]*\}", template)
    return re.fullmatch("[^/]+".join(map(re.escape, parts)), path) is not None
