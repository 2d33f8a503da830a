"""Builds the parts of a run: the only module that knows them all."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property, partial

from target_intercom.errors import LedgerError
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.dry_run.client import DryRunClient
from target_intercom.intercom.parallel import InParallel
from target_intercom.kinds.companies import Companies
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.ledger.interface import Ledger, stamp
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.scratch import ScratchDatabase
from target_intercom.run.keyed_parts import KeyedParts
from target_intercom.run.link_parts import LinkParts
from target_intercom.settings.config import StreamObject
from target_intercom.settings.warnings import ignored_values, nameless_workspace, no_properties
from target_intercom.singer.schemas import is_open
from target_intercom.sync.contacts import ContactSync
from target_intercom.sync.end_of_pipe import EndOfPipe
from target_intercom.sync.intake import Intake
from target_intercom.sync.mapping.group_names import NAMES
from target_intercom.sync.mapping.mappers import Mappers
from target_intercom.sync.mapping.memberships import MembershipMapper
from target_intercom.sync.mapping.records import RecordMapper
from target_intercom.sync.matching.contact_ids import ContactIds
from target_intercom.sync.matching.directory import Directory
from target_intercom.sync.matching.look_ups import LookUps
from target_intercom.sync.matching.search import Matcher
from target_intercom.sync.memberships import MembershipSync
from target_intercom.sync.record_outcomes import RecordOutcomes
from target_intercom.sync.remembering.stream_memory import StreamMemory
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.marked import Marks, StreamMarks
from target_intercom.sync.removing.removals import Removals
from target_intercom.sync.removing.remover import ContactRemovals, Remover
from target_intercom.sync.workspace.attributes import AttributeCatalog
from target_intercom.sync.writing.archived import ArchivedContacts
from target_intercom.sync.writing.bulk import BulkWriter, Teammates
from target_intercom.sync.writing.bulk_jobs import BulkJobs
from target_intercom.sync.writing.conflicts import ExistingContacts
from target_intercom.sync.writing.dry_run import DryRunWriter
from target_intercom.sync.writing.lost_answers import Creates
from target_intercom.sync.writing.one_by_one import DirectWriter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.intercom.protocol.workspace import Workspace
    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Contact, StreamSchema
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Config, Stream
    from target_intercom.sync.writing.plan_file import Plan, PlanFile
    from target_intercom.sync.writing.results import Writer

GRACE_SECONDS: t.Final = 5.0
"""How long a run that ends early waits for calls in flight: a supervisor kills after some 10 to 30 seconds."""


def new_client(config: Config, plan: PlanFile | None, warn: Callable[[str], None]) -> IntercomClient:
    """Return the client of a run; with a plan it writes nothing to Intercom and plans what it would have written."""
    make = IntercomClient if plan is None else partial(DryRunClient, note=plan.note)
    return make(
        url=config.url,
        token=config.access_token,
        version=config.api_version,
        bulk_version=config.bulk_api_version,
        rate_limit_percent=config.rate_limit_percent,
        max_connections=config.max_connections,
        warn=warn,
    )


def open_database(config: Config) -> Database | None:
    """Open the database of the ledger; None where the run needs none.

    A dry run works on a copy. A run without a ledger that removes contacts or has groups keeps what came until its end.
    """
    if config.ledger is None:
        return ScratchDatabase(config.data_dir) if config.removes or config.has_groups or config.has_members else None
    return ScratchDatabase(config.data_dir, config.ledger) if config.dry_run else Database(config.ledger)


def ledger_of(database: Database | None, config: Config, workspace: Workspace, run_id: str) -> Ledger:
    """Return the ledger of a workspace.

    Raises:
        LedgerError: Intercom does not say whose workspace it is.
    """
    if database is None:
        return Ledger()
    message = None if config.ledger is None else nameless_workspace(workspace)
    if message is not None:
        raise LedgerError(message)
    return SqlLedger(database, workspace.id, run_id)


@dataclass(frozen=True)
class MapperFactory:
    """Makes the mappers of streams, which need no workspace."""

    config: Config
    warn: Callable[[str | None], None]
    add_properties: Callable[[Iterable[str]], object]
    """Takes the names of properties that a stream has."""

    def of(self, kind: EntityKind) -> Mappers[RecordMapper]:
        """Return the mappers of a stream of objects of a kind."""
        return Mappers(partial(self._mapper, kind))

    def of_memberships(self) -> Mappers[MembershipMapper]:
        """Return the mappers of a stream of groups."""
        return Mappers(self._membership_mapper)

    def _mapper(self, kind: EntityKind, schema: StreamSchema) -> RecordMapper:
        self._check_names(schema)
        return RecordMapper(
            schema.stream,
            schema.plain["properties"],
            self.config.stream(schema.stream),
            kind=kind,
            api_version=self.config.api_version,
            say=self.warn,
            is_open=is_open(schema.plain),
            met=self.add_properties,
        )

    def _membership_mapper(self, schema: StreamSchema) -> MembershipMapper:
        self._check_names(schema)
        config = self.config.stream(schema.stream)
        if config.links is None:
            raise LookupError(schema.stream)
        return MembershipMapper(
            schema.stream,
            schema.plain["properties"],
            config,
            NAMES[config.links],
            has_own_mappings=self.config.has_own_mappings(schema.stream),
            say=self.warn,
            is_open=is_open(schema.plain),
            met=self.add_properties,
        )

    def _check_names(self, schema: StreamSchema) -> None:
        has_own_mappings = self.config.has_own_mappings(schema.stream)
        refusal = no_properties(schema.stream, schema.plain, has_own_mappings=has_own_mappings)
        if refusal is not None:
            raise refusal


@dataclass(frozen=True)
class Parts:
    """The parts that the streams of a run share; each is made of others when it is first asked for."""

    config: Config
    client: IntercomClient
    ledger: Ledger
    report: RunReport
    plan: Plan
    warn: Callable[[str | None], None]
    check_refused: Callable[[], None]
    """Ends a run that has refused too many records."""

    def contact_sync(self, stream: Stream, mappers: Mappers[RecordMapper]) -> ContactSync:
        """Return the sync of a stream of contacts."""
        memory = self._memory(stream)
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
        intake = Intake(stream, mappers, self._catalog, memory, outcomes)
        return ContactSync(stream, intake, look_ups, memory, self._writer(stream), outcomes)

    def say_ignored(self, stream: str, attributes: Iterable[str]) -> None:
        """Say, once for each attribute, that Intercom did not take its values."""
        for name in attributes:
            self.warn(ignored_values(stream, name))

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
    def in_parallel(self) -> InParallel:
        """The threads that make calls."""
        return InParallel(self.config.max_connections, self.client.stop, GRACE_SECONDS)

    @cached_property
    def archived(self) -> ArchivedContacts:
        """The contacts that are brought back from the archive to be looked at."""
        return ArchivedContacts(self.client, self.in_parallel, self.ledger, plan=self.plan, say=self.warn)

    @cached_property
    def complete_streams(self) -> CompleteStreams:
        """Which streams of contacts delivered their complete table."""
        return CompleteStreams(self.ledger, self.ledger, self.warn)

    @cached_property
    def _marks(self) -> Marks:
        return Marks(self.report, are_expected=self.config.removes)

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
        return AttributeCatalog(self.client, CONTACTS, self.warn)

    @cached_property
    def directory(self) -> Directory:
        """What is known of contacts."""
        return Directory(search_delay_seconds=self.config.search_delay_seconds, clock=self.client.clock.monotonic)

    @cached_property
    def matcher(self) -> Matcher:
        """Finds contacts."""
        return Matcher(self.client, self.directory, self.in_parallel, self._written_lately)

    def _written_lately(self) -> Iterable[Contact]:
        since = self.client.clock.time() - self.config.search_delay_seconds
        return self.ledger.written_since(stamp(since))

    @cached_property
    def ids(self) -> ContactIds:
        """Finds the ids of contacts that bulk jobs made."""
        return ContactIds(
            self.client,
            self.matcher,
            self.directory,
            ledger=self.ledger,
            in_parallel=self.in_parallel,
            search_delay_seconds=self.config.search_delay_seconds,
        )

    @cached_property
    def contact_jobs(self) -> BulkJobs:
        """Bulk jobs on contacts."""
        return self.jobs(self.client.job, "contacts")

    def jobs(self, look: Callable[[JobId], Job], plural: str) -> BulkJobs:
        """Return the bulk jobs that write some kind of object; `look` reads one."""
        return BulkJobs(
            self.client,
            self.in_parallel,
            look=look,
            plural=plural,
            # What is written is the same, however it travels.
            enabled=self.config.bulk_writes and not self.config.dry_run,
            patience_seconds=self.config.search_delay_seconds,
            say=self.warn,
        )

    @cached_property
    def _teammates(self) -> Teammates:
        return Teammates(self.client)

    def _memory(self, stream: Stream) -> StreamMemory:
        return StreamMemory(
            stream,
            ledger=self.ledger,
            ids=self.ids,
            repair=self.config.repair,
            sees=stream.settings.sync_mode.removes or self.config.removes,
        )

    def _writer(self, stream: Stream) -> Writer:
        existing = ExistingContacts(
            self.client, self.matcher, self._catalog, self.ledger, archived=self.archived, stream=stream
        )
        delay = self.config.search_delay_seconds
        creates = Creates(
            self.client, self.matcher, self.in_parallel, self.ledger, existing, search_delay_seconds=delay
        )
        direct = DirectWriter(creates, existing, self.in_parallel)
        if isinstance(self.client, DryRunClient):
            return DryRunWriter(
                stream, client=self.client, direct=direct, matcher=self.matcher, ledger=self.ledger, plan=self.plan
            )
        if not self.config.bulk_writes:
            return direct
        return BulkWriter(self.contact_jobs, direct, existing, self._teammates, self.links.kinds)
