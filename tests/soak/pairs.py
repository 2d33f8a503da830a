"""Pairs of worlds that must agree: in each, the same history ends alike."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.soak.histories import History, Shape, history
from tests.soak.worlds import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


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


def _batches(_any: random.Random, happens: History) -> Sequence[World]:
    sizes = [1, 5000] if _longest(happens) <= 7 else [1, 7, 5000]
    return [World(f"batches of {size}", {"batch_size_rows": size}) for size in sizes]


def _longest(happens: History) -> int:
    """Return how many records of one stream come in one run, at most."""
    counts = [
        count
        for run in happens.runs
        for count in Counter(one["stream"] for one in run.messages if one["type"] == "RECORD").values()
    ]
    return max(counts, default=0)


PAIRS: Mapping[str, Pair] = {"batches": Pair(Shape(), _batches)}
