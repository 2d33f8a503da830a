"""Searches: the index's lag, operators by type, pages, and what is too much."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import PREVIEW, STABLE, Call, Step, get, lists, post, put

_PATH = "/contacts/search"
_OURS = {"field": "external_id", "operator": "IN", "value": ["{p}ann", "{p}bob", "{p}dot", "{p}odd"]}
"""Keeps a search to the contacts of the script."""


def _is(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def _search(query: Any, version: str = STABLE, **more: Any) -> Call:
    return post(_PATH, {"query": query, **more}, version)


def _find(field: str, operator: str, value: Any, version: str = STABLE) -> Call:
    return _search(_is(field, operator, value), version)


def _ours(field: str, operator: str, value: Any, version: str = STABLE) -> Call:
    return _search({"operator": "AND", "value": [_OURS, _is(field, operator, value)]}, version)


def _custom(short: str, operator: str, value: Any, version: str = STABLE) -> Call:
    return _find(f"custom_attributes.{{p}}{short}", operator, value, version)


def _paged(**pagination: Any) -> Call:
    sort = {"field": "external_id", "order": "ascending"}
    return _search(_OURS, pagination=pagination, sort=sort)


def _of_many(number: int) -> Step:
    values = ["{p}ann", *(f"{{p}}n{index}" for index in range(number - 1))]
    return Step(f"IN of {number} values", _find("external_id", "IN", values), answers=("contacts.2",))


_LAG = (
    Step("a name changes", put("/contacts/{ann}", {"name": "{p}Anna", "phone": "+16505550100"})),
    Step("the index shows a change", _ours("name", "=", "{p}Anna"), until=lists("ann"), answers=("contacts.6",)),
)

_OPERATORS = (
    Step("external_id in capitals", _find("external_id", "=", "{p}ANN"), answers=("contacts.3",)),
    Step("email in capitals", _find("email", "=", "{p}ANN@EXAMPLE.COM"), answers=("contacts.3",)),
    Step("email as it was written", _find("email", "=", "{p}DOT@Example.COM"), answers=("contacts.3",)),
    Step("email contains", _find("email", "~", "{p}ann@")),
    Step("email ends with", _ours("email", "$", "ann@example.com")),
    Step("email is not", _ours("email", "!=", "{p}ann@example.com")),
    Step("email is null", _ours("email", "=", None), answers=("contacts.4",), is_strange=True),
    Step("signed_up_at, a day", _ours("signed_up_at", "=", 1_600_000_000)),
    Step("signed_up_at in a list", _ours("signed_up_at", "IN", [1_600_000_000])),
    Step("signed_up_at, a second in Preview", _ours("signed_up_at", ">=", 1_600_000_000, PREVIEW)),
    Step("a custom number above", _custom("number", ">", 6)),
    Step("a custom date from", _custom("day", ">=", 1_600_000_000)),
    Step("a custom number as words", _custom("number", "=", "seven")),
    Step("tag_id", _find("tag_id", "=", "{vip}")),
    Step("tag_id in a list", _find("tag_id", "IN", ["{vip}"])),
)

_REFUSED = (
    Step("an operator that does not exist", _find("email", "LIKE", "x"), is_strange=True),
    Step("a group's operator in a filter", _find("email", "AND", "x"), is_strange=True),
    Step("sixteen filters", _search({"operator": "OR", "value": [_is("external_id", "=", "{p}ann")] * 16})),
)

_SIZES = tuple(map(_of_many, (75, 150, 300, 1000)))

_PAGES = (
    Step("the first page", _paged(per_page=3), saves={"cursor": "pages.next.starting_after"}, is_ordered=True),
    Step("the second page", _paged(per_page=3, starting_after="{cursor}"), is_ordered=True),
    Step(
        "a cursor beside the body",
        post(_PATH, {"query": _OURS, "pagination": {"per_page": 3}}, starting_after="{cursor}"),
    ),
    Step("151 a page of a search", _paged(per_page=151), answers=("contacts.31",), is_ordered=True),
    Step(
        "151 a page of the list",
        get("/contacts", per_page="151"),
        answers=("contacts.31",),
        ignores=("data", "total_count", "pages.next", "pages.total_pages"),
    ),
    Step("the list", get("/contacts"), ignores=("data", "total_count", "pages.next", "pages.total_pages")),
)

STEPS = _LAG + _OPERATORS + _REFUSED + _SIZES + _PAGES
