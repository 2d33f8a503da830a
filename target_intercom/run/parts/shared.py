"""The parts of a run that others are made of: what it calls, remembers, reports and says, and where contacts are."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property, partial

from target_intercom.errors import LedgerError
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.dry_run.client import DryRunClient
from target_intercom.intercom.parallel import InParallel
from target_intercom.ledger.interface import Ledger
from target_intercom.ledger.records import SqlLedger
from target_intercom.ledger.remembered import stamp
from target_intercom.ledger.scratch.database import ScratchDatabase
from target_intercom.ledger.scratch.shelves import Shelves
from target_intercom.ledger.store.database import Database
from target_intercom.run.ending import GRACE_SECONDS
from target_intercom.settings.warnings import ignored_values, nameless_workspace
from target_intercom.sync.jobs.bulk_jobs import BulkJobs
from target_intercom.sync.matching.contact_ids import ContactIds
from target_intercom.sync.matching.directory import Directory
from target_intercom.sync.matching.search import Matcher
from target_intercom.sync.overlap import Overlap
from target_intercom.sync.remembering.stream_memory import StreamMemory
from target_intercom.sync.workspace.attributes import KnownAttributes

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from target_intercom.intercom.protocol.bulk import Job
    from target_intercom.intercom.protocol.ids import JobId
    from target_intercom.intercom.protocol.workspace import Workspace
    from target_intercom.model import Contact
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Config, Stream
    from target_intercom.sync.writing.plan_file import Plan, PlanFile


def new_client(config: Config, plan: PlanFile | None, warn: Callable[[str], None]) -> IntercomClient:
    """Return the client of a run; with a plan it writes nothing to Intercom and plans what it would have written."""
    make: Callable[..., IntercomClient] = IntercomClient
    if plan is not None:
        make = partial(DryRunClient, note=plan.note, shelves=Shelves(config.data_dir))
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
class SharedParts:
    """What the parts of all kinds are made of; what is not given is made when it is first asked for."""

    config: Config
    client: IntercomClient
    ledger: Ledger
    report: RunReport
    plan: Plan
    warn: Callable[[str | None], None]
    check_refused: Callable[[], None]
    """Ends a run that has refused too many records."""

    @cached_property
    def in_parallel(self) -> InParallel:
        """The threads that make calls; jobs are waited for without a connection."""
        connections = self.config.max_connections
        threads = 2 * connections - 1 if self.config.bulk_writes else connections
        return InParallel(threads, self.client.stop, GRACE_SECONDS)

    @cached_property
    def overlap(self) -> Overlap:
        """The batches that are under way."""
        return Overlap(self.client.clock.monotonic)

    @cached_property
    def known_attributes(self) -> KnownAttributes:
        """The custom attributes that the run has read, of contacts and of companies."""
        return KnownAttributes()

    @cached_property
    def shelves(self) -> Shelves:
        """Dictionaries on disk."""
        return Shelves(self.config.data_dir)

    def jobs(self, look: Callable[[JobId], Job], plural: str) -> BulkJobs:
        """Return the bulk jobs that write some kind of object; `look` reads one."""
        return BulkJobs(
            self.client,
            self.in_parallel,
            look,
            plural,
            # What is written is the same, however it travels.
            self.config.bulk_writes and not self.config.dry_run,
            self.config.search_delay_seconds,
            self.warn,
        )

    def memory(self, stream: Stream, ledger: Ledger, ids: ContactIds | None, jobs: BulkJobs) -> StreamMemory:
        """Return what a batch of a stream has of a ledger."""
        return StreamMemory(
            stream, ledger, ids, repair=self.config.repair, sees=self.config.removes, given_up=jobs.given_up
        )

    def say_ignored(self, stream: str, attributes: Iterable[str]) -> None:
        """Say, once for each attribute, that Intercom did not take its values."""
        for name in attributes:
            self.warn(ignored_values(stream, name))


class ContactParts(SharedParts):
    """The parts that find contacts, and write to many of them."""

    @cached_property
    def directory(self) -> Directory:
        """What is known of contacts; what a dry run would write shows in its searches at once."""
        delay = None if self.config.dry_run else self.config.search_delay_seconds
        return Directory(search_delay_seconds=delay, clock=self.client.clock.monotonic)

    @cached_property
    def matcher(self) -> Matcher:
        """Finds contacts."""
        return Matcher(self.client, self.directory, self.in_parallel, self._written_lately)

    def _written_lately(self) -> Iterable[Contact]:
        since = self.client.clock.time() - self.config.search_delay_seconds
        if not self.config.dry_run:
            return self.ledger.written_since(stamp(since))
        began, written = self._written_before
        return written if since <= began else ()

    @cached_property
    def _written_before(self) -> tuple[float, Collection[Contact]]:
        """When a dry run began to look, and the contacts that runs had written lately: it writes none itself."""
        now = self.client.clock.time()
        return now, list(self.ledger.written_since(stamp(now - self.config.search_delay_seconds)))

    @cached_property
    def ids(self) -> ContactIds:
        """Finds the ids of contacts that bulk jobs made."""
        return ContactIds(
            self.client,
            self.matcher,
            self.directory,
            self.ledger,
            self.in_parallel,
            self.config.search_delay_seconds,
        )

    @cached_property
    def contact_jobs(self) -> BulkJobs:
        """Bulk jobs on contacts."""
        return self.jobs(self.client.job, "contacts")
