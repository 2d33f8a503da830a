"""Which files of tests are given out test by test."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

DIVISIBLE = frozenset(
    {
        "test_bulk.py",
        "test_bulk_tags.py",
        "test_following.py",
        "test_groups.py",
        "test_leaving.py",
        "test_fuse.py",
        "test_memberships.py",
        "test_memberships_leaving.py",
        "test_memory.py",
        "test_moments_ago.py",
        "test_outages.py",
        "test_removals.py",
        "test_signals.py",
        "test_tags.py",
        "test_variables.py",
    }
)
"""Names of long files whose tests share nothing: no process is left with one of them at the end."""


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Gives out file by file, and the divisible ones test by test."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test is given out with: xdist's own method for this."""
        file: str = super()._split_scope(nodeid)
        return nodeid if file.rpartition("/")[2] in DIVISIBLE else file
