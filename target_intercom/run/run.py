"""The life of a run: it begins with the first stream, finishes at the end of the pipe, and ends in any case."""

from __future__ import annotations

import datetime as dt
import secrets
import typing as t

from target_intercom.errors import (
    ConfigValidationError,
    RegionError,
    StreamRefusedError,
    TooManyRejectedError,
    redact,
)
from target_intercom.kinds.companies import COMPANIES
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.ledger.scratch.folder import sweep
from target_intercom.reporting.log import Warnings
from target_intercom.reporting.pages.report_page import RunFacts
from target_intercom.reporting.report import RejectedRecords, RunReport
from target_intercom.run.ending import GRACE_SECONDS, ended_run
from target_intercom.run.pages import NoPagesError, Pages
from target_intercom.run.parts.mappers import MapperFactory
from target_intercom.run.parts.parts import Parts
from target_intercom.run.parts.shared import ledger_of, new_client, open_database
from target_intercom.run.session import Session
from target_intercom.run.unused_names import UnusedNames
from target_intercom.settings.config import Stream
from target_intercom.settings.contact_streams import ContactStreams
from target_intercom.settings.warnings import (
    idle_snapshot,
    incremental_snapshot,
    unwritable_folder,
    wrong_region,
)
from target_intercom.singer.tap_streams import TapStreams
from target_intercom.sync.writing.plan_file import Plan, PlanFile

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from target_intercom.intercom.protocol.workspace import Workspace
    from target_intercom.ledger.interface import Ledger
    from target_intercom.model import StreamSchema
    from target_intercom.reporting.ended_run import EndedRun
    from target_intercom.reporting.report import Status
    from target_intercom.run.ending import Ending
    from target_intercom.settings.config import Config
    from target_intercom.sync.memberships import MembershipSync
    from target_intercom.sync.overlap import Batches


class Run:
    """A run of the target, with all of its streams."""

    def __init__(self, config: Config, logger: logging.Logger) -> None:
        """Build the parts that do not depend on the workspace; nothing is called yet."""
        started = dt.datetime.now(tz=dt.timezone.utc)
        self.id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self.config = config
        self.tap_streams = TapStreams()
        self.streams = ContactStreams(config)
        self.plan = PlanFile(config.data_dir / f"plan-{self.id}.jsonl") if config.dry_run else None
        self.client = new_client(config, self.plan, self._warn)
        self._logger = logger
        self._said: dict[str, None] = {}
        """In the order in which it was said."""
        self._warnings = Warnings(lambda text: logger.warning("%s", text))
        self._unused_names = UnusedNames(config)
        self._mappers = MapperFactory(config, self._warn, self._unused_names.meet)
        self._rejected = RejectedRecords(config.data_dir / f"rejected-{self.id}.jsonl")
        self.report = RunReport(
            config.data_dir / "report.json",
            self._rejected,
            self.id,
            started.isoformat(timespec="seconds"),
            self._warnings,
            dry_run=config.dry_run,
        )
        self._began = started
        self._session: Session | None = None
        self._workspace: str | None = None
        self.pages: Mapping[str, Path] = {}
        """The pages that this run has made, by what they hold."""

    # Streams.

    def contact_sync(self, name: str, schema: StreamSchema, keys: Sequence[str]) -> Batches:
        """Return the sync of a stream of contacts, whose records come under a schema; the first stream begins the run.

        Raises:
            StreamRefusedError: the stream gives no identifier to match by, cannot be a snapshot, or has to be named in
                `streams`.
            FatalSyncError: the token is refused, the workspace lies elsewhere, Intercom or the ledger cannot be
                reached, or another run works on the stream.
        """
        stream = self._stream(name, schema, keys)
        _raise(self.streams.refusal(name))
        self._check_snapshot(stream)
        mappers = self._mappers.of(CONTACTS)
        mappers.of(schema)
        session = self._connected()
        _raise(self.streams.refusal(name, session.known_contact_streams))
        self.streams.admit(name)
        session.enter(stream)
        return session.parts.contact_sync(stream, mappers)

    def company_sync(self, name: str, schema: StreamSchema, keys: Sequence[str]) -> Batches:
        """Return the sync of a stream of companies; as `contact_sync`."""
        stream = self._stream(name, schema, keys)
        self._check_snapshot(stream)
        mappers = self._mappers.of(COMPANIES)
        mappers.of(schema)
        session = self._connected()
        session.enter(stream)
        return session.parts.companies.sync(stream, mappers)

    def membership_sync(self, name: str, schema: StreamSchema, keys: Sequence[str]) -> MembershipSync:
        """Return the sync of a stream of groups; as `contact_sync`."""
        stream = self._stream(name, schema, keys)
        self._check_snapshot(stream)
        mappers = self._mappers.of_memberships()
        mappers.of(schema)
        session = self._connected()
        session.enter(stream)
        return session.parts.membership_sync(stream, mappers)

    def add_source(self, stream: str, tap_stream: str) -> None:
        """Add a stream of the tap that a stream is made of, too.

        Raises:
            StreamRefusedError: with it, the stream cannot be a snapshot.
        """
        source = self.tap_streams.stream(tap_stream)
        self._check_snapshot(Stream(stream, self.config.stream(stream), (), (source,)))
        if self._session is not None:
            self._session.add_source(stream, source)

    def lock(self, stream: str) -> None:
        """Keep other runs off a stream that its tap versions: what is missing from it may be removed.

        Raises:
            StreamBusyError: another run works on it.
        """
        if self._session is not None:
            self._session.lock(stream)

    def _stream(self, name: str, schema: StreamSchema, keys: Sequence[str]) -> Stream:
        tap_streams = [schema.tap_stream, *sorted(self.config.aliases.get(name, ()))]
        return Stream(name, self.config.stream(name), tuple(keys), tuple(map(self.tap_streams.stream, tap_streams)))

    def _check_snapshot(self, stream: Stream) -> None:
        _raise(incremental_snapshot(stream.name, stream.settings, is_incremental=stream.source.is_incremental))
        self._warn(idle_snapshot(stream.name, stream.settings))

    # The beginning: the first stream asks for the workspace, when it is sure that the run can write files.

    def _connected(self) -> Session:
        if self._session is None:
            self._open_files()
            workspace, ledger = self._open_ledger()
            parts = Parts(
                self.config, self.client, ledger, self.report, self.plan or Plan(), self._warn, self.check_refused
            )
            self._session = Session(parts)
            self._workspace = f"{workspace.name} ({workspace.id})"
            doing = "Loading into" if self.plan is None else "Dry run: nothing is written to"
            self._logger.info("%s Intercom workspace '%s' (%s)", doing, workspace.name, workspace.id)
            parts.archived.archive_again()
        return self._session

    def _open_files(self) -> None:
        try:
            self.save("running")
            sweep(self.config.data_dir)
            if self.plan is not None:
                self.plan.open()
        except OSError as error:
            message = unwritable_folder(error)
            raise ConfigValidationError(message, errors=[message]) from None

    def _open_ledger(self) -> tuple[Workspace, Ledger]:
        database = open_database(self.config)
        try:
            workspace = self.client.workspace()
            self._check_region(workspace)
            return workspace, ledger_of(database, self.config, workspace, self.id)
        except BaseException:
            if database is not None:
                database.close()
            raise

    def _check_region(self, workspace: Workspace) -> None:
        message = wrong_region(self.config, workspace)
        if message is not None:
            raise RegionError(message)

    # Batches.

    def end_batches(self) -> None:
        """Wait for the batches that are under way, and end them."""
        if self._session is not None:
            self._session.parts.overlap.end_all()

    # The end of the pipe.

    @property
    def is_unfinished(self) -> bool:
        """Whether removals, memberships or tags wait for the end of the pipe."""
        return self._session is not None and self._session.parts.end_of_pipe.has_work

    def save_marks(self) -> None:
        """Write the marks that remove no contact, before a STATE goes past their records."""
        if self._session is not None:
            for removals in self._session.parts.every_removals:
                removals.unlink_idle()

    def finish(self) -> None:
        """Put tags on, take them off and remove contacts, at the end of the pipe.

        Raises:
            TooManyRemovalsError: `max_removal_percent` does not allow so many removals, and nothing is removed.
        """
        if self._session is not None:
            self._session.finish()

    def check_refused(self) -> None:
        """Check that not too many records were refused.

        Raises:
            TooManyRejectedError: more than `max_rejected_records`.
        """
        most, refused = self.config.max_rejected_records, self.report.refused
        if 0 <= most < refused:
            message = (
                f"{refused} records were refused, more than 'max_rejected_records' allows ({most}). Correct them "
                f"({self._rejected.path}) or raise the setting."
            )
            raise TooManyRejectedError(message)

    # Warnings.

    def warn_of_unused_names(self) -> None:
        """Warn of properties that settings name and no stream had."""
        for warning in self._unused_names.warnings():
            self._warn(warning)

    def warn_of_missing_streams(self) -> None:
        """Warn of names in `streams` and `groups_stream` that no stream had."""
        for _, message in self.streams.missing():
            self._warn(message)

    def warn_of_repeated(self) -> None:
        """Warn of what was said three times and not again."""
        self._warnings.sum_up()

    def _warn(self, text: str | None) -> None:
        if text is not None and text not in self._said:
            self._said[text] = None
            self._warnings.warn(redact(text))

    # The end.

    def save(self, status: Status) -> None:
        """Save the report as it is now."""
        now = dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds")
        self.report.save(status, None if status == "running" else now, self.client.traffic.summary())

    def end(self, ending: Ending) -> None:
        """Stop all calls, save the report, close the files, and write the pages."""
        if not self.client.close(GRACE_SECONDS):
            self._logger.warning("Some calls were still unanswered at the end: whether they arrived is not known")
        ended = ended_run(self.id, self._began, self.report, self.client.traffic, ending.exit_code)
        history = () if self._session is None else self._session.end(ended)
        self._rejected.close()
        if self.plan is not None:
            self.plan.close()
        self.save(ending.status)
        self._write_pages(ending, ended, history)

    def end_failed(self, ending: Ending) -> str | None:
        """End a run that fails; returns what kept the report from being saved."""
        try:
            self.end(ending)
        except OSError as error:
            return f"The report could not be saved: {error}"
        return None

    def _write_pages(self, ending: Ending, ended: EndedRun, history: Sequence[EndedRun]) -> None:
        """Write the pages that people read; that they cannot be made fails no run."""
        pages = Pages(self.config, self.id)
        beside = {**self.report.files, **({} if self.plan is None else {"Plan": self.plan.path})}
        facts = RunFacts(
            report=self.report.summary(ending.status, ended.finished_at, self.client.traffic.summary()),
            ended=ended,
            timeline=self.client.traffic.timeline(),
            why=[pages.without_folder(text) for text in ending.why],
            error=ending.error,
            workspace=self._workspace,
            warnings=[pages.without_folder(text) for text in list(self._said)],
            history=history,
            files={what: path.name for what, path in beside.items()},
            **pages.settings(self.report.streams()),
        )
        try:
            self.pages = pages.write(facts, None if self.plan is None else self.plan.path)
        except NoPagesError as error:
            self._logger.info("%s", error)
        except OSError as error:
            self._logger.warning("report.html could not be saved: %s", error)
        except Exception as error:
            self._logger.warning("report.html could not be made (unexpected %s)", type(error).__name__)
            self._logger.debug("The error in full", exc_info=True)


def _raise(refusal: StreamRefusedError | None) -> None:
    if refusal is not None:
        raise refusal
