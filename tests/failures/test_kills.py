"""Killed at any moment, a run leaves nothing behind that the next run does not settle."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import SandboxServer
from target_intercom.sandbox.conditions import Conditions
from tests.support.loading import Loader, People, record, schema, state
from tests.support.processes import run_text

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 20
SIDE_BY_SIDE = 4
PAIRS = 100
CALLS = 2 * PAIRS + 8
"""A run without kills takes some fewer."""
SETTINGS: dict[str, Any] = {
    # More than the index lags by: on a busy machine a lead arrives a while after the note that it is sent.
    "search_delay_seconds": 6,
    "streams": {"leads": {"creation_mode": "lead", "match_by": ["email"], "mappings": {"id": None}}},
}
STATE: dict[str, Any] = {"bookmarks": {"users": {}, "leads": {}}}


def messages() -> list[dict[str, Any]]:
    """Users and leads, in turn."""
    columns = {"id": "integer", "email": "text", "name": "text"}
    rows = [
        record(stream, id=number, email=f"{stream}{number}@example.com", name=f"{stream} {number}")
        for number in range(PAIRS)
        for stream in ("users", "leads")
    ]
    return [schema("users", **columns), schema("leads", **columns), *rows, state(STATE)]


@dataclass(frozen=True)
class Settled:
    """What stands in the workspace after a killed run and one more."""

    exit_code: int
    states: list[Any]
    people: Counter[str]


def shown(people: People) -> Counter[str]:
    """Everybody, without what differs from one workspace to the next."""
    return Counter(
        json.dumps(
            [
                contact["role"],
                contact["external_id"] if contact["role"] == "user" else None,
                *(contact[name] for name in ("email", "name", "state", "custom_attributes")),
            ]
        )
        for contact in people.everyone()
    )


def settled(folder: Path, seed: int) -> Settled:
    """Kill a run at some moment, and run again; seed 0 kills none."""
    moment = random.Random(seed)
    with SandboxServer(Conditions(search_lag=2, latency=0.02)) as sandbox:
        load = Loader(sandbox.url, folder / str(seed))
        if seed:
            process = load.begin(messages(), **SETTINGS)
            calls = moment.randint(1, CALLS)
            while len(sandbox.calls) < calls and process.poll() is None:
                time.sleep(0.001)
            time.sleep(moment.uniform(0, 0.01))
            process.kill()
            process.communicate()
        done = load.pipe(messages(), **SETTINGS)
        return Settled(done.exit_code, done.states, shown(People(sandbox)))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Settled]:
    """One run that is not killed, and all that are; they wait a lot, so some go side by side."""
    folder = tmp_path_factory.mktemp("kills")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(partial(settled, folder), range(KILLS + 1)))


def test_after_a_kill_one_more_run_makes_the_workspace_what_it_is_without_kills(everything: list[Settled]) -> None:
    calm, *killed = everything
    assert calm.people.total() == 2 * PAIRS
    for seed, one in enumerate(killed, start=1):
        assert (one.exit_code, one.states) == (0, [STATE]), seed
        assert one.people == calm.people, seed


def test_a_kill_in_the_midst_of_updates_and_removals_is_made_good_by_one_more_run(tmp_path: Path) -> None:
    rows = [{"id": number, "email": f"{number}@example.com", "name": "old"} for number in range(60)]
    changed = [{**row, "name": "new"} for row in rows[:50]]
    head, end = schema("users", id="integer", email="text", name="text"), state({"bookmarks": {"users": {}}})

    def piped(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [head, *(record("users", **row) for row in some), end]

    mode = {"sync_mode": "sync", "snapshot": True}
    for calls in (3, 30, 55, 60):
        with SandboxServer(Conditions(latency=0.02)) as sandbox:
            load = Loader(sandbox.url, tmp_path / str(calls))
            load(piped(rows), **mode)
            before = len(sandbox.calls)
            process = load.begin(piped(changed), **mode, max_connections=2)
            while len(sandbox.calls) < before + calls and process.poll() is None:
                time.sleep(0.001)
            process.kill()
            process.communicate()
            done = load(piped(changed), **mode)
            assert done.exit_code == 0
            names = Counter((one["state"], one["name"]) for one in People(sandbox).everyone())
            assert names == {("live", "new"): 50, ("archived", "old"): 10}, calls
            assert load(piped(changed), **mode).writes == 0


def test_a_killed_runs_files_do_not_disturb_the_next(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.05
    process = load.begin(messages(), **SETTINGS)
    while len(sandbox.calls) < 50:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    assert (load.data_dir / "report.json").read_text(encoding="utf-8").count('"running"') == 1
    sandbox.conditions.latency = 0
    again = run_text(
        [
            *load.command(load.data_dir / "config.json")[:2],
            "target_intercom.ledger",
            "--data-dir",
            str(load.data_dir),
            "streams",
        ],
    )
    assert again.returncode == 0
    assert "users" in again.stdout
    assert load(messages(), **SETTINGS).exit_code == 0
