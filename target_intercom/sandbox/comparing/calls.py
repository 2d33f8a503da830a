"""The words of a comparison: calls, steps, exchanges and transcripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Condition: TypeAlias = "Callable[[Exchange, Mapping[str, str]], bool]"

STABLE = "2.16"
PREVIEW = "Preview"
JSON_TYPE = "application/json"


class ComparisonError(Exception):
    """Why a comparison cannot be made or finished, in a sentence for its user."""


@dataclass(frozen=True)
class Raw:
    """A body that is sent as it is."""

    text: str


@dataclass(frozen=True)
class Call:
    """A request. In path, query and body `{name}` stands for an id of an earlier answer, `{p}` for the prefix.

    Attributes:
        is_authorized: Whether it bears the token; else one that is none.
    """

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    version: str = STABLE
    is_authorized: bool = True
    accept: str = JSON_TYPE


@dataclass(frozen=True)
class Exchange:
    """A call as it was sent, and its answer.

    Attributes:
        at: When it was sent, in UNIX seconds.
        seconds: How long the answer took.
        waited: Of a step that is repeated: how long after its first call this one was sent.
        is_last: Whether the step was not repeated after it.
    """

    step: str
    call: Call
    status: int
    headers: Mapping[str, str]
    answer: Any
    at: float
    seconds: float
    waited: float | None = None
    is_last: bool = True

    @property
    def is_done(self) -> bool:
        """Return whether the call was carried out."""
        return 200 <= self.status < 300  # noqa: PLR2004 - statuses

    @property
    def code(self) -> str | None:
        """Return the code of a refusal."""
        return self._error("code")

    @property
    def message(self) -> str | None:
        """Return the text of a refusal."""
        return self._error("message")

    def _error(self, key: str) -> str | None:
        found = self.answer.get("errors") if isinstance(self.answer, dict) else None
        if isinstance(found, list) and found and isinstance(found[0], dict):
            value = found[0].get(key)
            return value if isinstance(value, str) else None
        return None


@dataclass(frozen=True)
class Step:
    """A call of the script, and what is done with its answer.

    Attributes:
        saves: Names for ids in the answer: where each stands, by dots.
        until: The step is repeated until this holds; how long that takes is compared.
        answers: Numbers of the unknowns that it has to do with.
        ignores: Parts of the answer that depend on what else the workspace has.
        is_ordered: Whether the order of a list is compared.
        is_strange: It breaks Intercom's description, to see how it is refused.
    """

    name: str
    call: Call
    saves: Mapping[str, str] = field(default_factory=dict)
    until: Condition | None = None
    answers: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    is_ordered: bool = False
    is_strange: bool = False


@dataclass(frozen=True)
class Transcript:
    """All that was said in one playing of the script.

    Attributes:
        names: What the ids of the script's objects are called, by id.
        skipped: Why a step was not played, by its name.
    """

    prefix: str
    exchanges: tuple[Exchange, ...]
    names: Mapping[str, str]
    skipped: Mapping[str, str]

    def last(self, step: str) -> Exchange | None:
        """Return the last exchange of a step; None where it was not played."""
        found = [exchange for exchange in self.exchanges if exchange.step == step]
        return found[-1] if found else None


# --- calls, as the script writes them ---


def get(path: str, version: str = STABLE, **query: str) -> Call:
    """Return a GET."""
    return Call("GET", path, query=query, version=version)


def post(path: str, body: Any = None, version: str = STABLE, **query: str) -> Call:
    """Return a POST."""
    return Call("POST", path, {} if body is None else body, query, version)


def put(path: str, body: Any, version: str = STABLE) -> Call:
    """Return a PUT."""
    return Call("PUT", path, body, version=version)


def delete(path: str, version: str = STABLE) -> Call:
    """Return a DELETE."""
    return Call("DELETE", path, version=version)


# --- conditions of steps that are repeated ---


def answered(status: int) -> Condition:
    """Wait for a status."""
    return lambda exchange, _: exchange.status == status


def answered_other_than(status: int) -> Condition:
    """Wait for another status."""
    return lambda exchange, _: exchange.status != status


def lists(*names: str) -> Condition:
    """Wait until a list shows these."""

    def condition(exchange: Exchange, ids: Mapping[str, str]) -> bool:
        return {ids[name] for name in names if name in ids} <= listed_ids(exchange)

    return condition


def lists_not(*names: str) -> Condition:
    """Wait until a list shows none of these."""

    def condition(exchange: Exchange, ids: Mapping[str, str]) -> bool:
        return exchange.is_done and listed_ids(exchange).isdisjoint(ids[name] for name in names if name in ids)

    return condition


def ended() -> Condition:
    """Wait until all tasks of a bulk job have ended."""
    return lambda exchange, _: has_ended(exchange.answer) or not exchange.is_done


def listed(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the entries of a list."""
    return _objects(exchange.answer, "data")


def listed_ids(exchange: Exchange) -> set[str]:
    """Return the ids of the entries of a list."""
    return {str(entry.get("id")) for entry in listed(exchange)}


def has_ended(answer: Any) -> bool:
    """Return whether all tasks of a job have ended; a job itself may stay open."""
    states = [task.get("state") for task in _objects(answer, "tasks")]
    return bool(states) and all(str(state).startswith("completed") for state in states)


def _objects(answer: Any, key: str) -> list[dict[str, Any]]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
