from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "target_intercom.sandbox"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_serves_and_ends_cleanly(number: signal.Signals) -> None:
    command = [*COMMAND, "--port", "0", "--token", "t0ken", "--region", "eu", "--rate-limit", "7"]
    command += ["--company-nulls", "refuse", "--company-return", "same", "--company-lookup", "with_people"]
    command += ["--company-escaping", "always", "--company-deletion-delay", "7"]
    command += ["--allowed-hosts", "sandbox, other"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"Intercom sandbox on (http://127\.0\.0\.1:\d+) \(token: t0ken\)\n", line)
        assert match, line
        token = {"Authorization": "Bearer t0ken"}
        answer = requests.get(f"{match[1]}/me", headers={**token, "Host": "other:8030"}, timeout=120)
        conditions = requests.get(f"{match[1]}/_sandbox/conditions", headers=token, timeout=120).json()
        stray = requests.get(f"{match[1]}/me", headers={**token, "Host": "third:8030"}, timeout=120)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=120)

    assert answer.json()["app"]["region"] == "EU"
    assert stray.status_code == 421
    names = ("company_nulls", "company_return", "company_lookup", "company_escaping", "company_deletion_delay")
    assert [conditions[name] for name in names] == ["refuse", "same", "with_people", "always", 7]
    assert answer.headers["X-RateLimit-Limit"] == "7"
    assert (process.returncode, rest, errors) == (0, "", "")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_taken_port_is_told_in_a_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("--port", str(port))

    assert ended.returncode != 0
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}: address already in use" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "x"], "--port"),
        (["--port", "70000"], "--port"),
        (["--fault-rate", "2"], "--fault-rate"),
        (["--faults", "500,418"], "--faults"),
        (["--search-lag", "-1"], "--search-lag"),
        (["--rate-limit", "0"], "--rate-limit"),
        (["--region", "moon"], "--region"),
        (["--company-deletion-delay", "-1"], "--company-deletion-delay"),
        (["--company-escaping", "often"], "--company-escaping"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_bad_flag_is_told_in_a_line(arguments: list[str], named: str) -> None:
    ended = run(*arguments)

    assert ended.returncode != 0
    assert ended.stderr.count("\n") == 1
    assert named in ended.stderr
