"""Whether worlds agree: the same contacts live, with the same identifiers, attributes and tags."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.model import Result
from tests.soak.worlds import happen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.soak.histories import History, Run
    from tests.soak.worlds import After, World

BESIDE = frozenset({"tagged", "untagged"})
"""Of contact streams, these count what records did to tags, beside their outcomes."""


@dataclass(frozen=True)
class Difference:
    """What two worlds do not agree about, or what one of them has wrong by itself."""

    worlds: tuple[World, ...]
    text: str


def difference(history: History, worlds: Sequence[World]) -> Difference | None:
    """Run a history in worlds; return the first difference between the first of them and another."""
    first, *others = worlds
    here = happen(history, first)
    if miscounted := _miscounted(history, here):
        return Difference((first,), f"{first.name}: {miscounted}")
    for other in others:
        there = happen(history, other)
        if miscounted := _miscounted(history, there):
            return Difference((first, other), f"{other.name}: {miscounted}")
        text = "\n".join(_told(first, other, here, there))
        if text:
            return Difference((first, other), text)
    return None


def _told(first: World, other: World, here: Sequence[After], there: Sequence[After]) -> Iterator[str]:
    for number, (one, two) in enumerate(zip(here, there, strict=True), start=1):
        if (one.exit_code, one.contacts) == (two.exit_code, two.contacts):
            continue
        yield f"after run {number}"
        for world, ours, theirs in ((first, one, two), (other, two, one)):
            only = Counter(ours.contacts) - Counter(theirs.contacts)
            yield f"  {world.name}: exit {ours.exit_code}" + "".join(f"\n    {contact}" for contact in only.elements())
        return


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


def _came(run: Run, stream: str) -> int:
    return sum(message["type"] == "RECORD" and message["stream"] == stream for message in run.messages)
