"""The two taps for MySQL and MariaDB that people use, from a real server of this machine."""

from __future__ import annotations

import getpass
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.processes import free_port, running, wait_until_ready
from tests.taps.piping import Line, Person, Tap, command, contact_of, load_change_and_remove, number, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.loading import Loader, People

TABLE = """create or replace table people (
    id bigint unsigned primary key, name varchar(100), email varchar(200), seats bigint, balance decimal(12,2),
    active tinyint(1), birthday date, updated_at datetime) character set utf8mb4"""
PUT = """replace into people values (
    %(id)s, %(name)s, %(email)s, %(seats)s, %(balance)s, %(active)s, %(birthday)s, %(updated_at)s)"""
FULL = {"replication-method": "FULL_TABLE"}
INCREMENTAL = {"replication-method": "INCREMENTAL", "replication-key": "updated_at"}


@dataclass(frozen=True)
class Server:
    """A MariaDB server that listens on a port of this machine."""

    pymysql: Any
    port: int

    def run(self, *statements: tuple[str, Any]) -> None:
        """Run statements with their values."""
        with closing(self._connected()) as connection, connection.cursor() as cursor:
            for statement, values in statements:
                cursor.execute(statement, values)

    def answers(self) -> bool:
        """Check whether the server is up."""
        try:
            self._connected().close()
        except self.pymysql.err.OperationalError:
            return False
        return True

    def _connected(self) -> Any:
        return self.pymysql.connect(host="127.0.0.1", port=self.port, user="root", charset="utf8mb4", autocommit=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pymysql = pytest.importorskip("pymysql", reason="make taps installs pymysql")
    mariadbd = program("mariadbd")
    with tempfile.TemporaryDirectory(prefix="taps-mariadb-") as name:
        folder = Path(name)
        server = Server(pymysql, free_port())
        # Without tables of its own it knows no users, and lets everybody in.
        words = ["--no-defaults", "--skip-grant-tables", f"--user={getpass.getuser()}", f"--datadir={folder}"]
        words += [f"--port={server.port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}"]
        log = folder / "log"
        with running([mariadbd, *words], log) as process:
            wait_until_ready("MariaDB", process, log, server.answers)
            server.run(("create database crm", None))
            yield server


def write(server: Server, rows: dict[str, Person]) -> dict[str, Person]:
    """Put these rows, and no others, into the table."""
    there = [row["id"] for row in rows.values()]
    puts = [(PUT, row) for row in rows.values()]
    server.run(("use crm", None), ("delete from people where not id in %(ids)s", {"ids": there}), *puts)
    return {key: contact_of(row, balance=number(row["balance"])) for key, row in rows.items()}


@pytest.mark.parametrize("metadata", [FULL, INCREMENTAL], ids=["full", "incremental"])
@pytest.mark.parametrize("package", ["tap-mysql", "pipelinewise-tap-mysql"])
def test_a_table_of_mariadb_stands_in_the_workspace_attribute_by_attribute(
    server: Server, load: Loader, people: People, tmp_path: Path, package: str, metadata: Mapping[str, Any]
) -> None:
    server.run(("use crm", None), (TABLE, None))
    config = {"host": "127.0.0.1", "port": str(server.port), "user": "root", "password": "", "engine": "mariadb"}
    tap = Tap(command(package, "tap-mysql"), tmp_path, config, "crm-people", metadata, "--properties")
    load.settings = {"sync_mode": "sync", "mappings": {"id": "external_id"}}
    load_change_and_remove(Line(tap, load, people), lambda rows: write(server, rows), removes=metadata is FULL)
