"""Whether worlds agree: the same contacts and companies live, with the same attributes, tags and people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from target_intercom.outcomes import Result
from tests.soak.worlds import happen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.soak.histories import History, Run
    from tests.soak.worlds import After, World

BESIDE = frozenset({"tagged", "untagged", "attached", "detached"})
"""Of contact streams, these count what records did to tags and companies, beside their outcomes."""

CHANGED = ("created", "updated", "archived", "deleted", "left", *sorted(BESIDE))


@dataclass(frozen=True)
class Difference:
    """What two worlds do not agree about, or what one of them has wrong by itself."""

    worlds: tuple[World, ...]
    text: str
    is_excused: bool = False
    """It comes of what Intercom tells only when asked, or keeps failing on (docs/identity.md, "Left to Intercom")."""


def difference(history: History, worlds: Sequence[World]) -> Difference | None:
    """Run a history in worlds; return the first difference between the first of them and another."""
    first, *others = worlds
    here = happen(history, first)
    if wrong := _miscounted(history, here) or _restless(first, here):
        return Difference((first,), f"{first.name}: {wrong}")
    for other in others:
        there = happen(history, other)
        if wrong := _miscounted(history, there) or _restless(other, there):
            return Difference((first, other), f"{other.name}: {wrong}")
        text = "\n".join(_told(first, other, here, there))
        if text:
            return Difference((first, other), text, _is_excused(other, here, there))
    return None


def _told(first: World, other: World, here: Sequence[After], there: Sequence[After]) -> Iterator[str]:
    number = _first_difference(here, there)
    for one, two in zip(here[number:], there[number:], strict=True):
        yield f"after run {number + 1}"
        for world, ours, theirs in ((first, one, two), (other, two, one)):
            only = Counter(ours.workspace) - Counter(theirs.workspace)
            yield f"  {world.name}: exit {ours.exit_code}" + "".join(f"\n    {one}" for one in only.elements())
        return


def _first_difference(here: Sequence[After], there: Sequence[After]) -> int:
    """Return the first run after which two worlds differ; the number of runs: none."""
    ends = [
        (one.exit_code, one.workspace) == (two.exit_code, two.workspace) for one, two in zip(here, there, strict=True)
    ]
    return (*ends, False).index(False)


def _is_excused(world: World, here: Sequence[After], there: Sequence[After]) -> bool:
    """Check whether any end is right in a world after what happened in it, or in the first one."""
    for one, two in list(zip(here, there, strict=True))[: _first_difference(here, there) + 1]:
        if world.must_foretell and (one.is_surprised or two.is_surprised):
            return True
        if world.may_give_up and (one.has_given_up or two.has_given_up):
            return True
    return False


def _miscounted(history: History, ends: Sequence[After]) -> str | None:
    """Return the stream of which not every record has exactly one outcome, in a run that succeeded."""
    for number, (run, after) in enumerate(zip(history.runs, ends, strict=True), start=1):
        if after.exit_code == 0:
            for stream, counts in after.outcomes.items():
                beside = BESIDE if "created" in counts else frozenset()
                outcomes = sum(counts.get(one.value, 0) for one in Result if one.value not in beside)
                if not _came(run, stream) == counts["read"] == outcomes:
                    return f"run {number}: {_came(run, stream)} records of '{stream}' came, the outcomes are {counts}"
    return None


def _restless(world: World, ends: Sequence[After]) -> str | None:
    """Return what a run changed that came again as it was."""
    for number, after in enumerate(ends, start=1) if world.comes_again else ():
        counted = [
            f"{stream}: {counts[name]} {name}"
            for stream, counts in after.outcomes.items()
            for name in CHANGED
            if counts.get(name)
        ]
        changed = [*counted, *_lasting(after.changes)]
        if changed:
            return "\n    ".join((f"run {number} came again, and changed something", *changed))
    return None


def _lasting(changes: Sequence[str]) -> Iterator[str]:
    """Yield the calls whose change the next one does not undo: who is somebody else is archived again."""
    looked_at = {
        number
        for number, (one, next_one) in enumerate(pairwise(changes))
        if one.endswith("/unarchive {}") and next_one == one.replace("/unarchive", "/archive")
    }
    yield from (one for number, one in enumerate(changes) if number not in looked_at and number - 1 not in looked_at)


def _came(run: Run, stream: str) -> int:
    return sum(message["type"] == "RECORD" and message["stream"] == stream for message in run.messages)
