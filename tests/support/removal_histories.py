"""Random histories for the model of removals, their Singer lines, and smaller ones that still differ."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.loading import schema, state
from tests.support.removal_model import (
    MARKS,
    Form,
    History,
    Kind,
    Memory,
    Part,
    Row,
    Run,
    Stream,
    UndeterminedError,
    after_cut,
    expect,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

WHEN = "2024-05-01T12:00:00Z"
TABLES = frozenset({Kind.SNAPSHOT, Kind.VERSIONED})
NAMES = ("customers", "orders", "news")
One = TypeVar("One")
Message = dict[str, Any]


# The lines of a run.


def settings(history: History, run: Run) -> dict[str, Any]:
    """Return the settings of a run."""
    return {
        "sync_mode": "sync",
        "mappings": {"id": "external_id", "row": None},
        "max_removal_percent": run.percent,
        "batch_size_rows": run.batch,
        "streams": {
            name: {
                "sync_mode": stream.mode,
                "snapshot": stream.kind in {Kind.SNAPSHOT, Kind.POSITION} and stream.mode == "sync",
                **({"mappings": {}} if stream.key == "email" else {}),
            }
            for name, stream in history.streams.items()
        },
    }


def lines(run: Run) -> list[Message | str]:
    """Return the messages of a run; one that is no JSON where it is to break."""
    messages: list[Message | str] = []
    bookmarks: dict[str, Any] = {}
    for part in run.parts:
        messages += _part(part, bookmarks)
    if run.broken is not None:
        messages.insert(round(run.broken * len(messages)), '{"type": "RECORD", "stream": "cust')
    return messages


def last_state(messages: list[Message | str]) -> list[Any]:
    """Return what a run that goes well prints last: the last STATE, if there is one."""
    return [one["value"] for one in messages if isinstance(one, dict) and one["type"] == "STATE"][-1:]


def _part(part: Part, bookmarks: dict[str, Any]) -> Iterator[Message]:
    stream, name = part.stream, part.stream.name
    begin = _schema(stream)
    rows = [_record(part, row) for row in part.rows]
    activate = {"type": "ACTIVATE_VERSION", "stream": name, "version": part.version}
    bookmark = {
        Kind.POSITION: {"modified_since": "2026-05-01T00:00:00+00:00"},
        Kind.INCREMENTAL: {"replication_key": "updated_at", "replication_key_value": "2026-05-01T00:00:00+00:00"},
    }.get(stream.kind, {})
    under_way = state({"bookmarks": {**bookmarks, name: {}}, "currently_syncing": name})
    done = state({"bookmarks": {**bookmarks, name: bookmark}})
    yield begin
    if stream.kind is Kind.VERSIONED:
        ways = (
            [[*rows, activate, done], [activate, *rows, activate], [activate, *rows, done], [*rows, activate]]
            if part.complete
            else [[activate, *rows], [activate, *rows, under_way], [*rows], [*rows, done]]
        )
    elif part.complete:
        again = [activate] if stream.kind is Kind.INCREMENTAL else [begin]
        ways = [[*rows, done], [*rows, done, done], [*rows, under_way, done], [*rows, *again, done]]
    else:
        ways = [rows, [*rows, under_way], [*rows[:-1], done, *rows[-1:]] if rows else [done], rows]
    yield from ways[part.how % len(ways)]
    if part.complete or part.how % 2:
        bookmarks[name] = bookmark  # also of a stream that ended early: after other streams' messages it proves nothing


def _schema(stream: Stream) -> Message:
    message = schema(
        stream.name,
        [stream.key] if stream.key else [],
        **dict.fromkeys(_identifiers(stream), "text"),
        name="text",
        seats="integer",
        _sdc_deleted_at="datetime",
    )
    if stream.kind is Kind.INCREMENTAL:
        message["bookmark_properties"] = ["name"]
    return message


def _record(part: Part, row: Row) -> Message:
    columns = {"row": row.key, "id": str(row.person), "email": f"p{row.person}@example.com"}
    values: dict[str, Any] = {name: columns[name] for name in _identifiers(part.stream)}
    values |= _said(part.stream.key or "id", row, values)
    if row.form is Form.MARK_KEY:
        values = {name: values[name] for name in (part.stream.key or "id", "_sdc_deleted_at")}
    message: Message = {"type": "RECORD", "stream": part.stream.name, "record": values}
    if part.stream.kind is Kind.VERSIONED:
        message["version"] = part.version
    return message


def _identifiers(stream: Stream) -> list[str]:
    return {"row": ["row", "id", "email"], "email": ["email"]}.get(stream.key, ["id", "email"])


def _said(key: str, row: Row, values: Message) -> Message:
    """Return what a form of records says beside, or instead of, the identifiers."""
    said: dict[Form, Message] = {
        Form.LIVE: {"name": row.name},
        Form.MARK: {"_sdc_deleted_at": WHEN},
        Form.MARK_KEY: {"_sdc_deleted_at": WHEN},
        Form.BAD_VALUE: {"seats": "many"},
        Form.BAD_EMAIL: {"email": "no address"},
        Form.NO_IDENTIFIER: {"id": row.blank, "email": None, "seats": "many"},
        Form.NO_KEY: {key: row.blank, "seats": "many"},
        Form.NOTHING: {**dict.fromkeys(values), key: row.blank, "seats": "many"},
        Form.OTHER: {"id": str(900 + row.person), "seats": "many"},
    }
    return said[row.form]


# Random ones.


@dataclass
class _Source:
    """A table in a source: what it says now of each of its keys."""

    stream: Stream
    rows: dict[str, tuple[int, Form]] = field(default_factory=dict)
    version: int = 1
    unfinished: bool = False
    """Its last part was not complete: the tap may go on with the same version."""
    all_comes: bool = False
    """Its next part brings all rows, whatever replicates it."""


class _Author:
    def __init__(self, seed: int) -> None:
        self.any = random.Random(seed)
        self.large = self.any.random() < 0.3
        count = self.any.randint(28, 44) if self.large else self.any.randint(3, 8)
        self.people = list(range(1, count + 1))
        self.strangers = list(range(200, 200 + count + 20))
        self.there = frozenset(one for one in [*self.people, 301, 302] if self.any.random() < 0.2)
        small, large = [100, 100, 60, 20], [20, 20, 20, 20, 10, 60, 100]
        self.percent = 0 if self.chance(0.04) else self.any.choice(large if self.large else small)
        self.sources = [_Source(stream) for stream in self._streams()]

    def chance(self, of: float) -> bool:
        return self.any.random() < of

    def _streams(self) -> Iterator[Stream]:
        for number, name in enumerate(NAMES[: self.any.choice([1, 1, 2] if self.large else [1, 2, 2, 3])]):
            tables = [Kind.SNAPSHOT, Kind.SNAPSHOT, Kind.SNAPSHOT, Kind.VERSIONED]
            kind = self.any.choice([*tables, Kind.PLAIN, *(tables if self.large else Kind)])
            mode = "sync"
            if number:
                mode = self.any.choice(["sync", "sync", "sync", "sync", "additive", "remove"])
            if mode != "sync":
                kind = self.any.choice([Kind.PLAIN, Kind.INCREMENTAL])
            keys = ["row", "row", "row", "id", ""] if not number else ["row", "row", "id", "email", ""]
            yield Stream(name, kind, mode, "row" if mode == "remove" else self.any.choice(keys))

    def key(self, stream: Stream, person: int, *, second: bool = False) -> str:
        if stream.key == "row":
            return f"{'d' if second else 'k'}{person}"
        return f"p{person}@example.com" if stream.key == "email" else str(person)

    def forms(self, stream: Stream) -> list[Form]:
        return {
            "row": [Form.BAD_VALUE, Form.BAD_EMAIL, Form.NO_IDENTIFIER, Form.NO_IDENTIFIER, Form.NO_KEY],
            "id": [Form.BAD_VALUE, Form.BAD_EMAIL, Form.NO_KEY],
            "email": [Form.BAD_VALUE],
            "": [Form.BAD_VALUE, Form.BAD_EMAIL, Form.NO_KEY],
        }[stream.key]

    # A source changes.

    def change(self, source: _Source) -> None:
        stream, rows = source.stream, source.rows
        if not rows:
            self._fill(source)
            return
        if self.large and self.chance(0.6):
            self._disaster(source)
            return
        moves = 0.08 if self.large else 0.3
        for key, (person, form) in list(rows.items()):
            if self.chance(moves):
                self._move(source, key, person, form)
        for person in self.people:
            key = self.key(stream, person, second=stream.key == "row" and self.chance(0.3))
            if key not in rows and self.chance(moves):
                rows[key] = (person, Form.LIVE)

    def _fill(self, source: _Source) -> None:
        stream, rows = source.stream, source.rows
        share = 0.7 if not self.large else 0.95 if stream.name == NAMES[0] else 0.3
        for person in self.people:
            if self.chance(share):
                rows[self.key(stream, person)] = (person, Form.LIVE)
            if stream.key == "row" and self.chance(0.1 if self.large else 0.2):
                form = Form.MARK if stream.mode == "sync" and self.chance(0.5) else Form.LIVE
                rows[self.key(stream, person, second=True)] = (person, form)

    def _move(self, source: _Source, key: str, person: int, form: Form) -> None:
        marks = [Form.MARK, Form.MARK_KEY] if source.stream.mode == "sync" else [Form.LIVE]
        if form is not Form.LIVE:
            next_ = self.any.choice([Form.LIVE, None])
        else:
            refused = self.any.choice(self.forms(source.stream))
            next_ = self.any.choice([*marks, refused, None, None, None])
        if next_ is None:
            del source.rows[key]
        else:
            source.rows[key] = (person, next_)

    def _disaster(self, source: _Source) -> None:
        """Another database, a table that was emptied by half, everybody marked."""
        stream, rows = source.stream, source.rows
        what = self.any.choice(["strangers", "marks", "marks", "less", "less", "more"])
        if what == "strangers":
            rows.clear()
            rows.update({self.key(stream, one): (one, Form.LIVE) for one in self.strangers})
        elif what == "more":
            rows.update({self.key(stream, one): (one, Form.LIVE) for one in self.strangers})
        share = self.any.choice([0.5, 0.8, 0.9, 1.0])
        source.all_comes = True
        for key, (person, _) in list(rows.items()):
            if what in {"marks", "less"} and self.chance(share):
                if what == "marks" and stream.mode == "sync":
                    rows[key] = (person, Form.MARK)
                elif len(rows) > 1:
                    del rows[key]

    # A run.

    def run(self) -> Run:
        sources = [one for one in self.sources if self.chance(0.85)] or self.sources[:1]
        self.any.shuffle(sources)
        parts = tuple(self.part(source) for source in sources)
        batch = self.any.choice([1, 3, 100, 100, 1000] if not self.large else [20, 100, 1000])
        run = Run(parts, self.percent, batch)
        return self.cut(run) if self.chance(0.15) else run

    def cut(self, run: Run) -> Run:
        if self.chance(0.4):
            return replace(run, broken=self.any.choice([0.3, 0.6, 0.9, 1.0]))
        return replace(run, refused_call=self.any.randint(2, 40 if self.large else 9))

    def part(self, source: _Source) -> Part:
        self.change(source)
        stream = source.stream
        whole = stream.kind in {Kind.SNAPSHOT, Kind.VERSIONED, Kind.POSITION}
        resumed = stream.kind is Kind.VERSIONED and source.unfinished and self.chance(0.4)
        if not resumed:
            source.version += 1
        rows: list[Row] = []
        again = self.any.choice([1, 1, 6])
        for key, (person, form) in source.rows.items():
            if (whole and not resumed) or source.all_comes:
                comes = True
            elif stream.mode == "remove":
                comes = self.chance(0.15)
            else:
                comes = self.chance(0.5 if self.large else 0.7)
            if comes:
                rows += self.said(stream, key, person, form) * (again if form in MARKS else 1)
        if not self.chance(0.4):
            self.any.shuffle(rows)
        rows += self.beside(source)
        source.all_comes = False
        complete = self.chance(0.85)
        source.unfinished = not complete
        return Part(stream, tuple(rows), complete, source.version, self.any.randint(0, 3))

    def said(self, stream: Stream, key: str, person: int, form: Form) -> list[Row]:
        """Return the rows of a key: the one that counts, perhaps with others before it or the same again."""
        name = self.any.choice(["P", "P", "P", "Q", "R"])
        blank = self.any.choice([None, "", "  ", [key]])
        row = Row(key, person, form, name, blank)
        if stream.mode == "remove":
            return [replace(row, form=Form.LIVE)]
        if form is Form.LIVE and stream.mode == "sync" and self.chance(0.06):
            return [replace(row, form=Form.MARK), row]
        if form is Form.MARK and self.chance(0.06):
            return [replace(row, form=Form.LIVE), row]
        if form is Form.BAD_VALUE and stream.mode == "sync" and self.chance(0.1):
            return [replace(row, form=Form.MARK), row]
        return [row]

    def beside(self, source: _Source) -> list[Row]:
        """Return refused records that no key of the table is about."""
        stream, rows = source.stream, []
        if stream.mode == "remove":
            return []
        if stream.key != "email" and self.chance(0.15):
            person = self.any.choice(self.people)
            key = f"o{person}" if stream.key == "row" else str(900 + person)
            rows.append(Row(key, person, Form.OTHER))
        if self.chance(0.03 if self.large else 0.08):
            rows.append(Row("", 0, Form.NOTHING, blank=self.any.choice([None, "", " "])))
        if stream.key == "row" and self.chance(0.1):
            person = self.any.choice(self.people)
            rows.append(Row(f"b{person}", person, Form.BAD_VALUE))
        if self.large and stream.key == "row" and self.chance(0.2):
            rows += [Row(f"x{number}", 900 + number, Form.BAD_VALUE) for number in range(150)]
        return rows

    def again(self, run: Run, *, was_cut: bool) -> Run:
        """Return the next try of a run that failed."""
        once_more = replace(run, broken=None, refused_call=None, batch=self.any.choice([run.batch, 100]))
        if was_cut:
            return self.cut(once_more) if self.chance(0.15) else once_more
        tables = all(part.stream.kind in TABLES for part in run.parts)
        if tables and self.chance(0.3):
            return replace(once_more, parts=tuple(self.part(self._source(part)) for part in run.parts))
        return replace(once_more, percent=self.any.choice([run.percent, 100]))

    def _source(self, part: Part) -> _Source:
        (source,) = (one for one in self.sources if one.stream == part.stream)
        return source


def history(seed: int) -> History:
    """Return the history of a seed."""
    author = _Author(seed)
    memory = Memory(author.there)
    runs: list[Run] = []
    wanted = author.any.choice([2, 2, 2, 2, 3, 3, 3, 4, 5])
    failed, tries = False, 0
    while len(runs) < wanted and tries < 30:
        run = author.again(runs[-1], was_cut=runs[-1].is_cut) if failed else author.run()
        try:
            expected = expect(memory, run)
        except UndeterminedError:
            tries += 1
            continue
        runs.append(run)
        memory = after_cut(memory, memory.live) if run.is_cut else expected.memory
        failed = run.is_cut or not expected.succeeds
    return History(author.there, tuple(runs))


def follows(failed: Run, run: Run) -> bool:
    """Check that a run is one that may come after a failed one: the same input, or another state of whole tables.

    STATE did not move, so that a tap sends again what it sent.
    """
    if failed.parts == run.parts:
        return True
    streams = [part.stream for part in failed.parts]
    tables = all(one.kind in TABLES and one.mode == "sync" for one in streams)
    return not failed.is_cut and tables and streams == [part.stream for part in run.parts]


# Smaller ones.


def shrunk(history: History, differs: Callable[[History], bool], most: int) -> History:
    """Return a smaller history that differs, too, after so many trials at most."""
    trials = 0
    found = True
    while found:
        found = False
        for smaller in _smaller(history):
            if trials >= most:
                return history
            trials += 1
            if smaller.runs and differs(smaller):
                history, found = smaller, True
                break
    return history


def _smaller(history: History) -> Iterator[History]:
    people = {row.person for run in history.runs for part in run.parts for row in part.rows}
    for number in range(len(history.runs)):
        yield replace(history, runs=history.runs[:number] + history.runs[number + 1 :])
    for name in history.streams:
        yield _of(history, history.streams.keys() - {name}, people)
    for some in _halved(tuple(sorted(people))):
        yield _of(history, history.streams.keys(), set(some))
    for number, run in enumerate(history.runs):
        for other in _smaller_runs(run):
            yield replace(history, runs=(*history.runs[:number], other, *history.runs[number + 1 :]))
    for one in history.there:
        yield replace(history, there=history.there - {one})


def _of(history: History, streams: Collection[str], people: Collection[int]) -> History:
    """Return what a history says of some streams and people."""
    runs = [
        replace(
            run,
            parts=tuple(
                replace(part, rows=tuple(row for row in part.rows if row.person in people))
                for part in run.parts
                if part.stream.name in streams
            ),
        )
        for run in history.runs
    ]
    return replace(history, runs=tuple(run for run in runs if run.parts))


def _halved(some: tuple[One, ...]) -> Iterator[tuple[One, ...]]:
    """Yield what is left without a half, then without a quarter, then without one."""
    size = len(some)
    while size >= 1:
        for start in range(0, len(some), size):
            yield some[:start] + some[start + size :]
        size //= 2


def _smaller_runs(run: Run) -> Iterator[Run]:
    for number, part in enumerate(run.parts):
        others = run.parts[:number], run.parts[number + 1 :]
        if len(run.parts) > 1:
            yield replace(run, parts=others[0] + others[1])
        for rows in _halved(part.rows):
            yield replace(run, parts=(*others[0], replace(part, rows=rows), *others[1]))
    if run.is_cut:
        yield replace(run, broken=None, refused_call=None)


def shown(history: History) -> str:
    """Return a history as its settings and Singer lines."""
    texts = [f"in the workspace before: {sorted(history.there)}"]
    for number, run in enumerate(history.runs, start=1):
        end = "" if run.refused_call is None else f", the token is not valid from call {run.refused_call} on"
        texts += [f"run {number}{end}: {json.dumps(settings(history, run))}"]
        texts += [one if isinstance(one, str) else json.dumps(one) for one in lines(run)]
    return "\n".join(texts)
