"""Rows of tables: how they are put there."""

from __future__ import annotations

import typing as t

from psycopg import sql

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.database import Connection

Row: t.TypeAlias = dict[str, t.Any]


def insert(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    """Put rows into a table; all of them have the same columns."""
    columns = tuple(rows[0])
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
