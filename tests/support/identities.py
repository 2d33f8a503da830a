"""Who a record is about, in short."""

from __future__ import annotations

from target_intercom.model import ContactId, Email, ExternalId, Identity


def identity(external_id: str | None = None, email: str | None = None, contact_id: str | None = None) -> Identity:
    """Return an identity of plain texts."""
    return Identity(
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        None if contact_id is None else ContactId(contact_id),
    )
