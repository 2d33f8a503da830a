"""Builds the parts of a run: the only module that knows them all."""

from __future__ import annotations

import typing as t
from functools import cached_property

from target_intercom.intercom.dry_run.client import DryRunClient
from target_intercom.kinds.companies import Companies
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.run.parts.keyed import KeyedParts
from target_intercom.run.parts.links import LinkParts
from target_intercom.run.parts.shared import ContactParts
from target_intercom.settings.config import StreamObject
from target_intercom.sync.contacts import ContactBatch
from target_intercom.sync.end_of_pipe import EndOfPipe
from target_intercom.sync.intake import Intake
from target_intercom.sync.matching.look_ups import LookUps
from target_intercom.sync.memberships import MembershipSync
from target_intercom.sync.overlap import Batches
from target_intercom.sync.record_outcomes import RecordOutcomes
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.marked import Marks, StreamMarks
from target_intercom.sync.removing.removals import Removals
from target_intercom.sync.removing.remover import ContactRemovals, Remover
from target_intercom.sync.workspace.attributes import AttributeCatalog
from target_intercom.sync.workspace.teammates import Teammates
from target_intercom.sync.writing.archived import ArchivedContacts
from target_intercom.sync.writing.bulk import BulkWriter
from target_intercom.sync.writing.conflicts import ExistingContacts
from target_intercom.sync.writing.dry_run import DryRunWriter
from target_intercom.sync.writing.one_by_one import DirectWriter

if t.TYPE_CHECKING:
    from target_intercom.settings.config import Stream
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.memberships import MembershipMapper
    from target_intercom.sync.mapping.records import RecordMapper
    from target_intercom.writes import Writer


class Parts(ContactParts):
    """The parts of all streams and of the end of the pipe."""

    def contact_sync(self, stream: Stream, mappers: Mappers[RecordMapper]) -> Batches:
        """Return the sync of a stream of contacts."""
        writer, custom = self._writer(stream), dict[str, t.Any]()
        self.report.contacts(stream.name)
        return Batches("contacts", mappers, self.overlap, lambda: self._contact_batch(stream, mappers, writer, custom))

    def _contact_batch(
        self, stream: Stream, mappers: Mappers[RecordMapper], writer: Writer, custom: dict[str, t.Any]
    ) -> ContactBatch:
        memory = self.memory(stream, self.ledger, self.ids, self.contact_jobs)
        outcomes = RecordOutcomes(
            stream,
            self.report,
            mappers,
            self.directory,
            memory,
            self.links.of_lists(stream),
            StreamMarks(stream, self._marks),
            self.say_ignored,
        )
        look_ups = LookUps(stream, self.directory, self.matcher, self.ids)
        intake = Intake(stream, mappers, self._catalog, memory, outcomes, custom)
        return ContactBatch(stream, intake, look_ups, memory, writer, outcomes, self.overlap)

    def membership_sync(self, stream: Stream, mappers: Mappers[MembershipMapper]) -> MembershipSync:
        """Return the sync of a stream of groups."""
        at_end = self.links.of_memberships(stream)
        at_end.links.add_stream(stream.name)
        self.report.memberships(stream.name, at_end.links.kind.names.kind)
        return MembershipSync(stream, mappers, at_end.links, at_end.waiting, self.report)

    @cached_property
    def end_of_pipe(self) -> EndOfPipe:
        """What is done when all records came."""
        return EndOfPipe(self.config, self.every_removals, self.links.at_end, self.report)

    @cached_property
    def every_removals(self) -> list[Removals]:
        """The objects to remove, by kind, in the order in which they are removed."""
        return [self.removals, *([self.companies.removals] if self.config.has_companies else [])]

    @cached_property
    def companies(self) -> KeyedParts:
        """The parts that streams of companies share."""
        kind = Companies(self.client, self.in_parallel)
        return KeyedParts(self, kind, StreamObject.COMPANIES, self.links.members_of_ours)

    @cached_property
    def archived(self) -> ArchivedContacts:
        """The contacts that are brought back from the archive to be looked at."""
        return ArchivedContacts(self.client, self.in_parallel, self.ledger, self.plan, self.warn)

    @cached_property
    def complete_streams(self) -> CompleteStreams:
        """Which streams of contacts delivered their complete table."""
        return CompleteStreams(self.ledger, self.ledger, self.warn)

    @cached_property
    def _marks(self) -> Marks:
        return Marks(self.report, self.shelves.shelf, are_expected=self.config.removes)

    @cached_property
    def removals(self) -> Removals:
        """The contacts to remove."""
        return Removals(
            self.ledger,
            Remover(ContactRemovals(self.client, self.contact_jobs), self.in_parallel, self.ledger, self.plan),
            self.complete_streams,
            self._marks,
            config=self.config.stream,
            find_ids=self.ids.find_all,
            say=self.warn,
        )

    @cached_property
    def links(self) -> LinkParts:
        """The parts of contacts' links."""
        return LinkParts(self)

    # Parts that other parts use.

    @cached_property
    def _catalog(self) -> AttributeCatalog:
        beside_companies = self.config.has_companies
        return AttributeCatalog(self.client, CONTACTS, self.warn, self.known_attributes, beside_others=beside_companies)

    @cached_property
    def _teammates(self) -> Teammates:
        return Teammates(self.client)

    def _writer(self, stream: Stream) -> Writer:
        existing = ExistingContacts(
            self.client, self.matcher, self._catalog, self.ledger, archived=self.archived, stream=stream
        )
        direct = DirectWriter(existing, self.in_parallel, self.config.search_delay_seconds)
        if isinstance(self.client, DryRunClient):
            return DryRunWriter(stream, self.client, direct, self.plan)
        if not self.config.bulk_writes:
            return direct
        return BulkWriter(self.contact_jobs, direct, existing, self._teammates, self.links.kinds)
