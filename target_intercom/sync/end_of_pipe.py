"""The end of the pipe: find contacts, put links on, check the removal limit, take links off, remove contacts."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import TooManyRemovalsError
from target_intercom.sync.removing.fuse import Share, too_many

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.model import LinkName
    from target_intercom.outcomes import Outcome
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
    waiting: WaitingMemberships
    find_contacts: FindContacts
    put_on_links: PutOn
    take_off_links: TakeOff
    complete: CompleteStreams
    """The groups streams of mode `sync`."""

    def put_on(self) -> None:
        """Find the contacts of memberships, put on the links that are wanted, and decide which streams are complete."""
        self._take_over()
        self.find_contacts.run()
        if self.links.memberships.work.waits or not self.waiting.is_empty:
            self.put_on_links.run()
        self.complete.decide(self.links.unreadable)

    def _take_over(self) -> None:
        """Take over what contact records of earlier runs want, where it is there by now: they need not come again."""
        wanted = {} if self.links.kind.not_made is None else self.links.memberships.open_groups()
        known = set(self.links.catalog.known(set(wanted.values()))) if wanted else set()
        self.links.memberships.take_over_groups({group for group, name in wanted.items() if name in known})
        if self.links.memberships.work.waits:
            self.find_contacts.ids.find_records(self.links.memberships.open_unnamed())

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
        self.waiting.clear()


@dataclass(frozen=True)
class AllLinks:
    """What is done about contacts' links of all kinds at the end of the pipe."""

    kinds: Mapping[LinkName, LinksAtEnd]
    unnamed: UnnamedLists
    memberships: Memberships
    """Those of all kinds."""

    @property
    def has_work(self) -> bool:
        """Whether memberships or links wait for the end of the pipe."""
        is_waiting = not (self.unnamed.is_empty and all(one.waiting.is_empty for one in self.kinds.values()))
        return is_waiting or self.memberships.work.waits

    def put_on(self) -> None:
        """Put on the links that are wanted."""
        kinds = [one.links for one in self.kinds.values()]
        for stream, kind in self.unnamed.save_found(self.memberships, kinds):
            self.kinds[kind].put_on_links.outcomes.leave_out(stream)
        for one in self.kinds.values():
            one.put_on()
        if self.memberships.work.waits:
            # A record is done with when its links of all kinds are put on.
            self.memberships.confirm_lists()

    def shares(self) -> Iterator[Share]:
        """Yield how many memberships of each stream are about to end."""
        for one in self.kinds.values():
            yield from one.shares()

    def take_off(self) -> None:
        """Take off the links of memberships that have ended."""
        for one in self.kinds.values():
            one.take_off()
        self.memberships.work.waits = False


@dataclass(frozen=True)
class EndOfPipe:
    """What is done when all records have come; until then no STATE may go out."""

    config: Config
    removals: Sequence[Removals]
    """By kind, in the order in which they are removed."""
    links: AllLinks | None
    """None where this run links no contacts."""
    report: RunReport

    @property
    def has_work(self) -> bool:
        """Whether removals, memberships or links wait for it."""
        has_links = self.links is not None and self.links.has_work
        return has_links or any(removals.pending for removals in self.removals)

    def run(self, streams: Iterable[str]) -> None:
        """Put links on, take links off and remove contacts, then companies; `streams` are those of the run.

        Raises:
            TooManyRemovalsError: they are more than `max_removal_percent` allows; nothing is removed then.
        """
        if self.links is not None:
            self.links.put_on()
        for removals in self.removals:
            removals.decide()
        self._check_limit(streams)
        for removals in self.removals:
            self._record(removals.release())
        if self.links is not None:
            self.links.take_off()
        for removals in self.removals:
            self._record(removals.remove_marked())
            for stream in removals.remove_missing():
                self.report.left(stream, 1)

    def _check_limit(self, streams: Iterable[str]) -> None:
        limited = [stream for stream in streams if self.config.stream(stream).is_limited]
        of_objects = (share for one in self.removals for share in one.shares(filter(one.streams.__contains__, limited)))
        of_links = () if self.links is None else self.links.shares()
        shares = [*of_objects, *of_links]
        reasons = [too_many(share, self.config.max_removal_percent) for share in shares]
        if any(reasons):
            raise TooManyRemovalsError(" ".join(reason for reason in reasons if reason is not None))

    def _record(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        for stream, outcome in outcomes:
            self.report.record(stream, outcome)
