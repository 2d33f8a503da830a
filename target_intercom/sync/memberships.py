"""Memberships of groups or companies, batch by batch: map, and wait for the end of the pipe, when contacts exist."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from target_intercom.errors import InvalidRecordError
from target_intercom.outcomes import Outcome, Refusal, Result
from target_intercom.sync.linking.waiting import WaitingMembership
from target_intercom.sync.mapping.identifiers import no_identifier
from target_intercom.sync.remembering.fingerprints import NO_IDENTITY, membership_print, readable_key, record_key

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.model import GroupKey, Received, RecordKey, StreamSchema
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Stream
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.linking.waiting import WaitingMemberships
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.memberships import MembershipDraft, MembershipMapper


@dataclass(frozen=True)
class MembershipSync:
    """Lets the memberships of one stream wait for the end of the pipe (`end_of_pipe.py`)."""

    stream: Stream
    mappers: Mappers[MembershipMapper]
    links: Links
    waiting: WaitingMemberships
    """The memberships of all streams."""
    report: RunReport
    _refused: dict[int | None, set[RecordKey]] = field(default_factory=lambda: defaultdict(set))
    """The keys of a batch's refused records, by version."""

    def meet(self, schema: StreamSchema) -> None:
        """Check that records can be loaded that come under a schema.

        Raises:
            StreamRefusedError: they cannot.
        """
        self.mappers.of(schema)

    def run(self, records: Sequence[Received]) -> None:
        """Keep a batch for the end of the pipe; records that cannot be loaded are reported at once."""
        for received in records:
            try:
                self._wait(received)
            except InvalidRecordError as error:
                self._refuse(received, error)
        for version, keys in self._refused.items():
            self.links.memberships.see(self.stream.name, keys, version)
        self._refused.clear()

    def _wait(self, received: Received) -> None:
        if received.trouble is not None:
            raise received.trouble
        draft = self.mappers.of(received.schema).map(received.record)
        self.links.named_by[self.stream.name] = draft.source
        group = None if draft.name is None else self.links.kind.names.key(draft.name)
        match_by = self.stream.settings.match_by
        key = self._key(received, draft, group)
        if key is None:
            raise no_identifier(match_by)
        waiting = WaitingMembership(
            stream=self.stream.name,
            key=key,
            identity=draft.identity,
            group=group,
            name=draft.name or "",
            removed=draft.removed,
            content=None if group is None else membership_print(draft.identity, group, match_by),
            version=self.stream.version_of(received),
        )
        self.waiting.add(waiting, received)

    def _key(self, received: Received, draft: MembershipDraft, group: GroupKey | None) -> RecordKey | None:
        """Return a record's key; None: it has no key property, and names no contact or no group."""
        identity = NO_IDENTITY if group is None else draft.identity
        return record_key(received.record, self.stream.keys, identity, self.stream.settings.match_by, group)

    def _refuse(self, received: Received, error: InvalidRecordError) -> None:
        """Report a record that cannot be loaded; it is not missing from its stream.

        Where its key cannot be read, it may be any record of the stream.
        """
        why = Refusal(Result.INVALID, error.reason, error.code, error.field)
        self.report.record(self.stream.name, Outcome(received, Result.INVALID, refusal=why))
        key = readable_key(received.record, self.stream.keys, NO_IDENTITY, ())
        if key is None:
            self.links.unreadable.add(self.stream.name)
        else:
            self._refused[self.stream.version_of(received)].add(key)
