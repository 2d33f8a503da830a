"""Intercom's protocol without any I/O: ids, headers, answers, search queries.

Sources are the official description (API version 2.16) and recorded traffic; where a rule rests on one,
the docstring says so.
"""

from __future__ import annotations

import email.utils
import enum
import html
import json
import math
import re
import typing as t
from dataclasses import dataclass, replace
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

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.json_lines import Json

ContactId = t.NewType("ContactId", str)
"""Intercom's own id of a contact, 24 hex digits."""
ExternalId = t.NewType("ExternalId", str)
"""The source's id of a user, as Intercom keeps it."""
Email = t.NewType("Email", str)
"""An email address, trimmed and in lower case."""
TagId = t.NewType("TagId", str)
"""Intercom's id of a tag, digits."""
AdminId = t.NewType("AdminId", str)
"""Intercom's id of a teammate, digits."""
JobId = t.NewType("JobId", str)
"""Intercom's id of a bulk job."""
TaskId = t.NewType("TaskId", str)
"""Intercom's id of a task of a bulk job: what one call has submitted."""
Role: t.TypeAlias = t.Literal["user", "lead"]

CUSTOM_PREFIX = "custom_attributes."
"""Custom attributes are named as in Intercom's `full_name`: with this before the name."""

_Item = t.TypeVar("_Item")
_FEWEST_PARTED: t.Final = 2

SEARCH_PAGE = 150
"""The largest `per_page` of a contact search (developers.intercom.com, pagination)."""

_READABLE = (
    "name",
    "phone",
    "owner_id",
    "signed_up_at",
    "last_seen_at",
    "unsubscribed_from_emails",
)
_CONTACT_IN_TEXT = re.compile(r"\bid=([0-9a-f]{24})\b", re.IGNORECASE)
_UNKNOWN_ATTRIBUTE = re.compile(r"custom attribute '(?P<name>.+)' does not exist", re.IGNORECASE)
_JOB_IS_CLOSED = re.compile(r"\bjob \S+ is closed\b", re.IGNORECASE)
_CANONICAL_LINK = re.compile(r"</contacts/(?P<id>[^>/]+)>")


@dataclass(frozen=True, slots=True)
class Contact:
    """A live contact, cut down to what a sync compares and matches by.

    `attributes` is flat: writable standard attributes by name, custom ones as `custom_attributes.NAME`.
    A name that is missing was never set, unless the contact was not read.
    """

    id: ContactId
    role: Role
    external_id: ExternalId | None
    email: Email | None
    attributes: Mapping[str, Json]
    is_read: bool = True
    """False: it is remembered from an earlier time, and its attributes are not known."""
    is_named: bool = True
    """False: a bulk job made it, and `id` is a stand-in of ours until it is looked for."""
    created_at: int | None = None
    """When it was made, in unix seconds of Intercom's clock."""
    tags: frozenset[TagId] = frozenset()
    """The tags that it shows."""
    shows_all_tags: bool = False
    """False: it may have more than it shows, which are ten at most."""

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Contact:
        """Read a contact as GET, PUT, POST and search answer it.

        An email that was cleared reads `""` from some calls and null from others (recorded), an avatar is
        written as a URL and read as an object (official description).

        Raises:
            KeyError, TypeError, ValueError: the body is not a contact.
        """
        if body.get("type", "contact") != "contact":
            raise ValueError("type")
        address = body.get("email")
        mail = normal_email(address) if address else None
        avatar = body.get("avatar")
        attributes: dict[str, Json] = {name: body.get(name) for name in _READABLE}
        attributes["avatar"] = avatar.get("image_url") if isinstance(avatar, dict) else avatar
        attributes["email"] = mail
        for name, value in (body.get("custom_attributes") or {}).items():
            attributes[CUSTOM_PREFIX + name] = value
        external = body.get("external_id")
        return cls(
            id=ContactId(id_of(body)),
            role="lead" if body.get("role") == "lead" else "user",
            external_id=None if external is None else ExternalId(str(external)),
            email=mail,
            attributes=MappingProxyType(attributes),
            created_at=_seconds(body.get("created_at")),
            **_tags_of(body.get("tags")),
        )


def id_of(body: Mapping[str, Json]) -> str:
    """Return the id of what an answer is about.

    Raises:
        KeyError, TypeError: it has none, so it is about nothing.
    """
    value = body["id"]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TypeError("id")
    return str(value)


def _seconds(value: Json) -> int | None:
    return value if isinstance(value, int) else None


def _tags_of(shown: Json) -> dict[str, Json]:
    """Read the tags that a contact embeds: ten at most, without names (fact sheet section 4)."""
    if not isinstance(shown, dict):
        return {}
    tags = frozenset(TagId(id_of(tag)) for tag in shown.get("data") or ())
    more, total = shown.get("has_more"), shown.get("total_count")
    is_all = total == len(tags) if total is not None else more is False
    return {"tags": tags, "shows_all_tags": is_all and more is not True}


def normal_email(text: str) -> Email:
    """Trim and lower-case an address: how this target writes, searches and compares emails."""
    return Email(text.strip().lower())


def version_at_least(version: str, major: int, minor: int) -> bool:
    """Check whether an `Intercom-Version` is this one or newer; Preview is newer than any number."""
    numbers = version.split(".")
    if not all(number.isdigit() for number in numbers):
        return True
    return [int(number) for number in numbers] >= [major, minor]


@dataclass(frozen=True, slots=True)
class DataAttribute:
    """An attribute of the workspace's contacts, from `GET /data_attributes`.

    `options` is the closed list of a list attribute; those come back as `data_type` string (recorded).
    """

    name: str
    full_name: str
    data_type: str
    custom: bool
    api_writable: bool
    archived: bool
    options: tuple[str, ...] | None

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> DataAttribute:
        """Read one entry of the list or the answer to a create."""
        name = str(body["name"])
        options = body.get("options")
        return cls(
            name=name,
            full_name=str(body.get("full_name") or (CUSTOM_PREFIX + name if body.get("custom") else name)),
            data_type=str(body.get("data_type") or "string"),
            custom=bool(body.get("custom")),
            api_writable=body.get("api_writable") is not False,
            archived=body.get("archived") is True,
            options=None if options is None else tuple(_option(option) for option in options),
        )


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the workspace."""

    id: TagId
    name: str

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Tag:
        """Read an entry of `GET /tags`, or the answer to `POST /tags`.

        Raises:
            KeyError, TypeError: the body is no tag.
        """
        return cls(TagId(id_of(body)), str(body["name"]))


@dataclass(frozen=True, slots=True)
class Tagged:
    """What came of giving one tag to many contacts."""

    tag: Tag
    contacts: frozenset[ContactId] | None
    """Those that surely have it now; None: the answer names none, as before API version 2.16, and all have it."""

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Tagged:
        """Read the answer to `POST /tags` with users (OAS-2.16 #tag_create_response).

        Raises:
            KeyError, TypeError: the body is no such answer.
        """
        users = body.get("users")
        done = None if users is None else frozenset(ContactId(id_of(one)) for one in users if one["tagged"] is True)
        return cls(Tag.from_json(body), done)


class TaskState(str, enum.Enum):
    """How far a task of a bulk job is (fact sheet section 12.2); there is no `failed`."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self in {TaskState.COMPLETED, TaskState.COMPLETED_WITH_ERRORS}

    @classmethod
    def of(cls, state: Json) -> TaskState:
        """Read a state; one that nobody knows has not ended."""
        try:
            return cls(state)
        except ValueError:
            return cls.RUNNING


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk job and its tasks. Its own state says nothing: it may go on running when all tasks have ended."""

    id: JobId
    tasks: Mapping[TaskId, TaskState]
    created_at: Mapping[TaskId, int | None]
    """When each task was submitted, in unix seconds of Intercom's clock."""

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Job:
        """Read the answer to a submission, or to `GET /contacts/bulk/{id}` (official description, contacts_bulk_job).

        Raises:
            KeyError, TypeError: the body is no such job.
        """
        tasks = {TaskId(id_of(task)): task for task in body["tasks"]}
        return cls(
            id=JobId(id_of(body)),
            tasks={id_: TaskState.of(task["state"]) for id_, task in tasks.items()},
            created_at={id_: _seconds(task.get("created_at")) for id_, task in tasks.items()},
        )


def _option(option: Json) -> str:
    return str(option.get("value") if isinstance(option, dict) else option)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What `GET /me` says of the token's workspace."""

    id: str
    name: str
    region: str | None
    account_id: str | None = None
    """The teammate that the token belongs to."""
    account_name: str | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Workspace:
        """Read the acting admin and its `app`.

        Raises:
            KeyError, TypeError: the body is no admin.
        """
        if "app" not in body and body["type"] != "admin":
            raise KeyError("app")
        app = body.get("app")
        if app is None:
            app = {}
        region = app.get("region")
        return cls(
            id=str(app.get("id_code") or ""),
            name=str(app.get("name") or ""),
            region=None if region is None else str(region),
            account_id=_text(body.get("id")),
            account_name=_text(body.get("name")),
        )


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One answer's view of the rate-limit window; times in epoch seconds of Intercom's clock.

    `remaining` counts down over everybody's calls in the workspace. `date` is when Intercom answered (whole
    seconds), `retry_after` the seconds of a `Retry-After` header. Fact sheet section 2.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    date: float | None = None
    retry_after: float | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateLimit:
        """Read the headers; what is missing or unreadable is None."""
        date = headers.get("Date")
        return cls(
            limit=_whole(headers.get("X-RateLimit-Limit")),
            remaining=_whole(headers.get("X-RateLimit-Remaining")),
            reset=_whole(headers.get("X-RateLimit-Reset")),
            date=_http_date(date) if date else None,
            retry_after=_number(headers.get("Retry-After")),
        )


def _whole(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    try:
        number = math.nan if text is None else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _http_date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


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
"""What a browser does not show of a page."""
_WORD: t.Final = re.compile(r"[A-Za-z0-9]{2}")
_LONGEST_PAGE: t.Final = 5_000
_LONGEST_TEXT: t.Final = 200
_NOT_JSON: t.Final = (ValueError, RecursionError)
"""What Python raises for a text that is not JSON, or is nested deeper than it can follow."""


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
        code=_text(first.get("code")),
        message=_text(first.get("message")),
        field=_text(first.get("field")),
        request_id=_text(parsed.get("request_id")) or fault.request_id,
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


def _text(value: Json) -> str | None:
    return None if value is None else str(value)


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


def search_query(wanted: Mapping[str, Sequence[str]]) -> Json:
    """Make the query for contacts that have any of these values in any of these fields.

    One `IN` a field; several fields are joined by OR (official description, `POST /contacts/search`).
    """
    filters = [{"field": field, "operator": "IN", "value": list(values)} for field, values in wanted.items() if values]
    return filters[0] if len(filters) == 1 else {"operator": "OR", "value": filters}


def search_halves(wanted: Mapping[str, Sequence[str]]) -> list[dict[str, Sequence[str]]]:
    """Part what a search asks for; nothing where it asks for one value of a field at most."""
    if max(map(len, wanted.values()), default=0) < _FEWEST_PARTED:
        return []
    middles = {field: len(values) // 2 for field, values in wanted.items()}
    return [
        {field: values[: middles[field]] for field, values in wanted.items()},
        {field: values[middles[field] :] for field, values in wanted.items()},
    ]


def halves(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """Part items into two; nothing where there are fewer."""
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if len(items) >= _FEWEST_PARTED else []


def search_body(query: Json, starting_after: str | None) -> Json:
    """Make the body of one page of a search; the cursor only works in the body (fact sheet section 5)."""
    pagination: dict[str, Json] = {"per_page": SEARCH_PAGE}
    if starting_after is not None:
        pagination["starting_after"] = starting_after
    return {"query": query, "pagination": pagination}


def next_cursor(page: Mapping[str, Json]) -> str | None:
    """Tell where the next page starts, or None on the last."""
    following = (page.get("pages") or {}).get("next")
    return None if following is None else _text(following.get("starting_after"))


def contact_body(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Make the body of a write from flat attributes: custom ones go into their own object."""
    body = {name: value for name, value in attributes.items() if not name.startswith(CUSTOM_PREFIX)}
    custom = {
        name.removeprefix(CUSTOM_PREFIX): value for name, value in attributes.items() if name.startswith(CUSTOM_PREFIX)
    }
    if custom:
        body["custom_attributes"] = custom
    return body


def contacts_of(page: Mapping[str, Json]) -> Iterable[Contact]:
    """Read the contacts of a page.

    Raises:
        KeyError, TypeError, ValueError: it is no list of contacts.
    """
    if page["type"] != "list":
        raise ValueError("type")  # a list of other things: of contacts it says nothing
    if page.get("total_count") == 0 and "data" not in page:
        return []  # a list without its array has been seen (RudderStack)
    return [Contact.from_json(entry) for entry in entries_of(page)]


def entries_of(body: Mapping[str, Json], name: str = "data") -> Sequence[Json]:
    """Return the entries of a list, as Intercom answers one.

    Raises:
        KeyError, TypeError, ValueError: it is none: what it holds is not known, which is not the same as nothing.
    """
    entries = body[name]
    if not isinstance(entries, list):
        raise TypeError(name)
    if not str(body.get("type", "list")).endswith("list") or "errors" in body:
        raise ValueError(name)
    return entries
