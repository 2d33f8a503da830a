"""Calls that have ended runs, each by failing alone, and how many runs in a row it ended."""

from __future__ import annotations

import time
import typing as t

from sqlalchemy import delete, insert, select

from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.retention import FAILURES_KEPT
from target_intercom.ledger.store.tables import FAILURES

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from target_intercom.ledger.store.database import Database

_F = FAILURES.c


def read(database: Database, workspace: str) -> Mapping[str, int]:
    """See `Ledger.failures`."""
    recent = (_F.workspace == workspace, _F.failed_at > stamp(time.time() - FAILURES_KEPT))
    with database.reading() as connection:
        return {row.about: row.runs for row in connection.execute(select(FAILURES).where(*recent))}


def write(database: Database, workspace: str, ended_by: str | None, worked: Collection[str]) -> None:
    """See `Ledger.note_failures`."""
    runs = 0 if ended_by is None else read(database, workspace).get(ended_by, 0) + 1
    over = {*worked, *(() if ended_by is None else (ended_by,))}

    def work(connection: Connection) -> None:
        connection.execute(delete(FAILURES).where(_F.workspace == workspace, _F.about.in_(sorted(over))))
        if ended_by is not None:
            row = {"workspace": workspace, "about": ended_by, "runs": runs, "failed_at": stamp(time.time())}
            connection.execute(insert(FAILURES), [row])

    if over:
        database.write(work)


def delete_old(connection: Connection, workspace: str) -> None:
    """Delete the failures that say nothing any more."""
    old = (_F.workspace == workspace, _F.failed_at <= stamp(time.time() - FAILURES_KEPT))
    connection.execute(delete(FAILURES).where(*old))
