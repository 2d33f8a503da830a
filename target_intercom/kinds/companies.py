"""Companies, known by the source's `company_id` (OAS-2.16 POST /companies; OAS-P bulk_create_companies_request)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial

from target_intercom.errors import CallFailedError, ForbiddenError, NotFoundError, RefusedError, VersionError
from target_intercom.intercom.protocol.companies import MAY_BE_ESCAPED, Company, company_body
from target_intercom.intercom.protocol.searches import SEARCH_PAGE
from target_intercom.kinds.entity import Attribute, EntityKind, ValueType
from target_intercom.kinds.keyed import KeyedKind

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import CompanyId, JobId
    from target_intercom.json_lines import Json
    from target_intercom.model import Contact, ContactId

_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")

_attribute = partial(Attribute, in_bulk_creates=True, in_bulk_updates=True)

COMPANIES: t.Final = EntityKind(
    noun="company",
    plural="companies",
    key="company_id",
    attributes=(
        _attribute("company_id", identifies=True),
        _attribute("name"),
        _attribute("plan"),
        _attribute("size", ValueType.INTEGER),
        _attribute("website", trimmed=True),
        _attribute("industry"),
        # Intercom cuts decimals, takes 2^31 - 1 at most, and shows 0 where nothing was set.
        _attribute("monthly_spend", ValueType.INTEGER, most=2**31 - 1, null_means=0),
        _attribute("remote_created_at", ValueType.DATETIME, only_upserted=True),
    ),
    may_be_escaped=MAY_BE_ESCAPED,
    # `creation_source` is a custom attribute that Intercom sets by itself (Airbyte's recorded companies).
    other_names=frozenset(
        [
            "app_id",
            "created_at",
            "creation_source",
            "id",
            "last_request_at",
            "segments",
            "session_count",
            "tags",
            "updated_at",
            "user_count",
        ]
    ),
)


_FEW: t.Final = 100
"""So many companies are asked for one by one, which does not lag; of more, a search shows first which have people."""


class CompanyClient(t.Protocol):
    """The calls of the Intercom client that companies need; see `CompanyCalls` and `BulkCalls`."""

    def find_company(self, company_id: str) -> Company | None:
        """Read the company that has a `company_id`."""

    def company_contacts(self, company: CompanyId) -> Iterable[ContactId]:
        """Read who is in a company."""

    def save_company(self, company_id: str, attributes: Mapping[str, Json]) -> Company:
        """Create or update a company."""

    def update_company(self, company: CompanyId, company_id: str, attributes: Mapping[str, Json]) -> Company:
        """Update a company."""

    def archive_company(self, company: CompanyId) -> None:
        """Archive a company."""

    def search_companies(self, company_ids: Sequence[str]) -> list[Company]:
        """Find those of some companies that have people."""

    def submit_companies(self, companies: Sequence[Mapping[str, Json]], job: JobId | None = None) -> Job:
        """Submit companies to be created or updated."""

    def submit_company_updates(self, companies: Sequence[Mapping[str, Json]], job: JobId | None = None) -> Job:
        """Submit updates of companies."""

    def submit_company_deletions(self, companies: Sequence[CompanyId], job: JobId | None = None) -> Job:
        """Submit companies to be archived."""

    def company_job(self, job: JobId) -> Job:
        """Read how far a job is."""


class _InParallel(t.Protocol):
    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Call a function for many items, on several threads."""


@dataclass(frozen=True)
class Companies(KeyedKind):
    """Companies and the calls about them."""

    client: CompanyClient
    in_parallel: _InParallel

    kind = COMPANIES

    def new(self, key: ContactId, attributes: Mapping[str, Json], known: Contact | None) -> Company:
        """See `KeyedKind`."""
        return Company.of(key, attributes, None if known is None else _of(known).intercom_id)

    def has_id(self, known: Contact) -> bool:
        """See `KeyedKind`."""
        return _of(known).intercom_id is not None

    def is_same(self, before: Contact, after: Contact) -> bool:
        """See `KeyedKind`."""
        return _of(before).intercom_id in {None, _of(after).intercom_id}

    def find(self, key: ContactId) -> Company | None:
        """See `KeyedKind`."""
        return self.client.find_company(key)

    def save(self, key: ContactId, attributes: Mapping[str, Json]) -> Company:
        """See `KeyedKind`."""
        return self.client.save_company(key, attributes)

    def update(self, known: Contact, attributes: Mapping[str, Json]) -> Company:
        """See `KeyedKind`."""
        return self._by_id(known, lambda own: self.client.update_company(own, known.id, attributes))

    def archive(self, known: Contact) -> None:
        """See `KeyedKind`."""
        self._by_id(known, self.client.archive_company)

    def strangers(
        self, known: Sequence[Contact], ours: Mapping[ContactId, Collection[ContactId]]
    ) -> Mapping[ContactId, bool]:
        """See `KeyedKind`. Search shows no company without people, and lags: what it shows is looked at again."""
        shown = self._with_people([one.id for one in known]) if len(known) > _FEW else None
        empty = {one.id: False for one in known if shown is not None and one.id not in shown}
        looked_at = [one for one in known if one.id not in empty]
        answers = self.in_parallel(lambda one: (one.id, self._has_strangers(one, ours.get(one.id, ()))), looked_at)
        return {**empty, **{id_: answer for id_, answer in answers if answer is not None}}

    def _has_strangers(self, known: Contact, ours: Collection[ContactId]) -> bool | None:
        """Check whether anybody but ours is in a company, a lead, too; None: it is not there any more."""
        try:
            return self._by_id(known, lambda own: any(one not in ours for one in self.client.company_contacts(own)))
        except NotFoundError:
            return None

    def _by_id(self, known: Contact, call: Callable[[CompanyId], _Result]) -> _Result:
        """Make a call by Intercom's id of a company; another one may have its company_id since a job wrote to it.

        Raises:
            NotFoundError: there is no such company any more.
        """
        try:
            return call(_id(known))
        except NotFoundError:
            anew = self.client.find_company(known.id)
            if anew is None or anew.intercom_id in {None, _id(known)}:
                raise
            return call(_id(anew))

    def _with_people(self, keys: Sequence[ContactId]) -> set[ContactId] | None:
        """Return the companies that search shows, each with people; None: there is no such search here."""
        chunks = [keys[start : start + SEARCH_PAGE] for start in range(0, len(keys), SEARCH_PAGE)]
        try:
            return {one.id for some in self.in_parallel(self.client.search_companies, chunks) for one in some}
        except (CallFailedError, ForbiddenError, RefusedError, VersionError):
            return None

    def submit(self, items: Collection[tuple[ContactId, Mapping[str, Json]]], job: JobId | None) -> Job:
        """See `KeyedKind`."""
        return self.client.submit_companies([company_body(key, attributes) for key, attributes in items], job)

    def submit_updates(self, items: Collection[tuple[Contact, Mapping[str, Json]]], job: JobId | None) -> Job:
        """See `KeyedKind`."""
        bodies = [{"id": _id(known), **company_body(None, attributes)} for known, attributes in items]
        return self.client.submit_company_updates(bodies, job)

    def submit_archivals(self, known: Sequence[Contact], job: JobId | None) -> Job:
        """See `KeyedKind`."""
        return self.client.submit_company_deletions([_id(one) for one in known], job)

    def job(self, job: JobId) -> Job:
        """See `KeyedKind`."""
        return self.client.company_job(job)


def _of(contact: Contact) -> Company:
    if not isinstance(contact, Company):
        raise TypeError("a company")
    return contact


def _id(known: Contact) -> CompanyId:
    id_ = _of(known).intercom_id
    if id_ is None:
        raise LookupError(known.id)
    return id_
