"""Workspaces that are not as the sandbox: each differs in one thing, by a condition or by a server before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .servers import (
    answers,
    any_option,
    cuts_texts,
    drops_attributes,
    forgets_tags,
    heavy_jobs,
    is_call,
    is_search_of_many_pages,
    late_external_ids,
    lower_emails,
    merged_missing,
    no_request_ids,
    number_for_owner,
    refuses,
    renamed_code,
    reworded,
    second_user,
    slow_attributes,
    slow_jobs,
    untags_twice,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .servers import Server


@dataclass(frozen=True)
class Deviation:
    """One thing in which a workspace differs, and where the comparison has to find it.

    `server` makes a new one for each workspace, as some count their calls. `refutes` is the number of a question.
    """

    name: str
    kind: str
    step: str
    conditions: dict[str, Any] = field(default_factory=dict)
    server: Callable[[], Server] | None = None
    refutes: str = ""


_CONTACT = is_call("(GET|PUT)", "/contacts/[0-9a-f]{24}")
_SEARCH = is_call("POST", "/contacts/search")

DEVIATIONS = (
    Deviation("the index lags", "timing", "the index shows new users", {"search_lag": 30}),
    Deviation("IN takes 50 values", "status", "IN of 75 values", {"max_in_values": 50}, refutes="contacts.2"),
    Deviation(
        "nulls leave companies alone",
        "value",
        "nulls in a company",
        {"company_nulls": "ignore"},
        refutes="companies.4",
    ),
    Deviation(
        "companies without people are not found",
        "status",
        "a company without people by company_id",
        {"company_lookup": "with_people"},
        refutes="companies.5",
    ),
    Deviation(
        "deleted companies return",
        "value",
        "a deleted company's company_id",
        {"company_return": "same"},
        refutes="companies.6",
    ),
    Deviation(
        "companies are never escaped",
        "value",
        "a company in version 2.17",
        {"company_escaping": "never"},
        refutes="companies.3",
    ),
    Deviation("companies are deleted slowly", "timing", "a company is gone", {"company_deletion_delay": 60}),
    Deviation(
        "deleted users are 400 at once",
        "status",
        "a deleted user is unarchived",
        {"deletion_delay": 0},
        refutes="contacts.8",
    ),
    Deviation("there are no bulk jobs", "status", "a job creates", {"bulk": "plan"}),
    Deviation(
        "emails in small letters",
        "value",
        "a user with capitals and spaces",
        server=lower_emails,
        refutes="contacts.3",
    ),
    Deviation(
        "a second user of an email",
        "status",
        "a new external_id with a known email",
        server=second_user,
        refutes="contacts.5",
    ),
    Deviation(
        "any option is taken",
        "status",
        "a value that is no option",
        server=any_option,
        refutes="contacts.10",
    ),
    Deviation(
        "long texts are cut",
        "status",
        "a text of 256 characters",
        server=cuts_texts,
        refutes="contacts.11",
    ),
    Deviation(
        "large pages are refused",
        "status",
        "151 a page of a search",
        server=refuses(is_search_of_many_pages, 400, "parameter_invalid", "Per Page is too big"),
        refutes="contacts.31",
    ),
    Deviation("a key is missing", "shape", "nothing changes", server=answers(_CONTACT, without("sms_consent"))),
    Deviation("owners are numbers", "shape", "nothing changes", server=answers(_CONTACT, number_for_owner)),
    Deviation("another code", "code", "a known external_id", server=renamed_code),
    Deviation("other words", "text", "a contact that does not exist", server=reworded),
    Deviation("no request ids", "header", "who asks", server=no_request_ids),
    Deviation(
        "untagging twice is fine",
        "status",
        "a contact is untagged again",
        server=untags_twice,
        refutes="contacts.19",
    ),
    Deviation("external_ids lag", "status", "found at once", server=late_external_ids, refutes="contacts.7"),
    Deviation(
        "another order",
        "hits",
        "the first page",
        server=answers(_SEARCH, lambda found: {**found, "data": found["data"][::-1]}),
    ),
    Deviation(
        "searches forget a contact",
        "hits",
        "email is not",
        server=answers(
            lambda request: _SEARCH(request) and b'"!="' in request.body,
            lambda found: {**found, "data": found["data"][1:]},
        ),
    ),
    Deviation(
        "tags are lost in the archive",
        "value",
        "an unarchived user",
        server=forgets_tags,
        refutes="contacts.33",
    ),
    Deviation("jobs are slow", "timing", "a job that creates ends", server=slow_jobs),
    Deviation(
        "attributes are slow",
        "timing",
        "a new attribute is used",
        server=slow_attributes,
        refutes="contacts.32",
    ),
    Deviation(
        "jobs drop attributes",
        "status",
        "the contact job4 of a job",
        server=drops_attributes,
        refutes="contacts.16",
    ),
    Deviation("items count", "rate", "the window after a job of five", server=heavy_jobs, refutes="contacts.14"),
    Deviation(
        "merged contacts are 404",
        "status",
        "a merged lead",
        server=merged_missing,
        refutes="companies.19",
    ),
)
