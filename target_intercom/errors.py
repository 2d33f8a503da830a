"""Every error of the target, grouped by what can still be done after it.

Three groups, each below the SDK's class of the same meaning:

* **fatal** (`FatalSyncError`, `ConfigValidationError`): the run stops, no STATE past the failure.
* **retriable** (`RetriableAPIError`): the transport tries again; callers see one only wrapped, when it gave up.
* **record** (`SkippableSyncError`): one record is concerned; it gets its outcome and the run goes on.

No message holds the token. What Intercom says may quote personal data: `redact` removes it before it is logged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from singer_sdk.exceptions import (
    ConfigValidationError,
    FatalSyncError,
    RetriableAPIError,
    SkippableSyncError,
)

__all__ = [
    "ApiError",
    "CallFailedError",
    "ConfigValidationError",
    "ConflictError",
    "ConnectionLostError",
    "FatalSyncError",
    "Fault",
    "ForbiddenError",
    "GarbledAnswerError",
    "InDoubtError",
    "InvalidRecordError",
    "JobClosedError",
    "LeadPendingError",
    "LedgerError",
    "MergedError",
    "NoBulkError",
    "NotFoundError",
    "PlanRestrictedError",
    "RateLimitedError",
    "RefusedError",
    "RegionError",
    "RetriableAPIError",
    "RetriableError",
    "ServerError",
    "SkippableSyncError",
    "StoppedError",
    "StreamBusyError",
    "StreamRefusedError",
    "TooManyRejectedError",
    "TooManyRemovalsError",
    "UnauthorizedError",
    "UndoneError",
    "UnknownAttributeError",
    "UnreachableError",
    "VersionError",
    "redact",
    "way_out",
]

_EMAIL_LIKE = re.compile(r"\S+(?:@|%40)\S+")
_QUOTED_SIGN = re.compile(r"['\"`]@['\"`][,.;:)]?")
"""The sign itself, as messages of ours name it."""


def redact(text: str) -> str:
    """Replace whatever looks like an email address, for texts that go to a log."""
    return _EMAIL_LIKE.sub(lambda found: found[0] if _QUOTED_SIGN.fullmatch(found[0]) else "<email>", text)


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure as Intercom, or the way to it, describes it: the parts of its error envelope.

    Fact sheet section 1, "General HTTP rules": only `code` is sure to be there.
    """

    status: int | None = None
    code: str | None = None
    message: str | None = None
    field: str | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        """Read as one sentence: status, code, Intercom's words, field, request id."""
        head = " ".join(str(part) for part in (self.status, self.code) if part is not None)
        text = ": ".join(part for part in (head, self.message) if part)
        extras = [
            f"{name} {value}"
            for name, value in (("field", self.field), ("request", self.request_id))
            if value is not None
        ]
        return f"{text} ({', '.join(extras)})" if extras else text


class ApiError(Exception):
    """Mixed into every error that came from a call; `fault` says what Intercom said."""

    def __init__(self, fault: Fault, message: str | None = None) -> None:
        """Keep the fault; `message` replaces the sentence made of it."""
        super().__init__(message or str(fault))
        self.fault = fault


# Fatal: the run stops.


class UnauthorizedError(ApiError, FatalSyncError):
    """401: the token is wrong, revoked or of another region."""


class ForbiddenError(ApiError, FatalSyncError):
    """403: the token lacks a permission, or the plan lacks the feature."""


class PlanRestrictedError(ForbiddenError):
    """403 `api_plan_restricted`: the workspace's plan lacks the feature."""


class VersionError(ApiError, FatalSyncError):
    """400 `intercom_version_invalid`: Intercom does not know the `api_version`."""


class UnreachableError(ApiError, FatalSyncError):
    """Every call fails, not just the call for one record."""


class RegionError(FatalSyncError):
    """The token's workspace lies in another region than the settings say, or the host redirects elsewhere."""


class StoppedError(FatalSyncError):
    """The run was told to stop (a signal) while this call waited to be sent."""


class TooManyRejectedError(FatalSyncError):
    """More records were refused than `max_rejected_records` allows."""


class TooManyRemovalsError(FatalSyncError):
    """More contacts would be removed than `max_removal_percent` allows; none was."""


class LedgerError(FatalSyncError):
    """The ledger cannot be opened, read or written; the message says why and what to do."""


class StreamBusyError(FatalSyncError):
    """Another run works on the same stream, and one of the two has to be alone with it."""


class StreamRefusedError(ConfigValidationError):
    """A stream cannot be loaded with these settings; the message says what to change, and how to leave it out."""

    def __init__(self, stream: str, why: str) -> None:
        """`why` says what is wrong, and which setting changes that."""
        message = f"{why}. {way_out(stream)}"
        super().__init__(message, errors=[message])


def way_out(stream: str) -> str:
    """Return the sentence that says how a stream is left out."""
    return (
        f'To leave the stream out, add {json.dumps(stream, ensure_ascii=False)}: {{"object": "ignore"}} to \'streams\''
    )


# Retriable: only the transport sees these.


class RetriableError(ApiError, RetriableAPIError):
    """The call failed in a way that may pass."""

    sent = True
    """Whether Intercom may have acted on the request."""


class RateLimitedError(RetriableError):
    """429: the window is full."""

    sent = False


class ServerError(RetriableError):
    """5xx or 408: Intercom failed; whether a write arrived is not known."""


class GarbledAnswerError(RetriableError):
    """A 2xx answer whose body is not the JSON it should be."""


class ConnectionLostError(RetriableError):
    """The connection broke or timed out; before the request was `sent`, or after."""

    def __init__(self, fault: Fault, *, sent: bool) -> None:
        """Keep the fault and whether Intercom may have seen the request."""
        super().__init__(fault)
        self.sent = sent


# Record: one record is refused or its call needs another decision; the run goes on.


class UndoneError(ApiError, SkippableSyncError):
    """Intercom did not do what this call asked for, as far as is known, and trying again does not help."""


class RefusedError(UndoneError):
    """Intercom refuses this call for what is in it (a 4xx other than those below), or does not know it (501)."""


class CallFailedError(UndoneError):
    """This call kept failing while others succeeded, or got nothing but 429."""


class InDoubtError(ApiError, SkippableSyncError):
    """A create was sent and its answer lost: the contact may or may not exist."""


class LeadPendingError(SkippableSyncError):
    """The creation of this lead was begun before, and it is not known what came of it."""

    def __init__(self, since: int) -> None:
        """`since`: when it was sent at the latest, in milliseconds since 1970."""
        super().__init__("the creation of this lead was begun before, and its answer is not known")
        self.since = since


class ConflictError(RefusedError):
    """409: a contact with these identifiers exists, live or archived.

    Fact sheet section 4: the text names the contact and says whether it is archived.
    """

    def __init__(self, fault: Fault, *, contact_id: str | None, archived: bool) -> None:
        """Keep what the text says: the contact in the way and whether it is archived."""
        super().__init__(fault)
        self.contact_id = contact_id
        self.archived = archived


class NotFoundError(RefusedError):
    """404: no live contact (or sub-resource) of this id; archived ones answer so, too."""

    repeated = False
    """An earlier try of the same call may have arrived; the transport says so."""


class MergedError(RefusedError):
    """410: the contact was merged away; `survivor` is the one that is left, where Intercom names it."""

    def __init__(self, fault: Fault, *, survivor: str | None) -> None:
        """Keep the id from the `Link` header."""
        super().__init__(fault)
        self.survivor = survivor


class JobClosedError(RefusedError):
    """403: a bulk job takes no more tasks. Not about permissions (fact sheet section 1)."""


class NoBulkError(ApiError, SkippableSyncError):
    """The workspace, its plan or the version has no bulk jobs: the run goes on with single calls."""


class UnknownAttributeError(RefusedError):
    """400: "Custom attribute 'X' does not exist"; `attribute` is X."""

    def __init__(self, fault: Fault, *, attribute: str) -> None:
        """Keep the attribute's name."""
        super().__init__(fault)
        self.attribute = attribute


class InvalidRecordError(SkippableSyncError):
    """A record cannot be loaded, as its own values and the settings show."""

    def __init__(self, reason: str, *, code: str, field: str | None = None) -> None:
        """`reason` says what is wrong without quoting the value; `field` is the record's property."""
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.field = field
