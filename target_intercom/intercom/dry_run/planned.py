"""The writes that a run would do."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

from target_intercom.intercom.protocol.companies import Company

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.intercom.protocol.contacts import Contact
    from target_intercom.intercom.protocol.workspace import DataAttribute
    from target_intercom.json_lines import Json

PLANNED_PREFIX: t.Final = "planned-"
"""The prefix of ids of contacts and tags that would be made."""


class Operation(str, enum.Enum):
    """The kind of a write that a run would do."""

    CREATE = "create"
    UPDATE = "update"
    ARCHIVE = "archive"
    DELETE = "delete"
    TAG = "tag"
    UNTAG = "untag"
    ATTACH = "attach"
    DETACH = "detach"
    CREATE_TAG = "create_tag"
    CREATE_ATTRIBUTE = "create_attribute"


@dataclass(frozen=True, slots=True)
class Planned:
    """A write that a run would do."""

    operation: Operation
    contact: Contact | None = None
    """As it is before; one that would be made, as it would be."""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    """The attributes that would be sent."""
    tag: str | None = None
    company_id: str | None = None
    """Of the company that a contact would be put into, or taken out of."""
    attribute: DataAttribute | None = None
    model: str = "contact"
    """What the attribute is of."""

    @property
    def is_of_new_company(self) -> bool:
        """Whether the company does not exist yet."""
        own_id = self.contact.intercom_id if isinstance(self.contact, Company) else None
        return own_id is not None and own_id.startswith(PLANNED_PREFIX)

    @property
    def is_of_new_contact(self) -> bool:
        """Whether the contact does not exist yet."""
        return self.contact is not None and self.contact.id.startswith(PLANNED_PREFIX)
