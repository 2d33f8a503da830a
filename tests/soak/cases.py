"""Histories as files: what a workspace holds, what is piped, and the settings."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from tests.soak.histories import Hand, History, Run
from tests.soak.intercom import URL
from tests.soak.worlds import World
from tests.support.loading import lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.soak.agreeing import Difference


def write(folder: Path, name: str, history: History, found: Difference) -> None:
    """Write a case: `NAME.seed.json`, `NAME.runN.singer`, `NAME.config.json`, `NAME.worlds.json`, `NAME.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}.*"):
        old.unlink()
    between = [{"seconds": run.seconds, "hands": [asdict(hand) for hand in run.hands]} for run in history.runs]
    _write(folder / f"{name}.seed.json", {"contacts": history.there, "before_runs": between})
    _write(folder / f"{name}.config.json", {"access_token": "sandbox", "api_url": URL, **history.settings})
    for number, run in enumerate(history.runs, start=1):
        (folder / f"{name}.run{number}.singer").write_text(lines(run.messages), encoding="utf-8")
    _write(folder / f"{name}.worlds.json", [asdict(world) for world in found.worlds])
    (folder / f"{name}.txt").write_text(f"{found.text}\n", encoding="utf-8")


def read(folder: Path, name: str, postgres: str | None = None) -> tuple[History, list[World]]:
    """Read a case, and the worlds that it is about; a ledger in PostgreSQL is in this one."""
    read_worlds = json.loads((folder / f"{name}.worlds.json").read_text(encoding="utf-8"))
    worlds = [World(**{**one, "kills": tuple(map(tuple, one["kills"]))}) for one in read_worlds]
    if postgres is not None:
        worlds = [
            replace(one, settings={**one.settings, "ledger_url": postgres}) if "ledger_url" in one.settings else one
            for one in worlds
        ]
    seed = json.loads((folder / f"{name}.seed.json").read_text(encoding="utf-8"))
    settings = json.loads((folder / f"{name}.config.json").read_text(encoding="utf-8"))
    runs = []
    for number, before in enumerate(seed["before_runs"], start=1):
        piped = (folder / f"{name}.run{number}.singer").read_text(encoding="utf-8").splitlines()
        hands = tuple(Hand(**hand) for hand in before["hands"])
        runs.append(Run(tuple(json.loads(line) for line in piped), hands, before["seconds"]))
    ours = {key: value for key, value in settings.items() if key not in {"access_token", "api_url"}}
    return History(tuple(seed["contacts"]), ours, tuple(runs)), worlds


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
