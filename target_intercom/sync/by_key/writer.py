"""Writes objects that are known by their key: a call each, or many by bulk jobs; to repeat either does no harm."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial

from target_intercom.errors import NotFoundError, RefusedError, UndoneError
from target_intercom.model import CUSTOM_PREFIX
from target_intercom.outcomes import Refusal, Result
from target_intercom.sync.by_key.plan import differing
from target_intercom.sync.jobs.bulk_jobs import FEWEST, JobEnd
from target_intercom.sync.matching.directory import Gone, Source
from target_intercom.sync.writing.plan_file import Origin
from target_intercom.writes import Rejected, Saved, Surprise, Update

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Contact, ContactId, Json
    from target_intercom.settings.config import Stream
    from target_intercom.sync.by_key.known import KnownObjects
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs, Ended
    from target_intercom.sync.workspace.attributes import AttributeCatalog
    from target_intercom.sync.writing.plan_file import Plan
    from target_intercom.writes import Call, SavedAs, Written


@dataclass(frozen=True, slots=True)
class KeyedWriter:
    """Writes the objects of one stream."""

    stream: Stream
    known: KnownObjects
    catalog: AttributeCatalog
    jobs: BulkJobs
    plan: Plan
    since: Callable[[], float]
    """Returns when the run began, in unix seconds of Intercom's clock: what was made before is not new."""

    def write(self, calls: Sequence[Call]) -> Iterator[Written | None]:
        """See `Writer`."""
        self.plan.because({_key(one): Origin(self.stream.name, one.records.entries[-1].key) for one in calls})
        singly, in_bulk = self._parted(calls)
        yield from self._write_singly(singly)
        if in_bulk:
            ended = self.jobs.run(in_bulk, self._submit)
            yield None
            yield from self._settle(ended)

    def _parted(self, calls: Sequence[Call]) -> tuple[list[Call], list[Call]]:
        """Part writes into those that go singly, and those that a job may carry.

        Jobs have no null for a standard attribute, and do not say that an attribute does not exist: a new attribute is
        tried by a single call first.
        """
        if not self.jobs.are_there:
            return list(calls), []
        singly: list[Call] = []
        in_bulk: list[Call] = []
        proofs = self.catalog.proofs(one.attributes for one in calls)
        for one, is_proof in zip(calls, proofs, strict=True):
            (singly if is_proof or _clears_standard(one.attributes) else in_bulk).append(one)
        return (singly, in_bulk) if len(in_bulk) >= FEWEST else (list(calls), [])

    # Singly.

    def _write_singly(self, calls: Sequence[Call]) -> Iterator[Written]:
        yield from self.known.in_parallel(self._call, list(calls))

    def _call(self, one: Call) -> Written:
        known = one.contact if isinstance(one, Update) else None
        was_missing = isinstance(self.known.directory.fact(_key(one)), Gone)
        try:
            saved, dropped = self.catalog.sending(partial(self._send, _key(one), known), one.attributes)
        except NotFoundError as error:
            return Surprise(one.records, Refusal.by_intercom(error.fault), _key(one))
        except UndoneError as error:
            is_unchanged = isinstance(error, RefusedError)
            return Rejected(one.records, Refusal.by_intercom(error.fault), is_unchanged=is_unchanged)
        self.known.directory.learn(saved, Source.ANSWER)
        ignored = tuple(name for name in differing(one.records.draft, saved, self._kind) if name not in dropped)
        return Saved(one.records, self._result(known, saved, was_missing=was_missing), saved, dropped, ignored=ignored)

    def _send(self, key: ContactId, known: Contact | None, attributes: Mapping[str, Json]) -> Contact:
        if self.stream.settings.sync_mode.creates or known is None:
            return self.known.kind.save(key, attributes)
        # An object that is gone is not made anew.
        allowed = {name: value for name, value in attributes.items() if name not in self._kind.only_upserted}
        return self.known.kind.update(known, allowed)

    def _result(self, known: Contact | None, saved: Contact, *, was_missing: bool) -> SavedAs:
        if was_missing:
            return Result.CREATED
        if known is not None and self.known.kind.is_same(known, saved):
            return Result.UPDATED
        may_be_new = self.stream.settings.sync_mode.creates
        is_new = may_be_new and (saved.created_at is None or saved.created_at >= self.since())
        return Result.CREATED if is_new else Result.UPDATED

    # In bulk.

    def _settle(self, submissions: Iterable[Ended[Call]]) -> Iterator[Written]:
        for ended in submissions:
            if ended.ending is JobEnd.DONE:
                yield from map(self._done, ended.items)
                continue
            if ended.ending is JobEnd.UNKNOWN:
                self.jobs.given_up.update(map(_key, ended.items))
            yield from self._write_singly(ended.items)

    def _submit(self, calls: Sequence[Call], job: JobId | None) -> Job:
        kept = [(one, self.catalog.kept(one.attributes)[0]) for one in calls]
        if self.stream.settings.sync_mode.creates:
            return self.known.kind.submit([(_key(one), attributes) for one, attributes in kept], job)
        updates = [(one.contact, attributes) for one, attributes in kept if isinstance(one, Update)]
        return self.known.kind.submit_updates(updates, job)

    def _done(self, one: Call) -> Saved:
        known = one.contact if isinstance(one, Update) else None
        attributes, dropped = self.catalog.kept(one.attributes)
        saved = self.known.kind.new(_key(one), attributes, known)
        self.known.directory.learn(saved, Source.ANSWER)
        return Saved(one.records, Result.CREATED if known is None else Result.UPDATED, saved, dropped)

    @property
    def _kind(self) -> EntityKind:
        return self.known.kind.kind


def _key(operation: Call) -> ContactId:
    """Return the key of an object: of a record that is written it is known."""
    return t.cast("ContactId", operation.records.draft.identity.external_id)


def _clears_standard(attributes: Mapping[str, Json]) -> bool:
    return any(value is None and not name.startswith(CUSTOM_PREFIX) for name, value in attributes.items())
