"""Leads whose creation was sent and whose answer was lost.

Intercom would take a second one without a word, so none is repeated before it is sure that the first did not arrive:
not before the search index must show it.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from target_intercom.intercom.outages import Tries
from target_intercom.model import Ambiguous, Found, NotFound
from target_intercom.sync.matching.whose import match_identity

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.errors import Fault
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.ledger.interface import Stamp
    from target_intercom.model import Create
    from target_intercom.sync.matching.search import Matcher

_LOOKS = 8
"""Searches, spread over the time the index may lag."""
_SHORTEST_PAUSE = 0.1
"""Between two searches, in seconds."""


@dataclass(frozen=True, slots=True)
class LeadInDoubt:
    """A lead that may have been made; `sent_at` is when it was sent at the latest, on the monotonic clock."""

    operation: Create
    fault: Fault
    sent_at: float
    intent: Stamp | None = None
    """Its stamp in the ledger."""
    may_come: bool = False
    """A job that may still make it is under way: it must not be sent again, also where it is not found."""
    tries: Tries = field(default_factory=Tries)
    """The failures of its creation."""


@dataclass(slots=True)
class Search:
    """What came of looking for leads in doubt."""

    found: list[tuple[LeadInDoubt, Found | Ambiguous]] = field(default_factory=list)
    missing: list[LeadInDoubt] = field(default_factory=list)
    """Surely not made."""
    unclear: list[LeadInDoubt] = field(default_factory=list)
    """Intercom gave no answer on them, or a job that may make them is still under way."""


class LeadSearch:
    """Looks for leads in doubt, all at once."""

    def __init__(self, client: IntercomClient, matcher: Matcher, search_delay_seconds: float) -> None:
        """Look for up to `search_delay_seconds`, the longest that search lags behind."""
        self._client = client
        self._matcher = matcher
        self._delay = search_delay_seconds

    def run(self, doubts: Sequence[LeadInDoubt]) -> Search:
        """Search until every lead is found, or the index must show what was sent."""
        search = Search(missing=list(doubts))
        due = max(doubt.sent_at for doubt in doubts) + self._delay
        while True:
            is_last = time.monotonic() >= due
            self._look(search, is_last=is_last)
            if is_last or not search.missing:
                return search
            self._client.pause(min(max(self._delay / _LOOKS, _SHORTEST_PAUSE), max(due - time.monotonic(), 0.0)))

    def _look(self, search: Search, *, is_last: bool) -> None:
        """Search once, and sort out who was found."""
        identities = [doubt.operation.group.draft.identity for doubt in search.missing]
        shown = self._matcher.search_index(identities)
        looked_for, search.missing = search.missing, []
        for doubt, identity in zip(looked_for, identities, strict=True):
            match = match_identity(shown, identity, (), makes_lead=True)
            if isinstance(match, (Found, Ambiguous)):
                search.found.append((doubt, match))
            elif is_last and (doubt.may_come or not isinstance(match, NotFound)):
                search.unclear.append(doubt)
            else:
                search.missing.append(doubt)
