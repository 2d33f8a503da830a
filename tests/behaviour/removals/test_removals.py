"""Who is removed, how, and what takes a removal back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

WHEN = "2024-05-01T12:00:00Z"
ANN = {"id": 1, "email": "ann@example.com", "name": "Ann"}
BOB = {"id": 2, "email": "bob@example.com", "name": "Bob"}
GONE_ANN = {**ANN, "_sdc_deleted_at": WHEN}


def stream(name: str = "customers") -> dict[str, Any]:
    return schema(name, id="integer", email="text", name="text", gone="any", _sdc_deleted_at="datetime")


def customers(*rows: Any) -> list[dict[str, Any]]:
    return [stream(), *(record("customers", **row) for row in rows)]


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"sync_mode": "sync", "max_connections": 8}
    return load


@pytest.fixture
def ann(people: People) -> str:
    """Ann, who is there before the run."""
    return people.add(external_id="1", email="ann@example.com", name="Ann")


def state_of(people: People, contact: str) -> str:
    return str(people.one(id=contact)["state"])


# How.


@pytest.mark.parametrize(("removal_mode", "after"), [("archive", "archived"), ("delete", "deleted")])
@pytest.mark.parametrize("role", ["user", "lead"])
@pytest.mark.parametrize("mode", ["sync", "remove"])
def test_a_marked_contact_is_removed(
    load: Loader, people: People, mode: str, role: str, removal_mode: str, after: str
) -> None:
    contact = people.add(role=role, email="ann@example.com")
    done = load(customers(GONE_ANN), removal_mode=removal_mode, sync_mode=mode)
    assert done.exit_code == 0
    assert done.results() == {after: 1}
    assert state_of(people, contact) == after


def test_a_marked_record_is_never_written_as_an_update(load: Loader, people: People, ann: str) -> None:
    load(customers({**GONE_ANN, "name": "Changed", "email": "changed@example.com"}))
    after = people.one(id=ann)
    assert (after["state"], after["name"], after["email"]) == ("archived", "Ann", "ann@example.com")


@pytest.mark.parametrize("mode", ["sync", "remove"])
def test_a_log_based_delete_that_carries_only_the_key_removes(
    load: Loader, people: People, ann: str, mode: str
) -> None:
    done = load(customers({"id": 1, "_sdc_deleted_at": WHEN}, BOB if mode == "sync" else {"id": 2}), sync_mode=mode)
    assert done.results()["archived"] == 1
    assert state_of(people, ann) == "archived"


def test_a_removal_in_the_schema_of_no_deleted_property_is_heeded(load: Loader, people: People, ann: str) -> None:
    """Log-based taps send the property without announcing it."""
    messages = [schema("customers", id="integer", name="text"), record("customers", id=1, _sdc_deleted_at=WHEN)]
    assert load(messages).results() == {"archived": 1}


@pytest.mark.parametrize("value", [WHEN, "2024-05-01", True, 1, 1714564800, "t", "yes", "deleted", [1], {"at": 1}])
def test_a_column_that_is_set_marks_the_record(load: Loader, people: People, ann: str, value: object) -> None:
    assert load(customers({**ANN, "gone": value}), deleted_property="gone").results() == {"archived": 1}


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", "  \t", "false", "FALSE", " f ", "No", "n", "0"], ids=repr)
def test_a_column_that_is_not_set_does_not_mark_the_record(
    load: Loader, people: People, ann: str, value: object
) -> None:
    assert load(customers({**ANN, "gone": value}), deleted_property="gone").results() == {"unchanged": 1}
    assert state_of(people, ann) == "live"


def test_an_absent_column_does_not_mark_the_record(load: Loader, people: People, ann: str) -> None:
    assert load(customers(ANN), deleted_property="gone").results() == {"unchanged": 1}


def test_the_deleted_property_becomes_no_attribute(load: Loader, people: People) -> None:
    load(customers({**ANN, "gone": "no"}), deleted_property="gone")
    assert people.one(external_id="1")["custom_attributes"] == {}


def test_with_a_column_the_default_mark_means_nothing(load: Loader, people: People, ann: str) -> None:
    assert load(customers(GONE_ANN), deleted_property="gone").results() == {"unchanged": 1}


# Who is not removed.


@pytest.mark.parametrize("mode", ["additive", "enrich", "insert"])
def test_modes_that_never_remove_neither_remove_nor_write_what_is_marked(
    load: Loader, people: People, ann: str, mode: str
) -> None:
    before = people.everyone()
    done = load(customers({**GONE_ANN, "name": "Changed"}, {**BOB, "_sdc_deleted_at": WHEN}), sync_mode=mode)
    assert done.results() == {"skipped": 2}
    assert done.stream()["reasons"] == {"skipped": {"not_removed": 2}}
    assert people.everyone() == before
    assert done.writes == 0


@pytest.mark.parametrize("mode", ["sync", "remove"])
@pytest.mark.parametrize("gone", ["never", "archived", "deleted"])
def test_removing_who_is_not_there_is_skipped(load: Loader, people: People, mode: str, gone: str) -> None:
    if gone != "never":
        contact = people.add(external_id="1", email="ann@example.com")
        call = ("POST", "/archive") if gone == "archived" else ("DELETE", "")
        people.call(call[0], f"/contacts/{contact}{call[1]}", {})
    before = people.everyone()
    done = load(customers(GONE_ANN), sync_mode=mode)
    assert done.results() == {"skipped": 1}
    assert done.exit_code == 0
    assert people.everyone() == before


def test_a_contact_that_search_still_shows_after_its_deletion_is_skipped(
    load: Loader, people: People, sandbox: SandboxServer, ann: str
) -> None:
    sandbox.conditions.search_lag = 3600
    people.call("DELETE", f"/contacts/{ann}")
    for removal_mode in ("archive", "delete"):
        assert load(customers(GONE_ANN), removal_mode=removal_mode).results() == {"skipped": 1}


def test_a_removal_whose_answer_is_lost_counts_as_done(
    load: Loader, people: People, sandbox: SandboxServer, ann: str
) -> None:
    sandbox.conditions.plan.add(TargetedFault(Fault.RESET_AFTER, "DELETE", "/contacts/{id}"))
    assert load(customers(GONE_ANN), removal_mode="delete").results() == {"deleted": 1}
    assert state_of(people, ann) == "deleted"


def test_another_persons_contact_is_not_removed_for_its_email(load: Loader, people: People) -> None:
    eve = people.add(external_id="2", email="ann@example.com")
    assert load(customers(GONE_ANN)).results() == {"skipped": 1}
    assert state_of(people, eve) == "live"


@pytest.mark.parametrize("mode", ["sync", "remove"])
def test_a_mark_that_fits_several_users_removes_none(load: Loader, people: People, mode: str) -> None:
    first, second = people.add(external_id="1", email="ann@example.com"), people.add(external_id="2")
    people.call("PUT", f"/contacts/{second}", {"email": "ann@example.com"})
    done = load(customers({"id": None, "email": "ann@example.com", "_sdc_deleted_at": WHEN}), sync_mode=mode)
    assert done.results() == {"rejected": 1}
    assert {state_of(people, first), state_of(people, second)} == {"live"}


def test_a_mark_with_an_unreadable_attribute_removes_all_the_same(load: Loader, people: People, ann: str) -> None:
    """Only who is meant matters."""
    messages = [
        schema("customers", id="integer", email="text", signed_up_at="datetime"),
        record("customers", id=1, email="no address", signed_up_at="no date", _sdc_deleted_at=WHEN),
    ]
    assert load(messages).results() == {"archived": 1}


def test_a_mark_without_any_identifier_is_invalid(load: Loader) -> None:
    assert load(customers({"id": None, "_sdc_deleted_at": WHEN})).results() == {"invalid": 1}


# Marks and live rows.


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_live_row_after_the_mark_cancels_it(load: Loader, people: People, size: int, known: bool) -> None:
    if known:
        people.add(external_id="1", email="ann@example.com")
    rows = [{**BOB}, GONE_ANN, {"id": 3}, {"id": 4}, {**ANN, "name": "Back"}]
    done = load(customers(*rows), batch_size_rows=size)
    assert done.results() == {"created": 3 if known else 4, "skipped": 1, **({"updated": 1} if known else {})}
    back = people.one(external_id="1")
    assert (back["state"], back["name"]) == ("live", "Back")


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_mark_after_the_live_row_removes(load: Loader, people: People, size: int, known: bool) -> None:
    if known:
        people.add(external_id="1", email="ann@example.com")
    rows = [{**ANN, "name": "Last"}, {"id": 3}, {"id": 4}, GONE_ANN, BOB]
    done = load(customers(*rows), batch_size_rows=size)
    assert done.results() == {"created": 3 if known else 4, "archived": 1, **({"updated": 1} if known else {})}
    gone = people.one(external_id="1")
    assert (gone["state"], gone["name"]) == ("archived", "Last")


@pytest.mark.parametrize("size", [1, 10])
def test_the_last_of_many_marks_and_live_rows_decides(load: Loader, people: People, ann: str, size: int) -> None:
    rows = [GONE_ANN, ANN, GONE_ANN, GONE_ANN, ANN]
    assert "archived" not in load(customers(*rows), batch_size_rows=size).results()
    assert state_of(people, ann) == "live"
    assert load(customers(*rows, GONE_ANN), batch_size_rows=size).results()["archived"] == 1
    assert state_of(people, ann) == "archived"


@pytest.mark.parametrize("size", [1, 10])
def test_a_live_row_that_names_the_contact_by_another_identifier_cancels_the_mark(
    load: Loader, people: People, ann: str, size: int
) -> None:
    rows = [{"id": 1, "_sdc_deleted_at": WHEN}, {"id": None, "email": "ANN@example.com "}]
    assert load(customers(*rows), batch_size_rows=size).results() == {"skipped": 1, "unchanged": 1}
    assert state_of(people, ann) == "live"


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize(
    "bad",
    [{"signed_up_at": "no date"}, {"owner_id": "7"}, {"email": "no address"}],
    ids=["invalid", "refused", "email"],
)
def test_a_live_row_that_cannot_be_loaded_cancels_the_mark_too(
    load: Loader, people: People, ann: str, size: int, bad: dict[str, Any]
) -> None:
    messages = [
        schema("customers", id="integer", email="text", signed_up_at="datetime", owner_id="text"),
        record("customers", id=1, _sdc_deleted_at=WHEN),
        record("customers", id=1, **bad),
    ]
    mappings = {"id": "external_id", "owner_id": "owner_id"}
    done = load(messages, batch_size_rows=size, mappings=mappings)
    assert done.results() == {"skipped": 1, "invalid" if "owner_id" not in bad else "rejected": 1}
    assert state_of(people, ann) == "live"


@pytest.mark.parametrize("size", [1, 10])
def test_the_last_of_several_refused_rows_decides_whichever_is_refused_first(
    load: Loader, people: People, ann: str, size: int
) -> None:
    """Of a batch, what a stream map fails on is refused before what cannot be mapped."""
    messages = [
        schema("customers", id="integer", name="text", signed_up_at="text"),
        record("customers", id=1, name="1", signed_up_at="no date"),
        record("customers", id=1, name="1", _sdc_deleted_at=WHEN),
        record("customers", id=1, name="no number"),
    ]
    done = load(messages, batch_size_rows=size, stream_maps={"customers": {"number": "int(name)"}})
    assert done.results() == {"invalid": 2, "skipped": 1}
    assert done.stream()["reasons"]["skipped"] == {"live_again": 1}
    assert state_of(people, ann) == "live"


@pytest.mark.parametrize("size", [1, 10])
def test_a_live_row_with_an_unclear_match_cancels_the_mark_of_whom_it_may_mean(
    load: Loader, people: People, ann: str, size: int
) -> None:
    second = people.add(external_id="2")
    people.call("PUT", f"/contacts/{second}", {"email": "ann@example.com"})
    rows = [{"id": 1, "_sdc_deleted_at": WHEN}, {"id": None, "email": "ann@example.com", "name": "Who"}]
    done = load(customers(*rows), batch_size_rows=size)
    assert done.results() == {"skipped": 1, "rejected": 1}
    assert state_of(people, ann) == "live"


@pytest.mark.parametrize("size", [1, 10])
def test_two_marks_of_one_contact_remove_it_once(
    load: Loader, people: People, sandbox: SandboxServer, ann: str, size: int
) -> None:
    rows = [GONE_ANN, GONE_ANN, {"id": None, "email": "ann@example.com", "_sdc_deleted_at": WHEN}]
    done = load(customers(*rows), batch_size_rows=size, removal_mode="delete")
    assert done.results() == {"deleted": 1, "merged": 2}
    assert done.calls["DELETE /contacts/{id}"] == 1


# Two streams.


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("is_first", [True, False], ids=["live first", "mark first"])
@pytest.mark.parametrize("mode", ["sync", "additive", "enrich"])
@pytest.mark.parametrize("url", [..., "none"], ids=["ledger", "no ledger"])
def test_a_live_row_of_another_stream_keeps_a_marked_contact_whatever_the_order(
    load: Loader, people: People, ann: str, mode: str, is_first: bool, size: int, url: Any
) -> None:
    pair = [record("others", **ANN), record("customers", **GONE_ANN)]
    messages = [stream(), stream("others"), *(pair if is_first else reversed(pair))]
    for _ in range(2):
        done = load(messages, streams={"others": {"sync_mode": mode}}, batch_size_rows=size, ledger_url=url)
        assert done.results() == {"skipped": 1}
        assert done.stream()["reasons"]["skipped"] == {"still_named": 1}
        assert state_of(people, ann) == "live"


@pytest.mark.parametrize("is_whole", [True, False], ids=["missing", "marked later"])
def test_a_mark_that_means_another_contact_lets_go_of_the_one_its_row_had(
    load: Loader, people: People, ann: str, is_whole: bool
) -> None:
    """Two rows shared Ann; the one that is marked now names Bob."""
    bob = people.add(external_id="2", email="bob@example.com")
    load.settings |= {"mappings": {"row": None, "id": "external_id"}, "snapshot": is_whole, "max_removal_percent": 100}
    described = {**stream(), "key_properties": ["row"]}
    stays, done = record("customers", row=9, id=9), state({"bookmarks": {"customers": {}}})
    load([described, *(record("customers", row=row, **ANN) for row in (1, 2)), stays, done])
    load([described, record("customers", row=1, **{**GONE_ANN, **BOB}), stays, done])
    if not is_whole:
        assert (state_of(people, ann), state_of(people, bob)) == ("live", "archived")
        load([described, record("customers", row=2, **GONE_ANN), stays, done])
    assert (state_of(people, ann), state_of(people, bob)) == ("archived", "archived")


@pytest.mark.parametrize("mode", ["sync", "additive", "enrich"])
def test_a_row_that_came_again_as_it_was_is_no_row_of_old(
    load: Loader, people: People, ann: str, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    messages = [stream(), stream("others"), record("others", **ANN), record("customers", **GONE_ANN)]
    for _ in range(2):
        done = load(messages, streams={"others": {"sync_mode": mode}})
        assert done.stream()["reasons"]["skipped"] == {"still_named": 1}
    assert done.results("others") == {"unchanged": 1}
    assert "of earlier runs" not in caplog.text


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("is_first", [True, False], ids=["live first", "mark first"])
def test_a_row_that_mode_insert_skips_keeps_no_contact(
    load: Loader, people: People, ann: str, is_first: bool, size: int
) -> None:
    pair = [record("others", **ANN), record("customers", **GONE_ANN)]
    messages = [stream(), stream("others"), *(pair if is_first else reversed(pair))]
    done = load(messages, streams={"others": {"sync_mode": "insert"}}, batch_size_rows=size)
    assert (done.results(), done.results("others")) == ({"archived": 1}, {"skipped": 1})
    assert state_of(people, ann) == "archived"


@pytest.mark.parametrize("size", [1, 10])
def test_a_privacy_request_of_another_stream_removes_whom_this_run_made(
    load: Loader, people: People, size: int
) -> None:
    messages = [stream(), record("customers", **ANN), record("customers", **BOB)]
    messages += [stream("requests"), record("requests", id=1)]
    done = load(messages, streams={"requests": {"sync_mode": "remove", "removal_mode": "delete"}}, batch_size_rows=size)
    assert (done.results(), done.results("requests")) == ({"created": 2}, {"deleted": 1})
    assert [contact["name"] for contact in people.live()] == ["Bob"]


def test_of_two_streams_that_remove_a_contact_the_permanent_one_counts(load: Loader, people: People, ann: str) -> None:
    messages = [stream(), record("customers", **GONE_ANN), stream("requests"), record("requests", id=1)]
    load(messages, streams={"requests": {"sync_mode": "remove", "removal_mode": "delete"}})
    assert state_of(people, ann) == "deleted"


# Remove mode means the person.


@pytest.mark.parametrize("match_by", [["external_id", "email"], ["email"], ["external_id"]], ids="-".join)
def test_remove_mode_takes_the_leads_with_the_email(load: Loader, people: People, match_by: list[str]) -> None:
    people.add(external_id="1", email="ann@example.com")
    for _ in range(2):
        people.add(role="lead", email="Ann@example.com")
    other = people.add(role="lead", email="other@example.com")
    done = load(customers(ANN), sync_mode="remove", match_by=match_by)
    assert done.results() == {"archived": 1}
    assert [contact["id"] for contact in people.live()] == [other]


@pytest.mark.parametrize("size", [1, 10])
def test_remove_mode_takes_the_leads_with_the_email_of_the_contact_found(
    load: Loader, people: People, size: int
) -> None:
    people.add(external_id="1", email="ann@example.com")
    people.add(role="lead", email="ann@example.com")
    people.add(external_id="2", email="shared@example.com")
    second = people.add(external_id="3")
    people.call("PUT", f"/contacts/{second}", {"email": "shared@example.com"})
    lead = people.add(role="lead", email="shared@example.com")
    done = load(customers({"id": 1}, {"id": 2}), sync_mode="remove", batch_size_rows=size)
    assert done.results() == {"archived": 2}
    # Two users have the other email: whose lead it is cannot be told.
    assert {contact["id"] for contact in people.live()} == {second, lead}


def test_remove_mode_takes_several_leads_where_there_is_no_user(load: Loader, people: People) -> None:
    for _ in range(3):
        people.add(role="lead", email="ann@example.com")
    assert load(customers(ANN), sync_mode="remove", removal_mode="delete").results() == {"deleted": 1}
    assert people.live() == []


def test_sync_mode_leaves_the_leads_with_the_email_alone(load: Loader, people: People, ann: str) -> None:
    lead = people.add(role="lead", email="ann@example.com")
    assert load(customers(GONE_ANN)).results() == {"archived": 1}
    assert state_of(people, lead) == "live"


def test_remove_mode_takes_leads_that_this_run_made_before(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.search_lag = 3600
    messages = [stream(), record("customers", id=None, email="ann@example.com")]
    messages += [stream("requests"), record("requests", id=1, email="ann@example.com")]
    settings = {"requests": {"sync_mode": "remove"}, "customers": {"creation_mode": "lead"}}
    assert load(messages, streams=settings).results("requests") == {"archived": 1}
    assert people.live() == []


def test_remove_mode_needs_no_mark_and_heeds_none(load: Loader, people: People, ann: str) -> None:
    assert load(customers({**ANN, "_sdc_deleted_at": None}), sync_mode="remove").results() == {"archived": 1}


# Removals come last, STATE after them.


def test_removals_come_after_all_writes(load: Loader, people: People, sandbox: SandboxServer, ann: str) -> None:
    load(customers(GONE_ANN, BOB, {"id": 3}), batch_size_rows=1)
    writes = [call.path for call in sandbox.calls if call.method in {"POST", "PUT"} and "search" not in call.path]
    assert writes[-1] == f"/contacts/{ann}/archive"


@pytest.mark.usefixtures("impatient")
def test_state_waits_for_the_removals_before_it(load: Loader, ann: str, sandbox: SandboxServer) -> None:
    """With a drain at every record: STATE goes out early, but not past a removal that fails the run."""
    sandbox.conditions.deny_scopes = ("write_users",)
    messages = [stream()]
    for number, key in enumerate((2, 3, 1, 4), start=1):
        messages += [record("customers", id=key, _sdc_deleted_at=WHEN), state({"n": number})]
    done = load(messages)
    assert done.exit_code != 0
    assert {"n": 1} in done.states
    assert all(value["n"] < 3 for value in done.states)


@pytest.mark.usefixtures("impatient")
def test_state_goes_out_once_the_removals_are_done(load: Loader, people: People, ann: str) -> None:
    messages = [stream(), record("customers", id=1, _sdc_deleted_at=WHEN), state({"n": 1})]
    messages += [record("customers", id=2), state({"n": 2})]
    done = load(messages)
    assert done.exit_code == 0
    assert done.states == [{"n": 2}]
    assert state_of(people, ann) == "archived"


@pytest.mark.usefixtures("impatient")
def test_state_goes_on_where_a_live_row_took_the_mark_back(load: Loader, ann: str) -> None:
    messages = [stream(), record("customers", **GONE_ANN), state({"n": 1}), record("customers", **ANN), state({"n": 2})]
    messages += [record("customers", **BOB), state({"n": 3})]
    assert {"n": 2} in load(messages).states


def test_a_refused_removal_is_rejected_and_the_others_go_on(
    load: Loader, people: People, sandbox: SandboxServer, ann: str
) -> None:
    lead, user = people.add(role="lead", email="x@example.com"), people.add(email="x@example.com")
    sandbox.conditions.search_lag = 3600
    people.call("POST", "/contacts/merge", {"from": lead, "into": user})
    messages = [
        schema("customers", id="integer", contact="text"),
        record("customers", id=None, contact=lead, _sdc_deleted_at=WHEN),
        record("customers", id=1, contact=None, _sdc_deleted_at=WHEN),
        state({"n": 2}),
    ]
    done = load(messages, match_by=["id", "external_id"], mappings={"id": "external_id", "contact": "id"})
    assert done.results() == {"rejected": 1, "archived": 1}
    assert (state_of(people, user), state_of(people, ann)) == ("live", "archived")
    assert done.states == [{"n": 2}]
