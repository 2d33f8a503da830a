"""What waits for what in the plan of a batch. Pure."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_intercom.model import Name
    from target_intercom.writes import ContactRecords

    _Last: t.TypeAlias = tuple[int, ContactRecords | None]
    """The last round of those who moved a name, or were decided by it; the write, where it is a single one."""


class Order:
    """In which round a write may go.

    A record is decided by names: its key, identifiers, the contact that it is linked to. A write moves names: it gives
    or takes identifiers, and links records. A record that is decided by a name comes after the writes that move it; a
    write comes after the records that were decided by a name that it moves.
    """

    def __init__(self) -> None:
        """Nothing is decided yet."""
        self._moved: dict[Name, _Last] = {}
        self._asked: dict[Name, _Last] = {}

    def first(self, asked: Iterable[Name], moved: Iterable[Name] = ()) -> int:
        """Return the first round for a record that is decided by names, and for its write, which moves names."""
        return 1 + max((turn for turn, _ in self._before(asked, moved)), default=-1)

    def may_join(self, write: ContactRecords, asked: Iterable[Name], moved: Iterable[Name]) -> bool:
        """Check whether a record may go into an earlier write: nothing but that is in its way."""
        return all(turn < write.turn or other is write for turn, other in self._before(asked, moved))

    def decide(self, asked: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
        """Add a record that was decided by names and goes in a round, into a write."""
        _add(self._asked, asked, turn, write)

    def move(self, names: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
        """Add a write that moves names."""
        _add(self._moved, names, turn, write)

    def _before(self, asked: Iterable[Name], moved: Iterable[Name]) -> Iterator[_Last]:
        yield from (self._moved[name] for name in asked if name in self._moved)
        yield from (self._asked[name] for name in moved if name in self._asked)


def _add(last: dict[Name, _Last], names: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
    for name in names:
        latest, its_write = last.get(name, (-1, None))
        if turn > latest:
            last[name] = turn, write
        elif turn == latest and write is not its_write:
            last[name] = turn, None
