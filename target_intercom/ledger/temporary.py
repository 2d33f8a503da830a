"""Memberships of a run without a ledger: they need a place on disk, and are forgotten with the run."""

from __future__ import annotations

import typing as t

from target_intercom.ledger.memberships import Memberships
from target_intercom.ledger.scratch import ScratchDatabase

if t.TYPE_CHECKING:
    from pathlib import Path


class TemporaryMemberships(Memberships):
    """Knows what this run has learnt, and nothing of earlier ones: no tag is known to be ours."""

    def __init__(self, folder: Path, workspace: str, run: str) -> None:
        """Make a file of its own in `folder`, readable by its owner only."""
        self._own = ScratchDatabase(folder)
        super().__init__(self._own, workspace, run)

    def close(self) -> None:
        """See `Memberships`."""
        self._own.close()
