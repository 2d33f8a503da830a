"""What a run costs over many records: calls for what changed, memory for a batch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import SandboxServer
from target_intercom.sandbox.conditions import Conditions
from target_intercom.sandbox.versions import Version
from tests.support.loading import Loader, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.loading import Loaded

CONTACTS = 40_000
FEW, MANY = 2_000, 8_000
STATE: dict[str, Any] = {"bookmarks": {"people": {}}}
HEAD = schema("people", id="integer", email="text", name="text")
# The peak of a process, measured by the process itself at its end; KiB on Linux, bytes on macOS.
MEASURED = """
import atexit, resource, sys
if {has_no_pages}:
    sys.modules["jinja2"] = None
from target_intercom.target import TargetIntercom
atexit.register(lambda: print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))
TargetIntercom.cli()
"""


def old(number: int) -> str:
    return f"Name {number}"


def one_percent(number: int) -> str:
    return f"Name {number}" if number % 100 else f"New name {number}"


class Crowd:
    """A workspace with many contacts, and a ledger that knows them all."""

    def __init__(self, folder: Path, sandbox: SandboxServer) -> None:
        self.load = Loader(sandbox.url, folder)
        version = Version.parse("2.16")
        for number in range(CONTACTS):
            contact = {"external_id": str(number), "email": f"{number}@example.com", "name": old(number)}
            sandbox.workspace.create_contact(contact, version)
        self.met, self.peak_met = self.run(old)

    def run(self, name: Callable[[int], str], contacts: int = CONTACTS) -> tuple[Loaded, int]:
        """Load the first so many people with names; returns what came of it, and the peak of memory."""
        folder = self.load.data_dir
        folder.mkdir(exist_ok=True)
        config, piped = folder / "config.json", folder / "input.singer"
        config.write_text(json.dumps(self.load.config(sync_mode="sync")), encoding="utf-8")
        with piped.open("w", encoding="utf-8") as lines:
            lines.write(json.dumps(HEAD) + "\n")
            for number in range(contacts):
                row = record("people", id=number, email=f"{number}@example.com", name=name(number))
                lines.write(json.dumps(row) + "\n")
            lines.write(json.dumps(state(STATE)) + "\n")
        return measured(self.load, config, piped)


def measured(load: Loader, config: Path, piped: Path, *, has_no_pages: bool = False) -> tuple[Loaded, int]:
    """Run the target on a file of messages; returns what came of it, and the peak of memory.

    `has_no_pages`: as without the extra `html`, since up to 20,000 operations are in memory for plan.html.
    """
    # Linux counts the peak of whoever starts a process to it: a shell in between is small.
    shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    command = [*shell, sys.executable, "-c", MEASURED.format(has_no_pages=has_no_pages), "--config", str(config)]
    with piped.open("rb") as stdin:
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=load.env())
    done = load.finish(process)
    (peak,) = re.findall(r"PEAK (\d+)", done.log)
    return done, int(peak)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with SandboxServer(Conditions(rate_limit=1_000_000)) as sandbox:
        yield Crowd(tmp_path_factory.mktemp("crowd"), sandbox)


def test_many_records_cost_calls_for_what_changed_only(crowd: Crowd) -> None:
    assert crowd.met.results("people") == {"unchanged": CONTACTS}

    again, peak = crowd.run(old)
    assert again.results("people") == {"unchanged": CONTACTS}
    assert again.calls == {"GET /me": 1}

    _, peak_of_a_tenth = crowd.run(old, CONTACTS // 10)
    assert peak <= 1.2 * peak_of_a_tenth

    changed, _ = crowd.run(one_percent)
    assert changed.results("people") == {"updated": CONTACTS // 100, "unchanged": CONTACTS * 99 // 100}
    assert sum(changed.calls.values()) <= 10 + CONTACTS // 100
    assert changed.states == [STATE]


def test_many_memberships_wait_on_disk_for_their_contacts(tmp_path: Path) -> None:
    # Ten records for each contact and group, as the rows of a table of events would be.
    members, people, pairs = 60_000, 1_000, 6_000
    with SandboxServer(Conditions(rate_limit=1_000_000)) as sandbox:
        load = Loader(sandbox.url, tmp_path)
        settings = load.config(groups_stream="members", streams={"members": {"mappings": {}}})
        config, piped = tmp_path / "config.json", tmp_path / "input.singer"
        config.write_text(json.dumps(settings), encoding="utf-8")
        with piped.open("w", encoding="utf-8") as lines:
            lines.write(json.dumps(schema("members", ("row",), row="integer", external_id="text", tag="text")) + "\n")
            for number in range(members):
                group = number % pairs // people
                row = record("members", row=number, external_id=str(number % people), tag=f"group {group}")
                lines.write(json.dumps(row) + "\n")
            lines.write(json.dumps(HEAD) + "\n")
            for number in range(people):
                lines.write(json.dumps(record("people", id=number, email=f"{number}@example.com")) + "\n")
            lines.write(json.dumps(state(STATE)) + "\n")
        done, peak = measured(load, config, piped)
        everyone = sandbox.workspace.everything()
    assert done.results("members") == {"tagged": pairs, "merged": members - pairs}
    # One to make each tag, one for fifty contacts, and some more where a page of memberships ends.
    assert done.calls["POST /tags"] <= pairs // people + 1.2 * pairs / 50
    assert {len(contact["tags"]) for contact in everyone} == {pairs // people}
    assert peak * (1 if sys.platform == "darwin" else 1024) <= 150_000_000
    assert done.states == [STATE]


@pytest.mark.parametrize("is_deleted", [False, True], ids=["contacts that would be made", "marks"])
def test_what_waits_for_the_end_of_a_run_is_not_in_memory(tmp_path: Path, *, is_deleted: bool) -> None:
    head = schema("people", id="integer", email="text", name="text", _sdc_deleted_at="datetime")
    marked = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"} if is_deleted else {}
    peaks = {}
    with SandboxServer(Conditions(rate_limit=1_000_000)) as sandbox:
        load = Loader(sandbox.url, tmp_path)
        settings = load.config(dry_run=True, sync_mode="sync", max_removal_percent=100, batch_size_rows=500)
        config, piped = tmp_path / "config.json", tmp_path / "input.singer"
        config.write_text(json.dumps(settings), encoding="utf-8")
        for number in range(MANY if is_deleted else 0):
            contact = {"external_id": str(number), "email": f"{number}@example.com"}
            sandbox.workspace.create_contact(contact, Version.parse("2.16"))
        for records in (FEW, MANY):
            rows = (
                record("people", id=number, email=f"{number}@example.com", name="x" * 2000, **marked)
                for number in range(records)
            )
            piped.write_text("".join(f"{json.dumps(one)}\n" for one in (head, *rows)), encoding="utf-8")
            done, peaks[records] = measured(load, config, piped, has_no_pages=True)
            assert done.results("people") == {"archived" if is_deleted else "created": records}
            (plan,) = tmp_path.glob("plan-*.jsonl")
            assert plan.read_text(encoding="utf-8").count("\n") == records
            plan.unlink()
    growth = (peaks[MANY] - peaks[FEW]) * (1 if sys.platform == "darwin" else 1024)
    # Each takes its record's 2 kB and as much again where it is in memory.
    assert growth / (MANY - FEW) < 1_500
    assert not list(tmp_path.glob("target-intercom-scratch-*"))
