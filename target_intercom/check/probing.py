"""Asks Intercom: the calls of a check, which only read."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from functools import cache
from http import HTTPStatus

from target_intercom.check.found import Answer, Bulk, Permission, Probed
from target_intercom.errors import (
    ApiError,
    FatalSyncError,
    ForbiddenError,
    NoBulkError,
    NotFoundError,
    redact,
)
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.outages import RetryLimits
from target_intercom.intercom.protocol.ids import JobId
from target_intercom.kinds.companies import COMPANIES
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.settings.config import RemovalMode, StreamObject, SyncMode

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.settings.config import Config, StreamConfig

_T = t.TypeVar("_T")

KINDS: t.Final = (CONTACTS, COMPANIES)
"""The kinds of objects whose attributes are read: contacts', and companies' where the settings have companies."""
_NOBODY: t.Final = "target-intercom-check"
"""An external_id, a company_id and the id of a bulk job that do not exist."""
_OF_TEAMMATES: t.Final = CONTACTS.names(lambda one: one.names_teammate)
_RETRY_LIMITS: t.Final = RetryLimits(first_pause=0.1, longest_pause=1.0, start=5.0, outage=5.0, limited=30.0)
"""A person waits."""


def names_teammates(config: Config) -> bool:
    """Check whether any stream maps a property to an attribute that names teammates."""
    return any(not _OF_TEAMMATES.isdisjoint(one.mappings.values()) for one in config.every)


def probe(config: Config, say: Callable[[str], None]) -> Probed:
    """Ask Intercom all that can be asked without a write; `say` takes each message for a person who waits once."""
    client = IntercomClient(
        url=config.url,
        token=config.access_token,
        version=config.api_version,
        bulk_version=config.bulk_api_version,
        rate_limit_percent=config.rate_limit_percent,
        max_connections=config.max_connections,
        retry_limits=_RETRY_LIMITS,
        tries_permissions=True,
        warn=cache(say),
    )
    try:
        return _probed(client, config)
    finally:
        client.close(0)


def _probed(client: IntercomClient, config: Config) -> Probed:
    workspace, error = _asked(client, client.workspace)
    if workspace is None:
        trouble = redact(str(error))
        unknown = Bulk(Answer.UNKNOWN, "Intercom could not be asked")
        return Probed(None, trouble, (), {}, None, None, unknown)
    granted: list[Permission] = [Permission("know the workspace", "GET /me", needed=True, found=Answer.YES)]

    def tried(name: str, call: str, ask: Callable[[], _T], *, needed: bool) -> _T | None:
        value, error = _asked(client, ask)
        granted.append(_permission(Permission(name, call, needed, Answer.YES), error))
        return value

    attributes = {CONTACTS.noun: tried("read attributes", "GET /data_attributes", client.data_attributes, needed=True)}
    if config.has_companies:
        attributes[COMPANIES.noun] = tried(
            "read attributes of companies",
            "GET /data_attributes?model=company",
            lambda: client.data_attributes(COMPANIES.noun),
            needed=True,
        )
    tried(
        "read contacts",
        "POST /contacts/search",
        lambda: client.search_contacts({"external_id": [_NOBODY]}),
        needed=True,
    )
    if config.has_companies or config.has_members:
        tried("read companies", "GET /companies", lambda: client.find_company(_NOBODY), needed=_reads_companies(config))
    admins = tried("read teammates", "GET /admins", client.admins, needed=names_teammates(config))
    tags = None
    if config.has_groups:
        tags = tried("read tags", "GET /tags", client.tags, needed=True)
    return Probed(
        workspace,
        None,
        (*granted, *_writes(config)),
        {noun: tuple(listed) for noun, listed in attributes.items() if listed is not None},
        None if admins is None else len(admins),
        None if tags is None else len(tags),
        _bulk(client, config),
    )


def _asked(client: IntercomClient, ask: Callable[[], _T]) -> tuple[_T | None, Exception | None]:
    try:
        return ask(), None
    except (ApiError, FatalSyncError) as error:
        if isinstance(error, ApiError) and error.fault.status == HTTPStatus.TOO_MANY_REQUESTS:
            client.stop(error)  # every call would wait as long
        return None, error


def _permission(granted: Permission, error: Exception | None) -> Permission:
    if error is None:
        return granted
    found = Answer.NO if isinstance(error, ForbiddenError) else Answer.UNKNOWN
    return replace(granted, found=found, message=redact(str(error)))


def _reads_companies(config: Config) -> bool:
    """Check whether any stream needs to see companies: one that only creates or updates them does not."""
    asking = {SyncMode.ENRICH, SyncMode.INSERT}
    companies = [one for one in config.every if one.is_companies]
    return config.has_members or any(config.repair or one.sync_mode in asking or one.may_remove for one in companies)


def _writes(config: Config) -> list[Permission]:
    """Return the permissions that only a write would show."""
    writing = [one for one in config.every if one.is_contacts and _is_writing(one)]
    companies = [one for one in config.every if one.is_companies]
    writing_companies = [one for one in companies if _is_writing(one)]
    writes = [
        ("write contacts", "POST /contacts, PUT /contacts/{id}", bool(writing)),
        (
            "unarchive contacts",
            "POST /contacts/{id}/unarchive",
            any(one.sync_mode.creates and one.sync_mode.updates for one in writing),
        ),
        ("archive contacts", "POST /contacts/{id}/archive", _removes(config, RemovalMode.ARCHIVE)),
        ("delete contacts", "DELETE /contacts/{id}", _removes(config, RemovalMode.DELETE)),
        (
            "create attributes",
            "POST /data_attributes",
            any(one.create_attributes for one in [*writing, *writing_companies]),
        ),
        ("write tags", "POST /tags", config.has_groups),
    ]
    if companies:
        writes += [
            ("write companies", "POST /companies, PUT /companies/{id}", bool(writing_companies)),
            ("archive companies", "DELETE /companies/{id}", any(one.may_remove for one in companies)),
        ]
    if config.has_members:
        writes += [
            ("attach companies", "POST /contacts/{id}/companies", True),
            ("detach companies", "DELETE /contacts/{id}/companies/{company_id}", _detaches(config)),
        ]
    return [
        Permission(name, call, needed, Answer.NOT_ASKED, "only a write would tell") for name, call, needed in writes
    ]


def _removes(config: Config, how: RemovalMode) -> bool:
    """Check whether any stream may remove contacts in this mode of removal."""
    return any(one.removal_mode is how and one.may_remove and one.is_contacts for one in config.every)


def _detaches(config: Config) -> bool:
    """Check whether any stream may take contacts out of companies."""
    members = [one for one in config.every if one.object is StreamObject.COMPANY_MEMBERS or one.companies_property]
    return any(one.takes_links_off for one in members)


def _is_writing(stream: StreamConfig) -> bool:
    return stream.sync_mode.creates or stream.sync_mode.updates


def _bulk(client: IntercomClient, config: Config) -> Bulk:
    """Ask for a bulk job that does not exist: the answer shows, more or less, whether the workspace has bulk jobs.

    Documented are 400 for a version without them (fact sheet section 1), 404 `job_not_found` for a submission to an
    unknown job, and 403 for plans; the answer to a GET of an unknown job is not documented (fact sheet section 12.2).
    """
    if not config.bulk_writes:
        return Bulk(Answer.NOT_ASKED, "'bulk_writes' is false")
    job, error = _asked(client, lambda: client.job(JobId(_NOBODY)))
    del job
    singly = "the run would write singly"
    match error:
        case None:
            return Bulk(Answer.YES, "Intercom knows bulk jobs")
        case NotFoundError() if error.fault.code == "job_not_found":
            return Bulk(Answer.YES, "Intercom looked for a job that does not exist; only a submission proves it")
        case NotFoundError():
            why = f"Intercom answers {error.fault}, which may mean the job or all jobs"
            return Bulk(Answer.UNKNOWN, f"{why}; without bulk jobs {singly}")
        case NoBulkError():
            return Bulk(Answer.NO, f"{error}: {singly}")
        case _:
            return Bulk(Answer.UNKNOWN, redact(str(error)))
