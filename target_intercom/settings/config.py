"""Every setting: its type, default, meaning and the rules across settings.

No other module sees the config mapping: `parse_config` turns it into a frozen `Config` once, and refuses what is wrong
with the setting's name, what was given and what is allowed.
"""

from __future__ import annotations

import difflib
import enum
import json
import re
import typing as t
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from target_intercom.errors import ConfigValidationError
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import CUSTOM_PREFIX, Json, MatchBy

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

NO_LEDGER: t.Final = "none"
"""The `ledger_url` of a run without a ledger."""

TAG: t.Final = "tag"
"""What the property of a groups stream that names the group is mapped to."""
GROUP_TARGETS: t.Final = (*(which.value for which in MatchBy), TAG)
"""What the properties of a groups stream can be mapped to."""

_NULL = "null"
_VERSION = re.compile(r"\d+\.\d+")
_LEDGER = re.compile(r"(sqlite:///(?!:memory:).+|postgres(ql)?(\+psycopg)?://.+)", re.IGNORECASE)
_Enum = t.TypeVar("_Enum", bound=enum.Enum)


class Region(str, enum.Enum):
    """Where the workspace's data lies; it chooses the API host (fact sheet section 1)."""

    US = "us"
    EU = "eu"
    AU = "au"

    @property
    def url(self) -> str:
        """The API's address in this region."""
        return "https://api.intercom.io" if self is Region.US else f"https://api.{self.value}.intercom.io"


class SyncMode(str, enum.Enum):
    """What a stream's records may do to contacts."""

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
    def removes(self) -> bool:
        """Whether contacts are removed."""
        return self in {SyncMode.SYNC, SyncMode.REMOVE}


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
    """What a stream's records are."""

    CONTACTS = "contacts"
    GROUPS = "groups"
    IGNORE = "ignore"
    """Nothing: the stream is left out."""


class Unmapped(str, enum.Enum):
    """What happens to properties that `mappings` does not name."""

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
    object: StreamObject = StreamObject.CONTACTS
    max_removal_percent: int = field(default=20, repr=False)
    """The same for all streams of a run; not in `repr`, by which records are known again that came before."""

    @property
    def is_groups(self) -> bool:
        """Whether its records put contacts into groups."""
        return self.object is StreamObject.GROUPS

    @property
    def is_contacts(self) -> bool:
        """Whether its records are contacts."""
        return self.object is StreamObject.CONTACTS

    @property
    def is_ignored(self) -> bool:
        """Whether the stream is left out."""
        return self.object is StreamObject.IGNORE

    @property
    def makes_contacts(self) -> bool:
        """Whether its records may make contacts."""
        return self.is_contacts and self.sync_mode.creates

    @property
    def is_limited(self) -> bool:
        """Whether its records decide what is removed, and `max_removal_percent` limits how much."""
        return self.sync_mode is SyncMode.SYNC and self.max_removal_percent > 0

    @property
    def may_remove(self) -> bool:
        """Whether its records may remove contacts, or end memberships."""
        return self.sync_mode is SyncMode.REMOVE or self.is_limited


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
        """Where the ledger is: an SQLite file, or a URL; None: there is none."""
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
        """Whether any stream may remove contacts."""
        return any(one.may_remove and not one.is_groups for one in self.every)

    @property
    def has_groups(self) -> bool:
        """Whether any stream may put contacts into groups."""
        return any(one.is_groups or one.tags_property is not None for one in self.every)

    def has_own_mappings(self, name: str) -> bool:
        """Whether a stream has mappings of its own in place of the general ones."""
        return self.stream(name).mappings is not self.general.mappings


@dataclass(frozen=True)
class Setting:
    """One setting: what it takes and what it means."""

    name: str
    schema: Mapping[str, Json]
    read: Callable[[Json], Json]
    description: str
    required: bool = False
    secret: bool = False


class _WrongValueError(Exception):
    """A value that a setting does not take; the text says what it takes."""

    def __init__(self, allowed: str, *, shown: Json = None, where: str = "") -> None:
        super().__init__(allowed)
        self.allowed = allowed
        self.shown = shown
        self.where = where

    def sentences(self, name: str, value: Json) -> Iterator[str]:
        """Yield what to say of it: where it stands, what was given, and what to give."""
        shown = "this value" if name == "access_token" else _shown(value if self.shown is None else self.shown)
        yield f"Setting '{name}'{self.where} does not take {shown}: give {self.allowed}"


class _WrongValuesError(_WrongValueError):
    """Several values within a setting that it does not take."""

    def __init__(self, wrong: Sequence[_WrongValueError]) -> None:
        super().__init__(wrong[0].allowed)
        self._wrong = wrong

    def sentences(self, name: str, value: Json) -> Iterator[str]:
        """Yield what to say of each."""
        for one in self._wrong:
            yield from one.sentences(name, value)


def _text(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _WrongValueError("a text that is not empty")
    return value.strip()


def _folder(value: Json) -> Path:
    text = _text(value)
    if "\0" in text:
        raise _WrongValueError("the path of a folder")
    return Path(text)


def _token(value: Json) -> str:
    text = _text(value)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _WrongValueError("the access token as Intercom shows it")
    return text


def _name_of(what: str) -> Callable[[Json], str]:
    def read(value: Json) -> str:
        if not isinstance(value, str) or not value.strip():
            raise _WrongValueError(f"the name of {what}")
        return value

    return read


def _version(value: Json) -> str:
    text = _text(value)
    if text.lower() in {"preview", "unstable"} or _VERSION.fullmatch(text):
        return text
    raise _WrongValueError('a version like "2.16", or "Preview"')


def _url(value: Json) -> str:
    text = _text(value).rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise _WrongValueError('an address like "https://api.intercom.io"')
    if parts.username is not None or parts.password is not None:
        raise _WrongValueError("an address without credentials", shown="an address with credentials")
    return text


def _ledger_url(value: Json) -> str:
    text = _text(value)
    if text.lower() == NO_LEDGER:
        return NO_LEDGER
    if not _LEDGER.fullmatch(text):
        allowed = f'"sqlite:///FILE", "postgresql://USER@HOST/DATABASE", or {_shown(NO_LEDGER)}'
        raise _WrongValueError(allowed, shown="an address with credentials" if "@" in text else text)
    return text


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise _WrongValueError("true or false")
    return value


def _whole(low: int, high: int | None = None) -> Callable[[Json], int]:
    def read(value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise _WrongValueError(
                f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
            )
        return value

    return read


def _one_of(kind: type[_Enum]) -> Callable[[Json], _Enum]:
    def read(value: Json) -> _Enum:
        try:
            return kind(value)
        except ValueError:
            raise _WrongValueError("one of " + ", ".join(_shown(member.value) for member in kind)) from None

    return read


def _match_by(value: Json) -> tuple[MatchBy, ...]:
    allowed = "a list of some of " + ", ".join(_shown(member.value) for member in MatchBy) + ", each once"
    if not isinstance(value, list) or not value:
        raise _WrongValueError(allowed)
    try:
        order = tuple(MatchBy(item) for item in value)
    except ValueError:
        raise _WrongValueError(allowed) from None
    if len(set(order)) < len(order):
        raise _WrongValueError(allowed)
    return order


def _mappings(value: Json) -> Mapping[str, str | None]:
    if not isinstance(value, dict):
        raise _WrongValueError("an object of {property: attribute}")
    taken: dict[str, str] = {}
    wrong: list[_WrongValueError] = []
    # `meltano config set` stores the text.
    given = {prop: None if attribute == _NULL else attribute for prop, attribute in value.items()}
    for prop, attribute in given.items():
        try:
            _check_mapping(prop, attribute, taken)
        except _WrongValueError as error:
            wrong.append(error)
    if wrong:
        raise _WrongValuesError(wrong)
    return MappingProxyType(given)


def _check_mapping(prop: str, attribute: Json, taken: dict[str, str]) -> None:
    """Refuse a wrong attribute, and one that another property is mapped to. `taken`: the property of each attribute."""
    where = f"[{_shown(prop)}]"
    if attribute is None:
        return
    _check_attribute(attribute, where)
    if attribute in taken:
        raise _WrongValueError(
            f"each attribute once ({_shown(taken[attribute])} is mapped to it, too)", shown=attribute, where=where
        )
    taken[attribute] = prop


def _check_attribute(attribute: Json, where: str) -> None:
    """Refuse what a property cannot be mapped to."""
    names = ", ".join(CONTACTS.mappable)
    allowed = f"{names}, custom_attributes.NAME, null to leave the property out, or, of a groups stream, {_shown(TAG)}"
    if not isinstance(attribute, str):
        raise _WrongValueError(allowed, shown=attribute, where=where)
    for decided in CONTACTS.attributes:
        if attribute == decided.name and decided.set_by is not None:
            instead = f"any other attribute: '{decided.set_by}' decides the {decided.name}"
            raise _WrongValueError(instead, shown=attribute, where=where)
    if attribute in CONTACTS.mappable or attribute == TAG:
        return
    custom = attribute.removeprefix(CUSTOM_PREFIX)
    if custom == attribute or not custom.strip():
        raise _WrongValueError(allowed, shown=attribute, where=where)
    if custom.strip() in CONTACTS.standard_names:
        raise _WrongValueError(
            "another name: Intercom takes no custom attribute named like a standard one", shown=attribute, where=where
        )


def _words(kind: type[enum.Enum], default: enum.Enum) -> Mapping[str, Json]:
    return {"type": ["string", "null"], "enum": [member.value for member in kind], "default": default.value}


_STREAM_DEFAULTS = StreamConfig()
_DEFAULTS = Config(access_token="")

STREAM_SETTINGS: t.Final = (
    Setting(
        "sync_mode",
        _words(SyncMode, _STREAM_DEFAULTS.sync_mode),
        _one_of(SyncMode),
        "What records may do. `sync`: create, update, and remove what `deleted_property` marks and who left a "
        "`snapshot`; "
        "`additive`: create and update; `enrich`: update only; `insert`: create only; "
        "`remove`: every record names a contact to remove.",
    ),
    Setting(
        "creation_mode",
        _words(CreationMode, _STREAM_DEFAULTS.creation_mode),
        _one_of(CreationMode),
        "Role of new contacts. `lifecycle`: a user if the record has an external_id, else a lead; an existing lead "
        "becomes a user when its external_id arrives.",
    ),
    Setting(
        "removal_mode",
        _words(RemovalMode, _STREAM_DEFAULTS.removal_mode),
        _one_of(RemovalMode),
        "How a contact is removed. `delete` is permanent.",
    ),
    Setting(
        "match_by",
        {
            "type": ["array", "null"],
            "items": {"type": "string", "enum": [member.value for member in MatchBy]},
            "default": [member.value for member in _STREAM_DEFAULTS.match_by],
        },
        _match_by,
        "Identifiers that find an existing contact, tried in this order: `external_id`, `email`, `id`.",
    ),
    Setting(
        "mappings",
        {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}, "default": {}},
        _mappings,
        "`{record property: Intercom attribute}`: a writable standard attribute, `custom_attributes.NAME`, or `id` "
        "(to match by only); `null` leaves a property out. Of a groups stream: `external_id`, `email`, `id`, `tag`.",
    ),
    Setting(
        "unmapped",
        _words(Unmapped, _STREAM_DEFAULTS.unmapped),
        _one_of(Unmapped),
        "Properties that `mappings` does not name. `load`: into the standard attribute of the same name, else into "
        "`custom_attributes.NAME`; `ignore`: leave them out.",
    ),
    Setting(
        "create_attributes",
        {"type": ["boolean", "null"], "default": _STREAM_DEFAULTS.create_attributes},
        _flag,
        "Create missing custom attributes, typed from the stream's schema. `false`: leave them out and say so.",
    ),
    Setting(
        "clear_nulls",
        {"type": ["boolean", "null"], "default": _STREAM_DEFAULTS.clear_nulls},
        _flag,
        "null clears the attribute in Intercom. `false`: null leaves it alone. "
        "An absent property always leaves it alone.",
    ),
    Setting(
        "deleted_property",
        {"type": ["string", "null"], "default": _STREAM_DEFAULTS.deleted_property},
        _name_of("a property"),
        "A record whose value here is set is to be removed. Not set: null, false, 0, blank text, and `false`, `f`, "
        "`no`, `n`, `0`.",
    ),
    Setting(
        "snapshot",
        {"type": ["boolean", "null"], "default": _STREAM_DEFAULTS.snapshot},
        _flag,
        "Every run carries the whole table: in `sync` mode, who is missing from it has left and is removed.",
    ),
    Setting(
        "tags_property",
        {"type": ["string", "null"]},
        _name_of("a property"),
        "Property of contact records that names the contact's groups, which become its tags: an array, or a text with "
        "commas.",
    ),
)
"""Settings that hold for all streams and, in `streams`, for one."""

_OBJECT = "object"
_STREAM_READERS: t.Final = {
    **{setting.name: setting.read for setting in STREAM_SETTINGS},
    _OBJECT: _one_of(StreamObject),
}

SETTINGS: t.Final = (
    Setting(
        "access_token",
        {"type": "string"},
        _token,
        "Access token of a private app (Developer Hub, your app, Authentication).",
        required=True,
        secret=True,
    ),
    Setting(
        "region", _words(Region, _DEFAULTS.region), _one_of(Region), "Region of the workspace; chooses the API host."
    ),
    Setting(
        "api_url",
        {"type": ["string", "null"]},
        _url,
        "Address to call instead of the region's host: the sandbox, a proxy.",
    ),
    Setting(
        "api_version",
        {"type": ["string", "null"], "default": _DEFAULTS.api_version},
        _version,
        "The `Intercom-Version` header of every call.",
    ),
    *STREAM_SETTINGS,
    Setting(
        "groups_stream",
        {"type": ["string", "null"]},
        _name_of("a stream"),
        "Name of the stream whose records put contacts into groups; groups become tags.",
    ),
    Setting(
        "streams",
        {"type": ["object", "null"], "additionalProperties": {"type": "object"}, "default": {}},
        lambda value: value,
        "`{stream name: {setting: value}}`: any setting from `sync_mode` to `tags_property` for that stream alone, and "
        "`object`: `contacts`, `groups`, or `ignore` to leave the stream out. `mappings` there replaces the general "
        "one. One stream of contacts needs no entry, every further one does (`{}` will do).",
    ),
    Setting(
        "max_removal_percent",
        {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": 100,
            "default": _STREAM_DEFAULTS.max_removal_percent,
        },
        _whole(0, 100),
        "In `sync` mode, when a stream's removals are more than 20 and beyond this share of the contacts that it had "
        "when its last run succeeded (or more than half of these are missing), none is removed and the run fails. `0`: "
        "never remove; `100`: no fuse.",
    ),
    Setting(
        "max_rejected_records",
        {"type": ["integer", "null"], "minimum": -1, "default": _DEFAULTS.max_rejected_records},
        _whole(-1),
        "The run fails, after the batch in flight, beyond this many invalid and rejected records. "
        "`0`: on the first; `-1`: never.",
    ),
    Setting(
        "rate_limit_percent",
        {"type": ["integer", "null"], "minimum": 1, "maximum": 100, "default": _DEFAULTS.rate_limit_percent},
        _whole(1, 100),
        "How full, in percent, this run may make the rate-limit window, everyone's calls counted.",
    ),
    Setting(
        "max_connections",
        {"type": ["integer", "null"], "minimum": 1, "default": _DEFAULTS.max_connections},
        _whole(1),
        "Calls in flight at once.",
    ),
    Setting(
        "search_delay_seconds",
        {"type": ["integer", "null"], "minimum": 0, "default": _DEFAULTS.search_delay_seconds},
        _whole(0),
        "How far, in seconds, Intercom's search may lag behind writes; a lead whose creation is in doubt is looked "
        "for that long.",
    ),
    Setting(
        "bulk_writes",
        {"type": ["boolean", "null"], "default": _DEFAULTS.bulk_writes},
        _flag,
        "Write through Intercom's bulk jobs, a hundred contacts a call; where the workspace has none, singly.",
    ),
    Setting(
        "bulk_api_version",
        {"type": ["string", "null"], "default": _DEFAULTS.bulk_api_version},
        _version,
        "The `Intercom-Version` header of bulk calls.",
    ),
    Setting(
        "data_dir",
        {"type": ["string", "null"], "default": str(_DEFAULTS.data_dir)},
        _folder,
        "Folder for the ledger, the report and the rejected records.",
    ),
    Setting(
        "ledger_url",
        {"type": ["string", "null"]},
        _ledger_url,
        "SQLAlchemy URL of the ledger, the memory between runs: `sqlite:///FILE`, or `postgresql://…` (extra "
        "`postgres`). Default: an SQLite file in `data_dir`. `none`: run without one.",
    ),
    Setting(
        "repair",
        {"type": ["boolean", "null"], "default": _DEFAULTS.repair},
        _flag,
        "Compare every record with the live contact, also when the ledger says that it is unchanged: undoes edits made "
        "in Intercom.",
    ),
    Setting(
        "dry_run",
        {"type": ["boolean", "null"], "default": _DEFAULTS.dry_run},
        _flag,
        "Read and plan, write nothing to Intercom or the ledger: what a run would do stands in the report and, one by "
        "one, in `plan-RUN.jsonl`.",
    ),
)
"""Every setting of the target, in the order of the README's table."""


def json_schema() -> dict[str, Json]:
    """Make the JSON schema of the settings, as `--about` shows it."""
    properties: dict[str, Json] = {}
    for setting in SETTINGS:
        properties[setting.name] = {**setting.schema, "description": setting.description}
        if setting.secret:
            properties[setting.name] |= {"secret": True, "writeOnly": True}
    return {
        "type": "object",
        "properties": properties,
        "required": [setting.name for setting in SETTINGS if setting.required],
    }


def parse_config(raw: Mapping[str, Json]) -> Config:
    """Turn the settings as given into a `Config`. null stands for not given.

    Raises:
        ConfigValidationError: its `errors` has one sentence for each setting that is wrong or missing.
    """
    errors: list[str] = []
    values = _read(
        {name: raw.get(name) for name in (s.name for s in SETTINGS)}, {s.name: s.read for s in SETTINGS}, "", errors
    )
    if "access_token" not in values and raw.get("access_token") is None:
        errors.append(
            "Setting 'access_token' is missing: give the access token of a private app "
            "(Developer Hub, your app, Authentication)"
        )
    for_streams = (*_STREAM_READERS, "max_removal_percent")
    general = replace(_STREAM_DEFAULTS, **{name: values.pop(name) for name in for_streams if name in values})
    given = values.pop("streams", {})
    streams = _streams(given, general, errors)
    groups_stream = values.get("groups_stream")
    errors.extend(_contradictions(given, general, streams, groups_stream))
    if groups_stream is not None:
        groups = replace(streams.get(groups_stream, general), object=StreamObject.GROUPS)
        streams = MappingProxyType({**streams, groups_stream: groups})
    if values.get("ledger_url") == NO_LEDGER:
        errors.extend(_snapshots_without_ledger(general, streams))
    if errors:
        raise ConfigValidationError("; ".join(errors), errors=errors)
    return Config(general=general, streams=streams, aliases=_aliases(raw.get("stream_maps")), **values)


def _aliases(stream_maps: Json) -> Mapping[str, frozenset[str]]:
    """Tell which of the tap's streams go into which, where the SDK's stream maps rename them."""
    aliases: dict[str, set[str]] = {}
    for name, rules in stream_maps.items() if isinstance(stream_maps, dict) else ():
        given = rules if isinstance(rules, dict) else {}
        source, alias = given.get("__source__", name), name if "__source__" in given else given.get("__alias__")
        # A pattern may stand for any number of streams.
        if isinstance(alias, str) and isinstance(source, str) and not set("*?[") & set(source):
            aliases.setdefault(alias, set()).add(source)
    return MappingProxyType({alias: frozenset(names) for alias, names in aliases.items()})


def ledger_place(raw: Mapping[str, Json]) -> Path | str | None:
    """Tell where the ledger is, from the settings that say so; as `Config.ledger`.

    Raises:
        ConfigValidationError: one of them is wrong.
    """
    errors: list[str] = []
    names = ("data_dir", "ledger_url")
    readers = {setting.name: setting.read for setting in SETTINGS if setting.name in names}
    values = _read({name: raw.get(name) for name in names}, readers, "", errors)
    if errors:
        raise ConfigValidationError("; ".join(errors), errors=errors)
    return replace(_DEFAULTS, **values).ledger


def _contradictions(
    given: Json, general: StreamConfig, streams: Mapping[str, StreamConfig], groups_stream: str | None
) -> Iterator[str]:
    """Say what means nothing for streams of groups, or for streams of contacts."""
    for name, config in streams.items():
        is_groups = name == groups_stream or config.is_groups
        if name == groups_stream and given[name].get(_OBJECT) not in {None, StreamObject.GROUPS.value}:
            yield f"Setting 'streams.{name}.{_OBJECT}' contradicts 'groups_stream': take one of them out"
        if is_groups and given[name].get("tags_property") is not None:
            yield f"Setting 'streams.{name}.tags_property' is for contacts: a record of a groups stream names one group"
        if given[name].get("mappings") is not None and not config.is_ignored:
            yield from _misplaced(f"Setting 'streams.{name}.mappings'", config.mappings, is_groups=is_groups)
    has_groups = groups_stream is not None or any(config.is_groups for config in streams.values())
    if not has_groups:
        yield from _misplaced("Setting 'mappings'", general.mappings, is_groups=False)


def _misplaced(setting: str, mappings: Mapping[str, str | None], *, is_groups: bool) -> Iterator[str]:
    """Say which mappings are for the other kind of stream."""
    for prop, attribute in mappings.items():
        where = f"{setting}[{_shown(prop)}] does not take {_shown(attribute)}: "
        if is_groups and attribute is not None and attribute not in GROUP_TARGETS:
            yield f"{where}a groups stream takes {', '.join(GROUP_TARGETS)}, or null to leave the property out"
        elif not is_groups and attribute == TAG:
            yield f"{where}that is for groups streams ('groups_stream'); 'tags_property' names the groups of a contact"


def _snapshots_without_ledger(general: StreamConfig, streams: Mapping[str, StreamConfig]) -> Iterator[str]:
    """Say which snapshots nobody could have left, for want of a memory."""
    for name, config in (("snapshot", general), *((f"streams.{name}.snapshot", own) for name, own in streams.items())):
        if config.snapshot and not config.is_ignored:
            yield f"Setting '{name}' needs a ledger to tell who left: take 'ledger_url': \"none\" out"


def unknown_settings(raw: Mapping[str, Json], known: Iterable[str]) -> tuple[list[str], list[str]]:
    """Sort out names that are no settings.

    Returns:
        Sentences for names that look like a slip of the pen (an error), and for others (a warning).
    """
    names = sorted({*known, *(setting.name for setting in SETTINGS)})
    slips, others = [], []
    for name in sorted(set(raw) - set(names)):
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
        if near:
            slips.append(f"Setting '{name}' is unknown: did you mean '{near[0]}'?")
        else:
            others.append(f"Setting '{name}' is unknown to this version and has no effect")
    return slips, others


def _read(
    given: Mapping[str, Json], readers: Mapping[str, Callable[[Json], Json]], prefix: str, errors: list[str]
) -> dict[str, Json]:
    """Read the values that are given; note what is wrong."""
    values: dict[str, Json] = {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            values[name] = readers[name](value)
        except _WrongValueError as error:
            errors.extend(error.sentences(f"{prefix}{name}", value))
    return values


def _streams(given: Json, general: StreamConfig, errors: list[str]) -> Mapping[str, StreamConfig]:
    """Lay each stream's own settings over the general ones."""
    if not isinstance(given, dict) or not all(isinstance(own, dict) for own in given.values()):
        errors.append(
            f"Setting 'streams' does not take {_shown(given)}: give an object of {{stream name: {{setting: value}}}}"
        )
        return {}
    streams: dict[str, StreamConfig] = {}
    for name, own in given.items():
        unknown = sorted(set(own) - set(_STREAM_READERS))
        errors.extend(
            f"Setting 'streams.{name}.{setting}' is unknown: a stream takes {', '.join(_STREAM_READERS)}"
            for setting in unknown
        )
        known = {setting: value for setting, value in own.items() if setting in _STREAM_READERS}
        streams[name] = replace(general, **_read(known, _STREAM_READERS, f"streams.{name}.", errors))
    return MappingProxyType(streams)


def _shown(value: Json) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
