"""Memberships of a run without a ledger: they need a place on disk, and are forgotten with the run."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from target_intercom.ledger.database import Database
from target_intercom.ledger.memberships import Memberships

_PREFIX = "groups-"
_OLD = 2 * 86_400.0
"""Seconds after which a folder is not a running process's any more."""


class TemporaryMemberships(Memberships):
    """Knows what this run has learnt, and nothing of earlier ones: no tag is known to be ours."""

    def __init__(self, folder: Path, workspace: str, run: str) -> None:
        """Make a file of its own in `folder`, readable by its owner only."""
        _sweep(folder)
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder)
        self._own = Database(Path(self._folder.name) / "memberships.db")
        super().__init__(self._own, workspace, run)

    def close(self) -> None:
        """See `Memberships`."""
        self._own.close()
        self._folder.cleanup()


def _sweep(folder: Path) -> None:
    """Remove what runs have left that were killed."""
    for left in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left)
