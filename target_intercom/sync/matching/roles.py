"""Which role a contact has, and which identifiers, once a record is written: rules of contacts alone. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from target_intercom.model import Contact
from target_intercom.settings.config import CreationMode

if t.TYPE_CHECKING:
    from target_intercom.model import ContactDraft, ContactId, Role


def role_of(draft: ContactDraft, mode: CreationMode) -> Role:
    """Return the role of a contact that is made from a draft."""
    match mode:
        case CreationMode.USER:
            return "user"
        case CreationMode.LEAD:
            return "lead"
        case CreationMode.LIFECYCLE:
            return "lead" if draft.identity.external_id is None else "user"


def newborn(draft: ContactDraft, role: Role, stand_in: ContactId, *, by_job: bool = False) -> Contact:
    """Return the contact that is made from a draft, with a stand-in for its id, which is not known yet.

    Of one that is made `by_job` it will not be known before it is looked for; but what it is in is known.
    """
    external_id = draft.identity.external_id if role == "user" else None
    return Contact(
        id=stand_in,
        role=role,
        external_id=external_id,
        email=draft.identity.email,
        attributes={},
        is_named=not by_job,
        shows_all_tags=by_job,
        shows_all_companies=by_job,
    )


def after(contact: Contact, draft: ContactDraft, mode: CreationMode) -> Contact:
    """Return a contact with the role and the identifiers that it has when a draft is written."""
    external_id = draft.identity.external_id
    becomes_user = contact.role == "lead" and mode is CreationMode.LIFECYCLE and external_id is not None
    role: Role = "user" if becomes_user else contact.role
    clears_email = "email" in draft.attributes and draft.attributes["email"] is None
    return replace(
        contact,
        role=role,
        external_id=external_id if role == "user" and external_id is not None else contact.external_id,
        email=None if clears_email else draft.identity.email or contact.email,
    )
