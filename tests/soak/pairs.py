"""Pairs of worlds that must agree: in each, the same history ends alike."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import Fault
from tests.soak.histories import History, Shape, history
from tests.soak.worlds import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


COMPANIES = "companies-"
"""Begins the name of a pair whose histories have companies."""
SOMETIMES = 0.4
MOSTLY = 0.6
FEW = 7
"""Records of a batch that are several, and not all of many."""


@dataclass(frozen=True)
class Pair:
    """Worlds, and the histories that are to end alike in them."""

    shape: Shape
    worlds: Callable[[random.Random, History], Sequence[World]]
    """The first is what the others are held against."""

    def history(self, seed: int) -> History:
        """Return the history of a seed."""
        return history(seed, self.shape)

    def of(self, seed: int, happens: History) -> Sequence[World]:
        """Return the worlds of a seed."""
        return self.worlds(random.Random(-seed), happens)


def _batches(any_: random.Random, happens: History) -> Sequence[World]:
    others = [5000] if _longest(happens) <= FEW else [FEW, 5000]
    return [
        World("batches of 1", {"batch_size_rows": 1}),
        *(World(f"batches of {n}", {"batch_size_rows": n, **_beside(any_)}, must_foretell=True) for n in others),
    ]


def _bulk(any_: random.Random, _happens: History) -> Sequence[World]:
    size = {"batch_size_rows": any_.choice([3, 7, 5000])}
    return [World("singly", size), World("in bulk", {**size, "bulk_writes": True})]


def _faults(any_: random.Random, _happens: History) -> Sequence[World]:
    size = {"batch_size_rows": any_.choice([1, 7, 5000]), "search_delay_seconds": 120}
    bulk = {"bulk_writes": True} if any_.random() < SOMETIMES else {}
    faults = {
        "fault_rate": any_.choice([0.05, 0.2, 0.4]),
        "faults": [fault.value for fault in Fault],
        "fault_seed": any_.randrange(10**6),
        "fault_timeout": 20.0,
        "bulk_item_fault_rate": any_.choice([0.0, 0.3]),
    }
    return [
        World("without faults", {**size, **bulk}, comes_twice=True),
        World("with faults", {**size, **bulk}, faults, comes_twice=True, may_give_up=True),
    ]


def _lag(any_: random.Random, _happens: History) -> Sequence[World]:
    settings = {"batch_size_rows": any_.choice([1, 7, 5000]), "search_delay_seconds": 120}
    if any_.random() < SOMETIMES:
        settings["bulk_writes"] = True
    lag = any_.choice([2.0, 60.0, 115.0])
    return [World("search shows all", settings), World("search lags", settings, {"search_lag": lag})]


def _ledger(any_: random.Random, _happens: History) -> Sequence[World]:
    size = {"batch_size_rows": any_.choice([1, 7, 5000]), **_beside(any_)}
    return [World("ledger kept", size), World("ledger lost", size, loses_ledger=True)]


def _postgres(url: str, any_: random.Random, _happens: History) -> Sequence[World]:
    size = {"batch_size_rows": any_.choice([1, 7, 5000])}
    return [World("ledger in SQLite", size), World("ledger in PostgreSQL", {**size, "ledger_url": url})]


def _kills(any_: random.Random, happens: History) -> Sequence[World]:
    size: dict[str, Any] = {"batch_size_rows": any_.choice([1, 7, 5000]), "search_delay_seconds": 120}
    if any_.random() < SOMETIMES:
        size["bulk_writes"] = True
    kills = tuple(_kill(any_, run.records) for run in happens.runs)
    alive = World("not killed", size, {"search_lag": any_.choice([0.0, 60.0])}, comes_twice=True)
    return [alive, replace(alive, name="killed", kills=kills)]


def _kill(any_: random.Random, records: int) -> tuple[int, bool, bool]:
    """Choose a call that a run may well make: any, or one that changes something."""
    is_write = any_.random() < MOSTLY
    call = any_.randint(1, 2 + records if is_write else 8 + 2 * records)
    return call, is_write, any_.random() < MOSTLY


def _again(any_: random.Random, _happens: History) -> Sequence[World]:
    size: dict[str, Any] = {"batch_size_rows": any_.choice([1, 7, 5000]), **_beside(any_)}
    if any_.random() < SOMETIMES:
        size["bulk_writes"] = True
    return [World("each run again", size, comes_again=True)]


def _beside(any_: random.Random) -> Mapping[str, int]:
    """Return how many calls go beside each other, where their order makes no difference.

    It does in all other pairs: the faults and the end of a run hit certain calls, and of several users that may be
    meant Intercom's 409 names the eldest. There calls go one after the other, so that a seed shows the same again.
    """
    return {"max_connections": any_.choice([1, 8])}


def _longest(happens: History) -> int:
    """Return how many records of one stream come in one run, at most."""
    counts = [
        count
        for run in happens.runs
        for count in Counter(one["stream"] for one in run.messages if one["type"] == "RECORD").values()
    ]
    return max(counts, default=0)


STEADY = Shape(moves=False, orders=False)
"""Runs that a part of, and then all of, ends as all of: no record depends on what was there before it."""
TABLES = Shape(repeats=False, disagrees=False)
"""Runs that come again as they are, and then change nothing: nobody undoes what another record of them says."""
BY_JOBS = Shape(namesakes=False)
"""A contact whose id no job has told is known by its email, if it has no external_id (docs/bulk.md)."""
REMEMBERED = Shape(moves=False, shares=False, removes=False, groups=False, hands=False, pauses=(3600.0,))
"""Runs that end alike without a memory: nobody leaves, and nobody has a hand in the workspace (docs/ledger.md).

Of several rows of one contact only the ledger knows which had the last word, when that does not come.
"""


def pairs(postgres: str | None = None) -> Mapping[str, Pair]:
    """Return the pairs by name; that of PostgreSQL where there is one."""
    others = {} if postgres is None else {"postgres": Pair(Shape(), partial(_postgres, postgres))}
    of_contacts = {
        "batches": Pair(Shape(), _batches),
        "bulk": Pair(BY_JOBS, _bulk),
        "faults": Pair(Shape(orders=False), _faults),
        "lag": Pair(Shape(), _lag),
        "again": Pair(TABLES, _again),
        "ledger": Pair(REMEMBERED, _ledger),
        **others,
        "kills": Pair(STEADY, _kills),
    }
    return of_contacts | {
        f"{COMPANIES}{name}": replace(pair, shape=replace(pair.shape, companies=True))
        for name, pair in of_contacts.items()
        if name != "ledger"  # without it nobody is taken out of a company
    }
