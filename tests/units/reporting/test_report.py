"""What a run leaves behind: the report and the rejected records."""

from __future__ import annotations

import json
import logging
import stat
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom.outcomes import CONTACT_RESULTS, Outcome, Refusal, Result, SkipReason
from target_intercom.reporting.log import Warnings
from target_intercom.reporting.report import RejectedRecords, RunReport
from tests.support.loading import received, record, schema

if TYPE_CHECKING:
    from pathlib import Path

    from target_intercom.model import Received

SCHEMA = schema("customers", id="integer", email="text")
REFUSAL = Refusal(Result.REJECTED, "no such owner", "parameter_invalid", "owner", "req1")
RESULTS = ["created", "updated", "unchanged", "merged", "skipped", "archived", "deleted", "invalid", "rejected"]
LOGGER = logging.getLogger("tests.report")


def rejected_records(folder: Path) -> RejectedRecords:
    return RejectedRecords(folder / "rejected-1.jsonl")


def customer(**values: Any) -> Received:
    return received(record("customers", **values), SCHEMA)


def report(folder: Path) -> RunReport:
    rejected = rejected_records(folder)
    return RunReport(folder / "report.json", rejected, "run1", "2026-11-20T00:00:00+00:00", Warnings(LOGGER.warning))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def saved(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return read


def outcome(result: Result, stream: str = "customers", **values: Any) -> Outcome:
    refusal = REFUSAL if result in {Result.INVALID, Result.REJECTED} else None
    if refusal is not None and result is Result.INVALID:
        refusal = Refusal(Result.INVALID, "it is not an email address", "invalid_email", "email")
    came = received(record(stream, **values))
    return Outcome(came, result, SkipReason.EXISTS if result is Result.SKIPPED else None, refusal)


# Rejected records.


def test_nothing_is_left_where_nothing_was_rejected(tmp_path: Path) -> None:
    rejected = rejected_records(tmp_path / "data")
    rejected.close()
    assert not rejected.path.exists()


def test_only_the_owner_can_read_rejected_records(tmp_path: Path) -> None:
    rejected = rejected_records(tmp_path / "data")
    rejected.write(customer(id=1), REFUSAL)
    rejected.close()
    assert stat.S_IMODE(rejected.path.stat().st_mode) == 0o600


def test_a_rejected_record_stands_as_received_with_the_reason(tmp_path: Path) -> None:
    rejected = rejected_records(tmp_path)
    message = {
        **record("customers", id=1, email="ann@example.com", n=None),
        "time_extracted": "2026-11-20",
        "version": 5,
    }
    rejected.write(received(message, SCHEMA), REFUSAL)
    written, line = lines(rejected.path)
    assert written == SCHEMA
    assert line == {
        **message,
        "rejected": {
            "outcome": "rejected",
            "reason": "no such owner",
            "code": "parameter_invalid",
            "field": "owner",
            "request_id": "req1",
        },
    }


def test_the_schema_of_a_stream_stands_once_and_before_its_records(tmp_path: Path) -> None:
    other = schema("people", id="integer")
    rejected = rejected_records(tmp_path)
    for stream in ("customers", "people", "customers", "people", "customers"):
        rejected.write(received(record(stream, id=1), other if stream == "people" else SCHEMA), REFUSAL)
    kinds = [(line["type"], line["stream"]) for line in lines(rejected.path)]
    assert kinds == [
        ("SCHEMA", "customers"),
        ("RECORD", "customers"),
        ("SCHEMA", "people"),
        ("RECORD", "people"),
        ("RECORD", "customers"),
        ("RECORD", "people"),
        ("RECORD", "customers"),
    ]


def test_a_record_stands_under_the_schema_that_it_came_under(tmp_path: Path) -> None:
    other = schema("customers", id="text", email="text")
    rejected = rejected_records(tmp_path)
    for number, under in enumerate([SCHEMA, other, other, SCHEMA]):
        rejected.write(received(record("customers", id=number), under), REFUSAL)
    kinds = [line["schema"] if line["type"] == "SCHEMA" else line["record"]["id"] for line in lines(rejected.path)]
    assert kinds == [SCHEMA["schema"], 0, other["schema"], 1, 2, SCHEMA["schema"], 3]


def test_the_line_of_a_rejected_record_is_told(tmp_path: Path) -> None:
    rejected = rejected_records(tmp_path)
    assert [rejected.write(customer(id=number), REFUSAL) for number in range(3)] == [2, 3, 4]


def test_rejected_records_stand_in_the_file_at_once_and_whole(tmp_path: Path) -> None:
    """A run that is killed leaves what it rejected so far."""
    rejected = rejected_records(tmp_path)
    rejected.write(customer(id=1, bio="x" * 100_000), REFUSAL)
    assert len(lines(rejected.path)) == 2
    assert rejected.path.read_text(encoding="utf-8").endswith("\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), "1.10"),
        (Decimal("0.14285714285714285714"), "0.14285714285714285714"),
        (Decimal("1E+1000000"), "1E+1000000"),
        (10**30, "1" + 30 * "0"),
        (True, "true"),
        (None, "null"),
    ],
    ids=repr,
)
def test_values_are_written_as_they_came(tmp_path: Path, value: Any, text: str) -> None:
    rejected = rejected_records(tmp_path)
    rejected.write(customer(id=value), REFUSAL)
    assert f'"id":{text}' in rejected.path.read_text(encoding="utf-8").replace(" ", "")


@pytest.mark.parametrize("value", ['山田\n"q" \\', "half a character: \ud800", "\u2028", "👩\u200d💻", ""], ids=repr)
def test_text_is_read_back_as_it_came(tmp_path: Path, value: str) -> None:
    rejected = rejected_records(tmp_path)
    rejected.write(customer(id=1, name=value), REFUSAL)
    _, line = lines(rejected.path)
    assert line["record"]["name"] == value


# The report.


@settings(max_examples=50, deadline=None)
@given(results=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(CONTACT_RESULTS)), max_size=30))
def test_the_records_read_are_the_sum_of_their_outcomes(
    tmp_path_factory: pytest.TempPathFactory, results: list[tuple[str, Result]]
) -> None:
    folder = tmp_path_factory.mktemp("report")
    run = report(folder)
    for stream, result in results:
        run.record(stream, outcome(result, stream))
    run.save("succeeded", "2026-11-20T00:01:00+00:00", {"calls": {}})
    streams = saved(folder)["streams"]
    assert set(streams) == {stream for stream, _ in results}
    for name, counts in streams.items():
        assert (
            counts["read"] == sum(counts[result] for result in RESULTS) == sum(1 for one, _ in results if one == name)
        )
        for result in CONTACT_RESULTS:
            assert counts[result.value] == results.count((name, result))
    assert run.refused == sum(1 for _, result in results if result in {Result.INVALID, Result.REJECTED})


def test_the_report_says_all_that_is_promised(tmp_path: Path) -> None:
    run = report(tmp_path)
    run.record("customers", outcome(Result.CREATED))
    run.cut("customers", ["custom_attributes.bio", "custom_attributes.bio"])
    run.left_out("customers", ["custom_attributes.plan"])
    api = {"calls": {"POST /contacts": 1}, "retries": 0, "rate_limited": 0, "waited_seconds": 0.0}
    run.save("succeeded", "2026-11-20T00:01:00+00:00", api)
    written = saved(tmp_path)
    assert {name: value for name, value in written.items() if name != "streams"} == {
        "run_id": "run1",
        "status": "succeeded",
        "started_at": "2026-11-20T00:00:00+00:00",
        "finished_at": "2026-11-20T00:01:00+00:00",
        "dry_run": False,
        "api": api,
    }
    customers = written["streams"]["customers"]
    assert customers["created"] == customers["read"] == 1
    assert customers["cut"] == {"custom_attributes.bio": 2}
    assert customers["left_out"] == {"custom_attributes.plan": 1}


def test_why_records_were_left_or_refused_is_counted(tmp_path: Path) -> None:
    run = report(tmp_path)
    for result in (Result.SKIPPED, Result.SKIPPED, Result.INVALID, Result.REJECTED):
        run.record("customers", outcome(result))
    run.save("running", None, {})
    assert saved(tmp_path)["streams"]["customers"]["reasons"] == {
        "invalid": {"invalid_email": 1},
        "rejected": {"parameter_invalid": 1},
        "skipped": {"exists": 2},
    }
    assert saved(tmp_path)["finished_at"] is None


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    run = report(tmp_path)
    for number in range(200):
        run.cut("customers", [f"custom_attributes.a{number}"])
    run.save("running", None, {})
    done = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not done.is_set():
            seen.append(saved(tmp_path)["status"])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for _ in range(100):
        run.save("running", None, {})
    done.set()
    reader.join(timeout=120)
    assert set(seen) == {"running"}
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_the_reports_folder_is_made(tmp_path: Path) -> None:
    run = report(tmp_path / "a" / "b")
    run.save("running", None, {})
    assert saved(tmp_path / "a" / "b")["status"] == "running"


def test_no_personal_data_stands_in_the_report_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = report(tmp_path)
    reason = "A contact with ann@example.com exists"
    came = customer(email="ann@example.com", name="Ann")
    run.record("customers", Outcome(came, Result.REJECTED, refusal=Refusal(Result.REJECTED, reason, "conflict")))
    run.save("failed", None, {})
    for text in (caplog.text, (tmp_path / "report.json").read_text(encoding="utf-8"), run.sentence()):
        assert "ann@example.com" not in text
    assert "<email>" in caplog.text
    assert "Ann" not in caplog.text


def test_a_refused_record_is_told_with_the_line_where_it_stands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report(tmp_path).record("customers", outcome(Result.INVALID, email="nonsense"))
    assert "'customers'" in caplog.text
    assert "invalid" in caplog.text
    assert "'email'" in caplog.text
    assert f"line 2 of {tmp_path / 'rejected-1.jsonl'}" in caplog.text


def test_a_flood_of_refused_records_does_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = report(tmp_path)
    for _ in range(500):
        run.record("customers", outcome(Result.INVALID))
    assert len(caplog.records) <= 50
    assert run.refused == 500
    assert len(lines(tmp_path / "rejected-1.jsonl")) == 501


def test_the_last_line_says_what_was_done(tmp_path: Path) -> None:
    run = report(tmp_path)
    assert run.sentence()
    for result in (Result.CREATED, Result.CREATED, Result.UNCHANGED):
        run.record("customers", outcome(result))
    assert "customers" in run.sentence()
    assert "3 read" in run.sentence()
    assert "2 created" in run.sentence()
    assert "1 unchanged" in run.sentence()
    assert "updated" not in run.sentence()
    assert "rejected" not in run.sentence()
    run.record("customers", outcome(Result.REJECTED))
    assert "1 rejected" in run.sentence()
    assert str(tmp_path / "rejected-1.jsonl") in run.sentence()
