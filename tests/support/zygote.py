"""A process that has imported the target, and becomes a process of the target for each that a test starts.

`python -m tests.support.zygote FD`: it gets connections over the socket FD, each with a command, and ends with whoever
has the other end. It has no threads: what it forks is as if it had just been started. See `tests/support/processes.py`.
"""

from __future__ import annotations

import array
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

MODULES = ("target_intercom", "target_intercom.check", "target_intercom.ledger")
"""What can be started so."""
_IMPORTED = (
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "target_intercom.check.__main__",
    "target_intercom.ledger.__main__",
    "target_intercom.run.run",
    "target_intercom.target",
)
_LENGTH = struct.Struct("!I")


def send(connection: socket.socket, order: object, fds: tuple[int, ...] = ()) -> None:
    """Send something, with open files."""
    data = json.dumps(order).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(data))], fds)
    connection.sendall(data)


def receive(connection: socket.socket, most: int = 0) -> tuple[Any, list[int]]:
    """Return what was sent, and its open files.

    Raises:
        EOFError: the other end is closed.
    """
    head, fds, _, _ = socket.recv_fds(connection, _LENGTH.size, most)
    if not head:
        raise EOFError
    length, data = _LENGTH.unpack(head)[0], b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return json.loads(data), fds


def serve(orders: socket.socket) -> str:
    """Fork a process for each connection; returns in each of them, with the name of the module that it is to run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            (connection,) = _connections(orders)
        except EOFError:
            os._exit(0)
        if os.fork() == 0:
            orders.close()
            return _keep(connection)
        connection.close()


def _connections(orders: socket.socket) -> list[socket.socket]:
    data, fds, _, _ = socket.recv_fds(orders, 1, 1)
    if not data:
        raise EOFError
    return [socket.socket(fileno=fd) for fd in array.array("i", fds)]


def _keep(connection: socket.socket) -> str:
    """Fork the process and tell how it ended; returns in the process itself."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, files = receive(connection, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        return _become(order, files)
    for file in files:
        os.close(file)
    with suppress(OSError):
        send(connection, pid)
    _, status, used = os.wait4(pid, 0)
    with suppress(OSError):
        send(connection, [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime])
    os._exit(0)


def _become(order: dict[str, Any], files: list[int]) -> str:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        _renew(name, number)
    os.umask(order["umask"])
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["arguments"]
    return str(order["module"])


def _renew(name: str, number: int) -> None:
    """Open a standard stream anew, as Python does at its start: it is another kind of file now."""
    before = getattr(sys, name)
    is_unbuffered = isinstance(before.buffer, io.RawIOBase)
    file = open(number, "wb" if number else "rb", 0 if is_unbuffered else -1, closefd=False)  # noqa: SIM115 - it stays open
    now = io.TextIOWrapper(
        file,
        before.encoding,
        before.errors,
        newline="\n",
        line_buffering=number == 2 or file.isatty(),
        write_through=is_unbuffered,
    )
    setattr(sys, name, now)
    setattr(sys, f"__{name}__", now)


if __name__ == "__main__":
    for module in _IMPORTED:
        importlib.import_module(module)
    for module in MODULES:
        # It is run, not imported.
        sys.modules.pop(f"{module}.__main__", None)
    gc.freeze()
    runpy.run_module(serve(socket.socket(fileno=int(sys.argv[1]))), run_name="__main__", alter_sys=True)
