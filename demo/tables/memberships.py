"""The example table of who is in which segment; segments become tags."""

from __future__ import annotations

import typing as t
from collections import defaultdict

if t.TYPE_CHECKING:
    from demo.database import Connection

Segments: t.TypeAlias = dict[int, list[str]]

_CREATE = """
    CREATE TABLE memberships (
        customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
        segment     text NOT NULL,
        PRIMARY KEY (customer_id, segment)
    )
"""
_FILL = """
    INSERT INTO memberships
    SELECT id, segment
    FROM customers, (VALUES ('Newsletter', 2), ('VIP', 10), ('Früh dabei 🎈', 7)) AS segments (segment, every)
    WHERE id % every = 0 AND deleted_at IS NULL
"""
_NEW = "Enterprise"
_LEFT = "Newsletter"


def create(connection: Connection) -> None:
    """Create the table and fill it."""
    connection.execute(_CREATE)
    connection.execute(_FILL)


def change(connection: Connection, joining: tuple[int, ...], gone: tuple[int, ...]) -> tuple[int, int]:
    """Put some customers into a new segment, take some out of an old one, and those that are gone out of all.

    Returns:
        How many memberships are new, and how many are gone of customers that stay.
    """
    connection.execute("DELETE FROM memberships WHERE customer_id = ANY(%s)", (list(gone),))
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO memberships VALUES (%s, %s)", [(key, _NEW) for key in joining])
    left = connection.execute(
        "DELETE FROM memberships WHERE segment = %s AND customer_id = ANY(%s) RETURNING customer_id",
        (_LEFT, list(joining)),
    )
    return len(joining), len(left.fetchall())


def read(connection: Connection) -> Segments:
    """Read the whole table: the segments of each customer."""
    segments: Segments = defaultdict(list)
    for row in connection.execute("SELECT customer_id, segment FROM memberships ORDER BY customer_id, segment"):
        segments[row["customer_id"]].append(row["segment"])
    return segments
