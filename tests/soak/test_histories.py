"""A fixed hundred, and some with companies, of the random histories that `make soak` looks through."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from tests.soak.agreeing import difference
from tests.soak.pairs import COMPANIES, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS = pairs()
HUNDRED = {"batches": 40, "bulk": 10, "faults": 10, "lag": 10, "again": 10, "ledger": 10, "kills": 10}
WITH_COMPANIES = {f"{COMPANIES}{name}": 4 for name in ("batches", "bulk", "faults", "lag", "again", "kills")}
"""How many of each pair; PostgreSQL, which takes a server, is left to `make soak`."""
MOST_RECORDS = 20
"""Longer histories take long, and are left to it as well."""


def the_hundred() -> Iterator[tuple[str, int]]:
    """Yield pairs and seeds."""
    for name, wanted in (HUNDRED | WITH_COMPANIES).items():
        short = (seed for seed in count(1) if PAIRS[name].history(seed).records <= MOST_RECORDS)
        yield from ((name, seed) for seed in islice(short, wanted))


@pytest.mark.parametrize(("name", "seed"), list(the_hundred()))
def test_a_history_ends_alike_in_both_worlds(name: str, seed: int) -> None:
    history = PAIRS[name].history(seed)
    found = difference(history, PAIRS[name].of(seed, history))
    assert found is None or found.is_excused, found.text
