"""Looks up which contacts have the identifiers of records: one search for many."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from itertools import chain

from target_intercom.errors import Fault, MergedError, NotFoundError, RefusedError, UndoneError
from target_intercom.intercom.protocol.searches import SEARCH_PAGE
from target_intercom.model import Contact, ContactId, Identity, MatchBy
from target_intercom.sync.matching.directory import Directory, Gone, Merged, Source

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.sync.matching.directory import Fact

_UNIQUE: t.Final = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)

_MERGE_HOPS: t.Final = 3
"""A merged contact leads to its survivor in at most so many steps (official description, GET contact)."""


_Hit: t.TypeAlias = "Contact | tuple[Identity, Fault]"
_Hits: t.TypeAlias = "list[_Hit]"
"""What a search found, and the identities on which it failed."""


@dataclass
class Matcher:
    """Looks up what Intercom knows of identifiers and ids, and adds it to a layer of the run's directory."""

    client: IntercomClient
    directory: Directory
    in_parallel: InParallel
    """Runs calls beside each other."""
    written_lately: Callable[[], Iterable[Contact]] = tuple
    """Returns what the index may not show, of any run."""
    _size: int = field(default=SEARCH_PAGE, init=False)
    """Identifiers that a search asks for."""

    def look_up(
        self, identities: Sequence[Identity], match_by: Sequence[MatchBy], into: Directory, **how: t.Any
    ) -> None:
        """Find every contact that has one of these identifiers, and add it to `into`, a layer of the directory.

        `how` is as for `ask`.
        """
        self.ask(identities, match_by, into, **how)()

    def ask(
        self,
        identities: Sequence[Identity],
        match_by: Sequence[MatchBy],
        into: Directory,
        *,
        known: Collection[ContactId] = (),
        also: Iterable[MatchBy] = (),
        everyone: bool = False,
        trusting: bool = False,
    ) -> Callable[[], None]:
        """Begin to look up, and return what waits for the answers and takes them in.

        It asks for the identifiers of `match_by`, and `also` others, unless the run knows the contact; for `everyone`
        also then; and for the contacts `known`, whatever their identifiers are. `trusting`: contacts that were written
        moments ago count as they were written, in place of a call for each: writes say themselves that one is gone.
        """
        fields = list(dict.fromkeys([*match_by, *also]))
        into.ask(identities)
        unknown = [one for one in identities if everyone or not self._is_known(one, match_by)]
        answers = self._ask_all(unknown, fields)

        def take_in() -> None:
            hits = [*answers]
            lately = self._noted(identities, hits)
            _learn(hits, into, but=lately)
            for contact in lately.values() if trusting else ():
                if any(which is not MatchBy.ID for which, _ in Identity.of(contact).identifiers()):
                    into.learn(contact, Source.NOTED)
            named = {one.id for one in identities if one.id is not None} if MatchBy.ID in match_by else set()
            self._ask_for_ids(into, {*named, *known, *lately})
            _leave_unanswered(into, identities, lately.values())

        return take_in

    def lately(self) -> dict[ContactId, Contact]:
        """Return by id the contacts that other runs wrote so recently that search may not show the change."""
        return {one.id: one for one in self.written_lately() if not self.directory.is_answered(one.id)}

    def shown(self, contacts: Iterable[ContactId], indexed: Iterable[ContactId] = ()) -> Directory:
        """Read contacts by their Intercom ids: many a search, and by GET what search does not show.

        What it shows may be old. `indexed` are further contacts, which are only searched for.
        """
        layer = self.directory.layer()
        named = {one for one in contacts if not layer.is_answered(one)}
        wanted = sorted(named.union(one for one in indexed if not layer.is_answered(one)))
        _learn([*self._ask_all([Identity(id=one) for one in wanted], (MatchBy.ID,))], layer)
        self._ask_for_ids(layer, named)
        return layer

    def search_one(self, identity: Identity) -> Directory:
        """Search the index for one contact whose creation is in doubt, in the thread of the caller."""
        return _learn(self._search([identity], _UNIQUE), Directory())

    def search_index(self, identities: Sequence[Identity]) -> Directory:
        """Search by external_id and email, whatever this run knows: for contacts whose creation is in doubt.

        Hits that the run knows better are shown as it knows them.
        """
        hits = [*self._ask_all(identities, _UNIQUE)]
        # What another run has made since this one looked is in the ledger before it is in the index.
        lately = self._noted(identities, hits)
        newest = [(self.directory.fact(hit.id) or hit) if isinstance(hit, Contact) else hit for hit in hits]
        found = _learn([one for one in newest if isinstance(one, (Contact, tuple))], Directory(), but=lately)
        self._ask_for_ids(found, lately)
        return found

    def survivor(self, error: MergedError) -> Contact | None:
        """Return the contact that a merged one leads to; None: it leads nowhere."""
        following = error.survivor
        for _ in range(_MERGE_HOPS):
            if following is None:
                return None
            try:
                return self.client.get_contact(ContactId(following))
            except MergedError as next_error:
                following = next_error.survivor
            except RefusedError:
                return None
        return None

    def _is_known(self, identity: Identity, match_by: Sequence[MatchBy]) -> bool:
        """Check whether the run knows a record's contact by its first identifier: an email others may have, too."""
        given = ((which, value) for which in match_by if (value := identity.get(which)) is not None)
        which, value = next(given, (MatchBy.EMAIL, None))
        return which is not MatchBy.EMAIL and value is not None and bool(self.directory.named(which, value))

    def _noted(self, identities: Iterable[Identity], hits: _Hits) -> dict[ContactId, Contact]:
        """Return the contacts that were written lately, and that hits show, or that have one of these identifiers."""
        names = {name for identity in identities for name in identity.identifiers()}
        shown = {hit.id for hit in hits if isinstance(hit, Contact)}
        return {
            id_: contact
            for id_, contact in (self.lately() if names else {}).items()
            if id_ in shown or not names.isdisjoint(Identity.of(contact).identifiers())
        }

    def _ask_all(self, identities: Sequence[Identity], fields: Sequence[MatchBy]) -> Iterator[_Hit]:
        """Begin to search, and return what is found, as it comes."""
        answers = self.in_parallel(lambda some: self._search(some, fields), self._chunks(identities, fields))
        return chain.from_iterable(answers)

    def _chunks(self, identities: Sequence[Identity], fields: Sequence[MatchBy]) -> Iterator[Sequence[Identity]]:
        """Yield identities in parts that one search can ask for."""
        size = max(1, self._size // max(1, _asked(identities, fields)))
        return (identities[start : start + size] for start in range(0, len(identities), size))

    def _search(self, chunk: Sequence[Identity], fields: Sequence[MatchBy]) -> _Hits:
        """Search for a chunk; halved when Intercom refuses it or keeps failing, down to the one value that it is."""
        wanted = {
            which.value: list(dict.fromkeys(value for one in chunk if (value := one.get(which)) is not None))
            for which in fields
        }
        if not any(wanted.values()):
            return []
        try:
            return [*self.client.search_contacts(wanted)]
        except UndoneError as error:
            if len(chunk) == 1:
                return [(chunk[0], error.fault)]
            is_too_large = isinstance(error, RefusedError)
        middle = len(chunk) // 2
        hits = [*self._search(chunk[:middle], fields), *self._search(chunk[middle:], fields)]
        if is_too_large and all(isinstance(hit, Contact) for hit in hits):
            self._size = min(self._size, middle * _asked(chunk, fields))
        return hits

    def _ask_for_ids(self, into: Directory, ids: Iterable[ContactId]) -> None:
        """Ask by GET for the Intercom ids of which nothing but the ledger tells (docs/identity.md)."""
        unseen = sorted(one for one in set(ids) if not (into.is_answered(one) or self.directory.is_answered(one)))
        for contact, fact, survivor in self.in_parallel(self._ask_for, unseen):
            into.learn_fact(contact, fact)
            if isinstance(fact, (Gone, Merged)):
                # The rest of the run, which may trust the ledger, is to know it as well.
                self.directory.learn_fact(contact, fact)
            if survivor is not None:
                into.learn(survivor, Source.ANSWER)

    def _ask_for(self, contact: ContactId) -> tuple[ContactId, Fact, Contact | None]:
        """Return what Intercom answers of an id, and the contact that it was merged into."""
        try:
            return contact, self.client.get_contact(contact), None
        except NotFoundError:
            return contact, Gone(), None
        except MergedError as error:
            survivor = self.survivor(error)
            return contact, Merged(None if survivor is None else survivor.id), survivor
        except UndoneError as error:
            return contact, error.fault, None


def _learn(hits: _Hits, into: Directory, but: Collection[ContactId] = ()) -> Directory:
    """Add what was found, `but` some contacts, to a directory, and return it."""
    for hit in hits:
        if not isinstance(hit, Contact):
            into.learn_fault(*hit)
        elif hit.id not in but:
            into.learn(hit, Source.SEARCH)
    return into


def _leave_unanswered(known: Directory, identities: Iterable[Identity], lately: Iterable[Contact]) -> None:
    """Add that it is not known which contacts have the identifiers of those on which Intercom gave no answer."""
    faults = {
        name: fact
        for contact in lately
        if isinstance(fact := known.fact(contact.id), Fault)
        for name in Identity.of(contact).identifiers()
    }
    for identity in identities if faults else ():
        for name in identity.identifiers():
            if name in faults:
                known.learn_fault(identity, faults[name])


def _asked(identities: Sequence[Identity], fields: Sequence[MatchBy]) -> int:
    """Return how many identifiers of an identity a search asks for, at most."""
    return max((sum(one.get(which) is not None for which in fields) for one in identities), default=0)
