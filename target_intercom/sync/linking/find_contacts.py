"""Finds the contacts of memberships at the end of the pipe, and decides what the memberships change."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import islice

from target_intercom.ledger.memberships.states import LinkState
from target_intercom.model import Ambiguous, Found, MergedAway, NotFound, Unanswered
from target_intercom.outcomes import Refusal, Result, SkipReason
from target_intercom.sync.linking.changes import ENDED, MembershipChange
from target_intercom.sync.matching.whose import match_identity
from target_intercom.sync.planning.refusals import refusal

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_intercom.ledger.memberships.states import Membership
    from target_intercom.model import Contact, Match, RecordKey
    from target_intercom.sync.linking.links import Links, MembershipBatch
    from target_intercom.sync.linking.outcomes import Outcomes
    from target_intercom.sync.linking.waiting import WaitingMembership, WaitingMemberships
    from target_intercom.sync.matching.contact_ids import ContactIds
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher

_AT_ONCE = 2000
"""Memberships that are in memory together."""


@dataclass(frozen=True)
class FindContacts:
    """Finds the contacts of the memberships that wait, in the order of the pipe."""

    links: Links
    waiting: WaitingMemberships
    matcher: Matcher
    directory: Directory
    ids: ContactIds
    outcomes: Outcomes

    def run(self) -> None:
        """Decide what all memberships change; where a link has to change, the record gets its outcome afterwards."""
        waiting = iter(self.waiting)
        while batch := list(islice(waiting, _AT_ONCE)):
            self._run_batch(batch)
            self.outcomes.check()

    def _run_batch(self, waiting: Sequence[WaitingMembership]) -> None:
        batch = self.links.batch()
        for stream, ones in _by_stream(waiting):
            batch.read_records(stream, [one.key for one in ones])
        matches = self._find(self._changed(batch, waiting))
        batch.read_pairs(
            (match.contact.id, one.group)
            for one in waiting
            if one.group is not None and isinstance(match := matches.get(one.place), Found)
        )
        self.links.look_up(
            (match.contact, one.name) for one in waiting if isinstance(match := matches.get(one.place), Found)
        )
        for one in waiting:
            if one.removed:
                self._end(batch, one)
            elif (row := self._unchanged(batch, one)) is not None:
                self._keep(batch, one, row)
            else:
                # Another run may have changed what was unchanged a moment ago.
                self._add(batch, one, matches.get(one.place) or self._find([one])[one.place])
        batch.save()
        self._see(waiting)

    def _changed(self, batch: MembershipBatch, waiting: Sequence[WaitingMembership]) -> list[WaitingMembership]:
        """Return the memberships whose contact has to be looked for; where a key comes twice, both."""
        often = Counter((one.stream, one.key) for one in waiting)
        return [
            one
            for one in waiting
            if not one.removed and (often[one.stream, one.key] > 1 or self._unchanged(batch, one) is None)
        ]

    def _find(self, waiting: Iterable[WaitingMembership]) -> dict[int, Match]:
        """Find contacts; returns what each membership's identifiers find, by its place."""
        found: dict[int, Match] = {}
        for stream, ones in _by_stream(waiting):
            match_by = self.links.config.stream(stream).match_by
            identities = list(dict.fromkeys(one.identity for one in ones))
            known = self.directory.start()
            self.ids.find_for(identities)
            self.matcher.look_up(identities, match_by, known, trusting=True)
            missing = [one for one in identities if isinstance(match_identity(known, one, match_by), NotFound)]
            self.ids.find_missing(missing)
            found.update((one.place, match_identity(known, one.identity, match_by)) for one in ones)
        return found

    def _unchanged(self, batch: MembershipBatch, one: WaitingMembership) -> Membership | None:
        """Return the membership that an equal earlier record of the key made; None: the record is new or changed."""
        rows = [row for row in batch.of_key(one.stream, one.key) if row.state not in ENDED]
        if self.links.config.repair or (len(rows) > 1 and self.links.takes_off(one.stream)):
            # Other memberships of the key, left by a mode that ends none, are to be ended.
            return None
        for row in rows:
            is_waiting = row.place is not None and row.state.is_open
            is_on = row.state.is_on and row.linked is not None
            if row.content == one.content and (is_waiting or is_on):
                return row
        return None

    def _keep(self, batch: MembershipBatch, one: WaitingMembership, row: Membership) -> None:
        """Keep the membership of a record that says what an earlier record of its key said."""
        if row.place is not None:
            self._report_superseded(row)
        if row.state is LinkState.ON:
            self._count(one, Result.UNCHANGED)
        elif row.state is LinkState.MARKED:
            batch.put([replace(row, state=LinkState.ON, place=None, version=one.version)])
            self._count(one, Result.UNCHANGED)
        else:
            batch.put([replace(row, place=one.place, version=one.version)])

    def _add(self, batch: MembershipBatch, one: WaitingMembership, match: Match) -> None:
        match match:
            case Found(contact):
                self._add_found(batch, one, contact)
            case NotFound():
                self._refuse(one, Refusal(Result.REJECTED, self.links.kind.no_contact, "no_contact"))
            case Ambiguous() | MergedAway() | Unanswered():
                self._refuse(one, refusal(match))

    def _add_found(self, batch: MembershipBatch, one: WaitingMembership, contact: Contact) -> None:
        if one.group is None:
            raise ValueError("a membership that is not marked as deleted names its group")
        change = MembershipChange(
            kind=self.links.kind.names.kind,
            stream=one.stream,
            key=one.key,
            contact=contact,
            groups={one.group: one.name},
            releases=self.links.takes_off(one.stream),
            is_doubtful=self.links.config.repair,
            content=one.content,
            place=one.place,
            version=one.version,
        )
        for row in batch.add(change):
            self._report_superseded(row)
        rows = batch.of_key(one.stream, one.key)
        if any(row.pair == (contact.id, one.group) and row.state is LinkState.ON for row in rows):
            self._count(one, Result.UNCHANGED)

    def _end(self, batch: MembershipBatch, one: WaitingMembership) -> None:
        """Mark the memberships of a deleted record; their links are taken off later, unless a record wants them."""
        if not self.links.takes_off(one.stream):
            self._count(one, Result.SKIPPED, SkipReason.NOT_REMOVED)
            return
        rows = [row for row in batch.of_key(one.stream, one.key) if row.state is not LinkState.OFF]
        for row in rows:
            if row.place is not None:
                self._count(one, Result.MERGED)
        away = [row for row in rows if row.state is LinkState.AWAY]
        ours = [row for row in rows if row.ours and row.state is not LinkState.AWAY]
        ours.sort(key=lambda row: row.state in ENDED)
        batch.drop([row for row in rows if not row.ours])
        batch.put(replace(row, state=LinkState.OFF) for row in away if row.ours)
        batch.put(_marked(row, one, place=one.place if row is ours[0] else None) for row in ours)
        if not ours:
            self._count(one, Result.SKIPPED, SkipReason.NOT_THERE if away else self.links.kind.not_ours)

    def _report_superseded(self, row: Membership) -> None:
        """Report a record that waited for its outcome, when a later live record of its key has come."""
        if row.state is LinkState.MARKED or row.state in ENDED:
            self.outcomes.report.count(row.stream, Result.SKIPPED, SkipReason.LIVE_AGAIN)
        else:
            self.outcomes.report.count(row.stream, Result.MERGED)

    def _see(self, waiting: Sequence[WaitingMembership]) -> None:
        """Write that records came, also those that could not be loaded: they are not missing from their stream."""
        keys: dict[tuple[str, int | None], set[RecordKey]] = defaultdict(set)
        for one in waiting:
            keys[one.stream, one.version].add(one.key)
        for (stream, version), some in keys.items():
            self.links.memberships.see(stream, some, version)

    def _count(self, one: WaitingMembership, result: Result, reason: SkipReason | None = None) -> None:
        self.outcomes.report.count(one.stream, result, reason)

    def _refuse(self, one: WaitingMembership, why: Refusal) -> None:
        self.outcomes.reject(one.stream, one.place, why)


def _marked(row: Membership, one: WaitingMembership, *, place: int | None) -> Membership:
    """Mark a membership; a link that is not known to be on keeps no id, as it may be off already."""
    if row.state in ENDED:
        return replace(row, place=place)
    linked = row.linked if row.state.is_on else None
    return replace(row, state=LinkState.MARKED, linked=linked, place=place, version=one.version)


def _by_stream(waiting: Iterable[WaitingMembership]) -> Iterator[tuple[str, list[WaitingMembership]]]:
    streams: dict[str, list[WaitingMembership]] = defaultdict(list)
    for one in waiting:
        streams[one.stream].append(one)
    return iter(streams.items())
