"""Contacts, as Intercom answers them and as they are written."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from types import MappingProxyType

from target_intercom.intercom.protocol.ids import (
    CompanyId,
    ContactId,
    Email,
    ExternalId,
    Role,
    TagId,
    entries_of,
    id_of,
    normal_email,
    seconds_of,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.json_lines import Json


CUSTOM_PREFIX = "custom_attributes."
"""Custom attributes are named as in Intercom's `full_name`: with this before the name."""
_READABLE = (
    "name",
    "phone",
    "owner_id",
    "signed_up_at",
    "last_seen_at",
    "unsubscribed_from_emails",
)

_CLOCKS_DIFFER = 2.0
"""Seconds by which Intercom's clock, which counts whole ones, may be behind."""


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
    companies: frozenset[CompanyId] = frozenset()
    """The companies that it shows, by Intercom's ids."""
    shows_all_companies: bool = False
    """As of tags."""

    def was_made_since(self, moment: float) -> bool:
        """Check whether it may have been made since a moment, in unix seconds of our clock."""
        return self.created_at is not None and self.created_at >= moment - _CLOCKS_DIFFER

    @property
    def own_external_id(self) -> ExternalId | None:
        """Its external_id, as the source knows it: Intercom generates a lead's (fact sheet section 3.3)."""
        return self.external_id if self.role == "user" else None

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
            created_at=seconds_of(body.get("created_at")),
            **_shown("tags", body.get("tags")),
            **_shown("companies", body.get("companies")),
        )


def _shown(name: str, shown: Json) -> dict[str, Json]:
    """Read the tags, or companies, that a contact embeds: ids of ten at most, without names (fact sheet section 4)."""
    if not isinstance(shown, dict):
        return {}
    ids = frozenset(id_of(one) for one in shown.get("data") or ())
    more, total = shown.get("has_more"), shown.get("total_count")
    is_all = total == len(ids) if total is not None else more is False
    return {name: ids, f"shows_all_{name}": is_all and more is not True}


def attributes_body(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return the body of a write, from flat attributes: custom ones go into an object of their own."""
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
