"""What a record may come to be where a write before it ends otherwise than planned. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from target_intercom.model import ContactId, Found, MatchBy
from target_intercom.sync.matching.directory import names_of
from target_intercom.sync.matching.roles import after, newborn, role_of
from target_intercom.sync.matching.whose import candidates

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from target_intercom.model import Contact, Entry, Match, Name, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.matching.directory import Directory


class Decided(t.NamedTuple):
    """A record, its contact, and the names by which that was decided (`whose`)."""

    entry: Entry
    match: Match
    asked: AbstractSet[Name]
    linked: ContactId | None
    """The contact that the record is linked to, by the ledger or by a record before it."""

    def links(self) -> set[Name]:
        """Return the record's key, and the contact that it is linked to: others may hold that alone now."""
        links = keys_of(self.entry)
        return links if self.linked is None else {*links, self.linked}


class Alternatives:
    """The contacts that records may come to be of, the names by which they may be decided, and those they may move."""

    def __init__(self, stage: Directory, config: StreamConfig) -> None:
        """Nothing is planned yet."""
        self._stage = stage
        self._config = config
        self._left: dict[RecordKey, set[ContactId]] = defaultdict(set)

    def leave(self, key: RecordKey, contact: ContactId) -> None:
        """Add a contact that the records of a key are planned to let go of."""
        self._left[key].add(contact)

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

    def asked(self, decided: Decided) -> set[Name]:
        """Return the names by which a record may come to be decided."""
        identity = decided.entry.draft.identity
        names = {*decided.asked, *identity.identifiers()}
        for contact in self._contacts(decided):
            names |= {contact.id, (MatchBy.ID, contact.id)}
        if identity.email is not None and identity.external_id is not None:
            # Other persons may have its email: what matters is whether any user has it, or a contact that is nobody's.
            names.discard((MatchBy.EMAIL, identity.email))
            names |= {("nameless", identity.email), ("user", identity.email)}
        return names

    def moved(self, decided: Decided) -> set[Name]:
        """Return the names that a record may come to move."""
        entry = decided.entry
        _, names, _ = self.newborn(entry)
        names |= decided.links()
        for contact in self._contacts(decided):
            names |= {
                contact.id,
                *all_names(contact),
                *names_of(after(contact, entry.draft, self._config.creation_mode)),
            }
        return names

    def _contacts(self, decided: Decided) -> Iterator[Contact]:
        """Yield the contacts that may come to be a record's: by its links and by any of its identifiers."""
        entry = decided.entry
        ids = set() if decided.linked is None else {decided.linked}
        if entry.key is not None:
            ids |= self._left[entry.key]
        if isinstance(decided.match, Found):
            ids.add(decided.match.contact.id)
        ids.update(one.id for one in candidates(self._stage, entry.draft.identity))
        for one in ids:
            if (contact := self._stage.get(one)) is not None:
                yield contact


def keys_of(entry: Entry) -> set[Name]:
    """Return the key of a record, if it has one."""
    return set() if entry.key is None else {entry.key}


def all_names(contact: Contact) -> set[Name]:
    """Return the names by which a contact is found."""
    return {(MatchBy.ID, contact.id), *names_of(contact)}
