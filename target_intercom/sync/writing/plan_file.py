"""What a run would write, as a file that a person can read before it does."""

from __future__ import annotations

import json
import typing as t
from collections import Counter, defaultdict

from target_intercom.intercom.dry_run.companies import old_value
from target_intercom.intercom.dry_run.planned import Operation
from target_intercom.intercom.protocol.companies import Company
from target_intercom.json_lines import json_line
from target_intercom.kinds.company_members import company_key
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.tags import group_key
from target_intercom.model import Identity, Json
from target_intercom.private_files import LineFile
from target_intercom.sync.planning.wanted import same

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_intercom.intercom.dry_run.planned import Planned
    from target_intercom.model import Contact, ContactId, GroupKey, Identifier, RecordKey

_NOT_COMPARED: t.Final = CONTACTS.names(lambda one: not one.compared)
_MOST_NAMED: t.Final = 10
"""Attributes that are named in the log; the file has all of them."""


class Origin(t.NamedTuple):
    """The record on whose account something is written; without a key, the stream that it is missing from."""

    stream: str
    key: RecordKey | None = None


Subject: t.TypeAlias = "ContactId | Identifier | tuple[ContactId, GroupKey]"
"""Whom a write is about: a contact by its id or an identifier, or its link to a group."""


class Plan:
    """A plan that nobody asked for, and the interface of the one that is written."""

    is_written: t.ClassVar[bool] = False

    def because(self, origins: Mapping[Subject, Origin]) -> None:
        """Set the origins of the next writes: the streams and records that they are planned for."""


class PlanFile(Plan):
    """A line of JSON for each write that a run would do, readable by its owner only: it holds personal data."""

    is_written: t.ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        """The file is made with the first call of `open` or `note`."""
        self.path = path
        self._changed: Counter[str] = Counter()
        self._made: dict[Operation, list[str]] = defaultdict(list)
        self._origins: Mapping[Subject, Origin] = {}
        self._file: LineFile | None = None

    def because(self, origins: Mapping[Subject, Origin]) -> None:
        """See `Plan`."""
        self._origins = origins

    def open(self) -> LineFile:
        """Make the file, where it is not yet: a plan without a line says that there is nothing to do."""
        if self._file is None:
            self._file = LineFile(self.path)
        return self._file

    def note(self, planned: Planned) -> None:
        """Append what would be written."""
        origin, by = self._origin(planned), dict[str, Json]()
        if origin is not None:
            by = {"stream": origin.stream, "key": None if origin.key is None else json.loads(origin.key)}
        line = {"operation": planned.operation.value, **by, **_fields(planned)}
        self.open().append(json_line(line))
        if planned.operation is Operation.UPDATE:
            self._changed.update(list(line["changes"]))
        elif planned.attribute is not None:
            self._made[planned.operation].append(planned.attribute.full_name)
        elif planned.contact is None and planned.tag is not None:
            self._made[planned.operation].append(planned.tag)

    def summary(self) -> list[str]:
        """Say, in some lines without personal data, which attributes would change and what would be made."""
        changed = [f"{name} of {count}" for name, count in self._changed.most_common(_MOST_NAMED)]
        attributes = self._made[Operation.CREATE_ATTRIBUTE][:_MOST_NAMED]
        tags = len(self._made[Operation.CREATE_TAG])
        return [
            *([f"would change: {', '.join(changed)}"] if changed else []),
            *([f"would make attributes: {', '.join(attributes)}"] if attributes else []),
            *([f"would make tags: {tags}"] if tags else []),
        ]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _origin(self, planned: Planned) -> Origin | None:
        contact = planned.contact
        if contact is None:
            return None
        groups = [
            *(() if planned.tag is None else (group_key(planned.tag),)),
            *(() if planned.company_id is None else (company_key(planned.company_id),)),
        ]
        links = [(contact.id, group) for group in groups]
        subjects: tuple[Subject, ...] = (*links, contact.id, *Identity.of(contact).identifiers())
        return next((self._origins[one] for one in subjects if one in self._origins), None)


def _fields(planned: Planned) -> dict[str, Json]:
    """Return what tells the contact or company, and what would be done to it."""
    if isinstance(planned.contact, Company):
        return _company_fields(planned, planned.contact)
    contact, fields = planned.contact, {}
    if contact is not None:
        fields = {
            "contact": None if planned.is_of_new_contact else contact.id,
            "role": contact.role,
            "external_id": Identity.of(contact).external_id,
            "email": contact.email,
        }
    match planned.operation:
        case Operation.CREATE:
            return {**fields, "changes": {name: {"old": None, "new": new} for name, new in planned.attributes.items()}}
        case Operation.UPDATE if contact is not None:
            return {**fields, "changes": _differences(contact, planned.attributes)}
        case Operation.TAG | Operation.UNTAG | Operation.CREATE_TAG:
            return {**fields, "tag": planned.tag}
        case Operation.ATTACH | Operation.DETACH:
            return {**fields, "company_id": planned.company_id}
        case Operation.CREATE_ATTRIBUTE if planned.attribute is not None:
            of: dict[str, Json] = {} if planned.model == "contact" else {"object": planned.model}
            return {**of, "attribute": planned.attribute.full_name, "type": planned.attribute.data_type}
        case _:
            return fields


def _company_fields(planned: Planned, company: Company) -> dict[str, Json]:
    own_id = None if planned.is_of_new_company else company.intercom_id
    fields: dict[str, Json] = {"object": "company", "company": own_id, "company_id": company.id}
    if planned.operation is Operation.ARCHIVE:
        return {**fields, "people": company.people}
    old = {name: old_value(company, name) for name in planned.attributes}
    return {**fields, "changes": {name: {"old": old[name], "new": new} for name, new in planned.attributes.items()}}


def _differences(contact: Contact, attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return the attributes that would change; what Intercom does not show has no old value."""
    identity = Identity.of(contact)
    members = {"role": contact.role, "external_id": identity.external_id, "email": identity.email}
    changes: dict[str, Json] = {}
    for name, new in attributes.items():
        if name in _NOT_COMPARED and name not in members:
            changes[name] = {"new": new}
            continue
        old = members[name] if name in members else contact.attributes.get(name)
        if not same(new, old, name):
            changes[name] = {"old": old, "new": new}
    return changes
