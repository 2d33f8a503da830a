"""Answers to the unknowns: an equal answer of the workspace confirms what is taken for granted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.sandbox.comparing.calls import Step, Transcript
    from target_intercom.sandbox.comparing.results.differences import Comparison, Difference
    from target_intercom.sandbox.comparing.unknowns.unknown import Unknown

_GENERAL = 8
"""A value that differs at so many steps tells nothing of a single question."""

_TELLING = frozenset({"status", "code", "hits", "value", "timing", "rate"})


class Finding(str, Enum):
    """What came of a question."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_TESTABLE = "not testable"


@dataclass(frozen=True)
class Verdict:
    """What came of a question, and why."""

    unknown: Unknown
    finding: Finding
    why: str


def verdicts(
    unknowns: Iterable[Unknown], script: Iterable[Step], comparison: Comparison, workspace: Transcript
) -> list[Verdict]:
    """Return an answer to every question."""
    steps = list(script)
    return [_verdict(unknown, steps, comparison, workspace) for unknown in unknowns]


def _verdict(unknown: Unknown, script: list[Step], comparison: Comparison, workspace: Transcript) -> Verdict:
    if unknown.untestable is not None:
        return Verdict(unknown, Finding.NOT_TESTABLE, unknown.untestable)
    asked = [step.name for step in script if unknown.number in step.answers]
    told = [name for name in asked if name in comparison.compared]
    in_time = {step for step in told if _waited(step, workspace) <= unknown.within}
    against = [
        entry
        for entry in comparison.differences
        if _is_telling(entry, [step for step in told if entry.kind != "timing" or step not in in_time])
    ]
    if against:
        return Verdict(unknown, Finding.REFUTED, "; ".join(_told(entry, told) for entry in against))
    missing = [f"{name}: {comparison.skipped[name]}" for name in asked if name not in told]
    if missing:
        return Verdict(unknown, Finding.NOT_TESTABLE, "; ".join(missing))
    return Verdict(unknown, Finding.CONFIRMED, _seen(told, workspace))


def _is_telling(difference: Difference, steps: list[str]) -> bool:
    is_general = difference.kind == "value" and len(difference.steps) >= _GENERAL
    return difference.kind in _TELLING and not is_general and any(step in steps for step in difference.steps)


def _waited(step: str, workspace: Transcript) -> float:
    exchange = workspace.last(step)
    return 0.0 if exchange is None else exchange.waited or 0.0


def _told(difference: Difference, steps: list[str]) -> str:
    where = f" ({difference.where})" if difference.where else ""
    named = ", ".join(step for step in difference.steps if step in steps)
    return f"{named}{where}: {difference.workspace}, in the sandbox {difference.sandbox}"


def _seen(steps: list[str], workspace: Transcript) -> str:
    """Return what the workspace answered, by step, with the time that repeated steps took."""
    parts = []
    for step in steps:
        exchange = workspace.last(step)
        if exchange is not None:
            waited = f" after {exchange.waited:.1f} s" if exchange.waited is not None else ""
            parts.append(f"{step}: {exchange.status}{waited}")
    return "; ".join(parts)
