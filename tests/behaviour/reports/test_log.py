"""The log is one line a message, and commands no terminal, whatever a tap or Intercom calls its things."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_intercom.sandbox import Response
from tests.support.front import Front
from tests.support.loading import lines, record, schema, state
from tests.support.processes import run_text

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.loading import Loader

FORGED = "2026-11-30 12:00:00,000 | INFO     | target-intercom                | Done: all is well"
EVIL = f"x\x1b[2J\x1b]0;title\x07\x9b31m\x85\r\n{FORGED}\n\u2028{FORGED}\u2029\u202eback\u2066\u200b\x7f"
"""Clears the screen, gives it a title and a colour, forges lines, and turns the direction round."""
SHOWN = r"x\x1b[2J\x1b]0;title\x07\x9b31m\x85\r\n2026-11-30"
LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| [A-Z]+ +\| [a-z_-]")
STREAM, PROPERTY = f"stream {EVIL}", f"property {EVIL}\x00\ud800"
CUSTOMERS = schema(STREAM, id="integer", email="text", name="text", **{PROPERTY: "text", f"id {EVIL}": "object"})
MESSAGES = [
    CUSTOMERS,
    record(STREAM, id=1, email="ann@example.com", **{PROPERTY: "x"}),
    record(STREAM, id=2, email="no address"),
    record(STREAM, id=3, email="bob@example.com", name="refused"),
    state({"bookmarks": {STREAM: {"at": EVIL}}}),
]


def answers(request: Request, sandbox: SandboxServer) -> Response | None:
    """Intercom whose names, codes and messages are as evil as the tap's."""
    if request.path == "/me":
        me = sandbox.sandbox.handle(request).json
        return Response.of(200, {**me, "app": {**me["app"], "name": f"Workspace {EVIL}"}})
    if request.method == "POST" and request.path == "/contacts" and b"refused" in request.body:
        error = {"type": "error.list", "errors": [{"code": f"code {EVIL}", "message": f"message {EVIL}"}]}
        return Response.of(400, error)
    return None


@pytest.fixture
def evil(load: Loader, sandbox: SandboxServer) -> Iterator[Loader]:
    with Front(sandbox, lambda request: answers(request, sandbox)) as front:
        load.url = front.url
        yield load


def assert_harmless(log: str, *others: str) -> None:
    """Every line is printable, and one that a message of ours or a traceback has."""
    assert {char for char in log if not char.isprintable()} <= {"\n"}
    assert FORGED not in log.splitlines()
    strange = [line for line in log.splitlines() if not LOGGED.match(line) and not line.startswith(("  ", *others))]
    assert strange == []


TABLE = (
    "stream",
    "read",
    "created",
    "invalid",
    "rejected",
    "What the run did",
    "Dry run: ",
    "would ",
    "Report: ",
    "Report as a page: ",
    "Plan: ",
    "Plan as a page: ",
)
"""What the lines of the last word begin with; the table is turned round for names as long as these."""
FILES = ("Refused records: ",)


@pytest.mark.parametrize(("level", "dry_run"), [("INFO", False), ("DEBUG", False), ("DEBUG", True)])
def test_names_cannot_forge_lines_or_command_the_terminal(evil: Loader, level: str, *, dry_run: bool) -> None:
    evil.variables["LOGLEVEL"] = level
    evil.settings["mappings"] = {"id": "external_id", PROPERTY: "custom_attributes.plan", f"mapped {EVIL}": "phone"}
    done = evil.pipe(MESSAGES, dry_run=dry_run, streams={f"unused {EVIL}": {}})
    assert done.exit_code == 0
    assert_harmless(done.log, *TABLE, *FILES)
    for said in (
        f"Intercom workspace 'Workspace {SHOWN}",
        f"Stream 'stream {SHOWN}",
        f"  stream {SHOWN}",
        f"Setting 'mappings' names the property 'mapped {SHOWN}",
    ):
        assert said in done.log
    assert dry_run or f"code code {SHOWN}" in done.log
    # What programs read is as it came.
    assert list(done.report["streams"]) == [STREAM]
    if not dry_run:
        assert done.states == [{"bookmarks": {STREAM: {"at": EVIL}}}]
        assert done.refusals[1]["code"] == f"code {EVIL}"


@pytest.mark.parametrize(
    "ending",
    [
        record(f"unknown {EVIL}", id=1),
        {"type": f"TYPE {EVIL}"},
        schema(STREAM, name="text"),
        {**schema(STREAM, id="integer"), "schema": f"schema {EVIL}"},
        {"type": "BATCH", "stream": STREAM, "encoding": {"format": "jsonl"}, "manifest": [f"file:///no {EVIL}"]},
    ],
    ids=["stream", "type", "schema", "json schema", "batch"],
)
def test_what_ends_a_run_is_said_in_a_line(evil: Loader, ending: dict[str, Any]) -> None:
    evil.variables["LOGLEVEL"] = "DEBUG"
    done = evil.pipe([*MESSAGES[:2], ending], mappings={"id": "external_id"})
    assert done.exit_code == 1
    assert_harmless(done.log, *TABLE, *FILES)


def test_settings_are_said_in_a_line_each(evil: Loader) -> None:
    done = evil.pipe([], **{f"setting {EVIL}": 1, "region": EVIL, "streams": {EVIL: {EVIL: 1}}})
    assert done.exit_code == 1
    assert_harmless(done.log)
    assert f"Setting 'setting {SHOWN}" in done.log


def command(load: Loader, module: str, *arguments: str, given: Sequence[Any] = ()) -> subprocess.CompletedProcess[str]:
    config = load.data_dir / "config.json"
    load.data_dir.mkdir(exist_ok=True)
    config.write_text(json.dumps(load.config()), encoding="utf-8")
    return run_text(
        [sys.executable, "-m", f"target_intercom.{module}", "--config", str(config), *arguments],
        input=lines(given),
        env=load.env(),
        timeout=120,
    )


def test_the_check_prints_no_name_as_it_is(evil: Loader, sandbox: SandboxServer) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}", "Intercom-Version": "2.16"}
    attribute = {"name": "plan", "model": "contact", "data_type": "string", "description": EVIL}
    requests.post(f"{sandbox.url}/data_attributes", json=attribute, headers=headers, timeout=120).raise_for_status()
    evil.settings["mappings"] = {"id": "external_id", f"mapped {EVIL}": f"custom_attributes.{EVIL}"}
    evil.settings[f"setting {EVIL}"] = 1
    done = command(evil, "check", "--catalog", "-", given=MESSAGES)
    assert {char for char in done.stdout + done.stderr if not char.isprintable()} <= {"\n"}
    assert FORGED not in (done.stdout + done.stderr).splitlines()
    assert f"Workspace {SHOWN}" in done.stdout
    as_json = json.loads(command(evil, "check", "--format=json").stdout)
    assert as_json["workspace"]["name"] == f"Workspace {EVIL}"


def test_the_ledger_s_command_prints_no_name_as_it_is(evil: Loader) -> None:
    evil(MESSAGES[:2])
    for arguments in (["streams"], ["export", f"other {EVIL}"]):
        done = command(evil, "ledger", *arguments)
        assert {char for char in done.stdout + done.stderr if not char.isprintable()} <= {"\n"}
        assert FORGED not in (done.stdout + done.stderr).splitlines()
        assert f"stream {SHOWN}" in done.stdout + done.stderr


def test_a_log_of_json_has_the_same_texts(evil: Loader) -> None:
    config = evil.data_dir.with_name("logging.yml")
    config.write_text(
        "version: 1\ndisable_existing_loggers: false\n"
        "formatters: {json: {(): singer_sdk.logging.StructuredFormatter}}\n"
        "handlers: {stderr: {class: logging.StreamHandler, formatter: json, stream: ext://sys.stderr}}\n"
        "root: {level: INFO, handlers: [stderr]}\n"
        "loggers: {singer_sdk.metrics: {handlers: [stderr], propagate: false}}\n"
    )
    evil.variables["SINGER_SDK_LOG_CONFIG"] = str(config)
    done = evil.pipe(MESSAGES)
    said = [json.loads(line) for line in done.log.splitlines() if line.startswith("{")]
    assert any(f"Workspace {SHOWN}" in one["message"] for one in said)
    points = [one["metric_info"] for one in said if one["message"] == "METRIC"]
    assert {point["metric"] for point in points} >= {"outcome_count", "record_count", "http_request_count"}
    assert {char for char in done.log if not char.isprintable()} <= {"\n"}
    told = "\n".join(one["message"] for one in said)
    assert {char for char in told if not char.isprintable()} <= {"\n"}
