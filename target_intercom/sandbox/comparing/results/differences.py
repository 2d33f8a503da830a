"""What differs between two transcripts. Pure: no call, no clock."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from target_intercom.sandbox.comparing.results.normal import Leaf, Normal, normal
from target_intercom.sandbox.comparing.results.weights import weights
from target_intercom.sandbox.comparing.results.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_intercom.sandbox.comparing.calls import Exchange, Step, Transcript

KINDS = ("status", "code", "text", "hits", "shape", "value", "header", "timing", "rate")
"""Kinds of differences, the gravest first."""

_LABEL = re.compile(r"\[[^\]]*\]")
_NOTICEABLE = 1.0
_FACTOR = 3.0
_TEXTS = frozenset({"errors[0].message", "errors[0].code"})


class Found(NamedTuple):
    """A difference at one step."""

    step: str
    kind: str
    where: str
    workspace: str
    sandbox: str


@dataclass(frozen=True)
class Difference:
    """The same difference, at all steps that have it."""

    kind: str
    where: str
    workspace: str
    sandbox: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What differs, and what could not be compared.

    Attributes:
        compared: The steps that both sides answered.
        skipped: Why a step was not compared, by its name.
    """

    differences: tuple[Difference, ...] = ()
    compared: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def compare(script: Iterable[Step], workspace: Transcript, sandbox: Transcript) -> Comparison:
    """Return what differs between a workspace's answers and the sandbox's."""
    here, there = Words(workspace), Words(sandbox)
    found: list[Found] = []
    compared: list[str] = []
    skipped: dict[str, str] = {}
    for step in script:
        left, right = workspace.last(step.name), sandbox.last(step.name)
        if left is None or right is None:
            skipped[step.name] = workspace.skipped.get(step.name) or sandbox.skipped.get(step.name) or "it was not sent"
            continue
        compared.append(step.name)
        found += [Found(step.name, *entry) for entry in _differences(step, (left, here), (right, there))]
    found += _rates(workspace, sandbox)
    return Comparison(tuple(_grouped(found)), tuple(compared), skipped)


def _differences(step: Step, *sides: tuple[Exchange, Words]) -> Iterator[tuple[str, str, str, str]]:
    (left, _), (right, _) = sides
    one, other = (normal(exchange, words) for exchange, words in sides)
    if left.status != right.status:
        yield "status", "", _answer(left, one), _answer(right, other)
        return
    yield from _of_codes(one, other)
    yield from _of_hits(step, one, other)
    yield from _of_leaves(step, one, other)
    yield from _of_headers(one, other)
    yield from _of_waits(left, right)


def _answer(exchange: Exchange, answer: Normal) -> str:
    parts = [answer.leaves[name].shown for name in ("errors[0].code", "errors[0].message") if name in answer.leaves]
    return " ".join((str(exchange.status), ": ".join(parts))).strip()


def _of_codes(one: Normal, other: Normal) -> Iterator[tuple[str, str, str, str]]:
    for kind, where in (("code", "errors[0].code"), ("text", "errors[0].message")):
        left, right = one.leaves.get(where), other.leaves.get(where)
        if left and right and left != right:
            yield kind, "", left.shown, right.shown


def _of_hits(step: Step, one: Normal, other: Normal) -> Iterator[tuple[str, str, str, str]]:
    if one.hits is None or other.hits is None or "data" in step.ignores:
        return
    left, right = one.hits, other.hits
    if not step.is_ordered:
        left, right = tuple(sorted(left)), tuple(sorted(right))
    if left != right:
        yield "hits", "", ", ".join(left) or "none", ", ".join(right) or "none"


def _of_leaves(step: Step, one: Normal, other: Normal) -> Iterator[tuple[str, str, str, str]]:
    left, right = (dict(_compared(step, answer)) for answer in (one, other))
    listed_here, listed_there = (set(answer.hits or ()) for answer in (one, other))
    for where in {**left, **right}:
        label = re.match(r"\w+\[([^\]]*)\]", where)
        if label and label[1] in listed_here ^ listed_there:
            continue  # an entry that one list lacks is told once, as a hit
        mine, its = left.get(where), right.get(where)
        if mine is None or its is None or (mine.type != its.type and "null" not in {mine.type, its.type}):
            yield "shape", where, _type(mine), _type(its)
        elif mine != its:
            yield "value", where, mine.shown, its.shown


def _compared(step: Step, answer: Normal) -> Iterator[tuple[str, Leaf]]:
    for where, leaf in answer.leaves.items():
        is_told = where in _TEXTS and leaf.type == "text"
        is_ignored = any(re.match(rf"{re.escape(part)}(\W|$)", where) for part in step.ignores)
        if not is_ignored:
            yield where, Leaf(leaf.type, "") if is_told else leaf


def _type(leaf: Leaf | None) -> str:
    return "missing" if leaf is None else leaf.type


def _of_headers(one: Normal, other: Normal) -> Iterator[tuple[str, str, str, str]]:
    for name in sorted({*one.headers, *other.headers}):
        left, right = one.headers.get(name, "missing"), other.headers.get(name, "missing")
        if left != right:
            yield "header", name, left, right


def _of_waits(left: Exchange, right: Exchange) -> Iterator[tuple[str, str, str, str]]:
    if left.waited is None or right.waited is None:
        return
    longer, shorter = max(left.waited, right.waited), min(left.waited, right.waited)
    if longer - shorter > _NOTICEABLE and longer > _FACTOR * shorter:
        yield "timing", "", f"{left.waited:.1f} s", f"{right.waited:.1f} s"


def _rates(workspace: Transcript, sandbox: Transcript) -> Iterator[Found]:
    here, there = weights(workspace), weights(sandbox)
    for step in here.keys() & there.keys():
        if here[step] != there[step]:
            yield Found(step, "rate", "", f"{here[step]} calls", f"{there[step]} calls")


def _grouped(found: Iterable[Found]) -> list[Difference]:
    groups: dict[tuple[str, str, str, str], dict[str, None]] = defaultdict(dict)
    for step, kind, where, workspace, sandbox in found:
        groups[kind, _LABEL.sub("[]", where), workspace, sandbox][step] = None
    differences = [Difference(*key, tuple(steps)) for key, steps in groups.items()]
    return sorted(differences, key=lambda entry: KINDS.index(entry.kind))
