"""Calls about companies that fail, and runs that are killed: one more run, and the workspace is right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault
from tests.support.companies import accounts, companies, settings

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader

MARK = {"_sdc_deleted_at": "2025-01-01"}
SYNC = {**settings(sync_mode="sync"), "max_removal_percent": 100}
FIRST = [{"id": f"c{n}", "name": f"Company {n}", "tier": "gold"} for n in range(24)]
THEN = [
    *({**row, "name": f"{row['name']} Ltd"} for row in FIRST[:8]),
    *({"id": row["id"], **MARK} for row in FIRST[8:16]),
    *FIRST[16:],
    *({"id": f"new {n}", "name": "New"} for n in range(8)),
]
"""Some changed, some marked, some as they were, some new."""
WANTED = {row["id"]: row["name"] for row in THEN if "name" in row}


@pytest.fixture(autouse=True)
def at_once(sandbox: SandboxServer) -> None:
    """Deletions and jobs take no time, and a time-out is short."""
    sandbox.conditions.change({"company_deletion_delay": 0, "bulk_seconds": 0, "fault_timeout": 0.2})


def names(sandbox: SandboxServer) -> dict[str, Any]:
    return {key: one["name"] for key, one in companies(sandbox).items()}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("bulk", [False, True], ids=["singly", "in bulk"])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_fails_one_more_run_makes_it_right(
    load: Loader, sandbox: SandboxServer, seed: int, bulk: bool
) -> None:
    load(accounts(*FIRST), **SYNC)
    sandbox.conditions.change({"fault_rate": 0.25, "fault_seed": seed, "faults": [one.value for one in Fault]})
    load(accounts(*THEN), bulk_writes=bulk, **SYNC)
    sandbox.conditions.change({"fault_rate": 0})
    done = load(accounts(*THEN), bulk_writes=bulk, **SYNC)
    assert done.exit_code == 0
    assert names(sandbox) == WANTED
    assert load(accounts(*THEN), **SYNC).writes == 0
    assert len({one["company_id"] for one in sandbox.workspace.all_companies()}) == len(FIRST) + 8


@pytest.mark.parametrize("bulk", [False, True], ids=["singly", "in bulk"])
@pytest.mark.parametrize("calls", [2, 7, 13, 19])
def test_a_kill_anywhere_leaves_nothing_that_one_more_run_does_not_make_right(
    load: Loader, sandbox: SandboxServer, calls: int, bulk: bool
) -> None:
    load(accounts(*FIRST), **SYNC)
    sandbox.conditions.change({"latency": 0.02})
    begun = len(sandbox.calls)
    process = load.begin(accounts(*THEN), bulk_writes=bulk, max_connections=2, **SYNC)
    while len(sandbox.calls) < begun + calls and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    done = load(accounts(*THEN), bulk_writes=bulk, **SYNC)
    assert done.exit_code == 0
    assert names(sandbox) == WANTED
    assert load(accounts(*THEN), **SYNC).writes == 0


def test_a_company_that_intercom_refuses_stops_no_other(load: Loader, sandbox: SandboxServer) -> None:
    rows = accounts({"id": "x" * 300, "name": "Too long"}, *FIRST[:3])
    done = load(rows, **settings())
    assert done.results("accounts") == {"created": 3, "rejected": 1}
    assert done.exit_code == 0
    assert len(names(sandbox)) == 3
