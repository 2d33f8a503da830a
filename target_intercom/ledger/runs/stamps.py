"""Stamps in the future, which a wrong clock wrote."""

from __future__ import annotations

import time
import typing as t

from sqlalchemy import exists, select, update

from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.store.tables import ENTRIES, IS_NOT_ON, MEMBERSHIPS

if t.TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

    from target_intercom.ledger.store.database import Database


def mend_stamps(database: Database, workspace: str) -> None:
    """Reset stamps in the future to now; those of links that are on are mended when they are read."""
    now = stamp(time.time())
    kinds: tuple[tuple[Table, tuple[ColumnElement[bool], ...]], ...] = ((ENTRIES, ()), (MEMBERSHIPS, (IS_NOT_ON,)))
    ahead = [(table, (table.c.workspace == workspace, table.c.written_at > now, *which)) for table, which in kinds]
    with database.reading() as connection:
        ahead = [(table, where) for table, where in ahead if connection.scalar(select(exists().where(*where)))]

    def work(connection: Connection) -> None:
        for table, where in ahead:
            connection.execute(update(table).where(*where).values(written_at=now))

    if ahead:
        database.write(work)
