"""What a person sees of a run in a terminal: `python -m docs.terminal` prints it, while it runs and at the end.

The target runs as a process in a terminal of its own, against a slow sandbox, with people who do not exist.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import requests

from target_intercom.sandbox import Conditions, SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

_COLUMNS = 210
_THERE = 60
"""People who stand in the workspace before the run."""
_RECORDS = 360
_SHOWN_AT = 170
"""The picture of the run shows it when so many are written."""

LOGGING = """
version: 1
disable_existing_loggers: false
formatters:
  short: {format: "{asctime} {levelname:7s} {message}", datefmt: "%H:%M:%S", style: "{"}
handlers:
  terminal: {class: logging.StreamHandler, formatter: short, stream: ext://sys.stderr}
  metrics: {class: logging.FileHandler, formatter: short, filename: metrics.log}
root: {level: INFO, handlers: [terminal]}
loggers:
  singer_sdk.metrics: {handlers: [metrics], propagate: false}
"""
"""As somebody sets it who wants a short log, and the metrics in a file."""

_NAMES = "Amara Okafor,Jonas Lindqvist,Mei Tanaka,Priya Iyer,Diego Castillo,Hannah Brandt,Noor Haddad,Kofi Mensah"
_COMPANIES = ("harbor", "northwind", "fernwood", "quarry", "lumen")
_SCHEMA = {
    "type": "SCHEMA",
    "stream": "customers",
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "email": {"type": ["string", "null"]},
            "name": {"type": ["string", "null"]},
            "owner": {"type": ["string", "null"]},
            "deleted_at": {"type": ["string", "null"], "format": "date-time"},
        },
    },
}


class Screens(NamedTuple):
    """What stood in the terminal, without trailing blanks."""

    running: str
    """While the live line was shown."""
    ended: str


class Screen:
    """The lines of a terminal that does no more than carriage returns and line feeds, as the target's does."""

    def __init__(self, columns: int) -> None:
        """Start with an empty line."""
        self._columns = columns
        self._lines: list[list[str]] = [[]]
        self.column = 0
        """Where the cursor is in the last line."""

    def draw(self, text: str) -> None:
        """Take what was written to the terminal."""
        for character in text:
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self._lines.append([])
            else:
                self._put(character)

    @property
    def lines(self) -> list[str]:
        """What can be read, the last line being the cursor's."""
        return ["".join(line).rstrip() for line in self._lines]

    def _put(self, character: str) -> None:
        if self.column == self._columns:
            self._lines.append([])
            self.column = 0
        line = self._lines[-1]
        line.extend(" " * (self.column + 1 - len(line)))
        line[self.column] = character
        self.column += 1


class Terminal:
    """A process in a terminal: all that it writes is drawn; its stdin is a file or a pipe, as a target's is."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: IO[bytes] | int,
        stdout: int | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str],
        columns: int = _COLUMNS,
    ) -> None:
        """Start it. `stdout`: where that goes if not to the terminal."""
        self._columns = columns
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=side if stdout is None else stdout, stderr=side, cwd=cwd, env=env
        )
        os.close(side)
        self._drawn = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def drawn(self) -> str:
        """All that was written so far, control characters too."""
        return bytes(self._drawn).decode(errors="ignore")

    @property
    def screen(self) -> Screen:
        """What can be read now."""
        screen = Screen(self._columns)
        screen.draw(self.drawn)
        return screen

    def until(self, condition: Callable[[list[str]], bool], seconds: float = 120.0) -> Screen:
        """Wait until the lines are as wanted; returns them.

        Raises:
            TimeoutError: they never were.
        """
        deadline = time.monotonic() + seconds
        while not condition((screen := self.screen).lines):
            if time.monotonic() > deadline or (self.process.poll() is not None and not self._reader.is_alive()):
                raise TimeoutError("\n".join(screen.lines))
            time.sleep(0.02)
        return screen

    def wait(self, seconds: float = 240.0) -> int:
        """Wait for the process and for the last that it wrote; returns its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def __enter__(self) -> Self:
        """Nothing is to be done."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and close the terminal."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._main)

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._main, 65536)
            except OSError:  # the process has gone, and with it the other side
                return
            if not read:
                return
            self._drawn += read


def written(line: str) -> int | None:
    """Read from a live line how many are written; None if it is another line."""
    found = re.match(r"\d+ read, (\d+) written, ", line)
    return None if found is None else int(found[1])


def screens(columns: int = _COLUMNS, seconds: float = 60.0) -> Screens:
    """Run the target in a terminal, and give what stood there while it ran and when it had ended.

    Raises:
        TimeoutError: the run did not go as it should.
    """
    conditions = Conditions()
    with SandboxServer(conditions) as sandbox, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _fill(sandbox)
        conditions.rate_limit, conditions.rate_window, conditions.latency = 80, 2.0, 0.05
        (place / "config.json").write_text(json.dumps(_config(sandbox)), encoding="utf-8")
        messages = [_SCHEMA, *({"type": "RECORD", "stream": "customers", "record": one} for one in _rows())]
        (place / "customers.singer").write_text("".join(f"{json.dumps(one)}\n" for one in messages), encoding="utf-8")
        command = [sys.executable, "-m", "target_intercom", "--config", "config.json"]
        (place / "logging.yml").write_text(LOGGING, encoding="utf-8")
        path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TARGET_INTERCOM_")}
        env = {**inherited, "PYTHONPATH": path, "TERM": "xterm", "SINGER_SDK_LOG_CONFIG": "logging.yml"}
        with (
            (place / "customers.singer").open("rb") as piped,
            Terminal(command, stdin=piped, cwd=place, env=env, columns=columns) as terminal,
        ):
            running = terminal.until(lambda lines: (written(lines[-1]) or 0) >= _SHOWN_AT, seconds)
            if terminal.wait(seconds) != 0:
                raise TimeoutError("\n".join(terminal.screen.lines))
            return Screens(_text(running), _text(terminal.screen))


def _config(sandbox: SandboxServer) -> dict[str, Any]:
    return {
        "access_token": sandbox.token,
        "api_url": sandbox.url,
        "sync_mode": "sync",
        "mappings": {"id": "external_id", "owner": "owner_id"},
        "deleted_property": "deleted_at",
        "batch_size_rows": 60,
        "search_delay_seconds": 1,
        "ledger_url": "none",
    }


def _fill(sandbox: SandboxServer) -> None:
    """Have people in the workspace: some are as their records say, some have an old name."""
    headers = {"Authorization": f"Bearer {sandbox.token}", "Intercom-Version": "2.16"}
    for row in _rows()[:_THERE]:
        name = row["name"] if row["id"] % 3 == 0 else row["name"].split()[0]
        body = {"role": "user", "external_id": str(row["id"]), "email": row["email"], "name": name}
        requests.post(f"{sandbox.url}/contacts", json=body, headers=headers, timeout=10).raise_for_status()


def _rows() -> list[dict[str, Any]]:
    return [_row(number) for number in range(1, _RECORDS + 1)]


def _row(number: int) -> dict[str, Any]:
    """Make a customer's row; a few of the new ones cannot be loaded, and a few of the old ones are deleted."""
    name = _NAMES.split(",")[number % 8]
    email = f"{name.split()[0].lower()}.{number}@{_COMPANIES[number % 5]}.example"
    is_new = number > _THERE
    return {
        "id": number,
        "email": email.replace("@", " at ") if is_new and number % 53 == 0 else email,
        "name": name,
        "owner": "991234" if is_new and number % 97 == 0 else None,
        "deleted_at": "2026-11-01T09:00:00Z" if not is_new and number % 8 == 0 else None,
    }


def _text(screen: Screen) -> str:
    return "\n".join(screen.lines).rstrip() + "\n"


if __name__ == "__main__":
    shown = screens()
    sys.stdout.write(f"{shown.running}\n{shown.ended}")
