"""Calls on bulk jobs: one method per endpoint."""

from __future__ import annotations

import typing as t
from http import HTTPStatus

from target_intercom.errors import NoBulkError, NotFoundError, PlanRestrictedError, RefusedError, VersionError
from target_intercom.intercom.protocol.bulk import Job
from target_intercom.intercom.transport import Transport

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.errors import ApiError
    from target_intercom.intercom.protocol.ids import CompanyId, ContactId, JobId
    from target_intercom.json_lines import Json


class BulkCalls(Transport):
    """The calls on bulk jobs; raises as `IntercomClient` says."""

    def __init__(self, *, bulk_version: str, **kwargs: t.Any) -> None:
        """`bulk_version` is the `Intercom-Version` of calls on bulk jobs; the rest is as of `Transport`."""
        super().__init__(**kwargs)
        self._bulk_version = bulk_version

    def submit_creates(
        self, contacts: Sequence[Mapping[str, Json]], job: JobId | None = None, *, repeatable: bool = True
    ) -> Job:
        """`POST /contacts/bulk`: make contacts in the background, as a job of its own or a task more of one.

        Contacts that exist are refused, but for leads: those are not `repeatable`.

        Raises:
            InDoubtError: it is not repeatable and the answer was lost.
            JobClosedError, NotFoundError: the job takes no more tasks, or is not known.
            NoBulkError: the workspace or the version has no bulk jobs.
        """
        return self._submit("POST", "/contacts/bulk", {"contacts": contacts}, job, repeatable=repeatable)

    def submit_updates(self, contacts: Sequence[Mapping[str, Json]], job: JobId | None = None) -> Job:
        """`PUT /contacts/bulk`: change contacts, each with its `id`, in the background; raises as `submit_creates`."""
        return self._submit("PUT", "/contacts/bulk", {"contacts": contacts}, job)

    def submit_deletions(self, contacts: Sequence[ContactId], job: JobId | None = None) -> Job:
        """`POST /contacts/bulk/delete`: delete contacts for good, in the background; raises as `submit_creates`."""
        return self._submit("POST", "/contacts/bulk/delete", {"contacts": _ids(contacts)}, job)

    def job(self, job: JobId) -> Job:
        """`GET /contacts/bulk/{id}`: how far a job's tasks are.

        Raises:
            NotFoundError: the job is not known.
            NoBulkError: as of `submit_creates`.
        """
        return self._request_job("GET", "/contacts/bulk/{id}", job, ids=(job,))

    # Of companies.

    def submit_companies(self, companies: Sequence[Mapping[str, Json]], job: JobId | None = None) -> Job:
        """`POST /companies/bulk`: create or update companies by `company_id`; raises as `submit_creates`."""
        return self._submit("POST", "/companies/bulk", {"companies": companies}, job)

    def submit_company_updates(self, companies: Sequence[Mapping[str, Json]], job: JobId | None = None) -> Job:
        """`PUT /companies/bulk`: change companies, each with its `id`; raises as `submit_creates`."""
        return self._submit("PUT", "/companies/bulk", {"companies": companies}, job)

    def submit_company_deletions(self, companies: Sequence[CompanyId], job: JobId | None = None) -> Job:
        """`POST /companies/bulk/delete`: archive companies in the background; raises as `submit_creates`."""
        return self._submit("POST", "/companies/bulk/delete", {"companies": _ids(companies)}, job)

    def company_job(self, job: JobId) -> Job:
        """`GET /companies/bulk/{id}`; raises as `job`."""
        return self._request_job("GET", "/companies/bulk/{id}", job, ids=(job,))

    def _submit(
        self,
        method: str,
        template: str,
        items: Mapping[str, Sequence[Mapping[str, Json]]],
        job: JobId | None,
        *,
        repeatable: bool = True,
    ) -> Job:
        """Submit items, given by the name that the call has for them."""
        body = {**items, **({} if job is None else {"job": {"id": job}})}
        return self._request_job(method, template, job, body=body, repeatable=repeatable)

    def _request_job(
        self,
        method: str,
        template: str,
        job: JobId | None,
        *,
        ids: tuple[str, ...] = (),
        body: Json = None,
        repeatable: bool = True,
    ) -> Job:
        """Send a call that the run can do without; `job`: the bulk job that it is about."""
        try:
            return self._request(
                method,
                template,
                Job.from_json,
                ids=ids,
                body=body,
                repeatable=repeatable,
                version=self._bulk_version,
                optional=True,
            )
        except (VersionError, PlanRestrictedError, RefusedError) as error:
            why = self._no_bulk(error, job)
            if why is None:
                raise
            raise NoBulkError(error.fault, why) from None

    def _no_bulk(self, error: ApiError, job: JobId | None) -> str | None:
        """Return why there are no bulk jobs; None: the answer means something else, such as about `job`."""
        match error:
            case VersionError():
                return f"API version '{self._bulk_version}' has no bulk jobs"
            case PlanRestrictedError():
                return f"the workspace's plan has no bulk jobs ({error.fault})"
            case NotFoundError() if job is None:
                return f"Intercom answers {error.fault}"
            case _ if error.fault.status == HTTPStatus.NOT_ACCEPTABLE:
                return f"Intercom answers {error.fault}"
            case _:
                return None


def _ids(ids: Sequence[str]) -> list[dict[str, Json]]:
    return [{"id": one} for one in ids]
