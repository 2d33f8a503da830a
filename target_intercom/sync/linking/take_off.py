"""Takes links off at the end of the pipe, contact by contact: those that this target put on and no record wants."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass

from target_intercom.errors import MergedError, NotFoundError, UndoneError
from target_intercom.ledger.memberships.states import NOBODY
from target_intercom.outcomes import Refusal
from target_intercom.settings.warnings import links_stay_for_old_records
from target_intercom.sync.linking.outcomes import by_pair
from target_intercom.sync.linking.put_on import complete_pairs, origins
from target_intercom.writes import LinkChange

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.memberships.states import Membership
    from target_intercom.model import ContactId, LinkedId, Pair
    from target_intercom.sync.linking.in_bulk import LinkJobs
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.outcomes import Outcomes
    from target_intercom.sync.writing.plan_file import Plan

_AT_ONCE = 500
"""Memberships that end together: what is known of them should not be old when it is done."""

_AT_ONCE_IN_BULK = 2000
"""Memberships that end together in bulk jobs: each job has to be looked at until it is done."""


@dataclass(frozen=True)
class TakeOff:
    """Takes off the links of memberships that have ended."""

    links: Links
    in_parallel: InParallel
    jobs: LinkJobs
    plan: Plan
    outcomes: Outcomes

    def run(self, complete: Mapping[str, int | None]) -> None:
        """Take off the links that no other record wants; `complete` has the complete groups streams."""
        streams = [stream for stream in self.links.streams if self.links.takes_off(stream)]
        if not streams:
            return
        self.links.memberships.release_forgotten(streams, has_complete=bool(complete))
        last: Membership | None = None
        kept: Counter[str] = Counter()
        limit = _AT_ONCE_IN_BULK if self.jobs.are_available else _AT_ONCE
        while rows := complete_pairs(self.links.memberships.ending([*streams, NOBODY], limit, last), limit):
            last = rows[-1]
            kept += self.links.memberships.count_wanted(self._take_off(rows))
        self._say_kept(kept)

    def _say_kept(self, kept: Counter[str]) -> None:
        """Warn of links that stay for records of streams that are not in this run."""
        last_runs = self.links.ledger.streams.last_runs() if kept else {}
        for stream, count in sorted(kept.items()):
            if stream in last_runs and stream not in self.links.streams:
                plural = self.links.kind.plural
                self.outcomes.say(links_stay_for_old_records(stream, f"{count} {plural}", last_runs[stream]))

    def _take_off(self, rows: Sequence[Membership]) -> set[Pair]:
        """Take links off; returns the pairs whose link stays, since another record wants it."""
        staying = self.links.memberships.start_taking_off(rows)
        self.outcomes.still_wanted(one for one in rows if one.pair in staying)
        ending = {pair: ones for pair, ones in by_pair(rows) if pair not in staying}
        if any(one.linked is None for one in rows):
            self.links.catalog.read()
        self.plan.because(origins(ending, self.links, self.plan))
        for pair in self._take_off_in_bulk(ending):
            del ending[pair]
        self._take_off_singly(ending)
        return staying

    def _take_off_in_bulk(self, ending: Mapping[Pair, Sequence[Membership]]) -> list[Pair]:
        """Take links off through bulk jobs, where that is cheaper; returns the pairs whose link is off."""
        unwanted: dict[ContactId, set[LinkedId]] = defaultdict(set)
        for (contact, _), rows in ending.items():
            unwanted[contact].update(self._ids(rows))
        changes = {contact: LinkChange(frozenset(), frozenset(ids)) for contact, ids in unwanted.items() if ids}
        contacts = self.jobs.run(changes, calls=sum(map(len, unwanted.values())))
        done = [pair for pair, rows in ending.items() if pair[0] in contacts and self._ids(rows)]
        self.save_off([one for pair in done for one in ending[pair]])
        return done

    def save_off(self, rows: Sequence[Membership]) -> None:
        """Write that a bulk job has taken links off; `rows` have all memberships of each link, together."""
        self.outcomes.taken_off(rows)
        self._give_back(rows)

    def _take_off_singly(self, ending: Mapping[Pair, Sequence[Membership]]) -> None:
        if ending:
            self.links.catalog.look_up({one.name for rows in ending.values() for one in rows})
        off: dict[bool, list[Membership]] = {True: [], False: []}
        refused: list[tuple[Membership, Refusal]] = []
        try:
            for pair, answer in self.in_parallel(lambda one: (one[0], self._unlink(one[1])), list(ending.items())):
                if isinstance(answer, Refusal):
                    refused.extend((one, answer) for one in ending[pair])
                else:
                    off[answer].extend(ending[pair])
        finally:
            for were_on, rows in off.items():
                self.outcomes.taken_off(rows, were_on=were_on)
        self.outcomes.not_taken_off(refused)
        self._give_back([*off[True], *off[False]])

    def _unlink(self, rows: Sequence[Membership]) -> bool | Refusal:
        """Take a contact's link off; returns whether it was on. A contact that is gone does not have it."""
        was_on = False
        for linked in self._ids(rows):
            try:
                self.links.kind.take_off(rows[0].contact, linked)
                was_on = True
            except NotFoundError as error:
                was_on = was_on or error.repeated
            except MergedError:
                pass
            except UndoneError as error:
                return Refusal.by_intercom(error.fault)
        return was_on

    def _give_back(self, taken_off: Sequence[Membership]) -> None:
        """Put links on again that another run's records came to want while they were taken off."""
        by_link = {one.pair: one for one in taken_off}
        wanted = self.links.memberships.wanted(by_link)
        list(self.in_parallel(lambda pair: self._put_back(by_link[pair]), sorted(wanted)))
        self.links.memberships.share([one for pair, one in by_link.items() if pair in wanted])

    def _put_back(self, one: Membership) -> None:
        linked = self.links.linked_id(one)
        if linked is not None:
            with suppress(UndoneError):
                self.links.kind.put_on(one.contact, linked)

    def _ids(self, rows: Sequence[Membership]) -> set[LinkedId]:
        return {linked for one in rows if (linked := self.links.linked_id(one)) is not None}
