"""Records of a groups stream into memberships: which property names the contact, which the group. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import InvalidRecordError, StreamRefusedError
from target_intercom.model import MatchBy
from target_intercom.settings.config import TAG, SyncMode
from target_intercom.settings.warnings import is_in_doubt
from target_intercom.sync.mapping.group_names import group_name
from target_intercom.sync.mapping.identifiers import no_identifier, read_identity, refuse_without_identifier
from target_intercom.sync.mapping.names import meant
from target_intercom.sync.mapping.properties import Properties, unheard
from target_intercom.sync.mapping.values import UncoercibleError, is_set

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_intercom.model import Identity, Json
    from target_intercom.settings.config import StreamConfig

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
        self,
        stream: str,
        properties: Mapping[str, Json],
        config: StreamConfig,
        *,
        has_own_mappings: bool,
        say: Callable[[str], None],
        is_open: bool = False,
        met: Callable[[Iterable[str]], object] = unheard,
    ) -> None:
        """Find the properties.

        Mappings that were made for all streams give way to properties that have the names themselves: a contact's
        `id` may be its external_id, while a membership's is the membership's.

        Args:
            stream: the stream's name, for messages.
            properties: the JSON schemas of the properties that the stream's schema names.
            config: the stream's settings.
            has_own_mappings: they are the stream's, not those of all streams.
            say: takes each message a person should see.
            is_open: the stream's schema names no properties of its own.
            met: takes the names of properties that the stream has, as they come.

        Raises:
            StreamRefusedError: no property gives an identifier of `match_by`, or none the group.
        """
        self._config = config
        self._properties = Properties(properties, config.mappings, is_open=is_open)
        self._met = met
        self._notice()
        self._sources: dict[str, str] = {}
        named = list(self._by_name(stream, say))
        there = config.mappings if is_open else self._properties.names
        mapped = [(name, config.mappings[name]) for name in there if config.mappings.get(name) is not None]
        if not has_own_mappings:
            taken = {what == TAG for _, what in named}
            mapped = [(name, what) for name, what in mapped if (what == TAG) not in taken]
        for name, what in [*mapped, *named]:
            self._sources.setdefault(str(what), name)
        refuse_without_identifier(stream, self._properties, self._sources, config.match_by, config.mappings)
        if TAG not in self._sources:
            message = (
                f"Stream '{stream}' has no property that names the group ('tag' or 'group'). Map the one that does, "
                f'for example \'mappings\': {{"{next(iter(self._properties.names), "PROPERTY")}": "{TAG}"}}, in '
                "'streams'"
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
        flat = self._properties.read(record)
        return MembershipDraft(self._strict(flat), self._group(flat, lenient=False), removed=False)

    def leniently(self, record: Mapping[str, Json]) -> MembershipDraft:
        """Read what can be read of a record that cannot be loaded."""
        flat = self._properties.read(record)
        identity = read_identity(flat, self._sources, self._config.match_by, lenient=True)
        return MembershipDraft(identity, self._group(flat, lenient=True), self.removes(record))

    def removes(self, record: Mapping[str, Json]) -> bool:
        """Check whether a record ends a membership."""
        if not record.keys() <= self._properties.names.keys() and self._properties.learn([record]):
            self._notice()
        return self._config.sync_mode is SyncMode.REMOVE or is_set(record.get(self._deleted))

    def _notice(self) -> None:
        """Read which properties there are, and find the one that marks a membership as ended."""
        self._met(self._properties.names)
        wanted = self._config.deleted_property
        self._deleted = self._properties.find(wanted).property or wanted

    def _by_name(self, stream: str, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
        """Find the properties that are taken without a mapping, with what they are."""
        unmapped = [name for name in self._properties.names if name not in self._config.mappings]
        for wanted, what in _BY_NAME.items():
            named = meant(wanted, unmapped)
            if named.property is not None:
                yield named.property, what
            elif named.others:
                say(is_in_doubt(stream, named.others, wanted, "mappings"))

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
