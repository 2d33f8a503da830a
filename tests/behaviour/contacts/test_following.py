"""A record's key stays, its email or external_id changes: the same contact is followed, and nobody else's taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import record, schema
from tests.support.remembering import (
    POST,
    PUT,
    START,
    TYPES,
    WHEN,
    Row,
    assert_quiet,
    customers,
    log_based,
    person,
    rows,
    with_and_without_a_ledger,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

pytestmark = pytest.mark.usefixtures("by_row")
SIZES = pytest.mark.parametrize("size", [1, 2, 10])
A, B, C = "a@example.com", "b@example.com", "c@example.com"
ANN: Row = {"row": 1, "id": "1", "email": A, "name": "Ann"}


def identity(contact: Row) -> tuple[str | None, str | None]:
    return contact["external_id"], contact["email"] or None


# The key stays, the identifiers change.


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"email": B}, ("1", B)),
        ({"id": "2"}, ("2", A)),
        ({"id": "2", "email": B}, ("2", B)),
        ({"email": None}, ("1", None)),
        ({"id": None}, ("1", A)),
        ({"id": None, "email": B}, ("1", B)),
        ({"id": None, "email": None}, ("1", None)),
        ({"id": "2", "email": None}, ("2", None)),
    ],
    ids=str,
)
def test_a_contact_is_followed_when_its_identifiers_change(
    load: Loader, people: People, change: Row, after: tuple[str, str]
) -> None:
    load(customers(ANN, person(9)))
    contact = people.one(external_id="1")["id"]
    changed = customers({**ANN, **change, "name": "Anna"}, person(9))
    done = load(changed)
    assert done.results() == {"updated": 1, "unchanged": 1}
    # Another external_id may be somebody else's: one search tells for many.
    assert set(done.calls) - {*START, PUT} == ({"POST /contacts/search"} if change.get("id") else set())
    assert done.calls[PUT] == 1
    assert (identity(people.one(id=contact)), people.one(id=contact)["name"]) == (after, "Anna")
    assert len(people.everyone()) == 2
    assert_quiet(load(changed))


def test_identifiers_that_are_absent_are_left_alone(load: Loader, people: People) -> None:
    load(customers(ANN))
    done = load(customers({"row": 1, "name": "Anna"}))
    assert done.results() == {"updated": 1}
    ann = people.one(name="Anna")
    assert (identity(ann), len(people.everyone())) == (("1", A), 1)


def test_an_identifier_is_followed_step_by_step(load: Loader, people: People) -> None:
    for number in range(1, 6):
        load(customers({**ANN, "id": str(number), "email": f"a{number}@example.com"}))
    (ann,) = people.everyone()
    assert identity(ann) == ("5", "a5@example.com")


@pytest.mark.parametrize("creation_mode", ["lead", "lifecycle"])
def test_a_lead_is_followed_when_its_email_changes(load: Loader, people: People, creation_mode: str) -> None:
    lead = {"row": 1, "email": A, "name": "Lead"}
    load(customers(lead), creation_mode=creation_mode)
    done = load(customers({**lead, "email": B}), creation_mode=creation_mode)
    assert done.results() == {"updated": 1}
    (contact,) = people.everyone()
    assert (contact["role"], contact["email"]) == ("lead", B)
    done = load(customers({"row": 1, "email": None, "name": "Lead"}), creation_mode=creation_mode)
    assert done.results() == {"updated": 1}
    assert len(people.everyone()) == 1


def test_a_lead_becomes_a_user_when_its_external_id_arrives_with_a_new_email(load: Loader, people: People) -> None:
    load(customers({"row": 1, "email": A}), creation_mode="lifecycle")
    lead = people.one(email=A)["id"]
    done = load(customers({"row": 1, "id": "1", "email": B}), creation_mode="lifecycle")
    assert done.results() == {"updated": 1}
    assert (people.one(id=lead)["role"], identity(people.one(id=lead))) == ("user", ("1", B))
    assert len(people.everyone()) == 1
    assert_quiet(load(customers({"row": 1, "id": "1", "email": B}), creation_mode="lifecycle"))


@pytest.mark.parametrize("mode", ["additive", "sync", "enrich"])
def test_every_mode_that_updates_follows(load: Loader, people: People, mode: str) -> None:
    people.add(external_id="1", email=A)
    load(customers(ANN), sync_mode=mode)
    assert load(customers({**ANN, "id": "2", "email": B}), sync_mode=mode).results() == {"updated": 1}
    (ann,) = people.everyone()
    assert identity(ann) == ("2", B)


def test_in_insert_mode_a_known_record_is_left_alone_whatever_its_identifiers(load: Loader, people: People) -> None:
    load(customers(ANN), sync_mode="insert")
    before = people.everyone()
    done = load(customers({**ANN, "id": "2", "email": B}), sync_mode="insert")
    assert done.results() == {"skipped": 1}
    assert people.everyone() == before


@pytest.mark.parametrize(("match_by", "who"), [(["external_id", "email"], "id"), (["email", "external_id"], "email")])
def test_a_stream_without_keys_is_followed_by_its_first_identifier_only(
    load: Loader, people: People, match_by: list[str], who: str
) -> None:
    other = {"id": "email", "email": "id"}[who]
    load(customers(ANN, keys=()), match_by=match_by)
    new = {"id": "2", "email": B}
    done = load(customers({**ANN, other: new[other]}, keys=()), match_by=match_by)
    assert (done.results(), len(people.everyone())) == ({"updated": 1}, 1)
    done = load(customers({**ANN, "id": "3", "email": C}, keys=()), match_by=match_by)
    assert (done.results(), len(people.everyone())) == ({"created": 1}, 2)


@SIZES
def test_an_email_moves_from_one_contact_to_the_next(load: Loader, people: People, size: int) -> None:
    load(customers(ANN, {**ANN, "row": 2, "id": "2", "email": B}))
    moved = [{**ANN, "email": C}, {**ANN, "row": 2, "id": "2", "email": A}]
    done = load(customers(*moved), batch_size_rows=size)
    assert done.results() == {"updated": 2}
    assert {one["external_id"]: one["email"] for one in people.everyone()} == {"1": C, "2": A}


@SIZES
def test_two_contacts_swap_their_emails(load: Loader, people: People, size: int) -> None:
    load(customers(ANN, {**ANN, "row": 2, "id": "2", "email": B}))
    load(customers({**ANN, "email": B}, {**ANN, "row": 2, "id": "2", "email": A}), batch_size_rows=size)
    assert {one["external_id"]: one["email"] for one in people.everyone()} == {"1": B, "2": A}


@SIZES
def test_a_new_record_takes_the_identifiers_that_a_known_one_gives_up(load: Loader, people: People, size: int) -> None:
    """One after the other: row 1 becomes somebody else, and row 2 is made with what it had."""
    load(customers(ANN))
    contact = people.one(external_id="1")["id"]
    both = [{**ANN, "id": "2", "email": B}, {"row": 2, "id": "1", "email": A, "name": "Bob"}]
    done = load(customers(*both), batch_size_rows=size)
    assert done.results() == {"updated": 1, "created": 1}
    assert identity(people.one(id=contact)) == ("2", B)
    assert identity(people.one(name="Bob")) == ("1", A)
    assert_quiet(load(customers(*both)))


# Identifiers that another contact has.


def other_user(**values: Any) -> Callable[[People], object]:
    return lambda people: people.add(**{"name": "Other", **values})


TAKEN: dict[str, tuple[Row, Row, Callable[[People], object], str]] = {
    "external_id, of another user": (ANN, {"id": "2"}, other_user(external_id="2"), "user"),
    "external_id, of another user with an email": (ANN, {"id": "2"}, other_user(external_id="2", email=B), "user"),
    "both, of one other user": (ANN, {"id": "2", "email": B}, other_user(external_id="2", email=B), "user"),
    "email, of another user": (ANN, {"email": B}, other_user(external_id="2", email=B), "user"),
    "email, of a user without external_id": (ANN, {"email": B}, other_user(email=B), "user"),
    "email, of a lead": (ANN, {"email": B}, other_user(role="lead", email=B), "user"),
    "lead becomes user, of another": ({**ANN, "id": None}, {"id": "2"}, other_user(external_id="2"), "lifecycle"),
}


@pytest.mark.parametrize(("row", "change", "other", "creation_mode"), TAKEN.values(), ids=TAKEN)
def test_identifiers_of_somebody_else_end_as_without_a_ledger(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    row: Row,
    change: Row,
    other: Callable[[People], object],
    creation_mode: str,
) -> None:
    changed = customers({**row, **change, "name": "Anna", "plan": "pro"})
    with_ledger, without = with_and_without_a_ledger(
        load,
        people,
        sandbox,
        customers(row),
        changed,
        changed,
        first=lambda: other(people),
        creation_mode=creation_mode,
    )
    assert with_ledger == without


@pytest.mark.parametrize("creation_mode", ["user", "lead"])
@pytest.mark.parametrize("other", [{"role": "lead"}, {"role": "user"}, {"external_id": "2"}], ids=str)
def test_an_email_that_somebody_else_has_is_followed_and_leaves_them_alone(
    load: Loader, people: People, other: Row, creation_mode: str
) -> None:
    """The record is the same as before, so it is not theirs: nobody is taken over for an email alone."""
    them = people.add(email=B, name="Other", **other)
    load(customers({"row": 1, "email": A, "name": "Ann"}), creation_mode=creation_mode)
    ann = people.one(name="Ann")["id"]
    changed = customers({"row": 1, "email": B, "name": "Ann", "plan": "pro"})
    assert load(changed, creation_mode=creation_mode).results() == {"updated": 1}
    assert (people.one(id=ann)["email"], people.one(id=ann)["custom_attributes"]) == (B, {"plan": "pro"})
    assert (people.one(id=them)["name"], people.one(id=them)["custom_attributes"]) == ("Other", {})
    assert_quiet(load(changed, creation_mode=creation_mode))


def test_after_somebody_elses_identifiers_the_record_is_theirs_and_quiet(load: Loader, people: People) -> None:
    load(customers(ANN))
    other = people.add(external_id="2", name="Other")
    changed = customers({**ANN, "id": "2", "email": None})
    load(changed)
    assert people.one(id=other)["name"] == "Ann"
    assert_quiet(load(changed))
    load(customers({**ANN, "id": "2", "email": None, "name": "Anna"}))
    assert people.one(id=other)["name"] == "Anna"
    assert people.one(external_id="1")["name"] == "Ann"


# Within one run.

CHANGING: dict[str, list[Row]] = {
    "both": [ANN, {**ANN, "id": "2", "email": B, "name": "B"}],
    "both and back": [ANN, {**ANN, "id": "2", "email": B, "name": "B"}, {**ANN, "name": "C"}],
    "one after the other": [ANN, {**ANN, "email": B, "name": "B"}, {**ANN, "id": "2", "email": B, "name": "C"}],
    "the email, then nothing": [ANN, {**ANN, "email": B}, {**ANN, "id": None, "email": None, "name": "C"}],
    "nothing at all": [ANN, {"row": 1, "name": "C"}],
    "another row between": [ANN, person(7), {**ANN, "id": "2", "email": B, "name": "B"}, person(8)],
}


@SIZES
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("stream", CHANGING.values(), ids=CHANGING)
def test_rows_of_one_key_are_one_contact_within_a_run(
    load: Loader, people: People, stream: list[Row], known: bool, size: int
) -> None:
    """However its identifiers change from row to row, and wherever the batches are cut."""
    if known:
        load(customers(stream[0]))
    done = load(customers(*stream), batch_size_rows=size)
    assert (done.exit_code, done.refusals) == (0, [])
    others = [one for one in people.everyone() if not str(one["name"]).startswith("P ")]
    assert len(others) == 1
    mine = [row for row in stream if row["row"] == 1]
    assert others[0]["name"] == mine[-1]["name"]
    assert others[0]["external_id"] == [row["id"] for row in mine if row.get("id") is not None][-1]
    emails = [row["email"] for row in mine if "email" in row]
    assert (others[0]["email"] or None) == emails[-1]


@SIZES
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_an_email_that_a_later_record_gives_up_is_not_free_before(
    load: Loader, people: People, sandbox: SandboxServer, known: bool, size: int
) -> None:
    """One after the other, the new record is refused; within a batch, too, be its call ever so late."""
    if known:
        load(customers(ANN))
    else:
        people.add(external_id="1", email=A, name="Ann")
    sandbox.conditions.plan.add(TargetedFault(Fault.ERROR, "POST", "/contacts"))
    taken = {"row": 2, "id": "2", "email": A, "name": "Bob"}
    done = load(customers(taken, {**ANN, "email": B}), batch_size_rows=size)
    assert done.results() == {"rejected": 1, "updated": 1}
    assert [identity(one) for one in people.everyone()] == [("1", B)]


# Rows that share a contact.

TWINS: list[Row] = [{"row": 1, "email": A, "name": "Ann"}, {"row": 2, "email": A, "name": "Ann"}]


def test_two_rows_of_one_contact_are_followed_together(load: Loader, people: People) -> None:
    load(customers(*TWINS))
    done = load(customers(*({**row, "email": B} for row in TWINS)))
    assert done.results()["updated"] == 1
    assert [identity(one) for one in people.everyone()] == [(None, B)]
    assert_quiet(load(customers(*({**row, "email": B} for row in TWINS))))


PARTING = pytest.mark.parametrize("mode", ["user", "lead"])
"""What a user is known by is the external_id; a lead, the email."""


def twins(mode: str, *names: str) -> list[dict[str, Any]]:
    """Two rows, of the person named and of the next one."""
    known_by = "id" if mode == "user" else "email"
    value = {"user": "{}", "lead": "{}@example.com"}[mode]
    return customers(*({"row": row, "name": "Ann", known_by: value.format(name)} for row, name in enumerate(names)))


def named(mode: str, contact: dict[str, Any]) -> str:
    return str(contact["external_id"] if mode == "user" else contact["email"].partition("@")[0])


@SIZES
@PARTING
def test_of_rows_that_part_the_last_one_keeps_the_contact(load: Loader, people: People, mode: str, size: int) -> None:
    load(twins(mode, "a", "a"), creation_mode=mode)
    shared = people.one()["id"]
    load(twins(mode, "b", "c"), creation_mode=mode, batch_size_rows=size)
    assert {named(mode, one): one["id"] == shared for one in people.everyone()} == {"b": False, "c": True}


@SIZES
@PARTING
def test_a_row_that_parts_leaves_the_contact_to_those_that_stay(
    load: Loader, people: People, mode: str, size: int
) -> None:
    load(twins(mode, "a", "a"), creation_mode=mode)
    shared = people.one()["id"]
    load(twins(mode, "b", "a"), creation_mode=mode, batch_size_rows=size)
    assert {named(mode, one): one["id"] == shared for one in people.everyone()} == {"a": True, "b": False}


@SIZES
def test_rows_of_a_user_who_name_other_emails_stay_the_users(load: Loader, people: People, size: int) -> None:
    """An email is an attribute of a user, as a name is: the last row has the word."""
    load(customers(*TWINS))
    load(customers({**TWINS[0], "email": B}, {**TWINS[1], "email": C}), batch_size_rows=size)
    assert [one["email"] for one in people.everyone()] == [C]


@SIZES
def test_an_external_id_that_somebody_has_spoils_no_earlier_row_of_the_key(
    load: Loader, people: People, size: int
) -> None:
    """Bob is followed to his new email; only the row with Ann's external_id is Ann's."""
    bob = {"row": 2, "email": B, "name": "Bob"}
    load(customers(ANN, bob))
    done = load(customers({**bob, "email": C}, {**bob, "email": C, "id": "1", "name": "Bob 1"}), batch_size_rows=size)
    assert done.results() == {"updated": 2}
    assert {identity(one): one["name"] for one in people.everyone()} == {("1", C): "Bob 1", (None, C): "Bob"}


# Deletions that carry only the key.

GONE = {"row": 1, "_sdc_deleted_at": WHEN}


def test_a_deletion_with_only_the_key_removes_the_right_contact(load: Loader, people: People) -> None:
    load(customers(ANN, person(2), person(3)), sync_mode="sync")
    done = load(log_based(GONE), sync_mode="sync")
    assert done.results() == {"archived": 1}
    assert {one["external_id"]: one["state"] for one in people.everyone()} == {
        "1": "archived",
        "2": "live",
        "3": "live",
    }


@pytest.mark.parametrize("change", [{"email": B}, {"id": "7"}, {"id": "7", "email": B}], ids=str)
def test_a_deletion_with_only_the_key_follows_the_identifiers(load: Loader, people: People, change: Row) -> None:
    load(customers(ANN), sync_mode="sync")
    contact = people.one(external_id="1")["id"]
    load(customers({**ANN, **change}), sync_mode="sync")
    other = people.add(external_id="1", email=A) if {"id", "email"} <= set(change) else None
    assert load(log_based(GONE), sync_mode="sync").results() == {"archived": 1}
    assert people.one(id=contact)["state"] == "archived"
    if other is not None:
        assert people.one(id=other)["state"] == "live"


def test_a_deletion_that_comes_again_finds_nobody(load: Loader, people: People) -> None:
    load(customers(ANN, person(2)), sync_mode="sync")
    twice = load(log_based(GONE, GONE), sync_mode="sync")
    assert twice.results() == {"archived": 1, "merged": 1}
    again = load(log_based(GONE), sync_mode="sync")
    assert (again.results(), again.writes) == ({"skipped": 1}, 0)
    assert again.stream()["reasons"]["skipped"] == {"not_there": 1}
    assert sorted(one["state"] for one in people.everyone()) == ["archived", "live"]


@pytest.mark.parametrize("mode", ["sync", "additive", "remove"])
def test_a_deletion_of_an_unknown_key_names_nobody(load: Loader, people: People, mode: str) -> None:
    load(customers(ANN), sync_mode="sync")
    done = load(log_based({**GONE, "row": 5}), sync_mode=mode)
    assert done.results() == {"invalid": 1}
    assert done.refusals[0]["code"] == "no_identifier"
    assert people.one(external_id="1")["state"] == "live"


@SIZES
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_deletion_in_the_run_of_the_record_that_it_deletes(
    load: Loader, people: People, known: bool, size: int
) -> None:
    if known:
        load(customers(ANN), sync_mode="sync")
    done = load(log_based(person(2), ANN, person(3), GONE), sync_mode="sync", batch_size_rows=size)
    assert done.exit_code == 0
    assert done.results()["archived"] == 1
    assert {one["external_id"]: one["state"] for one in people.everyone()} == {
        "1": "archived",
        "2": "live",
        "3": "live",
    }


@SIZES
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_record_after_its_deletion_takes_it_back(load: Loader, people: People, known: bool, size: int) -> None:
    if known:
        load(customers(ANN), sync_mode="sync")
    done = load(log_based(ANN, GONE, {**ANN, "name": "Anna"}), sync_mode="sync", batch_size_rows=size)
    assert done.exit_code == 0
    assert (people.one(external_id="1")["state"], people.one(external_id="1")["name"]) == ("live", "Anna")
    assert load(customers({**ANN, "name": "Anna"}), sync_mode="sync").writes == 0


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert"])
def test_a_deletion_removes_nobody_in_modes_that_do_not_remove(load: Loader, people: People, mode: str) -> None:
    load(customers(ANN), sync_mode="sync")
    done = load(log_based(GONE), sync_mode=mode)
    assert (done.results(), done.writes) == ({"skipped": 1}, 0)
    assert people.one(external_id="1")["state"] == "live"


def test_a_deletion_of_another_streams_key_names_nobody(load: Loader, people: People) -> None:
    load(customers(ANN), sync_mode="sync")
    messages = [schema("others", ["row"], **TYPES), record("others", **GONE)]
    assert load(messages, sync_mode="sync").results("others") == {"invalid": 1}
    assert people.one(external_id="1")["state"] == "live"


@pytest.mark.parametrize("removal_mode", ["archive", "delete"])
def test_a_removed_record_comes_back_or_is_refused(
    load: Loader, people: People, sandbox: SandboxServer, removal_mode: str
) -> None:
    sandbox.conditions.deletion_delay = 0
    load(customers(ANN), sync_mode="sync")
    gone = load(log_based(GONE), sync_mode="sync", removal_mode=removal_mode)
    assert gone.results() == {"archived": 1} if removal_mode == "archive" else {"deleted": 1}
    back = load(customers({**ANN, "name": "Back"}), sync_mode="sync", removal_mode=removal_mode)
    if removal_mode == "archive":
        assert back.results() == {"updated": 1}
        assert (people.one(external_id="1")["state"], people.one(external_id="1")["name"]) == ("live", "Back")
    else:
        assert back.results() == {"rejected": 1}
        assert people.one(external_id="1")["state"] == "deleted"


# Privacy: whom the identifiers mean today.


def test_mode_remove_goes_by_the_identifiers_and_not_by_memory(load: Loader, people: People) -> None:
    """A request to be forgotten names a person; what a key meant once does not count."""
    load(customers(ANN), sync_mode="sync")
    known = people.one(external_id="1")["id"]
    people.call("PUT", f"/contacts/{known}", {"external_id": "77", "email": "moved@example.com"})
    today = people.add(external_id="1", email=A)
    lead = people.add(role="lead", email=A)
    done = load(rows("customers", {"row": 1, "id": "1", "email": A}), sync_mode="remove")
    assert done.results() == {"archived": 1}
    assert {one["id"]: one["state"] for one in people.everyone()} == {
        known: "live",
        today: "archived",
        lead: "archived",
    }


def test_mode_remove_with_only_the_key_removes_whom_the_ledger_knows(load: Loader, people: People) -> None:
    load(customers(ANN, person(2)), sync_mode="sync")
    done = load(log_based({"row": 1}), sync_mode="remove", removal_mode="delete")
    assert done.results() == {"deleted": 1}
    assert {one["external_id"]: one["state"] for one in people.everyone()} == {"1": "deleted", "2": "live"}
    assert POST not in done.calls
