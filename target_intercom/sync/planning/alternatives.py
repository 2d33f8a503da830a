"""What a record may come to be where a write before it ends otherwise than planned. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from target_intercom.model import Ambiguous, Found, Identity, MatchBy
from target_intercom.sync.matching.whose import by_identifiers

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.model import Contact, ContactId, Entry, Match, Name, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.matching.directory import Directory


class Decided(t.NamedTuple):
    """A record, its contact, and the names by which that was decided (`whose`)."""

    entry: Entry
    match: Match
    asked: Sequence[Name]
    is_by_link: bool
    linked: ContactId | None
    """The contact that the record is linked to, by the ledger or by a record before it."""


class Alternatives:
    """The contacts that records may come to be of, the names by which they may be decided, and those they may move."""

    def __init__(self, stage: Directory, config: StreamConfig) -> None:
        """Nothing is planned yet."""
        self._stage = stage
        self._config = config
        self._left: dict[RecordKey, set[ContactId]] = defaultdict(set)
        self.moved: set[ContactId] = set()
        """The contacts whose identifiers a write changes."""

    def leave(self, key: RecordKey, contact: ContactId) -> None:
        """Add a contact that the records of a key are planned to let go of."""
        self._left[key].add(contact)

    def asked(self, decided: Decided) -> set[Name]:
        """Return the names by which a record may come to be decided."""
        identity, match = decided.entry.draft.identity, self._by_identifiers(decided)
        names: set[Name] = {*decided.asked, *identity.identifiers(), *(one.id for one in self._contacts(decided))}
        if identity.email is not None:
            names.add(("nameless", identity.email))
            if identity.external_id is not None and isinstance(match, Found) and match.contact.id not in self.moved:
                # It will make nobody: it does not matter to it which other persons have its email.
                names.discard((MatchBy.EMAIL, identity.email))
        return names

    def touched(self, decided: Decided) -> set[Name]:
        """Return the names that a record may come to move."""
        names: set[Name] = {*keys_of(decided.entry), *decided.entry.draft.identity.identifiers()}
        return names.union(*map(names_of, self._contacts(decided)))

    def _contacts(self, decided: Decided) -> list[Contact]:
        """Return the contacts that may come to be a record's: by its links and by its identifiers."""
        ids = {one for key in keys_of(decided.entry) for one in self._left[key]}
        if decided.linked is not None:
            ids.add(decided.linked)
        for match in (decided.match, self._by_identifiers(decided)):
            if isinstance(match, Found):
                ids.add(match.contact.id)
            elif isinstance(match, Ambiguous):
                ids.update(match.contacts)
        return [contact for one in ids if (contact := self._stage.get(one)) is not None]

    def _by_identifiers(self, decided: Decided) -> Match:
        """Return the contact of a record's identifiers, whatever contact it is linked to."""
        if not decided.is_by_link:
            return decided.match
        return by_identifiers(decided.entry, None, self._stage, self._config, [])


def keys_of(entry: Entry) -> tuple[RecordKey, ...]:
    """Return the key of a record, if it has one."""
    return () if entry.key is None else (entry.key,)


def names_of(contact: Contact) -> set[Name]:
    """Return the names of a contact."""
    identity = Identity.of(contact)
    names: set[Name] = {contact.id, *identity.identifiers()}
    if identity.external_id is None and identity.email is not None:
        names.add(("nameless", identity.email))
    return names
