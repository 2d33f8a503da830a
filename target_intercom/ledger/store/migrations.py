"""How a ledger of an older version becomes one of this version: named steps, forward only.

A step is never changed once it was released: the next change is a new step, at the end of the list.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import typing as t

from sqlalchemy import insert, inspect, select, text

from target_intercom.errors import LedgerError
from target_intercom.ledger.store.tables import MIGRATIONS

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

_FIRST: t.Final = """
CREATE TABLE target_intercom_streams (
    workspace TEXT NOT NULL, stream TEXT NOT NULL, key_properties TEXT NOT NULL, last_run TEXT NOT NULL,
    started_at TEXT NOT NULL, finished_at TEXT, PRIMARY KEY (workspace, stream)
);
CREATE TABLE target_intercom_entries (
    workspace TEXT NOT NULL, stream TEXT NOT NULL, key TEXT NOT NULL, contact_id TEXT, gone_id TEXT, role TEXT,
    external_id TEXT, email TEXT, content TEXT, shape TEXT, settings TEXT, standing TEXT NOT NULL,
    written_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, version BIGINT, PRIMARY KEY (workspace, stream, key)
);
CREATE INDEX target_intercom_entries_contact ON target_intercom_entries (workspace, contact_id);
CREATE INDEX target_intercom_entries_written ON target_intercom_entries (workspace, written_at);
CREATE TABLE target_intercom_intents (
    workspace TEXT NOT NULL, email TEXT NOT NULL, sent_at BIGINT NOT NULL, run TEXT NOT NULL,
    PRIMARY KEY (workspace, email)
)
"""


def create_entries_streams_and_intents(connection: Connection) -> None:
    """Make the tables of the first version."""
    for statement in _FIRST.split(";"):
        connection.exec_driver_sql(statement)


_MEMBERSHIPS: t.Final = """
ALTER TABLE target_intercom_entries ADD COLUMN groups_print TEXT;
ALTER TABLE target_intercom_entries ADD COLUMN groups_run TEXT;
CREATE TABLE target_intercom_memberships (
    workspace TEXT NOT NULL, stream TEXT NOT NULL, key TEXT NOT NULL, contact_id TEXT NOT NULL, group_key TEXT NOT NULL,
    name TEXT NOT NULL, tag_id TEXT, holding TEXT NOT NULL, ours BOOLEAN NOT NULL, content TEXT, place BIGINT,
    run TEXT NOT NULL, written_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, version BIGINT,
    PRIMARY KEY (workspace, stream, key, contact_id, group_key)
);
CREATE INDEX target_intercom_memberships_contact
    ON target_intercom_memberships (workspace, contact_id, group_key);
CREATE INDEX target_intercom_memberships_holding
    ON target_intercom_memberships (workspace, holding, group_key, contact_id)
"""


def create_memberships(connection: Connection) -> None:
    """Make room for the groups of contacts, and for whose tags are ours."""
    for statement in _MEMBERSHIPS.split(";"):
        connection.exec_driver_sql(statement)


def index_unnamed_entries(connection: Connection) -> None:
    """Let contacts be found that bulk jobs have made and whose Intercom ids are not known."""
    connection.exec_driver_sql(
        "CREATE INDEX target_intercom_entries_unnamed ON target_intercom_entries (workspace, external_id, email) "
        "WHERE contact_id IS NULL AND role IS NOT NULL"
    )


def know_records_again(connection: Connection) -> None:
    """Let a record be known again without a look at what it means, and a part of it without a look at the contact."""
    for column in ("source", "single"):
        connection.exec_driver_sql(f"ALTER TABLE target_intercom_entries ADD COLUMN {column} TEXT")


_KNOWN: t.Final = """
ALTER TABLE target_intercom_streams ADD COLUMN known BIGINT;
ALTER TABLE target_intercom_entries ADD COLUMN seen_in TEXT;
ALTER TABLE target_intercom_entries ADD COLUMN merged BOOLEAN;
ALTER TABLE target_intercom_memberships ADD COLUMN seen_in TEXT;
UPDATE target_intercom_streams SET known = (
    SELECT count(DISTINCT coalesce(e.contact_id, CASE WHEN e.role IS NOT NULL THEN e.key END))
    FROM target_intercom_entries e
    WHERE e.workspace = target_intercom_streams.workspace AND e.stream = target_intercom_streams.stream
    AND e.standing = 'synced'
) WHERE finished_at IS NOT NULL;
UPDATE target_intercom_streams SET known = (
    SELECT count(*) FROM target_intercom_memberships m
    WHERE m.workspace = target_intercom_streams.workspace AND m.stream = target_intercom_streams.stream
    AND m.ours AND m.holding IN ('wanted', 'unclear', 'on', 'marked', 'away')
) WHERE finished_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM target_intercom_entries e
    WHERE e.workspace = target_intercom_streams.workspace AND e.stream = target_intercom_streams.stream
)
"""


def judge_removals_by_runs(connection: Connection) -> None:
    """Make room for what a stream had when it last succeeded, and for the run in which a record last came."""
    for statement in _KNOWN.split(";"):
        connection.exec_driver_sql(statement)


def note_unarchived_contacts(connection: Connection) -> None:
    """Make room for contacts that were brought back from the archive only to be looked at."""
    connection.exec_driver_sql(
        "CREATE TABLE target_intercom_unarchived (workspace TEXT NOT NULL, contact_id TEXT NOT NULL, "
        "run TEXT NOT NULL, stream TEXT NOT NULL, noted_at BIGINT NOT NULL, PRIMARY KEY (workspace, contact_id, run))"
    )


_LONGEST_GROUP_KEY = 200


def tell_groups_apart_in_lower_case(connection: Connection) -> None:
    """Write the keys of groups in small letters, as Intercom compares names, where they were casefolded ("ß" as "ss").

    So are the keys of records that are known by their contact and group. Most names are the same either way.
    """
    names = connection.execute(text("SELECT DISTINCT group_key, name FROM target_intercom_memberships")).all()
    for old, name in names:
        if (new := _group_key(name.lower())) == old or old != _group_key(name.casefold()):
            continue
        of = {"old": old, "new": new, "name": name}
        unkeyed = text(
            "SELECT DISTINCT m.key FROM target_intercom_memberships m JOIN target_intercom_streams s "
            "ON s.workspace = m.workspace AND s.stream = m.stream "
            "WHERE s.key_properties = '[]' AND m.group_key = :old AND m.name = :name"
        )
        for key in connection.scalars(unkeyed, of).all():
            parts = json.loads(key)
            if parts[2:] == [old]:
                renamed = text(
                    "UPDATE target_intercom_memberships SET key = :to WHERE key = :key "
                    "AND group_key = :old AND name = :name"
                )
                connection.execute(renamed, {**of, "key": key, "to": json.dumps([*parts[:2], new])})
        keys = text("UPDATE target_intercom_memberships SET group_key = :new WHERE group_key = :old AND name = :name")
        connection.execute(keys, of)


def _group_key(folded: str) -> str:
    """Make a group's key as it was made when this step was written."""
    stripped = folded.strip()
    if len(stripped) <= _LONGEST_GROUP_KEY:
        return stripped
    return f"blake2b:{hashlib.blake2b(stripped.encode(), digest_size=16).hexdigest()}"


def remember_failures(connection: Connection) -> None:
    """Make room for calls that have ended a run."""
    connection.exec_driver_sql(
        "CREATE TABLE target_intercom_failures (workspace TEXT NOT NULL, about TEXT NOT NULL, runs BIGINT NOT NULL, "
        "failed_at BIGINT NOT NULL, PRIMARY KEY (workspace, about))"
    )


def keep_what_records_said(connection: Connection) -> None:
    """Keep the hash of a record also where another record has changed its contact since."""
    for column in ("doubt", "overruled_by"):
        connection.exec_driver_sql(f"ALTER TABLE target_intercom_entries ADD COLUMN {column} TEXT")
        connection.exec_driver_sql(
            f"CREATE INDEX target_intercom_entries_{column} ON target_intercom_entries (workspace, {column}) "
            f"WHERE {column} IS NOT NULL"
        )


def index_contacts_by_stream_and_gone_contacts(connection: Connection) -> None:
    """Add indexes by which contacts of a stream are counted, and gone contacts found, without reading every record."""
    connection.exec_driver_sql("DROP INDEX target_intercom_entries_contact")
    connection.exec_driver_sql(
        "CREATE INDEX target_intercom_entries_contacts "
        "ON target_intercom_entries (workspace, contact_id, stream, standing)"
    )
    connection.exec_driver_sql(
        "CREATE INDEX target_intercom_entries_gone ON target_intercom_entries (workspace, gone_id) "
        "WHERE gone_id IS NOT NULL"
    )


def tell_objects_apart(connection: Connection) -> None:
    """Make room for companies beside contacts: their records, and what the records of a stream are."""
    connection.exec_driver_sql("ALTER TABLE target_intercom_entries ADD COLUMN object TEXT NOT NULL DEFAULT 'contacts'")
    connection.exec_driver_sql("ALTER TABLE target_intercom_entries ADD COLUMN intercom_id TEXT")
    connection.exec_driver_sql("ALTER TABLE target_intercom_streams ADD COLUMN object TEXT")
    # A groups stream has memberships, and no records; of a stream that only a failed run has begun nothing is known.
    connection.exec_driver_sql(
        "UPDATE target_intercom_streams SET object = CASE "
        "WHEN EXISTS (SELECT 1 FROM target_intercom_entries AS one WHERE one.workspace = "
        "target_intercom_streams.workspace AND one.stream = target_intercom_streams.stream) THEN 'contacts' "
        "WHEN EXISTS (SELECT 1 FROM target_intercom_memberships AS one WHERE one.workspace = "
        "target_intercom_streams.workspace AND one.stream = target_intercom_streams.stream) THEN 'groups' "
        "WHEN finished_at IS NOT NULL THEN 'contacts' END"
    )


def tell_kinds_of_links_apart(connection: Connection) -> None:
    """Make room for other links than those of tags."""
    connection.exec_driver_sql("ALTER TABLE target_intercom_memberships ADD COLUMN kind TEXT NOT NULL DEFAULT 'tag'")
    connection.exec_driver_sql(
        "CREATE INDEX target_intercom_memberships_companies "
        "ON target_intercom_memberships (workspace, group_key, contact_id) WHERE kind = 'company'"
    )


_RUNS: t.Final = """
CREATE TABLE target_intercom_runs (
    workspace TEXT NOT NULL, run TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT NOT NULL,
    milliseconds BIGINT NOT NULL, exit_code BIGINT NOT NULL, read BIGINT NOT NULL, written BIGINT NOT NULL,
    refused BIGINT NOT NULL, calls BIGINT NOT NULL, retries BIGINT NOT NULL, rate_limited BIGINT NOT NULL,
    waited_milliseconds BIGINT NOT NULL, outcomes TEXT NOT NULL, PRIMARY KEY (workspace, run)
)
"""


def keep_the_last_runs(connection: Connection) -> None:
    """Make room for what the last runs have done, in figures."""
    connection.exec_driver_sql(_RUNS)


_BY_STATE: t.Final = """
CREATE INDEX target_intercom_entries_groups_run ON target_intercom_entries (workspace, groups_run)
    WHERE groups_run IS NOT NULL;
CREATE INDEX target_intercom_entries_removed ON target_intercom_entries (workspace, seen_at)
    WHERE standing = 'removed';
DROP INDEX target_intercom_memberships_holding;
CREATE INDEX target_intercom_memberships_on ON target_intercom_memberships (workspace, stream, tag_id)
    WHERE holding = 'on';
CREATE INDEX target_intercom_memberships_open_groups
    ON target_intercom_memberships (workspace, holding, group_key, contact_id)
    WHERE holding IN ('wanted', 'unclear');
CREATE INDEX target_intercom_memberships_open_contacts
    ON target_intercom_memberships (workspace, holding, contact_id, group_key)
    WHERE holding IN ('wanted', 'unclear');
CREATE INDEX target_intercom_memberships_ending
    ON target_intercom_memberships (workspace, contact_id, group_key, stream, key)
    WHERE holding IN ('marked', 'released', 'left');
CREATE INDEX target_intercom_memberships_not_on ON target_intercom_memberships (workspace, written_at)
    WHERE holding <> 'on'
"""


def index_rows_by_state(connection: Connection) -> None:
    """Add indexes of the few rows that are not settled, and of the tags that are on."""
    for statement in _BY_STATE.split(";"):
        connection.exec_driver_sql(statement)


STEPS: t.Final[tuple[Callable[[Connection], None], ...]] = (
    create_entries_streams_and_intents,
    create_memberships,
    index_unnamed_entries,
    know_records_again,
    judge_removals_by_runs,
    note_unarchived_contacts,
    tell_groups_apart_in_lower_case,
    remember_failures,
    keep_what_records_said,
    index_contacts_by_stream_and_gone_contacts,
    tell_objects_apart,
    tell_kinds_of_links_apart,
    keep_the_last_runs,
    index_rows_by_state,
)
"""In the order in which they are applied; a step's name is what the ledger keeps of it."""


def migrate(connection: Connection, shown: str) -> None:
    """Apply the steps that a ledger has not had, within the caller's transaction; `shown` names it.

    Raises:
        LedgerError: a newer version has been at it.
    """
    MIGRATIONS.create(connection, checkfirst=True)
    done = check_steps(connection, shown)
    for step in STEPS:
        if step.__name__ not in done:
            step(connection)
            now = dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds")
            connection.execute(insert(MIGRATIONS).values(name=step.__name__, applied_at=now))


def check_steps(connection: Connection, shown: str) -> set[str]:
    """Return the names of the steps that a ledger has had; `shown` names it.

    Raises:
        LedgerError: a newer version has been at it.
    """
    done = set(connection.scalars(select(MIGRATIONS.c.name)))
    unknown = sorted(done - {step.__name__ for step in STEPS})
    if unknown:
        raise LedgerError(
            f"The ledger ({shown}) was made by a newer version of target-intercom (it has {', '.join(unknown)}): "
            "update the target, or give it a ledger of its own with 'ledger_url'"
        )
    return done


def is_ledger(connection: Connection) -> bool:
    """Check whether a database holds a ledger."""
    return inspect(connection).has_table(MIGRATIONS.name)
