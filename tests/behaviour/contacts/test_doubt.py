"""What is not known for sure, is in doubt, or is said twice in different ways, does no harm."""

from __future__ import annotations

import math
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from target_intercom.sandbox.versions import Version
from tests.support.loading import lines, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import SandboxServer
    from target_intercom.sandbox.messages import Request
    from tests.support.loading import Loaded, Loader, People

WHEN = "2024-05-01T12:00:00Z"
V216 = Version.parse("2.16")
PROPERTIES = {"id": "integer", "email": "text", "name": "text", "plan": "text", "_sdc_deleted_at": "datetime"}


def customers(*rows: dict[str, Any], stream: str = "customers", **types: str) -> list[dict[str, Any]]:
    return [
        schema(stream, keys=(), **{**PROPERTIES, **types}),
        *(record(stream, **row) for row in rows),
        state({"n": len(rows)}),
    ]


def lose(sandbox: SandboxServer, times: int = 1) -> None:
    """Make the next contacts, and lose the answers."""
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "POST", "/contacts", times=times))


def creations(sandbox: SandboxServer, email: str) -> int:
    return sum(
        (call.method, call.path) == ("POST", "/contacts") and (call.body or {}).get("email") == email
        for call in sandbox.calls
    )


@dataclass
class FromThenOn(TargetedFault):
    """A fault from a moment in the workspace's life on; `first` is done before the first call that it is for."""

    condition: Callable[[], bool] = field(default=lambda: False)
    first: Callable[[], object] = field(default=lambda: None)
    fails: bool = True
    begun: bool = False

    def fits(self, request: Request) -> bool:
        if not super().fits(request) or not self.condition():
            return False
        if not self.begun:
            self.begun = True
            self.first()
        return self.fails


def from_the_creation_on(
    sandbox: SandboxServer, people: People, *, fails: bool = True, first: Callable[[], object] = lambda: None
) -> None:
    sandbox.conditions.plan.add(
        FromThenOn(
            Fault.HTML,
            "POST",
            "/contacts/search",
            times=100_000,
            condition=lambda: bool(people.everyone()),
            first=first,
            fails=fails,
        )
    )


# Contacts whose creation is in doubt.


@pytest.mark.parametrize("connections", [1, 2])
def test_users_in_doubt_that_have_only_an_email_do_not_hang_a_run_of_few_connections(
    load: Loader, people: People, sandbox: SandboxServer, connections: int
) -> None:
    emails = [f"c{number}@example.com" for number in range(5)]
    lose(sandbox, times=len(emails))
    process = load.start(max_connections=connections)
    try:
        out, err = process.communicate(lines(customers(*({"email": email} for email in emails))).encode(), timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("the run hangs")
    assert (process.returncode, out) == (0, b'{"n": 5}\n'), err.decode()
    assert Counter(contact["email"] for contact in people.everyone()) == Counter(emails)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("size", [1, 10])
def test_a_lead_in_doubt_for_good_is_never_sent_a_second_time(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    lose(sandbox)
    from_the_creation_on(sandbox, people)
    rows = [{"email": "ann@example.com", "name": "Ann"}, {"email": "Ann@Example.com", "plan": "pro"}]
    done = load(customers(*rows), creation_mode="lead", search_delay_seconds=0, batch_size_rows=size)
    assert (done.exit_code, done.states, done.refusals) == (1, [], [])
    sandbox.conditions.plan.clear()
    done = load(customers(*rows), creation_mode="lead", batch_size_rows=size)
    assert (done.exit_code, len(done.states), done.refusals) == (0, 1, [])
    assert creations(sandbox, "ann@example.com") == 1
    assert [(contact["role"], contact["name"]) for contact in people.everyone()] == [("lead", "Ann")]


def test_a_lead_in_doubt_that_somebody_changes_at_once_is_not_made_again_in_insert_mode(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    def rename() -> None:
        (lead,) = people.everyone()
        sandbox.workspace.update_contact(lead["id"], {"name": "Renamed"}, V216)

    lose(sandbox)
    from_the_creation_on(sandbox, people, fails=False, first=rename)
    done = load(customers({"email": "ann@example.com", "name": "Ann"}), creation_mode="lead", sync_mode="insert")
    assert done.exit_code == 0
    assert done.results() == {"created": 1}
    assert creations(sandbox, "ann@example.com") == 1
    assert [contact["name"] for contact in people.everyone()] == ["Renamed"]


def test_a_lead_in_doubt_never_takes_a_user_with_its_email_for_itself(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    user = people.add(email="ann@example.com", name="User")
    before = people.one(id=user)
    lose(sandbox)
    row = {"id": 1, "email": "ann@example.com", "name": "Lead"}
    done = load(customers(row), creation_mode="lead", match_by=["external_id"])
    assert done.results() == {"created": 1}
    assert people.one(id=user) == before
    assert people.one(role="lead")["name"] == "Lead"


@pytest.mark.usefixtures("hurried")
def test_an_outage_of_some_calls_loses_no_record_and_rejects_none(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """More calls fail than any of them has tries."""
    sandbox.conditions.plan.add(FromThenOn(Fault.HTML, times=20, condition=lambda: len(people.everyone()) >= 30))
    rows = [{"id": number, "email": f"c{number}@example.com"} for number in range(80)]
    done = load(customers(*rows), max_connections=4, batch_size_rows=20)
    assert sum(call.status == 503 for call in sandbox.calls) == 20
    assert (done.exit_code, done.states[-1:]) == (0, [{"n": 80}])
    assert done.results() == {"created": 80}
    assert Counter(contact["external_id"] for contact in people.everyone()) == Counter(map(str, range(80)))


# Attributes.


@pytest.mark.parametrize(
    ("mode", "row"),
    [("sync", {"_sdc_deleted_at": WHEN}), ("additive", {"_sdc_deleted_at": WHEN}), ("remove", {})],
)
def test_records_that_remove_make_no_attributes(
    load: Loader, people: People, sandbox: SandboxServer, mode: str, row: dict[str, Any]
) -> None:
    people.add(external_id="1")
    done = load(customers({"id": 1, "plan": "pro", **row}), sync_mode=mode)
    assert done.exit_code == 0
    assert not [call for call in sandbox.calls if (call.method, call.path) == ("POST", "/data_attributes")]
    listed = people.call("GET", "/data_attributes?model=contact&include_archived=true")["data"]
    assert not [entry for entry in listed if entry["custom"]]


# Removals.

A_AND_B = {
    "a": {"sync_mode": "remove", "removal_mode": "archive"},
    "b": {"sync_mode": "sync", "removal_mode": "delete"},
}
ANN = {"id": 1, "email": "ann@example.com"}


def removal(stream: str, **row: Any) -> dict[str, Any]:
    return record(stream, **row, _sdc_deleted_at=WHEN)


def persons(people: People) -> tuple[str, str]:
    """A user and a lead of one email."""
    user = people.add(external_id="1", email="ann@example.com")
    return user, people.add(role="lead", email="ann@example.com", name="Lead")


def run_removals(load: Loader, *messages: dict[str, Any]) -> Loaded:
    by_id = {"match_by": ["id"], "mappings": {"contact": "id"}}
    return load(
        [
            *(schema(name, keys=(), id="integer", email="text", _sdc_deleted_at="datetime") for name in "ab"),
            schema("c", keys=(), contact="text", name="text"),
            *messages,
        ],
        streams={**A_AND_B, "c": by_id},
    )


def test_a_later_mark_that_deletes_one_contact_does_not_delete_the_others_of_an_earlier_mark(
    load: Loader, people: People
) -> None:
    user, lead = persons(people)
    done = run_removals(load, removal("a", **ANN), removal("b", id=1))
    assert done.exit_code == 0
    assert (people.one(id=user)["state"], people.one(id=lead)["state"]) == ("deleted", "archived")


def test_nan_is_no_mark(load: Loader, people: People) -> None:
    contact = people.add(external_id="1")
    row = {"id": 1, "name": "Ann", "gone": math.nan}
    done = load(customers(row, gone="any"), sync_mode="sync", deleted_property="gone")
    assert done.results() == {"updated": 1}
    assert people.one(id=contact)["state"] == "live"
