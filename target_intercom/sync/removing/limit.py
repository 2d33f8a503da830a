"""The fuse: how many of a stream's contacts one run may remove (docs/removals.md). Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

FEW: t.Final = 20
"""So many removals need no share: small tables change by large shares."""
HALF: t.Final = 50
"""Percent of the known contacts that may be missing at any number: more looks like a broken source."""
ALL: t.Final = 100
"""The percentage at which there is no fuse."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a run is about to remove of one stream, and of how many."""

    stream: str
    marked: int
    """Contacts that go because their records are marked as deleted."""
    missing: int
    """Contacts that go because their records are missing from the complete table."""
    known: int | None
    """Contacts that the stream had when its last run succeeded; None: no run of it has."""
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
