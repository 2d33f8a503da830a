"""Removals wait until the end of the pipe: a live row of the same contact after the mark cancels it."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass

from target_intercom.config import RemovalMode
from target_intercom.errors import CallFailedError, MergedError, NotFoundError, RefusedError
from target_intercom.model import Identity, Outcome, Refusal, Result, SkipReason

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol import ContactId
    from target_intercom.model import Contact, Name, Received
    from target_intercom.sync.parallel import InParallel


@dataclass(slots=True, eq=False)
class _Mark:
    """A record whose contacts are to be removed."""

    stream: str
    received: Received
    mode: RemovalMode
    contacts: list[ContactId]
    number: int
    """Place in the pipe of the last record that marks them."""


class Removals:
    """The contacts that are marked to be removed, and their removal at the end.

    Streams are processed batch by batch, so marks and live records of different streams may come out of their order
    in the pipe; the records' numbers tell which was later.
    """

    def __init__(self, client: IntercomClient, in_parallel: InParallel) -> None:
        """Nothing is marked yet."""
        self._client = client
        self._in_parallel = in_parallel
        self._marks: list[_Mark] = []
        self._by_contact: dict[ContactId, _Mark] = {}
        self._by_name: dict[Name, set[ContactId]] = defaultdict(set)
        self._live: dict[ContactId | Name, int] = {}

    @property
    def pending(self) -> bool:
        """Whether anything is marked: then no STATE may go out before it is done."""
        return bool(self._marks)

    def mark(self, stream: str, received: Received, contacts: Sequence[Contact], mode: RemovalMode) -> Outcome | None:
        """Mark a record's contacts.

        Returns:
            The record's outcome where it adds nothing to the marks there are; None: it will come at the end.
        """
        due = [contact for contact in contacts if self._last_live(contact) < received.number]
        if not due:
            return Outcome(received, Result.SKIPPED, SkipReason.LIVE_AGAIN)
        fresh = []
        for contact in due:
            earlier = self._by_contact.get(contact.id)
            if earlier is None:
                fresh.append(contact)
                continue
            earlier.number = max(earlier.number, received.number)
            if mode is RemovalMode.DELETE:
                earlier.mode = mode
        if not fresh:
            return Outcome(received, Result.MERGED)
        mark = _Mark(stream, received, mode, [contact.id for contact in fresh], received.number)
        self._marks.append(mark)
        for contact in fresh:
            self._by_contact[contact.id] = mark
            for name in Identity.of(contact).names():
                self._by_name[name].add(contact.id)
        return None

    def live(self, contact: ContactId, number: int) -> Iterator[tuple[str, Outcome]]:
        """Take back the marks that came before a live record of the contact; gives the outcomes of their records."""
        self._live[contact] = max(number, self._live.get(contact, -1))
        mark = self._by_contact.get(contact)
        if mark is None or mark.number > number:
            return
        del self._by_contact[contact]
        mark.contacts.remove(contact)
        if not mark.contacts:
            self._marks.remove(mark)
            yield mark.stream, Outcome(mark.received, Result.SKIPPED, SkipReason.LIVE_AGAIN)

    def live_names(self, names: Iterable[Name], number: int) -> Iterator[tuple[str, Outcome]]:
        """Take back the marks of whoever has one of these identifiers: a live record that could not be loaded."""
        for name in names:
            self._live[name] = max(number, self._live.get(name, -1))
            for contact in sorted(self._by_name.get(name, ())):
                yield from self.live(contact, number)

    def in_step(self) -> None:
        """Note that all that was read so far is processed: no mark is still to come before the live records seen."""
        self._live.clear()

    def _last_live(self, contact: Contact) -> int:
        """Give the place of the last live record that named a contact, as far as a mark may still come before it."""
        keys: list[ContactId | Name] = [contact.id, *Identity.of(contact).names()]
        return max(self._live.get(key, -1) for key in keys)

    def run(self) -> Iterator[tuple[str, Outcome]]:
        """Remove what is marked; gives each record's stream and outcome."""
        marks, self._marks = self._marks, []
        self._by_contact.clear()
        self._by_name.clear()
        for mark, outcome in self._in_parallel(lambda mark: (mark, self._remove(mark)), marks):
            yield mark.stream, outcome

    def _remove(self, mark: _Mark) -> Outcome:
        """Remove all contacts of a mark; one that is refused makes the record rejected, after the others."""
        removed = False
        refusal: Refusal | None = None
        for contact in mark.contacts:
            try:
                self._call(contact, mark.mode)
                removed = True
            except NotFoundError:
                continue
            except (MergedError, RefusedError, CallFailedError) as error:
                refusal = Refusal.by_intercom(error.fault)
        if refusal is not None:
            return Outcome(mark.received, Result.REJECTED, refusal=refusal)
        if not removed:
            return Outcome(mark.received, Result.SKIPPED, SkipReason.NOT_THERE)
        return Outcome(mark.received, Result.ARCHIVED if mark.mode is RemovalMode.ARCHIVE else Result.DELETED)

    def _call(self, contact: ContactId, mode: RemovalMode) -> None:
        match mode:
            case RemovalMode.ARCHIVE:
                self._client.archive_contact(contact)
            case RemovalMode.DELETE:
                self._client.delete_contact(contact)
