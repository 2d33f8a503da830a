"""Look into the ledger: ``python -m target_intercom.ledger``."""

from __future__ import annotations

import csv
import io
import json
import sys
import typing as t
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import partial

import click

from target_intercom.errors import ConfigValidationError, LedgerError, StreamBusyError
from target_intercom.ledger.command.forgetting import forget, held
from target_intercom.ledger.command.summaries import contact_ids, summaries
from target_intercom.ledger.command.vacuuming import vacuum
from target_intercom.ledger.runs import last_runs
from target_intercom.ledger.store.database import Database
from target_intercom.ledger.store.read_only import ReadOnlyLedger
from target_intercom.reporting.log import guard_log
from target_intercom.reporting.output import CommandError, UsageError, echo, printing
from target_intercom.reporting.text import columns, printable
from target_intercom.settings.parsing import ledger_place
from target_intercom.settings.sources import config_input, from_environment

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from target_intercom.ledger.command.forgetting import Held
    from target_intercom.ledger.command.summaries import StreamSummary

_PREFIX: t.Final = "TARGET_INTERCOM_"
"""Of the target's settings in the environment."""
_STAY: t.Final = (
    "The contacts stay in Intercom; no run removes them because of this stream.\n"
    "The tags stay on, too. A later run in mode 'sync' takes one off where a record lists\n"
    "its contact's groups without it, or where a whole groups stream comes without it.\n"
    "If the stream was renamed, let a whole run of the new name come first."
)
_COLUMNS: t.Final = ("workspace", "stream", "contacts", "removed", "tags", "started_at", "finished_at", "last_run")
_RUN_COLUMNS: t.Final = ("run", "started_at", "seconds", "exit_code", "read", "written", "refused", "calls")


@click.group()
@click.option(
    "--config",
    multiple=True,
    help="The target's settings: a file, or 'ENV' for environment variables; may be given more than once.",
)
@click.option("--data-dir", help="The target's folder, where the ledger is by default.")
@click.option("--ledger-url", help="The ledger's SQLAlchemy URL.")
@click.pass_context
def main(context: click.Context, config: Sequence[str], data_dir: str | None, ledger_url: str | None) -> None:
    """Look into the ledger of target-intercom: which streams it knows, and which Intercom ids their records have.

    Only `forget` and `vacuum` change it.
    """
    guard_log()
    options = {"data_dir": data_dir, "ledger_url": ledger_url}
    given = config_input(config)
    schema = {"properties": {name: {"type": "string"} for name in options}}
    environment = from_environment(schema, _PREFIX) if given.parse_env else {}
    named = {name: value for name, value in options.items() if value is not None}
    try:
        context.obj = ledger_place({**given.config, **environment, **named})
    except ConfigValidationError as error:
        raise UsageError(error) from None


@main.command()
@click.option("--format", "as_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def streams(place: Path | str | None, as_: str) -> None:
    """List the streams, with their contacts, tags and last runs."""
    with _opened(place) as ledger:
        known = ledger.read(summaries)
    rows = [tuple(_cell(getattr(stream, name)) for name in _COLUMNS) for stream in known]
    as_json = json.dumps([asdict(stream) for stream in known], indent=2)
    with _printing("The list of streams") as stdout:
        stdout.write(as_json if as_ == "json" else "\n".join(columns([_COLUMNS, *rows])))
        stdout.write("\n")


@main.command()
@click.option("--format", "as_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def runs(place: Path | str | None, as_: str) -> None:
    """List the last 100 runs of each workspace: when, how long, what they did, and how they ended."""
    with _opened(place) as ledger:
        known = ledger.read(last_runs.read_all)
    rows = [(workspace, *(_cell(getattr(run, name)) for name in _RUN_COLUMNS)) for workspace, run in known]
    as_json = json.dumps([{"workspace": workspace, **asdict(run)} for workspace, run in known], indent=2)
    with _printing("The list of runs") as stdout:
        stdout.write(as_json if as_ == "json" else "\n".join(columns([("workspace", *_RUN_COLUMNS), *rows])))
        stdout.write("\n")


@main.command()
@click.argument("stream")
@click.option("--workspace", help="The workspace's id, where the ledger knows the stream in several.")
@click.pass_obj
def export(place: Path | str | None, stream: str, workspace: str | None) -> None:
    """Write a stream's record keys and Intercom ids to stdout, as CSV."""
    with _opened(place) as ledger:
        chosen = _chosen(ledger.read(summaries), stream, workspace)
        with _printing("The export") as stdout:
            writer = csv.writer(stdout, lineterminator="\n")
            writer.writerow([*chosen.keys, "intercom_id"])
            for key, contact in contact_ids(ledger, chosen):
                # CSV has no way to write a NUL that readers agree on (and Python 3.10 refuses to).
                writer.writerow([*(None if part is None else part.replace("\0", "\\x00") for part in key), contact])


@main.command(name="forget")
@click.argument("stream")
@click.option("--workspace", help="The workspace's id, where the ledger knows the stream in several.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget_(place: Path | str | None, stream: str, workspace: str | None, *, yes: bool) -> None:
    """Forget a stream that was renamed.

    The ledger forgets its records, and why contacts have their tags. Nothing is changed in Intercom.
    """
    with _opened(place) as ledger:
        chosen = _chosen(ledger.read(summaries), stream, workspace)
        found = ledger.read(partial(held, chosen.workspace, chosen.stream))
    click.echo(_stake(chosen, found))
    if not yes:
        if not sys.stdin.isatty():
            message = "Nothing was forgotten: without a terminal the command cannot ask. Add --yes"
            raise UsageError(message)
        click.confirm("Forget it?", abort=True)
    try:
        with closing(Database(t.cast("Path | str", place))) as database:
            forget(database, chosen.workspace, chosen.stream)
    except (LedgerError, StreamBusyError) as error:
        raise CommandError(error) from None
    echo(f"Stream '{chosen.stream}' is forgotten")


@main.command(name="vacuum")
@click.pass_obj
def vacuum_(place: Path | str | None) -> None:
    """Make the ledger smaller: forget what is of no use any more.

    Keys of records that were removed 90 days ago and did not come since, and lock files of forgotten streams. Nothing
    is changed in Intercom.
    """
    with _opened(place):
        pass
    try:
        done = vacuum(t.cast("Path | str", place))
    except LedgerError as error:
        raise CommandError(error) from None
    echo(f"Forgotten: {done.keys} keys of removed records, {done.locks} lock files")
    echo(f"The ledger has {_megabytes(done.after)}, before it had {_megabytes(done.before)}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _stake(stream: StreamSummary, found: Held) -> str:
    """Return the text that tells what is forgotten, and what becomes of it."""
    last = stream.finished_at or stream.started_at
    counts = (
        f"{found.contacts} contacts, {found.alone} of them in no other stream; "
        f"{found.tags} tags that no other stream wants"
    )
    head = f"Stream '{stream.stream}' of workspace {stream.workspace}, last run {last}"
    return f"{printable(head)}: {counts}\n{_STAY}"


@contextmanager
def _printing(what: str) -> Iterator[t.TextIO]:
    """Yield stdout, in UTF-8; where it takes nothing the command ends with a sentence, or silently if nobody reads."""
    try:
        with printing(what) as stdout:
            if isinstance(stdout, io.TextIOWrapper):
                stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
            yield stdout
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        raise CommandError(error) from None


def _cell(value: str | float | None) -> str:
    return "-" if value is None else str(value)


def _chosen(known: list[StreamSummary], stream: str, workspace: str | None) -> StreamSummary:
    matching = [one for one in known if one.stream == stream and workspace in {None, one.workspace}]
    match matching:
        case [one]:
            return one
        case []:
            names = ", ".join(sorted({one.stream for one in known})) or "none"
            message = f"The ledger does not know stream '{stream}'. It knows: {names}"
            raise CommandError(message)
        case _:
            names = ", ".join(one.workspace for one in matching)
            message = f"Stream '{stream}' is in several workspaces ({names}): name one with --workspace"
            raise CommandError(message)


@contextmanager
def _opened(place: Path | str | None) -> Iterator[ReadOnlyLedger]:
    """Open a ledger that exists, and is of this version."""
    if place is None:
        message = "There is no ledger: 'ledger_url' is \"none\""
        raise CommandError(message)
    try:
        with closing(ReadOnlyLedger(place)) as ledger:
            ledger.check()
            yield ledger
    except LedgerError as error:
        raise CommandError(error) from None


if __name__ == "__main__":
    main(prog_name="python -m target_intercom.ledger")
