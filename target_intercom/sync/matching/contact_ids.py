"""Finds the Intercom ids of contacts that bulk jobs made: a job tells none, so they are looked for when one is needed.

Until then such a contact is known by its identifiers alone, and has a stand-in for an id (`Contact.is_named` is false).
"""

from __future__ import annotations

import math
import time
import typing as t
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from target_intercom.errors import UndoneError
from target_intercom.ledger.remembered import stamp
from target_intercom.model import Identity
from target_intercom.sync.matching.directory import Source

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.remembered import LedgerEntry, Stamp
    from target_intercom.model import Contact, ContactId, Entry, ExternalId, Identifier, RecordKey
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher

_FEW = 20
"""So many users are asked for one by one rather than waited for; that does not lag."""
_ASKS = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two searches."""
_AT_ONCE = 2000
_BITS_OF_A_PLACE: t.Final = 24
_BITS: t.Final = 1 << _BITS_OF_A_PLACE


@dataclass
class MadeNames:
    """The identifiers of the contacts that jobs have made, for as long as search may not show them; and some longer.

    There may be hundreds of thousands. So of each only two bits are kept, and the ledger is asked for those that may be
    meant: beside half a million identifiers, one in three hundred is asked for in vain.
    """

    seconds: float
    """How long they are kept at least."""
    _turned_at: float = field(default=-math.inf, init=False)
    _lately: bytearray = field(default_factory=bytearray, init=False)
    _before: bytearray = field(default_factory=bytearray, init=False)

    def add(self, contact: Contact, now: float) -> None:
        """Add the identifiers of a contact that was made."""
        if now - self._turned_at > self.seconds:
            self._lately, self._before = bytearray(_BITS // 8), self._lately
            self._turned_at = now
        bits = self._lately
        for name in Identity.of(contact).identifiers():
            first, second = _places(name)
            bits[first >> 3] |= 1 << (first & 7)
            bits[second >> 3] |= 1 << (second & 7)

    def meant(self, identities: Iterable[Identity]) -> list[Identity]:
        """Return the identities that have an identifier which a contact that was made may have."""
        if not self._lately:
            return []
        return [one for one in identities if any(map(self._has, one.identifiers()))]

    def _has(self, name: Identifier) -> bool:
        first, second = _places(name)
        for bits in (self._lately, self._before):
            if bits and bits[first >> 3] >> (first & 7) & 1 and bits[second >> 3] >> (second & 7) & 1:
                return True
        return False


def _places(name: Identifier) -> tuple[int, int]:
    """Return the bits that stand for an identifier."""
    number = hash(name)
    return number & _BITS - 1, number >> _BITS_OF_A_PLACE & _BITS - 1


@dataclass
class ContactIds:
    """Finds the Intercom ids of contacts that bulk jobs made, for the directory and the ledger."""

    client: IntercomClient
    matcher: Matcher
    directory: Directory
    ledger: Ledger
    in_parallel: InParallel
    search_delay_seconds: float
    """How long search may lag behind: it is waited for as long."""
    _began: Stamp = field(default_factory=lambda: stamp(time.time()), init=False)
    _made: MadeNames = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no contact made."""
        self._made = MadeNames(self.search_delay_seconds)

    def made(self, contact: Contact) -> None:
        """Remember that a job of this run has made a contact, which the ledger has."""
        self._made.add(contact, time.monotonic())

    def find_for(self, identities: Collection[Identity]) -> None:
        """Find the ids of contacts that this run has made and that have an identifier of these."""
        self._find_made(identities, self._made.meant(identities), self._began)

    def find_missing(self, identities: Collection[Identity]) -> None:
        """Find the ids of contacts that search does not show, and that any run has made lately."""
        self._find_made(identities, identities, stamp(time.time() - self.search_delay_seconds))

    def _find_made(self, identities: Collection[Identity], shared: Collection[Identity], since: Stamp) -> None:
        """Find the ids of contacts with an identifier of these; those of the `shared` ones the ledger may have."""
        made = self.ledger.unnamed_with(shared, since) if shared else ()
        for contact, _ in made:
            self.directory.learn(contact, Source.ANSWER)
        written_at = {contact.id: at for contact, at in made}
        started = time.time() - time.monotonic()
        unnamed = self.directory.unnamed(identities)
        self._find_named([(one, written_at.get(one.id, stamp(started + learnt_at))) for one, learnt_at in unnamed])

    def find_of(self, entries: Sequence[Entry], rows: Mapping[RecordKey, LedgerEntry]) -> list[Entry]:
        """Return records with their contacts' ids found; the ledger does not know a contact whose id is not found."""
        found = self._find_named(
            [
                (entry.contact, rows[entry.key].written_at)
                for entry in entries
                if entry.contact is not None and entry.key is not None and not entry.contact.is_named
            ]
        )
        return [_named(entry, found) for entry in entries]

    def find_all(self) -> None:
        """Find the ids of all contacts that the ledger knows: removals go by them."""
        rows = iter(self.ledger.unnamed())
        while page := list(islice(rows, _AT_ONCE)):
            self.find(page)

    def find_records(self, records: Collection[tuple[str, RecordKey]]) -> None:
        """Find the ids of the contacts of some records, given with their streams."""
        for stream in sorted({stream for stream, _ in records}):
            rows = self.ledger.recall(stream, sorted(key for of, key in records if of == stream)).values()
            self.find([(one, row.written_at) for row in rows if (one := row.contact) is not None and not one.is_named])

    def find(self, wanted: Sequence[tuple[Contact, Stamp]]) -> Mapping[ContactId, Contact]:
        """Find contacts, given with when they were made, and write their ids; returns those found by their stand-ins.

        One search for many, again and again until the index must show them; the last few users are asked for.
        """
        # Search must show what was written long ago; and what was written in the future no later than what is now.
        now, seconds = time.monotonic(), time.time()
        due = {one.id: now + self.search_delay_seconds - max(0.0, seconds - at / 1000) for one, at in wanted}
        known = {contact.id: self.directory.found_id(contact) for contact, _ in wanted}
        found = {id_: contact for id_, contact in known.items() if contact is not None}
        missing = {contact.id: contact for contact, _ in wanted if contact.id not in found}
        asked: Counter[ContactId] = Counter()
        pause = _FIRST_PAUSE
        while missing:
            shown = self.matcher.search_index([_sought(one) for one in missing.values()])
            found.update((id_, hit) for id_, one in missing.items() if (hit := _pick(shown, one)) is not None)
            rest = max(due[id_] for id_ in missing) - time.monotonic()
            missing = {id_: one for id_, one in missing.items() if id_ not in found}
            if len(missing) <= _FEW:
                users = {id_: one.external_id for id_, one in missing.items() if one.external_id is not None}
                asked.update(users.keys())
                answers = self.in_parallel(self._ask_for, users.items())
                found.update((id_, contact) for id_, contact in answers if contact is not None)
                # A user who is not there twice is gone.
                missing = {id_: one for id_, one in missing.items() if id_ not in found and asked[id_] < _ASKS}
            if rest <= 0 or not missing:
                break
            self.client.pause(min(pause, rest))
            pause = min(pause * 2, _LONGEST_PAUSE)
        self.ledger.name([(contact, found[contact.id]) for contact, _ in wanted if contact.id in found])
        return found

    def _find_named(self, wanted: Sequence[tuple[Contact, Stamp]]) -> Mapping[ContactId, Contact]:
        """Find contacts that records name, and keep them: the records may change what they are found by."""
        found = self.find(wanted) if wanted else {}
        for contact, _ in wanted:
            if contact.id in found:
                self.directory.learn_id(contact, found[contact.id])
        return found

    def _ask_for(self, user: tuple[ContactId, ExternalId]) -> tuple[ContactId, Contact | None]:
        contact, external_id = user
        with suppress(UndoneError):
            return contact, self.client.find_user(external_id)
        return contact, None


def _named(entry: Entry, found: Mapping[ContactId, Contact]) -> Entry:
    contact, known = entry.contact, entry.known
    if contact is None or known is None or contact.is_named:
        return entry
    named = found.get(contact.id)
    if named is None:
        return replace(entry, known=replace(known, contact=None))
    # As it was when the record was last loaded: that is what tells whether the record lets go of it.
    return replace(entry, known=replace(known, contact=replace(contact, id=named.id, is_named=True)))


def _sought(contact: Contact) -> Identity:
    """Return the identifier by which a contact is found for sure."""
    if contact.external_id is not None:
        return Identity(external_id=contact.external_id)
    return Identity(email=contact.email)


def _pick(shown: Directory, contact: Contact) -> Contact | None:
    """Return the only hit that can be the contact; None where there is none, or more than one."""
    named = (hit for identifier in _sought(contact).identifiers() for hit in shown.named(*identifier))
    hits = [hit for hit in named if hit.role == contact.role]
    # Others may have its email by now, with an external_id that it did not have.
    as_made = [hit for hit in hits if hit.external_id == contact.external_id]
    return next((some[0] for some in (as_made, hits) if len(some) == 1), None)
