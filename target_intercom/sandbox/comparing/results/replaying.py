"""Plays a recording on a sandbox: the same calls, with the ids that the sandbox gives in place of the recorded ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.comparing.calls import JSON_TYPE, STABLE, Call, Exchange, Raw, Step, Transcript
from target_intercom.sandbox.comparing.results.differences import Comparison, compare
from target_intercom.sandbox.comparing.results.recording import PREFIX
from target_intercom.sandbox.comparing.results.words import CURSORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.sandbox.comparing.playing.connection import Connection

_TRIES = 12
_PAUSE = 0.5
_NOT_COMPARED = frozenset({"timing", "rate", "header"})


def replay(lines: Iterable[Mapping[str, Any]], connection: Connection, script: Iterable[Step]) -> Comparison:
    """Return what a sandbox answers otherwise than the recording: no times, no headers, as those are another server's.

    Raises:
        ComparisonError: No answer came.
    """
    replayer = _Replayer(connection, {step.name: step for step in script})
    for line in lines:
        if not line.get("again"):
            replayer.take(line)
    return replayer.comparison()


class _Replayer:
    def __init__(self, connection: Connection, script: Mapping[str, Step]) -> None:
        self._connection = connection
        self._script = script
        self._ids: dict[str, str] = {}
        self._recorded: list[Exchange] = []
        self._answered: list[Exchange] = []
        self._steps: list[Step] = []

    def take(self, line: Mapping[str, Any]) -> None:
        """Send what was sent, and learn which id stands for which. What was repeated then is repeated now."""
        recorded = _recorded(line)
        step = self._script.get(recorded.step) or Step(recorded.step, recorded.call)
        self._steps.append(step)
        self._recorded.append(recorded)
        call = self._translated(recorded.call)
        answered = self._connection.send(recorded.step, call)
        for _ in range(_TRIES if recorded.waited is not None else 0):
            if not self._differ(step, recorded, answered):
                break
            self._connection.waiting.pause(_PAUSE)
            answered = self._connection.send(recorded.step, call)
        self._learn("", recorded.answer, answered.answer)
        self._answered.append(answered)

    def comparison(self) -> Comparison:
        """Return what differs."""
        return self._compared(self._steps, self._recorded, self._answered)

    def _differ(self, step: Step, recorded: Exchange, answered: Exchange) -> bool:
        return bool(self._compared([step], [recorded], [answered]).differences)

    def _compared(self, steps: list[Step], recorded: list[Exchange], answered: list[Exchange]) -> Comparison:
        labels = {known: known for known in self._ids}
        here = Transcript(PREFIX, tuple(recorded), labels, {})
        there = Transcript(PREFIX, tuple(answered), {own: known for known, own in self._ids.items()}, {})
        found = compare(steps, here, there)
        return replace(found, differences=tuple(one for one in found.differences if one.kind not in _NOT_COMPARED))

    def _translated(self, call: Call) -> Call:
        return replace(
            call,
            path="/".join(self._ids.get(part, part) for part in call.path.split("/")),
            query=self._own(call.query),
            body=self._own(call.body),
        )

    def _own(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._ids.get(value, value)
        if isinstance(value, dict):
            return {key: self._own(entry) for key, entry in value.items()}
        return [self._own(entry) for entry in value] if isinstance(value, list) else value

    def _learn(self, key: str, recorded: Any, answered: Any) -> None:
        if isinstance(recorded, dict) and isinstance(answered, dict):
            for name in recorded.keys() & answered.keys():
                self._learn(name, recorded[name], answered[name])
        elif isinstance(recorded, list) and isinstance(answered, list) and len(recorded) == len(answered):
            for one, other in zip(recorded, answered, strict=True):
                self._learn(key, one, other)
        elif _is_id(key, recorded) and _is_id(key, answered):
            self._ids.setdefault(str(recorded), str(answered))


def _is_id(key: str, value: Any) -> bool:
    is_named = key == "id" or key.endswith(("_id", "id_code")) or key in CURSORS
    return is_named and isinstance(value, (str, int)) and not isinstance(value, bool) and PREFIX not in str(value)


def _recorded(line: Mapping[str, Any]) -> Exchange:
    headers = line.get("request_headers") or {}
    version = headers.get("intercom-version") or line["response_headers"].get("intercom-version") or STABLE
    body = line["request_body"]
    call = Call(
        line["method"],
        line["path"],
        Raw(body) if isinstance(body, str) else body,
        line["query"] or {},
        version,
        is_authorized=headers.get("authorization") != "wrong",
        accept=headers.get("accept") or JSON_TYPE,
    )
    step = line.get("step") or f"{line['seq']} {line['method']} {line['path']}"
    answer, waited = line["response_body"], line.get("waited")
    return Exchange(step, call, line["status"], line["response_headers"], answer, 0.0, 0.0, waited)
