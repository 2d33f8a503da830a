"""Finds the contacts that are missing from a complete stream and that no other record names."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.remembered import Holder
    from target_intercom.model import ContactId, RecordKey
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.live_records import LiveRecords
    from target_intercom.sync.removing.refused import RefusedRecords

_AT_ONCE = 500
"""Records that are looked at together, or a few more: those of one contact stay together."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some missing records of a stream, by what follows from them."""

    to_remove: list[ContactId]
    kept: Mapping[ContactId, Sequence[Holder]]
    """Contacts that stay, with the live records that name them."""
    merged: int
    """How many contacts stay because only a merge made them the records' contacts."""
    to_delete: list[RecordKey]
    """Records to delete: other streams of this run name their contacts, or only a merge made these theirs."""
    to_keep: list[RecordKey]
    """Records to keep as missing: their contacts stay for records of earlier runs, until the ledger forgets these."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Finds missing contacts page by page, from what the ledger knows at that moment."""

    ledger: Ledger
    complete: CompleteStreams
    live: LiveRecords
    refused: RefusedRecords

    def pages(self, stream: str, marked: Container[ContactId], is_in_run: Callable[[str], bool]) -> Iterator[Page]:
        """Yield the missing records of a complete stream; `marked` contacts are removed otherwise."""
        for records in _pages(self.ledger.unseen(stream, self.complete.versions()[stream])):
            contacts = {one.contact for one in records}
            kept = self.live.naming(contacts)
            refused = {one.contact for one in records if self.refused.names(one.identity, or_marks=True)}
            own = {one.contact for one in records if not one.merged}
            merged = contacts - own - kept.keys()
            current = {contact for contact, live in kept.items() if any(is_in_run(one.stream) for one in live)}
            yield Page(
                to_remove=sorted(one for one in own - kept.keys() - refused if one not in marked),
                kept=kept,
                merged=len(merged),
                to_delete=[one.key for one in records if one.contact in current | merged],
                to_keep=[one.key for one in records if one.contact in kept.keys() - current],
            )


def _pages(records: Iterable[Holder]) -> Iterator[list[Holder]]:
    """Yield records some at once: what becomes of a contact follows from all of its records, and counts once."""
    page: list[Holder] = []
    for _, of_contact in groupby(records, key=attrgetter("contact")):
        page.extend(of_contact)
        if len(page) >= _AT_ONCE:
            yield page
            page = []
    if page:
        yield page
