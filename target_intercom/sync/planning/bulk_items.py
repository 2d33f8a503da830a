"""The items of bulk jobs: which attributes they take, and what a contact is after its job. Pure.

A job drops an attribute that it does not know, without a word (fact sheet section 12.2): so an item holds only
attributes of the job's description.
"""

from __future__ import annotations

import typing as t
from collections import UserDict
from dataclasses import replace
from types import MappingProxyType

from target_intercom.intercom.protocol.contacts import contact_body
from target_intercom.intercom.protocol.ids import normal_email
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import CUSTOM_PREFIX, Contact, ExternalId

if t.TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from target_intercom.intercom.protocol.ids import AdminId
    from target_intercom.model import ContactDraft, ContactId, Json

_CREATABLE: t.Final = CONTACTS.names(lambda one: one.in_bulk_creates)
_UPDATABLE: t.Final = CONTACTS.names(lambda one: one.in_bulk_updates)
_NOT_COMPARED: t.Final = CONTACTS.names(lambda one: not one.compared)
_OF_TEAMMATES: t.Final = CONTACTS.names(lambda one: one.names_teammate)
_UNKNOWN: t.Final = object()
_NOT_KEPT: t.Final[Mapping[str, t.Any]] = MappingProxyType({})


def can_create(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can make a contact with these attributes."""
    return _all_known(attributes, _CREATABLE)


def can_update(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can write these attributes to a contact."""
    return _all_known(attributes, _UPDATABLE)


def may_be_less(attributes: Mapping[str, Json]) -> bool:
    """Check whether comparing with the contact may show that fewer attributes are to be written."""
    return attributes.keys().isdisjoint(_NOT_COMPARED)


def carried(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the attributes that a job can write to a contact."""
    return MappingProxyType({name: value for name, value in attributes.items() if _is_known(name, value, _UPDATABLE)})


def single(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the attributes that only a single call can write to a contact."""
    return {name: value for name, value in attributes.items() if not _is_known(name, value, _UPDATABLE)}


def has_strange_owner(attributes: Mapping[str, Json], admins: Container[AdminId]) -> bool:
    """Check whether an attribute names a teammate who does not exist: a job would not say so."""
    return any(str(owner) not in admins for owner in _owners(attributes).values())


def names_owner(attributes: Mapping[str, Json]) -> bool:
    """Check whether an attribute names a teammate."""
    return bool(_owners(attributes))


def item(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return a contact's item: what a job is to write."""
    # The id of a teammate is a text since API version 2.16.
    return contact_body({**attributes, **{name: str(owner) for name, owner in _owners(attributes).items()}})


def made(draft: ContactDraft, attributes: Mapping[str, Json], stand_in: ContactId) -> Contact:
    """Return the contact that a job has made, with a stand-in for its id, which the job does not tell.

    The contact is searched before it is compared with anything, so its attributes are not kept.
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
        shows_all_companies=True,
    )


def updated(contact: Contact, attributes: Mapping[str, Json]) -> Contact:
    """Return a contact as a job has left it whose item had these attributes."""
    external_id, email = attributes.get("external_id"), attributes.get("email")
    return replace(
        contact,
        external_id=contact.external_id if external_id is None else ExternalId(str(external_id)),
        email=contact.email if email is None else normal_email(str(email)),
        attributes=_known_after(contact, {**contact.attributes, **attributes}),
        is_read=True,
    )


class _AsSent(UserDict[str, t.Any]):
    """The attributes of a contact of which only the sent ones are known: any other differs from every wanted value."""

    def get(self, key: str, default: t.Any = _UNKNOWN) -> t.Any:
        return self.data.get(key, default)


def _known_after(contact: Contact, attributes: dict[str, Json]) -> Mapping[str, Json]:
    is_known = contact.is_read and not isinstance(contact.attributes, _AsSent)
    return MappingProxyType(attributes) if is_known else _AsSent(attributes)


def _owners(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return the attributes that name teammates."""
    return {name: value for name in _OF_TEAMMATES if (value := attributes.get(name)) is not None}


def _all_known(attributes: Mapping[str, Json], known: Container[str]) -> bool:
    return all(_is_known(name, value, known) for name, value in attributes.items())


def _is_known(name: str, value: Json, known: Container[str]) -> bool:
    """Check whether a job takes an attribute; the description has no null for standard ones."""
    return name.startswith(CUSTOM_PREFIX) or (name in known and value is not None)
