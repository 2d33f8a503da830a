"""The writes of a batch: the records of a contact, what is planned for it, and what became of that."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from target_intercom.model import Found
from target_intercom.outcomes import Result

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.model import (
        Contact,
        ContactDraft,
        ContactId,
        Entry,
        Json,
        LinkedId,
        LinkName,
        Name,
        NotFound,
        RecordKey,
        Role,
    )
    from target_intercom.outcomes import Refusal, SkipReason


@dataclass(slots=True)
class ContactRecords:
    """The records of one contact in a batch, laid over each other."""

    match: NotFound | Found
    draft: ContactDraft
    entries: list[Entry]
    contact: ContactId | None = None
    """The contact, or a stand-in for one that is to be made; None: nothing is changed for sure."""
    turn: int = 0
    """The round in which it goes."""
    replaced: AbstractSet[RecordKey] = frozenset()
    """Keys that come again in a later write of the batch: what their records list here does not last."""
    is_followed: bool = False
    """Another write or a mark of the batch is about the contact after this."""
    asked: AbstractSet[Name] = frozenset()
    """All by which its records were decided: keys, identifiers and contacts."""
    moved: AbstractSet[Name] = frozenset()
    """All that it changes of that: what is decided by it is planned on its success."""

    @property
    def found(self) -> Contact | None:
        """The contact that is there; None: one is to be made."""
        return self.match.contact if isinstance(self.match, Found) else None


@dataclass(frozen=True, slots=True)
class LinkChange:
    """Links that a contact is to get, and to lose."""

    add: frozenset[LinkedId]
    remove: frozenset[LinkedId]


@dataclass(frozen=True, slots=True)
class Create:
    """Make a new contact."""

    records: ContactRecords
    role: Role
    attributes: Mapping[str, Json]
    again: bool = False
    """It was sent before and surely did not arrive."""
    links: Mapping[LinkName, LinkChange] = field(default_factory=dict)
    """What may go along in a bulk job, as of an `Update`."""
    stand_in: ContactId | None = None
    """The contact's id as long as Intercom's is not known, where links go along (`stand_in`)."""


@dataclass(frozen=True, slots=True)
class Update:
    """Change a contact."""

    records: ContactRecords
    contact: Contact
    attributes: Mapping[str, Json]
    """Those that differ; none only where nothing but links is to be changed."""
    links: Mapping[LinkName, LinkChange] = field(default_factory=dict)
    """What may go along in a bulk job, by kind of link; single writes leave it to the end of the pipe."""


Call: t.TypeAlias = Create | Update

# What became of it.

SavedAs: t.TypeAlias = t.Literal[Result.CREATED, Result.UPDATED, Result.UNCHANGED]


@dataclass(frozen=True, slots=True)
class Saved:
    """The contact is as the records say, and `contact` is its state."""

    records: ContactRecords
    result: SavedAs
    contact: Contact
    dropped: tuple[str, ...] = ()
    """Attributes that were left out because Intercom does not have them."""
    ignored: tuple[str, ...] = ()
    """Attributes whose values Intercom's own answer does not show: it did not take them."""
    links_sent: bool = False
    """The changes of its links went along."""
    by_merge: bool = False
    """The contact is the survivor of a merge, into which the records' own contact went."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing was to be written, for a reason."""

    records: ContactRecords
    reason: SkipReason
    contact: Contact | None = None
    """The contact of the records, where only a call about it has shown that it is there."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The records were refused."""

    records: ContactRecords
    refusal: Refusal
    is_unchanged: bool = False
    """Intercom has refused to change the contact."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It is not known whether the contact was made: nothing of its records may be sent again."""

    records: ContactRecords
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Surprise:
    """The contact is gone, or another one has the identifiers of its records: they have to be planned anew."""

    records: ContactRecords
    refusal: Refusal
    """For records that were surprised before."""
    gone: ContactId | None = None
    """The contact that is gone; None: the ledger has linked the records to the wrong one."""


PlannedWrite: t.TypeAlias = Call | Saved | Skipped | Rejected
"""A call, or what is known without."""
Written: t.TypeAlias = Saved | Skipped | Rejected | InDoubt | Surprise


class Writer(t.Protocol):
    """Makes the calls that were planned."""

    def write(self, calls: Sequence[Call]) -> Iterator[Written | None]:
        """Yield what became of each write, as it becomes known, in any order.

        None: the others are under way, and what comes next would wait for them.
        """
