"""Reads an answer: its value, or the error that it means."""

from __future__ import annotations

import html
import json
import re
import typing as t
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from target_intercom.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    GarbledAnswerError,
    JobClosedError,
    MergedError,
    NotFoundError,
    PlanRestrictedError,
    RateLimitedError,
    RefusedError,
    RegionError,
    ServerError,
    UnauthorizedError,
    UnknownAttributeError,
    VersionError,
)
from target_intercom.intercom.protocol.ids import text_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.json_lines import Json

_T = t.TypeVar("_T")

_CONTACT_IN_TEXT = re.compile(r"\bid=([0-9a-f]{24})\b", re.IGNORECASE)
_UNKNOWN_ATTRIBUTE = re.compile(r"custom attribute '(?P<name>.+)' does not exist", re.IGNORECASE)
_JOB_IS_CLOSED = re.compile(r"\bjob \S+ is closed\b", re.IGNORECASE)
_CANONICAL_LINK = re.compile(r"</contacts/(?P<id>[^>/]+)>")


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, read: Callable[[Json], _T], *, token: str | None = None
) -> _T:
    """Decipher an answer and `read` its value; a value that cannot be read is a garbled answer."""
    value = decipher(status, headers, body, token=token)
    try:
        return read(value)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        fault = Fault(status=status, message="the answer is not what the API describes")
        raise GarbledAnswerError(fault) from None


def decipher(status: int, headers: Mapping[str, str], body: bytes, *, token: str | None = None) -> Json:
    """Turn an answer into its value, or raise what it means.

    Status first, code second, text last: Intercom uses several codes for one meaning (fact sheet section 1).
    An error that quotes `token` is told without it.

    Returns:
        The parsed body; None where a successful answer has none.

    Raises:
        ApiError: the subclass that says what can be done.
    """
    if status in range(200, 300):
        value = _value(status, body)
        if not (isinstance(value, dict) and value.get("type") == "error.list"):
            return value
        raise GarbledAnswerError(_without(token, _fault(status, headers, body, token)))
    fault = _without(token, _fault(status, headers, body, token))
    if status == HTTPStatus.NOT_IMPLEMENTED:
        raise RefusedError(fault)  # a proxy or a sandbox that does not know the call: it never will
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        raise ServerError(fault)
    if status in range(300, 400):
        message = f"Intercom redirects the call ({status}): 'region' or 'api_url' is not this workspace's."
        raise RegionError(message)
    raise _CLIENT_ERRORS.get(status, _refused)(fault, headers)


_NO_JSON: t.Final = "the answer is not JSON"
_INVISIBLE: t.Final = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>?")
"""The parts of a page that a browser does not show."""
_WORD: t.Final = re.compile(r"[A-Za-z0-9]{2}")
_LONGEST_PAGE: t.Final = 5_000
_LONGEST_TEXT: t.Final = 200
_NOT_JSON: t.Final = (ValueError, RecursionError)
"""The errors that Python raises for a text that is not JSON, or is nested too deeply."""


def _value(status: int, body: bytes) -> Json:
    if not body:
        return None
    try:
        return json.loads(body)
    except _NOT_JSON:
        raise GarbledAnswerError(Fault(status=status, message=_NO_JSON)) from None


def _fault(status: int, headers: Mapping[str, str], body: bytes, token: str | None) -> Fault:
    """Read the error envelope; of anything else the text is kept, as far as people can read it."""
    fault = Fault(status=status, request_id=headers.get("X-Request-Id"))
    try:
        parsed = json.loads(body)
    except _NOT_JSON:
        text = _readable(_visible(body), token)
        return replace(fault, message=f"{_NO_JSON}: {text}" if text else _NO_JSON)
    errors = parsed.get("errors") if isinstance(parsed, dict) else None
    if not (isinstance(errors, list) and errors and isinstance(errors[0], dict)):
        return replace(fault, message=_readable(_one_notation(parsed), token))
    first = errors[0]
    return replace(
        fault,
        code=text_of(first.get("code")),
        message=text_of(first.get("message")),
        field=text_of(first.get("field")),
        request_id=text_of(parsed.get("request_id")) or fault.request_id,
    )


def _one_notation(parsed: Json) -> str:
    """Write JSON so that a token in it is written as we know it; nothing where it is nested too deep."""
    try:
        return json.dumps(parsed, ensure_ascii=False)
    except RecursionError:
        return ""


def _visible(page: bytes) -> str:
    """Return what a browser shows of a page, or the beginning of it."""
    text = html.unescape(_INVISIBLE.sub(" ", page[:_LONGEST_PAGE].decode("utf-8", "replace")))
    # The last word may be the half of a token.
    return text if len(page) <= _LONGEST_PAGE else " ".join(text.split()[:-1])


def _readable(text: str, token: str | None) -> str | None:
    """Put a text into one short line, without the token; None where no word is in it."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    text = _redacted(token, text)
    if not _WORD.search(text):
        return None
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _redacted(token: str | None, text: str) -> str:
    for known in (token, quote(token, safe="")) if token else ():
        text = text.replace(known, "<token>")
    return text


def _without(token: str | None, fault: Fault) -> Fault:
    def kept(text: str | None) -> str | None:
        return None if text is None else _redacted(token, text)

    return Fault(fault.status, kept(fault.code), kept(fault.message), kept(fault.field), kept(fault.request_id))


def _refused(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    return RefusedError(fault)


def _bad_request(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    if fault.code == "intercom_version_invalid":
        return VersionError(fault, f"Intercom does not take this API version: {fault}. Change 'api_version'.")
    unknown = _UNKNOWN_ATTRIBUTE.search(fault.message or "")
    if unknown:
        return UnknownAttributeError(fault, attribute=unknown["name"])
    return RefusedError(fault)


def _unauthorized(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    return UnauthorizedError(
        fault,
        f"Intercom refuses the access token: {fault}. Check 'access_token' (Developer Hub, your app, "
        "Authentication) and that 'region' is the workspace's.",
    )


def _forbidden(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    if fault.code == "job_closed" or _JOB_IS_CLOSED.search(fault.message or ""):
        return JobClosedError(fault)
    error = PlanRestrictedError if fault.code == "api_plan_restricted" else ForbiddenError
    return error(
        fault,
        f"Intercom forbids the call: {fault}. Give the app the permissions to read and write users and "
        "companies, to read admins and, for groups, to read and write tags (Developer Hub, your app, Authentication), "
        "or check the workspace's plan.",
    )


def _not_found(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    return NotFoundError(fault)


def _conflict(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    text = fault.message or ""
    contact = _CONTACT_IN_TEXT.search(text)
    return ConflictError(
        fault,
        contact_id=contact[1].lower() if contact else None,
        archived="archived" in text.lower(),
    )


def _gone(fault: Fault, headers: Mapping[str, str]) -> Exception:
    link = _CANONICAL_LINK.search(headers.get("Link") or "")
    return MergedError(fault, survivor=link["id"] if link else None)


def _limited(fault: Fault, _headers: Mapping[str, str]) -> Exception:
    return RateLimitedError(fault)


_CLIENT_ERRORS: t.Final = MappingProxyType(
    {
        400: _bad_request,
        401: _unauthorized,
        403: _forbidden,
        404: _not_found,
        409: _conflict,
        410: _gone,
        429: _limited,
    }
)
