"""Contacts archived, deleted or merged by hand: an unchanged record stays quiet, a changed one is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import People
from tests.support.remembering import PUT, WHEN, Row, assert_quiet, customers, log_based, person, rows

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader

pytestmark = pytest.mark.usefixtures("by_row")
A, B = "a@example.com", "b@example.com"
ANN: Row = {"row": 1, "id": "1", "email": A, "name": "Ann"}
LEAD: Row = {"row": 1, "email": A, "name": "Lead"}
GONE: Row = {"row": 1, "_sdc_deleted_at": WHEN}
SIZES = pytest.mark.parametrize("size", [1, 10])


def merge(people: People, lead: str, user: str) -> None:
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})


def live(people: People) -> list[tuple[str | None, str | None]]:
    return sorted((one["email"], one["name"]) for one in people.live())


# Unchanged records.


@pytest.mark.parametrize("act", [People.archive, People.delete])
@pytest.mark.parametrize(("row", "mode"), [(ANN, "user"), (LEAD, "lead")], ids=["user", "lead"])
def test_an_unchanged_record_stays_quiet(load: Loader, people: People, act: Any, row: Row, mode: str) -> None:
    load(customers(row, person(9)), creation_mode=mode)
    act(people, people.one(email=A)["id"])
    before = people.everyone()
    for _ in range(2):
        assert_quiet(load(customers(row, person(9)), creation_mode=mode))
    assert people.everyone() == before


def test_an_unchanged_record_of_a_merged_lead_stays_quiet(load: Loader, people: People) -> None:
    load(customers(LEAD), creation_mode="lead")
    merge(people, people.one(email=A)["id"], people.add(external_id="1", email=A))
    before = people.everyone()
    assert_quiet(load(customers(LEAD), creation_mode="lead"))
    assert people.everyone() == before


def test_a_contact_that_one_stream_finds_gone_is_gone_for_the_next(load: Loader, people: People) -> None:
    """Mode `insert` trusts the ledger, until the run knows better."""
    shop = {"sync_mode": "insert", "creation_mode": "lead"}
    both = [*customers(ANN), *rows("shop", {**ANN, "name": "In the shop"})]
    load(both, streams={"shop": shop})
    people.delete(people.one(external_id="1")["id"])
    done = load(both, streams={"shop": shop, "customers": {"clear_nulls": False}})
    assert (done.results(), done.results("shop")) == ({"rejected": 1}, {"created": 1})
    assert live(people) == [(A, "In the shop")]


# Changed records: archived.


@SIZES
@pytest.mark.parametrize("change", [{"name": "New"}, {"email": B}, {"name": "New", "plan": None}], ids=str)
def test_a_changed_record_brings_an_archived_user_back(load: Loader, people: People, change: Row, size: int) -> None:
    load(customers(ANN, person(9)))
    contact = people.one(external_id="1")["id"]
    people.archive(contact)
    changed = customers({**ANN, **change}, person(9))
    done = load(changed, batch_size_rows=size)
    assert (done.exit_code, done.results()) == (0, {"updated": 1, "unchanged": 1})
    ann = people.one(id=contact)
    assert (ann["state"], ann["email"], ann["name"]) == ("live", change.get("email", A), change.get("name", "Ann"))
    assert len(people.everyone()) == 2
    assert_quiet(load(changed))


def test_a_new_external_id_and_email_at_once_make_a_new_user_of_an_archived_one(load: Loader, people: People) -> None:
    """Nothing that the record says finds the archived one, as nothing would without a ledger."""
    load(customers(ANN))
    people.archive(people.one(external_id="1")["id"])
    done = load(customers({**ANN, "id": "2", "email": B}))
    assert (done.exit_code, done.refusals) == (0, [])
    assert [one["external_id"] for one in people.live()] == ["2"]


@SIZES
@pytest.mark.parametrize("act", [People.archive, People.delete])
def test_a_changed_record_of_a_lead_that_is_gone_ends_as_one_lead(
    load: Loader, people: People, act: Any, size: int
) -> None:
    load(customers(LEAD), creation_mode="lead")
    act(people, people.one(email=A)["id"])
    changed = customers({**LEAD, "name": "New"}, {**LEAD, "row": 2, "plan": "pro"})
    done = load(changed, creation_mode="lead", batch_size_rows=size)
    assert done.exit_code == 0
    (lead,) = people.live()
    assert (lead["email"], lead["custom_attributes"]) == (A, {"plan": "pro"})
    again = load(changed, creation_mode="lead", batch_size_rows=size)
    assert (again.exit_code, len(people.live())) == (0, 1)


@pytest.mark.parametrize("mode", ["enrich", "insert"])
def test_modes_that_do_not_create_or_update_bring_nobody_back(load: Loader, people: People, mode: str) -> None:
    people.add(external_id="1", email=A)
    load(customers(ANN), sync_mode=mode)
    people.archive(people.one(external_id="1")["id"])
    done = load(customers({**ANN, "name": "New"}), sync_mode=mode)
    assert done.results() == {"skipped": 1}
    assert people.live() == []


# Changed records: deleted.


def test_a_changed_record_of_a_deleted_user_is_refused_every_time_with_the_reason(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    load(customers(ANN, person(9)))
    people.delete(people.one(external_id="1")["id"])
    changed = customers({**ANN, "name": "New"}, person(9))
    for _ in range(2):
        done = load(changed)
        assert (done.exit_code, done.results()) == (0, {"rejected": 1, "unchanged": 1})
        assert "permanent" in done.refusals[0]["reason"]
    assert live(people) == [("p9@example.com", "P 9")]


def test_a_deleted_user_comes_as_a_new_one_under_new_identifiers(load: Loader, people: People) -> None:
    load(customers(ANN))
    people.delete(people.one(external_id="1")["id"])
    done = load(customers({**ANN, "id": "2", "email": B}))
    assert done.results() == {"created": 1}
    assert_quiet(load(customers({**ANN, "id": "2", "email": B})))


# Changed records: merged.


@SIZES
def test_a_changed_record_of_a_merged_lead_goes_on_with_the_survivor(load: Loader, people: People, size: int) -> None:
    load(customers(LEAD, person(9)), creation_mode="lifecycle")
    lead, user = people.one(email=A)["id"], people.add(external_id="1", email=A)
    merge(people, lead, user)
    changed = customers({**LEAD, "name": "New"}, person(9))
    done = load(changed, creation_mode="lifecycle", batch_size_rows=size)
    assert done.results() == {"updated": 1, "unchanged": 1}
    assert people.one(id=user)["name"] == "New"
    assert_quiet(load(changed, creation_mode="lifecycle"))
    more = load(customers({**LEAD, "name": "Newer"}, person(9)), creation_mode="lifecycle")
    assert (more.results(), more.calls[PUT]) == ({"updated": 1, "unchanged": 1}, 1)
    assert people.one(id=user)["name"] == "Newer"


def test_a_changed_record_of_a_lead_merged_into_another_person_is_refused(load: Loader, people: People) -> None:
    load(customers({**LEAD, "id": "5"}), creation_mode="lead")
    lead, user = people.one(email=A)["id"], people.add(external_id="1", email=A, name="User")
    merge(people, lead, user)
    done = load(customers({**LEAD, "id": "5", "name": "New"}), creation_mode="lead")
    assert done.results() == {"rejected": 1}
    assert people.one(id=user)["name"] == "User"


def test_a_merge_is_followed_when_the_record_gets_the_survivors_external_id(load: Loader, people: People) -> None:
    load(customers(LEAD), creation_mode="lifecycle")
    lead, user = people.one(email=A)["id"], people.add(external_id="1", email=A)
    merge(people, lead, user)
    done = load(customers({**LEAD, "id": "1", "name": "New"}), creation_mode="lifecycle")
    assert done.results() == {"updated": 1}
    assert (people.one(id=user)["name"], len(people.live())) == ("New", 1)


# Removals.


@pytest.mark.parametrize(
    ("act", "first"),
    [(People.delete, "skipped"), (People.archive, "archived")],  # Intercom archives once more without a word
)
def test_a_removal_of_who_is_gone_already_changes_nothing(load: Loader, people: People, act: Any, first: str) -> None:
    load(customers(ANN, person(9)), sync_mode="sync")
    act(people, people.one(external_id="1")["id"])
    before = people.everyone()
    assert load(log_based(GONE), sync_mode="sync").results() == {first: 1}
    assert load(log_based(GONE), sync_mode="sync").results() == {"skipped": 1}
    assert people.everyone() == before


def test_a_removal_does_not_follow_a_merge_and_is_skipped_as_contact_merged(load: Loader, people: People) -> None:
    load(customers(LEAD), sync_mode="sync", creation_mode="lead")
    lead, user = people.one(email=A)["id"], people.add(external_id="1", email=A)
    merge(people, lead, user)
    done = load(log_based(GONE), sync_mode="sync", creation_mode="lead")
    assert done.stream()["reasons"]["skipped"] == {"contact_merged": 1}
    assert done.results() == {"skipped": 1}
    assert people.one(id=user)["state"] == "live"


def test_a_removal_of_a_contact_that_was_renamed_by_hand_removes_it(load: Loader, people: People) -> None:
    load(customers(ANN), sync_mode="sync")
    contact = people.one(external_id="1")["id"]
    people.call("PUT", f"/contacts/{contact}", {"external_id": "77", "email": B})
    assert load(log_based(GONE), sync_mode="sync").results() == {"archived": 1}
    assert people.one(id=contact)["state"] == "archived"


# Changed by hand, but there.


def test_a_changed_record_finds_its_contact_although_its_identifiers_were_changed_by_hand(
    load: Loader, people: People
) -> None:
    load(customers(ANN))
    contact = people.one(external_id="1")["id"]
    people.call("PUT", f"/contacts/{contact}", {"external_id": "77", "email": B})
    done = load(customers({**ANN, "name": "New"}))
    assert done.results() == {"updated": 1}
    (ann,) = people.everyone()
    assert (ann["id"], ann["external_id"], ann["email"], ann["name"]) == (contact, "1", A, "New")


def test_a_lead_that_was_made_a_user_by_hand_stays_the_records_contact(load: Loader, people: People) -> None:
    load(customers(LEAD), creation_mode="lead")
    contact = people.one(email=A)["id"]
    people.call("PUT", f"/contacts/{contact}", {"role": "user", "external_id": "1", "email": A})
    done = load(customers({**LEAD, "name": "New"}), creation_mode="lead")
    assert done.results() == {"updated": 1}
    (ann,) = people.everyone()
    assert (ann["role"], ann["external_id"], ann["name"]) == ("user", "1", "New")
