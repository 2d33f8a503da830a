"""Builds the parts of a run: the only module that knows them all."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property, partial

from target_intercom.errors import LedgerError
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.dry_run import DryRunClient
from target_intercom.intercom.parallel import InParallel
from target_intercom.ledger.interface import Ledger, stamp
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.scratch import ScratchDatabase
from target_intercom.settings.warnings import is_nameless, names_nothing
from target_intercom.singer.schemas import is_open
from target_intercom.sync.contacts import ContactSync
from target_intercom.sync.end_of_pipe import EndOfPipe
from target_intercom.sync.linking.listed import ListedGroups
from target_intercom.sync.mapping.contacts import ContactMapper
from target_intercom.sync.mapping.mappers import Mappers
from target_intercom.sync.mapping.memberships import MembershipMapper
from target_intercom.sync.matching.contact_ids import ContactIds
from target_intercom.sync.matching.directory import Directory
from target_intercom.sync.matching.search import Matcher
from target_intercom.sync.memberships import Groups, GroupSync
from target_intercom.sync.remembering.stream_memory import StreamMemory
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.marked import Marks, StreamMarks
from target_intercom.sync.removing.removals import Removals
from target_intercom.sync.removing.remover import Remover
from target_intercom.sync.workspace.attributes import AttributeCatalog
from target_intercom.sync.writing.archived import ArchivedContacts
from target_intercom.sync.writing.bulk import BulkWriter, Teammates
from target_intercom.sync.writing.bulk_jobs import BulkJobs
from target_intercom.sync.writing.dry_run import DryRunWriter
from target_intercom.sync.writing.one_by_one import DirectWriter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_intercom.intercom.protocol import Workspace
    from target_intercom.model import Contact, StreamSchema
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Config
    from target_intercom.settings.stream import Stream
    from target_intercom.sync.writing.one_by_one import Writer
    from target_intercom.sync.writing.plan_file import Plan, PlanFile

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
        say=warn,
    )


def open_database(config: Config) -> Database | None:
    """Open the database of the ledger; None where the run needs none.

    A dry run works on a copy. A run without a ledger that removes contacts or has groups keeps what came until its end.
    """
    if config.ledger is None:
        return ScratchDatabase(config.data_dir) if config.removes or config.has_groups else None
    return ScratchDatabase(config.data_dir, config.ledger) if config.dry_run else Database(config.ledger)


def ledger_of(database: Database | None, config: Config, workspace: Workspace, run_id: str) -> Ledger:
    """Return the ledger of a workspace.

    Raises:
        LedgerError: Intercom does not say whose workspace it is.
    """
    if database is None:
        return Ledger()
    message = None if config.ledger is None else is_nameless(workspace)
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

    def of_contacts(self) -> Mappers[ContactMapper]:
        """Return the mappers of a stream of contacts."""
        return Mappers(self._contact_mapper)

    def of_memberships(self) -> Mappers[MembershipMapper]:
        """Return the mappers of a stream of groups."""
        return Mappers(self._membership_mapper)

    def _contact_mapper(self, schema: StreamSchema) -> ContactMapper:
        self._check_names(schema)
        return ContactMapper(
            schema.stream,
            schema.plain["properties"],
            self.config.stream(schema.stream),
            api_version=self.config.api_version,
            say=self.warn,
            is_open=is_open(schema.plain),
            met=self.add_properties,
        )

    def _membership_mapper(self, schema: StreamSchema) -> MembershipMapper:
        self._check_names(schema)
        return MembershipMapper(
            schema.stream,
            schema.plain["properties"],
            self.config.stream(schema.stream),
            has_own_mappings=self.config.has_own_mappings(schema.stream),
            say=self.warn,
            is_open=is_open(schema.plain),
            met=self.add_properties,
        )

    def _check_names(self, schema: StreamSchema) -> None:
        has_own_mappings = self.config.has_own_mappings(schema.stream)
        refusal = names_nothing(schema.stream, schema.plain, has_own_mappings=has_own_mappings)
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

    def contact_sync(self, stream: Stream, mappers: Mappers[ContactMapper]) -> ContactSync:
        """Return the sync of a stream of contacts."""
        return ContactSync(
            stream,
            mappers=mappers,
            catalog=self._catalog,
            matcher=self._matcher,
            directory=self._directory,
            memory=self._memory(stream),
            ids=self._ids,
            writer=self._writer(stream),
            marks=StreamMarks(stream, self._marks),
            groups=ListedGroups() if self.groups is None else self.groups.listed(stream),
            report=self.report,
        )

    def group_sync(self, stream: Stream, mappers: Mappers[MembershipMapper]) -> GroupSync:
        """Return the sync of a stream of groups."""
        if self.groups is None:
            raise LookupError(stream.name)
        return self.groups.sync(stream, mappers)

    @cached_property
    def end_of_pipe(self) -> EndOfPipe:
        """What is done when all records came."""
        return EndOfPipe(self.config, self.removals, self.groups, self.report)

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
            Remover(self.client, self.in_parallel, self.ledger, self._jobs, self.plan),
            self.complete_streams,
            self._marks,
            config=self.config.stream,
            find_ids=self._ids.find_all,
            say=self.warn,
        )

    @cached_property
    def groups(self) -> Groups | None:
        """The groups of all streams; None where no stream of the run has any."""
        if self.ledger.memberships is None:
            return None
        return Groups(
            self.config,
            client=self.client,
            in_parallel=self.in_parallel,
            jobs=self._jobs,
            matcher=self._matcher,
            ledger=self.ledger,
            memberships=self.ledger.memberships,
            directory=self._directory,
            ids=self._ids,
            plan=self.plan,
            report=self.report,
            check=self.check_refused,
            say=self.warn,
        )

    # Parts that only other parts use.

    @cached_property
    def _catalog(self) -> AttributeCatalog:
        return AttributeCatalog(self.client, self.warn)

    @cached_property
    def _directory(self) -> Directory:
        return Directory(search_delay_seconds=self.config.search_delay_seconds, clock=self.client.clock.monotonic)

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self.client, self._directory, self.in_parallel, self._written_lately)

    def _written_lately(self) -> Iterable[Contact]:
        since = self.client.clock.time() - self.config.search_delay_seconds
        return self.ledger.written_since(stamp(since))

    @cached_property
    def _ids(self) -> ContactIds:
        return ContactIds(
            self.client,
            self._matcher,
            self._directory,
            ledger=self.ledger,
            in_parallel=self.in_parallel,
            search_delay_seconds=self.config.search_delay_seconds,
        )

    @cached_property
    def _jobs(self) -> BulkJobs:
        return BulkJobs(
            self.client,
            self.in_parallel,
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
            ids=self._ids,
            repair=self.config.repair,
            sees=stream.settings.sync_mode.removes or self.config.removes,
        )

    def _writer(self, stream: Stream) -> Writer:
        direct = DirectWriter(
            self.client,
            self._matcher,
            self._catalog,
            self.in_parallel,
            self.ledger,
            stream=stream,
            archived=self.archived,
            search_delay_seconds=self.config.search_delay_seconds,
        )
        if isinstance(self.client, DryRunClient):
            return DryRunWriter(
                stream, client=self.client, direct=direct, matcher=self._matcher, ledger=self.ledger, plan=self.plan
            )
        if not self.config.bulk_writes:
            return direct
        return BulkWriter(
            self.client,
            self._jobs,
            direct,
            matcher=self._matcher,
            catalog=self._catalog,
            teammates=self._teammates,
            ledger=self.ledger,
            stream=stream,
        )
