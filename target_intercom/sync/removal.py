"""Removals wait until the end of the pipe: a live row of the same contact after the mark cancels it."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass

from target_intercom.config import RemovalMode
from target_intercom.errors import NotFoundError, UndoneError
from target_intercom.model import Identity, Outcome, Refusal, Result, SkipReason
from target_intercom.sync.plan import Origin

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol import ContactId
    from target_intercom.ledger.base import Ledger
    from target_intercom.model import Contact, Identifier, Received, RecordKey
    from target_intercom.sync.jobs import BulkJobs, Deletions
    from target_intercom.sync.parallel import InParallel
    from target_intercom.sync.plan import Plan

_MOST_UNWRITTEN = 200
"""Contacts that may be removed and not noted as removed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """A record whose contacts are to be removed."""

    stream: str
    key: RecordKey | None
    received: Received
    mode: RemovalMode
    contacts: list[ContactId]


@dataclass(slots=True)
class _Due:
    """A contact that is to be removed: by which record, how, and the place in the pipe of the last mark on it."""

    mark: _Mark
    mode: RemovalMode
    number: int


@dataclass(frozen=True, slots=True)
class _Removed:
    """What came of a mark, and which of its contacts are not there any more."""

    mark: _Mark
    gone: list[ContactId]
    outcome: Outcome


class Removals:
    """The contacts that are marked to be removed, and their removal at the end.

    Streams are processed batch by batch, so marks and live records of different streams may come out of their order
    in the pipe; the records' numbers tell which was later.
    """

    def __init__(
        self,
        client: IntercomClient,
        in_parallel: InParallel,
        ledger: Ledger,
        jobs: BulkJobs,
        *,
        are_expected: bool,
        plan: Plan,
    ) -> None:
        """Nothing is marked yet; `are_expected`: a stream of the run may mark contacts."""
        self._plan = plan
        self.are_expected = are_expected
        self._jobs = jobs
        self._client = client
        self._ledger = ledger
        self._in_parallel = in_parallel
        self._due: dict[ContactId, _Due] = {}
        self._by_identifier: dict[Identifier, set[ContactId]] = defaultdict(set)
        self._live: dict[ContactId | Identifier, int] = {}
        self._refused: set[Identifier] = set()

    @property
    def pending(self) -> bool:
        """Whether anything is marked: then no STATE may go out before it is done."""
        return bool(self._due)

    def due(self, stream: str) -> tuple[int, int]:
        """Count the contacts that a stream's records mark, and these records."""
        marks = [due.mark for due in self._due.values() if due.mark.stream == stream]
        return len(marks), len({id(mark) for mark in marks})

    def concerns(self, contact: ContactId, identity: Identity) -> bool:
        """Tell whether a contact is marked, or was named by a live record of this run that could not be loaded."""
        return contact in self._due or not self._refused.isdisjoint(identity.identifiers())

    def mark(
        self,
        stream: str,
        received: Received,
        contacts: Sequence[Contact],
        mode: RemovalMode,
        key: RecordKey | None = None,
    ) -> Outcome | None:
        """Mark a record's contacts; `key` is the record's, where it is known.

        Returns:
            The record's outcome where it adds nothing to the marks there are; None: it will come at the end.
        """
        wanted = [contact for contact in contacts if self._last_live(contact) < received.number]
        if not wanted:
            return Outcome(received, Result.SKIPPED, SkipReason.LIVE_AGAIN)
        mark = _Mark(stream, key, received, mode, [])
        for contact in wanted:
            earlier = self._due.get(contact.id)
            if earlier is None:
                self._add(mark, contact)
                continue
            earlier.number = max(earlier.number, received.number)
            if mode is RemovalMode.DELETE:
                earlier.mode = mode
        return None if mark.contacts else Outcome(received, Result.MERGED)

    def _add(self, mark: _Mark, contact: Contact) -> None:
        mark.contacts.append(contact.id)
        self._due[contact.id] = _Due(mark, mark.mode, mark.received.number)
        for name in Identity.of(contact).identifiers():
            self._by_identifier[name].add(contact.id)

    def live(self, contact: ContactId, number: int) -> Iterator[tuple[str, Outcome]]:
        """Take back the marks that came before a live record of the contact; gives the outcomes of their records."""
        self._live[contact] = max(number, self._live.get(contact, -1))
        due = self._due.get(contact)
        if due is None or due.number > number:
            return
        del self._due[contact]
        due.mark.contacts.remove(contact)
        if not due.mark.contacts:
            yield due.mark.stream, Outcome(due.mark.received, Result.SKIPPED, SkipReason.LIVE_AGAIN)

    def all_live(self, places: Mapping[ContactId | Identifier, int]) -> Iterator[tuple[str, Outcome]]:
        """Take back the marks on many contacts, told by id or identifier, that came before live records of them."""
        for one, number in places.items():
            self._live[one] = max(number, self._live.get(one, -1))
        for contact in [one for one in self._due if one in places]:
            yield from self.live(contact, places[contact])
        for identifier in [one for one in self._by_identifier if one in places]:
            yield from self.live_named([identifier], places[identifier])

    def live_identifiers(self, identifiers: Iterable[Identifier], number: int) -> Iterator[tuple[str, Outcome]]:
        """Take back the marks of whoever has one of these identifiers: a live record that could not be loaded."""
        names = list(identifiers)
        self._refused.update(names)
        yield from self.live_named(names, number)

    def live_named(self, identifiers: Iterable[Identifier], number: int) -> Iterator[tuple[str, Outcome]]:
        """Take back the marks of whoever has one of these identifiers: a live record whose contact has no id yet."""
        for identifier in identifiers:
            self._live[identifier] = max(number, self._live.get(identifier, -1))
            for contact in sorted(self._by_identifier.get(identifier, ())):
                yield from self.live(contact, number)

    def forget_live(self) -> None:
        """Note that all that was read so far is processed: no mark is still to come before the live records seen."""
        self._live.clear()

    def _last_live(self, contact: Contact) -> int:
        """Give the place of the last live record that named a contact, as far as a mark may still come before it."""
        keys: list[ContactId | Identifier] = [contact.id, *Identity.of(contact).identifiers()]
        return max(self._live.get(key, -1) for key in keys)

    def run(self) -> Iterator[tuple[str, Outcome]]:
        """Remove what is marked; gives each record's stream and outcome."""
        due, self._due = self._due, {}
        self._by_identifier.clear()
        modes = {contact: one.mode for contact, one in due.items()}
        marks = {id(one.mark): one.mark for one in due.values()}.values()
        gone: list[ContactId] = []
        self._ledger.doubt(sorted(modes))
        self._plan.because({contact: Origin(one.mark.stream, one.mark.key) for contact, one in due.items()})
        deletions = self._jobs.delete(contact for contact, mode in modes.items() if mode is RemovalMode.DELETE)
        try:
            for removed in self._in_parallel(lambda mark: self._remove(mark, modes, deletions), marks):
                gone.extend(removed.gone)
                if len(gone) >= _MOST_UNWRITTEN:
                    self._ledger.removed(gone)
                    gone = []
                yield removed.mark.stream, removed.outcome
        finally:
            self._ledger.removed(gone)

    def _remove(self, mark: _Mark, modes: Mapping[ContactId, RemovalMode], deletions: Deletions) -> _Removed:
        """Remove all contacts of a mark; one that is refused makes the record rejected, after the others."""
        removed: set[RemovalMode] = set()
        gone: list[ContactId] = []
        refusal: Refusal | None = None
        for contact in mark.contacts:
            try:
                if contact not in deletions.done:
                    remove_contact(self._client, contact, modes[contact])
                removed.add(modes[contact])
            except NotFoundError:
                if contact in deletions.tried:
                    removed.add(modes[contact])
            except UndoneError as error:
                refusal = Refusal.by_intercom(error.fault)
                continue
            gone.append(contact)
        if refusal is not None:
            outcome = Outcome(mark.received, Result.REJECTED, refusal=refusal)
        elif not removed:
            outcome = Outcome(mark.received, Result.SKIPPED, SkipReason.NOT_THERE)
        else:
            outcome = Outcome(mark.received, Result.DELETED if RemovalMode.DELETE in removed else Result.ARCHIVED)
        return _Removed(mark, gone, outcome)


def remove_contact(client: IntercomClient, contact: ContactId, mode: RemovalMode) -> None:
    """Remove a contact the way the settings say.

    Raises:
        NotFoundError: it is not there.
        UndoneError: Intercom does not do it.
    """
    match mode:
        case RemovalMode.ARCHIVE:
            client.archive_contact(contact)
        case RemovalMode.DELETE:
            client.delete_contact(contact)
