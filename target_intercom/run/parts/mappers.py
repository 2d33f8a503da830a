"""Makes the mappers of streams; the check of a catalog needs them, too."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial

from target_intercom.settings.warnings import no_properties
from target_intercom.singer.schemas import is_open
from target_intercom.sync.mapping.group_names import NAMES
from target_intercom.sync.mapping.mappers import Mappers
from target_intercom.sync.mapping.memberships import MembershipMapper
from target_intercom.sync.mapping.properties import SchemaProperties
from target_intercom.sync.mapping.records import RecordMapper

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import StreamSchema
    from target_intercom.settings.config import Config


@dataclass(frozen=True)
class MapperFactory:
    """Makes the mappers of streams, which need no workspace."""

    config: Config
    warn: Callable[[str | None], None]
    add_properties: Callable[[str, Collection[str]], object] = lambda _stream, _names: None
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
            self._properties(schema),
            self.config.stream(schema.stream),
            kind=kind,
            api_version=self.config.api_version,
            say=self.warn,
        )

    def _membership_mapper(self, schema: StreamSchema) -> MembershipMapper:
        self._check_names(schema)
        config = self.config.stream(schema.stream)
        if config.links is None:
            raise LookupError(schema.stream)
        return MembershipMapper(
            self._properties(schema),
            config,
            NAMES[config.links],
            has_own_mappings=self.config.has_own_mappings(schema.stream),
            say=self.warn,
        )

    def _properties(self, schema: StreamSchema) -> SchemaProperties:
        met = partial(self.add_properties, schema.stream)
        return SchemaProperties(schema.stream, schema.plain["properties"], is_open(schema.plain), met)

    def _check_names(self, schema: StreamSchema) -> None:
        has_own_mappings = self.config.has_own_mappings(schema.stream)
        refusal = no_properties(schema.stream, schema.plain, has_own_mappings=has_own_mappings)
        if refusal is not None:
            raise refusal
