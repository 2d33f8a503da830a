"""Every command in the README, the quick start and the ledger's page runs: here, or where the page says."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.documents import DOCS, README, ROOT, blocks
from tests.support.loading import until
from tests.support.shell import STATE, empty, make_shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.documents import Block
    from tests.support.shell import Shell

QUICKSTART = DOCS / "quickstart.md"
CONSOLE = [block for page in (README, QUICKSTART, DOCS / "ledger.md") for block in blocks(page, "console")]
MARKED = [block for block in CONSOLE if (block.note or "").startswith("runs in: ")]
BY_HAND = [block for block in CONSOLE if (block.note or "").startswith("by hand: ")]
SANDBOX = "python -m target_intercom.sandbox"

# Blocks that run elsewhere.


def words_of(file: Path) -> set[str]:
    """What stands in a file as words; of a program in its texts, and not in its comments."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        texts = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        text = " ".join(one for one in texts if isinstance(one, str))
    return set(re.findall(r"[\w.=:-]+", text))


@pytest.mark.parametrize("block", MARKED, ids=str)
def test_a_command_that_runs_elsewhere_stands_there(block: Block) -> None:
    files = [ROOT / name for name in (block.note or "").removeprefix("runs in: ").split(", ")]
    there = set().union(*(words_of(file) for file in files))
    for command in block.commands:
        words = [re.sub(r"\[[\w,]+\]", "", word) for word in shlex.split(command, comments=True)]  # without extras
        wanted = {word for word in words if "/" not in word and "=" not in word}
        assert wanted - there - {"&&", ".", "$", "KEEP"} == set(), command


def test_only_taps_are_installed_by_hand() -> None:
    commands = [command for block in BY_HAND for command in block.commands]
    assert commands
    assert all(re.search(r"-venv/bin/pip install \S*tap-\w+(\.git)?$", command) for command in commands)


# Blocks that run here.


def shown_config(page: Path, url: str) -> str:
    """The config file that a page shows first, for the sandbox at hand."""
    block = next(one for one in blocks(page, "json") if "access_token" in one.text)
    settings = {**json.loads(block.text), "access_token": "sandbox", "api_url": url}
    return json.dumps({name: value for name, value in settings.items() if name != "region"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """The sandbox as the README starts it, on a port that is free; returns its address."""
    (block,) = [one for one in CONSOLE if any(command.startswith(SANDBOX) for command in one.commands)]
    *_, command = block.commands
    _, *arguments = command.replace("8030", "0").split()
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        url = re.findall(r"http://\S+", said)[0]
        assert said.replace(url, "http://127.0.0.1:8030") == block.text.partition(f"$ {command}\n")[2]
        yield url
        process.terminate()


def ran_here(page: Path) -> list[Block]:
    """A page's blocks that nobody else runs; those for Meltano are for tests/e2e/test_quickstart.py."""
    here = [block for block in CONSOLE if block.page == page and block not in MARKED + BY_HAND]
    return [block for block in here if not any("meltano " in command for command in block.commands)]


def run_all(shell: Shell, page: Path, url: str, *, anew: bool = True) -> dict[str, str]:
    """Run a page's blocks in their order, `anew` each in an empty workspace; returns what the commands said."""
    said: dict[str, str] = {}
    for block in ran_here(page):
        commands = "\n".join(block.commands)
        if SANDBOX in commands:
            continue
        if anew:
            shutil.rmtree(shell.folder / ".target-intercom", ignore_errors=True)
            empty(url)
        said[commands] = shell(commands)
    return said


def saved_state(folder: Path) -> object:
    state: object = json.loads((folder / "state.json").read_text())
    return state


TAP_CSV = f"""#!{sys.executable}
# Stands in for tap-csv: reads the files that its config names, and writes each column as text.
import csv, json, sys
for file in json.load(open(sys.argv[2]))["files"]:
    stream, rows = file["entity"], list(csv.DictReader(open(file["path"], newline="")))
    columns = {{name: {{"type": ["string", "null"]}} for name in rows[0]}}
    schema = {{"properties": columns}}
    messages = [{{"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": file["keys"]}}]
    messages += [{{"type": "RECORD", "stream": stream, "record": row}} for row in rows]
    messages += [{{"type": "STATE", "value": {{"bookmarks": {{stream: {{}}}}}}}}]
    print("\\n".join(map(json.dumps, messages)))
"""


def test_the_commands_of_the_readme(sandbox: str, tmp_path: Path) -> None:
    shell = make_shell(tmp_path)
    (tmp_path / "config.json").write_text(shown_config(README, sandbox))
    (tap_config,) = [block.text for block in blocks(README, "json") if "files" in block.text]
    (tmp_path / "tap.json").write_text(tap_config)
    (table,) = blocks(README, "csv")
    (tmp_path / "people.csv").write_text(table.text)
    tap = tmp_path / "tap-venv" / "bin" / "tap-csv"
    tap.write_text(TAP_CSV)
    tap.chmod(0o755)
    shortest, first_run = run_all(shell, README, sandbox).values()
    assert "2 created, 1 invalid" in shortest
    assert "Ready: no errors, no warnings" in first_run
    assert "Dry run: nothing was written" in first_run
    assert "Plan as a page: .target-intercom/plan.html" in first_run
    assert saved_state(tmp_path) == {"bookmarks": {"people": {}}}
    (shown,) = blocks(README, "text")
    # The last line names a run.
    assert shown.text[: shown.text.index("Refused records")] in first_run


def test_the_commands_for_a_pipe_and_those_of_the_ledger(sandbox: str, tmp_path: Path) -> None:
    shell = make_shell(tmp_path)
    (tmp_path / "config.json").write_text(shown_config(QUICKSTART, sandbox))
    said = "\n".join(run_all(shell, QUICKSTART, sandbox).values())
    assert '"operation": "create"' in said
    assert '"status": "succeeded"' in said
    assert saved_state(tmp_path) == STATE
    listed, runs, by_environment, vacuumed = run_all(shell, DOCS / "ledger.md", sandbox, anew=False).values()
    assert by_environment == listed
    assert "Forgotten: 0 keys of removed records, 0 lock files" in vacuumed
    shown, shown_runs = blocks(DOCS / "ledger.md", "text")
    assert runs.split()[:9] == shown_runs.text.split()[:9]
    assert runs.split()[-5:] == shown_runs.text.split()[-5:]
    assert listed.split()[:8] == shown.text.split()[:8]
    assert listed.split()[9:13] == shown.text.split()[9:13]
    assert [line.split(",")[0] for line in (tmp_path / "ids.csv").read_text().splitlines()] == ["id", "1", "2"]


# The container.


@pytest.fixture
def container(sandbox: str, tmp_path: Path) -> Shell:
    """What the image of the quick start has, in a folder."""
    shell = make_shell(tmp_path)
    (script,) = [block.text for block in blocks(QUICKSTART, "bash") if "pipe=$!" in block.text]
    (tmp_path / "data").mkdir()
    places = {"/data/": "data/", "/opt/tap/bin/": "", "/opt/target/bin/": ""}
    for place, here in places.items():
        assert place in script
        script = script.replace(place, here)
    (tmp_path / "sync.sh").write_text(script)
    (variables,) = [block.text for block in blocks(QUICKSTART, "bash") if "TARGET_INTERCOM_ACCESS_TOKEN" in block.text]
    given = dict(line.split("=", 1) for line in variables.splitlines())
    del given["TARGET_INTERCOM_LEDGER_URL"]
    own = {"ACCESS_TOKEN": "sandbox", "DATA_DIR": "data/target-intercom", "API_URL": sandbox}
    shell.environment.update(given | {f"TARGET_INTERCOM_{name}": value for name, value in own.items()})
    return shell


def test_the_container_s_script_keeps_the_state_of_runs_that_succeed(container: Shell) -> None:
    state = container.folder / "data" / "state.json"
    container("bash sync.sh", fails=True, TARGET_INTERCOM_ACCESS_TOKEN="wrong")
    assert not state.exists()
    container("bash sync.sh")
    assert json.loads(state.read_text()) == STATE
    container("bash sync.sh", fails=True, TARGET_INTERCOM_ACCESS_TOKEN="wrong")
    assert json.loads(state.read_text()) == STATE


def test_sigterm_to_the_container_s_script_ends_both_ends_of_the_pipe(container: Shell) -> None:
    report = container.folder / "data" / "target-intercom" / "report.json"
    process = container.start("exec bash sync.sh", TAP_SLEEPS="3600")
    until(report.exists)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Stopped by a signal" in log
    assert json.loads(report.read_text())["status"] == "failed"
    assert not (container.folder / "data" / "state.json").exists()


DOCKER = """#!/usr/bin/env bash
# Stands in for docker: "build" looks for what the Dockerfile copies, "run" starts the script with the env file.
set -eu
command=$1; shift
if test "$command" = build; then test -f sync.sh -a -f catalog.json; exit; fi
while test $# -gt 0; do
  case $1 in
    --env-file) while IFS= read -r line; do export "$line"; done < "$2"; shift ;;
    -v) test "$2" = intercom-data:/data; shift ;;
  esac
  shift
done
exec bash sync.sh
"""
LINES = (
    "docker build -t intercom-sync . && docker run --rm --env-file intercom.env -v intercom-data:/data intercom-sync"
)


def test_the_container_is_started_with_the_env_file_as_it_stands_there(container: Shell, sandbox: str) -> None:
    (block,) = [one for one in MARKED if "docker" in one.text]
    assert " && ".join(block.commands) == LINES
    docker = container.folder / "programs" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (variables,) = [one.text for one in blocks(QUICKSTART, "bash") if "TARGET_INTERCOM_ACCESS_TOKEN" in one.text]
    lines = [line for line in variables.splitlines() if "LEDGER_URL" not in line]
    given = [line.replace("/data/", "data/").replace("TOKEN=…", "TOKEN=sandbox") for line in lines]
    (container.folder / "intercom.env").write_text("\n".join([*given, f"TARGET_INTERCOM_API_URL={sandbox}", ""]))
    for name in [name for name in container.environment if name.startswith("TARGET_INTERCOM_")]:
        del container.environment[name]
    empty(sandbox)
    assert "2 created, 1 invalid" in container(LINES)


def test_the_log_of_a_container_can_be_json(container: Shell) -> None:
    (block,) = [one for one in blocks(QUICKSTART, "yaml") if "StructuredFormatter" in one.text]
    (container.folder / "logging.yml").write_text(block.text)
    said = container("bash sync.sh", SINGER_SDK_LOG_CONFIG="logging.yml").splitlines()
    messages = [json.loads(line)["message"] for line in said]
    assert messages[-1].startswith("Done: ")
    assert "METRIC" not in messages
