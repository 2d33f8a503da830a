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
        "Identifiers that find an existing contact, tried in this order: `external_id`, `email`, `id`.",
    ),
    Setting(
        "mappings",
        MAPPINGS,
        "`{record property: Intercom attribute}`: a writable standard attribute, `custom_attributes.NAME`, or `id` "
        "(to match by only); `null` leaves a property out. Of a groups stream: `external_id`, `email`, `id`, `tag`. "
        "Companies and their members take their own, in `streams`.",
    ),
    Setting(
        "unmapped",
        one_of(Unmapped),
        "Properties that `mappings` does not name. `load`: into the standard attribute of the same name, else into "
        "`custom_attributes.NAME`; `ignore`: leave them out.",
    ),
    Setting(
        "create_attributes",
        FLAG,
        "Create missing custom attributes, typed from the stream's schema. `false`: leave them out, with a warning.",
    ),
    Setting(
        "clear_nulls",
        FLAG,
        "null clears the attribute in Intercom. `false`: null leaves it alone. "
        "An absent property always leaves it alone.",
    ),
    Setting(
        "deleted_property",
        name_of("a property"),
        "A record whose value here is set is to be removed. Not set: null, false, 0, blank text, and `false`, `f`, "
        "`no`, `n`, `0`.",
    ),
    Setting(
        "snapshot",
        FLAG,
        "Every run carries the complete table: in `sync` mode a contact that is missing from it is removed.",
    ),
    Setting(
        "tags_property",
        name_of("a property"),
        "Property of contact records that names the contact's groups, which become its tags: an array, or a text with "
        "commas.",
    ),
    Setting(
        "companies_property",
        name_of("a property"),
        "Property of contact records that names the contact's companies, by their company_id: one, an array, or a text "
        "with commas.",
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
        "Name of the stream whose records put contacts into groups; groups become tags.",
    ),
    Setting(
        "streams",
        STREAMS,
        "`{stream name: {setting: value}}`: any setting from `sync_mode` to `companies_property` for that stream "
        "alone, and `object`: `contacts`, `groups`, `companies`, `company_members` (who works there), or `ignore` to "
        "leave the stream out. `mappings` there replaces the general one. One stream of contacts needs no entry, every "
        "further one does (`{}` will do).",
    ),
    Setting(
        "max_removal_percent",
        number(0, 100),
        "In `sync` mode, when a stream's removals are more than 20 and beyond this share of the contacts that it had "
        "when its last run succeeded (or more than half of these are missing), none is removed and the run fails. `0`: "
        "never remove; `100`: no limit.",
    ),
    Setting(
        "max_rejected_records",
        number(-1),
        "The run fails, after the batch in flight, beyond this many invalid and rejected records. "
        "`0`: on the first; `-1`: never.",
    ),
    Setting(
        "rate_limit_percent",
        number(1, 100),
        "How full, in percent, this run may make the rate-limit window, everyone's calls counted.",
    ),
    Setting("max_connections", number(1), "Calls in flight at once."),
    Setting(
        "search_delay_seconds",
        number(0),
        "How far, in seconds, Intercom's search may lag behind writes; a lead whose creation is in doubt is looked "
        "for that long.",
    ),
    Setting(
        "bulk_writes",
        FLAG,
        "Write through Intercom's bulk jobs, a hundred contacts a call; where the workspace has none, singly.",
    ),
    Setting("bulk_api_version", VERSION, "The `Intercom-Version` header of bulk calls."),
    Setting("data_dir", FOLDER, "Folder for the ledger, the report and the rejected records."),
    Setting(
        "ledger_url",
        LEDGER_URL,
        "SQLAlchemy URL of the ledger, the memory between runs: `sqlite:///FILE`, or `postgresql://…` (extra "
        "`postgres`). Default: an SQLite file in `data_dir`. `none`: run without one.",
    ),
    Setting(
        "repair",
        FLAG,
        "Compare every record with the live contact, also when the ledger says that it is unchanged: undoes edits made "
        "in Intercom.",
    ),
    Setting(
        "dry_run",
        FLAG,
        "Read and plan, write nothing to Intercom or the ledger: what a run would do stands in the report and, one by "
        "one, in `plan-RUN.jsonl`.",
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
