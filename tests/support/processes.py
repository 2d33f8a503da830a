"""Processes of the target, as `subprocess` starts them, without the second in which each would import what it needs.

They are forked from a process that has imported it (`tests/support/zygote.py`): with pipes, signals, exit codes and
locks of their own. Where a test is about the start itself, it uses `subprocess`.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from tests.support.zygote import MODULES, receive, send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
_AT_START = ("PYTHON", "LC_", "LANG", "LANGUAGE")
"""Variables that Python itself reads when it begins."""


@dataclass
class Process:
    """A process of the target; it has what tests use of `subprocess.Popen`."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    _connection: socket.socket
    returncode: int | None = None
    cpu_seconds: float = 0.0
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def poll(self) -> int | None:
        """Return the exit code; None: it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the exit code, which is negative after a signal."""
        with self._turn:
            if self.returncode is None:
                # To look without waiting is another mode of a socket.
                self._connection.settimeout(None if timeout is None else max(timeout, 1e-6))
                try:
                    first = self._connection.recv(1, socket.MSG_PEEK)
                except (TimeoutError, BlockingIOError):
                    raise subprocess.TimeoutExpired("the target", timeout or 0.0) from None
                assert first, "nobody tells how the process ended"
                self._connection.settimeout(None)
                (self.returncode, self.cpu_seconds), _ = receive(self._connection)
                self._connection.close()
            assert self.returncode is not None
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(9)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(15)

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002 - as `subprocess` calls it
        """Write to its stdin, read all that it prints, and wait for its end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        said: dict[int, bytes] = {}
        threads = [
            threading.Thread(target=lambda at=at, file=file: said.update({at: file.read()}), daemon=True)
            for at, file in enumerate((self.stdout, self.stderr))
            if file is not None and not file.closed
        ]
        for thread in threads:
            thread.start()
        if self.stdin is not None:
            with suppress(BrokenPipeError):
                self.stdin.write(input or b"")
            with suppress(BrokenPipeError):
                self.stdin.close()
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired("the target", timeout or 0.0)
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()
        return said.get(0, b""), said.get(1, b"")

    def __del__(self) -> None:
        """Close what is open."""
        self._connection.close()


TargetProcess: TypeAlias = "Process | subprocess.Popen[bytes]"


def start(
    command: Sequence[str],
    *,
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> TargetProcess:
    """Start a command as `subprocess.Popen` does."""
    environment = dict(os.environ if env is None else env)
    if not _is_ours(command) or _at_start(environment) != _at_start(os.environ):
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd)
    ours: list[IO[bytes] | None] = []
    theirs: list[int] = []
    to_close: list[int] = []
    for number, given in enumerate((stdin, stdout, stderr)):
        mine = None
        if given == subprocess.PIPE:
            read, write = os.pipe()
            child, parent = (read, write) if number == 0 else (write, read)
            to_close.append(child)
            mine = os.fdopen(parent, "wb" if number == 0 else "rb", -1 if number else 0)
        elif given == subprocess.DEVNULL:
            child = os.open(os.devnull, os.O_RDWR)
            to_close.append(child)
        else:
            child = number if given is None else given if isinstance(given, int) else given.fileno()
        theirs.append(child)
        ours.append(mine)
    umask = os.umask(0)
    os.umask(umask)
    order = {
        "module": command[2],
        "arguments": list(command[3:]),
        "env": environment,
        "cwd": str(cwd or Path.cwd()),
        "umask": umask,
    }
    mine_end, its_end = socket.socketpair()
    with _turn:
        socket.send_fds(_zygote(), [b"!"], [its_end.fileno()])
    its_end.close()
    send(mine_end, order, tuple(theirs))
    for fd in to_close:
        os.close(fd)
    pid, _ = receive(mine_end)
    return Process(int(pid), ours[0], ours[1], ours[2], mine_end)


def run(
    command: Sequence[str],
    *,
    stdin: int | IO[Any] | None = None,
    input: bytes | None = None,  # noqa: A002 - as `subprocess` calls it
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, and return what it printed; as `subprocess.run` does with `capture_output`."""
    given = subprocess.PIPE if input is not None else stdin
    process = start(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd)
    try:
        out, err = process.communicate(input, timeout)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run_text(
    command: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002 - as `subprocess` calls it
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as `run` does, with texts."""
    done = run(command, input=None if input is None else input.encode(), env=env, cwd=cwd, timeout=timeout)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


_turn = threading.Lock()


def _is_ours(command: Sequence[str]) -> bool:
    return list(command[:2]) == [sys.executable, "-m"] and len(command) > 2 and command[2] in MODULES


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


@cache
def _zygote() -> socket.socket:
    """Start the process that the others are forked from; it ends with this one."""
    mine, its = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.zygote", str(its.fileno())],
        pass_fds=[its.fileno()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    its.close()

    def end() -> None:
        mine.close()
        process.wait()

    atexit.register(end)
    return mine
