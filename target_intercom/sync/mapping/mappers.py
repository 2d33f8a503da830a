"""The mappers of a stream: one for each schema that its records come under. Pure.

A tap may send another SCHEMA for every record: log-based updates leave out columns that did not change.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_intercom.model import Received, StreamSchema

_MOST: t.Final = 200
"""Mappers of a stream that are kept; another is made again when records come under its schema."""
_Mapper = t.TypeVar("_Mapper")
_schema_of = attrgetter("schema")


class Mappers(t.Generic[_Mapper]):
    """Makes the mappers of a stream, each once."""

    def __init__(self, make: Callable[[StreamSchema], _Mapper]) -> None:
        """`make` raises an error for a schema whose records cannot be loaded."""
        self.of: Callable[[StreamSchema], _Mapper] = lru_cache(_MOST)(make)
        """Returns the mapper of a schema."""

    def runs(self, records: Iterable[Received]) -> Iterator[tuple[_Mapper, list[Received]]]:
        """Yield records in their order, parted wherever the schema changes, each part with its mapper."""
        for schema, some in groupby(records, key=_schema_of):
            yield self.of(schema), list(some)

    def parted(self, records: Iterable[Received]) -> Iterator[tuple[_Mapper, list[Received]]]:
        """Yield the records of each schema together, with its mapper."""
        parts: dict[StreamSchema, list[Received]] = defaultdict(list)
        for received in records:
            parts[received.schema].append(received)
        for schema, some in parts.items():
            yield self.of(schema), some
