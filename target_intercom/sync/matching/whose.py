"""Which contact is a record's: the only place that decides it. Pure (docs/identity.md)."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from target_intercom.errors import Fault
from target_intercom.model import (
    Ambiguous,
    Contact,
    ContactId,
    Found,
    Identity,
    MatchBy,
    MergedAway,
    NotFound,
    Unanswered,
)
from target_intercom.sync.matching.directory import Merged
from target_intercom.sync.matching.roles import after, role_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_intercom.ledger.remembered import Holder
    from target_intercom.model import ContactDraft, Entry, ExternalId, Match, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.matching.directory import Directory, Stage


class RecordLinks:
    """Which contacts the records of a stream are linked to by their keys, and which records hold a contact."""

    def __init__(self, stream: str, holders: Iterable[Holder] = (), known: Iterable[ContactId] = ()) -> None:
        """Begin with the records that hold the `known` contacts, by the ledger."""
        self._stream = stream
        self._of: dict[RecordKey, ContactId] = {}
        self._held: dict[ContactId, set[tuple[str, RecordKey]]] = defaultdict(set)
        self._holds: dict[RecordKey, ContactId] = {}
        """The contacts that the ledger says records of the stream hold."""
        self._known = set(known)
        self.unknown: set[ContactId] = set()
        """Contacts whose records were asked for here, and have not been read from the ledger."""
        for holder in holders:
            if holder.is_live:
                self._held[holder.contact].add((holder.stream, holder.key))
                if holder.stream == stream:
                    self._holds[holder.key] = holder.contact

    def of(self, entry: Entry) -> ContactId | None:
        """Return the contact that a record is linked to; None: none."""
        linked = None if entry.contact is None else entry.contact.id
        return linked if entry.key is None else self._of.get(entry.key, linked)

    def has_left(self, key: RecordKey, contact: ContactId) -> bool:
        """Check whether a record has been linked to another contact here than the one that it had."""
        return self._of.get(key, contact) != contact

    def link(self, entry: Entry, contact: ContactId) -> None:
        """Link a record to a contact; it lets go of the contact that it was linked to."""
        if entry.key is None:
            return
        for earlier in (self.of(entry), self._holds.pop(entry.key, None)):
            if earlier is not None and earlier != contact:
                self._held[earlier].discard((self._stream, entry.key))
        self._held[contact].add((self._stream, entry.key))
        self._of[entry.key] = contact

    def add_new(self, contact: ContactId) -> None:
        """Add a contact that is to be made: the ledger knows no record of it."""
        self._known.add(contact)

    def are_shared(self, contact: ContactId, key: RecordKey | None) -> bool:
        """Check whether records with other keys, of any stream, hold a contact."""
        if contact not in self._known:
            self.unknown.add(contact)
        held = self._held.get(contact, set())
        return len(held) > (key is not None and (self._stream, key) in held)


def whose(entry: Entry, known: Stage, links: RecordLinks, config: StreamConfig) -> tuple[Match, bool]:
    """Return the contact of a record, as far as is known, and whether its key led to it, and not its identifiers.

    The contact that its key is linked to, while it is there, unless the record lets go of it (`_lets_go`); else the
    contact of its identifiers, in the order of `match_by`; else the user that Intercom would name in its 409.
    """
    draft, linked = entry.draft, links.of(entry)
    match = with_id(known, linked, draft.identity, follow_merge=not draft.removed)
    match match:
        case Found(contact) if not _lets_go(entry, contact, known, links):
            return match, True
        case MergedAway() | Unanswered():
            return match, False
        case _:
            return by_identifiers(entry, linked, known, config), False


def by_identifiers(entry: Entry, linked: ContactId | None, known: Directory, config: StreamConfig) -> Match:
    """Return the contact of a record's identifiers, whatever contact it is `linked` to."""
    draft = entry.draft
    role = role_of(draft, config.creation_mode)
    may_make = not draft.removed and is_told_apart(entry, linked, config.match_by)
    match = match_identity(
        known,
        draft.identity,
        config.match_by,
        follow_merge=not draft.removed,
        makes_lead=may_make and role == "lead",
    )
    match match:
        case NotFound() if may_make and role == "user" and config.sync_mode.creates:
            return _in_the_way(draft, known)
        case Found(contact) if draft.removed:
            return _unless_taken(match, contact, draft.identity.external_id, known)
        case Found(contact) if config.sync_mode.updates:
            wanted = Identity.of(after(contact, draft, config.creation_mode))
            return _unless_taken(match, contact, wanted.external_id, known)
        case _:
            return match


def is_told_apart(entry: Entry, linked: ContactId | None, match_by: Sequence[MatchBy]) -> bool:
    """Check whether a record says which contact it is: it has an identifier of `match_by`, or its key a contact."""
    return linked is not None or entry.again or any(entry.draft.identity.get(which) for which in match_by)


def match_identity(
    known: Directory,
    identity: Identity,
    match_by: Sequence[MatchBy],
    *,
    follow_merge: bool = True,
    makes_lead: bool = False,
) -> Match:
    """Return the contact of identifiers that were looked up, tried in the order of `match_by` (docs/identity.md).

    `follow_merge`: the survivor of a merge counts as the contact; not for a removal: nobody asked to remove that.
    `makes_lead`: a lead is made where nobody is found, so the leads with its email count whatever `match_by` says:
    Intercom would take a second one.
    """
    fault = known.fault_of(identity)
    if fault is not None:
        return Unanswered(fault)
    for which in match_by:
        match which:
            case MatchBy.ID:
                found = with_id(known, identity.id, identity, follow_merge=follow_merge)
            case MatchBy.EMAIL:
                found = _decide(_with_email(known, identity))
            case MatchBy.EXTERNAL_ID:
                found = _decide(known.users_of(identity.external_id))
        if not isinstance(found, NotFound):
            return found
    if makes_lead and identity.email is not None:
        return _decide(known.leads_with(identity.email))
    return NotFound()


def with_id(known: Directory, contact: ContactId | None, identity: Identity, *, follow_merge: bool) -> Match:
    """Return the contact of an Intercom id."""
    match None if contact is None else known.fact(contact):
        case Contact() as found:
            return Found(found)
        case Fault() as fault:
            return Unanswered(fault)
        case Merged(survivor):
            contact_left = None if survivor is None else known.get(survivor)
            if not follow_merge or contact_left is None or another_person(identity, contact_left):
                return MergedAway(survivor)
            return Found(contact_left, by_merge=True)
        case _:
            return NotFound()


def another_person(identity: Identity, contact: Contact) -> bool:
    """Check whether an email match must not count: both have external_ids, and different ones.

    The same is asked of many at once, by what is at hand: `Directory.without_external_id`, `Names.has`, and in SQL
    `holds` of the ledger.
    """
    theirs = Identity.of(contact).external_id
    return identity.external_id is not None and theirs is not None and identity.external_id != theirs


def may_let_go(entry: Entry) -> bool:
    """Check whether a record may let go of the contact that the ledger links it to: its identifiers are others."""
    if entry.contact is None:
        return False
    now, before = entry.draft.identity, Identity.of(entry.contact)
    is_other = now.external_id not in {None, before.external_id} or now.id not in {None, before.id}
    return is_other or _names_another(now, entry.contact)


def candidates(known: Directory, identity: Identity) -> list[Contact]:
    """Return the contacts that an identifier of a record finds, whatever the others find."""
    by_id = [] if identity.id is None else known.named(MatchBy.ID, identity.id)
    return [*by_id, *known.users_of(identity.external_id), *_with_email(known, identity)]


def users_like(known: Directory, identity: Identity) -> list[Contact]:
    """Return the users with a record's email that may be the record's: Intercom may name any of them in a 409."""
    return [contact for contact in _with_email(known, identity) if contact.role == "user"]


def _lets_go(entry: Entry, contact: Contact, known: Stage, links: RecordLinks) -> bool:
    """Check whether a record means another contact than the one that it is linked to.

    An external_id, or Intercom id, that is another contact's says so; where other records hold the contact, too, any
    other external_id does, and of a lead any other email.
    """
    identity = entry.draft.identity
    user = known.user_of(identity.external_id)
    if user is not None and user.id != contact.id:
        return True
    named = with_id(known, identity.id, identity, follow_merge=True)
    if isinstance(named, Found) and named.contact.id != contact.id:
        return True
    if not _names_another(identity, contact):
        return False
    known.asked.add(contact.id)
    return links.are_shared(contact.id, entry.key)


def _names_another(identity: Identity, contact: Contact) -> bool:
    if contact.role == "lead":
        return identity.email is not None and identity.email != contact.email
    return identity.external_id is not None and identity.external_id != contact.external_id


def _with_email(known: Directory, identity: Identity) -> list[Contact]:
    """Return the contacts with a record's email that may be its: none that is another person (docs/identity.md)."""
    email = identity.email
    if email is None:
        return []
    if identity.external_id is None:
        return known.named(MatchBy.EMAIL, email)
    same = known.users_of(identity.external_id)
    return [*known.without_external_id(email), *(contact for contact in same if contact.email == email)]


def _decide(hits: Sequence[Contact]) -> Match:
    """Choose among the contacts that share one identifier: one user beats any leads, several are ambiguous."""
    users = [contact for contact in hits if contact.role == "user"]
    candidates = users or hits
    match len(candidates):
        case 0:
            return NotFound()
        case 1:
            return Found(candidates[0])
        case _:
            return Ambiguous(tuple(contact.id for contact in candidates))


def _in_the_way(draft: ContactDraft, known: Directory) -> Found | NotFound:
    """Return the user that Intercom would name in a 409 if a user was made, unless it is another person.

    If several users have the email, only the answer of Intercom names the one.
    """
    identity = draft.identity
    user = known.user_of(identity.external_id)
    users = users_like(known, identity) if user is None else [user]
    return Found(users[0]) if len(users) == 1 else NotFound()


def _unless_taken(
    match: Found, contact: Contact, external_id: ExternalId | None, known: Directory
) -> Found | Ambiguous:
    """Return a match, unless another user has the external_id: Intercom refuses the update; a mark is unclear."""
    user = known.user_of(external_id)
    return match if user is None or user.id == contact.id else Ambiguous((contact.id, user.id))
