"""What is known of contacts: one directory, in layers, in which the fresher fact wins."""

from __future__ import annotations

import enum
import itertools
import math
import typing as t
from dataclasses import dataclass

from target_intercom.errors import Fault
from target_intercom.model import Contact, ContactId, Identity, MatchBy

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from target_intercom.model import Name

_SPARE_SECONDS: t.Final = 5.0
"""Answers are kept longer than the search index may lag by this much."""


class Source(enum.IntEnum):
    """Where a fact comes from; a later one in this list is fresher, whenever it was learnt."""

    LEDGER = 0
    """A row of the ledger: an id and identifiers, as they were when the row was written."""
    SEARCH = 1
    """A hit of a search: the index may lag behind."""
    NOTED = 2
    """A row of the ledger that was written so lately that search may not show it."""
    ANSWER = 3
    """An answer to a call of this run about the contact itself."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The contact is archived, deleted, or was never there."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The contact was merged into another; None: it is not known into which."""

    survivor: ContactId | None


Fact: t.TypeAlias = Contact | Gone | Merged | Fault
"""What is known of an Intercom id; a fault: Intercom does not tell."""


class _Known(t.NamedTuple):
    """A fact; of two the fresher one is the greater."""

    source: Source
    number: int
    """Later facts have higher ones."""
    at: float
    """When it was learnt, by the clock."""
    fact: Fact
    names: tuple[Name, ...]
    """The names that find the contact; none by the ledger: its identifiers may be outdated."""


class Directory:
    """Contacts by id and by identifier, and the ids that are no contact any more.

    It is a pile of layers, adds to the uppermost one, and shows the freshest of what all know. The layer of the run
    keeps the answers to its own calls as long as search may lag behind: about 1 kB for each contact written in that
    time. A batch adds a layer, and a plan one more, as a stage.
    """

    def __init__(
        self, *, search_delay_seconds: float | None = math.inf, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Begin with no fact; `search_delay_seconds` is the longest that search lags behind, by `clock`, in seconds.

        None: it never does, so a new batch begins with no answers.
        """
        self._keep = 0.0 if search_delay_seconds is None else search_delay_seconds + _SPARE_SECONDS
        self._clock = clock
        self._count = itertools.count()
        self._top = _Layer()
        self._layers: tuple[_Layer, ...] = (self._top,)
        self._found_ids: dict[tuple[str | None, ...], Contact] = {}

    def layer(self) -> Directory:
        """Return a directory with an empty layer on top of these."""
        above = Directory(clock=self._clock)
        above._lie_on(self)
        return above

    def _lie_on(self, below: Directory) -> None:
        self._count = below._count
        self._layers = (self._top, *below._layers)

    def start(self, since: float | None = None) -> Directory:
        """Return a layer for a new batch; what search has shown to all batches under way is forgotten first.

        `since`: when the oldest of them began, by the clock; None: there are no others.
        """
        self._top.forget((self._clock() if since is None else since) - self._keep)
        return self.layer()

    # What is learnt.

    def learn(self, contact: Contact, source: Source) -> None:
        """Add what a source says of a contact."""
        self._put(contact.id, source, contact)

    def learn_fact(self, contact: ContactId, fact: Fact) -> None:
        """Add what Intercom answered about an id."""
        self._put(contact, Source.ANSWER, fact)

    def learn_fault(self, identity: Identity, fault: Fault) -> None:
        """Add that Intercom gave no answer on which contacts have an identity."""
        self._top.faults[identity] = fault

    def learn_id(self, unnamed: Contact, contact: Contact) -> None:
        """Add which contact it is that a bulk job made, and that had a stand-in for an id."""
        self._found_ids[_known_as(unnamed)] = contact
        for made, _ in self.unnamed([Identity.of(unnamed)]):
            if _known_as(made) == _known_as(unnamed):
                self._top.drop(made.id)
                self.learn(contact, Source.ANSWER)

    def ask(self, identities: Iterable[Identity]) -> None:
        """Add identities that are looked up."""
        self._top.asked.update(identities)

    # What is known.

    def fact(self, contact: ContactId) -> Fact | None:
        """Return the freshest fact about an Intercom id; None: nothing is known of it."""
        known = self._known(contact)
        return None if known is None else known.fact

    def get(self, contact: ContactId) -> Contact | None:
        """Return a contact; None: it is not there, or not known."""
        fact = self.fact(contact)
        return fact if isinstance(fact, Contact) else None

    def is_answered(self, contact: ContactId) -> bool:
        """Check whether more is known of an Intercom id than the ledger says."""
        known = self._known(contact)
        return known is not None and known.source is not Source.LEDGER and not isinstance(known.fact, Fault)

    def is_asked(self, identity: Identity) -> bool:
        """Check whether an identity was looked up: of others it is not known which contacts have them."""
        return any(identity in layer.asked for layer in self._layers)

    def fault_of(self, identity: Identity) -> Fault | None:
        """Return why Intercom did not say which contacts have an identity; None where it did."""
        return next((layer.faults[identity] for layer in self._layers if identity in layer.faults), None)

    def named(self, which: MatchBy, value: str) -> list[Contact]:
        """Return the contacts with an identifier, in the order of their ids."""
        if which is MatchBy.ID:
            contact = self.get(ContactId(value))
            return [] if contact is None else [contact]
        return self._with((which, value))

    def users_of(self, external_id: str | None) -> list[Contact]:
        """Return the users with an external_id: at most one, unless search shows another as it was."""
        return [] if external_id is None else self.named(MatchBy.EXTERNAL_ID, external_id)

    def user_of(self, external_id: str | None) -> Contact | None:
        """Return the user with an external_id."""
        return next(iter(self.users_of(external_id)), None)

    def without_external_id(self, email: str) -> list[Contact]:
        """Return the contacts with an email that have no external_id: leads, and some users."""
        return self._with(("nameless", email))

    def leads_with(self, email: str) -> list[Contact]:
        """Return the leads with an email."""
        return [contact for contact in self.without_external_id(email) if contact.role == "lead"]

    def has_user(self, email: str) -> bool:
        """Check whether a user has an email."""
        name: Name = ("user", email)
        return any(self._has(one, name) is not None for one in self._ids(name))

    def around(self, identities: Collection[Identity]) -> list[Contact]:
        """Return the contacts that were looked up last, and all that have an identifier of these."""
        names = {name for one in identities for name in one.identifiers()}
        named = (contact for name in names for contact in self.named(*name))
        looked_up = (contact for one in self._top.facts if (contact := self.get(one)) is not None)
        found = {contact.id: contact for contact in itertools.chain(looked_up, named)}
        return [found[one] for one in sorted(found)]

    def unnamed(self, identities: Iterable[Identity]) -> list[tuple[Contact, float]]:
        """Return the contacts with an identifier of these that have no known id, and when that was learnt."""
        top = self._top
        if not top.unnamed:
            return []
        ids = {contact for one in identities for name in one.identifiers() for contact in top.named(name)}
        found = ((self.get(one), top.facts[one].at) for one in sorted(ids & top.unnamed))
        return [(contact, learnt_at) for contact, learnt_at in found if contact is not None]

    def found_id(self, unnamed: Contact) -> Contact | None:
        """Return the contact that was found for one without a known id; None: none was."""
        return self._found_ids.get(_known_as(unnamed))

    def _put(self, contact: ContactId, source: Source, fact: Fact) -> None:
        names = names_of(fact) if isinstance(fact, Contact) and source is not Source.LEDGER else ()
        self._top.put(contact, _Known(source, next(self._count), self._clock(), fact, names))

    def _known(self, contact: ContactId) -> _Known | None:
        freshest: _Known | None = None
        for layer in self._layers:
            known = layer.facts.get(contact)
            if known is not None and (freshest is None or known > freshest):
                freshest = known
        return freshest

    def _has(self, contact: ContactId, name: Name) -> Contact | None:
        """Return a contact if it has a name, by the freshest fact."""
        known = self._known(contact)
        return known.fact if known is not None and name in known.names and isinstance(known.fact, Contact) else None

    def _with(self, name: Name) -> list[Contact]:
        return [contact for one in sorted(self._ids(name)) if (contact := self._has(one, name)) is not None]

    def _ids(self, name: Name) -> Collection[ContactId]:
        """Return the contacts that any layer finds by a name."""
        found = [layer for layer in self._layers if name in layer.index]
        return {one for layer in found for one in layer.named(name)} if found else ()


class _Layer:
    """Facts by id, with an index of the contacts among them."""

    def __init__(self) -> None:
        """Begin with no fact."""
        self.facts: dict[ContactId, _Known] = {}
        """The oldest first."""
        self.unnamed: set[ContactId] = set()
        self.asked: set[Identity] = set()
        self.faults: dict[Identity, Fault] = {}
        self.index: dict[Name, ContactId | set[ContactId]] = {}
        """Nearly always it is one contact, which is kept without a set around it."""

    def put(self, contact: ContactId, known: _Known) -> None:
        """Add a fact, unless there is one from a fresher source."""
        earlier = self.facts.get(contact)
        if earlier is not None:
            if earlier.source > known.source:
                return
            self.drop(contact)
        self.facts[contact] = known
        for name in known.names:
            self._add(name, contact)
        if isinstance(known.fact, Contact) and not known.fact.is_named:
            self.unnamed.add(contact)

    def drop(self, contact: ContactId) -> None:
        """Remove what is known of an id."""
        for name in self.facts.pop(contact).names:
            self._remove(name, contact)
        self.unnamed.discard(contact)

    def forget(self, before: float) -> None:
        """Remove what was learnt before a moment."""
        for contact in list(itertools.takewhile(lambda one: self.facts[one].at < before, self.facts)):
            self.drop(contact)

    def named(self, name: Name) -> Collection[ContactId]:
        """Return the contacts with a name."""
        contacts = self.index.get(name)
        if contacts is None:
            return ()
        return contacts if isinstance(contacts, set) else (contacts,)

    def _add(self, name: Name, contact: ContactId) -> None:
        contacts = self.index.setdefault(name, contact)
        if isinstance(contacts, set):
            contacts.add(contact)
        elif contacts != contact:
            self.index[name] = {contacts, contact}

    def _remove(self, name: Name, contact: ContactId) -> None:
        contacts = self.index[name]
        if isinstance(contacts, set) and len(contacts) > 1:
            contacts.discard(contact)
        else:
            del self.index[name]


class Stage(Directory):
    """A layer for trying out: it keeps the names for which it was asked."""

    def __init__(self, known: Directory) -> None:
        """Begin with what is known, and nothing asked."""
        super().__init__()
        self._lie_on(known)
        self.asked: set[Name] = set()

    def fact(self, contact: ContactId) -> Fact | None:
        """See `Directory`."""
        self.asked.add((MatchBy.ID, contact))
        return super().fact(contact)

    def _with(self, name: Name) -> list[Contact]:
        self.asked.add(name)
        return super()._with(name)


def names_of(contact: Contact) -> tuple[Name, ...]:
    """Return the names by which a contact is found, besides its id."""
    external_id = contact.own_external_id
    names: tuple[Name, ...] = () if external_id is None else ((MatchBy.EXTERNAL_ID, external_id),)
    if contact.email is None:
        return names
    names += ((MatchBy.EMAIL, contact.email),)
    if external_id is None:
        names += (("nameless", contact.email),)
    return (*names, ("user", contact.email)) if contact.role == "user" else names


def _known_as(contact: Contact) -> tuple[str | None, ...]:
    return contact.role, contact.external_id, contact.email
