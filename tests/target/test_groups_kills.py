"""Killed while it puts tags on and takes tags off, a run leaves nothing that the next one does not settle."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import SandboxServer
from target_intercom.sandbox.conditions import Conditions
from target_intercom.sandbox.versions import Version
from tests.loading import Loader, People
from tests.target.grouping import Row, all_tags, listing, member, members, tag_by_hand

if TYPE_CHECKING:
    from pathlib import Path

LANES = 4
"""Workspaces, side by side: their runs wait a lot."""
KILLS = 3
"""In each of them."""
CALLS = 250
"""A run takes so many, or some more where the one before has just written."""
PEOPLE = 200
FOREIGN = "By hand"
SETTINGS: Row = {
    "sync_mode": "sync",
    "tags_property": "groups",
    "max_removal_percent": 100,
    "search_delay_seconds": 2,
    "streams": {"members": {"object": "groups", "mappings": {}, "snapshot": True}},
}


@dataclass(frozen=True)
class Source:
    """The groups that everybody is in, by contact."""

    name: str
    listed: dict[str, set[str]]
    joined: dict[str, set[str]]

    @property
    def messages(self) -> list[Row]:
        rows = [
            {"id": one, "email": f"p{one}@example.com", "groups": sorted(names)} for one, names in self.listed.items()
        ]
        joined = [member(one, name) for one, names in self.joined.items() for name in sorted(names)]
        # A snapshot without a record proves nothing: somebody else stays in it.
        return [*members(*joined, member("other", "Stays")), *listing(*rows)]

    def tags(self, foreign: dict[str, set[str]]) -> dict[str, set[str]]:
        return {one: foreign[one] | self.listed[one] | self.joined[one] for one in self.listed}


def source(name: str, *, listed: Any, joined: Any) -> Source:
    everybody = range(PEOPLE)
    return Source(name, {str(n): set(listed(n)) for n in everybody}, {str(n): set(joined(n)) for n in everybody})


SOURCES = [
    source("nobody", listed=lambda _n: (), joined=lambda _n: ()),
    source("one", listed=lambda n: {"VIP", f"Tier {n % 3}"}, joined=lambda n: {"Beta"} if n % 2 else {"VIP"}),
    source("two", listed=lambda n: {f"Tier {n % 2}"}, joined=lambda n: {"Beta", "New"} if n % 3 else {"Tier 0"}),
]


def foreign_tags() -> dict[str, set[str]]:
    """Tags that somebody else put on: of other names, and of the names of groups."""
    names = {FOREIGN: 5, "VIP": 7, "New": 11}
    return {str(n): {name for name, each in names.items() if n % each == 0} for n in range(PEOPLE)}


def begin(sandbox: SandboxServer) -> None:
    """Make the contacts and the tags that are there before.

    Search shows them from the start: tags put on by hand while it lags behind may be taken for ours.
    """
    lag, ids = sandbox.conditions.search_lag, {}
    sandbox.conditions.change({"search_lag": 0})
    for one in [*foreign_tags(), "other"]:
        contact = {"external_id": one, "email": f"p{one}@example.com"}
        ids[one] = sandbox.workspace.create_contact(contact, Version.parse("2.16")).id
    for name in (FOREIGN, "VIP", "New"):
        tag_by_hand(People(sandbox), name, *(ids[one] for one, names in foreign_tags().items() if name in names))
    sandbox.conditions.change({"search_lag": lag})


def tags_of_all(sandbox: SandboxServer) -> dict[str, set[str]]:
    tags = all_tags(People(sandbox))
    del tags["other"]
    return tags


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


def differences(what: str, tags: dict[str, set[str]], wanted: dict[str, set[str]]) -> list[str]:
    wrong = {one: (sorted(tags[one]), sorted(names)) for one, names in wanted.items() if tags[one] != names}
    (first, *_) = [*wrong.items(), None]
    return [f"{what}: {len(wrong)} contacts, such as {first} (has, should have)"] if wrong else []


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
