"""Groups become tags: put on many contacts per call, taken off one by one, where this target put them on."""

from __future__ import annotations

import time
import typing as t
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from target_intercom.errors import CallFailedError, Fault, MergedError, NotFoundError, RefusedError, UndoneError
from target_intercom.intercom.protocol.searches import halves
from target_intercom.ledger.interface import NOBODY, LinkState, stamp
from target_intercom.model import Outcome, Refusal, Result, SkipReason, TagChange
from target_intercom.settings.warnings import tags_stay_for_old_records
from target_intercom.sync.linking.claims import shown
from target_intercom.sync.mapping.group_names import group_key
from target_intercom.sync.writing.plan_file import Origin

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.workspace import Tag
    from target_intercom.ledger.interface import Ledger, Membership
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import ContactId, GroupKey, TagId
    from target_intercom.reporting.report import RunReport
    from target_intercom.sync.linking.tag_jobs import TagJobs
    from target_intercom.sync.linking.waiting import WaitingRoom
    from target_intercom.sync.matching.search import Matcher
    from target_intercom.sync.workspace.tags import TagCatalog
    from target_intercom.sync.writing.plan_file import Plan, Subject

CONTACTS_A_CALL: t.Final = 50
"""Contacts that `POST /tags` is given at once (fact sheet section 7: more ran into time-outs)."""
_AT_ONCE = 5000
"""Memberships that are in memory together."""
_FEW = 500
"""Memberships that are ended together: what is known of them should not be old when it is done."""
_GONE: t.Final = "contact_gone"
_NOT_SHOWN: t.Final = "not_shown"
_LEFT_OUT: t.Final = "tags"
"""The name under which groups of contact records that did not become tags are counted."""

_Pair: t.TypeAlias = "tuple[ContactId, GroupKey]"


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Contacts that get one tag in one call."""

    tag: Tag
    contacts: Sequence[ContactId]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a chunk."""

    chunk: _Chunk
    tag: TagId
    refused: Mapping[ContactId, Refusal] = field(default_factory=dict)
    unheard: Mapping[ContactId, Refusal] = field(default_factory=dict)
    """Contacts of which it is not known whether they have it: calls kept failing."""

    def beside(self, other: _Answer, chunk: _Chunk) -> _Answer:
        """Return what came of a chunk of which this and another answer are the halves."""
        refused, unheard = {**self.refused, **other.refused}, {**self.unheard, **other.unheard}
        return _Answer(chunk, other.tag, refused, unheard)


class Tagging:
    """Brings the contacts' tags in line with the memberships that are noted."""

    def __init__(
        self,
        client: IntercomClient,
        in_parallel: InParallel,
        *,
        jobs: TagJobs,
        matcher: Matcher,
        tags: TagCatalog,
        memberships: Memberships,
        report: RunReport,
        room: WaitingRoom,
        ledger: Ledger,
        plan: Plan,
        is_groups: Callable[[str], bool],
        check: Callable[[], None],
        search_delay_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        """`room` has the records that wait for their outcome; `is_groups` tells whose records are memberships.

        `check` ends a run that has refused too many records.
        """
        self._client = client
        self._in_parallel = in_parallel
        self._jobs = jobs
        self._matcher = matcher
        self._tags = tags
        self._memberships = memberships
        self._report = report
        self._room = room
        self._ledger = ledger
        self._plan = plan
        self._is_groups = is_groups
        self._check = check
        self._delay = search_delay_seconds
        self._say = say

    def put_on(self, streams: Collection[str]) -> None:
        """Put on all tags that are wanted; nothing is sent for a contact that has its tag."""
        self._restore(streams)
        self._memberships.take_over(streams)
        while rows := _whole_pairs(self._memberships.pending(LinkState.UNCLEAR, _AT_ONCE), _AT_ONCE):
            self.look(rows)
            self._check()
        while rows := _whole_pairs(
            self._memberships.pending(LinkState.WANTED, _AT_ONCE, by_contact=self._jobs.are_there), _AT_ONCE
        ):
            self._put_on(rows)
            self._check()
        self._memberships.listed()

    def take_off(self, streams: Collection[str], in_run: Collection[str]) -> None:
        """Take off the tags of memberships that have ended, unless another record still wants them.

        `in_run` are the streams of the run: what stays for another, of old, is said.
        """
        last: Membership | None = None
        kept: Counter[str] = Counter()
        while rows := _whole_pairs(self._memberships.ending(streams, _FEW, last), _FEW):
            last = rows[-1]
            kept += self._memberships.wanted_by(self._take_off(rows))
        last_runs = self._ledger.streams.last_runs() if kept else {}
        for stream, count in sorted(kept.items()):
            if stream in last_runs and stream not in in_run:
                self._say(tags_stay_for_old_records(stream, count, last_runs[stream]))

    # What is there.

    def _restore(self, streams: Collection[str]) -> None:
        """Have tags put on again that somebody has deleted; noticed when the tags were read anyway."""
        if not self._tags.is_read:
            return
        held = self._memberships.tags(streams)
        if held <= self._tags.known_ids or not (lost := held - self._tags.all_ids()):
            return
        if self._memberships.lost(streams, lost):
            self._say("Tags that were deleted in Intercom are put on again: contacts are still in their groups")

    def look(self, rows: Sequence[Membership]) -> None:
        """Find out whether contacts have the tags that they are to have."""
        lately = stamp(time.time() - self._delay)
        late = {one.contact for one in rows if one.written_at >= lately}
        view = self._matcher.shown({one.contact for one in rows} - late)
        found: dict[_Pair, LinkState | Refusal] = {}
        hidden: dict[ContactId, list[Membership]] = {}
        for one in rows:
            tag, contact = self._tags.get(one.group), view.get(one.contact)
            fact = view.fact(one.contact)
            if tag is None:
                found[one.pair] = LinkState.WANTED
            elif isinstance(fact, Fault):
                found[one.pair] = Refusal.by_intercom(fact)
            elif contact is not None and (holding := shown(contact, tag.id)) is not LinkState.UNCLEAR:
                found[one.pair] = holding
            elif contact is None and one.contact not in late:
                found[one.pair] = _gone(one.contact)
            else:
                hidden.setdefault(one.contact, []).append(one)
        for contact_id, answer in self._in_parallel(lambda one: (one, self._read(one)), list(hidden)):
            for one in hidden[contact_id]:
                found[one.pair] = self._having(one, answer)
        self._settle_found(rows, found)

    def _read(self, contact: ContactId) -> frozenset[TagId] | Refusal:
        """Read all tags of a contact."""
        try:
            return frozenset(tag.id for tag in self._client.contact_tags(contact))
        except UndoneError as error:
            return _refusal(contact, error)

    def _having(self, one: Membership, answer: frozenset[TagId] | Refusal) -> LinkState | Refusal:
        if isinstance(answer, Refusal):
            return answer
        tag = self._tags.get(one.group)
        return LinkState.ON if tag is not None and tag.id in answer else LinkState.WANTED

    def _settle_found(self, rows: Sequence[Membership], found: Mapping[_Pair, LinkState | Refusal]) -> None:
        settled: list[Membership] = []
        refused: list[tuple[Membership, Refusal]] = []
        for one in rows:
            match found[one.pair]:
                case Refusal() as why:
                    refused.append((one, why))
                case LinkState.ON:
                    tag = self._tags.get(one.group)
                    settled.append(replace(one, holding=LinkState.ON, tag=None if tag is None else tag.id))
                    if one.place is not None:
                        self._report.count(one.stream, Result.UNCHANGED)
                case holding:
                    settled.append(replace(one, holding=holding))
        self._memberships.settle(settled)
        self._refuse(refused)

    # On.

    def _put_on(self, rows: Sequence[Membership]) -> None:
        unmade = self._tags.provide(_tag_names(rows))
        self._refuse([(one, Refusal.by_intercom(unmade[one.group])) for one in rows if one.group in unmade])
        rows = [one for one in rows if one.group not in unmade]
        # A run that is cut off between Intercom's answer and the ledger has to know the tag for its own.
        self._memberships.settle([replace(one, ours=True) for one in rows if not one.ours])
        self._put_on_made(self._put_on_in_bulk(rows))

    def _put_on_in_bulk(self, rows: Sequence[Membership]) -> list[Membership]:
        """Put tags on through bulk jobs, where that is cheaper; returns those that are left."""
        wanted: dict[ContactId, set[TagId]] = defaultdict(set)
        for one in rows:
            if (tag := self._tags.get(one.group)) is not None:
                wanted[one.contact].add(tag.id)
        changes = {contact: TagChange(frozenset(tags), frozenset()) for contact, tags in wanted.items()}
        often = Counter(group for _, group in {one.pair for one in rows})
        done = self._jobs.run(changes, calls=sum(-(-count // CONTACTS_A_CALL) for count in often.values()))
        now = stamp(time.time())
        put_on = [replace(one, holding=LinkState.ON, ours=True, written_at=now) for one in rows if one.contact in done]
        self.put_on_already(
            [replace(one, tag=tag.id) for one in put_on if (tag := self._tags.get(one.group)) is not None]
        )
        return [one for one in rows if one.contact not in done]

    def put_on_already(self, rows: Sequence[Membership]) -> None:
        """Note memberships, those of a contact together, whose tags a bulk job has put on."""
        self._memberships.settle(rows)
        self._memberships.share(rows)
        for _, ones in groupby(rows, key=lambda one: one.pair):
            self._count(list(ones), Result.TAGGED)

    def _put_on_made(self, rows: Sequence[Membership]) -> None:
        """Put on tags that are there, one after the other."""
        rows = sorted(rows, key=lambda one: (one.group, one.contact))
        by_pair = {pair: list(ones) for pair, ones in groupby(rows, key=lambda one: one.pair)}
        self._plan.because(self._origins(by_pair))
        put_on: list[Membership] = []
        refused: list[tuple[Membership, Refusal]] = []
        unheard: list[tuple[Membership, Refusal]] = []
        try:
            for group, answer in self._in_parallel(self._tag, list(self._chunks(by_pair))):
                now = stamp(time.time())
                for contact in answer.chunk.contacts:
                    ones = by_pair[contact, group]
                    if (why := answer.refused.get(contact)) is not None:
                        refused.extend((one, why) for one in ones)
                        continue
                    if (why := answer.unheard.get(contact)) is not None:
                        unheard.extend((replace(one, ours=True), why) for one in ones)
                        continue
                    put_on.extend(
                        replace(one, holding=LinkState.ON, tag=answer.tag, ours=True, written_at=now) for one in ones
                    )
                    self._count(ones, Result.TAGGED)
        finally:
            self._memberships.settle(put_on)
            self._memberships.share(put_on)
        self._refuse(refused)
        # These may have arrived.
        self._refuse(unheard, LinkState.UNCLEAR)

    def _chunks(self, pairs: Iterable[_Pair]) -> Iterator[tuple[GroupKey, _Chunk]]:
        for group, ones in groupby(pairs, key=lambda pair: pair[1]):
            contacts, tag = [contact for contact, _ in ones], self._tags.get(group)
            if tag is None:
                raise LookupError(group)
            for start in range(0, len(contacts), CONTACTS_A_CALL):
                yield group, _Chunk(tag, contacts[start : start + CONTACTS_A_CALL])

    def _tag(self, one: tuple[GroupKey, _Chunk]) -> tuple[GroupKey, _Answer]:
        """Return many contacts a tag; those that the answer does not say to have it are asked for one by one."""
        group, chunk = one
        return group, self._tag_many(chunk, halves(chunk.contacts))

    def _tag_many(self, chunk: _Chunk, others: Sequence[Sequence[ContactId]]) -> _Answer:
        """Put a chunk's tag on its contacts; in halves where that keeps failing, down to the one that it is.

        `others` are to get it, too.
        """
        try:
            tagged = self._client.tag_contacts(chunk.tag.name, chunk.contacts, others)
        except CallFailedError as error:
            parts = halves(chunk.contacts)
            if not parts:
                why = Refusal.by_intercom(error.fault)
                return _Answer(chunk, chunk.tag.id, unheard=dict.fromkeys(chunk.contacts, why))
            first, second = parts
            return self._tag_many(replace(chunk, contacts=first), [second, *others]).beside(
                self._tag_many(replace(chunk, contacts=second), [first, *others]), chunk
            )
        except RefusedError:
            return self._tag_singly(chunk, chunk.contacts, chunk.tag.id)
        missing = [] if tagged.contacts is None else [one for one in chunk.contacts if one not in tagged.contacts]
        return self._tag_singly(chunk, missing, tagged.tag.id)

    def _tag_singly(self, chunk: _Chunk, contacts: Iterable[ContactId], tag: TagId) -> _Answer:
        """Return some contacts of a chunk its tag, each by a call of its own: then Intercom says why it does not."""
        refused: dict[ContactId, Refusal] = {}
        unheard: dict[ContactId, Refusal] = {}
        for contact in contacts:
            try:
                self._client.tag_contact(contact, tag)
            except RefusedError as error:
                refused[contact] = _refusal(contact, error)
            except CallFailedError as error:
                unheard[contact] = Refusal.by_intercom(error.fault)
        return _Answer(chunk, tag, refused, unheard)

    # Off.

    def _take_off(self, rows: Sequence[Membership]) -> set[_Pair]:
        """Take off tags; returns the pairs whose tag stays, since another record wants it."""
        staying = self._memberships.let_go(rows)
        for one in rows:
            if one.pair in staying and one.place is not None:
                self._report.count(one.stream, Result.SKIPPED, SkipReason.STILL_WANTED)
        ending = {pair: list(ones) for pair, ones in groupby(rows, key=lambda one: one.pair) if pair not in staying}
        if any(one.tag is None for one in rows):
            # Once, before many threads ask for it.
            self._tags.known()
        self._plan.because(self._origins(ending))
        done = self._take_off_in_bulk(ending)
        self.taken_off_already([one for pair in done for one in ending.pop(pair)])
        taken_off: list[Membership] = []
        refused: list[tuple[Membership, Refusal]] = []
        try:
            for pair, answer in self._in_parallel(lambda one: (one[0], self._untag(one[1])), list(ending.items())):
                now = stamp(time.time())
                if isinstance(answer, Refusal):
                    refused.extend((one, answer) for one in ending[pair])
                    continue
                taken_off.extend(
                    replace(one, holding=LinkState.OFF, ours=False, written_at=now) for one in ending[pair]
                )
                self._count(ending[pair], answer)
        finally:
            self._memberships.settle(taken_off)
            self._memberships.ended({one.pair for one in taken_off})
        self._keep(refused)
        self._give_back({one.pair: one for one in taken_off})
        return staying

    def _take_off_in_bulk(self, ending: Mapping[_Pair, Sequence[Membership]]) -> list[_Pair]:
        """Take tags off through bulk jobs, where that is cheaper; returns those that are off."""
        unwanted: dict[ContactId, set[TagId]] = defaultdict(set)
        for (contact, _), rows in ending.items():
            unwanted[contact].update(tag for one in rows if (tag := self.tag_of(one)) is not None)
        changes = {contact: TagChange(frozenset(), frozenset(tags)) for contact, tags in unwanted.items() if tags}
        done = self._jobs.run(changes, calls=sum(map(len, unwanted.values())))
        return [pair for pair, rows in ending.items() if pair[0] in done and any(map(self.tag_of, rows))]

    def taken_off_already(self, rows: Sequence[Membership]) -> None:
        """Note memberships, those of a contact together, whose tags a bulk job has taken off."""
        now = stamp(time.time())
        off = [replace(one, holding=LinkState.OFF, ours=False, written_at=now) for one in rows]
        self._memberships.settle(off)
        self._memberships.ended({one.pair for one in off})
        for _, ones in groupby(rows, key=lambda one: one.pair):
            self._count(list(ones), Result.UNTAGGED)
        self._give_back({one.pair: one for one in off})

    def _give_back(self, taken_off: Mapping[_Pair, Membership]) -> None:
        """Put tags on again that another run's records came to want while they were taken off."""
        wanted = self._memberships.wanted(taken_off)
        list(self._in_parallel(lambda pair: self._put_back(taken_off[pair]), sorted(wanted)))
        self._memberships.share([one for pair, one in taken_off.items() if pair in wanted])

    def _put_back(self, one: Membership) -> None:
        tag = self.tag_of(one)
        if tag is not None:
            with suppress(UndoneError):
                self._client.tag_contact(one.contact, tag)

    def _untag(self, rows: Sequence[Membership]) -> t.Literal[Result.UNTAGGED, Result.SKIPPED] | Refusal:
        """Take a contact's tag off; one that is not on it any more, as of a contact that is gone, is no matter."""
        result: t.Literal[Result.UNTAGGED, Result.SKIPPED] = Result.SKIPPED
        for tag in {self.tag_of(one) for one in rows} - {None}:
            try:
                self._client.untag_contact(rows[0].contact, t.cast("TagId", tag))
                result = Result.UNTAGGED
            except NotFoundError as error:
                result = Result.UNTAGGED if error.repeated else result
            except MergedError:
                pass
            except UndoneError as error:
                return Refusal.by_intercom(error.fault)
        return result

    def tag_of(self, one: Membership) -> TagId | None:
        """Return the tag of a membership; None where there is none."""
        if one.tag is not None:
            return one.tag
        tag = self._tags.get(one.group)
        return None if tag is None else tag.id

    def _keep(self, refused: Sequence[tuple[Membership, Refusal]]) -> None:
        """Report tags that could not be taken off; they stay ours."""
        for one, why in refused:
            if one.place is not None:
                self._reject(one, why)
            elif one.stream == NOBODY:
                self._say("Tags of a forgotten stream could not be taken off; the next run tries again")
            elif one.holding is not LinkState.MARKED:
                self._say(f"Stream '{one.stream}': tags could not be taken off; the next run tries again")
        marked = [replace(one, holding=LinkState.UNCLEAR) for one, _ in refused if one.holding is LinkState.MARKED]
        self._memberships.settle([replace(one, written_at=stamp(time.time())) for one in marked])

    def _origins(self, pairs: Mapping[_Pair, Sequence[Membership]]) -> dict[Subject, Origin]:
        """Return on whose account tags change: of several records the first one's."""
        origins: dict[Subject, Origin] = {}
        for (contact, group), ones in pairs.items():
            first = next(iter(_named(ones)), None)
            # In the plan a tag is called as in Intercom, whatever its group is called.
            tag = self._tags.get(group) if self._plan.is_written else None
            name = group if tag is None else group_key(tag.name)
            origins[contact, name] = Origin(NOBODY) if first is None else Origin(first.stream, first.key)
        return origins

    # What is said of it.

    def _count(
        self, rows: Sequence[Membership], result: t.Literal[Result.TAGGED, Result.UNTAGGED, Result.SKIPPED]
    ) -> None:
        """Count what became of one contact's tag, for all records that named the group: once, for the first of them."""
        streams: set[str] = set()
        for one in _named(rows):
            is_first = not streams
            if not self._is_groups(one.stream):
                if is_first and result is not Result.SKIPPED:
                    self._report.tags(one.stream, result)
            elif one.holding is LinkState.LEFT:
                self._report.left(one.stream, 0 if result is Result.SKIPPED or not is_first else 1)
            elif one.place is not None:
                self._count_membership(one, result, is_first=is_first, is_again=one.stream in streams)
            streams.add(one.stream)

    def _count_membership(self, one: Membership, result: Result, *, is_first: bool, is_again: bool) -> None:
        if is_again:
            self._report.count(one.stream, Result.MERGED)
        elif result is Result.SKIPPED or (not is_first and result is Result.UNTAGGED):
            self._report.count(one.stream, Result.SKIPPED, SkipReason.NOT_THERE)
        else:
            self._report.count(one.stream, result if is_first else Result.UNCHANGED)

    def _refuse(self, refused: Sequence[tuple[Membership, Refusal]], holding: LinkState = LinkState.OFF) -> None:
        """Report tags that could not be put on: memberships are rejected, groups of contact records left out."""
        now = stamp(time.time())
        for one, why in refused:
            if one.place is not None:
                self._reject(one, why)
            elif not self._is_groups(one.stream):
                self.leave_out(one.stream, why.code)
        self._memberships.settle([replace(one, holding=holding, written_at=now) for one, _ in refused])
        self._memberships.unlist({(one.stream, one.key) for one, _ in refused if not self._is_groups(one.stream)})
        # Who is not there is looked for when the record comes again.
        self._ledger.doubt(sorted({one.contact for one, why in refused if why.code == _GONE}))

    def leave_out(self, stream: str, code: str | None = _NOT_SHOWN) -> None:
        """Report a group of a contact's record that did not become a tag."""
        self._report.left_out(stream, [_LEFT_OUT])
        self._say(f"Stream '{stream}': groups are left out that could not become tags ({code})")

    def _reject(self, one: Membership, why: Refusal) -> None:
        if one.place is not None:
            self._report.record(one.stream, Outcome(self._room.record(one.place), why.result, refusal=why))


def _named(rows: Iterable[Membership]) -> list[Membership]:
    """Return the memberships of records, without what is left of forgotten streams."""
    return [one for one in rows if one.stream != NOBODY]


def _tag_names(rows: Iterable[Membership]) -> dict[GroupKey, str]:
    """Return the name of each group's tag: of several spellings the most frequent, or the first by code points.

    The order of the rows is no choice: it follows from ids that Intercom gives.
    """
    spellings: dict[GroupKey, Counter[str]] = defaultdict(Counter)
    for one in rows:
        spellings[one.group][one.name] += 1
    return {group: min(names, key=lambda name: (-names[name], name)) for group, names in spellings.items()}


def _gone(contact: ContactId) -> Refusal:
    return Refusal(Result.REJECTED, f"contact {contact} is not there any more", _GONE)


def _refusal(contact: ContactId, error: UndoneError) -> Refusal:
    is_gone = isinstance(error, (NotFoundError, MergedError))
    return _gone(contact) if is_gone else Refusal.by_intercom(error.fault)


def _whole_pairs(rows: list[Membership], limit: int) -> list[Membership]:
    """Leave a contact's last group to the next page where its records may go on there."""
    if len(rows) < limit or rows[0].pair == rows[-1].pair:
        return rows
    return [one for one in rows if one.pair != rows[-1].pair]
