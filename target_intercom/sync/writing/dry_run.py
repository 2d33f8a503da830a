"""Operations of a dry run: planned as in any run, and written nowhere."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.model import Identity
from target_intercom.sync.remembering.fingerprints import record_key
from target_intercom.sync.writing.plan_file import Origin
from target_intercom.writes import Create, Update

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_intercom.intercom.dry_run.client import DryRunClient
    from target_intercom.model import Contact
    from target_intercom.settings.config import Stream
    from target_intercom.sync.writing.one_by_one import DirectWriter
    from target_intercom.sync.writing.plan_file import Plan, Subject
    from target_intercom.writes import Call, Written


@dataclass(frozen=True, slots=True)
class DryRunWriter:
    """Reads the contacts whose old values a plan needs, many a search, and hands on to a writer whose client is dry."""

    stream: Stream
    client: DryRunClient
    direct: DirectWriter
    plan: Plan

    def write(self, calls: Sequence[Call]) -> Iterator[Written]:
        """See `Writer`."""
        self.plan.because({subject: origin for one in calls for subject, origin in self._origins(one)})
        read = self._read([one.contact for one in calls if isinstance(one, Update)])
        emails = (one.records.draft.identity.email for one in calls if isinstance(one, Create))
        holders = self.direct.existing.ledger.users_with(list({email for email in emails if email is not None}))
        with self.client.expecting(read, holders):
            yield from self.direct.write(calls)

    def _origins(self, operation: Call) -> Iterator[tuple[Subject, Origin]]:
        entry, identity = operation.records.entries[-1], operation.records.draft.identity
        key = record_key(entry.received.record, self.stream.keys, identity, self.stream.settings.match_by)
        origin = Origin(self.stream.name, key)
        for identifier in identity.identifiers():
            yield identifier, origin
        if isinstance(operation, Update):
            yield operation.contact.id, origin
            for identifier in Identity.of(operation.contact).identifiers():
                yield identifier, origin

    def _read(self, contacts: Sequence[Contact]) -> Iterator[Contact]:
        """Return the contacts as they are; what search may show as it was is left to be read singly."""
        matcher = self.direct.existing.matcher
        unread = {one.id for one in contacts if not one.is_read} - matcher.lately().keys()
        view = matcher.shown(unread)
        for one in contacts:
            shown = one if one.is_read else view.get(one.id)
            if shown is not None:
                yield shown
