"""Killed while it puts tags on and takes tags off, a run leaves nothing that the next one does not settle."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import SandboxServer
from target_intercom.sandbox.conditions import Conditions
from tests.support.loading import Loader
from tests.support.sources import SETTINGS, SOURCES, begin, differences, foreign_tags, tags_of_all

if TYPE_CHECKING:
    from pathlib import Path

LANES = 4
"""Workspaces, side by side: their runs wait a lot."""
KILLS = 3
"""In each of them."""
CALLS = 150
"""A run takes so many, or some more where the one before has just written."""


def lane(folder: Path, seed: int) -> list[str]:
    """Kill run after run, each followed by one that is not; tells what was wrong after these.

    In lanes of odd numbers the source has often changed once more before that one.
    """
    moment, wrong = random.Random(seed), []
    with SandboxServer(Conditions(search_lag=1, latency=0.02, rate_limit=100_000)) as sandbox:
        begin(sandbox)
        load, now, foreign = Loader(sandbox.url, folder / str(seed)), SOURCES[0], foreign_tags()
        for kill in range(KILLS):
            killed = moment.choice([one for one in SOURCES if one is not now])
            after = moment.choice(SOURCES) if seed % 2 else killed
            begun = len(sandbox.calls)
            process = load.begin(killed.messages, **SETTINGS)
            calls = begun + moment.randint(1, moment.choice([25, CALLS]))
            while len(sandbox.calls) < calls and process.poll() is None:
                time.sleep(0.001)
            time.sleep(moment.uniform(0, 0.01))
            process.kill()
            process.communicate()
            done = load.pipe(after.messages, **SETTINGS)
            what = f"lane {seed}, kill {kill} after {calls - begun} calls: {now.name} -> {killed.name} -> {after.name}"
            if (done.exit_code, len(done.states), done.rejected) != (0, 1, []):
                wrong.append(f"{what}: {done.exit_code}, {done.states}, {done.log}")
            wrong.extend(differences(what, tags_of_all(sandbox), after.tags(foreign)))
            now = after
        done = load.pipe(SOURCES[0].messages, **SETTINGS)
        if done.exit_code:
            wrong.append(f"lane {seed}, nobody in the end: {done.log}")
        wrong.extend(differences(f"lane {seed}, nobody in the end", tags_of_all(sandbox), foreign))
    return wrong


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    folder = tmp_path_factory.mktemp("kills")
    with ThreadPoolExecutor(LANES) as pool:
        return list(pool.map(partial(lane, folder), range(LANES)))


@pytest.mark.parametrize("number", range(0, LANES, 2))
def test_after_a_kill_the_same_run_once_more_gives_everybody_the_right_tags(
    everything: list[list[str]], number: int
) -> None:
    assert everything[number] == []


@pytest.mark.parametrize("number", range(1, LANES, 2))
def test_after_a_kill_a_run_of_other_groups_gives_everybody_the_right_tags(
    everything: list[list[str]], number: int
) -> None:
    """What the killed run was about to do, or had done without knowing it, is undone."""
    assert everything[number] == []
