"""Random histories of marks, leavers, refusals, retries and cut runs: who is there is who the model says.

`REMOVAL_HISTORIES=5000` tries so many instead of 200, `REMOVAL_SEED=17` that one alone.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.front import Front
from tests.support.loading import Loader, People
from tests.support.removal_histories import follows, history, last_state, lines, settings, shown, shrunk
from tests.support.removal_model import (
    ARCHIVED,
    LEFT,
    Expected,
    Form,
    History,
    Memory,
    Run,
    UndeterminedError,
    after_cut,
    expect,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.loading import Loaded

HISTORIES = int(os.environ.get("REMOVAL_HISTORIES", "200"))
AT_ONCE = 10
FEW = 3
"""So many runs a history has at least, with its last input once more."""
TRIALS = 150
"""How many smaller histories are tried of one that differs."""
SEEDS = range(HISTORIES) if "REMOVAL_SEED" not in os.environ else [int(os.environ["REMOVAL_SEED"])]


class World:
    """A workspace that histories come into, one after the other."""

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self._sandbox = sandbox
        self._people = People(sandbox)
        self._folder = folder
        self._calls = 0
        self._refused_call: int | None = None
        self.front = Front(sandbox, self._count)

    def _count(self, _: Request) -> None:
        self._calls += 1
        if self._refused_call is not None and self._calls >= self._refused_call:
            self._sandbox.conditions.token_revoked = True

    def difference(self, history: History) -> str | None:
        """Return in what the target and the model differ first, or None."""
        self._begin(history)
        memory = Memory(history.there)
        before, failed = None, False
        once_more = replace(history.runs[-1], broken=None, refused_call=None)
        for number, run in enumerate([*history.runs, once_more], start=1):
            # Of few runs the last input comes once more, of many only where it failed: each run costs time.
            if number > max(len(history.runs), FEW) and not failed:
                return None
            if failed and before is not None and not follows(before, run):
                return None
            try:
                expected = expect(memory, run)
            except UndeterminedError:
                return None
            done, was_cut = self._load(history, run)
            live = self._live()
            if was_cut:
                differences = cut_differences(memory, run, expected, done, live)
            else:
                differences = [*end_differences(run, expected, done, live), *self._changed()]
                if not memory.was_cut:
                    differences += count_differences(run, expected, done)
            if differences:
                return f"run {number} of {len(history.runs)}: " + "; ".join(differences)
            memory = after_cut(memory, frozenset(live)) if was_cut else expected.memory
            before, failed = run, was_cut or not expected.succeeds
        return None

    def _begin(self, history: History) -> None:
        self._sandbox.sandbox.reset()
        for one in sorted(history.there):
            self._people.add(external_id=str(one), email=f"p{one}@example.com")

    def _load(self, history: History, run: Run) -> tuple[Loaded, bool]:
        self._calls, self._refused_call = 0, run.refused_call
        load = Loader(self.front.url, self._folder, {"max_connections": 4})
        done = load(lines(run), **settings(history, run))
        self._sandbox.conditions.token_revoked = False
        return done, run.broken is not None or (run.refused_call is not None and self._calls >= run.refused_call)

    def _live(self) -> Counter[int]:
        return Counter(int(one["external_id"]) for one in self._people.live())

    def _changed(self) -> list[str]:
        """Find who has another person's identifiers, or none."""
        return [
            f"{one['external_id']} has another email"
            for one in self._people.live()
            if one["email"] != f"p{one['external_id']}@example.com"
        ]


def end_differences(run: Run, expected: Expected, done: Loaded, live: Counter[int]) -> list[str]:
    """Compare who is there, the exit code and STATE after a run that came to its end."""
    found = [f"{one} is there twice" for one, count in live.items() if count > 1]
    found += _lists("should be live", expected.memory.live - set(live))
    found += _lists("should not be live", set(live) - expected.memory.live)
    if (done.exit_code == 0) is not expected.succeeds:
        found.append(f"exit code {done.exit_code}, and it should {'succeed' if expected.succeeds else 'fail'}")
    states = last_state(lines(run)) if expected.succeeds else []
    if done.states[-1:] != states:
        found.append(f"STATE {done.states[-1:]} instead of {states}")
    return found


def cut_differences(memory: Memory, run: Run, expected: Expected, done: Loaded, live: Counter[int]) -> list[str]:
    """Compare who is there after a run that was ended before its time."""
    named = {row.person for part in run.parts for row in part.rows if row.form is Form.LIVE}
    may_go = set(expected.removed) if run.refused_call is not None else set()
    found = [f"{one} is there twice" for one, count in live.items() if count > 1]
    found += _lists("should be live after a cut", memory.live - may_go - set(live))
    found += _lists("should not be live after a cut", set(live) - memory.live - named)
    if done.exit_code == 0:
        found.append("exit code 0 of a cut run")
    if done.states:
        found.append("STATE of a cut run")
    return found


def count_differences(run: Run, expected: Expected, done: Loaded) -> list[str]:
    """Compare what the report counts as removed, and what a mark was skipped for."""
    found, total = [], 0
    for part in run.parts:
        name = part.stream.name
        report = done.report.get("streams", {}).get(name)
        if report is None:
            found += [f"no report of {name}"] if part.rows else []
            continue
        done.results(name)
        for counts in ((ARCHIVED,), (LEFT,), (ARCHIVED, LEFT)):
            least, most = expected.counted(name, *counts)
            figure = sum(report[one] for one in counts)
            if not least <= figure <= most:
                found.append(f"{name}: {figure} {' and '.join(counts)} instead of {least} to {most}")
        total += report[ARCHIVED] + report[LEFT]
        said = "still_named" in report.get("reasons", {}).get("skipped", {})
        if name in expected.perhaps_still_named:
            continue
        if expected.succeeds and run.percent and said is not (name in expected.still_named):
            found.append(f"{name}: still_named is {'' if said else 'not '}said")
    if not len(expected.sure) <= total <= len(expected.removed):
        found.append(f"{total} removed instead of {len(expected.sure)} to {len(expected.removed)}")
    return found


def _lists(what: str, who: set[int] | frozenset[int]) -> list[str]:
    return [f"{what}: {sorted(who)}"] if who else []


@pytest.fixture
def world(sandbox: SandboxServer, load: Loader, tmp_path: Path) -> Iterator[World]:
    world = World(sandbox, tmp_path)
    logging.disable()  # some thousand runs would drown the history that differs
    with world.front:
        yield world
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, len(SEEDS), AT_ONCE))
def test_who_is_removed_is_as_the_model_says(world: World, first: int) -> None:
    found = {}
    for seed in SEEDS[first : first + AT_ONCE]:
        difference = world.difference(history(seed))
        if difference:
            found[seed] = difference
    if found:
        seed = min(found)
        small = shrunk(history(seed), lambda smaller: world.difference(smaller) is not None, TRIALS)
        texts = [f"seed {seed}: {difference}" for seed, difference in found.items()]
        pytest.fail("\n".join([*texts, f"seed {seed}, reduced: {world.difference(small)}", shown(small)]))


def test_the_same_input_once_more_changes_nothing_in_the_model() -> None:
    """What the documents ask for ends every history at rest: else no target could satisfy them."""
    for seed in SEEDS:
        runs = history(seed)
        memory = Memory(runs.there)
        for run in runs.runs:
            memory = expect(memory, run).memory
        try:
            again = expect(memory, runs.runs[-1])
        except UndeterminedError:
            continue
        assert again.memory.live == memory.live, seed
