"""``python -m demo``, or ``make demo``: load tables into a workspace, change them, load them again, look at it all."""

from __future__ import annotations

import argparse
import sys
import tempfile
import typing as t
from contextlib import suppress
from pathlib import Path

from demo import show
from demo.database import running_database
from demo.errors import DemoError
from demo.pipeline import Pipeline
from demo.processes import let_sigterm_interrupt
from demo.tables import accounts, customers, memberships
from demo.workspace import running_workspace

if t.TYPE_CHECKING:
    from demo.database import Database
    from demo.workspace import Workspace

_INTERRUPTED = 130
_GONE = 3


def main() -> int:
    """Run the demo and give its exit code; whatever it started has stopped by then."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=main.__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the workspace's page open at the end")
    keep: bool = parser.parse_args().keep
    let_sigterm_interrupt()
    try:
        with tempfile.TemporaryDirectory(prefix="demo-") as name:
            folder = Path(name)
            with running_database() as database, running_workspace(folder) as workspace:
                _tell(database, workspace, Pipeline(database, workspace, folder))
                if keep:
                    _leave_open(workspace)
                else:
                    _say("`make demo KEEP=1` leaves the workspace's page open, to look at all of it in a browser.")
    except DemoError as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started is stopped.", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _tell(database: Database, workspace: Workspace, pipeline: Pipeline) -> None:
    with database.connect() as connection:
        segments = memberships.read(connection)
    _say(
        f"PostgreSQL is up, its table customers has {customers.ROW_COUNT} rows, its table accounts "
        f"{accounts.ROW_COUNT + 1}, its table memberships {sum(map(len, segments.values()))}: {database.url}"
    )
    _say(f"A sandbox workspace is up in place of Intercom: {workspace.url}")

    _heading("First run: meltano run tap-postgres target-intercom")
    _say(*show.report(pipeline.run()))

    with database.connect() as connection:
        changes = customers.change(connection)
        joined, left = memberships.change(connection, (*changes.updated, *changes.inserted), changes.deleted)
        accounts.change(connection)
        rows, segments = customers.read(connection), memberships.read(connection)
        homes, workers = accounts.read(connection), accounts.workers(connection)
    _heading("Changes in PostgreSQL")
    _say(
        f"customers: {len(changes.updated)} rows updated, {len(changes.inserted)} inserted, "
        f"{len(changes.deleted)} marked as deleted",
        f"the updated ones have moved to account {accounts.NEW_HOME}",
        "accounts: 1 row updated, 1 deleted, at which nobody works",
        f"memberships: {joined} rows inserted, {left} deleted, and those of the customers marked as deleted",
    )

    _heading(
        "Second run: the same command; of customers the tap sends what changed, and the last row it sent before; "
        "of accounts and memberships all"
    )
    _say(*show.report(pipeline.run()))

    for what, key in (
        ("untouched since the first run", customers.FIRST_ID + 5),
        ("updated, and moved to another account", changes.updated[0]),
        ("inserted", changes.inserted[0]),
        ("marked as deleted", changes.deleted[0]),
    ):
        _heading(f"Customer {key}: {what}")
        contact = workspace.contact(str(key))
        tags = [] if contact is None else workspace.tags(contact)
        companies = [] if contact is None else workspace.companies_of(contact)
        _say(*show.comparison(rows[key], segments.get(key, []), contact, tags, companies))

    for account in (accounts.key(1), accounts.NEW_HOME):
        _heading(f"Account {account}")
        _say(*show.company(homes[account], workers.get(account, []), workspace.company(account)))
    _heading(f"Account {accounts.LEFT}, which is deleted")
    _say("  still there" if workspace.company(accounts.LEFT) else "  no such company any more, it is archived")

    with database.connect() as connection:
        gone = customers.delete(connection, _GONE)
    _heading(f"{len(gone)} rows deleted in PostgreSQL, without a mark")
    _heading("Third run, with whole tables (meltano --environment=snapshot): who is missing has left")
    _say(*show.report(pipeline.run("snapshot")))

    with database.connect() as connection:
        rows = customers.read(connection)
    deleted = sum(row["deleted_at"] is not None for row in rows.values())
    _heading(
        f"Done: {len(rows)} rows in PostgreSQL, {deleted} of them marked as deleted, some of these never loaded; "
        f"{len(list(workspace.contacts()))} contacts in the workspace"
    )


def _leave_open(workspace: Workspace) -> None:
    """Wait for Ctrl-C, SIGTERM or the end of the input, whichever comes first."""
    _heading(f"The workspace's page is open: {workspace.url}/")
    _say("Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        sys.stdin.buffer.read()


def _heading(text: str) -> None:
    _say("", text)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
