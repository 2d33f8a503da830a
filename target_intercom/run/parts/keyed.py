"""Builds the parts of a run that load objects known by their key: companies."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property

from target_intercom.sync.by_key.known import KnownObjects
from target_intercom.sync.by_key.removing import KeyedRemovals
from target_intercom.sync.by_key.writer import KeyedWriter
from target_intercom.sync.intake import Intake
from target_intercom.sync.keyed_objects import KeyedBatch
from target_intercom.sync.linking.listed import ContactLinks
from target_intercom.sync.matching.directory import Directory
from target_intercom.sync.overlap import Batches
from target_intercom.sync.record_outcomes import RecordOutcomes
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.marked import Marks, StreamMarks
from target_intercom.sync.removing.removals import Removals
from target_intercom.sync.removing.remover import Remover
from target_intercom.sync.workspace.attributes import AttributeCatalog

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_intercom.kinds.keyed import KeyedKind
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import ContactId
    from target_intercom.run.parts.shared import SharedParts
    from target_intercom.settings.config import Stream, StreamObject
    from target_intercom.sync.jobs.bulk_jobs import BulkJobs
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.records import RecordMapper


@dataclass(frozen=True)
class KeyedParts:
    """The parts that the streams of one kind share; each is made of others when it is first asked for."""

    shared: SharedParts
    kind: KeyedKind
    object: StreamObject
    ours: Callable[[Collection[ContactId]], Mapping[ContactId, Collection[ContactId]]]
    """Returns whom this target has put into objects."""

    def sync(self, stream: Stream, mappers: Mappers[RecordMapper]) -> Batches:
        """Return the sync of a stream."""
        shared = self.shared
        shared.report.companies(stream.name)
        writer, custom = self._writer(stream), dict[str, t.Any]()
        plural = self.kind.kind.plural
        return Batches(plural, mappers, shared.overlap, lambda: self._batch(stream, mappers, writer, custom))

    def _batch(
        self, stream: Stream, mappers: Mappers[RecordMapper], writer: KeyedWriter, custom: dict[str, t.Any]
    ) -> KeyedBatch:
        shared = self.shared
        memory = shared.memory(stream, self.ledger, None, self._jobs)
        marks = StreamMarks(stream, self._marks)
        outcomes = RecordOutcomes(
            stream, shared.report, mappers, self.known.directory, memory, ContactLinks(), marks, shared.say_ignored
        )
        intake = Intake(stream, mappers, self._catalog, memory, outcomes, custom)
        repair = shared.config.repair
        return KeyedBatch(stream, intake, self.known, memory, writer, outcomes, shared.overlap, repair)

    @cached_property
    def ledger(self) -> Ledger:
        """The part of the ledger with objects of the kind."""
        return self.shared.ledger.of(self.object.value)

    @cached_property
    def known(self) -> KnownObjects:
        """The objects that the run works on."""
        config, clock = self.shared.config, self.shared.client.clock
        directory = Directory(search_delay_seconds=config.search_delay_seconds, clock=clock.monotonic)
        return KnownObjects(self.kind, self.shared.in_parallel, self.ledger, directory)

    @cached_property
    def complete_streams(self) -> CompleteStreams:
        """Which streams of the kind delivered their complete table."""
        return CompleteStreams(self.ledger, self.ledger, self.shared.warn)

    @cached_property
    def removals(self) -> Removals:
        """The objects to remove."""
        calls = KeyedRemovals(self.known, self._jobs, self.ours)
        return Removals(
            self.ledger,
            Remover(calls, self.shared.in_parallel, self.ledger, self.shared.plan),
            self.complete_streams,
            self._marks,
            config=self.shared.config.stream,
            find_ids=lambda: None,
            say=self.shared.warn,
            plural=self.kind.kind.plural,
        )

    @cached_property
    def _marks(self) -> Marks:
        return Marks(self.shared.report, self.shared.shelves.shelf, are_expected=self.shared.config.removes)

    @cached_property
    def _catalog(self) -> AttributeCatalog:
        shared = self.shared
        return AttributeCatalog(shared.client, self.kind.kind, shared.warn, shared.known_attributes, beside_others=True)

    @cached_property
    def _jobs(self) -> BulkJobs:
        return self.shared.jobs(self.kind.job, self.kind.kind.plural)

    @cached_property
    def _started(self) -> float:
        return self.shared.client.clock.time()

    def _writer(self, stream: Stream) -> KeyedWriter:
        began = self._started
        return KeyedWriter(
            stream,
            self.known,
            self._catalog,
            self._jobs,
            self.shared.plan,
            lambda: int(self.shared.client.intercom_time(began)),
        )
