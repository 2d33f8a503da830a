"""The companies that contacts can be put into, by `company_id`: those that the ledger knows, or that Intercom shows.

Nobody makes one here. Intercom is asked once a run for each company that the ledger does not know, or of which it does
not know Intercom's own id where a call needs it.
"""

from __future__ import annotations

import threading
import typing as t
from dataclasses import dataclass

from target_intercom.errors import UndoneError
from target_intercom.kinds.company_members import COMPANY_NAMES, NO_COMPANY, CompanyIds, no_company
from target_intercom.kinds.link import LinkCatalog
from target_intercom.model import LinkedId
from target_intercom.outcomes import Refusal, Result

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_intercom.errors import Fault
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.companies import Company
    from target_intercom.intercom.protocol.ids import CompanyId
    from target_intercom.model import GroupKey


@dataclass(frozen=True, slots=True)
class _Company:
    """A company as links know it: by its company_id."""

    id: LinkedId

    @property
    def name(self) -> str:
        """Its company_id, too."""
        return self.id


class CompanyCatalog(LinkCatalog, CompanyIds):
    """The workspace's companies, as far as links ask for them. Safe from any thread."""

    def __init__(
        self,
        client: IntercomClient,
        in_parallel: InParallel,
        in_ledger: Callable[[Collection[str]], Iterable[Company]],
    ) -> None:
        """Nothing is asked yet; `in_ledger` returns those of some companies that the ledger knows to be there."""
        self._client = client
        self._in_parallel = in_parallel
        self._in_ledger = in_ledger
        self._turn = threading.Lock()
        self._own: dict[str, CompanyId | None] = {}
        """Companies that are there, with Intercom's ids where they are known."""
        self._missing: set[str] = set()
        """Companies that Intercom has not shown."""

    def get(self, group: GroupKey, name: str) -> _Company:
        """See `LinkCatalog`. Whether it is there, `provide` finds out."""
        del group
        return _Company(LinkedId(name))

    def provide(self, names: Mapping[GroupKey, str]) -> Mapping[GroupKey, Refusal]:
        """See `LinkCatalog`."""
        self._learn(names.values())
        unknown = {name for name in names.values() if name not in self._own and name not in self._missing}
        failed = self._ask(unknown)
        return {
            group: Refusal.by_intercom(failed[name]) if name in failed else _no_company(name)
            for group, name in names.items()
            if name not in self._own
        }

    def known(self, names: Collection[str]) -> Collection[str]:
        """See `LinkCatalog`."""
        return [company.id for company in self._in_ledger(names)]

    def look_up(self, names: Collection[str]) -> None:
        """See `LinkCatalog`."""
        self._learn(names)
        self._ask({name for name in names if self._own.get(name) is None and name not in self._missing})

    def read(self) -> None:
        """See `LinkCatalog`: there is no list of all that could be relied on."""

    def lost(self, ids: Collection[LinkedId]) -> Collection[LinkedId]:
        """See `LinkCatalog`: a company that somebody has archived is not made again for its people."""
        del ids
        return ()

    # Intercom's ids.

    def own_id(self, company_id: LinkedId) -> CompanyId | None:
        """See `CompanyIds`."""
        self._learn([company_id])
        own = self._own.get(company_id)
        if own is None and company_id not in self._missing:
            own = self._asked(company_id)
        return own

    def asked_again(self, company_id: LinkedId, but: CompanyId) -> CompanyId | None:
        """See `CompanyIds`."""
        known = self._own.get(company_id)
        now = known if known != but else self._asked(company_id)
        return None if now == but else now

    def _learn(self, names: Iterable[str]) -> None:
        """Read the companies that the ledger knows by now: this run may have made some."""
        wanted = sorted({name for name in names if self._own.get(name) is None})
        found = {company.id: company.intercom_id for company in (self._in_ledger(wanted) if wanted else ())}
        with self._turn:
            self._own.update({name: own for name, own in found.items() if self._own.get(name) is None})
            self._missing.difference_update(found)

    def _ask(self, names: Collection[str]) -> dict[str, Fault]:
        """Ask Intercom for companies, all at once; returns the faults of those for which it gave no answer."""
        failed: dict[str, Fault] = {}
        for name, answer in self._in_parallel(lambda one: (one, self._try(one)), sorted(names)):
            if isinstance(answer, UndoneError):
                failed[name] = answer.fault
        return failed

    def _try(self, name: str) -> CompanyId | UndoneError | None:
        try:
            return self._asked(name)
        except UndoneError as error:
            return error

    def _asked(self, name: str) -> CompanyId | None:
        company = self._client.find_company(name)
        with self._turn:
            if company is not None:
                self._own[name] = company.intercom_id
            elif name not in self._own:
                self._missing.add(name)
        return None if company is None else company.intercom_id


def _no_company(name: str) -> Refusal:
    return Refusal(Result.REJECTED, str(no_company(name).message), NO_COMPANY, COMPANY_NAMES.target)
