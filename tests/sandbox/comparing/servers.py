"""Servers before a sandbox, each of which answers in one thing otherwise."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from target_intercom.sandbox import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

Handle: TypeAlias = "Callable[[Request], Response]"
Server: TypeAlias = "Callable[[Request, Handle], Response]"


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


def answers(fits: Callable[[Request], bool], edit: Callable[[Any], Any]) -> Callable[[], Server]:
    """Successful answers to some calls are edited."""

    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        return edited(response, edit) if response.status == 200 and fits(request) else response

    return lambda: serve


def refuses(fits: Callable[[Request], bool], status: int, code: str, message: str) -> Callable[[], Server]:
    def serve(request: Request, handle: Handle) -> Response:
        return refusal(status, code, message) if fits(request) else handle(request)

    return lambda: serve


def is_call(method: str, path: str) -> Callable[[Request], bool]:
    """Whether a request is such a call; both are patterns."""
    return lambda request: re.fullmatch(f"{method} {path}", f"{request.method} {request.path}") is not None


def _body(request: Request) -> Any:
    try:
        return request.json if isinstance(request.json, dict) else {}
    except ValueError:
        return {}


def without(key: str) -> Callable[[Any], Any]:
    return lambda answer: {name: value for name, value in answer.items() if name != key}


def number_for_owner(answer: Any) -> Any:
    return {**answer, "owner_id": answer.get("owner_id") and int(answer["owner_id"])}


def lower_emails() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        body = _body(request)
        if request.path == "/contacts" and isinstance(body.get("email"), str):
            return handle(sent(request, {**body, "email": body["email"].lower()}))
        return handle(request)

    return serve


def second_user() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        body = _body(request)
        if request.path == "/contacts" and str(body.get("external_id")).endswith("ann2"):
            response = handle(sent(request, {**body, "email": None}))
            return edited(response, lambda answer: {**answer, "email": body["email"]})
        return handle(request)

    return serve


def any_option() -> Server:
    """Takes every option, and does not keep it."""

    def serve(request: Request, handle: Handle) -> Response:
        if b'"green"' in request.body:
            return handle(sent(request, {}))
        return handle(request)

    return serve


def cuts_texts() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        cut = request.body.replace(b"t" * 256, b"t" * 255)
        return handle(request if cut == request.body else sent(request, json.loads(cut)))

    return serve


def renamed_code() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        if response.status == 409:
            response.body = response.body.replace(b'"conflict"', b'"resource_conflict"')
        return response

    return serve


def reworded() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        response.body = response.body.replace(b"User Not Found", b"Contact Not Found")
        return response

    return serve


def no_request_ids() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        response.headers.pop("X-Request-Id", None)
        return response

    return serve


def untags_twice() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        if is_call("DELETE", "/contacts/[^/]+/tags/[^/]+")(request) and response.status == 404:
            return Response.of(200, {"type": "tag", "id": request.segments[-1], "name": "x"})
        return response

    return serve


def late_external_ids() -> Server:
    looks: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        looks[request.path] += 1
        if "find_by_external_id" in request.path and request.path.endswith("-arc") and looks[request.path] == 1:
            return refusal(404, "not_found", "User Not Found")
        return handle(request)

    return serve


def slow_jobs() -> Server:
    looks: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        looks[request.path] += 1
        if is_call("GET", "/contacts/bulk/job.*")(request) and response.status == 200 and looks[request.path] < 6:
            return edited(response, lambda job: {**job, "tasks": [{**one, "state": "running"} for one in job["tasks"]]})
        return response

    return serve


def slow_attributes() -> Server:
    tries: Counter[str] = Counter()

    def serve(request: Request, handle: Handle) -> Response:
        if request.method == "PUT" and b"-fresh" in request.body:
            tries["fresh"] += 1
            if tries["fresh"] < 6:
                return refusal(400, "parameter_invalid", "Custom attribute 'x' does not exist")
        return handle(request)

    return serve


def forgets_tags() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        if request.path.endswith("/unarchive"):
            response = handle(request)
            contact = Request("GET", request.path.removesuffix("/unarchive") + "/tags", "", request.headers)
            for tag in handle(contact).json.get("data", []):
                handle(Request("DELETE", f"{contact.path}/{tag['id']}", "", request.headers))
            return response
        return handle(request)

    return serve


def drops_attributes() -> Server:
    """Jobs leave out an attribute that there is not, and write the rest."""

    def serve(request: Request, handle: Handle) -> Response:
        body = _body(request)
        if request.path == "/contacts/bulk" and b"-none" in request.body:
            items = [{**item, "custom_attributes": {}} for item in body["contacts"]]
            return handle(sent(request, {**body, "contacts": items}))
        return handle(request)

    return serve


def merged_missing() -> Server:
    def serve(request: Request, handle: Handle) -> Response:
        response = handle(request)
        return refusal(404, "not_found", "User Not Found") if response.status == 410 else response

    return serve


def heavy_jobs() -> Server:
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


def is_search_of_many_pages(request: Request) -> bool:
    return request.path == "/contacts/search" and _body(request).get("pagination", {}).get("per_page", 0) > 150
