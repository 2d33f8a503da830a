"""Takes the pictures in the README and in docs/report.md: `python -m docs.screenshots [--out docs/images]`.

They show a sandbox that the target has loaded with people who do not exist, and the pages that runs have written.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
import unicodedata
from datetime import datetime, timedelta, timezone
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from docs import browser, terminal
from target_intercom.sandbox import Conditions, SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playwright.sync_api import Browser

_LINES = 10
"""Of a terminal, the last ones."""
_COMMAND = "$ tap-customers | target-intercom --config config.json"
_TERMINAL_STYLE = """
body { margin: 0; background: #10141c; width: max-content }
pre { margin: 0; padding: 20px; width: max-content; color: #d5dae3 }
pre { font: 12px/1.5 "DejaVu Sans Mono", "Liberation Mono", monospace }
"""

IMAGES = Path(__file__).parent / "images"
WIDTH = 1200

_FIRST = ("Amara", "Jonas", "Mei", "Ingrid", "Tomás", "Priya", "Łukasz", "Noor", "Diego", "Yuki", "Clara", "Zoë")
_LAST = ("Okafor", "Lindqvist", "Tanaka", "Castillo", "Haddad", "Fischer", "Mensah")
_COMPANIES = ("harbor", "northwind", "fernwood", "quarry", "lumen")
_PLANS = ("Free", "Team", "Business")
_SEGMENTS = ("Newsletter", "Beta testers", "VIP", "Onboarding")
_PEOPLE = 220
_CHANGED = 6
_STATE = {"type": "STATE", "value": {"bookmarks": {"customers": {}}}}
_SIGNED_UP = datetime(2025, 3, 3, 9, 12, 40, tzinfo=timezone.utc)

_TEXT, _NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_SCHEMA = {
    "type": "SCHEMA",
    "stream": "customers",
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "email": _TEXT,
            "name": _TEXT,
            "phone": _TEXT,
            "plan": _TEXT,
            "seats": {"type": ["integer", "null"]},
            "monthly_spend": _NUMBER,
            "on_trial": {"type": ["boolean", "null"]},
            "signed_up_at": _TIME,
            "renews_at": _TIME,
            "segments": {"type": ["array", "null"], "items": _TEXT},
            "account": _TEXT,
        },
    },
}
_ACCOUNTS = {
    "type": "SCHEMA",
    "stream": "accounts",
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "name": _TEXT,
            "plan": _TEXT,
            "size": {"type": "integer"},
            "monthly_spend": _NUMBER,
        },
    },
}
_WITH_ACCOUNTS: dict[str, Any] = {
    "companies_property": "account",
    "streams": {"accounts": {"object": "companies", "mappings": {"id": "company_id"}}},
}


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures (default %(default)s)")
    out: Path = parser.parse_args().out
    executable = browser.find()
    if executable is None:
        parser.exit(1, "There is no Chromium here. On Debian: apt install chromium\n")
    out.mkdir(parents=True, exist_ok=True)
    with browser.running(executable) as chromium:
        shoot_page(chromium, out)
        shoot_terminal(chromium, out)
        shoot_reports(chromium, out)


def shoot_terminal(chromium: Browser, out: Path) -> None:
    """Take the pictures of a run in a terminal: the line that tells how far it is, and its last words."""
    running, ended = terminal.screens()
    shoot_html(chromium, _terminal(running), out / "progress.png")
    shoot_html(chromium, _terminal(ended), out / "summary.png")


def _terminal(screen: str) -> str:
    lines = [_COMMAND, "…", *screen.rstrip().splitlines()[-_LINES:]]
    return f"<style>{_TERMINAL_STYLE}</style><pre>{escape(chr(10).join(lines))}</pre>"


def shoot_page(chromium: Browser, out: Path) -> None:
    """Take the pictures of the sandbox's page: people, a contact, companies, a company and calls."""
    with SandboxServer(clock=_slow_clock()) as sandbox, tempfile.TemporaryDirectory() as folder:
        workers = [_customer(number) | {"account": _COMPANIES[number % len(_COMPANIES)]} for number in range(_PEOPLE)]
        _run(sandbox, Path(folder), [_ACCOUNTS, *_records("accounts", _accounts()), *_told(workers)], **_WITH_ACCOUNTS)
        changed = [_changed(_customer(number)) for number in range(_CHANGED)]
        sandbox.conditions.change({"targeted": [_FULL, _BROKEN]})
        _load(sandbox, Path(folder), changed)
        company = sandbox.workspace.all_companies()[0]
        shown = next(one for one in sandbox.workspace.everyone() if one.external_id == changed[0]["id"])
        # As high as there is something to see, and as the files stay small.
        for name, path, height in (
            ("people", "/", 640),
            ("contact", f"/page/people/{shown.id}", 880),
            ("companies", "/page/companies", 460),
            ("company", f"/page/companies/{company['id']}", 860),
            ("calls", "/page/calls", 640),
        ):
            _shoot(chromium, sandbox.url + path, height, out / f"{name}.png")


def shoot_reports(chromium: Browser, out: Path) -> None:
    """Take the pictures of report.html and plan.html, wide and narrow, light and dark."""
    with (
        SandboxServer(Conditions(rate_limit=30, rate_window=2)) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        place, everyone = Path(folder), list(map(_customer, range(_PEOPLE)))
        for day in range(1, _DAYS):
            _load_all(sandbox, place, everyone[: 60 + 10 * day], snapshot=True)
        changed = [*map(_changed, everyone[:_CHANGED]), *everyone[_CHANGED:150], *map(_broken, everyone[150:156])]
        _load_all(sandbox, place, changed, snapshot=True)
        _shoot_all(chromium, place / "report.html", out)
        # Whoever is missing from the source is removed.
        _load_all(sandbox, place, [*map(_changed, everyone[12:60]), *everyone[60:160]], snapshot=True, dry_run=True)
        _shoot_all(chromium, place / "plan.html", out)


def _shoot_all(chromium: Browser, page: Path, out: Path) -> None:
    for name, width, height in (("wide", 1000, 1250), ("narrow", 400, 900)):
        for scheme in _SCHEMES:
            view = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            view.goto(page.as_uri())
            view.screenshot(path=out / f"{page.stem}-{name}-{scheme}.png")
            view.close()


def shoot_html(chromium: Browser, html: str, path: Path) -> None:
    """Take a picture of a document that is given as text, as large as its content."""
    page = chromium.new_page(viewport={"width": WIDTH, "height": 100})
    page.set_content(html)
    page.locator("body").screenshot(path=path)
    page.close()


def _shoot(chromium: Browser, url: str, height: int, path: Path) -> None:
    page = chromium.new_page(viewport={"width": WIDTH, "height": height})
    page.goto(url)
    page.screenshot(path=path)
    page.close()


# --- what they show ---

_DAYS = 7
"""Runs before the one that is shown."""
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_FULL = {"fault": "429", "method": "PUT", "path": "/contacts/{id}", "times": 1}
_BROKEN = {"fault": "500", "method": "PUT", "path": "/contacts/{id}", "times": 1}


def _slow_clock() -> Callable[[], float]:
    """A clock at a tenth of the pace: the rate-limit window of the loads is still there when the picture is taken."""
    began = time.time()
    window = math.floor(began / 10) * 10
    return lambda: window + 1 + (time.time() - began) / 10


def _load(sandbox: SandboxServer, folder: Path, records: Iterable[dict[str, Any]], **settings: Any) -> None:
    """Load customers."""
    _run(sandbox, folder, _told(records), **settings)


def _told(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_SCHEMA, *_records("customers", records), _STATE]


def _records(stream: str, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "RECORD", "stream": stream, "record": record} for record in records]


def _run(sandbox: SandboxServer, folder: Path, messages: Iterable[dict[str, Any]], **settings: Any) -> None:
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "access_token": sandbox.token,
                "api_url": sandbox.url,
                "mappings": {"id": "external_id"},
                "tags_property": "segments",
                "data_dir": str(folder),
                "max_connections": 1,  # so that the faults befall the first one
                "search_delay_seconds": 1,
                **settings,
            }
        )
    )
    subprocess.run(
        [sys.executable, "-m", "target_intercom", "--config", str(config)],
        input="".join(json.dumps(message) + "\n" for message in messages),
        capture_output=True,
        check=True,
        text=True,
    )


def _load_all(sandbox: SandboxServer, folder: Path, records: Iterable[dict[str, Any]], **settings: Any) -> None:
    """Load the complete table."""
    _load(sandbox, folder, records, sync_mode="sync", max_connections=8, **settings)


def _broken(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"email": f"{record['name']} at home"}


def _accounts() -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "name": f"{name.title()} & Co",
            "plan": _PLANS[place % len(_PLANS)],
            "size": 12 + 31 * place,
            "monthly_spend": 450 * place,
        }
        for place, name in enumerate(_COMPANIES, 1)
    ]


def _customer(number: int) -> dict[str, Any]:
    first, last = _FIRST[number * 7 % len(_FIRST)], _LAST[number * 5 % len(_LAST)]
    moment = _SIGNED_UP + timedelta(hours=number * 31)
    return {
        "id": f"cus_{4100 + number * 3}",
        "email": f"{_ascii(first)}.{_ascii(last)}{number}@{_COMPANIES[number % len(_COMPANIES)]}.example",
        "name": f"{first} {last}",
        "phone": None if number % 3 else f"+1555{number:07}",
        "plan": _PLANS[number * 2 % len(_PLANS)],
        "seats": 1 + number * 13 % 48,
        "monthly_spend": (1 + number * 13 % 48) * 9.5,
        "on_trial": number % 4 == 0,
        "signed_up_at": moment.isoformat(),
        "renews_at": (moment + timedelta(days=730)).isoformat(),
        "segments": [segment for place, segment in enumerate(_SEGMENTS, 2) if number % place == 0],
    }


def _changed(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"plan": "Business", "seats": record["seats"] + 12, "segments": ["Newsletter", "Renewal 2026"]}


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name.replace("Ł", "L")).encode("ascii", "ignore").decode().lower()


if __name__ == "__main__":
    main()
