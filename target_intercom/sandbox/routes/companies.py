"""Calls about companies, and about contacts in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.rendering import companies, contacts
from target_intercom.sandbox.routes.route import USERS, WRITE_USERS, Errand, Route
from target_intercom.sandbox.search import numbered, paging
from target_intercom.sandbox.versions import PREVIEW

if TYPE_CHECKING:
    from target_intercom.sandbox.objects.companies import Company, CountedCompany
    from target_intercom.sandbox.search.numbered import NumberedSlice

_MOST_LISTED = 10_000
"""Companies that POST /companies/list shows in all (OAS-2.16)."""

_ORDERS = {"asc": False, "desc": True}


def _save(errand: Errand) -> dict[str, Any]:
    return _shown(errand, errand.workspace.save_company(errand.body, errand.version))


def _show(errand: Errand) -> dict[str, Any]:
    return _shown(errand, errand.workspace.company(errand.params[0]))


def _update(errand: Errand) -> dict[str, Any]:
    return _shown(errand, errand.workspace.update_company(errand.params[0], errand.body))


def _delete(errand: Errand) -> dict[str, Any]:
    return companies.deleted_json(errand.workspace.delete_company(errand.params[0]))


def _find(errand: Errand) -> dict[str, Any]:
    """Return one company, by company_id before name, or the list of those with a tag; there are no segments."""
    for field in ("company_id", "name"):
        if field in errand.query:
            return _shown(errand, errand.workspace.find_company(field, errand.query[field]))
    if "tag_id" in errand.query:
        listed = errand.workspace.directory.companies()
        found = [counted for counted in listed if errand.query["tag_id"] in counted.company.tags]
    elif "segment_id" in errand.query:
        found = []
    else:
        raise errors.company_filter_missing()
    page = numbered.cut(_in_order(found, is_descending=True), errand.query, numbered.LIST_PER_PAGE, _url(errand))
    return _listed(errand, page)


def _list(errand: Errand) -> dict[str, Any]:
    order = errand.query.get("order", "desc")
    if order not in _ORDERS:
        raise errors.invalid_sort_order(order)
    found = _in_order(errand.workspace.directory.companies(), is_descending=_ORDERS[order])
    return _listed(errand, numbered.cut(found, errand.query, numbered.LIST_PER_PAGE, _url(errand), _MOST_LISTED))


def _scroll(errand: Errand) -> dict[str, Any]:
    def begin() -> list[CountedCompany]:
        return _in_order(errand.workspace.directory.companies(), is_descending=True)

    scroll_id, found = errand.workspace.scroll.turn(errand.query.get("scroll_param"), begin)
    return {**companies.list_json(errand.workspace, found, None, None, errand.version), "scroll_param": scroll_id}


def _search(errand: Errand) -> dict[str, Any]:
    found = errand.workspace.directory.search_companies(errand.body, errand.version)
    return companies.list_json(errand.workspace, found.found, found.total_count, found.pages, errand.version)


def _list_people(errand: Errand) -> dict[str, Any]:
    """Return the contacts of a company, leads too. By cursor, as lists of contacts, and without lag: by choice."""
    company = errand.workspace.company(errand.params[0])
    page = paging.Page.of(errand.query, numbered.ATTACHED_PER_PAGE)
    return contacts.slice_json(paging.cut(errand.workspace.people(company), paging.Order(), page), errand.version)


def _list_none(errand: Errand) -> dict[str, Any]:
    """Return a company's segments."""
    errand.workspace.company(errand.params[0])
    return {"type": "list", "data": []}


def _page_none(errand: Errand) -> dict[str, Any]:
    """Return a company's notes."""
    pages = {"type": "pages", "next": None, "page": 1, "per_page": numbered.ATTACHED_PER_PAGE, "total_pages": 0}
    return {**_list_none(errand), "total_count": 0, "pages": pages}


def _attach(errand: Errand) -> dict[str, Any]:
    return _shown(errand, errand.workspace.attach(errand.params[0], errand.body, errand.version))


def _detach(errand: Errand) -> dict[str, Any]:
    contact_id, company_id = errand.params
    return _shown(errand, errand.workspace.detach(contact_id, company_id, errand.version))


def _list_companies_of(errand: Errand) -> dict[str, Any]:
    """Return the companies of a contact, without lag (by choice)."""
    workspace = errand.workspace
    found = [workspace.counted(company) for company in workspace.companies_of(errand.params[0], errand.version)]
    return _listed(errand, numbered.cut(found, errand.query, numbered.ATTACHED_PER_PAGE, _url(errand)))


def _shown(errand: Errand, company: Company) -> dict[str, Any]:
    return companies.company_json(errand.workspace, company, errand.version)


def _listed(errand: Errand, page: NumberedSlice[CountedCompany]) -> dict[str, Any]:
    return companies.list_json(errand.workspace, page.found, page.total_count, page.pages, errand.version)


def _in_order(found: list[CountedCompany], *, is_descending: bool) -> list[CountedCompany]:
    """Return companies by `last_request_at` (OAS-2.16 POST /companies/list), those never seen as the oldest."""

    def key(counted: CountedCompany) -> tuple[int, str]:
        return counted.company.last_request_at or 0, counted.id

    return sorted(found, key=key, reverse=is_descending)


def _url(errand: Errand) -> str:
    return errand.base_url + errand.path


ROUTES = [
    Route("POST", "/companies", _save, WRITE_USERS),
    Route("GET", "/companies", _find, USERS),
    Route("POST", "/companies/list", _list, USERS),
    Route("POST", "/companies/search", _search, USERS, since=PREVIEW.number),  # in OAS-P, not in OAS-2.16
    Route("GET", "/companies/scroll", _scroll, USERS),
    Route("GET", "/companies/{id}", _show, USERS),
    Route("PUT", "/companies/{id}", _update, WRITE_USERS),
    Route("DELETE", "/companies/{id}", _delete, WRITE_USERS),
    Route("GET", "/companies/{id}/contacts", _list_people, USERS),
    Route("GET", "/companies/{id}/segments", _list_none, USERS),
    Route("GET", "/companies/{id}/notes", _page_none, USERS),
    Route("POST", "/contacts/{id}/companies", _attach, WRITE_USERS),
    Route("GET", "/contacts/{id}/companies", _list_companies_of, USERS),
    Route("DELETE", "/contacts/{id}/companies/{company_id}", _detach, WRITE_USERS),
]
