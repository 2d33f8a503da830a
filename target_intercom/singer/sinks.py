"""Collects the records of a stream and hands them over in batches."""

from __future__ import annotations

import math
import typing as t

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.sinks import BatchSink

from target_intercom.errors import way_out

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Target
    from singer_sdk.helpers.conform import DatetimeErrorTreatmentEnum

    from target_intercom.errors import InvalidRecordError
    from target_intercom.model import Received, StreamSchema


class Sync(t.Protocol):
    """Loads the records of a stream, batch by batch; those of one batch may have come under several schemas."""

    def meet(self, schema: StreamSchema) -> None:
        """Check that the records that come under a schema can be loaded."""

    def run(self, records: Sequence[Received]) -> None:
        """Load a batch; every record gets its outcome."""


class SyncingTarget(t.Protocol):
    """What a sink needs of its target."""

    is_due: bool
    """Set when a sink is full: the target drains all sinks."""

    def sync(self, stream: str, keys: Sequence[str]) -> Sync:
        """Return the sync of a stream."""

    def received(
        self, record: dict[str, t.Any], schema: StreamSchema, trouble: InvalidRecordError | None = None
    ) -> Received:
        """Return a record, as it is after stream maps, with the message in which it came."""

    def batch_done(self) -> None:
        """Save the report after a batch, and check that not too many records were refused."""


class IntercomSink(BatchSink):
    """The sink of a stream.

    The SDK would end the run on a record that breaks its schema or holds an unparsable date, and take
    `_sdc_deleted_at` out of records; here records stay as they came, and mapping decides on each.
    """

    # Large enough that connections do not idle at a batch's end, small enough for memory (about 2 KB a record).
    MAX_SIZE_DEFAULT = 5000
    max_size_in_bulk: t.ClassVar[int] = 2400
    """As batches of jobs overlap, there are several in memory. It leaves no search, call or job half full."""

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, t.Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Begin the stream's sync.

        Raises:
            StreamRefusedError: its records cannot be loaded.
        """
        super().__init__(target, stream_name, schema, key_properties)
        self._target = t.cast("SyncingTarget", target)
        self._keys = frozenset(self.key_properties)
        in_bulk = self.config.get("bulk_writes") and self.batch_size_rows is None
        self._most = self.max_size_in_bulk if in_bulk else self.max_size
        self._records: list[Received] = []
        self._oldest: int | None = None
        self._sync = self._target.sync(stream_name, self.key_properties)

    @property
    def oldest(self) -> float:
        """The place in the pipe of the first record that waits; infinite when none does."""
        return math.inf if self._oldest is None else self._oldest

    @property
    def is_full(self) -> bool:
        """Always false: the target drains a full sink together with the others, in the order of their records."""
        return False

    def get_validator(self) -> None:
        """Validate nothing: coercion does, and rejects one record in place of the run."""

    def _remove_sdc_metadata_from_schema(self) -> None:
        """Keep `_sdc_deleted_at` in the schema, too, which is the stream map's."""

    def _remove_sdc_metadata_from_record(self, record: dict[str, t.Any]) -> None:
        """Keep `_sdc_deleted_at`: without it a log-based delete would look like an update."""

    def _parse_timestamps_in_record(
        self, record: dict[str, t.Any], schema: dict[str, t.Any], treatment: DatetimeErrorTreatmentEnum
    ) -> None:
        """Leave dates as text: the SDK ends the run on one it cannot parse."""

    def meet(self, schema: StreamSchema) -> None:
        """Check that the records that come under a schema can be loaded, while those that came before wait.

        Raises:
            StreamRefusedError: they cannot.
        """
        self._sync.meet(schema)

    def take(self, record: dict[str, t.Any], schema: StreamSchema) -> None:
        """Keep a record, as it is after stream maps, for the batch.

        Raises:
            MissingKeyPropertiesError: it lacks a key property.
        """
        missing = self._keys.difference(record)
        if missing:
            names = ", ".join(f"'{name}'" for name in sorted(missing))
            error = f"Stream '{self.stream_name}': a record lacks the key property {names}. {way_out(self.stream_name)}"
            raise MissingKeyPropertiesError(error)
        self._keep(self._target.received(record, schema))

    def refuse(self, record: dict[str, t.Any], schema: StreamSchema, trouble: InvalidRecordError) -> None:
        """Keep a record that stream maps fail on, as it was before them, to be reported in its turn."""
        self._keep(self._target.received(record, schema, trouble))

    def _keep(self, received: Received) -> None:
        self.tally_record_read()
        if not self._records:
            self._oldest = received.number
        self._records.append(received)
        if len(self._records) >= self._most:
            self._target.is_due = True

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Load the batch."""
        del context
        records, self._records = self._records, []
        self._oldest = None
        self.record_counter_metric.increment(len(records))
        self._sync.run(records)
        self._target.batch_done()
