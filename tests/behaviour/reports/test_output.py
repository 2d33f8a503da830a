"""Where stdout takes nothing: a sentence, and exit code 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.loading import lines, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.loading import Loader

FULL = "> /dev/full"
MESSAGES = [schema("customers", email="text"), record("customers", id=1, email="ann@example.com")]
nowhere = pytest.mark.parametrize(
    ("stdout", "why"),
    [
        (">&-", "stdout is closed"),
        pytest.param(
            FULL,
            "No space left on device",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full"),
        ),
    ],
)


def run(load: Loader, command: Sequence[str], stdout: str) -> subprocess.CompletedProcess[str]:
    load.data_dir.mkdir(exist_ok=True)
    (load.data_dir / "config.json").write_text(json.dumps(load.config()), encoding="utf-8")
    # What waits in a buffer must fail no second time.
    environment = {name: value for name, value in load.env().items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {stdout}', "sh", *command],
        input=lines([*MESSAGES, state({"at": 1})]) if "target_intercom" in command else "",
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


@nowhere
def test_a_run_that_cannot_print_its_state_fails(load: Loader, stdout: str, why: str) -> None:
    done = run(load, load.command(load.data_dir / "config.json"), stdout)
    assert done.returncode == 1
    assert f"STATE cannot be printed: {why}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    report = json.loads((load.data_dir / "report.json").read_text(encoding="utf-8"))
    assert (report["status"], report["streams"]["customers"]["created"]) == ("failed", 1)


@nowhere
@pytest.mark.parametrize("as_", ["text", "json"])
def test_a_check_that_cannot_print_what_it_found_fails(load: Loader, stdout: str, why: str, as_: str) -> None:
    config = str(load.data_dir / "config.json")
    done = run(load, [sys.executable, "-m", "target_intercom.check", "--config", config, "--format", as_], stdout)
    assert (done.returncode, done.stderr) == (1, f"Error: What was found cannot be printed: {why}\n")


@nowhere
@pytest.mark.parametrize("command", [["export", "customers"], ["streams"], ["streams", "--format=json"]], ids=" ".join)
def test_a_look_into_the_ledger_that_cannot_be_printed_fails(
    load: Loader, stdout: str, why: str, command: list[str]
) -> None:
    load(MESSAGES)
    place = ["--data-dir", str(load.data_dir)]
    done = run(load, [sys.executable, "-m", "target_intercom.ledger", *place, *command], stdout)
    what = "The export" if "export" in command else "The list of streams"
    assert (done.returncode, done.stderr) == (1, f"Error: {what} cannot be printed: {why}\n")


@pytest.mark.parametrize("module", ["check", "ledger"])
def test_a_command_whose_reader_has_gone_ends_in_silence(load: Loader, module: str) -> None:
    load(MESSAGES)
    place = {
        "check": ["--config", str(load.data_dir / "config.json")],
        "ledger": ["--data-dir", str(load.data_dir), "streams"],
    }
    (load.data_dir / "config.json").write_text(json.dumps(load.config()), encoding="utf-8")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", f"target_intercom.{module}", *place[module]]
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, env=load.env(), timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_run_without_a_state_needs_no_stdout(load: Loader) -> None:
    load.settings["dry_run"] = True
    assert run(load, load.command(load.data_dir / "config.json"), ">&-").returncode == 0
