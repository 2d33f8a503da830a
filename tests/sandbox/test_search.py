from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.versions import DEFAULT

if TYPE_CHECKING:
    from .client import Api, Clock

DAY = 86400


def search(api: Api, **body: Any) -> Any:
    return api.ok("POST", "/contacts/search", body)


def everybody() -> dict[str, Any]:
    return {"field": "role", "operator": "IN", "value": ["user", "lead"]}


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("=", "Ann Lee", "a"),
        ("=", "ann lee", ""),
        ("!=", "Ann Lee", "bc"),
        ("IN", ["Ann Lee", "Bob"], "ab"),
        ("NIN", ["Ann Lee"], "bc"),
        ("~", "nn l", "a"),
        ("!~", "nn l", "bc"),
        ("^", "ann", "a"),
        ("$", "ob", "b"),
        ("=", None, "c"),
        ("!=", None, "ab"),
    ],
)
def test_string_operators(api: Api, operator: str, value: object, found: str) -> None:
    """OAS-P: `!=` also matches contacts with no value."""
    ids = {
        api.create(role="user", external_id="a", name="Ann Lee")["id"]: "a",
        api.create(role="user", external_id="b", name="Bob")["id"]: "b",
        api.create(role="user", external_id="c")["id"]: "c",
    }

    assert "".join(ids[hit] for hit in api.find("name", operator, value)) == found


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("=", 5, [5]),
        (">", 5, [9]),
        ("<", 5, [1]),
        (">=", 5, [5, 9]),
        ("<=", 5, [1, 5]),
        ("IN", [1, 9], [1, 9]),
        ("NIN", [1, 9], [5]),
    ],
)
def test_number_operators(api: Api, operator: str, value: object, found: list[int]) -> None:
    api.attribute("count", "integer")
    for count in (1, 5, 9):
        api.create(role="user", external_id=f"u{count}", custom_attributes={"count": count})

    query = {"field": "custom_attributes.count", "operator": operator, "value": value}
    hits = search(api, query=query)["data"]
    assert [hit["custom_attributes"]["count"] for hit in hits] == found


@pytest.mark.parametrize("operator", ["=", "IN"])
def test_emails_are_compared_in_lower_case(api: Api, operator: str) -> None:
    user = api.create(role="user", email="Ann@X.com")["id"]

    for email in ("ann@x.com", "ANN@x.COM"):
        assert api.find("email", operator, email if operator == "=" else [email]) == [user]


def test_every_identifier_is_searchable(api: Api) -> None:
    user = api.create(role="user", external_id="u1", email="a@x.com", phone="+1", owner_id="1000001")
    api.create(role="lead", email="b@y.com")

    for field in ("id", "external_id", "email", "email_domain", "phone", "role", "owner_id"):
        assert api.find(field, "=", user[field]) == [user["id"]], field


def test_tags_are_searched_by_id_with_two_operators_only(api: Api) -> None:
    """OAS-P: `tag_id` knows `=` and `!=`."""
    tagged, other = api.create(role="lead")["id"], api.create(role="lead")["id"]
    tag_id = api.tag("A")
    api.ok("POST", f"/contacts/{tagged}/tags", {"id": tag_id})

    assert api.find("tag_id", "=", tag_id) == [tagged]
    assert api.find("tag_id", "!=", tag_id) == [other]
    query = {"field": "tag_id", "operator": "IN", "value": [tag_id]}
    refusal = api.refused("POST", "/contacts/search", {"query": query})
    assert refusal[:2] == (400, "invalid_operator")


def test_groups_join_filters(api: Api) -> None:
    for name, phone in [("A", "1"), ("A", "2"), ("B", "1")]:
        api.create(role="user", external_id=name + phone, name=name, phone=phone)

    def equals(field: str, value: str) -> dict[str, Any]:
        return {"field": field, "operator": "=", "value": value}

    both = [equals("name", "A"), equals("phone", "1")]
    nested = {
        "operator": "AND",
        "value": [
            {"operator": "OR", "value": both},
            {"operator": "OR", "value": [equals("external_id", "A2"), equals("phone", "1")]},
        ],
    }
    assert search(api, query={"operator": "AND", "value": both})["total_count"] == 1
    assert search(api, query={"operator": "OR", "value": both})["total_count"] == 3
    assert search(api, query=nested)["total_count"] == 3


def group(size: int, depth: int = 1) -> dict[str, Any]:
    part = {"field": "name", "operator": "=", "value": "A"} if depth == 1 else group(1, depth - 1)
    return {"operator": "OR", "value": [part] * size}


def test_a_group_holds_15_filters_and_two_levels(api: Api) -> None:
    """OAS-P."""
    assert search(api, query=group(15))["total_count"] == 0
    assert search(api, query=group(1, depth=2))["total_count"] == 0
    for query in (group(16), group(1, depth=3), group(0)):
        assert api.refused("POST", "/contacts/search", {"query": query})[0] == 400


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"field": "shoe_size", "operator": "=", "value": "9"}, 400, "invalid_field"),
        ({"field": "custom_attributes.no", "operator": "=", "value": "9"}, 400, "invalid_field"),
        ({"field": "name", "operator": "==", "value": "A"}, 400, "invalid_operator"),
        ({"field": "name", "operator": ">", "value": "A"}, 400, "invalid_operator"),
        ({"field": "unsubscribed_from_emails", "operator": ">", "value": True}, 400, "invalid_operator"),
        ({"field": "created_at", "operator": "IN", "value": [5]}, 422, "invalid_operator"),
        ({"field": "created_at", "operator": ">=", "value": 5}, 422, "invalid_operator"),
        ({"field": "created_at", "operator": "=", "value": "foorbar"}, 400, "parameter_invalid"),
        ({"field": "name", "operator": "=", "value": 5}, 400, "parameter_invalid"),
        ({"field": "email", "operator": "IN", "value": "a@x.com"}, 400, "parameter_invalid"),
        ({"field": "email", "operator": "IN", "value": []}, 400, "parameter_invalid"),
        (None, 400, "parameter_invalid"),
    ],
)
def test_a_wrong_query_is_refused(api: Api, query: object, status: int, code: str) -> None:
    """OAS commits 7b1d125 and 78db1c2: 400, but 422 for an operator that dates lack."""
    assert api.refused("POST", "/contacts/search", {"query": query})[:2] == (status, code)


def test_dates_are_searched_by_the_day_up_to_2_16(api: Api, clock: Clock) -> None:
    """OAS-2.16: `>` starts with the next day; OAS-P and 2.17: by the second."""
    start = int(clock.now) // DAY * DAY
    user = api.create(role="user", external_id="u1", signed_up_at=start + 3600)["id"]

    assert api.find("signed_up_at", "=", start) == [user]
    assert api.find("signed_up_at", "=", str(start + 9)) == [user]
    assert api.find("signed_up_at", ">", start) == []
    assert api.find("signed_up_at", ">", start - 1) == [user]
    assert api.find("signed_up_at", "<", start + DAY) == [user]
    assert api.find("signed_up_at", "=", start, version="2.17") == []
    assert api.find("signed_up_at", ">", start, version="2.17") == [user]
    assert api.find("signed_up_at", ">=", start + 3600, version="Preview") == [user]


def test_an_in_may_be_limited(api: Api) -> None:
    """No maximum is documented; `max_in_values` lets a client meet one."""
    query = {"field": "external_id", "operator": "IN", "value": ["a", "b", "c"]}
    assert search(api, query=query)["total_count"] == 0
    api.conditions(max_in_values=2)

    refusal = api.refused("POST", "/contacts/search", {"query": query})
    assert refusal[:2] == (400, "parameter_invalid")
    assert api.find("external_id", "IN", ["a", "b"]) == []


def test_pages_are_followed_by_cursor(api: Api) -> None:
    """OAS-P: `starting_after` in the body; the last page has no `next`."""
    ids = [api.create(role="user", external_id=f"u{n}")["id"] for n in range(7)]
    seen: list[str] = []
    pagination: dict[str, Any] = {"per_page": 3}
    numbers = []
    while True:
        page = search(api, query=everybody(), pagination=pagination)
        assert page["type"] == "list"
        assert page["total_count"] == 7
        assert page["pages"]["total_pages"] == 3
        numbers.append(page["pages"]["page"])
        seen += [contact["id"] for contact in page["data"]]
        if "next" not in page["pages"]:
            break
        assert page["pages"]["next"]["page"] == numbers[-1] + 1
        pagination["starting_after"] = page["pages"]["next"]["starting_after"]

    assert seen == ids
    assert numbers == [1, 2, 3]


def test_a_search_without_hits_has_no_pages(api: Api) -> None:
    """GRP export-record-user#100."""
    assert search(api, query=everybody()) == {
        "type": "list",
        "data": [],
        "total_count": 0,
        "pages": {"type": "pages", "page": 1, "per_page": 50, "total_pages": 0},
    }


def test_contacts_created_while_paging_do_not_move_the_pages(api: Api) -> None:
    for number in range(4):
        api.create(role="user", external_id=f"u{number}", name=str(number))
    sort = {"field": "name", "order": "descending"}
    first = search(api, query=everybody(), sort=sort, pagination={"per_page": 2})
    api.create(role="user", external_id="u9", name="9")

    cursor = first["pages"]["next"]["starting_after"]
    pagination = {"per_page": 2, "starting_after": cursor}
    second = search(api, query=everybody(), sort=sort, pagination=pagination)
    assert [contact["name"] for contact in first["data"]] == ["3", "2"]
    assert [contact["name"] for contact in second["data"]] == ["1", "0"]


def test_sorts_descend_by_default(api: Api) -> None:
    """OAS-P; an unknown order is refused from 2.16 on, in these words."""
    for name in ("b", "c", "a"):
        api.create(role="user", external_id=name, name=name)

    def names(**sort: str) -> str:
        return "".join(hit["name"] for hit in search(api, query=everybody(), sort=sort)["data"])

    assert names(field="name") == "cba"
    assert names(field="name", order="ascending") == "abc"
    body = {"query": everybody(), "sort": {"field": "name", "order": "desc"}}
    assert api.refused("POST", "/contacts/search", body) == (
        400,
        "invalid_sort_order",
        "Invalid sort order 'desc'. Must be one of: ascending, descending",
    )
    assert api.ok("POST", "/contacts/search", body, version="2.15")["total_count"] == 3
    body = {"query": everybody(), "sort": {"field": "shoe_size"}}
    assert api.refused("POST", "/contacts/search", body)[:2] == (400, "invalid_field")


@pytest.mark.parametrize(("asked", "given"), [(None, 50), (7, 7), (150, 150), (500, 150)])
def test_search_pages_hold_50_by_default_and_150_at_most(api: Api, asked: int | None, given: int) -> None:
    """docs pagination."""
    pagination = {} if asked is None else {"per_page": asked}

    assert search(api, query=everybody(), pagination=pagination)["pages"]["per_page"] == given


def test_the_list_of_contacts_has_pages_too(api: Api) -> None:
    """PR 639 of Intercom-OpenAPI: ten by default. Oldest first, as recorded."""
    ids = [api.create(role="lead")["id"] for _ in range(12)]

    first = api.ok("GET", "/contacts")
    assert (first["pages"]["per_page"], first["total_count"]) == (10, 12)
    cursor = first["pages"]["next"]["starting_after"]
    second = api.ok("GET", f"/contacts?per_page=10&starting_after={cursor}")
    assert [contact["id"] for contact in first["data"] + second["data"]] == ids
    assert len(api.ok("GET", "/contacts?per_page=150")["data"]) == 12


@pytest.mark.parametrize("query", ["per_page=0", "per_page=x", "starting_after=nonsense"])
def test_a_bad_page_is_refused(api: Api, query: str) -> None:
    assert api.refused("GET", f"/contacts?{query}")[:2] == (400, "parameter_invalid")


def test_a_cursor_of_another_sort_is_refused(api: Api) -> None:
    for name in "ab":
        api.create(role="user", external_id=name, name=name)
    sort = {"field": "name"}
    page = search(api, query=everybody(), sort=sort, pagination={"per_page": 1})
    pagination = {"per_page": 1, "starting_after": page["pages"]["next"]["starting_after"]}

    body = {"query": everybody(), "sort": {"field": "created_at"}, "pagination": pagination}
    assert api.refused("POST", "/contacts/search", body)[0] == 400


def test_an_in_stays_fast_in_a_large_workspace(api: Api) -> None:
    workspace = api.sandbox.workspace
    for number in range(20_000):
        body = {"role": "user", "external_id": f"u{number}", "email": f"u{number}@x.com"}
        workspace.create_contact(body, DEFAULT)
    started = time.perf_counter()

    for first in range(0, 2000, 100):
        wanted = [f"u{number}" for number in range(first, first + 100)]
        assert len(api.find("external_id", "IN", wanted)) == 100

    # Contact by contact it would be forty million comparisons.
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize("value", [1_700_000_000, 1_700_000_000.0, "1700000000"], ids=["number", "float", "text"])
def test_a_time_is_searched_as_a_number_with_or_without_a_point(api: Api, clock: Clock, value: object) -> None:
    """tap-intercom sends its bookmark as 1577836800.0."""
    clock.now = 1_700_000_000
    old = api.create(role="lead", name="old")["id"]
    clock.pass_(86_400)
    new = api.create(role="lead", name="new")["id"]
    assert api.find("updated_at", ">", value) == [new]
    assert api.find("updated_at", "=", value) == [old]
    assert api.refused("POST", "/contacts/search", {"query": {"field": "updated_at", "operator": ">", "value": 1.5}})[
        :2
    ] == (400, "parameter_invalid")
