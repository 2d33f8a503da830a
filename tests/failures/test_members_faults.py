"""What a load makes of calls for memberships that fail: none is lost, none is wrong, and whose it is stays known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault
from tests.support.faults import break_, fault
from tests.support.grouping import add_people
from tests.support.membering import (
    ATTACH,
    DETACH,
    FIND,
    LISTS,
    SEATS,
    add_companies,
    all_companies,
    attach_by_hand,
    member_calls,
    seat,
    seats,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

KINDS = list(Fault)
NINE = range(len(KINDS))
SETTINGS: dict[str, Any] = {
    **LISTS,
    "sync_mode": "sync",
    "max_removal_percent": 100,
    "streams": {"seats": {**SEATS["streams"]["seats"], "sync_mode": "sync"}},
}


def as_lists(company: str | None) -> list[dict[str, Any]]:
    return working(*({"id": str(n), "account_id": company} for n in NINE))


def as_seats(company: str | None) -> list[dict[str, Any]]:
    marked = {"_sdc_deleted_at": "2024-05-01T12:00:00Z"}
    return seats(*(seat(n, company or "acme", **({} if company else marked)) for n in NINE))


BOTH = pytest.mark.parametrize("of", [as_lists, as_seats])


@BOTH
def test_a_contact_is_attached_and_detached_whatever_the_fault(
    load: Loader, people: People, quick: SandboxServer, of: Callable[[str | None], list[dict[str, Any]]]
) -> None:
    own = add_companies(people, "acme", "other")
    ids = add_people(people, map(str, NINE))
    attach_by_hand(people, own["other"], ids.values())
    paths = [f"/contacts/{ids[str(n)]}/companies" for n in NINE]
    break_(quick, [fault(kind, "POST", path) for kind, path in zip(KINDS, paths, strict=True)])
    done = load(of("acme"), **SETTINGS)
    assert (done.exit_code, done.refusals) == (0, [])
    assert done.calls[ATTACH] == 2 * len(KINDS)
    assert all_companies(people) == {str(n): {"acme", "other"} for n in NINE}
    break_(quick, [fault(kind, "DELETE", f"{path}/{own['acme']}") for kind, path in zip(KINDS, paths, strict=True)])
    done = load(of(None), **SETTINGS)
    assert (done.exit_code, done.refusals) == (0, [])
    assert done.calls[DETACH] == 2 * len(KINDS)
    assert done.stream("customers" if of is as_lists else "seats")["detached"] == len(KINDS)
    assert all_companies(people) == {str(n): {"other"} for n in NINE}
    again = load(of(None), **SETTINGS)
    assert (again.writes, member_calls(again)) == (0, {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_company_is_found_whatever_the_fault(load: Loader, people: People, quick: SandboxServer, kind: Fault) -> None:
    add_companies(people, "acme")
    break_(quick, [fault(kind, "GET", "/companies")])
    done = load(as_lists("acme"), **SETTINGS)
    assert (done.exit_code, done.stream()["left_out"], done.calls[FIND]) == (0, {}, 2)
    assert all_companies(people) == {str(n): {"acme"} for n in NINE}


def test_what_fails_of_a_job_is_attached_singly_and_stays_ours(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """The job tells nobody's name: whom it made with a company, and whom not at all, is looked for."""
    sandbox.conditions.change({"bulk_item_fault_rate": 0.4, "fault_seed": 1, "bulk_seconds": 0})
    add_companies(people, "acme", "bolt")
    rows = [{"id": str(n), "email": f"p{n}@example.com", "account_id": "acme"} for n in range(30)]
    done = load(working(*rows), bulk_writes=True, **SETTINGS)
    assert (done.exit_code, done.refusals, done.results()) == (0, [], {"created": 30})
    assert all_companies(people) == {str(n): {"acme"} for n in range(30)}
    done = load(working(*({**row, "account_id": "bolt"} for row in rows)), bulk_writes=True, **SETTINGS)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_companies(people) == {str(n): {"bolt"} for n in range(30)}
    again = load(working(*({**row, "account_id": "bolt"} for row in rows)), bulk_writes=True, **SETTINGS)
    assert (again.exit_code, again.writes) == (0, 0)
