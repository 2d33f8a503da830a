"""What a kind of object states about itself that is known by the source's key alone, and the calls that it makes.

`sync/by_key` has the rules that hold for every such kind, and knows none by name. Its objects are `Contact`s to the
rest of the engine: with the source's key as their id, and no other identifier.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.json_lines import Json
    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Contact, ContactId


class KeyedKind(t.Protocol):
    """A kind of object that is known by its key. Every call may raise what the client's methods raise."""

    kind: EntityKind

    def new(self, key: ContactId, attributes: Mapping[str, Json], known: Contact | None) -> Contact:
        """Return an object as a bulk job has left it; `known`: what was known of it before."""

    def has_id(self, known: Contact) -> bool:
        """Check whether Intercom's own id of an object is known."""

    def is_same(self, before: Contact, after: Contact) -> bool:
        """Check whether an object is still the one that it was: another one may have its key by now."""

    def find(self, key: ContactId) -> Contact | None:
        """Read the object that has a key; None: there is none."""

    def save(self, key: ContactId, attributes: Mapping[str, Json]) -> Contact:
        """Create an object, or update the one that has the key; repeating it does no harm."""

    def update(self, known: Contact, attributes: Mapping[str, Json]) -> Contact:
        """Update an object, whose id is known.

        Raises:
            NotFoundError: it is not there any more.
        """

    def archive(self, known: Contact) -> None:
        """Archive an object, whose id is known.

        Raises:
            NotFoundError: it is not there any more.
        """

    def strangers(
        self, known: Sequence[Contact], ours: Mapping[ContactId, Collection[ContactId]]
    ) -> Mapping[ContactId, bool]:
        """Return whether anybody but `ours` is in each of some objects, whose ids are known; gone ones are left out."""

    # In bulk.

    def submit(self, items: Collection[tuple[ContactId, Mapping[str, Json]]], job: JobId | None) -> Job:
        """Submit objects to be created or updated by their keys."""

    def submit_updates(self, items: Collection[tuple[Contact, Mapping[str, Json]]], job: JobId | None) -> Job:
        """Submit updates of objects whose ids are known."""

    def submit_archivals(self, known: Sequence[Contact], job: JobId | None) -> Job:
        """Submit objects, whose ids are known, to be archived."""

    def job(self, job: JobId) -> Job:
        """Read how far a job is."""
