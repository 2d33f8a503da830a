"""The target: the Singer protocol, and how a run begins and ends."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import typing as t
from contextlib import suppress
from functools import cached_property

from singer_sdk import Target
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_intercom.command import Command
from target_intercom.errors import InvalidRecordError, StreamRefusedError
from target_intercom.json_lines import json_line
from target_intercom.model import Received
from target_intercom.reporting.log import dress_log
from target_intercom.reporting.output import put_out
from target_intercom.reporting.progress import PACE_SECONDS, takes_colours
from target_intercom.reporting.text import Lines
from target_intercom.run.display import Display
from target_intercom.run.ending import Ending
from target_intercom.settings.config import StreamObject
from target_intercom.settings.parsing import parse_config
from target_intercom.settings.warnings import no_streams, wrong_schema
from target_intercom.singer.batch_files import batch_records
from target_intercom.singer.messages import MessageReader
from target_intercom.singer.routes import Routes
from target_intercom.singer.sinks import IntercomSink

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from singer_sdk.sinks import Sink

    from target_intercom.model import StreamSchema
    from target_intercom.run.run import Run
    from target_intercom.singer.routes import Route
    from target_intercom.singer.sinks import Sync


_COLLECT_AFTER: t.Final = 10_000
"""Objects between two looks for garbage in circles. Records make none, and Python's 700 cost a run up to a sixth; the
statements of SQLAlchemy make some, which with 100,000 took 40 MB of memory for a million records."""


class TargetIntercom(Command):
    """Loads Singer streams into Intercom, as contacts and companies."""

    default_sink_class = IntercomSink
    message_reader_class = MessageReader
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
        self._message: dict[str, t.Any] = {}
        self._schema: StreamSchema
        """The SCHEMA of the stream whose sink is being made."""
        self._records = 0
        self._in_batch = False
        self._routes = Routes(self.mapper, lambda stream: self.run.config.stream(stream).is_ignored)
        self.is_due = False
        """Whether a sink is full: then all are drained."""

    @cached_property
    def run(self) -> Run:
        """This run; imported here, since `--version` and `--about` need not wait for its imports."""
        parts: type[Run] = importlib.import_module("target_intercom.run.run").Run
        return parts(parse_config(self.config), self.logger)

    @cached_property
    def display(self) -> Display:
        """The progress, metrics and summary of this run."""
        return Display(self.run, self.logger, lambda: self._records, self.pace_seconds)

    def sync(self, stream: str, keys: Sequence[str]) -> Sync:
        """Return the sync of a stream, for its sink."""
        match self.run.config.stream(stream).object:
            case StreamObject.GROUPS | StreamObject.COMPANY_MEMBERS:
                return self.run.membership_sync(stream, self._schema, keys)
            case StreamObject.COMPANIES:
                return self.run.company_sync(stream, self._schema, keys)
            case _:
                return self.run.contact_sync(stream, self._schema, keys)

    def received(
        self, record: dict[str, t.Any], schema: StreamSchema, trouble: InvalidRecordError | None = None
    ) -> Received:
        """Return a record, as it is after stream maps, with the message in which it came."""
        self._records += 1
        # Of equal texts one is enough: records wait in memory.
        self._message["type"], self._message["stream"] = "RECORD", schema.tap_stream
        return Received(self._message, record, self._records, schema, trouble)

    def batch_done(self) -> None:
        """Save the report after a batch, and check that not too many records were refused.

        Raises:
            TooManyRejectedError: more than `max_rejected_records`.
        """
        self.run.save("running")
        self.run.check_refused()

    def load(self, file_input: t.IO[str] | None) -> None:
        """Read all messages; where that ends early, what Intercom got before still gets its outcome."""
        try:
            self.listen(file_input)
        except Exception:
            with suppress(Exception):
                self.run.end_batches()
            raise

    def end_early(self, error: BaseException) -> None:
        """End a run that fails: stop the calls, save the report, and log why it failed and what it had done."""
        self.run.client.stop()
        self.run.warn_of_missing_streams()
        ending = Ending.by(error)
        trouble = self.run.end_failed(ending)
        self.display.end()
        for text in (trouble, Lines(ending.why), f"Failed: {self.run.report.sentence()}"):
            if text is not None:
                self.logger.error(text)

    # The Singer protocol.

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, t.Any] | None = None,
        schema: dict[str, t.Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """Return the stream's sink, whatever its schema; when its key changes, records of the old one are written.

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
        """Write the last batches, put tags on, take off and remove, print STATE, and log what was done."""
        self._drain_active()
        self.run.finish()
        self.run.check_refused()
        super().process_endofpipe()
        self.run.warn_of_unused_names()
        self.run.warn_of_missing_streams()
        self.run.end(Ending())
        self.display.end()
        if not self.run.streams.names:
            self.logger.warning("Done: %s", no_streams())
        else:
            self.logger.info("Done: %s", self.display.sentence())

    def _drain_active(self) -> None:
        self._drain_all(self._sinks_active.values(), self.max_parallelism)

    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        """Drain all sinks, and wait until all that was drained is done."""
        del parallelism
        self._begin_batches(sink_list)
        self.run.end_batches()
        self.run.check_refused()

    def _begin_batches(self, sink_list: Iterable[Sink]) -> None:
        """Drain sinks, the one whose first record waits longest before the others.

        So no record waits long behind those of another stream, and the last of a contact's records stays known.
        """
        self.is_due = False
        for sink in sorted(t.cast("Iterable[IntercomSink]", sink_list), key=lambda sink: sink.oldest):
            self.drain_one(sink)

    def _process_schema_message(self, message_dict: dict[str, t.Any]) -> None:
        """Check and keep a schema: the records that follow come under it.

        Raises:
            InvalidInputLine: it has no schema, or its keys are no names.
            StreamRefusedError: its schema is no object, or its records cannot be loaded.
        """
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        stream, keys = message_dict["stream"], message_dict.get("key_properties") or []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            error = f"Stream '{stream}': its key_properties are not a list of names"
            raise InvalidInputLine(error)
        self.run.tap_streams.schema(stream, message_dict.get("bookmark_properties"))
        routes = self._routes.lay(message_dict)
        for stream_map in self.mapper.stream_maps[stream]:
            self.run.streams.came(stream_map.stream_alias, stream)
        if routes and not isinstance(message_dict["schema"], dict):
            raise wrong_schema(routes[0].schema.stream)
        for route in routes:
            self._meet(route)
        for route in routes:
            self.run.add_source(route.schema.stream, stream)

    def _meet(self, route: Route) -> None:
        """Begin the sync of records that will come; where they cannot be loaded, write those that came before.

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

    def _process_record_message(self, message_dict: dict[str, t.Any]) -> None:
        """Hand a record to its sinks, with the message as it came: rejected records are kept as before stream maps.

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
            error = f"Stream '{stream}': a record is not a JSON object"
            raise InvalidInputLine(error)
        self._message = message_dict
        self.run.tap_streams.record(stream, message_dict.get("version"), in_batch=self._in_batch)
        routes = self._routes.of(stream)
        if routes is None:
            error = f"Stream '{stream}': a record came before the stream's SCHEMA"
            raise RecordsWithoutSchemaException(error)
        for route in routes:
            self._hand_over(route, record)
        self._handle_max_record_age()
        if self.is_due:
            self._begin_batches(self._sinks_active.values())

    def _hand_over(self, route: Route, record: dict[str, t.Any]) -> None:
        mapped = route.map(record)
        if mapped is None:
            return
        self._assert_sink_exists(route.schema.stream)
        sink = t.cast("IntercomSink", self._sinks_active[route.schema.stream])
        if isinstance(mapped, InvalidRecordError):
            sink.refuse(record, route.schema, mapped)
        else:
            sink.take(mapped, route.schema)

    def _process_batch_message(self, message_dict: dict[str, t.Any]) -> None:
        """Read the records of a BATCH message the way RECORD messages go, in order.

        Raises:
            InvalidInputLine: the files are not JSON lines.
        """
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        stream = message_dict["stream"]
        routes = self._routes.of(stream)
        if routes == []:
            self.run.tap_streams.record(stream, in_batch=True)
            return
        self._in_batch = True
        for record in batch_records(message_dict, routes[0].schema.stream if routes else stream):
            self._process_record_message({"type": "RECORD", "stream": stream, "record": record})
        self._in_batch = False

    def _process_activate_version_message(self, message_dict: dict[str, t.Any]) -> None:
        """Keep the version; the end of the pipe decides what it means.

        Raises:
            StreamBusyError: another run works on the stream, whose missing contacts this one may remove.
        """
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        stream = message_dict["stream"]
        self.run.tap_streams.activate_version(stream, message_dict["version"])
        for route in self._routes.of(stream) or ():
            self.run.lock(route.schema.stream)

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        super()._process_state_message(message_dict)
        self.run.tap_streams.state(message_dict["value"])

    def _write_state_message(self, state: dict[str, t.Any]) -> None:
        """Hold STATE back while removals or memberships, which it may cover, wait for the end of the pipe.

        A dry run has no STATE: what it read has not been loaded.

        Raises:
            OSError: it cannot be printed.
        """
        if self.run.is_unfinished or self.run.config.dry_run:
            return
        self.run.save_marks()
        # As the SDK does, whose own serializer knows no decimal number in a STATE.
        with self.display.aside():
            put_out("STATE", json_line(state))

    # The process.

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
            target.display.start()
            target.load(file_input)
        except SystemExit as error:
            target.end_early(error)
            raise
        except Exception as error:
            target.end_early(error)
            cls.logger.debug("The error in full", exc_info=True)
            sys.exit(1)
