"""Writes contacts by a call each, over many connections."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from functools import partial

from target_intercom.errors import ConflictError, MergedError
from target_intercom.model import Identity, MatchBy
from target_intercom.outcomes import Refusal, Result
from target_intercom.sync.matching.whose import another_person
from target_intercom.sync.writing.conflicts import attempt
from target_intercom.writes import Rejected, Saved, Surprise, Update

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_intercom.intercom.parallel import InParallel
    from target_intercom.sync.writing.conflicts import ExistingContacts
    from target_intercom.sync.writing.lost_answers import Creates, LeadInDoubt
    from target_intercom.writes import Call, Written


@dataclass(frozen=True, slots=True)
class DirectWriter:
    """Writes the contacts of one stream, each by a call of its own."""

    creates: Creates
    existing: ExistingContacts
    in_parallel: InParallel

    def write(self, calls: Sequence[Call]) -> Iterator[Written]:
        """Write; leads in doubt come last, settled together."""
        yield from self.creates.settle_leads(self.in_parallel(self._call, calls))

    def _call(self, call: Call) -> Written | LeadInDoubt:
        write = partial(self._update, call) if isinstance(call, Update) else partial(self.creates.create, call)
        return attempt(call.records, write)

    def _update(self, operation: Update) -> Written:
        records = operation.records
        try:
            return self.existing.save(records, operation.contact, operation.attributes, Result.UNCHANGED)
        except ConflictError as error:
            if any(entry.contact is not None for entry in records.entries):
                return Surprise(records, Refusal.by_intercom(error.fault))
            if len(records.entries) > 1 or not self._goes_by_external_id(records.draft.identity):
                raise
            return self.existing.after_conflict(records, error, doubtful=False)
        except MergedError as error:
            survivor = self.existing.matcher.survivor(error)
            if survivor is None or another_person(records.draft.identity, survivor):
                return Rejected(records, Refusal.by_intercom(error.fault))
            written = self.existing.bring_up_to_date(records, survivor, Result.UNCHANGED)
            return replace(written, by_merge=True) if isinstance(written, Saved) else written

    def _goes_by_external_id(self, identity: Identity) -> bool:
        """Check whether who has a record's external_id is meant, before whom its other identifiers find.

        Search may not show that user: it is archived, or was made a moment ago.
        """
        given = (which for which in self.existing.stream.settings.match_by if identity.get(which) is not None)
        return next(given, None) is MatchBy.EXTERNAL_ID
