"""Streams that are whole tables: their messages, and by which of these a tap says that they are whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.loading import record, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.loading import People
    from tests.support.remembering import Row

Message = dict[str, Any]
Cases = dict[str, list[Message]]

ORDINARY: Row = {"snapshot": False}
SNAPSHOT: Row = {"snapshot": True}


def person(number: int, **values: Any) -> Row:
    """A row of a table of people."""
    return {"id": number, "email": f"c{number}@example.com", **values}


def gone(people: People) -> set[str]:
    """The external_ids of those who are not live any more."""
    return {one["external_id"] for one in people.everyone() if one["state"] != "live"}


@dataclass(frozen=True)
class Table:
    """A stream whose rows are known by number; others, told by `of`, are like it."""

    described: Message
    row: Callable[[int], Row]

    @property
    def name(self) -> str:
        """What the stream is called."""
        return str(self.described["stream"])

    @property
    def key(self) -> str:
        """The only key property."""
        (key,) = self.described["key_properties"]
        return str(key)

    def stream(self, of: str | None = None, **more: Any) -> Message:
        """A SCHEMA message; `more` are other keys of it."""
        return {**self.described, "stream": self._named(of), **more}

    def rows(self, *values: int | Row, of: str | None = None, **more: Any) -> list[Message]:
        """RECORD messages; `more` are other keys of them."""
        rows = [self.row(one) if isinstance(one, int) else one for one in values]
        return [{**record(self._named(of), **one), **more} for one in rows]

    def bookmarks(self, *names: str, **bookmark: Any) -> Message:
        """A STATE that says of these streams that they are done, but for what their bookmark holds."""
        return state({"bookmarks": dict.fromkeys(names or (self.name,), bookmark)})

    def activate(self, version: object, of: str | None = None) -> Message:
        """An ACTIVATE_VERSION message."""
        return {"type": "ACTIVATE_VERSION", "stream": self._named(of), "version": version}

    def whole(self, *values: int | Row, of: str | None = None) -> list[Message]:
        """A stream of which the tap says that it is complete."""
        return [self.stream(of), *self.rows(*values, of=of), self.bookmarks(self._named(of))]

    def versioned(self, version: object, *values: int | Row) -> list[Message]:
        """A stream of which the tap says that this version is complete."""
        return [self.stream(), *self.rows(*values, version=version), self.activate(version), self.bookmarks()]

    def _named(self, of: str | None) -> str:
        return self.name if of is None else of


# Snapshots. The rows 1, 2 and 3 come; a row 9 of another stream may come, too.


def in_progress(table: Table) -> dict[str, Message]:
    """STATEs that say that the stream is under way."""
    markers = {"replication_key": table.key, "replication_key_value": 3}
    bookmarks: Row = {table.name: {}}
    return {
        "currently_syncing": state({"bookmarks": bookmarks, "currently_syncing": table.name}),
        "currently_syncing among several": state({"bookmarks": bookmarks, "currently_syncing": ["o", table.name]}),
        "progress_markers": table.bookmarks(progress_markers=markers),
        "partitions": table.bookmarks(partitions=[{"context": {"region": "eu"}}]),
    }


def whole_snapshots(table: Table, other: str) -> Cases:
    """What a tap says of a snapshot that is whole."""
    begin, three, done = table.stream(), table.rows(1, 2, 3), table.bookmarks()
    others, both = [table.stream(other), *table.rows(9, of=other)], table.bookmarks(table.name, other)
    bookmarks: Row = {table.name: {}}
    return {
        "STATE at the end": [begin, *three, done],
        "STATE, more records, STATE": [begin, *three[:2], done, three[2], done],
        "several STATEs": [begin, *three, done, done],
        "STATE of several streams": [begin, *three, table.bookmarks(other, table.name)],
        "STATE, then another stream": [begin, *three, done, *others, both],
        "another stream before": [*others, begin, *three, both],
        "another stream in between": [begin, *three[:1], *others, *three[1:], done],
        "SCHEMA once more": [begin, *three, begin, done],
        "in progress, then done": [begin, *three, *in_progress(table).values(), done],
        "another stream is in progress": [
            begin,
            *three,
            state({"bookmarks": bookmarks, "currently_syncing": other}),
        ],
        "nothing is in progress": [
            begin,
            *three,
            state({"bookmarks": {table.name: {"progress_markers": None}}, "currently_syncing": None}),
        ],
        "a bookmark that is no object": [begin, *three, state({"bookmarks": {table.name: "done"}})],
    }


def partial_snapshots(table: Table, other: str) -> Cases:
    """What a tap says of a snapshot that may not be whole."""
    begin, three, done = table.stream(), table.rows(1, 2, 3), table.bookmarks()
    others, both = [table.stream(other), *table.rows(9, of=other)], table.bookmarks(table.name, other)
    return {
        "no message": [],
        "SCHEMA only": [begin],
        "no record": [begin, done],
        "no record and ACTIVATE_VERSION": [begin, table.activate(1), table.activate(1), done],
        "no STATE": [begin, *three],
        "STATE before the records": [done, begin, done, *three],
        "STATE, then more records": [begin, *three[:2], done, three[2]],
        "STATE of another stream": [begin, *three, table.bookmarks(other)],
        "STATE after another stream's SCHEMA": [begin, *three, others[0], both],
        "STATE after another stream": [begin, *three, *others, both],
        "STATE after another stream and its own SCHEMA": [begin, *three, *others, begin, done],
        "STATE after another stream's ACTIVATE_VERSION": [begin, *three, table.activate(1, other), done],
        "STATE without bookmarks": [begin, *three, state({table.name: {}})],
        "STATE with odd bookmarks": [begin, *three, state({"bookmarks": [table.name]}), state({"bookmarks": None})],
        **{f"in progress: {how}": [begin, *three, one] for how, one in in_progress(table).items()},
    }


# ACTIVATE_VERSION. The run before was of version 1.


def whole_versions(table: Table, other: str) -> Cases:
    """What a tap says of a second version that is whole."""
    begin, three, done, activate = table.stream(), table.rows(1, 2, 3), table.bookmarks(), table.activate(2)
    others, second = [table.stream(other), *table.rows(9, of=other)], table.rows(1, 2, 3, version=2)
    mixed = [*table.rows(1, 2, version=1), *table.rows(3, version=2)]
    return {
        "after": [begin, *second, activate],
        "after, and no version in the records": [begin, *three, activate],
        "before and after": [begin, activate, *second, activate],
        "before and after, and no version in the records": [begin, activate, *three, activate],
        "before, and STATE": [begin, activate, *second, done],
        "before, and STATE, and no version in the records": [begin, activate, *three, done],
        "after, and a STATE in progress": [begin, *second, in_progress(table)["currently_syncing"], activate],
        "after, then another stream": [begin, *second, activate, *others, table.bookmarks(other)],
        "records of the old version first": [begin, *mixed, activate, done],
    }


def partial_versions(table: Table, other: str) -> Cases:
    """What a tap says of a second version that may not be whole, or is none."""
    begin, three, done, activate = table.stream(), table.rows(1, 2, 3), table.bookmarks(), table.activate(2)
    others, second = [table.stream(other), *table.rows(9, of=other)], table.rows(1, 2, 3, version=2)
    no_numbers = [table.activate(version) for version in ("2", None, 2.5, True)]
    return {
        "never": [begin, *second, done],
        "before": [begin, activate, *second],
        "before, and a STATE in progress": [begin, activate, *second, in_progress(table)["currently_syncing"]],
        "before, and STATE before the last record": [begin, activate, *second[:2], done, second[2]],
        "before, and STATE after another stream": [begin, activate, *second, *others, done],
        "before the last record": [begin, *second[:2], activate, second[2]],
        "after another stream": [begin, *second, *others, activate],
        "after another stream, and STATE": [begin, *second, *others, activate, done],
        "of another stream": [begin, *second, table.activate(2, other), table.bookmarks(other)],
        "no record": [begin, activate, done, activate],
        "the same version": table.versioned(1, 1, 2, 3),
        "the same version, not in the records": [begin, table.activate(1), *three, table.activate(1), done],
        "no number": [begin, *second, *no_numbers, done],
        "an incremental stream": [table.stream(bookmark_properties=[table.key]), *second, activate, done],
    }


# Two runs at once.


def alone(
    table: Table, beginning: list[Message], version_beginning: list[Message]
) -> dict[str, tuple[list[Message], Row, list[Message], Row]]:
    """What two runs get of which one has to be alone with the stream, and their settings."""
    whole, versioned = table.whole(1, 2, 3), table.versioned(2, 1, 2, 3)
    version_first = [table.stream(), table.activate(2), *table.rows(1, 2, 3, version=2), table.activate(2)]
    return {
        "snapshot beside snapshot": (beginning, SNAPSHOT, whole, SNAPSHOT),
        "ordinary beside snapshot": (beginning, SNAPSHOT, whole, ORDINARY),
        "snapshot beside ordinary": (beginning, ORDINARY, whole, SNAPSHOT),
        "version beside ordinary": (beginning, ORDINARY, version_first, ORDINARY),
        "version at its end beside ordinary": (beginning, ORDINARY, versioned, ORDINARY),
        "ordinary beside version": (version_beginning, ORDINARY, whole, ORDINARY),
        "snapshot beside version": (version_beginning, ORDINARY, whole, SNAPSHOT),
        "version beside version": (version_beginning, ORDINARY, version_first, ORDINARY),
    }
