"""A contact, and which contacts hold which identifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_FILLED = ("email", "phone", "name", "avatar", "owner_id", "signed_up_at", "last_seen_at")


class State(str, Enum):
    """Whether the API still shows the contact."""

    LIVE = "live"
    ARCHIVED = "archived"
    DELETED = "deleted"
    MERGED = "merged"


@dataclass(frozen=True)
class Contact:
    """A contact at one moment. Every write makes a new one, so that search can go on showing the old.

    Attributes:
        email: None when it was never set, empty when it was cleared: the API tells the two apart.
        custom_attributes: Without the never-set; None for the cleared (GRP export-record-user#20, #94).
        tags: When each tag was applied, by tag id.
        companies: When it came into each company, by Intercom's id of the company.
        gone_at: When it was deleted.
    """

    id: str
    workspace_id: str
    role: str
    created_at: int
    updated_at: int
    external_id: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    phone: str | None = None
    name: str | None = None
    avatar: str | None = None
    owner_id: str | None = None
    signed_up_at: int | None = None
    last_seen_at: int | None = None
    unsubscribed_from_emails: bool = False
    language_override: str | None = None
    custom_attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)
    companies: Mapping[str, int] = field(default_factory=dict)
    state: State = State.LIVE
    merged_into: str | None = None
    gone_at: float = 0.0

    @property
    def is_user(self) -> bool:
        """Return whether it is a user, not a lead."""
        return self.role == "user"

    @property
    def email_key(self) -> str | None:
        """Return the email as it is compared: in lower case, None when there is none."""
        return self.email.lower() if self.email else None

    @property
    def email_domain(self) -> str | None:
        """Return what follows the @."""
        return self.email_key.rpartition("@")[2] if self.email_key else None


def merged(lead: Contact, user: Contact) -> dict[str, Any]:
    """Return the user's changes: tags and companies of both, and the lead's values where the user has none.

    By choice: no description says which values survive.
    """
    changes = {name: getattr(user, name) or getattr(lead, name) for name in _FILLED}
    return {
        **changes,
        "custom_attributes": {**lead.custom_attributes, **user.custom_attributes},
        "tags": {**lead.tags, **user.tags},
        "companies": {**lead.companies, **user.companies},
    }


class Identifiers:
    """Finds the contacts that hold an email or an external_id, gone ones included."""

    def __init__(self) -> None:
        self._emails: dict[str, dict[str, None]] = {}
        self._external_ids: dict[str, dict[str, None]] = {}

    def update(self, old: Contact | None, new: Contact | None) -> None:
        """Record that a contact came, changed or went."""
        for index, before, after in (
            (self._emails, old and old.email_key, new and new.email_key),
            (self._external_ids, old and old.external_id, new and new.external_id),
        ):
            if old and before and before != after:
                index[before].pop(old.id, None)
                if not index[before]:
                    del index[before]
            if new and after:
                index.setdefault(after, {})[new.id] = None

    def with_email(self, email: str) -> Iterator[str]:
        """Return the ids of the contacts with this email, whatever its case."""
        return iter(self._emails.get(email.lower(), ()))

    def with_external_id(self, external_id: str) -> Iterator[str]:
        """Return the ids of the contacts with this external_id."""
        return iter(self._external_ids.get(external_id, ()))
