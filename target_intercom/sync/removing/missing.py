"""Finds the contacts that are missing from a complete stream and that no other record names."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.ledger.interface import Holder, Ledger
    from target_intercom.model import ContactId, RecordKey
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.refused import RefusedRecords
    from target_intercom.sync.removing.still_named import StillNamed

_AT_ONCE = 500
"""Records that are looked at together, or a few more: those of one contact stay together."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some missing records of a stream, by what follows from them."""

    going: list[ContactId]
    """Contacts to remove."""
    kept: Mapping[ContactId, Sequence[Holder]]
    """Contacts that stay, with the records that name them."""
    merged: int
    """Contacts that stay because nothing but a merge made them the records' contacts."""
    released: list[RecordKey]
    """Records to forget: other streams of this run name their contacts, or only a merge made these theirs."""
    missed: list[RecordKey]
    """Records to keep as missing: their contacts stay for streams of old, until these are let go of."""


class Missing:
    """Finds who is missing, page by page, from what the ledger knows at that moment."""

    def __init__(
        self, ledger: Ledger, complete: CompleteStreams, still_named: StillNamed, refused: RefusedRecords
    ) -> None:
        """Decide by the complete streams of the run, the records that name contacts and those that were refused."""
        self._ledger = ledger
        self._complete = complete
        self._still_named = still_named
        self._refused = refused

    def pages(self, stream: str, marked: Collection[ContactId], is_in_run: Callable[[str], bool]) -> Iterator[Page]:
        """Yield who is missing from a complete stream; `marked` contacts go otherwise."""
        for records in _pages(filter(self._complete.misses, self._ledger.unseen(stream))):
            contacts = {one.contact for one in records}
            kept = self._still_named.keepers(sorted(contacts))
            spared = {one.contact for one in records if self._refused.names(one.identity, or_marks=True)}
            own = {one.contact for one in records if not one.merged}
            merged = contacts - own - kept.keys()
            current = {contact for contact, keepers in kept.items() if any(is_in_run(one.stream) for one in keepers)}
            yield Page(
                going=sorted(own - kept.keys() - spared - set(marked)),
                kept=kept,
                merged=len(merged),
                released=[one.key for one in records if one.contact in current | merged],
                missed=[one.key for one in records if one.contact in kept.keys() - current],
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
