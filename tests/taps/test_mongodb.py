"""Stitch's tap-mongodb, whose SCHEMA grows with the documents: the whole collection in every run.

Its server is nx-27017, which speaks MongoDB's protocol and has no users. The tap asks for them when it discovers, so
that the test writes what it would find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from demo.processes import free_port, running, wait_until_ready
from tests.taps.piping import Line, Person, Tap, command, contact_of, load_change_and_remove, number

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People

FOUND = {
    "table_name": "people",
    "stream": "people",
    "tap_stream_id": "crm-people",
    "schema": {"type": "object"},
    "metadata": [{"breadcrumb": [], "metadata": {"table-key-properties": ["_id"], "database-name": "crm"}}],
}


def test_a_collection_stands_in_the_workspace_attribute_by_attribute(
    load: Loader, people: People, tmp_path: Path
) -> None:
    pymongo = pytest.importorskip("pymongo", reason="make taps installs pymongo")
    server = command("nx-27017", "nx-27017")
    port, log = free_port(), tmp_path / "nx-27017.log"
    config = {"host": "127.0.0.1", "port": str(port), "user": None, "password": None, "database": "crm"}
    tap = Tap(command("tap-mongodb", "tap-mongodb"), tmp_path, config, discovered={"streams": [FOUND]})
    load.settings = {"sync_mode": "sync", "mappings": {"_id": "external_id"}}
    words: list[str | Path] = [
        server,
        "--data-dir",
        "memory",
        "--port",
        str(port),
        "--log-file",
        log,
        "--pid-file",
        tmp_path / "pid",
    ]
    client: Any
    with (
        running(words, tmp_path / "output") as process,
        pymongo.MongoClient("127.0.0.1", port, directConnection=True) as client,
    ):

        def answers() -> bool:
            try:
                client.admin.command("ping")
            except pymongo.errors.ConnectionFailure:
                return False
            return True

        wait_until_ready("nx-27017", process, tmp_path / "output", answers)

        def write(rows: dict[str, Person]) -> dict[str, Person]:
            """Put these documents, and no others, into the collection."""
            for row in rows.values():
                document = {**{name: value for name, value in row.items() if name != "id"}, "_id": row["id"]}
                document["balance"] = number(row["balance"])
                client.crm.people.replace_one({"_id": row["id"]}, document, upsert=True)
            client.crm.people.delete_many({"_id": {"$nin": [row["id"] for row in rows.values()]}})
            return {key: as_loaded(row) for key, row in rows.items()}

        load_change_and_remove(Line(tap, load, people), write, removes=True)


def as_loaded(row: Person) -> Person:
    """Return the contact of a row, whose day is a text."""
    return contact_of(row, balance=number(row["balance"]), birthday=row["birthday"])
