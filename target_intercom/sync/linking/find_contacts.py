"""Memberships at the end of the pipe: which contact each means, and what it changes."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice

from target_intercom.ledger.interface import LinkState
from target_intercom.model import (
    Ambiguous,
    Found,
    MergedAway,
    NotFound,
    Outcome,
    Refusal,
    Result,
    SkipReason,
    Unanswered,
)
from target_intercom.settings.config import SyncMode
from target_intercom.sync.linking.claims import Claim
from target_intercom.sync.matching.whose import match_identity
from target_intercom.sync.planning.wanted import refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_intercom.ledger.interface import Membership
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import Contact, Match
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.linking.claiming import Claiming
    from target_intercom.sync.linking.waiting import Waiting, WaitingRoom
    from target_intercom.sync.matching.contact_ids import ContactIds
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher

_ENDED: t.Final = frozenset(one for one in LinkState if one.is_ending or one is LinkState.OFF)
_AT_ONCE = 2000
"""Memberships that are in memory together."""


class Resolution:
    """Takes the memberships that wait, in the order of the pipe, and settles whom they mean."""

    def __init__(
        self,
        room: WaitingRoom,
        memberships: Memberships,
        matcher: Matcher,
        report: RunReport,
        *,
        directory: Directory,
        ids: ContactIds,
        config: Callable[[str], StreamConfig],
        removes: Callable[[str], bool],
        begin: Callable[[], Claiming],
        check: Callable[[], None],
        repair: bool,
    ) -> None:
        """`config` and `removes` tell of a stream; `begin` gives a place for a batch's claims.

        `check` ends a run that has refused too many records; `repair` trusts no membership to be in line.
        """
        self._room = room
        self._memberships = memberships
        self._matcher = matcher
        self._report = report
        self._directory = directory
        self._ids = ids
        self._config = config
        self._removes = removes
        self._begin = begin
        self._check = check
        self._repair = repair

    def run(self) -> None:
        """Settle all that wait; those whose tag has to be put on or taken off get their outcome with it."""
        waiting = iter(self._room)
        while batch := list(islice(waiting, _AT_ONCE)):
            self._settle(batch)
            self._check()

    def _settle(self, batch: Sequence[Waiting]) -> None:
        claims = self._begin()
        for stream, ones in _by_stream(batch):
            claims.recall(stream, [one.key for one in ones])
        matches = self._matches(self._unsettled(claims, batch))
        claims.meet(
            (match.contact.id, one.group)
            for one in batch
            if one.group is not None and isinstance(match := matches.get(one.place), Found)
        )
        for one in batch:
            if one.removed:
                self._end(claims, one)
            elif (row := self._in_line(claims, one)) is not None:
                self._stay(claims, one, row)
            else:
                # Another run may have changed what was in line a moment ago.
                self._join(claims, one, matches.get(one.place) or self._matches([one])[one.place])
        claims.write()
        self._see(batch)

    def _unsettled(self, claims: Claiming, batch: Sequence[Waiting]) -> list[Waiting]:
        """Return the memberships whose contact has to be looked for; of a key that comes twice, each."""
        often = Counter((one.stream, one.key) for one in batch)
        return [
            one
            for one in batch
            if not one.removed and (often[one.stream, one.key] > 1 or self._in_line(claims, one) is None)
        ]

    def _matches(self, unsettled: Iterable[Waiting]) -> dict[int, Match]:
        found: dict[int, Match] = {}
        for stream, ones in _by_stream(unsettled):
            match_by = self._config(stream).match_by
            identities = list(dict.fromkeys(one.identity for one in ones))
            known = self._directory.layer()
            self._ids.find_for(identities)
            self._matcher.look_up(identities, match_by, known, trusting=True)
            found.update((one.place, match_identity(known, one.identity, match_by)) for one in ones)
        return found

    def _in_line(self, claims: Claiming, one: Waiting) -> Membership | None:
        """Return the membership that a record has made already, if it has made no other since; None where not."""
        rows = [row for row in claims.of_key(one.stream, one.key) if row.holding not in _ENDED]
        if self._repair or (len(rows) > 1 and self._removes(one.stream)):
            # What another mode has left of the key is to be taken off.
            return None
        for row in rows:
            is_waiting = row.place is not None and row.holding.is_open
            is_on = row.holding.is_on and row.tag is not None
            if row.content == one.content and (is_waiting or is_on):
                return row
        return None

    def _stay(self, claims: Claiming, one: Waiting, row: Membership) -> None:
        """Take in a record that says what an earlier one of its key said."""
        if row.place is not None:
            self._supersede(row)
        if row.holding is LinkState.ON:
            self._count(one, Result.UNCHANGED)
        elif row.holding is LinkState.MARKED:
            claims.put([replace(row, holding=LinkState.ON, place=None, version=one.version)])
            self._count(one, Result.UNCHANGED)
        else:
            claims.put([replace(row, place=one.place, version=one.version)])

    def _join(self, claims: Claiming, one: Waiting, match: Match) -> None:
        match match:
            case Found(contact):
                self._claim(claims, one, contact)
            case NotFound():
                reason = "there is no contact to put into the group; groups create none"
                self._refuse(one, Refusal(Result.REJECTED, reason, "no_contact"))
            case Ambiguous() | MergedAway() | Unanswered():
                self._refuse(one, refusal(match))

    def _claim(self, claims: Claiming, one: Waiting, contact: Contact) -> None:
        if one.group is None:
            raise ValueError("a membership that is not marked as deleted names its group")
        claim = Claim(
            stream=one.stream,
            key=one.key,
            contact=contact,
            groups={one.group: one.name},
            releases=self._removes(one.stream),
            is_doubtful=self._repair,
            content=one.content,
            place=one.place,
            version=one.version,
        )
        for row in claims.claim(claim):
            self._supersede(row)
        if any(row.pair == (contact.id, one.group) and row.holding is LinkState.ON for row in self._of(claims, one)):
            self._count(one, Result.UNCHANGED)

    def _end(self, claims: Claiming, one: Waiting) -> None:
        """Mark the membership that a record ends; its tag is taken off when it is clear that nobody wants it."""
        if not self._removes(one.stream):
            self._count(one, Result.SKIPPED, SkipReason.NOT_REMOVED)
            return
        rows = [row for row in self._of(claims, one) if row.holding is not LinkState.OFF]
        for row in rows:
            if row.place is not None:
                self._count(one, Result.MERGED)
        away = [row for row in rows if row.holding is LinkState.AWAY]
        ours = [row for row in rows if row.ours and row.holding is not LinkState.AWAY]
        ours.sort(key=lambda row: row.holding in _ENDED)
        claims.drop([row for row in rows if not row.ours])
        claims.put(replace(row, holding=LinkState.OFF) for row in away if row.ours)
        claims.put(_marked(row, one, place=one.place if row is ours[0] else None) for row in ours)
        if not ours:
            self._count(one, Result.SKIPPED, SkipReason.NOT_THERE if away else SkipReason.NOT_TAGGED)

    @staticmethod
    def _of(claims: Claiming, one: Waiting) -> list[Membership]:
        return claims.of_key(one.stream, one.key)

    def _supersede(self, row: Membership) -> None:
        """Report a record that waited for its outcome, and that a later, live one of its key has come after."""
        if row.holding in {LinkState.MARKED, *_ENDED}:
            self._report.count(row.stream, Result.SKIPPED, SkipReason.LIVE_AGAIN)
        else:
            self._report.count(row.stream, Result.MERGED)

    def _see(self, batch: Sequence[Waiting]) -> None:
        """Note that records came, those too that could not be loaded: they have not left their stream."""
        by_version = defaultdict(set)
        for one in batch:
            by_version[one.stream, one.version].add(one.key)
        for (stream, version), keys in by_version.items():
            if self._config(stream).sync_mode is SyncMode.SYNC:
                self._memberships.see(stream, keys, version)

    def _count(self, one: Waiting, result: Result, reason: SkipReason | None = None) -> None:
        self._report.count(one.stream, result, reason)

    def _refuse(self, one: Waiting, why: Refusal) -> None:
        self._report.record(one.stream, Outcome(self._room.record(one.place), why.result, refusal=why))


def _marked(row: Membership, one: Waiting, *, place: int | None) -> Membership:
    """Mark a membership; of a tag that is not known to be on, the id is left out, as it may be off already."""
    if row.holding in _ENDED:
        return replace(row, place=place)
    tag = row.tag if row.holding.is_on else None
    return replace(row, holding=LinkState.MARKED, tag=tag, place=place, version=one.version)


def _by_stream(batch: Iterable[Waiting]) -> Iterator[tuple[str, list[Waiting]]]:
    streams: dict[str, list[Waiting]] = defaultdict(list)
    for one in batch:
        streams[one.stream].append(one)
    return iter(streams.items())
