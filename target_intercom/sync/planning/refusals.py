"""Refusals of records whose contact is not clear, or cannot be made. Pure."""

from __future__ import annotations

import typing as t

from target_intercom.model import Ambiguous, MergedAway, Unanswered
from target_intercom.outcomes import Refusal, Result
from target_intercom.sync.matching.roles import role_of

if t.TYPE_CHECKING:
    from target_intercom.model import ContactDraft, ContactId
    from target_intercom.settings.config import StreamConfig


def cannot_create(draft: ContactDraft, config: StreamConfig) -> Refusal | None:
    """Return why no contact can be made from a draft; None where it can."""
    identity = draft.identity
    if identity.external_id is None and identity.email is None:
        return Refusal(
            Result.REJECTED, "no contact has this Intercom id, and the record has no other identifier", "contact_gone"
        )
    if role_of(draft, config.creation_mode) == "lead" and identity.email is None:
        return Refusal(
            Result.INVALID, "a lead without an email could never be found again", "lead_without_email", "email"
        )
    return None


def not_shown() -> Refusal:
    """Return the refusal of a record whose contact is known by nothing but its identifiers."""
    reason = "a bulk job made the contact, and Intercom does not show it yet; send the record again later"
    return Refusal(Result.REJECTED, reason, "not_shown")


def refusal(match: MergedAway | Ambiguous | Unanswered) -> Refusal:
    """Return the refusal of a record whose contact is not clear."""
    match match:
        case Ambiguous(contacts):
            return Refusal(Result.REJECTED, f"several contacts match: {', '.join(contacts)}", "ambiguous")
        case MergedAway(survivor):
            return merged_away(survivor)
        case Unanswered(fault):
            reason = f"the contact could not be looked up: {fault}"
            return Refusal(Result.REJECTED, reason, fault.code, fault.field, fault.request_id, quotes_intercom=True)


def merged_away(survivor: ContactId | None) -> Refusal:
    """Return the refusal of a record whose contact was merged into another."""
    into = "" if survivor is None else f" into {survivor}, which is somebody else or not to be removed"
    return Refusal(Result.REJECTED, f"the contact was merged{into}", "contact_merged")
