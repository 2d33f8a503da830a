"""Search and list: the calls that show the workspace as it was `search_lag` ago."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects.companies import Company, CountedCompany
from target_intercom.sandbox.search import company_fields, fields, paging
from target_intercom.sandbox.search.index import ContactIndex, Index
from target_intercom.sandbox.search.query import QueryReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.conditions import Conditions
    from target_intercom.sandbox.objects.attributes import DataAttributes
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.search.fields import Kinds
    from target_intercom.sandbox.versions import Version


class Directory:
    """Answers searches from the index. Matching and sorting are done outside the lock."""

    def __init__(self, attributes: DataAttributes, conditions: Conditions, clock: Callable[[], float]) -> None:
        self._attributes = attributes
        self._conditions = conditions
        self._contacts = ContactIndex(clock, lambda: conditions.search_lag)
        self._companies: Index[Company] = Index(clock, lambda: conditions.search_lag)
        self._lock = threading.Lock()

    def note(self, contact: Contact) -> None:
        """Record that a contact was written."""
        with self._lock:
            self._contacts.note(contact)

    def note_company(self, company: Company) -> None:
        """Record that a company was written."""
        with self._lock:
            self._companies.note(company)

    def search(self, body: Mapping[str, Any], version: Version) -> paging.Slice[Contact]:
        """Return the contacts that a query matches (OAS-2.16 POST /contacts/search).

        Raises:
            IntercomError: The query, the sort or the page is refused.
        """
        page = paging.Page.of(_object(body, "pagination"), paging.SEARCH_PER_PAGE)
        kinds: Kinds = partial(fields.kind_of, attributes=self._attributes, version=version)
        order = _order(_object(body, "sort"), version, kinds)
        query = QueryReader(kinds, self._conditions.max_in_values).read(body.get("query"))
        with self._lock:
            self._contacts.catch_up()
            ids = query.candidates(self._contacts.lookup)
            shown = self._contacts.everything() if ids is None else self._contacts.contacts(ids)
        return paging.cut([contact for contact in shown if query.matches(contact)], order, page)

    def contacts(self, options: Mapping[str, Any]) -> paging.Slice[Contact]:
        """Return all contacts (GRP lead-quirks#43: with the same lag).

        Raises:
            IntercomError: The page is refused.
        """
        page = paging.Page.of(options, paging.LIST_PER_PAGE)
        with self._lock:
            self._contacts.catch_up()
            shown = self._contacts.everything()
        return paging.cut(shown, paging.Order(), page)

    def search_companies(self, body: Mapping[str, Any], version: Version) -> paging.Slice[CountedCompany]:
        """Return the companies that a query matches (OAS-P POST /companies/search).

        Raises:
            IntercomError: The query, the sort or the page is refused.
        """
        page = paging.Page.of(_object(body, "pagination"), paging.COMPANY_SEARCH_PER_PAGE)
        kinds: Kinds = partial(company_fields.kind_of, attributes=self._attributes, version=version)
        order = _order(_object(body, "sort"), version, kinds)
        query = QueryReader(kinds, self._conditions.max_in_values).read(body.get("query"))
        return paging.cut([counted for counted in self.companies() if query.matches(counted)], order, page)

    def companies(self) -> list[CountedCompany]:
        """Return the companies that have users: others are not listed (OAS-2.16 POST /companies/list)."""
        with self._lock:
            self._contacts.catch_up()
            self._companies.catch_up()
            contacts, companies = self._contacts.everything(), self._companies.everything()
        users = Counter(company_id for contact in contacts if contact.is_user for company_id in contact.companies)
        return [CountedCompany(company, users[company.id]) for company in companies if users[company.id]]


def _order(sort: Mapping[str, Any], version: Version, kinds: Kinds) -> paging.Order:
    if not sort:
        return paging.Order()
    descending = paging.descends(sort.get("order"), strict=version.sort_order_checked)
    if sort.get("field") is None:
        return paging.Order(descending=descending)
    kind = kinds(sort["field"])
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
