"""Decides what is written to a contact: create, update or skip, and which attributes. Pure and total."""

from __future__ import annotations

import typing as t
from types import MappingProxyType

from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import Contact, ContactDraft, Found, Identity, NotFound
from target_intercom.outcomes import Result, SkipReason
from target_intercom.sync.matching.roles import after, role_of
from target_intercom.sync.planning.refusals import cannot_create, not_shown
from target_intercom.writes import Create, Rejected, Saved, Skipped, Update

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.model import Json, Role
    from target_intercom.settings.config import CreationMode, StreamConfig
    from target_intercom.writes import ContactRecords, PlannedWrite

_ONLY_SET: t.Final = CONTACTS.names(lambda one: one.only_set)
_NOT_COMPARED: t.Final = CONTACTS.names(lambda one: not one.compared)
_WITH_EMAIL: t.Final = CONTACTS.names(lambda one: one.needs_email)
_OF_TEAMMATES: t.Final = CONTACTS.names(lambda one: one.names_teammate)


def planned_write(records: ContactRecords, config: StreamConfig) -> PlannedWrite:
    """Decide what the records of one contact lead to."""
    match records.match:
        case NotFound() if not config.sync_mode.creates:
            return Skipped(records, SkipReason.NOT_CREATED)
        case NotFound():
            reason, role = cannot_create(records.draft, config), role_of(records.draft, config.creation_mode)
            return Create(records, role, creation(records.draft, role)) if reason is None else Rejected(records, reason)
        case Found() if not config.sync_mode.updates:
            return Skipped(records, SkipReason.EXISTS)
        case Found(contact):
            differing = changes(records.draft, contact, config.creation_mode)
            if differing and not contact.is_named:
                return Rejected(records, not_shown())
            return Update(records, contact, differing) if differing else Saved(records, Result.UNCHANGED, contact)


def creates(draft: ContactDraft, config: StreamConfig) -> bool:
    """Check whether a record without a contact creates one."""
    return config.sync_mode.creates and cannot_create(draft, config) is None


def changes(draft: ContactDraft, contact: Contact, mode: CreationMode) -> Mapping[str, Json]:
    """Return the attributes in which a contact differs from a draft, with the draft's values; empty: nothing to write.

    Of a contact that was not read everything may differ. Consent is never given back by an update, and what Intercom
    does not show is no reason to write.
    """
    differing: dict[str, Json] = {}
    for name, value in draft.attributes.items():
        if (name in _ONLY_SET and value is not True) or name in _NOT_COMPARED:
            continue
        if not (contact.is_read and same(value, contact.attributes.get(name), name)):
            differing[name] = value
    differing = {**_identity_changes(draft, contact, mode, with_others=bool(differing)), **differing}
    if differing and draft.identity.email is not None:
        # email_verified without email in the same body is refused (official description, PUT /contacts/{id}).
        together = {name: value for name in _WITH_EMAIL if (value := draft.attributes.get(name)) is not None}
        differing |= {"email": draft.identity.email, **together} if together else {}
    return MappingProxyType(differing)


def creation(draft: ContactDraft, role: Role) -> Mapping[str, Json]:
    """Return the attributes of a new contact; an external_id would be ignored on a lead."""
    attributes: dict[str, Json] = {"role": role}
    if role == "user" and draft.identity.external_id is not None:
        attributes["external_id"] = draft.identity.external_id
    if draft.identity.email is not None:
        attributes["email"] = draft.identity.email
    attributes |= {name: value for name, value in draft.attributes.items() if value is not None}
    if draft.identity.email is None:
        for name in _WITH_EMAIL:
            attributes.pop(name, None)
    return MappingProxyType(attributes)


def lay_over(earlier: Mapping[str, Json], later: Mapping[str, Json]) -> Mapping[str, Json]:
    """Lay a later record's attributes over an earlier one's, as if one had been written after the other."""
    kept = {name: True for name in _ONLY_SET if earlier.get(name) is True}
    return MappingProxyType({**earlier, **later, **kept})


def folded(earlier: ContactDraft, later: ContactDraft) -> ContactDraft:
    """Return what two records of one contact say together; their identifiers are the same, or missing from one."""
    first, last = earlier.identity, later.identity
    identity = Identity(last.external_id or first.external_id, last.email or first.email, last.id or first.id)
    return ContactDraft(identity, lay_over(earlier.attributes, later.attributes))


def _identity_changes(
    draft: ContactDraft, contact: Contact, mode: CreationMode, *, with_others: bool
) -> Mapping[str, Json]:
    external_id, email = draft.identity.external_id, draft.identity.email or contact.email
    if external_id is None or after(contact, draft, mode).role == "lead":
        return {}
    if contact.role == "lead":
        return {"role": "user", "external_id": external_id, **({} if email is None else {"email": email})}
    is_sent = contact.external_id != external_id or (with_others and not contact.is_read)
    return {"external_id": external_id} if is_sent else {}


def same(wanted: Json, live: Json, name: str) -> bool:
    """Compare with what Intercom shows: it reads a cleared text as "" or null, an owner as a text or a number."""
    if wanted in (None, "") or live in (None, ""):
        return wanted in (None, "") and live in (None, "")
    if name in _OF_TEAMMATES:
        return str(wanted) == str(live)
    return isinstance(wanted, bool) == isinstance(live, bool) and bool(wanted == live)
