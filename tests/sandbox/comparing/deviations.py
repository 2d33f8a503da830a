"""Workspaces that are not as the sandbox: each differs in one thing, by a condition or by a server before it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from target_intercom.sandbox import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    Handle: TypeAlias = Callable[[Request], Response]
    Server: TypeAlias = Callable[[Request, Handle], Response]


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


def edited(response: Response, edit: Callable[[Any], Any]) -> Response:
    """The answer with another body."""
    response.body = json.dumps(edit(response.json)).encode()
    return response


def sent(request: Request, body: Any, method: str | None = None, path: str | None = None) -> Request:
    """The request with another body."""
    data = json.dumps(body).encode()
    return Request(method or request.method, path or request.path, request.query_string, request.headers, data)


def refusal(status: int, code: str, message: str) -> Response:
    return Response.of(
        status, {"type": "error.list", "request_id": "r", "errors": [{"code": code, "message": message}]}
    )


def _answers(fits: Callable[[Request], bool], edit: Callable[[Any], Any]) -> Callable[[], Server]:
    """Successful answers to some calls are edited."""

    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        return edited(response, edit) if response.status == 200 and fits(request) else response

    return lambda: serve


def _refuses(fits: Callable[[Request], bool], status: int, code: str, message: str) -> Callable[[], Server]:
    def serve(request: Request, handle: Handle) -> Response:
        return refusal(status, code, message) if fits(request) else handle(request)

    return lambda: serve


def _is(method: str, path: str) -> Callable[[Request], bool]:
    """Whether a request is such a call; both are patterns."""
    return lambda request: re.fullmatch(f"{method} {path}", f"{request.method} {request.path}") is not None


def _body(request: Request) -> Any:
    try:
        return request.json if isinstance(request.json, dict) else {}
    except ValueError:
        return {}


def _without(key: str) -> Callable[[Any], Any]:
    return lambda answer: {name: value for name, value in answer.items() if name != key}


def _number_for_owner(answer: Any) -> Any:
    return {**answer, "owner_id": answer.get("owner_id") and int(answer["owner_id"])}


def _lower_emails() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        body = _body(request)
        if request.path == "/contacts" and isinstance(body.get("email"), str):
            return handle(sent(request, {**body, "email": body["email"].lower()}))
        return handle(request)

    return serve


def _second_user() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        body = _body(request)
        if request.path == "/contacts" and str(body.get("external_id")).endswith("ann2"):
            response = handle(sent(request, {**body, "email": None}))
            return edited(response, lambda answer: {**answer, "email": body["email"]})
        return handle(request)

    return serve


def _any_option() -> Server:
    """Takes every option, and does not keep it."""

    def serve(request: Request, handle: Handle) -> Response:
        if b'"green"' in request.body:
            return handle(sent(request, {}))
        return handle(request)

    return serve


def _cuts_texts() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        cut = request.body.replace(b"t" * 256, b"t" * 255)
        return handle(request if cut == request.body else sent(request, json.loads(cut)))

    return serve


def _renamed_code() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        if response.status == 409:
            response.body = response.body.replace(b'"conflict"', b'"resource_conflict"')
        return response

    return serve


def _reworded() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        response.body = response.body.replace(b"User Not Found", b"Contact Not Found")
        return response

    return serve


def _no_request_ids() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        response.headers.pop("X-Request-Id", None)
        return response

    return serve


def _untags_twice() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        if _is("DELETE", "/contacts/[^/]+/tags/[^/]+")(request) and response.status == 404:
            return Response.of(200, {"type": "tag", "id": request.segments[-1], "name": "x"})
        return response

    return serve


def _late_external_ids() -> Server:
    looks: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        looks[request.path] += 1
        if "find_by_external_id" in request.path and looks[request.path] == 1:
            return refusal(404, "not_found", "User Not Found")
        return handle(request)

    return serve


def _slow_jobs() -> Server:
    looks: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        looks[request.path] += 1
        if _is("GET", "/contacts/bulk/job.*")(request) and response.status == 200 and looks[request.path] < 6:
            return edited(response, lambda job: {**job, "tasks": [{**one, "state": "running"} for one in job["tasks"]]})
        return response

    return serve


def _slow_attributes() -> Server:
    tries: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        if request.method == "PUT" and b"-fresh" in request.body:
            tries["fresh"] += 1
            if tries["fresh"] < 6:
                return refusal(400, "parameter_invalid", "Custom attribute 'x' does not exist")
        return handle(request)

    return serve


def _forgets_tags() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        if request.path.endswith("/unarchive"):
            response = handle(request)
            contact = Request("GET", request.path.removesuffix("/unarchive") + "/tags", "", request.headers)
            for tag in handle(contact).json.get("data", []):
                handle(Request("DELETE", f"{contact.path}/{tag['id']}", "", request.headers))
            return response
        return handle(request)

    return serve


def _drops_attributes() -> Server:
    """Jobs leave out an attribute that there is not, and write the rest."""

    def serve(request: Request, handle: Handle) -> Response:
        body = _body(request)
        if request.path == "/contacts/bulk" and b"-none" in request.body:
            items = [{**item, "custom_attributes": {}} for item in body["contacts"]]
            return handle(sent(request, {**body, "contacts": items}))
        return handle(request)

    return serve


def _merged_missing() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        return refusal(404, "not_found", "User Not Found") if response.status == 410 else response

    return serve


def _heavy_jobs() -> Server:
    """Each item of a job counts as a call."""
    items: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        items["all"] += max(0, len(_body(request).get("contacts", [])) - 1) if "/bulk" in request.path else 0
        left = response.headers.get("X-RateLimit-Remaining")
        if left is not None:
            response.headers["X-RateLimit-Remaining"] = str(int(left) - items["all"])
        return response

    return serve


def _is_search_of_many_pages(request: Request) -> bool:
    return request.path == "/contacts/search" and _body(request).get("pagination", {}).get("per_page", 0) > 150


_CONTACT = _is("(GET|PUT)", "/contacts/[0-9a-f]{24}")
_SEARCH = _is("POST", "/contacts/search")

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
        server=_lower_emails,
        refutes="contacts.3",
    ),
    Deviation(
        "a second user of an email",
        "status",
        "a new external_id with a known email",
        server=_second_user,
        refutes="contacts.5",
    ),
    Deviation(
        "any option is taken",
        "status",
        "a value that is no option",
        server=_any_option,
        refutes="contacts.10",
    ),
    Deviation(
        "long texts are cut",
        "status",
        "a text of 256 characters",
        server=_cuts_texts,
        refutes="contacts.11",
    ),
    Deviation(
        "large pages are refused",
        "status",
        "151 a page of a search",
        server=_refuses(_is_search_of_many_pages, 400, "parameter_invalid", "Per Page is too big"),
        refutes="contacts.31",
    ),
    Deviation("a key is missing", "shape", "nothing changes", server=_answers(_CONTACT, _without("sms_consent"))),
    Deviation("owners are numbers", "shape", "nothing changes", server=_answers(_CONTACT, _number_for_owner)),
    Deviation("another code", "code", "a known external_id", server=_renamed_code),
    Deviation("other words", "text", "a contact that does not exist", server=_reworded),
    Deviation("no request ids", "header", "who asks", server=_no_request_ids),
    Deviation(
        "untagging twice is fine",
        "status",
        "a contact is untagged again",
        server=_untags_twice,
        refutes="contacts.19",
    ),
    Deviation("external_ids lag", "status", "found at once", server=_late_external_ids, refutes="contacts.7"),
    Deviation(
        "another order",
        "hits",
        "the first page",
        server=_answers(_SEARCH, lambda found: {**found, "data": found["data"][::-1]}),
    ),
    Deviation(
        "searches forget a contact",
        "hits",
        "email is not",
        server=_answers(
            lambda request: _SEARCH(request) and b'"!="' in request.body,
            lambda found: {**found, "data": found["data"][1:]},
        ),
    ),
    Deviation(
        "tags are lost in the archive",
        "value",
        "an unarchived user",
        server=_forgets_tags,
        refutes="contacts.33",
    ),
    Deviation("jobs are slow", "timing", "a job that creates ends", server=_slow_jobs),
    Deviation(
        "attributes are slow",
        "timing",
        "a new attribute is used",
        server=_slow_attributes,
        refutes="contacts.32",
    ),
    Deviation(
        "jobs drop attributes",
        "status",
        "the contact job4 of a job",
        server=_drops_attributes,
        refutes="contacts.16",
    ),
    Deviation("items count", "rate", "the window after a job of five", server=_heavy_jobs, refutes="contacts.14"),
    Deviation(
        "merged contacts are 404",
        "status",
        "a merged lead",
        server=_merged_missing,
        refutes="companies.19",
    ),
)
