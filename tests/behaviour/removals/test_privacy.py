"""Neither the token nor an email address appears in what a run logs, reports or names: only in the rejected records."""

from __future__ import annotations

import json
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Conditions, Fault, SandboxServer, TargetedFault
from target_intercom.sandbox.conditions import TIMELY_FAULTS
from tests.support import processes
from tests.support.loading import Loader, feed, lines, record, schema, state, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.loading import People

TOKEN = "dG9rOjEyMzQ1Njc4OTBhYmNkZWY="
GONE = "2026-01-01T00:00:00Z"
CUSTOMERS = schema(
    "customers", id="text", email="text", name="text", seats="integer", owner="text", _sdc_deleted_at="datetime"
)
MAPPINGS = {"id": "external_id", "owner": "owner_id"}
PEOPLE = (
    "ann@private.example",
    "Bob.Builder+news@Private.Example",
    "o'hara@private.example",
    "zoë@private.example",
    "under_score-dash@sub.private.example",
    "1234567@private.example",
)


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A workspace whose token is not a word that turns up by itself."""
    with SandboxServer(Conditions(), token=TOKEN) as server:
        yield server


def customer(email: str, **values: Any) -> dict[str, Any]:
    """A record whose identifier is an address, too: it stands in paths of calls."""
    return record("customers", **{"id": email, "email": email, **values})


def customers() -> list[dict[str, Any]]:
    return [customer(email, name=email) for email in PEOPLE]


@dataclass
class Told:
    """What a run said outside of the rejected records."""

    exit_code: int
    log: str
    out: str
    data_dir: Path


def assert_private(told: Told, *, token_alone: bool = False) -> None:
    """Look for the token and the addresses, also spelled as in a URL, in everything but the rejected records.

    The ledger has the addresses, for its owner only, and the token no more than the others.
    """
    files = [path for path in told.data_dir.rglob("*") if path.name not in {"config.json", "input.singer"}]
    ledger = [path for path in files if path.name.startswith("ledger.db")]
    assert not any(TOKEN.encode() in path.read_bytes() for path in ledger)
    texts = {
        path.name: path.read_text() for path in files if not path.name.startswith("rejected-") and path not in ledger
    }
    texts |= {"names of files": "\n".join(path.name for path in files), "log": told.log, "stdout": told.out}
    for where, text in texts.items():
        assert TOKEN not in text, where
        if token_alone:
            continue
        assert "private.example" not in text.lower(), where
        for email in PEOPLE:
            assert email.split("@")[0].lower() + "@" not in text.lower(), where
            assert email.split("@")[0].lower() + "%40" not in text.lower(), where


@dataclass
class Runner:
    """Runs the target as a process of its own."""

    load: Loader

    def __call__(
        self, messages: list[dict[str, Any] | str], *, environment: Mapping[str, str] | None = None, **settings: Any
    ) -> Told:
        self.load.data_dir.mkdir(parents=True, exist_ok=True)
        config = self.load.data_dir / "config.json"
        config.write_text(json.dumps(self.load.config(**settings)), encoding="utf-8")
        done = processes.run(
            self.load.command(config),
            input=lines(messages).encode(),
            env={**self.load.env(), **(environment or {})},
        )
        return Told(done.returncode, done.stderr.decode(), done.stdout.decode(), self.load.data_dir)


@pytest.fixture
def run(load: Loader) -> Runner:
    load.settings = {"access_token": TOKEN, "mappings": MAPPINGS}
    return Runner(load)


def test_a_run_that_goes_well(run: Runner) -> None:
    told = run([CUSTOMERS, *customers(), *customers(), state({"n": 12})])
    assert told.exit_code == 0
    assert_private(told)


def test_a_run_with_every_kind_of_refusal(run: Runner, people: People) -> None:
    for number in (1, 2):
        people.add(role="lead", email="twin@private.example", name=f"Lead {number}")
    away = people.add(external_id="other", email="taken@private.example")
    people.call("POST", f"/contacts/{away}/archive", {})
    bad = [
        customer("ann@private.example", seats="ann@private.example"),
        record("customers", id="x1", email="ann@private.example and bob@private.example"),
        record("customers", id=["ann@private.example"], email="ann@private.example"),
        record("customers", id="x2", email="ann@private.example", _sdc_deleted_at=False, owner="bob@private.example"),
        record("customers", id="", email="twin@private.example", name="Twin"),
        record("customers", id="x3", email="taken@private.example"),
        record("customers", id="x4", email={"ann@private.example": 1}),
    ]
    told = run([CUSTOMERS, *bad, state({"n": 7})])
    assert told.exit_code == 0
    report = json.loads((told.data_dir / "report.json").read_text())
    counts = report["streams"]["customers"]
    assert counts["invalid"] >= 4
    assert counts["rejected"] >= 2
    assert_private(told)
    (rejected,) = told.data_dir.glob("rejected-*")
    assert "private.example" in rejected.read_text()
    assert TOKEN not in rejected.read_text()


@pytest.mark.parametrize("mode", ["sync", "enrich", "insert", "remove"])
def test_every_mode(load: Loader, run: Runner, caplog: pytest.LogCaptureFixture, mode: str) -> None:
    """In this process, to be quick: the log is looked at as it is formatted."""
    messages = [CUSTOMERS, *customers(), customer("ann@private.example", _sdc_deleted_at=GONE), state({"n": 7})]
    load(messages)
    done = load(messages, sync_mode=mode, removal_mode="delete")
    assert done.exit_code == 0
    assert_private(Told(0, caplog.text, "", done.data_dir))


def test_failing_calls(run: Runner, sandbox: SandboxServer) -> None:
    sandbox.conditions.fault_rate = 0.2
    sandbox.conditions.fault_seed = 7
    sandbox.conditions.rate_window = 1.0
    sandbox.conditions.faults = TIMELY_FAULTS
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts", times=3))
    told = run([CUSTOMERS, *customers(), state({"n": 6})])
    assert told.exit_code == 0
    assert_private(told)


@pytest.mark.usefixtures("hurried")
def test_calls_of_one_record_that_fail_to_the_end(
    load: Loader, run: Runner, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.conditions.plan.add(TargetedFault(Fault.HTML, body_contains="ann@private.example", times=1000))
    sandbox.conditions.plan.add(TargetedFault(Fault.HTML, "GET", "/contacts/find_by_external_id/{id}", times=1000))
    # The others come first: what fails alone is taken for an outage.
    done = load([CUSTOMERS, *reversed(customers())], batch_size_rows=1)
    assert done.stream()["rejected"] >= 1
    assert_private(Told(0, caplog.text, "", done.data_dir))


@pytest.mark.parametrize("token", [TOKEN + "x", TOKEN + "\n", "Bearer " + TOKEN, TOKEN + "é"])
def test_a_token_that_is_refused(
    load: Loader, run: Runner, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], token: str
) -> None:
    done = load([CUSTOMERS, *customers()], access_token=token)
    said = capfd.readouterr()
    assert_private(Told(done.exit_code, caplog.text + said.err, said.out, done.data_dir))


@pytest.mark.usefixtures("hurried")
def test_an_unreachable_host(load: Loader, run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = load([CUSTOMERS, *customers()], api_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 1
    assert_private(Told(1, caplog.text, "", done.data_dir))


@pytest.mark.parametrize(
    "broken",
    [
        "ann@private.example",
        '{"type": "RECORD", "stream": "customers", "record": {"email": "ann@private.example"',
        '{"type": "RECORD", "stream": "customers", "record": "ann@private.example"}',
        '{"type": "RECORD", "stream": "customers", "record": ["ann@private.example"]}',
        '{"type": "RECORD", "stream": "customers", "record": {"email": "ann@private.example"}}',
        '{"type": "RECORD", "stream": ["ann@private.example"], "record": {}}',
        '{"type": "ann@private.example"}',
        '{"type": "STATE", "value": "ann@private.example"}',
        '{"type": "BATCH", "stream": "customers", "encoding": {"format": "jsonl"}, "manifest": ["file:///ann@private.example"]}',
        '{"type": "BATCH", "stream": "customers", "encoding": "ann@private.example", "manifest": []}',
        '{"type": "BATCH", "stream": "customers", "encoding": {"ann@private.example": 1}, "manifest": []}',
        '{"type": "ACTIVATE_VERSION", "stream": "customers", "version": "ann@private.example"}',
        '{"type": "SCHEMA", "stream": "customers", "schema": {"properties": "ann@private.example"}}',
    ],
)
def test_messages_that_surprise(
    load: Loader, run: Runner, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], broken: str
) -> None:
    """Whatever they lead to, even an error nobody thought of, the log keeps to itself."""
    done = load([CUSTOMERS, *customers(), broken])
    said = capfd.readouterr()
    states = "" if "STATE" in broken else said.out
    assert_private(Told(done.exit_code, caplog.text + said.err, states, done.data_dir))


def test_stream_maps_that_break_on_a_value(load: Loader, run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    done = load([CUSTOMERS, *customers()], stream_maps={"customers": {"seats": "int(email)"}})
    assert_private(Told(done.exit_code, caplog.text, "", done.data_dir))


def test_a_disk_that_breaks_mid_run(
    load: Loader, run: Runner, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A folder stands where the report is to be replaced: an error that no record led to."""
    target = tmp_path / "elsewhere"
    (target / "report.json" / "in the way").mkdir(parents=True)
    done = load([CUSTOMERS, *customers(), state({"n": 6})], data_dir=str(target))
    assert (done.exit_code, done.states) == (1, [])
    assert_private(Told(1, caplog.text, "", done.data_dir))


def test_a_run_that_a_signal_ends(load: Loader, run: Runner, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.3
    process = load.start(max_connections=2)
    feed(process, CUSTOMERS, *customers(), end=True)
    until(lambda: any(call.path == "/contacts" for call in list(sandbox.calls)))
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert_private(Told(process.wait(), err.decode(), out.decode(), load.data_dir))


def test_the_token_is_in_no_log_at_any_level(run: Runner, sandbox: SandboxServer) -> None:
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts"))
    environment = {"LOGLEVEL": "DEBUG", "TARGET_INTERCOM_LOGLEVEL": "DEBUG"}
    told = run([CUSTOMERS, *customers(), state({"n": 6})], environment=environment)
    assert told.exit_code == 0
    assert "DEBUG" in told.log
    assert_private(told, token_alone=True)
    told = run([CUSTOMERS, "no json"], environment=environment)
    assert told.exit_code == 1
    assert_private(told, token_alone=True)


def test_the_token_from_the_environment_is_in_no_log(load: Loader, run: Runner) -> None:
    load.data_dir.mkdir(parents=True)
    environment = {
        **load.env(),
        "TARGET_INTERCOM_ACCESS_TOKEN": TOKEN,
        "TARGET_INTERCOM_API_URL": load.url,
        "TARGET_INTERCOM_DATA_DIR": str(load.data_dir),
        "TARGET_INTERCOM_LOGLEVEL": "DEBUG",
    }
    command = [*load.command(load.data_dir)[:-2], "--config=ENV"]
    done = processes.run(command, input=lines([CUSTOMERS]).encode(), env=environment)
    assert done.returncode == 0
    assert_private(Told(0, done.stderr.decode(), done.stdout.decode(), load.data_dir), token_alone=True)


def test_a_report_holds_no_record_key(load: Loader, run: Runner) -> None:
    done = load([CUSTOMERS, *customers(), record("customers", id="C-4711", email=None, seats="many")])
    assert done.stream()["invalid"] == 1
    assert "4711" not in json.dumps(done.report)


@pytest.mark.parametrize("text", ["x ann@private.example", f"token {TOKEN}", "GET /contacts/ann%40private.example"])
def test_the_check_of_these_tests_finds_what_it_looks_for(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssertionError):
        assert_private(Told(0, text, "", tmp_path))
