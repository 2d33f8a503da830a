"""The page of a dry run's plan: what would be written, old beside new. It holds personal data."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from target_intercom.reporting.pages.charts import Bar, stacked

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.json_lines import Json

MOST_OPERATIONS: t.Final = 20_000
"""Of a larger plan the page has a sample."""
MOST_BYTES: t.Final = 9_500_000
"""Of all operations on the page, so that browsers open it at once."""
LONGEST_VALUE: t.Final = 300
"""Characters of a value; the plan's file has all of it."""
PAGE: t.Final = 50
"""Operations on a page of the list."""
_WIDEST: t.Final = 100
"""The width of the longest bar."""
REMOVALS: t.Final = ("delete", "archive")
_WORDS: t.Final = {
    "create": ("contact would be created", "contacts would be created"),
    "update": ("contact would be updated", "contacts would be updated"),
    "archive": ("contact would be archived", "contacts would be archived"),
    "delete": ("contact would be deleted for good", "contacts would be deleted for good"),
    "tag": ("tag would be put on", "tags would be put on"),
    "untag": ("tag would be taken off", "tags would be taken off"),
    "create_tag": ("tag would be made", "tags would be made"),
    "create_attribute": ("attribute would be made", "attributes would be made"),
    "attach": ("company would be attached", "companies would be attached"),
    "detach": ("company would be detached", "companies would be detached"),
}
_KNOWN: t.Final = ("operation", "stream", "key", "contact", "role", "external_id", "email", "changes")
_NAMED_BY: t.Final = ("email", "external_id", "company_id", "tag", "attribute", "event", "company", "contact")
"""What an operation is called after: the first that it has."""


@dataclass(frozen=True, slots=True)
class Change:
    """An attribute that would change."""

    name: str
    old: str | None
    new: str | None
    is_known: bool = True
    """Whether Intercom shows the old value."""


@dataclass(frozen=True, slots=True)
class Write:
    """An operation of the plan, as it is shown."""

    operation: str
    kind: str
    """Of what it is: `contact`, `company`, and so on."""
    name: str
    stream: str
    facts: Sequence[tuple[str, str]]
    """All else that identifies what it is about."""
    changes: Sequence[Change]

    @property
    def is_new(self) -> bool:
        """Whether there are no old values."""
        return _is_new(self.operation)


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """How often an attribute would change."""

    name: str
    updates: int
    creates: int
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class OperationRow:
    """How often an operation would be done."""

    operation: str
    kind: str
    count: int
    words: str
    streams: Sequence[tuple[str, int]]

    @property
    def is_removal(self) -> bool:
        """Whether it removes something."""
        return self.operation in REMOVALS


@dataclass
class PlanSummary:
    """A plan, read once from its first line to its last: all is counted, and as much kept as the page can hold."""

    total: int = 0
    operations: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """By operation and kind, by stream."""
    updated: Counter[str] = field(default_factory=Counter)
    created: Counter[str] = field(default_factory=Counter)
    kept: list[Write] = field(default_factory=list)
    removals: list[Write] = field(default_factory=list)
    _every: int = 1
    _every_removal: int = 1
    _seen: Counter[bool] = field(default_factory=Counter)
    _size: Counter[bool] = field(default_factory=Counter)

    @property
    def is_sample(self) -> bool:
        """Whether some operations are counted only."""
        return len(self.kept) + len(self.removals) < self.total

    @classmethod
    def of(cls, lines: Iterable[str]) -> PlanSummary:
        """Read the lines of a plan's file."""
        plan = cls()
        for line in lines:
            plan.add(json.loads(line, parse_float=str))
        return plan

    def add(self, line: Mapping[str, Json]) -> None:
        """Count an operation, and keep it if it falls into the sample."""
        operation = str(line["operation"])
        self.total += 1
        self.operations.setdefault((operation, _kind(line)), Counter())[str(line.get("stream") or "")] += 1
        (self.created if _is_new(operation) else self.updated).update((line.get("changes") or {}).keys())
        is_removal = operation in REMOVALS
        every = self._every_removal if is_removal else self._every
        if self._seen[is_removal] % every == 0:
            write = _write(line)
            (self.removals if is_removal else self.kept).append(write)
            self._size[is_removal] += _size(write)
            self._thin()
        self._seen[is_removal] += 1

    def _thin(self) -> None:
        """Drop every other operation while there are too many."""
        while len(self.kept) + len(self.removals) > MOST_OPERATIONS or self._size.total() > MOST_BYTES:
            self.halve()

    def halve(self) -> None:
        """Drop every other operation; of removals as late as can be."""
        if len(self.kept) <= min(MOST_OPERATIONS // 20, len(self.removals)):
            self._every_removal *= 2
            self.removals = self.removals[::2]
            self._size[True] = sum(map(_size, self.removals))
        else:
            self._every *= 2
            self.kept = self.kept[::2]
            self._size[False] = sum(map(_size, self.kept))

    @property
    def shown(self) -> list[Write]:
        """The operations that are kept, removals first, otherwise in the order in which they would be done."""
        return [*sorted(self.removals, key=lambda one: REMOVALS.index(one.operation)), *self.kept]


def plan_view(plan: PlanSummary) -> dict[str, t.Any]:
    """Return what the template of a plan shows."""
    data = packed(plan.shown)
    while len(data.encode("utf-8", "replace")) > MOST_BYTES:
        plan.halve()
        data = packed(plan.shown)
    shown = plan.shown
    return {
        "total": plan.total,
        "shown": len(shown),
        "is_sample": plan.is_sample,
        "operations": list(_operations(plan)),
        "attributes": list(_attributes(plan)),
        "first": shown[:PAGE],
        "page_size": PAGE,
        "data": data,
    }


def _operations(plan: PlanSummary) -> Iterator[OperationRow]:
    order = {operation: place for place, operation in enumerate(dict.fromkeys((*REMOVALS, *_WORDS)))}
    for (operation, kind), streams in sorted(
        plan.operations.items(), key=lambda one: (order.get(one[0][0], len(order)), one[0])
    ):
        count = streams.total()
        one, many = _WORDS.get(operation, (operation, operation))
        words = one if count == 1 else many
        if kind == "company":
            words = words.replace("contacts", "companies").replace("contact", "company")
        yield OperationRow(operation, kind, count, words, streams.most_common())


def _attributes(plan: PlanSummary) -> Iterator[AttributeRow]:
    """Yield the attributes, the one that would change most often first."""
    names = sorted({*plan.updated, *plan.created}, key=lambda one: (-plan.updated[one], -plan.created[one], one))
    most = max((plan.updated[name] + plan.created[name] for name in names), default=0)
    for name in names:
        counts = [("updates", "changed", plan.updated[name]), ("creates", "written", plan.created[name])]
        yield AttributeRow(name, plan.updated[name], plan.created[name], stacked(counts, most, _WIDEST, 8))


def _write(line: Mapping[str, t.Any]) -> Write:
    """Read a line of the plan; what it has beside the keys known today is shown as it is."""
    operation = str(line["operation"])
    name = next((str(line[key]) for key in _NAMED_BY if line.get(key) is not None), "")
    facts = [
        (key, said)
        for key in ("key", "role", "external_id", "contact", *(one for one in line if one not in {*_KNOWN, "object"}))
        if (said := _fact(line.get(key))) and (said != name or key in {"tag", "attribute", "event"})
    ]
    changes = [
        Change(attribute, _value(change.get("old")), _value(change.get("new")), is_known="old" in change)
        for attribute, change in (line.get("changes") or {}).items()
    ]
    return Write(operation, _kind(line), name or _fact(line.get("key")), str(line.get("stream") or ""), facts, changes)


def _kind(line: Mapping[str, t.Any]) -> str:
    return str(line.get("object") or ("contact" if line.get("contact") or line.get("role") else ""))


def _is_new(operation: str) -> bool:
    return operation.startswith("create")


def _fact(value: Json) -> str:
    """Return what identifies something; a key of several parts with blanks between them."""
    if isinstance(value, list):
        return " ".join("null" if part is None else str(part) for part in value)
    return "" if value is None else _value(value) or ""


def _value(value: Json) -> str | None:
    """Return a value as the plan has it; None: there is none."""
    if value is None:
        return None
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= LONGEST_VALUE else f"{said[:LONGEST_VALUE]}…"


def _size(write: Write) -> int:
    """Return about how many characters an operation takes on the page."""
    values = [value or "" for change in write.changes for value in (change.old, change.new)]
    return 12 + sum(_bytes(text) + 3 for text in (write.name, *(fact for _, fact in write.facts), *values))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


class _Words:
    """Texts that come again and again, each by its number."""

    def __init__(self) -> None:
        self.list: list[t.Any] = []
        self._places: dict[t.Any, int] = {}

    def place(self, word: t.Any) -> int:
        """Return the number of a text."""
        if word not in self._places:
            self._places[word] = len(self.list)
            self.list.append(word)
        return self._places[word]


def packed(writes: Sequence[Write]) -> str:
    """Return operations as JSON that repeats neither names nor shapes, for the script of the page.

    Nothing in it can end a script's tag.

    An operation is `[shape, stream, name, facts…, values…]`. Its shape is `[operation, kind, names of facts, names of
    attributes, how]`: for each attribute 0, only a new value; 1, an old one before it; 2, the old one is unknown.
    """
    shapes, streams = _Words(), _Words()
    rows = []
    for write in writes:
        hows = [0 if write.is_new and change.old is None else 1 if change.is_known else 2 for change in write.changes]
        shape = (
            write.operation,
            write.kind,
            tuple(name for name, _ in write.facts),
            tuple(change.name for change in write.changes),
            tuple(hows),
        )
        values = [
            value
            for change, how in zip(write.changes, hows, strict=True)
            for value in ((change.old, change.new) if how == 1 else (change.new,))
        ]
        facts = [fact for _, fact in write.facts]
        rows.append([shapes.place(shape), streams.place(write.stream), write.name, *facts, *values])
    everything = {"shapes": shapes.list, "streams": streams.list, "rows": rows}
    text = json.dumps(everything, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
