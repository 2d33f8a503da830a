"""What waits for what in the plan of a batch, also where a write ends otherwise than planned. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from target_intercom.model import ContactId, Found, MatchBy
from target_intercom.sync.matching.directory import names_of
from target_intercom.sync.matching.roles import after, newborn, role_of
from target_intercom.sync.matching.whose import candidates

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_intercom.model import Contact, Entry, Match, Name, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.writes import ContactRecords

    _Last: t.TypeAlias = tuple[int, ContactRecords | None]
    """The last round of those who moved a name, or were decided by it; the write, where it is a single one."""


class Decided(t.NamedTuple):
    """A record, its contact, and the names by which that was decided (`whose`)."""

    entry: Entry
    match: Match
    asked: set[Name]
    linked: ContactId | None
    """The contact that the record is linked to, by the ledger or by a record before it."""

    def links(self) -> set[Name]:
        """Return the record's key, and the contact that it is linked to: others may hold that alone now."""
        links = keys_of(self.entry)
        return links if self.linked is None else {*links, self.linked}


class Order:
    """In which round a write may go.

    A record is decided by names: its key, identifiers, the contact that it is linked to. A write moves names: it gives
    or takes identifiers, and links records. A record that is decided by a name comes after the writes that move it; a
    write comes after the records that were decided by a name that it moves.
    """

    def __init__(self, stage: Directory, config: StreamConfig) -> None:
        """Nothing is decided yet."""
        self._stage = stage
        self._config = config
        self._moved: dict[Name, _Last] = {}
        self._asked: dict[Name, _Last] = {}
        self.left: dict[RecordKey, set[ContactId]] = defaultdict(set)
        """The contacts that the records of a key are planned to let go of."""

    def first(self, asked: Iterable[Name], moved: Iterable[Name] = ()) -> int:
        """Return the first round for a record that is decided by names, and for its write, which moves names."""
        before = self._before(asked, moved)
        return 1 + max(turn for turn, _ in before) if before else 0

    def may_join(self, write: ContactRecords, decided: Decided) -> bool:
        """Check whether a record may go into an earlier write of its contact: nothing but that is in its way."""
        if decided.entry.alone or write.entries[0].alone:
            return False
        before = self._before(decided.asked, decided.links())
        return all(turn < write.turn or other is write for turn, other in before)

    def decide(self, asked: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
        """Add a record that was decided by names and goes in a round, into a write."""
        _add(self._asked, asked, turn, write)

    def move(self, names: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
        """Add a write that moves names."""
        _add(self._moved, names, turn, write)

    def newborn(self, entry: Entry) -> tuple[Contact, set[Name], bool]:
        """Return the contact that a record makes, its names, and whether Intercom may refuse it: a user has its email.

        That user is there whatever becomes of this one, so that others need not wait for this one to know it.
        """
        # Intercom's ids have no such form.
        stand_in = ContactId(f"new {entry.received.number}")
        contact = newborn(entry.draft, role_of(entry.draft, self._config.creation_mode), stand_in)
        if contact.role == "user" and contact.email is not None and self._stage.has_user(contact.email):
            return contact, all_names(contact) - {("user", contact.email)}, True
        return contact, all_names(contact), False

    def depend(self, decided: Decided, turn: int, write: ContactRecords | None) -> None:
        """Keep a record's place by all of its names: it is planned again if a write up to a round goes otherwise.

        They are those by which it may come to be decided then, and those that it may come to move.
        """
        if turn < 0:
            return
        entry, identity = decided.entry, decided.entry.draft.identity
        asked = {*decided.asked, *identity.identifiers()}
        moved = self.newborn(entry)[1] | decided.links()
        for contact in self._contacts(decided):
            asked |= {contact.id, (MatchBy.ID, contact.id)}
            wanted = after(contact, entry.draft, self._config.creation_mode)
            moved |= {contact.id, *all_names(contact), *names_of(wanted)}
        if identity.email is not None and identity.external_id is not None:
            # Other persons may have its email: what matters is whether any user has it, or a contact that is nobody's.
            asked.discard((MatchBy.EMAIL, identity.email))
            asked |= {("nameless", identity.email), ("user", identity.email)}
        self.decide(asked, turn, write)
        self.move(moved, turn, write)

    def _contacts(self, decided: Decided) -> Iterator[Contact]:
        """Yield the contacts that may come to be a record's: by its links and by any of its identifiers."""
        entry = decided.entry
        ids = set() if decided.linked is None else {decided.linked}
        if entry.key is not None:
            ids |= self.left[entry.key]
        if isinstance(decided.match, Found):
            ids.add(decided.match.contact.id)
        ids.update(one.id for one in candidates(self._stage, entry.draft.identity))
        for one in ids:
            if (contact := self._stage.get(one)) is not None:
                yield contact

    def _before(self, asked: Iterable[Name], moved: Iterable[Name]) -> list[_Last]:
        before = [self._moved[name] for name in asked if name in self._moved]
        before += [self._asked[name] for name in moved if name in self._asked]
        return before


def _add(last: dict[Name, _Last], names: Iterable[Name], turn: int, write: ContactRecords | None) -> None:
    for name in names:
        latest, its_write = last.get(name, (-1, None))
        if turn > latest:
            last[name] = turn, write
        elif turn == latest and write is not its_write:
            last[name] = turn, None


def keys_of(entry: Entry) -> set[Name]:
    """Return the key of a record, if it has one."""
    return set() if entry.key is None else {entry.key}


def all_names(contact: Contact) -> set[Name]:
    """Return the names by which a contact is found."""
    return {(MatchBy.ID, contact.id), *names_of(contact)}
