"""How many calls memberships cost (their limits), single and in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.companies import ACCOUNTS, many
from tests.support.grouping import add_people
from tests.support.membering import (
    LISTS,
    SEATS,
    add_companies,
    all_companies,
    companies_of,
    member_calls,
    moved,
    seat,
    seats,
    working,
)

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

PEOPLE, COMPANIES = 1000, 50
IDS = [f"c{n}" for n in range(COMPANIES)]
SETTINGS: dict[str, Any] = {**LISTS, "sync_mode": "sync", **ACCOUNTS}


def calls(done: Loaded) -> int:
    assert (done.exit_code, done.refusals) == (0, [])
    assert done.report["api"]["retries"] == 0
    return sum(done.calls.values())


def everybody(shift: int = 0, **values: Any) -> list[dict[str, Any]]:
    """A thousand people, each in one of fifty companies."""
    return working(*({"id": str(n), "account_id": IDS[(n + shift) % COMPANIES], **values} for n in range(PEOPLE)))


@pytest.fixture
def wide(sandbox: SandboxServer) -> None:
    sandbox.conditions.rate_limit = 1_000_000


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(
    ("bulk", "known", "most", "moving"),
    [(False, True, 2040, 2030), (False, False, 2090, 2030), (True, True, 40, 40), (True, False, 90, 40)],
)
def test_a_thousand_new_users_in_fifty_companies_who_then_move(
    load: Loader, people: People, bulk: bool, known: bool, most: int, moving: int
) -> None:
    if known:
        load(many(range(COMPANIES)), **SETTINGS)
    else:
        add_companies(people, *IDS)
    done = load(everybody(), bulk_writes=bulk, **SETTINGS)
    assert moved(done) == (PEOPLE, 0)
    assert calls(done) <= most
    assert all_companies(people) == {str(n): {IDS[n % COMPANIES]} for n in range(PEOPLE)}
    same = load(everybody(), bulk_writes=bulk, **SETTINGS)
    assert (same.writes, same.results()) == (0, {"unchanged": PEOPLE})
    assert calls(same) <= 3
    if known:
        done = load(everybody(shift=1), bulk_writes=bulk, **SETTINGS)
        assert moved(done) == (PEOPLE, PEOPLE)
        assert calls(done) <= moving
        assert all_companies(people) == {str(n): {IDS[(n + 1) % COMPANIES]} for n in range(PEOPLE)}


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(("bulk", "most"), [(False, 1030), (True, 40)])
def test_a_thousand_known_users_are_put_into_one_company_each(
    load: Loader, people: People, bulk: bool, most: int
) -> None:
    load(many(range(COMPANIES)), **SETTINGS)
    load(working(*({"id": str(n)} for n in range(PEOPLE))), **SETTINGS)
    rows = seats(*(seat(n, IDS[n % COMPANIES]) for n in range(PEOPLE)))
    streams = {"streams": {**ACCOUNTS["streams"], **SEATS["streams"]}}
    done = load(rows, bulk_writes=bulk, **{**SETTINGS, **streams})
    assert done.results("seats") == {"attached": PEOPLE}
    assert calls(done) <= most
    again = load(rows, bulk_writes=bulk, **{**SETTINGS, **streams})
    assert (again.results("seats"), member_calls(again)) == ({"unchanged": PEOPLE}, {})
    assert calls(again) <= 3


def test_a_thousand_memberships_unchanged_cost_a_call(load: Loader, people: People) -> None:
    add_people(people, map(str, range(20)))
    own = add_companies(people, *IDS)
    rows = seats(*(seat(n % 20, IDS[n // 20 % COMPANIES], row=n) for n in range(1000)), keys=["row"])
    settings = {**SEATS, "bulk_writes": True}
    assert load(rows, **settings).results("seats") == {"attached": 1000}
    assert companies_of(people, external_id="7") == set(own)
    done = load(rows, **settings)
    assert (done.results("seats"), calls(done)) == ({"unchanged": 1000}, 1)
