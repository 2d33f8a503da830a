"""Whatever becomes of the groups, a contact has its foreign tags and its groups, and nothing else.

Two things are so by design and do not happen here: a tag that somebody takes off a contact stays off until its record
changes, so hands take off what no record wants; and what others did to a contact moments ago is not in the search
index yet, so that the index has caught up with their hands when a run begins. With the target's own writes it has not.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_intercom.sandbox import SandboxServer
from tests.support.grouping import Row, add_people, listing, member, members, tag_by_hand, tag_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.loading import Loaded, Loader, People
from tests.support.examples import few

Names = frozenset[str]
NONE: Names = frozenset()
WHEN = "2024-05-01T12:00:00Z"
IDS = ("1", "2", "3")
GROUPS = ("VIP", "Beta", "Big spenders")
BY_HAND = (*GROUPS, "By hand")
SNAPSHOT, MARKED, CUSTOMERS = "snapshots", "marks", "customers"
STREAMS = (CUSTOMERS, SNAPSHOT, MARKED)
STAYS: Row = {"external_id": "0", "tag": "Stays"}
"""A snapshot without a record proves nothing."""
THROUGH = {
    "lists": (CUSTOMERS,),
    "a snapshot": (SNAPSHOT,),
    "marked rows": (MARKED,),
    "everything at once": STREAMS,
}
LAG = 0.5
LAGS = pytest.mark.parametrize("lag", [0, LAG], ids=["no lag", "search lags"])


# What the source says, run by run.


@dataclass(frozen=True)
class Person:
    """Somebody in the source, and the groups that each stream puts them into."""

    there: bool = False
    groups: tuple[Names, ...] = (NONE, NONE, NONE)
    """In the order of STREAMS."""

    def in_(self, stream: str) -> Names:
        return self.groups[STREAMS.index(stream)]

    @property
    def all(self) -> Names:
        return frozenset[str]().union(*self.groups)


@dataclass(frozen=True)
class Hand:
    """Somebody in Intercom puts a tag on a contact, or takes it off."""

    contact: str
    tag: str
    on: bool


@dataclass(frozen=True)
class Step:
    """One run, and what happened before it."""

    source: dict[str, Person]
    hands: list[Hand] = field(default_factory=list)
    sent_again: frozenset[str] = NONE
    """Whose rows come although nothing has changed."""
    order: Sequence[str] = STREAMS
    batch: int = 100
    written: str = "lower"
    """How the source writes the names of groups: a method of texts."""
    no_groups: Any = None
    loses_the_ledger: bool = False


def names() -> st.SearchStrategy[Names]:
    return st.frozensets(st.sampled_from(GROUPS))


@st.composite
def persons(draw: st.DrawFn, streams: Sequence[str]) -> Person:
    groups = tuple(draw(names()) if stream in streams else NONE for stream in STREAMS)
    return Person(CUSTOMERS not in streams or draw(st.integers(0, 3)) > 0, groups)


@st.composite
def histories(draw: st.DrawFn, streams: Sequence[str], *, losing: bool = True) -> list[Step]:
    source, steps = {one: Person(CUSTOMERS not in streams) for one in IDS}, []
    hand = st.builds(Hand, st.sampled_from(IDS), st.sampled_from(BY_HAND), st.booleans())
    for _ in range(draw(st.integers(2, 5))):
        source = {one: draw(persons(streams)) if draw(st.booleans()) else source[one] for one in IDS}
        steps.append(
            Step(
                source,
                draw(st.lists(hand, max_size=4)),
                draw(st.frozensets(st.sampled_from(IDS))),
                draw(st.permutations(streams)),
                draw(st.integers(1, 5)),
                draw(st.sampled_from(["lower", "upper", "title"])),
                draw(st.sampled_from([None, []])),
                losing and draw(st.integers(0, 5)) == 0,
            )
        )
    return steps


# What is done, and what has to stand then.


class Clock:
    """The sandbox's time; it goes faster when the search index has to catch up."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[SandboxServer]:
    with SandboxServer(clock=clock) as server:
        yield server


def assert_every_record_has_an_outcome(done: Loaded, messages: Sequence[Row]) -> None:
    read = Counter(message["stream"] for message in messages if message["type"] == "RECORD")
    for stream, count in read.items():
        results = done.results(stream)
        assert (sum(results.values()), done.stream(stream)["read"]) == (count, count)
        assert "invalid" not in results


class World:
    """A new workspace, and what every contact's tags are to be."""

    def __init__(self, load: Loader, people: People, sandbox: SandboxServer, clock: Clock, **how: Any) -> None:
        self._load = load
        self._people = people
        self._clock = clock
        self._lag: float = how["lag"]
        self._streams: Sequence[str] = how["streams"]
        self._removes: bool = how["mode"] == "sync"
        self._source = {one: Person(CUSTOMERS not in self._streams) for one in IDS}
        self._foreign: dict[str, set[str]] = {one: set() for one in IDS}
        self._ever: dict[str, set[str]] = {one: set() for one in IDS}
        self._loaded: set[str] = set()
        self._has_forgotten = False
        self._settings = {
            "sync_mode": how["mode"],
            "tags_property": "groups",
            "max_removal_percent": 100,
            "search_delay_seconds": 2 if self._lag else 0,
            "streams": {
                SNAPSHOT: {"object": "groups", "mappings": {}, "snapshot": True},
                MARKED: {"object": "groups", "mappings": {}},
            },
        }
        sandbox.sandbox.reset()
        sandbox.conditions.search_lag = self._lag
        self.lose_the_ledger()
        add_people(people, ["0", *(IDS if CUSTOMERS not in self._streams else ())])
        self.catch_up()

    def live(self) -> dict[str, Row]:
        return {one["external_id"]: one for one in self._people.live() if one["external_id"] in IDS}

    def tags(self) -> dict[str, set[str]]:
        """Everybody's tags; which record came first decides how a name is written."""
        return {one: {tag.casefold() for tag in contact["tags"]} for one, contact in self.live().items()}

    def catch_up(self) -> None:
        """Move the clock on until search shows all that was done."""
        self._clock.ahead += 2 * self._lag

    def lose_the_ledger(self) -> None:
        for path in self._load.data_dir.glob("ledger.db*"):
            path.unlink()

    def go(self, step: Step) -> list[Row]:
        """Do what a step says, and check; returns what was piped."""
        self.use_hands(step.hands)
        if step.loses_the_ledger:
            self.forget()
        messages = self.messages(step)
        done = self.load(messages, step.batch)
        self.expect(step.source)
        assert self.tags() == self.wanted()
        assert done.exit_code == 0
        assert_every_record_has_an_outcome(done, messages)
        return messages

    def forget(self) -> None:
        """Lose the ledger: all tags are foreign then."""
        self.catch_up()
        self.lose_the_ledger()
        self._has_forgotten = True
        for contact in self._people.everyone():
            if contact["external_id"] in IDS:
                self._foreign[contact["external_id"]] = {tag.casefold() for tag in contact["tags"]}

    def load(self, messages: list[Row], batch: int = 100) -> Loaded:
        return self._load(messages, **self._settings, batch_size_rows=batch)

    def use_hands(self, hands: Sequence[Hand]) -> None:
        for hand in hands:
            contact = self.live().get(hand.contact)
            if contact is None:
                continue
            tag, foreign = hand.tag.casefold(), self._foreign[hand.contact]
            has = {name.casefold() for name in contact["tags"]}
            if hand.on and tag not in has:
                tag_by_hand(self._people, hand.tag, contact["id"])
                foreign.add(tag)
            elif not hand.on and tag in foreign - self.kept(hand.contact):
                tags = self._people.call("GET", "/tags")["data"]
                (number,) = (one["id"] for one in tags if one["name"].casefold() == tag)
                self._people.call("DELETE", f"/contacts/{contact['id']}/tags/{number}")
                foreign.discard(tag)
        if hands:
            self.catch_up()

    def kept(self, contact: str) -> set[str]:
        """Return the groups that a contact is in, or ever was where tags are not taken off."""
        return {name.casefold() for name in self._source[contact].all} if self._removes else self._ever[contact]

    def wanted(self) -> dict[str, set[str]]:
        return {one: self._foreign[one] | self.kept(one) for one in sorted(self._loaded)}

    def expect(self, source: dict[str, Person]) -> None:
        """Take in what a run was told."""
        self._source = source
        for one, person in source.items():
            if person.there:
                self._loaded.add(one)
            elif self._removes:
                self._loaded.discard(one)
            if one in self._loaded:
                listed = person.all if person.there else person.in_(SNAPSHOT) | person.in_(MARKED)
                self._ever[one] |= {name.casefold() for name in listed}

    def messages(self, step: Step) -> list[Row]:
        make = {CUSTOMERS: self.lists, SNAPSHOT: self.snapshot, MARKED: self.marks}
        return [message for stream in step.order for message in make[stream](step)]

    def news(self, step: Step) -> list[tuple[str, Person]]:
        return [
            (one, person)
            for one, person in step.source.items()
            if one in step.sent_again or person != self._source[one]
        ]

    def lists(self, step: Step) -> list[Row]:
        rows = []
        for one, person in self.news(step):
            row: Row = {"id": one, "email": f"p{one}@example.com"}
            if person.there:
                row["groups"] = self.written(step, person.in_(CUSTOMERS)) or step.no_groups
            else:
                row["_sdc_deleted_at"] = WHEN
            rows.append(row)
        return listing(*rows)

    def snapshot(self, step: Step) -> list[Row]:
        rows = [
            member(one, tag) for one, person in step.source.items() for tag in self.written(step, person.in_(SNAPSHOT))
        ]
        return members(*rows, STAYS, stream=SNAPSHOT)

    def marks(self, step: Step) -> list[Row]:
        """A table whose rows stay when they end."""
        rows = []
        for one, person in self.news(step):
            rows += [member(one, tag, _sdc_deleted_at=None if tag in person.in_(MARKED) else WHEN) for tag in GROUPS]
        return members(*rows, stream=MARKED)

    @staticmethod
    def written(step: Step, groups: Names) -> list[str]:
        return [getattr(name, step.written)() for name in sorted(groups)]

    def assert_once_more_does_nothing(self, messages: list[Row]) -> None:
        if self._has_forgotten:
            # Of a contact that it did not know, the ledger does not remember the removal.
            self.catch_up()
        before = self._people.everyone()
        again = self.load(messages)
        assert again.exit_code == 0
        assert (tag_calls(again), again.writes) == ({}, 0)
        assert self._people.everyone() == before


@pytest.mark.parametrize("mode", ["sync", "additive"])
@LAGS
@pytest.mark.parametrize("through", THROUGH)
@few(5)
@given(data=st.data())
def test_every_contact_has_its_foreign_tags_and_its_groups(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    clock: Clock,
    through: str,
    lag: float,
    mode: str,
    data: st.DataObject,
) -> None:
    streams = THROUGH[through]
    world = World(load, people, sandbox, clock, streams=streams, lag=lag, mode=mode)
    for step in data.draw(histories(streams)):
        messages = world.go(step)
        if data.draw(st.booleans()):
            world.assert_once_more_does_nothing(messages)
    world.assert_once_more_does_nothing(messages)


@pytest.mark.parametrize("mode", ["sync", "additive"])
@few(4)
@given(history=histories(STREAMS, losing=False), lag=st.sampled_from([0.0, LAG]))
def test_losing_the_ledger_changes_no_tag(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    clock: Clock,
    mode: str,
    history: list[Step],
    lag: float,
) -> None:
    world = World(load, people, sandbox, clock, streams=STREAMS, lag=lag, mode=mode)
    for step in history:
        world.go(step)
    before = world.tags()
    world.forget()
    world.go(replace(history[-1], hands=[], sent_again=frozenset(IDS)))
    assert world.tags() == before
    world.go(replace(history[-1], hands=[], source={one: Person(one in before) for one in IDS}))
    assert world.tags() == before


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("left", ["meanwhile", "on the way", "when it is back"])
def test_who_was_archived_and_comes_back_has_no_tag_of_a_group_left_meanwhile(
    load: Loader, people: People, sandbox: SandboxServer, clock: Clock, stream: str, left: str
) -> None:
    """Intercom brings an archived contact back with its tags. `left`: which run says that it is out of the group."""
    world = World(load, people, sandbox, clock, streams=STREAMS, lag=0, mode="sync")
    in_, out = frozenset(["VIP", "Beta"]), frozenset(["Beta"])

    def step(names: Names, *, there: bool = True) -> Step:
        groups = (names if stream == STREAMS[0] else NONE, names if stream == STREAMS[1] else NONE)
        person = Person(there, (*groups, names if stream == STREAMS[2] else NONE))
        return Step({"1": person, "2": Person(), "3": Person()}, sent_again=frozenset(["1"]))

    world.go(step(in_))
    world.go(step(out if left == "on the way" else in_, there=False))
    world.go(step(in_ if left == "when it is back" else out, there=False))
    world.go(step(out))


# How the pipe comes.


@st.composite
def pipes(draw: st.DrawFn) -> dict[str, list[Row]]:
    """Rows of all streams, of which many say something of the same contact, and of the same membership."""
    who, group, ended = st.sampled_from(IDS[:2]), st.sampled_from(GROUPS[:2]), st.sampled_from([None, None, WHEN])
    listed = st.fixed_dictionaries(
        {"id": who, "email": st.none()}, optional={"groups": st.one_of(st.none(), st.lists(group, max_size=2))}
    )
    rows = st.builds(lambda one, tag, end: member(one, tag, _sdc_deleted_at=end), who, group, ended)
    return {
        CUSTOMERS: draw(st.lists(listed, min_size=1, max_size=5)),
        SNAPSHOT: [*draw(st.lists(rows, max_size=6)), STAYS],
        MARKED: draw(st.lists(rows, min_size=1, max_size=6)),
    }


def piped(rows: dict[str, list[Row]], order: Sequence[str]) -> list[Row]:
    make = {
        CUSTOMERS: lambda: listing(*rows[CUSTOMERS]),
        SNAPSHOT: lambda: members(*rows[SNAPSHOT], stream=SNAPSHOT),
        MARKED: lambda: members(*rows[MARKED], stream=MARKED),
    }
    return [message for stream in order for message in make[stream]()]


def last_said(runs: Sequence[dict[str, list[Row]]]) -> dict[str, set[str]]:
    """The groups that the last record of each key names; of a snapshot the last table counts."""
    listed: dict[str, set[str]] = {}
    marked: dict[tuple[str, str], bool] = {}
    for rows in runs:
        listed |= {row["id"]: set(row["groups"] or ()) for row in rows[CUSTOMERS] if "groups" in row}
        marked |= {(row["external_id"], row["tag"]): row["_sdc_deleted_at"] is None for row in rows[MARKED]}
        shot = {(row["external_id"], row["tag"]): not row.get("_sdc_deleted_at") for row in rows[SNAPSHOT]}
    return {
        one: {
            tag.casefold()
            for tag in GROUPS
            if tag in listed.get(one, ()) or marked.get((one, tag)) or shot.get((one, tag))
        }
        for one in IDS
    }


@pytest.mark.parametrize("mode", ["sync", "additive"])
@few(6)
@given(
    runs=st.lists(pipes(), min_size=2, max_size=3),
    order=st.permutations(STREAMS),
    batch=st.integers(1, 6),
    lag=st.sampled_from([0.0, LAG]),
)
def test_any_batches_and_any_order_of_the_streams_give_the_same_workspace(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    clock: Clock,
    mode: str,
    runs: list[dict[str, list[Row]]],
    order: Sequence[str],
    batch: int,
    lag: float,
) -> None:
    ends: list[list[dict[str, set[str]]]] = []
    for streams, size in ((STREAMS, 100), (order, batch)):
        world = World(load, people, sandbox, clock, streams=(SNAPSHOT, MARKED), lag=lag, mode=mode)
        ends.append([])
        for rows in runs:
            messages = piped(rows, streams)
            done = world.load(messages, size)
            assert (done.exit_code, done.refusals) == (0, [])
            assert_every_record_has_an_outcome(done, messages)
            ends[-1].append(world.tags())
    assert ends[0] == ends[1]
    if mode == "sync":
        assert ends[0][-1] == last_said(runs)
