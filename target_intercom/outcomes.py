"""What became of a record: its result, and the reason."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

from target_intercom.model import LinkName

if t.TYPE_CHECKING:
    from target_intercom.errors import Fault
    from target_intercom.model import Received


class SkipReason(str, enum.Enum):
    """Why a record was left undone although nothing is wrong with it."""

    NOT_CREATED = "not_created"
    """There is no such contact and the sync mode creates none."""
    EXISTS = "exists"
    """The contact exists and the sync mode does not update."""
    NOT_REMOVED = "not_removed"
    """The record is marked as deleted and the sync mode removes nothing."""
    NOT_THERE = "not_there"
    """There is no such contact to remove; an archived one cannot be seen."""
    LIVE_AGAIN = "live_again"
    """A later record of the same key was live."""
    STILL_NAMED = "still_named"
    """The contact stays, because another record names it."""
    CONTACT_MERGED = "contact_merged"
    """The record's contact was merged into another, which nobody asked to remove."""
    HAS_PEOPLE = "has_people"
    """The company stays, because people are in it that this target did not put there."""
    NOT_TAGGED = "not_tagged"
    """This target did not put the tag on for this record, so it does not take it off."""
    NOT_ATTACHED = "not_attached"
    """This target did not put the contact into the company for this record, so it does not take it out."""
    STILL_WANTED = "still_wanted"
    """The tag, or the company, stays, because another record or stream has the contact in the group."""


class Result(str, enum.Enum):
    """What became of a record; each has exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    MERGED = "merged"
    SKIPPED = "skipped"
    ARCHIVED = "archived"
    DELETED = "deleted"
    TAGGED = "tagged"
    UNTAGGED = "untagged"
    ATTACHED = "attached"
    DETACHED = "detached"
    INVALID = "invalid"
    REJECTED = "rejected"


_LINK_RESULTS: t.Final = {
    LinkName.TAG: (Result.TAGGED, Result.UNTAGGED),
    LinkName.COMPANY: (Result.ATTACHED, Result.DETACHED),
}
"""What can become of a link: it is put on, or taken off."""
CONTACT_RESULTS: t.Final = tuple(one for one in Result if not any(one in results for results in _LINK_RESULTS.values()))
"""What can become of a contact's record."""
MEMBERSHIP_RESULTS: t.Final = {
    kind: (*results, Result.UNCHANGED, Result.MERGED, Result.SKIPPED, Result.INVALID, Result.REJECTED)
    for kind, results in _LINK_RESULTS.items()
}
"""What can become of a membership's record, by kind of link."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record was refused: the `rejected` object of the rejected-records file."""

    result: t.Literal[Result.INVALID, Result.REJECTED]
    reason: str
    code: str | None = None
    field: str | None = None
    request_id: str | None = None
    quotes_intercom: bool = False
    """The reason quotes Intercom, which may quote the record: not for a log."""

    @classmethod
    def by_intercom(cls, fault: Fault) -> Refusal:
        """Word a refusal with Intercom's own reason."""
        status = None if fault.status is None else f"Intercom answered {fault.status}"
        reason = ": ".join(part for part in (status, fault.message) if part is not None)
        return cls(Result.REJECTED, reason, fault.code, fault.field, fault.request_id, quotes_intercom=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record, for the report and the rejected-records file."""

    received: Received
    result: Result
    reason: SkipReason | None = None
    refusal: Refusal | None = None
