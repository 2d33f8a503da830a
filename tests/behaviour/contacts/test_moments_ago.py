"""What an earlier run wrote a moment ago is not asked of the lagging index; what it left in doubt is settled."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.grouping import all_tags
from tests.support.loading import hurry, record, schema, until
from tests.support.remembering import (
    BY_ROW,
    GET,
    PUT,
    SEARCH,
    TYPES,
    WHEN,
    Row,
    assert_quiet,
    customers,
    person,
    rows,
)

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

pytestmark = pytest.mark.usefixtures("by_row")
A, B = "a@example.com", "b@example.com"
LAG = 600
SLACK = 4
"""Seconds for a lead in doubt: more than the index lags by, as it arrives a while after the note that it is sent."""
ANN: Row = {"row": 1, "id": "1", "email": A, "name": "Ann"}
LEAD: Row = {"row": 1, "email": A, "name": "Ann"}
ROLES = pytest.mark.parametrize(
    ("row", "mode"),
    [(ANN, "user"), ({**ANN, "id": None}, "user"), (LEAD, "lead"), (LEAD, "lifecycle")],
    ids=["user", "user by email", "lead", "lifecycle"],
)


@pytest.fixture
def lagging(sandbox: SandboxServer, load: Loader) -> None:
    """The index shows nothing of what is done from now on, and the target knows it."""
    load.settings["search_delay_seconds"] = LAG
    sandbox.conditions.search_lag = LAG


def shop(*values: Row) -> list[Row]:
    return rows("shop", *values)


# A run right after another.


@pytest.mark.usefixtures("lagging")
@pytest.mark.parametrize("stream", ["customers", "shop"])
@ROLES
def test_another_record_of_a_new_contact_finds_it(
    load: Loader, people: People, row: Row, mode: str, stream: str
) -> None:
    load(customers(row), creation_mode=mode)
    same = load(rows(stream, {**row, "row": 2}), creation_mode=mode)
    assert same.results(stream) == {"unchanged": 1}
    assert (same.writes, same.calls[GET]) == (0, 1)
    other = load(rows(stream, {**row, "row": 3, "name": "Anna"}), creation_mode=mode)
    assert other.results(stream) == {"updated": 1}
    (contact,) = people.everyone()
    assert (contact["email"], contact["name"]) == (A, "Anna")


@ROLES
@pytest.mark.parametrize("wanted", ["Old", "New", "Newest"])
def test_the_old_state_in_the_index_is_not_compared_with(
    load: Loader, people: People, sandbox: SandboxServer, row: Row, mode: str, wanted: str
) -> None:
    load.settings["search_delay_seconds"] = LAG
    load(customers({**row, "name": "Old"}), creation_mode=mode)
    sandbox.conditions.search_lag = LAG
    load(customers({**row, "name": "New"}), creation_mode=mode)
    done = load(shop({**row, "row": 2, "name": wanted}), creation_mode=mode)
    assert done.results("shop") == ({"unchanged": 1} if wanted == "New" else {"updated": 1})
    (contact,) = people.everyone()
    assert contact["name"] == wanted


@pytest.mark.parametrize("mode", ["user", "lead"])
def test_an_email_that_was_given_up_a_moment_ago_is_free(
    load: Loader, people: People, sandbox: SandboxServer, mode: str
) -> None:
    """The index still shows it at the one who had it."""
    load.settings |= {"search_delay_seconds": 1, "creation_mode": mode}
    load(customers(LEAD))
    sandbox.conditions.search_lag = 1
    load(customers({**LEAD, "email": B}))
    done = load(shop({"row": 2, "email": A, "name": "Bob"}))
    assert done.results("shop") == {"created": 1}
    assert {one["email"]: one["name"] for one in people.everyone()} == {A: "Bob", B: "Ann"}


@pytest.mark.parametrize("change", [{"repair": True}, {"sync_mode": "sync"}, {"match_by": ["email"]}], ids=str)
def test_a_comparison_a_moment_later_is_with_the_truth(
    load: Loader, people: People, sandbox: SandboxServer, change: dict[str, Any]
) -> None:
    load.settings["search_delay_seconds"] = LAG
    load(customers({**ANN, "name": "Old"}))
    sandbox.conditions.search_lag = LAG
    load(customers({**ANN, "name": "New"}))
    done = load(customers({**ANN, "name": "New"}), **change)
    assert (done.results(), done.writes) == ({"unchanged": 1}, 0)
    contact = people.one(external_id="1")["id"]
    people.call("PUT", f"/contacts/{contact}", {"name": "Old"})
    done = load(customers({**ANN, "name": "New"}), **{**change, "repair": True})
    assert done.results() == {"updated": 1}
    assert people.one(id=contact)["name"] == "New"


@ROLES
def test_who_was_removed_a_moment_ago_and_is_still_in_the_index_comes_back_once(
    load: Loader, people: People, sandbox: SandboxServer, row: Row, mode: str
) -> None:
    load.settings |= {"search_delay_seconds": LAG, "creation_mode": mode, "sync_mode": "sync"}
    load(customers(row))
    sandbox.conditions.search_lag = LAG
    assert load(customers({"row": 1, "_sdc_deleted_at": WHEN})).results() == {"archived": 1}
    done = load(shop({**row, "row": 2, "name": "Back"}))
    assert (done.exit_code, done.refusals) == (0, [])
    (contact,) = people.live()
    assert (contact["email"], contact["name"]) == (A, "Back")
    assert load(customers(row)).exit_code == 0
    assert len(people.live()) == 1


@pytest.mark.usefixtures("lagging")
def test_a_request_to_be_forgotten_finds_who_was_made_a_moment_ago(load: Loader, people: People) -> None:
    load(customers(ANN))
    load(rows("leads", LEAD), creation_mode="lead", match_by=["external_id"])
    load(rows("leads", {**LEAD, "row": 7, "email": B}), creation_mode="lead")
    done = load(
        rows("requests", {"row": 1, "id": "1", "email": A}, {"row": 2, "email": B}),
        sync_mode="remove",
        removal_mode="delete",
    )
    assert done.results("requests") == {"deleted": 2}
    assert people.live() == []


@pytest.mark.usefixtures("lagging")
def test_a_user_whose_answer_was_lost_with_the_run_is_found_by_its_409(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    killed_with_its_creates(load, people, sandbox, customers(ANN, person(2)), 2)
    done = load(customers(ANN, person(2, name="New")))
    assert done.exit_code == 0
    assert Counter(one["external_id"] for one in people.everyone()) == {"1": 1, "2": 1}
    assert people.one(external_id="2")["name"] == "New"
    assert_quiet(load(customers(ANN, person(2, name="New"))))


def test_without_a_delay_the_index_is_trusted_at_once(load: Loader) -> None:
    load(customers(ANN), search_delay_seconds=0)
    done = load(shop(ANN), search_delay_seconds=0)
    assert (done.calls[SEARCH], done.calls.get(GET, 0)) == (1, 0)


# Groups of who was made a moment ago, where they count for new contacts alone.


CLOCKS_DIFFER = 3
"""Seconds by which a contact is surely older than what comes after it."""
INSERT: Row = {"sync_mode": "insert", "tags_property": "groups", "max_connections": 4}


def grouped(*values: Row) -> list[Row]:
    return customers(*({"groups": ["VIP"], **row} for row in values), groups="array")


@pytest.mark.parametrize("lag", [0, LAG], ids=["search shows them", "a 409 shows them"])
@pytest.mark.parametrize("bulk", [False, True], ids=["singly", "in bulk"])
def test_users_that_a_killed_run_has_made_get_their_groups(
    load: Loader, people: People, sandbox: SandboxServer, lag: int, bulk: bool
) -> None:
    sandbox.conditions.search_lag = lag
    both = grouped(ANN, person(2))
    killed_with_its_creates(load, people, sandbox, both, 2, **INSERT)
    done = load(both, **INSERT, search_delay_seconds=lag, bulk_writes=bulk)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}}
    assert load(both, **INSERT, search_delay_seconds=lag).writes == 0


def test_who_was_there_before_a_killed_run_gets_no_groups(load: Loader, people: People, sandbox: SandboxServer) -> None:
    people.add(external_id="9", email=B)
    sandbox.calls.clear()
    time.sleep(CLOCKS_DIFFER)
    killed_with_its_creates(load, people, sandbox, grouped(ANN), 1, A, **INSERT)
    assert load(grouped({**ANN, "id": "9", "email": B}), **INSERT).results() == {"skipped": 1}
    assert all_tags(people) == {"9": set()}


def test_a_user_who_was_refused_is_not_taken_for_one_that_a_run_has_made(load: Loader, people: People) -> None:
    load.settings |= {**INSERT, "mappings": {**BY_ROW, "plan": "owner_id"}}
    assert load(grouped({**ANN, "plan": "7"})).results() == {"rejected": 1}
    people.add(external_id="1", email=A)
    assert load(grouped(ANN)).results() == {"skipped": 1}
    assert all_tags(people) == {"1": set()}


# Leads in doubt.


def creates(sandbox: SandboxServer) -> int:
    return sum((call.method, call.path) == ("POST", "/contacts") for call in sandbox.calls)


def killed_with_its_creates(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    messages: list[Row],
    count: int,
    lost: str | None = None,
    **settings: Any,
) -> None:
    """A run that dies while it waits for the answers to its creates; those with `lost` in them do not arrive."""
    sandbox.conditions.fault_timeout = 3600
    if lost is not None:
        sandbox.conditions.plan.add(TargetedFault(Fault.TIMEOUT_BEFORE, "POST", "/contacts", lost, times=count))
    sandbox.conditions.plan.add(TargetedFault(Fault.TIMEOUT_AFTER, "POST", "/contacts", times=count))
    process = load.begin(messages, **settings)
    until(lambda: creates(sandbox) == count)
    if lost is None:
        until(lambda: len(people.everyone()) == count)
    process.kill()
    process.communicate()
    sandbox.conditions.plan.clear()
    del sandbox.calls[:]


def leads(count: int, **values: Any) -> list[Row]:
    return [
        {"row": n, "email": f"l{n}@{'odd' if n % 2 else 'even'}.example", "name": "L", **values} for n in range(count)
    ]


@pytest.mark.parametrize(
    ("lost", "size"),
    [(None, 10), ("odd.example", 2), ("odd.example", 10), ("example", 10)],
    ids=["all arrived", "some arrived, batches", "some arrived", "none arrived"],
)
def test_leads_whose_answers_were_lost_with_the_run_are_settled_by_the_next_all_at_once(
    load: Loader, people: People, sandbox: SandboxServer, lost: str | None, size: int
) -> None:
    load.settings |= {"creation_mode": "lead", "search_delay_seconds": SLACK}
    sandbox.conditions.search_lag = 0.5
    killed_with_its_creates(load, people, sandbox, customers(*leads(6)), 6, lost)
    done = load(customers(*leads(6, name="New")), batch_size_rows=size)
    assert (done.exit_code, done.refusals) == (0, [])
    assert Counter(one["email"] for one in people.everyone()) == Counter(row["email"] for row in leads(6))
    assert {(one["role"], one["name"]) for one in people.everyone()} == {("lead", "New")}
    # A batch asks for its records, and once more in the end; in between there is one wait for all of them.
    assert done.calls[SEARCH] <= 2 * -(-6 // size) + 9
    assert_quiet(load(customers(*leads(6, name="New"))))


def test_a_lead_in_doubt_is_looked_for_by_another_stream_too(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load.settings |= {"creation_mode": "lead", "search_delay_seconds": SLACK}
    sandbox.conditions.search_lag = 0.5
    killed_with_its_creates(load, people, sandbox, customers(LEAD), 1)
    done = load(shop({**LEAD, "row": 7, "plan": "pro"}))
    assert done.results("shop") == {"updated": 1}
    (lead,) = people.everyone()
    assert lead["custom_attributes"] == {"plan": "pro"}


def test_a_lead_long_in_doubt_costs_no_wait(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load.settings |= {"creation_mode": "lead"}
    killed_with_its_creates(load, people, sandbox, customers(LEAD), 1, A)
    with closing(sqlite3.connect(load.data_dir / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE target_intercom_intents SET sent_at = sent_at - 1000 * 3600")
    done = load.finish(load.begin(customers(LEAD), search_delay_seconds=3600))
    assert done.results() == {"created": 1}
    assert len(people.everyone()) == 1
    assert_quiet(load(customers(LEAD)))


def test_a_lead_that_was_refused_is_not_in_doubt(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load.settings |= {"creation_mode": "lead", "mappings": {**BY_ROW, "plan": "owner_id"}, "search_delay_seconds": 3600}
    assert load(customers({**LEAD, "plan": "7"})).results() == {"rejected": 1}
    assert load.finish(load.begin(customers(LEAD))).results() == {"created": 1}


def test_a_lead_that_stayed_in_doubt_to_the_end_of_a_run_is_settled_by_the_next(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    with hurry():
        sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts"))
        # The first search is the record's own.
        sandbox.conditions.plan.add(SecondOn(Fault.HTML, "POST", "/contacts/search", times=100_000))
        done = load(customers(LEAD), creation_mode="lead", search_delay_seconds=0)
        assert (done.exit_code, done.states, done.refusals) == (1, [], [])
    sandbox.conditions.plan.clear()
    done = load(customers({**LEAD, "name": "New"}), creation_mode="lead")
    assert done.results() == {"updated": 1}
    assert [one["name"] for one in people.everyone()] == ["New"]
    assert_quiet(load(customers({**LEAD, "name": "New"}), creation_mode="lead"))


class SecondOn(TargetedFault):
    """A fault for all calls that fit but the first."""

    met = False

    def fits(self, request: Any) -> bool:
        if not super().fits(request):
            return False
        self.met, was_met = True, self.met
        return was_met


# Another run that is alive.


@pytest.mark.parametrize("stream", ["customers", "shop"])
@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER, Fault.TIMEOUT_BEFORE])
def test_a_lead_that_another_run_is_about_to_make_is_not_made_twice(
    load: Loader, people: People, sandbox: SandboxServer, stream: str, fault: Fault
) -> None:
    """The other's answer is late, and then lost; both runs look for the lead."""
    load.settings |= {"creation_mode": "lead", "search_delay_seconds": SLACK}
    sandbox.conditions.search_lag = 0.3
    sandbox.conditions.fault_timeout = 0.3
    sandbox.conditions.plan.add(TargetedFault(fault, "POST", "/contacts"))
    other = load.begin(customers(LEAD))
    until(lambda: creates(sandbox) >= 1)
    done = load([schema(stream, ["row"], **TYPES), record(stream, **{**LEAD, "row": 2, "plan": "pro"})])
    other.communicate(timeout=120)
    assert (other.returncode, done.exit_code) == (0, 0)
    assert done.results(stream) in ({"updated": 1}, {"created": 1})
    (lead,) = people.everyone()
    assert (lead["email"], lead["custom_attributes"]) == (A, {"plan": "pro"})


def test_many_leads_that_two_runs_make_at_once_are_made_once(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load.settings |= {"creation_mode": "lead", "search_delay_seconds": 30}
    sandbox.conditions.latency = 0.1
    other = load.begin(customers(*leads(20)))
    until(lambda: creates(sandbox) >= 4)
    done = load(shop(*reversed(leads(20))))
    other.communicate(timeout=120)
    assert (other.returncode, done.exit_code) == (0, 0)
    assert Counter(one["email"] for one in people.everyone()) == Counter(row["email"] for row in leads(20))
    assert done.calls.get(PUT, 0) == 0
