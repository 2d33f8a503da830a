"""The items of bulk jobs: which attributes they take, and what a contact is after its job. Pure.

A job drops an attribute that it does not know, without a word (fact sheet section 12.2): so an item holds only
attributes of the job's description.
"""

from __future__ import annotations

import typing as t
from collections import UserDict
from dataclasses import replace
from types import MappingProxyType

from target_intercom.intercom.protocol.contacts import attributes_body
from target_intercom.intercom.protocol.ids import AdminId, normal_email
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import CUSTOM_PREFIX, ExternalId

if t.TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from target_intercom.model import Contact, Json

_CREATABLE: t.Final = CONTACTS.names(lambda one: one.in_bulk_creates)
_UPDATABLE: t.Final = CONTACTS.names(lambda one: one.in_bulk_updates)
_NOT_COMPARED: t.Final = CONTACTS.names(lambda one: not one.compared)
_OF_TEAMMATES: t.Final = CONTACTS.names(lambda one: one.names_teammate)
_UNKNOWN: t.Final = object()


def can_create(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can make a contact with these attributes."""
    return not _single(attributes, _CREATABLE)


def can_update(attributes: Mapping[str, Json]) -> bool:
    """Check whether a job can write these attributes to a contact."""
    return not single(attributes)


def may_be_less(attributes: Mapping[str, Json]) -> bool:
    """Check whether comparing with the contact may show that fewer attributes are to be written."""
    return attributes.keys().isdisjoint(_NOT_COMPARED)


def carried(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the attributes that a job can write to a contact."""
    left = single(attributes)
    return MappingProxyType({name: value for name, value in attributes.items() if name not in left})


def single(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the attributes that only a single call can write to a contact."""
    return _single(attributes, _UPDATABLE)


def owners(attributes: Mapping[str, Json]) -> dict[str, AdminId]:
    """Return the attributes that name teammates; that one does not exist a job would not say."""
    # The id of a teammate is a text since API version 2.16.
    return {name: AdminId(str(value)) for name in _OF_TEAMMATES if (value := attributes.get(name)) is not None}


def item(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return a contact's item: what a job is to write."""
    return attributes_body({**attributes, **owners(attributes)})


def updated(contact: Contact, attributes: Mapping[str, Json]) -> Contact:
    """Return a contact as a job has left it whose item had these attributes."""
    external_id, email = attributes.get("external_id"), attributes.get("email")
    is_known = contact.is_read and not isinstance(contact.attributes, _AsSent)
    written = {**contact.attributes, **attributes}
    return replace(
        contact,
        external_id=contact.external_id if external_id is None else ExternalId(str(external_id)),
        email=contact.email if email is None else normal_email(str(email)),
        attributes=MappingProxyType(written) if is_known else _AsSent(written),
        is_read=True,
    )


class _AsSent(UserDict[str, t.Any]):
    """The attributes of a contact of which only the sent ones are known: any other differs from every wanted value."""

    def get(self, key: str, default: t.Any = _UNKNOWN) -> t.Any:
        return self.data.get(key, default)


def _single(attributes: Mapping[str, Json], known: Container[str]) -> Mapping[str, Json]:
    """Return the attributes that no job takes; the description has no null for standard ones."""
    return {
        name: value
        for name, value in attributes.items()
        if (value is None or name not in known) and not name.startswith(CUSTOM_PREFIX)
    }
