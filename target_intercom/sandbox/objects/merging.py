"""What a user takes over from a lead that is merged into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_intercom.sandbox.objects.contacts import Contact

_FILLED = ("email", "phone", "name", "avatar", "owner_id", "signed_up_at", "last_seen_at")


def merged(lead: Contact, user: Contact) -> dict[str, Any]:
    """The user's changes: tags of both, and the lead's values where the user has none.

    By choice: no description says which values survive.
    """
    changes = {name: getattr(user, name) or getattr(lead, name) for name in _FILLED}
    return {
        **changes,
        "custom_attributes": {**lead.custom_attributes, **user.custom_attributes},
        "tags": {**lead.tags, **user.tags},
    }
