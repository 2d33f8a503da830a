"""What a benchmark found: tables for people, figures for programs, and what was demanded of it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Demand:
    """A figure that must not be missed."""

    what: str
    measured: float
    bound: float
    at_least: bool = False
    """Whether the bound is the least allowed; else it is the most."""

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its bound."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{self.what}: {self.measured:,.4g}, demanded {sign} {self.bound:,.4g}"


@dataclass(frozen=True)
class Findings:
    """The outcome of one benchmark."""

    name: str
    text: str
    """Markdown."""
    figures: t.Any
    """All that was measured, as JSON holds it."""
    demands: tuple[Demand, ...] = ()

    @property
    def missed(self) -> list[str]:
        """The demands that are not met, as sentences."""
        return [str(demand) for demand in self.demands if not demand.is_met]

    def markdown(self) -> str:
        """Return all of it, the demands at the end."""
        lines = [f"- {'met' if demand.is_met else 'MISSED'}: {demand}" for demand in self.demands]
        return "\n".join((self.text, *(["", *lines] if lines else []), ""))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Lay out a Markdown table; so many of the first columns are text, the others numbers."""
    ruler = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *rows))
