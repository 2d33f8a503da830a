"""The fuse: how many of a stream's contacts one run may remove. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

FEW: t.Final = 20
"""So many marked removals need no share: small tables change by large shares."""
HALF: t.Final = 50
"""Percent of the known contacts that may leave at any number: more looks like a broken source."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a run is about to remove of one stream, and of how many."""

    stream: str
    marked: int
    """Contacts whose records are marked as deleted."""
    left: int
    """Contacts whose records are missing from the whole table."""
    known: int
    """Contacts known from the stream before this run."""
    read: int
    """Records of the stream in this run."""
    what: str = "contacts"
    """What is removed."""


def too_many(share: Share, percent: int) -> str | None:
    """Tell why a share is beyond what `max_removal_percent` allows; None where it is not.

    Raising the setting beyond a half also allows that more than half of the known leave: there has to be a way.
    """
    removals, of = share.marked + share.left, max(share.known, share.read)
    is_large = removals > FEW and removals * 100 > percent * of
    if not is_large and share.left * 100 <= max(HALF, percent) * share.known:
        return None
    return (
        f"Stream '{share.stream}': {removals} {share.what} would be removed ({share.marked} marked as deleted, "
        f"{share.left} missing), of {share.known} known before and {share.read} records read. 'max_removal_percent' "
        f"({percent}) does not allow so many, and none was removed. If they are right, run once with a higher one."
    )
