"""The example table of people: the same rows on every machine, with everything in them that is hard to carry over."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from psycopg.types.json import Jsonb

from demo.tables import accounts
from demo.tables.rows import insert

if t.TYPE_CHECKING:
    from demo.database import Connection
    from demo.tables.rows import Row

ROW_COUNT = 300
FIRST_ID = 10_000_000_001  # beyond 32 bits

_CREATE = """
    CREATE TABLE customers (
        id            bigint PRIMARY KEY,
        uid           uuid NOT NULL,
        email         text UNIQUE,
        name          text,
        phone         varchar(20),
        account_id    text REFERENCES accounts,
        plan          text NOT NULL,
        active        boolean,
        seats         integer,
        balance       numeric(12, 2),
        score         numeric,
        ratio         double precision,
        interests     text[],
        profile       jsonb,
        remarks       text,
        birthday      date,
        signed_up_at  timestamptz NOT NULL,
        last_seen_at  timestamptz,
        trial_ends_at timestamp,
        deleted_at    timestamptz,
        updated_at    timestamptz NOT NULL
    )
"""

_NAMES = (
    "Ada Lovelace",
    "王小明",
    "محمد علي",
    "Zoë Müller 🎈",
    "Two\nLines",
    'Siobhán "Shiv" O\'Brien',
    "Ελένη Παπαδοπούλου",
    "Łukasz Żółć",
    "김민준",
    "נועה לוי",
    "👩‍👩‍👧 Family Account",
)
_PLANS = ("free", "team", "business")
_FIRST_MOMENT = datetime(2024, 1, 1, 8, 30, 15, 123456, tzinfo=timezone.utc)
_CHANGED = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Changes:
    """The ids of the rows that `change` touched."""

    updated: tuple[int, ...]
    inserted: tuple[int, ...]
    deleted: tuple[int, ...]


def customer(number: int) -> Row:
    """Build the row of one customer, by its number from 1 on; every column that may be null is null somewhere."""
    moment = _FIRST_MOMENT + timedelta(hours=number)
    return {
        "id": FIRST_ID + number - 1,
        "uid": UUID(int=number),
        "email": _some(number, 20, _email(number)),
        "name": _some(number, 17, _NAMES[number % len(_NAMES)]),
        "phone": _some(number, 6, f"+1555{number:07}"),
        "account_id": _some(number, 5, accounts.key(number % (accounts.ROW_COUNT - 1) + 1)),
        "plan": _PLANS[number % len(_PLANS)],
        "active": _some(number, 11, number % 2 == 0),
        "seats": _some(number, 7, number % 5),
        "balance": _some(number, 9, Decimal(number) * Decimal("1234.57") - 100_000),
        "score": _some(number, 10, Decimal(number) / 7),
        "ratio": _some(number, 12, number / 3),
        "interests": _some(number, 8, ["chess", "naïve art", "日本語"][: number % 4]),
        "profile": _some(number, 13, Jsonb(_profile(number))),
        "remarks": "A long story. " * 30 if number % 50 == 0 else None,
        "birthday": _some(number, 10, date(1950, 1, 31) + timedelta(days=number * 67)),
        "signed_up_at": moment,
        "last_seen_at": _some(number, 4, moment + timedelta(days=number % 90)),
        "trial_ends_at": _some(number, 3, moment.replace(tzinfo=None) + timedelta(days=14)),
        "deleted_at": moment if (number + 30) % 60 == 0 else None,
        "updated_at": moment,
    }


def create(connection: Connection) -> None:
    """Create the table and fill it."""
    connection.execute(_CREATE)
    insert(connection, "customers", [customer(number) for number in range(1, ROW_COUNT + 1)])


def change(connection: Connection) -> Changes:
    """Update some rows, which move to another account, add some and mark some as deleted, as a day's work would."""
    updated = (FIRST_ID, FIRST_ID + 1, FIRST_ID + 2)
    deleted = (FIRST_ID + 3, FIRST_ID + 4)
    new = [customer(number) | {"updated_at": _CHANGED} for number in (ROW_COUNT + 1, ROW_COUNT + 2)]
    connection.execute(
        """
        UPDATE customers
        SET plan = 'enterprise', seats = coalesce(seats, 0) + 10, phone = NULL,
            email = 'new.' || email, account_id = %s, updated_at = %s
        WHERE id = ANY(%s)
        """,
        (accounts.NEW_HOME, _CHANGED, list(updated)),
    )
    connection.execute(
        "UPDATE customers SET deleted_at = %s, updated_at = %s WHERE id = ANY(%s)",
        (_CHANGED, _CHANGED, list(deleted)),
    )
    insert(connection, "customers", new)
    return Changes(updated, tuple(row["id"] for row in new), deleted)


def delete(connection: Connection, count: int) -> tuple[int, ...]:
    """Take live rows out of the table, the last ones, as if they had never been there; returns their ids."""
    rows = connection.execute(
        """
        DELETE FROM customers
        WHERE id IN (SELECT id FROM customers WHERE deleted_at IS NULL ORDER BY id DESC LIMIT %s)
        RETURNING id
        """,
        (count,),
    )
    return tuple(sorted(row["id"] for row in rows))


def read(connection: Connection) -> dict[int, Row]:
    """Read the whole table, by id."""
    return {row["id"]: row for row in connection.execute("SELECT * FROM customers ORDER BY id")}


def _some(number: int, every: int, value: t.Any) -> t.Any:
    """Return the value, but null in one row of so many."""
    return None if number % every == every - 1 else value


def _email(number: int) -> str:
    address = f"customer{number}@example.com"
    return address.title() if number % 25 == 0 else address


def _profile(number: int) -> dict[str, t.Any]:
    return {
        "address": {"city": "Zürich", "zip": f"{8000 + number}"},
        "logins": [number, number + 1],
        "beta": number % 2 == 1,
        "referrer": None,
    }
