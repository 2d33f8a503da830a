"""Worlds that a history can happen in: the target and the sandbox, real, in this process."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import signal
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from singer_sdk.plugin_base import _ConfigInput

from target_intercom.sandbox import Conditions
from target_intercom.target import TargetIntercom
from tests.soak.clock import SwiftClock, all_follow
from tests.soak.intercom import NOBODY, URL, Intercom, Kill, all_sent_to
from tests.soak.statements import compiled_once
from tests.support.loading import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.soak.histories import Hand, History, Message, Run

CALLS_A_WINDOW = 10**6
GIVEN_UP = frozenset({"other", "in_doubt", "server_error"})
"""Reasons of records on which Intercom kept failing (docs/report.md)."""
_SIGNALLED = 128
INDEXED = 3600.0
"""Seconds after which search shows everything."""


@dataclass(frozen=True)
class World:
    """How runs happen."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """The weather while the target runs; it is fine before and after."""
    comes_twice: bool = False
    """Each run is followed by the same once more, in fine weather; twice if it was cut off. What stands then counts."""
    comes_again: bool = False
    """Each run is followed by itself, as it was, until it has to change nothing, and does not."""
    must_foretell: bool = False
    """Once Intercom refused something, or had somebody archived, that it tells only when asked: any end is right."""
    may_give_up: bool = False
    """Once a record was refused since Intercom kept failing on it, it comes after the others: any end is right."""
    kills: tuple[tuple[int, bool, bool], ...] = ()
    """By run: the call at which it is killed, whether only writes count, whether that is done. It may end before."""
    loses_ledger: bool = False
    """The ledger is lost before each run."""


FINE: Mapping[str, Any] = {"rate_limit": CALLS_A_WINDOW, "bulk_seconds": 0.0, "company_deletion_delay": 0.0}


@dataclass(frozen=True)
class After:
    """What a run left behind."""

    exit_code: int
    contacts: tuple[str, ...]
    """Those that live, without what differs from one workspace to the next."""
    companies: tuple[str, ...]
    """Those that live, each with its people."""
    outcomes: Mapping[str, Mapping[str, Any]]
    """By stream."""
    changes: tuple[str, ...] = ()
    """The calls of the run that changed something, in their order."""
    has_given_up: bool = False
    """A record was refused so far since Intercom kept failing on it."""
    is_surprised: bool = False
    """Intercom has refused something so far, or did not have somebody who was asked for."""

    @property
    def workspace(self) -> tuple[str, ...]:
        """All that lives."""
        return self.contacts + self.companies

    @property
    def rejected(self) -> int:
        """How many records Intercom, or what is known of it, refused."""
        return self._count("rejected")

    @property
    def removes(self) -> bool:
        """Whether the run removed contacts or companies that its records mark."""
        return self._count("archived") + self._count("deleted") > 0

    def _count(self, result: str) -> int:
        return sum(counts.get(result, 0) for counts in self.outcomes.values())


def happen(history: History, world: World) -> list[After]:
    """Run a history in a new world; return what stands after each run."""
    clock = SwiftClock()
    with _quiet(), compiled_once(), all_follow(clock), TemporaryDirectory(prefix="soak-", dir=_folder()) as folder:
        intercom = Intercom(clock, Conditions(**FINE))
        with all_sent_to(intercom):
            return _Happening(world, intercom, clock, Path(folder)).all_of(history)


class _Happening:
    def __init__(self, world: World, intercom: Intercom, clock: SwiftClock, folder: Path) -> None:
        self._world = world
        self._intercom = intercom
        self._clock = clock
        self._folder = folder
        self._ids: list[str] = []
        """Of the contacts that were there first."""
        self._has_given_up = False

    def all_of(self, history: History) -> list[After]:
        for contact in history.there:
            self._ids.append(str(self._intercom.call("POST", "/contacts", contact).get("id", "nobody")))
        self._clock.pass_by(INDEXED)
        return [self.go(number, run, history.settings) for number, run in enumerate(history.runs)]

    def go(self, number: int, run: Run, settings: Mapping[str, Any]) -> After:
        """Run the target once; return what stands then."""
        self._clock.pass_by(run.seconds)
        for hand in run.hands:
            self.use(hand)
        if run.hands:
            self._clock.pass_by(INDEXED)
        if self._world.loses_ledger:
            _lose(self._folder / "ledger.db")
        emails = [contact["email"] for contact in self._intercom.live() if contact["email"]]
        share_emails = len(emails) > len(set(emails))
        conditions = self._intercom.sandbox.conditions
        conditions.change(self._world.conditions)
        kills = self._world.kills
        after = self.load_killed(run, settings, *kills[number]) if number < len(kills) else self.load(run, settings)
        if self._world.comes_twice:
            conditions.change({"fault_rate": 0.0, "bulk_item_fault_rate": 0.0})
            if after.exit_code != 0:
                # What a run leaves to the next one it has to have come to: one that was cut off does not count.
                self.load(run, settings)
            after = self.load(run, settings)
        if self._world.comes_again:
            after = self.load_until_all_is_said(number, run, settings, after, share_emails=share_emails)
        return after

    def load_until_all_is_said(
        self, number: int, run: Run, settings: Mapping[str, Any], after: After, *, share_emails: bool
    ) -> After:
        """Run the target until nothing is left to it; return what the run did that has nothing left.

        What was refused may go through the next time, as others have moved; where rows changed, of those of one
        contact another may have the word a run later (docs/identity.md, "Records that disagree"); and where contacts
        `share_emails`, a mark that is sent again finds the next of them (docs/removals.md).
        """
        if number > 0:
            after = self.load(run, settings)
        before, after = after, self.load(run, settings)
        while after.rejected < before.rejected or (share_emails and after.removes):
            before, after = after, self.load(run, settings)
        return after

    def load_killed(self, run: Run, settings: Mapping[str, Any], call: int, is_write: bool, is_done: bool) -> After:
        """Run the target, and kill it; its files stay as they are at that moment."""
        kept = self._folder.with_name(f"{self._folder.name}-kept")
        self._intercom.kill = Kill(call, is_write, is_done, partial(shutil.copytree, self._folder, kept))
        after = self.load(run, settings)
        self._intercom.kill = None
        if kept.exists():
            shutil.rmtree(self._folder)
            kept.rename(self._folder)
        return after

    def load(self, run: Run, settings: Mapping[str, Any]) -> After:
        """Run the target."""
        config = {
            "access_token": "sandbox",
            "api_url": URL,
            "max_connections": 1,
            "data_dir": str(self._folder),
            **settings,
            **self._world.settings,
        }
        self._intercom.changes.clear()
        code = _loaded(config, lines(self.named(message) for message in run.messages))
        report = json.loads((self._folder / "report.json").read_text(encoding="utf-8"))
        intercom = self._intercom
        contacts = tuple(sorted(map(_shown, intercom.live())))
        companies = tuple(sorted(_company(one, intercom.live()) for one in intercom.companies()))
        reasons = {
            why for counts in report["streams"].values() for why in counts.get("reasons", {}).get("rejected", ())
        }
        self._has_given_up |= not GIVEN_UP.isdisjoint(reasons)
        return After(
            code,
            contacts,
            companies,
            report["streams"],
            tuple(intercom.changes),
            has_given_up=self._has_given_up,
            is_surprised=intercom.has_refused,
        )

    def named(self, message: Message) -> Message:
        """Put the id of a contact that was there where a record names it."""
        named = message.get("record", {}).get("contact")
        if named is None:
            return message
        number = int(named.removeprefix("@"))
        contact = self._ids[number] if number < len(self._ids) else NOBODY
        return {**message, "record": {**message["record"], "contact": contact}}

    def use(self, hand: Hand) -> None:
        if hand.do == "add":
            self._intercom.call("POST", "/contacts", hand.contact)
            return
        live = self._intercom.live()
        if hand.company:
            self.use_company(hand, live)
            return
        meant = [one for one in live if hand.contact.items() <= one.items()]
        if hand.do == "merge":
            leads = sorted((one for one in meant if one["role"] == "lead"), key=_shown)
            users = sorted((one for one in meant if one["role"] == "user"), key=_shown)
            for lead, user in zip(leads[:1], users[:1], strict=False):
                self._intercom.call("POST", "/contacts/merge", {"from": lead["id"], "into": user["id"]})
        for contact in meant if hand.do != "merge" else ():
            method, path = ("DELETE", "") if hand.do == "delete" else ("POST", "/archive")
            self._intercom.call(method, f"/contacts/{contact['id']}{path}", None if hand.do == "delete" else {})

    def use_company(self, hand: Hand, live: Sequence[Mapping[str, Any]]) -> None:
        companies = [one["id"] for one in self._intercom.companies() if one["company_id"] == hand.company]
        for contact in live:
            if hand.contact.items() <= contact.items():
                for company in companies:
                    path = f"/contacts/{contact['id']}/companies"
                    if hand.do == "join":
                        self._intercom.call("POST", path, {"id": company})
                    else:
                        self._intercom.call("DELETE", f"{path}/{company}")


def _loaded(config: Mapping[str, Any], piped: str) -> int:
    """Run the target as its command does; returns the exit code.

    Raises:
        KeyboardInterrupt: a signal came, which is meant for more than this run.
    """
    with redirect_stdout(io.StringIO()):
        try:
            TargetIntercom.invoke(config=_ConfigInput(config=dict(config)), file_input=io.StringIO(piped))
        except SystemExit as end:
            code = int(end.code or 0)
            if code > _SIGNALLED:
                raise KeyboardInterrupt from None
            return code
    return 0


def _shown(contact: Mapping[str, Any]) -> str:
    """Return a contact without ids and times; what is cleared counts as never set."""
    alike = {name: contact[name] or None for name in ("role", "email", "name", "owner_id", "unsubscribed_from_emails")}
    alike["external_id"] = contact["external_id"] if contact["role"] == "user" else None
    alike |= {name: value for name, value in contact["custom_attributes"].items() if value is not None}
    alike["tags"] = sorted(tag.casefold() for tag in contact["tags"]) or None
    return json.dumps({name: value for name, value in sorted(alike.items()) if value is not None})


def _company(company: Mapping[str, Any], live: Sequence[Mapping[str, Any]]) -> str:
    """Return a company without ids and times, with its people's identifiers; what is cleared counts as never set."""
    held = {name: company[name] or None for name in ("company_id", "name", "plan")} | company["custom_attributes"]
    people = [_named(one) for one in live if one["id"] in company["people"]]
    held["people"] = sorted(people) or None
    return json.dumps({name: value for name, value in sorted(held.items()) if value is not None})


def _named(contact: Mapping[str, Any]) -> str:
    return str((contact["role"] == "user" and contact["external_id"]) or contact["email"])


def _folder() -> str | None:
    """Return where files are fast, if there is such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - in a folder of its own there


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the target from saying anything, and from leaving anything of it behind in this process."""
    handlers, hook = logging.root.handlers[:], sys.excepthook
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    logging.disable(logging.CRITICAL)
    try:
        with patch.dict(os.environ, clear=True):  # nothing there is meant for these runs, and each looks through it all
            yield
    finally:
        logging.disable(logging.NOTSET)
        logging.captureWarnings(capture=False)
        logging.root.handlers[:], sys.excepthook = handlers, hook
        with suppress(ValueError):  # beside the main thread nobody has set one
            for number, handler in signals.items():
                signal.signal(number, handler)


def _lose(ledger: Path) -> None:
    """Take a ledger's files away."""
    for path in ledger.parent.glob(f"{ledger.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
