"""The plan of a batch: its records are played one after the other on what is known, and folded into writes. Pure.

So a batch ends as its records one by one would. What each contact gets is one write, or a few in their order. A write
waits only for the writes that it depends on; all others go beside each other.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from target_intercom.model import Ambiguous, ContactRecords, Found, Identity, MatchBy, MergedAway, NotFound, Unanswered
from target_intercom.sync.matching.directory import Source
from target_intercom.sync.matching.roles import after
from target_intercom.sync.matching.whose import Decision, users_like, whose
from target_intercom.sync.planning.alternatives import Alternatives, Decided, keys_of, names_of
from target_intercom.sync.planning.order import Order, UncertainCreates
from target_intercom.sync.planning.wanted import creates, folded, newborn

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet

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

    writes: list[ContactRecords] = field(default_factory=list)
    unwritten: list[Unwritten] = field(default_factory=list)
    """Records that change nothing, are refused, or mark a contact."""
    later: list[Entry] = field(default_factory=list)
    """Records whose contact is clear only when Intercom has answered a write of the plan."""
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


def play(entries: Iterable[Entry], stage: Directory, links: RecordLinks, config: StreamConfig) -> BatchPlan:
    """Return the plan of a batch; `stage` and `links` end as they will be after it."""
    return _Play(stage, links, config).run(entries)


def matters(
    failed: Sequence[ContactRecords], later: Iterable[Sequence[ContactRecords]], unwritten: Iterable[Unwritten]
) -> bool:
    """Check whether a later write or record depends on writes that did not have their planned result."""
    moved = {name for write in failed for name in write.moved}
    if not moved:
        return False
    return any(not moved.isdisjoint(write.asked) for writes in later for write in writes) or any(
        not moved.isdisjoint(one.asked) for one in unwritten
    )


class _Play:
    def __init__(self, stage: Directory, links: RecordLinks, config: StreamConfig) -> None:
        self._stage = stage
        self._links = links
        self._config = config
        self._plan = BatchPlan()
        self._current: dict[ContactId, ContactRecords] = {}
        """The last write of each contact."""
        self._write_of: dict[RecordKey, ContactRecords] = {}
        """The last write of each key."""
        self._alternatives = Alternatives(stage, config)
        self._order = Order()
        self._uncertain = UncertainCreates()
        self._asked_later: set[Name] = set()
        self._moved_later: set[Name] = set()
        """The names that the records of `later` may ask and move: what touches or asks them goes into `later`, too."""
        self._kept: set[Name] = set()
        """Emails that no record may move before those of `later` that go on having them."""

    def run(self, entries: Iterable[Entry]) -> BatchPlan:
        for entry in entries:
            decided = self._decide(entry)
            identity = entry.draft.identity
            if not decided.is_by_link and any(identity) and not self._stage.is_asked(identity):
                self._plan.unasked.append(entry)
            if self._has_to_wait(decided):
                self._put_off(decided)
            elif entry.draft.removed:
                self._leave(decided)
            else:
                self._live(decided)
        return self._plan

    def _decide(self, entry: Entry) -> Decided:
        linked = self._links.of(entry)
        match, asked, is_by_link = self._untouched(entry) or whose(entry, self._stage, self._links, self._config)
        if linked is not None and linked in self._alternatives.moved:
            asked = [*asked, linked]
        return Decided(entry, match, asked, is_by_link, linked)

    def _untouched(self, entry: Entry) -> Decision | None:
        """Return the contact of an unchanged record, unless an earlier write is of it: the record stays as it is."""
        contact = entry.contact
        if contact is None or not entry.is_in_line or contact.id in self._current:
            return None
        if contact.id != self._links.of(entry):
            return None
        return Decision(Found(self._stage.get(contact.id) or contact), keys_of(entry), is_by_link=True)

    def _has_to_wait(self, decided: Decided) -> bool:
        entry = decided.entry
        if self._plan.later:
            asked, moved = self._alternatives.asked(decided), self._alternatives.touched(decided)
            if not (self._moved_later.isdisjoint(asked) and self._asked_later.isdisjoint(moved)):
                return True
            if isinstance(decided.match, Found) and not self._kept.isdisjoint(moved):
                return True
        return self._uncertain.may_be(entry, decided.linked, by_email=not decided.is_by_link)

    def _put_off(self, decided: Decided) -> None:
        """Move a record to the next plan, and block its names for the records after it."""
        self._plan.later.append(decided.entry)
        asked, moved = self._alternatives.asked(decided), self._alternatives.touched(decided)
        email = decided.entry.draft.identity.email
        if email is not None and self._comes_again(decided):
            asked.discard((MatchBy.EMAIL, email))
            moved.discard((MatchBy.EMAIL, email))
            self._kept.add((MatchBy.EMAIL, email))
        self._asked_later |= asked
        self._moved_later |= moved

    def _comes_again(self, decided: Decided) -> bool:
        """Check whether a record waits for the making of its own contact: it may be refused for the same reason.

        Whatever the outcome, its email stays with that person, and with the user who has it, too.
        """
        identity = decided.entry.draft.identity
        is_nobodys = isinstance(decided.match, NotFound) and self._uncertain.has(identity)
        return is_nobodys and identity.email is not None and self._stage.has_user(identity.email)

    # What becomes of a record.

    def _live(self, decided: Decided) -> None:
        entry = decided.entry
        match decided.match:
            case Found() as found:
                self._change(decided, found)
            case NotFound() as nobody if not self._is_unidentified(entry):
                if creates(entry.draft, self._config):
                    self._make(decided, nobody)
                else:
                    self._pass_over(decided, nobody)
            case NotFound() | Ambiguous() | MergedAway() | Unanswered():
                self._leave(decided)

    def _leave(self, decided: Decided) -> None:
        """Plan a record without a write: it is unchanged, refused, or marks a contact as deleted."""
        entry, match, asked = decided.entry, decided.match, decided.asked
        turn = self._order.first(asked)
        write = self._current.get(match.contact.id) if isinstance(match, Found) else None
        if write is not None:
            # The mark is of the contact that the write leaves.
            write.is_followed = True
            turn = max(turn, write.turn + 1)
        self._depend(decided, turn - 1, None)
        is_unidentified = isinstance(match, NotFound) and self._is_unidentified(entry)
        self._plan.unwritten.append(Unwritten(entry, match, turn, asked, is_unidentified))

    def _pass_over(self, decided: Decided, match: NotFound) -> None:
        """Plan a write that sends nothing: no contact is found, and none can be made."""
        entry, asked = decided.entry, decided.asked
        turn = self._order.first(asked)
        self._depend(decided, turn - 1, None)
        self._plan.writes.append(ContactRecords(match, entry.draft, [entry], turn=turn, asked=set(asked)))

    def _is_unidentified(self, entry: Entry) -> bool:
        if entry.again or self._links.of(entry) is not None:
            return False
        if any(entry.draft.identity.get(which) is not None for which in self._config.match_by):
            return False
        return entry.known is None or not entry.draft.removed

    def _make(self, decided: Decided, match: NotFound) -> None:
        entry, asked = decided.entry, decided.asked
        contact = newborn(entry.draft, self._config.creation_mode, entry.received.number)
        self._links.add_new(contact.id)
        write = ContactRecords(match, entry.draft, [entry])
        touched = _touched(decided, contact)
        if contact.role == "user" and contact.email is not None and self._stage.has_user(contact.email):
            # Intercom may refuse a second user with an email. To others who share it this one does not matter.
            touched.discard((MatchBy.EMAIL, contact.email))
            touched.add(("nameless", contact.email))
            write.turn = self._order.first(asked, touched)
            self._depend(decided, write.turn - 1, write)
            others = (user.id for user in users_like(self._stage, entry.draft.identity))
            self._uncertain.add(contact, entry.key, [decided.linked, *others])
        else:
            write.turn = self._order.first(asked, touched)
            self._depend(decided, write.turn - 1, write)
            self._put(write, contact, names_of(contact))
        self._plan.writes.append(write)
        self._link(decided, write)

    def _change(self, decided: Decided, match: Found) -> None:
        entry, contact, updates = decided.entry, match.contact, self._config.sync_mode.updates
        earlier = self._current.get(contact.id)
        if entry.is_in_line and earlier is None and decided.is_by_link:
            # No record has changed its contact since: it says nothing new.
            self._leave(decided)
            return
        wanted = after(contact, entry.draft, self._config.creation_mode) if updates else contact
        moved, touched = _moved(contact, wanted), _touched(decided, contact, wanted)
        if earlier is not None and not moved and self._may_join(decided, touched, earlier):
            # Of several records of a write that is refused each is decided anew.
            self._depend(decided, earlier.turn, earlier)
            earlier.entries.append(entry)
            if updates:
                earlier.draft = folded(earlier.draft, entry.draft)
            self._link(decided, earlier)
            return
        write = ContactRecords(match, entry.draft, [entry], turn=self._order.first(decided.asked, touched))
        if earlier is not None:
            earlier.is_followed = True
            write.turn = max(write.turn, earlier.turn + 1)
        self._depend(decided, write.turn - 1, write)
        self._put(write, wanted, moved)
        self._plan.writes.append(write)
        self._link(decided, write)

    def _may_join(self, decided: Decided, touched: Iterable[Name], write: ContactRecords) -> bool:
        """Check whether a record may go into an earlier write of its contact."""
        if decided.entry.alone or write.entries[0].alone:
            return False
        return self._order.first(decided.asked, touched, but=write) <= write.turn

    def _put(self, write: ContactRecords, wanted: Contact, moved: AbstractSet[Name]) -> None:
        """Show a contact as a write leaves it."""
        write.contact = wanted.id
        self._current[wanted.id] = write
        if moved:
            write.moved |= moved
            self._alternatives.moved.add(wanted.id)
        self._order.move(write.moved, write.turn, write)
        if isinstance(write.match, NotFound) or self._config.sync_mode.updates:
            self._stage.learn(wanted, Source.ANSWER)

    def _link(self, decided: Decided, write: ContactRecords) -> None:
        """Link a record to the contact of its write, as the ledger will when that is done."""
        entry, key = decided.entry, decided.entry.key
        self._order.decide(decided.asked, write.turn, write)
        write.asked |= set(decided.asked)
        before, now = decided.linked, write.contact
        if before != now:
            if before in self._current:
                # What it leaves needs an id.
                self._current[before].is_followed = True
            moved: set[Name] = {name for name in (key, before, now) if name is not None}
            self._order.move(moved, write.turn, write)
            write.moved |= moved
        if key is None:
            return
        self._order.move((key,), write.turn, write)
        earlier = self._write_of.get(key)
        if earlier is not None and earlier is not write:
            earlier.replaced |= {key}
        self._write_of[key] = write
        if before is not None and before != now:
            self._alternatives.leave(key, before)
        if now is not None:
            self._links.link(entry, now)

    def _depend(self, decided: Decided, turn: int, write: ContactRecords | None) -> None:
        """Keep a record's place by all of its names: it is planned again if a write up to a round goes otherwise."""
        if turn >= 0:
            self._order.decide(self._alternatives.asked(decided), turn, write)
            self._order.move(self._alternatives.touched(decided), turn, write)


def _touched(decided: Decided, *contacts: Contact) -> set[Name]:
    """Return the names that a record touches in changing a contact, given as it was and as it will be.

    They include the contact that the record was linked to: others may hold that alone now.
    """
    names: set[Name] = set(keys_of(decided.entry))
    if decided.linked is not None:
        names.add(decided.linked)
    return names.union(*map(names_of, contacts))


def _moved(contact: Contact, wanted: Contact) -> set[Name]:
    """Return the names whose meaning a change moves: none, or all that the contact has and gets.

    A contact that gets an external_id is not found any more by an email alone.
    """
    if contact.role == wanted.role and Identity.of(contact) == Identity.of(wanted):
        return set()
    return names_of(contact) | names_of(wanted)
