"""Every setting: its name, what it takes and what it means."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass
from pathlib import Path

from target_intercom.settings.config import (
    Config,
    CreationMode,
    Region,
    RemovalMode,
    StreamConfig,
    SyncMode,
    Unmapped,
)
from target_intercom.settings.values import (
    FLAG,
    FOLDER,
    LEDGER_URL,
    MAPPINGS,
    MATCH_BY,
    STREAMS,
    TOKEN,
    URL,
    VERSION,
    Value,
    name_of,
    number,
    one_of,
)

if t.TYPE_CHECKING:
    from target_intercom.model import Json

DEFAULTS: t.Final = Config(access_token="")
STREAM_DEFAULTS: t.Final = StreamConfig()


@dataclass(frozen=True)
class Setting:
    """A setting; its default is that of the `Config` or `StreamConfig`."""

    name: str
    value: Value
    description: str
    secret: bool = False

    @property
    def default(self) -> Json:
        """The default, as it would be given; None: there is none."""
        default = getattr(STREAM_DEFAULTS if hasattr(STREAM_DEFAULTS, self.name) else DEFAULTS, self.name)
        return None if self.required else given(default)

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.name == "access_token"

    @property
    def schema(self) -> dict[str, Json]:
        """Its JSON schema."""
        kind = self.value.schema["type"]
        schema: dict[str, Json] = {**self.value.schema, "type": kind if self.required else [kind, "null"]}
        if self.default is not None:
            schema["default"] = self.default
        schema["description"] = self.description
        return {**schema, "secret": True, "writeOnly": True} if self.secret else schema


def given(value: Json) -> Json:
    """Return a value of the settings as it would be given."""
    match value:
        case enum.Enum():
            return value.value
        case Path():
            return str(value)
        case tuple():
            return list(map(given, value))
        case _:
            return value


STREAM_SETTINGS: t.Final = (
    Setting(
        "sync_mode",
        one_of(SyncMode),
        "What records may do. `sync`: create, update, and remove contacts that `deleted_property` marks or that are "
        "missing from a `snapshot`; `additive`: create and update; `enrich`: update only; `insert`: create only; "
        "`remove`: every record names a contact to remove.",
    ),
    Setting(
        "creation_mode",
        one_of(CreationMode),
        "Role of new contacts. `lifecycle`: a user if the record has an external_id, else a lead; an existing lead "
        "becomes a user when its external_id arrives.",
    ),
    Setting("removal_mode", one_of(RemovalMode), "How a contact is removed. `delete` is permanent."),
    Setting(
        "match_by",
        MATCH_BY,
        "Identifiers that find an existing contact, in the order in which they are tried: any of `external_id`, "
        "`email`, `id`.",
    ),
    Setting(
        "mappings",
        MAPPINGS,
        "`{record property: Intercom attribute}`: a writable standard attribute, `custom_attributes.NAME`, or `id` "
        "(to match by only). `null` leaves a property out. A groups stream takes `external_id`, `email`, `id`, `tag`. "
        "Streams of companies and their members take `mappings` of their own, in `streams`.",
    ),
    Setting(
        "unmapped",
        one_of(Unmapped),
        "What happens to properties that `mappings` does not name. `load`: each goes into the standard attribute of "
        "its name, else into `custom_attributes.NAME`; `ignore`: they are left out.",
    ),
    Setting(
        "create_attributes",
        FLAG,
        "Create missing custom attributes, with the types of the stream's schema. `false`: leave them out, with a "
        "warning.",
    ),
    Setting(
        "clear_nulls",
        FLAG,
        "null clears the attribute in Intercom. `false`: null leaves it as it is. A property that is absent always "
        "leaves it as it is.",
    ),
    Setting(
        "deleted_property",
        name_of("a property"),
        "Property that marks a record as deleted. These values mark nothing: null, false, 0, blank text, and the texts "
        "`false`, `f`, `no`, `n`, `0`.",
    ),
    Setting(
        "snapshot",
        FLAG,
        "Every run brings the complete table. In `sync` mode a contact that is missing from it is removed.",
    ),
    Setting(
        "tags_property",
        name_of("a property"),
        "Property of contact records that lists the contact's groups: an array, or a text with commas. Groups become "
        "tags.",
    ),
    Setting(
        "companies_property",
        name_of("a property"),
        "Property of contact records that names the contact's companies by company_id: one, an array, or a text with "
        "commas.",
    ),
)
"""Settings that hold for all streams and, in `streams`, for one."""

SETTINGS: t.Final = (
    Setting(
        "access_token",
        TOKEN,
        "Access token of a private app (Developer Hub, your app, Authentication).",
        secret=True,
    ),
    Setting("region", one_of(Region), "Region of the workspace; chooses the API host."),
    Setting("api_url", URL, "Address to call instead of the region's host: the sandbox, a proxy."),
    Setting("api_version", VERSION, "The `Intercom-Version` header of every call."),
    *STREAM_SETTINGS,
    Setting(
        "groups_stream",
        name_of("a stream"),
        "Name of the stream whose records put contacts into groups. Groups become tags.",
    ),
    Setting(
        "streams",
        STREAMS,
        "`{stream name: {setting: value}}`: any setting from `sync_mode` to `companies_property`, for that stream "
        "alone. `object` says what its records are: `contacts`, `groups`, `companies`, `company_members` (who works "
        "there), or `ignore` (left out). `mappings` there replaces the general one. One stream of contacts needs no "
        "entry. Every further one does (`{}` will do).",
    ),
    Setting(
        "max_removal_percent",
        number(0, 100),
        "The fuse of `sync` mode: a run that would remove more of a stream's contacts, in percent, removes none and "
        "fails. Up to 20 removals are always allowed, unless more than half of the contacts are missing. `0`: never "
        "remove; `100`: no limit.",
    ),
    Setting(
        "max_rejected_records",
        number(-1),
        "The run fails when more records than this are invalid or rejected. `0`: on the first; `-1`: never.",
    ),
    Setting(
        "rate_limit_percent",
        number(1, 100),
        "How much of Intercom's rate limit may be used, in percent, before this run waits. Calls of other programs "
        "count, too.",
    ),
    Setting("max_connections", number(1), "Calls in flight at once."),
    Setting(
        "search_delay_seconds",
        number(0),
        "How far, in seconds, Intercom's search may lag behind writes. A lead whose creation is in doubt is looked for "
        "as long.",
    ),
    Setting(
        "bulk_writes",
        FLAG,
        "Write through Intercom's bulk jobs, a hundred contacts a call. A workspace without bulk jobs is written to "
        "singly.",
    ),
    Setting("bulk_api_version", VERSION, "The `Intercom-Version` header of bulk calls."),
    Setting("data_dir", FOLDER, "Folder for the ledger, the report and the rejected records."),
    Setting(
        "ledger_url",
        LEDGER_URL,
        "SQLAlchemy URL of the ledger, the memory between runs: `sqlite:///FILE`, or `postgresql://…` (extra "
        "`postgres`). Default: an SQLite file in `data_dir`. `none`: no ledger.",
    ),
    Setting(
        "repair",
        FLAG,
        "Compare every record with its contact in Intercom, also a record that has not changed. This undoes edits made "
        "in Intercom.",
    ),
    Setting(
        "dry_run",
        FLAG,
        "Write nothing, neither to Intercom nor to the ledger. The report counts what a run would do, and "
        "`plan-RUN.jsonl` lists each write.",
    ),
)
"""Every setting of the target, in the order of the README's table."""


def json_schema() -> dict[str, Json]:
    """Return the JSON schema of the settings, as `--about` shows it."""
    return {
        "type": "object",
        "properties": {setting.name: setting.schema for setting in SETTINGS},
        "required": [setting.name for setting in SETTINGS if setting.required],
    }
