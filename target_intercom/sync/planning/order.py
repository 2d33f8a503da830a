"""What waits for what in the plan of a batch. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.model import ContactRecords, Name


class Order:
    """In which round a write may go.

    A record is decided by names: its key, identifiers, the contact that it is linked to. A write moves names: it gives
    or takes identifiers, and links records. A record that is decided by a name comes after the writes that move it; a
    write comes after the records that were decided by a name that it touches.
    """

    def __init__(self) -> None:
        """Nothing is decided yet."""
        self._moved: dict[Name, _Last] = defaultdict(_Last)
        self._asked: dict[Name, _Last] = defaultdict(_Last)

    def first(self, asked: Iterable[Name], touched: Iterable[Name] = (), but: ContactRecords | None = None) -> int:
        """Return the first round for a record that is decided by names, and for its write, which touches names.

        `but`: the write that the record is to join.
        """
        before = [self._moved[name].turn_without(but) for name in asked if name in self._moved]
        before += [self._asked[name].turn_without(but) for name in touched if name in self._asked]
        return 1 + max(before, default=-1)

    def decide(self, asked: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
        """Add a record that was decided by names and goes in a round, into a write."""
        for name in asked:
            self._asked[name].add(turn, write)

    def move(self, names: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
        """Add a write that moves names."""
        for name in names:
            self._moved[name].add(turn, write)


@dataclass(slots=True)
class _Last:
    """The last round of some writes, with and without any one of them."""

    turn: int = -1
    write: ContactRecords | None = None
    """The only one of them that goes in that round; None: several do."""
    before: int = -1

    def add(self, turn: int, write: ContactRecords | None) -> None:
        if turn > self.turn:
            self.turn, self.write, self.before = turn, write, max(self.before, self.turn)
        elif write is not self.write:
            self.before = max(self.before, turn)
            if turn == self.turn:
                self.write = None

    def turn_without(self, write: ContactRecords | None) -> int:
        return self.before if write is not None and write is self.write else self.turn
