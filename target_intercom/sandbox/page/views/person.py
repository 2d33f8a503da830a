"""One contact: its attributes, its tags and the calls that touched it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.values import Moment, Value, moment, value
from target_intercom.sandbox.page.views.calls import CallRow, rows
from target_intercom.sandbox.page.views.people import label
from target_intercom.sandbox.versions import PREVIEW
from target_intercom.sandbox.workspace import ADMINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.recording.history import History
    from target_intercom.sandbox.workspace import Workspace

Types: TypeAlias = "Mapping[str, Mapping[str, Any]]"

_SHOWN = (
    "id",
    "external_id",
    "role",
    "email",
    "phone",
    "name",
    "avatar",
    "owner_id",
    "unsubscribed_from_emails",
    "language_override",
    "signed_up_at",
    "last_seen_at",
    "created_at",
    "updated_at",
)


@dataclass(frozen=True)
class Attribute:
    """An attribute of a contact, under the name that the API has for it. `note` says what the value does not."""

    name: str
    value: Value
    data_type: str
    note: str = ""


@dataclass(frozen=True)
class AppliedTag:
    """A tag that a contact has."""

    name: str
    url: str
    since: Moment | None


@dataclass(frozen=True)
class PersonView:
    """The page of a contact.

    `merged_into` is the address of the one that it became part of, `unset` the names of the standard attributes that
    have no value.
    """

    label: str
    role: str
    state: str
    merged_into: str | None
    standard: list[Attribute]
    unset: list[str]
    custom: list[Attribute]
    tags: list[AppliedTag]
    history: list[CallRow]


def view(workspace: Workspace, history: History, contact: Contact) -> PersonView:
    """Return all that is known of a contact."""
    # With types as exact as there are.
    described = workspace.list_attributes(("contact",), PREVIEW, archived=True)
    types = {attribute["name"]: attribute for attribute in described}
    return PersonView(
        label=label(contact),
        role=contact.role,
        state=contact.state.value,
        merged_into=addresses.person(contact.merged_into) if contact.merged_into else None,
        standard=[_standard(contact, types, name) for name in _SHOWN if getattr(contact, name) is not None],
        unset=[name for name in _SHOWN if getattr(contact, name) is None],
        custom=list(_custom(contact, types)),
        tags=list(_tags(workspace, contact)),
        history=rows(workspace, history.of(contact.id)),
    )


def _standard(contact: Contact, types: Types, name: str) -> Attribute:
    owner = ADMINS.get(contact.owner_id or "", "") if name == "owner_id" else ""
    return _attribute(types[name], getattr(contact, name), note=owner)


def _custom(contact: Contact, types: Types) -> Iterator[Attribute]:
    """Return the custom attributes by name; those that the workspace has archived since keep their types."""
    for name, held in sorted(contact.custom_attributes.items()):
        described = types[name]
        yield _attribute(described, held, note="archived" if described["archived"] else "")


def _attribute(described: Mapping[str, Any], held: object, *, note: str) -> Attribute:
    data_type: str = described["data_type"]
    return Attribute(described["name"], value(held, data_type), data_type, note)


def _tags(workspace: Workspace, contact: Contact) -> Iterator[AppliedTag]:
    names = {tag.id: tag.name for tag in workspace.tags.all()}
    for tag_id, at in contact.tags.items():
        if tag_id in names:
            yield AppliedTag(names[tag_id], addresses.tagged(tag_id), moment(at))
