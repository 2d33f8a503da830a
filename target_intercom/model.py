"""The words of a sync: records, drafts, matches, operations and outcomes. No behaviour beyond reading themselves."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX, Contact
from target_intercom.intercom.protocol.ids import ContactId, Email, ExternalId, Role, TagId
from target_intercom.json_lines import Json

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.errors import Fault, InvalidRecordError

__all__ = [
    "CUSTOM_PREFIX",
    "STAND_IN",
    "Ambiguous",
    "Contact",
    "ContactDraft",
    "ContactId",
    "Email",
    "Entry",
    "ExternalId",
    "Found",
    "GroupKey",
    "Identifier",
    "Identity",
    "Json",
    "Known",
    "LedgerVerdict",
    "LinkName",
    "LinkedId",
    "Match",
    "MatchBy",
    "MergedAway",
    "Name",
    "NotFound",
    "Pair",
    "Received",
    "RecordKey",
    "Role",
    "StreamSchema",
    "TagId",
    "Unanswered",
    "stand_in",
]


class MatchBy(str, enum.Enum):
    """An identifier that finds an existing contact."""

    EXTERNAL_ID = "external_id"
    EMAIL = "email"
    ID = "id"

    # An enum's own is Python, and each identifier is looked up in many dictionaries.
    __hash__ = str.__hash__


RecordKey = t.NewType("RecordKey", str)
"""What tells a record from the others of its stream: the values of its key properties, as a JSON list."""

STAND_IN: t.Final = "unnamed:"
"""What the stand-ins of contacts begin with that a bulk job has made, and whose Intercom ids are not known."""


def stand_in(stream: str, key: RecordKey) -> ContactId:
    """Return what stands for the id of a contact that a bulk job has made for a record."""
    return ContactId(f"{STAND_IN}{stream}:{key}")


GroupKey = t.NewType("GroupKey", str)
"""What names of one group have in common: a tag's name in small letters."""


class LinkName(str, enum.Enum):
    """A kind of link, as the ledger names it."""

    TAG = "tag"
    COMPANY = "company"


LinkedId: t.TypeAlias = TagId
"""The id of what a group is in Intercom, and contacts are linked to: of a company, the source's."""

Pair: t.TypeAlias = "tuple[ContactId, GroupKey]"
"""A contact and a group: one link, however many records want it."""

Identifier: t.TypeAlias = tuple[MatchBy, str]
"""One identifier of somebody: which, and its value."""

Name: t.TypeAlias = "Identifier | tuple[t.Literal['nameless', 'user'], str] | RecordKey | ContactId"
"""What two records may share: an identifier, a key, or (`ContactId`) the contact that their keys are linked to.

Users with an external_id may share an email and have nothing to do with each other. So an email is several names: of
all contacts that have it, of those without an external_id ("nameless"), and of the users ("user").
"""


_SORTS: t.Final = tuple(MatchBy)
_PLACE_OF: t.Final = {which: place for place, which in enumerate(_SORTS)}


class Identity(t.NamedTuple):
    """The identifiers of a record or a contact, in the order of `MatchBy`; None where it has none."""

    external_id: ExternalId | None = None
    email: Email | None = None
    id: ContactId | None = None

    def get(self, which: MatchBy) -> str | None:
        """Return the identifier of this sort."""
        return self[_PLACE_OF[which]]

    def identifiers(self) -> list[Identifier]:
        """Return every identifier that is there."""
        return [(which, value) for which, value in zip(_SORTS, self, strict=True) if value is not None]

    @classmethod
    def of(cls, contact: Contact) -> Identity:
        """Return a contact's identifiers; a lead's generated external_id is none."""
        return cls(contact.own_external_id, contact.email, contact.id)


@dataclass(frozen=True, slots=True)
class StreamSchema:
    """What a SCHEMA message says of the records that come under it."""

    stream: str
    """The stream's name, after stream maps."""
    text: str
    """The message as JSON: messages that say the same are one schema."""
    message: Mapping[str, Json] = field(compare=False)
    plain: Mapping[str, Json] = field(compare=False)
    """Its schema, after stream maps."""

    @property
    def tap_stream(self) -> str:
        """The stream's name, before stream maps."""
        return str(self.message["stream"])


class Received(t.NamedTuple):
    """A record as it came: the Singer message, and the record after stream maps."""

    message: Mapping[str, Json]
    record: Mapping[str, Json]
    number: int
    """Its place in the pipe, over all streams: what comes later wins."""
    schema: StreamSchema
    """The schema that it came under; others may hold now."""
    trouble: InvalidRecordError | None = None
    """Why it cannot be loaded, where that was seen before; the record is as it was before stream maps then."""


@dataclass(frozen=True, slots=True)
class ContactDraft:
    """What a record says of a contact.

    `attributes` is flat and coerced: standard attributes by name (`email` among them, `external_id` not), custom
    ones as `custom_attributes.NAME`. None clears; a missing name leaves the attribute alone.
    """

    identity: Identity
    attributes: Mapping[str, Json]
    removed: bool = False
    """The record marks its contact as to be removed; it has no attributes then."""
    listed: Mapping[LinkName, Mapping[GroupKey, str]] = field(default_factory=dict)
    """The groups of the contact by kind of link, with their names; of a kind that is absent the record says nothing."""
    unset: tuple[str, ...] = ()
    """Custom attributes that the record clears, and that cannot be written: nothing is sent for them."""


class LedgerVerdict(enum.Enum):
    """What the ledger says of a record that came before."""

    IN_LINE = enum.auto()
    """Its contact is as the record says."""
    CHANGED = enum.auto()
    """The record is another than when its contact was last brought in line with it."""
    UNSURE = enum.auto()
    """The contact has to be looked at: somebody else changed it, the settings have changed, or it is to be repaired."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a record's contact."""

    contact: Contact | None
    """The contact as it was then; None: it was removed, or its id is not known."""
    trust: LedgerVerdict
    groups: str | None = None
    """Hash of the groups that were last noted for the contact; empty where it was not linked to all of them."""
    single: str | None = None
    """Hash of what the contact has that no bulk job can write; None: not known."""
    merged: bool = False
    """The contact is the survivor of a merge, not the one that the record was loaded into."""
    overruled_by: RecordKey | None = None
    """The record of the stream that came later and changed the contact: it has the last word while it names that."""
    begun: float | None = None
    """When a run that was cut off began to make a contact, in unix seconds; None: none did."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record on its way through a sync."""

    received: Received
    draft: ContactDraft
    key: RecordKey | None = None
    """None: there is no ledger to look it up in."""
    known: Known | None = None
    """None: the ledger does not know the record, or was wrong about it."""
    alone: bool = False
    """It was refused together with others of its contact and is tried by itself now."""
    again: bool = False
    """Its contact was gone, or not the one, and it is matched a second time."""
    source: str | None = None
    """Hash of the record as it came, where that says all; None where something of it was cut or left out."""

    @property
    def contact(self) -> Contact | None:
        """The contact that the ledger says the record is of."""
        return None if self.known is None else self.known.contact

    def names(self) -> set[Identifier]:
        """Return the identifiers of the record and of its known contact, which other records may share."""
        names = set(self.draft.identity.identifiers())
        return names if self.contact is None else names.union(Identity.of(self.contact).identifiers())

    def is_linked_by_merge(self, contact: ContactId) -> bool:
        """Check whether nothing but a merge in Intercom made a contact the record's."""
        return self.known is not None and self.known.merged and self.contact is not None and self.contact.id == contact

    def may_have_made(self, contact: Contact) -> bool:
        """Check whether a run that was cut off may have made a contact for this record."""
        return self.begun is not None and contact.was_made_since(self.begun)

    @property
    def begun(self) -> float | None:
        """When a run that was cut off began to make the record's contact; see `Known`."""
        return None if self.known is None else self.known.begun

    @property
    def is_in_line(self) -> bool:
        """Whether the ledger says that nothing is to be written."""
        return self.known is not None and self.known.trust is LedgerVerdict.IN_LINE

    @property
    def is_unsure(self) -> bool:
        """Whether the contact that the ledger names has to be looked at."""
        return self.known is not None and self.known.trust is LedgerVerdict.UNSURE


# What a record's identifiers find.


@dataclass(frozen=True, slots=True)
class NotFound:
    """Nobody."""


@dataclass(frozen=True, slots=True)
class Found:
    """One contact, as it was last seen."""

    contact: Contact
    by_merge: bool = False
    """It is the survivor of a merge, into which the record's own contact went."""


@dataclass(frozen=True, slots=True)
class MergedAway:
    """The Intercom id of the record was merged into a contact that is somebody else."""

    survivor: ContactId | None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several contacts, and no rule that prefers one."""

    contacts: tuple[ContactId, ...]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Not known: Intercom refused the question, or kept failing on it."""

    fault: Fault


Match: t.TypeAlias = NotFound | Found | MergedAway | Ambiguous | Unanswered
