"""Searches of contacts: queries, pages, and parts of a search."""

from __future__ import annotations

import typing as t

from target_intercom.intercom.protocol.ids import text_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_intercom.json_lines import Json


_Item = t.TypeVar("_Item")
_FEWEST_PARTED: t.Final = 2
SEARCH_PAGE: t.Final = 150
"""The largest `per_page` of a search (developers.intercom.com, pagination): what one search asks for fits on a page."""


def search_query(wanted: Mapping[str, Sequence[str]]) -> Json:
    """Return the query for contacts that have any of these values in any of these fields.

    One `IN` a field; several fields are joined by OR (official description, `POST /contacts/search`).
    """
    filters = [{"field": field, "operator": "IN", "value": list(values)} for field, values in wanted.items() if values]
    return filters[0] if len(filters) == 1 else {"operator": "OR", "value": filters}


def search_halves(wanted: Mapping[str, Sequence[str]]) -> list[dict[str, Sequence[str]]]:
    """Part what a search asks for; nothing where it asks for one value of a field at most."""
    if max(map(len, wanted.values()), default=0) < _FEWEST_PARTED:
        return []
    middles = {field: len(values) // 2 for field, values in wanted.items()}
    return [
        {field: values[: middles[field]] for field, values in wanted.items()},
        {field: values[middles[field] :] for field, values in wanted.items()},
    ]


def halves(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """Part items into two; nothing where there are fewer."""
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if len(items) >= _FEWEST_PARTED else []


def search_body(query: Json, starting_after: str | None) -> Json:
    """Return the body of a call for a page of a search; the cursor only works in the body (fact sheet section 5)."""
    pagination: dict[str, Json] = {"per_page": SEARCH_PAGE}
    if starting_after is not None:
        pagination["starting_after"] = starting_after
    return {"query": query, "pagination": pagination}


def pages(ask: Callable[[str | None], tuple[Iterable[_Item], str | None]]) -> Iterator[_Item]:
    """Yield the items of all pages; `ask` reads the page of a cursor, and the cursor of the next one."""
    cursor: str | None = None
    met = {cursor}
    while True:
        items, cursor = ask(cursor)
        yield from items
        if cursor in met:
            # None on the last page; one that comes again leads nowhere.
            return
        met.add(cursor)


def next_cursor(page: Mapping[str, Json]) -> str | None:
    """Return the cursor of the next page; None: this is the last one."""
    following = (page.get("pages") or {}).get("next")
    return None if following is None else text_of(following.get("starting_after"))
