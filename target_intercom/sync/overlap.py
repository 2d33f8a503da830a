"""Batches that overlap: while Intercom works off the jobs of some, the next one is read, looked up and sent.

A batch shares nothing with the others: it has parts of its own, and where it would share a record key, an identifier or
a contact with those under way, they end first. All is done by one thread, which leaves a batch where that would wait
for jobs. Batches end in the order of the pipe, so that what they leave in the ledger and the report is as if each had
been waited for.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cache, partial

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator, Sequence

    from target_intercom.model import Received, StreamSchema
    from target_intercom.sync.mapping.mappers import Mappers

MOST_RECORDS: t.Final = 9_600
"""Records of the batches under way, at most, but for a single larger batch: some 4 kB of memory each.

Four batches of a run with jobs (`IntercomSink.max_size_in_bulk`).
"""

_Read = t.TypeVar("_Read")
Names: t.TypeAlias = "frozenset[Hashable]"
"""What a batch may share with others: record keys, identifiers, ids of contacts."""
Work: t.TypeAlias = "Iterator[Callable[[], Names]]"
"""The work on a batch. First it is read, and what Intercom knows of it is asked for; then, and wherever it would wait
for jobs, it yields what returns its names: they may not be asked for."""


_Result = t.TypeVar("_Result")
Step: t.TypeAlias = "Generator[Callable[[], Names], None, _Result]"
"""A part of that work, with what it returns."""


class Batch(t.Protocol):
    """A batch of a stream."""

    def run(self, records: Sequence[Received]) -> Work:
        """Load it; every record gets its outcome."""


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A batch whose jobs are under way."""

    work: Work
    kind: str
    records: int
    began: float
    """On the monotonic clock."""
    names: Callable[[], Names]
    """Returns its names, which stay as they are while its jobs are under way."""


class Overlap:
    """The batches of a run that are under way."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin without a batch; `clock` shows seconds."""
        self._clock = clock
        self._under_way: list[_UnderWay] = []
        """In the order of the pipe."""

    @property
    def began(self) -> float:
        """When the oldest batch under way began, by the clock; now where there is none."""
        return min((one.began for one in self._under_way), default=self._clock())

    def begin(self, work: Work, kind: str, records: int) -> None:
        """Begin with a batch, and leave it when it waits for jobs; older ones end where there is no room for it.

        They do so while Intercom answers what it has asked. That is as if search lagged behind them: what the run knows
        by then counts above what search shows.

        Batches of different kinds of objects do not overlap: those of contacts look for companies.
        """
        if any(one.kind != kind for one in self._under_way):
            self.end_all()
        began = self._clock()
        next(work)
        while self._under_way and sum(one.records for one in self._under_way) + records > MOST_RECORDS:
            self._end_oldest()
        find_names = next(work, None)
        if find_names is not None:
            self._under_way.append(_UnderWay(work, kind, records, began, find_names))

    def end_sharing(self, find_names: Callable[[], Names]) -> bool:
        """End the other batches that share a name with one, and those before them; returns whether there were some."""
        names = find_names() if self._under_way else frozenset()
        sharing = [number for number, one in enumerate(self._under_way, start=1) if not names.isdisjoint(one.names())]
        for _ in range(max(sharing, default=0)):
            self._end_oldest()
        return bool(sharing)

    def apart(
        self, read: _Read, names_of: Callable[[_Read], Names], again: Callable[[_Read], _Read]
    ) -> tuple[_Read, Callable[[], Names]]:
        """Return what was read of a batch, `again` after those that share a name with it; and how to find its names."""
        find_names = cache(partial(names_of, read))
        if not self.end_sharing(find_names):
            return read, find_names
        read = again(read)
        return read, cache(partial(names_of, read))

    def end_all(self) -> None:
        """End all other batches."""
        while self._under_way:
            self._end_oldest()

    def close(self) -> None:
        """Leave all batches as they are: their records have no outcome yet."""
        for one in self._under_way:
            t.cast("Step[None]", one.work).close()
        self._under_way.clear()

    def _end_oldest(self) -> None:
        for _ in self._under_way.pop(0).work:
            pass


@dataclass(frozen=True, slots=True)
class Batches:
    """Loads the records of one stream, batch by batch."""

    kind: str
    """Of the objects that it writes."""
    mappers: Mappers[t.Any]
    overlap: Overlap
    new: Callable[[], Batch]
    """Returns a new batch."""

    def meet(self, schema: StreamSchema) -> None:
        """Check that records can be loaded that come under a schema.

        Raises:
            StreamRefusedError: they cannot.
        """
        self.mappers.of(schema)

    def run(self, records: Sequence[Received]) -> None:
        """Begin with a batch; every record gets its outcome when it ends."""
        self.overlap.begin(self.new().run(records), self.kind, len(records))
