from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import Conditions, SandboxServer

from .client import Api, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> Iterator[Api]:
    """A new workspace, with a clock that stands still."""
    with SandboxServer(Conditions(fault_timeout=3600), clock=clock) as sandbox:
        client = Api(sandbox)
        yield client
        client.session.close()
