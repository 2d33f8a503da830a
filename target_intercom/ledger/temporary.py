"""Memberships of a run without a ledger: they need a place on disk, and are forgotten with the run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from target_intercom.ledger.database import Database
from target_intercom.ledger.memberships import Memberships


class TemporaryMemberships(Memberships):
    """Knows what this run has learnt, and nothing of earlier ones: no tag is known to be ours."""

    def __init__(self, folder: Path, workspace: str, run: str) -> None:
        """Make a file of its own in `folder`, readable by its owner only."""
        self._folder = tempfile.TemporaryDirectory(prefix="groups-", dir=folder)
        self._own = Database(Path(self._folder.name) / "memberships.db")
        super().__init__(self._own, workspace, run)

    def close(self) -> None:
        """See `Memberships`."""
        self._own.close()
        self._folder.cleanup()
