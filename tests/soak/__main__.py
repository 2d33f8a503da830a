"""`python -m tests.soak`, or `make soak`: random histories in pairs of worlds, for as long as is asked for."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import nullcontext
from itertools import count, starmap
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING

from demo.database import running_database
from tests.soak import cases
from tests.soak.agreeing import difference
from tests.soak.pairs import pairs
from tests.soak.shrinking import smallest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from tests.soak.agreeing import Difference
    from tests.soak.histories import History

    Counts: TypeAlias = "tuple[Counter[str], Counter[str], Counter[str]]"

NAMES = tuple(pairs("postgres"))
FOUND = Path("tests/soak/findings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Look for differences; 1 when there are any."""
    options = _options(arguments)
    names = [options.only] if options.only else list(NAMES)
    if options.case is not None:
        names = [options.case.name.rpartition("-")[0]]
    with running_database() if any("postgres" in name for name in names) else nullcontext() as database:
        postgres = None if database is None else database.url
        if options.case is not None:
            return _repeat(options.case, postgres)
        _say(f"Seed {options.seed}; {', '.join(names)}")
        began = time.monotonic()
        lots = [(names, postgres, options, lot) for lot in range(options.jobs)]
        with Pool(options.jobs) if options.jobs > 1 else nullcontext() as workers:
            counts = list(starmap(_search, lots)) if workers is None else workers.starmap(_search, lots, chunksize=1)
    return _told(names, counts, time.monotonic() - began)


def _search(names: Sequence[str], postgres: str | None, options: argparse.Namespace, lot: int) -> Counts:
    """Run one history after the other; return how many there were of each pair, and how many differ."""
    of = pairs(postgres)
    happened, differ, excused = Counter[str](), Counter[str](), Counter[str]()
    until = time.monotonic() + 60 * options.minutes
    for number in count(options.seed):
        if time.monotonic() >= until or number == options.seed + options.count:
            break
        if (number - options.seed) % options.jobs != lot:
            continue
        name = names[number % len(names)]
        happened[name] += 1
        history = of[name].history(number)
        found = difference(history, of[name].of(number, history))
        if found is not None and found.is_excused:
            excused[name] += 1
        elif found is not None:
            differ[name] += 1
            _keep(name, number, history, found, options)
    return happened, differ, excused


def _told(names: Sequence[str], counts: Sequence[Counts], seconds: float) -> int:
    """Print how many histories there were; return 1 when any differ, else 0."""
    happened, differ, excused = (sum(ones, Counter[str]()) for ones in zip(*counts, strict=True))
    total = happened.total()
    _say(f"{total} histories in {seconds:.0f} s, {total / max(seconds, 0.001):.1f} a second")
    for name in names:
        left = f", {excused[name]} excused" if excused[name] else ""
        _say(f"{name}: {happened[name]} histories, {differ[name]} differ{left}")
    return 1 if differ else 0


def _keep(name: str, seed: int, history: History, found: Difference, options: argparse.Namespace) -> None:
    """Write down what differs, then a smaller history that does, and tell."""
    cases.write(options.out, f"{name}-{seed}", history, found)
    if options.shrink:
        seen = [found]

        def still_differs(smaller: History) -> bool:
            other = difference(smaller, found.worlds)
            if other is None or other.is_excused:
                return False
            seen.append(other)
            return True

        history = smallest(history, still_differs)
        found = seen[-1]
        cases.write(options.out, f"{name}-{seed}", history, found)
    _say(f"{name}, seed {seed}: {options.out / f'{name}-{seed}'}.*, {history.records} records\n{found.text}")


def _repeat(case: Path, postgres: str | None) -> int:
    """Run a case again."""
    history, worlds = cases.read(case.parent, case.name, postgres)
    found = difference(history, worlds)
    _say("The worlds agree" if found is None else found.text)
    return 0 if found is None else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to look (default: %(default)s)")
    parser.add_argument("--count", type=int, default=-1, help="how many histories at most")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first history; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="processes beside each other (default: %(default)s)")
    parser.add_argument("--only", choices=NAMES, help="one pair of worlds (default: all in turn)")
    parser.add_argument("--case", type=Path, help="repeat a case that was written: FOLDER/NAME-SEED")
    parser.add_argument("--out", type=Path, default=FOUND, help="where differences go (default: %(default)s)")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false", help="write histories as they are")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
