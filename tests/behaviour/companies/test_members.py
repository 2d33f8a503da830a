"""Contacts in companies: from a property of the contact, and from a stream of memberships; attached and detached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import errors
from target_intercom.sandbox.messages import Response
from tests.support.grouping import add_people
from tests.support.loading import record, schema
from tests.support.membering import (
    ATTACH,
    DETACH,
    FIND,
    LISTS,
    READ,
    SEATS,
    add_companies,
    all_companies,
    attach_by_hand,
    companies_of,
    member_calls,
    moved,
    seat,
    seats,
    working,
)

if TYPE_CHECKING:
    from tests.support.front import Front
    from tests.support.loading import Loader, People

WHEN = "2024-05-01T12:00:00Z"
SYNC: dict[str, Any] = {**LISTS, "sync_mode": "sync"}


@pytest.fixture
def companies(people: People) -> dict[str, str]:
    return add_companies(people, "acme", "bolt", "core")


# From a property of the contact.


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("acme", {"acme"}),
        (" acme ", {"acme"}),
        (["acme", "bolt"], {"acme", "bolt"}),
        ("acme,bolt", {"acme", "bolt"}),
        ('["acme", "bolt"]', {"acme", "bolt"}),
        ([], set()),
        (None, set()),
        (["acme", None, " "], {"acme"}),
    ],
)
def test_a_new_contact_is_in_the_companies_that_its_record_names(
    load: Loader, people: People, companies: dict[str, str], value: Any, wanted: set[str]
) -> None:
    done = load(working({"id": "1", "account_id": value}), **LISTS)
    assert moved(done) == (len(wanted), 0)
    assert done.results() == {"created": 1}
    assert companies_of(people, external_id="1") == wanted
    assert people.one(external_id="1")["custom_attributes"] == {}
    again = load(working({"id": "1", "account_id": value}), **LISTS)
    assert (again.writes, member_calls(again), again.results()) == (0, {}, {"unchanged": 1})


def test_a_whole_number_is_a_company_id(load: Loader, people: People) -> None:
    add_companies(people, "17")
    assert moved(load(working({"id": "1", "account_id": 17}), **LISTS)) == (1, 0)
    assert companies_of(people, external_id="1") == {"17"}


@pytest.mark.parametrize("is_open", [False, True])
def test_a_path_names_a_member_of_an_object(
    load: Loader, people: People, companies: dict[str, str], is_open: bool
) -> None:
    """Its object goes into no attribute where it is mapped to none; a schema may name it or not."""
    account = {"type": ["object", "null"], "properties": {"key": {"type": "string"}}}
    described = schema("customers", id="text") if is_open else schema("customers", id="text", account=account)
    described["schema"]["additionalProperties"] = True
    settings = {**SYNC, "companies_property": "account.key", "tags_property": "account.groups"}
    settings["mappings"] = {"id": "external_id", "account": None}
    for one, groups in (("acme", ["VIP"]), ("bolt", [])):
        done = load([described, record("customers", id="1", account={"key": one, "groups": groups})], **settings)
        assert (done.exit_code, done.refusals) == (0, [])
        assert companies_of(people, external_id="1") == {one}
        assert people.one(external_id="1")["tags"] == groups
        assert people.one(external_id="1")["custom_attributes"] == {}
    again = load([described, record("customers", id="1", account={"key": "bolt", "groups": []})], **settings)
    assert again.writes == 0


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"companies_property": "acount_id"}, ["Setting 'companies_property' names the property 'acount_id'"]),
        (
            {"companies_property": "ACCOUNT_ID", "tags_property": "vip"},
            ["Setting 'tags_property' names the property 'vip'"],
        ),
        (
            {"streams": {"customers": {"companies_property": "x.y"}, "others": {}}, "companies_property": "account_id"},
            ["Setting 'streams.customers.companies_property' names the property 'x.y'"],
        ),
        ({"streams": {"customers": {}, "others": {"companies_property": "x"}}}, []),
    ],
)
def test_a_property_that_no_stream_has_is_told(
    load: Loader, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], named: list[str]
) -> None:
    assert load(working({"id": "1", "account_id": None}), **settings).exit_code == 0
    said = [message for message in caplog.messages if "which no stream has" in message]
    assert said == [f"{one}, which no stream has" for one in named]


def test_company_ids_are_compared_as_they_are(load: Loader, people: People, companies: dict[str, str]) -> None:
    done = load(working({"id": "1", "account_id": ["acme", "Acme"]}), **LISTS)
    assert (done.exit_code, done.stream()["left_out"]) == (0, {"companies": 1})
    assert companies_of(people, external_id="1") == {"acme"}


@pytest.mark.parametrize(("value", "code"), [([{"a": 1}], "not_an_identifier"), ([True], "not_an_identifier")])
def test_a_record_whose_companies_cannot_be_read_is_invalid(
    load: Loader, people: People, companies: dict[str, str], value: Any, code: str
) -> None:
    done = load(working({"id": "1", "account_id": value}), **LISTS)
    assert [(one["code"], one["field"]) for one in done.refusals] == [(code, "account_id")]
    assert done.results() == {"invalid": 1}


def test_additive_puts_into_the_new_company_and_sync_takes_out_of_the_old_one(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    load(working({"id": "1", "account_id": "acme"}), **LISTS)
    assert moved(load(working({"id": "1", "account_id": "bolt"}), **LISTS)) == (1, 0)
    assert companies_of(people, external_id="1") == {"acme", "bolt"}
    assert moved(load(working({"id": "1", "account_id": "core"}), **SYNC)) == (1, 2)
    assert companies_of(people, external_id="1") == {"core"}


def test_who_changes_company_is_in_the_new_one_alone(load: Loader, people: People, companies: dict[str, str]) -> None:
    load(working({"id": "1", "account_id": "acme"}), **SYNC)
    done = load(working({"id": "1", "account_id": "bolt"}), **SYNC)
    assert moved(done) == (1, 1)
    assert (member_calls(done)[ATTACH], member_calls(done)[DETACH]) == (1, 1)
    assert companies_of(people, external_id="1") == {"bolt"}


@pytest.mark.parametrize(("clear_nulls", "left"), [(True, set()), (False, {"acme"})])
def test_null_takes_out_of_all_companies_unless_nulls_clear_nothing(
    load: Loader, people: People, companies: dict[str, str], clear_nulls: bool, left: set[str]
) -> None:
    load(working({"id": "1", "account_id": "acme"}), **SYNC)
    load(working({"id": "1", "account_id": None}), clear_nulls=clear_nulls, **SYNC)
    assert companies_of(people, external_id="1") == left


def test_a_property_that_is_absent_leaves_the_companies_alone(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    load(working({"id": "1", "account_id": "acme"}), **SYNC)
    assert moved(load(working({"id": "1", "name": "Ann"}), **SYNC)) == (0, 0)
    assert companies_of(people, external_id="1") == {"acme"}


def test_memberships_of_others_survive(load: Loader, people: People, companies: dict[str, str]) -> None:
    ids = add_people(people, ["1", "2"])
    attach_by_hand(people, companies["acme"], ids.values())
    rows: list[dict[str, Any]] = [
        {"id": "1", "account_id": ["acme", "bolt"]},
        {"id": "2", "account_id": "core"},
    ]
    assert moved(load(working(*rows), **SYNC)) == (2, 0)
    assert moved(load(working(*({"id": one, "account_id": None} for one in "12")), **SYNC)) == (0, 2)
    assert all_companies(people) == {"1": {"acme"}, "2": {"acme"}}


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("mode", ["additive", "enrich", "insert", "remove", "sync"])
def test_memberships_of_others_survive_every_mode(
    load: Loader, people: People, companies: dict[str, str], mode: str, bulk: bool
) -> None:
    """Named by records or not, marked, missing, or ordered to end; in mode `remove` contacts leave themselves."""
    attach_by_hand(people, companies["acme"], add_people(people, ["1", "2"]).values())
    seats_of = {"seats": {"object": "company_members", "sync_mode": mode, "snapshot": mode == "sync"}}
    settings = {"bulk_writes": bulk, "max_removal_percent": 100, "streams": {**seats_of, "customers": {}}}
    for ended in (None, WHEN):
        named = [seat(one, company) for one in (1, 2) for company in ("acme", "bolt")]
        load(seats(*({**one, "_sdc_deleted_at": ended} for one in named)), **settings)
    load(seats(seat(2, "bolt")), **settings)
    if mode != "remove":
        for account in (["acme", "bolt"], ["core"], None):
            load(working({"id": "1", "account_id": account}), sync_mode=mode, **LISTS, **settings)
    assert all("acme" in some for some in all_companies(people).values())


def test_who_is_in_more_companies_than_a_contact_shows_is_looked_at(load: Loader, people: People) -> None:
    ids = add_people(people, ["1"])
    own = add_companies(people, *(f"c{n}" for n in range(12)))
    for company in own.values():
        attach_by_hand(people, company, ids.values())
    add_companies(people, "new")
    done = load(working({"id": "1", "account_id": ["c0", "c5", "c11", "new"]}), **SYNC)
    assert moved(done) == (1, 0)
    assert member_calls(done) == {FIND: 4, READ: 1, ATTACH: 1}
    load(working({"id": "1", "account_id": []}), **SYNC)
    assert companies_of(people, external_id="1") == set(own)


def test_tags_and_companies_of_a_record_change_together(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    settings = {**SYNC, "tags_property": "name"}
    load(working({"id": "1", "name": "VIP", "account_id": "acme"}), **settings)
    one = people.one(external_id="1")
    assert (one["tags"], one["companies"]) == (["VIP"], ["acme"])
    done = load(working({"id": "1", "name": "Beta", "account_id": "bolt"}), **settings)
    assert moved(done) == (1, 1)
    assert (done.stream()["tagged"], done.stream()["untagged"]) == (1, 1)
    one = people.one(external_id="1")
    assert (one["tags"], one["companies"]) == (["Beta"], ["bolt"])
    # Of companies alone, or of tags alone, the record says nothing of the other.
    load([*working({"id": "1", "name": "Gamma"})], **settings)
    one = people.one(external_id="1")
    assert (one["tags"], one["companies"]) == (["Gamma"], ["bolt"])
    assert moved(load(working({"id": "1", "name": "Gamma", "account_id": None}), **settings)) == (0, 1)
    assert companies_of(people, external_id="1") == set()


# Companies that are not there.


def test_no_company_is_made(load: Loader, people: People, companies: dict[str, str]) -> None:
    done = load(working({"id": "1", "account_id": "acmee"}, {"id": "2", "account_id": ["acme", "acmee"]}), **LISTS)
    assert (done.exit_code, done.refusals, done.results()) == (0, [], {"created": 2})
    assert done.stream()["left_out"] == {"companies": 2}
    assert member_calls(done) == {FIND: 2, ATTACH: 1}
    assert all_companies(people) == {"1": set(), "2": {"acme"}}


def test_a_membership_of_no_company_is_rejected(load: Loader, people: People, companies: dict[str, str]) -> None:
    add_people(people, ["1"])
    done = load(seats(seat("1", "acmee"), seat("1", "acme")), **SEATS)
    assert done.results("seats") == {"attached": 1, "rejected": 1}
    (why,) = done.refusals
    assert why == {
        "outcome": "rejected",
        "reason": "There is no company 'acmee': memberships create none",
        "code": "no_company",
        "field": "company_id",
        "request_id": None,
    }
    assert companies_of(people, external_id="1") == {"acme"}
    add_companies(people, "acmee")
    assert load(seats(seat("1", "acmee")), **SEATS).results("seats") == {"attached": 1}


def test_a_company_that_is_there_later_is_joined_when_the_record_comes_again(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    rows = working({"id": "1", "account_id": "later"})
    assert load(rows, **SYNC).stream()["left_out"] == {"companies": 1}
    add_companies(people, "later")
    assert moved(load(rows, **SYNC)) == (1, 0)
    assert companies_of(people, external_id="1") == {"later"}
    assert moved(load(working({"id": "1", "account_id": None}), **SYNC)) == (0, 1)


# From a stream of memberships.


def test_a_stream_of_memberships_puts_contacts_into_companies(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    rows = [*working({"id": "1"}, {"id": "2"}), *seats(seat("1", "acme"), seat("1", "bolt"), seat("2", "acme"))]
    done = load(rows, **SEATS)
    assert done.results("seats") == {"attached": 3}
    assert all_companies(people) == {"1": {"acme", "bolt"}, "2": {"acme"}}
    again = load(rows, **SEATS)
    assert (again.results("seats"), again.writes) == ({"unchanged": 3}, 0)
    assert member_calls(again) == {}


def test_a_membership_names_its_contact_by_email_and_its_company_by_a_mapping(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    add_people(people, ["1"])
    rows = seats({"email": "P1@Example.com", "row": 1, "company_id": "acme"}, keys=["row"])
    mapped = {"streams": {"seats": {"object": "company_members", "mappings": {"company_id": "company_id"}}}}
    assert load(rows, **mapped).results("seats") == {"attached": 1}
    assert companies_of(people, external_id="1") == {"acme"}


def test_memberships_make_no_contact_and_name_a_company(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    add_people(people, ["1"])
    rows = [{"row": 1, "external_id": "9", "company_id": "acme"}, {"row": 2, "external_id": "1", "company_id": None}]
    rows += [{"row": 3, "external_id": "1", "company_id": [1]}, {"row": 4, "company_id": "acme"}]
    done = load(seats(*rows, keys=["row"]), **SEATS)
    assert done.results("seats") == {"rejected": 1, "invalid": 3}
    codes = {"no_contact", "no_company_id", "not_an_identifier", "no_identifier"}
    assert {one["code"] for one in done.refusals} == codes
    assert [one["external_id"] for one in people.live()] == ["1"]


SYNC_SEATS = {"streams": {"seats": {"object": "company_members", "sync_mode": "sync", "snapshot": True}}}
OTHERS = [seat(n, "core") for n in range(20, 40)]


def test_marked_and_missing_memberships_end_but_what_is_not_attached_here(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    ids = add_people(people, ["1", "2", *map(str, range(20, 40))])
    attach_by_hand(people, companies["bolt"], [ids["1"]])
    load(seats(seat("1", "acme"), seat("1", "bolt"), seat("2", "acme"), *OTHERS), **SYNC_SEATS)
    done = load(seats(seat("1", "acme", _sdc_deleted_at=WHEN), seat("1", "bolt"), *OTHERS), **SYNC_SEATS)
    assert (done.stream("seats")["detached"], done.stream("seats")["left"]) == (1, 1)
    assert (companies_of(people, external_id="1"), companies_of(people, external_id="2")) == ({"bolt"}, set())
    done = load(seats(seat("1", "bolt", _sdc_deleted_at=WHEN), *OTHERS), **SYNC_SEATS)
    assert done.stream("seats")["reasons"]["skipped"] == {"not_attached": 1}
    assert companies_of(people, external_id="1") == {"bolt"}


def test_too_many_missing_memberships_end_none(
    load: Loader, people: People, companies: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    add_people(people, map(str, range(20, 45)))
    load(seats(*(seat(n, "core") for n in range(20, 45))), **SYNC_SEATS)
    done = load(seats(seat(20, "core")), **SYNC_SEATS)
    assert (done.exit_code, done.states) == (1, [])
    assert "memberships" in caplog.text
    assert all(one["companies"] == ["core"] for one in people.live())


def test_remove_ends_what_its_own_stream_began(load: Loader, people: People, companies: dict[str, str]) -> None:
    add_people(people, ["1", "2"])
    load(seats(seat("1", "acme"), seat("2", "acme")), **SEATS)
    orders = {"streams": {"seats": {"object": "company_members", "sync_mode": "remove"}}}
    done = load(seats(seat("1", "acme")), **orders)
    assert done.results("seats") == {"detached": 1}
    assert all_companies(people) == {"1": set(), "2": {"acme"}}


def test_a_membership_stays_as_long_as_any_record_wants_it(
    load: Loader, people: People, companies: dict[str, str]
) -> None:
    both = {**SYNC, **SYNC_SEATS}
    load([*working({"id": "1", "account_id": "acme"}), *seats(seat("1", "acme"))], **both)
    load([*working({"id": "1", "account_id": None}), *seats(seat("1", "acme"))], **both)
    assert companies_of(people, external_id="1") == {"acme"}
    load(seats(seat("1", "acme", _sdc_deleted_at=WHEN)), max_removal_percent=100, **both)
    assert companies_of(people, external_id="1") == set()


def test_too_many_companies_are_told_with_intercoms_code(
    load: Loader, people: People, companies: dict[str, str], front: Front
) -> None:
    add_people(people, ["1"])
    refusal = errors.company_limit_exceeded(1000)
    front.hook = lambda request: (
        Response.of(400, refusal.body("r" * 20))
        if request.method == "POST" and request.path.endswith("/companies") and "contacts" in request.path
        else None
    )
    done = load([*working({"id": "1", "account_id": "acme"}), *seats(seat("1", "bolt"))], **LISTS, **SEATS)
    assert [one["code"] for one in done.refusals] == ["contact_company_limit_exceeded"]
    assert done.stream()["left_out"] == {"companies": 1}
    assert done.calls[ATTACH] == 2


# What holds whatever comes.


@pytest.mark.parametrize("ledger", ["lost", "none"])
def test_without_what_the_ledger_knew_nobody_leaves_a_company(
    load: Loader, people: People, companies: dict[str, str], ledger: str
) -> None:
    rows = [{"id": str(n), "account_id": ["acme", "bolt"]} for n in range(4)]
    settings = {**SYNC, **({"ledger_url": "none"} if ledger == "none" else {})}
    load(working(*rows), **settings)
    for path in load.data_dir.glob("ledger.db*"):
        path.unlink()
    done = load(working(*rows), **settings)
    assert (done.writes, done.results()) == (0, {"unchanged": 4})
    load(working(*({**row, "account_id": "core"} for row in rows)), **settings)
    assert all_companies(people) == {str(n): {"acme", "bolt", "core"} for n in range(4)}


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_of_several_records_of_a_contact_the_last_names_its_companies(
    load: Loader, people: People, companies: dict[str, str], bulk: bool, known: bool
) -> None:
    first = [{"id": str(n), "name": "Ann", "account_id": "acme"} for n in range(3)]
    last = [{"id": str(n), "name": "Eve", "account_id": "bolt"} for n in range(3)]
    # What says nothing of companies leaves them as the record before has named them.
    silent = [{"id": "0", "name": "Zoe"}]
    if known:
        load(working(*first), bulk_writes=bulk, **SYNC)
    done = load(working(*first, *last, *silent), bulk_writes=bulk, **SYNC)
    assert (done.exit_code, done.refusals) == (0, [])
    assert all_companies(people) == {str(n): {"bolt"} for n in range(3)}
    assert load(working(*last[1:], {**last[0], "name": "Zoe"}), bulk_writes=bulk, **SYNC).writes == 0


@pytest.mark.parametrize("bulk", [False, True])
def test_a_lead_can_be_in_a_company(load: Loader, people: People, companies: dict[str, str], bulk: bool) -> None:
    settings = {**SYNC, "creation_mode": "lead", "match_by": ["email"], "bulk_writes": bulk}
    settings["mappings"] = {"id": "email"}
    rows = [{"id": f"p{n}@example.com", "account_id": "acme"} for n in range(3)]
    done = load(working(*rows), **settings)
    assert moved(done) == (3, 0)
    assert [one["companies"] for one in people.live()] == [["acme"]] * 3
    done = load(working(*({**row, "account_id": "bolt"} for row in rows)), **settings)
    assert moved(done) == (3, 3)
    assert [one["companies"] for one in people.live()] == [["bolt"]] * 3
