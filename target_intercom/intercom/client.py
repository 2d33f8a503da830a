"""The Intercom client: one place that sends, waits and retries; one method per endpoint."""

from __future__ import annotations

import json
import math
import re
import threading
import time
import typing as t
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

import backoff
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from target_intercom.errors import (
    CallFailedError,
    ConnectionLostError,
    Fault,
    ForbiddenError,
    GarbledAnswerError,
    InDoubtError,
    NoBulkError,
    NotFoundError,
    PlanRestrictedError,
    RateLimitedError,
    RefusedError,
    RetriableAPIError,
    StoppedError,
    UnauthorizedError,
    UnreachableError,
    VersionError,
)
from target_intercom.intercom.limiter import RateLimiter
from target_intercom.intercom.protocol import (
    AdminId,
    Contact,
    ContactId,
    DataAttribute,
    ExternalId,
    Job,
    JobId,
    Json,
    RateLimit,
    Tag,
    Tagged,
    TagId,
    Workspace,
    contact_body,
    contacts_of,
    decipher,
    next_cursor,
    search_body,
    search_query,
    version_at_least,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests import PreparedRequest

_T = t.TypeVar("_T")

_PLACEHOLDER: t.Final = re.compile(r"\{\w+\}")

_TIMEOUT = (10.0, 20.0)
"""Seconds to connect and to wait for an answer; the slowest recorded answer took 1.8 s (fact sheet section 13)."""
_MAX_TRIES = 6
"""So often a call is tried at least."""
_LONGEST_OUTAGE = 45.0
"""When nothing succeeds for so many seconds, the run is given up; an outage that is shorter is waited for."""
_LONGEST_BACKOFF = 20.0
_LONG_WAIT = 3.0
"""Waits for the rate limit that are longer, in seconds, are said."""
_LONGEST_LIMITED = 900.0
"""A call that gets nothing but 429 for so many seconds is given up."""


class Traffic:
    """What the run has cost so far: calls by operation, retries, 429s, waits. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at nothing."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waited_until = clock()
        self._calls: Counter[str] = Counter()
        self._retries = 0
        self._rate_limited = 0
        self._waited = 0.0

    def called(self, operation: str) -> None:
        """Count a call as it is sent; `operation` is its method and path template."""
        with self._lock:
            self._calls[operation] += 1

    def retried(self) -> None:
        """Count a call that is sent again after a failure."""
        with self._lock:
            self._retries += 1

    def limited(self) -> None:
        """Count a 429."""
        with self._lock:
            self._rate_limited += 1

    def waits(self, seconds: float) -> None:
        """Note a wait that begins now; waits of several threads at the same time count once."""
        with self._lock:
            now = self._clock()
            until = now + seconds
            self._waited += max(0.0, until - max(now, self._waited_until))
            self._waited_until = max(self._waited_until, until)

    def by_operation(self) -> dict[str, int]:
        """Give the calls sent so far."""
        with self._lock:
            return dict(self._calls)

    @property
    def calls(self) -> int:
        """How many calls were sent so far."""
        with self._lock:
            return self._calls.total()

    @property
    def retries(self) -> int:
        """How many of them were sent again after a failure."""
        return self._retries

    @property
    def rate_limited(self) -> int:
        """How many were answered 429."""
        return self._rate_limited

    @property
    def waited_seconds(self) -> float:
        """How long calls were held back; a wait that goes on counts as a whole."""
        return self._waited

    def summary(self) -> dict[str, Json]:
        """Make the `api` part of the report."""
        with self._lock:
            return {
                "calls": dict(sorted(self._calls.items())),
                "retries": self._retries,
                "rate_limited": self._rate_limited,
                "waited_seconds": round(self._waited, 3),
            }


class _BearerAuth(requests.auth.AuthBase):
    """Sets the token on each request, so that no netrc file can replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class IntercomClient:
    """Calls Intercom's API; safe to use from any number of threads.

    Every method may raise the fatal errors (`UnauthorizedError`, `ForbiddenError`, `VersionError`,
    `UnreachableError`, `StoppedError`), `RefusedError` with its subclasses for what Intercom refuses, and
    `CallFailedError` for a call that keeps failing while others succeed.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        version: str,
        bulk_version: str = "Preview",
        rate_limit_percent: int = 95,
        max_connections: int = 64,
        timeout: tuple[float, float] = _TIMEOUT,
        backoff_seconds: float = 1.0,
        outage_seconds: float = _LONGEST_OUTAGE,
        tries_permissions: bool = False,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            url: the API's address without a path.
            token: the access token; it leaves this object in the `Authorization` header only.
            version: the `Intercom-Version` header.
            bulk_version: the same, of calls on bulk jobs.
            rate_limit_percent: how full the rate-limit window may get.
            max_connections: how many connections are kept open at most.
            timeout: seconds to connect and to wait for an answer.
            backoff_seconds: the first pause after a failure; it doubles from there.
            outage_seconds: how long nothing may succeed before the run is given up.
            tries_permissions: a call that is forbidden does not keep others from being sent.
            say: takes what a person who watches should know, such as why nothing moves; told the same more than
                once, it says it once.
        """
        self.traffic = Traffic()
        self.finds_by_external_id = version_at_least(version, 2, 13)
        self._bulk_version = bulk_version
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._say = say
        self._limiter = RateLimiter(rate_limit_percent, on_wait=self._note_wait)
        self._succeeded_at = -1.0
        self._stopped_at = math.inf
        self._why_stopped: Exception | None = None
        self._session = requests.Session()
        self._session.auth = _BearerAuth(token)
        self._session.headers.update({"Accept": "application/json", "Intercom-Version": version})
        adapter = HTTPAdapter(pool_maxsize=max_connections, max_retries=0)
        self._session.mount(self._url, adapter)
        self._backoff_seconds = backoff_seconds
        self._outage_seconds = outage_seconds
        self._tries_permissions = tries_permissions

    @property
    def window_used(self) -> float | None:
        """The used share of the rate-limit window, 0 to 1; None before Intercom has told."""
        return self._limiter.window_used

    def stop(self, why: Exception | None = None) -> None:
        """Send nothing more: whoever waits or comes later gets `why`, or `StoppedError`."""
        self._why_stopped = self._why_stopped or why
        self._stopped_at = min(self._stopped_at, time.monotonic())
        self._limiter.stop()

    def close(self, grace_seconds: float) -> bool:
        """Stop, and wait for what is in flight; False when some did not come back within the grace after the stop."""
        self.stop()
        settled = self._limiter.settle(max(0.0, self._stopped_at + grace_seconds - time.monotonic()))
        self._session.close()
        return settled

    def pause(self, seconds: float) -> None:
        """Wait before something is tried again; counted among the waits, and cut short when the run is stopped.

        Raises:
            StoppedError: it was.
        """
        self.traffic.waits(seconds)
        if self._limiter.stopped_within(seconds):
            raise self._stopped()

    def workspace(self) -> Workspace:
        """`GET /me`: whose token this is; also tells whether it is valid."""
        try:
            return self._request("GET", "/me", Workspace.from_json)
        except RefusedError as error:
            message = f"This is no Intercom API: GET {self._url}/me answered {error.fault}. Check 'api_url'."
            raise UnreachableError(error.fault, message) from None

    def create_contact(
        self, attributes: Mapping[str, Json], *, before: Callable[[], object] | None = None, again: bool = False
    ) -> Contact:
        """`POST /contacts`. Never repeated by itself once Intercom may have seen it; `again` counts it as a retry.

        `before` is called right before each time it is sent, when its turn has come; what it raises keeps it back.

        Raises:
            InDoubtError: the answer was lost; the contact may exist.
            ConflictError: a contact with these identifiers exists.
        """
        if again:
            self.traffic.retried()
        body = contact_body(attributes)
        return self._request("POST", "/contacts", Contact.from_json, body=body, repeatable=False, before=before)

    def get_contact(self, contact: ContactId) -> Contact:
        """`GET /contacts/{id}`: the contact as it is now, without the search index's lag.

        Raises:
            NotFoundError: it is archived, deleted or was never there.
            MergedError: it was merged into another.
        """
        return self._request("GET", "/contacts/{id}", Contact.from_json, ids=(contact,))

    def update_contact(self, contact: ContactId, attributes: Mapping[str, Json]) -> Contact:
        """`PUT /contacts/{id}` with the attributes to change; None clears.

        Raises:
            NotFoundError, MergedError: as for `get_contact`.
            ConflictError: another contact has one of the new identifiers.
        """
        return self._request("PUT", "/contacts/{id}", Contact.from_json, ids=(contact,), body=contact_body(attributes))

    def archive_contact(self, contact: ContactId) -> None:
        """`POST /contacts/{id}/archive`. Repeating it is harmless (recorded)."""
        self._request("POST", "/contacts/{id}/archive", _nothing, ids=(contact,), body={})

    def unarchive_contact(self, contact: ContactId) -> None:
        """`POST /contacts/{id}/unarchive`.

        Raises:
            RefusedError: it was permanently deleted or merged (fact sheet section 4).
        """
        self._request("POST", "/contacts/{id}/unarchive", _nothing, ids=(contact,), body={})

    def delete_contact(self, contact: ContactId) -> None:
        """`DELETE /contacts/{id}`: permanent.

        Raises:
            NotFoundError: it is not there; not raised when a lost try of this very call removed it.
        """
        try:
            self._request("DELETE", "/contacts/{id}", _nothing, ids=(contact,))
        except NotFoundError as error:
            if not error.repeated:
                raise

    def find_user(self, external_id: ExternalId) -> Contact | None:
        """`GET /contacts/find_by_external_id/{id}`: a live user, or None (from API version 2.13)."""
        try:
            return self._request("GET", "/contacts/find_by_external_id/{id}", Contact.from_json, ids=(external_id,))
        except NotFoundError:
            return None

    def search_contacts(self, wanted: Mapping[str, Sequence[str]]) -> list[Contact]:
        """`POST /contacts/search`: every contact that has one of the values in one of the fields, all pages.

        What it shows may be minutes old.
        """
        query = search_query(wanted)
        found: list[Contact] = []
        cursor: str | None = None
        while True:
            contacts, cursor = self._request("POST", "/contacts/search", _page, body=search_body(query, cursor))
            found.extend(contacts)
            if cursor is None:
                return found

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
        return self._submit("POST", "/contacts/bulk", contacts, job, repeatable=repeatable)

    def submit_updates(self, contacts: Sequence[Mapping[str, Json]], job: JobId | None = None) -> Job:
        """`PUT /contacts/bulk`: change contacts, each with its `id`, in the background; raises as `submit_creates`."""
        return self._submit("PUT", "/contacts/bulk", contacts, job)

    def submit_deletions(self, contacts: Sequence[ContactId], job: JobId | None = None) -> Job:
        """`POST /contacts/bulk/delete`: delete contacts for good, in the background; raises as `submit_creates`."""
        return self._submit("POST", "/contacts/bulk/delete", [{"id": contact} for contact in contacts], job)

    def job(self, job: JobId) -> Job:
        """`GET /contacts/bulk/{id}`: how far a job's tasks are."""
        return self._request("GET", "/contacts/bulk/{id}", Job.from_json, ids=(job,), version=self._bulk_version)

    def _submit(
        self,
        method: str,
        template: str,
        contacts: Sequence[Mapping[str, Json]],
        job: JobId | None,
        *,
        repeatable: bool = True,
    ) -> Job:
        body = {"contacts": list(contacts), **({} if job is None else {"job": {"id": job}})}
        try:
            return self._request(
                method,
                template,
                Job.from_json,
                body=body,
                repeatable=repeatable,
                version=self._bulk_version,
                optional=True,
            )
        except (VersionError, PlanRestrictedError) as error:
            raise NoBulkError(error.fault) from None
        except RefusedError as error:
            is_missing = isinstance(error, NotFoundError) and job is None
            if is_missing or error.fault.status == requests.codes.not_acceptable:
                raise NoBulkError(error.fault) from None
            raise

    def admins(self) -> frozenset[AdminId]:
        """`GET /admins`: the ids of the workspace's teammates, who may own contacts.

        Raises:
            ForbiddenError: the token may not read them; the run can go on.
        """
        return self._request("GET", "/admins", _admins, optional=True)

    def tags(self) -> list[Tag]:
        """`GET /tags`: all tags of the workspace; there are no pages."""
        return self._request("GET", "/tags", _tags)

    def create_tag(self, name: str) -> Tag:
        """`POST /tags` with a name: a new tag, or the one that has the name, in any case."""
        return self._request("POST", "/tags", Tag.from_json, body={"name": name})

    def tag_contacts(self, name: str, contacts: Sequence[ContactId]) -> Tagged:
        """`POST /tags` with users: one tag on many contacts, made where there is none. Repeating it is harmless.

        Raises:
            NotFoundError: before API version 2.16, one of them is not there, and none was tagged.
        """
        body = {"name": name, "users": [{"id": contact} for contact in contacts]}
        return self._request("POST", "/tags", Tagged.from_json, body=body)

    def contact_tags(self, contact: ContactId) -> list[Tag]:
        """`GET /contacts/{id}/tags`: all tags of a contact, without the search index's lag.

        Raises:
            NotFoundError, MergedError: as for `get_contact`.
        """
        return self._request("GET", "/contacts/{id}/tags", _tags, ids=(contact,))

    def tag_contact(self, contact: ContactId, tag: TagId) -> None:
        """`POST /contacts/{id}/tags`. Repeating it is harmless.

        Raises:
            NotFoundError, MergedError: as for `get_contact`, or there is no such tag.
        """
        self._request("POST", "/contacts/{id}/tags", _nothing, ids=(contact,), body={"id": tag})

    def untag_contact(self, contact: ContactId, tag: TagId) -> None:
        """`DELETE /contacts/{id}/tags/{tag_id}`.

        Raises:
            NotFoundError: the contact is not there, or does not have the tag.
            MergedError: as for `get_contact`.
        """
        self._request("DELETE", "/contacts/{id}/tags/{tag_id}", _nothing, ids=(contact, tag))

    def data_attributes(self) -> list[DataAttribute]:
        """`GET /data_attributes` of contacts, archived ones too."""
        return self._request(
            "GET",
            "/data_attributes",
            lambda body: [DataAttribute.from_json(entry) for entry in body["data"]],
            params={"model": "contact", "include_archived": "true"},
        )

    def create_data_attribute(self, name: str, data_type: str) -> DataAttribute:
        """`POST /data_attributes`: a new custom attribute of contacts.

        Raises:
            RefusedError: the name is taken or not allowed, or the workspace is full. Also after a lost try that
                had arrived: ask for the list before believing it.
        """
        return self._request(
            "POST",
            "/data_attributes",
            DataAttribute.from_json,
            body={"name": name, "model": "contact", "data_type": data_type},
        )

    def _request(
        self,
        method: str,
        template: str,
        read: Callable[[Json], _T],
        *,
        ids: tuple[str, ...] = (),
        body: Json = None,
        params: Mapping[str, str] | None = None,
        repeatable: bool = True,
        before: Callable[[], object] | None = None,
        version: str | None = None,
        optional: bool = False,
    ) -> _T:
        """Make a call: wait for its turn, send, decipher, and try again where that is safe."""
        values = iter(ids)
        path = _PLACEHOLDER.sub(lambda _match: quote(next(values), safe=""), template)
        content = None if body is None else _json(body)
        call = _Call(f"{method} {template}", method, path, content, params, before, version, optional)

        def attempt() -> _T:
            try:
                return self._unlimited(call, read)
            except RetriableAPIError as error:
                call.maybe_sent = call.maybe_sent or _maybe_sent(error)
                if call.maybe_sent and not repeatable:
                    raise InDoubtError(_fault_of(error)) from None
                raise

        retrying = backoff.on_exception(
            backoff.expo,
            RetriableAPIError,
            max_time=self._outage_seconds,
            factor=self._backoff_seconds,
            max_value=_LONGEST_BACKOFF,
            giveup=lambda error: self._gives_up(call, error),
            on_backoff=lambda details: self._note_retry(details["wait"], details["exception"]),
            logger=None,
        )
        try:
            return retrying(attempt)()
        except RetriableAPIError as error:
            raise self._given_up(call, error) from None
        except NotFoundError as error:
            error.repeated = call.maybe_sent
            raise

    def _unlimited(self, call: _Call, read: Callable[[Json], _T]) -> _T:
        """Send a call as often as 429 answers it: that is pacing, not failure."""
        deadline = time.monotonic() + _LONGEST_LIMITED
        while True:
            try:
                return self._send(call, read)
            except RateLimitedError:
                self.traffic.limited()
                if time.monotonic() > deadline:
                    raise

    def _send(self, call: _Call, read: Callable[[Json], _T]) -> _T:
        """Send a call once, when the limiter lets it through."""
        with self._limiter.slot(self._stopped) as sent_at:
            if call.before is not None:
                call.before()
            call.success_before = self._succeeded_at
            self.traffic.called(call.operation)
            response = self._exchange(call)
            self._limiter.learn(
                RateLimit.from_headers(response.headers),
                sent_at,
                exceeded=response.status_code == requests.codes.too_many_requests,
            )
        try:
            value = _read(response, read)
        except RefusedError:
            self._succeeded_at = time.monotonic()
            raise
        except (UnauthorizedError, ForbiddenError) as error:
            is_borne = call.optional or self._tries_permissions
            if not (is_borne and isinstance(error, ForbiddenError)):
                self.stop(error)
            raise
        self._succeeded_at = time.monotonic()
        return value

    def _exchange(self, call: _Call) -> requests.Response:
        """The only place that touches the network.

        Redirects are not followed: a redirected write may lose its body (fact sheet section 1).
        """
        try:
            return self._session.request(
                call.method,
                self._url + call.path,
                params=call.params,
                data=call.body,
                headers=call.headers(),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The exception's own text names the path, and with it maybe somebody's external_id.
            fault = Fault(message=f"{_cause(error)} at {self._url}")
            raise ConnectionLostError(fault, sent=not _never_connected(error)) from None

    def _gives_up(self, call: _Call, error: BaseException) -> bool:
        """Decide after a failure whether a call is tried again.

        Others succeeding while it goes on failing shows that it is this call; as long as nothing succeeds it is an
        outage, which may pass. Where nothing ever succeeded, it is the settings or the network.
        """
        if isinstance(error, RateLimitedError):
            return True
        call.failed(time.monotonic())
        if call.tries < _MAX_TRIES or call.failed_alone:
            return call.tries >= _MAX_TRIES
        # Where nothing else is under way, this makes known whether anything can succeed; then the next failure counts.
        return not self._answers() and self._succeeded_at < 0

    def _given_up(self, call: _Call, error: RetriableAPIError) -> Exception:
        """Tell whether it is this call or everything that fails."""
        fault = _fault_of(error)
        if call.failed_alone or self._answers():
            return CallFailedError(fault, f"{call.operation} failed {call.tries} times: {fault}")
        return UnreachableError(
            fault,
            f"Intercom cannot be reached: {fault}. Check 'region' and 'api_url', the network, and "
            "Intercom's status; then run again.",
        )

    def _answers(self) -> bool:
        """Ask once whether anything works at all."""
        probe = _Call("GET /me", "GET", "/me", None, None)
        try:
            self._send(probe, Workspace.from_json)
        except (RefusedError, RateLimitedError):
            return True
        except RetriableAPIError:
            return False
        return True

    def _stopped(self) -> Exception:
        """Say why a call is not sent: what ended the run, where it was a call."""
        return self._why_stopped or StoppedError("The run was stopped before this call was sent")

    def _note_retry(self, wait: float, error: BaseException) -> None:
        self.traffic.retried()
        self.traffic.waits(wait)
        fault = _fault_of(error)
        trouble = fault.message if fault.status is None else f"it answers {fault.status}"
        self._say(f"Intercom does not answer as it should ({trouble}): calls are tried again")

    def _note_wait(self, wait: float) -> None:
        self.traffic.waits(wait)
        if wait > _LONG_WAIT:
            self._say("Intercom's rate limit is reached: calls wait for the next window")


@dataclass(slots=True)
class _Call:
    """One call and what is known of its tries."""

    operation: str
    method: str
    path: str
    body: bytes | None
    params: Mapping[str, str] | None
    before: Callable[[], object] | None = None
    version: str | None = None
    """Its own `Intercom-Version`, where not every version has it."""
    optional: bool = False
    """The run may do without it: that it is forbidden does not keep others from being sent."""
    maybe_sent: bool = False
    tries: int = 0
    success_before: float = -1.0
    """When any call had last succeeded, as the last try began."""
    failed_at: float = math.inf
    failed_alone: bool = False
    """Another call succeeded between the last two failures of this one, before its last try began."""

    def headers(self) -> dict[str, str]:
        """Give the headers that not every call has."""
        headers = {} if self.body is None else {"Content-Type": "application/json"}
        return headers if self.version is None else {**headers, "Intercom-Version": self.version}

    def failed(self, now: float) -> None:
        """Count a failure."""
        self.tries += 1
        self.failed_alone = self.success_before > self.failed_at
        self.failed_at = now


def _read(response: requests.Response, read: Callable[[Json], _T]) -> _T:
    """Decipher an answer and read its value; a value that cannot be read is a garbled answer."""
    value = decipher(response.status_code, response.headers, response.content)
    try:
        return read(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        fault = Fault(status=response.status_code, message="the answer is not what the API describes")
        raise GarbledAnswerError(fault) from None


def _json(body: Json) -> bytes:
    return json.dumps(body, allow_nan=False).encode()


def _nothing(_body: Json) -> None:
    """Read nothing from an answer."""


def _admins(body: Json) -> frozenset[AdminId]:
    return frozenset(AdminId(str(one["id"])) for one in body["admins"])


def _tags(body: Json) -> list[Tag]:
    return [Tag.from_json(entry) for entry in body["data"]]


def _page(body: Json) -> tuple[list[Contact], str | None]:
    return list(contacts_of(body)), next_cursor(body)


def _fault_of(error: BaseException) -> Fault:
    fault = getattr(error, "fault", None)
    return fault if isinstance(fault, Fault) else Fault(message=str(error))


def _maybe_sent(error: RetriableAPIError) -> bool:
    """Tell whether Intercom may have acted on the request that failed so."""
    if isinstance(error, ConnectionLostError):
        return error.sent
    return not isinstance(error, RateLimitedError)


def _never_connected(error: requests.RequestException) -> bool:
    """Tell whether the request surely never left: no connection came about."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS handshake failed"
    if _never_connected(error):
        return "no connection"
    return "the connection broke"
