"""The plan of a batch: its records are played one after the other on what is known, and folded into writes. Pure.

So a batch ends as its records one by one would. What each contact gets is one write, or a few in their order. A write
waits only for the writes that it depends on; all others go beside each other.
"""

from __future__ import annotations

import itertools
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from target_intercom.model import Found, Identity, MatchBy, NotFound
from target_intercom.outcomes import Result
from target_intercom.sync.matching.directory import Source, Stage
from target_intercom.sync.matching.roles import after
from target_intercom.sync.matching.whose import is_told_apart, may_let_go, users_like, whose
from target_intercom.sync.planning.order import Decided, Order, all_names, keys_of
from target_intercom.sync.planning.wanted import creates, folded, planned_write
from target_intercom.writes import ContactRecords, Saved

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from target_intercom.model import Contact, ContactId, Entry, Match, Name, RecordKey
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.whose import RecordLinks


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A record that leads to no write."""

    entry: Entry
    match: Match
    turn: int
    """The first round after the writes by which it was decided."""
    asked: Collection[Name] = ()
    """The names that decided its contact."""
    is_unidentified: bool = False
    """It has no identifier, and is linked to no contact."""


@dataclass(slots=True)
class BatchPlan:
    """What a batch leads to."""

    after: Directory
    """What is known, as it will be after the batch; where no record is left unwritten, nobody needs that."""
    writes: list[ContactRecords] = field(default_factory=list)
    unwritten: list[Unwritten] = field(default_factory=list)
    """Records that change nothing, are refused, or mark a contact."""
    unasked: list[Entry] = field(default_factory=list)
    """Records that have to be looked up first: then the batch is to be planned anew."""

    def rounds(self) -> list[list[ContactRecords]]:
        """Return the writes that go beside each other, round by round."""
        rounds: dict[int, list[ContactRecords]] = defaultdict(list)
        for write in self.writes:
            rounds[write.turn].append(write)
        if len(rounds) == 1 and not self.unwritten:
            # Nothing depends on how they end. What is kept in memory while jobs run counts.
            for write in self.writes:
                write.asked = write.moved = frozenset()
        return [rounds[turn] for turn in sorted(rounds)]


def plan(entries: Iterable[Entry], known: Directory, links: RecordLinks, config: StreamConfig) -> BatchPlan:
    """Return the plan of a batch; `links` end as they will be after it."""
    return _Play(known, links, config).run(entries)


def matters(
    failed: Sequence[ContactRecords], later: Iterable[Sequence[ContactRecords]], unwritten: Iterable[Unwritten]
) -> bool:
    """Check whether a later write or record depends on writes that did not have their planned result."""
    moved = {name for write in failed for name in write.moved}
    planned: Iterable[Unwritten | ContactRecords] = itertools.chain(unwritten, *later) if moved else ()
    return any(not moved.isdisjoint(one.asked) for one in planned)


class _Play:
    def __init__(self, known: Directory, links: RecordLinks, config: StreamConfig) -> None:
        self._stage = Stage(known)
        self._links = links
        self._config = config
        self._plan = BatchPlan(known)
        self._current: dict[ContactId, ContactRecords] = {}
        """The last write of each contact."""
        self._changed: set[ContactId] = set()
        """Contacts that a write changes which is not their last."""
        self._write_of: dict[RecordKey, ContactRecords] = {}
        """The last write of each key."""
        self._order = Order(self._stage, config)

    def run(self, entries: Iterable[Entry]) -> BatchPlan:
        for entry in entries:
            if not self._stays(entry):
                self._place(self._decide(entry))
        if self._plan.unwritten:
            self._plan.after = self._stage
        return self._plan

    def _stays(self, entry: Entry) -> bool:
        """Plan an unchanged record to stay as it is, unless an earlier record changes its contact.

        Or unless the record that had the last word on the contact has left it.
        """
        contact = entry.contact
        if contact is None or not entry.is_in_line or contact.id in self._changed:
            return False
        if contact.id != self._links.of(entry) or self._is_changed(contact.id):
            return False
        overruler = None if entry.known is None else entry.known.overruled_by
        if overruler is not None and self._links.has_left(overruler, contact.id):
            return False
        match = Found(self._stage.get(contact.id) or contact)
        self._leave(Decided(entry, match, keys_of(entry), contact.id))
        return True

    def _is_changed(self, contact: ContactId) -> bool:
        """Check whether the last write of a contact changes it, as far as is known."""
        write = self._current.get(contact)
        if write is None:
            return False
        planned = planned_write(write, self._config)
        return not (isinstance(planned, Saved) and planned.result is Result.UNCHANGED)

    def _decide(self, entry: Entry) -> Decided:
        self._stage.asked = asked = keys_of(entry)
        match, is_by_link = whose(entry, self._stage, self._links, self._config)
        # What is asked from here on does not decide its contact.
        self._stage.asked = set()
        identity = entry.draft.identity
        is_sure = is_by_link and not may_let_go(entry)
        if not is_sure and any(identity) and not self._stage.is_asked(identity):
            self._plan.unasked.append(entry)
        return Decided(entry, match, asked, self._links.of(entry))

    def _place(self, decided: Decided) -> None:
        entry = decided.entry
        match decided.match:
            case Found() as found if not entry.draft.removed:
                self._change(decided, found)
            case NotFound() as nobody if not (entry.draft.removed or self._is_unidentified(entry)):
                if creates(entry.draft, self._config):
                    self._make(decided, nobody)
                else:
                    # It sends nothing: no contact is found, and none can be made.
                    self._new_write(decided, nobody, ())
            case _:
                self._leave(decided)

    # What becomes of a record.

    def _leave(self, decided: Decided) -> None:
        """Plan a record without a write: it is unchanged, refused, or marks a contact as deleted."""
        entry, match, asked = decided.entry, decided.match, decided.asked
        turn = self._order.first(asked)
        write = self._current.get(match.contact.id) if isinstance(match, Found) else None
        if write is not None:
            # The mark is of the contact that the write leaves.
            write.is_followed = True
            turn = max(turn, write.turn + 1)
        self._order.depend(decided, turn - 1, None)
        is_unidentified = isinstance(match, NotFound) and self._is_unidentified(entry)
        self._plan.unwritten.append(Unwritten(entry, match, turn, asked, is_unidentified))

    def _is_unidentified(self, entry: Entry) -> bool:
        if is_told_apart(entry, self._links.of(entry), self._config.match_by):
            return False
        return entry.known is None or not entry.draft.removed

    def _make(self, decided: Decided, match: NotFound) -> None:
        contact, names, is_unsure = self._order.newborn(decided.entry)
        self._links.add_new(contact.id)
        if contact.role == "user" and contact.email is not None:
            decided.asked.add(("user", contact.email))
        if is_unsure:
            # A 409 may name one of these: then that is the record's contact.
            names |= {(MatchBy.ID, user.id) for user in users_like(self._stage, decided.entry.draft.identity)}
        write = self._new_write(decided, match, names)
        if is_unsure:
            # Planned as if it was refused; if it is not, all that asks for these names is planned anew.
            self._move(write, names | decided.links())
        else:
            self._put(write, contact, names)
        self._link(decided, write)

    def _change(self, decided: Decided, match: Found) -> None:
        entry, contact, updates = decided.entry, match.contact, self._config.sync_mode.updates
        earlier = self._current.get(contact.id)
        wanted = after(contact, entry.draft, self._config.creation_mode) if updates else contact
        is_same = contact.role == wanted.role and Identity.of(contact) == Identity.of(wanted)
        moved: set[Name] = set() if is_same else all_names(contact) | all_names(wanted)
        if earlier is not None and is_same and self._order.may_join(earlier, decided):
            # Of several records of a write that is refused each is decided anew.
            self._order.depend(decided, earlier.turn, earlier)
            earlier.entries.append(entry)
            earlier.asked |= decided.asked
            if not self._config.sync_mode.first_wins:
                earlier.draft = folded(earlier.draft, entry.draft)
            self._link(decided, earlier)
            return
        write = self._new_write(decided, match, moved, earlier)
        self._put(write, wanted, moved)
        self._link(decided, write)

    def _new_write(
        self, decided: Decided, match: NotFound | Found, moved: Iterable[Name], earlier: ContactRecords | None = None
    ) -> ContactRecords:
        """Add a write of a record to the plan, in the first round in which it may go; `earlier` is of its contact."""
        entry = decided.entry
        turn = self._order.first(decided.asked, decided.links().union(moved))
        write = ContactRecords(match, entry.draft, [entry], turn=turn, asked=decided.asked)
        if earlier is not None:
            earlier.is_followed = True
            write.turn = max(write.turn, earlier.turn + 1)
        self._order.depend(decided, write.turn - 1, write)
        self._plan.writes.append(write)
        return write

    def _put(self, write: ContactRecords, wanted: Contact, moved: Iterable[Name]) -> None:
        """Show a contact as a write leaves it."""
        write.contact = wanted.id
        if self._is_changed(wanted.id):
            self._changed.add(wanted.id)
        self._current[wanted.id] = write
        self._move(write, moved)
        if isinstance(write.match, NotFound) or self._config.sync_mode.updates:
            self._stage.learn(wanted, Source.ANSWER)

    def _move(self, write: ContactRecords, names: Iterable[Name]) -> None:
        write.moved |= set(names)
        self._order.move(names, write.turn, write)

    def _link(self, decided: Decided, write: ContactRecords) -> None:
        """Link a record to the contact of its write, as the ledger will when that is done."""
        key, before, now = decided.entry.key, decided.linked, write.contact
        self._order.decide(decided.asked, write.turn, write)
        if before != now:
            if before in self._current:
                # What it leaves needs an id.
                self._current[before].is_followed = True
            self._move(write, decided.links() if now is None else decided.links() | {now})
            if key is not None and before is not None:
                self._order.left[key].add(before)
        if key is None:
            return
        self._order.move((key,), write.turn, write)
        earlier = self._write_of.get(key)
        if earlier is not None and earlier is not write:
            earlier.replaced |= {key}
        self._write_of[key] = write
        if now is not None:
            self._links.link(decided.entry, now)
