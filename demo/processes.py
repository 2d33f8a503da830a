"""Programs that end when their block ends, with everything that they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import typing as t
from contextlib import contextmanager, suppress
from pathlib import Path

from demo.errors import DemoError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent

_PATIENCE_SECONDS = 60


def free_port(wanted: int = 0) -> int:
    """Find a TCP port of this machine that nobody listens on, or make sure that it is so of the wanted one."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        raise DemoError(f"Port {wanted} cannot be used: {error.strerror}") from error


def let_sigterm_interrupt() -> None:
    """Make SIGTERM and a closed terminal do what Ctrl-C does, so that all blocks end in order."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals wait for the end of the block, in the programs that it starts as well."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the project's folder, in a process group of its own that is gone when the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _stop(process, stop_signal)


def wait_until_ready(name: str, process: subprocess.Popen[bytes], log: Path, is_ready: Callable[[], bool]) -> None:
    """Wait for a program that was just started; show its log when it ends instead, or takes too long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"{name} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, stop_signal)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
