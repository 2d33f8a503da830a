"""Records of a groups stream into memberships: which property names the contact, which the group. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.config import TAG, SyncMode
from target_intercom.errors import InvalidRecordError, StreamRefusedError
from target_intercom.model import MatchBy
from target_intercom.sync.coercion import UncoercibleError, is_set
from target_intercom.sync.group_names import group_name
from target_intercom.sync.identity import no_identifier, read_identity, refuse_without_identifier

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.config import StreamConfig
    from target_intercom.model import Identity, Json

_BY_NAME: t.Final = {
    "external_id": MatchBy.EXTERNAL_ID.value,
    "email": MatchBy.EMAIL.value,
    "tag": TAG,
    "group": TAG,
}
"""Properties that are taken without a mapping; a source's own `id` is not Intercom's."""


@dataclass(frozen=True, slots=True)
class MembershipDraft:
    """What a record says: who is in which group."""

    identity: Identity
    name: str | None
    """The group; None: a record that is marked as deleted need not say."""
    removed: bool


class MembershipMapper:
    """Maps the records of one groups stream, under one schema."""

    def __init__(
        self, stream: str, properties: Mapping[str, object], config: StreamConfig, *, has_own_mappings: bool
    ) -> None:
        """Find the properties.

        Mappings that were made for all streams give way to properties that have the names themselves: a contact's
        `id` may be its external_id, while a membership's is the membership's.

        Raises:
            StreamRefusedError: no property gives an identifier of `match_by`, or none the group.
        """
        self._config = config
        self._sources: dict[str, str] = {}
        named = [(name, _BY_NAME[name]) for name in _BY_NAME if name in properties and name not in config.mappings]
        mapped = [(name, config.mappings[name]) for name in properties if config.mappings.get(name) is not None]
        if not has_own_mappings:
            taken = {what == TAG for _, what in named}
            mapped = [(name, what) for name, what in mapped if (what == TAG) not in taken]
        for name, what in [*mapped, *named]:
            self._sources.setdefault(str(what), name)
        refuse_without_identifier(stream, properties, self._sources, config.match_by)
        if TAG not in self._sources:
            message = (
                f"Stream '{stream}' has no property that names the group ('tag' or 'group'). Map the one that does, "
                f"for example 'mappings': {{\"{next(iter(properties))}\": \"{TAG}\"}}, in 'streams'"
            )
            raise StreamRefusedError(stream, message)

    def map(self, record: Mapping[str, Json]) -> MembershipDraft:
        """Map a record.

        Raises:
            InvalidRecordError: it does not say who is in which group.
        """
        if self.removes(record):
            # Its key tells which membership it ends.
            return self.leniently(record)
        return MembershipDraft(self._strict(record), self._group(record, lenient=False), removed=False)

    def leniently(self, record: Mapping[str, Json]) -> MembershipDraft:
        """Read what can be read of a record that cannot be loaded."""
        identity = read_identity(record, self._sources, self._config.match_by, lenient=True)
        return MembershipDraft(identity, self._group(record, lenient=True), self.removes(record))

    def removes(self, record: Mapping[str, Json]) -> bool:
        """Tell whether a record ends a membership."""
        return self._config.sync_mode is SyncMode.REMOVE or is_set(record.get(self._config.deleted_property))

    def _strict(self, record: Mapping[str, Json]) -> Identity:
        identity = read_identity(record, self._sources, self._config.match_by, lenient=False)
        if all(identity.get(which) is None for which in self._config.match_by):
            raise no_identifier(self._config.match_by)
        return identity

    def _group(self, record: Mapping[str, Json], *, lenient: bool) -> str | None:
        source = self._sources[TAG]
        try:
            name = group_name(record.get(source))
        except UncoercibleError as error:
            if lenient:
                return None
            raise InvalidRecordError(str(error), code=error.code, field=source) from None
        if name is None and not lenient:
            raise InvalidRecordError("the record names no group", code="no_group", field=source)
        return name
