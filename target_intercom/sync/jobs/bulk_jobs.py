"""Bulk jobs: a hundred contacts a call, written in the background (fact sheet section 12)."""

from __future__ import annotations

import itertools
import threading
import typing as t
from dataclasses import dataclass, field
from functools import partial

from target_intercom.errors import NoBulkError
from target_intercom.sync.jobs.lane import Ended, JobEnd, Lane, Send
from target_intercom.sync.jobs.pace import Pace

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_intercom.errors import Fault
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import ContactId, JobId

_Item = t.TypeVar("_Item")

ITEMS_A_CALL: t.Final = 100
"""More are refused (official description, `POST /contacts/bulk`)."""
FEWEST: t.Final = 2
"""A single contact costs one call singly, and a submission and a look as a job."""

_FAILED_IN_A_ROW = 2
"""So many submissions whose calls keep failing, one after the other, show that it is not what is in them."""
_SHORTEST_PATIENCE = 5.0
"""Seconds that a job is given at least."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """Contacts that a job was to delete."""

    done: frozenset[ContactId] = frozenset()
    tried: frozenset[ContactId] = frozenset()
    """A job may have deleted these: a 404 to a single deletion then counts as done."""


def patience(search_delay_seconds: float) -> float:
    """Return how long a job in which nothing moves is waited for, in seconds."""
    return max(search_delay_seconds, _SHORTEST_PATIENCE)


@dataclass
class BulkJobs:
    """Submits to bulk jobs, and waits for them; shared by a run."""

    client: IntercomClient
    in_parallel: InParallel
    look: Callable[[JobId], Job]
    """Reads a job."""
    plural: str
    """How messages call what the jobs write."""
    are_there: bool
    """Whether it is worth trying."""
    search_delay_seconds: float
    say: Callable[[str], None]
    given_up: set[ContactId] = field(default_factory=set, init=False)
    """Contacts that a job may still write to, which was not waited for any longer."""
    _failed: int = field(default=0, init=False)
    _pace: Pace = field(default_factory=Pace, init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def patience_seconds(self) -> float:
        """How long a job may stand still before it is given up."""
        return patience(self.search_delay_seconds)

    def run(self, items: Sequence[_Item], send: Send[_Item]) -> Iterator[Ended[_Item]]:
        """Begin to submit items, and return the result of each submission as it comes, in any order."""
        lanes = parted(parted(items), self._pace.tasks_a_job)
        return itertools.chain.from_iterable(self.in_parallel(partial(self._carry, send=send), lanes))

    def delete(self, contacts: Sequence[ContactId], send: Send[ContactId]) -> Deletions:
        """Delete contacts for good, as far as jobs can; `send` submits some."""
        if not self.are_there or len(contacts) < FEWEST:
            return Deletions()
        done: set[ContactId] = set()
        tried: set[ContactId] = set()
        for ended in self.run(contacts, send):
            match ended.ending:
                case JobEnd.DONE:
                    done.update(ended.items)
                case JobEnd.FAILED | JobEnd.UNKNOWN:
                    tried.update(ended.items)
                case JobEnd.NOT_SENT:
                    pass
        return Deletions(frozenset(done), frozenset(tried))

    def _carry(self, submissions: Sequence[Sequence[_Item]], send: Send[_Item]) -> list[Ended[_Item]]:
        """Carry out some submissions as one job, as long as it takes them."""
        lane: Lane[_Item] = Lane(self.client, self.look, send, self._pace, self._answered)
        for items in submissions:
            if not self.are_there:
                lane.settle(items, JobEnd.NOT_SENT)
                continue
            try:
                lane.submit(items)
            except NoBulkError as error:
                fault = error.fault
                if self._turns_off():
                    self.say(
                        f"Intercom has no bulk jobs for this workspace ({fault}): {self.plural} are written singly"
                    )
                lane.settle(items, JobEnd.NOT_SENT)
        lane.wait(self.patience_seconds)
        return lane.ended

    def _answered(self, fault: Fault | None) -> None:
        """Count the submissions whose calls kept failing in a row; None: a submission was answered."""
        with self._turn:
            self._failed = 0 if fault is None else self._failed + 1
            is_enough = self._failed >= _FAILED_IN_A_ROW
        if is_enough and self._turns_off():
            self.say(f"Intercom's bulk jobs keep failing ({fault}): {self.plural} are written singly")

    def _turns_off(self) -> bool:
        """Send no more submissions; True for the first that says so."""
        with self._turn:
            were_there, self.are_there = self.are_there, False
        return were_there


def parted(items: Sequence[_Item], size: int = ITEMS_A_CALL) -> list[Sequence[_Item]]:
    """Part items, into as many as go into a call."""
    return [items[start : start + size] for start in range(0, len(items), size)]
