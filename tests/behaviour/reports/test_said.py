"""What a person is told: enough to mend it, and nothing that does not belong into a log."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_intercom.sandbox import SandboxServer
from tests.support.loading import feed, lines, record, schema, state, until
from tests.support.processes import run

if TYPE_CHECKING:
    from tests.support.loading import Loader, People

CUSTOMERS = schema("customers", id="integer", email="text", name="text", owner="text", verified="boolean")
ANN = {"id": 1, "email": "ann@example.com", "name": "Ann"}


def customers(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [CUSTOMERS, *(record("customers", **row) for row in rows), state({"n": len(rows)})]


def from_environment(load: Loader, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run with settings from the environment alone."""
    env = {f"TARGET_INTERCOM_{name.upper()}": value for name, value in settings.items()}
    command = [*load.command(load.data_dir)[:-2], "--config=ENV"]
    piped = lines(customers(ANN)).encode()
    return run(command, input=piped, env={**load.env(), **env}, timeout=120)


# Refusals.


def test_intercoms_own_words_are_in_the_file_of_rejected_records_and_not_in_the_log(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}", "Intercom-Version": "2.16"}
    body = {"role": "user", "external_id": "2", "owner_id": "99999999"}
    (told,) = requests.post(f"{sandbox.url}/contacts", json=body, headers=headers, timeout=120).json()["errors"]
    mappings = {"id": "external_id", "owner": "owner_id"}
    done = load(customers({**ANN, "owner": "99999999"}), mappings=mappings)
    (refusal,) = done.refusals
    assert told["message"] in refusal["reason"]
    assert told["message"] not in caplog.text
    assert "99999999" not in caplog.text
    (line,) = [one.getMessage() for one in caplog.records if "a record is rejected" in one.getMessage()]
    assert told["code"] == refusal["code"]
    assert refusal["code"] in line
    (path,) = done.data_dir.glob("rejected-*.jsonl")
    number = 1 + [message["type"] for message in done.rejected].index("RECORD")
    assert f"line {number} of {path}" in line


# Settings.


def test_an_address_with_a_wrong_path_is_said_to_be_one(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    with SandboxServer() as other:
        done = load(customers(ANN), api_url=f"{other.url}/api/contacts")
    assert (done.exit_code, done.states) == (1, [])
    assert [one for one in caplog.records if one.levelname == "ERROR" and "'api_url'" in one.getMessage()]
    assert "Traceback" not in caplog.text


def test_a_config_file_that_is_missing_is_named_with_the_reason(load: Loader, tmp_path: Path) -> None:
    config = tmp_path / "nowhere.json"
    done = run(load.command(config), input=b"", env=load.env(), timeout=120)
    told = " ".join(done.stderr.decode().split())
    assert done.returncode != 0
    assert done.stdout == b""
    assert config.name in told
    assert "no such file" in told.lower()
    assert "None" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{\n  "access_token": "very-secret",\n  "mappings": {"id": "external_id",}\n}', "line 3, column 3"),
        (b'{\n  "access_token": "very-secret"\n  "region": "eu"\n}', "line 3, column 3"),
        (b"{'access_token': 'very-secret'}", "line 1, column 2"),
        (b"", "line 1, column 1"),
        (b'{"access_token": "very-secret\xe9"}', "not UTF-8"),
        (b'["very-secret"]', "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
    ],
)
def test_a_config_file_that_is_no_json_is_named_with_line_and_column(
    load: Loader, tmp_path: Path, text: bytes, place: str
) -> None:
    config = tmp_path / "broken.json"
    config.write_bytes(text)
    for command in (load.command(config), [sys.executable, "-m", "target_intercom.check", "--config", str(config)]):
        done = run(command, input=b"", env=load.env(), timeout=120)
        told = " ".join(done.stderr.decode().replace("│", "").split())
        assert (done.returncode, done.stdout) == (2, b"")
        assert config.name in told
        assert place in told
        assert "very-secret" not in told
        assert "Traceback" not in told


def test_a_config_file_may_begin_with_a_mark(load: Loader) -> None:
    process = load.start()
    process.kill()
    process.communicate()
    config = load.data_dir / "config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    command, piped = load.command(config), lines(customers(ANN)).encode()
    done = run(command, input=piped, env=load.env(), timeout=120)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(("settings", "made"), [({}, 0), ({"sync_mode": "additive"}, 1)])
def test_an_env_file_in_the_working_directory_is_read_and_the_environment_wins_over_it(
    load: Loader, people: People, tmp_path: Path, settings: dict[str, str], made: int
) -> None:
    values = {
        "ACCESS_TOKEN": "sandbox",
        "API_URL": load.url,
        "DATA_DIR": str(load.data_dir),
        "MAPPINGS": '\'{"id": "external_id"}\'',
        "SYNC_MODE": "enrich",
    }
    text = "".join(f"TARGET_INTERCOM_{name}={value}\n" for name, value in values.items())
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    done = from_environment(load, **settings)
    assert done.returncode == 0, done.stderr.decode()
    assert len(people.everyone()) == made


def test_a_mapped_property_that_no_stream_has_is_said_at_the_end(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    mappings = {"id": "external_id", "name": "name", "nmae": "phone"}
    assert load(customers(ANN), mappings=mappings).exit_code == 0
    (said,) = [one.getMessage() for one in caplog.records if "no stream has" in one.getMessage()]
    assert "'mappings'" in said
    assert "'nmae'" in said


def test_a_mapped_property_that_only_a_later_stream_has_is_not_said_to_be_missing(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    others = schema("others", id="integer", email="text", cell="text")
    load([*customers(ANN), others], mappings={"id": "external_id", "cell": "phone"})
    assert "no stream has" not in caplog.text


def test_an_id_that_is_not_mapped_is_said_once_with_the_mapping_to_add(
    load: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    bob = {"id": 2, "email": "bob@example.com"}
    done = load([*customers(ANN), *customers(bob)], mappings={}, batch_size_rows=1)
    assert done.results() == {"created": 2}
    (said,) = [one.getMessage() for one in caplog.records if "'id'" in one.getMessage()]
    assert "'customers'" in said
    assert '{"id": "external_id"}' in said


@pytest.mark.parametrize("mappings", [{"id": None}, {"id": "external_id"}])
def test_an_id_that_is_mapped_is_not_said(
    load: Loader, caplog: pytest.LogCaptureFixture, mappings: dict[str, Any]
) -> None:
    load(customers(ANN), mappings=mappings)
    assert "'id'" not in caplog.text


VERIFIED = {"id": "external_id", "verified": "email_verified"}


def test_email_verified_is_left_out_before_2_16_and_said(
    load: Loader, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    done = load(customers({**ANN, "verified": True}), mappings=VERIFIED, api_version="2.15")
    assert done.results() == {"created": 1}
    assert not [call for call in sandbox.calls if "email_verified" in (call.body or {})]
    (said,) = [one.getMessage() for one in caplog.records if "'email_verified'" in one.getMessage()]
    for text in ("'customers'", "'verified'", "2.16"):
        assert text in said
    assert people.one(external_id="1")["email_verified"] is None


@pytest.mark.parametrize("there", [False, True])
def test_email_verified_is_sent_together_with_the_email_from_2_16_on(
    load: Loader, people: People, sandbox: SandboxServer, there: bool
) -> None:
    if there:
        people.add(external_id="1", email="ann@example.com", name="Old name")
    before = len(sandbox.calls)
    done = load(customers({**ANN, "verified": True}), mappings=VERIFIED, api_version="2.16")
    assert done.results() == ({"updated": 1} if there else {"created": 1})
    sent = [call.body for call in sandbox.calls[before:] if "email_verified" in (call.body or {})]
    assert [(body["email"], body["email_verified"]) for body in sent if body] == [("ann@example.com", True)]
    assert people.one(external_id="1")["email_verified"] is True


# The end.


@pytest.mark.parametrize("messages", [[], [state({"bookmarks": {}})]])
def test_a_run_that_saw_no_stream_ends_with_that_word(load: Loader, messages: list[Any]) -> None:
    done = load.pipe(messages)
    assert done.exit_code == 0
    last = done.log.splitlines()[-1]
    assert "Done: the tap sent no stream" in last
    assert '"selected": true' in last


def test_a_run_whose_streams_have_no_records_does_not_say_that_none_came(load: Loader) -> None:
    assert "no stream" not in load.pipe([CUSTOMERS]).log


def test_the_log_says_at_the_start_where_the_files_lie(load: Loader) -> None:
    said = load.pipe([], data_dir="relative/here").log
    assert f"Files of this run: {Path.cwd() / 'relative/here'}\n" in said


def refusals(count: int) -> list[dict[str, Any]]:
    return customers(*({"id": n, "email": "nowhere"} for n in range(count)), {"id": "x" * 9, "owner": "5"})


def test_repeated_warnings_are_three_of_a_kind_and_then_a_count(load: Loader) -> None:
    done = load.pipe(refusals(30))
    said = [line for line in done.log.splitlines() if "WARNING" in line and "a record is invalid" in line]
    assert [f"(line {n} of " in line for n, line in zip((2, 3, 4), said, strict=False)] == [True] * 3
    assert len(said) == 4
    assert "27 more like it: Stream 'customers': a record is invalid: property 'email': invalid_email" in said[3]
    assert done.log.index(said[3]) < done.log.index("What the run did:")
    assert len(done.refusals) == 30


def test_repeated_warnings_lose_no_name(load: Loader) -> None:
    names = ["created_at", "updated_at", "browser", "os", "city", "country"]
    described = schema("customers", id="integer", email="text", **dict.fromkeys(names, "text"))
    log = load.pipe([described, record("customers", id=1, email="a@example.com")]).log
    said = [line for line in log.splitlines() if "is left out: Intercom has a standard attribute" in line]
    assert len(said) == 4
    assert "3 more like it, of " in said[3]
    assert all(f"'{name}'" in "".join(said) for name in names)


def test_two_warnings_of_a_kind_are_both_said_and_not_counted(load: Loader) -> None:
    log = load.pipe(refusals(2)).log
    assert log.count("a record is invalid") == 2
    assert "more like it" not in log


def test_input_that_is_not_utf_8_ends_the_run_with_a_sentence_and_a_line_number(load: Loader) -> None:
    process = load.start()
    process.kill()
    process.communicate()
    command = load.command(load.data_dir / "config.json")
    piped = lines([CUSTOMERS, record("customers", **ANN)]).encode() + b'{"type": "RECORD", "name": "Zo\xeb"}\n'
    env = {**load.env(), "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, input=piped, capture_output=True, check=False, env=env, timeout=120)
    log = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert re.search(r"[Ll]ine \d+\b.*UTF-8", log)
    assert "Traceback" not in log
    assert "codec" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_said_to_have_stopped_the_run(load: Loader, sandbox: SandboxServer, number: signal.Signals) -> None:
    process = load.start()
    feed(process, *customers(ANN))
    until(lambda: len(sandbox.calls) > 0)
    time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (128 + number, b"")
    assert "Stopped by a signal" in err.decode()
    assert "Traceback" not in err.decode()
