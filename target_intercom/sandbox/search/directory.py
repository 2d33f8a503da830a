"""Search and list: the calls that show the workspace as it was `search_lag` ago."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.search import paging
from target_intercom.sandbox.search.fields import kind_of
from target_intercom.sandbox.search.index import SearchIndex
from target_intercom.sandbox.search.query import QueryReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.objects.attributes import DataAttributes
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.versions import Version


class Directory:
    """Answers searches from the index. Matching and sorting are done outside the lock."""

    def __init__(self, attributes: DataAttributes, conditions: Conditions, clock: Callable[[], float]) -> None:
        self._attributes = attributes
        self._conditions = conditions
        self._index = SearchIndex(clock, lambda: conditions.search_lag)
        self._lock = threading.Lock()

    def note(self, contact: Contact) -> None:
        """Return a contact was written."""
        with self._lock:
            self._index.note(contact)

    def search(self, body: Mapping[str, Any], version: Version) -> paging.Slice:
        """Return the contacts that a query matches (OAS-2.16 POST /contacts/search).

        Raises:
            IntercomError: The query, the sort or the page is refused.
        """
        page = paging.Page.of(_object(body, "pagination"), paging.SEARCH_PER_PAGE)
        order = self._order(_object(body, "sort"), version)
        reader = QueryReader(self._attributes, version, self._conditions.max_in_values)
        query = reader.read(body.get("query"))
        with self._lock:
            self._index.catch_up()
            ids = query.candidates(self._index.lookup)
            shown = self._index.everyone() if ids is None else self._index.contacts(ids)
        return paging.cut([contact for contact in shown if query.matches(contact)], order, page)

    def list(self, options: Mapping[str, Any]) -> paging.Slice:
        """Return all contacts (GRP lead-quirks#43: with the same lag).

        Raises:
            IntercomError: The page is refused.
        """
        page = paging.Page.of(options, paging.LIST_PER_PAGE)
        with self._lock:
            self._index.catch_up()
            shown = self._index.everyone()
        return paging.cut(shown, paging.Order(), page)

    def _order(self, sort: Mapping[str, Any], version: Version) -> paging.Order:
        if not sort:
            return paging.Order()
        descending = paging.descends(sort.get("order"), strict=version.sort_order_checked)
        if sort.get("field") is None:
            return paging.Order(descending=descending)
        kind = kind_of(sort["field"], self._attributes, version)
        if kind.many:
            raise errors.invalid_field(sort["field"])
        return paging.Order(kind.read, descending)


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid(f"{key} must be an object", key)
    return value
