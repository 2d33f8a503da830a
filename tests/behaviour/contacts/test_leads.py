"""Leads and users are made once, whatever is lost on the way and however late the search index is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

LAG = 0.4
"""Seconds that the index lags behind where a test waits for it; `search_delay_seconds` is 1 there."""
LOST = [Fault.RESET_AFTER, Fault.ERROR_AFTER, Fault.GARBAGE]
"""The contact is made, and nobody hears of it."""
UNKNOWN = [*LOST, Fault.RESET_BEFORE]
"""What a client cannot tell from those."""


def customers(*rows: dict[str, Any], stream: str = "customers") -> list[dict[str, Any]]:
    properties = {"id": "text", "email": "text", "name": "text", "plan": "text"}
    return [
        schema(stream, keys=["row"], row="integer", **properties),
        *(record(stream, row=number, **row) for number, row in enumerate(rows, start=1)),
    ]


@pytest.fixture
def load(load: Loader) -> Loader:
    """`id` holds the external_id; `row` is loaded nowhere."""
    load.settings = {"mappings": {"id": "external_id", "row": None}, "max_connections": 8}
    return load


def lose(sandbox: SandboxServer, fault: Fault, times: int = 1, containing: str | None = None) -> None:
    """Lose the answers of the next creates."""
    sandbox.conditions.plan.add(TargetedFault(fault, "POST", "/contacts", containing, times))


def people_of(people: People) -> list[tuple[str, str | None, str | None]]:
    """Everybody, as role, email and name."""
    return sorted((one["role"], one["email"], one["name"]) for one in people.everyone())


# Leads.


def test_a_lead_is_found_again_by_its_email(load: Loader, people: People) -> None:
    row = {"email": "ann@example.com", "name": "Ann"}
    assert load(customers(row), creation_mode="lead").results() == {"created": 1}
    assert load(customers({**row, "name": "Anne"}), creation_mode="lead").results() == {"updated": 1}
    assert people_of(people) == [("lead", "ann@example.com", "Anne")]


@pytest.mark.parametrize("row", [{"id": "1"}, {"id": "1", "email": " "}], ids=["none", "blank"])
@pytest.mark.parametrize("size", [1, 10])
def test_a_lead_without_an_email_is_invalid(load: Loader, people: People, row: dict[str, Any], size: int) -> None:
    done = load(customers(row, {"email": "bob@example.com"}), creation_mode="lead", batch_size_rows=size)
    assert done.results() == {"invalid": 1, "created": 1}
    assert done.refusals[0]["field"] == "email"
    assert len(people.everyone()) == 1


def test_a_record_without_an_email_may_update_a_user_in_lead_mode(load: Loader, people: People) -> None:
    people.add(external_id="1")
    assert load(customers({"id": "1", "name": "Ann"}), creation_mode="lead").results() == {"updated": 1}


@pytest.mark.parametrize("mode", ["user", "lead"])
def test_an_external_id_is_never_sent_to_a_lead(
    load: Loader, people: People, sandbox: SandboxServer, mode: str
) -> None:
    people.add(role="lead", email="ann@example.com")
    rows = [{"id": "1", "email": "ann@example.com", "name": "Ann"}, {"id": "2", "email": "bob@example.com"}]
    before = len(sandbox.calls)
    assert load(customers(*rows), creation_mode=mode).results() == {"updated": 1, "created": 1}
    written = [call.body for call in sandbox.calls[before:] if call.path != "/contacts/search" and call.body]
    to_leads = [body for body in written if body.get("email") != "bob@example.com" or body.get("role") == "lead"]
    assert to_leads
    assert not any("external_id" in body for body in to_leads)
    assert load(customers(*rows), creation_mode=mode).results() == {"unchanged": 2}


def test_a_leads_generated_external_id_is_nobodys(load: Loader, people: People) -> None:
    people.add(role="lead", email="ann@example.com", name="Ann")
    generated = people.one(name="Ann")["external_id"]
    assert load(customers({"id": generated, "name": "Eve"})).results() == {"created": 1}
    assert people.one(email="ann@example.com")["name"] == "Ann"


def test_a_lead_stays_a_lead_in_user_mode(load: Loader, people: People) -> None:
    people.add(role="lead", email="ann@example.com")
    row = {"id": "1", "email": "ann@example.com", "name": "Ann"}
    assert load(customers(row)).results() == {"updated": 1}
    assert load(customers(row)).results() == {"unchanged": 1}
    assert people_of(people) == [("lead", "ann@example.com", "Ann")]


# A lead becomes a user.


@pytest.mark.parametrize("size", [1, 10])
def test_a_lead_becomes_a_user_when_its_external_id_arrives(load: Loader, people: People, size: int) -> None:
    rows = [{"email": "ann@example.com", "name": "Ann"}, {"id": "1", "email": "ann@example.com", "plan": "pro"}]
    load(customers(*rows), creation_mode="lifecycle", batch_size_rows=size)
    (ann,) = people.everyone()
    assert (ann["role"], ann["external_id"], ann["name"]) == ("user", "1", "Ann")
    assert ann["custom_attributes"] == {"plan": "pro"}


def test_a_lead_that_becomes_a_user_keeps_its_intercom_id_and_takes_one_call(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    lead = people.add(role="lead", email="ann@example.com", phone="1")
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}), creation_mode="lifecycle")
    assert done.results() == {"updated": 1}
    (put,) = [call for call in sandbox.calls if call.method == "PUT"]
    assert put.body == {"role": "user", "external_id": "1", "email": "ann@example.com", "name": "Ann"}
    ann = people.one(id=lead)
    assert (ann["role"], ann["external_id"], ann["phone"]) == ("user", "1", "1")


def test_a_user_never_becomes_a_lead(load: Loader, people: People) -> None:
    people.add(external_id="1", email="ann@example.com")
    done = load(customers({"email": "ann@example.com", "name": "Ann"}), creation_mode="lifecycle")
    assert done.results() == {"updated": 1}
    assert people_of(people) == [("user", "ann@example.com", "Ann")]


def test_insert_promotes_nobody(load: Loader, people: People) -> None:
    people.add(role="lead", email="ann@example.com")
    row = {"id": "1", "email": "ann@example.com"}
    assert load(customers(row), creation_mode="lifecycle", sync_mode="insert").results() == {"skipped": 1}
    assert people_of(people) == [("lead", "ann@example.com", None)]


# A lagging index: several batches, several streams.


@pytest.mark.parametrize("creation_mode", ["user", "lead", "lifecycle"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_nobody_is_made_twice_in_several_batches_of_two_streams(
    load: Loader, people: People, sandbox: SandboxServer, creation_mode: str, rows: int
) -> None:
    sandbox.conditions.search_lag = 5
    persons = [{"email": f"p{number}@example.com", "name": f"P{number}"} for number in range(3)]
    persons += [{"id": f"{number}", "email": f"p{number}@example.com"} for number in range(3)]
    persons += [{"email": f"P{number}@Example.com", "name": f"Q{number}"} for number in range(3)]
    first, second = customers(*persons), customers(*reversed(persons), stream="others")
    done = load(
        [first[0], second[0], *(message for pair in zip(first[1:], second[1:], strict=True) for message in pair)],
        creation_mode=creation_mode,
        batch_size_rows=rows,
        search_delay_seconds=6,
    )
    assert done.exit_code == 0
    assert done.results().get("created", 0) + done.results("others").get("created", 0) == 3
    assert {email for _, email, _ in people_of(people)} == {f"p{number}@example.com" for number in range(3)}
    assert len(people.everyone()) == 3


def test_what_this_run_wrote_is_known_although_search_shows_an_old_state(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    people.add(external_id="1", name="A")
    sandbox.conditions.search_lag = 3600
    rows = [{"id": "1", "name": name} for name in ("B", "A", "A", "C", "A")]
    done = load(customers(*rows), batch_size_rows=1)
    assert done.results() == {"updated": 4, "unchanged": 1}
    assert people.one(external_id="1")["name"] == "A"


def test_an_email_that_moved_on_in_this_run_finds_its_new_owner(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    people.add(external_id="1", email="old@example.com")
    sandbox.conditions.search_lag = 3600
    rows = [{"id": "1", "email": "new@example.com"}, {"email": "old@example.com", "name": "Other"}]
    rows.append({"email": "new@example.com", "name": "Ann"})
    load(customers(*rows), batch_size_rows=1)
    assert people.one(external_id="1")["name"] == "Ann"
    assert people.one(email="old@example.com")["name"] == "Other"


def test_the_index_catching_up_within_a_run_changes_nothing(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """Latency makes the run last longer than the lag."""
    sandbox.conditions.search_lag = 0.2
    sandbox.conditions.latency = 0.05
    rows = [{"email": "ann@example.com", "name": f"Ann {number}"} for number in range(8)]
    load(customers(*rows), batch_size_rows=1, creation_mode="lead")
    assert people_of(people) == [("lead", "ann@example.com", "Ann 7")]


# Answers that are lost.


@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda fault: fault.value)
def test_a_lead_is_made_once_although_the_answer_to_its_creation_is_lost(
    load: Loader, people: People, sandbox: SandboxServer, fault: Fault
) -> None:
    sandbox.conditions.search_lag = LAG
    lose(sandbox, fault)
    rows = [{"email": f"p{number}@example.com", "name": "P"} for number in range(3)]
    done = load(customers(*rows), creation_mode="lead")
    assert done.results() == {"created": 3}
    assert done.exit_code == 0
    assert people_of(people) == [("lead", f"p{number}@example.com", "P") for number in range(3)]


def test_leads_in_doubt_are_looked_for_together(load: Loader, people: People, sandbox: SandboxServer) -> None:
    sandbox.conditions.search_lag = LAG
    lose(sandbox, Fault.RESET_AFTER, times=5)
    lose(sandbox, Fault.RESET_BEFORE, times=5)
    rows = [{"email": f"p{number}@example.com"} for number in range(10)]
    done = load(customers(*rows), creation_mode="lead")
    assert done.results() == {"created": 10}
    assert len(people.everyone()) == 10
    paths = [call.path for call in sandbox.calls]
    after = [call for call in sandbox.calls[paths.index("/contacts") :] if call.path == "/contacts/search"]
    assert max(str(call.body).count("@example.com") for call in after) >= 5


def test_a_lead_whose_answers_are_lost_again_and_again_is_made_once(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = LAG
    lose(sandbox, Fault.RESET_BEFORE, times=2)
    lose(sandbox, Fault.GARBAGE)
    done = load(customers({"email": "ann@example.com", "name": "Ann"}), creation_mode="lead")
    assert done.results() == {"created": 1}
    assert people_of(people) == [("lead", "ann@example.com", "Ann")]


def test_a_lead_that_is_surely_not_made_is_not_waited_for(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """A 429 tells that nothing was written."""
    lose(sandbox, Fault.TOO_MANY)
    sandbox.conditions.rate_window = 1
    messages = customers({"email": "ann@example.com"})
    done = load.finish(load.begin(messages, creation_mode="lead", search_delay_seconds=3600))
    assert done.results() == {"created": 1}
    assert len(people.everyone()) == 1


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE], ids=lambda fault: fault.value)
@pytest.mark.parametrize("size", [1, 10])
def test_later_records_of_a_lead_in_doubt_go_into_the_same_lead(
    load: Loader, people: People, sandbox: SandboxServer, fault: Fault, size: int
) -> None:
    sandbox.conditions.search_lag = LAG
    lose(sandbox, fault)
    rows = [{"email": "ann@example.com", "name": "Ann"}, {"email": "ANN@example.com", "plan": "pro"}]
    load(customers(*rows), creation_mode="lead", batch_size_rows=size)
    (ann,) = people.everyone()
    assert (ann["name"], ann["custom_attributes"]) == ("Ann", {"plan": "pro"})


def test_a_lead_in_doubt_is_not_made_again_by_another_stream(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = LAG
    lose(sandbox, Fault.RESET_AFTER)
    row = {"email": "ann@example.com", "name": "Ann"}
    done = load([*customers(row), *customers(row, stream="others")], creation_mode="lead")
    assert (done.results(), done.results("others")) in (
        ({"created": 1}, {"unchanged": 1}),
        ({"unchanged": 1}, {"created": 1}),
    )
    assert people_of(people) == [("lead", "ann@example.com", "Ann")]


def test_a_lead_in_doubt_in_insert_mode_is_made_once(load: Loader, people: People, sandbox: SandboxServer) -> None:
    sandbox.conditions.search_lag = LAG
    lose(sandbox, Fault.ERROR_AFTER)
    row = {"email": "ann@example.com", "name": "Ann"}
    done = load(customers(row), creation_mode="lead", sync_mode="insert")
    assert done.results() == {"created": 1}
    assert people_of(people) == [("lead", "ann@example.com", "Ann")]


def test_a_second_run_finds_the_lead_whose_answer_was_lost(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    lose(sandbox, Fault.RESET_AFTER)
    row = {"email": "ann@example.com", "name": "Ann"}
    load(customers(row), creation_mode="lead")
    assert load(customers(row), creation_mode="lead").results() == {"unchanged": 1}
    assert len(people.everyone()) == 1


@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda fault: fault.value)
@pytest.mark.parametrize("row", [{"id": "1"}, {"email": "ann@example.com"}], ids=["external_id", "email"])
def test_a_user_is_made_once_although_the_answer_to_its_creation_is_lost(
    load: Loader, people: People, sandbox: SandboxServer, fault: Fault, row: dict[str, Any]
) -> None:
    sandbox.conditions.search_lag = 3600
    lose(sandbox, fault)
    done = load(customers({**row, "name": "Ann"}, {"id": "2", "name": "Bob"}))
    assert done.results() == {"created": 2}
    assert sorted(contact["name"] for contact in people.everyone()) == ["Ann", "Bob"]


def test_a_user_in_doubt_whose_identifiers_another_person_has_is_rejected(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    people.add(external_id="2", email="ann@example.com", name="Eve")
    lose(sandbox, Fault.RESET_BEFORE)
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"rejected": 1}
    assert people.one(external_id="2")["name"] == "Eve"


def test_a_lost_answer_to_an_update_writes_the_same_again(load: Loader, people: People, sandbox: SandboxServer) -> None:
    people.add(external_id="1")
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "PUT", "/contacts/{id}"))
    assert load(customers({"id": "1", "name": "Ann"})).results() == {"updated": 1}
    assert people.one(external_id="1")["name"] == "Ann"
