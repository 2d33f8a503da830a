"""Finds objects by their keys: in what the run knows, in the ledger, or by a call for each."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import UndoneError
from target_intercom.model import Contact, Found, NotFound, Unanswered
from target_intercom.sync.matching.directory import Gone, Source

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from target_intercom.intercom.parallel import InParallel
    from target_intercom.kinds.keyed import KeyedKind
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import ContactId
    from target_intercom.sync.matching.directory import Directory

KeyMatch: t.TypeAlias = Found | NotFound | Unanswered
"""What a key finds."""


@dataclass(frozen=True)
class KnownObjects:
    """The objects of one kind that a run works on. An id here is the source's key."""

    kind: KeyedKind
    in_parallel: InParallel
    ledger: Ledger
    """Its part with objects of the kind."""
    directory: Directory

    def find(self, keys: Collection[ContactId], *, ask: Collection[ContactId] = ()) -> dict[ContactId, KeyMatch]:
        """Find objects; those in `ask` are asked for even where an earlier answer, or the ledger, knows them."""
        found = self.remembered([key for key in keys if key not in ask])
        missing = sorted(set(keys) - found.keys())
        found.update(self.in_parallel(lambda key: (key, self._ask(key)), missing))
        return found

    def remembered(self, keys: Collection[ContactId]) -> dict[ContactId, KeyMatch]:
        """Find objects that this run, or the ledger, knows: nothing is asked for the others."""
        found = {key: match for key in keys if (match := self._answered(key)) is not None}
        unknown = sorted(set(keys) - found.keys())
        found.update((contact.id, Found(contact)) for contact in self.ledger.named(unknown))
        return found

    def find_with_ids(self, keys: Collection[ContactId]) -> dict[ContactId, KeyMatch]:
        """Find objects with the ids that Intercom gave them: the ledger may not know those."""
        found = self.find(keys)
        nameless = [key for key, one in found.items() if isinstance(one, Found) and not self.kind.has_id(one.contact)]
        return {**found, **self.find(nameless, ask=nameless)}

    def forget(self, keys: Collection[ContactId], stream: str) -> None:
        """Write that objects are not there any more: their people are put back when they are."""
        self.ledger.removed(dict.fromkeys(keys, stream))

    def _answered(self, key: ContactId) -> KeyMatch | None:
        match self.directory.fact(key):
            case Gone():
                return NotFound()
            case Contact() as contact:
                return Found(contact)
            case _:
                return None

    def _ask(self, key: ContactId) -> KeyMatch:
        try:
            contact = self.kind.find(key)
        except UndoneError as error:
            return Unanswered(error.fault)
        if contact is None:
            self.directory.learn_fact(key, Gone())
            return NotFound()
        self.directory.learn(contact, Source.ANSWER)
        return Found(contact)
