"""Plays the script on one workspace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from target_intercom.sandbox.comparing.calls import Transcript
from target_intercom.sandbox.comparing.playing.filling import MissingNameError, fill, value_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_intercom.sandbox.comparing.calls import Call, Exchange, Step
    from target_intercom.sandbox.comparing.playing.connection import Connection
    from target_intercom.sandbox.comparing.playing.made import Made

_KEPT_CALLS = 20
"""Calls that are kept for taking away what was made, beyond one for each object."""


@dataclass(frozen=True)
class Patience:
    """How long a step is repeated, and how often: the pauses grow.

    Attributes:
        seconds: After so long it is given up.
    """

    seconds: float = 180.0
    first: float = 0.5
    growth: float = 2.0
    longest: float = 30.0


class Player:
    """Sends steps, one after the other, and writes down what is said."""

    def __init__(self, connection: Connection, made: Made, patience: Patience) -> None:
        self._connection = connection
        self._made = made
        self._patience = patience
        self._ids = {"p": made.prefix}
        self._names: dict[str, str] = {}
        self._exchanges: list[Exchange] = []
        self._skipped: dict[str, str] = {}

    def play(self, script: Iterable[Step], tell: Callable[[int], None]) -> Transcript:
        """Send every step that can be sent; `tell` is called with the number of each.

        Raises:
            ComparisonError: No answer came.
            Stopped: Somebody asked to stop.
        """
        for number, step in enumerate(script, 1):
            tell(number)
            if self._connection.calls + self._made.cost + _KEPT_CALLS >= self._connection.most:
                self._skipped[step.name] = "the calls are spent"
                continue
            try:
                call = fill(step.call, self._ids)
            except MissingNameError as missing:
                self._skipped[step.name] = f"no answer gave the id of {missing.name!r}"
                continue
            self._take(step, call)
        return Transcript(self._made.prefix, tuple(self._exchanges), self._names, self._skipped)

    def _take(self, step: Step, call: Call) -> None:
        exchange = self._send(step, call)
        pause, began = self._patience.first, exchange.at
        while step.until and not step.until(exchange, self._ids) and self._may_repeat(exchange, began):
            self._exchanges.append(replace(exchange, is_last=False))
            self._connection.waiting.pause(pause)
            pause = min(pause * self._patience.growth, self._patience.longest)
            exchange = self._send(step, call)
            exchange = replace(exchange, waited=exchange.at - began)
        if step.until and exchange.waited is None:
            exchange = replace(exchange, waited=0.0)
        self._exchanges.append(exchange)
        self._save(step, exchange)

    def _may_repeat(self, exchange: Exchange, began: float) -> bool:
        has_calls = self._connection.calls + self._made.cost + _KEPT_CALLS < self._connection.most
        return has_calls and exchange.at - began < self._patience.seconds

    def _send(self, step: Step, call: Call) -> Exchange:
        self._made.before(call)
        exchange = self._connection.send(step.name, call)
        self._made.after(exchange)
        return exchange

    def _save(self, step: Step, exchange: Exchange) -> None:
        for name, path in step.saves.items() if exchange.is_done else ():
            found = value_at(exchange.answer, path)
            if found is not None:
                self._ids[name] = found
                self._names.setdefault(found, name)
