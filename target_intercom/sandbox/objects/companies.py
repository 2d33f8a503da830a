"""A company."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.objects.contacts import State

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_COMPANIES = 1000
"""Companies that a contact may be in (Intercom's unversioned changes, February 2026)."""


@dataclass(frozen=True)
class Company:
    """A company at one moment. Every write makes a new object, so that lists can go on showing the old.

    Attributes:
        company_id: What the client calls it. It never changes, and is compared exactly, by choice.
        custom_attributes: Without the never-set; None for the cleared, as with contacts.
        tags: When each tag was applied, by tag id.
        deleting_at: When its deletion takes effect; None if nobody asked for it.
    """

    id: str
    workspace_id: str
    company_id: str
    created_at: int
    updated_at: int
    name: str | None = None
    plan: str | None = None
    size: int | None = None
    website: str | None = None
    industry: str | None = None
    remote_created_at: int | None = None
    monthly_spend: int = 0
    last_request_at: int | None = None
    custom_attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)
    state: State = State.LIVE
    deleting_at: float | None = None


@dataclass(frozen=True)
class CountedCompany:
    """A company with the number of its users. Leads do not count, by choice: the description says users."""

    company: Company
    user_count: int

    @property
    def id(self) -> str:
        """Return Intercom's id of the company."""
        return self.company.id


@dataclass(frozen=True)
class Deletion:
    """A deletion that was asked for, and takes effect when its time is over.

    Attributes:
        contact_ids: The contacts that were in the company when the deletion was asked for.
    """

    due: float
    company: Company
    contact_ids: frozenset[str]
