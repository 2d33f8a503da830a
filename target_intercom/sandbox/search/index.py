"""The search index: the workspace as it was a while ago."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from target_intercom.sandbox.objects.contacts import Contact, Identifiers, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Indexed(Protocol):
    """An object that lists show while it is live."""

    @property
    def id(self) -> str:
        """Return Intercom's id of it."""

    @property
    def state(self) -> State:
        """Return whether the API still shows it."""


T = TypeVar("T", bound=Indexed)


class Index(Generic[T]):
    """Takes over each write when it is as old as the lag, and forgets what it replaces.

    Search and list of the real API show old documents for up to two minutes: hits as they were before a
    PUT (GRP export-record-user#14, #22, #29), archived contacts still there and new ones missing
    (lead-quirks#43). What was shown once stays shown when the lag is raised. Companies lag likewise, by choice.
    """

    def __init__(self, clock: Callable[[], float], lag: Callable[[], float]) -> None:
        self._clock = clock
        self._lag = lag
        self._pending: deque[tuple[float, T]] = deque()
        self._shown: dict[str, T] = {}

    def note(self, written: T) -> None:
        """Record a write."""
        self._pending.append((self._clock(), written))
        self.catch_up()

    def catch_up(self) -> None:
        """Show the writes that are old enough by now."""
        until = self._clock() - self._lag()
        while self._pending and self._pending[0][0] <= until:
            self._take_over(self._pending.popleft()[1])

    def everything(self) -> list[T]:
        """Return all objects that are shown."""
        return list(self._shown.values())

    def _take_over(self, written: T) -> None:
        if written.state is State.LIVE:
            self._shown[written.id] = written
        else:
            self._shown.pop(written.id, None)


class ContactIndex(Index[Contact]):
    """The index of contacts, which finds them by identifiers, too."""

    def __init__(self, clock: Callable[[], float], lag: Callable[[], float]) -> None:
        super().__init__(clock, lag)
        self._identifiers = Identifiers()

    def lookup(self, field: str, values: Iterable[str]) -> set[str]:
        """Return the ids of the shown contacts that have one of the values; by `id`, `email` or `external_id`."""
        if field == "id":
            return {value for value in values if value in self._shown}
        find = {
            "email": self._identifiers.with_email,
            "external_id": self._identifiers.with_external_id,
        }[field]
        return {contact_id for value in values for contact_id in find(value)}

    def contacts(self, ids: Iterable[str]) -> list[Contact]:
        """Return the shown contacts with these ids."""
        return [self._shown[contact_id] for contact_id in ids]

    def _take_over(self, written: Contact) -> None:
        old = self._shown.get(written.id)
        super()._take_over(written)
        new = self._shown.get(written.id)
        if old is not None or new is not None:
            self._identifiers.update(old, new)
