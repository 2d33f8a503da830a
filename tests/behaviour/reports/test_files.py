"""Files of a run: whose they are, that every byte arrives, and that nobody else's are touched."""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.outcomes import Refusal, Result
from target_intercom.reporting.report import RejectedRecords
from target_intercom.sync.writing.plan_file import PlanFile
from tests.support.loading import feed, lines, received, record, schema, state, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People

CUSTOMERS = schema("customers", id="integer", email="text", groups="array")
ANN = record("customers", id=1, email="ann@example.com", groups=["VIP"])
RUNS: list[dict[str, Any]] = [
    {},
    {"dry_run": True},
    {"tags_property": "groups", "ledger_url": "none"},
]
"""With the memory of runs before, on a copy of it, and with one that ends with the run."""
kinds = pytest.mark.parametrize("settings", RUNS, ids=["ledger", "dry run", "no ledger"])


# Folders that are thrown away.


def scratch_folders(load: Loader) -> set[Path]:
    """The folders of the data folder that this program may have made."""
    return {path for path in load.data_dir.iterdir() if path.is_dir() and "scratch" in path.name}


def killed(load: Loader) -> Path:
    """Kill a run at work on a scratch ledger; returns the folder that it leaves."""
    before = scratch_folders(load) if load.data_dir.exists() else set()
    process = load.start(dry_run=True)
    feed(process, CUSTOMERS, ANN)
    (folder,) = until(lambda: {one for one in scratch_folders(load) - before if (one / "ledger.db").exists()})
    process.kill()
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert (folder / "ledger.db").exists()
    return folder


def make_old(path: Path) -> None:
    for one in (*path.rglob("*"), path):
        os.utime(one, (1, 1))


@kinds
def test_folders_of_others_stay_whatever_their_names(load: Loader, settings: dict[str, Any]) -> None:
    theirs = [load.data_dir / name for name in ("scratch-2024", "scratch-", "target-intercom-scratch-mine", "tmp1")]
    for folder in theirs:
        folder.mkdir(parents=True)
        (folder / "ledger.db").write_text("a year's work")
        make_old(folder)
    assert load([CUSTOMERS, ANN], **settings).exit_code == 0
    assert [(folder / "ledger.db").read_text() for folder in theirs] == ["a year's work"] * 4


@kinds
def test_what_a_killed_run_has_left_is_removed_by_the_next(load: Loader, settings: dict[str, Any]) -> None:
    killed(load)
    assert load([CUSTOMERS, ANN], **settings).exit_code == 0
    assert scratch_folders(load) == set()


def test_the_folder_of_a_run_that_lives_stays(load: Loader) -> None:
    process = load.start(dry_run=True)
    feed(process, CUSTOMERS, ANN)
    (folder,) = until(lambda: {one for one in scratch_folders(load) if (one / "ledger.db").exists()})
    make_old(folder)
    assert load([CUSTOMERS, ANN]).exit_code == 0
    assert (folder / "ledger.db").exists()
    feed(process, end=True)
    assert load.finish(process).exit_code == 0
    assert scratch_folders(load) == set()


def test_a_copy_of_a_left_folder_that_somebody_keeps_stays(load: Loader) -> None:
    left = killed(load)
    kept, renamed = left.with_name(f"{left.name}-kept"), left.with_name("scratch-kept")
    for folder in (kept, renamed):
        shutil.copytree(left, folder)
        make_old(folder)
    load([CUSTOMERS, ANN])
    assert scratch_folders(load) == {kept, renamed}
    assert [(folder / "ledger.db").exists() for folder in (kept, renamed)] == [True, True]


def test_what_somebody_has_put_into_a_left_folder_stays(load: Loader) -> None:
    left = killed(load)
    (left / "notes.txt").write_text("why the run was killed")
    make_old(left)
    load([CUSTOMERS, ANN])
    assert [path.name for path in left.iterdir()] == ["notes.txt"]


def test_a_link_in_place_of_a_left_folder_is_not_followed(load: Loader, tmp_path: Path) -> None:
    left = killed(load)
    elsewhere = tmp_path / "elsewhere" / left.name
    elsewhere.parent.mkdir()
    left.rename(elsewhere)
    make_old(elsewhere)
    left.symlink_to(elsewhere)
    load([CUSTOMERS, ANN])
    assert (elsewhere / "ledger.db").exists()


# Full disks.


def limited(load: Loader, size: int, *messages: Any, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run where no file may grow beyond a size, as on a full disk: what goes beyond it is written in part."""
    load.data_dir.mkdir(exist_ok=True)
    config = load.data_dir / "config.json"
    config.write_text(json.dumps(load.config(ledger_url="none", **settings)), encoding="utf-8")
    return subprocess.run(
        load.command(config),
        input=lines(messages),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        # Python writes its compiled modules without a look at whether they arrive.
        env=load.env() | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size)),
    )


def invalid(number: int, size: int = 10) -> dict[str, Any]:
    return record("customers", id=number, email="no address", groups=["x" * size])


def only(load: Loader, pattern: str) -> Path:
    (path,) = load.data_dir.glob(pattern)
    return path


@pytest.mark.parametrize("limit", [0, 100, 2600, 2700, 9000])
def test_a_rejected_record_that_cannot_be_written_whole_ends_the_run(load: Loader, limit: int) -> None:
    rows = [invalid(number, 2000) for number in range(8)]
    kept = 1_000 + limit
    done = limited(load, kept, CUSTOMERS, *rows, state({"n": 8}))
    path = only(load, "rejected-*.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"File too large: '{path}'" in done.stderr
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    read = [json.loads(line) for line in text.splitlines()]
    assert [one["record"] for one in read if one["type"] == "RECORD"] == [
        row["record"] for row in rows[: sum(one["type"] == "RECORD" for one in read)]
    ]
    assert len(text) > kept - 2400


def test_a_plan_that_cannot_be_written_whole_ends_the_run(load: Loader, people: People) -> None:
    texts = [f"text_{number}" for number in range(10)]
    customers = schema("customers", id="integer", email="text", **dict.fromkeys(texts, "text"))
    long = dict.fromkeys(texts, "x" * 250)
    rows = [record("customers", id=number, email=f"c{number}@example.com", **long) for number in range(300)]
    # The plan is larger than the run's copy of the ledger, which is a file, too.
    done = limited(load, 400_000, customers, *rows, state({"n": 300}), dry_run=True)
    plan = only(load, "plan-*.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"File too large: '{plan}'" in done.stderr
    text = plan.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert {json.loads(line)["operation"] for line in text.splitlines()} == {"create_attribute", "create"}
    assert people.everyone() == []


def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(load: Loader) -> None:
    load([CUSTOMERS, ANN], ledger_url="none")
    before, files = (load.data_dir / "report.json").read_text(), {path.name for path in load.data_dir.iterdir()}
    done = limited(load, 100, CUSTOMERS, ANN, state({"n": 1}))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Setting 'data_dir' names a folder that cannot be written" in done.stderr
    assert (load.data_dir / "report.json").read_text() == before
    assert {path.name for path in load.data_dir.iterdir()} == files


# Links.


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Somebody's file."""
    path = tmp_path / "theirs.txt"
    path.write_text("theirs")
    return path


def test_a_link_in_place_of_the_report_is_replaced(load: Loader, victim: Path) -> None:
    load.data_dir.mkdir()
    (load.data_dir / "report.json").symlink_to(victim)
    assert load([CUSTOMERS, ANN]).exit_code == 0
    assert victim.read_text() == "theirs"
    assert not (load.data_dir / "report.json").is_symlink()


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
def test_links_in_place_of_files_with_personal_data_are_not_followed(tmp_path: Path, victim: Path, there: bool) -> None:
    if not there:
        victim.unlink()
    rejected, plan = tmp_path / "rejected-1.jsonl", tmp_path / "plan-1.jsonl"
    for path in (rejected, plan):
        path.symlink_to(victim)
    with pytest.raises(FileExistsError):
        RejectedRecords(rejected).write(received(ANN), Refusal(Result.REJECTED, "no such owner"))
    with pytest.raises(FileExistsError):
        PlanFile(plan).open()
    assert victim.exists() is there
    assert not there or victim.read_text() == "theirs"


def test_a_link_in_place_of_a_lock_is_refused(load: Loader, tmp_path: Path) -> None:
    load([CUSTOMERS, ANN])
    lock = only(load, "ledger.db-lock-*")
    lock.unlink()
    lock.symlink_to(tmp_path / "nothing")
    done = load.pipe([CUSTOMERS, ANN, state({"n": 1})])
    assert (done.exit_code, done.states) == (1, [])
    assert f"The ledger's lock file {lock} cannot be made: it is a link, or no file" in done.log
    assert not (tmp_path / "nothing").exists()


@pytest.mark.usefixtures("nothing_masked")
def test_a_ledger_that_is_a_link_to_nothing_is_made_for_its_owner_only(load: Loader, tmp_path: Path) -> None:
    load.data_dir.mkdir()
    place = tmp_path / "elsewhere" / "kept.db"
    place.parent.mkdir()
    (load.data_dir / "ledger.db").symlink_to(place)
    assert load([CUSTOMERS, ANN]).exit_code == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert load([CUSTOMERS, ANN]).results() == {"unchanged": 1}
