"""Finds the live records that name a contact: it is removed only when there is none (docs/removals.md)."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import islice

from target_intercom.settings.warnings import contacts_of_old_records

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.remembered import Holder
    from target_intercom.model import ContactId
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.marked import Marks

_AT_ONCE = 500
"""Contacts that are looked up in the ledger together."""


@dataclass(frozen=True, slots=True)
class OldRecords:
    """Counts the contacts that stay only for records that did not come in this run."""

    plural: str
    """How messages call what stays."""
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By the stream that the contacts would be removed for, and the streams of the records."""

    def add(self, stream: str, records: Collection[Holder]) -> None:
        """Count a contact of a stream by the records that name it, unless one of them came in this run."""
        if not any(record.seen for record in records):
            self.counts[stream].update({record.stream for record in records})

    def warnings(self, last_runs: Mapping[str, str], streams: Collection[str]) -> list[str]:
        """Return a warning for each pair of streams; `streams` are those of this run."""
        return [
            contacts_of_old_records(
                stream, other, count, None if other in streams else last_runs.get(other, "no known time"), self.plural
            )
            for stream, counts in self.counts.items()
            for other, count in sorted(counts.items())
        ]


@dataclass(frozen=True, slots=True)
class LiveRecords:
    """The live records, at the end of the pipe, when all that came is written."""

    ledger: Ledger
    marks: Marks
    complete: CompleteStreams
    is_of_orders: Callable[[str], bool]
    """Returns whether a stream's records of this run are orders to remove: mode `remove`."""

    def naming(self, contacts: Iterable[ContactId]) -> dict[ContactId, list[Holder]]:
        """Return the live records that name each contact; a contact without one is left out."""
        found: dict[ContactId, list[Holder]] = defaultdict(list)
        waiting = iter(sorted(contacts))
        while page := list(islice(waiting, _AT_ONCE)):
            for record in filter(self._keeps_contact, self.ledger.holders(page)):
                found[record.contact].append(record)
        return found

    def _keeps_contact(self, record: Holder) -> bool:
        """Check whether a record keeps the contact that it names from being removed."""
        return (
            record.synced
            and (record.stream, record.key) not in self.marks
            and not self.complete.misses(record)
            and not self.is_of_orders(record.stream)
        )
