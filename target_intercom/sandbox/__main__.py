"""`python -m target_intercom.sandbox`: an Intercom workspace on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn

from target_intercom.sandbox import errors
from target_intercom.sandbox.conditions import (
    SCOPES,
    TIMELY_FAULTS,
    BulkAccess,
    CompanyEscaping,
    CompanyLookup,
    CompanyNulls,
    CompanyReturn,
    Conditions,
)
from target_intercom.sandbox.messages import Fault
from target_intercom.sandbox.server import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from enum import Enum

_REGIONS = ("US", "EU", "AU")
_MAX_PORT = 65535


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Return one line, no usage."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    options = parser.parse_args(arguments)
    server = _server(parser, options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    with server:
        print(f"Intercom sandbox on {server.url} (token: {server.token})", flush=True)
        threading.Event().wait()
    return 0


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def _server(parser: _Parser, options: argparse.Namespace) -> SandboxServer:
    try:
        return SandboxServer(
            _conditions(options),
            host=options.host,
            port=options.port,
            allowed_hosts=options.allowed_hosts,
            token=options.token,
            region=options.region,
        )
    except errors.IntercomError as error:
        name = error.field or ""
        parser.error(error.message.replace(name, "--" + name.replace("_", "-"), 1))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        parser.error(f"cannot listen on {options.host}:{options.port}: {reason}")


def _conditions(options: argparse.Namespace) -> Conditions:
    names = {field.name for field in fields(Conditions)}
    given = {name: value for name, value in vars(options).items() if name in names}
    conditions = Conditions()
    conditions.change(given)
    return conditions


def _parser() -> _Parser:
    parser = _Parser(prog="python -m target_intercom.sandbox", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=_port, default=8030, help="0 takes a free one (default %(default)s)")
    allowed = "further names that it may be asked under, of a container for instance"
    add("--allowed-hosts", type=_listed, default=[], metavar="LIST", help=allowed)
    add("--token", default="sandbox", help="the access token (default %(default)s)")
    add("--region", type=str.upper, choices=_REGIONS, default="US", help="where /me says it is")
    _add_conditions(parser)
    return parser


def _add_conditions(parser: _Parser) -> None:
    defaults = Conditions()

    def add(name: str, convert: Any, metavar: str, text: str) -> None:
        default = getattr(defaults, name)
        shown = f"{text} (default {default:g})" if isinstance(default, (int, float)) else text
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=convert, metavar=metavar, help=shown, default=argparse.SUPPRESS)

    timely = ",".join(fault.value for fault in TIMELY_FAULTS)
    add("search_lag", float, "SECONDS", "how far search and list trail behind writes")
    add("rate_limit", int, "CALLS", "calls a window")
    add("rate_window", float, "SECONDS", "length of a window")
    add("latency", float, "SECONDS", "how long each call takes at least")
    add("fault_rate", float, "FRACTION", "share of calls that fail")
    add("faults", _listed, "LIST", f"of {', '.join(Fault)} (default {timely})")
    add("fault_seed", int, "N", "makes the faults repeatable")
    add("fault_timeout", float, "SECONDS", "how long a timeout fault holds the connection")
    add("max_in_values", int, "N", "the most values an IN may have (default: no maximum)")
    add("deny_scopes", _listed, "LIST", f"what the token lacks, of {', '.join(sorted(SCOPES))}")
    add("deletion_delay", float, "SECONDS", "until unarchiving a deleted contact is a 400, not a 500")
    _add_companies(add)
    _add_bulk(add)


def _add_companies(add: Callable[[str, Any, str, str], None]) -> None:
    def choices(known: type[Enum]) -> str:
        return ", ".join(member.value for member in known)

    add("company_deletion_delay", float, "SECONDS", "until a company's deletion takes effect")
    escaping = f"whether names and company_ids of companies are HTML-escaped: {choices(CompanyEscaping)}"
    add("company_escaping", str, "HOW", f"{escaping} (default version: from 2.17 on)")
    lookup = f"which companies GET finds by company_id and name: {choices(CompanyLookup)}"
    add("company_lookup", str, "WHICH", f"{lookup} (default all)")
    nulls = f"what a null does to an attribute of a company: {choices(CompanyNulls)}"
    add("company_nulls", str, "HOW", f"{nulls} (default clear)")
    again = f"what the company_id of a deleted company makes: {choices(CompanyReturn)}"
    add("company_return", str, "HOW", f"{again} (default new)")


def _add_bulk(add: Callable[[str, Any, str, str], None]) -> None:
    ways = ", ".join(access.value for access in BulkAccess)
    add("bulk", str, "HOW", f"whether there are bulk jobs, or how the lack shows: {ways} (default on)")
    add("bulk_seconds", float, "SECONDS", "how long a task of a bulk job takes")
    add("bulk_open_seconds", float, "SECONDS", "how long a bulk job takes further tasks")
    add("bulk_stuck", int, "N", "so many of the tasks to come never end")
    add("bulk_stuck_share", float, "FRACTION", "share of such a task's items that is done all the same")
    add("bulk_item_fault_rate", float, "FRACTION", "share of items that fail for no reason of their own")


def _listed(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {_MAX_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
