"""Which contact a record means, and what happens when that is not clear or changes under way."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from target_intercom.sandbox.versions import Version
from tests.support.loading import once_answered, record, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

CUSTOMERS = schema("customers", keys=["row"], row="integer", id="text", contact="text", email="text", name="text")
VERSION = Version.parse("2.16")
BY_ID = ["id", "external_id", "email"]
NOBODY = "0123456789abcdef01234567"


def customers(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [CUSTOMERS, *(record("customers", row=number, **row) for number, row in enumerate(rows, start=1))]


@pytest.fixture
def load(load: Loader) -> Loader:
    """`id` holds the external_id, `contact` Intercom's id; `row` is loaded nowhere."""
    load.settings = {"mappings": {"id": "external_id", "contact": "id", "row": None}, "max_connections": 8}
    return load


def bodies(sandbox: SandboxServer, method: str, prefix: str = "/contacts") -> list[Any]:
    return [
        call.body
        for call in sandbox.calls
        if call.method == method and call.path.startswith(prefix) and not call.path.endswith("/search")
    ]


def reason(done: Loaded) -> str:
    """The reason of the only refused record."""
    (refused,) = done.refusals
    return str(refused["reason"])


# The order of the identifiers.

ORDERS = [list(order) for size in (1, 2, 3) for order in itertools.permutations(("external_id", "email", "id"), size)]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_first_identifier_that_finds_anybody_decides(load: Loader, people: People, order: list[str]) -> None:
    contacts = {
        "external_id": people.add(external_id="1", email="old@example.com"),
        "email": people.add(role="lead", email="ann@example.com"),
        "id": people.add(role="lead", email="other@example.com"),
    }
    row = {"id": "1", "email": "ann@example.com", "contact": contacts["id"], "name": "Ann"}
    done = load(customers(row), match_by=order)
    assert done.results() == {"updated": 1}
    assert [contact["id"] for contact in people.everyone() if contact["name"] == "Ann"] == [contacts[order[0]]]


@pytest.mark.parametrize("order", [order for order in ORDERS if len(order) > 1], ids="-".join)
def test_an_identifier_that_finds_nobody_gives_way_to_the_next(load: Loader, people: People, order: list[str]) -> None:
    last = order[-1]
    contact = people.add(
        role="user" if last == "external_id" else "lead",
        email="ann@example.com" if last == "email" else "old@example.com",
        **({"external_id": "1"} if last == "external_id" else {}),
    )
    row = {"id": "1", "email": "ann@example.com", "contact": contact if last == "id" else NOBODY, "name": "Ann"}
    assert load(customers(row), match_by=order).results() == {"updated": 1}
    assert people.one(name="Ann")["id"] == contact


@pytest.mark.parametrize("order", ["external_id", "email"])
def test_an_identifier_outside_match_by_finds_nobody(load: Loader, people: People, order: str) -> None:
    people.add(role="lead", email="ann@example.com") if order == "external_id" else people.add(external_id="1")
    row = {"id": "1", "email": "ann@example.com", "name": "Ann"}
    done = load(customers(row), match_by=[order], sync_mode="enrich")
    assert done.results() == {"skipped": 1}


def test_many_records_are_looked_up_in_one_search(load: Loader, people: People, sandbox: SandboxServer) -> None:
    for number in range(20):
        people.add(external_id=str(number), email=f"p{number}@example.com")
    done = load(customers(*({"id": str(number), "email": f"p{number}@example.com"} for number in range(20))))
    assert done.results() == {"unchanged": 20}
    assert done.calls["POST /contacts/search"] == 1


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_search_that_is_refused_for_its_size_is_halved(
    load: Loader, people: People, sandbox: SandboxServer, limit: int
) -> None:
    sandbox.conditions.max_in_values = limit
    for number in range(20):
        people.add(external_id=str(number), email=f"p{number}@example.com")
    done = load(customers(*({"id": str(number), "email": f"p{number}@example.com"} for number in range(20))))
    assert done.results() == {"unchanged": 20}


def test_a_search_that_fails_at_first_makes_nobody_twice(load: Loader, people: People, sandbox: SandboxServer) -> None:
    lead = people.add(role="lead", email="ann@example.com")
    sandbox.conditions.plan.add(TargetedFault(Fault.GARBAGE, "POST", "/contacts/search"))
    done = load(customers({"email": "ann@example.com", "name": "Ann"}), creation_mode="lead")
    assert done.results() == {"updated": 1}
    assert [contact["id"] for contact in people.everyone()] == [lead]


# Intercom ids.


def test_an_intercom_id_that_search_does_not_show_yet_is_asked_for(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = 3600
    contact = people.add(role="lead", email="ann@example.com")
    done = load(customers({"contact": contact, "name": "Ann"}), match_by=["id"])
    assert done.results() == {"updated": 1}
    assert done.calls["GET /contacts/{id}"] == 1
    assert people.one(id=contact)["name"] == "Ann"


@pytest.mark.parametrize("contact", [NOBODY, "nobody", "a/b c?d"])
def test_an_intercom_id_of_nobody_gives_way_to_the_other_identifiers(
    load: Loader, people: People, contact: str
) -> None:
    user = people.add(external_id="1")
    done = load(customers({"contact": contact, "id": "1", "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"updated": 1}
    assert people.one(id=user)["name"] == "Ann"


def test_an_intercom_id_of_nobody_does_not_keep_a_contact_from_being_made(load: Loader, people: People) -> None:
    done = load(customers({"contact": NOBODY, "id": "1", "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"created": 1}
    assert people.one(external_id="1")["name"] == "Ann"


def test_only_an_intercom_id_and_it_is_gone_is_rejected(load: Loader, people: People) -> None:
    contact = people.add(external_id="1")
    people.archive(contact)
    done = load(customers({"contact": contact, "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"rejected": 1}
    assert len(people.everyone()) == 1
    assert people.one(id=contact)["state"] == "archived"


def test_a_merged_contact_leads_to_its_survivor(load: Loader, people: People) -> None:
    lead, user = people.add(role="lead", email="ann@example.com"), people.add(email="ann@example.com")
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    done = load(customers({"contact": lead, "id": "1", "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"updated": 1}
    survivor = people.one(id=user)
    assert (survivor["name"], survivor["external_id"]) == ("Ann", "1")


def test_a_merged_contact_whose_survivor_is_somebody_else_is_rejected(load: Loader, people: People) -> None:
    lead = people.add(role="lead", email="ann@example.com")
    user = people.add(external_id="2", email="ann@example.com", name="Eve")
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    done = load(customers({"contact": lead, "id": "1", "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"rejected": 1}
    assert "merged" in reason(done)
    assert people.one(id=user)["name"] == "Eve"
    assert len(people.everyone()) == 2


def test_a_contact_that_is_merged_between_search_and_update_leads_to_its_survivor(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    lead, user = people.add(role="lead", email="ann@example.com"), people.add(email="ann@example.com")
    sandbox.conditions.search_lag = 3600
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    done = load(customers({"contact": lead, "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"updated": 1}
    assert people.one(id=user)["name"] == "Ann"


def test_a_contact_that_is_merged_into_somebody_else_before_its_update_is_rejected(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    lead = people.add(role="lead", email="ann@example.com")
    user = people.add(external_id="2", email="ann@example.com", name="Eve")
    sandbox.conditions.search_lag = 3600
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    done = load(customers({"contact": lead, "id": "1", "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"rejected": 1}
    assert people.one(id=user)["name"] == "Eve"


@pytest.mark.parametrize("lag", [0, 60], ids=["search-shows-it-gone", "search-still-shows-it"])
@pytest.mark.parametrize("mode", ["sync", "remove"])
def test_a_removal_never_follows_a_merge(
    load: Loader, people: People, sandbox: SandboxServer, mode: str, lag: int
) -> None:
    lead, user = people.add(role="lead", email="ann@example.com"), people.add(email="ann@example.com")
    sandbox.conditions.search_lag = lag
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    messages = customers({"contact": lead, "_sdc_deleted_at": "2024-01-01T00:00:00Z"})
    done = load(messages, match_by=BY_ID, sync_mode=mode)
    assert done.results() == {"rejected": 1}
    assert people.one(id=user)["state"] == "live"


# Emails.


@pytest.mark.parametrize(
    ("contact", "row"),
    [
        ({"external_id": None}, {"id": "1"}),
        ({"external_id": "2"}, {"id": None}),
        ({"role": "lead"}, {"id": "1"}),
        ({"external_id": "2"}, {"id": "  "}),
    ],
    ids=["user-without-one", "record-without-one", "lead", "record-with-a-blank-one"],
)
def test_an_email_match_counts_unless_both_carry_external_ids(
    load: Loader, people: People, contact: dict[str, Any], row: dict[str, Any]
) -> None:
    known = people.add(email="ann@example.com", **contact)
    done = load(customers({"email": "ann@example.com", "name": "Ann", **row}))
    assert done.results() == {"updated": 1}
    assert people.one(name="Ann")["id"] == known


@pytest.mark.parametrize("match_by", [["external_id", "email"], ["email", "external_id"], ["email"]], ids="-".join)
def test_an_email_match_with_another_external_id_is_another_person(
    load: Loader, people: People, match_by: list[str]
) -> None:
    people.add(external_id="2", email="ann@example.com", name="Eve")
    before = people.everyone()
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}), match_by=match_by)
    assert done.results() == {"rejected": 1}
    assert str(before[0]["id"]) in reason(done)
    assert "this email" in reason(done)
    assert (done.refusals[0]["code"], done.refusals[0]["field"]) == ("another_person", "email")
    assert people.everyone() == before


def test_an_email_of_another_person_does_not_hide_the_lead_that_has_it_too(load: Loader, people: People) -> None:
    people.add(external_id="2", email="ann@example.com", name="Eve")
    lead = people.add(role="lead", email="ann@example.com")
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"updated": 1}
    assert people.one(name="Ann")["id"] == lead
    assert people.one(external_id="2")["name"] == "Eve"


def test_one_user_beats_any_number_of_leads(load: Loader, people: People) -> None:
    people.add(role="lead", email="ann@example.com")
    user = people.add(email="ann@example.com")
    people.add(role="lead", email="ann@example.com")
    done = load(customers({"email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"updated": 1}
    assert people.one(name="Ann")["id"] == user


def two_users(people: People) -> list[str]:
    """Two users who share an email, which an update brings about."""
    first, second = people.add(external_id="1", email="ann@example.com"), people.add(external_id="2")
    people.call("PUT", f"/contacts/{second}", {"email": "ann@example.com"})
    return [first, second]


def two_leads(people: People) -> list[str]:
    return [people.add(role="lead", email="ann@example.com") for _ in range(2)]


@pytest.mark.parametrize("several", [two_users, two_leads])
@pytest.mark.parametrize("mode", ["sync", "additive", "enrich", "insert"])
def test_several_matches_are_rejected_with_all_their_ids(
    load: Loader, people: People, mode: str, several: Callable[[People], list[str]]
) -> None:
    ids = several(people)
    before = people.everyone()
    done = load(customers({"email": "ann@example.com", "name": "Ann"}), sync_mode=mode)
    assert done.results() == {"rejected": 1}
    assert all(contact in reason(done) for contact in ids)
    assert done.refusals[0]["outcome"] == "rejected"
    assert people.everyone() == before


@pytest.mark.parametrize("size", [1, 10])
def test_several_matches_stay_unclear_after_one_of_them_was_loaded(load: Loader, people: People, size: int) -> None:
    two_users(people)
    done = load(
        customers({"id": "1", "email": "ann@example.com", "name": "Ann"}, {"email": "ann@example.com", "name": "Who"}),
        batch_size_rows=size,
    )
    assert done.results() == {"updated": 1, "rejected": 1}
    assert {contact["name"] for contact in people.everyone()} == {"Ann", None}


@pytest.mark.parametrize("size", [1, 10])
def test_a_user_beats_the_lead_that_the_run_has_met_before(load: Loader, people: People, size: int) -> None:
    lead, user = people.add(role="lead", email="ann@example.com"), people.add(email="ann@example.com")
    rows = ({"contact": lead, "name": "Lead"}, {"email": "ann@example.com", "name": "User"})
    load(customers(*rows), match_by=BY_ID, batch_size_rows=size)
    assert {contact["id"]: contact["name"] for contact in people.everyone()} == {lead: "Lead", user: "User"}


# Identifiers as they are written.


@pytest.mark.parametrize("row", [{}, {"id": None, "email": None}, {"id": " ", "email": "\t"}, {"contact": NOBODY}])
def test_a_record_without_any_identifier_is_invalid(load: Loader, people: People, row: dict[str, Any]) -> None:
    done = load(customers({"name": "Ann", **row}, {"id": "2", "name": "Bob"}))
    assert done.results() == {"invalid": 1, "created": 1}
    assert done.refusals[0]["outcome"] == "invalid"
    assert [contact["name"] for contact in people.everyone()] == ["Bob"]


def test_identifiers_are_trimmed_and_emails_in_lower_case(load: Loader, people: People) -> None:
    load(customers({"id": "  A 1 ", "email": " Ann@Example.COM\n", "name": "Ann"}))
    ann = people.one(name="Ann")
    assert (ann["external_id"], ann["email"]) == ("A 1", "ann@example.com")


def test_an_email_finds_its_contact_however_it_is_written(load: Loader, people: People) -> None:
    lead = people.add(role="lead", email="Ann@Example.com", name="Ann")
    done = load(customers({"email": " aNN@example.com "}, {"email": "ANN@EXAMPLE.COM"}))
    assert done.results() == {"unchanged": 1, "merged": 1}
    assert [contact["id"] for contact in people.everyone()] == [lead]


def test_external_ids_that_differ_in_case_are_two_people(load: Loader, people: People) -> None:
    assert load(customers({"id": "a1"}, {"id": "A1"})).results() == {"created": 2}
    assert {contact["external_id"] for contact in people.live()} == {"a1", "A1"}


def test_a_zero_is_an_external_id(load: Loader, people: People) -> None:
    messages = [schema("customers", id="integer", name="text"), record("customers", id=0, name="Null")]
    assert load(messages).results() == {"created": 1}
    assert people.one(external_id="0")["name"] == "Null"


@pytest.mark.parametrize("external_id", ["ü/ß?&#%", "a b", "☃", "x" * 300, "o'neil\"\\"])
def test_external_ids_of_any_characters_find_their_contact(load: Loader, people: People, external_id: str) -> None:
    row = {"id": external_id, "name": "Ann"}
    assert load(customers(row)).results() == {"created": 1}
    assert load(customers({**row, "name": "Anne"})).results() == {"updated": 1}
    assert people.one(external_id=external_id)["name"] == "Anne"


# What Intercom says against a create: 409.


def test_a_user_that_search_does_not_show_yet_is_updated_after_the_conflict(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = 3600
    people.add(external_id="1", email="ann@example.com", phone="1")
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"updated": 1}
    assert bodies(sandbox, "PUT") == [{"name": "Ann"}]
    ann = people.one(external_id="1")
    assert (ann["name"], ann["phone"]) == ("Ann", "1")


def test_a_conflicting_user_who_is_as_the_record_says_is_unchanged(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = 3600
    people.add(external_id="1", email="ann@example.com", name="Ann")
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"unchanged": 1}
    assert bodies(sandbox, "PUT") == []


def test_an_archived_user_is_brought_back_and_updated(load: Loader, people: People, sandbox: SandboxServer) -> None:
    contact = people.add(external_id="1", email="ann@example.com", phone="1")
    people.archive(contact)
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"updated": 1}
    ann = people.one(external_id="1")
    assert (ann["state"], ann["name"], ann["phone"]) == ("live", "Ann", "1")


def test_an_archived_user_who_is_as_the_record_says_counts_as_updated(load: Loader, people: People) -> None:
    people.archive(people.add(external_id="1", name="Ann"))
    done = load(customers({"id": "1", "name": "Ann"}))
    assert done.results() == {"updated": 1}
    assert people.one(external_id="1")["state"] == "live"


def test_an_archived_user_who_is_another_person_is_archived_again(load: Loader, people: People) -> None:
    eve = people.add(external_id="2", email="ann@example.com", name="Eve")
    people.archive(eve)
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}))
    assert done.results() == {"rejected": 1}
    assert eve in reason(done)
    after = people.one(id=eve)
    assert (after["state"], after["name"], after["external_id"]) == ("archived", "Eve", "2")
    assert len(people.everyone()) == 1


def test_a_user_who_was_deleted_for_good_is_rejected_with_intercoms_reason(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    people.delete(people.add(external_id="1"))
    done = load(customers({"id": "1", "name": "Ann"}, {"id": "2", "name": "Bob"}))
    assert done.results() == {"rejected": 1, "created": 1}
    assert "permanent" in reason(done)
    assert done.refusals[0]["request_id"]
    assert done.exit_code == 0


def test_a_user_who_was_deleted_a_moment_ago_is_rejected_although_intercom_answers_500(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0.5
    people.delete(people.add(external_id="1"))
    done = load(customers({"id": "1", "name": "Ann"}))
    assert done.results() == {"rejected": 1}
    assert people.one(external_id="1")["state"] == "deleted"


def test_the_tombstone_of_another_person_keeps_an_email_taken(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    people.delete(people.add(external_id="2", email="ann@example.com"))
    assert load(customers({"id": "1", "email": "ann@example.com"})).results() == {"rejected": 1}


def test_insert_skips_whoever_is_in_the_way_and_brings_nobody_back(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    people.archive(people.add(external_id="1", name="Archived"))
    people.delete(people.add(external_id="2", name="Deleted"))
    sandbox.conditions.search_lag = 3600
    people.add(external_id="3", name="Unseen")
    before = people.everyone()
    done = load(customers(*({"id": str(number), "name": "New"} for number in (1, 2, 3))), sync_mode="insert")
    assert done.results() == {"skipped": 3}
    assert done.stream()["reasons"] == {"skipped": {"exists": 3}}
    assert people.everyone() == before
    assert not any("unarchive" in call.path for call in sandbox.calls)


def test_a_new_external_id_that_another_user_holds_is_rejected_and_the_others_go_on(
    load: Loader, people: People
) -> None:
    """The email finds a user without an external_id; the record's own is taken by somebody else."""
    people.add(external_id="1", email="eve@example.com")
    people.add(email="ann@example.com")
    rows = ({"id": "1", "email": "ann@example.com"}, {"id": "3", "name": "Cid"})
    done = load(customers(*rows), match_by=["email", "external_id"])
    assert done.results() == {"rejected": 1, "created": 1}
    assert people.one(external_id="1")["email"] == "eve@example.com"
    assert people.one(email="ann@example.com")["external_id"] is None


@pytest.mark.parametrize("role", ["lead", "user"])
def test_the_holder_of_the_external_id_is_meant_although_search_shows_only_the_email(
    load: Loader, people: People, sandbox: SandboxServer, role: str
) -> None:
    """external_id comes before email in `match_by`, whoever search shows."""
    people.add(role=role, email="ann@example.com", name="By email")
    sandbox.conditions.search_lag = 3600
    holder = people.add(external_id="1", email="old@example.com")
    row = {"id": "1", "email": "ann@example.com", "name": "Ann"}
    done = load(customers(row), creation_mode="lifecycle" if role == "lead" else "user")
    assert done.results() == {"updated": 1}
    found = people.one(external_id="1")
    assert (found["id"], found["email"], found["name"]) == (holder, "ann@example.com", "Ann")
    assert people.one(name="By email")["role"] == role


# Contacts that vanish.


@pytest.mark.parametrize(
    ("contact", "state"),
    [({"external_id": "1"}, ["live"]), ({"role": "lead", "email": "ann@example.com"}, ["archived", "live"])],
    ids=["user-comes-back", "lead-is-made-anew"],
)
def test_a_contact_that_search_shows_after_it_was_archived_is_matched_again(
    load: Loader, people: People, sandbox: SandboxServer, contact: dict[str, Any], state: list[str]
) -> None:
    known = people.add(**contact)
    sandbox.conditions.search_lag = 3600
    people.archive(known)
    creation_mode = contact.get("role", "user")
    done = load(customers({"id": "1", "email": "ann@example.com", "name": "Ann"}), creation_mode=creation_mode)
    assert done.results() in ({"updated": 1}, {"created": 1})
    assert sorted(one["state"] for one in people.everyone()) == state
    assert people.one(name="Ann")["state"] == "live"


def test_a_contact_that_is_archived_between_search_and_update_is_matched_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    contact = people.add(external_id="1", email="ann@example.com")

    def archived() -> None:
        sandbox.workspace.archive_contact(contact, VERSION)

    with once_answered(sandbox, "POST", "/contacts/search", archived):
        done = load(customers({"id": "1", "name": "Ann"}))
    assert done.results() == {"updated": 1}
    assert people.one(external_id="1")["name"] == "Ann"
    assert people.one(external_id="1")["state"] == "live"


def test_a_contact_that_was_deleted_after_search_saw_it_is_rejected(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.deletion_delay = 0
    contact = people.add(external_id="1")
    sandbox.conditions.search_lag = 3600
    people.delete(contact)
    assert load(customers({"id": "1", "name": "Ann"})).results() == {"rejected": 1}


def test_a_vanished_contact_gives_way_to_the_next_identifier(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    gone, lead = people.add(role="lead"), people.add(role="lead", email="ann@example.com")
    sandbox.conditions.search_lag = 3600
    people.archive(gone)
    done = load(customers({"contact": gone, "email": "ann@example.com", "name": "Ann"}), match_by=BY_ID)
    assert done.results() == {"updated": 1}
    assert people.one(id=lead)["name"] == "Ann"


def test_a_second_contact_that_vanishes_is_one_too_many(load: Loader, people: People, sandbox: SandboxServer) -> None:
    first, second = people.add(role="lead"), people.add(role="lead", email="ann@example.com")
    sandbox.conditions.search_lag = 3600
    people.archive(first)
    people.archive(second)
    rows = ({"contact": first, "email": "ann@example.com", "name": "Ann"}, {"id": "2", "name": "Bob"})
    done = load(customers(*rows), match_by=BY_ID)
    assert done.results() == {"rejected": 1, "created": 1}
    assert len(people.live()) == 1


def test_all_records_of_a_vanished_contact_are_matched_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    contact = people.add(external_id="1")
    sandbox.conditions.search_lag = 3600
    people.archive(contact)
    done = load(customers({"id": "1", "name": "Ann"}, {"id": "1", "email": "ann@example.com"}))
    assert done.results() == {"updated": 2}
    ann = people.one(external_id="1")
    assert (ann["state"], ann["name"], ann["email"]) == ("live", "Ann", "ann@example.com")


def test_a_vanished_contact_in_enrich_mode_is_not_brought_back(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    contact = people.add(external_id="1", name="Old")
    sandbox.conditions.search_lag = 3600
    people.archive(contact)
    assert load(customers({"id": "1", "name": "Ann"}), sync_mode="enrich").results() == {"skipped": 1}
    assert people.one(external_id="1")["state"] == "archived"
