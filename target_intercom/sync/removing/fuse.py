"""The fuse: how many of a stream's contacts one run may remove (docs/removals.md)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

FEW: t.Final = 20
"""So many removals are allowed whatever their share: small tables change by large shares."""
HALF: t.Final = 50
"""The percentage of the known contacts that may be missing: more looks like a broken source, however few they are."""
ALL: t.Final = 100
"""The percentage at which there is no fuse."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many contacts of one stream a run is about to remove, and how many there are."""

    stream: str
    marked: int
    """Contacts whose records are marked as deleted."""
    missing: int
    """Contacts whose records are missing from the complete stream."""
    known: int | None
    """Contacts that the stream had when its last run succeeded; None: none has."""
    what: str = "contacts"
    """What is removed."""


def too_many(share: Share, percent: int) -> str | None:
    """Return why a share is beyond what `max_removal_percent` allows; None where it is not.

    Only what the stream had when its last run succeeded counts as its size: not what this run or a failed one wrote.
    A percentage above a half also allows that more than half is missing: there has to be a way.
    """
    removals, known = share.marked + share.missing, share.known
    if percent >= ALL or not removals:
        return None
    is_large = removals > FEW and (known is None or removals * 100 > percent * known)
    is_most = known is not None and share.missing * 100 > max(HALF, percent) * known
    if not (is_large or is_most):
        return None
    size = "no run of the stream has succeeded yet" if known is None else f"it had {known} when its last run succeeded"
    return (
        f"Stream '{share.stream}': {removals} {share.what} would be removed ({share.marked} marked as deleted, "
        f"{share.missing} missing); {size}. 'max_removal_percent' ({percent}) does not allow so many, and none was "
        "removed. If these removals are intended, run once with 'max_removal_percent' set higher."
    )
