"""Calls about bulk jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.bulk import companies, contacts
from target_intercom.sandbox.jobs.submissions import Kind, Submission
from target_intercom.sandbox.routes.route import ACCEPTED, BULK_SINCE, USERS, WRITE_USERS, Errand, Route

if TYPE_CHECKING:
    from collections.abc import Mapping


def _bulk_create_contacts(errand: Errand) -> dict[str, Any]:
    return _submit_contacts(errand, Kind.CREATE)


def _bulk_update_contacts(errand: Errand) -> dict[str, Any]:
    return _submit_contacts(errand, Kind.UPDATE)


def _bulk_delete_contacts(errand: Errand) -> dict[str, Any]:
    return _submit_contacts(errand, Kind.DELETE)


def _submit_contacts(errand: Errand, kind: Kind) -> dict[str, Any]:
    errand.workspace.jobs.check_access()
    return _submit(errand, contacts.submission(errand.workspace, kind, errand.body))


def _show_contacts_job(errand: Errand) -> dict[str, Any]:
    return _show(errand, "contacts")


def _bulk_save_companies(errand: Errand) -> dict[str, Any]:
    return _submit_companies(errand, Kind.CREATE)


def _bulk_update_companies(errand: Errand) -> dict[str, Any]:
    return _submit_companies(errand, Kind.UPDATE)


def _bulk_delete_companies(errand: Errand) -> dict[str, Any]:
    return _submit_companies(errand, Kind.DELETE)


def _submit_companies(errand: Errand, kind: Kind) -> dict[str, Any]:
    errand.workspace.jobs.check_access()
    return _submit(errand, companies.submission(errand.workspace, kind, errand.body))


def _show_companies_job(errand: Errand) -> dict[str, Any]:
    return _show(errand, "companies")


def _submit(errand: Errand, submission: Submission) -> dict[str, Any]:
    return _job(errand, submission.subject, errand.workspace.jobs.submit(submission, errand.touched))


def _show(errand: Errand, subject: str) -> dict[str, Any]:
    errand.workspace.jobs.check_access()
    return _job(errand, subject, errand.workspace.jobs.show(subject, errand.params[0]))


def _job(errand: Errand, subject: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    return {**shown, "url": f"{errand.base_url}/{subject}/bulk/{shown['id']}"}


ROUTES = [
    Route("POST", "/contacts/bulk", _bulk_create_contacts, WRITE_USERS, BULK_SINCE, ACCEPTED),
    Route("PUT", "/contacts/bulk", _bulk_update_contacts, WRITE_USERS, BULK_SINCE, ACCEPTED),
    Route("POST", "/contacts/bulk/delete", _bulk_delete_contacts, WRITE_USERS, BULK_SINCE, ACCEPTED),
    Route("GET", "/contacts/bulk/{id}", _show_contacts_job, USERS, BULK_SINCE),
    Route("POST", "/companies/bulk", _bulk_save_companies, WRITE_USERS, BULK_SINCE, ACCEPTED),
    Route("PUT", "/companies/bulk", _bulk_update_companies, WRITE_USERS, BULK_SINCE, ACCEPTED),
    Route("POST", "/companies/bulk/delete", _bulk_delete_companies, WRITE_USERS, BULK_SINCE, ACCEPTED),
    Route("GET", "/companies/bulk/{id}", _show_companies_job, USERS, BULK_SINCE),
]
