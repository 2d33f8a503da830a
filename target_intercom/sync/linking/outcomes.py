"""Writes what became of links into the ledger and the report, by whichever call they were changed."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, replace
from itertools import groupby

from target_intercom.errors import MergedError, NotFoundError
from target_intercom.ledger.memberships.states import NOBODY, LinkState
from target_intercom.ledger.remembered import stamp
from target_intercom.outcomes import Outcome, Refusal, Result, SkipReason

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_intercom.errors import UndoneError
    from target_intercom.ledger.memberships.states import Membership
    from target_intercom.model import ContactId, Pair
    from target_intercom.reporting.report import RunReport
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.waiting import WaitingMemberships

_CONTACT_GONE: t.Final = "contact_gone"
_NOT_SHOWN: t.Final = "not_shown"


@dataclass(frozen=True)
class Outcomes:
    """Writes and counts what became of links."""

    links: Links
    waiting: WaitingMemberships
    """The records that wait for their outcome."""
    report: RunReport
    check: Callable[[], None]
    """Ends a run that has refused too many records."""
    say: Callable[[str], None]

    # What went through.

    def put_on(self, rows: Iterable[Membership]) -> None:
        """Write that contacts have their links now; `rows` have all memberships of each link, together."""
        now, result = stamp(time.time()), self.links.kind.put_on_result
        rows = [replace(one, state=LinkState.ON, ours=True, written_at=now) for one in rows]
        self.links.memberships.save_states(rows)
        self.links.memberships.share(rows)
        for _, ones in by_pair(rows):
            self._count(ones, result)

    def looked_at(self, rows: Sequence[Membership]) -> None:
        """Write whether contacts have their links; report the records of those that they have as unchanged."""
        self.links.memberships.save_states(rows)
        for one in rows:
            if one.state is LinkState.ON and one.place is not None:
                self.report.count(one.stream, Result.UNCHANGED)

    def taken_off(self, rows: Sequence[Membership], *, were_on: bool = True) -> None:
        """Write that contacts do not have their links any more; as `put_on`. `were_on`: they had them until now."""
        now, result = stamp(time.time()), self.links.kind.taken_off_result if were_on else Result.SKIPPED
        off = [replace(one, state=LinkState.OFF, ours=False, written_at=now) for one in rows]
        self.links.memberships.save_states(off)
        self.links.memberships.save_off({one.pair for one in rows})
        for _, ones in by_pair(rows):
            self._count(ones, result)

    def still_wanted(self, rows: Iterable[Membership]) -> None:
        """Report memberships that ended, and whose links stay for other records."""
        for one in rows:
            if one.place is not None:
                self.report.count(one.stream, Result.SKIPPED, SkipReason.STILL_WANTED)

    # What was refused.

    def not_put_on(self, refused: Sequence[tuple[Membership, Refusal]], *, state: LinkState = LinkState.OFF) -> None:
        """Report links that were not put on: memberships are rejected, groups of contact records left out."""
        for one, why in refused:
            if one.place is not None:
                self.reject(one.stream, one.place, why)
            elif self.links.lists_groups(one.stream):
                self.leave_out(one.stream, why.code)
        listed = {(one.stream, one.key) for one, _ in refused if one.content is None}
        self.links.memberships.save_states([self._not_put_on(one, why, state) for one, why in refused])
        self.links.memberships.forget_lists(listed)
        # A contact that is gone is looked for when its record comes again.
        self.links.ledger.doubt(sorted({one.contact for one, why in refused if why.code == _CONTACT_GONE}))

    def not_taken_off(self, refused: Sequence[tuple[Membership, Refusal]]) -> None:
        """Report links that were not taken off; they stay ours."""
        plural, again = self.links.kind.plural, "could not be taken off; the next run tries again"
        for one, why in refused:
            if one.place is not None:
                self.reject(one.stream, one.place, why)
            elif one.stream == NOBODY:
                self.say(f"{plural.capitalize()} of a forgotten stream {again}")
            elif one.state is not LinkState.MARKED:
                self.say(f"Stream '{one.stream}': {plural} {again}")
        now = stamp(time.time())
        marked = [one for one, _ in refused if one.state is LinkState.MARKED]
        self.links.memberships.save_states([replace(one, state=LinkState.UNCLEAR, written_at=now) for one in marked])

    def leave_out(self, stream: str, code: str | None = _NOT_SHOWN) -> None:
        """Report a group of a contact's record that its contact was not linked to."""
        plural = self.links.kind.plural
        self.report.left_out(stream, [plural])
        self.say(f"Stream '{stream}': {self.links.kind.left_out} ({code})")

    def reject(self, stream: str, place: int, why: Refusal) -> None:
        """Report a membership's record as refused."""
        if why.field == self.links.kind.names.target and not why.quotes_intercom:
            why = replace(why, field=self.links.named_by.get(stream, why.field))
        self.report.record(stream, Outcome(self.waiting.record(place), why.result, refusal=why))

    def _not_put_on(self, one: Membership, why: Refusal, state: LinkState) -> Membership:
        """Return a membership whose link was not put on.

        A contact's record that wants what is not there, and is not made, need not come again: a later run finds it.
        """
        if one.content is None and why.code is not None and why.code == self.links.kind.not_made:
            return replace(one, state=LinkState.UNCLEAR)
        return replace(one, state=state, written_at=stamp(time.time()))

    # Counting.

    def _count(self, rows: Iterable[Membership], result: Result) -> None:
        """Count what became of a link, for all records that name it: once, for the first of them."""
        streams: set[str] = set()
        for one in of_records(rows):
            is_first = not streams
            if self.links.lists_groups(one.stream):
                if is_first and result is not Result.SKIPPED:
                    self.report.count_beside(one.stream, result)
            elif one.state is LinkState.MISSING:
                self.report.left(one.stream, 0 if result is Result.SKIPPED or not is_first else 1)
            elif one.place is not None:
                self._count_membership(one, result, is_first=is_first, is_again=one.stream in streams)
            streams.add(one.stream)

    def _count_membership(self, one: Membership, result: Result, *, is_first: bool, is_again: bool) -> None:
        is_off = result is self.links.kind.taken_off_result
        if is_again:
            self.report.count(one.stream, Result.MERGED)
        elif result is Result.SKIPPED or (is_off and not is_first):
            self.report.count(one.stream, Result.SKIPPED, SkipReason.NOT_THERE)
        else:
            self.report.count(one.stream, result if is_first else Result.UNCHANGED)


def by_pair(rows: Iterable[Membership]) -> Iterator[tuple[Pair, list[Membership]]]:
    """Yield the memberships of each link, which come together."""
    for pair, ones in groupby(rows, key=lambda one: one.pair):
        yield pair, list(ones)


def of_records(rows: Iterable[Membership]) -> list[Membership]:
    """Return the memberships of records, without what is left of forgotten streams."""
    return [one for one in rows if one.stream != NOBODY]


def why_refused(contact: ContactId, error: UndoneError) -> Refusal:
    """Return why a contact's links could not be read or put on."""
    is_gone = isinstance(error, (NotFoundError, MergedError))
    return contact_gone(contact) if is_gone else Refusal.by_intercom(error.fault)


def contact_gone(contact: ContactId) -> Refusal:
    """Return the refusal of a membership whose contact is gone."""
    return Refusal(Result.REJECTED, f"contact {contact} is not there any more", _CONTACT_GONE)
