"""report.html and plan.html, as runs leave them."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from contextlib import closing
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from demo.processes import free_port
from target_intercom.ledger.runs.last_runs import read_all
from target_intercom.ledger.store.read_only import ReadOnlyLedger
from tests.support.companies import ACCOUNTS, accounts, many
from tests.support.loading import feed, lines, record, schema, state, until

if TYPE_CHECKING:
    from pathlib import Path

    from target_intercom.reporting.ended_run import EndedRun
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader

CUSTOMERS = schema("customers", id="integer", email="text", name="text", plan="text")
WHOLE = state({"bookmarks": {"customers": {}}})
PASSWORD = "pssst"


def people(*numbers: int, **values: Any) -> list[dict[str, Any]]:
    rows = [record("customers", **{"id": n, "email": f"p{n}@example.com", "name": f"N{n}", **values}) for n in numbers]
    return [CUSTOMERS, *rows, WHOLE]


def page(load: Loader, name: str = "report.html") -> str:
    """The text of a page, without tags."""
    html = (load.data_dir / name).read_text(encoding="utf-8")
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def mode(load: Loader, name: str) -> int:
    return stat.S_IMODE((load.data_dir / name).stat().st_mode)


def ended_runs(place: Path) -> list[EndedRun]:
    """The runs that a ledger knows."""
    with closing(ReadOnlyLedger(place)) as ledger:
        return [run for _, run in ledger.read(read_all)]


# report.html.


def test_a_run_leaves_its_report_as_a_page(load: Loader) -> None:
    done = load.pipe([*people(1, 2, plan="x" * 300), record("customers", id=3, email="no address")])
    assert done.exit_code == 0
    text = page(load)
    for said in (
        "The run succeeded",
        "3 records of 1 stream were read in",
        ": 2 created, 1 invalid.",
        "customers contacts 3 read",
        "invalid_email invalid 1 customers the email is not an address: it needs one @ between two texts",
        "custom_attributes.plan 2 0",
        "POST /contacts 2",
        "sync_mode additive default",
        "This is the first run that the ledger knows.",
        done.report["run_id"],
    ):
        assert said in text, said
    assert f"Report as a page: {load.data_dir / 'report.html'}" in done.log


def test_a_run_that_fails_says_what_ended_it_and_what_to_do(load: Loader) -> None:
    done = load([*people(1), record("customers", id=3, email="no address")], max_rejected_records=0)
    assert done.exit_code == 1
    text = page(load)
    assert "The run failed" in text
    assert "1 records were refused, more than 'max_rejected_records' allows (0). Correct them (rejected-" in text
    assert "What to do: look into the file: often one mapping is wrong." in text
    assert str(load.data_dir) not in text


def test_a_run_that_never_reached_the_workspace_has_a_page_too(load: Loader) -> None:
    done = load(people(1), access_token="wrong")
    assert done.exit_code == 1
    text = page(load)
    assert "Workspace not reached" in text
    assert "What to do: copy the token again; set region ." in text
    assert "wrong" not in text.replace("401: the token is wrong, revoked", "")
    assert not (load.data_dir / "ledger.db").exists() or ended_runs(load.data_dir / "ledger.db") == []


def test_a_run_that_a_signal_stops_has_a_page_and_a_place_among_the_runs(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.3
    process = load.start(max_connections=1)
    feed(process, *people(*range(20)), end=True)
    until(lambda: any(call.path == "/contacts" for call in list(sandbox.calls)))
    os.kill(process.pid, signal.SIGTERM)
    done = load.finish(process)
    assert done.exit_code == 143
    text = page(load)
    assert "The run was stopped by a signal" in text
    assert "Stopped by a signal: no STATE is printed for what is not done" in text
    assert [run.exit_code for run in ended_runs(load.data_dir / "ledger.db")] == [143]


def test_forty_streams_stand_on_one_page(load: Loader) -> None:
    messages = [
        one
        for number in range(40)
        for one in (
            schema(f"stream_{number:02}", id="integer", email="text"),
            record(f"stream_{number:02}", id=number, email=f"p{number}@example.com"),
        )
    ]
    assert load(messages).exit_code == 0
    text = page(load)
    assert "40 records of 40 streams were read" in text
    assert "40 streams contacts 40 read 40 created" in text
    assert all(f"stream_{number:02} contacts 1 read 1 created" in text for number in range(40))
    assert (load.data_dir / "report.html").stat().st_size < 200_000


def test_memberships_and_contacts_stand_apart(load: Loader) -> None:
    members = schema("members", ("user", "tag"), user="text", tag="text")
    rows = [record("members", user="1", tag="VIP"), record("members", user="404", tag="VIP")]
    streams = {"members": {"object": "groups", "mappings": {"user": "external_id"}}}
    load([*people(1), members, *rows], streams=streams)
    text = page(load)
    assert "customers contacts 1 read 1 created" in text
    assert "members groups 2 read 1 tagged 1 rejected" in text
    assert "Its own settings: mappings: user: external_id" in text
    assert "no contact to put into the group, or company. Memberships create none" in text


def test_no_secret_and_no_personal_data_is_in_the_page(load: Loader, tmp_path: Path) -> None:
    broken = record("customers", id=9, email="p9 at example.com", name="Nobody Special")
    load([*people(1, 2), broken], ledger_url=f"sqlite:///{tmp_path / 'kept.db'}", max_rejected_records=0)
    html = (load.data_dir / "report.html").read_text(encoding="utf-8")
    assert "SQLite, kept.db" in html
    load(people(1), ledger_url=f"postgresql://me:{PASSWORD}@127.0.0.1:{free_port()}/ledger")
    other = (load.data_dir / "report.html").read_text(encoding="utf-8")
    assert "postgresql://127.0.0.1:" in other
    for secret in (PASSWORD, "me@", "example.com", "Nobody Special", "access_token", str(tmp_path)):
        assert secret not in html + other, secret


def test_names_are_text_in_the_page_whatever_they_hold(load: Loader) -> None:
    name = '<script>alert(1)</script>\u202e&"'
    done = load([schema(name, id="integer", email="text"), record(name, id=1, email="p1@example.com")])
    assert done.exit_code == 0
    html = (load.data_dir / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e&amp;&#34;" in html


def test_the_page_asks_for_nothing_from_anywhere(load: Loader) -> None:
    load(people(1), dry_run=True)
    for name in ("report.html", "plan.html"):
        html = (load.data_dir / name).read_text(encoding="utf-8")
        assert "default-src &#39;none&#39;" in html
        assert re.findall(r"""\b(?:src|href|action)=["'](?!#main|report\.html)""", html) == []
        assert "url(" not in html
        assert "@import" not in html
    assert "<script" not in (load.data_dir / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("nothing_masked")
def test_the_plan_is_its_owners_and_the_report_everybodys(load: Loader) -> None:
    load(people(1), dry_run=True)
    assert (mode(load, "plan.html"), mode(load, "report.html")) == (0o600, 0o666)
    assert {path.name for path in load.data_dir.iterdir() if path.name.count(".html.")} == set()


@pytest.fixture
def nothing_masked() -> Any:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_page_that_cannot_be_written_fails_no_run(load: Loader) -> None:
    (load.data_dir / "report.html" / "in the way").mkdir(parents=True)
    done = load.pipe(people(1))
    assert (done.exit_code, done.states) == (0, [WHOLE["value"]])
    assert "report.html could not be saved: " in done.log


def test_a_link_in_place_of_a_page_is_replaced(load: Loader, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    load.data_dir.mkdir()
    for name in ("report.html", "plan.html"):
        (load.data_dir / name).symlink_to(theirs)
    load(people(1), dry_run=True)
    assert theirs.read_text() == "theirs"
    assert not (load.data_dir / "plan.html").is_symlink()


WITHOUT_JINJA = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "jinja2":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

assert not any(name.startswith("jinja2") for name in sys.modules), "imported too early"
sys.meta_path.insert(0, Blocker())
from target_intercom.target import TargetIntercom
assert not any(name.startswith("jinja2") for name in sys.modules), "imported too early"
TargetIntercom.cli(["--config", sys.argv[1], *sys.argv[2:]])
"""


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_without_jinja_the_run_says_once_how_to_get_the_page(load: Loader, arguments: list[str]) -> None:
    load.data_dir.mkdir()
    config = load.data_dir / "config.json"
    config.write_text(json.dumps(load.config()), encoding="utf-8")
    command = [sys.executable, "-c", WITHOUT_JINJA, str(config), *arguments]
    done = subprocess.run(
        command, input=lines(people(1)), capture_output=True, text=True, env=load.env(), timeout=120, check=False
    )
    assert done.returncode == 0
    assert done.stderr.count("There is no report.html: for the pages that people read, install") == 1
    assert "INFO" in next(line for line in done.stderr.splitlines() if "There is no report.html" in line)
    assert list(load.data_dir.glob("*.html")) == []
    assert (load.data_dir / "report.json").exists()


# The runs before.


def test_the_last_runs_are_known_where_the_folder_is_gone(load: Loader, tmp_path: Path) -> None:
    load.settings["ledger_url"] = f"sqlite:///{tmp_path / 'kept.db'}"
    for day in range(1, 4):
        load.data_dir = tmp_path / f"day{day}"
        load(people(*range(day * 2)))
    text = page(load)
    assert "read 6" in text
    assert "usually 4, at most 6" in text
    assert "These 3 runs as a table" in text
    runs = ended_runs(tmp_path / "kept.db")
    assert [(run.read, run.written, run.refused, run.exit_code) for run in runs] == [
        (2, 2, 0, 0),
        (4, 2, 0, 0),
        (6, 2, 0, 0),
    ]
    assert runs[-1].outcomes == {"created": 2, "unchanged": 4}
    assert all(run.calls for run in runs)


def test_a_failed_run_is_among_the_last_runs(load: Loader) -> None:
    load(people(1))
    load([*people(2), record("customers", id=3, email="no address")], max_rejected_records=0)
    runs = ended_runs(load.data_dir / "ledger.db")
    assert [(run.exit_code, run.read, run.refused) for run in runs] == [(0, 1, 0), (1, 2, 1)]
    assert runs[-1].run == json.loads((load.data_dir / "report.json").read_text())["run_id"]


def test_a_dry_run_sees_the_last_runs_and_is_none_of_them(load: Loader) -> None:
    load(people(1))
    before = ended_runs(load.data_dir / "ledger.db")
    load(people(1, 2), dry_run=True)
    assert ended_runs(load.data_dir / "ledger.db") == before
    assert "These 2 runs as a table" in page(load)
    load(people(1, 2))
    assert "These 2 runs as a table" in page(load)


def test_without_a_ledger_there_are_no_runs_before(load: Loader) -> None:
    for _ in range(2):
        load(people(1), ledger_url="none", sync_mode="sync")
    assert "Without a ledger a run does not know of others." in page(load)


# plan.html.


def test_a_dry_run_leaves_its_plan_as_a_page(load: Loader) -> None:
    load([*people(1, 2, 3), WHOLE], sync_mode="sync", snapshot=True, max_removal_percent=100)
    changed = [CUSTOMERS, record("customers", id=1, name="Anna"), record("customers", id=7, email="new@example.com")]
    done = load.pipe(
        [*changed, WHOLE], sync_mode="sync", snapshot=True, max_removal_percent=100, clear_nulls=False, dry_run=True
    )
    assert done.exit_code == 0
    text = page(load, "plan.html")
    for said in (
        "A run would do 4 operations in the workspace",
        "Removals 2 contacts would be archived 2 of customers",
        "1 contact would be created",
        "1 contact would be updated",
        "name 1 0",
        "update p1@example.com stream customers · key 1",
        "name N1 Anna",
        "create new@example.com",
    ):
        assert said in text, said
    assert text.index("archive p2@example.com") < text.index("update p1@example.com")
    assert f"Plan as a page: {load.data_dir / 'plan.html'}" in done.log
    (plan,) = load.data_dir.glob("plan-*.jsonl")
    assert plan.name in text


def test_a_dry_run_that_fails_shows_the_part_that_it_has_planned(load: Loader) -> None:
    messages = [*people(1)[:-1], record("customers", id=3, email="no address")]
    done = load(messages, max_rejected_records=0, batch_size_rows=1, dry_run=True)
    assert done.exit_code == 1
    text = page(load, "plan.html")
    assert "The dry run ended early: this is a part of the plan" in text
    assert "create p1@example.com" in text


def test_companies_stand_in_both_pages_beside_contacts(load: Loader) -> None:
    settings = ACCOUNTS | {"max_removal_percent": 100}
    load([*people(1), *many(range(3))], **settings)
    assert "accounts companies 3 read 3 created" in page(load)
    changed = accounts(
        {"id": "c0", "name": "Else"}, {"id": "c9", "name": "New"}, {"id": "c1", "_sdc_deleted_at": "now"}
    )
    load([*people(1), *changed], **settings, sync_mode="sync", dry_run=True)
    text = page(load, "plan.html")
    for said in (
        "Removals 1 company would be archived 1 of accounts",
        "1 company would be created",
        "1 company would be updated",
        "archive c1 company stream accounts",
        "update c0 company stream accounts",
        "name Company 0 Else",
    ):
        assert said in text, said


def test_a_run_that_writes_leaves_no_plan(load: Loader) -> None:
    load(people(1))
    assert not (load.data_dir / "plan.html").exists()
