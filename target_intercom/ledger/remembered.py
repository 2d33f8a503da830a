"""What a ledger remembers of records and their contacts: entries, their states, and hashes."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from target_intercom.model import Contact, ContactId, Email, ExternalId, Identity, RecordKey

Stamp = t.NewType("Stamp", int)
"""A moment: milliseconds since 1970, by the clock of the machine that wrote it."""


def stamp(seconds: float) -> Stamp:
    """Return the stamp of unix seconds."""
    return Stamp(int(seconds * 1000))


Doubt = t.NewType("Doubt", str)
"""Names one time that contacts were put in doubt."""


class EntryState(str, enum.Enum):
    """Whether this target answers for a record's contact."""

    SYNCED = "synced"
    """It was brought in line with the record: this target answers for it."""
    FOUND = "found"
    """It existed and the sync mode did not change it: it is not removed when the record is missing."""
    MISSING = "missing"
    """The record is missing; its contact stays for a record of an earlier run, or for a refused record."""
    REMOVED = "removed"
    """It was removed, or not made yet, or is named no more; only the record's key and a removed contact's id are kept.
    """
    DROPPED = "dropped"
    """It was written lately, and its record names another since: no record names it, and search may not show it yet."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes of a record's values: the ledger compares them in place of the values."""

    content: str
    """Of all values."""
    shape: str
    """Of the names of the attributes: a new or a lost property alone is no reason to write."""
    settings: str
    """Of the settings that decide what is written."""
    single: str | None = None
    """Of the values that no bulk job can write; None: not known."""


class UnchangedRow(t.NamedTuple):
    """A record whose contact is in line with it, for finding that it came again unchanged."""

    source: str
    """See `LedgerEntry.source`."""
    contact: ContactId | None
    """None: its id is not known."""
    external_id: ExternalId | None
    email: Email | None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A record and its contact, as they were when the record was last loaded."""

    key: RecordKey
    contact: Contact | None
    """As it was then, without its attributes; None: removed. Its id may be a stand-in (`Contact.is_named`)."""
    hashes: Hashes | None
    """Of what the record said; None: the contact may be otherwise, and has to be compared."""
    state: EntryState
    written_at: Stamp
    """When this record last changed the contact; 0: never."""
    groups: str | None = None
    """Hash of the groups that the record listed when they were last written for this contact; see `UNNOTED`."""
    source: str | None = None
    """Hash of the record as it came, and of all that decides how it is mapped; None: it has to be mapped."""
    merged: bool = False
    """See `Holder.merged`."""
    is_doubted: bool = False
    """The contact may be otherwise than the record says: another record changed it, or a write that may have failed."""
    overruled_by: RecordKey | None = None
    """The record of the same stream that came later and changed the contact."""

    @property
    def is_begun(self) -> bool:
        """Whether a run began to make its contact (`Ledger.begin`), and was cut off: `written_at` tells when."""
        return self.contact is None and self.groups == UNNOTED


@dataclass(frozen=True, slots=True)
class Loaded:
    """A record to remember with its contact."""

    entry: LedgerEntry
    version: int | None
    """The version of its stream (ACTIVATE_VERSION), where the tap has named one so far."""
    changed: bool
    """The contact was changed: it may be otherwise than other records say."""
    dropped: Dropped | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A contact that a record named before it named another."""

    contact: Contact
    written_at: Stamp
    is_missing: bool
    """Its stream answers for it: it is removed as missing."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A record that names a contact, for deciding whether the contact may be removed."""

    stream: str
    key: RecordKey
    contact: ContactId
    identity: Identity
    seen: bool
    """It came in this run."""
    version: int | None
    """The last version of its stream that it came with."""
    state: EntryState = EntryState.SYNCED
    merged: bool = False
    """The contact is the survivor of a merge, not the one that the record was loaded into."""

    @property
    def synced(self) -> bool:
        """Whether the contact was brought in line with the record."""
        return self.state is EntryState.SYNCED

    @property
    def is_live(self) -> bool:
        """Whether the record names the contact: it is not missing, or marked as deleted."""
        return self.state in {EntryState.SYNCED, EntryState.FOUND}


UNCONFIRMED: t.Final = ""
"""In place of the run: it is not known whether the contact was changed."""

UNNOTED: t.Final = ""
"""In place of the hash: not all groups that the record lists are linked."""
