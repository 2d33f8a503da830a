"""Decides which records keep a contact: it is removed only when no record names it any more (docs/removals.md)."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from target_intercom.settings.warnings import contacts_of_old_records

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_intercom.ledger.interface import Holder, Ledger
    from target_intercom.model import ContactId
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.marked import Marks


@dataclass(slots=True)
class Unseen:
    """Contacts that stay for records that did not come in this run: by the stream they stay in, and that record's."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, stream: str, keepers: Collection[Holder]) -> None:
        """Count a contact of a stream, unless a record of this run names it, too."""
        if not any(holder.seen for holder in keepers):
            self.counts[stream].update({holder.stream for holder in keepers})

    def sentences(self, last_runs: Mapping[str, str], streams: Collection[str]) -> list[str]:
        """Return which contacts stay for records of old; `streams` are those of this run."""
        return [
            contacts_of_old_records(
                stream, other, count, None if other in streams else last_runs.get(other, "no known time")
            )
            for stream, counts in self.counts.items()
            for other, count in sorted(counts.items())
        ]


class StillNamed:
    """Finds the records that name contacts, at the end of the pipe, when all that came is written."""

    def __init__(
        self,
        ledger: Ledger,
        marks: Marks,
        complete: CompleteStreams,
        is_of_orders: Callable[[str], bool],
    ) -> None:
        """`is_of_orders` tells of a stream whether its records of this run are orders to remove: mode `remove`."""
        self._ledger = ledger
        self._marks = marks
        self._complete = complete
        self._is_of_orders = is_of_orders

    def keepers(self, contacts: Sequence[ContactId]) -> dict[ContactId, list[Holder]]:
        """Return the live records that name each contact; a contact that none names is left out."""
        keepers: dict[ContactId, list[Holder]] = defaultdict(list)
        for holder in self._ledger.holders(contacts):
            if self._keeps(holder):
                keepers[holder.contact].append(holder)
        return keepers

    def _keeps(self, holder: Holder) -> bool:
        return (
            holder.synced
            and (holder.stream, holder.key) not in self._marks
            and not self._complete.misses(holder)
            and not self._is_of_orders(holder.stream)
        )
