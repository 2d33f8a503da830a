"""What a bulk job can carry, and how: decided from the operation alone. Pure.

A job drops what it does not know, without a word (fact sheet section 12.2): so nothing goes into one that is not in its
description.
"""

from __future__ import annotations

import typing as t
from collections import UserDict
from dataclasses import replace
from types import MappingProxyType

from target_intercom.intercom.protocol import contact_body, normal_email
from target_intercom.model import CUSTOM_PREFIX, Contact, ExternalId

if t.TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from target_intercom.intercom.protocol import AdminId
    from target_intercom.model import ContactDraft, ContactId, Json, LinkChange

_UPDATABLE: t.Final = frozenset(
    ["external_id", "email", "name", "phone", "avatar", "owner_id", "unsubscribed_from_emails"]
)
"""Official description, bulk_update_contacts_request."""
_CREATABLE: t.Final = _UPDATABLE | {"role", "signed_up_at", "last_seen_at"}
"""Official description, bulk_create_contacts_request."""
_NEVER_READ: t.Final = frozenset(["role", "email_verified"])
"""Where these are to be written they differ, or it cannot be seen whether they do."""
_OWNER: t.Final = "owner_id"
_UNKNOWN: t.Final = object()
_NOT_KEPT: t.Final[Mapping[str, t.Any]] = MappingProxyType({})


def can_create(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can make a contact with these attributes."""
    return _all_known(attributes, _CREATABLE)


def can_update(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can write these attributes to a contact."""
    return _all_known(attributes, _UPDATABLE)


def may_be_less(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can write these attributes as far as they differ, maybe."""
    return attributes.keys().isdisjoint(_NEVER_READ)


def carried(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the attributes that a job can write to a contact."""
    return MappingProxyType({name: value for name, value in attributes.items() if _is_known(name, value, _UPDATABLE)})


def single(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the attributes that no job can write to a contact."""
    return {name: value for name, value in attributes.items() if not _is_known(name, value, _UPDATABLE)}


def has_strange_owner(attributes: Mapping[str, Json], admins: Container[AdminId]) -> bool:
    """Check whether the owner is to be somebody who is no teammate: a job would not say so."""
    owner = attributes.get(_OWNER)
    return owner is not None and str(owner) not in admins


def names_owner(attributes: Mapping[str, Json]) -> bool:
    """Check whether an owner is set."""
    return attributes.get(_OWNER) is not None


def item(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Make a contact's part of a submission."""
    body = contact_body(attributes)
    if body.get(_OWNER) is not None:
        # A text since API version 2.16.
        body[_OWNER] = str(body[_OWNER])
    return body


def made(draft: ContactDraft, attributes: Mapping[str, Json], stand_in: ContactId) -> Contact:
    """Return the contact that a job has made; nobody knows its id yet.

    It is looked for before it is compared with anything, so its attributes are not kept.
    """
    is_lead = attributes.get("role") == "lead"
    return Contact(
        id=stand_in,
        role="lead" if is_lead else "user",
        external_id=None if is_lead else draft.identity.external_id,
        email=draft.identity.email,
        attributes=_NOT_KEPT,
        is_named=False,
        shows_all_tags=True,
    )


def tagged(contact: Contact, tags: LinkChange | None) -> Contact:
    """Return a contact as a job has left it whose item had these tags."""
    return contact if tags is None else replace(contact, tags=(contact.tags | tags.add) - tags.remove)


def updated(contact: Contact, attributes: Mapping[str, Json]) -> Contact:
    """Return a contact as a job has left it whose item had these attributes."""
    external_id, email = attributes.get("external_id"), attributes.get("email")
    return Contact(
        id=contact.id,
        role=contact.role,
        external_id=contact.external_id if external_id is None else ExternalId(str(external_id)),
        email=contact.email if email is None else normal_email(str(email)),
        attributes=_left(contact, {**contact.attributes, **attributes}),
        created_at=contact.created_at,
        tags=contact.tags,
        shows_all_tags=contact.shows_all_tags,
    )


class _AsSent(UserDict[str, t.Any]):
    """The attributes of a contact of which only what was sent is known: any other differs from whatever is wanted."""

    def get(self, key: str, default: t.Any = _UNKNOWN) -> t.Any:
        return self.data.get(key, default)


def _left(contact: Contact, attributes: dict[str, Json]) -> Mapping[str, Json]:
    is_known = contact.is_read and not isinstance(contact.attributes, _AsSent)
    return MappingProxyType(attributes) if is_known else _AsSent(attributes)


def _all_known(attributes: Mapping[str, Json], known: Container[str]) -> bool:
    return all(_is_known(name, value, known) for name, value in attributes.items())


def _is_known(name: str, value: Json, known: Container[str]) -> bool:
    """Check whether a job takes an attribute; the description has no null for standard ones."""
    return name.startswith(CUSTOM_PREFIX) or (name in known and value is not None)
