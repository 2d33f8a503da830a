"""Which contact is a record's: the only place that decides it. Pure (docs/identity.md)."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import replace

from target_intercom.model import Ambiguous, Found, Identity, MergedAway, NotFound, Unanswered
from target_intercom.sync.matching.roles import after, role_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_intercom.ledger.interface import Holder
    from target_intercom.model import Contact, ContactDraft, ContactId, Entry, Match, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.matching.search import View


class Links:
    """Which contacts the records of a stream are linked to by their keys, and which records hold a contact."""

    def __init__(self, stream: str, holders: Callable[[Sequence[ContactId]], Iterable[Holder]]) -> None:
        """Begin with no record; `holders` returns what the ledger says of contacts."""
        self._stream = stream
        self._holders = holders
        self._of: dict[RecordKey, ContactId] = {}
        self._held: dict[ContactId, set[tuple[str, RecordKey]]] = defaultdict(set)
        self._holds: dict[RecordKey, ContactId] = {}
        """The contacts that the ledger says records of the stream hold."""
        self._known: set[ContactId] = set()

    def know(self, contacts: Iterable[ContactId]) -> None:
        """Ask the ledger who holds contacts, of all that are not known at once."""
        asked = sorted(set(contacts) - self._known)
        self._known.update(asked)
        for holder in self._holders(asked) if asked else ():
            is_here = holder.stream == self._stream and holder.key in self._of
            if holder.is_live and not is_here:
                self._held[holder.contact].add((holder.stream, holder.key))
                if holder.stream == self._stream:
                    self._holds[holder.key] = holder.contact

    def of(self, entry: Entry) -> ContactId | None:
        """Return the contact that a record is linked to; None: none."""
        linked = None if entry.contact is None else entry.contact.id
        return linked if entry.key is None else self._of.get(entry.key, linked)

    def link(self, entry: Entry, contact: ContactId) -> None:
        """Link a record to a contact; it lets go of the contact that it was linked to."""
        if entry.key is None:
            return
        for earlier in (self.of(entry), self._holds.pop(entry.key, None)):
            if earlier is not None and earlier != contact:
                self._held[earlier].discard((self._stream, entry.key))
        self._held[contact].add((self._stream, entry.key))
        self._of[entry.key] = contact

    def are_shared(self, contact: ContactId, key: RecordKey | None) -> bool:
        """Check whether records with other keys, of any stream, hold a contact."""
        self.know([contact])
        held = self._held.get(contact, set())
        return len(held) > (key is not None and (self._stream, key) in held)


def whose(entry: Entry, known: View, links: Links, config: StreamConfig) -> Match:
    """Return the contact of a record, as far as is known.

    The contact that its key is linked to, while it is there, unless the record lets go of it (`lets_go`); else the
    contact of its identifiers, in the order of `match_by`; else the user that Intercom would name in its 409.
    """
    draft, linked = entry.draft, links.of(entry)
    match = None if linked is None else known.with_id(linked, draft.identity, follow_merge=not draft.removed)
    match match:
        case Found(contact) if not _lets_go(entry, contact, known, links):
            return replace(match, by_link=True)
        case MergedAway() | Unanswered():
            return match
        case _:
            pass
    role = role_of(draft, config.creation_mode)
    match = known.match(
        draft.identity,
        config.match_by,
        follow_merge=not draft.removed,
        makes_lead=not draft.removed and role == "lead",
    )
    match match:
        case NotFound() if not draft.removed and role == "user" and config.sync_mode.creates:
            is_told_apart = linked is not None or entry.again or any(draft.identity.get(one) for one in config.match_by)
            return _in_the_way(draft, known) if is_told_apart else match
        case Found(contact) if not draft.removed and config.sync_mode.updates:
            return _unless_taken(match, after(contact, draft, config.creation_mode), known)
        case _:
            return match


def may_let_go(entry: Entry) -> bool:
    """Check whether a record may let go of the contact that the ledger links it to: its identifiers are others."""
    if entry.contact is None:
        return False
    now, before = entry.draft.identity, Identity.of(entry.contact)
    is_other = now.external_id not in {None, before.external_id} or now.id not in {None, before.id}
    return is_other or _names_another(now, entry.contact)


def _lets_go(entry: Entry, contact: Contact, known: View, links: Links) -> bool:
    """Check whether a record means somebody else than the contact that it is linked to.

    An external_id, or Intercom id, that is another contact's says so; where other records hold the contact, too, any
    other external_id does, and of a lead any other email.
    """
    if _means_another(entry, contact, known):
        return True
    return _names_another(entry.draft.identity, contact) and links.are_shared(contact.id, entry.key)


def asks_holders(entry: Entry, linked: Contact | None, known: View) -> bool:
    """Check whether it matters which other records hold the contact that a record is linked to."""
    if linked is None:
        return False
    return _names_another(entry.draft.identity, linked) and not _means_another(entry, linked, known)


def _means_another(entry: Entry, contact: Contact, known: View) -> bool:
    identity = entry.draft.identity
    user = None if identity.external_id is None else known.user_of(identity.external_id)
    if user is not None and user.id != contact.id:
        return True
    if identity.id is None or identity.id == contact.id:
        return False
    named = known.with_id(identity.id, identity, follow_merge=True)
    return isinstance(named, Found) and named.contact.id != contact.id


def _names_another(identity: Identity, contact: Contact) -> bool:
    if contact.role == "lead":
        return identity.email is not None and identity.email != contact.email
    return identity.external_id is not None and identity.external_id != contact.external_id


def _in_the_way(draft: ContactDraft, known: View) -> Found | NotFound:
    """Return the user that Intercom would name in a 409 if a user was made, unless it is another person.

    Of several with the email Intercom chooses: then its answer tells.
    """
    identity = draft.identity
    user = None if identity.external_id is None else known.user_of(identity.external_id)
    if user is not None:
        return Found(user)
    users = [] if identity.email is None else known.with_email(identity, identity.email)
    users = [contact for contact in users if contact.role == "user"]
    return Found(users[0]) if len(users) == 1 else NotFound()


def _unless_taken(match: Found, wanted: Contact, known: View) -> Found | Ambiguous:
    """Return a match, unless Intercom would refuse the update: another user has the external_id."""
    external_id = Identity.of(wanted).external_id
    user = None if external_id is None else known.user_of(external_id)
    return match if user is None or user.id == wanted.id else Ambiguous((wanted.id, user.id))
