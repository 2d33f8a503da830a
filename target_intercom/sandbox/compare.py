"""`python -m target_intercom.sandbox.compare`: a workspace of yours beside the sandbox, call by call.

Exit code: 0 nothing differs, 2 something does, 1 it could not be compared, or was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from target_intercom.sandbox.comparing.calls import ComparisonError
from target_intercom.sandbox.comparing.playing.connection import Connection
from target_intercom.sandbox.comparing.playing.player import Patience
from target_intercom.sandbox.comparing.playing.waiting import Stop, Stopped, Waiting, WallClock
from target_intercom.sandbox.comparing.results.differences import compare
from target_intercom.sandbox.comparing.results.recording import recording
from target_intercom.sandbox.comparing.results.report import Results, markdown, summary
from target_intercom.sandbox.comparing.results.verdicts import verdicts
from target_intercom.sandbox.comparing.script import SCRIPT
from target_intercom.sandbox.comparing.session import announcement, clean, examine, is_prefix, new_prefix, play
from target_intercom.sandbox.comparing.unknowns import UNKNOWNS
from target_intercom.sandbox.conditions import Conditions
from target_intercom.sandbox.server import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_intercom.sandbox.comparing.calls import Transcript
    from target_intercom.sandbox.comparing.playing.cleaning import Cleaned
    from target_intercom.sandbox.comparing.session import Outcome

EQUAL, FAILED, DIFFERENT = 0, 1, 2
TOKEN = "TARGET_INTERCOM_ACCESS_TOKEN"  # noqa: S105 - the name of a variable
REPORT, RECORDING = "comparison.md", "comparison.jsonl"
_HOSTS = {"us": "https://api.intercom.io", "eu": "https://api.eu.intercom.io", "au": "https://api.au.intercom.io"}
_EVERY = 20


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Return one line, no usage."""
        self.exit(FAILED, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    token = options.token or os.environ.get(TOKEN)
    if not token:
        parser.error(f"no token: give --token, or set {TOKEN}")
    stop = Stop()
    waiting = Waiting(WallClock(), stop)
    connection = Connection(options.api_url or _HOSTS[options.region], token, waiting)
    try:
        if options.clean is not None:
            return _clean(options, connection, stop)
        return _compare(options, connection, stop)
    except ComparisonError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped: nothing is left in the workspace, and nothing was compared.", file=sys.stderr)
    finally:
        connection.close()
    return FAILED


def _compare(options: argparse.Namespace, connection: Connection, stop: Stop) -> int:
    found = examine(connection, options.workspace, None if options.api_url else options.region)
    prefix = new_prefix()
    print(*announcement(found, prefix), sep="\n", flush=True)
    if not options.yes and not _agreed():
        print("Nothing was made.", file=sys.stderr)
        return FAILED
    with _heeding(stop):
        outcome = play(connection, prefix, _patience(options), _tell)
    _say_cleaned(outcome, prefix)
    if outcome.transcript is None or outcome.cleaned is None:
        return _say_unfinished(outcome)
    sandbox = _on_a_sandbox(prefix, _patience(options))
    comparison = compare(SCRIPT, outcome.transcript, sandbox)
    results = Results(
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        calls=connection.calls,
        workspace=outcome.transcript,
        sandbox=sandbox,
        comparison=comparison,
        verdicts=verdicts(UNKNOWNS, SCRIPT, comparison, outcome.transcript),
        cleaned=outcome.cleaned,
    )
    _write(options.output, results)
    print(*summary(results), sep="\n")
    return DIFFERENT if comparison.differences else EQUAL


def _on_a_sandbox(prefix: str, patience: Patience) -> Transcript:
    """Play the same script on a sandbox of its own.

    Raises:
        ComparisonError: It was not finished.
    """
    with SandboxServer(Conditions(bulk_seconds=0)) as server:
        connection = Connection(server.url, server.token, Waiting(WallClock(), Stop()))
        try:
            outcome = play(connection, prefix, patience, lambda _: None)
        finally:
            connection.close()
    if outcome.transcript is None:
        raise ComparisonError(f"The sandbox did not play the script to its end: {outcome.reason}")
    return outcome.transcript


def _clean(options: argparse.Namespace, connection: Connection, stop: Stop) -> int:
    examine(connection, options.workspace)
    with _heeding(stop):
        cleaned = clean(connection, options.clean, _patience(options))
    print(_removed(cleaned))
    print(*_left(cleaned, options.clean), sep="", end="", file=sys.stderr)
    return FAILED if cleaned.left else EQUAL


def _say_cleaned(outcome: Outcome, prefix: str) -> None:
    cleaned = outcome.cleaned
    if cleaned is not None:
        print(_removed(cleaned), flush=True)
        print(*_left(cleaned, prefix), sep="", end="", file=sys.stderr)


def _say_unfinished(outcome: Outcome) -> int:
    if isinstance(outcome.reason, Stopped):
        print("Stopped, so nothing was compared.", file=sys.stderr)
    elif isinstance(outcome.reason, ComparisonError):
        print(outcome.reason, file=sys.stderr)
    elif outcome.reason is not None:
        raise outcome.reason
    return FAILED


def _removed(cleaned: Cleaned) -> str:
    return f"Taken away: {cleaned.counted or 'nothing, as nothing was there'}."


def _left(cleaned: Cleaned, prefix: str) -> list[str]:
    if not cleaned.left:
        return []
    named = ", ".join(cleaned.left)
    return [f"Could not be taken away: {named}.\n", f"Try again with --clean {prefix}\n"]


def _write(folder: Path, results: Results) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT).write_text(markdown(results), encoding="utf-8")
        lines = (json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in recording(results.workspace))
        (folder / RECORDING).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise ComparisonError(f"Cannot write to {folder}: {error.strerror or error}.") from None


def _agreed() -> bool:
    try:
        return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _tell(number: int) -> None:
    if number % _EVERY == 0:
        print(f"{number} of {len(SCRIPT)} steps", file=sys.stderr, flush=True)


@contextmanager
def _heeding(stop: Stop) -> Iterator[None]:
    """Take Ctrl-C and SIGTERM as a wish to stop after the call under way; what was made is taken away then."""

    def ask(*_: object) -> None:
        said = "Still taking away what was made." if stop.is_asked else "Stopping: takes away what was made."
        stop.ask()
        print(said, file=sys.stderr, flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _patience(options: argparse.Namespace) -> Patience:
    return Patience(seconds=options.patience)


def _parser() -> _Parser:
    parser = _Parser(prog="python -m target_intercom.sandbox.compare", description=__doc__)
    add = parser.add_argument
    add("--token", help=f"the access token of a workspace that is for tests; better: {TOKEN} in the environment")
    add("--region", type=str.lower, choices=sorted(_HOSTS), default="us", help="default %(default)s")
    add("--api-url", metavar="URL", help="address to call instead of the region's host: a proxy, another sandbox")
    add("--workspace", metavar="ID", help="the workspace's id; needed where it has more than 1,000 contacts")
    add("--yes", action="store_true", help="do not ask before")
    add("--output", type=Path, default=Path(), metavar="FOLDER", help=f"for {REPORT} and {RECORDING} (default: here)")
    patience = "how long a step is repeated that waits for something, the search index say (default %(default)g)"
    add("--patience", type=float, default=180.0, metavar="SECONDS", help=patience)
    add("--clean", type=_prefix, metavar="PREFIX", help="only take away what a comparison with this prefix left")
    return parser


def _prefix(text: str) -> str:
    """Return a prefix of a comparison: another one may be in the names of others' tags and attributes."""
    if not is_prefix(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no prefix of a comparison, as compare-bcdfghjk-")
    return text


if __name__ == "__main__":
    sys.exit(main())
