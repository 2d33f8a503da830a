"""How long the ledger keeps what, in seconds (docs/ledger.md)."""

from __future__ import annotations

import typing as t

_DAY: t.Final = 86_400.0

SEARCH_SHOWS_ALL: t.Final = _DAY
"""After so long Intercom's search surely shows what was written, and not what was removed."""
REMOVED_KEPT: t.Final = 90 * _DAY
"""For so long the key of a record is kept whose contact was removed, and that did not come again."""
FAILURES_KEPT: t.Final = 30 * _DAY
"""For so long it is remembered that a call ended a run by failing alone."""
RUNS_KEPT: t.Final = 100
"""So many runs of a workspace are listed."""
