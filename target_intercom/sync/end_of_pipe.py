"""The end of the pipe: find contacts, put links on, check the removal limit, take links off, remove contacts."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import TooManyRemovalsError
from target_intercom.sync.removing.limit import Share, too_many

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_intercom.model import Outcome
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Config
    from target_intercom.sync.linking.find_contacts import FindContacts
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.put_on import PutOn
    from target_intercom.sync.linking.take_off import TakeOff
    from target_intercom.sync.linking.waiting import UnnamedLists, WaitingMemberships
    from target_intercom.sync.removing.complete_streams import CompleteStreams
    from target_intercom.sync.removing.removals import Removals


@dataclass(frozen=True)
class LinksAtEnd:
    """What is done about the links of one kind at the end of the pipe."""

    links: Links
    unnamed: UnnamedLists
    waiting: WaitingMemberships
    find_contacts: FindContacts
    put_on_links: PutOn
    take_off_links: TakeOff
    complete: CompleteStreams
    """The groups streams of mode `sync`."""

    @property
    def has_work(self) -> bool:
        """Whether memberships or links wait for the end of the pipe."""
        is_waiting = not (self.waiting.is_empty and self.unnamed.is_empty)
        return is_waiting or self.links.memberships.has_work

    def put_on(self) -> None:
        """Find the contacts of memberships, and put on the links that are wanted."""
        for stream in self.unnamed.save_found(self.links):
            self.put_on_links.outcomes.leave_out(stream)
        self.find_contacts.run()
        if self.has_work:
            self.put_on_links.run()

    def decide(self) -> None:
        """Decide which groups streams are complete."""
        self.complete.decide(self.links.unreadable)

    def shares(self) -> Iterator[Share]:
        """Yield how many memberships of each stream are about to end."""
        config, memberships, complete = self.links.config, self.links.memberships, self.complete.versions()
        for stream in self.links.streams:
            if config.stream(stream).is_memberships and config.stream(stream).is_limited:
                marked = memberships.marked(stream, complete)
                missing = memberships.missing(stream, complete) if stream in complete else 0
                yield Share(stream, marked, missing, self.links.ledger.streams.known_before(stream), "memberships")

    def take_off(self) -> None:
        """Take off the links of memberships that have ended."""
        complete = self.complete.versions()
        for stream, version in complete.items():
            self.links.memberships.save_missing(stream, version)
        self.take_off_links.run(complete)
        self.waiting.close()
        self.links.memberships.has_work = False

    def close(self) -> None:
        """Delete what waits on disk."""
        self.waiting.close()
        self.unnamed.close()


@dataclass(frozen=True)
class EndOfPipe:
    """What is done when all records have come; until then no STATE may go out."""

    config: Config
    removals: Removals
    links: Sequence[LinksAtEnd]
    """By kind; none where this run links no contacts."""
    report: RunReport

    @property
    def has_work(self) -> bool:
        """Whether removals, memberships or links wait for it."""
        return self.removals.pending or any(links.has_work for links in self.links)

    def run(self, streams: Iterable[str]) -> None:
        """Put links on, take links off and remove contacts; `streams` are those of the run.

        Raises:
            TooManyRemovalsError: they are more than `max_removal_percent` allows; nothing is removed then.
        """
        for links in self.links:
            links.put_on()
            links.decide()
        self.removals.decide()
        self._check_limit(streams)
        self._record(self.removals.release())
        for links in self.links:
            links.take_off()
        self._record(self.removals.remove_marked())
        for stream in self.removals.remove_missing():
            self.report.left(stream, 1)

    def _check_limit(self, streams: Iterable[str]) -> None:
        settings = {stream: self.config.stream(stream) for stream in streams}
        of_contacts = (stream for stream, own in settings.items() if own.is_limited and not own.is_memberships)
        of_links = (share for links in self.links for share in links.shares())
        shares = [*self.removals.shares(of_contacts), *of_links]
        reasons = [too_many(share, self.config.max_removal_percent) for share in shares]
        if any(reasons):
            raise TooManyRemovalsError(" ".join(reason for reason in reasons if reason is not None))

    def _record(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        for stream, outcome in outcomes:
            self.report.record(stream, outcome)
