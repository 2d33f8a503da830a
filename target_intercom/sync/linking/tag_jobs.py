"""The tags of many contacts in bulk jobs: a hundred contacts a call, each with all its changes."""

from __future__ import annotations

import typing as t
from functools import partial

from target_intercom.sync.planning.bulk_items import tag_item
from target_intercom.sync.writing.bulk_jobs import FEWEST, Ending, Submission, parted

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.model import ContactId, TagChange
    from target_intercom.sync.writing.bulk_jobs import BulkJobs

_LOOKS = 2
"""Calls that a job costs beside its submissions, about."""


class TagJobs:
    """Changes tags through bulk jobs, where that costs fewer calls."""

    def __init__(self, client: IntercomClient, jobs: BulkJobs) -> None:
        """`jobs` is shared by the run."""
        self._client = client
        self._jobs = jobs

    @property
    def are_there(self) -> bool:
        """Whether it is worth to bring the changes of a contact together."""
        return self._jobs.are_there

    def run(self, changes: Mapping[ContactId, TagChange], calls: int) -> frozenset[ContactId]:
        """Return the contacts whose tags are changed; `calls` is what all of it would cost otherwise.

        Of the others nothing is known: to put a tag on or take it off again does no harm.
        """
        contacts = sorted(changes)
        submissions = [Submission(chunk, partial(self._send, chunk, changes)) for chunk in parted(contacts)]
        if not self._jobs.are_there or len(contacts) < FEWEST or len(submissions) + _LOOKS >= calls:
            return frozenset()
        done = (ended.items for ended in self._jobs.run(submissions) if ended.ending is Ending.DONE)
        return frozenset(contact for items in done for contact in items)

    def _send(self, contacts: Sequence[ContactId], changes: Mapping[ContactId, TagChange], job: JobId | None) -> Job:
        return self._client.submit_updates([tag_item(contact, changes[contact]) for contact in contacts], job)
