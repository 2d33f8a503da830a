"""The two taps for PostgreSQL that people use, from a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from demo.database import running_database
from tests.taps.piping import (
    Line,
    Person,
    Tap,
    command,
    contact_of,
    load_change_and_remove,
    meltanos_tap_postgres,
    number,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from demo.database import Database
    from tests.support.loading import Loader, People

TABLE = """create table people (
    id bigint primary key, name text, email varchar(200), seats bigint, balance numeric(12,2), active boolean,
    birthday date, updated_at timestamp)"""
PUT = """insert into people values (
    %(id)s, %(name)s, %(email)s, %(seats)s, %(balance)s, %(active)s, %(birthday)s, %(updated_at)s)
    on conflict (id) do update set name = excluded.name, updated_at = excluded.updated_at"""
INCREMENTAL = {"replication-method": "INCREMENTAL", "replication-key": "updated_at"}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with running_database() as database:
        yield database


@pytest.fixture
def table(database: Database) -> Database:
    with database.connect() as connection:
        connection.execute("drop table if exists people")
        connection.execute(TABLE)
    return database


def write(database: Database, rows: dict[str, Person]) -> dict[str, Person]:
    """Put these rows, and no others, into the table."""
    with database.connect() as connection:
        connection.execute("delete from people where not id = any(%s)", [[int(key) for key in rows]])
        for row in rows.values():
            connection.execute(PUT, row)
    return {key: contact_of(row, balance=number(row["balance"])) for key, row in rows.items()}


def meltanolabs(database: Database, folder: Path, metadata: Mapping[str, Any]) -> Tap:
    config = {"sqlalchemy_url": database.url, "filter_schemas": ["public"]}
    return Tap(meltanos_tap_postgres(), folder, config, "public-people", metadata)


def pipelinewise(database: Database, folder: Path, metadata: Mapping[str, Any]) -> Tap:
    config = {
        "host": "127.0.0.1",
        "port": str(database.port),
        "user": "postgres",
        "password": "postgres",
        "dbname": "postgres",
        "filter_schemas": "public",
    }
    tap = command("pipelinewise-tap-postgres", "tap-postgres")
    return Tap(tap, folder, config, "public-people", metadata, "--properties")


@pytest.mark.parametrize("metadata", [{"replication-method": "FULL_TABLE"}, INCREMENTAL], ids=["full", "incremental"])
@pytest.mark.parametrize("make", [meltanolabs, pipelinewise])
def test_a_table_stands_in_the_workspace_attribute_by_attribute(
    table: Database, load: Loader, people: People, tmp_path: Path, make: Any, metadata: dict[str, Any]
) -> None:
    is_full = metadata is not INCREMENTAL
    load.settings = {"sync_mode": "sync", "mappings": {"id": "external_id"}}
    if is_full and make is meltanolabs:
        load.settings["snapshot"] = True
    line = Line(make(table, tmp_path, metadata), load, people)
    load_change_and_remove(line, lambda rows: write(table, rows), removes=is_full)
