"""The beginning of a batch: map its records, and separate those whose objects are in line with them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import InvalidRecordError
from target_intercom.model import Entry
from target_intercom.sync.mapping.attribute_values import WantedAttributes
from target_intercom.sync.remembering.fingerprints import text_print

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.model import Received, StreamSchema
    from target_intercom.settings.config import Stream
    from target_intercom.sync.mapping.attribute_values import AttributeType
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.records import RecordMapper
    from target_intercom.sync.record_outcomes import RecordOutcomes
    from target_intercom.sync.remembering.stream_memory import Familiar, StreamMemory
    from target_intercom.sync.workspace.attributes import AttributeCatalog


class Taken(t.NamedTuple):
    """The records of a batch that can be loaded."""

    familiar: list[Familiar]
    """Those that came again as they were; they are not mapped."""
    quiet: list[Entry]
    """Those whose objects are in line with them."""
    others: list[Entry]


@dataclass
class Intake:
    """Maps the records of one stream, and recalls what the ledger knows of them."""

    stream: Stream
    mappers: Mappers[RecordMapper]
    catalog: AttributeCatalog
    memory: StreamMemory
    outcomes: RecordOutcomes
    custom: dict[str, AttributeType | None]
    """The types of the custom attributes that came so far, in any batch; None for one that cannot be written."""

    def take(self, records: Sequence[Received]) -> Taken:
        """Read a batch; records that cannot be loaded are reported at once."""
        for received in records:
            if received.trouble is not None:
                self.outcomes.invalid(received, received.trouble)
        sound = [received for received in records if received.trouble is None]
        for mapper, some in self.mappers.parted(sound):
            mapper.learn([received.record for received in some])
        return self._take(sound, [])

    def take_again(self, taken: Taken) -> Taken:
        """Return a batch by what the ledger knows now: other batches have ended since it was read."""
        return self._take([one.received for one in taken.familiar], [*taken.quiet, *taken.others])

    def _take(self, records: Sequence[Received], mapped: Sequence[Entry]) -> Taken:
        familiar, others, sources = self.memory.familiar(records, self._ground)
        entries = [*self.recall(others, sources), *(self.memory.recall(mapped) if mapped else ())]
        entries.sort(key=lambda entry: entry.received.number)
        quiet = [entry for entry in entries if entry.is_in_line]
        return Taken(familiar, quiet, [entry for entry in entries if not entry.is_in_line])

    def recall(self, records: Sequence[Received], sources: Mapping[int, str]) -> list[Entry]:
        """Map records, and recall what the ledger knows of them; `sources` has their source hashes by number."""
        return self.memory.recall(self._map(records, sources))

    def _ground(self, schema: StreamSchema) -> tuple[str, AbstractSet[str]]:
        """Return a hash of all but the record that decides how it is mapped, and the properties that do.

        Others, as `_sdc_batched_at`, change in every run.
        """
        mapper = self.mappers.of(schema)
        return text_print(mapper.basis(self.catalog.describe)), {*mapper.relevant(), *self.stream.keys}

    def _map(self, records: Sequence[Received], sources: Mapping[int, str]) -> list[Entry]:
        self._provide_attributes(records)
        entries: list[Entry] = []
        for mapper, some in self.mappers.runs(records):
            for received in some:
                try:
                    mapped = mapper.map(received, self.custom)
                except InvalidRecordError as error:
                    self.outcomes.invalid(received, error)
                    continue
                if mapped.cut or mapped.left_out:
                    self.outcomes.report.cut(self.stream.name, mapped.cut)
                    self.outcomes.report.left_out(self.stream.name, mapped.left_out)
                source = sources.get(received.number) if mapper.says_all(mapped, received.record) else None
                key = self.memory.key_of(received, mapped.draft.identity)
                entries.append(Entry(received, mapped.draft, key, source=source))
        return entries

    def _provide_attributes(self, records: Iterable[Received]) -> None:
        """Find or create the custom attributes that records need; the first schema that names a type decides it."""
        wanted = WantedAttributes(self.custom)
        for mapper, some in self.mappers.runs(records):
            mapper.want((one.record for one in some if not mapper.removes(one.record)), wanted)
        self.custom |= self.catalog.provide(wanted.types(), create=self.stream.settings.create_attributes)
