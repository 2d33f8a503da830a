"""Smaller histories in which something still goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from tests.soak.histories import History, Run

MOST_TRIES = 200
_One = TypeVar("_One")


def smallest(history: History, is_wrong: Callable[[History], bool], tries: int = MOST_TRIES) -> History:
    """Return the smallest history found in which it is still wrong."""
    while tries:
        for smaller in _smaller(history):
            tries -= 1
            if is_wrong(smaller):
                history = smaller
                break
            if not tries:
                break
        else:
            break
    return history


def _smaller(history: History) -> Iterator[History]:
    """Yield histories with something left out, the most first."""
    runs = history.runs
    if len(runs) > 1:
        yield from (replace(history, runs=_without(runs, number)) for number in range(len(runs)))
    yield from _with_smaller_runs(history, _smaller_run)
    yield from (replace(history, there=_without(history.there, number)) for number in range(len(history.there)))
    yield from (replace(history, settings=plainer) for plainer in _plainer_settings(history.settings, _streams(runs)))
    yield from _with_smaller_runs(history, _plainer_run)


def _with_smaller_runs(history: History, smaller: Callable[[Run], Iterator[Run]]) -> Iterator[History]:
    for number, run in enumerate(history.runs):
        for one in smaller(run):
            yield replace(history, runs=(*history.runs[:number], one, *history.runs[number + 1 :]))


def _plainer_settings(settings: Mapping[str, Any], come: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """Yield settings without one of them: of all streams, a whole stream's, or of one stream.

    Only a stream that comes alone may go without an entry.
    """
    streams = settings.get("streams", {})
    yield from (_less(settings, name) for name in settings if name != "streams")
    may_go = [stream for stream in streams if stream not in come or len(come) == 1]
    yield from ({**settings, "streams": _less(streams, stream)} for stream in may_go)
    for stream, own in streams.items():
        yield from ({**settings, "streams": {**streams, stream: _less(own, name)}} for name in own)


def _streams(runs: Iterable[Run]) -> set[str]:
    return {message["stream"] for run in runs for message in run.messages if "stream" in message}


def _less(settings: Mapping[str, Any], left_out: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != left_out}


def _without(several: tuple[_One, ...], number: int) -> tuple[_One, ...]:
    return several[:number] + several[number + 1 :]


def _smaller_run(run: Run) -> Iterator[Run]:
    messages = run.messages
    for stream in sorted({message["stream"] for message in messages if message["type"] == "SCHEMA"}):
        rest = tuple(message for message in messages if message.get("stream") != stream)
        if rest and {message["stream"] for message in rest if "stream" in message}:
            yield replace(run, messages=rest)
    records = [number for number, message in enumerate(messages) if message["type"] == "RECORD"]
    size = len(records) // 2
    while size:
        for start in range(0, len(records), size):
            left_out = set(records[start : start + size])
            yield replace(run, messages=tuple(one for number, one in enumerate(messages) if number not in left_out))
        size //= 2
    if len(records) == 1:
        yield replace(run, messages=tuple(one for one in messages if one["type"] != "RECORD"))
    yield from (replace(run, hands=_without(run.hands, number)) for number in range(len(run.hands)))


def _plainer_run(run: Run) -> Iterator[Run]:
    """Yield runs of which a record says less, or that something else but a record does not come in."""
    for number, message in enumerate(run.messages):
        before, after = run.messages[:number], run.messages[number + 1 :]
        if message["type"] in {"STATE", "ACTIVATE_VERSION"}:
            yield replace(run, messages=(*before, *after))
        if message["type"] != "RECORD":
            continue
        keys = next(one["key_properties"] for one in before if one.get("stream") == message["stream"])
        for name in message["record"]:
            if name not in keys:
                less = {key: value for key, value in message["record"].items() if key != name}
                yield replace(run, messages=(*before, {**message, "record": less}, *after))
