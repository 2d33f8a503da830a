"""Puts links on at the end of the pipe: many contacts a call, and only contacts that do not have the link."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from target_intercom.errors import CallFailedError, Fault, RefusedError, UndoneError
from target_intercom.intercom.protocol.searches import halves
from target_intercom.ledger.memberships.states import LinkState
from target_intercom.model import Contact
from target_intercom.outcomes import Refusal
from target_intercom.sync.linking.outcomes import by_pair, contact_gone, of_records, why_refused
from target_intercom.sync.writing.plan_file import Origin
from target_intercom.writes import LinkChange

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.parallel import InParallel
    from target_intercom.kinds.link import Linked
    from target_intercom.ledger.memberships.states import Membership
    from target_intercom.model import ContactId, GroupKey, LinkedId, Pair
    from target_intercom.sync.linking.in_bulk import LinkJobs
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.outcomes import Outcomes
    from target_intercom.sync.matching.directory import Directory, Fact
    from target_intercom.sync.writing.plan_file import Plan, Subject

_AT_ONCE = 5000
"""Memberships that are in memory together."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Contacts that get one link by one call."""

    group: GroupKey
    linked: Linked
    contacts: Sequence[ContactId]


@dataclass(frozen=True, slots=True)
class _ChunkResult:
    """What came of a chunk."""

    chunk: _Chunk
    linked: LinkedId
    refused: Mapping[ContactId, Refusal] = field(default_factory=dict)
    unknown: Mapping[ContactId, Refusal] = field(default_factory=dict)
    """Contacts that may have the link: calls kept failing."""

    def merge(self, other: _ChunkResult, chunk: _Chunk) -> _ChunkResult:
        """Return what came of a chunk of which this and another answer are the halves."""
        refused, unknown = {**self.refused, **other.refused}, {**self.unknown, **other.unknown}
        return _ChunkResult(chunk, other.linked, refused, unknown)


class Show(t.Protocol):
    """Reads those that are linked, with the links that they show."""

    def __call__(self, contacts: Iterable[ContactId], indexed: Iterable[ContactId] = ()) -> Directory:
        """Read them by their ids; what is shown may be old. No call is made for each of `indexed`."""


@dataclass(frozen=True)
class PutOn:
    """Puts on the links that memberships want."""

    links: Links
    in_parallel: InParallel
    jobs: LinkJobs
    show: Show
    plan: Plan
    outcomes: Outcomes

    def run(self) -> None:
        """Put on all links that are wanted; nothing is sent for a contact that has its link."""
        self._restore()
        self.links.memberships.take_over(self.links.streams)
        while rows := self._pending(LinkState.UNCLEAR, by_contact=True):
            self.look_at(rows)
            self.outcomes.check()
        while rows := self._pending(LinkState.WANTED, by_contact=self.jobs.are_available):
            self._put_on(rows)
            self.outcomes.check()

    def _pending(self, state: LinkState, *, by_contact: bool) -> list[Membership]:
        return complete_pairs(self.links.memberships.pending(state, _AT_ONCE, by_contact=by_contact), _AT_ONCE)

    def _restore(self) -> None:
        """Put links on again whose other end was deleted in Intercom, if that was read anyway."""
        streams, memberships = self.links.streams, self.links.memberships
        if memberships.save_lost(streams, self.links.catalog.lost(memberships.linked_ids(streams))):
            deleted = f"{self.links.kind.plural.capitalize()} that were deleted in Intercom"
            self.outcomes.say(f"{deleted} are put on again: contacts are still in their groups")

    # Looking.

    def look_at(self, rows: Sequence[Membership]) -> None:
        """Find out whether contacts have the links that they are to have."""
        since = self.links.recent_since()
        lately = {one.contact for one in rows if one.written_at >= since}
        # Of a link of ours that changed lately search says nothing: it may be on, and not be shown yet.
        unsure = {one.contact for one in rows if one.written_at >= since and one.ours}
        view = self.show({one.contact for one in rows} - lately, indexed=lately - unsure)
        facts = ((view.fact(one.contact), one.name) for one in rows if one.contact not in unsure)
        self.links.look_up((fact, name) for fact, name in facts if isinstance(fact, Contact))
        found: dict[Pair, LinkState | Refusal] = {}
        hidden: dict[ContactId, list[Membership]] = defaultdict(list)
        for one in rows:
            fact = None if one.contact in unsure else view.fact(one.contact)
            shown = self._shown(one, fact, is_recent=one.contact in lately)
            if shown is LinkState.UNCLEAR:
                hidden[one.contact].append(one)
            else:
                found[one.pair] = shown
        answers = dict(self.in_parallel(lambda one: (one, self._read(one)), list(hidden)))
        self.links.catalog.look_up({one.name for id_, ones in hidden.items() if answers[id_] for one in ones})
        for contact_id, ones in hidden.items():
            for one in ones:
                found[one.pair] = self._state(one, answers[contact_id])
        self._save_found(rows, found)

    def _shown(self, one: Membership, fact: Fact | None, *, is_recent: bool) -> LinkState | Refusal:
        """Return whether a contact has a link, by what search shows of the contact, perhaps as it was long ago."""
        linked, contact = self.links.group_id(one.group, one.name), fact if isinstance(fact, Contact) else None
        if linked is None:
            return LinkState.WANTED
        state = LinkState.UNCLEAR if contact is None else self.links.shown(contact).state_of(linked)
        if is_recent:
            # A link that was taken off lately may be shown still; where it is not shown, it is off.
            return state if state is LinkState.WANTED else LinkState.UNCLEAR
        if isinstance(fact, Fault):
            return Refusal.by_intercom(fact)
        return contact_gone(one.contact) if contact is None else state

    def _read(self, contact: ContactId) -> frozenset[str] | Refusal:
        try:
            return self.links.kind.of_contact(contact)
        except UndoneError as error:
            return why_refused(contact, error)

    def _state(self, one: Membership, answer: frozenset[str] | Refusal) -> LinkState | Refusal:
        if isinstance(answer, Refusal):
            return answer
        linked = self.links.group_id(one.group, one.name)
        try:
            is_on = bool(answer) and linked is not None and self.links.kind.own_id(linked) in answer
        except UndoneError as error:
            return Refusal.by_intercom(error.fault)
        return LinkState.ON if is_on else LinkState.WANTED

    def _save_found(self, rows: Sequence[Membership], found: Mapping[Pair, LinkState | Refusal]) -> None:
        looked_at: list[Membership] = []
        refused: list[tuple[Membership, Refusal]] = []
        for one in rows:
            match found[one.pair]:
                case Refusal() as why:
                    refused.append((one, why))
                case LinkState.ON:
                    linked = self.links.group_id(one.group, one.name)
                    looked_at.append(replace(one, state=LinkState.ON, linked=linked))
                case state:
                    looked_at.append(replace(one, state=state))
        self.outcomes.looked_at(looked_at)
        self.outcomes.not_put_on(refused)

    # Putting on.

    def _put_on(self, rows: Sequence[Membership]) -> None:
        missing = self.links.catalog.provide(_names(rows))
        self.outcomes.not_put_on([(one, missing[one.group]) for one in rows if one.group in missing])
        rows = [one for one in rows if one.group not in missing]
        # A run that is cut off between Intercom's answer and the ledger has to know the link for its own.
        self.links.memberships.save_states([replace(one, ours=True) for one in rows if not one.ours])
        self._put_on_singly(self._put_on_in_bulk(rows))

    def _put_on_in_bulk(self, rows: Sequence[Membership]) -> list[Membership]:
        """Put links on through bulk jobs, where that is cheaper; returns the memberships that are left."""
        wanted: dict[ContactId, set[LinkedId]] = defaultdict(set)
        for one in rows:
            if (linked := self.links.group_id(one.group, one.name)) is not None:
                wanted[one.contact].add(linked)
        changes = {contact: LinkChange(frozenset(ids), frozenset()) for contact, ids in wanted.items()}
        often, a_call = Counter(group for _, group in {one.pair for one in rows}), self.links.kind.contacts_a_call
        done = self.jobs.run(changes, calls=sum(-(-count // a_call) for count in often.values()))
        self.outcomes.put_on(
            replace(one, linked=self.links.group_id(one.group, one.name)) for one in rows if one.contact in done
        )
        return [one for one in rows if one.contact not in done]

    def _put_on_singly(self, rows: Sequence[Membership]) -> None:
        """Put links on by calls of many contacts each."""
        rows = sorted(rows, key=lambda one: (one.group, one.contact))
        pairs = dict(by_pair(rows))
        if rows:
            self.links.catalog.look_up({one.name for one in rows})
        self.plan.because(origins(pairs, self.links, self.plan))
        put_on: list[Membership] = []
        refused: list[tuple[Membership, Refusal]] = []
        unknown: list[tuple[Membership, Refusal]] = []
        try:
            for answer in self.in_parallel(self._link_chunk, list(self._chunks(pairs, _names(rows)))):
                for contact in answer.chunk.contacts:
                    ones = pairs[contact, answer.chunk.group]
                    if (why := answer.refused.get(contact)) is not None:
                        refused.extend((one, why) for one in ones)
                    elif (why := answer.unknown.get(contact)) is not None:
                        unknown.extend((replace(one, ours=True), why) for one in ones)
                    else:
                        put_on.extend(replace(one, linked=answer.linked) for one in ones)
        finally:
            self.outcomes.put_on(put_on)
        self.outcomes.not_put_on(refused)
        # These may have arrived.
        self.outcomes.not_put_on(unknown, state=LinkState.UNCLEAR)

    def _chunks(self, pairs: Iterable[Pair], names: Mapping[GroupKey, str]) -> Iterator[_Chunk]:
        contacts: dict[GroupKey, list[ContactId]] = defaultdict(list)
        for contact, group in pairs:
            contacts[group].append(contact)
        size = self.links.kind.contacts_a_call
        for group, ones in contacts.items():
            linked = self.links.catalog.get(group, names[group])
            if linked is None:
                raise LookupError(group)
            for start in range(0, len(ones), size):
                yield _Chunk(group, linked, ones[start : start + size])

    def _link_chunk(self, chunk: _Chunk) -> _ChunkResult:
        return self._link_many(chunk, halves(chunk.contacts))

    def _link_many(self, chunk: _Chunk, others: Sequence[Sequence[ContactId]]) -> _ChunkResult:
        """Link a chunk's contacts; in halves where that keeps failing, down to the contact that it is.

        `others` are to be linked, too.
        """
        try:
            answer = self.links.kind.put_on_many(chunk.linked, chunk.contacts, others)
        except CallFailedError as error:
            parts = halves(chunk.contacts)
            if not parts:
                why = Refusal.by_intercom(error.fault)
                return _ChunkResult(chunk, chunk.linked.id, unknown=dict.fromkeys(chunk.contacts, why))
            first, second = parts
            return self._link_many(replace(chunk, contacts=first), [second, *others]).merge(
                self._link_many(replace(chunk, contacts=second), [first, *others]), chunk
            )
        except RefusedError:
            return self._link_singly(chunk, chunk.contacts, chunk.linked.id)
        missing = [] if answer.contacts is None else [one for one in chunk.contacts if one not in answer.contacts]
        return self._link_singly(chunk, missing, answer.linked)

    def _link_singly(self, chunk: _Chunk, contacts: Iterable[ContactId], linked: LinkedId) -> _ChunkResult:
        """Link some contacts of a chunk, each by a call of its own: Intercom says why it refuses one."""
        refused: dict[ContactId, Refusal] = {}
        unknown: dict[ContactId, Refusal] = {}
        for contact in contacts:
            try:
                self.links.kind.put_on(contact, linked)
            except RefusedError as error:
                refused[contact] = why_refused(contact, error)
            except CallFailedError as error:
                unknown[contact] = Refusal.by_intercom(error.fault)
        return _ChunkResult(chunk, linked, refused, unknown)


def origins(pairs: Mapping[Pair, Sequence[Membership]], links: Links, plan: Plan) -> dict[Subject, Origin]:
    """Return the record on whose account each link changes: of several records the first."""
    found: dict[Subject, Origin] = {}
    for (contact, group), ones in pairs.items():
        records = of_records(ones)
        # The plan names a link as Intercom does, whatever its group is called.
        linked = links.catalog.get(group, ones[0].name) if plan.is_written else None
        name = group if linked is None else links.kind.names.key(linked.name)
        found[contact, name] = Origin(records[0].stream, records[0].key) if records else Origin(ones[0].stream)
    return found


def complete_pairs(rows: list[Membership], limit: int) -> list[Membership]:
    """Leave the last link to the next page where its memberships may go on there."""
    if len(rows) < limit or rows[0].pair == rows[-1].pair:
        return rows
    return [one for one in rows if one.pair != rows[-1].pair]


def _names(rows: Iterable[Membership]) -> dict[GroupKey, str]:
    """Return the name of each group: of several spellings the most frequent, or the first by code points.

    The order of the rows is no choice: it follows from ids that Intercom gives.
    """
    spellings: dict[GroupKey, Counter[str]] = defaultdict(Counter)
    for one in rows:
        spellings[one.group][one.name] += 1
    return {group: min(names, key=lambda name: (-names[name], name)) for group, names in spellings.items()}
