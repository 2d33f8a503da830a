"""Which tests `make quick` runs, and which files of tests are given out test by test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pathlib import PurePath

QUICK = frozenset(
    {
        "behaviour/bulk/test_bulk_memory.py",
        "behaviour/companies/test_companies.py",
        "behaviour/contacts/test_identity.py",
        "behaviour/contacts/test_modes.py",
        "behaviour/contacts/test_streams.py",
        "behaviour/dry_run/test_dry_run.py",
        "behaviour/memory/test_ledger_keeping.py",
        "behaviour/removals/test_left.py",
        "behaviour/reports/test_report.py",
        "behaviour/tags/test_group_names.py",
        "failures/test_ledger_errors.py",
        "ledger/test_forgetting.py",
        "ledger/test_intents.py",
        "ledger/test_memberships.py",
        "ledger/test_migrations.py",
        "ledger/test_unarchived.py",
        "ledger/test_vacuum.py",
        "sandbox/test_contacts.py",
        "sandbox/test_search.py",
        "sandbox/test_tags.py",
        "singer/test_singer.py",
        "test_docs.py",
    }
)
"""Files that take little, at least one for each folder; besides them, all of `units/`."""

DIVISIBLE = frozenset(
    {
        "test_bulk.py",
        "test_bulk_tags.py",
        "test_following.py",
        "test_groups.py",
        "test_leaving.py",
        "test_limit.py",
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


def is_quick(path: PurePath) -> bool:
    """Check whether a file is one that `make quick` runs."""
    return "units" in path.parts or any(path.as_posix().endswith(f"tests/{name}") for name in QUICK)


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Gives out file by file, and the divisible ones test by test."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test is given out with: xdist's own method for this."""
        file: str = super()._split_scope(nodeid)
        return nodeid if file.rpartition("/")[2] in DIVISIBLE else file
