"""The ledger's tables as the newest migration leaves them."""

from __future__ import annotations

import typing as t

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, Text, text

if t.TYPE_CHECKING:
    from sqlalchemy import ColumnElement

METADATA = MetaData()
"""Their names carry a prefix: the database may hold other things."""

_UNNAMED = text("contact_id IS NULL AND role IS NOT NULL")
_DOUBTED = text("doubt IS NOT NULL")
_GONE = text("gone_id IS NOT NULL")
_OVERRULED = text("overruled_by IS NOT NULL")
_WITHOUT_TAGS = text("groups_run IS NOT NULL")


def _in_these_words(condition: str) -> ColumnElement[bool]:
    """Return a condition that a query has to say in the words of an index to find its rows by it."""
    return t.cast("ColumnElement[bool]", text(condition))


IS_REMOVED = _in_these_words("standing = 'removed'")
IS_ON = _in_these_words("holding = 'on'")
IS_OPEN = _in_these_words("holding IN ('wanted', 'unclear')")
MAY_END = _in_these_words("holding IN ('marked', 'released', 'left')")
IS_OF_COMPANY = _in_these_words("kind = 'company'")
IS_NOT_ON = _in_these_words("holding <> 'on'")

OF_CONTACTS: t.Final = "contacts"
OF_COMPANIES: t.Final = "companies"
"""What the rows of records, and of streams, are about (`object`)."""

MIGRATIONS = Table(
    "target_intercom_migrations",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("applied_at", Text, nullable=False),
)

STREAMS = Table(
    "target_intercom_streams",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("object", Text),  # what its records are: the setting of this name
    Column("key_properties", Text, nullable=False),  # a JSON list
    Column("last_run", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("known", BigInteger),  # contacts, companies or memberships, when a run of the stream last succeeded
)

ENTRIES = Table(
    "target_intercom_entries",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("object", Text, nullable=False),  # `contacts`, or `companies`: their ids are of two kinds
    Column("contact_id", Text),  # of a company: the source's company_id
    Column("gone_id", Text),  # of a contact that was removed
    Column("intercom_id", Text),  # of a company
    Column("role", Text),
    Column("external_id", Text),
    Column("email", Text),
    Column("content", Text),
    Column("shape", Text),
    Column("settings", Text),
    Column("standing", Text, nullable=False),
    Column("written_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # for people: which run it was tells `seen_in`
    Column("version", BigInteger),
    Column("groups_print", Text),
    Column("groups_run", Text),  # of a run that has not put their tags on yet
    Column("source", Text),
    Column("single", Text),
    Column("seen_in", Text),  # the run in which the record last came
    Column("doubt", Text),  # `UNCONFIRMED`, or the run in which another record of the stream changed the contact
    Column("overruled_by", Text),  # the key of that record
    Column("merged", Boolean),  # the contact is the survivor of a merge, not the one that the record was loaded into
    Index("target_intercom_entries_contacts", "workspace", "contact_id", "stream", "standing"),
    Index("target_intercom_entries_gone", "workspace", "gone_id", sqlite_where=_GONE, postgresql_where=_GONE),
    Index("target_intercom_entries_written", "workspace", "written_at"),
    Index(
        "target_intercom_entries_unnamed",
        "workspace",
        "external_id",
        "email",
        sqlite_where=_UNNAMED,
        postgresql_where=_UNNAMED,
    ),
    Index(
        "target_intercom_entries_doubt",
        "workspace",
        "doubt",
        sqlite_where=_DOUBTED,
        postgresql_where=_DOUBTED,
    ),
    Index(
        "target_intercom_entries_overruled_by",
        "workspace",
        "overruled_by",
        sqlite_where=_OVERRULED,
        postgresql_where=_OVERRULED,
    ),
    Index(
        "target_intercom_entries_groups_run",
        "workspace",
        "groups_run",
        sqlite_where=_WITHOUT_TAGS,
        postgresql_where=_WITHOUT_TAGS,
    ),
    Index(
        "target_intercom_entries_removed", "workspace", "seen_at", sqlite_where=IS_REMOVED, postgresql_where=IS_REMOVED
    ),
)

MEMBERSHIPS = Table(
    "target_intercom_memberships",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("contact_id", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tag_id", Text),
    Column("holding", Text, nullable=False),
    Column("ours", Boolean, nullable=False),
    Column("content", Text),
    Column("place", BigInteger),
    Column("run", Text, nullable=False),
    Column("written_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # for people: which run it was tells `seen_in`
    Column("version", BigInteger),
    Column("seen_in", Text),  # the run in which the record last came
    Column("kind", Text, nullable=False, server_default="tag"),  # of the link
    Index("target_intercom_memberships_contact", "workspace", "contact_id", "group_key"),
    Index(
        "target_intercom_memberships_on", "workspace", "stream", "tag_id", sqlite_where=IS_ON, postgresql_where=IS_ON
    ),
    Index(
        "target_intercom_memberships_open_groups",
        "workspace",
        "holding",
        "group_key",
        "contact_id",
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    ),
    Index(
        "target_intercom_memberships_open_contacts",
        "workspace",
        "holding",
        "contact_id",
        "group_key",
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    ),
    Index(
        "target_intercom_memberships_ending",
        "workspace",
        "contact_id",
        "group_key",
        "stream",
        "key",
        sqlite_where=MAY_END,
        postgresql_where=MAY_END,
    ),
    Index(
        "target_intercom_memberships_companies",
        "workspace",
        "group_key",
        "contact_id",
        sqlite_where=IS_OF_COMPANY,
        postgresql_where=IS_OF_COMPANY,
    ),
    Index(
        "target_intercom_memberships_not_on",
        "workspace",
        "written_at",
        sqlite_where=IS_NOT_ON,
        postgresql_where=IS_NOT_ON,
    ),
)

FAILURES = Table(
    "target_intercom_failures",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("about", Text, primary_key=True),  # a hash of what it is about
    Column("runs", BigInteger, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
)

INTENTS = Table(
    "target_intercom_intents",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("email", Text, primary_key=True),
    Column("sent_at", BigInteger, nullable=False),
    Column("run", Text, nullable=False),
)

RUNS = Table(
    "target_intercom_runs",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Column("exit_code", BigInteger, nullable=False),
    Column("read", BigInteger, nullable=False),
    Column("written", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("retries", BigInteger, nullable=False),
    Column("rate_limited", BigInteger, nullable=False),
    Column("waited_milliseconds", BigInteger, nullable=False),
    Column("outcomes", Text, nullable=False),  # a JSON object of counts
)

UNARCHIVED = Table(
    "target_intercom_unarchived",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("contact_id", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("noted_at", BigInteger, nullable=False),
)
