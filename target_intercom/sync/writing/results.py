"""What became of a planned write: every one comes back as exactly one `Written`."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.model import Create, Refuse, Result, Skip, Unchanged, Update

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_intercom.intercom.protocol.ids import ContactId
    from target_intercom.model import Contact, ContactRecords, PlannedWrite, Refusal, SkipReason

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
    may_change: bool = False
    """A job that was given up may still write older values."""
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


Written: t.TypeAlias = Saved | Skipped | Rejected | InDoubt | Surprise


def without_calls(planned: Iterable[PlannedWrite]) -> tuple[list[Create | Update], list[Written]]:
    """Return the writes that take a call, and what became of the others."""
    calls: list[Create | Update] = []
    done: list[Written] = []
    for one in planned:
        match one:
            case Create() | Update():
                calls.append(one)
            case Refuse(records, why):
                done.append(Rejected(records, why))
            case Skip(records, reason):
                done.append(Skipped(records, reason))
            case Unchanged(records, contact):
                done.append(Saved(records, Result.UNCHANGED, contact))
    return calls, done


class Writer(t.Protocol):
    """Carries out what was planned."""

    def write(self, operations: Iterable[PlannedWrite]) -> Iterator[Written | None]:
        """Yield what became of each operation, as it becomes known, in any order.

        None: the others are under way, and what comes next would wait for them.
        """
