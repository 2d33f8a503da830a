"""Finds the Intercom ids of contacts that bulk jobs made: a job tells none, so they are looked for when one is needed.

Until then such a contact is known by its identifiers alone, and has a stand-in for an id (`Contact.is_named` is false).
"""

from __future__ import annotations

import math
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice

from target_intercom.errors import UndoneError
from target_intercom.ledger.interface import Stamp, stamp
from target_intercom.model import Identity
from target_intercom.sync.matching.directory import Source

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.interface import Ledger, LedgerEntry, Stamp
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


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A contact without an Intercom id; search must show it at `due`, on the monotonic clock."""

    contact: Contact
    due: float


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
        dues: dict[ContactId, float] = {}
        shared = self._made.meant(identities)
        for contact, written_at in self.ledger.unnamed_with(shared, self._began) if shared else ():
            self.directory.learn(contact, Source.ANSWER)
            dues[contact.id] = self._due(written_at)
        unnamed = self.directory.unnamed(identities)
        delay = self.search_delay_seconds
        self._find_named([Unnamed(one, dues.get(one.id, made_at + delay)) for one, made_at in unnamed])

    def find_of(self, entries: Sequence[Entry], rows: Mapping[RecordKey, LedgerEntry]) -> list[Entry]:
        """Return records with their contacts' ids found; the ledger does not know a contact whose id is not found."""
        wanted = [
            Unnamed(entry.contact, self._due(rows[entry.key].written_at))
            for entry in entries
            if entry.contact is not None and entry.key is not None and not entry.contact.is_named
        ]
        found = self._find_named(wanted)
        return [_named(entry, found) for entry in entries]

    def find_all(self) -> None:
        """Find the ids of all contacts that the ledger knows: removals go by them."""
        rows = iter(self.ledger.unnamed())
        while page := list(islice(rows, _AT_ONCE)):
            self.find([Unnamed(contact, self._due(written_at)) for contact, written_at in page])

    def find_records(self, records: Collection[tuple[str, RecordKey]]) -> None:
        """Find the ids of the contacts of some records, given with their streams."""
        for stream in sorted({stream for stream, _ in records}):
            rows = self.ledger.recall(stream, sorted(key for of, key in records if of == stream)).values()
            contacts = [(row.contact, row.written_at) for row in rows]
            self.find([Unnamed(one, self._due(at)) for one, at in contacts if one is not None and not one.is_named])

    def find(self, wanted: Sequence[Unnamed]) -> Mapping[ContactId, Contact]:
        """Find contacts, and write their ids into the ledger; returns them by their stand-ins.

        One search for many, again and again until the index must show them; the last few users are asked for.
        """
        known = {one.contact.id: self.directory.found_id(one.contact) for one in wanted}
        found = {id_: contact for id_, contact in known.items() if contact is not None}
        missing = {one.contact.id: one for one in wanted if one.contact.id not in found}
        asked: Counter[ContactId] = Counter()
        pause = _FIRST_PAUSE
        while missing:
            shown = self.matcher.search_index([_sought(one.contact) for one in missing.values()])
            found.update((id_, hit) for id_, one in missing.items() if (hit := _pick(shown, one.contact)) is not None)
            rest = max(one.due for one in missing.values()) - time.monotonic()
            missing = {id_: one for id_, one in missing.items() if id_ not in found}
            if len(missing) <= _FEW:
                asked.update(id_ for id_, one in missing.items() if one.contact.external_id is not None)
                found.update(self._asked_for(list(missing.values())))
                # A user who is not there twice is gone.
                missing = {id_: one for id_, one in missing.items() if id_ not in found and asked[id_] < _ASKS}
            if rest <= 0 or not missing:
                break
            self.client.pause(min(pause, rest))
            pause = min(pause * 2, _LONGEST_PAUSE)
        self.ledger.name([(one.contact, found[one.contact.id]) for one in wanted if one.contact.id in found])
        return found

    def _find_named(self, wanted: Sequence[Unnamed]) -> Mapping[ContactId, Contact]:
        """Find contacts that records name, and keep them: the records may change what they are found by."""
        found = self.find(wanted) if wanted else {}
        for one in wanted:
            if one.contact.id in found:
                self.directory.learn_id(one.contact, found[one.contact.id])
        return found

    def _due(self, written_at: Stamp) -> float:
        """Return when search must show what was written then; never later than for what is written now."""
        return time.monotonic() + self.search_delay_seconds - max(0.0, time.time() - written_at / 1000)

    def _asked_for(self, wanted: Sequence[Unnamed]) -> dict[ContactId, Contact]:
        if not self.client.finds_by_external_id:
            return {}
        users = [(one.contact.id, one.contact.external_id) for one in wanted]
        known = [(contact, external_id) for contact, external_id in users if external_id is not None]
        answers = self.in_parallel(lambda user: self._ask_for(*user), known)
        return {id_: contact for id_, contact in answers if contact is not None}

    def _ask_for(self, contact: ContactId, external_id: ExternalId) -> tuple[ContactId, Contact | None]:
        try:
            return contact, self.client.find_user(external_id)
        except UndoneError:
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
