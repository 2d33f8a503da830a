"""report.json and the last log line: what a run says of itself."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import BeforeACall, feed, record, schema, state, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

CUSTOMERS = schema(
    "customers", id="integer", email="text", name="text", seats="integer", notes="text", _sdc_deleted_at="datetime"
)
OUTCOMES = ["created", "updated", "unchanged", "merged", "skipped", "archived", "deleted", "invalid", "rejected"]
GONE = "2026-01-01T00:00:00Z"


def customer(number: int, **values: Any) -> dict[str, Any]:
    return record("customers", **{"id": number, "email": f"c{number}@example.com", **values})


def customers(count: int) -> list[dict[str, Any]]:
    return [CUSTOMERS, *(customer(number) for number in range(count))]


def assert_sound(report: dict[str, Any]) -> None:
    """What holds for every report, of a run that goes on as of one that ended."""
    assert set(report) >= {"run_id", "status", "started_at", "finished_at", "dry_run", "streams", "api"}
    assert report["dry_run"] is False
    assert report["status"] in {"running", "succeeded", "failed"}
    assert (report["finished_at"] is None) == (report["status"] == "running")
    started = dt.datetime.fromisoformat(report["started_at"])
    assert started.tzinfo is not None
    if report["finished_at"] is not None:
        assert dt.datetime.fromisoformat(report["finished_at"]) >= started
    for counts in report["streams"].values():
        assert counts["read"] == sum(counts[outcome] for outcome in OUTCOMES)
        assert all(counts[outcome] >= 0 for outcome in OUTCOMES)
    api = report["api"]
    assert set(api) >= {"calls", "retries", "rate_limited", "waited_seconds"}
    for operation, count in api["calls"].items():
        assert re.fullmatch(r"(GET|POST|PUT|DELETE) (/[a-z_]+|/\{id\})+", operation), operation
        assert count > 0


@pytest.fixture
def mixed(load: Loader, people: People) -> Loaded:
    """A run with every outcome but one."""
    for number, name in ((1, "Ann"), (2, "Bob"), (3, "Cid"), (4, "Dan")):
        people.add(external_id=str(number), email=f"c{number}@example.com", name=name)
    rows = [
        customer(1, name="Anne"),
        customer(2, name="Bob"),
        customer(3, _sdc_deleted_at=GONE),
        customer(99, _sdc_deleted_at=GONE),
        customer(5, name="Eve"),
        customer(5, name="Eva"),
        customer(6, seats="many"),
        customer(7, owner="99999999"),
        customer(8, notes="x" * 300),
    ]
    mappings = {"id": "external_id", "owner": "owner_id"}
    return load([CUSTOMERS, *rows, state({"n": 9})], sync_mode="sync", mappings=mappings)


def test_every_record_read_has_one_outcome(mixed: Loaded) -> None:
    assert mixed.results() == {
        "updated": 1,
        "unchanged": 1,
        "archived": 1,
        "skipped": 1,
        "created": 2,
        "merged": 1,
        "invalid": 1,
        "rejected": 1,
    }
    assert mixed.stream()["read"] == 9
    assert mixed.stream()["deleted"] == 0
    assert mixed.stream()["cut"] == {"custom_attributes.notes": 1}
    assert_sound(mixed.report)


def test_the_calls_are_those_that_intercom_got(mixed: Loaded, sandbox: SandboxServer, people: People) -> None:
    found: dict[str, int] = {}
    ours = sandbox.calls[4:]  # four were made to set the scene
    for call in ours:
        template = re.sub(r"[0-9a-f]{24}", "{id}", call.path)
        found[f"{call.method} {template}"] = found.get(f"{call.method} {template}", 0) + 1
    assert mixed.calls == found
    assert mixed.report["api"]["retries"] == 0
    assert mixed.report["api"]["rate_limited"] == 0


def test_the_last_line_of_the_log_says_what_was_done(mixed: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    last = caplog.get_records("setup")[-1]
    text = last.getMessage()
    assert last.levelname == "INFO"
    assert "'customers'" in text
    for part in ("9 read", "2 created", "1 updated", "1 archived", "1 invalid", "1 rejected"):
        assert part in text
    assert f"rejected-{mixed.report['run_id']}.jsonl" in text
    assert "0 " not in text.replace("0 read", "")


def test_the_last_line_of_a_failed_run_says_so(load: Loader, caplog: pytest.LogCaptureFixture) -> None:
    done = load([*customers(3), "no json"], batch_size_rows=2)
    last = caplog.records[-1]
    assert last.levelname == "ERROR"
    assert last.getMessage().startswith("Failed")
    assert "2 created" in last.getMessage()
    assert done.stream()["read"] == 2
    assert_sound(done.report)


def test_exit_codes_say_whether_all_is_well(load: Loader) -> None:
    assert load(customers(1)).exit_code == 0
    assert load([CUSTOMERS, customer(1, seats="many")]).exit_code == 0
    assert load([CUSTOMERS, customer(1, seats="many")], max_rejected_records=0).exit_code == 1
    assert load([CUSTOMERS, customer(1)], access_token="wrong").exit_code == 1
    assert load([CUSTOMERS, customer(1)], region="mars").exit_code == 1
    assert load(["no json"]).exit_code == 1


@pytest.mark.parametrize(
    ("messages", "settings", "status"),
    [
        ([], {}, "succeeded"),
        ([CUSTOMERS], {}, "succeeded"),
        (customers(1), {}, "succeeded"),
        ([CUSTOMERS, customer(1, seats="many")], {}, "succeeded"),
        ([CUSTOMERS, customer(1, seats="many")], {"max_rejected_records": 0}, "failed"),
        (customers(1), {"access_token": "wrong"}, "failed"),
        ([*customers(1), "no json"], {}, "failed"),
        ([customer(1)], {}, "failed"),
    ],
)
def test_every_run_that_began_leaves_a_sound_report(
    load: Loader, messages: list[Any], settings: dict[str, Any], status: str
) -> None:
    done = load(messages, **settings)
    assert done.report["status"] == status
    assert (done.exit_code == 0) == (status == "succeeded")
    assert_sound(done.report)
    leftover = [path.name for path in done.data_dir.iterdir() if path.name.startswith("report.json.")]
    assert leftover == []


def test_a_run_id_is_of_one_run(load: Loader) -> None:
    first, second = load(customers(1)), load(customers(1))
    assert first.report["run_id"] != second.report["run_id"]


@pytest.mark.parametrize("own", [{}, {"object": "companies", "mappings": {"id": "company_id"}}, {"object": "groups"}])
def test_a_stream_without_records_is_reported_as_read_nothing(load: Loader, own: dict[str, Any]) -> None:
    empty = schema("empty", id="text", external_id="text", tag="text")
    done = load([empty, state({"bookmarks": {"empty": {}}})], streams={"empty": own})
    assert done.exit_code == 0
    assert done.stream("empty")["read"] == 0


def test_the_reports_of_two_streams_stand_side_by_side(load: Loader) -> None:
    orders = schema("trials", id="integer", email="text")
    done = load([*customers(2), orders, record("trials", id=50, email="t@example.com")])
    assert (done.results("customers"), done.results("trials")) == ({"created": 2}, {"created": 1})
    assert_sound(done.report)


def test_retries_and_429s_are_counted(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.plan.add(TargetedFault(Fault.ERROR, "POST", "/contacts/search"))
    sandbox.conditions.plan.add(TargetedFault(Fault.TOO_MANY, "GET", "/me"))
    sandbox.conditions.rate_window = 1.0
    done = load(customers(1))
    assert done.results() == {"created": 1}
    api = done.report["api"]
    assert (api["retries"], api["rate_limited"]) == (1, 1)
    assert api["calls"]["POST /contacts/search"] == 2
    assert api["calls"]["GET /me"] == 2
    assert 0 < api["waited_seconds"] < 5
    assert sum(api["calls"].values()) == len(sandbox.calls)


def test_identifiers_never_name_an_operation(load: Loader, sandbox: SandboxServer, people: People) -> None:
    """A lookup by external_id, a conflict, an archival and a deletion all carry ids in their paths."""
    texts = schema("customers", id="text", email="text", _sdc_deleted_at="datetime")
    odd = "ann@example.com/../x?y=1 {id}"
    archived = people.add(external_id="back", email="back@example.com")
    people.call("POST", f"/contacts/{archived}/archive", {})
    people.add(external_id="away", email="away@example.com")
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts", "ann@example.com"))
    done = load(
        [
            texts,
            record("customers", id=odd, email="ann@example.com"),
            record("customers", id="back", email="back@example.com"),
            record("customers", id="away", email="away@example.com", _sdc_deleted_at=GONE),
        ],
        sync_mode="sync",
        removal_mode="delete",
    )
    assert done.results() == {"created": 1, "updated": 1, "deleted": 1}
    assert_sound(done.report)
    text = json.dumps(done.report)
    assert archived not in text
    assert "example.com" not in text


# While it runs.


@pytest.fixture
def seen(load: Loader, sandbox: SandboxServer) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Reads report.json as often as it can, at every call at least; returns every state of it, in order.

    A half-written one would not parse.
    """
    reports: list[dict[str, Any]] = []
    path = load.data_dir / "report.json"
    stop = threading.Event()
    broken: list[str] = []
    turn = threading.Lock()

    def look(_: object = None) -> bool:
        with turn:
            text = path.read_text(encoding="utf-8") if path.exists() else "{}"
            try:
                report = json.loads(text)
            except ValueError:
                broken.append(text)
            else:
                if report and (not reports or report != reports[-1]):
                    reports.append(report)
        return False

    sandbox.conditions.plan.add(BeforeACall(look, lambda: None))

    def watch() -> None:
        while not stop.wait(0.001):
            look()
        look()

    thread = threading.Thread(target=watch)
    thread.start()

    def states() -> list[dict[str, Any]]:
        stop.set()
        thread.join()
        assert broken == []
        return reports

    yield states
    stop.set()
    thread.join()


def test_the_report_grows_with_every_batch_and_is_whole_at_any_moment(
    load: Loader, sandbox: SandboxServer, seen: Callable[[], list[dict[str, Any]]]
) -> None:
    done = load(customers(60), batch_size_rows=10)
    reports = seen()
    assert [report["status"] for report in reports[:-1]] == ["running"] * (len(reports) - 1)
    assert reports[-1] == done.report
    assert reports[-1]["status"] == "succeeded"
    for report in reports:
        assert_sound(report)
        assert report["run_id"] == done.report["run_id"]
    read = [report["streams"]["customers"]["read"] for report in reports if report["streams"]]
    assert read == sorted(read)
    assert {10, 20, 30, 40, 50, 60} <= set(read)


def test_a_failing_run_goes_from_running_to_failed(
    load: Loader, sandbox: SandboxServer, seen: Callable[[], list[dict[str, Any]]]
) -> None:
    sandbox.conditions.latency = 0.01
    load([*customers(20), "no json"], batch_size_rows=10)
    reports = seen()
    assert [report["status"] for report in reports] == ["running"] * (len(reports) - 1) + ["failed"]
    assert len(reports) >= 2


def report_of(load: Loader) -> Any:
    return json.loads((load.data_dir / "report.json").read_text(encoding="utf-8"))


def test_the_report_of_the_run_before_gives_way_to_that_of_the_next(load: Loader, sandbox: SandboxServer) -> None:
    """A report left by a run that is over must not be taken for that of the run that goes on."""
    first = load(customers(1))
    sandbox.conditions.latency = 0.3
    process = load.start()
    calls = len(sandbox.calls)
    feed(process, CUSTOMERS, customer(2))
    until(lambda: len(sandbox.calls) > calls)
    until(lambda: report_of(load)["run_id"] != first.report["run_id"])
    current = report_of(load)
    done = load.finish(process)
    assert done.report["run_id"] != first.report["run_id"]
    assert (current["run_id"], current["status"]) == (done.report["run_id"], "running")
