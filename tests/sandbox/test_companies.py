"""Companies, one by one: what a test rests on is OAS-2.16 unless it says otherwise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock

NOT_FOUND = (404, "company_not_found", "Company Not Found")
NOWHERE = "0" * 24


def find(api: Api, **query: str) -> Any:
    asked = api.session.get(
        f"{api.sandbox.url}/companies", params=query, headers={"Authorization": "Bearer sandbox"}, timeout=120
    )
    return asked.json() if asked.status_code == 200 else (asked.status_code, asked.json()["errors"][0]["code"])


def peopled(api: Api, company_id: str, **company: Any) -> Any:
    """A company with a user, as the API shows it."""
    made = api.company(company_id, **company)
    return api.attach(api.create(role="user", external_id=f"of {company_id}")["id"], made["id"])


# --- writing ---


def test_a_company_is_made_once_and_then_updated(api: Api, clock: Clock) -> None:
    """POST /companies: found by company_id, 200 both ways."""
    made = api.company("acme", name="Acme", remote_created_at=1_600_000_000)
    clock.pass_(10)
    again = api.company("acme", name="Acme Ltd", size=7)

    assert (len(made["id"]), made["type"], made["app_id"]) == (24, "company", api.sandbox.workspace.id)
    assert (made["name"], made["company_id"], made["user_count"]) == ("Acme", "acme", 0)
    assert "size" not in made
    assert (again["id"], again["created_at"]) == (made["id"], made["created_at"])
    assert (again["name"], again["size"], again["remote_created_at"]) == ("Acme Ltd", 7, 1_600_000_000)
    assert again["updated_at"] == made["updated_at"] + 10
    clock.pass_(10)
    assert api.company("acme", name="Acme Ltd") == again
    assert api.ok("GET", f"/companies/{made['id']}") == again


def test_a_company_has_only_what_was_set(api: Api) -> None:
    """Airbyte's recorded companies: size, website and industry are absent, plan is empty, spend is 0."""
    made = api.company("acme")

    assert {"size", "website", "industry", "last_request_at", "remote_created_at"} & set(made) == set()
    assert (made["plan"], made["monthly_spend"], made["session_count"]) == ({}, 0, 0)
    assert made["custom_attributes"] == {"creation_source": "api"}
    assert made["tags"] == {"type": "tag.list", "tags": []}
    assert "notes" not in made
    assert api.company("acme", version="Preview")["notes"]["data"] == []


def test_company_ids_are_compared_exactly(api: Api) -> None:
    """By choice."""
    ids = {api.company(company_id)["id"] for company_id in ("acme", "Acme", " acme", "acme ")}
    assert len(ids) == 4


def test_without_a_company_id_each_call_makes_another_company(api: Api) -> None:
    """By choice."""
    made = [api.ok("POST", "/companies", body) for body in ({"name": "Acme"}, {"name": "Acme"}, {"company_id": None})]
    assert len({company["id"] for company in made}) == 3
    assert [company["company_id"] for company in made] == [company["id"] for company in made]


@pytest.mark.parametrize(("key", "version"), [("test", "2.16"), ("external_id", "Preview"), ("id", "2.16")])
def test_an_unknown_key_refuses_the_whole_call_without_a_request_id(api: Api, key: str, version: str) -> None:
    made = api.company("acme", name="Acme")
    refused = api.call("POST", "/companies", {"company_id": "acme", "name": "Other", key: "x"}, version=version)

    assert refused.status_code == 400
    error = {"code": "bad_request", "message": f"bad '{key}' parameter"}
    assert refused.json() == {"type": "error.list", "request_id": None, "errors": [error]}
    assert api.ok("GET", f"/companies/{made['id']}")["name"] == "Acme"


def test_the_time_of_the_last_request_came_with_2_16(api: Api, clock: Clock) -> None:
    body = {"company_id": "acme", "update_last_request_at": True}

    assert api.refused("POST", "/companies", body, version="2.15")[:2] == (400, "bad_request")
    assert "last_request_at" not in api.company("acme", update_last_request_at=False)
    assert api.ok("POST", "/companies", body)["last_request_at"] == clock.now


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("company_id", ""),
        ("company_id", "  "),
        ("company_id", 5),
        ("company_id", "x" * 256),
        ("name", 5),
        ("size", "7"),
        ("size", 7.5),
        ("size", True),
        ("size", -1),
        ("plan", {"name": "Pro"}),
        ("remote_created_at", "2020-01-01"),
        ("remote_created_at", 1_600_000_000_000),
        ("monthly_spend", "9"),
        ("monthly_spend", 2**31),
        ("custom_attributes", []),
        ("custom_attributes", {"colour": "red"}),
        ("update_last_request_at", "yes"),
    ],
)
def test_a_bad_value_is_refused(api: Api, key: str, value: object) -> None:
    """By choice, but for unknown custom attributes: 400 (recorded by rudder-transformer)."""
    body = {"company_id": "acme", key: value}
    status, code, message = api.refused("POST", "/companies", body)
    assert (status, code) == (400, "parameter_invalid")
    assert (message == "Custom attribute 'colour' does not exist") is (value == {"colour": "red"})
    assert api.ok("GET", "/_sandbox/companies")["companies"] == []


@pytest.mark.parametrize(("spend", "kept"), [(155.98, 155), (2**31 - 1, 2**31 - 1), (0, 0), (-1.5, -1)])
def test_monthly_spend_loses_its_decimals(api: Api, spend: float, kept: int) -> None:
    assert api.company("acme", monthly_spend=spend)["monthly_spend"] == kept


def test_a_plan_is_written_as_text_and_read_as_an_object(api: Api) -> None:
    plan = api.company("acme", plan="Pro")["plan"]
    assert (plan["type"], plan["name"]) == ("plan", "Pro")
    assert api.company("other", plan="Pro")["plan"] == plan
    assert api.company("acme", plan="")["plan"] == {}


def test_put_changes_a_company_by_its_id(api: Api) -> None:
    made = api.company("acme", name="Acme", website="no web site")
    changed = api.ok("PUT", f"/companies/{made['id']}", {"name": "Acme Ltd", "monthly_spend": 5})

    assert (changed["name"], changed["website"], changed["monthly_spend"]) == ("Acme Ltd", "no web site", 5)
    for key, value in (("company_id", "x"), ("remote_created_at", 1), ("update_last_request_at", True)):
        refused = api.refused("PUT", f"/companies/{made['id']}", {key: value})
        assert refused == (400, "bad_request", f"bad '{key}' parameter")
    assert api.refused("PUT", f"/companies/{NOWHERE}", {"name": "x"}) == NOT_FOUND


@pytest.mark.parametrize(("nulls", "left"), [("clear", None), ("ignore", "old")])
def test_a_null_clears_or_does_nothing_as_the_condition_has_it(api: Api, nulls: str, left: str | None) -> None:
    api.attribute("colour", model="company")
    texts = {"name": "old", "website": "old", "industry": "old"}
    api.company("acme", **texts, size=5, monthly_spend=5, plan="old", custom_attributes={"colour": "old"})
    api.conditions(company_nulls=nulls)
    standard: dict[str, Any] = dict.fromkeys([*texts, "size", "monthly_spend", "plan"])
    cleared = api.company("acme", **standard, custom_attributes={"colour": None})

    assert [cleared.get(key) for key in texts] == [left] * 3
    assert (cleared.get("size"), cleared["monthly_spend"]) == ((None, 0) if left is None else (5, 5))
    assert cleared["plan"].get("name") == left
    assert cleared["custom_attributes"]["colour"] == left


def test_a_null_can_be_refused(api: Api) -> None:
    api.attribute("colour", model="company")
    api.conditions(company_nulls="refuse")
    assert api.refused("POST", "/companies", {"company_id": "acme", "name": None})[:2] == (400, "parameter_invalid")
    nested = {"company_id": "acme", "custom_attributes": {"colour": None}}
    assert api.refused("POST", "/companies", nested)[:2] == (400, "parameter_invalid")


def test_a_company_posted_many_times_at_once_is_made_once(api: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: api.company("acme", size=number)["id"], range(32)))
    assert len(set(made)) == 1
    assert len(api.ok("GET", "/_sandbox/companies")["companies"]) == 1


@pytest.mark.parametrize("text", ["half \ud800 character", "\x00", "x" * 10_000, "&amp;", "\N{BLACK HEART SUIT}"])
def test_any_text_is_kept_as_it_is(api: Api, text: str) -> None:
    made = api.company("acme", name=text, plan=text, website=text, industry=text)
    assert (made["name"], made["plan"]["name"], made["website"], made["industry"]) == (text,) * 4
    assert find(api, company_id="acme") == made


# --- attributes ---


def test_companies_have_attributes_of_their_own(api: Api) -> None:
    """One namespace with contacts: OAS-P POST /data_attributes."""
    api.attribute("colour", model="company")
    api.attribute("shoe", model="contact")

    made = api.company("acme", custom_attributes={"colour": "red"})
    assert made["custom_attributes"] == {"colour": "red", "creation_source": "api"}
    listed = {entry["name"] for entry in api.ok("GET", "/data_attributes?model=company")["data"]}
    assert {"colour", "company_id", "monthly_spend"} <= listed
    assert "shoe" not in listed
    other = {"company_id": "acme", "custom_attributes": {"shoe": "38"}}
    assert api.refused("POST", "/companies", other) == (
        400,
        "parameter_invalid",
        "Custom attribute 'shoe' does not exist",
    )
    taken = api.refused("POST", "/data_attributes", {"name": "shoe", "model": "company", "data_type": "string"})
    assert taken == (
        400,
        "parameter_invalid",
        "You already have 'shoe' in your people data. To save this as new company data, use a different name.",
    )
    taken = api.refused("POST", "/data_attributes", {"name": "colour", "model": "contact", "data_type": "string"})
    assert taken[2].startswith("You already have 'colour' in your company data.")


# --- escaping ---


@pytest.mark.parametrize(
    ("condition", "version", "is_escaped"),
    [
        ("version", "2.16", False),
        ("version", "2.17", True),
        ("version", "Preview", True),
        ("always", "2.16", True),
        ("never", "2.17", False),
    ],
)
def test_names_and_company_ids_are_escaped_in_every_answer(
    api: Api, condition: str, version: str, is_escaped: bool
) -> None:
    """docs 2.17 attachcontacttoacompany; of earlier versions nothing is known."""
    api.conditions(company_escaping=condition)
    name, company_id, website = "Tom & Jerry's <b>", 'a"&b', "a&b"
    made = api.company(company_id, version=version, name=name, website=website)
    user = api.create(role="user", external_id="u1")["id"]
    seen = [made, api.company(company_id, version=version)]
    for method, path, body in (
        ("POST", f"/contacts/{user}/companies", {"id": made["id"]}),
        ("GET", f"/companies/{made['id']}", None),
        ("PUT", f"/companies/{made['id']}", {"size": 1}),
    ):
        seen.append(api.ok(method, path, body, version=version))
    for method, path in (("POST", "/companies/list"), ("GET", f"/contacts/{user}/companies")):
        seen += api.ok(method, path, {} if method == "POST" else None, version=version)["data"]

    shown = ("Tom &amp; Jerry&#39;s &lt;b&gt;", "a&quot;&amp;b") if is_escaped else (name, company_id)
    assert [(company["name"], company["company_id"], company["website"]) for company in seen] == [(*shown, website)] * 7
    assert {company["id"] for company in seen} == {made["id"]}


# --- finding ---


def test_a_company_is_found_by_id_company_id_and_name(api: Api) -> None:
    made, other = api.company("acme", name="Acme"), api.company("other", name="Acme")

    assert find(api, company_id="acme") == find(api, name="Acme") == api.ok("GET", f"/companies/{made['id']}")
    assert find(api, company_id="other", name="Acme")["id"] == other["id"]
    for missing in ({"company_id": "ACME"}, {"name": "acme"}, {"company_id": ""}):
        assert find(api, **missing) == (404, "company_not_found")
    assert find(api) == (400, "parameter_missing")
    assert api.refused("GET", f"/companies/{NOWHERE}") == NOT_FOUND


def test_companies_without_people_can_be_made_invisible_to_these_calls(api: Api) -> None:
    made = api.company("acme", name="Acme")
    api.conditions(company_lookup="with_people")

    assert find(api, company_id="acme") == find(api, name="Acme") == (404, "company_not_found")
    assert api.ok("GET", f"/companies/{made['id']}")["id"] == made["id"]
    assert api.company("acme")["id"] == made["id"]
    api.attach(api.create(role="user", external_id="u1")["id"], made["id"])
    assert find(api, company_id="acme")["id"] == made["id"]


# --- lists ---


def listed(api: Api, path: str = "/companies/list", body: object = None) -> list[str]:
    found = api.ok("POST", path, {} if body is None else body, version="Preview")
    return [company["company_id"] for company in found["data"]]


def test_companies_without_users_are_missing_in_lists(api: Api) -> None:
    """POST /companies/list; that leads do not count is a choice, as the description says users."""
    peopled(api, "with")
    api.company("without")
    led = api.company("with a lead")
    lead = api.create(role="lead")["id"]
    api.attach(lead, led["id"])
    empty = peopled(api, "left")
    (user,) = api.ok("GET", f"/companies/{empty['id']}/contacts")["data"]
    api.ok("DELETE", f"/contacts/{user['id']}/companies/{empty['id']}")
    gone = peopled(api, "of an archived user")
    (user,) = api.ok("GET", f"/companies/{gone['id']}/contacts")["data"]
    api.ok("POST", f"/contacts/{user['id']}/archive", {})

    assert listed(api) == ["with"]
    query = {"query": {"field": "name", "operator": "=", "value": None}}
    assert listed(api, "/companies/search", query) == ["with"]
    assert [company["company_id"] for company in api.ok("GET", "/companies/scroll")["data"]] == ["with"]
    assert api.ok("GET", f"/companies/{led['id']}")["user_count"] == 0
    api.update(lead, role="user", external_id="u9")
    assert sorted(listed(api)) == ["with", "with a lead"]


def test_lists_trail_behind_as_far_as_search_does(api: Api, clock: Clock) -> None:
    peopled(api, "old", name="Old")
    api.conditions(search_lag=60)
    api.company("old", name="New")
    peopled(api, "new")

    shown = api.ok("POST", "/companies/list", {})["data"]
    assert [(company["company_id"], company["name"]) for company in shown] == [("old", "Old")]
    assert find(api, company_id="old")["name"] == "New"
    clock.pass_(60)
    assert sorted(listed(api)) == ["new", "old"]


def test_a_list_is_walked_by_links(api: Api, clock: Clock) -> None:
    """By `last_request_at`, the newest first; the link is a URL (PostHog records it)."""
    for number in range(5):
        clock.pass_(1)
        peopled(api, f"c{number}", update_last_request_at=number > 1)

    pages, link = [], "/companies/list?per_page=2"
    while link:
        page = api.ok("POST", link, {})
        pages.append([company["company_id"] for company in page["data"]])
        assert (page["total_count"], page["pages"]["total_pages"], page["pages"]["per_page"]) == (5, 3, 2)
        link = (page["pages"]["next"] or "").removeprefix(api.sandbox.url)
    assert pages == [["c4", "c3"], ["c2", "c1"], ["c0"]]
    ascending = api.ok("POST", "/companies/list?order=asc", {})["data"]
    assert [company["company_id"] for company in ascending] == ["c0", "c1", "c2", "c3", "c4"]
    assert api.ok("POST", "/companies/list?page=4&per_page=2", {})["data"] == []
    assert len(api.ok("POST", "/companies/list", {})["data"]) == 5


def test_a_page_holds_fifteen_unless_asked_and_sixty_at_most(api: Api) -> None:
    """PostHog and amp-labs/connectors record the maximum and its text."""
    for number in range(16):
        peopled(api, f"c{number}")

    assert len(api.ok("POST", "/companies/list", {})["data"]) == 15
    assert len(api.ok("POST", "/companies/list?per_page=60", {})["data"]) == 16
    too_big = (400, "parameter_invalid", "Per Page is too big")
    assert api.refused("POST", "/companies/list?per_page=61", {}) == too_big
    for query in ("per_page=0", "page=0", "page=x", "order=up", f"page={'9' * 5000}", f"per_page={'9' * 5000}"):
        assert api.refused("POST", f"/companies/list?{query}", {})[0] == 400
    assert api.refused("POST", "/companies/list?page=1001&per_page=10", {})[0] == 400


def test_companies_are_listed_by_tag(api: Api) -> None:
    peopled(api, "one")
    peopled(api, "two")
    api.company("three")
    companies = [{"company_id": "two"}, {"company_id": "three"}]
    tag = api.ok("POST", "/tags", {"name": "VIP", "companies": companies})["id"]

    assert [company["company_id"] for company in find(api, tag_id=tag)["data"]] == ["two"]
    assert find(api, tag_id="0")["data"] == find(api, segment_id="1")["data"] == []


def test_a_workspace_has_one_scroll_which_dies_when_it_is_left_alone(api: Api, clock: Clock) -> None:
    for number in range(101):
        peopled(api, f"c{number}")
    first = api.ok("GET", "/companies/scroll")
    peopled(api, "later")

    assert (len(first["data"]), first["pages"], first["total_count"]) == (100, None, None)
    assert api.refused("GET", "/companies/scroll")[:2] == (400, "scroll_exists")
    clock.pass_(59)
    path = f"/companies/scroll?scroll_param={first['scroll_param']}"
    second = api.ok("GET", path)
    assert (len(second["data"]), second["scroll_param"]) == (1, first["scroll_param"])
    clock.pass_(60)
    assert api.refused("GET", path)[0] == 404
    again = api.ok("GET", "/companies/scroll")
    path = f"/companies/scroll?scroll_param={again['scroll_param']}"
    assert [len(api.ok("GET", path)["data"]) for _ in range(2)] == [2, 0]
    assert api.refused("GET", path)[0] == 404
    assert len(api.ok("GET", "/companies/scroll")["data"]) == 100


# --- search (OAS-P POST /companies/search) ---


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("company_id", "=", "a", ["a"]),
        ("company_id", "IN", ["a", "c"], ["a", "c"]),
        ("name", "~", "MART", ["b"]),
        ("monthly_spend", ">", 5, ["b"]),
        ("user_count", "=", 2, ["c"]),
        ("session_count", "=", 0, ["a", "b", "c"]),
        ("remote_created_at", ">", 1_500_000_000, ["b"]),
        ("last_request_at", "=", None, ["a", "b", "c"]),
        ("tag_id", "=", "TAG", ["a"]),
        ("tag_id", "!=", "TAG", ["b", "c"]),
        ("custom_attributes.colour", "=", "red", ["c"]),
    ],
)
def test_companies_are_searched(api: Api, field: str, operator: str, value: object, found: list[str]) -> None:
    api.attribute("colour", model="company")
    api.attribute("shoe", model="contact")
    peopled(api, "a", name="Acme", monthly_spend=5)
    peopled(api, "b", name="Bmart", monthly_spend=6, remote_created_at=1_600_000_000)
    shared = peopled(api, "c", custom_attributes={"colour": "red"})
    api.attach(api.create(role="user", external_id="second")["id"], shared["id"])
    tag = api.ok("POST", "/tags", {"name": "VIP", "companies": [{"company_id": "a"}]})["id"]

    query = {"field": field, "operator": operator, "value": tag if value == "TAG" else value}
    assert listed(api, "/companies/search", {"query": query}) == found


@pytest.mark.parametrize("field", ["segment_id", "plan.name", "plan.id", "email", "custom_attributes.shoe", "size"])
def test_other_fields_of_companies_cannot_be_searched(api: Api, field: str) -> None:
    api.attribute("shoe", model="contact")
    body = {"query": {"field": field, "operator": "=", "value": "x"}}
    refused = api.refused("POST", "/companies/search", body, version="Preview")
    assert refused == (400, "invalid_field", f"{field} is not a valid search field")


def test_a_search_of_companies_has_pages_and_an_order(api: Api) -> None:
    for name in ("b", "a", "c"):
        peopled(api, name, name=name)
    body: dict[str, Any] = {
        "query": {"field": "user_count", "operator": ">", "value": 0},
        "sort": {"field": "name", "order": "ascending"},
        "pagination": {"per_page": 2},
    }

    first = api.ok("POST", "/companies/search", body, version="Preview")
    assert [company["name"] for company in first["data"]] == ["a", "b"]
    body["pagination"] = {"per_page": 2, "starting_after": first["pages"]["next"]["starting_after"]}
    assert listed(api, "/companies/search", body) == ["c"]
    for sort in ({"field": "name", "order": "up"}, {"field": "tag_id"}):
        assert api.refused("POST", "/companies/search", {**body, "sort": sort}, version="Preview")[0] == 400
    assert api.refused("POST", "/companies/search", body)[:2] == (400, "intercom_version_invalid")


# --- deleting ---


def test_a_deleted_company_loses_its_people_a_while_later(api: Api, clock: Clock) -> None:
    """DELETE /companies/{id}: 200 at once, the rest asynchronously."""
    api.conditions(company_deletion_delay=5)
    made = peopled(api, "acme")
    (user,) = api.ok("GET", f"/companies/{made['id']}/contacts")["data"]
    deleted = api.ok("DELETE", f"/companies/{made['id']}")

    assert deleted == {"id": made["id"], "object": "company", "deleted": True}
    clock.pass_(4)
    assert api.ok("GET", f"/companies/{made['id']}")["user_count"] == 1
    assert api.get(user["id"])["companies"]["total_count"] == 1
    assert listed(api) == ["acme"]
    assert api.ok("DELETE", f"/companies/{made['id']}") == deleted
    clock.pass_(1)
    kept = api.get(user["id"])
    assert (kept["companies"]["data"], kept["updated_at"]) == ([], clock.now)
    assert listed(api) == []
    for method, path in (
        ("GET", f"/companies/{made['id']}"),
        ("DELETE", f"/companies/{made['id']}"),
        ("GET", f"/companies/{made['id']}/contacts"),
        ("DELETE", f"/contacts/{user['id']}/companies/{made['id']}"),
    ):
        assert api.refused(method, path) == NOT_FOUND
    assert find(api, company_id="acme") == (404, "company_not_found")
    (shown,) = api.ok("GET", "/_sandbox/companies")["companies"]
    assert (shown["state"], shown["people"]) == ("archived", [])


@pytest.mark.parametrize("waited", [0, 5])
def test_a_company_id_makes_a_new_company_after_a_deletion(api: Api, clock: Clock, waited: float) -> None:
    api.conditions(company_deletion_delay=5)
    old = peopled(api, "acme", name="Acme")
    api.ok("DELETE", f"/companies/{old['id']}")
    clock.pass_(waited)
    new = api.company("acme")

    assert new["id"] != old["id"]
    assert (new["name"], new["user_count"], find(api, company_id="acme")["id"]) == (None, 0, new["id"])
    user = api.create(role="user", external_id="u2")["id"]
    api.attach(user, new["id"])
    clock.pass_(5)
    assert [entry["id"] for entry in api.get(user)["companies"]["data"]] == [new["id"]]


@pytest.mark.parametrize("waited", [0, 5])
def test_or_it_brings_the_old_one_back_without_its_people(api: Api, clock: Clock, waited: float) -> None:
    api.conditions(company_deletion_delay=5, company_return="same")
    old = peopled(api, "acme", name="Acme")
    api.ok("DELETE", f"/companies/{old['id']}")
    clock.pass_(waited)
    back = api.company("acme", size=3)
    user = api.create(role="user", external_id="u2")["id"]
    api.attach(user, back["id"])
    clock.pass_(5)

    assert (back["id"], back["name"], back["size"]) == (old["id"], "Acme", 3)
    assert [entry["id"] for entry in api.ok("GET", f"/companies/{old['id']}/contacts")["data"]] == [user]
    api.ok("DELETE", f"/companies/{old['id']}")
    clock.pass_(5)
    assert api.refused("GET", f"/companies/{old['id']}") == NOT_FOUND
    assert api.get(user)["companies"]["total_count"] == 0


def test_a_deletion_without_delay_takes_effect_at_once(api: Api) -> None:
    api.conditions(company_deletion_delay=0)
    made = api.company("acme")
    api.ok("DELETE", f"/companies/{made['id']}")
    assert api.refused("GET", f"/companies/{made['id']}") == NOT_FOUND


# --- what there is none of, and what the token may ---


def test_companies_have_no_segments_and_no_notes(api: Api) -> None:
    made = api.company("acme")
    assert api.ok("GET", f"/companies/{made['id']}/segments") == {"type": "list", "data": []}
    assert api.ok("GET", f"/companies/{made['id']}/notes")["data"] == []
    for resource in ("segments", "notes"):
        assert api.refused("GET", f"/companies/{NOWHERE}/{resource}") == NOT_FOUND
    assert api.refused("POST", f"/companies/{made['id']}/notes", {"body": "x"})[:2] == (501, "not_emulated")


def test_companies_take_the_permissions_of_contacts(api: Api) -> None:
    """By choice: pages on permissions name users and companies together."""
    api.conditions(deny_scopes=["read_users", "write_users"])
    for method, path in (("POST", "/companies"), ("GET", "/companies/scroll"), ("DELETE", f"/companies/{NOWHERE}")):
        assert api.refused(method, path, {} if method == "POST" else None)[:2] == (403, "forbidden")
