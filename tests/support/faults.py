"""Calls that fail, and what is left of the runs that make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox import Fault, SandboxServer, TargetedFault
from tests.support.loading import Loaded, People

if TYPE_CHECKING:
    from collections.abc import Sequence


def fault(kind: Fault, method: str, path: str, body: str | None = None, times: int = 1) -> TargetedFault:
    """Have calls of one sort fail; those alone whose body has some text, if any is given."""
    return TargetedFault(kind, method=method, path=path, body_contains=body, times=times)


def break_(sandbox: SandboxServer, faults: Sequence[TargetedFault]) -> None:
    """Have calls fail in these ways."""
    for one in faults:
        sandbox.conditions.plan.add(one)


@dataclass
class Ended:
    """A run in a process of its own, and the workspace that it left."""

    done: Loaded
    sandbox: SandboxServer

    @property
    def people(self) -> People:
        """Who is in the workspace."""
        return People(self.sandbox)
