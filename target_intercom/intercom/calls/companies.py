"""Calls about companies, and who works there: one method per endpoint."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from target_intercom.errors import NotFoundError
from target_intercom.intercom.calls.bulk import BulkCalls
from target_intercom.intercom.protocol.companies import Company, companies_of, company_body, company_ids_of
from target_intercom.intercom.protocol.ids import ContactId, ExternalId, entries_of, id_of
from target_intercom.intercom.protocol.searches import next_cursor, pages, search_body

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.protocol.ids import CompanyId
    from target_intercom.json_lines import Json


class CompanyCalls(BulkCalls):
    """The calls about companies; raises as `IntercomClient` says."""

    def save_company(self, company_id: str, attributes: Mapping[str, Json]) -> Company:
        """`POST /companies`: create a company, or update the one that has this `company_id`. Repeating it is harmless.

        Raises:
            UnknownAttributeError: it has a custom attribute that does not exist.
        """
        body = company_body(company_id, attributes)
        return _known(self._request("POST", "/companies", Company.from_json, body=body), company_id)

    def update_company(self, company: CompanyId, company_id: str, attributes: Mapping[str, Json]) -> Company:
        """`PUT /companies/{id}` with the attributes to change; `remote_created_at` is not among them.

        Raises:
            NotFoundError: it is archived, or was never there.
        """
        body = company_body(None, attributes)
        saved = self._request("PUT", "/companies/{id}", Company.from_json, ids=(company,), body=body)
        return _known(saved, company_id)

    def get_company(self, company: CompanyId) -> Company:
        """`GET /companies/{id}`.

        Raises:
            NotFoundError: it is archived, or was never there.
        """
        return self._request("GET", "/companies/{id}", Company.from_json, ids=(company,))

    def find_company(self, company_id: str) -> Company | None:
        """`GET /companies?company_id=`: a live company, or None. It does not lag."""
        params, about = {"company_id": company_id}, ("company_id", company_id)
        try:
            found = self._request("GET", "/companies", Company.from_json, params=params, subject=about)
        except NotFoundError:
            return None
        return _known(found, company_id)

    def archive_company(self, company: CompanyId) -> None:
        """`DELETE /companies/{id}`: archives it, and detaches everybody after a while.

        Raises:
            NotFoundError: it is not there; not raised when a lost try of this very call archived it.
        """
        try:
            self._request("DELETE", "/companies/{id}", id_of, ids=(company,))
        except NotFoundError as error:
            if not error.repeated:
                raise

    def search_companies(self, company_ids: Sequence[str]) -> list[Company]:
        """`POST /companies/search` (Preview): those of these companies that have people; it lags.

        Raises:
            RefusedError, VersionError: the workspace or the version has no such search.
        """
        query = {"field": "company_id", "operator": "IN", "value": list(company_ids)}

        def page(cursor: str | None) -> tuple[Iterable[Company], str | None]:
            return self._request(
                "POST",
                "/companies/search",
                lambda body: (companies_of(body), next_cursor(body)),
                body=search_body(query, cursor),
                version=self._bulk_version,
                reads=True,
                optional=True,
            )

        return list(pages(page))

    # Who works there.

    def company_contacts(self, company: CompanyId) -> Iterator[ContactId]:
        """`GET /companies/{id}/contacts`: yield its users and leads, page by page as they are asked for.

        Raises:
            NotFoundError: it is archived, or was never there.
        """

        def page(cursor: str | None) -> tuple[Iterable[ContactId], str | None]:
            params = None if cursor is None else {"starting_after": cursor}
            return self._request(
                "GET",
                "/companies/{id}/contacts",
                lambda body: ([ContactId(id_of(one)) for one in entries_of(body)], next_cursor(body)),
                ids=(company,),
                params=params,
                subject=(company, params),
            )

        return pages(page)

    def contact_companies(self, contact: ContactId) -> list[CompanyId]:
        """`GET /contacts/{id}/companies`: all companies of a contact, all pages, without the search index's lag.

        Raises:
            NotFoundError, MergedError: as for `get_contact`.
        """
        found: list[CompanyId] = []
        params: Mapping[str, str] | None = None
        while True:
            ids, following = self._request(
                "GET",
                "/contacts/{id}/companies",
                lambda body: (company_ids_of(body), _next_page(body)),
                ids=(contact,),
                params=params,
                subject=(contact, params),
            )
            found.extend(ids)
            if following is None or following == params or not ids:
                return found
            params = following

    def attach_company(self, contact: ContactId, company: CompanyId) -> None:
        """`POST /contacts/{id}/companies`. Repeating it is harmless: 200.

        Raises:
            NotFoundError, MergedError: as for `get_contact`, or there is no such company.
            RefusedError: the contact is in as many as it can be (`contact_company_limit_exceeded`).
        """
        self._request("POST", "/contacts/{id}/companies", id_of, ids=(contact,), body={"id": company})

    def detach_company(self, contact: ContactId, company: CompanyId) -> None:
        """`DELETE /contacts/{id}/companies/{company_id}`.

        Raises:
            NotFoundError: the contact or the company is not there, or the contact is not in it.
            MergedError: as for `get_contact`.
        """
        self._request("DELETE", "/contacts/{id}/companies/{company_id}", id_of, ids=(contact, company))


def _known(company: Company, company_id: str) -> Company:
    """Return an answer under the `company_id` that was asked for: the answer may show it HTML-escaped."""
    return replace(company, id=ContactId(company_id), external_id=ExternalId(company_id))


def _next_page(body: Mapping[str, Json]) -> Mapping[str, str] | None:
    """Return the query of the next page, from the link that a page has to it; None: this is the last one."""
    link = (body.get("pages") or {}).get("next")
    return dict(parse_qsl(urlsplit(link).query)) if isinstance(link, str) else None
