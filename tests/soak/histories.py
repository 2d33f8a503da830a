"""Random histories: who is in a workspace, and the runs that come into it. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Row = dict[str, Any]
Message = dict[str, Any]

WHEN = "2026-05-01T12:00:00Z"
NAMES = ("customers", "orders", "news")
IDS = ("1", "2", "3", "4")
EMAILS = ("a@example.com", "b@example.com", "c@example.com")
GROUPS = ("VIP", "Beta", "Trial")
LINKS = {"groups": "tag", "company_members": "company_id"}
"""Objects that are two things at once, and the property that names the second."""
COMPANIES = ("acme", "beta & co", "Core")
TYPES = {
    "row": "integer",
    "id": "text",
    "email": "text",
    "contact": "text",
    "name": "text",
    "plan": "text",
    "seats": "integer",
    "owner": "text",
    "off": "boolean",
    "groups": "array",
    "account": "array",
    "_sdc_deleted_at": "datetime",
}
MAPPINGS: dict[str, str | None] = {
    "row": None,
    "id": "external_id",
    "contact": "id",
    "owner": "owner_id",
    "off": "unsubscribed_from_emails",
}
PERSONS: tuple[Row, ...] = (
    {"id": "1", "email": EMAILS[0]},
    {"id": None, "email": EMAILS[1]},
    {"id": "3", "email": EMAILS[2]},
    {"id": "4", "email": None},
    {"id": "5", "email": "e@example.com"},
)
"""Each is somebody of their own, for good."""
COMPANY_COLUMNS = ["id", "name", "plan", "seats", "_sdc_deleted_at"]
NOBODY_OWNS = "7"
"""No teammate: Intercom refuses the record."""


@dataclass(frozen=True)
class Shape:
    """What may happen in a history."""

    moves: bool = True
    """Identifiers are shared, swapped, given up and taken; else each key keeps its own."""
    removes: bool = True
    """Records are marked, and streams may be snapshots or versioned."""
    groups: bool = True
    companies: bool = False
    """A stream has companies; contacts name theirs, or a stream has who works where, and others have people there."""
    hands: bool = True
    """Somebody archives, deletes, merges and adds contacts between the runs."""
    namesakes: bool = True
    """Who is added between the runs may have nothing but an email, which somebody had who was deleted."""
    repeats: bool = True
    """A key comes several times in a run; never where identifiers stay."""
    shares: bool = True
    """Several keys of a stream may be about one contact; else, where identifiers stay, each is about somebody else.

    Nobody is a lead of one stream and a user of another then.
    """
    disagrees: bool = True
    """Several streams have contacts, maybe the same ones; and each run may compare them with what its records say."""
    orders: bool = True
    """Streams of mode `remove` come beside others, which bring back whom they name; each is undone by turns."""
    pauses: tuple[float, ...] = (5.0, 5.0, 3600.0)
    """Seconds between two runs."""


@dataclass(frozen=True)
class Hand:
    """Something that is done in Intercom before a run."""

    do: str
    """`add`, `archive`, `delete`, or `merge` the lead into the user; `join` or `quit` a company.

    Nobody archives a company: what jobs make of one that the ledger still knows differs (docs/bulk.md).
    """
    contact: Mapping[str, Any]
    """Whom to add; else an identifier of those to whom it is done."""
    company: str = ""
    """The company_id of the company to join or to quit."""


@dataclass(frozen=True)
class Run:
    """What is piped into a run, and what happens before."""

    messages: tuple[Message, ...]
    hands: tuple[Hand, ...] = ()
    seconds: float = 0.0
    """Since the run before."""

    @property
    def records(self) -> int:
        """How many records come."""
        return sum(message["type"] == "RECORD" for message in self.messages)


@dataclass(frozen=True)
class History:
    """Contacts that are there, the settings, and the runs."""

    there: tuple[Row, ...]
    settings: Mapping[str, Any]
    runs: tuple[Run, ...]

    @property
    def records(self) -> int:
        """How many records come in all."""
        return sum(run.records for run in self.runs)


def history(seed: int, shape: Shape) -> History:
    """Return the history of a seed."""
    return _Author(random.Random(seed), shape).history()


@dataclass
class _Stream:
    name: str
    key: str
    """The property that is its key; empty: it has none."""
    kind: str
    """`plain`, `snapshot`, `versioned`, or `incremental`."""
    settings: Mapping[str, Any]
    rows: list[Row] = field(default_factory=list)
    version: int = 1

    @property
    def object(self) -> str:
        return str(self.settings.get("object", "contacts"))

    @property
    def mode(self) -> str:
        return str(self.settings["sync_mode"])

    @property
    def columns(self) -> list[str]:
        if self.object in LINKS:
            return [*self.keys, "_sdc_deleted_at"]
        if self.object == "companies":
            return COMPANY_COLUMNS
        left_out = {
            "row": {"contact"} if "id" not in self.settings["match_by"] else set(),
            "id": {"row", "contact"},
            "email": {"row", "id", "contact"},
            "": {"row", "contact"},
        }[self.key]
        if not self.settings.get("companies_property"):
            left_out = left_out | {"account"}
        return [name for name in TYPES if name not in left_out]

    def key_of(self, row: Row) -> tuple[Any, ...]:
        """Return what a row is known by: its key, else its first identifier."""
        if self.keys:
            return tuple(row.get(name) for name in self.keys)
        named = {"external_id": row.get("id"), "email": (row.get("email") or "").strip().lower()}
        return next(((name, named[name]) for name in self.settings["match_by"] if named[name]), ())

    def is_remembered(self, row: Row) -> bool:
        """Check whether the ledger can know a row again: by its key, else by an identifier of `match_by`."""
        named = {"external_id": row.get("id"), "email": row.get("email"), "id": row.get("contact")}
        by = [row.get(name) for name in self.keys]
        return any(by) or any(named[name] for name in self.settings.get("match_by", ()))

    @property
    def keys(self) -> list[str]:
        if self.object in LINKS:
            return [self.key, LINKS[self.object]]
        return [self.key] if self.key else []


def _of_one_role(streams: Sequence[_Stream]) -> list[_Stream]:
    """Return streams of which none makes leads of those whom another makes users."""
    if len({one.settings.get("creation_mode") for one in streams}) == 1:
        return list(streams)
    user: dict[str, Any] = {"creation_mode": "user"}
    return [
        replace(one, settings={**one.settings, **user}) if one.settings.get("creation_mode") == "lead" else one
        for one in streams
    ]


class _Author:
    def __init__(self, any_: random.Random, shape: Shape) -> None:
        self.any = any_
        self.shape = shape
        self.is_large = self.chance(0.15)
        self.keys = range(1, (25 if self.is_large else self.any.choice([3, 4, 6])) + 1)
        if not shape.shares:
            self.keys = self.keys[: len(PERSONS)]
        self.are_several = False
        """Streams."""
        self.versions = 0
        """By which names tell when they came."""

    def chance(self, of: float) -> bool:
        return self.any.random() < of

    def history(self) -> History:
        streams = list(self.streams())
        if not self.shape.shares:
            streams = _of_one_role(streams)
        there = tuple(self.somebody() for _ in range(self.any.randint(0, 4)))
        settings = {
            "clear_nulls": not self.chance(0.15),
            "repair": self.chance(0.05) and self.shape.disagrees,
            "max_removal_percent": self.any.choice([100, 100, 100, 20]),
            "search_delay_seconds": self.any.choice([0, 120]),
            "streams": {stream.name: stream.settings for stream in streams},
        }
        runs = [self.run(streams, is_first=number == 0) for number in range(self.any.choice([1, 2, 2, 3, 3]))]
        return History(there, settings, tuple(runs))

    # Who is there, and what somebody does to them.

    def somebody(self) -> Row:
        """Return a contact; where identifiers stay, it has those of one person, or it would be two of them at once."""
        if not self.shape.moves:
            person = self.any.choice(PERSONS)
            role = "lead" if person["id"] is None and self.chance(0.5) else "user"
            named = {"external_id": person["id"]} if person["id"] else {}
            return {"role": role, "email": person["email"], "name": "Old", **named}
        role = self.any.choice(["user", "user", "lead"])
        email = self.any.choice([*EMAILS, None]) if role == "user" else self.any.choice(EMAILS)
        named = {"external_id": self.any.choice(IDS)} if role == "user" and (not email or self.chance(0.6)) else {}
        return {"role": role, "email": email, "name": "Old", **named}

    def hand(self) -> Hand:
        if self.shape.companies and self.chance(0.4):
            who = {"external_id": self.any.choice(IDS)}
            return Hand(self.any.choice(["join", "quit"]), who, self.any.choice(COMPANIES))
        do = self.any.choice(["add", "archive", "delete", "merge"])
        if do == "add":
            person = self.somebody()
            named = {} if self.shape.namesakes else {"role": "user", "external_id": self.any.choice(IDS)}
            return Hand(do, {**person, **named})
        if do == "merge" or self.chance(0.5):
            return Hand(do, {"email": self.any.choice(EMAILS)})
        return Hand(do, {"external_id": self.any.choice(IDS)})

    # Streams.

    def streams(self) -> Iterator[_Stream]:
        names = NAMES[: self.any.choice([1, 1, 1, 2, 2, 3])]
        self.are_several = len(names) > 1
        for number, name in enumerate(names):
            is_groups = number and self.shape.groups and (self.chance(0.3) or not self.shape.disagrees)
            if is_groups or self.shape.disagrees or not number:
                yield self.groups(name) if is_groups else self.contacts(name)
        if self.shape.companies:
            yield self.companies()
            if self.chance(0.6):
                yield self.members()

    def companies(self) -> _Stream:
        modes = ["sync"] * 5 + ["additive", "enrich", "insert", *(["remove"] if self.shape.orders else [])]
        mode = self.any.choice(modes if self.shape.removes else ["additive", "sync"])
        mappings = {"id": "company_id"}
        return self.removed_from("accounts", "id", {"object": "companies", "sync_mode": mode, "mappings": mappings})

    def members(self) -> _Stream:
        mode = "sync" if self.shape.removes and self.chance(0.7) else "additive"
        settings = {"object": "company_members", "sync_mode": mode, "mappings": {}}
        return self.removed_from("seats", "external_id", settings)

    def removed_from(self, name: str, key: str, settings: Mapping[str, Any]) -> _Stream:
        """Return a stream that may be a snapshot, if its mode and the shape let it."""
        is_snapshot = self.shape.removes and settings["sync_mode"] == "sync" and self.chance(0.5)
        kind = "snapshot" if is_snapshot else "plain"
        return _Stream(name, key, kind, {**settings, "snapshot": is_snapshot})

    def groups(self, name: str) -> _Stream:
        kind = self.any.choice(["plain", "snapshot"]) if self.shape.removes else "plain"
        mode = "sync" if self.shape.removes and self.chance(0.7) else "additive"
        settings = {"object": "groups", "mappings": {}, "sync_mode": mode, "snapshot": kind == "snapshot"}
        return _Stream(name, self.any.choice(["external_id", "email"]), kind, settings)

    def contacts(self, name: str) -> _Stream:
        modes = ["additive", "additive", "enrich", "insert"]
        mode = self.any.choice([*modes, *["sync"] * 7, "remove"] if self.shape.removes else [*modes, "sync"])
        if self.are_several and not self.shape.orders:
            mode = mode.replace("remove", "sync")
        kind = self.any.choice(["plain", "snapshot", "snapshot", "versioned", "incremental"])
        if not self.shape.removes or mode != "sync":
            kind = self.any.choice(["plain", "incremental"])
        key = self.any.choice(["row", "row", "row", "row", "id", "email", ""])
        by_email = [["external_id", "email"], ["email"]]
        orders = [["external_id", "email"]] * 4 + [["email"]] * 2 + [["email", "external_id"]] * 2 + [["external_id"]]
        if key == "row" and self.shape.moves:
            orders += [["id", "external_id", "email"], ["external_id", "id"], ["email", "id"], ["id"]]
        settings = {
            "sync_mode": mode,
            "creation_mode": self.any.choice(["user", "user", "user", "lead", "lifecycle", "lifecycle"]),
            "removal_mode": "delete" if self.chance(0.25) else "archive",
            "match_by": self.any.choice(orders if key != "email" else by_email),
            "snapshot": kind == "snapshot",
            "tags_property": "groups" if self.shape.groups and self.chance(0.3) else None,
        }
        if self.shape.companies and self.chance(0.6):
            settings["companies_property"] = "account"
        stream = _Stream(name, key, kind, settings)
        mappings = {column: target for column, target in MAPPINGS.items() if column in stream.columns}
        return replace(stream, settings={**settings, "mappings": mappings})

    # Rows.

    def row(self, stream: _Stream) -> Row:
        if stream.object in LINKS:
            named = self.any.choice(IDS if stream.key == "external_id" else EMAILS)
            ended = WHEN if self.shape.removes and self.chance(0.15) else None
            group = self.any.choice(GROUPS if stream.object == "groups" else COMPANIES)
            return {stream.key: named, LINKS[stream.object]: group, "_sdc_deleted_at": ended}
        if stream.object == "companies":
            return {"id": self.any.choice(COMPANIES), **self.attributes(stream)}
        key = self.any.choice(self.keys)
        names = self.identifiers(stream, key)
        return {
            **{name: value for name, value in {"row": key, **names}.items() if name in stream.columns},
            **self.attributes(stream),
        }

    def identifiers(self, stream: _Stream, key: int) -> Row:
        """Return what names whom a row is about; its key is always said."""
        if not self.shape.moves:
            return dict(PERSONS[(key - 1) % len(PERSONS)])
        ids, emails = (IDS, EMAILS) if not self.is_large else (range(1, 20), [f"p{n}@example.com" for n in range(15)])
        names: Row = {
            "id": self.any.choice([*map(str, ids), None] if stream.key == "id" else [*map(str, ids), None, None]),
            "email": self.any.choice([*emails, None]),
        }
        if "contact" in stream.columns:
            names["contact"] = self.any.choice(["@0", "@1", "@2", None, None])
        said = {name: value for name, value in names.items() if name == stream.key or not self.chance(0.15)}
        if not any(said.get(name) for name in ("id", "email", "contact")) and self.chance(0.7):
            said["email"] = self.any.choice(emails)
        if self.chance(0.02):
            said["email"] = "no address"
        if said.get("email") and self.chance(0.1):
            said["email"] = f" {said['email'].title()}"
        return said

    def attributes(self, stream: _Stream) -> Row:
        self.versions += 1
        said: Row = {"name": f"v{self.versions}"}
        others: dict[str, tuple[Any, ...]] = {"plan": ("pro", "free", None), "seats": (0, 1, None)}
        said |= {name: self.any.choice(values) for name, values in others.items() if self.chance(0.3)}
        if stream.object == "companies":
            return said | ({"_sdc_deleted_at": WHEN} if self.shape.removes and self.chance(0.15) else {})
        if self.chance(0.05):
            said["off"] = self.chance(0.5)
        if self.chance(0.04):
            said["owner"] = NOBODY_OWNS
        if self.chance(0.02):
            said["seats"] = "many"
        if stream.settings["tags_property"] and self.chance(0.7):
            said["groups"] = [one for one in GROUPS if self.chance(0.5)] or (None if self.chance(0.5) else [])
        if stream.settings.get("companies_property") and self.chance(0.7):
            said["account"] = [one for one in COMPANIES if self.chance(0.4)] or None
        if self.shape.removes and self.chance(0.1):
            said["_sdc_deleted_at"] = WHEN
        return said

    # Runs.

    def run(self, streams: Sequence[_Stream], *, is_first: bool) -> Run:
        come = [one for one in streams if self.chance(0.9)] or list(streams[:1])
        if self.chance(0.3):
            self.any.shuffle(come)
        bookmarks: dict[str, Any] = {}
        messages = tuple(message for stream in come for message in self.part(stream, bookmarks))
        hands = [self.hand() for _ in range(self.any.choice([0, 0, 1, 2]))] if self.shape.hands else []
        return Run(messages, tuple(hands), 0.0 if is_first else self.any.choice(self.shape.pauses))

    def part(self, stream: _Stream, bookmarks: dict[str, Any]) -> Iterator[Message]:
        rows = self.rows(stream)
        begin = schema(stream.name, stream.keys, **{name: TYPES.get(name, "text") for name in stream.columns})
        if stream.kind == "incremental":
            begin["bookmark_properties"] = ["name"]
        stream.version += 1
        version = {"version": stream.version} if stream.kind == "versioned" else {}
        activate: Message = {"type": "ACTIVATE_VERSION", "stream": stream.name, **version}
        bookmarks[stream.name] = {"replication_key_value": WHEN} if stream.kind == "incremental" else {}
        is_complete = self.chance(0.9)
        comes_first = self.chance(0.5)
        yield begin
        if version and comes_first:
            yield activate
        yield from ({**record(stream.name, **row), **version} for row in rows)
        if version and not comes_first and is_complete:
            yield activate
        if is_complete:
            yield state({"bookmarks": dict(bookmarks)})

    def rows(self, stream: _Stream) -> list[Row]:
        """Return what comes of a stream: a table that is read again, with changes, or something new."""
        count = self.any.randint(8, 30) if self.is_large else self.any.randint(1, 7)
        if not stream.rows or self.chance(0.25):
            stream.rows = [self.row(stream) for _ in range(count)]
        else:
            stream.rows = [one for row in stream.rows for one in self.again(stream, row)] or [self.row(stream)]
            stream.rows += [self.row(stream) for _ in range(self.any.choice([0, 0, 1, 2]))]
        if not (self.shape.moves and self.shape.repeats):
            # A key comes once, or what it ends as depends on where a run was cut, and a run that is repeated undoes it.
            stream.rows = list({stream.key_of(row): row for row in stream.rows}.values())
        if not self.shape.repeats:
            # Of a record without key and identifier nothing is remembered: it undoes what others say of its lead.
            stream.rows = [row for row in stream.rows if stream.is_remembered(row)] or [self.row(stream)]
        if self.chance(0.4):
            self.any.shuffle(stream.rows)
        return list(stream.rows)

    def again(self, stream: _Stream, row: Row) -> Iterator[Row]:
        """Yield what has become of a row."""
        fate = self.any.random()
        if fate < 0.5:
            yield row
        elif fate < 0.7:
            yield {**row, **({} if stream.object in LINKS else self.attributes(stream))}
        elif fate < 0.82:
            new = self.row(stream)
            yield {**new, **{name: row[name] for name in stream.keys if name in row}} if self.shape.moves else row
