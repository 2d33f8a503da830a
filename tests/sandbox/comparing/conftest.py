from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .worlds import Hurry, play, workspace

if TYPE_CHECKING:
    from target_intercom.sandbox.comparing.calls import Transcript


@pytest.fixture
def clock() -> Hurry:
    return Hurry()


@pytest.fixture(scope="session")
def reference() -> Transcript:
    """What the sandbox itself answers."""
    clock = Hurry()
    with workspace(clock) as sandbox:
        return play(sandbox.url, clock)[0]
