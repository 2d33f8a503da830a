"""Batches are a matter of speed: wherever a stream is cut, the workspace ends up the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.loading import record, schema

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

Row = dict[str, Any]
WHEN = "2024-05-01T12:00:00Z"
CUSTOMERS = schema(
    "customers",
    keys=["row"],
    row="integer",
    id="text",
    email="text",
    name="text",
    plan="text",
    seats="integer",
    owner="text",
    off="boolean",
    _sdc_deleted_at="datetime",
)
MAPPINGS = {"id": "external_id", "row": None, "owner": "owner_id", "off": "unsubscribed_from_emails"}


def customers(*rows: Any) -> list[Row]:
    return [CUSTOMERS, *(record("customers", row=number, **row) for number, row in enumerate(rows, start=1))]


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"mappings": MAPPINGS, "max_connections": 8}
    return load


# Any split gives the same workspace.


def optional(*values: object) -> st.SearchStrategy[dict[str, object]]:
    """Absent, null, or one of some values; a strategy of the one-entry objects to build a row of."""
    return st.sampled_from([None, *values]).map(lambda value: {"value": value}) | st.just({})


IDS = st.sampled_from([None, "1", "2"])
EMAILS = st.sampled_from([None, "a@example.com", "b@example.com"])
ATTRIBUTES = {"name": ("N", "M"), "plan": ("pro", "free"), "seats": (0, 1), "off": (True, False), "owner": ("7",)}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    row: Row = {"id": draw(IDS), "email": draw(EMAILS)}
    for name, values in ATTRIBUTES.items():
        drawn = draw(optional(*values))
        if drawn:
            row[name] = drawn["value"]
    if row.get("owner") is not None and not draw(st.booleans()):
        del row["owner"]
    if draw(st.integers(0, 4)) == 0:
        row["_sdc_deleted_at"] = WHEN
    return row


@st.composite
def contacts(draw: st.DrawFn) -> Row:
    """Somebody who is there before the run."""
    role = draw(st.sampled_from(["user", "lead"]))
    number = draw(st.sampled_from(["1", "2"]))
    return {
        "role": role,
        "email": {"1": "a", "2": "b"}[number] + "@example.com",
        "name": "Old",
        **({"external_id": number} if role == "user" and draw(st.booleans()) else {}),
    }


def people_of(people: People) -> list[str]:
    """Everybody, without what differs from one run to the next; what is cleared counts as never set."""
    return sorted(
        str(
            [
                one["role"],
                one["external_id"] if one["role"] == "user" else None,
                one["email"] or None,
                one["name"],
                one["unsubscribed_from_emails"],
                sorted((name, value) for name, value in one["custom_attributes"].items() if value is not None),
                one["state"],
            ]
        )
        for one in people.everyone()
    )


def start_over(sandbox: SandboxServer, people: People, before: list[Row]) -> None:
    sandbox.sandbox.reset()
    for contact in before:
        people.add(**contact)


# Repeatable, and without shrinking: an example costs two runs of the target, and rows are few as they are.
few = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BEFORE = st.lists(contacts(), max_size=2, unique_by=lambda contact: contact["email"])


@pytest.mark.parametrize("creation_mode", ["user", "lead", "lifecycle"])
@pytest.mark.parametrize("sync_mode", ["sync", "additive", "enrich", "insert", "remove"])
@few
@given(
    before=BEFORE,
    stream=st.lists(rows(), min_size=2, max_size=6),
    size=st.integers(2, 6),
)
def test_any_split_into_batches_gives_the_same_workspace(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    sync_mode: str,
    creation_mode: str,
    before: list[Row],
    stream: list[Row],
    size: int,
) -> None:
    ends = []
    for batch_size in (1, size):
        start_over(sandbox, people, before)
        done = load(customers(*stream), sync_mode=sync_mode, creation_mode=creation_mode, batch_size_rows=batch_size)
        assert done.exit_code == 0
        assert sum(done.results().values()) == len(stream)
        ends.append(people_of(people))
    assert ends[0] == ends[1]


@st.composite
def rows_of_persons(draw: st.DrawFn) -> Row:
    """Identifiers that belong together, some of them left out."""
    number = draw(st.sampled_from(["1", "2"]))
    identity = {"id": number, "email": {"1": "a", "2": "b"}[number] + "@example.com"}
    for name in draw(st.sampled_from([[], [], ["id"], ["email"]])):
        del identity[name]
    row: Row = dict(identity)
    for name in ("name", "plan", "seats", "off"):
        drawn = draw(optional(*ATTRIBUTES[name]))
        if drawn:
            row[name] = drawn["value"]
    return row


@pytest.mark.parametrize("creation_mode", ["user", "lead", "lifecycle"])
@few
@given(
    before=BEFORE,
    stream=st.lists(rows_of_persons(), min_size=1, max_size=6),
    size=st.integers(1, 6),
    sync_mode=st.sampled_from(["sync", "additive", "enrich", "insert"]),
)
def test_a_second_run_writes_nothing_and_changes_nothing(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    creation_mode: str,
    before: list[Row],
    stream: list[Row],
    size: int,
    sync_mode: str,
) -> None:
    start_over(sandbox, people, before)
    modes = {"sync_mode": sync_mode, "creation_mode": creation_mode}
    load(customers(*stream), batch_size_rows=size, **modes)
    after = people.everyone()
    again = load(customers(*stream), **modes)
    assert again.writes == 0
    assert people.everyone() == after


# Splits that are easily got wrong.

SIZES = pytest.mark.parametrize("size", [1, 2, 10])
A, B = "a@example.com", "b@example.com"


@SIZES
def test_an_email_that_belongs_to_somebody_else_joins_no_two_people(load: Loader, people: People, size: int) -> None:
    """One after the other, the user is made first, and may then get an email that another user has."""
    other = people.add(email=A, name="Other")
    load(customers({"id": "1", "name": "Ann"}, {"id": "1", "email": A}), batch_size_rows=size)
    assert people.one(id=other)["name"] == "Other"
    assert people.one(id=other)["external_id"] is None
    assert people.one(external_id="1")["name"] == "Ann"


@SIZES
def test_a_record_that_is_refused_leaves_nothing_behind_in_a_later_one(load: Loader, people: People, size: int) -> None:
    """The first alone would be refused: its email is another person's."""
    people.add(external_id="9", email=A)
    rows = [{"id": "1", "email": A, "plan": "pro"}, {"id": "1", "email": None, "name": "Ann"}]
    done = load(customers(*rows), batch_size_rows=size)
    assert done.results() == {"rejected": 1, "created": 1}
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]) == ("Ann", {})


@SIZES
def test_insert_makes_a_contact_although_its_first_record_met_another_persons_email(
    load: Loader, people: People, size: int
) -> None:
    rows = [{"id": "1", "email": A}, {"id": "2", "email": A, "name": "Skipped"}, {"id": "2", "name": "Bob"}]
    done = load(customers(*rows), sync_mode="insert", batch_size_rows=size)
    assert done.results() == {"created": 2, "skipped": 1}
    assert people.one(external_id="2")["name"] == "Bob"


@SIZES
def test_an_email_that_moves_from_one_contact_to_the_next(load: Loader, people: People, size: int) -> None:
    people.add(external_id="1", email=A)
    rows = [{"id": "1", "email": B}, {"id": "2", "email": A}, {"email": B, "name": "One"}, {"email": A, "name": "Two"}]
    load(customers(*rows), batch_size_rows=size)
    assert {one["external_id"]: (one["email"], one["name"]) for one in people.live()} == {
        "1": (B, "One"),
        "2": (A, "Two"),
    }


@SIZES
def test_two_contacts_swap_their_emails(load: Loader, people: People, size: int) -> None:
    people.add(external_id="1", email=A)
    people.add(external_id="2", email=B)
    load(customers({"id": "1", "email": B}, {"id": "2", "email": A}), batch_size_rows=size)
    assert {one["external_id"]: one["email"] for one in people.live()} == {"1": B, "2": A}


# Records of one contact.


def test_records_of_one_contact_are_laid_over_each_other(load: Loader, people: People, sandbox: SandboxServer) -> None:
    rows = [{"id": "1", "name": "A", "plan": "pro", "seats": 1}, {"id": "2"}, {"id": "1", "email": A, "plan": None}]
    done = load(customers(*rows, {"id": "1", "name": "B"}))
    # Who a contact is, is settled by a write's first record: a new email is the next write.
    assert done.results() == {"created": 2, "updated": 1, "merged": 1}
    ann = people.one(external_id="1")
    assert (ann["name"], ann["email"], ann["custom_attributes"]) == ("B", A, {"plan": None, "seats": 1})
    assert (done.calls["POST /contacts"], done.calls["PUT /contacts/{id}"]) == (2, 1)


@pytest.mark.parametrize(("mode", "name"), [("sync", "B"), ("additive", "B"), ("insert", "A")])
@SIZES
def test_later_values_win_and_in_insert_mode_the_first_record(
    load: Loader, people: People, mode: str, name: str, size: int
) -> None:
    rows = [{"id": "1", "name": "A"}, {"id": "1", "name": "B", "plan": "pro"}]
    load(customers(*rows), sync_mode=mode, batch_size_rows=size)
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]) == (name, {} if mode == "insert" else {"plan": "pro"})


@SIZES
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_refused_record_of_a_contact_spoils_no_other(
    load: Loader, people: People, size: int, known: bool, place: int
) -> None:
    if known:
        people.add(external_id="1")
    good = [{"id": "1", "name": "Ann"}, {"id": "1", "plan": "pro"}]
    stream = [*good[:place], {"id": "1", "owner": "7", "seats": 9}, *good[place:], {"id": "2"}]
    done = load(customers(*stream), batch_size_rows=size)
    assert done.results()["rejected"] == 1
    assert [message["record"]["row"] for message in done.rejected if message["type"] == "RECORD"] == [place + 1]
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]) == ("Ann", {"plan": "pro"})
    assert len(people.everyone()) == 2


@SIZES
def test_an_invalid_record_of_a_contact_spoils_no_other(load: Loader, people: People, size: int) -> None:
    rows = [{"id": "1", "name": "A"}, {"id": "1", "seats": "many", "name": "B"}, {"id": "1", "plan": "pro"}]
    done = load(customers(*rows), batch_size_rows=size)
    assert done.results()["invalid"] == 1
    ann = people.one(external_id="1")
    assert (ann["name"], ann["custom_attributes"]) == ("A", {"plan": "pro"})


@SIZES
def test_every_record_has_exactly_one_outcome(load: Loader, people: People, size: int) -> None:
    people.add(external_id="1", name="Same")
    people.add(external_id="4", email="d@example.com")
    rows: list[Row] = [
        {"id": "1", "name": "Same"},
        {"id": "2"},
        {"id": "3", "owner": "7"},
        {"id": "2", "name": "Bob"},
        {"name": "Nobody"},
        {"id": "4", "_sdc_deleted_at": WHEN},
        {"id": "5", "_sdc_deleted_at": WHEN},
        {"id": "6", "email": "d@example.com"},
        {"id": "4", "_sdc_deleted_at": WHEN},
        {"id": "7", "seats": "many"},
    ]
    done = load(customers(*rows), sync_mode="sync", batch_size_rows=size)
    assert done.stream()["read"] == sum(done.results().values()) == len(rows)
    assert done.results().items() >= {"unchanged": 1, "archived": 1, "rejected": 2, "invalid": 2}.items()
    assert len(done.refusals) == 4


# Schemas and streams.


@pytest.mark.parametrize("size", [1, 10])
def test_a_schema_that_changes_mid_stream_keeps_the_order(load: Loader, people: People, size: int) -> None:
    load.settings = {"max_connections": 8}
    messages = [
        schema("customers", id="integer", name="text"),
        record("customers", id=1, name="old"),
        record("customers", id=2, name="old"),
        schema("customers", id="integer", name="text", plan="text"),
        record("customers", id=1, name="new", plan="pro"),
        schema("customers", keys=["id", "name"], id="integer", name="text", plan="text"),
        record("customers", id=2, name="newer", plan=None),
        record("customers", id=1, name="newest"),
    ]
    done = load(messages, batch_size_rows=size)
    assert sum(done.results().values()) == 5
    assert {one["external_id"]: one["name"] for one in people.live()} == {"1": "newest", "2": "newer"}
    assert people.one(external_id="1")["custom_attributes"] == {"plan": "pro"}


@pytest.mark.parametrize("size", [1, 10])
def test_a_stream_after_another_has_the_last_word(load: Loader, people: People, size: int) -> None:
    others = {**CUSTOMERS, "stream": "others"}
    messages = [CUSTOMERS, record("customers", row=1, id="1", name="first"), record("customers", row=2, id="2")]
    messages += [others, record("others", row=1, id="1", name="second")]
    load(messages, batch_size_rows=size)
    assert people.one(external_id="1")["name"] == "second"


def test_a_batch_that_is_full_earlier_does_not_overtake_another_streams_records(load: Loader, people: People) -> None:
    others = {**CUSTOMERS, "stream": "others"}
    messages = [CUSTOMERS, others, record("customers", row=1, id="1", name="first")]
    messages += [record("others", row=1, id="1", name="second"), record("others", row=2, id="2")]
    load(messages, batch_size_rows=2)
    assert people.one(external_id="1")["name"] == "second"


def test_many_who_share_a_mailbox_are_tried_at_once_and_only_the_first_has_it(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.latency = 0.2
    done = load(
        [
            schema("customers", id="integer", email="text"),
            *(record("customers", id=n, email="noreply@example.com") for n in range(30)),
            record("customers", id=None, email="noreply@example.com"),
        ]
    )
    assert done.results() == {"created": 1, "unchanged": 1, "rejected": 29}
    assert people.one(email="noreply@example.com")["external_id"] == "0"
    assert {refusal["code"] for refusal in done.refusals} == {"another_person"}
    refused = [call.at for call in sandbox.calls if (call.method, call.path, call.status) == ("POST", "/contacts", 409)]
    assert len(refused) == 29
    assert max(refused) - min(refused) < 0.2 * 29 / 2
