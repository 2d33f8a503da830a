"""What a step makes of what a ledger holds."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from target_intercom.ledger.store.migrations import tell_groups_apart_in_lower_case

from .conftest import Ledgers, key
from .test_memberships import membership, of

if TYPE_CHECKING:
    from target_intercom.ledger.memberships.states import Membership


def noted(ledgers: Ledgers, *rows: Membership) -> None:
    """Write memberships into a ledger that has not had the step."""
    with closing(ledgers("r1")) as ledger:
        ledger.streams.enter("members", [], alone=False)
        ledger.streams.enter("keyed", ["id"], alone=False)
        ledger.memberships.save(rows, [])
    ledgers.sql(
        "DELETE FROM target_intercom_migrations WHERE name = :name", name=tell_groups_apart_in_lower_case.__name__
    )


def named(key_: str, group: str, name: str, **values: Any) -> Membership:
    """A membership in a group of this name."""
    return replace(membership(key_, group=group, **values), name=name)


def test_groups_that_were_casefolded_are_told_apart_in_small_letters(new_ledgers: Ledgers) -> None:
    long = "ß" * 150
    hashed = f"blake2b:{hashlib.blake2b(long.casefold().encode(), digest_size=16).hexdigest()}"
    noted(
        new_ledgers,
        named("1", "masse", "Maße"),
        named("1", "vip", "VIP"),
        named("2", "masse", "MASSE"),
        named("3", hashed, long),
        # What is not the key of its name is left alone.
        named("4", "strasse", "Straße 🎈", stream="keyed"),
    )
    memberships = new_ledgers("r2").memberships
    assert [one.group for one in of(memberships, "1", "2", "3")] == ["maße", "vip", "masse", long]
    assert [one.group for one in of(memberships, "4", stream="keyed")] == ["strasse"]


def test_records_that_are_known_by_their_group_get_its_key(new_ledgers: Ledgers) -> None:
    noted(new_ledgers, *(named(one, "masse", "Maße") for one in ("1", "2")))
    new_ledgers.sql(
        "UPDATE target_intercom_memberships SET key = :new WHERE key = :old",
        new=key("external_id", "1", "masse"),
        old=key("1"),
    )
    rows = new_ledgers("r2").memberships.of_keys("members", [key("external_id", "1", "maße"), key("2")])
    assert {one: [row.group for row in ones] for one, ones in rows.items()} == {
        key("external_id", "1", "maße"): ["maße"],
        key("2"): ["maße"],
    }
