"""The settings of a run and of its streams, as all other modules see them; and what follows from them."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from target_intercom.model import LinkName, MatchBy

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_intercom.model import Received
    from target_intercom.singer.tap_streams import TapStream

NO_LEDGER: t.Final = "none"
"""The `ledger_url` of a run without a ledger."""

TAG: t.Final = "tag"
"""The target of the property of a groups stream that names the group."""
COMPANY_ID: t.Final = "company_id"
"""The target of the property that names a company: of a stream of companies, or of their members."""


class Region(str, enum.Enum):
    """The region of the workspace's data; it chooses the API host (fact sheet section 1)."""

    US = "us"
    EU = "eu"
    AU = "au"

    @property
    def url(self) -> str:
        """The API's address in this region."""
        return "https://api.intercom.io" if self is Region.US else f"https://api.{self.value}.intercom.io"


class SyncMode(str, enum.Enum):
    """The effect that a stream's records may have on contacts."""

    SYNC = "sync"
    ADDITIVE = "additive"
    ENRICH = "enrich"
    INSERT = "insert"
    REMOVE = "remove"

    @property
    def creates(self) -> bool:
        """Whether contacts that are not there are made."""
        return self in {SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.INSERT}

    @property
    def updates(self) -> bool:
        """Whether contacts that are there are changed."""
        return self in {SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.ENRICH}

    @property
    def first_wins(self) -> bool:
        """Whether of several records of a contact the first counts, and not the last."""
        return self is SyncMode.INSERT


class CreationMode(str, enum.Enum):
    """Role of contacts that are made."""

    USER = "user"
    LEAD = "lead"
    LIFECYCLE = "lifecycle"


class RemovalMode(str, enum.Enum):
    """How a contact is removed."""

    ARCHIVE = "archive"
    DELETE = "delete"


class StreamObject(str, enum.Enum):
    """The kind of a stream's records."""

    CONTACTS = "contacts"
    GROUPS = "groups"
    COMPANIES = "companies"
    COMPANY_MEMBERS = "company_members"
    IGNORE = "ignore"
    """The stream is left out."""


_LINKS: t.Final = {StreamObject.GROUPS: LinkName.TAG, StreamObject.COMPANY_MEMBERS: LinkName.COMPANY}


class Unmapped(str, enum.Enum):
    """The use of properties that `mappings` does not name."""

    LOAD = "load"
    IGNORE = "ignore"


@dataclass(frozen=True)
class StreamConfig:
    """The settings of one stream."""

    sync_mode: SyncMode = SyncMode.ADDITIVE
    creation_mode: CreationMode = CreationMode.USER
    removal_mode: RemovalMode = RemovalMode.ARCHIVE
    match_by: tuple[MatchBy, ...] = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)
    mappings: Mapping[str, str | None] = field(default_factory=dict)
    unmapped: Unmapped = Unmapped.LOAD
    create_attributes: bool = True
    clear_nulls: bool = True
    deleted_property: str = "_sdc_deleted_at"
    snapshot: bool = False
    tags_property: str | None = None
    companies_property: str | None = None
    object: StreamObject = StreamObject.CONTACTS
    max_removal_percent: int = field(default=20, repr=False)
    """The same for all streams of a run; not in `repr`, by which records are known again that came before."""

    @property
    def is_memberships(self) -> bool:
        """Whether its records put contacts into groups, or into companies."""
        return self.object in {StreamObject.GROUPS, StreamObject.COMPANY_MEMBERS}

    @property
    def links(self) -> LinkName | None:
        """The kind of the links that its records name, one each; None: its records are no memberships."""
        return _LINKS.get(self.object)

    @property
    def lists(self) -> Mapping[LinkName, tuple[str, str]]:
        """The settings that name a property which lists a contact's groups, with the property, by kind of link."""
        tags, companies = ("tags_property", self.tags_property), ("companies_property", self.companies_property)
        named = {LinkName.TAG: tags, LinkName.COMPANY: companies}
        return {kind: (setting, name) for kind, (setting, name) in named.items() if name is not None}

    @property
    def is_contacts(self) -> bool:
        """Whether its records are contacts."""
        return self.object is StreamObject.CONTACTS

    @property
    def is_companies(self) -> bool:
        """Whether its records are companies."""
        return self.object is StreamObject.COMPANIES

    @property
    def is_ignored(self) -> bool:
        """Whether the stream is left out."""
        return self.object is StreamObject.IGNORE

    @property
    def takes_general_mappings(self) -> bool:
        """Whether the mappings of all streams hold for it: they are of contacts, and of groups' contacts."""
        return self.object in {StreamObject.CONTACTS, StreamObject.GROUPS}

    @property
    def makes_contacts(self) -> bool:
        """Whether its records may make contacts."""
        return self.is_contacts and self.sync_mode.creates

    @property
    def orders_removals(self) -> bool:
        """Whether each of its records is an order to remove a contact, or to end a membership."""
        return self.sync_mode is SyncMode.REMOVE

    @property
    def is_limited(self) -> bool:
        """Whether its records decide what is removed, and `max_removal_percent` limits how much."""
        return self.sync_mode is SyncMode.SYNC and self.max_removal_percent > 0

    @property
    def may_remove(self) -> bool:
        """Whether its records may remove contacts, or end memberships."""
        return self.orders_removals or self.is_limited

    @property
    def takes_links_off(self) -> bool:
        """Whether links are taken off that its memberships, or its lists, no longer name; lists have no limit."""
        return self.may_remove if self.is_memberships else self.sync_mode is SyncMode.SYNC


def carries_all(settings: StreamConfig, sources: Iterable[TapStream], version: int | None) -> bool:
    """Check whether each run of a stream carries its complete table: only then a record that does not come is missing.

    `version`: the last one that its tap named (ACTIVATE_VERSION, or in a record); None: the tap names none.
    """
    is_incremental = any(source.is_incremental for source in sources)
    return not is_incremental and (settings.snapshot or version is not None)


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream, by the name that it has after stream maps."""

    name: str
    settings: StreamConfig
    keys: tuple[str, ...]
    """The names of its key properties."""
    sources: tuple[TapStream, ...]
    """The tap's streams that it is made of, as far as is known; first the stream of the SCHEMA that came."""

    @property
    def source(self) -> TapStream:
        """The tap's stream of the SCHEMA that came."""
        return self.sources[0]

    def carries_all(self, version: int | None) -> bool:
        """Check whether each run carries the complete table; see the function of this name."""
        return carries_all(self.settings, self.sources, version)

    def version_of(self, received: Received) -> int | None:
        """Return the version of the table that a record is of."""
        return self.source.version_of(received.message)


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    access_token: str
    region: Region = Region.US
    api_url: str | None = None
    api_version: str = "2.16"
    general: StreamConfig = field(default_factory=StreamConfig)
    groups_stream: str | None = None
    """Its `StreamConfig` is among `streams`, as one of groups."""
    streams: Mapping[str, StreamConfig] = field(default_factory=dict)
    max_rejected_records: int = 1000
    rate_limit_percent: int = 95
    max_connections: int = 64
    search_delay_seconds: int = 120
    bulk_writes: bool = False
    bulk_api_version: str = "Preview"
    data_dir: Path = Path(".target-intercom")
    ledger_url: str | None = None
    repair: bool = False
    dry_run: bool = False
    aliases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By stream: the tap's streams that `stream_maps` makes it of."""

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Config(api_version={self.api_version!r}, url={self.url!r}, data_dir={str(self.data_dir)!r})"

    @property
    def url(self) -> str:
        """The API's address."""
        return self.api_url or self.region.url

    @property
    def ledger(self) -> Path | str | None:
        """The place of the ledger: an SQLite file, or a URL; None: there is none."""
        if self.ledger_url is None:
            return self.data_dir / "ledger.db"
        return None if self.ledger_url == NO_LEDGER else self.ledger_url

    @property
    def max_removal_percent(self) -> int:
        """How much of a stream one run may remove; 0: nothing that its records decide."""
        return self.general.max_removal_percent

    def stream(self, name: str) -> StreamConfig:
        """The settings that hold for a stream."""
        return self.streams.get(name, self.general)

    @property
    def every(self) -> tuple[StreamConfig, ...]:
        """The settings of all streams: the general ones, and those of streams that have some of their own."""
        return self.general, *(own for own in self.streams.values() if not own.is_ignored)

    def named_streams(self) -> Iterator[tuple[str, str]]:
        """Yield the streams that have settings of their own, each after the setting that names it."""
        for name in self.streams:
            yield "groups_stream" if name == self.groups_stream else f"streams.{name}", name

    @property
    def removes(self) -> bool:
        """Whether any stream may remove contacts or companies."""
        return any(one.may_remove and not one.is_memberships for one in self.every)

    @property
    def has_groups(self) -> bool:
        """Whether any stream may put contacts into groups, which become tags."""
        return any(one.object is StreamObject.GROUPS or one.tags_property is not None for one in self.every)

    @property
    def has_companies(self) -> bool:
        """Whether any stream has companies."""
        return any(one.is_companies for one in self.every)

    @property
    def has_members(self) -> bool:
        """Whether any stream may put contacts into companies."""
        return any(
            one.object is StreamObject.COMPANY_MEMBERS or one.companies_property is not None for one in self.every
        )

    def has_own_mappings(self, name: str) -> bool:
        """Whether a stream has mappings of its own in place of the general ones."""
        own = self.stream(name)
        return own.mappings is not self.general.mappings and (own.takes_general_mappings or bool(own.mappings))
