"""A comparison from its beginning to its end: whom it may touch, what it says before, and the playing."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_intercom.sandbox.comparing.calls import ComparisonError, get
from target_intercom.sandbox.comparing.playing.cleaning import Cleaner, seek_all
from target_intercom.sandbox.comparing.playing.connection import MOST_CALLS
from target_intercom.sandbox.comparing.playing.made import Made
from target_intercom.sandbox.comparing.playing.player import Player
from target_intercom.sandbox.comparing.script import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.comparing.calls import Exchange, Transcript
    from target_intercom.sandbox.comparing.playing.cleaning import Cleaned
    from target_intercom.sandbox.comparing.playing.connection import Connection
    from target_intercom.sandbox.comparing.playing.player import Patience

MOST_CONTACTS = 1000
"""A workspace with more is not a test workspace, unless its id is given."""

_LETTERS = "bcdfghjkmnpqrstvwxz"
_LENGTH = 8
_UNAUTHORIZED = 401
_FORBIDDEN = 403


@dataclass(frozen=True)
class Examined:
    """The workspace that the token is for.

    Attributes:
        contacts: How many it has.
    """

    id: str
    region: str | None
    contacts: int


@dataclass
class Outcome:
    """What came of a playing. Without a transcript it was not finished, for the reason that is given."""

    transcript: Transcript | None = None
    reason: Exception | None = None
    cleaned: Cleaned | None = None


def new_prefix() -> str:
    """Return a prefix that no workspace has yet."""
    return f"compare-{''.join(secrets.choice(_LETTERS) for _ in range(_LENGTH))}-"


def is_prefix(text: str) -> bool:
    """Return whether a text may be the prefix of a comparison."""
    return re.fullmatch(rf"compare-[a-z]{{{_LENGTH}}}-", text) is not None


def examine(connection: Connection, workspace_id: str | None = None, region: str | None = None) -> Examined:
    """Look at the workspace, and refuse one that may not be meant.

    Raises:
        ComparisonError: The token is refused, region or id are another's, or there are too many contacts.
    """
    app = _read(connection, "/me").answer.get("app") or {}
    lies_in = str(app.get("region") or region).lower()
    if region is not None and lies_in != region:
        raise ComparisonError(f"The workspace lies in another region: give --region {lies_in}. Nothing was made.")
    listed = _read(connection, "/contacts", per_page="1").answer
    found = Examined(str(app.get("id_code")), app.get("region"), int(listed.get("total_count") or 0))
    if workspace_id is not None and workspace_id != found.id:
        raise ComparisonError(f"The token is for the workspace {found.id}, not for {workspace_id}: nothing was made.")
    if workspace_id is None and found.contacts > MOST_CONTACTS:
        raise ComparisonError(
            f"The workspace {found.id} has {found.contacts:,} contacts, so it is hardly one for tests: nothing was"
            f" made. If it is meant, say so with --workspace {found.id}."
        )
    return found


def announcement(found: Examined, prefix: str) -> list[str]:
    """Return what will be done, for somebody who has to agree."""
    return [
        f"Workspace {found.id} (region {found.region or 'unknown'}, {found.contacts:,} contacts).",
        f"Plays {len(SCRIPT)} steps on it, in {MOST_CALLS} calls at most, and then on a sandbox on this machine.",
        f"Makes some 20 contacts, 10 companies, 6 tags and 10 data attributes. All their names begin with {prefix}",
        "At the end, and when you press Ctrl-C, contacts and tags are deleted for good, companies are deleted, which",
        "Intercom calls archiving, and attributes are archived: Intercom deletes neither. Automations of the workspace",
        "may see the contacts meanwhile: use a workspace that is for tests.",
    ]


def play(connection: Connection, prefix: str, patience: Patience, tell: Callable[[int], None]) -> Outcome:
    """Play the script, and take away what it made, whatever comes."""
    made, outcome = Made(prefix), Outcome()
    try:
        outcome.transcript = Player(connection, made, patience).play(SCRIPT, tell)
    except Exception as error:  # noqa: BLE001 - whatever it is, what was made is taken away, and then it is told
        outcome.reason = error
    outcome.cleaned = Cleaner(connection, made, patience).clean()
    return outcome


def clean(connection: Connection, prefix: str, patience: Patience) -> Cleaned:
    """Take away what an earlier comparison with this prefix left."""
    made = Made(prefix)
    seek_all(SCRIPT, made)
    return Cleaner(connection, made, patience, is_thorough=True).clean()


def _read(connection: Connection, path: str, **query: str) -> Exchange:
    exchange = connection.send("examining", get(path, **query))
    if exchange.status == _UNAUTHORIZED:
        raise ComparisonError("The token is refused (401): nothing was made.")
    if exchange.status == _FORBIDDEN:
        raise ComparisonError(f"The token lacks a permission: {exchange.message or exchange.code}.")
    if not exchange.is_done or not isinstance(exchange.answer, dict) or "not_json" in exchange.answer:
        raise ComparisonError(f"GET {path} was answered with {exchange.status}: this is no workspace of Intercom's.")
    return exchange
