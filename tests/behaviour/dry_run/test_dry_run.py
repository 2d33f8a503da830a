"""`dry_run`: what a run would do is told beforehand, operation by operation, and nothing is written."""

from __future__ import annotations

import hashlib
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import few
from tests.support.grouping import add_people, listing, member, members, tag_by_hand
from tests.support.planning import Witness, dry_run, planned, plans
from tests.support.remembering import BY_ROW, WHEN, Row, customers, person, rows

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"mappings": BY_ROW, "sync_mode": "sync", "search_delay_seconds": 0, "max_removal_percent": 100}
    return load


def assert_reads_only(done: Loaded) -> None:
    assert {operation for operation in done.calls if not operation.startswith("GET ")} <= {"POST /contacts/search"}


def hold(
    load: Loader, people: People, sandbox: SandboxServer, messages: list[Row], **settings: Any
) -> tuple[list[Row], Loaded]:
    """Do a dry run, then the run: the plan is what was done, and the reports are the same."""
    everyone = people.everyone()
    dry, plan = dry_run(load, messages, **settings)
    assert_reads_only(dry)
    assert (people.everyone(), dry.states, dry.report["dry_run"]) == (everyone, [], True)
    witness = Witness(sandbox, people)
    done = load(messages, **settings)
    assert planned(plan) == witness.deeds()
    assert (dry.exit_code, dry.report["streams"]) == (done.exit_code, done.report["streams"])
    assert [_but_for_the_call(one) for one in dry.refusals] == [_but_for_the_call(one) for one in done.refusals]
    assert done.report["dry_run"] is False
    return plan, done


def _but_for_the_call(refusal: Row) -> Row:
    # What would be made has no id of Intercom's yet.
    return {**refusal, "request_id": None, "reason": re.sub(r"planned-\d+|[0-9a-f]{24}", "ID", refusal["reason"])}


def test_the_plan_of_a_table_is_what_the_run_then_does(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """Creates, updates, archives, those who left, tags on and off, rejects."""
    settings: Row = {
        "mappings": {"id": "external_id"},
        "tags_property": "groups",
        "snapshot": True,
        "streams": {"members": {"object": "groups", "mappings": {}, "snapshot": True, "sync_mode": "sync"}},
    }
    first = [{"id": str(n), "email": f"p{n}@example.com", "name": f"N{n}", "groups": ["VIP"]} for n in range(9)]
    hold(load, people, sandbox, [*listing(*first), *members(member(0, "Beta"), member(1, "Gamma"))], **settings)
    tag_by_hand(people, "Foreign", people.one(external_id="4")["id"])
    people.add(email="several@example.com", role="lead")
    people.add(email="several@example.com", role="lead")
    second: list[Row] = [
        {**first[0], "name": "Else", "groups": ["VIP", "New"]},
        {**first[1], "email": "moved@example.com"},
        {**first[2], "groups": None},
        {"id": "3", "email": "p3@example.com", "_sdc_deleted_at": WHEN},
        {**first[4], "name": None},
        first[5],
        {"id": "20", "email": "p20@example.com", "groups": ["New"]},
        {"id": "21", "email": "no address"},
        {"id": "22", "email": "several@example.com"},
    ]
    joined = [member(20, "Beta"), member(1, "Gamma"), member(404, "Beta")]
    plan, done = hold(load, people, sandbox, [*listing(*second), *members(*joined)], **settings)
    counts = done.stream()
    assert {name: counts[name] for name in ("created", "updated", "archived", "invalid", "rejected", "left")} == {
        "created": 1,
        "updated": 3,
        "archived": 1,
        "invalid": 1,
        "rejected": 1,
        "left": 3,
    }
    (archived,) = [line for line in plan if line["operation"] == "archive" and line["key"]]
    assert (archived["stream"], archived["key"], archived["email"]) == ("customers", ["3"], "p3@example.com")
    left = [line for line in plan if line["operation"] == "archive" and line["key"] is None]
    assert sorted(line["external_id"] for line in left) == ["6", "7", "8"]
    changes = {line["key"][0]: line["changes"] for line in plan if line["operation"] == "update"}
    assert changes["1"] == {"email": {"old": "p1@example.com", "new": "moved@example.com"}}
    assert changes["4"] == {"name": {"old": "N4", "new": None}}


@pytest.mark.parametrize("by", ["ledger", "same run", "same run, another batch"])
def test_the_email_of_a_user_who_is_known_makes_no_second_one(
    load: Loader, people: People, sandbox: SandboxServer, by: str
) -> None:
    """What Intercom refuses with a 409 is no `created` of the dry run."""
    settings: Row = {"mappings": {"id": "external_id"}, "batch_size_rows": 1 if "another" in by else 100}
    ann = {"id": "1", "email": "ann@example.com"}
    if by == "ledger":
        load(listing(ann), **settings)
    rows_ = [*([] if by == "ledger" else [ann]), {**ann, "id": "2"}, {"id": "3", "email": "new@example.com"}]
    _, done = hold(load, people, sandbox, listing(*rows_), **settings)
    assert done.results() == {"created": len(rows_) - 1, "rejected": 1}
    assert done.stream()["reasons"] == {"rejected": {"another_person": 1}}


def test_an_email_that_the_ledger_knows_and_that_was_changed_by_hand_is_free(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    settings: Row = {"mappings": {"id": "external_id"}}
    ann = {"id": "1", "email": "ann@example.com"}
    load(listing(ann), **settings)
    people.call("PUT", f"/contacts/{people.one()['id']}", {"email": "moved@example.com"})
    _, done = hold(load, people, sandbox, listing({**ann, "id": "2"}), **settings)
    assert done.results() == {"created": 1}


def test_old_values_are_those_of_the_live_contact(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """The ledger knows the contact, and has no values: it is read."""
    load(customers(person(1)))
    contact = people.one(external_id="1")["id"]
    people.call("PUT", f"/contacts/{contact}", {"name": "By hand", "custom_attributes": {"plan": "free"}})
    plan, _ = hold(load, people, sandbox, customers(person(1, name="New")))
    assert plan == [
        {
            "operation": "update",
            "stream": "customers",
            "key": ["1"],
            "contact": contact,
            "role": "user",
            "external_id": "1",
            "email": "p1@example.com",
            "changes": {
                "name": {"old": "By hand", "new": "New"},
                "custom_attributes.plan": {"old": "free", "new": "pro"},
            },
        }
    ]


def test_what_intercom_does_not_show_has_no_old_value(load: Loader) -> None:
    load.settings["mappings"] = {**BY_ROW, "verified": "email_verified"}
    load(customers(person(1), verified="boolean"))
    _, plan = dry_run(load, customers(person(1, name="N", verified=True), verified="boolean"))
    assert plan[0]["changes"] == {"name": {"old": "P 1", "new": "N"}, "email_verified": {"new": True}}


def test_contacts_are_read_many_a_call(load: Loader) -> None:
    load(customers(*(person(n) for n in range(200))))
    done, plan = dry_run(load, customers(*(person(n, name="N") for n in range(200))))
    assert (len(plan), sum(done.calls.values())) == (200, 4)


def test_nothing_to_do_is_an_empty_plan(load: Loader) -> None:
    load(customers(person(1)))
    done, plan = dry_run(load, customers(person(1)))
    assert (done.exit_code, done.results(), plan) == (0, {"unchanged": 1}, [])


def test_the_last_lines_of_the_log_say_what_would_be_done_and_name_nobody(load: Loader) -> None:
    load(listing({"id": "1", "email": "p1@example.com", "name": "Old"}), mappings={"id": "external_id"})
    some = listing({"id": "1", "email": "p1@example.com", "name": "New", "groups": ["VIP"]}, {"id": "2", "email": "x"})
    done = load.pipe(some, mappings={"id": "external_id"}, tags_property="groups", dry_run=True)
    plan = next(iter(plans(load.data_dir)))
    for words in (
        "Dry run: nothing was written. What a run would do:",
        "would change: name of 1",
        "would make tags: 1",
        "invalid of customers: 1 invalid_email",
        f"Plan: {plan}",
        "Done: nothing was written; a run would do: stream 'customers': 2 read: 1 updated, 1 invalid; 1 tags put on",
    ):
        assert words in done.log
    assert "example.com" not in done.log


def test_a_plan_is_readable_by_its_owner_only(load: Loader) -> None:
    dry_run(load, customers(person(1)))
    (path,) = plans(load.data_dir)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_ledger_is_not_touched(load: Loader) -> None:
    load(customers(person(1), person(2)))
    path = load.data_dir / "ledger.db"
    before = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
    beside = set(load.data_dir.glob("ledger*"))
    dry_run(load, customers(person(1, name="N"), person(3)))
    assert set(load.data_dir.glob("ledger*")) == beside
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before


def test_no_ledger_is_made_and_nothing_else_is_left(load: Loader) -> None:
    done, plan = dry_run(load, customers(person(1)))
    names = {path.name.partition("-")[0] for path in load.data_dir.iterdir()}
    assert (done.exit_code, len(plan)) == (0, 2)
    assert names == {"config.json", "input.singer", "plan", "plan.html", "report.html", "report.json"}


def test_attributes_and_tags_that_would_be_made_are_told_once(load: Loader, people: People) -> None:
    some = [{"id": str(n), "email": f"p{n}@example.com", "groups": ["VIP", "vip "]} for n in range(3)]
    mappings = {"id": "external_id", "name": "custom_attributes.nick"}
    _, plan = dry_run(load, listing(*({**one, "name": "N"} for one in some)), mappings=mappings, tags_property="groups")
    made = [line for line in plan if line["operation"] in {"create_attribute", "create_tag"}]
    assert made == [
        {"operation": "create_attribute", "attribute": "custom_attributes.nick", "type": "string"},
        {"operation": "create_tag", "tag": "VIP"},
    ]
    assert people.call("GET", "/tags")["data"] == []


def test_a_contact_that_would_be_made_is_met_again_by_another_stream(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """Also when the run has forgotten it (`search_delay_seconds` is 0), and by the email it would have got since."""
    first, last = person(1), {"row": 9, "email": "new@example.com", "plan": "free"}
    messages = [
        *customers(first, person(1, email="new@example.com")),
        *rows("shop", {"row": 9, "id": "1", "seats": 3}),
        *rows("more", last),
    ]
    plan, done = hold(load, people, sandbox, messages, batch_size_rows=1, ledger_url="none")
    assert [line["operation"] for line in plan if line["operation"] != "create_attribute"] == [
        "create",
        *["update"] * 3,
    ]
    assert done.results("more") == {"updated": 1}


def test_an_external_id_that_another_user_has_leads_to_that_user(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """The ledger was wrong about whose record it is: the contact that the record leaves is missing from the source."""
    load(customers(person(1), person(2)))
    plan, done = hold(load, people, sandbox, customers({**person(1, name="N"), "id": "2"}), snapshot=True)
    assert [(line["operation"], line["external_id"]) for line in plan] == [("update", "2"), ("archive", "1")]
    assert done.stream()["left"] == 1


def test_identifiers_may_begin_with_any_word(load: Loader, people: People, sandbox: SandboxServer) -> None:
    people.add(external_id="planned-1", email="planned-giving@example.com", name="Old")
    row = {"row": 1, "email": "planned-giving@example.com", "name": "New"}
    plan, _ = hold(load, people, sandbox, customers(row))
    assert [line["operation"] for line in plan] == ["update"]
    plan, _ = hold(load, people, sandbox, customers({"row": 2, "id": "planned-1", "name": "Newer"}))
    assert [line["operation"] for line in plan] == ["update"]


def test_a_lead_that_becomes_a_user_had_no_external_id_of_the_sources(load: Loader, people: People) -> None:
    people.add(email="p1@example.com", role="lead")
    _, plan = dry_run(load, customers({"row": 1, "id": "1", "email": "p1@example.com"}), creation_mode="lifecycle")
    (line,) = plan
    assert (line["role"], line["external_id"]) == ("lead", None)
    assert line["changes"] == {"role": {"old": "lead", "new": "user"}, "external_id": {"old": None, "new": "1"}}


@pytest.mark.parametrize("what", ["a folder", "garbage"])
def test_a_ledger_that_cannot_be_used_fails_with_the_words_of_a_run(
    load: Loader, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = load.data_dir / "odd.db"
    load.data_dir.mkdir()
    path.mkdir() if what == "a folder" else path.write_text("garbage " * 500)
    said = []
    for dry in (True, False):
        caplog.clear()
        assert load(customers(person(1)), ledger_url=f"sqlite:///{path}", dry_run=dry).exit_code == 1
        said.append([one.getMessage() for one in caplog.records if one.getMessage().startswith("The ledger (")])
    assert said[0] == said[1] != []


def test_a_contact_that_is_gone_is_found_out(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """Deleted by hand: the ledger names it still, and the run would make it anew."""
    load(customers(person(1), person(2)))
    people.call("POST", f"/contacts/{people.one(external_id='1')['id']}/archive", {})
    dry, plan = dry_run(load, customers(person(1, name="N"), person(2, _sdc_deleted_at=WHEN)))
    assert sorted(line["operation"] for line in plan) == ["archive", "create"]
    assert dry.results() == {"created": 1, "archived": 1}


def test_a_contact_that_was_merged_away_is_followed(load: Loader, people: People, sandbox: SandboxServer) -> None:
    load(customers(person(1)))
    lead = people.add(email="p1@example.com", role="lead")
    people.call("POST", "/contacts/merge", {"from": lead, "into": people.one(external_id="1")["id"]})
    plan, _ = hold(load, people, sandbox, customers(person(1, name="N")))
    assert [line["operation"] for line in plan] == ["update"]


def test_too_many_removals_fail_the_dry_run_as_they_would_the_run(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load(customers(*(person(n) for n in range(30))))
    marked = customers(*(person(n, _sdc_deleted_at=WHEN) for n in range(25)))
    done, plan = dry_run(load, marked, max_removal_percent=20)
    assert (done.exit_code, plan) == (1, [])
    assert "max_removal_percent" in caplog.text
    assert len(people.live()) == 30


def test_privacy_deletions_are_planned(load: Loader, people: People, sandbox: SandboxServer) -> None:
    people.add(external_id="1", email="p1@example.com")
    people.add(email="p1@example.com", role="lead")
    settings = {"sync_mode": "remove", "removal_mode": "delete"}
    plan, _ = hold(load, people, sandbox, customers({"row": 1, "id": "1", "email": "p1@example.com"}), **settings)
    assert sorted((line["operation"], line["role"], line["key"][0]) for line in plan) == [
        ("delete", "lead", "1"),
        ("delete", "user", "1"),
    ]


@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "none"])
def test_bulk_writes_are_planned_as_single_ones(
    load: Loader, people: People, sandbox: SandboxServer, *, ledger: bool
) -> None:
    add_people(people, ["1", "2"])
    settings: Row = {"bulk_writes": True, **({} if ledger else {"ledger_url": "none"})}
    messages = customers(*(person(n, name="N") for n in range(1, 6)))
    dry, plan = dry_run(load, messages, **settings)
    assert_reads_only(dry)
    done = load(messages, **settings)
    assert dry.report["streams"] == done.report["streams"]
    assert [line["operation"] for line in plan].count("create") == 3


def test_the_fixture_can_tell_a_plan_that_is_wrong(load: Loader, people: People, sandbox: SandboxServer) -> None:
    _, plan = dry_run(load, customers(person(1)))
    witness = Witness(sandbox, people)
    load(customers(person(1, plan="free")))
    assert planned(plan) != witness.deeds()


# Whatever comes.

NAMES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["N", "M", None]),
    "plan": st.sampled_from(["pro", "free", None]),
    "seats": st.sampled_from([0, 1, None]),
    "groups": st.lists(st.sampled_from(["VIP", "Beta", "vip"]), max_size=2),
}


@st.composite
def records(draw: st.DrawFn, *, marks: bool) -> Row:
    """A row of one of five persons, each of which has two keys; the third is known by the email alone."""
    number = draw(st.integers(1, 5))
    row: Row = {"row": number + draw(st.sampled_from([0, 0, 0, 10])), "email": f"p{number}@example.com"}
    if number != 3:
        row["id"] = str(number)
        row["email"] = draw(st.sampled_from([*[row["email"]] * 4, None, f"q{number}@example.com", "no address"]))
    row |= {name: draw(value) for name, value in NAMES.items() if draw(st.booleans())}
    if marks and draw(st.integers(0, 4)) == 0:
        row["_sdc_deleted_at"] = WHEN
    return row


def memberships() -> st.SearchStrategy[Row]:
    return st.builds(member, st.integers(1, 6), st.sampled_from(["VIP", "Gamma"]))


@st.composite
def loads(draw: st.DrawFn, *, marks: bool = False) -> tuple[list[Row], Row]:
    """What a run reads, and how it is loaded; who is removed must not come back, for only a write reveals that."""
    messages: list[Row] = []
    for name in draw(st.lists(st.sampled_from(["customers", "shop"]), min_size=1, unique=True)):
        messages += rows(name, *draw(st.lists(records(marks=marks), min_size=1, max_size=7)), groups="array")
    if draw(st.booleans()):
        messages += members(*draw(st.lists(memberships(), min_size=1, max_size=5)))
    return messages, {
        "sync_mode": draw(st.sampled_from(["sync", "sync", "sync", "additive", "enrich", "insert"])),
        "removal_mode": draw(st.sampled_from(["archive", "delete"])),
        "snapshot": False,
        "batch_size_rows": draw(st.sampled_from([2, 100])),
        "repair": draw(st.integers(0, 4)) == 0,
    }


SETTINGS: Row = {
    "tags_property": "groups",
    "streams": {"members": {"object": "groups", "mappings": {}, "snapshot": True, "sync_mode": "sync"}},
}


@few(6)
@given(
    there=st.lists(st.integers(1, 5), unique=True, max_size=3),
    runs=st.lists(loads(), min_size=1, max_size=2),
    last=loads(marks=True),
)
def test_every_plan_is_what_the_run_then_does(
    load: Loader,
    people: People,
    sandbox: SandboxServer,
    there: list[int],
    runs: list[tuple[list[Row], Row]],
    last: tuple[list[Row], Row],
) -> None:
    sandbox.sandbox.reset()
    sandbox.conditions.change({"deletion_delay": 0})
    for path in load.data_dir.glob("ledger.db*"):
        path.unlink()
    tagged = [people.add(external_id=str(n), email=f"p{n}@example.com") for n in there]
    tag_by_hand(people, "vip", *tagged[:1])
    for messages, settings in [*runs, last]:
        hold(load, people, sandbox, messages, **SETTINGS, **settings)
