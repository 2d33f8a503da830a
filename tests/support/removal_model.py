"""Who may be removed, as the documents say it: a model without the target, for tests that compare the two.

A history is some runs over people with stable identifiers: person 4 has the external_id "4" and the email
"p4@example.com". What the documents leave open raises UndeterminedError: such a history shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Key = tuple[str, str]
"""A stream, and the record's key in it."""
Span = tuple[int, int]
"""The least and the most that a figure can be."""
ARCHIVED, LEFT = "archived", "left"


class UndeterminedError(Exception):
    """The documents do not say what becomes of this history."""


class Kind(Enum):
    """How a tap replicates a stream."""

    SNAPSHOT = "snapshot"
    VERSIONED = "versioned"
    PLAIN = "plain"
    """No snapshot, no version: only marks remove."""
    INCREMENTAL = "incremental"
    """Its SCHEMA has bookmark_properties."""
    POSITION = "position"
    """Set as a snapshot, but its bookmark holds a position: it is incremental without saying so."""


class Form(Enum):
    """What a record says."""

    LIVE = "live"
    MARK = "mark"
    MARK_KEY = "mark with the key only"
    BAD_VALUE = "refused: a value of another type"
    BAD_EMAIL = "refused: an email address that is none"
    NO_IDENTIFIER = "refused: a key, no identifier"
    NO_KEY = "refused: no key that can be read, an identifier"
    NOTHING = "refused: neither key nor identifier"
    OTHER = "refused: another person with the same email"


MARKS = frozenset({Form.MARK, Form.MARK_KEY})
UNREADABLE = frozenset({Form.NO_KEY, Form.NOTHING})
REFUSED = frozenset(Form) - MARKS - {Form.LIVE}
NAMELESS = frozenset({Form.NO_IDENTIFIER, Form.NOTHING, Form.OTHER})
"""Refused records whose identifiers do not name the person."""


@dataclass(frozen=True)
class Stream:
    """A stream of contacts; `key` is its key property, `row`, `id` or `email`, or empty where it has none."""

    name: str
    kind: Kind
    mode: str
    key: str


@dataclass(frozen=True)
class Row:
    """A record of a person. `blank` stands where an identifier or key cannot be read."""

    key: str
    person: int
    form: Form
    name: str = "P"
    blank: str | list[str] | None = None


@dataclass(frozen=True)
class Part:
    """What a run brings of one stream; `complete` says whether its tap says so, `how` in which of some ways."""

    stream: Stream
    rows: tuple[Row, ...]
    complete: bool
    version: int
    how: int = 0


@dataclass(frozen=True)
class Run:
    """One run, and what ends it before its time.

    Attributes:
        percent: max_removal_percent.
        batch: Records a batch.
        broken: Where in its lines one is no JSON, 0 to 1.
        refused_call: From which call on the token is not valid.
    """

    parts: tuple[Part, ...]
    percent: int
    batch: int = 100
    broken: float | None = None
    refused_call: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether something is to end it before its time."""
        return self.broken is not None or self.refused_call is not None


@dataclass(frozen=True)
class History:
    """Runs, and who was in the workspace before them."""

    there: frozenset[int]
    runs: tuple[Run, ...]

    @property
    def streams(self) -> dict[str, Stream]:
        """All streams by name."""
        return {part.stream.name: part.stream for run in self.runs for part in run.parts}


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of a record; None is "the documents do not say".

    Attributes:
        person: Whom it names.
        keeps: Whether it is a live record, which keeps its contact.
        held: Whether its contact is one that this stream synced and has not let go of.
        version: With which version it came last; None is unknown.
    """

    person: int
    keeps: bool | None
    held: bool | None
    version: int | None


@dataclass(frozen=True)
class Memory:
    """What the runs so far have left behind."""

    live: frozenset[int]
    entries: Mapping[Key, Entry] = field(default_factory=dict)
    bases: Mapping[str, Span] = field(default_factory=dict)
    """How many contacts a stream had when its last run succeeded."""
    was_cut: bool = False


@dataclass(frozen=True)
class Expected:
    """What a run has to end as.

    Attributes:
        memory: What it leaves behind.
        succeeds: Whether its exit code is 0.
        removed: Who is removed, with the streams and the counts that may have it.
        sure: Those of them who were there for certain: the others may never have been written.
        still_named: Streams with a mark that a live record elsewhere held off.
        perhaps_still_named: Those of which the documents do not say whether they have one.
    """

    memory: Memory
    succeeds: bool
    removed: Mapping[int, frozenset[tuple[str, str]]]
    sure: frozenset[int]
    still_named: frozenset[str] = frozenset()
    perhaps_still_named: frozenset[str] = frozenset()

    def counted(self, stream: str, *counts: str) -> Span:
        """Return how many of the removed a stream may count so."""
        mine = {one: claims for one, claims in self.removed.items() if any((stream, how) in claims for how in counts)}
        alone = [
            one
            for one, claims in mine.items()
            if one in self.sure and all(name == stream and how in counts for name, how in claims)
        ]
        return len(alone), len(mine)


def expect(memory: Memory, run: Run) -> Expected:
    """Return what a run has to end as that nothing ends before its time.

    Raises:
        UndeterminedError: The documents do not say.
    """
    return _Judgement(memory, run).expected()


def after_cut(memory: Memory, live: frozenset[int]) -> Memory:
    """Return the memory after a run that was ended before its time.

    The same input comes again and says all of it anew, so that only the workspace is another.
    """
    return replace(memory, live=live, was_cut=True)


class _Play:
    """The records of a run one after the other: who is written, and the last word of each key."""

    def __init__(self, memory: Memory, run: Run) -> None:
        self.run = run
        self.before = memory
        self.live = set(memory.live)
        self.entries = dict(memory.entries)
        self.seen: set[Key] = set()
        self.marks: dict[Key, int] = {}
        self.perhaps_marks: dict[Key, int] = {}
        """Those whose key may be forgotten, and those that found nobody at their place."""
        self.orders: dict[int, set[str]] = {}
        self.early_orders: set[int] = set()
        self.named: dict[int, set[str]] = {}
        """Whom refused records keep in this run, and of which streams these are."""
        self.perhaps_named: set[int] = set()
        self.blocked: set[str] = set()
        """Streams of which nobody leaves, since a record's key cannot be read."""
        self.words: dict[Key, list[Form]] = {}
        for part in run.parts:
            for row in part.rows:
                self._play(part, row)
        for key in (self.marks.keys() | self.perhaps_marks.keys()) & self.entries.keys():
            self.entries[key] = replace(self.entries[key], keeps=False, held=None)

    def _play(self, part: Part, row: Row) -> None:
        key = (part.stream.name, row.key)
        if part.stream.mode == "remove":
            self._order(part, row)
        elif row.form in UNREADABLE:
            self._unreadable(part, row)
        else:
            if row.form in MARKS and any(form in REFUSED for form in self.words.get(key, [])):
                raise UndeterminedError("a mark after a refused record of its key")
            self.words.setdefault(key, []).append(row.form)
            self.seen.add(key)
            if row.form is Form.LIVE:
                self._write(part, key, row)
            elif row.form in MARKS:
                self._mark(part, key, row)
            else:
                self._refuse(key, row)

    def _order(self, part: Part, row: Row) -> None:
        if row.form is not Form.LIVE:
            raise UndeterminedError("what else than orders a stream of orders brings")
        if row.person in self.live:
            self.orders.setdefault(row.person, set()).add(part.stream.name)
        else:
            self.early_orders.add(row.person)

    def _write(self, part: Part, key: Key, row: Row) -> None:
        if part.stream.key == "email" and row.person not in self.live:
            raise UndeterminedError("a person known by the email only")
        self.live.add(row.person)
        self.marks.pop(key, None)
        self.perhaps_marks.pop(key, None)
        self.entries[key] = Entry(row.person, keeps=True, held=True, version=part.version)

    def _mark(self, part: Part, key: Key, row: Row) -> None:
        if part.stream.mode != "sync":
            raise UndeterminedError("marks where they remove nobody")
        known = self.entries.get(key)
        if row.form is Form.MARK_KEY and part.stream.key == "row":
            if known is None:
                return
            if known.held is not True:
                self.perhaps_marks[key] = known.person
                return
        if row.person in self.live:
            self.marks[key] = row.person
        else:
            self.perhaps_marks[key] = row.person

    def _refuse(self, key: Key, row: Row) -> None:
        self.marks.pop(key, None)
        self.perhaps_marks.pop(key, None)
        known = self.entries.get(key)
        if row.form not in NAMELESS:
            self.named.setdefault(row.person, set()).add(key[0])
        if known is None:
            return
        if known.person != row.person:
            raise UndeterminedError("a refused record between two persons")
        if known.held:
            self.named.setdefault(known.person, set()).add(key[0])
        else:
            self.perhaps_named.add(known.person)
        if Form.LIVE not in self.words[key]:
            self.entries[key] = replace(known, keeps=known.keeps or None, version=None)

    def _unreadable(self, part: Part, row: Row) -> None:
        stream = part.stream.name
        if row.form is Form.NOTHING:
            self.blocked.add(stream)
            return
        self.named.setdefault(row.person, set()).add(stream)
        holds = {one.held for (of, _), one in self.before.entries.items() if (of, one.person) == (stream, row.person)}
        if True in holds:
            return
        anew = any((of, one.person) == (stream, row.person) for (of, _), one in self.entries.items())
        if (None in holds or anew or not part.stream.key) and _may_lose(part):
            raise UndeterminedError("whether the stream holds the contact of a record whose key cannot be read")
        self.blocked.add(stream)


class _Judgement:
    """Who is removed at the end of a run."""

    def __init__(self, memory: Memory, run: Run) -> None:
        self.run = run
        self.memory = memory
        self.play = _Play(memory, run)
        self.entries = dict(self.play.entries)
        self.claims: dict[int, set[tuple[str, str]]] = {}
        self.doubtful: dict[int, set[tuple[str, str]]] = {}
        """Claims of which the documents do not say whether they are."""
        self.still_named: set[str] = set()
        self.perhaps_still_named: set[str] = set()
        for part in run.parts:
            self._find_missing(part)
        for (stream, _), person in self.play.marks.items():
            self._claim(person, stream, ARCHIVED)
        for (stream, _), person in self.play.perhaps_marks.items():
            self._doubt(person, stream, ARCHIVED)

    def expected(self) -> Expected:
        play = self.play
        if play.early_orders & play.live:
            raise UndeterminedError("an order for somebody who comes back after it")
        removed = {person: frozenset(claims) for person, claims in self._removed()}
        written = {row.person for _, row in self._last_words() if row.form is Form.LIVE}
        sure = frozenset(removed) & (self.memory.live | written)
        trips = self._trips(removed, sure)
        if play.live - self.memory.live - written - (set() if trips else set(removed)):
            raise UndeterminedError("whether somebody who was written and marked is there")
        if trips:
            return self._failed()
        live = frozenset(play.live - set(removed))
        entries = {key: _after_removals(entry, removed) for key, entry in self.entries.items()}
        bases = dict(self.memory.bases)
        for part in self.run.parts:
            bases[part.stream.name] = self._base(part, entries, live)
        after = Memory(live, entries, bases)
        return Expected(
            after,
            succeeds=True,
            removed=removed,
            sure=sure,
            still_named=frozenset(self.still_named),
            perhaps_still_named=frozenset(self.perhaps_still_named - self.still_named),
        )

    def _last_words(self) -> Iterator[tuple[Part, Row]]:
        for part in self.run.parts:
            yield from ((part, row) for row in {row.key: row for row in part.rows}.values())

    def _claim(self, person: int, stream: str, how: str) -> None:
        self.claims.setdefault(person, set()).add((stream, how))

    def _doubt(self, person: int, stream: str, how: str) -> None:
        self.doubtful.setdefault(person, set()).add((stream, how))

    def _find_missing(self, part: Part) -> None:
        stream = part.stream
        if not _may_lose(part) or stream.name in self.play.blocked:
            return
        for key, entry in self.play.entries.items():
            if key[0] != stream.name or key in self.play.seen:
                continue
            if stream.kind is Kind.VERSIONED and entry.version in {part.version, None}:
                if entry.version is None:
                    self._doubt(entry.person, stream.name, LEFT)
                    self.entries[key] = replace(entry, keeps=None if entry.keeps else entry.keeps)
                continue
            if entry.held:
                self._claim(entry.person, stream.name, LEFT)
            elif entry.held is None:
                self._doubt(entry.person, stream.name, LEFT)
            # Where a refused record of the stream names the person, it is open whether the record is missing.
            named = stream.name in self.play.named.get(entry.person, ())
            self.entries[key] = replace(entry, keeps=False if entry.keeps is False or not named else None)

    def _removed(self) -> Iterator[tuple[int, set[tuple[str, str]]]]:
        for person in sorted({*self.claims, *self.doubtful, *self.play.orders} & self.play.live):
            orders = {(stream, ARCHIVED) for stream in self.play.orders.get(person, ())}
            claims = self.claims.get(person, set())
            if not orders and not self._goes(person, claims):
                continue
            yield person, claims | orders | self.doubtful.get(person, set())

    def _goes(self, person: int, claims: set[tuple[str, str]]) -> bool:
        if self.run.percent == 0:
            return False
        keepers = {entry.keeps for entry in self.entries.values() if entry.person == person}
        if True in keepers or person in self.play.named:
            self.still_named |= {stream for stream, how in claims if how == ARCHIVED}
            perhaps = self.doubtful.get(person, set())
            self.perhaps_still_named |= {stream for stream, how in perhaps if how == ARCHIVED}
            return False
        perhaps_kept = None in keepers or person in self.play.perhaps_named
        perhaps_kept |= any(
            entry.person == person and key[0] in self.play.blocked and key not in self.play.seen
            for key, entry in self.entries.items()
        )
        if perhaps_kept or not claims:
            raise UndeterminedError("whether a record keeps the contact")
        return True

    # The fuse.

    def _trips(self, removed: Mapping[int, frozenset[tuple[str, str]]], sure: frozenset[int]) -> bool:
        verdicts = [self._trips_of(part.stream, removed, sure) for part in self.run.parts]
        return any(verdicts)

    def _trips_of(
        self, stream: Stream, removed: Mapping[int, frozenset[tuple[str, str]]], sure: frozenset[int]
    ) -> bool:
        if stream.mode != "sync" or self.run.percent in {0, 100}:
            return False
        counts = Expected(self.memory, succeeds=True, removed=removed, sure=sure)
        both, left = counts.counted(stream.name, ARCHIVED, LEFT), counts.counted(stream.name, LEFT)
        base = self.memory.bases.get(stream.name)
        if base is None:
            if both[0] <= 20 and (both[1] > 20 or left[1]):
                raise UndeterminedError("how many may leave a stream of which no run succeeded")
            return both[0] > 20
        percent = self.run.percent
        half = max(50, percent)
        verdicts = {
            (all_ > 20 and all_ * 100 > percent * known) or gone * 100 > half * known
            for all_, gone, known in product(both, left, base)
        }
        if len(verdicts) > 1:
            raise UndeterminedError("on which side of the fuse it is")
        return verdicts.pop()

    # What is remembered.

    def _failed(self) -> Expected:
        """All was written, nobody removed: what a record said of a removal may be noted, or not."""
        entries = dict(self.play.entries)
        for key, entry in entries.items():
            if key in self.play.marks:
                entries[key] = replace(entry, keeps=None, held=None)
            elif self.entries[key].keeps is False and entry.keeps:
                entries[key] = replace(entry, keeps=None)
        after = Memory(frozenset(self.play.live), entries, self.memory.bases)
        return Expected(after, succeeds=False, removed={}, sure=frozenset())

    def _base(self, part: Part, entries: Mapping[Key, Entry], live: frozenset[int]) -> Span:
        mine = [entry for (stream, _), entry in entries.items() if stream == part.stream.name and entry.person in live]
        least = len({entry.person for entry in mine if entry.keeps and entry.held})
        most = len({entry.person for entry in mine})
        before = self.memory.bases.get(part.stream.name)
        if part.rows or before is None:
            return least, most
        return min(least, before[0]), max(most, before[1])


def _may_lose(part: Part) -> bool:
    whole = part.complete and bool(part.rows) and part.stream.kind in {Kind.SNAPSHOT, Kind.VERSIONED}
    return whole and part.stream.mode == "sync"


def _after_removals(entry: Entry, removed: Mapping[int, object]) -> Entry:
    if entry.person not in removed:
        return entry
    # A live record may remain where its contact was removed by an order.
    return replace(entry, keeps=None if entry.keeps else False, held=None)
