"""`python -m target_intercom.sandbox.compare`, as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import Conditions, SandboxServer
from target_intercom.sandbox.compare import DIFFERENT, EQUAL, FAILED, RECORDING, REPORT, TOKEN
from target_intercom.sandbox.versions import DEFAULT
from tests.support.front import Front

from .test_safety import inhabit, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox import Request, Response

ROOT = Path(__file__).parents[3]
SECRET = "s3cret-t0ken"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A workspace whose clock is the machine's."""
    with SandboxServer(Conditions(bulk_seconds=0), token=SECRET) as server:
        inhabit(server)
        yield server


def command(url: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "target_intercom.sandbox.compare", "--api-url", url, *arguments]


def run(
    url: str, *arguments: str, folder: Path, typed: str = "", token: str | None = SECRET
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != TOKEN}
    environment |= {TOKEN: token} if token else {}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        command(url, *arguments),
        cwd=folder,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_an_equal_workspace(sandbox: SandboxServer, tmp_path: Path) -> None:
    before = state(sandbox)
    ended = run(sandbox.url, folder=tmp_path, typed="y\n")

    assert "0 differences" in ended.stdout
    assert ended.returncode == EQUAL, ended.stdout + ended.stderr
    assert "Go on? [y/N]" in ended.stdout
    report, recording = (tmp_path / REPORT).read_text(), (tmp_path / RECORDING).read_text()
    assert "confirmed" in report
    assert len(recording.splitlines()) > 200
    assert SECRET not in ended.stdout + ended.stderr + report + recording
    sandbox.conditions.company_deletion_delay = 0
    assert state(sandbox)["contacts"] == before["contacts"]
    assert state(sandbox)["tags"] == before["tags"]


def test_a_workspace_that_differs(sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.conditions.max_in_values = 100
    ended = run(sandbox.url, "--yes", "--output", "found", "--patience", "0", folder=tmp_path)

    assert ended.returncode == DIFFERENT, ended.stdout + ended.stderr
    assert "IN of 150 values" in ended.stdout
    report = (tmp_path / "found" / REPORT).read_text()
    assert "| contacts.2 |" in report
    assert "**refuted**" in report


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_takes_all_away(number: signal.Signals, sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.conditions.company_deletion_delay = 0
    before = state(sandbox)
    processes: list[subprocess.Popen[str]] = []
    calls = []

    def count(request: Request) -> Response | None:
        calls.append(request.path)
        if len(calls) == 150:
            processes[0].send_signal(number)
            processes[0].send_signal(number)
        return None

    environment = {**os.environ, TOKEN: SECRET, "PYTHONPATH": str(ROOT)}
    with Front(sandbox, count) as front:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
        with subprocess.Popen(command(front.url), cwd=tmp_path, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
            processes.append(process)
            said, errors = process.communicate("y\n", timeout=300)

    assert process.returncode == FAILED
    assert "Taken away: attributes: " in said
    assert "Stopped, so nothing was compared." in errors
    assert "Traceback" not in errors
    assert state(sandbox) == before
    assert not (tmp_path / REPORT).exists()


def test_stopped_at_the_question_it_ends(sandbox: SandboxServer, tmp_path: Path) -> None:
    environment = {**os.environ, TOKEN: SECRET, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
    with subprocess.Popen(command(sandbox.url), cwd=tmp_path, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        said = ""
        while not said.endswith("[y/N] "):
            said += process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)

    assert process.returncode == FAILED
    # Python sees a signal that comes just before it begins to read only when there is input, or its end: which is a no.
    assert "Stopped" in errors or errors == "Nothing was made.\n"
    assert {call.method for call in sandbox.calls} == {"GET"}


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_made(typed: str, sandbox: SandboxServer, tmp_path: Path) -> None:
    ended = run(sandbox.url, folder=tmp_path, typed=typed)

    assert ended.returncode == FAILED
    assert sandbox.workspace.id in ended.stdout
    assert ended.stderr == "Nothing was made.\n"
    assert {call.method for call in sandbox.calls} == {"GET"}


def test_a_workspace_that_is_not_meant(sandbox: SandboxServer, tmp_path: Path) -> None:
    ended = run(sandbox.url, "--yes", "--workspace", "other", folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (FAILED, "")
    assert ended.stderr.count("\n") == 1
    assert "not for other" in ended.stderr


def test_a_wrong_token(sandbox: SandboxServer, tmp_path: Path) -> None:
    ended = run(sandbox.url, "--yes", "--token", "wr0ng", folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (FAILED, "")
    assert ended.stderr == "The token is refused (401): nothing was made.\n"


def test_no_token(sandbox: SandboxServer, tmp_path: Path) -> None:
    ended = run(sandbox.url, folder=tmp_path, token=None)

    assert ended.returncode == FAILED
    assert ended.stderr.count("\n") == 1
    assert TOKEN in ended.stderr


def test_nobody_answers(tmp_path: Path) -> None:
    with SandboxServer() as gone:
        url = gone.url
    ended = run(url, "--yes", folder=tmp_path)

    assert (ended.returncode, ended.stdout) == (FAILED, "")
    assert ended.stderr == f"No answer came from {url.removeprefix('http://')}: the connection failed or broke.\n"


def test_what_an_earlier_comparison_left(sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.workspace.save_tag({"name": "compare-leftover-vip"}, DEFAULT)
    sandbox.workspace.create_contact({"role": "user", "external_id": "compare-leftover-ann"}, DEFAULT)
    ended = run(sandbox.url, "--clean", "compare-leftover-", folder=tmp_path)

    assert ended.returncode == EQUAL, ended.stderr
    assert "Taken away: " in ended.stdout
    live = state(sandbox)
    assert [entry["external_id"] for entry in live["contacts"]] == ["x", "y", "1"]
    assert [entry["name"] for entry in live["tags"]] == ["Friends"]


@pytest.mark.parametrize("prefix", ["", "a", "compare", "people-"])
def test_a_prefix_that_is_none_of_a_comparison(prefix: str, sandbox: SandboxServer, tmp_path: Path) -> None:
    """A short one would meet others' tags and attributes."""
    ended = run(sandbox.url, "--clean", prefix, folder=tmp_path)

    assert ended.returncode == FAILED
    assert "compare-" in ended.stderr
    assert sandbox.calls == []
