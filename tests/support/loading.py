"""TargetProcess the target from outside: Singer messages in, what it left behind out."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import requests
from click.testing import CliRunner

from target_intercom.intercom.outages import RetryLimits
from target_intercom.intercom.transport import Transport
from target_intercom.model import Received, StreamSchema
from target_intercom.outcomes import Result
from target_intercom.sandbox import Fault, TargetedFault
from target_intercom.target import TargetIntercom
from tests.support.processes import run, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.processes import TargetProcess

Found = TypeVar("Found")
GUARD = 120.0
"""Seconds after which a test gives up on what does not happen: long enough for any machine, however busy."""
HURRIED = RetryLimits(**{one.name: getattr(RetryLimits(), one.name) / 50 for one in fields(RetryLimits)})
"""Failures are borne for a fiftieth of their time."""
SAID: deque[tuple[str, str]] = deque(maxlen=10)
"""What the last runs of the test at hand were, and what each wrote to stderr: a test that fails shows it."""
TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "object": {"type": ["object", "null"]},
    "array": {"type": ["array", "null"]},
    "any": {},
}


def schema(stream: str, keys: Sequence[str] = ("id",), **properties: str | Mapping[str, Any]) -> dict[str, Any]:
    """A SCHEMA message; a property is one of TYPES or a JSON schema."""
    types = {name: TYPES[kind] if isinstance(kind, str) else dict(kind) for name, kind in properties.items()}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": types},
        "key_properties": list(keys),
    }


def record(stream: str, **values: Any) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": values}


def received(message: Mapping[str, Any], under: Mapping[str, Any] | None = None, number: int = 0) -> Received:
    """A record as it came, under a SCHEMA message."""
    known = schema(message["stream"]) if under is None else under
    came_under = StreamSchema(message["stream"], json.dumps(known), known, known["schema"])
    return Received(message, message["record"], number, came_under)


def state(value: Mapping[str, Any]) -> dict[str, Any]:
    """A STATE message."""
    return {"type": "STATE", "value": dict(value)}


def lines(messages: Iterable[Mapping[str, Any] | str]) -> str:
    """Messages as a tap pipes them; a text goes in as it is."""
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in messages)


@dataclass
class Loaded:
    """What a run printed and left behind."""

    exit_code: int
    states: list[Any]
    report: dict[str, Any]
    rejected: list[dict[str, Any]]
    data_dir: Path
    log: str = ""

    def stream(self, name: str = "customers") -> dict[str, Any]:
        """The report of a stream."""
        counts: dict[str, Any] = self.report["streams"][name]
        return counts

    def results(self, name: str = "customers") -> dict[str, int]:
        """The outcomes of a stream that are not zero."""
        report = self.stream(name)
        # What a contact stream's records did to links stands beside the sum.
        beside = {"tagged", "untagged", "attached", "detached"} if "created" in report else set()
        counts = {one.value: report[one.value] for one in Result if one.value not in beside and report.get(one.value)}
        assert sum(counts.values()) == self.stream(name)["read"]
        return counts

    @property
    def calls(self) -> dict[str, int]:
        """The calls by operation."""
        calls: dict[str, int] = self.report["api"]["calls"]
        return calls

    @property
    def writes(self) -> int:
        """How many calls changed anything."""
        return sum(
            count
            for operation, count in self.calls.items()
            if not operation.startswith("GET") and operation != "POST /contacts/search"
        )

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """The `rejected` objects of the rejected records, in order."""
        return [message["rejected"] for message in self.rejected if message["type"] == "RECORD"]


@dataclass
class Loader:
    """Runs the target against a sandbox, with settings that suit most tests."""

    url: str
    data_dir: Path
    settings: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """Put into the environment of the target's processes; the tests' own is shared by what runs beside them."""
    names_streams: bool = True
    """Every stream that is piped after the first one gets an entry in `streams`, as a run demands."""
    piped: dict[str, None] = field(default_factory=dict)
    """The streams that were piped so far."""

    def config(self, **settings: Any) -> dict[str, Any]:
        """Settings, with those given on top; a value of ... leaves a setting out."""
        config: dict[str, Any] = {
            "access_token": "sandbox",
            "api_url": self.url,
            "mappings": {"id": "external_id"},
            "data_dir": str(self.data_dir),
            "search_delay_seconds": 1,
            **self.settings,
            **settings,
        }
        return {name: value for name, value in config.items() if value is not ...}

    def __call__(self, messages: Iterable[Mapping[str, Any] | str], **settings: Any) -> Loaded:
        """Run in this process, over real HTTP."""
        config, piped = self._files(messages, settings)
        before = set(self.data_dir.glob("rejected-*"))
        handlers = logging.root.handlers[:]
        try:
            result = CliRunner().invoke(TargetIntercom.cli, ["--config", str(config), "--input", str(piped)])
        finally:
            logging.root.handlers[:] = handlers
        done = self._loaded(result.exit_code, result.stdout, before, result.stderr)
        if result.exc_info is not None and not isinstance(result.exception, SystemExit):
            SAID.append(("Raised by that run", "".join(traceback.format_exception(*result.exc_info))))
        return done

    def pipe(self, messages: Iterable[Mapping[str, Any] | str], **settings: Any) -> Loaded:
        """Run as a process of its own, fed through a pipe."""
        config, piped = self._files(messages, settings)
        before = set(self.data_dir.glob("rejected-*"))
        with piped.open("rb") as stdin:
            done = run(self.command(config), stdin=stdin, env=self.env())
        return self._loaded(done.returncode, done.stdout.decode(), before, done.stderr.decode())

    def start(self, **settings: Any) -> TargetProcess:
        """Start a process to be fed, and signalled, by the test."""
        config, _ = self._files([], settings)
        return start(
            self.command(config),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env(),
        )

    def begin(self, messages: Iterable[Mapping[str, Any] | str], **settings: Any) -> TargetProcess:
        """Start a process with all that it is to read."""
        config, piped = self._files(messages, settings)
        with piped.open("rb") as stdin:
            return start(
                self.command(config), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env()
            )

    def finish(self, process: TargetProcess, before: set[Path] | None = None) -> Loaded:
        """Wait for a process, and read what it left behind."""
        out, err = process.communicate(timeout=3 * GUARD)
        return self._loaded(process.wait(), out.decode(), before or set(), err.decode())

    @staticmethod
    def command(config: Path) -> list[str]:
        """The command line of the target."""
        return [sys.executable, "-m", "target_intercom", "--config", str(config)]

    def env(self) -> dict[str, str]:
        """The environment without what would be taken for settings."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TARGET_INTERCOM_")}
        return ours | self.variables

    def _files(self, messages: Iterable[Mapping[str, Any] | str], settings: Mapping[str, Any]) -> tuple[Path, Path]:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        config, piped = self.data_dir / "config.json", self.data_dir / "input.singer"
        messages = list(messages)
        config.write_text(json.dumps(self._named(self.config(**settings), messages)), encoding="utf-8")
        piped.write_text(lines(messages), encoding="utf-8")
        return config, piped

    def _named(self, config: dict[str, Any], messages: Iterable[Mapping[str, Any] | str]) -> dict[str, Any]:
        """Add what `names_streams` asks for."""
        schemas = [one for one in messages if isinstance(one, dict) and one.get("type") == "SCHEMA"]
        self.piped.update(dict.fromkeys(str(one.get("stream")) for one in schemas))
        streams = config.get("streams", {})
        if self.names_streams and isinstance(streams, dict) and len(self.piped) > 1:
            _, *further = self.piped
            config["streams"] = {**{name: {} for name in further}, **streams}
        return config

    def _loaded(self, code: int, out: str, before: set[Path], log: str = "") -> Loaded:
        if log:
            SAID.append((f"A run in {self.data_dir.name!r} with exit code {code} said", log))
        report = self.data_dir / "report.json"
        fresh = sorted(set(self.data_dir.glob("rejected-*")) - before)
        return Loaded(
            exit_code=code,
            states=[json.loads(line) for line in out.splitlines()],
            report=json.loads(report.read_text(encoding="utf-8")) if report.exists() else {},
            rejected=[json.loads(line) for path in fresh for line in path.read_text(encoding="utf-8").splitlines()],
            data_dir=self.data_dir,
            log=log,
        )


class People:
    """The contacts of a sandbox: what stands in it, and calls that others make to it."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self._sandbox = sandbox

    def everyone(self) -> list[dict[str, Any]]:
        """All contacts, archived and deleted ones too."""
        everything: list[dict[str, Any]] = self._sandbox.workspace.everything()
        return everything

    def live(self) -> list[dict[str, Any]]:
        """The contacts that are neither archived, deleted nor merged."""
        return [contact for contact in self.everyone() if contact["state"] == "live"]

    def one(self, **wanted: Any) -> dict[str, Any]:
        """The only contact with these values."""
        found = [contact for contact in self.everyone() if wanted.items() <= contact.items()]
        assert len(found) == 1, f"{len(found)} contacts with {wanted}"
        return found[0]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Do as somebody else in the workspace does."""
        headers = {"Authorization": f"Bearer {self._sandbox.token}", "Intercom-Version": "2.16"}
        response = requests.request(method, self._sandbox.url + path, json=body, headers=headers, timeout=120)
        response.raise_for_status()
        return response.json()

    def add(self, **contact: Any) -> str:
        """Make a contact as somebody else does; returns its Intercom id."""
        given = {name: value for name, value in contact.items() if value is not None}
        return str(self.call("POST", "/contacts", {"role": "user", **given})["id"])

    def archive(self, contact: str) -> None:
        """Archive a contact as somebody else does."""
        self.call("POST", f"/contacts/{contact}/archive", {})

    def delete(self, contact: str) -> None:
        """Delete a contact as somebody else does."""
        self.call("DELETE", f"/contacts/{contact}")


def another(load: Loader) -> Loader:
    """A run beside the first, with the same ledger and a folder of its own for its report."""
    ledger = load.data_dir / "ledger.db"
    settings = {**load.settings, "ledger_url": f"sqlite:///{ledger}"}
    return Loader(load.url, load.data_dir.with_name("another"), settings, piped=load.piped)


@contextmanager
def hurry(retry_limits: RetryLimits | None = None) -> Iterator[None]:
    """Have pauses between tries, and the limits of failures, take a fiftieth of their time, or what is given."""
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(Transport, "retry_limits", HURRIED if retry_limits is None else retry_limits)
        yield


@contextmanager
def once_answered(sandbox: SandboxServer, method: str, path: str, act: Callable[[], object]) -> Iterator[None]:
    """Have something happen in the workspace after the first answer to a call, and before any call that comes then.

    `act` works on the workspace itself: it is done within the next call.
    """
    before = len(sandbox.calls)
    moment = BeforeACall(
        lambda _: any((one.method, one.path) == (method, path) and one.status for one in sandbox.calls[before:]), act
    )
    sandbox.conditions.plan.add(moment)
    yield
    moment.pass_by()


class BeforeACall(TargetedFault):
    """No fault: has something done in the workspace before the first call at which a condition holds."""

    def __init__(self, condition: Callable[[Request], bool], act: Callable[[], object]) -> None:
        super().__init__(Fault.ERROR)
        self._condition = condition
        self._act = act
        self._done = False

    def fits(self, request: Request) -> bool:
        """Act when it is time; it is never meant for the call."""
        if not self._done and self._condition(request):
            self.pass_by()
        return False

    def pass_by(self) -> None:
        """Act, unless that is done."""
        if not self._done:
            self._done = True
            self._act()


def until(found: Callable[[], Found], seconds: float = GUARD) -> Found:
    """Wait for something to happen; returns what is found then. It fails when the time is over."""
    deadline = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
    return what


def send_before(
    sandbox: SandboxServer, process: TargetProcess, number: signal.Signals, condition: Callable[[], bool]
) -> None:
    """Have a run that has just begun get a signal right before its first call at which a condition holds.

    That call is answered late: a busy machine may take its time to run the handler of a signal.
    """

    def act() -> None:
        process.send_signal(number)
        time.sleep(0.0 if number is signal.SIGKILL else 1.0)

    sandbox.conditions.plan.add(BeforeACall(lambda _: condition(), act))


def feed(process: TargetProcess, *messages: Mapping[str, Any] | str, end: bool = False) -> None:
    """Return messages to a run; `end` says that there are no more."""
    assert process.stdin is not None
    process.stdin.write(lines(messages).encode())
    process.stdin.flush()
    if end:
        process.stdin.close()
        process.stdin = None
