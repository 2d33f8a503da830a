"""Companies in a dry run: read as they are, and as they would be after what the run would write."""

from __future__ import annotations

import threading
import typing as t
from dataclasses import replace
from itertools import count
from types import MappingProxyType

from target_intercom.errors import Fault, NotFoundError
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.dry_run.planned import PLANNED_PREFIX, Operation, Planned
from target_intercom.intercom.protocol.companies import Company, unescaped
from target_intercom.intercom.protocol.ids import CompanyId

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from target_intercom.intercom.dry_run.workspace import Shelves
    from target_intercom.json_lines import Json

MISSING: t.Final = Fault(status=404, message="it would not be there")


class DryRunCompanyCalls(IntercomClient):
    """Reads companies, asks for each that would change, and notes what would be written."""

    def __init__(self, *, note: Callable[[Planned], None], shelves: Shelves, **kwargs: t.Any) -> None:
        """`note` takes each write, from any thread, one at a time; the rest is as of `IntercomClient`.

        What would have been written is kept in `shelves`, which are closed with the client.
        """
        super().__init__(**kwargs)
        self._note = note
        self._shelves = shelves
        self._turn = threading.RLock()
        self._ids = count(1)
        self._companies: MutableMapping[str, Company | None] = shelves.shelf()
        """Those that would have been written, by company_id; None: it would not be there."""
        self._company_ids: MutableMapping[CompanyId, str] = shelves.shelf()
        self._named: MutableMapping[CompanyId, str] = shelves.shelf()
        """The source's ids of others that were read."""

    def close(self, grace_seconds: float) -> bool:
        """See `IntercomClient`."""
        try:
            return super().close(grace_seconds)
        finally:
            self._shelves.close()

    def find_company(self, company_id: str) -> Company | None:
        """See `CompanyCalls`."""
        with self._turn:
            if company_id in self._companies:
                return self._companies[company_id]
        found = super().find_company(company_id)
        if found is not None and found.intercom_id is not None:
            with self._turn:
                self._named[found.intercom_id] = company_id
        return found

    def company_id(self, company: CompanyId) -> str:
        """Return the source's id of a company, which a plan shows."""
        with self._turn:
            known = self._company_ids.get(company) or self._named.get(company)
        if known is None:
            known = self.get_company(company).id
            with self._turn:
                self._named[company] = known
        return known

    def get_company(self, company: CompanyId) -> Company:
        """See `CompanyCalls`."""
        with self._turn:
            planned = self._company_ids.get(company)
        if planned is None:
            return super().get_company(company)
        found = self.find_company(planned)
        if found is None:
            raise NotFoundError(MISSING)
        return found

    def save_company(self, company_id: str, attributes: Mapping[str, Json]) -> Company:
        """See `CompanyCalls`."""
        before = self.find_company(company_id)
        if before is None:
            made = Company.of(company_id, MappingProxyType({}), CompanyId(self._stand_in()))
            after = replace(made, attributes=_after(made, attributes), is_read=True)
            self._keep(after, Planned(Operation.CREATE, made, attributes))
            return after
        return self._change(before, attributes)

    def update_company(self, company: CompanyId, company_id: str, attributes: Mapping[str, Json]) -> Company:
        """See `CompanyCalls`."""
        del company_id
        return self._change(self.get_company(company), attributes)

    def archive_company(self, company: CompanyId) -> None:
        """See `CompanyCalls`."""
        before = self.get_company(company)
        with self._turn:
            self._companies[before.id] = None
            self._company_ids[company] = before.id
            self._note(Planned(Operation.ARCHIVE, before))

    def _change(self, before: Company, attributes: Mapping[str, Json]) -> Company:
        after = replace(before, attributes=_after(before, attributes))
        # What would not change is no line of the plan.
        changes = {name: value for name, value in attributes.items() if value != old_value(before, name)}
        self._keep(after, Planned(Operation.UPDATE, before, changes) if changes else None)
        return after

    def _keep(self, company: Company, planned: Planned | None) -> None:
        with self._turn:
            self._companies[company.id] = company
            if company.intercom_id is not None:
                self._company_ids[company.intercom_id] = company.id
            if planned is not None:
                self._note(planned)

    def _stand_in(self) -> str:
        return f"{PLANNED_PREFIX}{next(self._ids)}"


def old_value(company: Company, name: str) -> Json:
    """Return what a company shows of an attribute, as it was written."""
    return unescaped(name, company.attributes.get(name))


def _after(company: Company, attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    return MappingProxyType({**company.attributes, **attributes})
