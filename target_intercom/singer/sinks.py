"""The Singer edge of a stream: a batch in, one call out."""

from __future__ import annotations

import math
import traceback
import typing as t
from abc import abstractmethod

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.sinks import BatchSink

from target_intercom.errors import InvalidRecordError, way_out

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers.conform import DatetimeErrorTreatmentEnum

    from target_intercom.model import Received, StreamSchema
    from target_intercom.target import TargetIntercom


class Batches(t.Protocol):
    """Takes a stream's records, batch by batch; those of one may have come under several schemas."""

    def meet(self, schema: StreamSchema) -> None:
        """Check that records can be loaded that come under a schema."""

    def run(self, records: Sequence[Received]) -> None:
        """Bring a batch where it belongs; every record gets its outcome."""


class IntercomSink(BatchSink):
    """Collects a stream's records and hands them over in batches.

    The SDK would end the run on a record that breaks its schema or holds an unparsable date, and take
    `_sdc_deleted_at` out of records; here records stay as they came, and mapping decides on each.
    """

    # Large enough that connections do not idle at a batch's end, small enough for memory (about 2 KB a record).
    MAX_SIZE_DEFAULT = 5000

    def __init__(
        self,
        target: TargetIntercom,
        stream_name: str,
        schema: dict[str, t.Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Refuse a schema that gives no identifier.

        Raises:
            StreamRefusedError: no property gives an identifier to match by.
        """
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._keys = frozenset(self.key_properties)
        self._most = self.max_size
        self._records: list[Received] = []
        self._oldest: int | None = None
        self._sync = self._begin(target)

    @abstractmethod
    def _begin(self, target: TargetIntercom) -> Batches:
        """Make the stream's sync."""

    @property
    def oldest(self) -> float:
        """The place in the pipe of the first record that waits; infinite when none does."""
        return math.inf if self._oldest is None else self._oldest

    @property
    def is_full(self) -> bool:
        """Never: the target drains a full sink together with the others, in the order of their records."""
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
        """Check that records can be loaded that come under a schema; nothing that came before has to be written first.

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
        """Bring the batch into Intercom."""
        del context
        records, self._records = self._records, []
        self._oldest = None
        self.record_counter_metric.increment(len(records))
        self._sync.run(records)
        self._target.batch_done()


def failed_map(error: Exception) -> InvalidRecordError:
    """Return what an expression of a stream map fails on, by the name of its error: the text may quote the record."""
    named = (
        frame.f_locals["property_name"] or "__filter__"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "_eval" and "property_name" in frame.f_locals
    )
    what = type(error.__cause__ or error).__name__
    reason = f"the expression that 'stream_maps' has for it fails on this record ({what})"
    return InvalidRecordError(reason, code="stream_map_failed", field=next(named, None))


class ContactSink(IntercomSink):
    """The sink of a stream of contacts."""

    def _begin(self, target: TargetIntercom) -> Batches:
        return target.contact_sync(self.stream_name, self.key_properties)


class GroupSink(IntercomSink):
    """The sink of a stream whose records put contacts into groups."""

    def _begin(self, target: TargetIntercom) -> Batches:
        return target.membership_sync(self.stream_name, self.key_properties)
