"""What each sync, creation and removal mode does to contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People


pytestmark = pytest.mark.usefixtures("few_connections")
CUSTOMERS = schema("customers", id="integer", email="text", name="text", plan="text", deleted_at="datetime")


def customers(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [CUSTOMERS, *(record("customers", **row) for row in rows), state({"n": len(rows)})]


ANN = {"id": 1, "email": "ann@example.com", "name": "Ann", "plan": "pro"}
BOB = {"id": 2, "email": "bob@example.com", "name": "Bob", "plan": "free"}


def test_new_users_are_created_and_state_follows(load: Loader, people: People) -> None:
    done = load(customers(ANN, BOB))
    assert done.exit_code == 0
    assert done.results() == {"created": 2}
    assert done.states == [{"n": 2}]
    ann = people.one(external_id="1")
    assert (ann["role"], ann["email"], ann["name"]) == ("user", "ann@example.com", "Ann")
    assert ann["custom_attributes"] == {"plan": "pro"}


def test_a_second_run_writes_nothing(load: Loader, people: People) -> None:
    load(customers(ANN, BOB))
    before = people.everyone()
    done = load(customers(ANN, BOB))
    assert done.results() == {"unchanged": 2}
    assert done.writes == 0
    assert people.everyone() == before


def test_an_update_sends_only_what_differs(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(customers(ANN))
    done = load(customers({**ANN, "plan": None, "name": "Anne"}), ledger_url="none")
    assert done.results() == {"updated": 1}
    assert people.one(external_id="1")["custom_attributes"] == {"plan": None}
    put = next(call for call in sandbox.calls if call.method == "PUT")
    assert put.body == {"name": "Anne", "custom_attributes": {"plan": None}}


@pytest.mark.parametrize(
    ("mode", "results", "names"),
    [
        ("sync", {"created": 1, "updated": 1}, {"Anne", "Bob"}),
        ("additive", {"created": 1, "updated": 1}, {"Anne", "Bob"}),
        ("enrich", {"updated": 1, "skipped": 1}, {"Anne"}),
        ("insert", {"created": 1, "skipped": 1}, {"Ann", "Bob"}),
        ("remove", {"archived": 1, "skipped": 1}, set()),
    ],
)
def test_sync_mode(load: Loader, people: People, mode: str, results: dict[str, int], names: set[str]) -> None:
    load(customers(ANN))
    done = load(customers({**ANN, "name": "Anne"}, BOB), sync_mode=mode)
    assert done.exit_code == 0
    assert done.results() == results
    assert {contact["name"] for contact in people.live()} == names


# Every sync mode with every creation mode, and whoever the record may meet.

NEW = {"id": 1, "email": "ann@example.com", "name": "New"}


def someone(people: People) -> str:
    return people.add(external_id="1", email="ann@example.com", name="Old")


def a_lead(people: People) -> str:
    return people.add(role="lead", email="ann@example.com", name="Old")


def nobody(people: People) -> str:
    return ""


def archived(people: People) -> str:
    contact = someone(people)
    people.call("POST", f"/contacts/{contact}/archive", {})
    return contact


def deleted(people: People) -> str:
    contact = someone(people)
    people.call("DELETE", f"/contacts/{contact}")
    return contact


def merged(people: People) -> str:
    """A lead that was merged into a user; the record names it by its Intercom id."""
    lead = a_lead(people)
    people.call("POST", "/contacts/merge", {"from": lead, "into": someone(people)})
    return lead


SITUATIONS: dict[str, Callable[[People], str]] = {
    "user": someone,
    "lead": a_lead,
    "nobody": nobody,
    "archived": archived,
    "deleted": deleted,
    "merged": merged,
}

Contact = tuple[str, str | None, str, str]
Expected = tuple[str, list[Contact]]
"""The record's outcome and, of everybody afterwards, role, external_id, name and state."""

UPDATED_USER: Expected = ("updated", [("user", "1", "New", "live")])
UNTOUCHED_USER: list[Contact] = [("user", "1", "Old", "live")]
UNTOUCHED_LEAD: list[Contact] = [("lead", None, "Old", "live")]
ARCHIVED_USER: list[Contact] = [("user", "1", "Old", "archived")]
DELETED_USER: list[Contact] = [("user", "1", "Old", "deleted")]
NEW_USER: Contact = ("user", "1", "New", "live")
NEW_LEAD: Contact = ("lead", None, "New", "live")
AFTER_MERGE: list[Contact] = [("lead", None, "Old", "merged")]

WRITING_USERS: dict[str, Expected] = {
    "user": UPDATED_USER,
    "lead": ("updated", [("lead", None, "New", "live")]),
    "nobody": ("created", [NEW_USER]),
    "archived": UPDATED_USER,
    "deleted": ("rejected", DELETED_USER),
    "merged": ("updated", [*AFTER_MERGE, NEW_USER]),
}
WRITING: dict[str, dict[str, Expected]] = {
    "user": WRITING_USERS,
    "lead": {
        **WRITING_USERS,
        "nobody": ("created", [NEW_LEAD]),
        "archived": ("created", [*ARCHIVED_USER, NEW_LEAD]),
        "deleted": ("created", [*DELETED_USER, NEW_LEAD]),
    },
    "lifecycle": {**WRITING_USERS, "lead": UPDATED_USER},
}
NOTHING_NEW: dict[str, Expected] = {
    "nobody": ("skipped", []),
    "archived": ("skipped", ARCHIVED_USER),
    "deleted": ("skipped", DELETED_USER),
}
INSERTING_USERS: dict[str, Expected] = {
    **NOTHING_NEW,
    "user": ("skipped", UNTOUCHED_USER),
    "lead": ("skipped", UNTOUCHED_LEAD),
    "nobody": ("created", [NEW_USER]),
    "merged": ("skipped", [*AFTER_MERGE, *UNTOUCHED_USER]),
}
REMOVING: dict[str, Expected] = {
    **NOTHING_NEW,
    "user": ("archived", ARCHIVED_USER),
    "lead": ("archived", [("lead", None, "Old", "archived")]),
    "merged": ("rejected", [*AFTER_MERGE, *UNTOUCHED_USER]),
}
TABLE: dict[str, dict[str, dict[str, Expected]]] = {
    "sync": WRITING,
    "additive": WRITING,
    "enrich": {creation: {**cases, **NOTHING_NEW} for creation, cases in WRITING.items()},
    "insert": {
        "user": INSERTING_USERS,
        "lead": {**INSERTING_USERS, **{key: WRITING["lead"][key] for key in ("nobody", "archived", "deleted")}},
        "lifecycle": INSERTING_USERS,
    },
    "remove": dict.fromkeys(("user", "lead", "lifecycle"), REMOVING),
}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("creation_mode", ["user", "lead", "lifecycle"])
@pytest.mark.parametrize("sync_mode", TABLE)
def test_what_a_mode_does_to_whom_it_meets(
    load: Loader, people: People, sandbox: SandboxServer, sync_mode: str, creation_mode: str, situation: str
) -> None:
    sandbox.conditions.deletion_delay = 0
    contact = SITUATIONS[situation](people)
    row: dict[str, Any] = {"id": None, "contact": contact, "name": "New"} if situation == "merged" else NEW
    done = load(
        [schema("customers", id="integer", contact="text", email="text", name="text"), record("customers", **row)],
        sync_mode=sync_mode,
        creation_mode=creation_mode,
        match_by=["id", "external_id", "email"] if situation == "merged" else ["external_id", "email"],
        mappings={"id": "external_id", "contact": "id" if situation == "merged" else None},
    )
    result, expected = TABLE[sync_mode][creation_mode][situation]
    assert done.exit_code == 0
    assert done.results() == {result: 1}
    after = [
        (one["role"], one["external_id"] if one["role"] == "user" else None, one["name"], one["state"])
        for one in people.everyone()
    ]
    assert sorted(after, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("creation_mode", "role"), [("user", "user"), ("lead", "lead"), ("lifecycle", "lead")], ids=lambda value: value
)
def test_a_record_without_an_external_id_becomes(load: Loader, people: People, creation_mode: str, role: str) -> None:
    done = load(customers({"id": None, "email": "ann@example.com"}), creation_mode=creation_mode)
    assert done.results() == {"created": 1}
    assert people.one(email="ann@example.com")["role"] == role


@pytest.mark.parametrize("mode", ["sync", "additive", "enrich"])
def test_an_unchanged_contact_costs_no_write(load: Loader, people: People, mode: str) -> None:
    someone(people)
    done = load(customers({**NEW, "name": "Old"}), sync_mode=mode)
    assert done.results() == {"unchanged": 1}
    assert done.writes == 0


@pytest.mark.parametrize(
    ("mode", "row", "reason"),
    [
        ("enrich", BOB, "not_created"),
        ("insert", ANN, "exists"),
        ("remove", BOB, "not_there"),
        ("additive", {**ANN, "deleted_at": "2024-01-01T00:00:00Z"}, "not_removed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_left_undone_has_its_reason_in_the_report(
    load: Loader, people: People, mode: str, row: dict[str, Any], reason: str
) -> None:
    people.add(external_id="1", email="ann@example.com")
    done = load(customers(row), sync_mode=mode, deleted_property="deleted_at")
    assert done.results() == {"skipped": 1}
    assert done.stream()["reasons"] == {"skipped": {reason: 1}}
    assert done.refusals == []


@pytest.mark.parametrize("mode", ["enrich", "insert", "remove"])
def test_a_skipped_record_does_not_fail_the_run_and_lets_state_through(load: Loader, people: People, mode: str) -> None:
    someone(people)
    done = load(customers(NEW, BOB), sync_mode=mode, max_rejected_records=0)
    assert done.exit_code == 0
    assert done.states == [{"n": 2}]


def test_a_mode_set_for_one_stream_leaves_the_others_alone(load: Loader, people: People) -> None:
    someone(people)
    done = load(
        [
            CUSTOMERS,
            {**CUSTOMERS, "stream": "requests"},
            record("customers", **BOB),
            record("requests", **ANN),
            record("requests", id=3, email="eve@example.com"),
        ],
        streams={"requests": {"sync_mode": "remove", "removal_mode": "delete"}},
    )
    assert done.results() == {"created": 1}
    assert done.results("requests") == {"deleted": 1, "skipped": 1}
    assert people.one(external_id="1")["state"] == "deleted"
    assert [contact["external_id"] for contact in people.live()] == ["2"]
