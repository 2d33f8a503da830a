"""Which contact is it? One batched search for many records, and the rules that decide among the hits."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, replace

from target_intercom.errors import Fault, MergedError, NotFoundError, RefusedError, UndoneError
from target_intercom.intercom.protocol import ContactId
from target_intercom.model import Ambiguous, Found, Identity, MatchBy, MergedAway, NotFound, Unanswered

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.model import Contact, Identifier, Match
    from target_intercom.sync.matching.recent import RecentContacts

SEARCH_SIZE: t.Final = 150
"""Identifiers a search asks for at once: where all of them hit, that many contacts fit on a page."""

_UNIQUE: t.Final = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)

_MERGE_HOPS: t.Final = 3
"""A merged contact leads to its survivor in at most so many steps (official description, GET contact)."""


def another_person(identity: Identity, contact: Contact) -> bool:
    """Check whether an email match must not count: both have external_ids, and different ones."""
    theirs = Identity.of(contact).external_id
    return identity.external_id is not None and theirs is not None and identity.external_id != theirs


class View:
    """The contacts that matter to a batch, as they are now to the best of this run's knowledge."""

    def __init__(self, contacts: Iterable[Contact] = ()) -> None:
        """Start with these contacts."""
        self._contacts: dict[ContactId, Contact] = {}
        self._by_identifier: dict[Identifier, set[ContactId]] = defaultdict(set)
        self._nameless: dict[str, set[ContactId]] = defaultdict(set)
        """Those without an external_id, by email."""
        self._survivors: dict[ContactId, ContactId | None] = {}
        self._gone: set[ContactId] = set()
        self._unanswered: dict[Identity | ContactId, Fault] = {}
        self.asked: set[Identity] = set()
        """The identities that were looked up: of others it is not known who has them."""
        for contact in contacts:
            self.put(contact)

    def put(self, contact: Contact) -> None:
        """Take in a contact, or its new state."""
        self.drop(contact.id)
        self._gone.discard(contact.id)
        self._unanswered.pop(contact.id, None)
        self._contacts[contact.id] = contact
        if not contact.is_read:
            # Somebody else may have its identifiers by now: only a record of which the ledger says so is its.
            return
        identity = Identity.of(contact)
        for name in identity.identifiers():
            self._by_identifier[name].add(contact.id)
        if identity.external_id is None and identity.email is not None:
            self._nameless[identity.email].add(contact.id)

    def put_remembered(self, contact: Contact) -> None:
        """Take in a contact as it is remembered, unless more is known of it."""
        if not self.is_resolved(contact.id) and contact.id not in self._unanswered:
            self.put(contact)

    def gone(self, contact: ContactId) -> None:
        """Note that a contact is not there."""
        self.drop(contact)
        self._gone.add(contact)

    def drop(self, contact: ContactId) -> None:
        """Take a contact out."""
        old = self._contacts.pop(contact, None)
        if old is None:
            return
        for name in Identity.of(old).identifiers():
            self._by_identifier[name].discard(contact)
        if old.email is not None:
            self._nameless[old.email].discard(contact)

    def merged(self, contact: ContactId, survivor: Contact | None) -> None:
        """Note that a contact was merged into another."""
        self.drop(contact)
        self._survivors[contact] = None if survivor is None else survivor.id
        if survivor is not None:
            self.put(survivor)

    def unanswered(self, asked: Identity | ContactId, fault: Fault) -> None:
        """Note that Intercom gave no answer on an identity or a contact."""
        self._unanswered[asked] = fault

    def fault_of(self, contact: ContactId) -> Fault | None:
        """Return why Intercom did not say what became of a contact; None where it did."""
        return self._unanswered.get(contact)

    def get(self, contact: ContactId) -> Contact | None:
        """Return a contact; None: it is not there, or not known."""
        return self._contacts.get(contact)

    def contacts(self) -> list[Contact]:
        """Return all contacts."""
        return list(self._contacts.values())

    def ids(self) -> list[ContactId]:
        """Return the ids of all contacts."""
        return list(self._contacts)

    def is_resolved(self, contact: ContactId) -> bool:
        """Check whether it is known what became of a contact."""
        return contact in self._contacts or contact in self._survivors or contact in self._gone

    def has(self, contact: ContactId) -> bool:
        """Check whether a contact is there."""
        return contact in self._contacts

    def names(self) -> set[Identifier]:
        """Return every identifier that a contact has here."""
        return {name for name, contacts in self._by_identifier.items() if contacts}

    def absorb(self, other: View) -> None:
        """Take in all that another view knows."""
        for contact in other._contacts.values():
            self.put(contact)
        self._survivors |= other._survivors
        self._gone |= other._gone
        self._unanswered |= other._unanswered
        self.asked |= other.asked

    def copy(self) -> View:
        """Make a view that changes by itself."""
        other = View()
        other.absorb(self)
        return other

    def named(self, which: MatchBy, value: str) -> list[Contact]:
        """Return the contacts with an identifier, in a fixed order."""
        return [self._contacts[one] for one in sorted(self._by_identifier.get((which, value), ()))]

    def match(
        self,
        identity: Identity,
        match_by: Sequence[MatchBy],
        *,
        follow_merge: bool = True,
        makes_lead: bool = False,
    ) -> Match:
        """Find the contact of these identifiers, tried in the order of `match_by` (docs/identity.md).

        A removal must not `follow_merge`: the survivor may be somebody whom nobody asked to remove. A record that
        `makes_lead` where it finds nobody finds the leads with its email, whatever `match_by` says: Intercom would
        take a second one.
        """
        if identity in self._unanswered:
            return Unanswered(self._unanswered[identity])
        for which in match_by:
            value = identity.get(which)
            if value is None:
                continue
            if which is MatchBy.ID and (match := self.with_id(ContactId(value), identity, follow_merge=follow_merge)):
                return match
            hits = self.with_email(identity, value) if which is MatchBy.EMAIL else self.named(which, value)
            match = _decide(hits)
            if not isinstance(match, NotFound):
                return match
        if makes_lead and identity.email is not None:
            return _decide(self.leads_with(identity.email))
        return NotFound()

    def with_email(self, identity: Identity, email: str) -> list[Contact]:
        """Return the contacts with an email that may be a record's: none that is another person (docs/identity.md)."""
        if identity.external_id is None:
            return self.named(MatchBy.EMAIL, email)
        same = self.named(MatchBy.EXTERNAL_ID, identity.external_id)
        return [*self.without_external_id(email), *(contact for contact in same if contact.email == email)]

    def without_external_id(self, email: str) -> list[Contact]:
        """Return the contacts with an email that have no external_id: leads, and some users."""
        return [self._contacts[one] for one in sorted(self._nameless.get(email, ()))]

    def leads_with(self, email: str) -> list[Contact]:
        """Return the leads with an email."""
        return [contact for contact in self.without_external_id(email) if contact.role == "lead"]

    def user_of(self, external_id: str) -> Contact | None:
        """Return the user with an external_id."""
        return next(iter(self.named(MatchBy.EXTERNAL_ID, external_id)), None)

    def has_user(self, email: str) -> bool:
        """Check whether a user has an email."""
        return len(self._by_identifier.get((MatchBy.EMAIL, email), ())) > len(self.leads_with(email))

    def with_id(self, contact: ContactId, identity: Identity, *, follow_merge: bool) -> Match | None:
        """Find the contact of an Intercom id; None where there is none."""
        if contact in self._unanswered:
            return Unanswered(self._unanswered[contact])
        if contact in self._survivors:
            return self._after_merge(identity, contact, follow=follow_merge)
        found = self._contacts.get(contact)
        return None if found is None else Found(found)

    def _after_merge(self, identity: Identity, old: ContactId, *, follow: bool) -> Match:
        survivor = self._survivors[old]
        contact = None if survivor is None else self._contacts.get(survivor)
        if not follow or contact is None or another_person(identity, contact):
            return MergedAway(survivor)
        return Found(contact, by_merge=True)


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


@dataclass(frozen=True, slots=True)
class Merged:
    """An Intercom id that was merged into another contact."""

    survivor: Contact | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a search found, and the identities on which it failed."""

    contacts: Sequence[Contact] = ()
    failed: Sequence[tuple[Identity, Fault]] = ()

    def into(self, view: View) -> None:
        for contact in self.contacts:
            view.put(contact)
        for identity, fault in self.failed:
            view.unanswered(identity, fault)


class Matcher:
    """Looks up what Intercom knows of a batch's identifiers."""

    def __init__(
        self,
        client: IntercomClient,
        recent: RecentContacts,
        in_parallel: InParallel,
        written_lately: Callable[[], Iterable[Contact]] = tuple,
    ) -> None:
        """`in_parallel` runs calls beside each other; `written_lately` is what the index may not show, of any run."""
        self._client = client
        self._recent = recent
        self._written_lately = written_lately
        self._in_parallel = in_parallel
        self._size = SEARCH_SIZE

    def look_up(
        self,
        identities: Sequence[Identity],
        match_by: Sequence[MatchBy],
        *,
        known: Collection[ContactId] = (),
        also: Iterable[MatchBy] = (),
        everyone: bool = False,
        trusting: bool = False,
    ) -> View:
        """Find every contact these identifiers may mean: what this run knows, then one search for many.

        `known` are contacts to look at whatever their identifiers are. `also` names identifiers to ask for where
        `match_by` does not; `everyone` asks even where the contact is known. `trusting` takes contacts that were
        written moments ago as they were written, in place of a call for each: for writes that say themselves when a
        contact is gone.
        """
        fields = list(dict.fromkeys([*match_by, *also]))
        view, unknown = View(), []
        view.asked.update(identities)
        for identity in identities:
            # Taken in at once: a moment later they may be forgotten.
            met = [] if everyone else self._met(identity, match_by)
            for contact in met:
                view.put(contact)
            if not met:
                unknown.append(identity)
        for answer in self._in_parallel(lambda chunk: self._search(chunk, fields), self._chunks(unknown, fields)):
            answer.into(view)
        lately = self._distrust(view, identities)
        if trusting:
            lately = _trusted(view, lately)
        self.refresh(view, identities)
        named = {one.id for one in identities if one.id is not None} if MatchBy.ID in match_by else set()
        self._ask_for_ids(view, {*named, *known, *lately})
        self._leave_unanswered(view, identities, lately.values())
        return view

    @staticmethod
    def _leave_unanswered(view: View, identities: Iterable[Identity], lately: Iterable[Contact]) -> None:
        """Where Intercom does not tell what became of a contact, whoever has its identifiers is not known."""
        faults = {
            name: fault
            for contact in lately
            if (fault := view.fault_of(contact.id)) is not None
            for name in Identity.of(contact).identifiers()
        }
        for identity in identities if faults else ():
            for name in identity.identifiers():
                if name in faults:
                    view.unanswered(identity, faults[name])

    def _distrust(self, view: View, identities: Sequence[Identity]) -> dict[ContactId, Contact]:
        """Take out contacts that were changed lately, which the index may show as they were; returns them."""
        if not identities:
            return {}
        names = {name for identity in identities for name in identity.identifiers()}
        lately = {
            contact.id: contact
            for contact in self._written_lately()
            if not self._recent.knows(contact.id)
            and (view.has(contact.id) or not names.isdisjoint(Identity.of(contact).identifiers()))
        }
        for contact_id in lately:
            view.drop(contact_id)
        return lately

    def lately(self) -> frozenset[ContactId]:
        """Return the contacts that were written so lately, not by this run, that the index may not show it."""
        return frozenset(one.id for one in self._written_lately() if not self._recent.knows(one.id))

    def shown(self, contacts: Iterable[ContactId]) -> View:
        """Read contacts by their Intercom ids: many a search, and by GET what search does not show.

        What it shows may be old.
        """
        view, wanted = View(), sorted(set(contacts))
        for contact in wanted:
            self._renew(view, contact)
        identities = [Identity(id=contact) for contact in wanted if not view.is_resolved(contact)]
        for answer in self._in_parallel(
            lambda chunk: self._search(chunk, (MatchBy.ID,)), self._chunks(identities, (MatchBy.ID,))
        ):
            answer.into(view)
        self._ask_for_ids(view, (one.id for one in identities if one.id is not None))
        return view

    def search_one(self, identity: Identity) -> View:
        """Search the index for one contact whose creation is in doubt, in the thread of the caller."""
        view = View()
        self._search([identity], _UNIQUE).into(view)
        return view

    def refresh(self, view: View, identities: Iterable[Identity]) -> None:
        """Bring a view up to what this run has learnt since."""
        for contact in view.ids():
            self._renew(view, contact)
        for identity in identities:
            for known in self._recent.named(identity.identifiers()):
                view.put(known)

    def remind(self, view: View, contacts: Iterable[Contact]) -> None:
        """Add contacts that the ledger names to a view, as they are best known."""
        for contact in contacts:
            if not view.has(contact.id):
                self._renew(view, contact.id)
                view.put_remembered(contact)

    def _renew(self, view: View, contact: ContactId) -> None:
        """Show a contact as this run knows it, where it does."""
        if not self._recent.knows(contact):
            return
        newest = self._recent.get(contact)
        if newest is None:
            view.gone(contact)
        else:
            view.put(newest)

    def search_index(self, identities: Sequence[Identity]) -> View:
        """Search by external_id and email, whatever this run knows: for contacts whose creation is in doubt."""
        view = View()
        for answer in self._in_parallel(lambda chunk: self._search(chunk, _UNIQUE), self._chunks(identities, _UNIQUE)):
            answer.into(view)
        for contact in view.ids():
            self._renew(view, contact)
        # What another run has made since this one looked is in the ledger before it is in the index.
        self._ask_for_ids(view, self._distrust(view, identities))
        return view

    def _met(self, identity: Identity, match_by: Sequence[MatchBy]) -> list[Contact]:
        """Return the record's contact where this run knows it by its first identifier, and nobody else can have that.

        An email says nothing: somebody whom this run has not met may have it, too.
        """
        for which in match_by:
            value = identity.get(which)
            if value is not None:
                return [] if which is MatchBy.EMAIL else list(self._recent.named([(which, value)]))
        return []

    def _chunks(self, identities: Sequence[Identity], fields: Sequence[MatchBy]) -> Iterator[Sequence[Identity]]:
        """Part identities into those that one search asks for."""
        size = max(1, self._size // max(1, _asked(identities, fields)))
        return (identities[start : start + size] for start in range(0, len(identities), size))

    def _search(self, chunk: Sequence[Identity], fields: Sequence[MatchBy]) -> _Answer:
        """Search for a chunk; halved when Intercom refuses it or keeps failing, down to the one value that it is."""
        wanted = {
            which.value: list(dict.fromkeys(value for one in chunk if (value := one.get(which)) is not None))
            for which in fields
        }
        if not any(wanted.values()):
            return _Answer()
        try:
            return _Answer(self._client.search_contacts(wanted))
        except UndoneError as error:
            if len(chunk) == 1:
                return _Answer(failed=[(chunk[0], error.fault)])
            is_too_large = isinstance(error, RefusedError)
        middle = len(chunk) // 2
        halves = self._search(chunk[:middle], fields), self._search(chunk[middle:], fields)
        if is_too_large and not any(half.failed for half in halves):
            self._size = min(self._size, middle * _asked(chunk, fields))
        return _Answer(
            [contact for half in halves for contact in half.contacts], [one for half in halves for one in half.failed]
        )

    def _ask_for_ids(self, view: View, ids: Iterable[ContactId]) -> None:
        """Ask by GET for the Intercom ids that search does not show (docs/identity.md)."""
        unseen = sorted(one for one in ids if not view.is_resolved(one) and not self._recent.knows(one))
        for contact, answer in self._in_parallel(self._ask_for, unseen):
            match answer:
                case Fault():
                    view.unanswered(contact, answer)
                case Found():
                    view.put(answer.contact)
                case Merged():
                    view.merged(contact, answer.survivor)
                case NotFound():
                    view.gone(contact)

    def _ask_for(self, contact: ContactId) -> tuple[ContactId, Found | NotFound | Merged | Fault]:
        try:
            return contact, Found(self._client.get_contact(contact))
        except NotFoundError:
            return contact, NotFound()
        except MergedError as error:
            return contact, Merged(self.survivor(error))
        except UndoneError as error:
            return contact, error.fault

    def survivor(self, error: MergedError) -> Contact | None:
        """Follow a merge to the contact that is left; None where it leads nowhere."""
        following = error.survivor
        for _ in range(_MERGE_HOPS):
            if following is None:
                return None
            try:
                return self._client.get_contact(ContactId(following))
            except MergedError as next_error:
                following = next_error.survivor
            except RefusedError:
                return None
        return None


def _trusted(view: View, lately: Mapping[ContactId, Contact]) -> dict[ContactId, Contact]:
    """Take in contacts as they were written; returns those of which too little was kept, since they were removed."""
    for contact in lately.values():
        if any(which is not MatchBy.ID for which, _ in Identity.of(contact).identifiers()):
            view.put(replace(contact, is_read=True))
    return {id_: contact for id_, contact in lately.items() if not view.has(id_)}


def _asked(identities: Sequence[Identity], fields: Sequence[MatchBy]) -> int:
    """Count the identifiers of an identity that a search asks for, at most."""
    return max((sum(one.get(which) is not None for which in fields) for one in identities), default=0)
