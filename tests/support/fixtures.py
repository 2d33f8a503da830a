from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_intercom.target import TargetIntercom
from tests.support.front import Front
from tests.support.loading import hurry
from tests.support.remembering import BY_ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader


@pytest.fixture
def few_connections(load: Loader) -> None:
    """Threads take longer to start than the calls of most tests take."""
    load.settings |= {"max_connections": 8}


@pytest.fixture
def by_row(load: Loader, few_connections: None) -> None:
    """The record's key is the property `row`, which is no identifier."""
    load.settings |= {"mappings": BY_ROW}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records count as too old to wait at once, so that all that is pending is written and its STATE printed."""
    monkeypatch.setattr(TargetIntercom, "_MAX_RECORD_AGE_IN_MINUTES", -1.0)


@pytest.fixture
def front(load: Loader, sandbox: SandboxServer) -> Iterator[Front]:
    """Stands before the workspace."""
    with Front(sandbox, lambda _request: None) as front:
        load.url = front.url
        yield front


@pytest.fixture
def quick(sandbox: SandboxServer) -> SandboxServer:
    """A workspace whose time-outs and rate-limit windows are short."""
    sandbox.conditions.change({"fault_timeout": 0.3, "rate_window": 1})
    return sandbox


@pytest.fixture
def hurried() -> Iterator[None]:
    """Pauses between tries take a fiftieth of their time."""
    with hurry():
        yield
