"""Records into memberships: which properties name the contact, and the group or company. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.errors import InvalidRecordError, StreamRefusedError
from target_intercom.model import MatchBy
from target_intercom.settings.warnings import ambiguous_property
from target_intercom.sync.mapping.group_names import group_name
from target_intercom.sync.mapping.identifiers import no_identifier, read_identity, refuse_without_identifier
from target_intercom.sync.mapping.properties import Properties, asks_to_remove, meant
from target_intercom.sync.mapping.values import UncoercibleError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_intercom.kinds.link import GroupNames
    from target_intercom.model import Identity, Json
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.mapping.properties import SchemaProperties

_BY_NAME: t.Final = {"external_id": MatchBy.EXTERNAL_ID.value, "email": MatchBy.EMAIL.value}
"""Identifiers that are taken without a mapping; a source's own `id` is not Intercom's."""


@dataclass(frozen=True, slots=True)
class MembershipDraft:
    """A membership, as a record says it."""

    identity: Identity
    name: str | None
    """The group; None: the record does not say, and need not where it ends a membership."""
    removed: bool
    source: str
    """The property that names the group."""


class MembershipMapper:
    """Maps the records of one stream of memberships, under one schema."""

    def __init__(
        self,
        properties: SchemaProperties,
        config: StreamConfig,
        names: GroupNames,
        *,
        has_own_mappings: bool,
        say: Callable[[str], None],
    ) -> None:
        """Find the properties that name the contact and the group.

        The mappings of all streams give way to properties that have the very names: a contact's `id` may be its
        external_id, while a membership's `id` is the membership's.

        Args:
            properties: the properties that the stream's schema names.
            config: the stream's settings.
            names: how its records name the groups.
            has_own_mappings: the mappings are the stream's own, not those of all streams.
            say: takes messages for a person.

        Raises:
            StreamRefusedError: no property gives an identifier of `match_by`, or no property names the group.
        """
        stream, mappings = properties.stream, config.mappings
        self._config = config
        self._names = names
        self._properties = Properties(properties.schemas, mappings, is_open=properties.is_open, met=properties.met)
        self._deleted = self._properties.find(config.deleted_property).property
        named = list(self._by_name(stream, say))
        mapped = self._mapped()
        if not has_own_mappings:
            taken = {held == names.target for _, held in named}
            mapped = [(name, held) for name, held in mapped if (held == names.target) not in taken]
        self._sources: dict[str, str] = {}
        for name, held in [*mapped, *named]:
            self._sources.setdefault(held, name)
        refuse_without_identifier(stream, self._properties, self._sources, config)
        if names.target not in self._sources:
            wanted = " or ".join(f"'{one}'" for one in names.taken)
            message = (
                f"Stream '{stream}' has no property that names the {names.thing} ({wanted}). Map the one that does, "
                f'for example \'mappings\': {{"{next(iter(self._properties.names), "PROPERTY")}": "{names.target}"}}, '
                "in 'streams'"
            )
            raise StreamRefusedError(stream, message)

    def map(self, record: Mapping[str, Json]) -> MembershipDraft:
        """Map a record.

        Raises:
            InvalidRecordError: it does not name a contact and a group.
        """
        removed = self.removes(record)
        flat = self._properties.read(record)
        # The key of a record that ends a membership says which: it need name neither.
        identity = read_identity(flat, self._sources, self._config.match_by, lenient=removed)
        if not removed and all(identity.get(which) is None for which in self._config.match_by):
            raise no_identifier(self._config.match_by)
        source = self._sources[self._names.target]
        return MembershipDraft(identity, self._group(flat, lenient=removed), removed, source)

    def removes(self, record: Mapping[str, Json]) -> bool:
        """Check whether a record ends a membership."""
        if not record.keys() <= self._properties.names.keys() and self._properties.learn([record]):
            self._deleted = self._properties.find(self._config.deleted_property).property
        return asks_to_remove(record, self._config, self._deleted)

    def _mapped(self) -> list[tuple[str, str]]:
        """Return the properties that are mapped, each with what it holds."""
        mappings = self._config.mappings
        there = mappings if self._properties.is_open else self._properties.names
        return [(name, held) for name in there if (held := mappings.get(name)) is not None]

    def _by_name(self, stream: str, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
        """Find the properties that are taken without a mapping, each with what it holds."""
        unmapped = [name for name in self._properties.names if name not in self._config.mappings]
        for wanted, held in {**_BY_NAME, **dict.fromkeys(self._names.taken, self._names.target)}.items():
            named = meant(wanted, unmapped)
            if named.property is not None:
                yield named.property, held
            elif named.others:
                say(ambiguous_property(stream, named.others, wanted, "mappings"))

    def _group(self, record: Mapping[str, Json], *, lenient: bool) -> str | None:
        source = self._sources[self._names.target]
        try:
            name = group_name(record.get(source), self._names)
        except UncoercibleError as error:
            if lenient:
                return None
            raise InvalidRecordError(str(error), code=error.code, field=source) from None
        if name is None and not lenient:
            raise InvalidRecordError(f"the record names no {self._names.thing}", code=self._names.no_name, field=source)
        return name
