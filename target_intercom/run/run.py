"""One run's parts: the only place that puts them together."""

from __future__ import annotations

import datetime as dt
import secrets
import typing as t
from contextlib import suppress
from functools import partial

from target_intercom.errors import (
    ConfigValidationError,
    LedgerError,
    RegionError,
    TooManyRejectedError,
    redact,
)
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.dry_run import DryRunClient
from target_intercom.intercom.parallel import InParallel
from target_intercom.kinds.tags import Tags
from target_intercom.ledger.interface import Ledger, stamp
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.scratch import ScratchDatabase
from target_intercom.ledger.store.scratch_folder import sweep
from target_intercom.reporting.log import Repeated
from target_intercom.reporting.report import RejectedRecords, RunReport
from target_intercom.settings.contact_streams import ContactStreams
from target_intercom.settings.stream import Stream
from target_intercom.settings.warnings import (
    is_in_no_stream,
    is_nameless,
    is_no_snapshot,
    knows_no_earlier_run,
    lies_elsewhere,
    names_nothing,
    snapshot_is_idle,
    sync_removes_nobody,
    unwritable,
)
from target_intercom.singer.schemas import is_open
from target_intercom.singer.tap_streams import Pipe
from target_intercom.sync.contacts import ContactSync
from target_intercom.sync.end_of_pipe import EndOfPipe, LinksAtEnd
from target_intercom.sync.linking.find_contacts import FindContacts
from target_intercom.sync.linking.in_bulk import LinkJobs, LinksWithContacts
from target_intercom.sync.linking.links import Links
from target_intercom.sync.linking.listed import ListedLinks, NoLinks
from target_intercom.sync.linking.outcomes import Outcomes
from target_intercom.sync.linking.put_on import PutOn
from target_intercom.sync.linking.take_off import TakeOff
from target_intercom.sync.linking.waiting import UnnamedLists, WaitingMemberships
from target_intercom.sync.mapping.by_schema import Mappers
from target_intercom.sync.mapping.contacts import ContactMapper
from target_intercom.sync.mapping.memberships import MembershipMapper
from target_intercom.sync.matching.naming import Naming
from target_intercom.sync.matching.recent import RecentContacts
from target_intercom.sync.matching.search import Matcher
from target_intercom.sync.memberships import MembershipSync
from target_intercom.sync.remembering.stream_memory import StreamMemory
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.marks import StreamMarks
from target_intercom.sync.removing.removals import Removals
from target_intercom.sync.removing.remover import Remover
from target_intercom.sync.workspace.attributes import AttributeCatalog
from target_intercom.sync.workspace.tags import TagCatalog
from target_intercom.sync.writing.archived import ArchivedContacts
from target_intercom.sync.writing.bulk import BulkWriter, Teammates
from target_intercom.sync.writing.bulk_jobs import BulkJobs
from target_intercom.sync.writing.dry_run import DryRunWriter
from target_intercom.sync.writing.one_by_one import DirectWriter
from target_intercom.sync.writing.plan_file import Plan, PlanFile

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Sequence

    from target_intercom.errors import StreamRefusedError
    from target_intercom.intercom.protocol import Workspace
    from target_intercom.model import Contact, StreamSchema
    from target_intercom.reporting.report import Status
    from target_intercom.settings.config import Config, StreamConfig
    from target_intercom.singer.tap_streams import TapStream
    from target_intercom.sync.writing.one_by_one import Writer

_GRACE_SECONDS = 5.0
"""How long a run that ends early waits for calls in flight: a supervisor kills after some 10 to 30 seconds."""


class Run:
    """What must outlive a sink: the parts that the streams of a run share."""

    def __init__(self, config: Config, logger: logging.Logger) -> None:
        """Build the parts; nothing is called yet."""
        started = dt.datetime.now(tz=dt.timezone.utc)
        self.id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self.config = config
        self.pipe = Pipe()
        self.streams = ContactStreams(config)
        self._logger = logger
        self._said: set[str] = set()
        self._warnings = Repeated(lambda text: logger.warning("%s", text))
        self._unused_mappings = set(config.general.mappings)
        self._session: _Session | None = None
        self.plan = PlanFile(config.data_dir / f"plan-{self.id}.jsonl") if config.dry_run else None
        self.client = self._client()
        self._in_parallel = InParallel(config.max_connections, self.client.stop, _GRACE_SECONDS)
        self._rejected = RejectedRecords(config.data_dir / f"rejected-{self.id}.jsonl")
        self.report = RunReport(
            config.data_dir / "report.json",
            self._rejected,
            self.id,
            started.isoformat(timespec="seconds"),
            self._warnings,
            dry_run=config.dry_run,
        )

    def _client(self) -> IntercomClient:
        make = IntercomClient if self.plan is None else partial(DryRunClient, note=self.plan.note)
        return make(
            url=self.config.url,
            token=self.config.access_token,
            version=self.config.api_version,
            bulk_version=self.config.bulk_api_version,
            rate_limit_percent=self.config.rate_limit_percent,
            max_connections=self.config.max_connections,
            say=self._say,
        )

    # Streams.

    def contact_sync(self, stream: str, schema: StreamSchema, key_properties: Sequence[str]) -> ContactSync:
        """Make a stream's sync, with the first schema that its records come under; the first sync asks whose workspace.

        Raises:
            StreamRefusedError: the stream gives no identifier to match by, cannot be a snapshot, or has to be named in
                `streams`.
            FatalSyncError: the token is refused, the workspace lies elsewhere, Intercom or the ledger cannot be
                reached, or another run works on the stream.
        """
        config = self.config.stream(stream)
        source = self.pipe.stream(schema.tap_stream)
        self._raise(self.streams.refusal(stream))
        self._check_snapshot(stream, config, source)
        mappers = Mappers(self._contact_mapper)
        mappers.of(schema)
        session = self._connected()
        self._raise(self.streams.refusal(stream, session.contact_streams))
        self.streams.admit(stream)
        return session.contact_sync(stream, config, self._sources(stream, source), mappers, key_properties)

    def group_sync(self, stream: str, schema: StreamSchema, key_properties: Sequence[str]) -> MembershipSync:
        """Make a groups stream's sync; as `contact_sync`."""
        config = self.config.stream(stream)
        source = self.pipe.stream(schema.tap_stream)
        self._check_snapshot(stream, config, source)
        mappers = Mappers(self._membership_mapper)
        mappers.of(schema)
        return self._connected().group_sync(stream, config, self._sources(stream, source), mappers, key_properties)

    def _contact_mapper(self, schema: StreamSchema) -> ContactMapper:
        self._check_names(schema)
        return ContactMapper(
            schema.stream,
            schema.plain["properties"],
            self.config.stream(schema.stream),
            api_version=self.config.api_version,
            say=self._say,
            is_open=is_open(schema.plain),
            met=self._unused_mappings.difference_update,
        )

    def _membership_mapper(self, schema: StreamSchema) -> MembershipMapper:
        self._check_names(schema)
        return MembershipMapper(
            schema.stream,
            schema.plain["properties"],
            self.config.stream(schema.stream),
            has_own_mappings=self.config.has_own_mappings(schema.stream),
            say=self._say,
            is_open=is_open(schema.plain),
            met=self._unused_mappings.difference_update,
        )

    def _check_names(self, schema: StreamSchema) -> None:
        has_own_mappings = self.config.has_own_mappings(schema.stream)
        self._raise(names_nothing(schema.stream, schema.plain, has_own_mappings=has_own_mappings))

    def _sources(self, stream: str, source: TapStream) -> Sequence[TapStream]:
        """Return the tap's streams that a stream is known to be made of, first the one at hand."""
        return [source, *(self.pipe.stream(name) for name in sorted(self.config.aliases.get(stream, ())))]

    def feed(self, stream: str, tap_stream: str) -> None:
        """Note that one of the tap's streams goes into a stream.

        Raises:
            StreamRefusedError: it makes it no snapshot.
        """
        source = self.pipe.stream(tap_stream)
        self._check_snapshot(stream, self.config.stream(stream), source)
        if self._session is not None:
            self._session.feed(stream, source)

    def be_alone_with(self, stream: str, tap_stream: str) -> None:
        """Keep other runs off a stream that its tap versions: who is missing from it may be removed.

        Raises:
            StreamBusyError: another run works on it.
        """
        if self._session is not None:
            self._session.be_alone(stream, self.pipe.stream(tap_stream))

    @property
    def is_unfinished(self) -> bool:
        """Whether removals, memberships or tags wait for the end of the pipe."""
        return self._session is not None and self._session.is_unfinished

    def finish(self) -> None:
        """Put tags on, at the end of the pipe, and take off and remove what is marked and what left.

        Raises:
            TooManyRemovalsError: they are more than `max_removal_percent` allows; nothing is removed then.
        """
        if self._session is not None:
            self._session.finish()

    def say_unused(self) -> None:
        """Say which mapped properties no stream had: a slip of the pen loads nothing."""
        for name in sorted(self._unused_mappings):
            self._say(is_in_no_stream(name))

    def say_missing_streams(self) -> None:
        """Warn about names in `streams` and `groups_stream` that no stream had."""
        for _, message in self.streams.missing():
            self._say(message)

    def say_repeated(self) -> None:
        """Warn of what was said three times and not again."""
        self._warnings.sum_up()

    def check_refused(self) -> None:
        """End the run when too many records were refused.

        Raises:
            TooManyRejectedError: more than `max_rejected_records`.
        """
        most, refused = self.config.max_rejected_records, self.report.refused
        if 0 <= most < refused:
            message = (
                f"{refused} records were refused, more than 'max_rejected_records' allows ({most}). Mend them "
                f"({self._rejected.path}) or raise the setting."
            )
            raise TooManyRejectedError(message)

    # The end.

    def save(self, status: Status) -> None:
        """Bring the report's file up to date."""
        now = dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds")
        self.report.save(status, None if status == "running" else now, self.client.traffic.summary())

    def end(self, status: Status) -> None:
        """Stop all calls, save the report and close the files."""
        if not self.client.close(_GRACE_SECONDS):
            self._logger.warning("Some calls were still unanswered at the end: whether they arrived is not known")
        self._in_parallel.close()
        if self._session is not None:
            self._session.end(status)
        self._rejected.close()
        if self.plan is not None:
            self.plan.close()
        self.save(status)

    def end_failed(self) -> str | None:
        """End a run that fails; returns what kept the report from being saved."""
        try:
            self.end("failed")
        except OSError as error:
            return f"The report could not be saved: {error}"
        return None

    # The beginning.

    def _check_snapshot(self, stream: str, config: StreamConfig, source: TapStream) -> None:
        self._raise(is_no_snapshot(stream, config, is_incremental=source.is_incremental))
        warning = snapshot_is_idle(stream, config)
        if warning is not None:
            self._say(warning)

    @staticmethod
    def _raise(refusal: StreamRefusedError | None) -> None:
        if refusal is not None:
            raise refusal

    def _connected(self) -> _Session:
        """Ask whose workspace it is, once, when it is sure that the run can say and remember what it does."""
        if self._session is not None:
            return self._session
        try:
            self.save("running")
            sweep(self.config.data_dir)
            if self.plan is not None:
                self.plan.open()
        except OSError as error:
            message = unwritable(error)
            raise ConfigValidationError(message, errors=[message]) from None
        database = self._open_database()
        try:
            workspace = self.client.workspace()
            self._check_region(workspace)
            ledger = self._ledger(database, workspace)
        except BaseException:
            if database is not None:
                database.close()
            raise
        self._session = _Session(
            self.config,
            client=self.client,
            in_parallel=self._in_parallel,
            ledger=ledger,
            plan=self.plan or Plan(),
            report=self.report,
            check=self.check_refused,
            say=self._say,
        )
        doing = "Loading into" if self.plan is None else "Dry run: nothing is written to"
        self._logger.info("%s Intercom workspace '%s' (%s)", doing, workspace.name, workspace.id)
        self._session.archived.archive_again()
        return self._session

    def _open_database(self) -> Database | None:
        place = self.config.ledger
        if place is not None:
            return Database(place) if self.plan is None else ScratchDatabase(self.config.data_dir, place)
        # Who is still named, and who is in which group, has to be known at the end of the pipe: for this run alone.
        return ScratchDatabase(self.config.data_dir) if self.config.removes or self.config.has_groups else None

    def _ledger(self, database: Database | None, workspace: Workspace) -> Ledger:
        if database is None:
            return Ledger()
        message = None if self.config.ledger is None else is_nameless(workspace)
        if message is not None:
            raise LedgerError(message)
        return SqlLedger(database, workspace.id, self.id)

    def _check_region(self, workspace: Workspace) -> None:
        message = lies_elsewhere(self.config, workspace)
        if message is not None:
            raise RegionError(message)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._warnings.say(redact(text))


class _Session:
    """The parts that need to know whose workspace it is."""

    def __init__(
        self,
        config: Config,
        *,
        client: IntercomClient,
        in_parallel: InParallel,
        ledger: Ledger,
        plan: Plan,
        report: RunReport,
        check: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """Put the parts together."""
        self._config = config
        self._client = client
        self._plan = plan
        self._in_parallel = in_parallel
        self._ledger = ledger
        self.contact_streams = ledger.contact_streams()
        """Those that the ledger knew when the run began."""
        self._client.remember(ledger.failures())
        self._report = report
        self.archived = ArchivedContacts(client, in_parallel, ledger, plan=plan, say=say)
        self._catalog = AttributeCatalog(client, say)
        self._recent = RecentContacts(config.search_delay_seconds, client.clock.monotonic)
        self._matcher = Matcher(client, self._recent, in_parallel, self._written_lately)
        self._naming = Naming(
            client,
            self._matcher,
            self._recent,
            ledger=ledger,
            in_parallel=in_parallel,
            search_delay_seconds=config.search_delay_seconds,
        )
        self._jobs = BulkJobs(
            client,
            in_parallel,
            # What is written is the same, however it travels.
            enabled=config.bulk_writes and not config.dry_run,
            patience_seconds=config.search_delay_seconds,
            say=say,
        )
        self._teammates = Teammates(client)
        self._complete = CompleteStreams(ledger, ledger, say)
        self.removals = Removals(
            ledger,
            Remover(client, in_parallel, ledger, self._jobs, plan),
            self._complete,
            are_expected=config.removes,
            config=config.stream,
            find_ids=self._naming.everyone,
            say=say,
        )
        self._links = self._link_parts(check, say)
        self.end_of_pipe = EndOfPipe(config, self.removals, self._links, report)
        self._say = say
        self._is_first_run = not ledger.streams()
        self._entered: dict[str, Sequence[str]] = {}

    def _link_parts(self, check: Callable[[], None], say: Callable[[str], None]) -> LinksAtEnd | None:
        if not isinstance(self._ledger, SqlLedger):
            return None
        memberships, folder = self._ledger.memberships, self._config.data_dir
        kind = Tags(self._client)
        links = Links(kind, TagCatalog(self._client, self._in_parallel, memberships, say), memberships, self._config)
        waiting = WaitingMemberships(folder)
        outcomes = Outcomes(links, waiting, self._ledger, self._report, check, say)
        jobs = LinkJobs(kind, self._client, self._jobs)
        return LinksAtEnd(
            links,
            self._ledger,
            UnnamedLists(folder, self._naming, self._config.search_delay_seconds),
            FindContacts(links, waiting, self._matcher, self._naming, outcomes),
            PutOn(links, self._in_parallel, jobs, self._matcher, self._plan, outcomes),
            TakeOff(links, self._in_parallel, jobs, self._plan, outcomes),
            CompleteStreams(self._ledger, memberships, say),
        )

    def _listed_links(self, stream: Stream) -> NoLinks:
        """Return the part of a contact stream's sync that saves which groups its records list."""
        parts = self._links
        if parts is None:
            return NoLinks()
        if stream.settings.tags_property is not None:
            parts.links.add_stream(stream.name)
        put_on, take_off, with_contacts = parts.put_on_links, parts.take_off_links, None
        if self._config.bulk_writes:
            with_contacts = LinksWithContacts(
                parts.links, put_on.jobs, put_on.outcomes, look_at=put_on.look_at, save_off=take_off.save_off
            )
        return ListedLinks(stream, parts.links, parts.unnamed, with_contacts)

    def contact_sync(
        self,
        stream: str,
        config: StreamConfig,
        sources: Sequence[TapStream],
        mappers: Mappers[ContactMapper],
        key_properties: Sequence[str],
    ) -> ContactSync:
        source = sources[0]
        self._enter(stream, config, sources, key_properties, self._complete)
        self.removals.join(stream)
        warning = knows_no_earlier_run(self.removals.streams, self._config) if self._is_first_run else None
        if warning is not None:
            self._say(warning)
        return ContactSync(
            stream,
            config,
            mappers=mappers,
            catalog=self._catalog,
            matcher=self._matcher,
            recent=self._recent,
            memory=StreamMemory(
                stream,
                config,
                key_properties,
                source,
                ledger=self._ledger,
                naming=self._naming,
                repair=self._config.repair,
                sees=config.sync_mode.removes or self._config.removes,
            ),
            naming=self._naming,
            writer=self._writer(stream, config, key_properties),
            marks=StreamMarks(
                stream,
                config,
                self.removals,
                self._report,
                removes=self._config.may_remove(config),
            ),
            groups=self._listed_links(Stream(stream, config, tuple(key_properties), tuple(sources))),
            report=self._report,
        )

    def _writer(self, stream: str, config: StreamConfig, key_properties: Sequence[str]) -> Writer:
        direct = DirectWriter(
            self._client,
            self._matcher,
            self._catalog,
            self._in_parallel,
            self._ledger,
            stream=stream,
            config=config,
            archived=self.archived,
            search_delay_seconds=self._config.search_delay_seconds,
        )
        if isinstance(self._client, DryRunClient):
            return DryRunWriter(
                stream,
                config,
                key_properties,
                client=self._client,
                direct=direct,
                matcher=self._matcher,
                ledger=self._ledger,
                plan=self._plan,
            )
        if not self._config.bulk_writes:
            return direct
        return BulkWriter(
            self._client,
            self._jobs,
            direct,
            matcher=self._matcher,
            catalog=self._catalog,
            teammates=self._teammates,
            ledger=self._ledger,
            config=config,
        )

    def group_sync(
        self,
        stream: str,
        config: StreamConfig,
        sources: Sequence[TapStream],
        mappers: Mappers[MembershipMapper],
        key_properties: Sequence[str],
    ) -> MembershipSync:
        parts = self._links
        if parts is None:
            raise LookupError(stream)
        self._enter(stream, config, sources, key_properties, parts.complete)
        parts.links.add_stream(stream)
        self._report.groups(stream)
        return MembershipSync(
            Stream(stream, config, tuple(key_properties), tuple(sources)),
            mappers,
            parts.links,
            parts.find_contacts.waiting,
            self._report,
        )

    def _enter(
        self,
        stream: str,
        config: StreamConfig,
        sources: Sequence[TapStream],
        key_properties: Sequence[str],
        complete: CompleteStreams,
    ) -> None:
        """Begin to work on a stream, once."""
        if stream in self._entered:
            return
        removes = self._config.has_fuse(stream)
        is_versioned = sources[0].version is not None and not sources[0].is_incremental
        alone = removes and (config.snapshot or is_versioned)
        self._ledger.enter(stream, key_properties, alone=alone, removes=removes)
        self._entered[stream] = key_properties
        if removes:
            complete.add(stream, config, sources)
        warning = sync_removes_nobody(stream, self._config)
        if warning is not None:
            self._say(warning)

    @property
    def is_unfinished(self) -> bool:
        return self.end_of_pipe.has_work

    def feed(self, stream: str, source: TapStream) -> None:
        self._complete.add_source(stream, source)
        if self._links is not None:
            self._links.complete.add_source(stream, source)

    def be_alone(self, stream: str, source: TapStream) -> None:
        if stream in self._entered and self._config.has_fuse(stream) and not source.is_incremental:
            self._ledger.enter(stream, self._entered[stream], alone=True)

    def finish(self) -> None:
        self.end_of_pipe.run(self._entered)

    def end(self, status: Status) -> None:
        for stream, contacts in self.archived.left().items():
            self._report.unarchived(stream, contacts)
        try:
            with suppress(LedgerError):
                self._ledger.note_failures(self._client.ended_by, self._client.worked)
            if status == "succeeded":
                self._ledger.finish()
        finally:
            if self._links is not None:
                self._links.close()
            self._ledger.close()

    def _written_lately(self) -> Iterable[Contact]:
        since = self._client.clock.time() - self._config.search_delay_seconds
        return self._ledger.written_since(stamp(since))
