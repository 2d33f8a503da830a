"""What the last runs of each workspace have done, in figures."""

from __future__ import annotations

import json
import typing as t

from sqlalchemy import delete, select

from target_intercom.ledger.retention import RUNS_KEPT
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import RUNS
from target_intercom.reporting.ended_run import EndedRun

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from target_intercom.ledger.store.database import Database

_R = RUNS.c
_LATEST_FIRST: t.Final = (_R.started_at.desc(), _R.run.desc())


def read(connection: Connection, workspace: str) -> Sequence[EndedRun]:
    """See `Ledger.last_runs`."""
    query = select(RUNS).where(_R.workspace == workspace).order_by(*_LATEST_FIRST).limit(RUNS_KEPT)
    return [_run(row) for row in connection.execute(query)][::-1]


def read_all(connection: Connection) -> Sequence[tuple[str, EndedRun]]:
    """Return the runs of all workspaces, each after its workspace's id; of each workspace the latest last."""
    rows = connection.execute(select(RUNS).order_by(_R.workspace, _R.started_at, _R.run))
    return [(row.workspace, _run(row)) for row in rows]


def write(database: Database, workspace: str, run: EndedRun) -> None:
    """Write a run, and delete those of its workspace before the last `RUNS_KEPT`."""
    row = {
        "workspace": workspace,
        "run": run.run,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "milliseconds": round(run.seconds * 1000),
        "exit_code": run.exit_code,
        "read": run.read,
        "written": run.written,
        "refused": run.refused,
        "calls": run.calls,
        "retries": run.retries,
        "rate_limited": run.rate_limited,
        "waited_milliseconds": round(run.waited_seconds * 1000),
        "outcomes": json.dumps(dict(run.outcomes)),
    }
    changing = [name for name in row if name not in {"workspace", "run"}]
    old = select(_R.run).where(_R.workspace == workspace).order_by(*_LATEST_FIRST).offset(RUNS_KEPT)

    def work(connection: Connection) -> None:
        Rows(database, workspace, run.run, RUNS).put(connection, [row], changing)
        if over := connection.scalars(old).all():
            connection.execute(delete(RUNS).where(_R.workspace == workspace, _R.run.in_(over)))

    database.write(work)


def _run(row: Row[t.Any]) -> EndedRun:
    return EndedRun(
        run=row.run,
        started_at=row.started_at,
        finished_at=row.finished_at,
        seconds=row.milliseconds / 1000,
        exit_code=row.exit_code,
        read=row.read,
        written=row.written,
        refused=row.refused,
        calls=row.calls,
        retries=row.retries,
        rate_limited=row.rate_limited,
        waited_seconds=row.waited_milliseconds / 1000,
        outcomes=json.loads(row.outcomes),
    )
