"""The example table of accounts, which become companies; customers work there."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from demo.tables.rows import insert

if t.TYPE_CHECKING:
    from demo.database import Connection
    from demo.tables.rows import Row

ROW_COUNT = 12
NEW_HOME = "acct-12"
"""The account to which customers move."""
LEFT = "acct-empty"
"""An account that nobody works at, and that is deleted."""

_CREATE = """
    CREATE TABLE accounts (
        id            text PRIMARY KEY,
        name          text NOT NULL,
        plan          text,
        size          integer,
        website       text,
        industry      text,
        monthly_spend numeric(10, 2),
        tier          text,
        opened_at     timestamptz NOT NULL
    )
"""
_NAMES = ("Tom & Jerry GmbH", "Bäckerei Müller", "東京貿易", 'The "Best" Ltd', "Øresund A/S", "Null & Nichts <AG>")
_PLANS = ("free", "team", "business", None)
_TIERS = ("gold", "silver", None)
_FIRST_MOMENT = datetime(2020, 2, 1, 9, 0, tzinfo=timezone.utc)


def account(number: int) -> Row:
    """Build the row of one account, by its number from 1 on."""
    return {
        "id": key(number),
        "name": f"{_NAMES[number % len(_NAMES)]} {number}",
        "plan": _PLANS[number % len(_PLANS)],
        "size": None if number % 5 == 0 else number * 7,
        "website": None if number % 4 == 0 else f"https://account{number}.example",
        "industry": "Trade" if number % 2 else None,
        "monthly_spend": None if number % 6 == 0 else Decimal(number) * Decimal("99.90"),
        "tier": _TIERS[number % len(_TIERS)],
        "opened_at": _FIRST_MOMENT + timedelta(days=number),
    }


def key(number: int) -> str:
    """Return the id of an account, by its number from 1 on."""
    return f"acct-{number:02}"


def create(connection: Connection) -> None:
    """Create the table and fill it, before the customers that refer to it."""
    connection.execute(_CREATE)
    worked_at = [account(number) for number in range(1, ROW_COUNT + 1)]
    insert(connection, "accounts", [*worked_at, {**account(ROW_COUNT + 1), "id": LEFT}])


def change(connection: Connection) -> None:
    """Change one account, and delete the one that nobody works at."""
    connection.execute("UPDATE accounts SET plan = 'enterprise', monthly_spend = 5000 WHERE id = %s", (NEW_HOME,))
    connection.execute("DELETE FROM accounts WHERE id = %s", (LEFT,))


def read(connection: Connection) -> dict[str, Row]:
    """Read the whole table, by id."""
    return {row["id"]: row for row in connection.execute("SELECT * FROM accounts ORDER BY id")}


def workers(connection: Connection) -> dict[str, list[int]]:
    """Read who works where, of the customers that are not marked as deleted: their ids by the account's."""
    found: dict[str, list[int]] = {}
    rows = connection.execute(
        "SELECT id, account_id FROM customers WHERE account_id IS NOT NULL AND deleted_at IS NULL ORDER BY id"
    )
    for row in rows:
        found.setdefault(row["account_id"], []).append(row["id"])
    return found
