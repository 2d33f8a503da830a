from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import Conditions, SandboxServer

from .client import Api, Clock
from .jobs import Bulk, workers

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


@pytest.fixture
def bulk(api: Api) -> Iterator[Bulk]:
    """Jobs whose tasks take no time."""
    before = set(workers())
    api.conditions(bulk_seconds=0)
    yield Bulk(api)
    api.sandbox.stop()
    assert set(workers()) <= before
