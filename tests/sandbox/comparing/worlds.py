"""Workspaces to be compared, on a clock that waits for nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import Conditions, SandboxServer
from target_intercom.sandbox.comparing.playing.cleaning import Cleaned, Cleaner
from target_intercom.sandbox.comparing.playing.connection import MOST_CALLS, Connection
from target_intercom.sandbox.comparing.playing.made import Made
from target_intercom.sandbox.comparing.playing.player import Patience, Player
from target_intercom.sandbox.comparing.playing.waiting import Stop, Waiting
from target_intercom.sandbox.comparing.results.replaying import replay
from target_intercom.sandbox.comparing.script import SCRIPT
from tests.sandbox.jobs import workers
from tests.support.nearby import Nearby

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox import Request, Response
    from target_intercom.sandbox.comparing.calls import Transcript
    from target_intercom.sandbox.comparing.results.differences import Comparison

    from .deviations import Deviation
    from .servers import Handle, Server

PREFIX = "compare-0a1b2c3d-"


class Hurry:
    """A clock on which waiting takes no time; bulk jobs that are under way are done by then."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        for worker in workers():
            worker.join()
        self.time += seconds


@contextmanager
def deviating(clock: Hurry, *deviations: Deviation) -> Iterator[Nearby]:
    """A workspace that differs from the sandbox in some things; the way to it."""
    conditions = {name: value for deviation in deviations for name, value in deviation.conditions.items()}
    with workspace(clock, **conditions) as sandbox:
        handle: Handle = sandbox.sandbox.handle
        for deviation in deviations:
            if deviation.server is not None:
                handle = _before(deviation.server(), handle)
        yield nearby(handle)


def nearby(handle: Handle) -> Nearby:
    """The way to what answers; bulk jobs are done before anything else is asked, so that nothing is left to chance."""

    def answer(request: Request) -> Response:
        response = handle(request)
        for worker in workers():
            worker.join()
        return response

    return Nearby(answer)


def _before(serve: Server, handle: Handle) -> Handle:
    return lambda request: serve(request, handle)


@contextmanager
def workspace(clock: Hurry, **conditions: object) -> Iterator[SandboxServer]:
    """A sandbox on that clock, whose jobs take no time."""
    chosen = Conditions()
    chosen.change({"bulk_seconds": 0, **conditions})
    with SandboxServer(chosen, clock=clock.now) as sandbox:
        yield sandbox


def connected(there: str | Nearby, clock: Hurry, stop: Stop | None = None, most: int = MOST_CALLS) -> Connection:
    """A connection to an address, over HTTP, or to what is nearby."""
    url = there if isinstance(there, str) else there.url
    connection = Connection(url, "sandbox", Waiting(clock, stop or Stop()), most)
    if isinstance(there, Nearby):
        connection._session.mount(there.url, there)  # noqa: SLF001 - nobody else has to reach a workspace so
    return connection


def play(there: str | Nearby, clock: Hurry, stop: Stop | None = None) -> tuple[Transcript, Cleaned, Connection]:
    """Play the script, and take away what it made."""
    connection = connected(there, clock, stop)
    made = Made(PREFIX)
    try:
        transcript = Player(connection, made, Patience()).play(SCRIPT, lambda _: None)
    finally:
        cleaned = Cleaner(connection, made, Patience()).clean()
        connection.close()
    return transcript, cleaned, connection


def replayed(lines: list[dict[str, Any]], url: str, clock: Hurry) -> Comparison:
    """Replay a recording on a sandbox."""
    connection = Connection(url, "sandbox", Waiting(clock, Stop()))
    try:
        return replay(lines, connection, SCRIPT)
    finally:
        connection.close()


def told(comparison: Comparison) -> set[str]:
    """The differences, a line each: kind, step, and where in the answer."""
    return {f"{entry.kind} | {step} | {entry.where}" for entry in comparison.differences for step in entry.steps}
