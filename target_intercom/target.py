"""The target: the Singer protocol, and how a run begins and ends."""

from __future__ import annotations

import copy
import gc
import gzip
import importlib
import os
import signal
import sys
import traceback
import typing as t
from functools import cache, cached_property, lru_cache

import click
from singer_sdk import Target
from singer_sdk.cli import plugin_cli
from singer_sdk.configuration._dict_config import merge_missing_config_jsonschema
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError, StreamMapConfigError
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchFileFormat, StorageTarget
from singer_sdk.helpers.capabilities import TARGET_BATCH_SIZE_ROWS_CONFIG, PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_intercom.errors import StreamRefusedError, redact, way_out
from target_intercom.json_lines import json_line, parsed_line
from target_intercom.model import Received, StreamSchema
from target_intercom.reporting.log import dress_log, guard_log
from target_intercom.reporting.metrics import RunMetrics
from target_intercom.reporting.output import put_out
from target_intercom.reporting.progress import PACE_SECONDS, Figures, Progress, columns_of, takes_colours
from target_intercom.reporting.summary import DRY_RUN, last_word
from target_intercom.reporting.text import Lines
from target_intercom.settings.config import json_schema, parse_config, unknown_settings
from target_intercom.settings.environment import environment_errors, is_of_meltano, restored, settings_of_meltano
from target_intercom.settings.sources import config_input, from_environment, surroundings
from target_intercom.settings.variables import unread_variables
from target_intercom.settings.warnings import came_without_streams, is_no_schema
from target_intercom.singer.messages import MessageReader
from target_intercom.singer.schemas import is_open, plain_schema
from target_intercom.singer.sinks import ContactSink, GroupSink, IntercomSink, failed_map

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

    from target_intercom.errors import InvalidRecordError
    from target_intercom.model import Json
    from target_intercom.run.run import Run
    from target_intercom.settings.config import Config
    from target_intercom.sync.contacts import ContactSync
    from target_intercom.sync.memberships import MembershipSync


_COLLECT_AFTER: t.Final = 10_000
"""Objects between two looks for garbage in circles. Records make none, and Python's 700 cost a run up to a sixth; the
statements of SQLAlchemy make some, which with 100,000 took 40 MB of memory for a million records."""


_MOST_SCHEMAS: t.Final = 200
"""SCHEMA messages of which it is kept where their records go."""


class Route(t.NamedTuple):
    """Where the records of a stream of the tap go."""

    stream_map: StreamMap
    schema: StreamSchema
    """What they come under then."""


class TargetIntercom(Target):
    """Loads Singer streams into Intercom's contacts."""

    name = "target-intercom"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = json_schema()
    message_reader_class = MessageReader
    capabilities: t.ClassVar = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    pace_seconds: t.ClassVar[float] = PACE_SECONDS
    """How often a log without a terminal says how far the run is, and every log the metrics."""

    def __init__(self, **kwargs: t.Any) -> None:
        """Take the SDK's arguments.

        Raises:
            ConfigValidationError: a setting is wrong or missing.
        """
        super().__init__(**kwargs)
        # One sink after the other, in the order of their schemas; the calls run on threads of our own.
        self.max_parallelism = 1
        self._message: Mapping[str, t.Any] = {}
        self._schema: StreamSchema
        """What the SCHEMA at hand says of the stream whose sink is made."""
        self._records = 0
        self._in_batch = False
        self._routes: dict[str, Sequence[Route]] = {}
        """By the tap's streams that came: where the records go that come now."""
        self._routes_of = lru_cache(_MOST_SCHEMAS)(self._lay_routes)
        """Those of a SCHEMA, told as a line: a tap may send several in turn."""
        self._open_streams: set[str] = set()
        """The tap's streams of which a SCHEMA named no properties."""
        self.is_due = False
        self.unread_variables: Sequence[str] = ()
        """Sentences about environment variables that look like settings and are not read."""
        self._metrics: RunMetrics | None = None
        self._progress = Progress(
            self._figures, say=self.logger.info, beside=self._tell_metrics, pace_seconds=self.pace_seconds
        )

    @cached_property
    def run(self) -> Run:
        """The parts of this run; `--version` and `--about` never come here, and do not wait for their imports."""
        parts: type[Run] = importlib.import_module("target_intercom.run.run").Run
        return parts(parse_config(self.config), self.logger)

    def begin(self) -> None:
        """Tell people and programs how far the run is, from now until it ends."""
        self.logger.info("Files of this run: %s", self.run.config.data_dir.absolute())
        self._metrics = RunMetrics(self.run.report, self.run.client.traffic)
        self._progress.start()

    def contact_sync(self, stream: str, key_properties: Sequence[str]) -> ContactSync:
        """Make the sync of a stream, for its sink."""
        return self.run.contact_sync(stream, self._schema, key_properties)

    def group_sync(self, stream: str, key_properties: Sequence[str]) -> MembershipSync:
        """Make the sync of a groups stream, for its sink."""
        return self.run.membership_sync(stream, self._schema, key_properties)

    def received(
        self, record: dict[str, t.Any], schema: StreamSchema, trouble: InvalidRecordError | None = None
    ) -> Received:
        """Pair a record, as it is after stream maps, with the message it came in."""
        self._records += 1
        return Received(self._message, record, self._records, schema, trouble)

    def batch_done(self) -> None:
        """Save the report after a batch, and end the run when too many records were refused.

        Raises:
            TooManyRejectedError: more than `max_rejected_records`.
        """
        self.run.save("running")
        self.run.check_refused()

    def end_early(self, why: Lines | str) -> None:
        """Stop the calls, save the report of a run that fails, and say why it did and what it had done."""
        trouble = self.run.end_failed()
        self.run.warn_of_missing_streams()
        self._say_all()
        for text in (trouble, why, f"Failed: {self.run.report.sentence()}"):
            if text is not None:
                self.logger.error(text)

    # What a person, and a program, is told.

    def _tell_metrics(self) -> None:
        if self._metrics is not None:
            self._metrics.tell()

    def _figures(self) -> Figures:
        report, client = self.run.report, self.run.client
        return Figures(
            read=self._records,
            written=report.written,
            rejected=report.refused,
            calls=client.traffic.calls,
            window=client.window_used,
            waited=client.traffic.waited_seconds,
            dry_run=self.run.config.dry_run,
        )

    def _say_all(self) -> None:
        """End the progress, and say what became of the records; a sentence follows."""
        self._progress.end()
        self._tell_metrics()
        self.run.warn_of_repeated()
        report, plan, widest = self.run.report, self.run.plan, columns_of(sys.stderr)
        if plan is None:
            told = last_word(report.streams(), report.files, widest=widest)
        else:
            files = {**report.files, "Plan": plan.path}
            told = last_word(report.streams(), files, DRY_RUN, plan.summary(), widest=widest)
        if told:
            self.logger.info(told)

    # Settings.

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, t.Any]) -> None:
        """Offer those of the SDK's settings that mean something here: stream maps, flattening, batch size."""
        merge_missing_config_jsonschema(TARGET_BATCH_SIZE_ROWS_CONFIG, config_jsonschema)
        super(Target, cls).append_builtin_config(config_jsonschema)

    @classmethod
    @cache
    def offered_schema(cls) -> dict[str, t.Any]:
        """Return the JSON schema of all settings, the SDK's among them."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        return schema

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check our own settings with our own words (which never quote the token), then the SDK's."""
        slips, unknown = unknown_settings(self.config, self.offered_schema()["properties"])
        for text in unknown:
            self.logger.warning("%s", text)
        try:
            parse_config(self.config)
        except ConfigValidationError as error:
            slips = [*error.errors, *slips]
        rows = self.config.get("batch_size_rows")
        if isinstance(rows, int) and rows < 1:
            slips = [*slips, f"Setting 'batch_size_rows' does not take {rows}: give a whole number from 1"]
        if slips and raise_errors:
            raise ConfigValidationError("; ".join(slips), errors=slips)
        return slips or super()._validate_config(raise_errors=raise_errors)

    # The Singer protocol.

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Tell streams of groups from streams of contacts."""
        return GroupSink if self.run.config.stream(stream_name).is_groups else ContactSink

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, t.Any] | None = None,
        schema: dict[str, t.Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """Return the stream's sink, whatever its schema; when its key changes, what came under the old one is written.

        Records keep the schema that they came under, and a batch may hold those of several.
        """
        old = self._sinks_active.get(stream_name)
        key_properties = key_properties or []
        if schema is not None and old is not None:
            if old.key_properties == key_properties:
                return old
            self._drain_active()
        return super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)

    def process_endofpipe(self) -> None:
        """Write what is left, tag and remove at the end, let STATE through, and say what was done."""
        self._drain_active()
        self.run.finish()
        self.run.check_refused()
        super().process_endofpipe()
        self.run.warn_of_unused_mappings()
        self.run.warn_of_missing_streams()
        self.run.end("succeeded")
        self._say_all()
        if not self.run.streams.names:
            self.logger.warning("Done: %s", came_without_streams())
            return
        doing = "" if self.run.plan is None else "nothing was written; a run would do: "
        self.logger.info("Done: %s%s", doing, self.run.report.sentence())

    def _drain_active(self) -> None:
        self._drain_all(self._sinks_active.values(), self.max_parallelism)

    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        """Drain all sinks, the one whose first record waits longest before the others.

        So no record waits long behind those of another stream, and it stays known which of a contact's records was
        the last.
        """
        del parallelism
        self.is_due = False
        for sink in sorted(t.cast("Iterable[IntercomSink]", sink_list), key=lambda sink: sink.oldest):
            self.drain_one(sink)

    def _process_schema_message(self, message_dict: dict[str, t.Any]) -> None:
        """Have the records that follow come under a schema.

        Raises:
            InvalidInputLine: it has no schema.
            StreamRefusedError: its schema is no object, or its records cannot be loaded.
        """
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        stream = message_dict["stream"]
        self.run.pipe.schema(stream, message_dict.get("bookmark_properties"))
        routes = self._routes[stream] = self._routes_of(json_line(message_dict))
        if routes and not isinstance(message_dict["schema"], dict):
            raise is_no_schema(routes[0].schema.stream)
        for route in routes:
            self._meet(route)
        for route in routes:
            self.run.add_source(route.schema.stream, stream)

    def _lay_routes(self, line: str) -> Sequence[Route]:
        """Find where the records go that come under a SCHEMA.

        In place of a part of the SDK's method, which makes a sink of a stream that a stream map takes out, too.
        """
        message: dict[str, t.Any] = parsed_line(line)
        stream = message["stream"]
        maps = self.mapped(stream, message["schema"], message.get("key_properties"))
        for stream_map in maps:
            self.run.streams.came(stream_map.stream_alias, stream)
        return [
            Route(one, StreamSchema(one.stream_alias, line, message, one.transformed_schema))
            for one in maps
            if is_loaded(one, self.run.config)
        ]

    def _meet(self, route: Route) -> None:
        """Find, or make, the sink of records that will come; where they cannot be loaded, those that came are, first.

        Raises:
            StreamRefusedError: they cannot be loaded.
        """
        self._schema = route.schema
        keys = route.stream_map.transformed_key_properties
        sink = self.get_sink(route.schema.stream, schema=route.stream_map.transformed_schema, key_properties=keys)
        try:
            t.cast("IntercomSink", sink).meet(route.schema)
        except StreamRefusedError:
            self._drain_active()
            raise

    def mapped(self, stream: str, schema: Json, keys: Sequence[str] | None) -> Sequence[StreamMap]:
        """Return what stream maps and flattening make of a stream of the tap; its schema may be anything.

        Schemas that follow one without properties do not name all of them: tap-mongodb adds dates, floats and objects.
        """
        schema = plain_schema(schema, keys or (), names_all=stream not in self._open_streams)
        if is_open(schema):
            self._open_streams.add(stream)
        known = self.mapper.stream_maps.get(stream)
        if known is None or (known[0].raw_schema, known[0].raw_key_properties) != (schema, keys):
            self.mapper.register_raw_stream_schema(stream, schema, keys)
        return self.mapper.stream_maps[stream]

    def _process_record_message(self, message_dict: dict[str, t.Any]) -> None:
        """Hand a record to its sinks, with the message as it came: a rejected record is kept before stream maps.

        In place of the SDK's method: of what that does for every record (metadata, validation, dates, a log line),
        only this is left here.

        Raises:
            InvalidInputLine: the record is no object.
            RecordsWithoutSchemaException: no SCHEMA came before it.
        """
        if "stream" not in message_dict or "record" not in message_dict:
            self._assert_line_requires(message_dict, requires={"stream", "record"})
        stream, record = message_dict["stream"], message_dict["record"]
        if not isinstance(record, dict):
            error = f"Stream '{stream}': a record is no JSON object"
            raise InvalidInputLine(error)
        self._message = message_dict
        self.run.pipe.record(stream, message_dict.get("version"), in_batch=self._in_batch)
        if stream not in self._routes:
            self._assert_sink_exists(stream)
        for route in self._routes[stream]:
            self._map_record(route, record)
        self._handle_max_record_age()
        if self.is_due:
            self._drain_active()

    def _map_record(self, route: Route, record: dict[str, t.Any]) -> None:
        """Hand a record over to the sink that its stream map leads to."""
        trouble: InvalidRecordError | None = None
        mapped: dict[str, t.Any] | None = record
        try:
            mapped = route.stream_map.transform(record.copy())
        except StreamMapConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - an expression of the user's may raise anything
            trouble = failed_map(error)
        if mapped is None:
            return
        self._assert_sink_exists(route.schema.stream)
        sink = t.cast("IntercomSink", self._sinks_active[route.schema.stream])
        if trouble is None:
            sink.take(mapped, route.schema)
        else:
            sink.refuse(record, route.schema, trouble)

    def _process_batch_message(self, message_dict: dict[str, t.Any]) -> None:
        """Read the records of a BATCH message the way RECORD messages go, in order.

        Raises:
            InvalidInputLine: the files are not JSON lines.
        """
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        stream = message_dict["stream"]
        routes = self._routes.get(stream)
        if routes == []:
            self.run.pipe.record(stream, in_batch=True)
            return
        encoding = BaseBatchFileEncoding.from_dict(message_dict["encoding"])
        if encoding.format != BatchFileFormat.JSONL or encoding.compression not in {None, "none", "gzip"}:
            error = (
                f"Stream '{stream}': BATCH files of format '{encoding.format}', compression "
                f"'{encoding.compression}', cannot be read; let the tap write jsonl, plain or gzip. "
                f"{way_out(routes[0].schema.stream if routes else stream)}"
            )
            raise InvalidInputLine(error)
        self._in_batch = True
        for number, url in enumerate(message_dict["manifest"], start=1):
            for record in _batch_records(stream, number, url, compressed=encoding.compression == "gzip"):
                self._process_record_message({"type": "RECORD", "stream": stream, "record": record})
        self._in_batch = False

    def _process_activate_version_message(self, message_dict: dict[str, t.Any]) -> None:
        """Note the version; what follows from it follows at the end of the pipe.

        Raises:
            StreamBusyError: another run works on the stream, whose missing contacts this one may remove.
        """
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        stream = message_dict["stream"]
        self.run.pipe.activate_version(stream, message_dict["version"])
        for route in self._routes.get(stream, ()):
            self.run.lock(route.schema.stream, stream)

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        super()._process_state_message(message_dict)
        self.run.pipe.state(message_dict["value"])

    def _write_state_message(self, state: dict[str, t.Any]) -> None:
        """Hold STATE back while removals or memberships, which it may cover, wait for the end of the pipe.

        A dry run has no STATE: what it read has not been loaded.

        Raises:
            OSError: it cannot be printed.
        """
        if self.run.is_unfinished or self.run.config.dry_run:
            return
        # As the SDK does, whose own serializer knows no decimal number in a STATE.
        with self._progress.aside():
            put_out("STATE", json_line(state))

    # The process.

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End the run on a signal, without a STATE.

        The SDK would drain here, inside a batch that may be running. Meltano sends SIGTERM right after Ctrl-C's
        SIGINT: the second must not interrupt the clean-up.
        """
        del frame
        for name in (signal.SIGINT, signal.SIGTERM):
            # Not SIG_IGN: Python complains in the log about a signal that came just before it was ignored.
            signal.signal(name, lambda _signum, _frame: None)
        raise SystemExit(128 + signum)

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the decorator makes it the class's
        """Make the command; nothing is logged before the log is guarded."""
        guard_log()
        return super().cli

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add our own flag to the SDK's command."""
        command = super().get_singer_command()
        text = "Write nothing, and say what a run would do, whatever 'dry_run' says."
        command.params.append(click.Option(["--dry-run"], is_flag=True, help=text))
        return command

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the config files; one that cannot be read ends in a sentence with its name."""
        del ctx, param
        return config_input(value)

    @classmethod
    def invoke(  # type: ignore[override] # as the SDK's own targets do
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        dry_run: bool = False,
        file_input: t.IO[str] | None = None,
    ) -> None:
        """Run the target; errors end it with a message and without personal data.

        The SDK's own handling prints a traceback with the error's text as it is.
        """
        super(Target, cls).invoke(about=about, about_format=about_format)
        dress_log(colours=takes_colours(sys.stderr, os.environ))
        cls.print_version(print_fn=cls.logger.info)
        gc.set_threshold(_COLLECT_AFTER)
        target = cls.configured(config or _ConfigInput(), dry_run=dry_run)
        for text in target.unread_variables:
            cls.logger.warning(text)
        try:
            target.begin()
            target.listen(file_input)
        except SystemExit:
            target.end_early("Stopped by a signal: no STATE is printed for what is not done")
            raise
        except Exception as error:
            target.end_early(explained(error))
            cls.logger.debug("The error in full", exc_info=True)
            sys.exit(1)

    @classmethod
    def configured(cls, config: _ConfigInput, *, dry_run: bool = False) -> TargetIntercom:
        """Make the target; settings from the environment are checked here, since the SDK has its own idea of them.

        Under Meltano, what its config file lost is taken from the environment, too.

        Args:
            config: the config files, and whether the environment is read.
            dry_run: stands above the setting.

        Raises:
            ConfigValidationError: a setting is wrong or missing, or a variable that asks for a dry run is not read.
        """
        surprise: ValueError | None = None
        settings = cls.offered_schema()["properties"]
        try:
            given = {
                **config.config,
                **(from_environment(cls.offered_schema(), cls._env_var_prefix) if config.parse_env else {}),
                **({"dry_run": True} if dry_run else {}),
            }
            if config.parse_env and is_of_meltano(given, os.environ):
                given = {**settings_of_meltano(os.environ, settings), **given}
            target = cls(config=restored(given, os.environ))
        except ValueError as error:
            surprise = error
        errors = environment_errors(os.environ, cls._env_var_prefix, settings) if config.parse_env else []
        if errors:
            raise ConfigValidationError("; ".join(errors), errors=errors)
        if surprise is not None:
            raise surprise
        unread = unread_variables(
            surroundings(), cls._env_var_prefix, settings, target.config, are_read=config.parse_env
        )
        if unread.errors:
            raise ConfigValidationError("; ".join(unread.errors), errors=unread.errors)
        target.unread_variables = unread.warnings
        return target


def is_loaded(stream_map: StreamMap, config: Config) -> bool:
    """Return whether the records of a stream map go anywhere: neither the map nor `object: ignore` takes them out."""
    return not (isinstance(stream_map, RemoveRecordTransform) or config.stream(stream_map.stream_alias).is_ignored)


def explained(error: Exception) -> Lines:
    """Say what ended the run: the message of an error that has a meaning, the place of a surprise.

    The text of a surprise may quote a record; it is shown at DEBUG only.
    """
    if isinstance(error, (SingerSDKError, InvalidInputLine, OSError)):
        return Lines([redact(str(error))])
    stack = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return Lines([f"Unexpected {type(error).__name__}; with LOGLEVEL=DEBUG the log says more", *map(redact, stack)])


def _batch_records(stream: str, number: int, url: str, *, compressed: bool) -> Iterator[dict[str, t.Any]]:
    """Read a BATCH file of JSON lines."""
    head, tail = StorageTarget.split_url(url)
    with StorageTarget.from_url(head).open(tail, mode="rb") as file:
        lines = gzip.GzipFile(fileobj=file) if compressed else file
        for line_number, line in enumerate(lines, start=1):
            try:
                record: object = parsed_line(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                error = f"Stream '{stream}': line {line_number} of BATCH file {number} is no JSON object"
                raise InvalidInputLine(error)
            yield record
