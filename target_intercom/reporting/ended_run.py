"""A run that has ended, in figures: what the ledger keeps of it, and charts show."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What a run did, in figures; nothing in it is personal data."""

    run: str
    """Its id."""
    started_at: str
    """UTC, ISO 8601."""
    finished_at: str
    seconds: float
    exit_code: int
    """0: it succeeded; above 128: a signal ended it."""
    read: int
    """Records that have an outcome."""
    written: int
    """Contacts and tags that were changed, made or removed."""
    refused: int
    """Records that were invalid or rejected."""
    calls: int
    retries: int
    rate_limited: int
    waited_seconds: float
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """How many records had each outcome, over all streams."""
